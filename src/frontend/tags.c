#include "tags.h"

#include "http_query.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/traceql/traceql.h"

#define FILTER_TEXT_MAX   ((size_t)8 << 20)
#define ALL_SCOPES        ((1U << TAG_SCOPE_COUNT) - 1)
#define DECODE_ROUNDS_MAX 4

void
running_tags_init(struct running_tags *t, const struct query_owner *owner, bool values, enum tag_form form)
{
    *t = (struct running_tags){.owner = *owner, .values = values, .started_ns = clock_mono_ns()};
    t->answer.form = form;
    planned_init(&t->planned, owner->fe->o.query_budget);
}

void
running_tags_fini(struct running_tags *t)
{
    tags_destroy(t->tags);
    planned_fini(&t->planned);
}

/* --- what is asked for ---------------------------------------------------------------------------------- */

static err
parse_scope(struct running_tags *t, struct fault *f)
{
    static const struct {
        const char *name;
        unsigned scopes;
        bool intrinsic;
    } rows[] = {
        {"", ALL_SCOPES, true},
        {"none", ALL_SCOPES, true},
        {"resource", 1U << TAG_SCOPE_RESOURCE, false},
        {"span", 1U << TAG_SCOPE_SPAN, false},
        {"event", 1U << TAG_SCOPE_EVENT, false},
        {"link", 1U << TAG_SCOPE_LINK, false},
        {"instrumentation", 1U << TAG_SCOPE_INSTRUMENTATION, false},
        {"intrinsic", 0, true},
        {"trace", 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (slice_eq(t->request.scope, slice_cstr(rows[i].name))) {
            t->answer.scopes = rows[i].scopes;
            t->answer.with_intrinsic =
                rows[i].intrinsic && (t->answer.form == TAGS_V2 || rows[i].scopes == 0);
            return OK;
        }
    }
    return FAULT(f, ERR_INVALID, "invalid scope: %.*s", SL_FMT(slice_sub(t->request.scope, 0, 100)));
}

/* The attributes a value query looks at: none when the answer is known already. */
struct asked {
    struct tql_attr attrs[3];
    size_t count;
    struct tql_attr tag;
};

static void
ask(struct asked *a, enum tql_scope scope, enum tql_intrinsic intrinsic, slice name)
{
    a->attrs[a->count++] =
        (struct tql_attr){.name = name, .scope = (uint8_t)scope, .intrinsic = (uint8_t)intrinsic};
}

static void
ask_everywhere(struct asked *a, slice name)
{
    ask(a, TQL_SCOPE_SPAN, TQL_INTRINSIC_NONE, name);
    ask(a, TQL_SCOPE_RESOURCE, TQL_INTRINSIC_NONE, name);
    ask(a, TQL_SCOPE_INSTRUMENTATION, TQL_INTRINSIC_NONE, name);
}

/* v1: a bare name. */
static void
ask_v1(struct running_tags *t, struct asked *a)
{
    const slice name = t->request.tag;
    struct tql_static yes = tql_static_string(SL("true"));
    a->tag = (struct tql_attr){.name = name};
    if (slice_eq(name, SL("name"))) {
        ask(a, TQL_SCOPE_NONE, TQL_INTRINSIC_NAME, SL_EMPTY);
    } else if (slice_eq(name, SL("root.name"))) {
        ask(a, TQL_SCOPE_NONE, TQL_INTRINSIC_TRACE_ROOT_NAME, SL_EMPTY);
    } else if (slice_eq(name, SL("root.service.name"))) {
        ask(a, TQL_SCOPE_NONE, TQL_INTRINSIC_TRACE_ROOT_SERVICE, SL_EMPTY);
    } else if (slice_eq(name, SL("status.code"))) {
        t->answer.keywords_status = true;
    } else if (slice_eq(name, SL("error"))) {
        tags_add_value(t->tags, &yes);
    } else {
        ask_everywhere(a, name);
    }
}

static void
ask_intrinsic(struct running_tags *t, struct asked *a)
{
    switch ((enum tql_intrinsic)a->tag.intrinsic) {
    case TQL_INTRINSIC_STATUS:
        t->answer.keywords_status = true;
        return;
    case TQL_INTRINSIC_KIND:
        t->answer.keywords_kind = true;
        return;
    case TQL_INTRINSIC_DURATION:
    case TQL_INTRINSIC_TRACE_ID:
    case TQL_INTRINSIC_SPAN_ID:
    case TQL_INTRINSIC_SPAN_PARENT_ID:
    case TQL_INTRINSIC_LINK_TRACE_ID:
    case TQL_INTRINSIC_LINK_SPAN_ID:
    case TQL_INTRINSIC_PARENT:
        return; /* as good as no two spans share one */
    case TQL_INTRINSIC_TRACE_DURATION:
        if (slice_eq(t->request.tag, SL("traceDuration"))) {
            return;
        }
        break;
    default:
        break;
    }
    ask(a, TQL_SCOPE_NONE, (enum tql_intrinsic)a->tag.intrinsic, SL_EMPTY);
}

static err
ask_v2(struct running_tags *t, struct asked *a, struct fault *f)
{
    err rc = traceql_parse_identifier(t->request.tag, &t->planned.arena, f, &a->tag);
    if (rc != OK) {
        fault_prefix(f, "please provide a valid tagName");
        query_explain(t->request.tag, f);
        return ERR_INVALID;
    }
    if (a->tag.intrinsic != TQL_INTRINSIC_NONE) {
        ask_intrinsic(t, a);
    } else if (a->tag.parent) {
        return OK;
    } else if (a->tag.scope == TQL_SCOPE_NONE) {
        ask_everywhere(a, a->tag.name);
    } else {
        ask(a, (enum tql_scope)a->tag.scope, TQL_INTRINSIC_NONE, a->tag.name);
    }
    return OK;
}

/* --- the query that is run ------------------------------------------------------------------------------ */

static void
put_cond(struct buf *out, const struct tql_tag_cond *c)
{
    tql_attr_print(&c->attr, out);
    if (c->op == TQL_OP_EXISTS || c->op == TQL_OP_NOT_EXISTS) {
        buf_append_cstr(out, c->op == TQL_OP_EXISTS ? " != nil" : " = nil");
        return;
    }
    buf_printf(out, " %s ", tql_op_text((enum tql_op)c->op));
    tql_static_print(&c->value, out);
}

/* `<tag> = literal` in a group: that is the answer, whatever the data. */
static const struct tql_static *
answer_in_group(const struct tql_tag_group *g, const struct tql_attr *tag)
{
    for (size_t i = 0; tag && i < g->cond_count; i++) {
        if (g->conds[i].op == TQL_OP_EQ && tql_attr_same(&g->conds[i].attr, tag)) {
            return &g->conds[i].value;
        }
    }
    return NULL;
}

/* `{ (a && b) || (c) }`; false when nothing is left to look for. */
static bool
put_filter(struct running_tags *t, const struct tql_tag_filter *filter, const struct tql_attr *tag,
           struct buf *out)
{
    size_t groups = 0;
    buf_append_cstr(out, "{ ");
    for (size_t i = 0; i < filter->group_count; i++) {
        const struct tql_tag_group *g = &filter->groups[i];
        const struct tql_static *known = answer_in_group(g, tag);
        if (known) {
            tags_add_value(t->tags, known);
            continue;
        }
        buf_append_cstr(out, groups++ ? " || (" : "(");
        for (size_t k = 0; k < g->cond_count; k++) {
            buf_append_cstr(out, k ? " && " : "");
            put_cond(out, &g->conds[k]);
        }
        buf_append_byte(out, ')');
    }
    buf_append_cstr(out, " }");
    return groups > 0 || filter->group_count == 0;
}

static void
put_select(struct buf *out, const struct asked *a)
{
    for (size_t i = 0; i < a->count; i++) {
        buf_append_cstr(out, i ? ", " : " | select(");
        tql_attr_print(&a->attrs[i], out);
    }
    buf_append_cstr(out, a->count ? ")" : "");
}

static err
plan_filter(struct running_tags *t, const struct asked *a, struct fault *f)
{
    const struct config_query_frontend *c = &t->owner.fe->o.config->query_frontend;
    struct tql_tag_filter filter = {0};
    struct buf text;
    struct fault g = {0};
    err rc = OK;
    buf_init(&text, FILTER_TEXT_MAX);
    if (t->request.has_q && !(t->answer.form == TAGS_V1 && !t->values)) {
        TRY(traceql_check_size(t->request.q, (size_t)c->max_query_expression_size_bytes, f));
        TRY(traceql_parse_tag_filter(t->request.q, &t->planned.arena, f, &filter));
    }
    if (!put_filter(t, &filter, t->values ? &a->tag : NULL, &text)) {
        goto out;
    }
    put_select(&text, a);
    rc = planned_make(&t->planned, buf_slice(&text), 0, &g);
    if (rc == ERR_INVALID && filter.group_count) { /* a filter that means nothing filters nothing */
        buf_clear(&text);
        put_filter(t, &(struct tql_tag_filter){0}, NULL, &text);
        put_select(&text, a);
        planned_fini(&t->planned);
        planned_init(&t->planned, t->owner.fe->o.query_budget);
        g = (struct fault){0};
        rc = planned_make(&t->planned, buf_slice(&text), 0, &g);
    }
    if (rc != OK) {
        *f = g;
    }
out:
    buf_fini(&text);
    return rc == ERR_LIMIT && f->msg[0] == 'm' ? ERR_INVALID : rc; /* "maximum condition groups reached" */
}

static size_t
bytes_max(const struct running_tags *t)
{
    uint64_t max = 0;
    for (size_t i = 0; i < t->owner.tenant_count; i++) {
        const struct tenant_limits *l = overrides_get(t->owner.fe->o.overrides, t->owner.tenants[i]);
        uint64_t own = l->read.max_bytes_per_tag_values_query;
        max = own && (max == 0 || own < max) ? own : max;
        overrides_release(l);
    }
    return max ? (size_t)max : TAGS_BYTES_MAX;
}

/* The slots of select() in the plan. */
static void
find_slots(struct running_tags *t)
{
    const struct tql_plan *plan = &t->planned.plan;
    for (size_t i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].kind == TQL_STEP_SELECT) {
            t->query.slots = plan->steps[i].slots;
            t->query.slot_count = plan->steps[i].slot_count;
        }
    }
}

static void
fill_query(struct running_tags *t, const _Atomic bool *cancelled)
{
    const struct frontend_options *o = &t->owner.fe->o;
    t->query = (struct tags_query){
        .scopes = t->values ? 0 : t->answer.scopes,
        .tenants = t->owner.tenants,
        .tenant_count = t->owner.tenant_count,
        .sources = o->search_sources,
        .tag_sources = o->tag_sources,
        .source_count = o->search_source_count,
        .tag_source_count = o->tag_source_count,
        .start_ns = t->request.start_ns,
        .end_ns = t->request.end_ns,
        .limit = t->request.limit,
        .bytes_max = bytes_max(t),
        .guard = {.cancelled = cancelled, .deadline_mono_ns = query_deadline(t->owner.fe)},
        .budget = o->query_budget,
    };
}

err
running_tags_begin(struct running_tags *t, const _Atomic bool *cancelled, struct fault *f)
{
    struct asked asked = {0};
    err rc = OK;
    TRY(query_request_range(&t->owner, &t->request, f));
    if (!t->values) {
        TRY(parse_scope(t, f));
    }
    fill_query(t, cancelled);
    t->tags = tags_create(&t->query); /* answers that need no data go here */
    if (t->values && t->answer.form == TAGS_V1) {
        ask_v1(t, &asked);
    } else if (t->values) {
        TRY(ask_v2(t, &asked, f));
    }
    if (t->values ? asked.count > 0 : t->answer.scopes != 0) {
        TRY(plan_filter(t, &asked, f));
    }
    if (t->planned.ready) {
        t->query.plan = &t->planned.plan;
        find_slots(t);
        tags_start(t->tags, &t->query);
    }
out:
    return rc;
}

err
running_tags_step(struct running_tags *t, struct fault *f)
{
    err rc = tags_step(t->tags, QUERY_SLICE_NS, f);
    return rc == ERR_INVALID || rc == ERR_UNSUPPORTED ? ERR_INTERNAL : rc;
}

const struct tag_answer *
running_tags_answer(struct running_tags *t)
{
    t->answer.result = tags_result(t->tags);
    return &t->answer;
}

struct tag_answer
running_tags_news(struct running_tags *t)
{
    return (struct tag_answer){.form = t->answer.form, .result = tags_news(t->tags)};
}

void
running_tags_log(struct running_tags *t, err rc, const struct fault *f)
{
    const struct query_owner *o = &t->owner;
    slice result = rc == ERR_CANCELLED ? SL("canceled") : SL("completed");
    for (size_t i = 0; i < o->tenant_count; i++) {
        series_add(metric_series(o->fe->queries, (slice[]){SL("metadata"), result, o->tenants[i]}), 1);
    }
    LOG_I(t->values ? "search tag values response" : "search tag response", LOG_STR("tenant", o->tenants[0]),
          LOG_STR("tag", slice_sub(t->request.tag, 0, 256)),
          LOG_STR("scope", slice_sub(t->request.scope, 0, 64)),
          LOG_STR("query", slice_sub(t->request.q, 0, 1024)),
          LOG_DBL("duration_seconds", (double)(clock_mono_ns() - t->started_ns) / (double)NS_PER_S),
          LOG_UINT("inspected_bytes", t->tags ? tags_result(t->tags)->stats.bytes : 0),
          LOG_CSTR("error", rc == OK ? "null" : f->msg));
}

/* --- the endpoints -------------------------------------------------------------------------------------- */

struct http_tags {
    struct http_query head;
    struct running_tags tags;
};

static err
begin(struct http_query *h, struct fault *f)
{
    return running_tags_begin(&((struct http_tags *)h)->tags, &h->q->r->cancelled, f);
}

static err
step(struct http_query *h, struct fault *f)
{
    return running_tags_step(&((struct http_tags *)h)->tags, f);
}

static void
log_end(struct http_query *h, err rc, const struct fault *f)
{
    running_tags_log(&((struct http_tags *)h)->tags, rc, f);
}

static void
keep_message(void *ctx, struct buf *message)
{
    struct buf *out = ctx;
    buf_append_slice(out, buf_slice(message));
    out->failed = out->failed || message->failed;
}

static slice
write_body(struct http_query *h, struct buf *out)
{
    struct running_tags *t = &((struct http_tags *)h)->tags;
    const struct tag_answer *a = running_tags_answer(t);
    enum accept_format accept = api_accept(h->q->r);
    if (accept == ACCEPT_PROTOBUF) {
        (t->values ? tag_values_write_pb : tag_names_write_pb)(a, 0, keep_message, out);
        return SL("application/protobuf");
    }
    if (accept == ACCEPT_LLM && t->values && a->form == TAGS_V2) {
        tag_values_write_llm(a, out);
        return SL("application/vnd.grafana.llm+json");
    }
    (t->values ? tag_values_write_json : tag_names_write_json)(a, out);
    return SL("application/json");
}

static void
fini(struct http_query *h)
{
    running_tags_fini(&((struct http_tags *)h)->tags);
}

static const struct http_query_kind kind = {
    .begin = begin,
    .step = step,
    .log = log_end,
    .write = write_body,
    .too_large = "the answer is too large, ask for less",
    .fini = fini,
};

/* The name in the path: what stands before "/values", decoded until it changes no more (old Grafana encodes
 * it twice). False when the path is not of that form. */
static bool
tag_of_path(struct api_request *q, slice *ret)
{
    if (!slice_ends_with(q->rest, SL("/values"))) {
        return false;
    }
    *ret = slice_sub(q->rest, 0, q->rest.n - strlen("/values"));
    for (int i = 0; i < DECODE_ROUNDS_MAX; i++) {
        slice next;
        if (slice_find_byte(*ret, '%') == ret->n || !url_decode(*ret, false, &q->arena, &next)) {
            break;
        }
        *ret = next;
    }
    return ret->n > 0;
}

static void
start(struct api_request *q, bool values, enum tag_form form)
{
    struct fault f = {0};
    slice tag = SL_EMPTY;
    struct query_owner owner = http_query_owner(q);
    if (values && !tag_of_path(q, &tag)) {
        api_answer_http_error(q, 404, SL("404 page not found"));
        return;
    }
    struct http_tags *h = mem_new(struct http_tags);
    running_tags_init(&h->tags, &owner, values, form);
    err rc = tag_request_from_url(q, &h->tags.request, &f);
    h->tags.request.tag = tag;
    http_query_start(&h->head, q, &kind, rc, &f);
}

void
tag_names_v1(struct api_request *q)
{
    start(q, false, TAGS_V1);
}

void
tag_names_v2(struct api_request *q)
{
    start(q, false, TAGS_V2);
}

void
tag_values_v1(struct api_request *q)
{
    start(q, true, TAGS_V1);
}

void
tag_values_v2(struct api_request *q)
{
    start(q, true, TAGS_V2);
}
