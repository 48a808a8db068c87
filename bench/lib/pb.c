#include "pb.h"

void
pb_close(struct blob *b, size_t opened)
{
    size_t n = b->n - opened;
    size_t width = 1;
    for (size_t v = n; v >= 0x80; v >>= 7) {
        width++;
    }
    if (width > 1) {
        blob_reserve(b, width - 1);
        memmove(b->p + opened + width - 1, b->p + opened, n);
        b->n += width - 1;
    }
    uint8_t *at = b->p + opened - 1;
    size_t v = n;
    while (v >= 0x80) {
        *at++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *at = (uint8_t)v;
}

void
pb_attr_strn(struct blob *b, uint32_t field, const char *key, const void *value, size_t n)
{
    size_t kv = pb_open(b, field);
    pb_str(b, 1, key);
    size_t any = pb_open(b, 2);
    pb_bytes(b, 1, value, n);
    pb_close(b, any);
    pb_close(b, kv);
}

void
pb_attr_str(struct blob *b, uint32_t field, const char *key, const char *value)
{
    pb_attr_strn(b, field, key, value, strlen(value));
}

void
pb_attr_int(struct blob *b, uint32_t field, const char *key, int64_t value)
{
    size_t kv = pb_open(b, field);
    pb_str(b, 1, key);
    size_t any = pb_open(b, 2);
    pb_uint(b, 3, (uint64_t)value);
    pb_close(b, any);
    pb_close(b, kv);
}

void
pb_attr_bool(struct blob *b, uint32_t field, const char *key, bool value)
{
    size_t kv = pb_open(b, field);
    pb_str(b, 1, key);
    size_t any = pb_open(b, 2);
    pb_uint(b, 2, value);
    pb_close(b, any);
    pb_close(b, kv);
}

void
pb_attr_double(struct blob *b, uint32_t field, const char *key, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    size_t kv = pb_open(b, field);
    pb_str(b, 1, key);
    size_t any = pb_open(b, 2);
    pb_fixed64(b, 4, bits);
    pb_close(b, any);
    pb_close(b, kv);
}

void
pb_attr_strings(struct blob *b, uint32_t field, const char *key, const char *const *values, size_t n)
{
    size_t kv = pb_open(b, field);
    pb_str(b, 1, key);
    size_t any = pb_open(b, 2);
    size_t array = pb_open(b, 5);
    for (size_t i = 0; i < n; i++) {
        size_t one = pb_open(b, 1);
        pb_str(b, 1, values[i]);
        pb_close(b, one);
    }
    pb_close(b, array);
    pb_close(b, any);
    pb_close(b, kv);
}

static bool
read_varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t c = *(*p)++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

bool
pb_next(const uint8_t **p, const uint8_t *end, struct pb_field *ret)
{
    const uint8_t *at = *p;
    uint64_t tag;
    if (at >= end || !read_varint(&at, end, &tag)) {
        return false;
    }
    *ret = (struct pb_field){.number = (uint32_t)(tag >> 3), .type = tag & 7};
    switch (ret->type) {
    case 0:
        if (!read_varint(&at, end, &ret->value)) {
            return false;
        }
        break;
    case 1:
    case 5: {
        size_t width = ret->type == 1 ? 8 : 4;
        if ((size_t)(end - at) < width) {
            return false;
        }
        memcpy(&ret->value, at, width);
        at += width;
        break;
    }
    case 2: {
        uint64_t n;
        if (!read_varint(&at, end, &n) || n > (uint64_t)(end - at)) {
            return false;
        }
        ret->p = at;
        ret->n = n;
        at += n;
        break;
    }
    default:
        return false;
    }
    *p = at;
    return true;
}

static bool
walk_span(const struct pb_field *span, pb_span_fn fn, void *ctx)
{
    const uint8_t *p = span->p, *end = p + span->n, *trace = NULL, *id = NULL;
    struct pb_field f;
    while (pb_next(&p, end, &f)) {
        if (f.number == 1 && f.type == 2 && f.n == 16) {
            trace = f.p;
        } else if (f.number == 2 && f.type == 2 && f.n == 8) {
            id = f.p;
        }
    }
    if (p != end || !trace || !id) {
        return false;
    }
    fn(ctx, trace, id);
    return true;
}

static bool
walk_scope(const struct pb_field *scope, pb_span_fn fn, void *ctx)
{
    const uint8_t *p = scope->p, *end = p + scope->n;
    struct pb_field f;
    while (pb_next(&p, end, &f)) {
        if (f.number == 2 && f.type == 2 && !walk_span(&f, fn, ctx)) {
            return false;
        }
    }
    return p == end;
}

bool
pb_trace_walk(const uint8_t *p, size_t n, pb_span_fn fn, void *ctx)
{
    const uint8_t *end = p + n;
    struct pb_field rs;
    while (pb_next(&p, end, &rs)) {
        if (rs.number != 1 || rs.type != 2) {
            continue;
        }
        const uint8_t *q = rs.p, *q_end = q + rs.n;
        struct pb_field f;
        while (pb_next(&q, q_end, &f)) {
            if (f.number == 2 && f.type == 2 && !walk_scope(&f, fn, ctx)) {
                return false;
            }
        }
        if (q != q_end) {
            return false;
        }
    }
    return p == end;
}
