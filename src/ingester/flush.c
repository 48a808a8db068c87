/* The walk over sealed segments, its pauses and what failures leave behind. */
#include "flush_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"

#include <limits.h>

#define PAUSE_MIN_NS (1 * NS_PER_S)
#define PAUSE_MAX_NS (60 * NS_PER_S)
#define BUILDER_MIN  ((size_t)4 << 20)
#define BUILDER_PART 6

size_t
flush_builder_bytes(size_t memory_limit)
{
    const size_t part = memory_limit / BUILDER_PART;
    return part < BUILDER_MIN ? BUILDER_MIN : part > FLUSH_BUILDER_MAX ? FLUSH_BUILDER_MAX : part;
}

void
flush_stray_add(struct flusher *fl, slice tenant, const block_uuid *id)
{
    if (fl->stray_count == fl->stray_cap) {
        fl->stray_cap = fl->stray_cap ? fl->stray_cap * 2 : 4;
        fl->strays = mem_realloc(fl->strays, fl->stray_cap, sizeof *fl->strays);
    }
    struct flush_stray *x = &fl->strays[fl->stray_count++];
    memcpy(x->tenant, tenant.p, tenant.n);
    x->tenant[tenant.n] = '\0';
    x->id = *id;
}

void
flush_unremoved_add(struct flusher *fl, struct ingester_sealed *s)
{
    if (fl->unremoved_count == fl->unremoved_cap) {
        fl->unremoved_cap = fl->unremoved_cap ? fl->unremoved_cap * 2 : 4;
        fl->unremoved = mem_realloc(fl->unremoved, fl->unremoved_cap, sizeof(void *));
    }
    fl->unremoved[fl->unremoved_count++] = s;
}

/* Blocks of tries that failed: until they are gone for certain, nothing is written again. */
static err
remove_strays(struct flusher *fl, struct fault *f)
{
    char dir[PATH_MAX];
    while (fl->stray_count) {
        const struct flush_stray *x = &fl->strays[fl->stray_count - 1];
        err rc = block_store_tenant_dir(fl->opt.store, slice_cstr(x->tenant), dir, f);
        rc = rc == OK ? block_remove(dir, &x->id, f) : rc;
        if (rc != OK && rc != ERR_NOT_FOUND) {
            return rc;
        }
        if (f) {
            *f = (struct fault){0};
        }
        fl->stray_count--;
    }
    return OK;
}

/* Files of segments whose blocks are served. A start before they are gone retires them by what blocks say. */
static err
remove_segments(struct flusher *fl, struct fault *f)
{
    while (fl->unremoved_count) {
        struct ingester_sealed *s = fl->unremoved[fl->unremoved_count - 1];
        err rc = ingester_sealed_remove(s, f);
        if (rc != OK) {
            return rc;
        }
        fl->unremoved_count--;
        series_add(fl->cleared, 1);
        ingester_sealed_release(s);
    }
    return OK;
}

static void
register_metrics(struct flusher *fl)
{
    static const double seconds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512};
    static const double sizes[] = {1048576,  2097152,  4194304,   8388608,   16777216,
                                   33554432, 67108864, 134217728, 268435456, 536870912};
    fl->blocks = metric_series0(
        metric_counter("tempo_ingester_blocks_flushed_total", "The total number of blocks flushed.", ""));
    fl->failures = metric_series0(
        metric_counter("tempo_ingester_failed_flushes_total", "The total number of failed traces.", ""));
    fl->retries =
        metric_series0(metric_counter("tempo_ingester_flush_failed_retries_total",
                                      "The total number of failed retries after a failed flush.", ""));
    fl->cleared = metric_series0(metric_counter(
        "tempo_ingester_blocks_cleared_total",
        "The total number of blocks cleared: segments removed after their blocks were written.", ""));
    fl->queue = metric_series0(
        metric_gauge("tempo_ingester_flush_queue_length", "Sealed segments that wait to become blocks.", ""));
    fl->duration = metric_series0(metric_histogram("tempo_ingester_flush_duration_seconds",
                                                   "Records the amount of time to flush a complete block.",
                                                   "", seconds, 10));
    fl->size = metric_series0(metric_histogram("tempo_ingester_flush_size_bytes",
                                               "Size in bytes of blocks flushed.", "", sizes, 10));
    series_set(fl->queue, 0);
}

err
flusher_open(const struct flusher_options *o, struct fault *f, struct flusher **ret)
{
    struct flusher *fl = mem_new(struct flusher);
    fl->opt = *o;
    fl->opt.builder_bytes = o->builder_bytes ? o->builder_bytes : FLUSH_BUILDER_MAX;
    register_metrics(fl);
    err rc = flush_start(fl, f);
    if (rc != OK) {
        flusher_close(fl);
        return rc;
    }
    *ret = fl;
    return OK;
}

void
flusher_close(struct flusher *fl)
{
    if (fl == NULL) {
        return;
    }
    for (size_t i = 0; i < fl->unremoved_count; i++) {
        ingester_sealed_release(fl->unremoved[i]);
    }
    mem_free(fl->unremoved);
    mem_free(fl->strays);
    mem_free(fl);
}

void
flusher_cancel(struct flusher *fl, bool cancelled)
{
    atomic_store_explicit(&fl->cancelled, cancelled, memory_order_relaxed);
}

size_t
flusher_waiting(const struct flusher *fl)
{
    size_t n = 0;
    uint64_t after = 0;
    for (struct ingester_sealed *s = NULL; (s = ingester_next_sealed(fl->opt.ingester, after)) != NULL; n++) {
        after = ingester_sealed_sequence(s);
        ingester_sealed_release(s);
    }
    return n;
}

/* One segment, measured and counted. */
static err
flush_one(struct flusher *fl, struct ingester_sealed *s, struct fault *f)
{
    bool gone = false;
    const int64_t t0 = clock_mono_ns();
    err rc = remove_strays(fl, f);
    /* the marks of blocks that a start took away: until they are durable, the same */
    rc = rc == OK ? block_store_settle(fl->opt.store, f) : rc;
    rc = rc == OK ? flush_segment(fl, s, f, &gone) : rc;
    if (rc == OK) {
        series_observe(fl->duration, (double)(clock_mono_ns() - t0) / 1e9);
    } else if (remove_strays(fl, NULL) != OK) { /* at once: the disk may be full */
        LOG_D("blocks of a failed flush are still there; removed before the next try");
    }
    if (gone) {
        flush_unremoved_add(fl, s);
    } else {
        ingester_sealed_release(s);
    }
    return rc;
}

static void
note_outcome(struct flusher *fl, err rc, const struct fault *f)
{
    const int64_t now = clock_mono_ns();
    if (rc == OK) {
        if (fl->failing_since_ns) {
            LOG_I("writing blocks works again", LOG_DUR("failed_for", now - fl->failing_since_ns));
        }
        fl->failing_since_ns = 0;
        fl->pause_ns = 0;
        return;
    }
    series_add(fl->failures, 1);
    if (fl->failing_since_ns) {
        series_add(fl->retries, 1);
    } else {
        fl->failing_since_ns = now;
        LOG_E("a segment cannot be written as blocks; its spans stay in the write-ahead log and are served; "
              "tried again until it works",
              LOG_FAULT(f));
    }
    fl->pause_ns = fl->pause_ns ? fl->pause_ns * 2 : PAUSE_MIN_NS;
    fl->pause_ns = fl->pause_ns < PAUSE_MAX_NS ? fl->pause_ns : PAUSE_MAX_NS;
    fl->next_try_ns = now + fl->pause_ns;
}

err
flusher_run(struct flusher *fl, struct fault *f)
{
    err first = OK;
    struct fault g = {0};
    uint64_t after = 0;
    size_t waiting = flusher_waiting(fl);
    series_set(fl->queue, (double)waiting);
    for (struct ingester_sealed *s = NULL; (s = ingester_next_sealed(fl->opt.ingester, after)) != NULL;) {
        struct fault here = {0};
        after = ingester_sealed_sequence(s);
        err rc = flush_one(fl, s, &here);
        if (rc != OK && first == OK) {
            first = rc;
            g = here;
        } else if (rc == OK && waiting) {
            series_set(fl->queue, (double)--waiting);
        }
    }
    struct fault here = {0};
    err rc = remove_segments(fl, &here);
    if (rc != OK && first == OK) {
        first = rc;
        g = here;
    }
    if (first != ERR_CANCELLED) {
        note_outcome(fl, first, &g);
    }
    if (first != OK && f) {
        *f = g;
    }
    return first;
}

void
flusher_maintain(struct flusher *fl)
{
    if (fl->failing_since_ns == 0 || clock_mono_ns() >= fl->next_try_ns) {
        err logged = flusher_run(fl, NULL);
        (void)logged;
    }
}
