/* Record headers: docs/wal-format.md 3. */
#include "wal_priv.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t
wal_hash(const void *p, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, n, seed);
}

/* Over bytes 0..31 and the tenant: contiguous copies keep it one short hash. */
static uint64_t
header_hash(const uint8_t *p, slice tenant, uint64_t seed)
{
    uint8_t joined[32 + WAL_TENANT_MAX];
    memcpy(joined, p, 32);
    memcpy(joined + 32, tenant.p, tenant.n);
    return wal_hash(joined, 32 + tenant.n, seed);
}

void
record_header_encode(uint8_t p[RECORD_HEADER_BYTES], const struct record_header *h, slice tenant,
                     uint64_t seed)
{
    put_magic(p, SL(RECORD_MAGIC));
    p[4] = h->type;
    p[5] = h->tenant_n;
    p[6] = 0;
    p[7] = 0;
    put32(p + 8, h->payload_n);
    put32(p + 12, h->span_count);
    put64(p + 16, (uint64_t)h->received_ns);
    put64(p + 24, h->payload_hash);
    put64(p + 32, header_hash(p, tenant, seed));
}

bool
record_header_decode(const uint8_t *p, size_t n, uint64_t seed, struct record_header *ret)
{
    if (n < RECORD_HEADER_BYTES || memcmp(p, RECORD_MAGIC, 4) != 0) {
        return false;
    }
    struct record_header h = {
        .type = p[4],
        .tenant_n = p[5],
        .payload_n = get32(p + 8),
        .span_count = get32(p + 12),
        .received_ns = (int64_t)get64(p + 16),
        .payload_hash = get64(p + 24),
    };
    if (h.type != RECORD_TYPE_SPANS || h.tenant_n == 0 || h.tenant_n > WAL_TENANT_MAX ||
        h.payload_n > WAL_RECORD_MAX || n < RECORD_HEADER_BYTES + (size_t)h.tenant_n) {
        return false;
    }
    if (get64(p + 32) != header_hash(p, slice_of(p + RECORD_HEADER_BYTES, h.tenant_n), seed)) {
        return false;
    }
    *ret = h;
    return true;
}
