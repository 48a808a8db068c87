#include "limiter.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"

static const double distance_buckets[] = {300, 1800, 3600};

void
limiter_init(struct limiter *l)
{
    mutex_init(&l->mu, LOCK_LIMITER);
    str_table_init(&l->tenants);
}

void
limiter_fini(struct limiter *l)
{
    size_t cursor = 0;
    slice key;
    void *value = NULL;
    while (str_table_next(&l->tenants, &cursor, &key, &value)) {
        mem_free(value);
    }
    str_table_fini(&l->tenants);
    mutex_fini(&l->mu);
}

static struct limiter_tenant *
tenant_create(slice tenant)
{
    struct limiter_tenant *t = mem_new(struct limiter_tenant);
    t->tokens = -1; /* filled to the burst by the first take */
    t->spans_received = metric_series1(
        metric_counter("tempo_distributor_spans_received_total", "Spans received per tenant.", "tenant"),
        tenant);
    t->bytes_received = metric_series1(metric_counter("tempo_distributor_bytes_received_total",
                                                      "Bytes received per tenant, after limits.", "tenant"),
                                       tenant);
    t->ingress_bytes = metric_series1(metric_counter("tempo_distributor_ingress_bytes_total",
                                                     "Bytes received per tenant, before limits.", "tenant"),
                                      tenant);
    t->future = metric_series1(metric_histogram("tempo_spans_distance_in_future_seconds",
                                                "How far in the future span end times lie.", "tenant",
                                                distance_buckets, 3),
                               tenant);
    t->past = metric_series1(metric_histogram("tempo_spans_distance_in_past_seconds",
                                              "How far in the past span end times lie.", "tenant",
                                              distance_buckets, 3),
                             tenant);
    return t;
}

struct limiter_tenant *
limiter_tenant_get(struct limiter *l, slice tenant)
{
    mutex_lock(&l->mu);
    struct limiter_tenant *t = str_table_get(&l->tenants, tenant);
    bool full = t == NULL && l->tenants.count >= LIMITER_TENANTS_MAX;
    mutex_unlock(&l->mu);
    if (t || full) {
        return t;
    }
    struct limiter_tenant *made = tenant_create(tenant); /* registers series: not under our lock */
    mutex_lock(&l->mu);
    t = str_table_get(&l->tenants, tenant);
    if (t == NULL) {
        str_table_put(&l->tenants, tenant, made);
        t = made;
        made = NULL;
    }
    mutex_unlock(&l->mu);
    mem_free(made);
    return t;
}

bool
limiter_take(struct limiter *l, struct limiter_tenant *t, uint64_t n, double rate, double burst)
{
    int64_t now = clock_mono_ns();
    mutex_lock(&l->mu);
    if (t->tokens < 0) {
        t->tokens = burst;
    } else {
        t->tokens += (double)(now - t->filled_mono_ns) / (double)NS_PER_S * rate;
        t->tokens = t->tokens < burst ? t->tokens : burst;
    }
    t->filled_mono_ns = now;
    bool allowed = (double)n <= t->tokens;
    if (allowed) {
        t->tokens -= (double)n;
    }
    mutex_unlock(&l->mu);
    return allowed;
}
