/* Read an index file: docs/wal-format.md 5. Checked whole at open, then looked up with pread. */
#include "index_priv.h"
#include "wal_priv.h"

#include "vivace/base/file.h"
#include "vivace/base/mem.h"

#include <fcntl.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define READ_CHUNK   (256u << 10)
#define BLOOM_PROBES 8

struct wal_index {
    int fd;
    char *path;
    struct budget *budget;
    size_t bytes;
    uint64_t segment_end, tenant_count, trace_count, posting_count, block_count;
    uint64_t traces_at, postings_at, bloom_at; /* file offsets */
    struct index_tenant *tenants;              /* sorted by name */
    uint8_t *bloom;
    trace_id *fence; /* id of traces 0, 64, 128, ... */
};

struct index_tenant {
    struct wal_tenant_stats stats;
    uint64_t first; /* position of its first trace */
    uint64_t seed;  /* of the filter */
    char name[WAL_TENANT_MAX];
};

static uint32_t
bloom_bit(uint32_t lo, uint32_t hi, uint32_t i)
{
    return (lo + i * (hi | 1)) >> 23;
}

void
bloom_add(uint8_t *bloom, uint64_t blocks, const trace_id *id, uint64_t seed)
{
    const uint64_t h = wal_hash(id->b, sizeof id->b, seed);
    uint8_t *block = bloom + (((h >> 32) * blocks) >> 32) * INDEX_BLOOM_BLOCK;
    for (uint32_t i = 0; i < BLOOM_PROBES; i++) {
        uint32_t bit = bloom_bit((uint32_t)h, (uint32_t)(h >> 32), i);
        block[bit / 8] = (uint8_t)(block[bit / 8] | 1u << (bit % 8));
    }
}

bool
bloom_has(const uint8_t *bloom, uint64_t blocks, const trace_id *id, uint64_t seed)
{
    const uint64_t h = wal_hash(id->b, sizeof id->b, seed);
    const uint8_t *block = bloom + (((h >> 32) * blocks) >> 32) * INDEX_BLOOM_BLOCK;
    for (uint32_t i = 0; i < BLOOM_PROBES; i++) {
        uint32_t bit = bloom_bit((uint32_t)h, (uint32_t)(h >> 32), i);
        if (!(block[bit / 8] >> (bit % 8) & 1)) {
            return false;
        }
    }
    return true;
}

static err
corrupt(const struct wal_index *x, const char *why, struct fault *f)
{
    return FAULT(f, ERR_CORRUPT, "%s: %s", x->path, why);
}

/* Hash the whole file but its footer. */
static err
check_sum(const struct wal_index *x, size_t size, struct fault *f)
{
    err rc = OK;
    uint8_t footer[8];
    uint8_t *chunk = mem_alloc(READ_CHUNK);
    XXH3_state_t *hash = XXH3_createState();
    MUST(hash != NULL);
    (void)XXH3_64bits_reset(hash);
    for (size_t at = 0; at < size - sizeof footer;) {
        size_t n = size - sizeof footer - at < READ_CHUNK ? size - sizeof footer - at : READ_CHUNK;
        TRY(file_read_at(x->fd, x->path, chunk, n, (off_t)at, f));
        (void)XXH3_64bits_update(hash, chunk, n);
        at += n;
    }
    TRY(file_read_at(x->fd, x->path, footer, sizeof footer, (off_t)(size - sizeof footer), f));
    if (get64(footer) != XXH3_64bits_digest(hash)) {
        rc = corrupt(x, "the checksum does not match", f);
    }
out:
    (void)XXH3_freeState(hash);
    mem_free(chunk);
    return rc;
}

/* Header fields, and that the parts they announce are exactly the file. */
static err
read_header(struct wal_index *x, const struct wal_segment *s, uint64_t end, size_t size, struct fault *f)
{
    uint8_t p[INDEX_HEADER_BYTES];
    if (size < sizeof p + 8) {
        return corrupt(x, "too short", f);
    }
    err rc = file_read_at(x->fd, x->path, p, sizeof p, 0, f);
    if (rc != OK) {
        return rc;
    }
    if (memcmp(p, INDEX_MAGIC, 8) != 0 || get32(p + 8) != WAL_VERSION || get32(p + 12) != sizeof p ||
        get64(p + 16) != s->sequence || memcmp(p + 24, s->uuid, sizeof s->uuid) != 0) {
        return corrupt(x, "not the index of this segment", f);
    }
    x->segment_end = get64(p + 40);
    x->tenant_count = get64(p + 48);
    x->trace_count = get64(p + 56);
    x->posting_count = get64(p + 64);
    x->block_count = get64(p + 72);
    if (x->segment_end > end || x->segment_end < SEGMENT_HEADER_BYTES) {
        return corrupt(x, "it names more bytes than the segment has", f);
    }
    if (x->tenant_count > size || x->trace_count > size || x->posting_count > size || x->block_count > size) {
        return corrupt(x, "it announces more than the file holds", f);
    }
    x->traces_at = sizeof p + x->tenant_count * INDEX_TENANT_BYTES;
    x->postings_at = x->traces_at + x->trace_count * INDEX_TRACE_BYTES;
    x->bloom_at = x->postings_at + x->posting_count * INDEX_POSTING_BYTES;
    if (x->bloom_at + x->block_count * INDEX_BLOOM_BLOCK + 8 != size || x->block_count == 0) {
        return corrupt(x, "its parts do not add up to its size", f);
    }
    return OK;
}

static err
read_tenants(struct wal_index *x, struct fault *f)
{
    uint64_t first = 0;
    for (uint64_t i = 0; i < x->tenant_count; i++) {
        uint8_t p[INDEX_TENANT_BYTES];
        struct index_tenant *t = &x->tenants[i];
        err rc = file_read_at(x->fd, x->path, p, sizeof p, (off_t)(INDEX_HEADER_BYTES + i * sizeof p), f);
        if (rc != OK) {
            return rc;
        }
        const uint64_t name_n = get64(p);
        t->first = get64(p + 8);
        t->stats.traces = get64(p + 16);
        if (name_n == 0 || name_n > WAL_TENANT_MAX || t->first != first ||
            t->stats.traces > x->trace_count - first) {
            return corrupt(x, "a tenant's entry is wrong", f);
        }
        t->stats.spans = get64(p + 24);
        t->stats.records = get64(p + 32);
        t->stats.bytes = get64(p + 40);
        t->stats.min_start_ns = get64(p + 48);
        t->stats.max_end_ns = get64(p + 56);
        memcpy(t->name, p + 64, name_n);
        t->stats.name = slice_of(t->name, name_n);
        t->seed = wal_hash(t->name, name_n, 0);
        first += t->stats.traces;
    }
    return first == x->trace_count ? OK : corrupt(x, "its tenants do not add up", f);
}

static err
read_fence(struct wal_index *x, struct fault *f)
{
    for (uint64_t i = 0; i < x->trace_count; i += INDEX_FENCE) {
        err rc = file_read_at(x->fd, x->path, x->fence[i / INDEX_FENCE].b, sizeof(trace_id),
                              (off_t)(x->traces_at + i * INDEX_TRACE_BYTES), f);
        if (rc != OK) {
            return rc;
        }
    }
    return OK;
}

static err
load(struct wal_index *x, size_t size, struct fault *f)
{
    const size_t fences = (size_t)(x->trace_count + INDEX_FENCE - 1) / INDEX_FENCE;
    const size_t bloom_bytes = (size_t)x->block_count * INDEX_BLOOM_BLOCK;
    const size_t bytes =
        (size_t)x->tenant_count * sizeof *x->tenants + bloom_bytes + fences * sizeof *x->fence;
    err rc = OK;
    if (x->budget && budget_reserve(x->budget, bytes) != OK) {
        return FAULT(f, ERR_LIMIT, "no memory in the budget for %s", x->path);
    }
    x->bytes = bytes;
    x->tenants = mem_new_array(struct index_tenant, (size_t)x->tenant_count + 1);
    x->bloom = mem_alloc(bloom_bytes);
    x->fence = mem_new_array(trace_id, fences + 1);
    TRY(check_sum(x, size, f));
    TRY(read_tenants(x, f));
    TRY(read_fence(x, f));
    TRY(file_read_at(x->fd, x->path, x->bloom, bloom_bytes, (off_t)x->bloom_at, f));
out:
    return rc;
}

err
wal_index_open(struct wal_segment *s, struct budget *budget, struct fault *f, struct wal_index **ret)
{
    err rc = OK;
    char path[WAL_PATH_MAX];
    size_t size = 0;
    struct wal_index *x = mem_new(struct wal_index);
    MUST(wal_path(s->wal, s->sequence, ".idx", path));
    x->fd = -1;
    x->path = mem_strdup(path);
    x->budget = budget;
    TRY(file_open(path, O_RDONLY, f, &x->fd));
    TRY(file_size(x->fd, path, f, &size));
    TRY(read_header(x, s, wal_segment_end(s), size, f));
    TRY(load(x, size, f));
    *ret = x;
    x = NULL;
out:
    wal_index_close(x);
    return rc;
}

void
wal_index_close(struct wal_index *x)
{
    if (x == NULL) {
        return;
    }
    if (x->budget && x->bytes) {
        budget_release(x->budget, x->bytes);
    }
    file_close(x->fd);
    mem_free(x->path);
    mem_free(x->tenants);
    mem_free(x->bloom);
    mem_free(x->fence);
    mem_free(x);
}

static const struct index_tenant *
tenant_find(const struct wal_index *x, slice name)
{
    size_t lo = 0;
    size_t hi = (size_t)x->tenant_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = slice_cmp(x->tenants[mid].stats.name, name);
        if (c == 0) {
            return &x->tenants[mid];
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

bool
wal_index_may_have(const struct wal_index *x, slice tenant, const trace_id *id)
{
    const struct index_tenant *t = tenant_find(x, tenant);
    return t && bloom_has(x->bloom, x->block_count, id, t->seed);
}

/* The run of at most INDEX_FENCE traces of this tenant in which the id would stand. */
static void
fence_range(const struct wal_index *x, const struct index_tenant *t, const trace_id *id, uint64_t *ret_from,
            uint64_t *ret_to)
{
    uint64_t from = t->first;
    uint64_t to = t->first + t->stats.traces;
    /* fences lo..hi-1 lie inside the tenant's range */
    uint64_t lo = (from + INDEX_FENCE - 1) / INDEX_FENCE;
    uint64_t hi = (to + INDEX_FENCE - 1) / INDEX_FENCE;
    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        if (memcmp(x->fence[mid].b, id->b, sizeof id->b) <= 0) {
            from = mid * INDEX_FENCE;
            lo = mid + 1;
        } else {
            to = mid * INDEX_FENCE;
            hi = mid;
        }
    }
    *ret_from = from;
    *ret_to = to;
}

err
wal_index_find(const struct wal_index *x, slice tenant, const trace_id *id, struct fault *f,
               struct wal_index_hit *ret)
{
    uint8_t rows[INDEX_FENCE * INDEX_TRACE_BYTES];
    uint64_t from = 0;
    uint64_t to = 0;
    const struct index_tenant *t = tenant_find(x, tenant);
    if (t == NULL || !bloom_has(x->bloom, x->block_count, id, t->seed)) {
        return ERR_NOT_FOUND;
    }
    fence_range(x, t, id, &from, &to);
    MUST(to - from <= INDEX_FENCE);
    err rc = file_read_at(x->fd, x->path, rows, (size_t)(to - from) * INDEX_TRACE_BYTES,
                          (off_t)(x->traces_at + from * INDEX_TRACE_BYTES), f);
    if (rc != OK) {
        return rc;
    }
    for (uint64_t i = 0; i < to - from; i++) {
        const uint8_t *p = rows + i * INDEX_TRACE_BYTES;
        if (memcmp(p, id->b, sizeof id->b) == 0) {
            const struct wal_index_hit hit = {
                .posting = get64(p + 16), .postings = get32(p + 24), .bytes = get32(p + 28)};
            if (hit.posting > x->posting_count || hit.postings > x->posting_count - hit.posting) {
                return corrupt(x, "a trace's entry is wrong", f);
            }
            *ret = hit;
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}

err
wal_index_postings(const struct wal_index *x, const struct wal_index_hit *hit, struct fault *f,
                   struct wal_ref *ret)
{
    uint8_t rows[128 * INDEX_POSTING_BYTES];
    for (uint32_t done = 0; done < hit->postings;) {
        uint32_t n = hit->postings - done < 128 ? hit->postings - done : 128;
        err rc = file_read_at(x->fd, x->path, rows, (size_t)n * INDEX_POSTING_BYTES,
                              (off_t)(x->postings_at + (hit->posting + done) * INDEX_POSTING_BYTES), f);
        if (rc != OK) {
            return rc;
        }
        for (uint32_t i = 0; i < n; i++) {
            const uint8_t *p = rows + (size_t)i * INDEX_POSTING_BYTES;
            const struct wal_ref at = {.offset = get64(p), .bytes = get32(p + 8)};
            if (at.offset > x->segment_end || at.bytes > x->segment_end - at.offset ||
                at.bytes > RECORD_HEADER_BYTES + WAL_TENANT_MAX + WAL_RECORD_MAX) {
                return corrupt(x, "a record's entry is wrong", f);
            }
            ret[done + i] = at;
        }
        done += n;
    }
    return OK;
}

size_t
wal_index_bytes(const struct wal_index *x)
{
    return x->bytes;
}

size_t
wal_index_tenant_count(const struct wal_index *x)
{
    return (size_t)x->tenant_count;
}

struct wal_tenant_stats
wal_index_tenant(const struct wal_index *x, size_t i)
{
    return x->tenants[i].stats;
}

err
wal_index_traces(const struct wal_index *x, size_t tenant, uint64_t from, size_t n, struct fault *f,
                 trace_id *ret)
{
    uint8_t rows[128 * INDEX_TRACE_BYTES];
    const struct index_tenant *t = &x->tenants[tenant];
    MUST(from <= t->stats.traces && n <= t->stats.traces - from);
    for (size_t done = 0; done < n;) {
        size_t m = n - done < 128 ? n - done : 128;
        err rc = file_read_at(x->fd, x->path, rows, m * INDEX_TRACE_BYTES,
                              (off_t)(x->traces_at + (t->first + from + done) * INDEX_TRACE_BYTES), f);
        if (rc != OK) {
            return rc;
        }
        for (size_t i = 0; i < m; i++) {
            memcpy(ret[done + i].b, rows + i * INDEX_TRACE_BYTES, sizeof(trace_id));
        }
        done += m;
    }
    return OK;
}

uint64_t
wal_index_segment_end(const struct wal_index *x)
{
    return x->segment_end;
}
