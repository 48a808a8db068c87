/* UTF-8 as Go's utf8 package reads it: no overlong forms, no surrogates, nothing over U+10FFFF. Threads: no
 * shared state. */
#pragma once

#include "vivace/base/slice.h"

/* Bytes of the character at p (n > 0), or 0 when what stands there is not one. */
static inline size_t
utf8_char_bytes(const uint8_t *p, size_t n)
{
    uint8_t c = p[0];
    if (c < 0x80) {
        return 1;
    }
    size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || n < need) {
        return 0;
    }
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return need;
}

bool utf8_is_valid(slice s);
