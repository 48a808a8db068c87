#include "vivace/querier/guard.h"

#include "vivace/base/clock.h"

#include <stdatomic.h>

err
query_guard_check(const struct query_guard *g, struct fault *f)
{
    if (g->cancelled && atomic_load_explicit(g->cancelled, memory_order_relaxed)) {
        return FAULT(f, ERR_CANCELLED, "context canceled");
    }
    if (g->deadline_mono_ns && clock_mono_ns() > g->deadline_mono_ns) {
        return FAULT(f, ERR_TIMEOUT, "context deadline exceeded");
    }
    return OK;
}
