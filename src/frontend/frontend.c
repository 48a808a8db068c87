#include "vivace/frontend/frontend.h"

#include "api.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"

#include <stdatomic.h>

#define QUERY_ARENA_MAX ((size_t)4 << 20) /* parameters and small working memory of one request */
#define REDIRECT_MAX    ((size_t)64 << 10)

static const slice text_plain = {(const uint8_t *)"text/plain; charset=utf-8", 25};

struct frontend *
frontend_create(const struct frontend_options *o)
{
    struct frontend *fe = mem_new(struct frontend);
    fe->o = *o;
    query_gate_init(&fe->gate, o->pool, (size_t)o->config->querier.max_concurrent_queries,
                    (size_t)o->config->query_frontend.max_outstanding_per_tenant);
    fe->request_duration =
        metric_histogram("tempo_request_duration_seconds", "Time to answer HTTP and gRPC requests.",
                         "method,route,status_code,ws", METRIC_BUCKETS_REQUEST, 14);
    fe->frontend_requests =
        metric_counter("tempo_query_frontend_requests_total", "Queries answered.", "status_code");
    (void)metric_series1(fe->frontend_requests, SL("200"));
    fe->queries = metric_counter("tempo_query_frontend_queries_total", "Queries by kind and result.",
                                 "op,result,tenant");
    fe->frontend_duration =
        metric_series0(metric_histogram("tempo_query_frontend_request_duration_seconds",
                                        "Time to answer queries.", "", METRIC_BUCKETS_REQUEST, 14));
    return fe;
}

void
frontend_destroy(struct frontend *fe)
{
    if (fe) {
        query_gate_fini(&fe->gate);
        mem_free(fe);
    }
}

void
frontend_register_build_info(void)
{
    struct metric *m = metric_gauge("tempo_build_info", "What is running; always 1.",
                                    "branch,goarch,goos,goversion,revision,tags,version");
    series_set(
        metric_series(m, (slice[]){SL("vivace"), SL("amd64"), SL("linux"), SL(""),
                                   SL("vivace-" VIVACE_VERSION), SL("vivace"), SL("v" FRONTEND_API_VERSION)}),
        1);
}

/* --- answers ------------------------------------------------------------------------------------------ */

static void
observe(struct api_request *q, int status)
{
    struct frontend *fe = q->fe;
    double seconds = (double)(clock_mono_ns() - q->r->start_mono_ns) / (double)NS_PER_S;
    char code[8];
    struct buf text;
    buf_init(&text, sizeof code);
    buf_append_u64(&text, (uint64_t)status);
    slice labels[] = {q->r->method, slice_cstr(q->route ? q->route->label : "other"), buf_slice(&text),
                      SL("false")};
    if (q->r->method.n > 16) {
        labels[0] = SL("OTHER"); /* the client's choice of word may not become a series */
    }
    series_observe(metric_series(fe->request_duration, labels), seconds);
    if (q->route && (q->route->flags & ROUTE_QUERY)) {
        series_add(metric_series1(fe->frontend_requests, buf_slice(&text)), 1);
        series_observe(fe->frontend_duration, seconds);
    }
    enum log_level level = fe->o.config->server.log_request_at_info_level_enabled ? LOG_INFO : LOG_DEBUG;
    if (log_enabled(level)) {
        struct buf line;
        buf_init(&line, 1024);
        buf_printf(&line, "%.*s %.*s (%d) ", SL_FMT(q->r->method), SL_FMT(slice_sub(q->r->path, 0, 512)),
                   status);
        duration_format(&line, clock_mono_ns() - q->r->start_mono_ns);
        buf_append_byte(&line, '\0');
        LOG_AT(level, (const char *)line.p);
        buf_fini(&line);
    }
    buf_fini(&text);
}

void
api_answer(struct api_request *q, const struct http_response *resp)
{
    observe(q, resp->status);
    http_answer_later(q->r, resp);
    arena_fini(&q->arena);
    mem_free(q);
}

void
api_answer_bytes(struct api_request *q, int status, slice content_type, slice body)
{
    struct http_response resp = {
        .status = status, .content_type = content_type, .body = body.n ? bytes_copy(body) : NULL};
    resp.may_gzip = q->route && (q->route->flags & ROUTE_QUERY);
    api_answer(q, &resp);
}

void
api_answer_buf(struct api_request *q, int status, slice content_type, struct buf *body)
{
    struct http_response resp = {
        .status = status, .content_type = content_type, .body = bytes_take(body), .may_gzip = true};
    api_answer(q, &resp);
}

void
api_answer_error(struct api_request *q, int status, slice text)
{
    api_answer_bytes(q, status, text_plain, text);
}

void
api_answer_http_error(struct api_request *q, int status, slice text)
{
    static const struct http_header nosniff = {{(const uint8_t *)"X-Content-Type-Options", 22},
                                               {(const uint8_t *)"nosniff", 7}};
    struct buf body;
    buf_init(&body, 4096);
    buf_append_slice(&body, text);
    buf_append_byte(&body, '\n');
    struct http_response resp = {.status = status,
                                 .content_type = text_plain,
                                 .headers = &nosniff,
                                 .header_count = 1,
                                 .body = bytes_take(&body)};
    resp.may_gzip = q->route && (q->route->flags & ROUTE_QUERY);
    api_answer(q, &resp);
}

static int
http_status_of(err rc)
{
    switch (rc) {
    case ERR_INVALID:
        return 400;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_LIMIT:
        return 429;
    case ERR_DENIED:
        return 401;
    case ERR_CANCELLED:
        return 499;
    case ERR_TIMEOUT:
        return 504;
    case ERR_UNAVAILABLE:
        return 503;
    default:
        return 500;
    }
}

void
api_answer_fault(struct api_request *q, err rc, const struct fault *f)
{
    int status = http_status_of(rc);
    if (status == 500) {
        LOG_E("query failed", LOG_STR("path", q->r->path), LOG_FAULT(f));
    }
    api_answer_error(q, status, slice_cstr(f->msg[0] ? f->msg : err_name(rc)));
}

/* --- routing ------------------------------------------------------------------------------------------ */

/* `path` under `route`: exactly, or with something behind it for ROUTE_REST. */
static bool
route_matches(const struct route *route, slice path, slice prefix, slice *ret_rest)
{
    slice pattern = slice_cstr(route->path);
    if ((route->flags & ROUTE_PREFIXED) && prefix.n) {
        /* /querier comes before the prefix, /api behind it */
        slice querier = SL("/querier");
        if (slice_starts_with(pattern, querier)) {
            if (!slice_starts_with(path, querier)) {
                return false;
            }
            path = slice_sub(path, querier.n, path.n);
            pattern = slice_sub(pattern, querier.n, pattern.n);
        }
        if (!slice_starts_with(path, prefix)) {
            return false;
        }
        path = slice_sub(path, prefix.n, path.n);
    }
    if (!(route->flags & ROUTE_REST)) {
        return slice_eq(path, pattern);
    }
    *ret_rest = slice_sub(path, pattern.n, path.n);
    return slice_starts_with(path, pattern) && ret_rest->n > 0;
}

static const struct route *
find_route(const struct frontend *fe, slice path, slice *ret_rest)
{
    slice prefix = slice_cstr(fe->o.config->http_api_prefix);
    for (size_t i = 0; i < frontend_route_count; i++) {
        if (route_matches(&frontend_routes[i], path, prefix, ret_rest)) {
            return &frontend_routes[i];
        }
    }
    return NULL;
}

/* Go's mux sends "//" away to the clean path. */
static void
answer_redirect(struct api_request *q)
{
    struct buf to;
    buf_init(&to, REDIRECT_MAX);
    for (size_t i = 0; i < q->r->path.n; i++) {
        if (q->r->path.p[i] != '/' || i == 0 || q->r->path.p[i - 1] != '/') {
            buf_append_byte(&to, q->r->path.p[i]);
        }
    }
    if (q->r->query.n) {
        buf_append_byte(&to, '?');
        buf_append_slice(&to, q->r->query);
    }
    struct http_header location = {SL("Location"), buf_slice(&to)};
    api_answer(q, &(struct http_response){.status = 301, .headers = &location, .header_count = 1});
    buf_fini(&to);
}

static bool
check_tenant(struct api_request *q)
{
    const struct config *c = q->fe->o.config;
    struct fault f = {0};
    err rc = tenants_for_query(c->multitenancy_enabled, c->query_frontend.multi_tenant_queries_enabled,
                               http_header_get(q->r, SL("x-scope-orgid")), q->tenants, &q->tenant_count, &f);
    if (rc != OK) {
        api_answer_http_error(q, rc == ERR_DENIED ? 401 : 400, slice_cstr(f.msg));
    }
    return rc == OK;
}

static void
run_on_worker(struct pool_job *job)
{
    struct api_request *q = (struct api_request *)job;
    q->route->run(q);
}

static void
dispatch(struct api_request *q)
{
    const struct route *route = q->route;
    if ((route->flags & ROUTE_GET_ONLY) && !slice_eq(q->r->method, SL("GET"))) {
        api_answer_bytes(q, 405, SL_EMPTY, SL_EMPTY);
        return;
    }
    if ((route->flags & ROUTE_TENANT) && !check_tenant(q)) {
        return;
    }
    if (!(route->flags & ROUTE_WORKER)) {
        route->run(q);
        return;
    }
    q->job.run = run_on_worker;
    if (pool_submit(q->fe->o.pool, &q->job) != OK) {
        api_answer_error(q, 429, SL("job queue full"));
    }
}

static struct api_request *
request_create(struct frontend *fe, struct http_request *r)
{
    struct api_request *q = mem_new(struct api_request);
    q->fe = fe;
    q->r = r;
    arena_init(&q->arena, QUERY_ARENA_MAX);
    return q;
}

void
frontend_handle(void *ctx, struct http_request *r)
{
    struct api_request *q = request_create(ctx, r);
    if (slice_find(r->path, SL("//")) != SIZE_MAX) {
        answer_redirect(q);
        return;
    }
    q->route = find_route(q->fe, r->path, &q->rest);
    if (q->route == NULL) {
        api_answer_http_error(q, 404, SL("404 page not found"));
        return;
    }
    dispatch(q);
}

void
frontend_handle_internal(void *ctx, struct http_request *r)
{
    struct api_request *q = request_create(ctx, r);
    q->route = find_route(q->fe, r->path, &q->rest);
    if (q->route == NULL || (q->route->run != admin_ready && q->route->run != admin_metrics)) {
        q->route = NULL;
        api_answer_http_error(q, 404, SL("404 page not found"));
        return;
    }
    dispatch(q);
}
