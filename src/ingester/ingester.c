/* Open, close, tenants and the segment list. */
#include "ingester_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"

#define SYNC_INTERVAL_DEFAULT_MS      1000
#define MAX_BLOCK_BYTES_DEFAULT       500000000u /* Tempo 2.10's ingester.max_block_bytes is 500 MiB */
#define MAX_BLOCK_DURATION_DEFAULT_MS (30u * 60 * 1000)
#define TRACE_IDLE_DEFAULT_MS         10000

struct live_segment *
live_segment_new(struct wal_segment *file, struct budget *budget)
{
    struct live_segment *s = mem_new(struct live_segment);
    atomic_init(&s->refs, 1);
    s->file = file;
    s->budget = budget;
    s->sequence = wal_segment_sequence(file);
    s->opened_ns = clock_mono_ns();
    return s;
}

void
live_segment_ref(struct live_segment *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void
live_segment_unref(struct live_segment *s)
{
    /* release: our reads are done; acquire: the last one sees all of them */
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    wal_memindex_destroy(s->mem);
    wal_index_close(s->disk);
    wal_segment_close(s->file);
    mem_free(s);
}

struct tenant *
tenant_get(struct ingester *ing, slice name, bool limited)
{
    struct tenant *t = str_table_get(&ing->tenants, name);
    if (t || (limited && ing->tenants.count >= INGESTER_TENANTS_MAX)) {
        return t;
    }
    t = mem_new(struct tenant);
    active_set_init(&t->active, clock_mono_ns());
    t->traces_created = metric_series1(ing->traces_created, name);
    t->live_traces_gauge = metric_series1(ing->live_traces, name);
    t->live_bytes_gauge = metric_series1(ing->live_bytes, name);
    t->bytes_received = metric_series2(ing->bytes_received, name, SL("trace"));
    str_table_put(&ing->tenants, name, t);
    return t;
}

void
tenant_add(struct tenant *t, int64_t traces, int64_t spans, int64_t bytes)
{
    t->live_traces += (uint64_t)traces;
    t->live_spans += (uint64_t)spans;
    t->live_bytes += (uint64_t)bytes;
    series_gauge_add(t->live_bytes_gauge, (double)bytes); /* added: tenants over the series limit share one */
}

/* The gauge follows the set. */
static void
show_active(struct tenant *t, size_t count)
{
    series_gauge_add(t->live_traces_gauge, (double)count - (double)t->active_shown);
    t->active_shown = count;
}

void
tenant_turn_active(const struct ingester *ing, struct tenant *t)
{
    active_set_turn(&t->active, clock_mono_ns(), (int64_t)ing->opt.trace_idle_ms * NS_PER_MS);
    show_active(t, active_set_count(&t->active));
}

void
segment_list_add(struct ingester *ing, struct live_segment *s)
{
    if (ing->segment_count == ing->segment_cap) {
        ing->segment_cap = ing->segment_cap ? ing->segment_cap * 2 : 16;
        ing->segments = mem_realloc(ing->segments, ing->segment_cap, sizeof(void *));
    }
    ing->segments[ing->segment_count++] = s;
}

void
segment_list_remove(struct ingester *ing, struct live_segment *s)
{
    size_t i = 0;
    while (ing->segments[i] != s) {
        MUST(++i < ing->segment_count);
    }
    memmove(&ing->segments[i], &ing->segments[i + 1],
            (--ing->segment_count - i) * sizeof(struct live_segment *));
    s->retired = true;
    ing->version++;
}

void
baton_take(struct ingester *ing)
{
    while (ing->busy) {
        mutex_wait(&ing->mu, &ing->changed, -1);
    }
    ing->busy = true;
}

void
baton_give(struct ingester *ing)
{
    ing->busy = false;
    MUST(pthread_cond_broadcast(&ing->changed) == 0);
}

static void
register_metrics(struct ingester *ing)
{
    ing->traces_created = metric_counter("tempo_ingester_traces_created_total",
                                         "The total number of traces created per tenant.", "tenant");
    ing->live_traces =
        metric_gauge("tempo_ingester_live_traces", "The current number of live traces per tenant.", "tenant");
    ing->live_bytes = metric_gauge("tempo_ingester_live_trace_bytes",
                                   "Payload bytes of live traces: what is not in a block yet.", "tenant");
    ing->bytes_received = metric_counter("tempo_ingester_bytes_received_total",
                                         "The total bytes received per tenant.", "tenant,data_type");
    ing->replay_errors = metric_counter("tempo_ingester_replay_errors_total",
                                        "The total number of replay errors received per tenant.", "tenant");
    ing->corrupt_records = metric_series0(
        metric_counter("vivace_wal_corrupt_records_total",
                       "Damaged parts of the write-ahead log found at start and set aside.", ""));
    ing->torn_bytes = metric_series0(
        metric_counter("vivace_wal_torn_bytes_total",
                       "Bytes of half-written records cut from the write-ahead log at start.", ""));
}

static void
note_damage(void *ctx, const struct wal_damage *d)
{
    struct ingester *ing = ctx;
    if (d->kind == WAL_DAMAGE_TORN) {
        series_add(ing->torn_bytes, d->bytes);
        return;
    }
    series_add(ing->corrupt_records, 1);
    series_add(metric_series1(ing->replay_errors, d->tenant.n ? d->tenant : SL("unknown")), 1);
}

static err
replay_segment(struct ingester *ing, uint64_t seq, struct fault *f)
{
    const struct wal_recovery how = {.budget = ing->opt.budget, .damaged = note_damage, .ctx = ing};
    struct wal_segment *file = NULL;
    struct wal_recovered read = {0};
    struct fault g = {0};
    err rc = wal_segment_recover(ing->wal, seq, &how, f, &file, &read);
    if (rc == ERR_NOT_FOUND) { /* foreign: it is in quarantine */
        series_add(metric_series1(ing->replay_errors, SL("unknown")), 1);
        return OK;
    }
    if (rc != OK) {
        return rc;
    }
    struct live_segment *s = live_segment_new(file, ing->opt.budget);
    s->mem = read.mem;
    s->disk = read.disk;
    s->sealed = true;
    if (wal_segment_is_empty(file) && wal_segment_remove(file, &g) == OK) {
        live_segment_unref(s);
        return OK;
    }
    g = (struct fault){0};
    rc = count_segment(ing, s, f);
    if (rc != OK) {
        live_segment_unref(s);
        return rc;
    }
    segment_list_add(ing, s);
    if (s->mem && settle_segment(ing, s, &g) != OK) {
        LOG_W("the index of a segment stays in memory; writing it is tried again",
              LOG_CSTR("path", wal_segment_path(file)), LOG_FAULT(&g));
    }
    return OK;
}

static err
replay(struct ingester *ing, struct fault *f)
{
    uint64_t *seqs = NULL;
    size_t n = 0;
    int64_t t0 = clock_mono_ns();
    err rc = wal_list(ing->wal, f, &seqs, &n);
    for (size_t i = 0; rc == OK && i < n; i++) {
        rc = replay_segment(ing, seqs[i], f);
    }
    mem_free(seqs);
    if (rc == OK && n > 0) {
        struct ingester_stats st;
        ingester_stats(ing, &st);
        LOG_I("the write-ahead log was replayed", LOG_UINT("segments", st.segments),
              LOG_UINT("spans", st.live_spans), LOG_UINT("traces", st.live_traces),
              LOG_UINT("bytes", st.live_bytes), LOG_DUR("duration", clock_mono_ns() - t0));
    }
    return rc;
}

static uint64_t
or_default(uint64_t v, uint64_t otherwise)
{
    return v ? v : otherwise;
}

static void
ingester_free(struct ingester *ing)
{
    size_t cursor = 0;
    slice name = SL_EMPTY;
    void *t = NULL;
    for (size_t i = 0; i < ing->segment_count; i++) {
        live_segment_unref(ing->segments[i]);
    }
    while (str_table_next(&ing->tenants, &cursor, &name, &t)) {
        struct tenant *tenant = t; /* the process's gauges forget this ingester */
        tenant_add(tenant, -(int64_t)tenant->live_traces, -(int64_t)tenant->live_spans,
                   -(int64_t)tenant->live_bytes);
        show_active(tenant, 0);
        active_set_fini(&tenant->active);
        mem_free(tenant);
    }
    str_table_fini(&ing->tenants);
    on_disk_fini(&ing->on_disk);
    mem_free(ing->segments);
    wal_close(ing->wal);
    MUST(pthread_cond_destroy(&ing->changed) == 0);
    mutex_fini(&ing->mu);
    mem_free(ing);
}

err
ingester_open(const struct ingester_options *o, struct fault *f, struct ingester **ret)
{
    err rc = OK;
    struct ingester *ing = mem_new(struct ingester);
    ing->opt = *o;
    ing->opt.wal_dir = NULL;
    ing->opt.sync_interval_ms = or_default(o->sync_interval_ms, SYNC_INTERVAL_DEFAULT_MS);
    ing->opt.max_block_bytes = or_default(o->max_block_bytes, MAX_BLOCK_BYTES_DEFAULT);
    ing->opt.max_block_duration_ms = or_default(o->max_block_duration_ms, MAX_BLOCK_DURATION_DEFAULT_MS);
    ing->opt.trace_idle_ms = or_default(o->trace_idle_ms, TRACE_IDLE_DEFAULT_MS);
    mutex_init(&ing->mu, LOCK_INGESTER);
    cond_init(&ing->changed);
    str_table_init(&ing->tenants);
    on_disk_init(&ing->on_disk, o->budget);
    register_metrics(ing);
    TRY(wal_open(o->wal_dir, o->sync, f, &ing->wal));
    TRY(replay(ing, f));
    if (o->sync == WAL_SYNC_INTERVAL) {
        if (pthread_create(&ing->syncer, NULL, syncer_main, ing) != 0) {
            rc = FAULT(f, ERR_UNAVAILABLE, "cannot start the thread that syncs the write-ahead log");
            goto out;
        }
        ing->has_syncer = true;
    }
    *ret = ing;
    ing = NULL;
out:
    if (ing) {
        ingester_free(ing);
    }
    return rc;
}

void
ingester_close(struct ingester *ing)
{
    struct fault f = {0};
    if (ing == NULL) {
        return;
    }
    if (ing->has_syncer) {
        mutex_lock(&ing->mu);
        ing->stopping = true;
        MUST(pthread_cond_broadcast(&ing->changed) == 0);
        mutex_unlock(&ing->mu);
        MUST(pthread_join(ing->syncer, NULL) == 0);
    }
    if (ingester_flush(ing, &f) != OK) {
        LOG_W("the write-ahead log was closed without all of its indexes; the next start reads it whole",
              LOG_FAULT(&f));
    }
    if (ing->head && wal_segment_is_empty(ing->head->file) &&
        wal_segment_remove(ing->head->file, NULL) != OK) {
        LOG_D("an empty segment is left behind; the next start removes it");
    }
    ingester_free(ing);
}

void
ingester_stats(struct ingester *ing, struct ingester_stats *ret)
{
    size_t cursor = 0;
    slice name = SL_EMPTY;
    void *value = NULL;
    *ret = (struct ingester_stats){0};
    mutex_lock(&ing->mu);
    ret->segments = ing->segment_count;
    for (size_t i = 0; i < ing->segment_count; i++) {
        const struct live_segment *s = ing->segments[i];
        ret->sealed_in_memory += s->sealed && s->mem;
        ret->index_bytes += s->mem ? wal_memindex_bytes(s->mem) : wal_index_bytes(s->disk);
    }
    while (str_table_next(&ing->tenants, &cursor, &name, &value)) {
        const struct tenant *t = value;
        ret->live_traces += t->live_traces;
        ret->live_spans += t->live_spans;
        ret->live_bytes += t->live_bytes;
    }
    mutex_unlock(&ing->mu);
}

bool
ingester_has_tenant(struct ingester *ing, slice tenant)
{
    mutex_lock(&ing->mu);
    bool found = str_table_get(&ing->tenants, tenant) != NULL;
    mutex_unlock(&ing->mu);
    return found;
}
