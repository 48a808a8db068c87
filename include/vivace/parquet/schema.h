/* A Parquet schema: a tree of groups and leaf columns, built in code or read from a footer.
 *
 * Nodes are numbered depth first, the root is node 0; leaves are numbered in the same order and that
 * number is the column index used everywhere. Levels follow Dremel: max_def counts the optional and
 * repeated nodes from the root, max_rep the repeated ones.
 *
 * Owner: the creator; names are copied. Threads: immutable after it is built, then safe anywhere.
 * Limits: PARQUET_NODES_MAX, PARQUET_DEPTH_MAX (levels are bytes and stacks are fixed).
 */
#pragma once

#include "vivace/parquet/types.h"

#define PARQUET_NODES_MAX 32768 /* groups and columns of one schema */
#define PARQUET_DEPTH_MAX 40    /* nesting of groups: three per list */

struct parquet_field {
    slice name;
    enum parquet_repetition repetition;
    bool group; /* then type and type_length mean nothing */
    enum parquet_type type;
    int32_t type_length; /* bytes of PARQUET_FIXED */
    struct parquet_logical logical;
    int32_t field_id; /* 0 = none */
};

struct parquet_node {
    struct parquet_field field;
    int32_t parent;       /* node, -1 for the root */
    int32_t next_sibling; /* node or -1 */
    int32_t child_count;
    int32_t column;                     /* leaf index, -1 for a group */
    int32_t first_column, column_count; /* the leaves below (a leaf: itself) */
    uint8_t max_def, max_rep, depth;
};

struct parquet_schema {
    struct parquet_node *nodes;
    int32_t *leaves; /* column -> node */
    int32_t node_count, column_count;
    int32_t node_cap, column_cap;
};

/* The root group, named `name`. */
struct parquet_schema *parquet_schema_create(slice name);
void parquet_schema_destroy(struct parquet_schema *s);

/* Add a field below group `parent`. Depth first: `parent` must be the last node added or one of its
 * ancestors. ERR_INVALID otherwise, ERR_LIMIT. */
CHECKED err parquet_schema_add(struct parquet_schema *s, int32_t parent, const struct parquet_field *field,
                               struct fault *f, int32_t *ret_node);
/* Add a LIST (or a MAP) group: returns the repeated inner group, below which the caller adds "element"
 * (or a required "key", then "value"). */
CHECKED err parquet_schema_add_list(struct parquet_schema *s, int32_t parent, slice name, bool optional,
                                    int32_t *ret_repeated);
CHECKED err parquet_schema_add_map(struct parquet_schema *s, int32_t parent, slice name, bool optional,
                                   int32_t *ret_repeated);

/* The leaf node of a column. */
const struct parquet_node *parquet_schema_column(const struct parquet_schema *s, size_t column);
/* The child of `node` with this name, or -1. */
int32_t parquet_schema_child(const struct parquet_schema *s, int32_t node, slice name);
/* The column with this dotted path ("a.list.element"), or -1. Linear in the nodes passed. Names that
 * have dots themselves are found by parquet_schema_child. */
int32_t parquet_schema_find(const struct parquet_schema *s, slice path);
/* Bytes one value takes in PLAIN encoding; 0 for BYTE_ARRAY and BOOLEAN. */
size_t parquet_value_bytes(const struct parquet_node *leaf);
