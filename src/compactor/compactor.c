#include "compactor_priv.h"

#include "vivace/base/log.h"
#include "vivace/base/mem.h"

#include <errno.h>
#include <sys/statvfs.h>

#define RESERVE_MAX   ((uint64_t)1 << 30)
#define RESERVE_PARTS 20 /* of the file system: 5 % */
#define LOW_PRIORITY  10 /* nice */
#define BUSY_MAX_NS   (600 * NS_PER_S)

/* --- room -------------------------------------------------------------------------------------------------
 */

static err
file_system_space(const char *path, struct fault *f, uint64_t *ret_total, uint64_t *ret_free)
{
    struct statvfs st;
    if (statvfs(path, &st) != 0) {
        return FAULT_OS(f, ERR_IO, "statvfs %s", path);
    }
    *ret_total = (uint64_t)st.f_blocks * st.f_frsize;
    *ret_free = (uint64_t)st.f_bavail * st.f_frsize;
    return OK;
}

err
compactor_space(struct compactor *c, uint64_t bytes, struct fault *f)
{
    uint64_t total = 0, space = 0;
    err rc = c->o.space ? c->o.space(c->o.space_ctx, &total, &space)
                        : file_system_space(c->o.path, f, &total, &space);
    if (rc != OK) {
        return rc;
    }
    uint64_t reserve = total / RESERVE_PARTS < RESERVE_MAX ? total / RESERVE_PARTS : RESERVE_MAX;
    bool none = space < reserve || space - reserve < bytes;
    if (none != c->no_space) {
        c->no_space = none;
        series_set(c->m.paused, none);
        if (none) {
            LOG_W("compaction waits: the disk is nearly full", LOG_UINT("free", space),
                  LOG_UINT("reserve", reserve), LOG_UINT("wanted", bytes));
        } else {
            LOG_I("compaction goes on: the disk has room again", LOG_UINT("free", space));
        }
    }
    return none ? FAULT(f, ERR_UNAVAILABLE, "the disk is nearly full") : OK;
}

void
compactor_limits_of(const struct compactor *c, slice tenant, struct compactor_limits *ret)
{
    *ret = (struct compactor_limits){0};
    if (c->o.limits) {
        c->o.limits(c->o.limits_ctx, tenant, ret);
    }
    ret->block_retention_ns = ret->block_retention_ns ? ret->block_retention_ns : c->o.block_retention_ns;
    ret->window_ns = ret->window_ns > 0 ? ret->window_ns : c->o.window_ns;
}

void
compactor_forget_failures(struct compactor *c)
{
    id_table_fini(&c->failures);
    id_table_init(&c->failures, sizeof(block_uuid));
    c->failures_since_ns = clock_mono_ns();
}

/* --- the cycle --------------------------------------------------------------------------------------------
 */

/* Does the next merge wait? Not for ever: who is always busy needs larger blocks most. */
static bool
must_wait(struct compactor *c)
{
    if (c->o.busy == NULL || !c->o.busy(c->o.busy_ctx)) {
        c->busy_since_ns = 0;
        return false;
    }
    const int64_t now = clock_mono_ns();
    c->busy_since_ns = c->busy_since_ns ? c->busy_since_ns : now;
    return now - c->busy_since_ns < BUSY_MAX_NS;
}

/* One merge of this tenant; ERR_NOT_FOUND when there is nothing to do. */
static err
compact_next(struct compactor *c, slice tenant)
{
    struct compactor_limits l;
    struct selection s;
    size_t outstanding = 0;
    err rc = ERR_NOT_FOUND;
    compactor_limits_of(c, tenant, &l);
    const struct block_snapshot *v = block_store_snapshot(c->o.store, tenant);
    struct select_rules r = {.window_ns = l.window_ns,
                             .now_ns = clock_wall_ns(),
                             .max_objects = c->o.max_objects,
                             .max_block_bytes = c->o.max_block_bytes,
                             .failures = &c->failures};
    bool any = !l.disabled && select_blocks(v, &r, &s, &outstanding);
    series_set(metric_series1(c->m.outstanding, tenant), (double)outstanding);
    if (any) {
        rc = compact_blocks(c, tenant, &s);
    }
    block_snapshot_release(v);
    return rc;
}

/* This tenant's turn; false when no merge may run now. */
static bool
compact_tenant(struct compactor *c, slice tenant, size_t *done)
{
    int64_t until = clock_mono_ns() + c->o.max_time_per_tenant_ns;
    while (!atomic_load(&c->stop) && clock_mono_ns() < until) {
        if (must_wait(c)) {
            return false;
        }
        err rc = compact_next(c, tenant);
        if (rc == ERR_CANCELLED || rc == ERR_UNAVAILABLE) {
            return false;
        }
        if (rc != OK) {
            break;
        }
        ++*done;
    }
    return !atomic_load(&c->stop);
}

size_t
compactor_cycle(struct compactor *c)
{
    char tenant[BLOCK_TENANT_MAX + 1];
    size_t done = 0, before = 0;
    if (clock_mono_ns() - c->failures_since_ns > FAILURES_NS) {
        compactor_forget_failures(c);
    }
    do { /* round after round while there is work */
        before = done;
        retention_run(c);
        for (size_t i = 0; block_store_tenant(c->o.store, i, tenant); i++) {
            if (!compact_leftover(c) || !compact_tenant(c, slice_cstr(tenant), &done)) {
                return done;
            }
        }
    } while (done > before && !atomic_load(&c->stop));
    return done;
}

/* --- the whole --------------------------------------------------------------------------------------------
 */

static void
register_metrics(struct compactor_metrics *m)
{
    static const double seconds[] = {0.001, 0.01, 0.1, 1, 10, 60};
    m->blocks = metric_counter("tempodb_compaction_blocks_total", "Blocks that were merged.", "level");
    m->bytes = metric_counter("tempodb_compaction_bytes_written_total", "Bytes of merged blocks.", "level");
    m->combined = metric_counter("tempodb_compaction_objects_combined_total",
                                 "Traces whose parts came together by a compaction.", "level");
    m->written =
        metric_counter("tempodb_compaction_objects_written_total", "Traces of merged blocks.", "level");
    m->spans_combined = metric_counter("tempodb_compaction_spans_combined_total",
                                       "Spans that stood twice and were left out.", "level");
    m->outstanding =
        metric_gauge("tempodb_compaction_outstanding_blocks", "Blocks that wait to be merged.", "tenant");
    m->errors =
        metric_series0(metric_counter("tempodb_compaction_errors_total", "Compactions that failed.", ""));
    m->done = metric_series0(metric_counter("tempo_compactor_compaction_total", "Compactions done.", ""));
    m->marked = metric_series0(metric_counter("tempodb_retention_marked_for_deletion_total",
                                              "Blocks that left the list by retention.", ""));
    m->deleted = metric_series0(
        metric_counter("tempodb_retention_deleted_total", "Blocks whose files were deleted.", ""));
    m->retention_errors =
        metric_series0(metric_counter("tempodb_retention_errors_total", "Failures of retention.", ""));
    m->retention_time = metric_series0(metric_histogram("tempodb_retention_duration_seconds",
                                                        "Time of one pass of retention.", "", seconds,
                                                        sizeof seconds / sizeof *seconds));
    m->paused = metric_series0(
        metric_gauge("vivace_compaction_paused", "1 while compaction waits for room on the disk.", ""));
}

struct compactor *
compactor_create(const struct compactor_options *o)
{
    struct compactor *c = mem_new(struct compactor);
    c->o = *o;
    c->o.window_ns = o->window_ns > 0 ? o->window_ns : 3600 * NS_PER_S;
    c->o.cycle_ns = o->cycle_ns > 0 ? o->cycle_ns : 30 * NS_PER_S;
    c->o.max_time_per_tenant_ns = o->max_time_per_tenant_ns > 0 ? o->max_time_per_tenant_ns : 300 * NS_PER_S;
    compactor_forget_failures(c);
    register_metrics(&c->m);
    return c;
}

static void
run(void *ctx)
{
    struct compactor *c = ctx;
    (void)compactor_cycle(c);
}

void
compactor_start(struct compactor *c)
{
    c->thread = maintenance_start("compact", LOW_PRIORITY, (uint64_t)(c->o.cycle_ns / NS_PER_MS), run, c);
}

void
compactor_poke(struct compactor *c)
{
    if (c->thread) {
        maintenance_poke(c->thread);
    }
}

void
compactor_destroy(struct compactor *c)
{
    if (c == NULL) {
        return;
    }
    atomic_store(&c->stop, true);
    if (c->thread) {
        maintenance_stop(c->thread);
    }
    (void)compact_leftover(c);
    id_table_fini(&c->failures);
    mem_free(c);
}
