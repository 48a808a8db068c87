/* Changing which blocks are served, and what becomes of those that no longer are. */
#include "dir.h"
#include "store_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"

#include <limits.h>

struct stored_block **
store_without(const struct block_snapshot_private *now, struct stored_block_private *const *gone, size_t n,
              size_t room, size_t *ret)
{
    struct stored_block **v = mem_new_array(struct stored_block *, now->pub.count + room + 1);
    struct id_table out;
    size_t kept = 0;
    id_table_init(&out, sizeof(block_uuid));
    for (size_t i = 0; i < n; i++) {
        *id_table_put(&out, &gone[i]->pub.meta.id) = 1;
    }
    for (size_t i = 0; i < now->pub.count; i++) {
        struct stored_block *b = now->blocks[i];
        if (id_table_get(&out, &b->meta.id) == 0) {
            atomic_fetch_add_explicit(&b->priv->refs, 1, memory_order_relaxed);
            v[kept++] = b;
        }
    }
    id_table_fini(&out);
    *ret = kept;
    return v;
}

void
store_blocks_drop(struct stored_block **v, size_t n)
{
    for (size_t i = 0; v && i < n; i++) {
        store_block_unref(v[i]->priv);
    }
    mem_free(v);
}

/* One tenant's change, prepared beside what is served. */
struct change {
    struct store_tenant *tenant;
    struct block_snapshot_private *next, *old;
    struct stored_block_private **gone; /* referenced */
    size_t gone_count;
    const struct block_meta *by; /* what replaces them; NULL: nothing does */
};

static struct block_meta
copy_meta(const struct block_meta *from)
{
    struct block_meta m = *from;
    m.inputs = NULL; /* only a start asks for them */
    m.input_count = 0;
    m.sources = NULL;
    if (from->source_count) {
        m.sources = mem_new_array(struct block_source, from->source_count);
        memcpy(m.sources, from->sources, from->source_count * sizeof *from->sources);
    }
    return m;
}

/* changing held, mu not. What the tenant will have. */
static err
prepare(struct block_store *s, const struct block_swap *swap, struct change *c, struct fault *f)
{
    char unused[PATH_MAX];
    size_t n = 0;
    err rc = block_store_tenant_dir(s, swap->tenant, unused, f);
    if (rc != OK) {
        return rc;
    }
    mutex_lock(&s->mu);
    c->tenant = store_tenant_get(s, swap->tenant);
    mutex_unlock(&s->mu);
    MUST(!c->tenant->in_swap); /* one entry for each tenant */
    c->tenant->in_swap = true;
    c->by = swap->add_count == 1 ? swap->add : NULL;
    c->gone = mem_new_array(struct stored_block_private *, swap->gone_count + 1);
    for (; c->gone_count < swap->gone_count; c->gone_count++) {
        c->gone[c->gone_count] = swap->gone[c->gone_count]->priv;
        atomic_fetch_add_explicit(&c->gone[c->gone_count]->refs, 1, memory_order_relaxed);
    }
    struct stored_block **v = store_without(c->tenant->now, c->gone, c->gone_count, swap->add_count, &n);
    if (n + swap->gone_count != c->tenant->now->pub.count) {
        store_blocks_drop(v, n);
        return FAULT(f, ERR_NOT_FOUND, "a block to be replaced is not served any more");
    }
    for (size_t i = 0; i < swap->add_count; i++) {
        struct stored_block_private *b = NULL;
        struct block_meta m = copy_meta(&swap->add[i]);
        rc = store_block_new(s, c->tenant, &m, f, &b);
        if (rc != OK) {
            block_meta_fini(&m);
            store_blocks_drop(v, n);
            return rc;
        }
        v[n++] = &b->pub;
    }
    c->next = store_snapshot_new(v, n);
    return OK;
}

/* Nothing that the change holds is needed any more. */
static void
change_fini(struct change *c)
{
    if (c->next) {
        store_snapshot_unref(c->next);
    }
    if (c->old) {
        store_snapshot_unref(c->old);
    }
    for (size_t i = 0; i < c->gone_count; i++) {
        store_block_unref(c->gone[i]);
    }
    mem_free(c->gone);
    if (c->tenant) {
        c->tenant->in_swap = false;
    }
}

/* The step: commit, and all lists at once. */
static err
apply(struct block_store *s, struct change *changes, size_t n, err (*commit)(void *ctx, struct fault *f),
      void *ctx, struct fault *f)
{
    mutex_lock(&s->look);
    err rc = commit ? commit(ctx, f) : OK;
    if (rc == OK) {
        const int64_t now = clock_wall_ns();
        mutex_lock(&s->mu);
        for (size_t i = 0; i < n; i++) {
            struct change *c = &changes[i];
            c->old = store_tenant_set(s, c->tenant, c->next);
            c->next = NULL;
            for (; c->gone_count; c->gone_count--) {
                struct compacted gone = {.block = c->gone[c->gone_count - 1], .marked_ns = now};
                if (c->by) {
                    gone.has_by = true;
                    gone.by = c->by->id;
                }
                store_compacted_add(s, &gone);
            }
        }
        mutex_unlock(&s->mu);
    }
    mutex_unlock(&s->look);
    return rc;
}

err
block_store_swap(struct block_store *s, const struct block_swap *swaps, size_t n,
                 err (*commit)(void *ctx, struct fault *f), void *ctx, struct fault *f)
{
    struct change *changes = mem_new_array(struct change, n + 1);
    struct fault g = {0};
    err rc = OK;
    mutex_lock(&s->mu);
    store_changing_take(s);
    mutex_unlock(&s->mu);
    for (size_t i = 0; rc == OK && i < n; i++) {
        rc = prepare(s, &swaps[i], &changes[i], f);
    }
    rc = rc == OK ? apply(s, changes, n, commit, ctx, f) : rc;
    for (size_t i = 0; i < n; i++) {
        change_fini(&changes[i]);
    }
    mem_free(changes);
    if (rc == OK && !store_mark_all(s, &g)) {
        LOG_LIMITED(LOG_WARN, 1, "a replaced block cannot be marked as compacted; tried again later",
                    LOG_FAULT(&g));
    }
    mutex_lock(&s->mu);
    store_changing_give(s);
    mutex_unlock(&s->mu);
    return rc;
}

/* --- blocks that were replaced --- */

void
store_compacted_count(struct block_store *s, struct stored_block_private *b, int sign)
{
    const size_t by = (size_t)(int64_t)sign; /* modulo: adds or takes away */
    struct store_tenant *t = b->tenant;
    s->stats.compacted_blocks += by;
    s->stats.compacted_bytes += by * b->pub.meta.bytes;
    t->compacted_bytes += by * b->pub.meta.bytes;
    t->compacted_traces += by * b->pub.meta.traces;
    series_set(t->compacted_gauge, (double)t->compacted_traces);
    series_set(t->compacted_bytes_gauge, (double)t->compacted_bytes);
}

void
store_compacted_add(struct block_store *s, const struct compacted *c)
{
    if (s->compacted_count == s->compacted_cap) {
        s->compacted_cap = s->compacted_cap ? s->compacted_cap * 2 : 16;
        s->compacted = mem_realloc(s->compacted, s->compacted_cap, sizeof *s->compacted);
    }
    s->compacted[s->compacted_count++] = *c;
    store_compacted_count(s, c->block, 1);
}

bool
store_mark_all(struct block_store *s, struct fault *f)
{
    char dir[PATH_MAX];
    bool all = true;
    for (size_t i = 0; i < s->tenant_count; i++) {
        s->tenants[i]->unmarked = 0;
    }
    for (size_t i = 0; i < s->compacted_count; i++) {
        struct compacted *c = &s->compacted[i];
        struct store_tenant *t = c->block->tenant;
        if (c->on_disk) {
            continue;
        }
        err rc = block_store_tenant_dir(s, slice_cstr(t->name), dir, f);
        rc = rc == OK ? block_mark_compacted(dir, &c->block->pub.meta.id, f) : rc;
        if (rc == OK || rc == ERR_NOT_FOUND) {
            c->on_disk = true;
        } else {
            t->unmarked++;
            all = false;
        }
    }
    return all;
}

err
block_store_settle(struct block_store *s, struct fault *f)
{
    mutex_lock(&s->mu);
    store_changing_take(s);
    mutex_unlock(&s->mu);
    const bool all = store_mark_all(s, f);
    mutex_lock(&s->mu);
    store_changing_give(s);
    mutex_unlock(&s->mu);
    return all ? OK : ERR_IO;
}

/* A block that is served and took the place of others, the first of which is due; referenced, or NULL. */
static struct stored_block_private *
next_to_check(struct block_store *s, int64_t before_ns, size_t *at)
{
    struct stored_block_private *found = NULL;
    mutex_lock(&s->mu);
    while (found == NULL && *at < s->compacted_count) {
        const struct compacted *c = &s->compacted[(*at)++];
        const bool same = *at > 1 && c[-1].has_by && memcmp(&c[-1].by, &c->by, sizeof c->by) == 0;
        const struct block_snapshot_private *now = c->block->tenant->now;
        for (size_t i = 0; c->has_by && !same && c->marked_ns < before_ns && i < now->pub.count; i++) {
            if (memcmp(&now->blocks[i]->meta.id, &c->by, sizeof c->by) == 0) {
                found = now->blocks[i]->priv;
                atomic_fetch_add_explicit(&found->refs, 1, memory_order_relaxed);
                break;
            }
        }
    }
    mutex_unlock(&s->mu);
    return found;
}

/* Before the files go that could take its place, a merged block shows that it can be opened. */
static bool
check_replacements(struct block_store *s, int64_t before_ns)
{
    struct stored_block_private *b = NULL;
    struct block_reader *r = NULL;
    struct fault f = {0};
    size_t at = 0;
    bool all = true;
    while ((b = next_to_check(s, before_ns, &at)) != NULL) {
        err rc = stored_block_open(&b->pub, &f, &r);
        if (rc == OK) {
            stored_block_done(&b->pub);
        }
        all = all && (rc == OK || rc == ERR_CORRUPT); /* a corrupt one has left by now */
        store_block_unref(b);
    }
    if (!all) {
        LOG_LIMITED(LOG_WARN, 1, "a merged block cannot be read now; what it replaced is not deleted yet",
                    LOG_FAULT(&f));
    }
    return all;
}

/* changing held. Move out what may be deleted. A tenant with an unmarked block waits as a whole: the unmarked
 * one may be named by a block that would go, and a start would serve it again. */
static struct compacted *
take_due(struct block_store *s, int64_t before_ns, size_t *ret)
{
    struct compacted *due = mem_new_array(struct compacted, s->compacted_count + 1);
    size_t kept = 0, n = 0;
    mutex_lock(&s->mu);
    for (size_t i = 0; i < s->compacted_count; i++) {
        struct compacted c = s->compacted[i];
        if (c.marked_ns < before_ns && c.block->tenant->unmarked == 0 &&
            atomic_load_explicit(&c.block->refs, memory_order_acquire) == 1) {
            due[n++] = c;
            store_compacted_count(s, c.block, -1);
        } else {
            s->compacted[kept++] = c;
        }
    }
    s->compacted_count = kept;
    mutex_unlock(&s->mu);
    *ret = n;
    return due;
}

size_t
block_store_sweep(struct block_store *s, int64_t before_unix_ns)
{
    char dir[PATH_MAX];
    struct fault f = {0};
    size_t n = 0, failed = 0;
    if (!check_replacements(s, before_unix_ns)) {
        return 0;
    }
    mutex_lock(&s->mu);
    store_changing_take(s);
    mutex_unlock(&s->mu);
    (void)store_mark_all(s, NULL); /* tried again at the next */
    struct compacted *due = take_due(s, before_unix_ns, &n);
    mutex_lock(&s->mu);
    store_changing_give(s);
    mutex_unlock(&s->mu);
    for (size_t i = 0; i < n; i++) {
        struct stored_block_private *b = due[i].block;
        err rc = block_store_tenant_dir(s, slice_cstr(b->tenant->name), dir, &f);
        rc = rc == OK ? block_remove(dir, &b->pub.meta.id, &f) : rc;
        if (rc == OK || rc == ERR_NOT_FOUND) {
            store_block_unref(b);
        } else {
            due[failed++] = due[i];
        }
    }
    if (failed) {
        LOG_LIMITED(LOG_WARN, 1, "compacted blocks cannot be deleted; tried again later",
                    LOG_UINT("blocks", failed), LOG_FAULT(&f));
        mutex_lock(&s->mu);
        store_changing_take(s);
        for (size_t i = 0; i < failed; i++) {
            store_compacted_add(s, &due[i]);
        }
        store_changing_give(s);
        mutex_unlock(&s->mu);
    }
    mem_free(due);
    return n - failed;
}
