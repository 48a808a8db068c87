/* Row groups back into a builder, column by column: what a merge reads with.
 *
 * A dictionary's values are looked up once each, an order is parsed once, a resource decoded once; rows get
 * what the builder would have made of their spans. Threads: one owner.
 */
#pragma once

#include "builder_priv.h"
#include "reader_priv.h"

/* One that has attributes: a row, an event, a link. */
struct load_owner {
    void *held; /* the row, held_event or held_link; NULL: not wanted */
    uint32_t *cells;
    uint32_t shape;
    uint32_t row; /* of the group */
};

struct load_owners {
    struct load_owner *at;
    size_t count, cap;
};

/* Where an attribute column's value goes in owners of one shape. */
struct load_aim {
    uint32_t shape, cell;
    int32_t next; /* -1 = last */
};

struct load_item {
    uint32_t *cell; /* NULL: not wanted, or without value */
    uint32_t field, owner;
};

enum load_use { LOAD_TEXT, LOAD_RAW, LOAD_SHAPE };

struct loader {
    struct block_builder *b;
    const struct block_schema *schema;
    const struct parquet_file *file;
    struct parquet_column *column;
    struct fault *f;
    err (*step)(void *ctx, struct fault *f); /* asked for each page; NULL: never */
    void *step_ctx;
    size_t group, rows;
    struct row **row;   /* by row of the group: NULL = not wanted */
    uint32_t *trace_at; /* by row: position in b->traces */
    uint32_t *raw;      /* by row: resource_raw */
    uint32_t *bytes;    /* by row: about what it takes in pages */
    size_t row_cap;
    struct load_owners owners[3]; /* by BLOCK_SPAN, BLOCK_EVENT, BLOCK_LINK */
    struct load_aim *aims;
    size_t aim_count, aim_cap;
    int32_t *aimed; /* by attribute column: first aim, -1 = none */
    size_t aimed_cap;
    uint32_t *cell_at; /* by shape: cell + 1 in the column under way */
    size_t cell_cap;
    uint32_t *shape_owners; /* by shape: how many of the owners have it */
    size_t seen_cap;
    bool *shape_lists; /* by shape: some attribute stands in the generic list */
    size_t lists_cap;
    size_t taken; /* values of the column under way that have a cell */
    struct load_item *items;
    size_t item_count, item_cap;
    struct id_table scopes; /* resource_raw and scope_raw -> scope + 1 */
    /* the column under way */
    enum load_use use;
    enum block_scope scope; /* of LOAD_SHAPE and attributes */
    bool coded;
    struct parquet_values dictionary;
    uint32_t *ids; /* by code, UINT32_MAX = not looked up */
    size_t id_cap;
    size_t owner, item; /* next */
    const struct block_attr_column *attr;
    enum block_column fixed;
    void *ctx; /* of who takes the pages, when it is not the loader */
};

/* Which trace a row belongs to: its position in b->traces, SIZE_MAX = the row is not wanted. */
typedef size_t (*load_place_fn)(void *ctx, const trace_id *id);

void loader_init(struct loader *l);
void loader_fini(struct loader *l);
size_t loader_bytes(const struct loader *l);

/* Append the wanted rows of a row group to their traces. On an error the builder is good for nothing but
 * destroy. ERR_CORRUPT, ERR_IO, ERR_LIMIT. */
CHECKED err load_group(struct loader *l, load_place_fn place, void *ctx);

/* Each trace id of a row group once. */
CHECKED err load_ids(struct loader *l, void (*each)(void *ctx, const trace_id *id), void *ctx);

/* --- for load_attrs.c and load_lists.c --- */

typedef err (*load_page_fn)(struct loader *l, const struct parquet_vector *v);
/* Every page of a leaf to `take`. ERR_CORRUPT when its rows are not those of the group. */
CHECKED err load_pages(struct loader *l, int32_t leaf, enum parquet_decode how, load_page_fn take);
/* The k-th value of a page of byte strings, as `use` says. */
CHECKED err load_id(struct loader *l, const struct parquet_vector *v, size_t k, uint32_t *ret);
CHECKED err load_corrupt(struct loader *l, const char *what);
static inline void
load_count_bytes(struct loader *l, size_t row, size_t n)
{
    size_t sum = l->bytes[row] + n;
    l->bytes[row] = sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}
struct row_more *load_more(struct loader *l, struct row *row);
struct load_owner *load_add_owner(struct load_owners *o);
/* Give an owner its shape, and cells. */
void load_shape(struct loader *l, struct load_owner *o, uint32_t shape);
/* Columns and generic list of a scope's owners, whose shapes are known. */
CHECKED err load_attrs(struct loader *l, enum block_scope scope);
CHECKED err load_lists(struct loader *l);
