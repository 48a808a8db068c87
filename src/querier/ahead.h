/* Gathered traces judged ahead of their turn, many at once on the pool: which of them cannot match.
 *
 * A trace that is ruled out needs no look any more; any other one, be it that it matches or that judging it
 * fails, is judged again when its turn comes, in order, as if nobody had looked. Threads: one owner.
 * Memory: AHEAD_TRACE_BYTES_MAX twice for each slot of the pool; a larger trace is left for its turn. */
#pragma once

#include "gather.h"
#include "shape.h"

#include "vivace/querier/eval.h"

#define AHEAD_TRACE_BYTES_MAX ((size_t)4 << 20) /* some 10,000 spans */

struct ahead_slot;

struct ahead {
    const struct search_query *q;
    struct ahead_slot *slots; /* NULL: nothing looked at yet */
    size_t slot_count;        /* of the pool; below 2 there is no looking ahead */
    uint8_t *may;             /* by place in the gather: it may match */
    size_t from, upto, cap;   /* places looked at */
    bool useless;             /* most may match: not worth it in this gather */
    const struct gather *gather;
    uint64_t cut;
};

void ahead_init(struct ahead *a, const struct search_query *q);
void ahead_fini(struct ahead *a);
/* What it holds from the system. */
size_t ahead_bytes(const struct ahead *a);
/* The gather has other traces now. */
static inline void
ahead_forget(struct ahead *a)
{
    a->from = a->upto = 0;
    a->useless = false;
}
/* Can the gather's next trace make no difference? Looks at it and at those behind it, if nobody has. A trace
 * that begins before `cut` makes none. */
bool ahead_rules_out(struct ahead *a, const struct gather *g, uint64_t cut);
