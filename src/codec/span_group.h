/* Spans that arrive in any order, brought together by resource and scope as a batch wants them.
 * Threads: no shared state. */
#pragma once

#include "vivace/base/err.h"
#include "vivace/model/span_batch.h"

/* What tells the resource and the scope of one span: bytes that are compared and not looked into. */
struct span_home {
    slice resource, scope, version;
    uint32_t mark; /* the caller's; moves along and is not compared */
};

enum span_group_order {
    SPAN_GROUP_SORTED, /* by resource, then scope, then version */
    SPAN_GROUP_AS_MET, /* by who came first */
};

/* Reorder the spans [at ..] of the batch and their homes alike, so that those of one resource, and in it of
 * one scope, stand together; otherwise they keep their order. Costs nothing but one look when they stand so
 * already. ERR_LIMIT when the arena is full. */
CHECKED err span_group(struct span_batch *b, size_t at, struct span_home *homes, enum span_group_order order);
