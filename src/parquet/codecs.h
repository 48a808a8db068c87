/* Page compression. States are made on first use and kept. One owner. */
#pragma once

#include "vivace/base/buf.h"
#include "vivace/parquet/types.h"

struct codecs {
    void *zstd_in, *zstd_out, *gzip_in; /* ZSTD_DCtx, ZSTD_CCtx, libdeflate_decompressor */
    int zstd_level;
};

void codecs_init(struct codecs *c, int zstd_level);
void codecs_fini(struct codecs *c);
/* OK or ERR_UNSUPPORTED. */
CHECKED err codec_check(unsigned codec, struct fault *f);
/* Decompress exactly `n` bytes; ERR_CORRUPT otherwise. Memory: the states only. */
CHECKED err codec_decode(struct codecs *c, unsigned codec, slice in, uint8_t *out, size_t n, struct fault *f);
/* Append `in` as one zstd frame; ERR_LIMIT when `out` is full. */
CHECKED err codec_encode_zstd(struct codecs *c, slice in, struct buf *out, struct fault *f);
uint32_t page_crc(uint32_t crc, slice in);
