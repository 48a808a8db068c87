/* Building a block's Parquet schema, and the settings of each column. */
#pragma once

#include "vivace/block/schema.h"
#include "vivace/parquet/writer.h"

/* How a column is written. */
enum column_policy {
    POLICY_TRACE_ID, /* dictionary given, sorted bounds, Bloom filter */
    POLICY_RANDOM,   /* PLAIN, not compressed, no bounds */
    POLICY_ID,       /* PLAIN, compressed, no bounds */
    POLICY_DELTA,    /* DELTA_BINARY_PACKED */
    POLICY_NUMBER,   /* dictionary where it pays, else DELTA */
    POLICY_DOUBLE,   /* dictionary where it pays, else PLAIN */
    POLICY_BOOL,     /* RLE */
    POLICY_STRING,   /* numbers of interned strings: dictionary or DELTA_LENGTH, decided by a sample */
};

struct column_form {
    const char *name;
    enum parquet_type type;
    enum parquet_logical_kind logical; /* NONE, STRING, TIMESTAMP or INTEGER (unsigned 32) */
    enum column_policy policy;
    uint8_t length; /* bytes of PARQUET_FIXED */
    bool optional;
    bool no_bounds;
};

extern const struct column_form column_forms[BLOCK_COLUMN_COUNT];

/* An attribute column that a new block gets. */
struct schema_attr {
    enum block_scope scope;
    enum value_kind kind;
    slice key;
    bool suffixed; /* another type of the key has the plain name */
    bool bad;      /* some value is not UTF-8: no STRING annotation */
};

/* Can a key have a column of its own? Text without control characters whose end is not a type suffix. */
bool schema_key_fits(slice key);
enum column_policy schema_attr_policy(enum value_kind kind);
/* What a new block's schema holds beside the fixed columns. */
#define SCHEMA_ATTRS_MAX 256
struct schema_plan {
    struct schema_attr attrs[SCHEMA_ATTRS_MAX]; /* in the order of scopes */
    size_t count;
    bool bad_text;                                /* fixed text columns lose their annotation */
    bool events_have_generic, links_have_generic; /* else they have no such list */
};

/* ret_fixed, ret_columns: the leaf of each fixed column (-1: left out) and of each attribute. */
CHECKED err schema_build(const struct schema_plan *plan, struct fault *f, struct parquet_schema **ret,
                         int32_t ret_fixed[BLOCK_COLUMN_COUNT], int32_t ret_columns[SCHEMA_ATTRS_MAX]);
