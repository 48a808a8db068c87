/* Wire primitives that the hot decoder and encoder want inline. Threads: no shared state. */
#pragma once

#include "vivace/codec/wire.h"

#define WIRE_VARINT_MAX 10

enum wire_status { WIRE_OK, WIRE_EOF, WIRE_OVERFLOW };

static inline uint32_t
wire_load32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t
wire_load64(const uint8_t *p)
{
    return (uint64_t)wire_load32(p) | (uint64_t)wire_load32(p + 4) << 32;
}

/* The bits over 64 of a tenth byte are dropped, as Go's decoders do. */
static inline enum wire_status
wire_varint_fast(struct wire_reader *r, uint64_t *ret)
{
    const uint8_t *p = r->p;
    if (__builtin_expect(p < r->end && *p < 0x80, 1)) {
        *ret = *p;
        r->p = p + 1;
        return WIRE_OK;
    }
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 7 * WIRE_VARINT_MAX; shift += 7) {
        if (p >= r->end) {
            return WIRE_EOF;
        }
        uint8_t c = *p++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *ret = v;
            r->p = p;
            return WIRE_OK;
        }
    }
    return WIRE_OVERFLOW;
}

/* Writers into memory the caller has measured; each returns the place after what it wrote. */
static inline uint8_t *
wire_write_varint(uint8_t *w, uint64_t v)
{
    while (v >= 0x80) {
        *w++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *w++ = (uint8_t)v;
    return w;
}

static inline uint8_t *
wire_write32(uint8_t *w, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        w[i] = (uint8_t)(v >> (8 * i));
    }
    return w + 4;
}

static inline uint8_t *
wire_write64(uint8_t *w, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++) {
        w[i] = (uint8_t)(v >> (8 * i));
    }
    return w + 8;
}

static inline size_t
wire_size_varint(uint64_t v)
{
    return (size_t)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}
