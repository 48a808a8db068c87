/* A Zipkin v2 span as OTLP (receivers.md 5.4). */
#include "attr_set.h"
#include "zipkin_priv.h"
#include "zipkin_tags.h"

#include <stdio.h>

#define NO_SERVICE  "OTLPResourceNoServiceName"
#define LINK_PREFIX "otlp.link."

/* What the walk over the tags found. */
struct tag_walk {
    struct span_home home;
    struct zipkin_lead lead;
    slice trace_state;
    bool has_kind, has_status, has_error, has_links;
};

/* --- tags -------------------------------------------------------------------------------------------------
 */

static err
stash_add(struct zipkin_decoder *d, const struct attr *a, struct zipkin_lead *lead)
{
    if (d->stash_count == d->stash_cap) {
        struct attr *grown = arena_grow(&d->b->arena, d->stash, d->stash_count, &d->stash_cap,
                                        d->stash_count + 1, sizeof *grown);
        if (grown == NULL) {
            return zipkin_full(d);
        }
        d->stash = grown;
    }
    d->stash[d->stash_count++] = *a;
    lead->tags.n++;
    return OK;
}

/* Tags of the resource and the scope leave the span; *ret_keep for those that stay, some only for now. */
static err
tag_sort(struct zipkin_decoder *d, const struct attr *a, struct tag_walk *w, bool *ret_keep)
{
    *ret_keep = false;
    switch (zipkin_role_of(attr_key(a))) {
    case ZIPKIN_ROLE_RESOURCE:
        return stash_add(d, a, &w->lead);
    case ZIPKIN_ROLE_NAME_KEY:
        w->lead.name_key = attr_bytes(a);
        return OK;
    case ZIPKIN_ROLE_LIBRARY_NAME:
        w->home.scope = attr_bytes(a);
        return OK;
    case ZIPKIN_ROLE_LIBRARY_VERSION:
        w->lead.version = attr_bytes(a);
        return OK;
    case ZIPKIN_ROLE_TRACE_STATE:
        w->trace_state = attr_bytes(a);
        return OK;
    case ZIPKIN_ROLE_KIND:
        w->has_kind = true;
        break;
    case ZIPKIN_ROLE_STATUS_CODE:
        w->has_status = true;
        break;
    case ZIPKIN_ROLE_ERROR:
        w->has_error = true;
        break;
    case ZIPKIN_ROLE_STATUS_TEXT:
    case ZIPKIN_ROLE_NONE:
        w->has_links |= slice_starts_with(attr_key(a), SL(LINK_PREFIX));
        break;
    }
    *ret_keep = true;
    return OK;
}

static err
tags_walk(struct zipkin_decoder *d, struct run *tags, struct tag_walk *w)
{
    struct span_batch *b = d->b;
    uint32_t kept = 0;
    w->lead.tags = (struct run){(uint32_t)d->stash_count, 0};
    for (uint32_t i = 0; i < tags->n; i++) {
        bool keep;
        err rc = tag_sort(d, &b->attrs[tags->at + i], w, &keep);
        if (rc != OK) {
            return rc;
        }
        if (keep) {
            b->attrs[tags->at + kept++] = b->attrs[tags->at + i];
        }
    }
    tags->n = kept;
    b->attr_count = tags->at + kept;
    return OK;
}

/* The value of a tag, which goes; false when it is not there. */
static bool
tag_take(struct zipkin_decoder *d, struct run *tags, slice key, slice *ret)
{
    uint32_t i = attr_set_find(d->b, *tags, key);
    if (i == UINT32_MAX) {
        return false;
    }
    *ret = attr_bytes(&d->b->attrs[i]);
    attr_set_remove(d->b, tags, i);
    return true;
}

/* --- status -----------------------------------------------------------------------------------------------
 */

static int32_t
status_of(slice text)
{
    static const char *const names[] = {"STATUS_CODE_OK", "Ok", "STATUS_CODE_ERROR", "Error"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_eq(text, slice_cstr(names[i]))) {
            return i < 2 ? 1 : 2;
        }
    }
    return 0;
}

static void
status_take(struct zipkin_decoder *d, const struct tag_walk *w, struct span *s)
{
    slice text = SL_EMPTY;
    if (w->has_status) {
        (void)tag_take(d, &s->attrs, SL("otel.status_code"), &text);
        s->status_code = status_of(text);
        (void)tag_take(d, &s->attrs, SL("otel.status_description"), &s->status_message);
    }
    if (w->has_error) {
        s->status_code = 2; /* whatever it says, and whatever otel.status_code said */
    }
    uint32_t i = w->has_error ? attr_set_find(d->b, s->attrs, SL("error")) : UINT32_MAX;
    if (i != UINT32_MAX && slice_eq(attr_bytes(&d->b->attrs[i]), SL("true"))) {
        attr_set_remove(d->b, &s->attrs, i);
    }
}

/* --- attributes in JSON: of links and events --------------------------------------------------------------
 */

static err
json_bad(struct zipkin_decoder *d, const struct json_reader *r)
{
    err rc = r->error == json_text_memory ? ERR_LIMIT : ERR_INVALID;
    return FAULT(d->f, rc, "attributes: %s", r->error != NULL ? r->error : "a JSON object is wanted");
}

/* A whole number becomes an int, as far as 64 bits hold it. */
static err
number_set(struct zipkin_decoder *d, struct attr *a, slice text)
{
    double v = json_number_value(text);
    if (__builtin_isinf(v)) {
        return FAULT(d->f, ERR_INVALID, "attributes: a number is out of range");
    }
    if (__builtin_trunc(v) == v) {
        a->kind = VALUE_INT;
        a->i = v >= -9223372036854775808.0 && v < 9223372036854775808.0 ? (int64_t)v : INT64_MIN;
    } else {
        a->kind = VALUE_DOUBLE;
        a->d = v;
    }
    return OK;
}

/* One member, its key read. Objects, arrays and null are left out. */
static err
json_attr_take(struct zipkin_decoder *d, struct json_reader *r, struct run *run)
{
    struct attr a = {.key = r->text.p, .key_n = (uint32_t)r->text.n};
    struct json_reader before = *r;
    enum json_event e = json_next(r);
    switch (e) {
    case JSON_STRING:
        attr_set_string(&a, r->text);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        a.kind = VALUE_BOOL;
        a.b = e == JSON_TRUE;
        break;
    case JSON_NUMBER: {
        err rc = number_set(d, &a, r->text);
        if (rc != OK) {
            return rc;
        }
        break;
    }
    case JSON_ERROR:
        return json_bad(d, r);
    default:
        *r = before;
        return json_skip(r) ? OK : json_bad(d, r);
    }
    struct attr *to = span_batch_add_attr(d->b);
    if (to == NULL) {
        return zipkin_full(d);
    }
    *to = a;
    run->n++;
    return OK;
}

static err
json_attrs_take(struct zipkin_decoder *d, slice text, struct run *run)
{
    struct json_reader r;
    err rc = OK;
    *run = (struct run){(uint32_t)d->b->attr_count, 0};
    json_reader_init(&r, text, &d->b->arena);
    enum json_event e = json_next(&r);
    if (e != JSON_OBJECT_BEGIN && e != JSON_NULL) {
        return json_bad(d, &r);
    }
    while (e != JSON_NULL && (e = json_next(&r)) != JSON_OBJECT_END) {
        if (e != JSON_KEY) {
            return json_bad(d, &r);
        }
        TRY(json_attr_take(d, &r, run));
    }
    if (!json_is_at_end(&r)) {
        return FAULT(d->f, ERR_INVALID, "attributes: invalid character after top-level value");
    }
    if (attr_set_unique(d->b, run) != OK) {
        return zipkin_full(d);
    }
out:
    return rc;
}

/* The dropped count behind the last '|', and the JSON before it. */
static err
attrs_and_dropped_take(struct zipkin_decoder *d, slice text, struct run *attrs, uint32_t *ret_dropped)
{
    size_t bar = text.n;
    uint64_t dropped;
    while (bar > 0 && text.p[bar - 1] != '|') {
        bar--;
    }
    slice count = slice_sub(text, bar, text.n);
    if (bar == 0 || !slice_to_u64(count, &dropped) || dropped > UINT32_MAX) {
        return FAULT(d->f, ERR_INVALID, "dropped attributes count: '%.*s' is not a 32-bit number",
                     (int)(count.n < 64 ? count.n : 64), (const char *)count.p);
    }
    *ret_dropped = (uint32_t)dropped;
    return json_attrs_take(d, slice_sub(text, 0, bar - 1), attrs);
}

/* --- links ------------------------------------------------------------------------------------------------
 */

/* otlp.link.0, .1, ... as far as there are; they go. */
static size_t
link_tags_take(struct zipkin_decoder *d, struct run *tags, slice *values)
{
    size_t n = 0;
    while (n < ZIPKIN_LINKS_MAX) {
        char key[sizeof LINK_PREFIX + 3];
        int len = snprintf(key, sizeof key, LINK_PREFIX "%zu", n);
        if (!tag_take(d, tags, slice_of(key, (size_t)len), &values[n])) {
            break;
        }
        n++;
    }
    return n;
}

/* Hex, perhaps quoted, or nothing. */
static err
link_id_take(struct zipkin_decoder *d, slice text, uint8_t *to, size_t n)
{
    if (text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"') {
        text = slice_sub(text, 1, text.n - 2);
    }
    if (text.n != 0 && !hex_decode(text, to, n)) {
        return FAULT(d->f, ERR_INVALID, "invalid length for ID, or not hex, in a link");
    }
    return OK;
}

static err
link_take(struct zipkin_decoder *d, slice value, struct run *links)
{
    slice part[3], rest = value;
    err rc = OK;
    for (size_t i = 0; i < 3; i++) {
        part[i] = slice_cut(&rest, '|');
    }
    if (rest.p == NULL || slice_find_byte(rest, '|') == rest.n) {
        return OK; /* fewer than five parts: not a link */
    }
    struct span_link *l = span_batch_add_link(d->b);
    if (l == NULL) {
        return zipkin_full(d);
    }
    links->n++;
    TRY(link_id_take(d, part[0], l->trace.b, TRACE_ID_BYTES));
    TRY(link_id_take(d, part[1], l->span.b, SPAN_ID_BYTES));
    l->trace_state = part[2];
    rc = attrs_and_dropped_take(d, rest, &l->attrs, &l->dropped_attrs);
out:
    return rc;
}

/* --- events -----------------------------------------------------------------------------------------------
 */

/* "name", or "name|attributes|dropped count". */
static err
event_take(struct zipkin_decoder *d, const struct zipkin_note *n, struct span_event *e)
{
    slice rest = n->value;
    e->time_ns = (uint64_t)n->time_us * ZIPKIN_NS_PER_US;
    e->name = slice_cut(&rest, '|');
    if (rest.p == NULL || slice_find_byte(rest, '|') == rest.n) {
        return OK;
    }
    return attrs_and_dropped_take(d, rest, &e->attrs, &e->dropped_attrs);
}

static err
events_take(struct zipkin_decoder *d, struct run *events)
{
    err rc = OK;
    *events = (struct run){(uint32_t)d->b->event_count, 0};
    for (size_t i = 0; i < d->note_count; i++) {
        struct span_event *e = span_batch_add_event(d->b);
        if (e == NULL) {
            return zipkin_full(d);
        }
        events->n++;
        TRY(event_take(d, &d->notes[i], e));
    }
out:
    return rc;
}

/* --- attributes that are made -----------------------------------------------------------------------------
 */

static err
text_put(struct zipkin_decoder *d, struct run *attrs, slice key, slice value)
{
    return value.n != 0 ? zipkin_text_put(d, attrs, key, value) : OK;
}

static err
port_put(struct zipkin_decoder *d, struct run *attrs, slice key, int32_t port)
{
    if (port <= 0) {
        return OK;
    }
    struct attr *a = attr_set_put(d->b, attrs, key);
    if (a == NULL) {
        return zipkin_full(d);
    }
    a->kind = VALUE_INT;
    a->n = 0;
    a->i = port;
    return OK;
}

/* An IPv6 address stands for the IPv4 one. */
static slice
ip_of(const struct zipkin_endpoint *e)
{
    return e->ipv6.n != 0 ? e->ipv6 : e->ipv4;
}

static err
attrs_end(struct zipkin_decoder *d, const struct zipkin_span *z, struct run *attrs)
{
    err rc = OK;
    if (d->o->parse_string_tags) {
        for (uint32_t i = 0; i < attrs->n; i++) {
            zipkin_tag_parse(&d->b->attrs[attrs->at + i]);
        }
    }
    TRY(text_put(d, attrs, SL("net.host.ip"), ip_of(&z->local)));
    TRY(port_put(d, attrs, SL("net.host.port"), z->local.port));
    TRY(text_put(d, attrs, SL("peer.service"), z->remote.service));
    TRY(text_put(d, attrs, SL("net.peer.ip"), ip_of(&z->remote)));
    TRY(port_put(d, attrs, SL("net.peer.port"), z->remote.port));
    if (z->time_us == 0) {
        rc = zipkin_start_absent_put(d, attrs);
    }
out:
    return rc;
}

/* --- a span -----------------------------------------------------------------------------------------------
 */

static int32_t
kind_take(struct zipkin_decoder *d, const struct zipkin_span *z, const struct tag_walk *w, struct run *tags)
{
    slice text = SL_EMPTY;
    if (z->kind != ZIPKIN_KIND_NONE || !w->has_kind) {
        return z->kind;
    }
    (void)tag_take(d, tags, SL("span.kind"), &text);
    return slice_eq(text, SL("internal")) ? ZIPKIN_KIND_INTERNAL : ZIPKIN_KIND_NONE;
}

err
zipkin_v2_span(struct zipkin_decoder *d, struct zipkin_span *z)
{
    struct tag_walk w = {0};
    slice links[ZIPKIN_LINKS_MAX];
    size_t link_count = 0;
    err rc = OK;
    struct span s = {
        .trace = z->trace,
        .id = z->id,
        .name = z->name,
        .start_ns = z->time_us * ZIPKIN_NS_PER_US,
        .attrs = z->tags,
    };
    if (!span_id_eq(&z->parent, &z->id)) { /* its own parent is a root */
        s.parent = z->parent;
    }
    s.end_ns = s.start_ns + z->duration_us * ZIPKIN_NS_PER_US;
    if (attr_set_unique(d->b, &s.attrs) != OK) {
        return zipkin_full(d);
    }
    TRY(tags_walk(d, &s.attrs, &w));
    s.trace_state = w.trace_state;
    s.kind = kind_take(d, z, &w, &s.attrs);
    status_take(d, &w, &s);
    if (w.has_links) {
        link_count = link_tags_take(d, &s.attrs, links);
    }
    TRY(attrs_end(d, z, &s.attrs));
    s.links = (struct run){(uint32_t)d->b->link_count, 0};
    for (size_t i = 0; i < link_count; i++) {
        TRY(link_take(d, links[i], &s.links));
    }
    TRY(events_take(d, &s.events));
    w.home.resource = z->local.service.n != 0 ? z->local.service : SL(NO_SERVICE);
    rc = zipkin_span_add(d, &s, &w.home, &w.lead);
out:
    return rc;
}

/* --- resources and scopes ---------------------------------------------------------------------------------
 */

static err
resource_add(struct zipkin_decoder *d, slice service, const struct zipkin_lead *lead)
{
    struct span_batch *b = d->b;
    struct run attrs = {(uint32_t)b->attr_count, 0};
    struct resource *res = span_batch_add_resource(b);
    err rc = OK;
    if (res == NULL) {
        return zipkin_full(d);
    }
    res->has_resource = true;
    if (slice_eq(service, SL(NO_SERVICE))) {
        return OK;
    }
    TRY(text_put(d, &attrs, lead->name_key.n != 0 ? lead->name_key : SL("service.name"), service));
    for (uint32_t i = 0; i < lead->tags.n; i++) {
        struct attr from = d->stash[lead->tags.at + i];
        TRY(zipkin_text_put(d, &attrs, attr_key(&from), attr_bytes(&from)));
    }
    res->attrs = attrs;
out:
    return rc;
}

err
zipkin_v2_end(struct zipkin_decoder *d)
{
    struct span_batch *b = d->b;
    size_t n = b->span_count - d->spans_at;
    err rc = OK;
    if (span_group(b, d->spans_at, d->homes, SPAN_GROUP_SORTED) != OK) {
        return zipkin_full(d);
    }
    for (size_t i = 0; i < n; i++) {
        const struct span_home *h = &d->homes[i];
        const struct zipkin_lead *lead = &d->leads[h->mark];
        bool same_resource = i > 0 && slice_eq(h[-1].resource, h->resource);
        if (!same_resource) {
            TRY(resource_add(d, h->resource, lead));
        }
        if (!same_resource || !slice_eq(h[-1].scope, h->scope)) {
            TRY(zipkin_scope_add(d, h->scope, h->scope.n != 0 ? lead->version : SL_EMPTY));
        }
        b->spans[d->spans_at + i].scope = (uint32_t)b->scope_count - 1;
    }
out:
    return rc;
}
