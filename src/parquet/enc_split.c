/* BYTE_STREAM_SPLIT: byte k of every value stands in stream k; the streams follow each other. */
#include "enc.h"

#if defined(__x86_64__)
#include <emmintrin.h>

static __m128i
load16(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static void
store16(uint8_t *p, __m128i v)
{
    _mm_storeu_si128((__m128i *)(void *)p, v);
}

/* Sixteen values a step: interleave bytes, then pairs. SSE2 is every x86-64. Returns the values done. */
static size_t
join4(const uint8_t *in, uint8_t *out, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i a = load16(in + i), b = load16(in + n + i);
        __m128i c = load16(in + 2 * n + i), d = load16(in + 3 * n + i);
        __m128i ab0 = _mm_unpacklo_epi8(a, b), ab1 = _mm_unpackhi_epi8(a, b);
        __m128i cd0 = _mm_unpacklo_epi8(c, d), cd1 = _mm_unpackhi_epi8(c, d);
        store16(out + i * 4, _mm_unpacklo_epi16(ab0, cd0));
        store16(out + i * 4 + 16, _mm_unpackhi_epi16(ab0, cd0));
        store16(out + i * 4 + 32, _mm_unpacklo_epi16(ab1, cd1));
        store16(out + i * 4 + 48, _mm_unpackhi_epi16(ab1, cd1));
    }
    return i;
}

static size_t
join8(const uint8_t *in, uint8_t *out, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i s[8], t[8], u[8];
        for (size_t k = 0; k < 8; k++) {
            s[k] = load16(in + k * n + i);
        }
        for (size_t k = 0; k < 4; k++) { /* pairs of streams */
            t[k] = _mm_unpacklo_epi8(s[2 * k], s[2 * k + 1]);
            t[k + 4] = _mm_unpackhi_epi8(s[2 * k], s[2 * k + 1]);
        }
        for (size_t h = 0; h < 2; h++) { /* low and high eight values */
            u[h * 4] = _mm_unpacklo_epi16(t[h * 4], t[h * 4 + 1]);
            u[h * 4 + 1] = _mm_unpackhi_epi16(t[h * 4], t[h * 4 + 1]);
            u[h * 4 + 2] = _mm_unpacklo_epi16(t[h * 4 + 2], t[h * 4 + 3]);
            u[h * 4 + 3] = _mm_unpackhi_epi16(t[h * 4 + 2], t[h * 4 + 3]);
            for (size_t q = 0; q < 2; q++) {
                uint8_t *at = out + (i + h * 8 + q * 4) * 8;
                store16(at, _mm_unpacklo_epi32(u[h * 4 + q], u[h * 4 + 2 + q]));
                store16(at + 16, _mm_unpackhi_epi32(u[h * 4 + q], u[h * 4 + 2 + q]));
            }
        }
    }
    return i;
}
#endif

err
split_decode(slice in, size_t width, void *out, size_t n, struct fault *f)
{
    uint8_t *to = out;
    size_t done = 0;
    if (in.n % width || in.n / width != n) {
        return FAULT(f, ERR_CORRUPT, "parquet byte stream split: %zu bytes for %zu values of %zu", in.n, n,
                     width);
    }
#if defined(__x86_64__)
    if (width == 4) {
        done = join4(in.p, to, n);
    } else if (width == 8) {
        done = join8(in.p, to, n);
    }
#endif
    for (size_t k = 0; k < width; k++) {
        const uint8_t *stream = in.p + k * n;
        for (size_t i = done; i < n; i++) {
            to[i * width + k] = stream[i];
        }
    }
    return OK;
}

void
split_encode(const uint8_t *v, size_t width, size_t n, struct buf *out)
{
    if (n == 0 || buf_reserve(out, n * width) != OK) {
        return;
    }
    for (size_t k = 0; k < width; k++) {
        uint8_t *stream = out->p + out->n + k * n;
        for (size_t i = 0; i < n; i++) {
            stream[i] = v[i * width + k];
        }
    }
    out->n += n * width;
}
