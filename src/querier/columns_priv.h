/* What the files of the vector layer share. */
#pragma once

#include "columns.h"

#include "vivace/base/table.h"

/* A leaf column of the row group as it stands in the file. */
struct raw_column {
    bool loaded;
    uint8_t max_def, max_rep;
    enum parquet_type type;
    size_t level_count;
    const uint64_t *present;  /* of a column that has an entry a row: a bit each; NULL: every entry is */
    const uint8_t *def, *rep; /* of a list; NULL: every entry is present; every entry begins a row */
    size_t value_count;
    const uint32_t *codes;        /* NULL: `values` holds one for each */
    struct parquet_values values; /* the dictionary when coded */
};

/* Has it an entry a row, so that levels are bits? */
static inline bool
raw_is_flat(const struct raw_column *raw)
{
    return raw->max_rep == 0 && raw->max_def <= 1;
}
static inline uint8_t
raw_def(const struct raw_column *raw, size_t i)
{
    return raw->present ? (uint8_t)mask_has(raw->present, i) : raw->def ? raw->def[i] : raw->max_def;
}

/* Whose values a column holds: rows (0), events (1), links (2), as in enum block_scope. The definition level
 * at which an owner is there, and that of an item of its generic list. */
enum owner { OWNER_ROW, OWNER_EVENT, OWNER_LINK };
static inline uint8_t
owner_def(enum owner owner)
{
    return owner == OWNER_ROW ? 0 : 1;
}
static inline uint8_t
item_def(enum owner owner)
{
    return (uint8_t)(owner_def(owner) + 1);
}

struct context_list;

struct group_scan_private {
    const struct block_schema *schema;
    struct parquet_file file; /* reads through `source` */
    struct parquet_source source;
    uint64_t *bytes_read;
    struct parquet_scratch *scratch;
    struct parquet_column *column;
    const struct query_guard *guard;
    struct budget *budget;
    size_t reserved;
    struct arena arena; /* of the row group */
    struct slot_vector **slots;
    struct slot_vector *columns[BLOCK_COLUMN_COUNT]; /* fixed ones as vectors */
    struct raw_column raw[BLOCK_COLUMN_COUNT];
    struct group_parts parts[2]; /* events, links */
    bool has_parts[2], has_traces, has_services;
    struct group_traces traces;
    struct slot_vector services;
    const uint64_t *starts;
    const int64_t *durations;
    const span_id *span_ids;
    struct context_list *resources, *scopes;
    struct tql_static *line, *stack; /* of programs run on single rows */
    /* what raw_may_hold was asked last */
    int32_t held_leaf;
    slice held_value;
    bool held, held_known;
    uint64_t ticks;
};

/* --- columns.c --- */

static inline err
scan_no_memory(struct fault *f)
{
    return FAULT(f, ERR_LIMIT, "the memory for queries is used up, ask for less or try again");
}
CHECKED static inline err
scan_corrupt(const struct group_scan *s, const char *what, struct fault *f)
{
    return FAULT(f, ERR_CORRUPT, "row group %zu: %s", s->row_group, what);
}
/* Memory until the next open; NULL when refused. */
void *scan_alloc(struct group_scan *s, size_t count, size_t size);
/* Every 1024th call looks at the guard. */
CHECKED err scan_tick(struct group_scan *s, struct fault *f);
/* What the arena and the column reader hold, in the budget. */
CHECKED err scan_account(struct group_scan *s, struct fault *f);

/* --- column_bounds.c: what bounds, filters and empty columns tell before a value is read --- */

enum group_answer { GROUP_MAYBE, GROUP_NO, GROUP_YES };
#define GROUP_MASKS_MAX                                                                                      \
    64 /* a program that needs more at once, or has more conditions, is run row by row                       \
        */

/* Is a program the same for every row (and all of its events or links), without a run-time error? `never` (a
 * byte for each condition, zeroed; NULL: not wanted) says which conditions are true for none. */
CHECKED err group_program_known(struct group_scan *s, const struct tql_program *p, uint8_t *never,
                                struct fault *f, enum group_answer *ret);

/* --- column_raw.c --- */

CHECKED err raw_load(struct group_scan *s, int32_t leaf, struct fault *f, struct raw_column *ret);
/* The same for who looks at these rows alone (a mask; NULL: all): pages none of them has a value in are not
 * decompressed, and it looks as if no other row had one there either. Lists are loaded whole. */
CHECKED err raw_load_among(struct group_scan *s, int32_t leaf, const uint64_t *among, struct fault *f,
                           struct raw_column *ret);
/* A fixed column, loaded once. */
CHECKED err raw_fixed(struct group_scan *s, enum block_column c, struct fault *f,
                      const struct raw_column **ret);
/* Does the chunk hold any value? */
bool raw_is_empty(const struct group_scan *s, int32_t leaf);
/* The dictionary of a column that has all values in it, without reading the column; until the next one is
 * opened. ERR_NOT_FOUND when it has none, or others too. */
CHECKED err raw_dictionary(struct group_scan *s, int32_t leaf, struct fault *f, struct parquet_values *ret);
/* Could a string column hold `value`? False only when its bounds or its dictionary say so. `value` outlives
 * the scan. */
CHECKED err raw_may_hold(struct group_scan *s, int32_t leaf, slice value, struct fault *f, bool *ret);
/* For each owner (an entry whose definition level is `present` or more) the value it has, or UINT32_MAX.
 * `owners` must be their number. */
CHECKED err raw_values_of(struct group_scan *s, const struct raw_column *raw, uint8_t present, size_t owners,
                          struct fault *f, const uint32_t **ret);
/* Events or links: where each row's begin. */
CHECKED err raw_parts(struct group_scan *s, const struct raw_column *raw, struct fault *f,
                      struct group_parts *ret);
/* The items of a generic list: for each its owner. */
CHECKED err raw_items(struct group_scan *s, const struct raw_column *key, enum owner owner, size_t owners,
                      struct fault *f, const uint32_t **ret, size_t *ret_count);

/* --- column_attr.c --- */

/* The attribute `key` of rows, events or links. */
CHECKED err attr_vector(struct group_scan *s, enum owner owner, slice key, struct fault *f,
                        struct slot_vector *ret);
/* May an owner have it in its generic list? */
CHECKED err attr_may_be_generic(struct group_scan *s, enum owner owner, slice key, struct fault *f,
                                bool *ret);
/* Codes of values as those of a vector whose entry 0 is nil. */
void codes_plus_one(const uint32_t *codes, size_t n, uint32_t *restrict ret);
/* Value `i` of a column (or of its dictionary); `type` for whole numbers. */
struct tql_static value_static(const struct raw_column *raw, size_t i, uint8_t type);
/* Every item of the generic list of rows, events or links that are wanted, with the number of its owner; a
 * list of one element comes as that, any other as nil. */
CHECKED err attr_scalars_each(struct group_scan *s, enum owner owner,
                              bool (*wants)(void *ctx, uint32_t owner),
                              err (*fn)(void *ctx, uint32_t owner, slice key, const struct tql_static *v),
                              void *ctx, struct fault *f);
/* A column's values with the given meaning (TQL_INT stands for whatever the column holds). */
CHECKED err raw_vector(struct group_scan *s, const struct raw_column *raw, enum owner owner, size_t owners,
                       uint8_t type, struct fault *f, struct slot_vector *ret);
CHECKED err nil_vector(struct group_scan *s, size_t owners, struct fault *f, struct slot_vector *ret);
/* `first`'s values, and where it has none `second`'s. */
CHECKED err vector_either(struct group_scan *s, const struct slot_vector *first,
                          const struct slot_vector *second, struct fault *f, struct slot_vector *ret);
/* The number of owners. */
CHECKED err owner_count(struct group_scan *s, enum owner owner, struct fault *f, size_t *ret);

/* --- column_context.c: resources and scopes, decoded once for each that is different --- */

struct context_list *context_list_create(bool scopes);
void context_list_destroy(struct context_list *l);
void context_list_open(struct context_list *l); /* another row group */
size_t context_list_bytes(const struct context_list *l);
/* Attribute `key` of each row's resource or scope; presence as in slot_vector. */
CHECKED err context_attr(struct group_scan *s, struct context_list *l, slice key, struct fault *f,
                         struct slot_vector *ret);
/* May one of them have an attribute `key` that satisfies it? Reads their dictionary alone, if it can. */
CHECKED err context_may_hold(struct group_scan *s, struct context_list *l, slice key,
                             const struct tql_cond *c, struct fault *f, bool *ret);
/* The contexts themselves, and which one each row has. Until the next open. */
struct context_view {
    const struct span_batch *batch; /* resources[i] or scopes[i] is context i */
    const uint32_t *of_row;
    uint32_t count;
};
CHECKED err context_look(struct group_scan *s, struct context_list *l, struct fault *f,
                         struct context_view *ret);
/* The same by the entries of their column: row's is codes[row] - 1, entry e's context of_entry[e] (`of_entry`
 * NULL: e). */
struct context_entries {
    const struct span_batch *batch;
    const uint32_t *codes, *of_entry;
    size_t count;
};
CHECKED err context_entries(struct group_scan *s, struct context_list *l, struct fault *f,
                            struct context_entries *ret);
/* Which of the contexts the rows in the mask have: a byte for each of the view's, whose of_row is NULL. */
CHECKED err context_seen(struct group_scan *s, struct context_list *l, const uint64_t *rows, struct fault *f,
                         struct context_view *ret, uint8_t **ret_seen);
enum context_text { CONTEXT_SERVICE, CONTEXT_SCOPE_NAME, CONTEXT_SCOPE_VERSION };
CHECKED err context_text(struct group_scan *s, struct context_list *l, enum context_text what,
                         struct fault *f, struct slot_vector *ret);
