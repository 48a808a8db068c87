#include "metrics.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/traceql/traceql.h"

void
running_metrics_init(struct running_metrics *m, const struct query_owner *owner)
{
    *m = (struct running_metrics){.owner = *owner, .started_ns = clock_mono_ns()};
    planned_init(&m->planned, owner->fe->o.query_budget);
}

void
running_metrics_fini(struct running_metrics *m)
{
    metrics_destroy(m->metrics);
    planned_fini(&m->planned);
}

/* Parse errors have a prefix only in instant queries; all others say "compiling query". */
static err
plan_query(struct running_metrics *m, struct fault *f)
{
    const slice text = m->request.q;
    bool parsed = false;
    err rc = planned_try(&m->planned, text,
                         (size_t)m->owner.fe->o.config->query_frontend.max_query_expression_size_bytes, f,
                         &parsed);
    if (rc == ERR_INVALID && (parsed || m->request.instant) && m->planned.size_checked) {
        fault_prefix(f, "compiling query");
    }
    if (rc == OK && m->planned.plan.metric.fn == TQL_METRIC_NONE) {
        return FAULT(f, ERR_INVALID, "not a metrics query");
    }
    return rc;
}

/* The parameter, bounded by the configuration; the hint beats it. */
static uint32_t
exemplars_of(const struct running_metrics *m)
{
    const uint64_t max = m->owner.fe->o.config->query_frontend.metrics.max_exemplars;
    const struct tql_static *hint = tql_query_hint(m->planned.plan.query, SL("exemplars"));
    uint64_t n = m->request.exemplars && m->request.exemplars < max ? m->request.exemplars : max;
    if (hint && hint->type == TQL_BOOL) {
        n = hint->b ? n : 0;
    } else if (hint && hint->type == TQL_INT && hint->i >= 0) {
        n = (uint64_t)hint->i < max ? (uint64_t)hint->i : max;
    }
    n = n > 10000 ? 10000 : n;
    return m->request.instant ? 0 : (uint32_t)n;
}

static uint32_t
max_series_of(const struct running_metrics *m)
{
    const uint64_t max = m->owner.fe->o.config->query_frontend.metrics.max_response_series;
    const uint64_t own = m->request.max_series;
    const uint64_t n = own && (max == 0 || own < max) ? own : max;
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

void
running_metrics_start(struct running_metrics *m, const _Atomic bool *cancelled)
{
    const struct frontend_options *o = &m->owner.fe->o;
    m->query.plan = &m->planned.plan;
    m->query.tenants = m->owner.tenants;
    m->query.tenant_count = m->owner.tenant_count;
    m->query.sources = o->search_sources;
    m->query.source_count = o->search_source_count;
    m->query.metrics_sources = o->metrics_sources;
    m->query.metrics_source_count = o->metrics_source_count;
    m->query.blocks = o->blocks;
    m->query.pool = o->pool;
    m->query.start_ns = m->request.from_ns;
    m->query.step_ns = m->request.step_ns;
    m->query.steps = m->request.steps;
    m->query.exemplars = exemplars_of(m);
    m->query.max_series = max_series_of(m);
    m->query.guard = (struct query_guard){cancelled, query_deadline(m->owner.fe)};
    m->query.budget = o->query_budget;
    m->metrics = metrics_create(&m->query);
}

err
running_metrics_begin(struct running_metrics *m, const _Atomic bool *cancelled, struct fault *f)
{
    err rc = OK;
    TRY(plan_query(m, f));
    TRY(metrics_request_check(&m->owner, &m->request, f));
    running_metrics_start(m, cancelled);
out:
    return rc;
}

err
running_metrics_step(struct running_metrics *m, struct fault *f)
{
    err rc = metrics_step(m->metrics, QUERY_SLICE_NS, f);
    return rc == ERR_INVALID || rc == ERR_UNSUPPORTED ? ERR_INTERNAL : rc;
}

void
running_metrics_form(const struct running_metrics *m, const struct metrics_result *r, bool done,
                     struct metrics_answer_form *ret)
{
    *ret = (struct metrics_answer_form){.result = r,
                                        .start_ns = m->query.start_ns,
                                        .step_ns = m->query.step_ns,
                                        .steps = m->query.steps,
                                        .max_series = m->query.max_series,
                                        .instant = m->request.instant,
                                        .done = done};
}

void
running_metrics_answer(struct running_metrics *m, bool done, struct metrics_answer_form *ret)
{
    running_metrics_form(m, metrics_result(m->metrics), done, ret);
}

uint32_t
running_metrics_final(const struct running_metrics *m)
{
    const struct metrics_query *q = &m->query;
    const uint64_t final_ns = metrics_final_ns(m->metrics);
    if (final_ns == UINT64_MAX || q->plan->metric.fn == TQL_METRIC_COMPARE) {
        return q->steps; /* which values compare() shows is known at the end */
    }
    if (final_ns <= q->start_ns) {
        return 0;
    }
    uint64_t step = (final_ns - q->start_ns + q->step_ns - 1) / q->step_ns;
    return step < q->steps ? (uint32_t)step : q->steps;
}

void
running_metrics_log(struct running_metrics *m, err rc, const struct fault *f)
{
    const struct query_owner *o = &m->owner;
    slice result = rc == ERR_CANCELLED ? SL("canceled") : SL("completed");
    for (size_t i = 0; i < o->tenant_count; i++) {
        series_add(metric_series(o->fe->queries, (slice[]){SL("metrics"), result, o->tenants[i]}), 1);
    }
    const struct search_stats stats = m->metrics ? *metrics_stats(m->metrics) : (struct search_stats){0};
    LOG_I("query range response", LOG_STR("tenant", o->tenants[0]),
          LOG_STR("query", slice_sub(m->request.q, 0, 1024)),
          LOG_UINT("range_seconds", (m->request.end_ns - m->request.start_ns) / (uint64_t)NS_PER_S),
          LOG_DBL("duration_seconds", (double)(clock_mono_ns() - m->started_ns) / (double)NS_PER_S),
          LOG_UINT("total_requests", stats.jobs), LOG_UINT("completed_requests", stats.jobs_done),
          LOG_UINT("inspected_bytes", stats.bytes), LOG_UINT("inspected_spans", stats.spans),
          LOG_CSTR("error", rc == OK ? "null" : f->msg));
}

/* --- /api/metrics/query_range, /api/metrics/query ------------------------------------------------------- */

static err
begin(struct http_query *h, struct fault *f)
{
    return running_metrics_begin(&((struct http_metrics *)h)->metrics, &h->q->r->cancelled, f);
}

err
http_metrics_step(struct http_query *h, struct fault *f)
{
    return running_metrics_step(&((struct http_metrics *)h)->metrics, f);
}

void
http_metrics_log(struct http_query *h, err rc, const struct fault *f)
{
    running_metrics_log(&((struct http_metrics *)h)->metrics, rc, f);
}

static slice
write_body(struct http_query *h, struct buf *out)
{
    struct metrics_answer_form a;
    running_metrics_answer(&((struct http_metrics *)h)->metrics, true, &a);
    metrics_write_json(&a, out);
    return SL("application/json");
}

void
http_metrics_fini(struct http_query *h)
{
    running_metrics_fini(&((struct http_metrics *)h)->metrics);
}

static const struct http_query_kind kind = {
    .begin = begin,
    .step = http_metrics_step,
    .log = http_metrics_log,
    .write = write_body,
    .too_large = "the answer is too large, ask for a larger step",
    .fini = http_metrics_fini,
};

static void
start(struct api_request *q, bool instant)
{
    struct http_metrics *h = mem_new(struct http_metrics);
    struct query_owner owner = http_query_owner(q);
    struct fault f = {0};
    running_metrics_init(&h->metrics, &owner);
    err rc = metrics_request_from_url(q, instant, &h->metrics.request, &f);
    http_query_start(&h->head, q, &kind, rc, &f);
}

void
metrics_range_http(struct api_request *q)
{
    start(q, false);
}

void
metrics_instant_http(struct api_request *q)
{
    start(q, true);
}
