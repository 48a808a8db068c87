/* RLE / bit-packed hybrid. A run is a varint header: even = header / 2 copies of one value in
 * ceil(width / 8) bytes; odd = header / 2 groups of 8 values, bit packed. */
#include "bitpack.h"
#include "enc.h"
#include "levels.h"
#include "varint.h"

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

err
rle_decode_u32(slice in, unsigned width, uint32_t *out, size_t n, struct fault *f)
{
    err rc = OK;
    const uint8_t *p = in.p, *end = in.p + in.n;
    struct rle_run run = {0};
    if (width == 0) { /* one value only: some writers leave the runs out */
        memset(out, 0, n * sizeof *out);
        return OK;
    }
    for (size_t i = 0, k = 0; i < n; i += k) {
        TRY(next_run(&p, end, width, f, &run));
        TRY(run_take(&run, width, n - i, f, &k));
        if (run.packed) {
            bits_unpack_u32(run.p, run.avail, width, out + i, k);
        } else {
            for (size_t j = 0; j < k; j++) {
                out[i + j] = run.value;
            }
        }
    }
out:
    return rc;
}

/* Room for the worst case: every 8 values a run with its header and value, or a group with its header. */
static uint8_t *
encode_room(struct buf *out, size_t n, unsigned width)
{
    size_t groups = n / 8 + 1;
    return buf_reserve(out, groups * (VARINT_MAX + 4 + width) + 32) == OK ? out->p + out->n : NULL;
}

static uint8_t *
put_repeat(uint8_t *to, uint32_t value, size_t count, unsigned width)
{
    to = varint_write(to, (uint64_t)count << 1);
    store_u32(to, value);
    return to + (width + 7) / 8;
}

static uint8_t *
put_packed_u8(uint8_t *to, const uint8_t *v, size_t n, unsigned width)
{
    size_t groups = (n + 7) / 8;
    if (n == 0) {
        return to;
    }
    to = varint_write(to, (uint64_t)groups << 1 | 1);
    size_t used = bits_pack_u8(to, v, n, width);
    memset(to + used, 0, groups * width - used);
    return to + groups * width;
}

static uint8_t *
put_packed_u32(uint8_t *to, const uint32_t *v, size_t n, unsigned width)
{
    size_t groups = (n + 7) / 8;
    if (n == 0) {
        return to;
    }
    to = varint_write(to, (uint64_t)groups << 1 | 1);
    size_t used = bits_pack_u32(to, v, n, width);
    memset(to + used, 0, groups * width - used);
    return to + groups * width;
}

static size_t
codes_run(const uint32_t *v, size_t n)
{
    size_t i = 1;
    while (i < n && v[i] == v[0]) {
        i++;
    }
    return i;
}

/* Both encoders: literals pile up from `from`; a run of 8 equal values that begins (or is made to begin) at
 * a whole group of literals ends them. */
#define RLE_ENCODE(RUN, PACK)                                                                                \
    uint8_t *to = encode_room(out, n, width);                                                                \
    size_t from = 0, i = 0;                                                                                  \
    if (!to) {                                                                                               \
        return;                                                                                              \
    }                                                                                                        \
    while (i < n) {                                                                                          \
        size_t j = i + RUN(v + i, n - i);                                                                    \
        size_t pad = (8 - (i - from) % 8) % 8; /* of the run, to fill the literal group */                   \
        if (j - i >= pad + 8) {                                                                              \
            to = PACK(to, v + from, i + pad - from, width);                                                  \
            to = put_repeat(to, v[i], j - i - pad, width);                                                   \
            from = j;                                                                                        \
        }                                                                                                    \
        i = j;                                                                                               \
    }                                                                                                        \
    out->n = (size_t)(PACK(to, v + from, n - from, width) - out->p)

void
rle_encode_u8(const uint8_t *v, size_t n, unsigned width, struct buf *out)
{
    RLE_ENCODE(levels_run, put_packed_u8);
}

void
rle_encode_u32(const uint32_t *v, size_t n, unsigned width, struct buf *out)
{
    RLE_ENCODE(codes_run, put_packed_u32);
}
