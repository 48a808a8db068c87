/* Reading rows back. */
#pragma once

#include "vivace/block/reader.h"

#include <stdatomic.h>

struct trace_filter;

struct block_reader {
    char *name; /* for messages */
    int fd;     /* -1 with a source of the caller's */
    struct parquet_source source;
    struct parquet_meta *meta;
    struct parquet_file file;
    struct arena arena; /* of the schema */
    struct block_schema schema;
    _Atomic(struct trace_filter *) *filters; /* by row group: NULL until it was read */
    size_t filter_bytes;                     /* of all of them */
    _Atomic uint64_t *firsts; /* a bit for each row group and attribute column: block_reader_holds_first */
    size_t first_words;
};

/* Once the footer and the schema are there. */
void trace_filters_init(struct block_reader *r);
void trace_filters_fini(struct block_reader *r);

/* A source that counts what is read through it. */
struct counted_source {
    struct parquet_source inner;
    uint64_t bytes;
    slice ahead; /* bytes of the file that are at hand, from `ahead_off` on */
    uint64_t ahead_off;
};

/* `file` reads through `c` from now on. */
void counted_open(struct counted_source *c, const struct block_reader *r, struct parquet_file *ret_file);

/* Read a part of the file at once that many small reads will ask for. It lives in `a`. */
CHECKED err counted_read_ahead(struct counted_source *c, uint64_t off, size_t n, struct arena *a,
                               struct fault *f);

/* One leaf column over a range of rows. Byte values are copies. */
struct leaf {
    uint8_t *def, *rep; /* NULL as in parquet_vector, for the whole range */
    size_t level_count;
    struct parquet_values values;
    uint8_t max_def;
    bool loaded;
    /* by owner (an entry whose definition level is owner_def or more): its value, UINT32_MAX = null */
    uint32_t *value_of;
    size_t owner_count;
};

struct leaf_request {
    const struct parquet_file *file;
    struct parquet_column *column;
    size_t row_group;
    uint64_t from, to;
    struct arena *scratch; /* levels, values, indexes */
    struct fault *f;
};

/* Load `leaf` and index it by the owners at `owner_def`. Bytes go to `bytes`. */
CHECKED err leaf_load(const struct leaf_request *q, int32_t leaf, uint8_t owner_def, struct arena *bytes,
                      struct leaf *ret);

/* What the last row belongs to, so that a trace may go on in the next row group. Zero to begin with; slices
 * live in the request's scratch arena. */
struct row_context {
    bool open;
    slice resource_raw, scope_raw;
};

/* Append the spans of the rows; on an error `out` is as it was. `trace`: the id of all these rows, when it is
 * known already (its column is not read then), or NULL. */
CHECKED err rows_read(struct leaf_request *q, const struct block_schema *schema, const trace_id *trace,
                      struct row_context *context, struct span_batch *out);
