/* A Zipkin v1 span as OTLP (receivers.md 5.5). */
#include "attr_set.h"
#include "zipkin_priv.h"

#include <stdio.h>

#define UNKNOWN_SERVICE "unknown-service"

/* --- annotations ------------------------------------------------------------------------------------------
 */

/* The kind a core annotation tells; 0 for others. */
static int32_t
core_kind(slice value)
{
    static const struct {
        char name[3];
        uint8_t kind;
    } cores[] = {{"cs", ZIPKIN_KIND_CLIENT}, {"cr", ZIPKIN_KIND_CLIENT},   {"sr", ZIPKIN_KIND_SERVER},
                 {"ss", ZIPKIN_KIND_SERVER}, {"ms", ZIPKIN_KIND_PRODUCER}, {"mr", ZIPKIN_KIND_CONSUMER}};
    for (size_t i = 0; i < sizeof cores / sizeof cores[0]; i++) {
        if (value.n == 2 && memcmp(value.p, cores[i].name, 2) == 0) {
            return cores[i].kind;
        }
    }
    return ZIPKIN_KIND_NONE;
}

static uint64_t
ns_of(int64_t us)
{
    return us > 0 ? (uint64_t)us * ZIPKIN_NS_PER_US : 0;
}

/* Kind, times, events and the endpoint of the service from the annotations. */
static err
notes_take(struct zipkin_decoder *d, struct span *s, struct zipkin_endpoint *ret_endpoint)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    s->events = (struct run){(uint32_t)d->b->event_count, 0};
    for (size_t i = 0; i < d->note_count; i++) {
        const struct zipkin_note *n = &d->notes[i];
        int32_t kind = core_kind(n->value);
        if (n->value.n == 0) {
            continue;
        }
        if (n->time_us < first) {
            first = n->time_us;
            s->start_ns = ns_of(first);
        }
        if (n->time_us > last) {
            last = n->time_us;
            s->end_ns = ns_of(last);
        }
        if (kind == ZIPKIN_KIND_NONE) {
            struct span_event *e = span_batch_add_event(d->b);
            if (e == NULL) {
                return zipkin_full(d);
            }
            *e = (struct span_event){.time_ns = ns_of(n->time_us), .name = n->value};
            s->events.n++;
            continue;
        }
        s->kind = s->kind == ZIPKIN_KIND_NONE ? kind : s->kind;
        bool named = n->endpoint.service.n != 0 && !slice_eq(n->endpoint.service, SL(UNKNOWN_SERVICE));
        if (ret_endpoint->service.n == 0 && named) {
            *ret_endpoint = n->endpoint;
        }
    }
    return OK;
}

/* --- binary annotations -----------------------------------------------------------------------------------
 */

struct status_source {
    bool has_code;
    int32_t code; /* OTLP's */
    slice message;
};

struct statuses {
    struct status_source census, otel, http;
    bool error;
};

/* The number an attribute holds or spells. */
static bool
code_of(const struct attr *a, int32_t *ret)
{
    int64_t v;
    if (a->kind == VALUE_INT) {
        v = a->i;
    } else if (a->kind != VALUE_STRING || !slice_to_i64(attr_bytes(a), &v)) {
        return false;
    }
    if (v < INT32_MIN || v > INT32_MAX) {
        return false;
    }
    *ret = (int32_t)v;
    return true;
}

static slice
text_of(const struct attr *a)
{
    return a->kind == VALUE_STRING ? attr_bytes(a) : SL_EMPTY;
}

/* True when the attribute says nothing but the status. */
static bool
status_look(struct statuses *st, const struct attr *a)
{
    slice key = attr_key(a);
    int32_t code;
    if (slice_eq(key, SL("census.status_code"))) {
        if (code_of(a, &code)) {
            st->census.has_code = true;
            st->census.code = code == 0 ? 1 : 2;
        }
        return true;
    }
    if (slice_eq(key, SL("census.status_description")) ||
        slice_eq(key, SL("opencensus.status_description"))) {
        st->census.message = text_of(a);
        return true;
    }
    if (slice_eq(key, SL("otel.status_code"))) {
        st->otel.has_code |= code_of(a, &st->otel.code);
        return true;
    }
    if (slice_eq(key, SL("otel.status_description"))) {
        st->otel.message = text_of(a);
        return true;
    }
    if (slice_eq(key, SL("http.status_code")) && code_of(a, &code)) {
        st->http.has_code = true;
        st->http.code = code >= 100 && code < 400 ? 0 : 2;
    } else if (slice_eq(key, SL("http.status_message"))) {
        st->http.message = text_of(a);
    } else if (slice_eq(key, SL("error"))) {
        st->error = true;
        return true;
    }
    return false;
}

static void
status_set(const struct statuses *st, struct span *s)
{
    struct status_source from = st->http;
    if (st->census.has_code) {
        from = st->census;
    } else if (st->otel.has_code) {
        from = st->otel;
    } else if (st->error) {
        from = (struct status_source){
            .has_code = true,
            .code = 2,
            .message = st->census.message.n != 0 ? st->census.message : st->otel.message,
        };
    }
    if (from.has_code) {
        s->status_code = from.code;
        s->status_message = from.message;
    }
}

/* Returns the value of the local component. */
static slice
tags_take(struct zipkin_decoder *d, struct span *s, bool parse)
{
    static const slice component = SL("component");
    struct span_batch *b = d->b;
    struct statuses st = {0};
    slice local = SL_EMPTY;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->attrs.n; i++) {
        struct attr a = b->attrs[s->attrs.at + i];
        if (slice_eq(attr_key(&a), SL("lc"))) {
            a.key = component.p;
            a.key_n = (uint32_t)component.n;
            local = text_of(&a);
        }
        if (parse && a.kind == VALUE_STRING) {
            zipkin_tag_parse(&a);
        }
        if (!status_look(&st, &a)) {
            b->attrs[s->attrs.at + kept++] = a;
        }
    }
    s->attrs.n = kept;
    b->attr_count = s->attrs.at + kept;
    status_set(&st, s);
    return local;
}

/* --- a span -----------------------------------------------------------------------------------------------
 */

/* What tells one service from another: its name and address, as text that is compared. */
static err
home_of(struct zipkin_decoder *d, const struct zipkin_endpoint *e, struct span_home *ret)
{
    size_t n = d->b->span_count - d->spans_at;
    const struct zipkin_endpoint *before = n > 0 ? &d->leads[n - 1].endpoint : NULL;
    if (before != NULL && before->port == e->port && slice_eq(before->service, e->service) &&
        slice_eq(before->ipv4, e->ipv4) && slice_eq(before->ipv6, e->ipv6)) {
        *ret = d->homes[n - 1];
        return OK;
    }
    size_t size = e->service.n + e->ipv4.n + e->ipv6.n + 16;
    char *p = arena_alloc(&d->b->arena, size);
    if (p == NULL) {
        return zipkin_full(d);
    }
    int len = snprintf(p, size, "%.*s-%.*s-%.*s-%d", SL_FMT(e->service), SL_FMT(e->ipv4), SL_FMT(e->ipv6),
                       (int)e->port);
    *ret = (struct span_home){.resource = slice_of(p, (size_t)len)};
    return OK;
}

err
zipkin_v1_span(struct zipkin_decoder *d, struct zipkin_span *z, bool now_when_absent)
{
    struct zipkin_lead lead = {.endpoint = {.service = SL_EMPTY}};
    struct span_home home;
    struct span s = {.trace = z->trace, .id = z->id, .parent = z->parent, .name = z->name, .attrs = z->tags};
    err rc = OK;
    slice local = tags_take(d, &s, d->o->parse_string_tags && now_when_absent);
    if (attr_set_unique(d->b, &s.attrs) != OK) {
        return zipkin_full(d);
    }
    TRY(notes_take(d, &s, &lead.endpoint));
    if (lead.endpoint.service.n == 0) {
        lead.endpoint.service = z->fallback_service.n != 0 ? z->fallback_service
                                : local.n != 0             ? local
                                                           : SL(UNKNOWN_SERVICE);
    }
    if (z->has_time) {
        s.start_ns = ns_of((int64_t)z->time_us);
        s.end_ns = ns_of((int64_t)(z->time_us + z->duration_us));
    }
    if (now_when_absent && s.start_ns == 0) {
        s.start_ns = s.end_ns = d->o->now_ns;
        TRY(zipkin_start_absent_put(d, &s.attrs));
    }
    TRY(home_of(d, &lead.endpoint, &home));
    rc = zipkin_span_add(d, &s, &home, &lead);
out:
    return rc;
}

static err
resource_add(struct zipkin_decoder *d, const struct zipkin_endpoint *e)
{
    struct span_batch *b = d->b;
    struct run attrs = {(uint32_t)b->attr_count, 0};
    struct resource *res = span_batch_add_resource(b);
    err rc = OK;
    if (res == NULL) {
        return zipkin_full(d);
    }
    res->has_resource = true;
    TRY(zipkin_text_put(d, &attrs, SL("service.name"), e->service));
    if (e->ipv4.n != 0) {
        TRY(zipkin_text_put(d, &attrs, SL("ipv4"), e->ipv4));
    }
    if (e->ipv6.n != 0) {
        TRY(zipkin_text_put(d, &attrs, SL("ipv6"), e->ipv6));
    }
    if (e->port != 0) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d", (int)e->port);
        slice copy = arena_copy(&b->arena, slice_of(text, (size_t)n));
        if (copy.p == NULL) {
            return zipkin_full(d);
        }
        TRY(zipkin_text_put(d, &attrs, SL("port"), copy));
    }
    res->attrs = attrs;
out:
    return rc;
}

err
zipkin_v1_end(struct zipkin_decoder *d)
{
    struct span_batch *b = d->b;
    size_t n = b->span_count - d->spans_at;
    err rc = OK;
    if (span_group(b, d->spans_at, d->homes, SPAN_GROUP_AS_MET) != OK) {
        return zipkin_full(d);
    }
    for (size_t i = 0; i < n; i++) {
        const struct span_home *h = &d->homes[i];
        if (i == 0 || !slice_eq(h[-1].resource, h->resource)) {
            TRY(resource_add(d, &d->leads[h->mark].endpoint));
            TRY(zipkin_scope_add(d, SL_EMPTY, SL_EMPTY));
        }
        b->spans[d->spans_at + i].scope = (uint32_t)b->scope_count - 1;
    }
out:
    return rc;
}
