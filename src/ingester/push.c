/* A batch on its way in: limits, append, index. */
#include "ingester_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/codec/otlp.h"

/* A head may be sealed between choosing it and appending: by size, age, a flush or a failed sync. On a busy
 * machine that happened four times in a row, and a push that could have been stored was refused. */
#define HEAD_TRIES 64

enum verdict { KEEP, DROP_LIVE_TRACES, DROP_TOO_LARGE };

struct push_job {
    struct ingester *ing;
    struct ingester_push *in;
    struct wal_summary sum; /* of what is kept */
    struct prior *prior;
    bool judged; /* by what `prior` said at this version of the list */
    uint64_t judged_version;
    struct span_batch kept; /* what is left when a limit dropped spans */
    struct buf encoded;
    slice payload;
};

static void
job_init(struct push_job *j, struct ingester *ing, struct ingester_push *p)
{
    memset(j, 0, sizeof *j);
    j->ing = ing;
    j->in = p;
    wal_summary_init(&j->sum);
    span_batch_init(&j->kept, 0);
    buf_init(&j->encoded, WAL_RECORD_MAX);
}

static void
job_fini(struct push_job *j)
{
    wal_summary_fini(&j->sum);
    span_batch_fini(&j->kept);
    buf_fini(&j->encoded);
    mem_free(j->prior);
}

/* Copy the spans of traces that are not dropped, and summarise anew. */
static err
keep_rest(struct push_job *j, const enum verdict *drop, struct fault *f)
{
    const struct span_batch *b = j->in->batch;
    struct span_copy_memo memo = {0};
    for (size_t i = 0; i < b->span_count; i++) {
        size_t at = wal_summary_find(&j->sum, &b->spans[i].trace);
        if (drop[at] == KEEP && span_batch_copy_span(&j->kept, b, i, false, &memo) != OK) {
            return FAULT(f, ERR_LIMIT, "no memory to store a batch");
        }
    }
    wal_summary_reset(&j->sum);
    wal_summary_of_batch(&j->sum, &j->kept);
    return OK;
}

/* mu held. Which traces are over a limit? Returns how many. */
static size_t
judge(struct push_job *j, const struct tenant *t, enum verdict *drop)
{
    const struct ingester_limits *l = &j->in->limits;
    uint64_t live = active_set_count(&t->active);
    size_t dropped = 0;
    for (size_t i = 0; i < j->sum.count; i++) {
        const struct wal_trace_sum *tr = &j->sum.traces[i];
        const struct prior *pr = &j->prior[i];
        const bool known = active_set_has(&t->active, &tr->id);
        if (!known && l->max_traces && live >= l->max_traces) {
            j->in->dropped_live_traces += tr->spans;
            drop[i] = DROP_LIVE_TRACES;
        } else if (l->max_bytes_per_trace && pr->bytes + tr->bytes > l->max_bytes_per_trace) {
            j->in->dropped_trace_too_large += tr->spans;
            drop[i] = DROP_TOO_LARGE;
        } else {
            live += !known;
        }
        dropped += drop[i] != KEEP;
    }
    return dropped;
}

/* Tempo's line for each trace over max_bytes_per_trace. */
static void
log_too_large(const struct push_job *j, const enum verdict *drop)
{
    for (size_t i = 0; i < j->sum.count; i++) {
        const struct wal_trace_sum *tr = &j->sum.traces[i];
        if (drop[i] == DROP_TOO_LARGE) {
            char hex[2 * TRACE_ID_BYTES];
            hex_encode(tr->id.b, sizeof tr->id.b, hex);
            LOG_LIMITED(LOG_WARN, 10, "TRACE_TOO_LARGE", LOG_UINT("max", j->in->limits.max_bytes_per_trace),
                        LOG_UINT("traceSz", tr->bytes), LOG_UINT("totalSize", j->prior[i].bytes + tr->bytes),
                        LOG_STR("trace", slice_of(hex, sizeof hex)), LOG_STR("tenant", j->in->tenant),
                        LOG_BOOL("insight", true));
        }
    }
}

static err
apply_limits(struct push_job *j, struct fault *f)
{
    struct ingester *ing = j->ing;
    size_t dropped = 0;
    err rc = OK;
    enum verdict *drop = mem_calloc(j->sum.count, sizeof *drop);
    mutex_lock(&ing->mu);
    struct tenant *t = tenant_get(ing, j->in->tenant, true);
    if (t) {
        tenant_turn_active(ing, t);
    }
    if (t && (j->in->limits.max_bytes_per_trace || j->in->limits.max_traces)) {
        resolve_prior(ing, j->in->tenant, &j->sum, NULL, j->prior);
        dropped = judge(j, t, drop);
        j->judged = dropped == 0; /* the traces are numbered anew otherwise */
        j->judged_version = ing->version;
    }
    mutex_unlock(&ing->mu);
    if (t == NULL) {
        rc = FAULT(f, ERR_LIMIT, "more than %d tenants", INGESTER_TENANTS_MAX);
    } else if (dropped) {
        log_too_large(j, drop);
        rc = keep_rest(j, drop, f);
    }
    mem_free(drop);
    return rc;
}

/* The bytes to store: as they came, or encoded when there are none or a part was dropped. */
static err
make_payload(struct push_job *j, struct fault *f)
{
    const bool reduced = j->sum.span_count != j->in->batch->span_count;
    if (j->in->wire.n && !reduced) {
        j->payload = j->in->wire;
    } else if (otlp_encode(reduced ? &j->kept : j->in->batch, &j->encoded) != OK || j->encoded.failed) {
        return FAULT(f, ERR_INVALID, "a batch is larger than the %u bytes the write-ahead log takes",
                     WAL_RECORD_MAX);
    } else {
        j->payload = buf_slice(&j->encoded);
    }
    return OK;
}

/* mu held; let go while the file is made. The head, made when there is none. */
static err
ensure_head(struct ingester *ing, struct fault *f)
{
    while (ing->head == NULL) {
        if (ing->opening) {
            mutex_wait(&ing->mu, &ing->changed, -1);
            continue;
        }
        struct wal_segment *file = NULL;
        ing->opening = true;
        mutex_unlock(&ing->mu);
        err rc = wal_segment_create(ing->wal, f, &file);
        mutex_lock(&ing->mu);
        ing->opening = false;
        MUST(pthread_cond_broadcast(&ing->changed) == 0);
        if (rc != OK) {
            return rc;
        }
        struct live_segment *s = live_segment_new(file, ing->opt.budget);
        s->mem = wal_memindex_create(ing->opt.budget);
        segment_list_add(ing, s);
        ing->head = s;
    }
    return OK;
}

/* Choose the segment and reserve its index's memory. */
static err
admit(struct push_job *j, struct fault *f, struct live_segment **ret)
{
    struct ingester *ing = j->ing;
    mutex_lock(&ing->mu);
    err rc = ensure_head(ing, f);
    if (rc == OK && wal_memindex_reserve(ing->head->mem, j->sum.count) != OK) {
        rc = FAULT(f, ERR_LIMIT, "the memory for live traces is used up");
    }
    if (rc == OK) {
        *ret = ing->head;
        (*ret)->inflight++;
        live_segment_ref(*ret);
    }
    mutex_unlock(&ing->mu);
    return rc;
}

/* mu held. From here on every query sees the batch. */
static void
commit(struct push_job *j, struct live_segment *s, struct wal_ref at)
{
    struct ingester *ing = j->ing;
    struct tenant *t = tenant_get(ing, j->in->tenant, false);
    int64_t created = 0;
    if (j->judged && j->judged_version == ing->version) {
        /* what was found is still there, and the disk indexes are those that were asked */
        add_prior_memory(ing, j->in->tenant, &j->sum, s, j->prior);
    } else {
        resolve_prior(ing, j->in->tenant, &j->sum, s, j->prior);
    }
    const size_t tenant_at = wal_memindex_tenant_position(s->mem, j->in->tenant);
    for (size_t i = 0; i < j->sum.count; i++) {
        uint64_t bytes = 0;
        created += !j->prior[i].found && !wal_memindex_get(s->mem, tenant_at, &j->sum.traces[i].id, &bytes);
        active_set_touch(&t->active, &j->sum.traces[i].id);
    }
    wal_memindex_commit(s->mem, j->in->tenant, at, (uint32_t)j->payload.n, &j->sum);
    tenant_add(t, created, j->sum.span_count, (int64_t)j->payload.n);
    tenant_turn_active(ing, t);
    series_add(t->traces_created, (uint64_t)created);
    series_add(t->bytes_received, j->payload.n);
}

static err
store_once(struct push_job *j, struct fault *f)
{
    struct ingester *ing = j->ing;
    struct live_segment *s = NULL;
    struct wal_ref at = {0};
    const struct wal_record r = {.tenant = j->in->tenant,
                                 .payload = j->payload,
                                 .span_count = j->sum.span_count,
                                 .received_ns = clock_wall_ns()};
    err rc = admit(j, f, &s);
    if (rc != OK) {
        return rc;
    }
    rc = wal_append(s->file, &r, f, &at);
    if (rc == OK && ing->opt.sync == WAL_SYNC_ALWAYS) {
        rc = wal_segment_sync(s->file, at.offset + at.bytes, true, f);
    }
    const bool closed = wal_segment_is_sealed(s->file);
    const bool full = wal_segment_end(s->file) >= ing->opt.max_block_bytes;
    mutex_lock(&ing->mu);
    if (rc == OK) {
        commit(j, s, at);
    } else {
        wal_memindex_cancel(s->mem, j->sum.count);
    }
    if (ing->head == s && (closed || full)) {
        head_seal(ing);
    }
    if (--s->inflight == 0 && s->sealed) {
        MUST(pthread_cond_broadcast(&ing->changed) == 0);
    }
    mutex_unlock(&ing->mu);
    live_segment_unref(s);
    return rc;
}

err
ingester_push(struct ingester *ing, struct ingester_push *p, struct fault *f)
{
    err rc = OK;
    struct push_job j;
    p->dropped_trace_too_large = 0;
    p->dropped_live_traces = 0;
    p->traces = 0;
    if (p->tenant.n == 0 || p->tenant.n > WAL_TENANT_MAX) {
        return FAULT(f, ERR_INVALID, "a tenant id has 1 to %d bytes", WAL_TENANT_MAX);
    }
    if (p->batch->span_count == 0) {
        return OK;
    }
    job_init(&j, ing, p);
    wal_summary_of_batch(&j.sum, p->batch);
    p->traces = j.sum.count;
    j.prior = mem_new_array(struct prior, j.sum.count);
    TRY(apply_limits(&j, f));
    if (j.sum.span_count == 0) {
        goto out; /* all of it is over a limit */
    }
    TRY(make_payload(&j, f));
    rc = ERR_AGAIN;
    for (int i = 0; i < HEAD_TRIES && rc == ERR_AGAIN; i++) {
        rc = store_once(&j, f);
    }
    if (rc == ERR_AGAIN) {
        rc = FAULT(f, ERR_UNAVAILABLE, "the write-ahead log is changing segments");
    }
out:
    job_fini(&j);
    return rc;
}
