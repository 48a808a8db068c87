/* Latencies in nanoseconds, kept in log-linear buckets: 64 per power of two, so a percentile is off by
 * less than 1.6 %. Threads: one owner. */
#pragma once

#include <stdint.h>

#define HIST_SUB_BITS 6
#define HIST_BUCKETS  ((64 - HIST_SUB_BITS + 1) << HIST_SUB_BITS)

struct hist {
    uint64_t count, max, sum;
    uint64_t bucket[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t ns);
/* The value below which the share `q` (0..1) of all lies; 0 when empty. Never above the maximum. */
uint64_t hist_quantile(const struct hist *h, double q);
