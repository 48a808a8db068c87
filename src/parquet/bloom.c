/* Split-block Bloom filters: a hash selects one block of 32 bytes by its upper half and sets one bit in
 * each of the block's eight words by its lower half and the format's salts. */
#include "bloom.h"

#include "thrift_compact.h"
#include "varint.h"

#include "vivace/parquet/index.h"

#include <math.h>
#include <xxhash.h>

#define BLOOM_BLOCK_BYTES      32U
#define BLOOM_BYTES_MAX        (128U << 20)
#define BLOOM_HEADER_BYTES_MAX 64U

static const uint32_t salts[8] = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU, 0xa2b7289dU,
                                  0x705495c7U, 0x2df1424bU, 0x9efc4947U, 0x5c6bfb31U};

uint32_t
bloom_bytes(uint64_t ndv, double fpp)
{
    fpp = fpp > 0 && fpp < 1 ? fpp : 0.01;
    double bits = -8.0 * (double)ndv / log(1.0 - pow(fpp, 1.0 / 8.0));
    uint32_t bytes = BLOOM_BLOCK_BYTES;
    while (bytes < BLOOM_BYTES_MAX && (double)bytes * 8 < bits) {
        bytes *= 2;
    }
    return bytes;
}

static uint32_t
block_of(uint64_t hash, uint32_t block_count)
{
    return (uint32_t)(((hash >> 32) * block_count) >> 32);
}

void
bloom_insert(uint8_t *blocks, uint32_t block_count, uint64_t hash)
{
    uint8_t *block = blocks + (size_t)block_of(hash, block_count) * BLOOM_BLOCK_BYTES;
    for (unsigned i = 0; i < 8; i++) {
        uint32_t bit = ((uint32_t)hash * salts[i]) >> 27;
        store_u32(block + (size_t)i * 4, load_u32(block + (size_t)i * 4) | UINT32_C(1) << bit);
    }
}

static bool
block_has(const uint8_t *block, uint64_t hash)
{
    for (unsigned i = 0; i < 8; i++) {
        uint32_t bit = ((uint32_t)hash * salts[i]) >> 27;
        if (!(load_u32(block + (size_t)i * 4) >> bit & 1)) {
            return false;
        }
    }
    return true;
}

bool
parquet_bloom_has(const struct parquet_bloom *b, uint64_t hash)
{
    return block_has(b->blocks + (size_t)block_of(hash, b->block_count) * BLOOM_BLOCK_BYTES, hash);
}

uint64_t
parquet_bloom_hash(slice plain)
{
    return XXH64(plain.p, plain.n, 0);
}

uint64_t
parquet_bloom_hash_i64(int64_t v)
{
    return XXH64(&v, sizeof v, 0);
}

uint64_t
parquet_bloom_hash_i32(int32_t v)
{
    return XXH64(&v, sizeof v, 0);
}

void
bloom_write(const uint8_t *blocks, uint32_t bytes, struct buf *out)
{
    struct thrift_writer t;
    thrift_begin(&t, out);
    thrift_put_int(&t, 1, THRIFT_I32, bytes);
    for (int id = 2; id <= 4; id++) { /* algorithm BLOCK, hash XXHASH, compression UNCOMPRESSED */
        thrift_put_struct(&t, id);
        thrift_put_empty(&t, 1);
        thrift_put_stop(&t);
    }
    buf_append_byte(out, THRIFT_STOP);
    buf_append(out, blocks, bytes);
}

/* A union whose only known member is 1. */
static bool
is_first_member(struct thrift_reader *t, const struct thrift_field *fl)
{
    struct thrift_field u = {0};
    bool first = false;
    if (thrift_enter(t, fl)) {
        while (thrift_next(t, &u)) {
            first = u.id == 1;
            thrift_skip(t, &u);
        }
    }
    return first;
}

/* Where the blocks stand and how many bytes they are. */
static err
read_header(const struct parquet_file *file, const struct parquet_chunk *chunk, struct fault *f,
            uint64_t *ret_off, uint32_t *ret_bytes)
{
    uint8_t head[BLOOM_HEADER_BYTES_MAX];
    struct thrift_reader t;
    struct thrift_field fl = {0};
    int64_t bytes = -1;
    bool known = true;
    if (chunk->bloom_offset == 0) {
        return ERR_NOT_FOUND;
    }
    if (chunk->bloom_offset >= file->source.size) {
        return FAULT(f, ERR_CORRUPT, "parquet Bloom filter: it lies outside the file");
    }
    uint64_t left = file->source.size - chunk->bloom_offset;
    size_t n = left < sizeof head ? (size_t)left : sizeof head;
    err rc = file->source.read(file->source.ctx, chunk->bloom_offset, n, head, f);
    if (rc != OK) {
        return rc;
    }
    thrift_open(&t, slice_of(head, n));
    while (thrift_next(&t, &fl)) {
        if (fl.id == 1) {
            bytes = thrift_int(&t, &fl);
        } else if (fl.id >= 2 && fl.id <= 4) {
            known = is_first_member(&t, &fl) && known;
        } else {
            thrift_skip(&t, &fl);
        }
    }
    rc = thrift_check(&t, "Bloom filter", f);
    if (rc != OK) {
        return rc;
    }
    if (!known) {
        return FAULT(f, ERR_UNSUPPORTED,
                     "parquet Bloom filter: another algorithm than split block with XXH64");
    }
    uint64_t used = (uint64_t)(t.p - head);
    if (bytes < BLOOM_BLOCK_BYTES || bytes > BLOOM_BYTES_MAX || bytes % BLOOM_BLOCK_BYTES ||
        (uint64_t)bytes > left - used) {
        return FAULT(f, ERR_CORRUPT, "parquet Bloom filter: %lld bytes", (long long)bytes);
    }
    *ret_off = chunk->bloom_offset + used;
    *ret_bytes = (uint32_t)bytes;
    return OK;
}

err
parquet_bloom_read(const struct parquet_file *file, const struct parquet_chunk *chunk, struct arena *a,
                   struct fault *f, struct parquet_bloom *ret)
{
    err rc = OK;
    uint64_t off = 0;
    uint32_t bytes = 0;
    uint8_t *blocks;
    TRY(read_header(file, chunk, f, &off, &bytes));
    blocks = arena_alloc(a, bytes);
    if (!blocks) {
        return FAULT(f, ERR_LIMIT, "parquet Bloom filter: %u bytes pass the memory limit", bytes);
    }
    TRY(file->source.read(file->source.ctx, off, bytes, blocks, f));
    *ret = (struct parquet_bloom){.blocks = blocks, .block_count = bytes / BLOOM_BLOCK_BYTES};
out:
    return rc;
}

err
parquet_bloom_check(const struct parquet_file *file, const struct parquet_chunk *chunk, uint64_t hash,
                    struct fault *f, bool *ret_maybe)
{
    err rc = OK;
    uint64_t off = 0;
    uint32_t bytes = 0;
    uint8_t block[BLOOM_BLOCK_BYTES];
    TRY(read_header(file, chunk, f, &off, &bytes));
    off += (uint64_t)block_of(hash, bytes / BLOOM_BLOCK_BYTES) * BLOOM_BLOCK_BYTES;
    TRY(file->source.read(file->source.ctx, off, sizeof block, block, f));
    *ret_maybe = block_has(block, hash);
out:
    return rc;
}
