/* Time: wall clock and monotonic clock in nanoseconds, and durations as people and Go write them.
 * Tests may replace both clocks (clock_fake). Threads: any. */
#pragma once

#include "vivace/base/buf.h"

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

/* Unix time in ns. */
int64_t clock_wall_ns(void);
/* Monotonic ns; only differences mean anything. */
int64_t clock_mono_ns(void);
/* Tests only: freeze both clocks at these values; clock_real() undoes it. */
void clock_fake(int64_t wall_ns, int64_t mono_ns);
void clock_real(void);

/* RFC 3339 in UTC with nanoseconds, trailing zeros dropped as Go's RFC3339Nano: "2026-01-02T03:04:05.6Z" */
void clock_format_rfc3339(struct buf *out, int64_t wall_ns);

/* Go's time.ParseDuration ("1h30m", "1.5s", "-2ms", "0"); false and untouched on anything else.
 * `days` also accepts Prometheus's units d, w, y. */
bool duration_parse(slice s, bool days, int64_t *ret_ns);
/* Go's Duration.String: "1h0m0s", "1.5s", "90ms", "0s". */
void duration_format(struct buf *out, int64_t ns);
