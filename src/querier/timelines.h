/* The series of a metrics query while it runs: a table from label values to numbers by interval.
 *
 * Every number is a double: counts are exact to 2^53. A sum is two doubles, its value and what rounding lost
 * (TwoSum), so that the result does not depend on the order of the spans. Sets made by several workers are
 * merged; the result is the same as that of one. Threads: one owner. */
#pragma once

#include "exemplars.h"

#define TIMELINE_BUCKETS 64

struct timeline {
    const struct tql_static *labels; /* one for each by-key; no arrays */
    double *values;                  /* width numbers an interval; NULL for histograms without counts */
    double **buckets; /* histograms: TIMELINE_BUCKETS arrays of one number an interval, or NULL */
};

struct timelines {
    const struct metrics_query *q;
    struct timeline *v;
    uint32_t *index; /* position + 1, open addressing */
    size_t count, cap, index_cap;
    uint32_t width; /* numbers an interval in `values` */
    bool histogram;
    struct arena memory;
    struct exemplar_set exemplars; /* by position in `v` */
    bool full;                     /* a series was left out */
};

void timelines_init(struct timelines *s, const struct metrics_query *q);
void timelines_fini(struct timelines *s);
size_t timelines_bytes(const struct timelines *s);
/* The series of these label values, made when it is new; NULL when the set is full. Valid until the next
 * call.
 */
struct timeline *timeline_of(struct timelines *s, const struct tql_static *labels);
/* One span. `measured` is NULL for functions that only count. False when it has no number to measure. */
bool timeline_observe(struct timelines *s, struct timeline *at, uint32_t step,
                      const struct tql_static *measured);
/* `n` spans of bucket 1 or above; histograms only. */
void timeline_add_bucket(struct timelines *s, struct timeline *at, uint32_t step, uint32_t bucket,
                         uint64_t n);
/* What was folded of an interval's spans, as `width` numbers of `values`. Not for histograms. */
void timeline_add_numbers(struct timelines *s, struct timeline *at, uint32_t step, const double *from);
void timelines_merge(struct timelines *into, const struct timelines *from);

/* The bucket of a value: 2^bucket is the least power of two that is no less; 0 for what is below 2. */
static inline uint32_t
timeline_bucket(int64_t v)
{
    return v < 2 ? 0 : 64 - (uint32_t)__builtin_clzll((uint64_t)v - 1);
}

static inline void
sum_add(double *sum, double v)
{
    double t = sum[0] + v;
    double part = t - sum[0];
    sum[1] += (sum[0] - (t - part)) + (v - part);
    sum[0] = t;
}
