#include "bitpack.h"
#include "enc.h"
#include "varint.h"

err
plain_decode_bools(slice in, uint8_t *out, size_t n, struct fault *f)
{
    if (in.n < (n + 7) / 8) {
        return FAULT(f, ERR_CORRUPT, "parquet plain: %zu bytes for %zu booleans", in.n, n);
    }
    bits_unpack_u8(in.p, in.n, 1, out, n);
    return OK;
}

err
plain_decode_fixed(slice in, size_t width, void *out, size_t n, struct fault *f)
{
    if (in.n / width < n) {
        return FAULT(f, ERR_CORRUPT, "parquet plain: %zu bytes for %zu values of %zu", in.n, n, width);
    }
    if (n) {
        memcpy(out, in.p, n * width);
    }
    return OK;
}

err
plain_decode_bytes(slice in, slice *out, size_t n, struct fault *f)
{
    const uint8_t *p = in.p;
    size_t left = in.n;
    for (size_t i = 0; i < n; i++) {
        uint32_t len = left >= 4 ? load_u32(p) : UINT32_MAX;
        if (left < 4 || len > left - 4) {
            return FAULT(f, ERR_CORRUPT, "parquet plain: string %zu of %zu runs past the page", i, n);
        }
        out[i] = slice_of(p + 4, len);
        p += 4 + (size_t)len;
        left -= 4 + (size_t)len;
    }
    return OK;
}

void
plain_encode_bools(const uint8_t *v, size_t n, struct buf *out)
{
    if (buf_reserve(out, (n + 7) / 8 + 8) == OK) {
        out->n += bits_pack_u8(out->p + out->n, v, n, 1);
    }
}

void
plain_encode_bytes(const uint8_t *data, const uint32_t *lengths, size_t n, struct buf *out)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += 4 + (size_t)lengths[i];
    }
    if (n == 0 || buf_reserve(out, total) != OK) {
        return;
    }
    uint8_t *p = out->p + out->n;
    for (size_t i = 0; i < n; i++) {
        store_u32(p, lengths[i]);
        if (lengths[i]) {
            memcpy(p + 4, data, lengths[i]);
        }
        p += 4 + (size_t)lengths[i];
        data += lengths[i];
    }
    out->n += total;
}
