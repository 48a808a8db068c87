#include "levels.h"

#include "varint.h"

#if defined(__SSE4_1__)
#include <smmintrin.h>

static __m128i
load16(const void *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}
#endif

size_t
levels_count(const uint8_t *v, size_t n, uint8_t x)
{
    size_t count = 0, i = 0;
#if defined(__SSE4_1__)
    __m128i want = _mm_set1_epi8((char)x), sum = _mm_setzero_si128(), one = _mm_set1_epi8(1);
    for (; i + 16 <= n; i += 16) { /* bytes of 0 or 1, added up into two 64-bit halves */
        __m128i hit = _mm_and_si128(_mm_cmpeq_epi8(load16(v + i), want), one);
        sum = _mm_add_epi64(sum, _mm_sad_epu8(hit, _mm_setzero_si128()));
    }
    count = (size_t)_mm_extract_epi64(sum, 0) + (size_t)_mm_extract_epi64(sum, 1);
#endif
    for (; i < n; i++) {
        count += v[i] == x;
    }
    return count;
}

uint8_t
levels_max(const uint8_t *v, size_t n)
{
    uint8_t max = 0;
    size_t i = 0;
#if defined(__SSE4_1__)
    __m128i top = _mm_setzero_si128();
    uint8_t lanes[16];
    for (; i + 16 <= n; i += 16) {
        top = _mm_max_epu8(top, load16(v + i));
    }
    _mm_storeu_si128((__m128i *)(void *)lanes, top);
    for (size_t k = 0; k < 16; k++) {
        max = lanes[k] > max ? lanes[k] : max;
    }
#endif
    for (; i < n; i++) {
        max = v[i] > max ? v[i] : max;
    }
    return max;
}

uint32_t
codes_max(const uint32_t *v, size_t n)
{
    uint32_t max = 0;
    size_t i = 0;
#if defined(__SSE4_1__)
    __m128i top = _mm_setzero_si128();
    uint32_t lanes[4];
    for (; i + 4 <= n; i += 4) {
        top = _mm_max_epu32(top, load16(v + i));
    }
    _mm_storeu_si128((__m128i *)(void *)lanes, top);
    for (size_t k = 0; k < 4; k++) {
        max = lanes[k] > max ? lanes[k] : max;
    }
#endif
    for (; i < n; i++) {
        max = v[i] > max ? v[i] : max;
    }
    return max;
}
