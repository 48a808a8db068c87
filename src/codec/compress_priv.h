/* What the codecs of compress.c and snappy.c share. */
#pragma once

#include "vivace/codec/compress.h"

/* Make room for `want` more bytes, or for all that max leaves when that is less. Returns the bytes free at
 * out->p + out->n (never past max); ERR_LIMIT only when memory is refused. */
CHECKED err codec_room(struct buf *out, size_t want, size_t *ret);
err codec_full(const struct buf *out, struct fault *f);

CHECKED err snappy_block_decompress(slice in, struct buf *out, struct fault *f);
CHECKED err snappy_framed_decompress(slice in, struct buf *out, struct fault *f);
CHECKED err snappy_framed_compress(slice in, struct buf *out);
bool snappy_is_framed(slice in);
uint32_t crc32c(const uint8_t *p, size_t n);
