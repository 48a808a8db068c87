#include "bitpack.h"

#include "varint.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* 8 bytes from p, zeros where `avail` ends. */
static uint64_t
load_partial(const uint8_t *p, size_t avail)
{
    uint64_t v = 0;
    memcpy(&v, p, avail < 8 ? avail : 8);
    return v;
}

/* Values whose 8-byte load stays inside `avail`, for widths up to 57. */
static size_t
whole_loads(size_t avail, unsigned width, size_t n)
{
    if (avail < 8) {
        return 0;
    }
    size_t k = (avail - 8) * 8 / width + 1;
    return k < n ? k : n;
}

static uint64_t
unpack_one(const uint8_t *p, size_t avail, unsigned width, size_t i)
{
    size_t bit = i * width, at = bit >> 3;
    unsigned shift = bit & 7;
    uint64_t v = load_partial(p + at, avail - at) >> shift;
    if (shift + width > 64) {
        v |= (uint64_t)p[at + 8] << (64 - shift);
    }
    return width == 64 ? v : v & ((UINT64_C(1) << width) - 1);
}

void
bits_unpack_u64(const uint8_t *p, size_t avail, unsigned width, uint64_t *out, size_t n)
{
    if (width == 0) {
        memset(out, 0, n * sizeof *out);
        return;
    }
    size_t fast = width <= 57 ? whole_loads(avail, width, n) : 0;
    uint64_t mask = width >= 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
    size_t bit = 0;
    for (size_t i = 0; i < fast; i++, bit += width) {
        out[i] = load_u64(p + (bit >> 3)) >> (bit & 7) & mask;
    }
    for (size_t i = fast; i < n; i++) {
        out[i] = unpack_one(p, avail, width, i);
    }
}

static void
unpack_u32_portable(const uint8_t *p, size_t avail, unsigned width, uint32_t *out, size_t n)
{
    size_t fast = whole_loads(avail, width, n);
    uint64_t mask = (UINT64_C(1) << width) - 1;
    size_t bit = 0;
    for (size_t i = 0; i < fast; i++, bit += width) {
        out[i] = (uint32_t)(load_u64(p + (bit >> 3)) >> (bit & 7) & mask);
    }
    for (size_t i = fast; i < n; i++) {
        out[i] = (uint32_t)unpack_one(p, avail, width, i);
    }
}

#if defined(__x86_64__)
/* Eight values a step: values 0..3 from the 16 bytes at p, 4..7 from those at the byte of bit 4 * width.
 * Each 32-bit lane gets its four bytes by a shuffle, then a shift of its own and a mask. */
__attribute__((target("avx2"))) static size_t
unpack_u32_avx2(const uint8_t *p, size_t avail, unsigned width, uint32_t *out, size_t n)
{
    size_t high = (4 * width) >> 3;
    int odd = (4 * width) & 7;
    __m256i bit =
        _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 0, 1, 2, 3), _mm256_set1_epi32((int)width));
    bit = _mm256_add_epi32(bit, _mm256_setr_epi32(0, 0, 0, 0, odd, odd, odd, odd));
    __m256i shifts = _mm256_and_si256(bit, _mm256_set1_epi32(7));
    __m256i first =
        _mm256_set_epi64x(0x0c0c0c0c08080808, 0x0404040400000000, 0x0c0c0c0c08080808, 0x0404040400000000);
    __m256i shuffle = _mm256_shuffle_epi8(_mm256_srli_epi32(bit, 3), first);
    shuffle = _mm256_add_epi8(shuffle, _mm256_set1_epi32(0x03020100));
    __m256i mask = _mm256_set1_epi32((int)((UINT32_C(1) << width) - 1));
    size_t i = 0, at = 0;
    for (; i + 8 <= n && at + high + 16 <= avail; i += 8, at += width) {
        __m128i lo = _mm_loadu_si128((const __m128i *)(const void *)(p + at));
        __m128i hi = _mm_loadu_si128((const __m128i *)(const void *)(p + at + high));
        __m256i v = _mm256_shuffle_epi8(_mm256_set_m128i(hi, lo), shuffle);
        v = _mm256_and_si256(_mm256_srlv_epi32(v, shifts), mask);
        _mm256_storeu_si256((__m256i *)(void *)(out + i), v);
    }
    return i;
}
#endif

void
bits_unpack_u32(const uint8_t *p, size_t avail, unsigned width, uint32_t *out, size_t n)
{
    size_t done = 0;
    if (width == 0) {
        memset(out, 0, n * sizeof *out);
        return;
    }
#if defined(__x86_64__)
    if (n >= 32 && width <= 25 && __builtin_cpu_supports("avx2")) {
        done = unpack_u32_avx2(p, avail, width, out, n); /* a multiple of 8: a whole byte */
    }
#endif
    size_t at = done * width / 8;
    unpack_u32_portable(p + at, avail - at, width, out + done, n - done);
}

/* Eight one-bit values as eight bytes. */
static uint64_t
spread_bits(uint8_t b)
{
    uint64_t x = (b * UINT64_C(0x0101010101010101)) & UINT64_C(0x8040201008040201);
    return ((x + UINT64_C(0x7f7f7f7f7f7f7f7f)) >> 7) & UINT64_C(0x0101010101010101);
}

void
bits_unpack_u8(const uint8_t *p, size_t avail, unsigned width, uint8_t *out, size_t n)
{
    if (width == 0) {
        memset(out, 0, n);
        return;
    }
    size_t i = 0;
    uint64_t mask = (UINT64_C(1) << width) - 1;
    for (; i + 8 <= n; i += 8) {
        if (width == 1) {
            store_u64(out + i, spread_bits(p[i >> 3]));
            continue;
        }
        size_t at = (i >> 3) * width;
        uint64_t word = load_partial(p + at, avail - at);
        for (unsigned k = 0; k < 8; k++) {
            out[i + k] = (uint8_t)(word >> (k * width) & mask);
        }
    }
    for (; i < n; i++) {
        out[i] = (uint8_t)unpack_one(p, avail, width, i);
    }
}

/* Packs through a 64-bit accumulator; `GET` is the i-th value as uint64_t. */
#define PACK_LOOP(GET)                                                                                       \
    uint8_t *start = out;                                                                                    \
    uint64_t acc = 0;                                                                                        \
    unsigned bits = 0;                                                                                       \
    for (size_t i = 0; i < n; i++) {                                                                         \
        uint64_t v = (GET);                                                                                  \
        acc |= v << bits;                                                                                    \
        bits += width;                                                                                       \
        if (bits >= 64) {                                                                                    \
            store_u64(out, acc);                                                                             \
            out += 8;                                                                                        \
            bits -= 64;                                                                                      \
            acc = bits ? v >> (width - bits) : 0;                                                            \
        }                                                                                                    \
    }                                                                                                        \
    store_u64(out, acc);                                                                                     \
    return (size_t)(out - start) + (bits + 7) / 8

size_t
bits_pack_u32(uint8_t *out, const uint32_t *in, size_t n, unsigned width)
{
    PACK_LOOP(in[i]);
}

size_t
bits_pack_u64(uint8_t *out, const uint64_t *in, size_t n, unsigned width)
{
    PACK_LOOP(in[i]);
}

size_t
bits_pack_u8(uint8_t *out, const uint8_t *in, size_t n, unsigned width)
{
    PACK_LOOP(in[i]);
}
