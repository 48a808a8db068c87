/* Fields in the form every SDK writes them: tags of one byte, lengths of one or two, each member once.
 *
 * A reader here either takes the whole of what it is for or nothing: what is unusual (or malformed, or cut)
 * goes to the general decoder, which knows all of protobuf and the error texts. So these only have to be
 * right about what they accept. Nothing is read at or after `end`. Threads: no shared state.
 */
#pragma once

#include "pb_field.h"

#include "vivace/model/span_batch.h"

/* The two bytes of the tag of Span.flags. */
#define TAG_FLAGS_LOW  (0x80 | (PB_TAG(16, WIRE_FIXED32) & 0x7f))
#define TAG_FLAGS_HIGH (PB_TAG(16, WIRE_FIXED32) >> 7)

/* A length of one or two bytes at `p` < `end`, and that many bytes before `end`: the place where they begin;
 * else NULL. */
static inline const uint8_t *
usual_len(const uint8_t *p, const uint8_t *end, size_t *ret_n)
{
    size_t n = *p++;
    if (n >= 0x80) {
        if (p == end || *p >= 0x80) {
            return NULL;
        }
        n = (n & 0x7f) | (size_t)*p++ << 7;
    }
    if (n > (size_t)(end - p)) {
        return NULL;
    }
    *ret_n = n;
    return p;
}

/* The next field when it is a message or bytes under this tag: taken, with its body. */
static inline bool
usual_child(struct wire_reader *r, uint8_t tag, slice *ret_body)
{
    if (r->end - r->p < 2 || *r->p != tag) {
        return false;
    }
    size_t n;
    const uint8_t *p = usual_len(r->p + 1, r->end, &n);
    if (p == NULL) {
        return false;
    }
    *ret_body = (slice){p, n};
    r->p = p + n;
    return true;
}

/* The same for what runs to `end` exactly: the last member of a message. */
static inline const uint8_t *
usual_rest(const uint8_t *p, const uint8_t *end)
{
    size_t n;
    p = usual_len(p, end, &n);
    return p != NULL && n == (size_t)(end - p) ? p : NULL;
}

/* An AnyValue with one scalar member, [p, end); the attribute's key stays as it is. */
static inline bool
usual_value(const uint8_t *p, const uint8_t *end, struct attr *a)
{
    if (end - p < 2) {
        return false;
    }
    struct wire_reader r = {p + 1, end};
    uint64_t v;
    switch (*p) {
    case PB_TAG(1, WIRE_LEN):
        p = usual_rest(p + 1, end);
        if (p == NULL) {
            return false;
        }
        a->kind = VALUE_STRING;
        a->p = p;
        a->n = (uint32_t)(end - p);
        return true;
    case PB_TAG(2, WIRE_VARINT):
    case PB_TAG(3, WIRE_VARINT):
        if (wire_varint_fast(&r, &v) != WIRE_OK || r.p != end) {
            return false;
        }
        a->kind = *p == PB_TAG(2, WIRE_VARINT) ? VALUE_BOOL : VALUE_INT;
        a->i = (int64_t)(a->kind == VALUE_BOOL ? v != 0 : v);
        a->n = 0;
        return true;
    case PB_TAG(4, WIRE_FIXED64):
        if (end - p != 9) {
            return false;
        }
        a->kind = VALUE_DOUBLE;
        memcpy(&a->d, p + 1, sizeof a->d);
        a->n = 0;
        return true;
    default:
        return false;
    }
}

/* A KeyValue [p, end): a key of less than 128 bytes, then a scalar value. Sets every member of `a` or none
 * that counts. */
static inline bool
usual_key_value(const uint8_t *p, const uint8_t *end, struct attr *a)
{
    if (end - p < 2 || p[0] != PB_TAG(1, WIRE_LEN) || p[1] >= 0x80) {
        return false;
    }
    size_t key_n = p[1];
    const uint8_t *key = p + 2;
    if ((size_t)(end - key) < key_n + 2 || key[key_n] != PB_TAG(2, WIRE_LEN)) {
        return false;
    }
    const uint8_t *value = usual_rest(key + key_n + 1, end);
    a->key = key;
    a->key_n = (uint32_t)key_n;
    return value != NULL && usual_value(value, end, a);
}

/* Past the fields whose tag has one byte (1 to 15), but for groups and for `stop_tag`; stops there, and in
 * front of what is malformed or cut. */
static inline void
usual_skip(struct wire_reader *r, uint8_t stop_tag)
{
    const uint8_t *p = r->p, *end = r->end;
    while (end - p >= 2 && *p != stop_tag && *p >= PB_TAG(1, 0) && *p < 0x80) {
        const uint8_t *value = p + 1;
        size_t n;
        switch (*p & 7) {
        case WIRE_LEN:
            value = usual_len(value, end, &n);
            break;
        case WIRE_VARINT:
            n = 1;
            value = *value < 0x80 ? value : NULL;
            break;
        case WIRE_FIXED64:
            n = 8;
            break;
        default:
            value = NULL;
            break;
        }
        if (value == NULL || n > (size_t)(end - value)) {
            break;
        }
        p = value + n;
    }
    r->p = p;
}

/* Attributes side by side, as long as they are usual and there is room. */
static inline const uint8_t *
usual_span_attrs(struct span_batch *b, const uint8_t *p, const uint8_t *end, struct span *s)
{
    if (b->attr_count == b->attr_cap) {
        return p; /* the general way makes room */
    }
    struct attr *first = b->attrs + b->attr_count, *a = first, *room = b->attrs + b->attr_cap;
    struct wire_reader r = {p, end};
    slice body;
    while (a < room && usual_child(&r, PB_TAG(9, WIRE_LEN), &body) &&
           usual_key_value(body.p, body.p + body.n, a)) {
        p = r.p;
        a++;
    }
    b->attr_count += (size_t)(a - first);
    s->attrs.n += (uint32_t)(a - first);
    return p;
}

/* Take the span's usual fields; returns the first that is not, or `end`. */
static inline const uint8_t *
usual_span_fields(struct span_batch *b, const uint8_t *p, const uint8_t *end, struct span *s)
{
    while (end - p >= 2) {
        const uint8_t *at = p;
        size_t left = (size_t)(end - p), n;
        switch (*p) {
        case PB_TAG(1, WIRE_LEN):
            if (p[1] == TRACE_ID_BYTES && left >= 2 + TRACE_ID_BYTES) {
                memcpy(s->trace.b, p + 2, TRACE_ID_BYTES);
                p += 2 + TRACE_ID_BYTES;
            }
            break;
        case PB_TAG(2, WIRE_LEN):
        case PB_TAG(4, WIRE_LEN):
            if (p[1] == SPAN_ID_BYTES && left >= 2 + SPAN_ID_BYTES) {
                memcpy(*p == PB_TAG(2, WIRE_LEN) ? s->id.b : s->parent.b, p + 2, SPAN_ID_BYTES);
                p += 2 + SPAN_ID_BYTES;
            }
            break;
        case PB_TAG(5, WIRE_LEN):
            p = usual_len(p + 1, end, &n);
            if (p == NULL) {
                return at;
            }
            s->name = (slice){p, n};
            p += n;
            break;
        case PB_TAG(6, WIRE_VARINT):
            if (p[1] < 0x80) {
                s->kind = p[1];
                p += 2;
            }
            break;
        case PB_TAG(7, WIRE_FIXED64):
        case PB_TAG(8, WIRE_FIXED64):
            if (left >= 9) {
                *(*p == PB_TAG(7, WIRE_FIXED64) ? &s->start_ns : &s->end_ns) = wire_load64(p + 1);
                p += 9;
            }
            break;
        case PB_TAG(9, WIRE_LEN):
            p = usual_span_attrs(b, p, end, s);
            break;
        case PB_TAG(15, WIRE_LEN): /* a Status with a code, or empty */
            if (p[1] == 0) {
                p += 2;
            } else if (p[1] == 2 && left >= 4 && p[2] == PB_TAG(3, WIRE_VARINT) && p[3] < 0x80) {
                s->status_code = p[3];
                p += 4;
            }
            break;
        case TAG_FLAGS_LOW:
            if (left >= 6 && p[1] == TAG_FLAGS_HIGH) {
                s->flags = wire_load32(p + 2);
                p += 6;
            }
            break;
        default:
            break;
        }
        if (p == at) {
            break;
        }
    }
    return p;
}
