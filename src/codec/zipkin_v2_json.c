/* Zipkin v2 JSON (receivers.md 5.2), with the checks of zipkin-go. */
#include "attr_set.h"
#include "zipkin_priv.h"

static int
hex_digit(uint8_t c)
{
    uint8_t low = c | 0x20;
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* 0 to 2n digits into n bytes, zeros on the left. */
static bool
hex_padded(slice text, uint8_t *to, size_t n)
{
    memset(to, 0, n);
    if (text.n == 2 * n) {
        return hex_decode(text, to, n);
    }
    if (text.n > 2 * n) {
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        int v = hex_digit(text.p[text.n - 1 - i]);
        if (v < 0) {
            return false;
        }
        to[n - 1 - i / 2] |= (uint8_t)(i % 2 == 0 ? v : v << 4);
    }
    return true;
}

static err
trace_id_take(struct zipkin_decoder *d, trace_id *ret)
{
    enum json_event e = json_next(&d->r);
    if (e == JSON_NULL) {
        return OK;
    }
    if (e != JSON_STRING || d->r.text.n == 0 || !hex_padded(d->r.text, ret->b, TRACE_ID_BYTES)) {
        return zipkin_json_fail(d, "valid traceId required");
    }
    return OK;
}

static err
span_id_take(struct zipkin_decoder *d, span_id *ret)
{
    slice text = SL_EMPTY;
    err rc = zipkin_json_string(d, &text);
    if (rc == OK && !hex_padded(text, ret->b, SPAN_ID_BYTES)) {
        rc = zipkin_json_fail(d, "valid span id required");
    }
    return rc;
}

static err
kind_take(struct zipkin_decoder *d, int32_t *ret)
{
    static const struct {
        const char *name;
        int32_t kind;
    } kinds[] = {{"CLIENT", ZIPKIN_KIND_CLIENT},
                 {"SERVER", ZIPKIN_KIND_SERVER},
                 {"PRODUCER", ZIPKIN_KIND_PRODUCER},
                 {"CONSUMER", ZIPKIN_KIND_CONSUMER}};
    slice text = SL_EMPTY;
    err rc = zipkin_json_string(d, &text);
    *ret = ZIPKIN_KIND_NONE;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (slice_eq(text, slice_cstr(kinds[i].name))) {
            *ret = kinds[i].kind;
        }
    }
    return rc;
}

static err
ip_take(struct zipkin_decoder *d, slice *ret)
{
    slice text = SL_EMPTY;
    err rc = zipkin_json_string(d, &text);
    if (rc != OK || text.n == 0) {
        return rc;
    }
    return zipkin_ip_parse(d, text, ret);
}

static err
port_take(struct zipkin_decoder *d, int32_t *ret)
{
    uint64_t port = (uint64_t)*ret;
    err rc = zipkin_json_u64(d, &port);
    if (rc == OK && port > UINT16_MAX) {
        return zipkin_json_fail(d, "a port of 16 bits is wanted");
    }
    *ret = (int32_t)port;
    return rc;
}

static err
note_take(struct zipkin_decoder *d, bool present, struct zipkin_span *z)
{
    static const slice names[] = {SL("timestamp"), SL("value")};
    struct zipkin_note *n;
    uint64_t time_us = 0;
    size_t i = 0;
    err rc = OK;
    (void)z;
    TRY(zipkin_note_add(d, &n));
    while (present && i != 2) {
        TRY(zipkin_json_member(d, (struct zipkin_names){names, 2}, &i));
        if (i == 0) {
            TRY(zipkin_json_u64(d, &time_us));
        } else if (i == 1) {
            TRY(zipkin_json_string(d, &n->value));
        }
    }
    if (time_us < 1) {
        return zipkin_json_fail(d, "valid annotation timestamp required");
    }
    n->time_us = (int64_t)time_us;
out:
    return rc;
}

static err
tags_take(struct zipkin_decoder *d, struct zipkin_span *z)
{
    bool present;
    struct attr *a;
    err rc = OK;
    TRY(zipkin_json_object(d, &present));
    while (present) {
        enum json_event e = json_next(&d->r);
        if (e == JSON_OBJECT_END) {
            break;
        }
        if (e != JSON_KEY) {
            return zipkin_json_fail(d, "an object wants names");
        }
        TRY(zipkin_tag_add(d, z, d->r.text, &a));
        slice value = SL_EMPTY;
        TRY(zipkin_json_string(d, &value));
        attr_set_string(a, value);
    }
out:
    return rc;
}

enum {
    M_TRACE_ID,
    M_ID,
    M_PARENT_ID,
    M_NAME,
    M_KIND,
    M_TIMESTAMP,
    M_DURATION,
    M_LOCAL,
    M_REMOTE,
    M_ANNOTATIONS,
    M_TAGS,
    M_DEBUG,
    M_SHARED,
    M_COUNT
};

static err
member_take(struct zipkin_decoder *d, size_t member, struct zipkin_span *z)
{
    bool ignored = false;
    switch (member) {
    case M_TRACE_ID:
        return trace_id_take(d, &z->trace);
    case M_ID:
        return span_id_take(d, &z->id);
    case M_PARENT_ID:
        return span_id_take(d, &z->parent);
    case M_NAME:
        return zipkin_json_string(d, &z->name);
    case M_KIND:
        return kind_take(d, &z->kind);
    case M_TIMESTAMP:
        return zipkin_json_u64(d, &z->time_us);
    case M_DURATION:
        return zipkin_json_u64(d, &z->duration_us);
    case M_LOCAL:
        return zipkin_json_endpoint(d, ip_take, port_take, &z->local);
    case M_REMOTE:
        return zipkin_json_endpoint(d, ip_take, port_take, &z->remote);
    case M_ANNOTATIONS:
        d->note_count = 0;
        return zipkin_json_elements(d, note_take, z);
    case M_TAGS:
        return tags_take(d, z);
    case M_DEBUG:
    case M_SHARED: /* neither has a place in OTLP */
        return zipkin_json_bool(d, &ignored);
    default:
        return OK;
    }
}

static err
span_take(struct zipkin_decoder *d)
{
    static const slice names[M_COUNT] = {
        [M_TRACE_ID] = SL("traceId"),
        [M_ID] = SL("id"),
        [M_PARENT_ID] = SL("parentId"),
        [M_NAME] = SL("name"),
        [M_KIND] = SL("kind"),
        [M_TIMESTAMP] = SL("timestamp"),
        [M_DURATION] = SL("duration"),
        [M_LOCAL] = SL("localEndpoint"),
        [M_REMOTE] = SL("remoteEndpoint"),
        [M_ANNOTATIONS] = SL("annotations"),
        [M_TAGS] = SL("tags"),
        [M_DEBUG] = SL("debug"),
        [M_SHARED] = SL("shared"),
    };
    struct zipkin_span z;
    size_t member = 0;
    err rc = OK;
    zipkin_span_begin(d, &z);
    while (member != M_COUNT) {
        TRY(zipkin_json_member(d, (struct zipkin_names){names, M_COUNT}, &member));
        TRY(member_take(d, member, &z));
    }
    if (span_id_is_zero(&z.id)) {
        return zipkin_json_fail(d, "valid span id required");
    }
    rc = zipkin_v2_span(d, &z);
out:
    return rc;
}

err
zipkin_v2_json(struct zipkin_decoder *d, slice body)
{
    err rc = zipkin_json_spans(d, body, span_take);
    return rc == OK ? zipkin_v2_end(d) : rc;
}
