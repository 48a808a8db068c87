#include "attr_set.h"
#include "jaeger_priv.h"
#include "otlp_schema.h"

#include <stdio.h>

err
jaeger_full(struct jaeger_decoder *d)
{
    return FAULT(d->f, ERR_LIMIT, "the decoded spans take more memory than the limit of %zu bytes",
                 d->b->arena.max);
}

/* --- tags -------------------------------------------------------------------------------------------------
 */

static err
unknown_type_set(struct jaeger_decoder *d, struct attr *a, int32_t type)
{
    char text[64];
    int n = snprintf(text, sizeof text, "<Unknown Jaeger TagType \"%d\">", (int)type);
    slice copy = arena_copy(&d->b->arena, slice_of(text, (size_t)n));
    if (copy.p == NULL) {
        return jaeger_full(d);
    }
    attr_set_string(a, copy);
    return OK;
}

err
jaeger_tag_add(struct jaeger_decoder *d, const struct jaeger_tag *tag, struct run *run)
{
    struct attr *a = span_batch_add_attr(d->b);
    if (a == NULL) {
        return jaeger_full(d);
    }
    run->n++;
    a->key = tag->key.p;
    a->key_n = (uint32_t)tag->key.n;
    switch (tag->type) {
    case JAEGER_STRING:
        attr_set_string(a, tag->string);
        return OK;
    case JAEGER_BOOL:
        a->kind = VALUE_BOOL;
        a->b = tag->b;
        return OK;
    case JAEGER_INT64:
        a->kind = VALUE_INT;
        a->i = tag->i;
        return OK;
    case JAEGER_FLOAT64:
        a->kind = VALUE_DOUBLE;
        a->d = tag->d;
        return OK;
    case JAEGER_BINARY:
        attr_set_string(a, tag->binary);
        a->kind = VALUE_BYTES;
        return OK;
    default:
        return unknown_type_set(d, a, tag->type);
    }
}

/* Go's Value.Str: empty for what is not a string. */
static slice
text_of(const struct attr *a)
{
    return a != NULL && a->kind == VALUE_STRING ? attr_bytes(a) : SL_EMPTY;
}

/* The text of the attribute, which goes; empty when it is not there. */
static bool
text_take(struct jaeger_decoder *d, struct run *run, slice key, slice *ret)
{
    uint32_t i = attr_set_find(d->b, *run, key);
    if (i == UINT32_MAX) {
        return false;
    }
    *ret = text_of(&d->b->attrs[i]);
    attr_set_remove(d->b, run, i);
    return true;
}

/* --- process ----------------------------------------------------------------------------------------------
 */

static err
exporter_version_set(struct jaeger_decoder *d, struct attr *a)
{
    slice version = text_of(a), prefix = SL("Jaeger-");
    uint8_t *p = arena_alloc(&d->b->arena, prefix.n + version.n);
    if (p == NULL) {
        return jaeger_full(d);
    }
    memcpy(p, prefix.p, prefix.n);
    if (version.n != 0) {
        memcpy(p + prefix.n, version.p, version.n);
    }
    attr_set_string(a, slice_of(p, prefix.n + version.n));
    return OK;
}

/* Rename `from` unless there is a `to` already. The attribute that was, or NULL. */
static struct attr *
attr_rename(struct jaeger_decoder *d, struct run run, slice from, slice to)
{
    uint32_t i = attr_set_find(d->b, run, from);
    if (i == UINT32_MAX || attr_set_find(d->b, run, to) != UINT32_MAX) {
        return NULL;
    }
    d->b->attrs[i].key = to.p;
    d->b->attrs[i].key_n = (uint32_t)to.n;
    return &d->b->attrs[i];
}

err
jaeger_process_end(struct jaeger_decoder *d, struct run *attrs)
{
    if (attr_set_unique(d->b, attrs) != OK) {
        return jaeger_full(d);
    }
    (void)attr_rename(d, *attrs, SL("hostname"), SL("host.name"));
    struct attr *version = attr_rename(d, *attrs, SL("jaeger.version"), SL("opencensus.exporterversion"));
    return version != NULL ? exporter_version_set(d, version) : OK;
}

err
jaeger_event_end(struct jaeger_decoder *d, struct span_event *e)
{
    if (attr_set_unique(d->b, &e->attrs) != OK) {
        return jaeger_full(d);
    }
    (void)text_take(d, &e->attrs, SL("event"), &e->name);
    return OK;
}

/* --- kind and status --------------------------------------------------------------------------------------
 */

enum { KIND_UNSPECIFIED, KIND_INTERNAL, KIND_SERVER, KIND_CLIENT, KIND_PRODUCER, KIND_CONSUMER };
enum { STATUS_UNSET, STATUS_OK, STATUS_ERROR };

static int32_t
kind_of(slice text)
{
    static const char *const names[] = {"", "internal", "server", "client", "producer", "consumer"};
    for (int32_t i = KIND_INTERNAL; i <= KIND_CONSUMER; i++) {
        if (slice_eq(text, slice_cstr(names[i]))) {
            return i;
        }
    }
    return KIND_UNSPECIFIED;
}

/* What a span's tags say that is not an attribute in OTLP: one walk, since most tags are none of these. */
enum role {
    ROLE_NONE = 0,
    ROLE_KIND = 1,
    ROLE_ERROR = 2,
    ROLE_STATUS_CODE = 4,
    ROLE_HTTP_STATUS = 8,
    ROLE_TRACE_STATE = 16
};

static unsigned
role_of(const struct attr *a)
{
    slice key = attr_key(a);
    switch (key.n) {
    case 5:
        return slice_eq(key, SL("error")) ? ROLE_ERROR : ROLE_NONE;
    case 9:
        return slice_eq(key, SL("span.kind")) ? ROLE_KIND : ROLE_NONE;
    case 14:
        return slice_eq(key, SL("w3c.tracestate")) ? ROLE_TRACE_STATE : ROLE_NONE;
    case 16:
        return slice_eq(key, SL("otel.status_code"))   ? ROLE_STATUS_CODE
               : slice_eq(key, SL("http.status_code")) ? ROLE_HTTP_STATUS
                                                       : ROLE_NONE;
    default:
        return ROLE_NONE;
    }
}

/* `error` = true. The tag goes, and the text is the status description, or what HTTP said. */
static bool
error_take(struct jaeger_decoder *d, struct span *s)
{
    uint32_t i = attr_set_find(d->b, s->attrs, SL("error"));
    if (d->b->attrs[i].kind != VALUE_BOOL || !d->b->attrs[i].b) {
        return false;
    }
    attr_set_remove(d->b, &s->attrs, i);
    s->status_code = STATUS_ERROR;
    if (!text_take(d, &s->attrs, SL("otel.status_description"), &s->status_message)) {
        s->status_message = text_of(attrs_find(d->b, s->attrs, SL("http.status_message")));
    }
    return true;
}

static void
status_code_take(struct jaeger_decoder *d, struct span *s, bool known)
{
    slice text = SL_EMPTY;
    if (!known) {
        text = text_of(attrs_find(d->b, s->attrs, SL("otel.status_code")));
        s->status_code = slice_ieq(text, SL("OK"))      ? STATUS_OK
                         : slice_ieq(text, SL("ERROR")) ? STATUS_ERROR
                                                        : STATUS_UNSET;
        (void)text_take(d, &s->attrs, SL("otel.status_description"), &s->status_message);
    }
    (void)text_take(d, &s->attrs, SL("otel.status_code"), &text);
}

static void
http_status_look(struct jaeger_decoder *d, struct span *s)
{
    const struct attr *a = attrs_find(d->b, s->attrs, SL("http.status_code"));
    int64_t code;
    if (a->kind == VALUE_INT) {
        code = a->i;
    } else if (a->kind != VALUE_STRING || !slice_to_i64(attr_bytes(a), &code)) {
        return;
    }
    if (code >= 400 && code < 500 && s->kind == KIND_SERVER) {
        return;
    }
    if (code >= 100 && code < 399) {
        return;
    }
    s->status_code = STATUS_ERROR;
    s->status_message = text_of(attrs_find(d->b, s->attrs, SL("http.status_message")));
}

static void
roles_take(struct jaeger_decoder *d, struct span *s, bool trace_state)
{
    unsigned roles = ROLE_NONE;
    slice kind = SL_EMPTY;
    for (uint32_t i = 0; i < s->attrs.n; i++) {
        roles |= role_of(&d->b->attrs[s->attrs.at + i]);
    }
    if ((roles & ROLE_KIND) != 0) {
        (void)text_take(d, &s->attrs, SL("span.kind"), &kind);
        s->kind = kind_of(kind);
    }
    bool known = (roles & ROLE_ERROR) != 0 && error_take(d, s);
    if ((roles & ROLE_STATUS_CODE) != 0) {
        status_code_take(d, s, known);
    } else if ((roles & ROLE_HTTP_STATUS) != 0 && !known) {
        http_status_look(d, s);
    }
    if (trace_state && (roles & ROLE_TRACE_STATE) != 0) {
        (void)text_take(d, &s->attrs, SL("w3c.tracestate"), &s->trace_state);
    }
}

/* --- references -------------------------------------------------------------------------------------------
 */

err
jaeger_ref_add(struct jaeger_decoder *d, const struct jaeger_ref *ref)
{
    if (d->ref_count == d->ref_cap) {
        struct jaeger_ref *grown =
            arena_grow(&d->b->arena, d->refs, d->ref_count, &d->ref_cap, d->ref_count + 1, sizeof *grown);
        if (grown == NULL) {
            return jaeger_full(d);
        }
        d->refs = grown;
    }
    d->refs[d->ref_count++] = *ref;
    return OK;
}

/* The first CHILD_OF in the same trace, else the first FOLLOWS_FROM there. */
static span_id
parent_of(const struct jaeger_decoder *d, const struct span *s)
{
    const struct jaeger_ref *follows = NULL;
    for (size_t i = 0; i < d->ref_count; i++) {
        const struct jaeger_ref *ref = &d->refs[i];
        if (!trace_id_eq(&ref->trace, &s->trace)) {
            continue;
        }
        if (ref->type == JAEGER_CHILD_OF) {
            return ref->span;
        }
        if (follows == NULL && ref->type == JAEGER_FOLLOWS_FROM) {
            follows = ref;
        }
    }
    return follows != NULL ? follows->span : (span_id){{0}};
}

static err
link_add(struct jaeger_decoder *d, const struct jaeger_ref *ref, struct span *s)
{
    struct span_link *l = span_batch_add_link(d->b);
    struct attr *a = span_batch_add_attr(d->b);
    if (l == NULL || a == NULL) {
        return jaeger_full(d);
    }
    static const slice key = SL("opentracing.ref_type");
    a->key = key.p;
    a->key_n = (uint32_t)key.n;
    attr_set_string(a, ref->type == JAEGER_CHILD_OF ? SL("child_of") : SL("follows_from"));
    l->trace = ref->trace;
    l->span = ref->span;
    l->attrs = (struct run){(uint32_t)d->b->attr_count - 1, 1};
    s->links.n++;
    return OK;
}

static err
refs_take(struct jaeger_decoder *d, struct span *s)
{
    err rc = OK;
    if (span_id_is_zero(&s->parent)) {
        s->parent = parent_of(d, s);
    }
    s->links = (struct run){(uint32_t)d->b->link_count, 0};
    for (size_t i = 0; i < d->ref_count; i++) {
        const struct jaeger_ref *ref = &d->refs[i];
        if (ref->type != JAEGER_CHILD_OF || !span_id_eq(&ref->span, &s->parent)) {
            TRY(link_add(d, ref, s));
        }
    }
out:
    return rc;
}

err
jaeger_span_end(struct jaeger_decoder *d, struct span *s, bool trace_state)
{
    if (attr_set_unique(d->b, &s->attrs) != OK) {
        return jaeger_full(d);
    }
    roles_take(d, s, trace_state);
    err rc = refs_take(d, s);
    s->wire_bytes = (uint32_t)otlp_span_size(d->b, s);
    return rc;
}
