/* The index of a segment that is being written: trace -> records.
 *
 *   slots (u32, open addressing) -> traces[] -> chunks[] of three record numbers, linked -> records[]
 *
 * Everything is an index into a growing array: 32 bytes a trace and 7..14 for its slot, 16 a chunk, 12 a
 * record. Chunk and record 0 are never used: 0 means none. Each slot has a tag of eight bits of its hash in
 * an array of their own: a look-up passes over other traces without fetching them. */
#include "wal_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/rng.h"
#include "vivace/base/table.h"

#define CHUNK_RECORDS 3
#define AHEAD         16 /* traces of a record looked up together */

struct mem_trace {
    trace_id id;
    uint32_t tenant;
    uint32_t first, last; /* chunks */
    uint32_t bytes;       /* of its spans; saturating */
};

struct mem_chunk {
    uint32_t next;
    uint32_t record[CHUNK_RECORDS];
};

struct mem_record { /* an offset and a size without padding */
    uint32_t offset_lo, offset_hi, bytes;
};

struct mem_tenant {
    struct wal_tenant_stats stats;
    char *name;
};

struct wal_memindex {
    struct budget *budget;
    size_t bytes; /* reserved from the budget */
    uint64_t seed;
    uint8_t *tags;   /* by slot: 0 = free, or a part of the hash */
    uint32_t *slots; /* trace, where the tag is not 0 */
    struct mem_trace *traces;
    struct mem_chunk *chunks;
    struct mem_record *records;
    struct mem_tenant *tenants;
    size_t slot_count, trace_count, trace_cap, chunk_count, chunk_cap, record_count, record_cap;
    size_t tenant_count, tenant_cap;
    struct str_table by_name;               /* tenant position + 1 */
    size_t pending_records, pending_traces; /* reserved and not committed */
};

struct wal_memindex *
wal_memindex_create(struct budget *budget)
{
    struct wal_memindex *ix = mem_new(struct wal_memindex);
    ix->budget = budget;
    ix->seed = rng_process_seed();
    ix->chunk_count = 1;
    ix->record_count = 1;
    str_table_init(&ix->by_name);
    return ix;
}

void
wal_memindex_destroy(struct wal_memindex *ix)
{
    if (ix == NULL) {
        return;
    }
    for (size_t i = 0; i < ix->tenant_count; i++) {
        mem_free(ix->tenants[i].name);
    }
    str_table_fini(&ix->by_name);
    mem_free(ix->tenants);
    mem_free(ix->tags);
    mem_free(ix->slots);
    mem_free(ix->traces);
    mem_free(ix->chunks);
    mem_free(ix->records);
    if (ix->budget) {
        budget_release(ix->budget, ix->bytes);
    }
    mem_free(ix);
}

static err
take_bytes(struct wal_memindex *ix, size_t n)
{
    if (ix->budget && budget_reserve(ix->budget, n) != OK) {
        return ERR_LIMIT;
    }
    ix->bytes += n;
    return OK;
}

/* The new capacity for `want` elements, paid for; 0 when refused. By half again while small, by an eighth
 * after: what is reserved and not used yet is memory too, and a large realloc only moves pages. */
static size_t
new_cap(struct wal_memindex *ix, size_t cap, size_t want, size_t size)
{
    size_t to = cap + (cap < 32768 ? cap / 2 : cap / 8) + 256;
    if (to < want) {
        to = want;
    }
    return take_bytes(ix, (to - cap) * size) == OK ? to : 0;
}

/* Make room in one array: ERR_LIMIT out of the calling function when refused. */
#define GROW(ix, array, cap, want)                                                                           \
    do {                                                                                                     \
        if ((want) > (cap)) {                                                                                \
            size_t to_ = new_cap((ix), (cap), (want), sizeof *(array));                                      \
            if (to_ == 0) {                                                                                  \
                return ERR_LIMIT;                                                                            \
            }                                                                                                \
            (array) = mem_realloc((array), to_, sizeof *(array));                                            \
            (cap) = to_;                                                                                     \
        }                                                                                                    \
    } while (0)

static uint64_t
hash_of(const struct wal_memindex *ix, uint32_t tenant, const trace_id *id)
{
    return hash_bytes(id->b, sizeof id->b, ix->seed + tenant);
}

static uint8_t
tag_of(uint64_t hash)
{
    uint8_t tag = (uint8_t)(hash >> 56);
    return tag ? tag : 1;
}

static size_t
slot_of(const struct wal_memindex *ix, uint64_t hash, uint32_t tenant, const trace_id *id)
{
    const size_t mask = ix->slot_count - 1;
    const uint8_t tag = tag_of(hash);
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        if (ix->tags[i] == tag) {
            const struct mem_trace *t = &ix->traces[ix->slots[i]];
            if (t->tenant == tenant && trace_id_eq(&t->id, id)) {
                return i;
            }
        } else if (ix->tags[i] == 0) {
            return i;
        }
    }
}

/* At least 4/3 slots a trace. */
static err
grow_slots(struct wal_memindex *ix, size_t traces)
{
    size_t to = ix->slot_count ? ix->slot_count : 512;
    while (to - to / 4 < traces) {
        to *= 2;
    }
    if (to == ix->slot_count) {
        return OK;
    }
    if (take_bytes(ix, (to - ix->slot_count) * (sizeof *ix->slots + sizeof *ix->tags)) != OK) {
        return ERR_LIMIT;
    }
    mem_free(ix->tags);
    mem_free(ix->slots);
    ix->tags = mem_new_array(uint8_t, to);
    ix->slots = mem_new_array(uint32_t, to);
    ix->slot_count = to;
    for (size_t i = 0; i < ix->trace_count; i++) {
        uint64_t hash = hash_of(ix, ix->traces[i].tenant, &ix->traces[i].id);
        size_t slot = hash & (to - 1);
        while (ix->tags[slot]) { /* all are different */
            slot = (slot + 1) & (to - 1);
        }
        ix->tags[slot] = tag_of(hash);
        ix->slots[slot] = (uint32_t)i;
    }
    return OK;
}

err
wal_memindex_reserve(struct wal_memindex *ix, size_t traces)
{
    const size_t all_traces = ix->trace_count + ix->pending_traces + traces;
    const size_t all_chunks =
        ix->chunk_count + ix->pending_traces + traces; /* at most one new chunk a trace */
    const size_t all_records = ix->record_count + ix->pending_records + 1;
    if (all_traces >= UINT32_MAX || all_chunks >= UINT32_MAX || all_records >= UINT32_MAX) {
        return ERR_LIMIT;
    }
    GROW(ix, ix->traces, ix->trace_cap, all_traces);
    GROW(ix, ix->chunks, ix->chunk_cap, all_chunks);
    GROW(ix, ix->records, ix->record_cap, all_records);
    GROW(ix, ix->tenants, ix->tenant_cap, ix->tenant_count + ix->pending_records + 1);
    if (grow_slots(ix, all_traces) != OK) {
        return ERR_LIMIT;
    }
    ix->pending_traces += traces;
    ix->pending_records++;
    return OK;
}

void
wal_memindex_cancel(struct wal_memindex *ix, size_t traces)
{
    MUST(ix->pending_records > 0 && ix->pending_traces >= traces);
    ix->pending_traces -= traces;
    ix->pending_records--;
}

static size_t
tenant_of(const struct wal_memindex *ix, slice name)
{
    void *at = str_table_get(&ix->by_name, name);
    return at ? (size_t)(uintptr_t)at - 1 : SIZE_MAX;
}

static size_t
tenant_put(struct wal_memindex *ix, slice name)
{
    size_t at = tenant_of(ix, name);
    if (at == SIZE_MAX) {
        at = ix->tenant_count++;
        struct mem_tenant *t = &ix->tenants[at];
        t->name = mem_strndup(name.p, name.n);
        t->stats = (struct wal_tenant_stats){.name = slice_of(t->name, name.n), .min_start_ns = UINT64_MAX};
        str_table_put(&ix->by_name, name, (void *)(uintptr_t)(at + 1)); // NOLINT(performance-no-int-to-ptr)
    }
    return at;
}

static struct mem_trace *
trace_put(struct wal_memindex *ix, uint64_t hash, uint32_t tenant, const trace_id *id)
{
    size_t slot = slot_of(ix, hash, tenant, id);
    if (ix->tags[slot] == 0) {
        ix->tags[slot] = tag_of(hash);
        ix->slots[slot] = (uint32_t)ix->trace_count;
        ix->traces[ix->trace_count++] = (struct mem_trace){.id = *id, .tenant = tenant};
        ix->tenants[tenant].stats.traces++;
    }
    return &ix->traces[ix->slots[slot]];
}

static void
posting_add(struct wal_memindex *ix, struct mem_trace *t, uint32_t record)
{
    struct mem_chunk *last = &ix->chunks[t->last];
    for (size_t i = 0; t->last && i < CHUNK_RECORDS; i++) {
        if (last->record[i] == 0) {
            last->record[i] = record;
            return;
        }
    }
    uint32_t fresh = (uint32_t)ix->chunk_count++;
    ix->chunks[fresh] = (struct mem_chunk){.record = {record}};
    if (t->last) {
        last->next = fresh;
    } else {
        t->first = fresh;
    }
    t->last = fresh;
}

void
wal_memindex_commit(struct wal_memindex *ix, slice tenant, struct wal_ref at, uint32_t payload_bytes,
                    const struct wal_summary *sum)
{
    wal_memindex_cancel(ix, sum->count);
    const size_t tenant_at = tenant_put(ix, tenant);
    const uint32_t record = (uint32_t)ix->record_count++;
    ix->records[record] = (struct mem_record){
        .offset_lo = (uint32_t)at.offset, .offset_hi = (uint32_t)(at.offset >> 32), .bytes = at.bytes};
    uint64_t hashes[AHEAD];
    for (size_t i = 0; i < sum->count; i++) {
        for (size_t k = i; i % AHEAD == 0 && k < i + AHEAD && k < sum->count; k++) { /* fetch them together */
            hashes[k % AHEAD] = hash_of(ix, (uint32_t)tenant_at, &sum->traces[k].id);
            __builtin_prefetch(&ix->tags[hashes[k % AHEAD] & (ix->slot_count - 1)]);
            __builtin_prefetch(&ix->slots[hashes[k % AHEAD] & (ix->slot_count - 1)]);
        }
        struct mem_trace *t = trace_put(ix, hashes[i % AHEAD], (uint32_t)tenant_at, &sum->traces[i].id);
        const uint32_t more = sum->traces[i].bytes;
        t->bytes = more > UINT32_MAX - t->bytes ? UINT32_MAX : t->bytes + more;
        posting_add(ix, t, record);
    }
    struct wal_tenant_stats *st = &ix->tenants[tenant_at].stats;
    st->spans += sum->span_count;
    st->records++;
    st->bytes += payload_bytes;
    st->min_start_ns = sum->min_start_ns < st->min_start_ns ? sum->min_start_ns : st->min_start_ns;
    st->max_end_ns = sum->max_end_ns > st->max_end_ns ? sum->max_end_ns : st->max_end_ns;
}

size_t
wal_memindex_tenant_position(const struct wal_memindex *ix, slice tenant)
{
    return tenant_of(ix, tenant);
}

static size_t
position_in(const struct wal_memindex *ix, size_t tenant, const trace_id *id)
{
    if (tenant == SIZE_MAX || ix->slot_count == 0) {
        return SIZE_MAX;
    }
    size_t slot = slot_of(ix, hash_of(ix, (uint32_t)tenant, id), (uint32_t)tenant, id);
    return ix->tags[slot] ? ix->slots[slot] : SIZE_MAX;
}

size_t
wal_memindex_position(const struct wal_memindex *ix, slice tenant, const trace_id *id)
{
    return position_in(ix, tenant_of(ix, tenant), id);
}

bool
wal_memindex_get(const struct wal_memindex *ix, size_t tenant, const trace_id *id, uint64_t *ret_bytes)
{
    size_t at = position_in(ix, tenant, id);
    if (at == SIZE_MAX) {
        return false;
    }
    *ret_bytes = ix->traces[at].bytes;
    return true;
}

void
memindex_walk_init(const struct wal_memindex *ix, size_t trace, struct memindex_walk *w)
{
    *w = (struct memindex_walk){.chunk = ix->traces[trace].first};
}

bool
memindex_walk_next(const struct wal_memindex *ix, struct memindex_walk *w, struct wal_ref *ret)
{
    if (w->slot == CHUNK_RECORDS) {
        w->chunk = ix->chunks[w->chunk].next;
        w->slot = 0;
    }
    const uint32_t record = w->chunk ? ix->chunks[w->chunk].record[w->slot] : 0;
    if (record == 0) {
        return false;
    }
    const struct mem_record *r = &ix->records[record];
    *ret = (struct wal_ref){.offset = (uint64_t)r->offset_hi << 32 | r->offset_lo, .bytes = r->bytes};
    w->slot++;
    return true;
}

uint32_t
memindex_trace_bytes(const struct wal_memindex *ix, size_t trace)
{
    return ix->traces[trace].bytes;
}

size_t
wal_memindex_find(const struct wal_memindex *ix, slice tenant, const trace_id *id, struct wal_ref *ret,
                  size_t cap)
{
    struct memindex_walk w;
    struct wal_ref at;
    size_t n = 0;
    size_t trace = wal_memindex_position(ix, tenant, id);
    if (trace == SIZE_MAX) {
        return 0;
    }
    memindex_walk_init(ix, trace, &w);
    for (; memindex_walk_next(ix, &w, &at); n++) {
        if (n < cap) {
            ret[n] = at;
        }
    }
    return n;
}

size_t
wal_memindex_bytes(const struct wal_memindex *ix)
{
    return ix->bytes;
}

size_t
wal_memindex_tenant_count(const struct wal_memindex *ix)
{
    return ix->tenant_count;
}

struct wal_tenant_stats
wal_memindex_tenant(const struct wal_memindex *ix, size_t i)
{
    return ix->tenants[i].stats;
}

size_t
wal_memindex_trace_count(const struct wal_memindex *ix)
{
    return ix->trace_count;
}

bool
wal_memindex_trace(const struct wal_memindex *ix, size_t i, size_t *ret_tenant, trace_id *ret_id)
{
    if (i >= ix->trace_count) {
        return false;
    }
    *ret_tenant = ix->traces[i].tenant;
    *ret_id = ix->traces[i].id;
    return true;
}
