/* Values of a query's slots for the spans of a batch.
 *
 * Attributes and intrinsics of the span, its resource, its scope, its trace, and of one of its events or
 * links. Strings point into the batch; arrays and ids in hex lie in `arena`. What the language cannot look at
 * (lists of mixed types, nested lists, key/value lists, bytes) is nil. Threads: one owner. */
#pragma once

#include "shape.h"

#include "vivace/traceql/program.h"

struct value_source {
    const struct span_batch *batch;
    const struct trace_facts *facts; /* NULL: trace-level values are nil */
    const struct shape *shape;       /* NULL: values of structure are nil */
    struct arena *arena;
    bool alone;  /* nestedSetParent is -1 for a span without a parent, 0 for others */
    bool failed; /* the arena was full: sticky */
};

/* One event and one link of a span; SHAPE_NO_ROW = none. */
struct value_at {
    uint32_t event, link; /* indices in the batch */
};

/* A slot of any level but event and link. */
void value_of_span(struct value_source *v, const struct tql_slot *slot, size_t row, struct tql_static *ret);
/* A slot of level event or link. */
void value_of_part(struct value_source *v, const struct tql_slot *slot, size_t row, struct value_at at,
                   struct tql_static *ret);
static inline bool
slot_is_part(const struct tql_slot *slot)
{
    return slot->level == TQL_LEVEL_EVENT || slot->level == TQL_LEVEL_LINK;
}
/* An attribute's value. */
void value_of_attr(struct value_source *v, const struct attr *a, struct tql_static *ret);
/* The element of an array (a body of an ArrayValue) of one; false for any other. */
bool value_of_one(slice array, struct tql_static *ret);
