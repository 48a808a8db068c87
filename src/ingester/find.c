/* What the live segments hold of a trace. */
#include "ingester_priv.h"

#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/codec/otlp.h"

/* A disk index that may hold trace `trace` of a batch. */
struct question {
    struct live_segment *segment;
    size_t trace;
};

struct questions {
    struct question *v;
    size_t n, cap;
};

/* mu held. */
static void
ask_filters(struct ingester *ing, slice tenant, const struct wal_summary *sum,
            const struct live_segment *skip, struct questions *q)
{
    const uint64_t tenant_hash = on_disk_tenant(&ing->on_disk, tenant);
    q->n = 0;
    for (size_t t = 0; t < sum->count; t++) {
        const trace_id *id = &sum->traces[t].id;
        const size_t n = on_disk_may_have(&ing->on_disk, tenant_hash, id) ? ing->segment_count : 0;
        for (size_t i = 0; i < n; i++) {
            struct live_segment *s = ing->segments[i];
            if (s == skip || s->disk == NULL || !wal_index_may_have(s->disk, tenant, id)) {
                continue;
            }
            if (q->n == q->cap) {
                q->cap = q->cap ? q->cap * 2 : 16;
                q->v = mem_realloc(q->v, q->cap, sizeof *q->v);
            }
            live_segment_ref(s);
            q->v[q->n++] = (struct question){.segment = s, .trace = t};
        }
    }
}

/* mu not held: reads index files. */
static void
answer(const struct questions *q, slice tenant, const struct wal_summary *sum, struct prior *prior)
{
    for (size_t i = 0; i < q->n; i++) {
        struct wal_index_hit hit;
        struct fault f = {0};
        err rc = wal_index_find(q->v[i].segment->disk, tenant, &sum->traces[q->v[i].trace].id, &f, &hit);
        if (rc == OK) {
            prior[q->v[i].trace].found = true;
            prior[q->v[i].trace].bytes += hit.bytes;
        } else if (rc != ERR_NOT_FOUND) {
            LOG_LIMITED(LOG_ERROR, 1, "an index of the write-ahead log cannot be read; limits ignore it",
                        LOG_FAULT(&f));
        }
        live_segment_unref(q->v[i].segment);
    }
}

void
add_prior_memory(struct ingester *ing, slice tenant, const struct wal_summary *sum,
                 const struct live_segment *skip, struct prior *prior)
{
    for (size_t i = 0; i < ing->segment_count; i++) {
        const struct live_segment *s = ing->segments[i];
        const bool asked = s != skip && s->mem != NULL;
        const size_t tenant_at = asked ? wal_memindex_tenant_position(s->mem, tenant) : SIZE_MAX;
        for (size_t t = 0; tenant_at != SIZE_MAX && t < sum->count; t++) {
            uint64_t bytes = 0;
            if (wal_memindex_get(s->mem, tenant_at, &sum->traces[t].id, &bytes)) {
                prior[t].found = true;
                prior[t].bytes += bytes;
            }
        }
    }
}

void
resolve_prior(struct ingester *ing, slice tenant, const struct wal_summary *sum,
              const struct live_segment *skip, struct prior *prior)
{
    struct questions q = {0};
    for (;;) {
        const uint64_t version = ing->version;
        memset(prior, 0, sum->count * sizeof *prior);
        ask_filters(ing, tenant, sum, skip, &q);
        if (q.n == 0) {
            break;
        }
        mutex_unlock(&ing->mu);
        answer(&q, tenant, sum, prior);
        mutex_lock(&ing->mu);
        if (version == ing->version) {
            break; /* what the disk indexes said still counts; memory is asked below */
        }
    }
    add_prior_memory(ing, tenant, sum, skip, prior);
    mem_free(q.v);
}

/* One segment's part of an answer. */
struct source {
    struct live_segment *segment;
    size_t from, n; /* refs known already; n == 0: ask its disk index */
};

struct snapshot {
    struct source *sources;
    struct wal_ref *refs;
    size_t source_count, ref_count;
};

static void
add_refs(struct snapshot *sn, const struct live_segment *s, slice tenant, const trace_id *id, size_t n)
{
    sn->refs = mem_realloc(sn->refs, sn->ref_count + n, sizeof *sn->refs);
    (void)wal_memindex_find(s->mem, tenant, id, sn->refs + sn->ref_count, n);
    sn->ref_count += n;
}

/* Which segments may hold the trace, all at one moment. */
static void
snapshot_take(struct ingester *ing, slice tenant, const trace_id *id, struct snapshot *sn)
{
    mutex_lock(&ing->mu);
    sn->sources = mem_new_array(struct source, ing->segment_count + 1);
    for (size_t i = 0; i < ing->segment_count; i++) {
        struct live_segment *s = ing->segments[i];
        struct source src = {.segment = s, .from = sn->ref_count};
        if (s->mem) {
            src.n = wal_memindex_find(s->mem, tenant, id, NULL, 0);
            if (src.n) {
                add_refs(sn, s, tenant, id, src.n);
            }
        }
        if (src.n || (s->mem == NULL && wal_index_may_have(s->disk, tenant, id))) {
            live_segment_ref(s);
            sn->sources[sn->source_count++] = src;
        }
    }
    mutex_unlock(&ing->mu);
}

static void
snapshot_drop(struct snapshot *sn)
{
    for (size_t i = 0; i < sn->source_count; i++) {
        live_segment_unref(sn->sources[i].segment);
    }
    mem_free(sn->sources);
    mem_free(sn->refs);
}

struct find {
    slice tenant;
    const trace_id *id;
    struct span_batch *out;
    uint64_t *inspected_bytes;
    /* A record holds spans of many traces: it is read and decoded here, and only what was asked for is kept.
     */
    uint8_t *record;
    size_t record_cap;
    struct span_batch decoded;
};

static err
keep_spans(struct find *q, struct fault *f)
{
    struct span_copy_memo memo = {0};
    for (size_t i = 0; i < q->decoded.span_count; i++) {
        if (span_batch_copy_span(q->out, &q->decoded, i, true, &memo) != OK) {
            return FAULT(f, ERR_LIMIT, "the trace is larger than this query may read");
        }
    }
    return OK;
}

static err
read_record(struct find *q, struct wal_segment *file, struct wal_ref at, struct fault *f)
{
    struct wal_record r;
    struct fault g = {0};
    if (at.bytes > q->record_cap) {
        q->record = mem_realloc(q->record, at.bytes, 1);
        q->record_cap = at.bytes;
    }
    err rc = wal_read(file, at, q->record, f, &r);
    if (rc != OK) {
        return rc;
    }
    span_batch_reset(&q->decoded);
    rc = otlp_decode_trace(r.payload, q->id, &q->decoded, &g);
    if (rc != OK) {
        return FAULT(f, rc == ERR_INVALID ? ERR_CORRUPT : rc, "%s: the record at offset %llu: %s",
                     wal_segment_path(file), (unsigned long long)at.offset, g.msg);
    }
    return keep_spans(q, f);
}

static err
read_source(struct find *q, const struct snapshot *sn, const struct source *src, struct fault *f)
{
    err rc = OK;
    struct wal_ref *own = NULL;
    const struct wal_ref *refs = sn->refs + src->from;
    size_t n = src->n;
    if (n == 0) {
        struct wal_index_hit hit;
        rc = wal_index_find(src->segment->disk, q->tenant, q->id, f, &hit);
        if (rc != OK) {
            return rc == ERR_NOT_FOUND ? OK : rc;
        }
        own = mem_new_array(struct wal_ref, hit.postings + (size_t)1);
        TRY(wal_index_postings(src->segment->disk, &hit, f, own));
        refs = own;
        n = hit.postings;
    }
    for (size_t i = 0; i < n; i++) {
        *q->inspected_bytes += refs[i].bytes;
        TRY(read_record(q, src->segment->file, refs[i], f));
    }
out:
    mem_free(own);
    return rc;
}

err
ingester_find_trace(struct ingester *ing, slice tenant, const trace_id *id, struct span_batch *out,
                    uint64_t *inspected_bytes, struct fault *f)
{
    struct snapshot sn = {0};
    err rc = OK;
    const size_t before = out->span_count;
    struct find q = {.tenant = tenant, .id = id, .out = out, .inspected_bytes = inspected_bytes};
    span_batch_init(&q.decoded, 0);
    snapshot_take(ing, tenant, id, &sn);
    for (size_t i = 0; rc == OK && i < sn.source_count; i++) {
        rc = read_source(&q, &sn, &sn.sources[i], f);
    }
    snapshot_drop(&sn);
    span_batch_fini(&q.decoded);
    mem_free(q.record);
    if (rc == OK && out->span_count == before) {
        rc = ERR_NOT_FOUND;
    }
    return rc;
}

#define ASK_AT_ONCE 256 /* traces, under the lock that pushes take too */

static void
ask_segment(const struct live_segment *s, slice tenant, const trace_id *ids, size_t n, uint8_t *ret)
{
    if (s->mem == NULL) {
        for (size_t i = 0; i < n; i++) {
            ret[i] |= wal_index_may_have(s->disk, tenant, &ids[i]);
        }
        return;
    }
    const size_t tenant_at = wal_memindex_tenant_position(s->mem, tenant);
    for (size_t i = 0; tenant_at != SIZE_MAX && i < n; i++) {
        uint64_t bytes = 0;
        ret[i] |= wal_memindex_get(s->mem, tenant_at, &ids[i], &bytes);
    }
}

void
ingester_may_have(struct ingester *ing, slice tenant, const trace_id *ids, size_t n, uint8_t *ret)
{
    for (size_t from = 0; from < n; from += ASK_AT_ONCE) {
        const size_t some = n - from < ASK_AT_ONCE ? n - from : ASK_AT_ONCE;
        mutex_lock(&ing->mu);
        for (size_t i = 0; i < ing->segment_count; i++) {
            ask_segment(ing->segments[i], tenant, ids + from, some, ret + from);
        }
        mutex_unlock(&ing->mu);
    }
}
