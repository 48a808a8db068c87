/* The Bloom filter of an index file: docs/wal-format.md 5. Threads: the owner's. */
#pragma once

#include "wal_priv.h"

static inline uint64_t
bloom_blocks(uint64_t traces)
{
    const uint64_t bits = INDEX_BLOOM_BLOCK * 8;
    uint64_t n = (traces * INDEX_BLOOM_BITS + bits - 1) / bits;
    return n ? n : 1;
}

void bloom_add(uint8_t *bloom, uint64_t blocks, const trace_id *id, uint64_t seed);
bool bloom_has(const uint8_t *bloom, uint64_t blocks, const trace_id *id, uint64_t seed);
