/* Writing a built block: rows are gathered to chunks, each column of a chunk is handed to Parquet.
 *
 * order.c: which traces and rows follow each other. columns.c: row groups, chunks. emit_rows.c, emit.c,
 * services.c: one chunk and its columns. values.c: vectors into pages.
 */
#pragma once

#include "builder_priv.h"

#define CHUNK_ROWS  1024              /* rows gathered at a time: their structs stay in the L2 cache */
#define CHUNK_BYTES ((size_t)4 << 20) /* and about this much of their values */

/* A leaf column that is written. */
struct target {
    int32_t column; /* leaf in the file, -1 = it has none */
    enum column_policy policy;
    enum value_kind kind; /* of an attribute column */
    enum block_scope scope;
    bool bad;            /* holds what is not UTF-8 */
    bool dictionary;     /* POLICY_STRING: decided by the sample */
    uint64_t distinct;   /* about how many values a row group has, for its Bloom filter */
    struct id_map codes; /* string -> code of the open row group */
    uint32_t code_count;
    uint64_t sampled; /* values seen by the sample; distinct ones are in code_count */
    /* attribute columns: values of the chunk */
    uint32_t *ids;   /* of strings */
    uint64_t *cells; /* of anything else */
    uint32_t *at;    /* owners; NULL for spans */
    uint8_t *def;    /* of spans: a level for each, 0 but for owners */
    size_t count, cap;
};

/* Events or links of a chunk. */
struct owners {
    size_t count; /* owners */
    size_t level_count, cap;
    uint8_t *def, *rep; /* of each level; zero behind level_count */
    uint32_t *levels;   /* owner -> level */
    bool repeated;      /* some row has more than one */
};

struct generic_item {
    uint64_t cell;
    uint32_t owner, key;
    uint32_t level; /* of the list's leaves */
    uint8_t kind;
};

struct generic_items {
    struct generic_item *items;
    size_t count, cap;
};

struct vectors { /* scratch of one column; grown together */
    uint32_t *ids, *codes;
    slice *slices;
    int64_t *i64; /* also doubles */
    int32_t *i32;
    uint8_t *bytes; /* bools and fixed values, 16 a value */
    size_t cap;
    uint8_t *def, *rep;
    size_t level_cap;
};

/* The fixed columns of a chunk, filled row by row while a row is in the cache. */
struct chunk_rows {
    int64_t start[CHUNK_ROWS], duration[CHUNK_ROWS];
    int32_t kind[CHUNK_ROWS], status[CHUNK_ROWS], flags[CHUNK_ROWS], left[CHUNK_ROWS], right[CHUNK_ROWS];
    int32_t parent_left[CHUNK_ROWS], children[CHUNK_ROWS], batch_start[CHUNK_ROWS];
    int32_t dropped_attrs[CHUNK_ROWS], dropped_events[CHUNK_ROWS], dropped_links[CHUNK_ROWS];
    uint32_t name[CHUNK_ROWS], order[CHUNK_ROWS];
    uint32_t status_message[CHUNK_ROWS], trace_state[CHUNK_ROWS];
    span_id ids[CHUNK_ROWS], parents[CHUNK_ROWS]; /* parents: those there are */
    uint8_t has_parent[CHUNK_ROWS];
    size_t count, parent_count, bytes;
    /* Traces and scopes: each once, and which of them every row has. What a trace, a resource or a scope says
     * is looked up for each of these and then shared by the rows. */
    const struct held_trace *traces[CHUNK_ROWS];
    uint32_t trace_of_row[CHUNK_ROWS], trace_count;
    uint32_t scope_of_row[CHUNK_ROWS], scopes[CHUNK_ROWS], scope_count;
    uint32_t *number;           /* by scope: where it stands in `scopes`, if it does */
    uint32_t value[CHUNK_ROWS]; /* scratch of one column: by scope, the value it has */
    uint32_t pick[CHUNK_ROWS];  /* by value of the column: which of the shared values it is */
    uint32_t ids_of[CHUNK_ROWS], codes_of[CHUNK_ROWS]; /* shared values */
    int64_t longs_of[CHUNK_ROWS];
};

/* Of the traces that begin in the chunk: how many spans and errors each of their services has. */
struct chunk_services {
    uint32_t *ids;
    int32_t *spans, *errors;
    uint8_t *def, *rep; /* zero behind level_count */
    size_t count, cap, level_count, level_cap;
    uint32_t *number; /* by resource: its service's */
    struct service_seen {
        uint64_t trace; /* serial number of the trace that had it last */
        size_t at;
    } * seen; /* by number */
    uint64_t trace;
};

struct block_writer {
    struct block_builder *b;
    struct parquet_schema *schema;
    struct parquet_writer *out; /* NULL while sampling */
    struct fault *f;
    struct target *targets; /* fixed columns, then attribute columns */
    size_t target_count;
    struct row **sorted; /* all rows in the order they are written, and ROWS_AHEAD copies of the last */
    struct held_event **events; /* of the chunk, and their spans' order */
    struct held_link **links;
    size_t event_cap, link_cap;
    struct owners event_owners, link_owners;
    struct generic_items generic[3]; /* by BLOCK_SPAN, BLOCK_EVENT, BLOCK_LINK */
    struct chunk_rows *rows;
    struct chunk_services services;
    struct vectors v;
    struct tree tree;
    const struct held_trace *last_trace; /* of the open row group */
    uint32_t trace_codes;
    char *hex; /* trace ids of a chunk */
    uint64_t page_rows, page_bytes, group_rows, group_bytes;
    uint32_t *seen_resources; /* row group number + 1 that last held it */
    uint32_t group;
    uint64_t row_count, trace_count;         /* the whole file will have about as many */
    err (*step)(void *ctx, struct fault *f); /* asked once a trace; NULL: never */
    void *step_ctx;
    bool even; /* row groups of about the same size, rather than full ones and a rest */
};

/* Levels of one column of a chunk. */
struct levels {
    size_t count;
    const uint8_t *def, *rep;
    uint8_t def_level; /* when def is NULL */
};

/* --- columns.c: a file of one builder, or of several after each other; `w` begins as zero but for b, f,
 * row_count, trace_count --- */

/* Schema and targets of the plan's columns. Who calls sets the targets' `dictionary` and `distinct` then. */
CHECKED err writer_prepare(struct block_writer *w, const struct schema_plan *plan);
/* Open the file. */
CHECKED err writer_open(struct block_writer *w, const struct parquet_sink *sink);
/* Go on with a builder, whose fields' `chosen` are those of the plan; sorts `order`. Between row groups. */
void writer_use(struct block_writer *w, struct block_builder *b, struct held_trace **order, size_t n);
/* Write the traces that use was given, as row groups of their own. */
CHECKED err writer_write(struct block_writer *w, struct held_trace **order, size_t n);
CHECKED err writer_end(struct block_writer *w, const struct block_meta *meta);
void writer_fini(struct block_writer *w);

/* --- order.c --- */

/* Put traces in the order in which they are written, mark where row groups end, and fill w->sorted. */
void writer_order(struct block_writer *w, struct held_trace **order, size_t n);

/* --- emit.c --- */

/* Append every column of the chunk, and empty it. */
CHECKED err emit_chunk(struct block_writer *w);
/* Events and links of the row that is taken. */
void take_lists(struct block_writer *w, const struct row_more *more);
/* The cells of an owner to their targets; what has none goes to `generic` (NULL: nowhere). */
void scatter(struct block_writer *w, uint32_t owner, uint32_t shape, const uint32_t *cells,
             struct generic_items *generic);
CHECKED err put_cells(struct block_writer *w, struct target *t, struct levels l, const uint64_t *cells,
                      size_t n, enum value_kind kind);

/* --- emit_rows.c --- */

/* Take the k-th row of a trace that w->tree holds into the chunk: its columns and its attributes. */
void rows_take(struct block_writer *w, const struct row *row, const struct held_trace *trace, uint32_t k);
/* The fixed columns of spans, scopes and resources. */
CHECKED err emit_rows(struct block_writer *w);
/* A column of a resource's or a scope's attribute. */
CHECKED err emit_context_attr(struct block_writer *w, struct target *t);

/* --- services.c --- */

/* Services of b's resources: when the writer goes on with another builder. */
void services_use(struct chunk_services *s, const struct block_builder *b);
void services_fini(struct chunk_services *s);
/* The next row of the chunk is the first of this trace, which has these rows; or it goes on with one. */
void services_take(struct chunk_services *s, const struct block_builder *b, struct row *const *rows,
                   uint32_t n);
void services_skip(struct chunk_services *s);
CHECKED err emit_services(struct block_writer *w);

/* --- values.c: `t` is a target; n values for the entries whose definition level is the highest --- */

void vectors_reserve(struct vectors *v, size_t values, size_t levels);
void vectors_fini(struct vectors *v);
CHECKED err put_ids(struct block_writer *w, struct target *t, struct levels l, const uint32_t *ids, size_t n);
/* The same for values ids[pick[0]], ids[pick[1]], ...: the work of `distinct` values, spread over n. */
CHECKED err put_picked(struct block_writer *w, struct target *t, struct levels l, const uint32_t *ids,
                       size_t distinct, const uint32_t *pick, size_t n);
CHECKED err put_picked_i64(struct block_writer *w, struct target *t, struct levels l, const int64_t *v,
                           size_t distinct, const uint32_t *pick, size_t n);
CHECKED err put_i64(struct block_writer *w, struct target *t, struct levels l, const int64_t *v, size_t n);
CHECKED err put_i32(struct block_writer *w, struct target *t, struct levels l, const int32_t *v, size_t n);
CHECKED err put_f64(struct block_writer *w, struct target *t, struct levels l, const double *v, size_t n);
CHECKED err put_bools(struct block_writer *w, struct target *t, struct levels l, const uint8_t *v, size_t n);
CHECKED err put_fixed(struct block_writer *w, struct target *t, struct levels l, const uint8_t *v, size_t n);
/* The trace id column: codes are given out trace by trace. */
CHECKED err put_traces(struct block_writer *w);
