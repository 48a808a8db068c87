/* Writing the RLE / bit-packed hybrid of enc_rle.c. Copies begin at whole groups of eight, and only where
 * they take fewer bytes than the groups they replace: one comparison a group finds them. */
#include "bitpack.h"
#include "enc.h"
#include "varint.h"

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

#define GROUP            8U
#define CODES_COPIES_MIN 64U /* zstd finds repeated bits; shorter runs only get in its way (measured) */

/* Room for the worst case: every group a run with its header and value, or bits with a header. */
static uint8_t *
encode_room(struct buf *out, size_t n, unsigned width)
{
    size_t groups = n / GROUP + 1;
    return buf_reserve(out, groups * (VARINT_MAX + 4 + width) + 32) == OK ? out->p + out->n : NULL;
}

/* Levels are not compressed: copies from which a run pays its header, its value, and the header that follows.
 * Of one bit: four groups (encode_bits). */
static size_t
level_copies_min(unsigned width)
{
    return GROUP * (width < 4 ? 2 : 1);
}

static uint8_t *
put_repeat(uint8_t *to, uint32_t value, size_t count, unsigned width)
{
    to = varint_write(to, (uint64_t)count << 1);
    store_u32(to, value);
    return to + (width + 7) / 8;
}

#define FOUR(V, W)                                                                                           \
    ((V)[0] | (uint64_t)(V)[1] << (W) | (uint64_t)(V)[2] << 2 * (W) | (uint64_t)(V)[3] << 3 * (W))

/* Eight values of at most 15 bits; writes 16 bytes, of which `width` count. */
#define PACK_GROUP(TO, V, WIDTH)                                                                             \
    do {                                                                                                     \
        uint64_t low_ = FOUR(V, WIDTH), high_ = FOUR((V) + 4, WIDTH);                                        \
        store_u64(TO, low_ | high_ << 4 * (WIDTH));                                                          \
        store_u64((TO) + 8, high_ >> (64 - 4 * (WIDTH)));                                                    \
    } while (0)

static uint8_t *
put_packed_u8(uint8_t *to, const uint8_t *v, size_t n, unsigned width)
{
    size_t i = 0;
    if (n == 0) {
        return to;
    }
    to = varint_write(to, (uint64_t)(n + GROUP - 1) / GROUP << 1 | 1);
    for (; i + GROUP <= n; i += GROUP, to += width) {
        PACK_GROUP(to, v + i, width);
    }
    if (i < n) {
        size_t used = bits_pack_u8(to, v + i, n - i, width);
        memset(to + used, 0, width - used);
        to += width;
    }
    return to;
}

#if defined(__SSE4_1__)
/* Eight values of at most 8 bits: made bytes, then neighbours are moved together three times. */
static uint64_t
group_of_u32(const uint32_t *v, unsigned width)
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)v),
            b = _mm_loadu_si128((const __m128i *)(const void *)(v + 4)), words = _mm_packus_epi32(a, b);
    uint64_t x = (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(words, words));
    x = (x & UINT64_C(0x00ff00ff00ff00ff)) | (x & UINT64_C(0xff00ff00ff00ff00)) >> (8 - width);
    x = (x & UINT64_C(0x0000ffff0000ffff)) | (x & UINT64_C(0xffff0000ffff0000)) >> (16 - 2 * width);
    return (x & UINT32_MAX) | x >> 32 << 4 * width;
}
#endif

/* The n values, whole groups, as whole bytes. */
static uint8_t *
put_bytes(uint8_t *restrict to, const uint32_t *restrict v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = (uint8_t)v[i];
    }
    return to + n;
}

static uint8_t *
put_pairs(uint8_t *restrict to, const uint32_t *restrict v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint16_t x = (uint16_t)v[i];
        memcpy(to + i * sizeof x, &x, sizeof x);
    }
    return to + n * sizeof(uint16_t);
}

static uint8_t *
put_packed_u32(uint8_t *to, const uint32_t *v, size_t n, unsigned width)
{
    size_t i = 0, groups = n - n % GROUP; /* values in whole groups */
    if (n == 0) {
        return to;
    }
    to = varint_write(to, (uint64_t)(n + GROUP - 1) / GROUP << 1 | 1);
    if (width == 8 || width == 16) {
        to = width == 8 ? put_bytes(to, v, groups) : put_pairs(to, v, groups);
        i = groups;
    }
#if defined(__SSE4_1__)
    for (; width < 8 && i < groups; i += GROUP, to += width) {
        store_u64(to, group_of_u32(v + i, width));
    }
#endif
    for (; width <= 15 && i < groups; i += GROUP, to += width) {
        PACK_GROUP(to, v + i, width);
    }
    if (i < n) {
        size_t used = bits_pack_u32(to, v + i, n - i, width), whole = (n - i + GROUP - 1) / GROUP * width;
        memset(to + used, 0, whole - used);
        to += whole;
    }
    return to;
}

/* The lowest bits of the whole groups of v, a byte a group. */
static void
bits_of_levels(const uint8_t *v, size_t groups, uint8_t *ret)
{
    size_t i = 0;
#if defined(__SSE4_1__)
    for (; i + 2 <= groups; i += 2) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(v + i * GROUP));
        uint32_t bits = (uint32_t)_mm_movemask_epi8(_mm_slli_epi16(x, 7));
        ret[i] = (uint8_t)bits;
        ret[i + 1] = (uint8_t)(bits >> 8);
    }
#endif
    for (; i < groups; i++) { /* the low bits of eight bytes, by one product */
        ret[i] = (uint8_t)((load_u64(v + i * GROUP) * UINT64_C(0x0102040810204080)) >> 56);
    }
}

/* Are the eight values all x? */
static bool
group_is_u8(const uint8_t *v, uint8_t x)
{
    return load_u64(v) == x * UINT64_C(0x0101010101010101);
}

static bool
group_is_u32(const uint32_t *v, uint32_t x)
{
#if defined(__SSE4_1__)
    __m128i want = _mm_set1_epi32((int)x);
    __m128i a = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)v), want);
    __m128i b = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)(v + 4)), want);
    __m128i other = _mm_or_si128(a, b);
    return _mm_testz_si128(other, other);
#else
    uint32_t other = 0;
    for (size_t i = 0; i < GROUP; i++) {
        other |= v[i] ^ x;
    }
    return other == 0;
#endif
}

/* Groups pile up from `from` until copies end them. */
#define RLE_ENCODE(GROUP_IS, PACK, MIN)                                                                      \
    uint8_t *to = encode_room(out, n, width);                                                                \
    size_t from = 0, i = 0, whole = n - n % GROUP, min = MIN;                                                \
    if (!to) {                                                                                               \
        return;                                                                                              \
    }                                                                                                        \
    while (i < whole) {                                                                                      \
        size_t j = i;                                                                                        \
        while (j < whole && GROUP_IS(v + j, v[i])) {                                                         \
            j += GROUP;                                                                                      \
        }                                                                                                    \
        if (j - i < min) {                                                                                   \
            i = j > i ? j : i + GROUP;                                                                       \
            continue;                                                                                        \
        }                                                                                                    \
        while (j >= whole && j < n && v[j] == v[i]) {                                                        \
            j++;                                                                                             \
        }                                                                                                    \
        to = PACK(to, v + from, i - from, width);                                                            \
        to = put_repeat(to, v[i], j - i, width);                                                             \
        from = i = j;                                                                                        \
    }                                                                                                        \
    out->n = (size_t)(PACK(to, v + from, n - from, width) - out->p)

/* Values [from, n), which begin at a group, or are the last few. */
static uint8_t *
put_levels(uint8_t *to, const uint8_t *bits, const uint8_t *v, size_t from, size_t n)
{
    const size_t groups = (n - from) / GROUP, rest = (n - from) % GROUP;
    if (n == from) {
        return to;
    }
    to = varint_write(to, (uint64_t)(groups + (rest > 0)) << 1 | 1);
    if (groups) {
        memcpy(to, bits + from / GROUP, groups);
        to += groups;
    }
    if (rest) {
        uint8_t last = 0;
        for (size_t i = 0; i < rest; i++) {
            last = (uint8_t)(last | v[n - rest + i] << i);
        }
        *to++ = last;
    }
    return to;
}

/* Values of one bit, as most levels are: packed first, for a byte says then whether its group is a copy. */
static void
encode_bits(const uint8_t *v, size_t n, struct buf *out)
{
    const size_t groups = n / GROUP;
    uint8_t *to = encode_room(out, n, 1);
    if (!to) {
        return;
    }
    /* Further on in that room: what is written takes less than five bytes a group. */
    uint8_t *bits = to + groups * VARINT_MAX;
    size_t from = 0, i = 0;
    bits_of_levels(v, groups, bits);
    while (i + sizeof(uint32_t) <= groups) {
        const uint32_t four = load_u32(bits + i); /* as many groups as copies are worth */
        if (four != 0 && four != UINT32_MAX) {
            i++;
            continue;
        }
        const uint8_t x = bits[i];
        size_t j = i + sizeof four;
        while (j < groups && bits[j] == x) {
            j++;
        }
        size_t end = j * GROUP;
        while (j == groups && end < n && v[end] == (x & 1)) {
            end++;
        }
        to = put_levels(to, bits, v, from, i * GROUP);
        to = put_repeat(to, x & 1, end - i * GROUP, 1);
        from = end;
        i = j;
    }
    out->n = (size_t)(put_levels(to, bits, v, from, n) - out->p);
}

void
rle_encode_u8(const uint8_t *v, size_t n, unsigned width, struct buf *out)
{
    if (width == 1) {
        encode_bits(v, n, out);
        return;
    }
    RLE_ENCODE(group_is_u8, put_packed_u8, level_copies_min(width));
}

void
rle_encode_u32(const uint32_t *v, size_t n, unsigned width, struct buf *out)
{
    RLE_ENCODE(group_is_u32, put_packed_u32, CODES_COPIES_MIN);
}

void
rle_encode_run(uint32_t value, size_t n, unsigned width, struct buf *out)
{
    if (n && buf_reserve(out, VARINT_MAX + sizeof value) == OK) {
        out->n = (size_t)(put_repeat(out->p + out->n, value, n, width) - out->p);
    }
}
