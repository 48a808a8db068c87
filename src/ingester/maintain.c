/* Sealing, settling (sync and index on disk), and the thread that keeps wal_sync: interval. */
#include "ingester_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"

#define NS_OF_MS(ms)  ((int64_t)(ms)*NS_PER_MS)
#define NOTED_AT_ONCE 512 /* traces under one lock */

void
head_seal(struct ingester *ing)
{
    struct live_segment *s = ing->head;
    if (s) {
        wal_segment_seal(s->file);
        s->sealed = true;
        ing->head = NULL;
    }
}

/* mu held. */
static bool
head_is_due(const struct ingester *ing)
{
    const struct live_segment *s = ing->head;
    const int64_t now = clock_mono_ns();
    if (s == NULL || wal_memindex_trace_count(s->mem) == 0) {
        return false;
    }
    const int64_t age = now - s->opened_ns;
    return age >= NS_OF_MS(ing->opt.max_block_duration_ms) ||
           wal_segment_end(s->file) >= ing->opt.max_block_bytes;
}

/* Before it counts as on disk. Its memory index is final. */
static void
note_traces(struct ingester *ing, const struct live_segment *s)
{
    size_t tenant = 0;
    trace_id id;
    for (size_t i = 0; wal_memindex_trace(s->mem, i, &tenant, &id);) {
        mutex_lock(&ing->mu);
        for (size_t to = i + NOTED_AT_ONCE; i < to && wal_memindex_trace(s->mem, i, &tenant, &id); i++) {
            on_disk_add(&ing->on_disk,
                        on_disk_tenant(&ing->on_disk, wal_memindex_tenant(s->mem, tenant).name), &id);
        }
        mutex_unlock(&ing->mu);
    }
}

err
settle_segment(struct ingester *ing, struct live_segment *s, struct fault *f)
{
    struct wal_index *disk = NULL;
    err rc = OK;
    TRY(wal_segment_sync(s->file, wal_segment_end(s->file), false, f));
    TRY(wal_index_write(s->file, s->mem, ing->opt.budget, f));
    TRY(wal_index_open(s->file, ing->opt.budget, f, &disk));
    note_traces(ing, s);
    mutex_lock(&ing->mu);
    struct wal_memindex *mem = s->mem;
    s->mem = NULL;
    s->disk = disk;
    ing->version++;
    mutex_unlock(&ing->mu);
    wal_memindex_destroy(mem);
out:
    return rc;
}

/* mu held. The oldest sealed segment above `after` whose index is in memory and final, referenced; or NULL.
 */
static struct live_segment *
next_unsettled(struct ingester *ing, uint64_t after)
{
    for (size_t i = 0; i < ing->segment_count; i++) {
        struct live_segment *s = ing->segments[i];
        if (s->sequence > after && s->sealed && s->mem && s->inflight == 0 &&
            !wal_segment_has_failed(s->file)) {
            live_segment_ref(s);
            return s;
        }
    }
    return NULL;
}

/* Baton and mu held; mu is let go meanwhile. The first failure is returned, the others are tried all the
 * same. */
static err
settle_all(struct ingester *ing, struct fault *f)
{
    err first = OK;
    uint64_t after = 0;
    for (struct live_segment *s = NULL; (s = next_unsettled(ing, after)) != NULL;) {
        struct fault g = {0};
        after = s->sequence;
        mutex_unlock(&ing->mu);
        err rc = settle_segment(ing, s, &g);
        if (rc != OK) {
            LOG_LIMITED(LOG_WARN, 1, "the index of a segment stays in memory; writing it is tried again",
                        LOG_CSTR("path", wal_segment_path(s->file)), LOG_FAULT(&g));
            if (first == OK) {
                first = FAULT(f, rc, "%s", g.msg);
            }
        } else {
            LOG_D("segment settled", LOG_CSTR("path", wal_segment_path(s->file)),
                  LOG_UINT("bytes", wal_segment_end(s->file)));
        }
        mutex_lock(&ing->mu);
        live_segment_unref(s);
    }
    return first;
}

/* mu held. */
static bool
someone_writes_sealed(const struct ingester *ing)
{
    for (size_t i = 0; i < ing->segment_count; i++) {
        if (ing->segments[i]->sealed && ing->segments[i]->inflight) {
            return true;
        }
    }
    return false;
}

/* mu held. Without this a tenant that went quiet would show its last traces for ever. */
static void
turn_all_active(struct ingester *ing)
{
    size_t cursor = 0;
    slice name = SL_EMPTY;
    void *t = NULL;
    while (str_table_next(&ing->tenants, &cursor, &name, &t)) {
        tenant_turn_active(ing, t);
    }
}

void
ingester_maintain(struct ingester *ing)
{
    mutex_lock(&ing->mu);
    turn_all_active(ing);
    baton_take(ing);
    if (head_is_due(ing)) {
        head_seal(ing);
    }
    (void)settle_all(ing, NULL); /* logged there, tried again at the next call */
    baton_give(ing);
    mutex_unlock(&ing->mu);
}

err
ingester_flush(struct ingester *ing, struct fault *f)
{
    mutex_lock(&ing->mu);
    baton_take(ing);
    if (ing->head && (ing->head->inflight || wal_memindex_trace_count(ing->head->mem))) {
        head_seal(ing);
    }
    while (someone_writes_sealed(ing)) {
        mutex_wait(&ing->mu, &ing->changed, -1);
    }
    err rc = settle_all(ing, f);
    baton_give(ing);
    mutex_unlock(&ing->mu);
    return rc;
}

/* mu held. The next segment above `after` that may hold what is not synced, referenced. */
static struct live_segment *
next_unsynced(struct ingester *ing, uint64_t after)
{
    for (size_t i = 0; i < ing->segment_count; i++) {
        struct live_segment *s = ing->segments[i];
        if (s->sequence > after && s->mem && !wal_segment_has_failed(s->file)) {
            live_segment_ref(s);
            return s;
        }
    }
    return NULL;
}

void *
syncer_main(void *arg)
{
    struct ingester *ing = arg;
    int64_t due = clock_mono_ns() + NS_OF_MS(ing->opt.sync_interval_ms);
    mutex_lock(&ing->mu);
    while (!ing->stopping) {
        int64_t left = due - clock_mono_ns();
        if (left > 0) {
            mutex_wait(&ing->mu, &ing->changed, left);
            continue; /* `changed` tells of other things too */
        }
        due = clock_mono_ns() + NS_OF_MS(ing->opt.sync_interval_ms);
        uint64_t after = 0;
        for (struct live_segment *s = NULL; (s = next_unsynced(ing, after)) != NULL;) {
            after = s->sequence;
            mutex_unlock(&ing->mu);
            err rc = wal_segment_sync(s->file, wal_segment_end(s->file), false, NULL); /* logs a failure */
            mutex_lock(&ing->mu);
            if (rc != OK && ing->head == s) {
                head_seal(ing);
            }
            live_segment_unref(s);
        }
    }
    mutex_unlock(&ing->mu);
    return NULL;
}
