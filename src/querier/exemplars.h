/* Exemplars: spans that stand for a series, a few for each stretch of the query's time.
 *
 * Which ones is decided by a hash of their start, so that the same data gives the same ones in whatever order
 * it is read. A trace has one in a stretch. Threads: one owner. */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/querier/metrics.h"

#define EXEMPLARS_PER_STRETCH 2
#define METRICS_NO_STEP       UINT32_MAX

struct exemplar {
    uint64_t rank; /* the least are kept; 0 = free */
    uint64_t start_ns;
    trace_id trace;
    struct tql_static measured; /* a number or nil */
};

/* Slots of one array of exemplars; 0: none are wanted. */
size_t exemplars_slots(const struct metrics_query *q);
/* What decides between spans: a hash of the start, never 0, and (in the rank's low half) the start itself. */
static inline uint32_t
exemplars_hash(uint64_t start_ns)
{
    uint32_t x =
        (uint32_t)start_ns * UINT32_C(0x9e3779b1) ^ (uint32_t)(start_ns >> 32) * UINT32_C(0x85ebca77);
    x = (x ^ x >> 15) * UINT32_C(0x2c1b3c6d);
    x = (x ^ x >> 12) * UINT32_C(0x297a2d39);
    return (x ^ x >> 15) | 1;
}
static inline uint64_t
exemplars_rank(uint64_t start_ns)
{
    return (uint64_t)exemplars_hash(start_ns) << 32 | (uint32_t)start_ns;
}
/* The stretch an interval lies in: 0, 1, ... */
uint32_t exemplars_stretch(const struct metrics_query *q, uint32_t step);
/* The rank above which a start in this stretch would not be kept. `at` may be NULL: none yet. */
uint64_t exemplars_limit(const struct metrics_query *q, const struct exemplar *at, uint32_t stretch);
/* Would one of this start be kept? `at` may be NULL: none yet. */
bool exemplars_want(const struct metrics_query *q, const struct exemplar *at, uint64_t start_ns);
/* `*at` is made in `a` when it is NULL; without room for it nothing is kept. */
void exemplars_add(const struct metrics_query *q, struct arena *a, struct exemplar **at, uint64_t start_ns,
                   const trace_id *trace, const struct tql_static *measured);
/* `from` may be NULL. */
void exemplars_merge(const struct metrics_query *q, struct arena *a, struct exemplar **into,
                     const struct exemplar *from);

/* The interval a start lies in, or METRICS_NO_STEP. */
static inline uint32_t
metrics_interval(const struct metrics_query *q, uint64_t start_ns)
{
    if (start_ns <= q->start_ns) {
        return METRICS_NO_STEP;
    }
    uint64_t step = (start_ns - q->start_ns - 1) / q->step_ns;
    return step < q->steps ? (uint32_t)step : METRICS_NO_STEP;
}
