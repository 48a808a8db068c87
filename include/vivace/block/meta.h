/* What a lister must know of a block without opening it: meta.json.
 *
 * Threads: plain values. Source: docs/block-format.md.
 */
#pragma once

#include "vivace/base/buf.h"

#define BLOCK_VERSION     "vivace1" /* of the schema; a reader refuses any other */
#define BLOCK_UUID_TEXT   36
#define BLOCK_SOURCES_MAX 4096 /* segments one block may name */
#define BLOCK_INPUTS_MAX  1024 /* blocks one block may replace */
#define BLOCK_META_MAX    (1U << 20)
#define BLOCK_TENANT_MAX  150

typedef struct block_uuid {
    uint8_t b[16];
} block_uuid;

/* The part of a WAL segment whose records of this tenant are in the block. A segment may be written as
 * several blocks; it is done when their ranges reach its end. */
struct block_source {
    block_uuid segment;
    uint64_t from, to; /* offsets in the segment */
};

struct block_meta {
    block_uuid id;
    char tenant[BLOCK_TENANT_MAX + 1];
    uint64_t spans, traces;
    uint64_t min_start_ns, max_end_ns; /* of its spans; both 0 when it has none */
    uint64_t bytes;                    /* of spans.parquet */
    uint32_t level;                    /* 0: from a segment, else 1 + the highest level it was compacted of */
    int64_t created_ns;                /* unix */
    uint32_t source_count;
    struct block_source *sources; /* owned: block_meta_fini */
    uint32_t input_count;
    block_uuid *inputs; /* the blocks it replaces, each as a whole; owned */
};

void block_meta_fini(struct block_meta *m);
/* Append as JSON. */
CHECKED err block_meta_write(const struct block_meta *m, struct buf *out);
/* ERR_CORRUPT for anything that is not a meta.json of this version, ERR_UNSUPPORTED for another version.
 * Unknown members are skipped. */
CHECKED err block_meta_read(slice json, struct fault *f, struct block_meta *ret);

/* 36 characters and a NUL. */
void block_uuid_format(const block_uuid *id, char ret[BLOCK_UUID_TEXT + 1]);
/* Lower or upper case; false for anything else. */
bool block_uuid_parse(slice text, block_uuid *ret);
block_uuid block_uuid_new(void);
