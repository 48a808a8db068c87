/* Write the index file of a sealed segment: docs/wal-format.md 5. Sorted, streamed through one buffer, hashed
 * on the way. */
#include "index_priv.h"
#include "wal_priv.h"

#include "vivace/base/buf.h"
#include "vivace/base/file.h"
#include "vivace/base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define OUT_BYTES (256u << 10)

struct out { /* the file being written */
    int fd;
    const char *path;
    uint8_t *buf;
    size_t n;
    XXH3_state_t *hash;
    struct fault *fault;
    err rc; /* the first failure; later puts do nothing */
};

static void
out_flush(struct out *o)
{
    (void)XXH3_64bits_update(o->hash, o->buf, o->n);
    if (o->rc == OK && o->n) {
        o->rc = file_write(o->fd, o->path, &(struct iovec){o->buf, o->n}, 1, o->fault);
    }
    o->n = 0;
}

static void
out_put(struct out *o, const uint8_t *p, size_t n)
{
    MUST(n <= OUT_BYTES);
    if (o->n + n > OUT_BYTES) {
        out_flush(o);
    }
    memcpy(o->buf + o->n, p, n);
    o->n += n;
}

struct place {     /* of a trace in the order */
    uint64_t id;   /* the first half, as a number */
    uint32_t rank; /* of its tenant */
    uint32_t trace, postings;
};

struct order { /* traces sorted by tenant name and id */
    const struct wal_memindex *ix;
    struct place *places;
    uint32_t *tenants;     /* by name */
    uint32_t *tenant_rank; /* inverse */
    size_t trace_count, tenant_count;
    uint64_t postings, records;
};

static int
compare_tenants(const void *a, const void *b, void *ctx)
{
    const struct order *o = ctx;
    uint32_t x = 0;
    uint32_t y = 0;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return slice_cmp(wal_memindex_tenant(o->ix, x).name, wal_memindex_tenant(o->ix, y).name);
}

static int
compare_places(const void *va, const void *vb, void *ctx)
{
    const struct order *o = ctx;
    const struct place *a = va, *b = vb;
    if (a->rank != b->rank) {
        return a->rank < b->rank ? -1 : 1;
    }
    if (a->id != b->id) {
        return a->id < b->id ? -1 : 1;
    }
    size_t tenant = 0;
    trace_id x, y;
    MUST(wal_memindex_trace(o->ix, a->trace, &tenant, &x) &&
         wal_memindex_trace(o->ix, b->trace, &tenant, &y));
    return memcmp(x.b, y.b, sizeof x.b);
}

/* The trace's place, but for its tenant's rank. */
static struct place
place_of(const struct wal_memindex *ix, size_t i, size_t *ret_tenant)
{
    struct place place = {.trace = (uint32_t)i};
    struct memindex_walk w;
    struct wal_ref at;
    trace_id id;
    MUST(wal_memindex_trace(ix, i, ret_tenant, &id));
    for (size_t k = 0; k < sizeof place.id; k++) {
        place.id = place.id << 8 | id.b[k];
    }
    for (memindex_walk_init(ix, i, &w); memindex_walk_next(ix, &w, &at);) {
        place.postings++;
    }
    return place;
}

static void
order_make(struct order *o, const struct wal_memindex *ix)
{
    o->ix = ix;
    o->trace_count = wal_memindex_trace_count(ix);
    o->tenant_count = wal_memindex_tenant_count(ix);
    o->places = mem_new_array(struct place, o->trace_count + 1);
    o->tenants = mem_new_array(uint32_t, o->tenant_count + 1);
    o->tenant_rank = mem_new_array(uint32_t, o->tenant_count + 1);
    for (size_t i = 0; i < o->tenant_count; i++) {
        o->tenants[i] = (uint32_t)i;
        o->records += wal_memindex_tenant(ix, i).records;
    }
    qsort_r(o->tenants, o->tenant_count, sizeof *o->tenants, compare_tenants, o);
    for (size_t i = 0; i < o->tenant_count; i++) {
        o->tenant_rank[o->tenants[i]] = (uint32_t)i;
    }
    for (size_t i = 0; i < o->trace_count; i++) {
        size_t tenant = 0;
        o->places[i] = place_of(ix, i, &tenant);
        o->places[i].rank = o->tenant_rank[tenant];
        o->postings += o->places[i].postings;
    }
    qsort_r(o->places, o->trace_count, sizeof *o->places, compare_places, o);
}

static void
order_free(struct order *o)
{
    mem_free(o->places);
    mem_free(o->tenants);
    mem_free(o->tenant_rank);
}

static void
put_header(struct out *out, const struct wal_segment *s, const struct order *o, uint64_t end, uint64_t blocks)
{
    uint8_t p[INDEX_HEADER_BYTES] = {0};
    put_magic(p, SL(INDEX_MAGIC));
    put32(p + 8, WAL_VERSION);
    put32(p + 12, INDEX_HEADER_BYTES);
    put64(p + 16, s->sequence);
    memcpy(p + 24, s->uuid, sizeof s->uuid);
    put64(p + 40, end);
    put64(p + 48, o->tenant_count);
    put64(p + 56, o->trace_count);
    put64(p + 64, o->postings);
    put64(p + 72, blocks);
    put64(p + 80, o->records);
    out_put(out, p, sizeof p);
}

static void
put_tenants(struct out *out, const struct order *o)
{
    uint64_t first = 0;
    for (size_t i = 0; i < o->tenant_count; i++) {
        const struct wal_tenant_stats st = wal_memindex_tenant(o->ix, o->tenants[i]);
        uint8_t p[INDEX_TENANT_BYTES] = {0};
        put64(p, st.name.n);
        put64(p + 8, first);
        put64(p + 16, st.traces);
        put64(p + 24, st.spans);
        put64(p + 32, st.records);
        put64(p + 40, st.bytes);
        put64(p + 48, st.min_start_ns);
        put64(p + 56, st.max_end_ns);
        memcpy(p + 64, st.name.p, st.name.n);
        out_put(out, p, sizeof p);
        first += st.traces;
    }
}

static void
put_traces(struct out *out, const struct order *o, uint8_t *bloom, uint64_t blocks)
{
    uint64_t posting = 0;
    size_t last_tenant = SIZE_MAX;
    uint64_t seed = 0;
    for (size_t i = 0; i < o->trace_count; i++) {
        const struct place *at = &o->places[i];
        uint8_t p[INDEX_TRACE_BYTES];
        size_t tenant = 0;
        trace_id id;
        MUST(wal_memindex_trace(o->ix, at->trace, &tenant, &id));
        memcpy(p, id.b, sizeof id.b);
        put64(p + 16, posting);
        put32(p + 24, at->postings);
        put32(p + 28, memindex_trace_bytes(o->ix, at->trace));
        out_put(out, p, sizeof p);
        posting += at->postings;
        if (tenant != last_tenant) {
            slice name = wal_memindex_tenant(o->ix, tenant).name;
            seed = wal_hash(name.p, name.n, 0);
            last_tenant = tenant;
        }
        bloom_add(bloom, blocks, &id, seed);
    }
}

static void
put_postings(struct out *out, const struct order *o)
{
    for (size_t i = 0; i < o->trace_count; i++) {
        struct memindex_walk w;
        struct wal_ref at;
        for (memindex_walk_init(o->ix, o->places[i].trace, &w); memindex_walk_next(o->ix, &w, &at);) {
            uint8_t p[INDEX_POSTING_BYTES];
            put64(p, at.offset);
            put32(p + 8, at.bytes);
            out_put(out, p, sizeof p);
        }
    }
}

/* The whole content into the open temp file. */
static err
write_content(struct out *out, struct wal_segment *s, const struct order *o, uint64_t end, struct fault *f)
{
    const uint64_t blocks = bloom_blocks(o->trace_count);
    uint8_t *bloom = mem_calloc(blocks, INDEX_BLOOM_BLOCK);
    uint8_t footer[8];
    out->buf = mem_alloc(OUT_BYTES);
    out->hash = XXH3_createState();
    MUST(out->hash != NULL);
    (void)XXH3_64bits_reset(out->hash);
    put_header(out, s, o, end, blocks);
    put_tenants(out, o);
    put_traces(out, o, bloom, blocks);
    put_postings(out, o);
    for (uint64_t i = 0; i < blocks; i++) {
        out_put(out, bloom + i * INDEX_BLOOM_BLOCK, INDEX_BLOOM_BLOCK);
    }
    out_flush(out); /* all that the footer's hash is of */
    put64(footer, XXH3_64bits_digest(out->hash));
    out_put(out, footer, sizeof footer);
    out_flush(out);
    err rc = out->rc == OK ? file_fsync(out->fd, out->path, f) : out->rc;
    (void)XXH3_freeState(out->hash);
    mem_free(out->buf);
    mem_free(bloom);
    return rc;
}

err
wal_index_write(struct wal_segment *s, const struct wal_memindex *ix, struct budget *budget, struct fault *f)
{
    err rc = OK;
    char temp[WAL_PATH_MAX];
    char path[WAL_PATH_MAX];
    struct order o = {0};
    struct out out = {.fd = -1, .path = temp, .fault = f};
    const size_t memory = OUT_BYTES + wal_memindex_trace_count(ix) * sizeof(struct place) +
                          2 * wal_memindex_tenant_count(ix) * sizeof(uint32_t) +
                          bloom_blocks(wal_memindex_trace_count(ix)) * INDEX_BLOOM_BLOCK;
    MUST(wal_path(s->wal, s->sequence, ".idx.tmp", temp) && wal_path(s->wal, s->sequence, ".idx", path));
    MUST(wal_segment_is_sealed(s));
    if (budget && budget_reserve(budget, memory) != OK) {
        return FAULT(f, ERR_LIMIT, "no memory in the budget to write %s", path);
    }
    order_make(&o, ix);
    TRY(file_open(temp, O_WRONLY | O_CREAT | O_TRUNC, f, &out.fd));
    TRY(write_content(&out, s, &o, wal_segment_end(s), f));
    TRY(file_rename(temp, path, f));
    TRY(file_fsync_dir(s->wal->dir, f));
out:
    file_close(out.fd);
    if (rc != OK && out.fd >= 0) {
        unlink(temp); /* best effort: the start removes it */
    }
    order_free(&o);
    if (budget) {
        budget_release(budget, memory);
    }
    return rc;
}
