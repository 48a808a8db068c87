#include "metrics_loops.h"

#define EXACT_BITS 52

/* 2^52 as a double: the bits of a smaller whole number, put in, make the sum of both. */
static inline double
as_double(uint64_t x)
{
    const uint64_t bits = x | UINT64_C(0x4330000000000000);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v - 4503599627370496.0;
}

bool
loop_intervals(const struct metrics_query *q, const uint64_t *starts, size_t n, uint32_t *steps,
               uint32_t *ret_first, uint32_t *ret_last)
{
    const uint64_t base = q->start_ns + 1; /* an interval is closed on its right */
    const double step = (double)q->step_ns;
    const double share = 1 / step;
    uint64_t all = 0;
    uint32_t first = UINT32_MAX;
    uint32_t last = 0;
    for (size_t i = 0; i < n; i++) {
        all |= starts[i] - base;
    }
    if (base == 0 || all >> EXACT_BITS || q->step_ns >> EXACT_BITS || (all / q->step_ns) >> 31) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const double x = as_double(starts[i] - base);
        int32_t at = (int32_t)(x * share);
        const double rest = x - (double)at * step;
        at += rest >= step;
        at -= rest < 0;
        steps[i] = (uint32_t)at;
    }
    for (size_t i = 0; i < n; i++) {
        first = steps[i] < first ? steps[i] : first;
        last = steps[i] > last ? steps[i] : last;
    }
    *ret_first = first;
    *ret_last = last;
    return true;
}

void
loop_count(const uint32_t *groups, const uint32_t *steps, size_t n, uint32_t first, uint32_t width,
           uint32_t *matrix)
{
    if (groups == NULL) {
        for (size_t i = 0; i < n; i++) {
            matrix[steps[i] - first]++;
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        matrix[(size_t)groups[i] * width + (steps[i] - first)]++;
    }
}

void
loop_buckets(const uint32_t *rows, const int64_t *v, const uint32_t *groups, const uint32_t *steps, size_t n,
             uint32_t first, uint32_t width, uint32_t *matrix)
{
    for (size_t i = 0; i < n; i++) {
        const size_t group = groups ? groups[i] : 0;
        const size_t bucket = timeline_bucket(v[rows ? rows[i] : i]);
        matrix[(group * TIMELINE_BUCKETS + bucket) * width + (steps[i] - first)]++;
    }
}
