/* OTLP protobuf to a span batch: one pass over the bytes, in place.
 *
 * Two ways through a message: the usual one (otlp_usual.h) takes fields as SDKs write them, tag byte by tag
 * byte; the general one, below it, takes what is left and knows every error. Behaviour is the general one's.
 *
 * What must stand in one run is decoded when its owner has been read whole: ResourceSpans and ScopeSpans are
 * first walked for their own fields (a step per child, not per byte), and a span's events and links wait for
 * the end of the span, so that runs stay contiguous whatever the order of fields.
 */
#include "batch_room.h"
#include "otlp_schema.h"
#include "otlp_usual.h"

#include "vivace/base/table.h"
#include "vivace/codec/otlp.h"

/* Bytes of body per attribute when guessing how many will come: real ones take 25 to 45, ids and times of
 * their span included. */
#define BYTES_PER_ATTR 24
/* The same for spans. A scope's spans are counted too, but a request of many scopes should not grow for each.
 */
#define BYTES_PER_SPAN 200

struct decoder {
    struct span_batch *b;
    struct fault *f;
    const trace_id *only;        /* NULL: every trace */
    const struct id_table *some; /* or those in it */
    bool refs_scattered;         /* the resource's entity_refs do not stand side by side */
};

static err
full(struct decoder *d)
{
    return FAULT(d->f, ERR_LIMIT, "the decoded spans take more memory than the limit of %zu bytes",
                 d->b->arena.max);
}

static err
bad(struct decoder *d, enum otlp_message kind, struct wire_reader at)
{
    return pb_fault(d->f, &otlp_messages[kind], at);
}

/* For a `default:` of a switch on tags: ERR_INVALID when the field is known, by another type. */
static inline err
skip(struct decoder *d, enum otlp_message kind, const struct pb_field *field, struct wire_reader at)
{
    return pb_is_unknown(&otlp_messages[kind], field->tag) ? OK : bad(d, kind, at);
}

static err
attr_take(struct decoder *d, slice body, struct run *run)
{
    struct span_batch *b = d->b;
    struct attr *a = b->attr_count < b->attr_cap ? &b->attrs[b->attr_count++] : span_batch_add_attr(b);
    if (a == NULL) {
        return full(d);
    }
    run->n++;
    return usual_key_value(body.p, body.p + body.n, a) ? OK : otlp_key_value_decode(body, a, d->f);
}

static struct run
attr_run(const struct decoder *d)
{
    return (struct run){(uint32_t)d->b->attr_count, 0};
}

static err
id_take(struct decoder *d, slice from, uint8_t *to, size_t n)
{
    if (from.n == n) {
        memcpy(to, from.p, n);
    } else if (from.n == 0) {
        memset(to, 0, n);
    } else {
        return FAULT(d->f, ERR_INVALID, "unmarshal: invalid %s length",
                     n == TRACE_ID_BYTES ? "TraceID" : "SpanID");
    }
    return OK;
}

static err
event_decode(struct decoder *d, slice body, struct span_event *e)
{
    struct wire_reader r = wire_reader_of(body), at;
    struct pb_field field = {0};
    err rc = OK;
    e->attrs = attr_run(d);
    while (r.p < r.end) {
        at = r;
        if (!pb_next(&r, &field)) {
            return bad(d, OTLP_EVENT, at);
        }
        switch (field.tag) {
        case PB_TAG(1, WIRE_FIXED64):
            e->time_ns = field.v;
            break;
        case PB_TAG(2, WIRE_LEN):
            e->name = field.bytes;
            break;
        case PB_TAG(3, WIRE_LEN):
            TRY(attr_take(d, field.bytes, &e->attrs));
            break;
        case PB_TAG(4, WIRE_VARINT):
            e->dropped_attrs = (uint32_t)field.v;
            break;
        default:
            TRY(skip(d, OTLP_EVENT, &field, at));
        }
    }
out:
    return rc;
}

static err
link_decode(struct decoder *d, slice body, struct span_link *l)
{
    struct wire_reader r = wire_reader_of(body), at;
    struct pb_field field = {0};
    err rc = OK;
    l->attrs = attr_run(d);
    while (r.p < r.end) {
        at = r;
        if (!pb_next(&r, &field)) {
            return bad(d, OTLP_LINK, at);
        }
        switch (field.tag) {
        case PB_TAG(1, WIRE_LEN):
            TRY(id_take(d, field.bytes, l->trace.b, TRACE_ID_BYTES));
            break;
        case PB_TAG(2, WIRE_LEN):
            TRY(id_take(d, field.bytes, l->span.b, SPAN_ID_BYTES));
            break;
        case PB_TAG(3, WIRE_LEN):
            l->trace_state = field.bytes;
            break;
        case PB_TAG(4, WIRE_LEN):
            TRY(attr_take(d, field.bytes, &l->attrs));
            break;
        case PB_TAG(5, WIRE_VARINT):
            l->dropped_attrs = (uint32_t)field.v;
            break;
        case PB_TAG(6, WIRE_FIXED32):
            l->flags = (uint32_t)field.v;
            break;
        default:
            TRY(skip(d, OTLP_LINK, &field, at));
        }
    }
out:
    return rc;
}

static err
status_decode(struct decoder *d, slice body, struct span *s)
{
    struct wire_reader r = wire_reader_of(body), at;
    struct pb_field field = {0};
    err rc = OK;
    while (r.p < r.end) {
        at = r;
        if (!pb_next(&r, &field)) {
            return bad(d, OTLP_STATUS, at);
        }
        switch (field.tag) {
        case PB_TAG(2, WIRE_LEN):
            s->status_message = field.bytes;
            break;
        case PB_TAG(3, WIRE_VARINT):
            s->status_code = (int32_t)(uint32_t)field.v;
            break;
        default:
            TRY(skip(d, OTLP_STATUS, &field, at));
        }
    }
out:
    return rc;
}

/* Events and links wait with their body in `name` and `trace_state` (see the head of this file). */
static err
event_defer(struct decoder *d, slice body, struct span *s)
{
    struct span_event *e = span_batch_add_event(d->b);
    if (e == NULL) {
        return full(d);
    }
    e->name = body;
    s->events.n++;
    return OK;
}

static err
link_defer(struct decoder *d, slice body, struct span *s)
{
    struct span_link *l = span_batch_add_link(d->b);
    if (l == NULL) {
        return full(d);
    }
    l->trace_state = body;
    s->links.n++;
    return OK;
}

static err
deferred_decode(struct decoder *d, const struct span *s)
{
    err rc = OK;
    for (uint32_t i = 0; i < s->events.n; i++) {
        struct span_event *e = &d->b->events[s->events.at + i];
        slice body = e->name;
        e->name = SL_EMPTY;
        TRY(event_decode(d, body, e));
    }
    for (uint32_t i = 0; i < s->links.n; i++) {
        struct span_link *l = &d->b->links[s->links.at + i];
        slice body = l->trace_state;
        l->trace_state = SL_EMPTY;
        TRY(link_decode(d, body, l));
    }
out:
    return rc;
}

/* Fields 9 to 16; the others are in span_decode. */
static err
span_field_decode(struct decoder *d, const struct pb_field *field, struct wire_reader at, struct span *s)
{
    switch (field->tag) {
    case PB_TAG(10, WIRE_VARINT):
        s->dropped_attrs = (uint32_t)field->v;
        return OK;
    case PB_TAG(11, WIRE_LEN):
        return event_defer(d, field->bytes, s);
    case PB_TAG(12, WIRE_VARINT):
        s->dropped_events = (uint32_t)field->v;
        return OK;
    case PB_TAG(13, WIRE_LEN):
        return link_defer(d, field->bytes, s);
    case PB_TAG(14, WIRE_VARINT):
        s->dropped_links = (uint32_t)field->v;
        return OK;
    case PB_TAG(15, WIRE_LEN):
        return status_decode(d, field->bytes, s);
    case PB_TAG(16, WIRE_FIXED32):
        s->flags = (uint32_t)field->v;
        return OK;
    default:
        return skip(d, OTLP_SPAN, field, at);
    }
}

/* The general way for one field at r->p < r->end. */
static err
span_one_field(struct decoder *d, struct wire_reader *r, struct span *s)
{
    struct wire_reader at = *r;
    struct pb_field field = {0};
    if (!pb_next(r, &field)) {
        return bad(d, OTLP_SPAN, at);
    }
    switch (field.tag) {
    case PB_TAG(1, WIRE_LEN):
        return id_take(d, field.bytes, s->trace.b, TRACE_ID_BYTES);
    case PB_TAG(2, WIRE_LEN):
        return id_take(d, field.bytes, s->id.b, SPAN_ID_BYTES);
    case PB_TAG(3, WIRE_LEN):
        s->trace_state = field.bytes;
        return OK;
    case PB_TAG(4, WIRE_LEN):
        return id_take(d, field.bytes, s->parent.b, SPAN_ID_BYTES);
    case PB_TAG(5, WIRE_LEN):
        s->name = field.bytes;
        return OK;
    case PB_TAG(6, WIRE_VARINT):
        s->kind = (int32_t)(uint32_t)field.v;
        return OK;
    case PB_TAG(7, WIRE_FIXED64):
        s->start_ns = field.v;
        return OK;
    case PB_TAG(8, WIRE_FIXED64):
        s->end_ns = field.v;
        return OK;
    case PB_TAG(9, WIRE_LEN):
        return attr_take(d, field.bytes, &s->attrs);
    default:
        return span_field_decode(d, &field, at, s);
    }
}

static err
span_decode(struct decoder *d, slice body, struct span *s)
{
    struct wire_reader r = wire_reader_of(body);
    err rc = OK;
    s->wire_bytes = (uint32_t)body.n;
    s->attrs = attr_run(d);
    s->events.at = (uint32_t)d->b->event_count;
    s->links.at = (uint32_t)d->b->link_count;
    for (;;) {
        r.p = usual_span_fields(d->b, r.p, r.end, s);
        if (r.p == r.end) {
            break;
        }
        TRY(span_one_field(d, &r, s));
    }
    if (s->events.n + s->links.n != 0) {
        rc = deferred_decode(d, s);
    }
out:
    return rc;
}

/* Only the spans of some traces are kept. */
static bool
is_choosy(const struct decoder *d)
{
    return d->only != NULL || d->some != NULL;
}

/* The span's trace ID, whatever the order of its fields. A malformed span is for span_decode to report. */
static bool
span_is_wanted(const struct decoder *d, slice body)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field = {0};
    static const trace_id zero;
    slice id = SL_EMPTY;
    for (;;) {
        usual_skip(&r, PB_TAG(1, WIRE_LEN));
        if (r.p >= r.end || !pb_next(&r, &field)) {
            break;
        }
        if (field.tag == PB_TAG(1, WIRE_LEN)) {
            id = field.bytes;
        }
    }
    if (r.p < r.end) {
        return true;
    }
    const uint8_t *trace = id.n == TRACE_ID_BYTES ? id.p : zero.b;
    return d->some ? id_table_get(d->some, trace) != 0 : memcmp(trace, d->only->b, TRACE_ID_BYTES) == 0;
}

static err
span_take(struct decoder *d, slice body, uint32_t scope)
{
    struct span_batch *b = d->b;
    struct span *s;
    if (is_choosy(d) && !span_is_wanted(d, body)) {
        return OK;
    }
    if (b->span_count < b->span_cap) { /* reserved by scope_spans_decode */
        s = &b->spans[b->span_count++];
        *s = (struct span){0};
    } else if ((s = span_batch_add_span(b)) == NULL) {
        return full(d);
    }
    s->scope = scope;
    return span_decode(d, body, s);
}

static err
scope_decode(struct decoder *d, slice body, struct scope *s)
{
    struct wire_reader r = wire_reader_of(body), at;
    struct pb_field field = {0};
    err rc = OK;
    s->has_scope = true;
    while (r.p < r.end) {
        at = r;
        if (!pb_next(&r, &field)) {
            return bad(d, OTLP_SCOPE, at);
        }
        switch (field.tag) {
        case PB_TAG(1, WIRE_LEN):
            s->name = field.bytes;
            break;
        case PB_TAG(2, WIRE_LEN):
            s->version = field.bytes;
            break;
        case PB_TAG(3, WIRE_LEN):
            TRY(attr_take(d, field.bytes, &s->attrs));
            break;
        case PB_TAG(4, WIRE_VARINT):
            s->dropped_attrs = (uint32_t)field.v;
            break;
        default:
            TRY(skip(d, OTLP_SCOPE, &field, at));
        }
    }
out:
    return rc;
}

/* The scope and its URL; `ret_spans` gets how many spans will follow. */
static err
scope_spans_head(struct decoder *d, slice body, struct scope *s, size_t *ret_spans)
{
    struct wire_reader r = wire_reader_of(body), at;
    struct pb_field field = {0};
    size_t spans = 0;
    err rc = OK;
    slice span;
    s->attrs = attr_run(d);
    while (r.p < r.end) {
        if (usual_child(&r, PB_TAG(2, WIRE_LEN), &span)) {
            spans++;
            continue;
        }
        at = r;
        if (!pb_next(&r, &field)) {
            return bad(d, OTLP_SCOPE_SPANS, at);
        }
        switch (field.tag) {
        case PB_TAG(1, WIRE_LEN):
            TRY(scope_decode(d, field.bytes, s));
            break;
        case PB_TAG(2, WIRE_LEN):
            spans++;
            break;
        case PB_TAG(3, WIRE_LEN):
            s->schema_url = field.bytes;
            break;
        default:
            TRY(skip(d, OTLP_SCOPE_SPANS, &field, at));
        }
    }
    *ret_spans = spans;
out:
    return rc;
}

static err
scope_spans_decode(struct decoder *d, slice body, uint32_t resource)
{
    struct span_batch *b = d->b;
    struct span_batch_mark before = span_batch_mark(b);
    struct scope *s = span_batch_add_scope(b);
    if (s == NULL) {
        return full(d);
    }
    size_t spans = 0;
    err rc = OK;
    s->resource = resource;
    TRY(scope_spans_head(d, body, s, &spans));
    if (!is_choosy(d)) {
        spans_reserve(b, spans);
    }
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field = {0};
    slice span;
    while (r.p < r.end) {
        if (usual_child(&r, PB_TAG(2, WIRE_LEN), &span)) {
            TRY(span_take(d, span, (uint32_t)before.scopes));
        } else if (!pb_next(&r, &field)) {
            break; /* cannot be: scope_spans_head read all of it */
        } else if (field.tag == PB_TAG(2, WIRE_LEN)) {
            TRY(span_take(d, field.bytes, (uint32_t)before.scopes));
        }
    }
    if (is_choosy(d) && b->span_count == before.spans) {
        span_batch_rewind(b, before);
    }
out:
    return rc;
}

static void
entity_ref_take(struct decoder *d, slice field, slice *refs)
{
    if (refs->n == 0) {
        *refs = field;
    } else if (refs->p + refs->n == field.p) {
        refs->n += field.n;
    } else {
        d->refs_scattered = true;
    }
}

static err
resource_decode(struct decoder *d, slice body, struct resource *res)
{
    struct wire_reader r = wire_reader_of(body), at;
    struct pb_field field = {0};
    err rc = OK;
    res->has_resource = true;
    while (r.p < r.end) {
        at = r;
        if (!pb_next(&r, &field)) {
            return bad(d, OTLP_RESOURCE, at);
        }
        switch (field.tag) {
        case PB_TAG(1, WIRE_LEN):
            TRY(attr_take(d, field.bytes, &res->attrs));
            break;
        case PB_TAG(2, WIRE_VARINT):
            res->dropped_attrs = (uint32_t)field.v;
            break;
        case PB_TAG(3, WIRE_LEN):
            entity_ref_take(d, (slice){at.p, (size_t)(r.p - at.p)}, &res->entity_refs);
            break;
        default:
            TRY(skip(d, OTLP_RESOURCE, &field, at));
        }
    }
out:
    return rc;
}

/* Walk the entity_refs of every Resource in this ResourceSpans: their size, and their bytes unless `to` is
 * NULL. Everything here was decoded before. */
static size_t
entity_refs_walk(slice body, uint8_t *to)
{
    struct wire_reader outer = wire_reader_of(body);
    struct pb_field field = {0};
    size_t total = 0;
    while (outer.p < outer.end && pb_next(&outer, &field)) {
        if (field.tag != PB_TAG(1, WIRE_LEN)) {
            continue;
        }
        struct wire_reader r = wire_reader_of(field.bytes), at = r;
        for (; r.p < r.end && pb_next(&r, &field); at = r) {
            if (field.tag == PB_TAG(3, WIRE_LEN)) {
                size_t n = (size_t)(r.p - at.p);
                if (to != NULL) {
                    memcpy(to + total, at.p, n);
                }
                total += n;
            }
        }
    }
    return total;
}

static err
entity_refs_gather(struct decoder *d, slice body, struct resource *res)
{
    size_t n = entity_refs_walk(body, NULL);
    uint8_t *p = arena_alloc(&d->b->arena, n);
    if (p == NULL) {
        return full(d);
    }
    res->entity_refs = (slice){p, entity_refs_walk(body, p)};
    d->refs_scattered = false;
    return OK;
}

/* The resource and its URL; `ret_has_scopes` tells whether field 2 is there. */
static err
resource_spans_head(struct decoder *d, slice body, struct resource *res, bool *ret_has_scopes)
{
    struct wire_reader r = wire_reader_of(body), at;
    struct pb_field field = {0};
    bool has_scopes = false;
    err rc = OK;
    res->attrs = attr_run(d);
    while (r.p < r.end) {
        at = r;
        if (!pb_next(&r, &field)) {
            return bad(d, OTLP_RESOURCE_SPANS, at);
        }
        switch (field.tag) {
        case PB_TAG(1, WIRE_LEN):
            TRY(resource_decode(d, field.bytes, res));
            break;
        case PB_TAG(2, WIRE_LEN):
            has_scopes = true;
            break;
        case PB_TAG(3, WIRE_LEN):
            res->schema_url = field.bytes;
            break;
        case PB_TAG(OTLP_DEPRECATED_SCOPE_SPANS, WIRE_LEN):
            break;
        default:
            TRY(skip(d, OTLP_RESOURCE_SPANS, &field, at));
        }
    }
    if (d->refs_scattered) {
        TRY(entity_refs_gather(d, body, res));
    }
    *ret_has_scopes = has_scopes;
out:
    return rc;
}

static err
resource_spans_decode(struct decoder *d, slice body)
{
    struct span_batch *b = d->b;
    struct span_batch_mark before = span_batch_mark(b);
    struct resource *res = span_batch_add_resource(b);
    if (res == NULL) {
        return full(d);
    }
    bool has_scopes = false;
    err rc = OK;
    TRY(resource_spans_head(d, body, res, &has_scopes));
    uint64_t scope_tag = PB_TAG(has_scopes ? 2 : OTLP_DEPRECATED_SCOPE_SPANS, WIRE_LEN);
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field = {0};
    while (r.p < r.end && pb_next(&r, &field)) {
        if (field.tag == scope_tag) {
            TRY(scope_spans_decode(d, field.bytes, (uint32_t)before.resources));
        }
    }
    if (is_choosy(d) && b->span_count == before.spans) {
        span_batch_rewind(b, before);
    }
out:
    return rc;
}

/* Every element takes two bytes of body at least: none of the 32-bit counts can overflow after this. */
static err
counts_check(const struct span_batch *b, slice body, struct fault *f)
{
    if (body.n > UINT32_MAX) {
        return FAULT(f, ERR_LIMIT, "a request of %zu bytes is over the limit of 4 GiB", body.n);
    }
    size_t room = UINT32_MAX - body.n / 2;
    if (b->span_count > room || b->attr_count > room || b->event_count > room || b->link_count > room ||
        b->scope_count > room || b->resource_count > room) {
        return FAULT(f, ERR_LIMIT, "a batch holds at most 4294967295 spans, attributes, events or links");
    }
    return OK;
}

static err
request_decode(struct decoder *d, slice body)
{
    struct wire_reader r = wire_reader_of(body), at;
    struct pb_field field = {0};
    err rc = OK;
    TRY(counts_check(d->b, body, d->f));
    while (r.p < r.end) {
        at = r;
        if (!pb_next(&r, &field)) {
            return bad(d, OTLP_REQUEST, at);
        }
        if (field.tag == PB_TAG(1, WIRE_LEN)) {
            TRY(resource_spans_decode(d, field.bytes));
        } else {
            TRY(skip(d, OTLP_REQUEST, &field, at));
        }
    }
out:
    return rc;
}

err
otlp_decode(slice body, struct span_batch *out, struct fault *f)
{
    struct decoder d = {.b = out, .f = f};
    attrs_reserve(out, body.n / BYTES_PER_ATTR);
    spans_reserve(out, body.n / BYTES_PER_SPAN);
    return request_decode(&d, body);
}

err
otlp_decode_trace(slice body, const trace_id *only, struct span_batch *out, struct fault *f)
{
    struct decoder d = {.b = out, .f = f, .only = only};
    return request_decode(&d, body);
}

err
otlp_decode_traces(slice body, const struct id_table *some, struct span_batch *out, struct fault *f)
{
    struct decoder d = {.b = out, .f = f, .some = some};
    return request_decode(&d, body);
}
