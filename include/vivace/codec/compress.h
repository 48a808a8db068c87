/* One-shot decompression of request bodies and gRPC messages, and gzip for answers.
 *
 * Names as HTTP Content-Encoding and grpc-encoding spell them. Output never passes `max` bytes and memory
 * stays a small multiple of what was really produced, whatever a header claims.
 * Threads: any; (de)compressor states are kept per thread.
 */
#pragma once

#include "vivace/base/buf.h"

enum codec_kind {
    CODEC_NONE,
    CODEC_GZIP,
    CODEC_ZSTD,
    CODEC_ZLIB,          /* Content-Encoding zlib and deflate: both mean the zlib wrapper */
    CODEC_SNAPPY_HTTP,   /* Content-Encoding snappy: block format, or framing format by its stream header */
    CODEC_SNAPPY_FRAMED, /* x-snappy-framed, and grpc-encoding snappy */
    CODEC_LZ4,           /* frame format */
};

/* HTTP names: "", gzip, zstd, zlib, deflate, snappy, x-snappy-framed, lz4 (receivers.md 4.2). */
bool codec_from_http(slice name, enum codec_kind *ret);
/* gRPC names: identity, gzip, zstd, snappy (receivers.md 3.2). */
bool codec_from_grpc(slice name, enum codec_kind *ret);

/* Append the decompressed bytes to `out` (whose cap is the limit). ERR_LIMIT when they do not fit,
 * ERR_INVALID when the input is not that format (fault: the reason in one sentence). */
CHECKED err codec_decompress(enum codec_kind kind, slice in, struct buf *out, struct fault *f);
/* gzip, zstd, snappy (framed), for answers. */
CHECKED err codec_compress(enum codec_kind kind, slice in, struct buf *out);
