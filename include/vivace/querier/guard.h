/* When a query must stop: its client went away, or its time is over. Threads: read from any. */
#pragma once

#include "vivace/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct query_guard {
    const _Atomic bool *cancelled; /* may be NULL */
    int64_t deadline_mono_ns;      /* 0 = none */
};

/* ERR_CANCELLED "context canceled", ERR_TIMEOUT "context deadline exceeded". About 30 ns. */
CHECKED err query_guard_check(const struct query_guard *g, struct fault *f);
