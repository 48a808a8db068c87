/* ULEB128 and zigzag numbers, and unaligned little-endian words, as Parquet and Thrift use them. */
#pragma once

#include "vivace/base/slice.h"

#define VARINT_MAX 10 /* bytes of the longest */

/* False when the bytes end inside the number or it does not fit 64 bits; *p is moved on success. */
static inline bool
varint_read(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
    uint64_t v = 0;
    const uint8_t *q = *p;
    for (unsigned shift = 0; shift < 70 && q < end; shift += 7) {
        uint8_t b = *q++;
        if (shift == 63 && b > 1) {
            return false;
        }
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *p = q;
            *ret = v;
            return true;
        }
    }
    return false;
}

/* Writes at most VARINT_MAX bytes, returns the end. */
static inline uint8_t *
varint_write(uint8_t *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

static inline int64_t
zigzag_decode(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static inline uint64_t
zigzag_encode(int64_t v)
{
    return ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0);
}

static inline uint32_t
load_u32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t
load_u64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void
store_u32(void *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void
store_u64(void *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Parquet values are read and written in place");
