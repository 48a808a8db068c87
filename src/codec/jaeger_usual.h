/* Thrift's compact protocol in the form every Jaeger client writes it: fields in the order of their ids, each
 * id as a step from the one before, lengths of one or two bytes.
 *
 * As in otlp_usual.h a reader here takes the whole of what it is for or nothing: what is unusual, malformed
 * or cut goes to the general reader, which knows all of Thrift and the error texts. Nothing is read at or
 * after `end`. Threads: no shared state. */
#pragma once

#include "otlp_usual.h"

/* The compact protocol's own type numbers, and a field's head: the step of the id and the type. */
enum { COMPACT_I32 = 5, COMPACT_I64 = 6, COMPACT_DOUBLE = 7, COMPACT_STRING = 8 };
#define COMPACT_HEAD(step, type) ((step) << 4 | (type))

/* Tag: key = 1, vType = 2 and the one value of that type. vType (zigzag) and the value's head side by side.
 */
#define USUAL_TAG(type, id, compact_type) ((type) << 9 | COMPACT_HEAD((id)-2, compact_type))

/* Bring the groups of 7 bits in up to 8 bytes together. */
static inline uint64_t
usual_groups_join(uint64_t v)
{
    v = (v & UINT64_C(0x007f007f007f007f)) | (v & UINT64_C(0x7f007f007f007f00)) >> 1;
    v = (v & UINT64_C(0x00003fff00003fff)) | (v & UINT64_C(0x3fff00003fff0000)) >> 2;
    return (v & UINT64_C(0x0fffffff)) | (v & UINT64_C(0x0fffffff00000000)) >> 4;
}

/* A zigzag number of more than a byte, with room for the longest before `end`. The bits over 64 are dropped,
 * as the general reader does. */
static inline const uint8_t *
usual_zigzag_long(const uint8_t *p, const uint8_t *end, int64_t *ret)
{
    if (end - p < WIRE_VARINT_MAX) {
        return NULL;
    }
    uint64_t v = wire_load64(p), stop = ~v & UINT64_C(0x8080808080808080);
    if (stop != 0) {
        v = usual_groups_join(v & (stop ^ (stop - 1)) & UINT64_C(0x7f7f7f7f7f7f7f7f));
        p += (__builtin_ctzll(stop) >> 3) + 1;
    } else {
        v = usual_groups_join(v & UINT64_C(0x7f7f7f7f7f7f7f7f)) | (uint64_t)(p[8] & 0x7f) << 56;
        if (p[8] >= 0x80) {
            if (p[9] >= 0x80) {
                return NULL;
            }
            v |= (uint64_t)p[9] << 63;
            p++;
        }
        p += 9;
    }
    *ret = (int64_t)(v >> 1 ^ (0 - (v & 1)));
    return p;
}

static inline const uint8_t *
usual_zigzag(const uint8_t *p, const uint8_t *end, int64_t *ret)
{
    if (p < end && *p < 0x80) {
        *ret = (int64_t)((uint64_t)*p >> 1 ^ (0 - (uint64_t)(*p & 1)));
        return p + 1;
    }
    return usual_zigzag_long(p, end, ret);
}

/* The value of a tag behind its key, from the head of vType to the stop. Sets all but the key. */
static inline const uint8_t *
usual_tag_value(const uint8_t *p, const uint8_t *end, struct attr *a)
{
    size_t n;
    if (end - p < 4 || p[0] != COMPACT_HEAD(1, COMPACT_I32)) {
        return NULL;
    }
    const uint8_t *value = p + 3;
    a->n = 0;
    switch (p[1] << 8 | p[2]) {
    case USUAL_TAG(0, 3, COMPACT_STRING):
    case USUAL_TAG(4, 7, COMPACT_STRING):
        value = usual_len(value, end, &n);
        if (value == NULL) {
            return NULL;
        }
        a->kind = p[1] == 0 ? VALUE_STRING : VALUE_BYTES;
        a->p = value;
        a->n = (uint32_t)n;
        value += n;
        break;
    case USUAL_TAG(1, 4, COMPACT_DOUBLE):
        if (end - value < 8) {
            return NULL;
        }
        a->kind = VALUE_DOUBLE;
        memcpy(&a->d, value, sizeof a->d);
        value += sizeof a->d;
        break;
    case USUAL_TAG(2, 5, 1): /* a boolean's type is its value */
    case USUAL_TAG(2, 5, 2):
        a->kind = VALUE_BOOL;
        a->i = (p[2] & 0x0f) == 1;
        break;
    case USUAL_TAG(3, 6, COMPACT_I64):
        a->kind = VALUE_INT;
        value = usual_zigzag(value, end, &a->i);
        break;
    default:
        return NULL;
    }
    return value != NULL && value < end && *value == 0 ? value + 1 : NULL;
}

/* A Tag with its stop. Sets every member of `a` or none that counts. */
static inline const uint8_t *
usual_tag(const uint8_t *p, const uint8_t *end, struct attr *a)
{
    size_t n;
    if (end - p < 2 || *p != COMPACT_HEAD(1, COMPACT_STRING)) {
        return NULL;
    }
    p = usual_len(p + 1, end, &n);
    if (p == NULL) {
        return NULL;
    }
    a->key = p;
    a->key_n = (uint32_t)n;
    return usual_tag_value(p + n, end, a);
}

/* A field of 64 bits whose id is one step on. */
static inline const uint8_t *
usual_i64(const uint8_t *p, const uint8_t *end, int64_t *ret)
{
    return p < end && *p == COMPACT_HEAD(1, COMPACT_I64) ? usual_zigzag(p + 1, end, ret) : NULL;
}
