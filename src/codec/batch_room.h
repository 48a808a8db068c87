/* Room in a batch for what a body of this size usually holds, so that its arrays do not grow by steps.
 * Only a hint: an array that cannot be grown now is refused when it is really full. Threads: no shared state.
 */
#pragma once

#include "vivace/model/span_batch.h"

static inline void
spans_reserve(struct span_batch *b, size_t more)
{
    size_t want = b->span_count + more;
    if (want > b->span_cap) {
        struct span *p = arena_grow(&b->arena, b->spans, b->span_count, &b->span_cap, want, sizeof *p);
        if (p != NULL) {
            b->spans = p;
        }
    }
}

static inline void
attrs_reserve(struct span_batch *b, size_t more)
{
    size_t want = b->attr_count + more;
    if (want > b->attr_cap) {
        struct attr *p = arena_grow(&b->arena, b->attrs, b->attr_count, &b->attr_cap, want, sizeof *p);
        if (p != NULL) {
            b->attrs = p;
        }
    }
}
