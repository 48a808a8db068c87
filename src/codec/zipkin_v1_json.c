/* Zipkin v1 JSON (receivers.md 5.5). */
#include "attr_set.h"
#include "zipkin_priv.h"

static err
id_take(struct zipkin_decoder *d, const char *what, slice text, uint8_t *to, size_t n)
{
    static const uint8_t zeros[TRACE_ID_BYTES];
    bool trace = n == TRACE_ID_BYTES;
    if (text.n != 2 * SPAN_ID_BYTES && (!trace || text.n != 2 * TRACE_ID_BYTES)) {
        return FAULT(d->f, ERR_INVALID, "zipkinV1 span %s: %s", what,
                     trace ? "hex traceId span has wrong length (expected 16 or 32)"
                           : "hex Id has wrong length (expected 16)");
    }
    memset(to, 0, n);
    if (!hex_decode(text, to + n - text.n / 2, text.n / 2)) {
        return FAULT(d->f, ERR_INVALID, "zipkinV1 span %s: invalid hex digits", what);
    }
    if (memcmp(to, zeros, n) == 0) {
        return FAULT(d->f, ERR_INVALID, "zipkinV1 span %s: %s is zero", what, trace ? "traceId" : "ID");
    }
    return OK;
}

static err
port_take(struct zipkin_decoder *d, int32_t *ret)
{
    int64_t port = *ret;
    err rc = zipkin_json_i64(d, &port);
    if (rc == OK && (port < INT32_MIN || port > INT32_MAX)) {
        return zipkin_json_fail(d, "a port of 32 bits is wanted");
    }
    *ret = (int32_t)port;
    return rc;
}

static err
endpoint_take(struct zipkin_decoder *d, struct zipkin_endpoint *to)
{
    return zipkin_json_endpoint(d, zipkin_json_string, port_take, to);
}

static err
note_take(struct zipkin_decoder *d, bool present, struct zipkin_span *z)
{
    static const slice names[] = {SL("timestamp"), SL("value"), SL("endpoint")};
    struct zipkin_note *n;
    size_t i = 0;
    err rc = OK;
    (void)z;
    if (!present) {
        return OK;
    }
    TRY(zipkin_note_add(d, &n));
    while (i != 3) {
        TRY(zipkin_json_member(d, (struct zipkin_names){names, 3}, &i));
        if (i == 0) {
            TRY(zipkin_json_i64(d, &n->time_us));
        } else if (i == 1) {
            TRY(zipkin_json_string(d, &n->value));
        } else if (i == 2) {
            TRY(endpoint_take(d, &n->endpoint));
        }
    }
out:
    return rc;
}

static err
tag_take(struct zipkin_decoder *d, bool present, struct zipkin_span *z)
{
    static const slice names[] = {SL("key"), SL("value"), SL("endpoint")};
    struct zipkin_endpoint endpoint = {.port = 0};
    struct attr *a;
    slice key = SL_EMPTY, value = SL_EMPTY;
    size_t i = 0;
    err rc = OK;
    if (!present) {
        return OK;
    }
    while (i != 3) {
        TRY(zipkin_json_member(d, (struct zipkin_names){names, 3}, &i));
        if (i == 0) {
            TRY(zipkin_json_string(d, &key));
        } else if (i == 1) {
            TRY(zipkin_json_string(d, &value));
        } else if (i == 2) {
            TRY(endpoint_take(d, &endpoint));
        }
    }
    TRY(zipkin_tag_add(d, z, key, &a));
    attr_set_string(a, value);
    if (endpoint.service.n != 0) {
        z->fallback_service = endpoint.service;
    }
out:
    return rc;
}

enum {
    M_TRACE_ID,
    M_NAME,
    M_PARENT_ID,
    M_ID,
    M_TIMESTAMP,
    M_DURATION,
    M_DEBUG,
    M_ANNOTATIONS,
    M_TAGS,
    M_COUNT
};

struct span_ids {
    slice trace, id, parent;
};

static err
member_take(struct zipkin_decoder *d, size_t member, struct zipkin_span *z, struct span_ids *ids)
{
    bool ignored = false;
    int64_t v = 0;
    err rc = OK;
    switch (member) {
    case M_TRACE_ID:
        return zipkin_json_string(d, &ids->trace);
    case M_NAME:
        return zipkin_json_string(d, &z->name);
    case M_PARENT_ID:
        return zipkin_json_string(d, &ids->parent);
    case M_ID:
        return zipkin_json_string(d, &ids->id);
    case M_TIMESTAMP:
        rc = zipkin_json_i64(d, &v);
        z->time_us = (uint64_t)v;
        return rc;
    case M_DURATION:
        rc = zipkin_json_i64(d, &v);
        z->duration_us = (uint64_t)v;
        return rc;
    case M_DEBUG:
        return zipkin_json_bool(d, &ignored);
    case M_ANNOTATIONS:
        d->note_count = 0;
        return zipkin_json_elements(d, note_take, z);
    case M_TAGS:
        return zipkin_json_elements(d, tag_take, z);
    default:
        return OK;
    }
}

static err
span_take(struct zipkin_decoder *d)
{
    static const slice names[M_COUNT] = {
        [M_TRACE_ID] = SL("traceId"),
        [M_NAME] = SL("name"),
        [M_PARENT_ID] = SL("parentId"),
        [M_ID] = SL("id"),
        [M_TIMESTAMP] = SL("timestamp"),
        [M_DURATION] = SL("duration"),
        [M_DEBUG] = SL("debug"),
        [M_ANNOTATIONS] = SL("annotations"),
        [M_TAGS] = SL("binaryAnnotations"),
    };
    struct zipkin_span z;
    struct span_ids ids = {SL_EMPTY, SL_EMPTY, SL_EMPTY};
    size_t member = 0;
    err rc = OK;
    zipkin_span_begin(d, &z);
    while (member != M_COUNT) {
        TRY(zipkin_json_member(d, (struct zipkin_names){names, M_COUNT}, &member));
        TRY(member_take(d, member, &z, &ids));
    }
    TRY(id_take(d, "traceId", ids.trace, z.trace.b, TRACE_ID_BYTES));
    TRY(id_take(d, "id", ids.id, z.id.b, SPAN_ID_BYTES));
    if (ids.parent.n != 0) {
        TRY(id_take(d, "parentId", ids.parent, z.parent.b, SPAN_ID_BYTES));
    }
    z.has_time = z.time_us != 0;
    rc = zipkin_v1_span(d, &z, true);
out:
    return rc;
}

err
zipkin_v1_json(struct zipkin_decoder *d, slice body)
{
    err rc = zipkin_json_spans(d, body, span_take);
    return rc == OK ? zipkin_v1_end(d) : rc;
}
