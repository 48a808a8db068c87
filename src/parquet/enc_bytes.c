/* DELTA_LENGTH_BYTE_ARRAY (delta-packed lengths, then all bytes) and DELTA_BYTE_ARRAY (delta-packed lengths
 * of the prefix shared with the value before, then the suffixes as DELTA_LENGTH_BYTE_ARRAY). */
#include "enc.h"

#include "vivace/base/mem.h"

/* Sum of lengths, or an error when one is negative or they pass `max`. */
static err
sum_lengths(const int32_t *lengths, size_t n, size_t max, struct fault *f, size_t *ret)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (lengths[i] < 0 || (size_t)lengths[i] > max - sum) {
            return FAULT(f, ERR_CORRUPT, "parquet delta: string %zu of %zu runs past the page", i, n);
        }
        sum += (size_t)lengths[i];
    }
    *ret = sum;
    return OK;
}

static err
read_lengths(slice in, int32_t *lengths, size_t n, struct fault *f, slice *ret_data)
{
    err rc = OK;
    size_t used = 0, sum = 0;
    TRY(delta_decode_i32(in, lengths, n, f, &used));
    TRY(sum_lengths(lengths, n, in.n - used, f, &sum));
    *ret_data = slice_of(in.p + used, sum);
out:
    return rc;
}

err
delta_length_decode(slice in, int32_t *lengths, slice *out, size_t n, struct fault *f)
{
    slice data = SL_EMPTY;
    err rc = read_lengths(in, lengths, n, f, &data);
    const uint8_t *p = data.p;
    for (size_t i = 0; rc == OK && i < n; i++) {
        out[i] = slice_of(p, (size_t)lengths[i]);
        p += lengths[i];
    }
    return rc;
}

void
delta_length_encode(const uint8_t *data, const uint32_t *lengths, size_t n, struct buf *out)
{
    size_t total = 0;
    delta_encode_i32((const int32_t *)(const void *)lengths, n, out);
    for (size_t i = 0; i < n; i++) {
        total += lengths[i];
    }
    buf_append(out, data, total);
}

err
delta_strings_open(slice in, size_t n, struct delta_strings *d, struct fault *f)
{
    err rc = OK;
    size_t used = 0, before = 0;
    TRY(delta_decode_i32(in, d->prefixes, n, f, &used));
    TRY(read_lengths(slice_sub(in, used, in.n - used), d->lengths, n, f, &d->suffixes));
    d->bytes = 0;
    for (size_t i = 0; i < n; i++) {
        if (d->prefixes[i] < 0 || (size_t)d->prefixes[i] > before) {
            return FAULT(f, ERR_CORRUPT, "parquet delta: string %zu shares more than the one before has", i);
        }
        before = (size_t)d->prefixes[i] + (size_t)d->lengths[i];
        d->bytes += before; /* n and each length are below 2^32 */
    }
out:
    return rc;
}

void
delta_strings_join(const struct delta_strings *d, size_t n, uint8_t *into, slice *out)
{
    const uint8_t *suffix = d->suffixes.p, *before = into;
    for (size_t i = 0; i < n; i++) {
        size_t prefix = (size_t)d->prefixes[i], len = (size_t)d->lengths[i];
        memcpy(into, before, prefix);
        if (len) {
            memcpy(into + prefix, suffix, len);
        }
        out[i] = slice_of(into, prefix + len);
        before = into;
        into += prefix + len;
        suffix += len;
    }
}

static size_t
shared_prefix(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
    size_t max = an < bn ? an : bn, i = 0;
    while (i < max && a[i] == b[i]) {
        i++;
    }
    return i;
}

void
delta_strings_encode(const uint8_t *data, const uint32_t *lengths, size_t n, struct buf *out)
{
    uint32_t *prefixes = mem_alloc((n ? n : 1) * 2 * sizeof *prefixes), *suffixes = prefixes + n;
    const uint8_t *at = data, *before = data;
    size_t before_n = 0;
    for (size_t i = 0; i < n; i++) {
        prefixes[i] = (uint32_t)shared_prefix(before, before_n, at, lengths[i]);
        suffixes[i] = lengths[i] - prefixes[i];
        before = at;
        before_n = lengths[i];
        at += lengths[i];
    }
    delta_encode_i32((const int32_t *)(const void *)prefixes, n, out);
    delta_encode_i32((const int32_t *)(const void *)suffixes, n, out);
    at = data;
    for (size_t i = 0; i < n; i++) {
        buf_append(out, at + prefixes[i], suffixes[i]);
        at += lengths[i];
    }
    mem_free(prefixes);
}
