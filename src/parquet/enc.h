/* The value encodings: pure functions between bytes and vectors.
 *
 * Decoders take the encoded bytes and the number of values wanted, fill `out` (which has room for them) and
 * fail with ERR_CORRUPT when the bytes do not hold them. `ret_used` is how many bytes they took. Encoders
 * append to a buf, whose `failed` flag the caller checks.
 */
#pragma once

#include "vivace/base/buf.h"
#include "vivace/parquet/types.h"

/* RLE / bit-packed hybrid, without a length in front. */
CHECKED err rle_decode_u8(slice in, unsigned width, uint8_t *out, size_t n, struct fault *f);
CHECKED err rle_decode_u32(slice in, unsigned width, uint32_t *out, size_t n, struct fault *f);
/* Values of one bit: bit at + i of `mask`, 0 before, is set where value i is 1. How many are. */
CHECKED err rle_decode_mask(slice in, uint64_t *mask, size_t at, size_t n, struct fault *f, size_t *ret_ones);
/* Only the values [from, from + n) of the first `total`, and how many of those before it and of all are x. */
struct rle_part {
    size_t total, from, n;
    uint8_t x;
    size_t before, all; /* results */
};
CHECKED err rle_decode_part_u8(slice in, unsigned width, struct rle_part *part, uint8_t *out,
                               struct fault *f);
/* Values [skip, skip + n). */
CHECKED err rle_decode_part_u32(slice in, unsigned width, size_t skip, uint32_t *out, size_t n,
                                struct fault *f);
void rle_encode_u8(const uint8_t *v, size_t n, unsigned width, struct buf *out);
void rle_encode_u32(const uint32_t *v, size_t n, unsigned width, struct buf *out);
/* n times the same. */
void rle_encode_run(uint32_t value, size_t n, unsigned width, struct buf *out);

/* DELTA_BINARY_PACKED: the stream must hold exactly n values. */
CHECKED err delta_decode_i32(slice in, int32_t *out, size_t n, struct fault *f, size_t *ret_used);
CHECKED err delta_decode_i64(slice in, int64_t *out, size_t n, struct fault *f, size_t *ret_used);
void delta_encode_i32(const int32_t *v, size_t n, struct buf *out);
void delta_encode_i64(const int64_t *v, size_t n, struct buf *out);

/* PLAIN. */
CHECKED err plain_decode_bools(slice in, uint8_t *out, size_t n, struct fault *f);
CHECKED err plain_decode_fixed(slice in, size_t width, void *out, size_t n, struct fault *f);
/* Slices into `in`. */
CHECKED err plain_decode_bytes(slice in, slice *out, size_t n, struct fault *f);
void plain_encode_bools(const uint8_t *v, size_t n, struct buf *out);
/* Byte arrays are given as their bytes one after another and their lengths. */
void plain_encode_bytes(const uint8_t *data, const uint32_t *lengths, size_t n, struct buf *out);

/* DELTA_LENGTH_BYTE_ARRAY: slices into `in`. `lengths` is room for n numbers. */
CHECKED err delta_length_decode(slice in, int32_t *lengths, slice *out, size_t n, struct fault *f);
void delta_length_encode(const uint8_t *data, const uint32_t *lengths, size_t n, struct buf *out);

/* DELTA_BYTE_ARRAY, in two steps because the values are put together in memory of their own.
 * `prefixes` and `lengths` are room for n numbers each. */
struct delta_strings {
    int32_t *prefixes, *lengths;
    slice suffixes; /* bytes of all suffixes */
    size_t bytes;   /* all values put together: what delta_strings_join writes */
};
CHECKED err delta_strings_open(slice in, size_t n, struct delta_strings *d, struct fault *f);
/* Slices into `into`, which has room for d->bytes. */
void delta_strings_join(const struct delta_strings *d, size_t n, uint8_t *into, slice *out);
void delta_strings_encode(const uint8_t *data, const uint32_t *lengths, size_t n, struct buf *out);

/* BYTE_STREAM_SPLIT of n values of `width` bytes. */
CHECKED err split_decode(slice in, size_t width, void *out, size_t n, struct fault *f);
void split_encode(const uint8_t *v, size_t width, size_t n, struct buf *out);
