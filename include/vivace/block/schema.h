/* The columns of spans.parquet: which there are, and where they stand in one file.
 *
 * Fixed columns are named by `enum block_column`. Attribute columns differ from block to block: a key that
 * occurs often in a block has a column of its own, `<scope>.<key>` with the type as suffix when the key has
 * several; every other attribute is an element of its owner's generic list. A block_schema maps both to
 * leaf columns. docs/block-format.md says what each column holds.
 * Threads: immutable after it is made.
 */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/model/span_batch.h"
#include "vivace/parquet/schema.h"

/* Whose attribute it is. */
enum block_scope {
    BLOCK_SPAN,
    BLOCK_EVENT,
    BLOCK_LINK,
    BLOCK_RESOURCE,
    BLOCK_INSTRUMENTATION,
    BLOCK_SCOPE_COUNT
};

/* Leaves of one generic attribute list. */
enum block_generic {
    BLOCK_GENERIC_KEY,
    BLOCK_GENERIC_TYPE, /* enum value_kind */
    BLOCK_GENERIC_STRING,
    BLOCK_GENERIC_INT,
    BLOCK_GENERIC_DOUBLE,
    BLOCK_GENERIC_BOOL,
    BLOCK_GENERIC_BYTES, /* bytes, and encoded ArrayValue and KeyValueList messages */
    BLOCK_GENERIC_COUNT
};

enum block_column {
    BLOCK_TRACE_ID, /* 32 hex digits */
    BLOCK_SPAN_ID,
    BLOCK_PARENT_SPAN_ID, /* null when there is none */
    BLOCK_START,          /* unix ns, the bits of a uint64 */
    BLOCK_DURATION,       /* end - start, the bits of a uint64 */
    BLOCK_NAME,
    BLOCK_KIND,
    BLOCK_STATUS_CODE,
    BLOCK_STATUS_MESSAGE,
    BLOCK_TRACE_STATE,
    BLOCK_FLAGS,
    BLOCK_DROPPED_ATTRS,
    BLOCK_DROPPED_EVENTS,
    BLOCK_DROPPED_LINKS,
    BLOCK_ORDER, /* the span's attribute order: kinds and keys as they came */
    BLOCK_NESTED_LEFT,
    BLOCK_NESTED_RIGHT,
    BLOCK_NESTED_PARENT,
    BLOCK_CHILD_COUNT,
    BLOCK_BATCH_START,   /* 2: a ResourceSpans begins, 1: a ScopeSpans begins, 0: it goes on */
    BLOCK_RESOURCE_JSON, /* the resource's attributes for engines that speak SQL */
    BLOCK_RESOURCE_RAW,
    BLOCK_SCOPE_RAW,
    BLOCK_SCOPE_NAME,
    BLOCK_SCOPE_VERSION,
    BLOCK_TRACE_START,
    BLOCK_TRACE_DURATION,
    BLOCK_ROOT_SERVICE,
    BLOCK_ROOT_NAME,
    BLOCK_SERVICE_NAME, /* trace_services: on the first row of a trace, empty on the others */
    BLOCK_SERVICE_SPANS,
    BLOCK_SERVICE_ERRORS,
    BLOCK_SPAN_GENERIC, /* BLOCK_GENERIC_COUNT leaves */
    BLOCK_EVENT_TIME = BLOCK_SPAN_GENERIC + BLOCK_GENERIC_COUNT,
    BLOCK_EVENT_NAME,
    BLOCK_EVENT_DROPPED,
    BLOCK_EVENT_ORDER,
    BLOCK_EVENT_GENERIC,
    BLOCK_LINK_TRACE = BLOCK_EVENT_GENERIC + BLOCK_GENERIC_COUNT,
    BLOCK_LINK_SPAN,
    BLOCK_LINK_STATE,
    BLOCK_LINK_FLAGS,
    BLOCK_LINK_DROPPED,
    BLOCK_LINK_ORDER,
    BLOCK_LINK_GENERIC,
    BLOCK_COLUMN_COUNT = BLOCK_LINK_GENERIC + BLOCK_GENERIC_COUNT
};

/* A column of one attribute. Kinds: VALUE_STRING, VALUE_INT, VALUE_DOUBLE, VALUE_BOOL. */
struct block_attr_column {
    enum block_scope scope;
    enum value_kind kind;
    slice key;      /* points into the Parquet schema's names */
    int32_t column; /* leaf */
};

struct block_schema {
    const struct parquet_schema *parquet; /* not owned */
    int32_t column[BLOCK_COLUMN_COUNT];   /* leaf of each fixed column; -1 for a list the block lacks */
    struct block_attr_column *attrs;
    size_t attr_count;
    uint32_t *slots; /* by hash of scope, kind and key: position in attrs + 1 */
    size_t slot_count;
};

/* Map the schema of a file; arrays live in the arena. ERR_CORRUPT when a fixed column is missing or of
 * another type, ERR_LIMIT when the arena is full. Columns that are not ours are left alone. */
CHECKED err block_schema_of(const struct parquet_schema *parquet, struct arena *a, struct fault *f,
                            struct block_schema *ret);
/* NULL when the block has no column for it: look into the generic list (or the raw resource and scope). */
const struct block_attr_column *block_schema_attr(const struct block_schema *s, enum block_scope scope,
                                                  enum value_kind kind, slice key);
/* "span", "event", "link", "resource", "instrumentation". */
const char *block_scope_name(enum block_scope s);
