#include "search.h"

#include "http_query.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/traceql/traceql.h"

/* --- a query's text ------------------------------------------------------------------------------------- */

void
planned_init(struct planned *p, struct budget *budget)
{
    *p = (struct planned){.budget = budget};
    arena_init(&p->arena, QUERY_PLAN_BYTES_MAX);
}

void
planned_fini(struct planned *p)
{
    if (p->ready) {
        tql_plan_fini(&p->plan);
    }
    arena_fini(&p->arena);
    if (p->budget) {
        budget_release(p->budget, p->reserved);
    }
}

static err
plan_text(struct planned *p, slice text, struct fault *f, bool *ret_parsed)
{
    struct tql_query *query = NULL;
    err rc = traceql_parse(text, &p->arena, f, &query);
    *ret_parsed = rc == OK;
    if (rc == OK) {
        rc = traceql_check(query, f);
    }
    if (rc == OK && p->measure) {
        p->measured = *query;
        p->measured.metric = p->measure;
        p->measured.second_count = 0;
        query = &p->measured;
    }
    if (rc == OK) {
        rc = tql_plan_make(query, &p->arena, f, &p->plan);
        p->ready = rc == OK;
    }
    return rc;
}

err
planned_try(struct planned *p, slice text, size_t size_max, struct fault *f, bool *ret_parsed)
{
    size_t want = text.n * 256 + ((size_t)64 << 10); /* what traceql.h says a text may cost */
    err rc = traceql_check_size(text, size_max ? size_max : TQL_TEXT_BYTES_HARD_MAX, f);
    *ret_parsed = false;
    p->size_checked = rc == OK;
    if (rc != OK) {
        return ERR_INVALID;
    }
    if (p->budget) {
        if (budget_reserve(p->budget, want) != OK) {
            return FAULT(f, ERR_LIMIT, "the memory for queries is used up, try again");
        }
        p->reserved = want;
    }
    rc = plan_text(p, text, f, ret_parsed);
    if (rc != OK) {
        query_explain(text, f);
        return ERR_INVALID;
    }
    return OK;
}

err
planned_make(struct planned *p, slice text, size_t size_max, struct fault *f)
{
    bool parsed = false;
    err rc = planned_try(p, text, size_max, f, &parsed);
    if (rc == ERR_INVALID && p->size_checked) {
        fault_prefix(f, "invalid TraceQL query");
    }
    return rc;
}

/* --- a search ------------------------------------------------------------------------------------------- */

int64_t
query_deadline(const struct frontend *fe)
{
    const struct config *c = fe->o.config;
    int64_t timeout = c->query_frontend.search.timeout_ns;
    const int64_t others[] = {c->querier.search_query_timeout_ns, c->query_frontend.api_timeout_ns};
    for (size_t i = 0; i < 2; i++) {
        timeout = others[i] > 0 && (timeout <= 0 || others[i] < timeout) ? others[i] : timeout;
    }
    return timeout > 0 ? clock_mono_ns() + timeout : 0;
}

void
running_search_init(struct running_search *s, const struct query_owner *owner)
{
    *s = (struct running_search){.owner = *owner, .started_ns = clock_mono_ns()};
    planned_init(&s->planned, owner->fe->o.query_budget);
    answer_kinds_init(&s->kinds);
}

void
running_search_fini(struct running_search *s)
{
    search_destroy(s->search);
    planned_fini(&s->planned);
    answer_kinds_fini(&s->kinds);
}

err
running_search_begin(struct running_search *s, const _Atomic bool *cancelled, struct fault *f)
{
    const struct frontend_options *o = &s->owner.fe->o;
    struct query_request *r = &s->request;
    slice text = r->q;
    err rc = OK;
    TRY(search_request_check(&s->owner, r, f));
    if (!r->has_q) {
        TRY(search_request_legacy(r, s->owner.arena, f, &text));
    }
    TRY(planned_make(&s->planned, text,
                     r->has_q ? (size_t)o->config->query_frontend.max_query_expression_size_bytes : 0, f));
    s->query = (struct search_query){
        .plan = &s->planned.plan,
        .tenants = s->owner.tenants,
        .tenant_count = s->owner.tenant_count,
        .sources = o->search_sources,
        .source_count = o->search_source_count,
        .start_ns = r->start_ns,
        .end_ns = r->end_ns,
        .limit = r->limit,
        .spans_per_set = r->spss,
        .headers_only = !r->has_q,
        .guard = {.cancelled = cancelled, .deadline_mono_ns = query_deadline(s->owner.fe)},
        .budget = o->query_budget,
        .pool = o->pool,
    };
    s->search = search_create(&s->query);
out:
    return rc;
}

err
running_search_step(struct running_search *s, struct fault *f)
{
    err rc = search_step(s->search, QUERY_SLICE_NS, f);
    return rc == ERR_INVALID || rc == ERR_UNSUPPORTED ? ERR_INTERNAL : rc;
}

void
running_search_answer(struct running_search *s, bool done, struct search_answer *ret)
{
    const struct tenant_limits *l = overrides_get(s->owner.fe->o.overrides, s->owner.tenants[0]);
    *ret = (struct search_answer){.result = search_result(s->search),
                                  .kinds = &s->kinds,
                                  .done = done,
                                  .headers_only = s->query.headers_only,
                                  .pad_ids = l->read.left_pad_trace_ids};
    overrides_release(l);
}

void
running_search_log(struct running_search *s, err rc, const struct fault *f)
{
    const struct query_owner *o = &s->owner;
    slice result = rc == ERR_CANCELLED ? SL("canceled") : SL("completed");
    for (size_t i = 0; i < o->tenant_count; i++) {
        series_add(metric_series(o->fe->queries, (slice[]){SL("search"), result, o->tenants[i]}), 1);
    }
    struct search_stats stats = s->search ? search_result(s->search)->stats : (struct search_stats){0};
    LOG_I("search response", LOG_STR("tenant", o->tenants[0]),
          LOG_STR("query", slice_sub(s->request.q, 0, 1024)),
          LOG_UINT("range_seconds", (s->request.end_ns - s->request.start_ns) / (uint64_t)NS_PER_S),
          LOG_DBL("duration_seconds", (double)(clock_mono_ns() - s->started_ns) / (double)NS_PER_S),
          LOG_UINT("total_requests", stats.jobs), LOG_UINT("completed_requests", stats.jobs_done),
          LOG_UINT("inspected_bytes", stats.bytes), LOG_UINT("inspected_traces", stats.traces),
          LOG_UINT("inspected_spans", stats.spans), LOG_CSTR("error", rc == OK ? "null" : f->msg));
}

/* --- /api/search ---------------------------------------------------------------------------------------- */

struct http_search {
    struct http_query head;
    struct running_search search;
};

static err
begin(struct http_query *h, struct fault *f)
{
    return running_search_begin(&((struct http_search *)h)->search, &h->q->r->cancelled, f);
}

static err
step(struct http_query *h, struct fault *f)
{
    return running_search_step(&((struct http_search *)h)->search, f);
}

static void
log_end(struct http_query *h, err rc, const struct fault *f)
{
    running_search_log(&((struct http_search *)h)->search, rc, f);
}

static slice
write_body(struct http_query *h, struct buf *out)
{
    struct search_answer a;
    running_search_answer(&((struct http_search *)h)->search, true, &a);
    answer_kinds_look(a.kinds, a.result, 0, a.result->count);
    if (api_accept(h->q->r) == ACCEPT_PROTOBUF) {
        search_write_pb(&a, 0, a.result->count, out);
        return SL("application/protobuf");
    }
    search_write_json(&a, out);
    return SL("application/json");
}

static void
fini(struct http_query *h)
{
    running_search_fini(&((struct http_search *)h)->search);
}

static const struct http_query_kind kind = {
    .begin = begin,
    .step = step,
    .log = log_end,
    .write = write_body,
    .too_large = "the answer is too large, ask for fewer traces or spans",
    .fini = fini,
};

void
search_http(struct api_request *q)
{
    struct http_search *h = mem_new(struct http_search);
    struct query_owner owner = http_query_owner(q);
    struct fault f = {0};
    running_search_init(&h->search, &owner);
    err rc = search_request_from_url(q, &h->search.request, &f);
    http_query_start(&h->head, q, &kind, rc, &f);
}
