/* Several blocks of a tenant into one, in memory that does not grow with them.
 *
 * A row group that is large and shares no trace with another is copied as it is (docs/adr/0008). The
 * others are read in the order of their traces' start, some at a time, and go out as row groups in the
 * same order (docs/adr/0005). Every trace is whole and together in the result: one that stands in several
 * row groups is known before anything is read, and held until its last part has come. Its nested set,
 * root, services and times are those of the whole; of spans with the same id and kind the first stays.
 *
 * Memory: three row groups of rows (about 35 MiB, or a third of what the budget has left), the row group
 * under way (about 15 MiB), 8 MiB to copy one, 32 bytes for each trace that stands in several row groups, and
 * what such traces hold while they wait; a trace larger than that is held whole. All of it is reserved from
 * the budget first.
 * Threads: one owner; readers may be shared. Source: docs/block-format.md.
 */
#pragma once

#include "vivace/block/builder.h"
#include "vivace/block/reader.h"

#define BLOCK_MERGE_INPUTS_MAX 64

struct block_merge_options {
    struct block_reader *const *inputs;
    size_t input_count; /* 1..BLOCK_MERGE_INPUTS_MAX */
    slice tenant;
    struct budget *budget;   /* may be NULL */
    int zstd_level;          /* 0 = 1 */
    uint32_t row_group_rows; /* 0 = 65536 */
    uint32_t page_rows;      /* 0 = 8192 */
    /* Asked every few milliseconds of work, on the caller's thread; may wait there. What it returns but OK
     * ends the merge. May be NULL. */
    err (*step)(void *ctx, struct fault *f);
    void *ctx;
};

struct block_merge_stats {
    uint64_t read_bytes, spans_read;
    uint64_t spans_copied, groups_copied; /* of these: in row groups that went out as they were */
    uint64_t combined_traces;             /* stood in several row groups */
    uint64_t duplicate_spans;             /* left out */
    uint64_t waits_cut; /* times that so much waited that the rest was fetched ahead of its turn */
    size_t bad_input;   /* after ERR_CORRUPT: which one; else input_count */
};

/* Write the merged block below p->dir as block_builder_publish does, with its id, level and sources. What
 * stands in the inputs is checked on the way: ERR_CORRUPT names the input, whose caller sets it aside.
 * ERR_LIMIT: the budget refuses, or more than a million traces stand in several row groups. `*ret` is the
 * caller's to fini. */
CHECKED err block_merge(const struct block_merge_options *o, const struct block_publish *p, struct fault *f,
                        struct block_meta *ret, struct block_merge_stats *ret_stats);
