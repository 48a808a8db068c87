/* Checking one block against itself: what is known of the block under way, and where problems go. */
#pragma once

#include "blocks.h"

#include "vivace/block/reader.h"

#define VERIFY_PROBLEMS_MAX 100 /* told one by one; the rest is counted */
/* What a file may cost to read: bytes after decompression, and 8 for each value. A block of ours takes some
 * hundred for each byte of it; a hostile file unpacks to thousands, or names the same pages again and again.
 */
#define VERIFY_WORK_BASE     (UINT64_C(16) << 30)
#define VERIFY_WORK_PER_BYTE 4096

struct verify {
    const char *path; /* of the block */
    const struct block_meta *meta;
    struct block_reader *reader;
    const struct parquet_file *file;
    const struct block_schema *schema;
    bool gone; /* removed since it was listed: by the server, no fault */
    uint64_t problem_count;
    struct buf problems; /* "place\0text\0" one after another */
    uint64_t pages, values, spans, traces;
    uint64_t work, work_max; /* 0: by the size of the file */
    bool *unfit;             /* by row group: its rows are not looked at */
};

/* A problem at a place: "row group 0, column name, page 3". */
void verify_problem(struct verify *v, const char *place, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* False when that is more than the file may cost: told once, and nothing more of it is read. */
bool verify_spend(struct verify *v, uint64_t work);

/* All of it; path, meta, reader and problems are set. */
void verify_run(struct verify *v);
/* The directory of what is where: regions of the file, footer against meta.json. */
void verify_file(struct verify *v);
/* Every page of every column: checksum, values, indexes, bounds, filters. */
void verify_columns(struct verify *v);
/* Every row as a span; order, times, trees and summaries of traces. */
void verify_rows(struct verify *v);

/* Do the attribute columns of resources and scopes hold what `b`, the spans of rows [from, from + n) of a row
 * group, has? `c` is used for reading. */
CHECKED err verify_attr_columns(struct verify *v, struct parquet_column *c, size_t group, uint64_t from,
                                const struct span_batch *b, struct fault *f);

/* --- one trace's tree (verify_tree.c) --- */

struct tree_row {
    span_id id, parent;
    int32_t left, right, parent_left, children;
    bool may_hang; /* no parent, but a link that stands in for one */
};

/* NULL when the nested sets of a trace's rows are right, else a static text. `*ret_row`: where. */
const char *tree_check(const struct tree_row *rows, size_t n, size_t *ret_row);
