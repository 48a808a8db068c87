/* tempopb.StreamingQuerier: searches, tag and metrics queries as streams (api.md 2, grafana.md 1.6, 2.5).
 *
 * While a query runs, its news are sent at most every STREAM_PERIOD_NS: traces that are found and final, the
 * intervals of a metrics query that are final, names and values of tags; each once, and without any how far
 * the query is. At the end the whole result, always, in packets of at most STREAM_PACKET_MAX. Every message
 * carries the metrics. */
#include "gate.h"
#include "metrics.h"
#include "tags.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"

#define STREAM_PERIOD_NS  (500 * NS_PER_MS)
#define STREAM_COST_SHARE 20                /* messages take a twentieth of the query's time at most */
#define STREAM_PACKET_MAX ((size_t)1 << 20) /* Grafana's clients take 4 MB; some proxies less */
#define STREAM_ARENA_MAX  ((size_t)4 << 20)

enum stream_kind { STREAM_SEARCH, STREAM_TAGS, STREAM_METRICS };

/* What a call of any method has. */
struct stream {
    struct query_task task;
    struct frontend *fe;
    struct grpc_call *call;
    struct arena arena;
    slice tenants[TENANTS_PER_QUERY_MAX];
    size_t tenant_count, packet;
    enum stream_kind kind;
    bool begun, values, instant;
    enum tag_form form;
    union {
        struct running_search search;
        struct running_tags tags;
        struct running_metrics metrics;
    };
    size_t sent;        /* traces */
    uint32_t sent_from; /* intervals from here on */
    int64_t due_ns;     /* when something is sent next */
};

/* api.md 2.1: the HTTP status of a failed query as a gRPC one. */
static enum grpc_status
status_of(err rc)
{
    switch (rc) {
    case ERR_INVALID:
        return GRPC_INVALID_ARGUMENT;
    case ERR_NOT_FOUND:
        return GRPC_NOT_FOUND;
    case ERR_LIMIT:
        return GRPC_RESOURCE_EXHAUSTED;
    case ERR_CANCELLED:
        return GRPC_CANCELLED;
    case ERR_DENIED:
        return GRPC_UNKNOWN;
    case ERR_UNAVAILABLE:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_INTERNAL;
    }
}

static void
send_message(void *ctx, struct buf *message)
{
    struct stream *s = ctx;
    grpc_send_later(s->call, bytes_take(message));
}

/* Traces [from, from + n) in as many packets as they take; one at least. */
static void
send_traces(struct stream *s, const struct search_answer *a, size_t from, size_t n)
{
    do {
        struct buf out;
        size_t take = n;
        buf_init(&out, ANSWER_BYTES_MAX);
        search_write_pb(a, from, take, &out);
        while ((out.failed || (s->packet && out.n > s->packet)) && take > 1) {
            take /= 2;
            buf_clear(&out);
            search_write_pb(a, from, take, &out);
        }
        send_message(s, &out);
        buf_fini(&out);
        from += take;
        n -= take;
    } while (n > 0);
}

/* Series [from, from + n) in as many packets as they take; one at least. */
static void
send_series(struct stream *s, const struct metrics_answer_form *a)
{
    const size_t count = a->result->count;
    size_t from = 0;
    size_t chunk = count;
    do {
        struct buf out;
        size_t take = chunk < count - from ? chunk : count - from;
        buf_init(&out, ANSWER_BYTES_MAX);
        metrics_write_pb(a, from, take, from + take == count, &out);
        while ((out.failed || (s->packet && out.n > s->packet)) && take > 1) {
            take /= 2;
            chunk = take; /* the next ones are likely as large */
            buf_clear(&out);
            metrics_write_pb(a, from, take, from + take == count, &out);
        }
        send_message(s, &out);
        buf_fini(&out);
        from += take;
    } while (from < count);
}

/* The intervals that became final, or only how far the query is. */
static void
send_metrics_progress(struct stream *s)
{
    struct metrics_answer_form a;
    const struct metrics_result nothing = {.stats = *metrics_stats(s->metrics.metrics)};
    const uint32_t final = running_metrics_final(&s->metrics);
    const uint32_t sent = s->sent_from;
    if (final >= sent || s->instant) {
        running_metrics_form(&s->metrics, &nothing, false, &a);
    } else {
        running_metrics_answer(&s->metrics, false, &a); /* makes all series */
        s->sent_from = final;
    }
    a.first_step = final;
    a.steps = sent;
    send_series(s, &a);
}

static void
send_tags(struct stream *s, const struct tag_answer *a)
{
    if (s->values) {
        tag_values_write_pb(a, s->packet, send_message, s);
    } else {
        tag_names_write_pb(a, s->packet, send_message, s);
    }
}

static void
send_search_progress(struct stream *s)
{
    struct search_answer a;
    running_search_answer(&s->search, false, &a);
    size_t n = a.result->final_count > s->sent ? a.result->final_count - s->sent : 0;
    answer_kinds_look(a.kinds, a.result, s->sent, n);
    send_traces(s, &a, s->sent, n);
    s->sent += n;
}

/* What is found and will stay, once every period; nothing when the client is slow to read. */
static void
send_progress(struct stream *s)
{
    int64_t now = clock_mono_ns();
    if (now < s->due_ns || grpc_queued(s->call) > GRPC_QUEUED_HIGH) {
        return;
    }
    if (s->kind == STREAM_METRICS) {
        send_metrics_progress(s);
    } else if (s->kind == STREAM_SEARCH) {
        send_search_progress(s);
    } else {
        const struct tag_answer a = running_tags_news(&s->tags);
        send_tags(s, &a);
    }
    const int64_t pause = (clock_mono_ns() - now) * STREAM_COST_SHARE;
    s->due_ns = now + (pause > STREAM_PERIOD_NS ? pause : STREAM_PERIOD_NS);
}

static void
send_result(struct stream *s)
{
    if (s->kind == STREAM_METRICS) {
        struct metrics_answer_form a;
        running_metrics_answer(&s->metrics, true, &a);
        send_series(s, &a);
    } else if (s->kind == STREAM_SEARCH) {
        struct search_answer a;
        running_search_answer(&s->search, true, &a);
        answer_kinds_look(a.kinds, a.result, 0, a.result->count);
        send_traces(s, &a, 0, a.result->count);
    } else {
        send_tags(s, running_tags_answer(&s->tags));
    }
}

/* What a begun query leaves behind. */
static void
end_query(struct stream *s, err rc, const struct fault *f)
{
    switch (s->kind) {
    case STREAM_SEARCH:
        running_search_log(&s->search, rc, f);
        break;
    case STREAM_METRICS:
        running_metrics_log(&s->metrics, rc, f);
        break;
    default:
        running_tags_log(&s->tags, rc, f);
        break;
    }
    if (rc == OK) {
        send_result(s);
    }
}

static void
free_query(struct stream *s)
{
    switch (s->kind) {
    case STREAM_SEARCH:
        running_search_fini(&s->search);
        break;
    case STREAM_METRICS:
        running_metrics_fini(&s->metrics);
        break;
    default:
        running_tags_fini(&s->tags);
        break;
    }
}

/* Tempo checks metrics queries inside the call, which gives another status. */
static enum grpc_status
end_status(const struct stream *s, err rc)
{
    if (rc == ERR_INVALID && s->begun && s->kind == STREAM_METRICS && !s->metrics.request.range_refused) {
        return GRPC_UNKNOWN;
    }
    return rc == OK ? GRPC_OK : status_of(rc);
}

static void
finish(struct stream *s, err rc, const struct fault *f)
{
    slice text = rc == OK ? SL_EMPTY : slice_cstr(f->msg[0] ? f->msg : err_name(rc));
    if (s->begun) {
        end_query(s, rc, f);
    }
    grpc_finish_later(s->call, end_status(s, rc), text, SL_EMPTY);
    if (s->begun) {
        free_query(s);
    }
    arena_fini(&s->arena);
    mem_free(s);
}

static err
begin_metrics(struct stream *s, const struct query_owner *owner, slice message, struct fault *f)
{
    err rc = OK;
    running_metrics_init(&s->metrics, owner);
    TRY(metrics_request_from_pb(message, s->instant, &s->metrics.request, f));
    TRY(running_metrics_begin(&s->metrics, &s->call->cancelled, f));
    s->sent_from = s->metrics.request.steps;
out:
    return rc;
}

static err
begin_query(struct stream *s, slice message, struct fault *f)
{
    struct query_owner owner = {
        .fe = s->fe, .tenants = s->tenants, .tenant_count = s->tenant_count, .arena = &s->arena};
    err rc = OK;
    s->begun = true;
    if (s->kind == STREAM_METRICS) {
        TRY(begin_metrics(s, &owner, message, f));
    } else if (s->kind == STREAM_SEARCH) {
        running_search_init(&s->search, &owner);
        TRY(search_request_from_pb(message, &s->arena, &s->search.request, f));
        TRY(running_search_begin(&s->search, &s->call->cancelled, f));
    } else {
        running_tags_init(&s->tags, &owner, s->values, s->form);
        TRY(tag_request_from_pb(message, s->values, &s->arena, &s->tags.request, f));
        TRY(running_tags_begin(&s->tags, &s->call->cancelled, f));
    }
out:
    return rc;
}

/* False when the call is finished already. */
static bool
begin(struct stream *s)
{
    const struct config *c = s->fe->o.config;
    struct bytes *message = NULL;
    struct fault f = {0};
    err rc = grpc_call_message(s->call, &f, &message);
    if (rc != OK) {
        grpc_refuse_later(s->call, rc, &f);
        arena_fini(&s->arena);
        mem_free(s);
        return false;
    }
    rc = tenants_for_query(c->multitenancy_enabled, c->query_frontend.multi_tenant_queries_enabled,
                           http_header_get(s->call->request, SL("x-scope-orgid")), s->tenants,
                           &s->tenant_count, &f);
    if (rc == OK) {
        rc = begin_query(s, bytes_slice(message), &f);
    }
    if (rc != OK) {
        finish(s, rc, &f);
    }
    return rc == OK;
}

static bool
step(struct query_task *task)
{
    struct stream *s = (struct stream *)task;
    struct fault f = {0};
    if (!s->begun && !begin(s)) {
        return true;
    }
    err rc = s->kind == STREAM_SEARCH    ? running_search_step(&s->search, &f)
             : s->kind == STREAM_METRICS ? running_metrics_step(&s->metrics, &f)
                                         : running_tags_step(&s->tags, &f);
    if (rc == ERR_AGAIN) {
        send_progress(s);
        return false;
    }
    finish(s, rc, &f);
    return true;
}

static void
start(struct frontend *fe, struct grpc_call *c, const struct stream *kind)
{
    struct stream *s = mem_new(struct stream);
    size_t packet = (size_t)fe->o.config->query_frontend.max_grpc_streaming_packet_size;
    s->fe = fe;
    s->call = c;
    s->task.step = step;
    s->kind = kind->kind;
    s->values = kind->values;
    s->instant = kind->instant;
    s->form = kind->form;
    s->packet = packet && packet < STREAM_PACKET_MAX ? packet : STREAM_PACKET_MAX;
    s->due_ns = clock_mono_ns() + STREAM_PERIOD_NS;
    arena_init(&s->arena, STREAM_ARENA_MAX);
    if (query_gate_enter(&fe->gate, &s->task) != OK) {
        grpc_finish_later(c, GRPC_RESOURCE_EXHAUSTED, SL("job queue full"), SL_EMPTY);
        arena_fini(&s->arena);
        mem_free(s);
    }
}

static void
search(void *ctx, struct grpc_call *c)
{
    start(ctx, c, &(struct stream){.kind = STREAM_SEARCH});
}

static void
tags_v1(void *ctx, struct grpc_call *c)
{
    start(ctx, c, &(struct stream){.kind = STREAM_TAGS, .form = TAGS_V1});
}

static void
tags_v2(void *ctx, struct grpc_call *c)
{
    start(ctx, c, &(struct stream){.kind = STREAM_TAGS, .form = TAGS_V2});
}

static void
values_v1(void *ctx, struct grpc_call *c)
{
    start(ctx, c, &(struct stream){.kind = STREAM_TAGS, .values = true, .form = TAGS_V1});
}

static void
values_v2(void *ctx, struct grpc_call *c)
{
    start(ctx, c, &(struct stream){.kind = STREAM_TAGS, .values = true, .form = TAGS_V2});
}

static void
metrics_range(void *ctx, struct grpc_call *c)
{
    start(ctx, c, &(struct stream){.kind = STREAM_METRICS});
}

static void
metrics_instant(void *ctx, struct grpc_call *c)
{
    start(ctx, c, &(struct stream){.kind = STREAM_METRICS, .instant = true});
}

static const struct grpc_method methods[] = {
    {"Search", search},
    {"SearchTags", tags_v1},
    {"SearchTagsV2", tags_v2},
    {"SearchTagValues", values_v1},
    {"SearchTagValuesV2", values_v2},
    {"MetricsQueryRange", metrics_range},
    {"MetricsQueryInstant", metrics_instant},
};

const struct grpc_service frontend_streaming = {
    .name = "tempopb.StreamingQuerier",
    .methods = methods,
    .method_count = sizeof methods / sizeof *methods,
};
