/* RLE / bit-packed hybrid. A run is a varint header: even = header / 2 copies of one value in
 * ceil(width / 8) bytes; odd = header / 2 groups of 8 values, bit packed. */
#include "bitpack.h"
#include "enc.h"
#include "levels.h"
#include "varint.h"

#define PIECE 256U /* values unpacked at a time on the way */

struct rle_run {
    uint64_t count;   /* values in it */
    const uint8_t *p; /* bit-packed: the bytes */
    size_t bytes;     /* of the run */
    size_t avail;     /* that may be looked at */
    bool packed;
    uint32_t value;
};

static err
next_run(const uint8_t **p, const uint8_t *end, unsigned width, struct fault *f, struct rle_run *ret)
{
    uint64_t head = 0;
    if (!varint_read(p, end, &head) || head >> 1 == 0 || head >> 1 > UINT32_MAX) {
        return FAULT(f, ERR_CORRUPT, "parquet RLE: the runs end before the values do");
    }
    size_t left = (size_t)(end - *p);
    ret->packed = head & 1;
    if (ret->packed) {
        ret->count = (head >> 1) * 8;
        /* The last group may be cut short by writers that do not pad it. */
        uint64_t bytes = (head >> 1) * width;
        ret->p = *p;
        ret->avail = left;
        ret->bytes = bytes < left ? (size_t)bytes : left;
        *p += ret->bytes;
        return OK;
    }
    size_t n = (width + 7) / 8;
    if (left < n) {
        return FAULT(f, ERR_CORRUPT, "parquet RLE: a run has no value");
    }
    ret->count = head >> 1;
    ret->value = 0;
    memcpy(&ret->value, *p, n);
    *p += n;
    if (width < 32 && ret->value >> width) {
        return FAULT(f, ERR_CORRUPT, "parquet RLE: a value is wider than %u bits", width);
    }
    return OK;
}

/* How many values of the run to take, or an error when its bytes do not hold them. */
static err
run_take(const struct rle_run *run, unsigned width, size_t want, struct fault *f, size_t *ret)
{
    size_t k = run->count < want ? (size_t)run->count : want;
    if (run->packed && (k * width + 7) / 8 > run->bytes) {
        return FAULT(f, ERR_CORRUPT, "parquet RLE: a bit-packed run is cut short");
    }
    *ret = k;
    return OK;
}

err
rle_decode_u8(slice in, unsigned width, uint8_t *out, size_t n, struct fault *f)
{
    err rc = OK;
    const uint8_t *p = in.p, *end = in.p + in.n;
    struct rle_run run = {0};
    for (size_t i = 0, k = 0; i < n; i += k) {
        TRY(next_run(&p, end, width, f, &run));
        TRY(run_take(&run, width, n - i, f, &k));
        if (run.packed) {
            bits_unpack_u8(run.p, run.avail, width, out + i, k);
        } else {
            memset(out + i, (int)run.value, k);
        }
    }
out:
    return rc;
}

/* n bits of p behind bit `at` of the mask: how many are set. */
static size_t
mask_copy(const uint8_t *p, size_t avail, size_t n, uint64_t *mask, size_t at)
{
    size_t ones = 0;
    for (size_t i = 0; i < n; i += 64) {
        const size_t k = n - i < 64 ? n - i : 64, left = avail - i / 8, to = at + i;
        uint64_t word = 0;
        memcpy(&word, p + i / 8, left < 8 ? left : 8);
        word &= k < 64 ? (UINT64_C(1) << k) - 1 : UINT64_MAX;
        ones += (size_t)__builtin_popcountll(word);
        mask[to / 64] |= word << to % 64;
        if (to % 64 + k > 64) {
            mask[to / 64 + 1] |= word >> (64 - to % 64);
        }
    }
    return ones;
}

static void
mask_set(uint64_t *mask, size_t at, size_t n)
{
    for (const size_t end = at + n; at < end;) {
        const size_t left = 64 - at % 64, k = end - at < left ? end - at : left;
        mask[at / 64] |= (k < 64 ? (UINT64_C(1) << k) - 1 : UINT64_MAX) << at % 64;
        at += k;
    }
}

err
rle_decode_mask(slice in, uint64_t *mask, size_t at, size_t n, struct fault *f, size_t *ret_ones)
{
    err rc = OK;
    const uint8_t *p = in.p, *end = in.p + in.n;
    struct rle_run run = {0};
    size_t ones = 0;
    for (size_t i = 0, k = 0; i < n; i += k) {
        TRY(next_run(&p, end, 1, f, &run));
        TRY(run_take(&run, 1, n - i, f, &k));
        if (run.packed) {
            ones += mask_copy(run.p, run.avail, k, mask, at + i);
        } else if (run.value) {
            mask_set(mask, at + i, k);
            ones += k;
        }
    }
    *ret_ones = ones;
out:
    return rc;
}

/* Values [lo, hi) of a run, by way of whole groups of eight. */
static void
run_copy_u8(const struct rle_run *run, unsigned width, size_t lo, size_t hi, uint8_t *out)
{
    uint8_t tmp[PIECE];
    if (!run->packed) {
        memset(out, (int)run->value, hi - lo);
        return;
    }
    while (lo < hi) {
        size_t group = lo / 8 * 8, lead = lo - group, n = hi - group < PIECE ? hi - group : PIECE;
        size_t at = group / 8 * width;
        bits_unpack_u8(run->p + at, run->avail - at, width, tmp, n);
        memcpy(out, tmp + lead, n - lead);
        out += n - lead;
        lo = group + n;
    }
}

/* How many of the values [lo, hi) of a run are x. */
static size_t
run_count_u8(const struct rle_run *run, unsigned width, size_t lo, size_t hi, uint8_t x)
{
    uint8_t tmp[PIECE];
    size_t count = 0;
    if (!run->packed) {
        return run->value == x ? hi - lo : 0;
    }
    for (; width == 1 && lo % 8 == 0 && lo + 64 <= hi; lo += 64) {
        size_t ones = (size_t)__builtin_popcountll(load_u64(run->p + lo / 8));
        count += x ? ones : 64 - ones;
    }
    for (size_t n = 0; lo < hi; lo += n) {
        n = hi - lo < PIECE / 2 ? hi - lo : PIECE / 2;
        run_copy_u8(run, width, lo, lo + n, tmp);
        count += levels_count(tmp, n, x);
    }
    return count;
}

static size_t
clamp(size_t v, size_t lo, size_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

err
rle_decode_part_u8(slice in, unsigned width, struct rle_part *part, uint8_t *out, struct fault *f)
{
    err rc = OK;
    const uint8_t *p = in.p, *end = in.p + in.n;
    struct rle_run run = {0};
    size_t to = part->from + part->n;
    part->before = part->all = 0;
    for (size_t i = 0, k = 0; i < part->total; i += k) {
        TRY(next_run(&p, end, width, f, &run));
        TRY(run_take(&run, width, part->total - i, f, &k));
        size_t lo = clamp(part->from, i, i + k) - i, hi = clamp(to, i, i + k) - i;
        size_t before = run_count_u8(&run, width, 0, lo, part->x);
        part->before += before;
        part->all += before + run_count_u8(&run, width, lo, k, part->x);
        if (hi > lo) {
            run_copy_u8(&run, width, lo, hi, out + (i + lo - part->from));
        }
    }
out:
    return rc;
}

err
rle_decode_part_u32(slice in, unsigned width, size_t skip, uint32_t *out, size_t n, struct fault *f)
{
    err rc = OK;
    const uint8_t *p = in.p, *end = in.p + in.n;
    struct rle_run run = {0};
    uint32_t lead[8];
    if (width == 0) { /* one value only: some writers leave the runs out */
        memset(out, 0, n * sizeof *out);
        return OK;
    }
    for (size_t i = 0, k = 0, want = skip + n; i < want; i += k) {
        TRY(next_run(&p, end, width, f, &run));
        TRY(run_take(&run, width, want - i, f, &k));
        size_t lo = clamp(skip, i, i + k) - i;
        for (size_t j = lo; !run.packed && j < k; j++) {
            out[i + j - skip] = run.value;
        }
        if (!run.packed || lo == k) {
            continue;
        }
        size_t group = lo / 8 * 8, at = group / 8 * width, m = k - group < 8 ? k - group : 8;
        if (lo > group) { /* begins within a group: that one first */
            bits_unpack_u32(run.p + at, run.avail - at, width, lead, m);
            memcpy(out + (i + lo - skip), lead + (lo - group), (m - (lo - group)) * sizeof *out);
            lo = group + m;
            at += width;
        }
        if (lo < k) {
            bits_unpack_u32(run.p + at, run.avail - at, width, out + (i + lo - skip), k - lo);
        }
    }
out:
    return rc;
}

err
rle_decode_u32(slice in, unsigned width, uint32_t *out, size_t n, struct fault *f)
{
    return rle_decode_part_u32(in, width, 0, out, n, f);
}
