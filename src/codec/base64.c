/* Source: RFC 4648, section 4. */
#include "vivace/codec/json.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 64 for what is not in the alphabet. */
static uint32_t
sextet(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return (uint32_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint32_t)(c - 'a') + 26;
    }
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0') + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

bool
base64_decode(slice in, struct arena *arena, slice *ret)
{
    size_t n = in.n;
    if (n % 4 == 0 && n != 0) {
        n -= in.p[n - 1] == '=';
        n -= n == in.n - 1 && in.p[n - 1] == '=';
    }
    if (n % 4 == 1) {
        return false;
    }
    uint8_t *start = arena_alloc(arena, n / 4 * 3 + 3), *w = start;
    if (start == NULL) {
        return false;
    }
    uint32_t bits = 0, have = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t v = sextet(in.p[i]);
        if (v == 64) {
            return false;
        }
        bits = bits << 6 | v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            *w++ = (uint8_t)(bits >> have);
        }
    }
    *ret = (slice){start, (size_t)(w - start)};
    return true;
}

void
base64_encode(slice in, bool pad, struct buf *out)
{
    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i;
        uint32_t v = (uint32_t)in.p[i] << 16 | (left > 1 ? (uint32_t)in.p[i + 1] << 8 : 0) |
                     (left > 2 ? in.p[i + 2] : 0);
        char four[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63], alphabet[v >> 6 & 63], alphabet[v & 63]};
        size_t n = left > 2 ? 4 : left + 1;
        for (size_t k = n; k < 4 && pad; k++) {
            four[k] = '=';
        }
        (void)buf_append(out, four, pad ? 4 : n);
    }
}
