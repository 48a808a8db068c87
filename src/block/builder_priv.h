/* What the builder holds between add and publish.
 *
 *   row (in order of arrival) -> trace, shape and cells, scope -> resource, events, links
 *
 * A shape is the ordered list of an owner's attributes without their values; its cells are the values: one
 * word for a string number or a bool, two for an int or a double, none for an empty value. Rows, cells,
 * events and links live in one arena, freed at once.
 */
#pragma once

#include "intern.h"
#include "schema_priv.h"

#include "vivace/base/table.h"
#include "vivace/block/builder.h"

/* A key with a kind on one scope: what may become a column. */
struct field {
    enum block_scope scope;
    enum value_kind kind;
    uint32_t key;   /* string */
    uint64_t count; /* owners that have it */
    int32_t chosen; /* set at publish: position among the attribute columns, -1 = none */
    bool bad;       /* some value is not UTF-8 */
    bool many;      /* of a resource: too many values for a column */
};

struct shape_attr {
    uint32_t field;
    uint32_t cell;  /* first word in the owner's cells */
    int32_t target; /* set at publish: index in writer->targets, -1 = the generic list */
    uint8_t kind;
    bool repeated; /* the key and kind were there before: the value goes to the generic list */
};

struct shape {
    uint32_t order; /* string: its encoding, docs/block-format.md */
    uint32_t attr_count, cell_count;
    uint64_t owners;
    struct shape_attr *attrs;
    enum block_scope scope;
};

struct held_event {
    uint64_t time_ns;
    uint32_t name, dropped, shape;
    uint32_t *cells;
};

struct held_link {
    trace_id trace;
    span_id span;
    uint32_t state, flags, dropped, shape;
    uint32_t *cells;
};

/* What few spans have. */
struct row_more {
    struct held_event *events;
    struct held_link *links;
    uint32_t event_count, link_count;
    uint32_t dropped_attrs, dropped_events, dropped_links;
    uint32_t status_message, trace_state;
};

struct row {
    uint32_t *cells;
    struct row_more *more; /* or NULL */
    uint64_t start_ns, end_ns;
    span_id id, parent;
    uint32_t name, shape, scope, flags;
    int32_t kind, status;
    uint32_t trace; /* position in traces, or ROW_DROPPED */
    uint32_t bytes; /* about what it takes in pages */
    uint8_t batch_start;
};

struct held_trace {
    trace_id id;
    uint32_t rows;
    uint32_t first_row;                          /* set at publish: its first row among those in order */
    uint32_t batch, batch_scope, batch_resource; /* of the last row: does the next one go on with it? */
    uint64_t min_start_ns, max_end_ns;
    uint32_t root_name, root_service; /* strings, set at publish */
    bool ends_slice;                  /* set at publish: the last of its row group */
};

struct held_scope {
    uint32_t resource, raw, name, version, shape;
    uint32_t *cells;
};

struct held_resource {
    uint32_t raw, json, service, shape;
    uint32_t *cells;
};

#define ROW_CHUNK     512 /* rows in one piece of memory */
#define SHAPE_GUESSES 256
#define ROW_DROPPED   UINT32_MAX

struct block_builder {
    char tenant[BLOCK_TENANT_MAX + 1];
    struct block_builder_options options;
    size_t reserved; /* of the budget */
    struct intern strings;
    struct arena arena;
    uint32_t *cell_at, *cell_end; /* free part of the open chunk of cells */
    struct id_table trace_ids;    /* position in traces + 1 */
    struct held_trace *traces;
    size_t trace_count, trace_cap;
    struct row **row_chunks;
    size_t row_chunk_cap;
    struct shape *shapes;
    size_t shape_count, shape_cap;
    struct id_map shape_of[BLOCK_SCOPE_COUNT]; /* order string -> shape */
    uint32_t shape_guess[SHAPE_GUESSES];       /* by a rough hash of attributes: shape + 1, or 0 */
    struct field *fields;
    size_t field_count, field_cap;
    struct id_map field_of[BLOCK_SCOPE_COUNT][VALUE_BYTES + 1]; /* key -> field */
    struct held_resource *resources;
    struct held_scope *scopes;
    size_t resource_count, resource_cap, scope_count, scope_cap;
    struct id_table resource_ids; /* raw string -> resource + 1 */
    struct id_table scope_ids;    /* raw string, resource -> scope + 1 */
    uint32_t *batch_scopes;       /* of the batch under way: index in scopes */
    uint32_t *batch_traces;       /* and of its spans: index in traces */
    size_t batch_scope_cap, batch_trace_cap;
    struct buf order, raw; /* scratch */
    uint32_t batch;
    uint64_t row_count, min_start_ns, max_end_ns;
    uint32_t service_key; /* string "service.name" */
    bool bad_text;        /* a fixed text column holds what is not UTF-8 */
    bool spent;
};

/* What the tree of a trace is made of, next to each other. */
struct tree_span {
    uint64_t start_ns;
    span_id id, parent;
    int32_t kind;
    uint32_t row; /* position among the trace's rows */
};

/* A span's place in the tree of its trace. */
struct nested_set {
    int32_t left, right, parent_left, children;
};

/* Scratch of trace_summarise: a trace's spans by position. Zero to begin with. */
struct tree {
    struct tree_span *spans;                              /* by start, then id */
    struct nested_set *sets;                              /* the result, by row */
    uint32_t *parent, *first_child, *next_sibling, *twin; /* positions, or UINT32_MAX */
    uint32_t *slots;                                      /* by span id: position + 1 of the first with it */
    uint32_t count, cap, slot_count;
    uint64_t seed; /* of the process */
};

void tree_fini(struct tree *t);
/* Root and nested set of a trace from its rows: fills what the struct says is set at publish, and t->sets.
 * ROWS_AHEAD more entries of `rows` are looked at, for the cache: they must be there. */
#define ROWS_AHEAD 16
void trace_summarise(const struct block_builder *b, struct tree *t, struct held_trace *trace,
                     struct row *const *rows);

/* Choose the attribute columns; fills each field's `chosen`. */
void builder_select(struct block_builder *b, struct schema_plan *ret);

/* The rules of it, for who plans without a builder: does an attribute with `count` values occur often; how
 * many columns a scope may have; engines that fold names' case must not meet two columns of one name. */
bool select_is_often(uint64_t count, uint64_t owners, uint64_t rows);
extern const size_t select_scope_max[BLOCK_SCOPE_COUNT];
bool select_name_is_free(const struct schema_attr *chosen, size_t n, const struct schema_attr *want,
                         bool *ret_suffixed);

/* --- for rows that come from columns instead of batches (builder.c) --- */

CHECKED err builder_reserve(struct block_builder *b, size_t want, struct fault *f);
/* The number of a fixed column's text. */
uint32_t builder_text(struct block_builder *b, slice s);
uint32_t *builder_cells(struct block_builder *b, size_t n);
/* Of the attributes only keys and kinds are looked at. */
uint32_t builder_shape(struct block_builder *b, enum block_scope scope, const struct attr *attrs, uint32_t n);
CHECKED err builder_resource(struct block_builder *b, const struct span_batch *batch, uint32_t i,
                             uint32_t *ret);
CHECKED err builder_scope(struct block_builder *b, const struct span_batch *batch, uint32_t i,
                          uint32_t resource, uint32_t *ret);
/* A trace without rows at the end of b->traces; trace_ids does not know it. */
size_t builder_new_trace(struct block_builder *b, const trace_id *id);
/* Zeroed, the last in order of arrival. */
struct row *builder_new_row(struct block_builder *b);

/* --- the same from stored bytes (take.c): ERR_CORRUPT for what no writer wrote --- */

CHECKED err take_shape(struct block_builder *b, enum block_scope scope, slice order, struct fault *f,
                       uint32_t *ret);
/* One resource and one scope into an empty batch; `body` holds what its slices point to. */
CHECKED err take_context(slice resource_raw, slice scope_raw, struct buf *body, struct span_batch *batch,
                         struct fault *f);
CHECKED err take_scope(struct block_builder *b, slice resource_raw, slice scope_raw, struct fault *f,
                       uint32_t *ret);

/* --- writing (columns.c, publish.c, twice.c) --- */

/* The traces, in their order, in which a span id stands more than once. Room for all of them in `ret`;
 * returns how many. 8 bytes a row and 4 a trace meanwhile. No row was dropped yet. */
size_t builder_find_twice(struct block_builder *b, struct held_trace **ret);

struct parquet_sink;
/* Write the whole file to the sink. */
CHECKED err builder_write(struct block_builder *b, const struct block_meta *meta,
                          const struct parquet_sink *sink, struct fault *f);

/* Who writes spans.parquet: may still change what `meta` says of the spans. */
struct spans_writer {
    void *ctx;
    err (*write)(void *ctx, struct block_meta *meta, const struct parquet_sink *sink, struct fault *f);
};
/* What meta.json says of a block before its spans are known. ERR_INVALID: too many sources. */
CHECKED err publish_meta(slice tenant, const struct block_publish *p, struct fault *f,
                         struct block_meta *ret);
/* Write the block `meta->id` below `dir`, as block_builder_publish says; fills meta->bytes. */
CHECKED err block_write_dir(const char *dir, struct block_meta *meta, const struct spans_writer *spans,
                            struct fault *f);

/* One more span of the trace. It ends where it starts when it says that it ends before. */
static inline void
trace_count_times(struct held_trace *t, uint64_t start_ns, uint64_t end_ns)
{
    end_ns = end_ns > start_ns ? end_ns : start_ns;
    t->min_start_ns = start_ns < t->min_start_ns ? start_ns : t->min_start_ns;
    t->max_end_ns = end_ns > t->max_end_ns ? end_ns : t->max_end_ns;
}

/* In order of arrival. */
static inline struct row *
builder_row(const struct block_builder *b, uint64_t i)
{
    return &b->row_chunks[i / ROW_CHUNK][i % ROW_CHUNK];
}

static inline size_t
kind_cells(enum value_kind kind)
{
    return kind == VALUE_NONE ? 0 : kind == VALUE_INT || kind == VALUE_DOUBLE ? 2 : 1;
}
