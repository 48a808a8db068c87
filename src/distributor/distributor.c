#include "vivace/distributor/distributor.h"

#include "limiter.h"
#include "span_log.h"
#include "truncate.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/codec/otlp.h"

#include <stdatomic.h>
#include <time.h>

static const double traces_per_batch_buckets[] = {2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
static const double push_buckets[] = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};

struct distributor {
    struct distributor_options o;
    struct limiter limiter;
    _Atomic bool stopping;
    struct metric *discarded, *truncated, *accepted, *refused, *requests, *by_name;
    struct series *traces_per_batch, *push_seconds;
};

struct distributor *
distributor_create(const struct distributor_options *o)
{
    struct distributor *d = mem_new(struct distributor);
    d->o = *o;
    limiter_init(&d->limiter);
    d->discarded =
        metric_counter("tempo_discarded_spans_total", "Spans that were refused or dropped.", "reason,tenant");
    d->truncated = metric_counter("tempo_distributor_attributes_truncated_total",
                                  "Attributes cut to max_attribute_bytes.", "tenant,scope");
    d->accepted =
        metric_counter("tempo_receiver_accepted_spans", "Spans a receiver passed on.", "receiver,transport");
    d->refused = metric_counter("tempo_receiver_refused_spans", "Spans a receiver could not pass on.",
                                "receiver,transport");
    d->requests = metric_counter("tempo_distributor_ingestion_requests_total",
                                 "Write requests with spans, per tenant.", "tenant");
    d->by_name = metric_counter("tempo_distributor_debug_spans_received_total",
                                "Spans received by name and service, when metric_received_spans is on.",
                                "tenant,name,service");
    d->traces_per_batch = metric_series0(metric_histogram(
        "tempo_distributor_traces_per_batch", "Traces in each batch.", "", traces_per_batch_buckets, 10));
    d->push_seconds = metric_series0(metric_histogram("tempo_distributor_push_duration_seconds",
                                                      "Time to store a batch.", "", push_buckets, 11));
    if (o->known_tenant.n) {
        /* Dashboards read these before the first span comes. */
        (void)limiter_tenant_get(&d->limiter, o->known_tenant);
        (void)metric_series1(d->requests, o->known_tenant);
    }
    return d;
}

void
distributor_destroy(struct distributor *d)
{
    if (d) {
        limiter_fini(&d->limiter);
        mem_free(d);
    }
}

void
distributor_stop(struct distributor *d)
{
    atomic_store_explicit(&d->stopping, true, memory_order_relaxed);
}

static void
count_discarded(struct distributor *d, slice tenant, slice reason, uint64_t spans)
{
    if (spans) {
        series_add(metric_series2(d->discarded, reason, tenant), spans);
    }
}

static err
check_rate(struct distributor *d, struct distributor_push *p, const struct distributor_limits *limits,
           struct limiter_tenant *t, uint64_t n, struct fault *f)
{
    uint64_t rate = limits->rate_bytes;
    uint64_t burst = limits->burst_bytes;
    if (rate == 0 || limiter_take(&d->limiter, t, n, (double)rate, (double)burst)) {
        return OK;
    }
    unsigned long long global = limits->global_strategy ? rate : 0;
    count_discarded(d, p->tenant, SL("rate_limited"), p->batch->span_count);
    if (limits->retry_info) {
        p->retry_after_s = d->o.retry_after_s;
    }
    if (n > rate && n > burst) {
        return FAULT(f, ERR_LIMIT,
                     "RATE_LIMITED: batch size (%llu bytes) exceeds ingestion limit (local: %llu bytes/s, "
                     "global: %llu "
                     "bytes/s, burst: %llu bytes) while adding %llu bytes for user %.*s. consider reducing "
                     "batch size or "
                     "increasing rate limit.",
                     (unsigned long long)n, (unsigned long long)rate, global, (unsigned long long)burst,
                     (unsigned long long)n, SL_FMT(p->tenant));
    }
    return FAULT(
        f, ERR_LIMIT,
        "RATE_LIMITED: ingestion rate limit (local: %llu bytes/s, global: %llu bytes/s, burst: %llu bytes) "
        "exceeded while adding %llu bytes for user %.*s. consider increasing the limit or reducing ingestion "
        "rate.",
        (unsigned long long)rate, global, (unsigned long long)burst, (unsigned long long)n,
        SL_FMT(p->tenant));
}

static void
truncate_batch(struct distributor *d, struct distributor_push *p, uint32_t max)
{
    static const char *const names[TRUNCATE_SCOPES] = {"resource", "scope", "span", "event", "link"};
    struct truncate_result r = {.total = 0};
    truncate_attributes(p->batch, max, &r);
    if (r.total == 0) {
        return;
    }
    p->wire = SL_EMPTY; /* what came is not what is stored any more */
    for (int i = 0; i < TRUNCATE_SCOPES; i++) {
        if (r.count[i]) {
            series_add(metric_series2(d->truncated, p->tenant, slice_cstr(names[i])), r.count[i]);
        }
    }
    LOG_LIMITED(LOG_WARN, 1, "attributes truncated", LOG_STR("tenant", p->tenant),
                LOG_UINT("total_truncated", r.total), LOG_UINT("max_size_bytes", max),
                LOG_CSTR("example_scope", names[r.example_scope]), LOG_STR("example_name", r.example_name),
                LOG_CSTR("example_field", r.example_is_key ? "key" : "value"),
                LOG_UINT("example_orig_size", r.example_bytes));
}

/* One bad id refuses the whole batch: a client that sends one has a fault of its own that must be seen. */
static err
check_ids(struct distributor *d, const struct distributor_push *p, struct fault *f)
{
    for (size_t i = 0; i < p->batch->span_count; i++) {
        const struct span *s = &p->batch->spans[i];
        if (trace_id_is_zero(&s->trace)) {
            count_discarded(d, p->tenant, SL("invalid_trace_id"), p->batch->span_count);
            return FAULT(f, ERR_INVALID, "trace ids must be 128 bit, received 0 bits");
        }
        if (span_id_is_zero(&s->id)) {
            count_discarded(d, p->tenant, SL("invalid_span_id"), p->batch->span_count);
            return FAULT(f, ERR_INVALID, "span ids must be 64 bit and not all zero, received 0 bits");
        }
    }
    return OK;
}

/* How far from now the spans ended. */
static void
observe_times(const struct span_batch *b, const struct limiter_tenant *t)
{
    int64_t now = clock_wall_ns();
    uint64_t newest = 0;
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < b->span_count; i++) {
        uint64_t end = b->spans[i].end_ns;
        newest = end > newest ? end : newest;
        oldest = end < oldest ? end : oldest;
    }
    double ahead = ((double)newest - (double)now) / (double)NS_PER_S;
    double behind = ((double)now - (double)oldest) / (double)NS_PER_S;
    if (ahead > 0) {
        series_observe(t->future, ahead);
    }
    if (behind > 0) {
        series_observe(t->past, behind);
    }
}

static void
count_by_name(struct distributor *d, const struct distributor_push *p)
{
    for (size_t i = 0; i < p->batch->span_count; i++) {
        const struct span *s = &p->batch->spans[i];
        if (!d->o.count_root_spans_only || span_id_is_zero(&s->parent)) {
            slice labels[] = {p->tenant, s->name, span_service_name(p->batch, s)};
            series_add(metric_series(d->by_name, labels), 1);
        }
    }
}

static err
store(struct distributor *d, struct distributor_push *p, const struct distributor_limits *limits,
      struct fault *f)
{
    struct ingester_push push = {
        .tenant = p->tenant,
        .batch = p->batch,
        .wire = p->wire,
        .limits = {.max_bytes_per_trace = limits->max_bytes_per_trace, .max_traces = limits->max_traces},
    };
    err rc = ingester_push(d->o.ingester, &push, f);
    series_observe(d->traces_per_batch, (double)push.traces);
    if (rc != OK) {
        count_discarded(d, p->tenant, SL("unknown_error"), p->batch->span_count);
        LOG_LIMITED(LOG_ERROR, 10, "pusher failed to consume trace data", LOG_STR("tenant", p->tenant),
                    LOG_FAULT(f));
        /* Full memory or a failing disk may be well again soon: every such client is told when to try. */
        p->retry_after_s = d->o.retry_after_s ? d->o.retry_after_s : 5;
        return ERR_UNAVAILABLE;
    }
    count_discarded(d, p->tenant, SL("trace_too_large"), push.dropped_trace_too_large);
    count_discarded(d, p->tenant, SL("live_traces_exceeded"), push.dropped_live_traces);
    return OK;
}

static err
push_checked(struct distributor *d, struct distributor_push *p, struct fault *f)
{
    struct distributor_limits limits = {0};
    struct limiter_tenant *t = limiter_tenant_get(&d->limiter, p->tenant);
    uint64_t bytes = p->wire.n ? p->wire.n : otlp_encoded_size(p->batch);
    err rc = OK;
    if (t == NULL) {
        return FAULT(f, ERR_UNAVAILABLE, "too many tenants: at most %d are served by one process",
                     LIMITER_TENANTS_MAX);
    }
    series_add(t->ingress_bytes, bytes);
    if (p->batch->span_count == 0) {
        return OK;
    }
    series_add(metric_series1(d->requests, p->tenant), 1);
    d->o.limits(d->o.limits_ctx, p->tenant, &limits);
    TRY(check_rate(d, p, &limits, t, bytes, f));
    series_add(t->spans_received, p->batch->span_count);
    series_add(t->bytes_received, bytes);
    span_log_received(&d->o.log_received, p->batch);
    if (d->o.count_spans_by_name) {
        count_by_name(d, p);
    }
    if (limits.artificial_delay_ms) {
        /* For load tests only: this parks a worker on purpose. */
        nanosleep(&(struct timespec){.tv_sec = (time_t)(limits.artificial_delay_ms / 1000),
                                     .tv_nsec = (long)(limits.artificial_delay_ms % 1000) * 1000000},
                  NULL);
    }
    truncate_batch(d, p, limits.max_attribute_bytes);
    TRY(check_ids(d, p, f));
    observe_times(p->batch, t);
    TRY(store(d, p, &limits, f));
out:
    if (rc != OK) {
        span_log_discarded(&d->o.log_discarded, p->batch, p->tenant);
    }
    return rc;
}

err
distributor_push(struct distributor *d, struct distributor_push *p, struct fault *f)
{
    int64_t start = clock_mono_ns();
    uint64_t spans = p->batch->span_count;
    err rc = atomic_load_explicit(&d->stopping, memory_order_relaxed)
                 ? FAULT(f, ERR_UNAVAILABLE, "the server is stopping")
                 : push_checked(d, p, f);
    if (spans) {
        series_add(metric_series2(rc == OK ? d->accepted : d->refused, p->receiver, p->transport), spans);
        series_observe(d->push_seconds, (double)(clock_mono_ns() - start) / (double)NS_PER_S);
    }
    return rc;
}
