/* The shape of a trace: who is whose parent, nested-set numbers, roots, bounds.
 *
 * Rows are indices of a batch that holds one whole trace. Numbers are Tempo's (traceql.md 3): roots in order
 * of arrival, depth first, one counter from 1 over all roots; a root's parent is -1; what no root reaches has
 * 0 everywhere, and so have all spans when an id occurs more than twice. Of two spans that share an id
 * (Zipkin) the server span hangs below the client span. Time: O(spans). Threads: one owner. */
#pragma once

#include "vivace/model/span_batch.h"

#define SHAPE_NO_ROW UINT32_MAX

struct shape {
    uint32_t *parent; /* row, or SHAPE_NO_ROW */
    uint32_t *left;   /* 0: not connected */
    uint32_t *right;
    uint32_t *children; /* how many spans name it as their parent */
    uint32_t *order;    /* connected rows by rising left: parents before children */
    bool *is_root;
    size_t count, connected;
};

/* Arrays lie in `a`. ERR_LIMIT. */
CHECKED err shape_make(const struct span_batch *b, struct arena *a, struct fault *f, struct shape *ret);
/* nestedSetParent of a row: -1 for roots, 0 when not connected. */
int64_t shape_nested_parent(const struct shape *s, size_t row);
/* The span has no parent: no parent id, and no link that says child_of within the trace. */
bool shape_span_is_root(const struct span_batch *b, const struct span *s);

/* What is said of a trace as a whole. Slices point into the batch. */
struct trace_facts {
    trace_id id;
    uint64_t start_ns, end_ns;
    slice root_name, root_service; /* empty without a root */
};
void trace_facts_of(const struct span_batch *b, struct trace_facts *ret);
