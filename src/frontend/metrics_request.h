/* What a metrics request asks for, from a URL or a protobuf message, checked with Tempo's texts.
 * Source: traceql.md 6.1, 6.5, api.md 1.4, 2.3. */
#pragma once

#include "query_request.h"

struct metrics_request {
    slice q;
    bool instant, has_step;
    uint64_t start_ns, end_ns, step_ns; /* as asked, defaults filled in; unix ns */
    uint64_t exemplars, max_series;     /* 0 = not given */
    /* out of metrics_request_check: interval i is (from_ns + i * step_ns, from_ns + (i + 1) * step_ns] */
    uint64_t from_ns;
    uint32_t steps;
    bool range_refused; /* by the longest range allowed */
};

/* The parameter `q`, or `query` as older Grafana names it. */
CHECKED err metrics_request_from_url(struct api_request *q, bool instant, struct metrics_request *ret,
                                     struct fault *f);
CHECKED err metrics_request_from_pb(slice message, bool instant, struct metrics_request *ret,
                                    struct fault *f);
/* Default step, bounds, alignment. */
CHECKED err metrics_request_check(const struct query_owner *o, struct metrics_request *r, struct fault *f);

/* Tempo's default for a range. */
uint64_t metrics_default_step(uint64_t range_ns);
/* Align the range to absolute multiples of the step; `cutoff_ns` is the latest end, 0 = none. */
void metrics_align(struct metrics_request *r, uint64_t cutoff_ns);
/* Seconds (10 digits at most), nanoseconds, seconds with a fraction, RFC 3339. False for anything else. */
bool metrics_parse_time(slice text, uint64_t *ret_ns);
