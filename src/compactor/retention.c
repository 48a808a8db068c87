/* What is deleted: blocks past their time, the oldest ones over the size, and what was replaced.
 *
 * A block goes in two steps: it leaves the list and is marked on disk, so that no query and no start sees it;
 * its files are removed when `compacted_block_retention` is over and no snapshot holds it. Over the size
 * there is no waiting: replaced blocks are removed at once, then the oldest go.
 */
#include "compactor_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

/* Take blocks of one tenant out of the list. */
static bool
drop(struct compactor *c, slice tenant, struct stored_block *const *blocks, size_t n, const char *why)
{
    struct block_swap swap = {.tenant = tenant, .gone = blocks, .gone_count = n};
    struct fault f = {0};
    err rc = n ? block_store_swap(c->o.store, &swap, 1, NULL, NULL, &f) : OK;
    if (rc != OK) {
        series_add(c->m.retention_errors, 1);
        LOG_LIMITED(LOG_WARN, 1, "blocks past their retention stay; tried again", LOG_STR("tenant", tenant),
                    LOG_FAULT(&f));
        return false;
    }
    if (n) {
        series_add(c->m.marked, n);
        LOG_I("blocks leave by retention", LOG_STR("tenant", tenant), LOG_UINT("blocks", n),
              LOG_CSTR("because", why));
    }
    return true;
}

/* --- by time ----------------------------------------------------------------------------------------------
 */

static void
drop_expired(struct compactor *c, slice tenant, int64_t now_ns)
{
    struct compactor_limits l;
    compactor_limits_of(c, tenant, &l);
    if (l.block_retention_ns <= 0 || l.block_retention_ns >= now_ns) {
        return;
    }
    const struct block_snapshot *v = block_store_snapshot(c->o.store, tenant);
    uint64_t before = (uint64_t)(now_ns - l.block_retention_ns);
    size_t keep = v->count; /* newest first */
    while (keep > 0 && v->blocks[keep - 1]->meta.max_end_ns < before) {
        keep--;
    }
    (void)drop(c, tenant, v->blocks + keep, v->count - keep, "age");
    block_snapshot_release(v);
}

/* --- by size ----------------------------------------------------------------------------------------------
 */

struct tenant_view {
    char name[BLOCK_TENANT_MAX + 1];
    const struct block_snapshot *v;
    size_t keep;
};

/* The tenant whose oldest block is the oldest of all. */
static struct tenant_view *
oldest_of(struct tenant_view *t, size_t n)
{
    struct tenant_view *ret = NULL;
    for (size_t i = 0; i < n; i++) {
        if (t[i].keep && (ret == NULL || t[i].v->blocks[t[i].keep - 1]->meta.max_end_ns <
                                             ret->v->blocks[ret->keep - 1]->meta.max_end_ns)) {
            ret = &t[i];
        }
    }
    return ret;
}

static void
drop_oldest(struct compactor *c, uint64_t too_much)
{
    struct block_store_stats st;
    struct tenant_view *tenants = NULL;
    size_t n = 0, cap = 0;
    block_store_stats(c->o.store, &st);
    cap = st.tenants + 1;
    tenants = mem_new_array(struct tenant_view, cap);
    while (n < cap && block_store_tenant(c->o.store, n, tenants[n].name)) {
        tenants[n].v = block_store_snapshot(c->o.store, slice_cstr(tenants[n].name));
        tenants[n].keep = tenants[n].v->count;
        n++;
    }
    for (uint64_t gone = 0; gone < too_much;) {
        struct tenant_view *t = oldest_of(tenants, n);
        if (t == NULL) {
            break;
        }
        gone += t->v->blocks[--t->keep]->meta.bytes;
    }
    for (size_t i = 0; i < n; i++) {
        struct tenant_view *t = &tenants[i];
        (void)drop(c, slice_cstr(t->name), t->v->blocks + t->keep, t->v->count - t->keep, "size");
        block_snapshot_release(t->v);
    }
    mem_free(tenants);
}

static uint64_t
all_bytes(struct compactor *c)
{
    struct block_store_stats st;
    block_store_stats(c->o.store, &st);
    return (uint64_t)st.bytes + st.compacted_bytes;
}

static void
sweep(struct compactor *c, int64_t before_ns)
{
    series_add(c->m.deleted, block_store_sweep(c->o.store, before_ns));
}

/* What a snapshot still holds stays until the next cycle. */
static void
keep_below(struct compactor *c, uint64_t most)
{
    struct block_store_stats st;
    if (most == 0 || all_bytes(c) <= most) {
        return;
    }
    sweep(c, INT64_MAX);
    block_store_stats(c->o.store, &st);
    if (st.bytes > most) {
        drop_oldest(c, st.bytes - most);
        sweep(c, INT64_MAX);
    }
}

void
retention_run(struct compactor *c)
{
    char tenant[BLOCK_TENANT_MAX + 1];
    int64_t began = clock_mono_ns(), now = clock_wall_ns();
    for (size_t i = 0; !atomic_load(&c->stop) && block_store_tenant(c->o.store, i, tenant); i++) {
        drop_expired(c, slice_cstr(tenant), now);
    }
    sweep(c, now - c->o.compacted_block_retention_ns);
    keep_below(c, c->o.retention_bytes);
    series_observe(c->m.retention_time, (double)(clock_mono_ns() - began) / 1e9);
}
