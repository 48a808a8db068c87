/* distributor-private: per-tenant token buckets and metric series.
 * Threads: any; each bucket is guarded by the limiter's mutex (LOCK_LIMITER). */
#pragma once

#include "vivace/base/metrics.h"
#include "vivace/base/mutex.h"
#include "vivace/base/table.h"

#define LIMITER_TENANTS_MAX 10000 /* tenants known to one process; more are refused */

/* What the distributor keeps for one tenant. Series are for the process's life. */
struct limiter_tenant {
    double tokens; /* bytes; guarded by mu */
    int64_t filled_mono_ns;
    struct series *spans_received, *bytes_received, *ingress_bytes, *future, *past;
};

struct limiter {
    struct mutex mu;
    struct str_table tenants; /* -> struct limiter_tenant; guarded by mu */
};

void limiter_init(struct limiter *l);
void limiter_fini(struct limiter *l);
/* The tenant's entry, made on first use and kept to the end; NULL past LIMITER_TENANTS_MAX. */
struct limiter_tenant *limiter_tenant_get(struct limiter *l, slice tenant);
/* Take `n` bytes; false = over the limit. A bucket starts full. */
bool limiter_take(struct limiter *l, struct limiter_tenant *t, uint64_t n, double rate, double burst);
