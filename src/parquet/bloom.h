/* Building a split-block Bloom filter. */
#pragma once

#include "vivace/base/buf.h"

/* Bytes of a filter for `ndv` distinct values: a power of two, as every reader wants it. */
uint32_t bloom_bytes(uint64_t ndv, double fpp);
void bloom_insert(uint8_t *blocks, uint32_t block_count, uint64_t hash);
/* Header, then the blocks. */
void bloom_write(const uint8_t *blocks, uint32_t bytes, struct buf *out);
