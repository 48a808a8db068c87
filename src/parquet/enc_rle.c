/* RLE / bit-packed hybrid. A run is a varint header: even = header / 2 copies of one value in
 * ceil(width / 8) bytes; odd = header / 2 groups of 8 values, bit packed. */
#include "bitpack.h"
#include "enc.h"
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
