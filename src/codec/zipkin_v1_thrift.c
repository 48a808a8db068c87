/* Zipkin v1 Thrift: a bare list of spans in the binary protocol (receivers.md 5.6). */
#include "attr_set.h"
#include "thrift.h"
#include "zipkin_priv.h"

enum { TYPE_BOOL, TYPE_BYTES, TYPE_I16, TYPE_I32, TYPE_I64, TYPE_DOUBLE, TYPE_STRING };

struct list_decoder {
    struct zipkin_decoder *d;
    struct thrift_reader r;
};

static err
bad(const struct list_decoder *l)
{
    return FAULT(l->d->f, ERR_INVALID, "%s at offset %td", l->r.error, l->r.p - l->r.start);
}

static void
id_put(uint8_t *to, int64_t v)
{
    uint64_t big = __builtin_bswap64((uint64_t)v);
    memcpy(to, &big, sizeof big);
}

static err
ip_take(struct list_decoder *l, slice bytes, slice *ret)
{
    *ret = zipkin_ip_text(&l->d->b->arena, bytes);
    return ret->p != NULL ? OK : zipkin_full(l->d);
}

static err
endpoint_take(struct list_decoder *l, struct zipkin_endpoint *to)
{
    struct thrift_reader *r = &l->r;
    err rc = OK;
    for (struct thrift_field f = {0}; thrift_next_field(r, &f);) {
        switch (thrift_key(&f)) {
        case THRIFT_KEY(1, THRIFT_I32): {
            uint32_t ip = __builtin_bswap32((uint32_t)thrift_i32(r));
            if (ip != 0) {
                TRY(ip_take(l, slice_of(&ip, sizeof ip), &to->ipv4));
            }
            break;
        }
        case THRIFT_KEY(2, THRIFT_I16):
            to->port = thrift_i16(r);
            break;
        case THRIFT_KEY(3, THRIFT_STRING):
            to->service = thrift_string(r);
            break;
        case THRIFT_KEY(4, THRIFT_STRING): {
            slice ip = thrift_string(r);
            if (ip.n != 0) {
                TRY(ip_take(l, ip, &to->ipv6));
            }
            break;
        }
        default:
            thrift_skip_field(r, &f);
        }
    }
out:
    return rc;
}

static err
notes_take(struct list_decoder *l)
{
    struct thrift_reader *r = &l->r;
    struct zipkin_note *note;
    err rc = OK;
    l->d->note_count = 0;
    for (uint32_t n = thrift_list_begin(r, THRIFT_STRUCT); n > 0 && r->error == NULL; n--) {
        TRY(zipkin_note_add(l->d, &note));
        for (struct thrift_field f = {0}; thrift_next_field(r, &f);) {
            switch (thrift_key(&f)) {
            case THRIFT_KEY(1, THRIFT_I64):
                note->time_us = thrift_i64(r);
                break;
            case THRIFT_KEY(2, THRIFT_STRING):
                note->value = thrift_string(r);
                break;
            case THRIFT_KEY(3, THRIFT_STRUCT):
                TRY(endpoint_take(l, &note->endpoint));
                break;
            default:
                thrift_skip_field(r, &f);
            }
        }
    }
out:
    return rc;
}

/* A number's first `n` bytes, big-endian and without sign, as the collector reads it. */
static bool
number_of(slice bytes, size_t n, uint64_t *ret)
{
    uint64_t v = 0;
    if (bytes.n < n) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | bytes.p[i];
    }
    *ret = v;
    return true;
}

static err
base64_set(struct list_decoder *l, struct attr *a, slice bytes)
{
    struct buf text;
    buf_init(&text, bytes.n * 2 + 4);
    base64_encode(bytes, true, &text);
    slice copy = arena_copy(&l->d->b->arena, buf_slice(&text));
    bool ok = !text.failed && (copy.n == 0 || copy.p != NULL);
    buf_fini(&text);
    attr_set_string(a, copy);
    return ok ? OK : zipkin_full(l->d);
}

static err
value_set(struct list_decoder *l, struct attr *a, int32_t type, slice bytes)
{
    static const uint8_t sizes[] = {[TYPE_I16] = 2, [TYPE_I32] = 4, [TYPE_I64] = 8, [TYPE_DOUBLE] = 8};
    uint64_t v;
    switch (type) {
    case TYPE_BOOL:
        a->kind = VALUE_BOOL;
        a->b = bytes.n == 1 && bytes.p[0] == 1;
        return OK;
    case TYPE_BYTES:
        return base64_set(l, a, bytes);
    case TYPE_I16:
    case TYPE_I32:
    case TYPE_I64:
    case TYPE_DOUBLE:
        if (!number_of(bytes, sizes[type], &v)) {
            attr_set_string(a, SL("<not enough bytes representing the number>"));
            return OK;
        }
        a->kind = type == TYPE_DOUBLE ? VALUE_DOUBLE : VALUE_INT;
        memcpy(&a->i, &v, sizeof v); /* a double has the same place */
        return OK;
    case TYPE_STRING:
        attr_set_string(a, bytes);
        return OK;
    default:
        attr_set_string(a, SL("<unknown zipkin v1 binary annotation type>"));
        return OK;
    }
}

static err
tag_take(struct list_decoder *l, struct zipkin_span *z)
{
    struct thrift_reader *r = &l->r;
    struct zipkin_endpoint host = {.port = 0};
    slice key = SL_EMPTY, value = SL_EMPTY;
    int32_t type = TYPE_BOOL;
    bool has_host = false;
    struct attr *a;
    err rc = OK;
    for (struct thrift_field f = {0}; thrift_next_field(r, &f);) {
        switch (thrift_key(&f)) {
        case THRIFT_KEY(1, THRIFT_STRING):
            key = thrift_string(r);
            break;
        case THRIFT_KEY(2, THRIFT_STRING):
            value = thrift_string(r);
            break;
        case THRIFT_KEY(3, THRIFT_I32):
            type = thrift_i32(r);
            break;
        case THRIFT_KEY(4, THRIFT_STRUCT):
            has_host = true;
            TRY(endpoint_take(l, &host));
            break;
        default:
            thrift_skip_field(r, &f);
        }
    }
    TRY(zipkin_tag_add(l->d, z, key, &a));
    TRY(value_set(l, a, type, value));
    if (has_host) {
        z->fallback_service = host.service;
    }
out:
    return rc;
}

static err
tags_take(struct list_decoder *l, struct zipkin_span *z)
{
    err rc = OK;
    for (uint32_t n = thrift_list_begin(&l->r, THRIFT_STRUCT); n > 0 && l->r.error == NULL; n--) {
        TRY(tag_take(l, z));
    }
out:
    return rc;
}

/* False when it is not one of the span's numbers and strings. */
static bool
scalar_take(struct list_decoder *l, const struct thrift_field *f, struct zipkin_span *z)
{
    struct thrift_reader *r = &l->r;
    switch (thrift_key(f)) {
    case THRIFT_KEY(1, THRIFT_I64):
        id_put(z->trace.b + 8, thrift_i64(r));
        return true;
    case THRIFT_KEY(3, THRIFT_STRING):
        z->name = thrift_string(r);
        return true;
    case THRIFT_KEY(4, THRIFT_I64):
        id_put(z->id.b, thrift_i64(r));
        return true;
    case THRIFT_KEY(5, THRIFT_I64):
        id_put(z->parent.b, thrift_i64(r));
        return true;
    case THRIFT_KEY(10, THRIFT_I64):
        z->time_us = (uint64_t)thrift_i64(r);
        z->has_time = true;
        return true;
    case THRIFT_KEY(11, THRIFT_I64):
        z->duration_us = (uint64_t)thrift_i64(r);
        return true;
    case THRIFT_KEY(12, THRIFT_I64):
        id_put(z->trace.b, thrift_i64(r));
        return true;
    default:
        return false;
    }
}

static err
span_take(struct list_decoder *l)
{
    struct zipkin_span z;
    err rc = OK;
    zipkin_span_begin(l->d, &z);
    for (struct thrift_field f = {0}; thrift_next_field(&l->r, &f);) {
        if (thrift_key(&f) == THRIFT_KEY(6, THRIFT_LIST)) {
            TRY(notes_take(l));
        } else if (thrift_key(&f) == THRIFT_KEY(8, THRIFT_LIST)) {
            TRY(tags_take(l, &z));
        } else if (!scalar_take(l, &f, &z)) {
            thrift_skip_field(&l->r, &f);
        }
    }
    if (l->r.error != NULL) {
        return bad(l);
    }
    rc = zipkin_v1_span(l->d, &z, false);
out:
    return rc;
}

err
zipkin_v1_thrift(struct zipkin_decoder *d, slice body)
{
    struct list_decoder l = {.d = d, .r = thrift_reader_of(body, THRIFT_BINARY)};
    err rc = OK;
    for (uint32_t n = thrift_list_begin(&l.r, THRIFT_STRUCT); n > 0; n--) {
        TRY(span_take(&l));
    }
    if (l.r.error != NULL) {
        return bad(&l);
    }
    rc = zipkin_v1_end(d);
out:
    return rc;
}
