/* DELTA_BINARY_PACKED: varint block size, miniblocks per block, count, zigzag first value; then blocks of
 * zigzag smallest delta, one width byte per miniblock, bit-packed (delta - smallest). Arithmetic wraps. */
#include "bitpack.h"
#include "enc.h"
#include "varint.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define DELTA_BLOCK      128
#define DELTA_MINI       32
#define DELTA_MINI_COUNT (DELTA_BLOCK / DELTA_MINI)
#define DELTA_BLOCK_MAX  (1 << 20) /* what a file may say; writers use 128 to 1024 */

struct delta_reader {
    const uint8_t *p, *end;
    size_t mini_values, mini_count;
    uint64_t first;
    size_t left; /* values still to come, without the first */
};

static err
delta_open(slice in, size_t n, struct delta_reader *d, struct fault *f)
{
    uint64_t block = 0, minis = 0, total = 0, first = 0;
    d->p = in.p;
    d->end = in.p + in.n;
    if (!varint_read(&d->p, d->end, &block) || !varint_read(&d->p, d->end, &minis) ||
        !varint_read(&d->p, d->end, &total) || !varint_read(&d->p, d->end, &first)) {
        return FAULT(f, ERR_CORRUPT, "parquet delta: the header is cut short");
    }
    if (block == 0 || block > DELTA_BLOCK_MAX || minis == 0 || minis > block || block % minis ||
        block / minis % 32) {
        return FAULT(f, ERR_CORRUPT, "parquet delta: blocks of %llu values in %llu parts",
                     (unsigned long long)block, (unsigned long long)minis);
    }
    if (total != n) {
        return FAULT(f, ERR_CORRUPT, "parquet delta: %llu values where %zu are due",
                     (unsigned long long)total, n);
    }
    d->mini_values = (size_t)(block / minis);
    d->mini_count = (size_t)minis;
    d->first = (uint64_t)zigzag_decode(first);
    d->left = n ? n - 1 : 0;
    return OK;
}

/* The head of the next block, its smallest delta and a width per miniblock: the widths, NULL when cut short.
 */
static const uint8_t *
delta_block(struct delta_reader *d, uint64_t *ret_min, struct fault *f)
{
    uint64_t min = 0;
    if (!varint_read(&d->p, d->end, &min) || (size_t)(d->end - d->p) < d->mini_count) {
        (void)FAULT(f, ERR_CORRUPT, "parquet delta: a block is cut short");
        return NULL;
    }
    *ret_min = (uint64_t)zigzag_decode(min);
    d->p += d->mini_count;
    return d->p - d->mini_count;
}

/* The next miniblock, of which `take` values are wanted, and all bytes behind it (unpacking is faster where
 * it may look further). The last one may come without padding. */
static err
delta_mini(struct delta_reader *d, unsigned width, size_t take, slice *ret, struct fault *f)
{
    size_t left = (size_t)(d->end - d->p), bytes = d->mini_values / 8 * width;
    if (width > 64 || (take * width + 7) / 8 > left) {
        return FAULT(f, ERR_CORRUPT, "parquet delta: a miniblock of width %u is cut short", width);
    }
    *ret = slice_of(d->p, left);
    d->p += bytes < left ? bytes : left;
    return OK;
}

/* --- eight at a time ---------------------------------------------------------------------------------------
 */

#define EIGHT_WIDTH_MAX 57 /* a value and the bits before it in its first byte fit 64 */

#if defined(__x86_64__)
/* Where eight values of a width stand, which take `width` bytes together. Each pair lies in 16 bytes. */
struct eight {
    unsigned width;
    size_t at[4];     /* the first byte of each pair */
    __m256i pick[2];  /* bytes of a value: one of two pairs a lane, a value each half */
    __m256i shift[2]; /* bits before it */
    __m256i mask;
};

__attribute__((target("avx2"))) static void
eight_open(struct eight *e, unsigned width)
{
    const uint64_t each = UINT64_C(0x0101010101010101), ascending = UINT64_C(0x0706050403020100);
    uint64_t pick[8], shift[8];
    for (unsigned pair = 0; pair < 4; pair++) {
        const unsigned bit = 2 * pair * width & 7;
        e->at[pair] = (size_t)(2 * pair * width) >> 3;
        pick[2 * pair] = ascending;
        pick[2 * pair + 1] = ascending + each * ((bit + width) >> 3);
        shift[2 * pair] = bit;
        shift[2 * pair + 1] = (bit + width) & 7;
    }
    for (int half = 0; half < 2; half++) {
        e->pick[half] = _mm256_loadu_si256((const __m256i *)(const void *)(pick + 4 * half));
        e->shift[half] = _mm256_loadu_si256((const __m256i *)(const void *)(shift + 4 * half));
    }
    e->mask = _mm256_set1_epi64x((long long)((UINT64_C(1) << width) - 1));
    e->width = width;
}

/* Four of the values, each the sum of those up to it, with `min` added to each. */
__attribute__((target("avx2"))) static inline __m256i
eight_half(const struct eight *e, const uint8_t *p, int half, __m256i min)
{
    const __m128i first = _mm_loadu_si128((const __m128i *)(const void *)(p + e->at[2 * half]));
    const __m128i second = _mm_loadu_si128((const __m128i *)(const void *)(p + e->at[2 * half + 1]));
    __m256i v = _mm256_shuffle_epi8(_mm256_set_m128i(second, first), e->pick[half]);
    v = _mm256_add_epi64(_mm256_and_si256(_mm256_srlv_epi64(v, e->shift[half]), e->mask), min);
    v = _mm256_add_epi64(v, _mm256_slli_si256(v, 8));
    const __m256i low = _mm256_permute4x64_epi64(v, 0x50); /* the sum of the lower two, above */
    return _mm256_add_epi64(v, _mm256_blend_epi32(_mm256_setzero_si256(), low, 0xf0));
}

__attribute__((target("avx2"))) static inline void
eight_store(__m256i v, void *out, size_t i, bool wide)
{
    if (wide) {
        _mm256_storeu_si256((__m256i *)(void *)((int64_t *)out + i), v);
        return;
    }
    v = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
    _mm_storeu_si128((__m128i *)(void *)((int32_t *)out + i), _mm256_castsi256_si128(v));
}

/* The first values of a miniblock: how many, a multiple of eight. */
__attribute__((target("avx2"))) static inline size_t
eight_sum(struct eight *e, slice bits, size_t k, const uint64_t min, uint64_t *last, void *out, bool wide)
{
    const unsigned width = e->width;
    const __m256i add = _mm256_set1_epi64x((long long)min);
    __m256i before = _mm256_set1_epi64x((long long)*last);
    size_t i = 0;
    for (size_t at = 0; i + 8 <= k && at + e->at[3] + 16 <= bits.n; i += 8, at += width) {
        const __m256i low = eight_half(e, bits.p + at, 0, add);
        const __m256i high =
            _mm256_add_epi64(eight_half(e, bits.p + at, 1, add), _mm256_permute4x64_epi64(low, 0xff));
        eight_store(_mm256_add_epi64(low, before), out, i, wide);
        eight_store(_mm256_add_epi64(high, before), out, i + 4, wide);
        before = _mm256_add_epi64(before, _mm256_permute4x64_epi64(high, 0xff));
    }
    *last = (uint64_t)_mm256_extract_epi64(before, 0);
    return i;
}

__attribute__((target("avx2"))) static size_t
eight_sum_i64(struct eight *e, slice bits, size_t k, uint64_t min, uint64_t *last, int64_t *out)
{
    return eight_sum(e, bits, k, min, last, out, true);
}

__attribute__((target("avx2"))) static size_t
eight_sum_i32(struct eight *e, slice bits, size_t k, uint64_t min, uint64_t *last, int32_t *out)
{
    return eight_sum(e, bits, k, min, last, out, false);
}

/* Is the width one of those, on this processor? */
static bool
eight_fits(struct eight *e, unsigned width)
{
    if (width == 0 || width > EIGHT_WIDTH_MAX || !__builtin_cpu_supports("avx2")) {
        return false;
    }
    if (e->width != width) {
        eight_open(e, width);
    }
    return true;
}
#else
struct eight {
    unsigned width;
};
#define eight_fits(E, WIDTH)                      ((void)(E), false)
#define eight_sum_i64(E, BITS, K, MIN, LAST, OUT) 0
#define eight_sum_i32(E, BITS, K, MIN, LAST, OUT) 0
#endif

/* Values of one miniblock, eight at a time and then 32; wraps in the type's own width because OUT truncates.
 */
#define DELTA_DECODE(TYPE, SUM, EIGHT_SUM)                                                                   \
    struct delta_reader d = {0};                                                                             \
    struct eight eight;                                                                                      \
    err rc = OK;                                                                                             \
    eight.width = 0;                                                                                         \
    TRY(delta_open(in, n, &d, f));                                                                           \
    if (n > 0) {                                                                                             \
        *out++ = (TYPE)d.first;                                                                              \
    }                                                                                                        \
    uint64_t last = d.first;                                                                                 \
    while (d.left > 0) {                                                                                     \
        uint64_t min = 0;                                                                                    \
        const uint8_t *widths = delta_block(&d, &min, f);                                                    \
        if (!widths) {                                                                                       \
            return ERR_CORRUPT;                                                                              \
        }                                                                                                    \
        for (size_t m = 0; m < d.mini_count && d.left > 0; m++) {                                            \
            const unsigned width = widths[m];                                                                \
            size_t take = d.left < d.mini_values ? d.left : d.mini_values, at = 0;                           \
            slice bits = SL_EMPTY;                                                                           \
            TRY(delta_mini(&d, width, take, &bits, f));                                                      \
            d.left -= take;                                                                                  \
            if (eight_fits(&eight, width)) {                                                                 \
                at = EIGHT_SUM(&eight, bits, take, min, &last, out);                                         \
                out += at;                                                                                   \
            }                                                                                                \
            for (; at < take;) {                                                                             \
                size_t k = take - at < 32 ? take - at : 32, skip = at / 8 * width;                           \
                last = SUM(slice_of(bits.p + skip, bits.n - skip), width, k, (const uint64_t[2]){min, last}, \
                           out);                                                                             \
                out += k;                                                                                    \
                at += k;                                                                                     \
            }                                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    *ret_used = (size_t)(d.p - in.p);                                                                        \
    out:                                                                                                     \
    return rc

/* Unpacked and summed in one go where 8 bytes may be read at each value, else by way of an array. */
#define DELTA_SUM(TYPE)                                                                                      \
    if (width > 0 && width <= 57 && bits.n >= (k - 1) * width / 8 + 8) {                                     \
        const uint64_t mask = (UINT64_C(1) << width) - 1;                                                    \
        for (size_t i = 0, bit = 0; i < k; i++, bit += width) {                                              \
            last += min + (load_u64(bits.p + (bit >> 3)) >> (bit & 7) & mask);                               \
            out[i] = (TYPE)last;                                                                             \
        }                                                                                                    \
        return last;                                                                                         \
    }                                                                                                        \
    uint64_t deltas[32];                                                                                     \
    bits_unpack_u64(bits.p, bits.n, width, deltas, k);                                                       \
    for (size_t i = 0; i < k; i++) {                                                                         \
        last += min + deltas[i];                                                                             \
        out[i] = (TYPE)last;                                                                                 \
    }                                                                                                        \
    return last

static uint64_t
delta_sum_i32(slice bits, unsigned width, size_t k, const uint64_t state[2], int32_t *out)
{
    uint64_t min = state[0], last = state[1];
    DELTA_SUM(int32_t);
}

static uint64_t
delta_sum_i64(slice bits, unsigned width, size_t k, const uint64_t state[2], int64_t *out)
{
    uint64_t min = state[0], last = state[1];
    DELTA_SUM(int64_t);
}

err
delta_decode_i32(slice in, int32_t *out, size_t n, struct fault *f, size_t *ret_used)
{
    DELTA_DECODE(int32_t, delta_sum_i32, eight_sum_i32);
}

err
delta_decode_i64(slice in, int64_t *out, size_t n, struct fault *f, size_t *ret_used)
{
    DELTA_DECODE(int64_t, delta_sum_i64, eight_sum_i64);
}

/* One block of k deltas (signed), `wrap` = mask of the type's bits. */
static void
put_block(struct buf *out, uint64_t *deltas, size_t k, int64_t min, uint64_t wrap)
{
    uint8_t head[VARINT_MAX + DELTA_MINI_COUNT] = {0};
    uint8_t *widths = varint_write(head, zigzag_encode(min));
    memset(widths, 0, DELTA_MINI_COUNT);
    for (size_t i = 0; i < DELTA_BLOCK; i++) {
        deltas[i] = i < k ? (deltas[i] - (uint64_t)min) & wrap : 0;
    }
    for (size_t m = 0; m * DELTA_MINI < k; m++) {
        uint64_t all = 0;
        for (size_t i = 0; i < DELTA_MINI; i++) {
            all |= deltas[m * DELTA_MINI + i];
        }
        widths[m] = (uint8_t)bits_width(all);
    }
    buf_append(out, head, (size_t)(widths - head) + DELTA_MINI_COUNT);
    if (buf_reserve(out, DELTA_BLOCK * 8 + 16) != OK) {
        return;
    }
    for (size_t m = 0; m * DELTA_MINI < k; m++) {
        out->n += bits_pack_u64(out->p + out->n, deltas + m * DELTA_MINI, DELTA_MINI, widths[m]);
    }
}

static void
put_header(struct buf *out, size_t n, int64_t first)
{
    uint8_t tmp[4 * VARINT_MAX];
    uint8_t *p = varint_write(tmp, DELTA_BLOCK);
    p = varint_write(p, DELTA_MINI_COUNT);
    p = varint_write(p, n);
    p = varint_write(p, zigzag_encode(first));
    buf_append(out, tmp, (size_t)(p - tmp));
}

void
delta_encode_i32(const int32_t *v, size_t n, struct buf *out)
{
    uint64_t deltas[DELTA_BLOCK];
    put_header(out, n, n ? v[0] : 0);
    for (size_t i = 1; i < n; i += DELTA_BLOCK) {
        size_t k = n - i < DELTA_BLOCK ? n - i : DELTA_BLOCK;
        int32_t min = INT32_MAX;
        for (size_t j = 0; j < k; j++) {
            int32_t d = (int32_t)((uint32_t)v[i + j] - (uint32_t)v[i + j - 1]);
            deltas[j] = (uint64_t)d;
            min = d < min ? d : min;
        }
        put_block(out, deltas, k, min, UINT32_MAX);
    }
}

void
delta_encode_i64(const int64_t *v, size_t n, struct buf *out)
{
    uint64_t deltas[DELTA_BLOCK];
    put_header(out, n, n ? v[0] : 0);
    for (size_t i = 1; i < n; i += DELTA_BLOCK) {
        size_t k = n - i < DELTA_BLOCK ? n - i : DELTA_BLOCK;
        int64_t min = INT64_MAX;
        for (size_t j = 0; j < k; j++) {
            int64_t d = (int64_t)((uint64_t)v[i + j] - (uint64_t)v[i + j - 1]);
            deltas[j] = (uint64_t)d;
            min = d < min ? d : min;
        }
        put_block(out, deltas, k, min, UINT64_MAX);
    }
}
