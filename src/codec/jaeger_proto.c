/* jaeger.api_v2 to a span batch (receivers.md 6.1). A span may bring its own process, so spans are decoded
 * first, and resources are made of the processes when the spans stand together. */
#include "attr_set.h"
#include "jaeger_priv.h"
#include "pb_field.h"
#include "span_group.h"

#include "vivace/base/must.h"

#define NS_PER_S UINT64_C(1000000000)

static const struct pb_field_info request_fields[] = {PB_FIELD(1, LEN, "Batch")};
static const struct pb_field_info batch_fields[] = {PB_FIELD(1, LEN, "Spans"), PB_FIELD(2, LEN, "Process")};
static const struct pb_field_info process_fields[] = {PB_FIELD(1, LEN, "ServiceName"),
                                                      PB_FIELD(2, LEN, "Tags")};
static const struct pb_field_info span_fields[] = {
    PB_FIELD(1, LEN, "TraceID"),    PB_FIELD(2, LEN, "SpanID"),     PB_FIELD(3, LEN, "OperationName"),
    PB_FIELD(4, LEN, "References"), PB_FIELD(5, VARINT, "Flags"),   PB_FIELD(6, LEN, "StartTime"),
    PB_FIELD(7, LEN, "Duration"),   PB_FIELD(8, LEN, "Tags"),       PB_FIELD(9, LEN, "Logs"),
    PB_FIELD(10, LEN, "Process"),   PB_FIELD(11, LEN, "ProcessID"), PB_FIELD(12, LEN, "Warnings"),
};
static const struct pb_field_info ref_fields[] = {PB_FIELD(1, LEN, "TraceID"), PB_FIELD(2, LEN, "SpanID"),
                                                  PB_FIELD(3, VARINT, "RefType")};
static const struct pb_field_info log_fields[] = {PB_FIELD(1, LEN, "Timestamp"), PB_FIELD(2, LEN, "Fields")};
static const struct pb_field_info time_fields[] = {PB_FIELD(1, VARINT, "Seconds"),
                                                   PB_FIELD(2, VARINT, "Nanos")};
static const struct pb_field_info tag_fields[] = {
    PB_FIELD(1, LEN, "Key"),      PB_FIELD(2, VARINT, "VType"),  PB_FIELD(3, LEN, "VStr"),
    PB_FIELD(4, VARINT, "VBool"), PB_FIELD(5, VARINT, "VInt64"), PB_FIELD(6, FIXED64, "VFloat64"),
    PB_FIELD(7, LEN, "VBinary"),
};

enum message { M_REQUEST, M_BATCH, M_PROCESS, M_SPAN, M_REF, M_LOG, M_TIME, M_TAG, M_COUNT };

static const struct pb_message messages[M_COUNT] = {
    [M_REQUEST] = PB_FIELDS("PostSpansRequest", request_fields),
    [M_BATCH] = PB_FIELDS("Batch", batch_fields),
    [M_PROCESS] = PB_FIELDS("Process", process_fields),
    [M_SPAN] = PB_FIELDS("Span", span_fields),
    [M_REF] = PB_FIELDS("SpanRef", ref_fields),
    [M_LOG] = PB_FIELDS("Log", log_fields),
    [M_TIME] = PB_FIELDS("Timestamp", time_fields),
    [M_TAG] = PB_FIELDS("KeyValue", tag_fields),
};

struct post_decoder {
    struct jaeger_decoder d;
    struct span_home *homes; /* one a span of this request; in the batch's arena */
    size_t home_cap;
    size_t spans_at; /* the batch's spans before this request */
};

static bool
field_next(struct post_decoder *p, enum message kind, struct wire_reader *r, struct pb_field *field, err *rc)
{
    return pb_next_known(r, &messages[kind], field, p->d.f, rc);
}

static err
trace_id_take(struct post_decoder *p, slice from, trace_id *to)
{
    if (from.n != 8 && from.n != TRACE_ID_BYTES) {
        return FAULT(p->d.f, ERR_INVALID, "invalid length for TraceID");
    }
    *to = (trace_id){{0}};
    memcpy(to->b + TRACE_ID_BYTES - from.n, from.p, from.n);
    return OK;
}

static err
span_id_take(struct post_decoder *p, slice from, span_id *to)
{
    if (from.n != SPAN_ID_BYTES) {
        return FAULT(p->d.f, ERR_INVALID, "invalid length for SpanID");
    }
    memcpy(to->b, from.p, from.n);
    return OK;
}

/* Timestamp and Duration alike. */
static err
time_take(struct post_decoder *p, slice body, uint64_t *ret_ns)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    uint64_t seconds = 0;
    int32_t nanos = 0;
    err rc = OK;
    while (field_next(p, M_TIME, &r, &field, &rc)) {
        if (field.tag >> 3 == 1) {
            seconds = field.v;
        } else {
            nanos = (int32_t)field.v;
        }
    }
    *ret_ns = seconds * NS_PER_S + (uint64_t)(int64_t)nanos;
    return rc;
}

static err
tag_take(struct post_decoder *p, slice body, struct run *run)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    struct jaeger_tag tag = {0};
    err rc = OK;
    while (field_next(p, M_TAG, &r, &field, &rc)) {
        switch (field.tag >> 3) {
        case 1:
            tag.key = field.bytes;
            break;
        case 2:
            tag.type = (int32_t)field.v;
            break;
        case 3:
            tag.string = field.bytes;
            break;
        case 4:
            tag.b = field.v != 0;
            break;
        case 5:
            tag.i = (int64_t)field.v;
            break;
        case 6:
            memcpy(&tag.d, &field.v, sizeof tag.d);
            break;
        default:
            tag.binary = field.bytes;
        }
    }
    return rc == OK ? jaeger_tag_add(&p->d, &tag, run) : rc;
}

static struct run
attrs_here(const struct post_decoder *p)
{
    return (struct run){(uint32_t)p->d.b->attr_count, 0};
}

static err
ref_take(struct post_decoder *p, slice body)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    struct jaeger_ref ref = {0};
    err rc = OK;
    while (field_next(p, M_REF, &r, &field, &rc)) {
        if (field.tag >> 3 == 1) {
            TRY(trace_id_take(p, field.bytes, &ref.trace));
        } else if (field.tag >> 3 == 2) {
            TRY(span_id_take(p, field.bytes, &ref.span));
        } else {
            ref.type = (int32_t)field.v;
        }
    }
    if (rc == OK) {
        rc = jaeger_ref_add(&p->d, &ref);
    }
out:
    return rc;
}

static err
log_take(struct post_decoder *p, slice body, struct run *events)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    struct span_event *e = span_batch_add_event(p->d.b);
    err rc = OK;
    if (e == NULL) {
        return jaeger_full(&p->d);
    }
    events->n++;
    e->attrs = attrs_here(p);
    while (field_next(p, M_LOG, &r, &field, &rc)) {
        if (field.tag >> 3 == 1) {
            TRY(time_take(p, field.bytes, &e->time_ns));
        } else {
            TRY(tag_take(p, field.bytes, &e->attrs));
        }
    }
    if (rc == OK) {
        rc = jaeger_event_end(&p->d, e);
    }
out:
    return rc;
}

/* A field that is not repeated, or one whose run is kept elsewhere. */
static err
span_field_take(struct post_decoder *p, const struct pb_field *field, struct span *s, slice *process)
{
    switch (field->tag >> 3) {
    case 1:
        return trace_id_take(p, field->bytes, &s->trace);
    case 2:
        return span_id_take(p, field->bytes, &s->id);
    case 3:
        s->name = field->bytes;
        return OK;
    case 4:
        return ref_take(p, field->bytes);
    case 6:
        return time_take(p, field->bytes, &s->start_ns);
    case 7:
        return time_take(p, field->bytes, &s->end_ns);
    case 8:
        return tag_take(p, field->bytes, &s->attrs);
    case 10:
        *process = field->bytes;
        return OK;
    default: /* flags, warnings and process_id say nothing in OTLP */
        return OK;
    }
}

/* Logs wait for the end of the span, so that its tags are one run wherever they stand. */
static err
logs_take(struct post_decoder *p, slice body, struct span *s)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    err rc = OK;
    s->events = (struct run){(uint32_t)p->d.b->event_count, 0};
    while (field_next(p, M_SPAN, &r, &field, &rc)) {
        if (field.tag >> 3 == 9) {
            TRY(log_take(p, field.bytes, &s->events));
        }
    }
out:
    return rc;
}

/* The first tag of this key goes, the others keep their order: this is before tags are a set. */
static bool
tag_cut(struct span_batch *b, struct run *run, slice key, slice *ret)
{
    uint32_t i = attr_set_find(b, *run, key);
    if (i == UINT32_MAX) {
        return false;
    }
    const struct attr *a = &b->attrs[i];
    *ret = a->kind == VALUE_STRING ? attr_bytes(a) : SL_EMPTY;
    memmove(&b->attrs[i], &b->attrs[i + 1], (run->at + run->n - i - 1) * sizeof *a);
    run->n--;
    b->attr_count--;
    return true;
}

static err
home_add(struct post_decoder *p, struct span *s, slice process)
{
    struct span_batch *b = p->d.b;
    size_t n = b->span_count - p->spans_at;
    struct span_home home = {.resource = process};
    if (tag_cut(b, &s->attrs, SL("otel.scope.name"), &home.scope)) {
        (void)tag_cut(b, &s->attrs, SL("otel.scope.version"), &home.version);
    }
    if (n == p->home_cap) {
        struct span_home *grown = arena_grow(&b->arena, p->homes, n, &p->home_cap, n + 1, sizeof *grown);
        if (grown == NULL) {
            return jaeger_full(&p->d);
        }
        p->homes = grown;
    }
    p->homes[n] = home;
    return OK;
}

static err
span_take(struct post_decoder *p, slice body, slice process)
{
    struct span_batch *b = p->d.b;
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    struct span s = {.attrs = attrs_here(p)};
    err rc = OK;
    bool has_logs = false;
    p->d.ref_count = 0;
    if (body.n == 0) {
        return OK; /* a span that says nothing is skipped */
    }
    while (field_next(p, M_SPAN, &r, &field, &rc)) {
        has_logs |= field.tag >> 3 == 9;
        TRY(span_field_take(p, &field, &s, &process));
    }
    TRY(rc);
    s.end_ns += s.start_ns;
    TRY(home_add(p, &s, process));
    if (attr_set_unique(b, &s.attrs) != OK) { /* before the logs' attributes stand behind them */
        return jaeger_full(&p->d);
    }
    if (has_logs) {
        TRY(logs_take(p, body, &s));
    }
    TRY(jaeger_span_end(&p->d, &s, true));
    struct span *to = span_batch_add_span(b);
    if (to == NULL) {
        return jaeger_full(&p->d);
    }
    *to = s;
out:
    return rc;
}

static err
batch_take(struct post_decoder *p, slice body)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    slice process = SL_EMPTY;
    err rc = OK;
    while (field_next(p, M_BATCH, &r, &field, &rc)) {
        process = field.tag >> 3 == 2 ? field.bytes : process;
    }
    TRY(rc);
    r = wire_reader_of(body);
    while (field_next(p, M_BATCH, &r, &field, &rc)) {
        if (field.tag >> 3 == 1) {
            TRY(span_take(p, field.bytes, process));
        }
    }
out:
    return rc;
}

static err
resource_add(struct post_decoder *p, slice process)
{
    static const slice key = SL("service.name");
    struct span_batch *b = p->d.b;
    struct resource *res = span_batch_add_resource(b);
    struct attr *service = span_batch_add_attr(b);
    struct wire_reader r = wire_reader_of(process);
    struct pb_field field;
    slice name = SL_EMPTY;
    err rc = OK;
    if (res == NULL || service == NULL) {
        return jaeger_full(&p->d);
    }
    struct run run = {(uint32_t)b->attr_count - 1, 1};
    res->has_resource = true;
    while (field_next(p, M_PROCESS, &r, &field, &rc)) {
        if (field.tag >> 3 == 1) {
            name = field.bytes;
        } else {
            TRY(tag_take(p, field.bytes, &run));
        }
    }
    TRY(rc);
    if (slice_eq(name, SL("OTLPResourceNoServiceName"))) {
        b->attr_count = run.at;
        return OK;
    }
    b->attrs[run.at] = (struct attr){.key = key.p, .key_n = (uint32_t)key.n};
    attr_set_string(&b->attrs[run.at], name);
    if (name.n == 0) {
        run.at++;
        run.n--;
    }
    TRY(jaeger_process_end(&p->d, &run));
    res->attrs = run;
out:
    return rc;
}

static err
spans_place(struct post_decoder *p)
{
    struct span_batch *b = p->d.b;
    size_t n = b->span_count - p->spans_at;
    err rc = OK;
    if (span_group(b, p->spans_at, p->homes, SPAN_GROUP_AS_MET) != OK) {
        return jaeger_full(&p->d);
    }
    const struct span_home *homes = p->homes;
    MUST(n == 0 || homes != NULL); /* every span has a home */
    for (size_t i = 0; i < n; i++) {
        const struct span_home *h = &homes[i], *before = i > 0 ? h - 1 : NULL;
        bool same_resource = before != NULL && slice_eq(before->resource, h->resource);
        if (!same_resource) {
            TRY(resource_add(p, h->resource));
        }
        if (!same_resource || !slice_eq(before->scope, h->scope) || !slice_eq(before->version, h->version)) {
            struct scope *s = span_batch_add_scope(b);
            if (s == NULL) {
                return jaeger_full(&p->d);
            }
            *s = (struct scope){.resource = (uint32_t)b->resource_count - 1,
                                .name = h->scope,
                                .version = h->version,
                                .has_scope = true};
        }
        b->spans[p->spans_at + i].scope = (uint32_t)b->scope_count - 1;
    }
out:
    return rc;
}

err
jaeger_proto_decode(slice body, struct span_batch *out, struct fault *f)
{
    struct post_decoder p = {.d = {.b = out, .f = f}, .spans_at = out->span_count};
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    err rc = OK;
    if (body.n > UINT32_MAX) {
        return FAULT(f, ERR_LIMIT, "a body of %zu bytes is over the limit of 4 GiB", body.n);
    }
    while (field_next(&p, M_REQUEST, &r, &field, &rc)) {
        TRY(batch_take(&p, field.bytes));
    }
    TRY(rc);
    rc = spans_place(&p);
out:
    return rc;
}
