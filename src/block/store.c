/* Opening the store, its tenants and their snapshots. */
#include "dir.h"
#include "store_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"

#include <limits.h>
#include <stdlib.h>

void
store_changing_take(struct block_store *s)
{
    while (s->changing) {
        mutex_wait(&s->mu, &s->changed, -1);
    }
    s->changing = true;
}

void
store_changing_give(struct block_store *s)
{
    s->changing = false;
    MUST(pthread_cond_broadcast(&s->changed) == 0);
}

void
store_problem(struct block_store *s, enum block_problem what, const char *path, const char *reason)
{
    LOG_LIMITED(LOG_ERROR, 20, "set aside below the blocks; it stays where it is", LOG_CSTR("path", path),
                LOG_CSTR("reason", reason));
    series_add(s->problems[what], 1);
    mutex_lock(&s->mu);
    s->stats.problems[what]++;
    mutex_unlock(&s->mu);
}

err
store_block_new(struct block_store *s, struct store_tenant *t, struct block_meta *meta, struct fault *f,
                struct stored_block_private **ret)
{
    const size_t bytes =
        sizeof(struct stored_block_private) + 2 * sizeof(void *) + meta->source_count * sizeof *meta->sources;
    if (s->budget && budget_reserve(s->budget, bytes) != OK) {
        return FAULT(f, ERR_LIMIT, "the list of blocks is over its memory budget");
    }
    struct stored_block_private *b = mem_new(struct stored_block_private);
    mem_free(meta->inputs);
    meta->inputs = NULL;
    meta->input_count = 0;
    b->pub = (struct stored_block){.meta = *meta, .priv = b};
    *meta = (struct block_meta){0};
    b->store = s;
    b->tenant = t;
    b->bytes = bytes;
    atomic_init(&b->refs, 1);
    *ret = b;
    return OK;
}

void
store_block_unref(struct stored_block_private *b)
{
    /* release: our reads are done; acquire: the last one sees all of them */
    if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    mutex_lock(&b->store->mu);
    struct block_reader *reader = store_reader_take(b);
    mutex_unlock(&b->store->mu);
    block_reader_close(reader);
    if (b->store->budget) {
        budget_release(b->store->budget, b->bytes);
    }
    block_meta_fini(&b->pub.meta);
    mem_free(b);
}

struct store_tenant *
store_tenant_get(struct block_store *s, slice name)
{
    struct store_tenant *t = str_table_get(&s->by_name, name);
    if (t) {
        return t;
    }
    MUST(name.p && name.n <= BLOCK_TENANT_MAX);
    t = mem_new(struct store_tenant);
    memcpy(t->name, name.p, name.n);
    t->now = store_snapshot_new(NULL, 0);
    t->length_gauge = metric_series1(s->length, name);
    t->bytes_gauge = metric_series2(s->bytes, name, SL("live"));
    t->compacted_gauge = metric_series2(s->objects, name, SL("compacted"));
    t->compacted_bytes_gauge = metric_series2(s->bytes, name, SL("compacted"));
    t->traces_gauge = metric_series2(s->objects, name, SL("live"));
    str_table_put(&s->by_name, name, t);
    if (s->tenant_count == s->tenant_cap) {
        s->tenant_cap = s->tenant_cap ? s->tenant_cap * 2 : 8;
        s->tenants = mem_realloc(s->tenants, s->tenant_cap, sizeof(void *));
    }
    s->tenants[s->tenant_count++] = t;
    return t;
}

static int
newest_first(const void *va, const void *vb)
{
    const struct stored_block *const *a = va, *const *b = vb;
    const struct block_meta *ma = &(*a)->meta, *mb = &(*b)->meta;
    if (ma->max_end_ns != mb->max_end_ns) {
        return ma->max_end_ns > mb->max_end_ns ? -1 : 1;
    }
    return memcmp(&ma->id, &mb->id, sizeof ma->id);
}

struct block_snapshot_private *
store_snapshot_new(struct stored_block **blocks, size_t count)
{
    struct block_snapshot_private *v = mem_new(struct block_snapshot_private);
    if (count > 1) {
        qsort(blocks, count, sizeof(void *), newest_first);
    }
    v->blocks = blocks;
    v->pub = (struct block_snapshot){.blocks = blocks, .count = count, .priv = v};
    atomic_init(&v->refs, 1);
    return v;
}

void
store_snapshot_unref(struct block_snapshot_private *v)
{
    if (atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < v->pub.count; i++) {
        store_block_unref(v->blocks[i]->priv);
    }
    mem_free(v->blocks);
    mem_free(v);
}

/* What one block adds to a tenant's counts (sign 1) or takes away (-1). */
static void
count_blocks(struct block_store *s, struct store_tenant *t, const struct block_snapshot_private *v, int sign)
{
    const size_t by = (size_t)(int64_t)sign; /* modulo: adds or takes away */
    for (size_t i = 0; i < v->pub.count; i++) {
        const struct block_meta *m = &v->blocks[i]->meta;
        t->bytes += by * m->bytes;
        t->traces += by * m->traces;
        s->stats.bytes += by * m->bytes;
        s->stats.spans += by * m->spans;
    }
    s->stats.blocks += by * v->pub.count;
    s->stats.tenants += v->pub.count ? by : 0;
}

void
store_tenant_show(struct block_store *s, struct store_tenant *t)
{
    count_blocks(s, t, t->now, 1);
    series_set(t->length_gauge, (double)t->now->pub.count);
    series_set(t->bytes_gauge, (double)t->bytes);
    series_set(t->traces_gauge, (double)t->traces);
}

struct block_snapshot_private *
store_tenant_set(struct block_store *s, struct store_tenant *t, struct block_snapshot_private *next)
{
    struct block_snapshot_private *old = t->now;
    count_blocks(s, t, old, -1);
    t->now = next;
    store_tenant_show(s, t);
    return old;
}

const struct block_snapshot *
block_store_snapshot(struct block_store *s, slice tenant)
{
    mutex_lock(&s->mu);
    const struct store_tenant *t = str_table_get(&s->by_name, tenant);
    struct block_snapshot_private *v = t ? t->now : s->empty;
    atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    mutex_unlock(&s->mu);
    return &v->pub;
}

void
block_snapshot_release(const struct block_snapshot *v)
{
    store_snapshot_unref(v->priv);
}

bool
block_store_tenant(struct block_store *s, size_t i, char ret[BLOCK_TENANT_MAX + 1])
{
    mutex_lock(&s->mu);
    const bool there = i < s->tenant_count;
    if (there) {
        memcpy(ret, s->tenants[i]->name, sizeof s->tenants[i]->name);
    }
    mutex_unlock(&s->mu);
    return there;
}

bool
block_store_has_tenant(struct block_store *s, slice tenant)
{
    mutex_lock(&s->mu);
    const struct store_tenant *t = str_table_get(&s->by_name, tenant);
    const bool has = t && t->now->pub.count;
    mutex_unlock(&s->mu);
    return has;
}

err
block_store_tenant_dir(struct block_store *s, slice tenant, char *ret, struct fault *f)
{
    char name[BLOCK_TENANT_MAX + 1];
    if (tenant.n == 0 || tenant.n > BLOCK_TENANT_MAX || slice_find_byte(tenant, '/') != tenant.n ||
        slice_find_byte(tenant, 0) != tenant.n || slice_eq(tenant, SL(".")) || slice_eq(tenant, SL(".."))) {
        return FAULT(f, ERR_INVALID, "a tenant id that cannot name a directory");
    }
    memcpy(name, tenant.p, tenant.n);
    name[tenant.n] = '\0';
    return path_join(ret, s->path, name, f);
}

void
block_store_look_begin(struct block_store *s)
{
    mutex_lock(&s->look);
}

void
block_store_look_end(struct block_store *s)
{
    mutex_unlock(&s->look);
}

void
block_store_stats(struct block_store *s, struct block_store_stats *ret)
{
    mutex_lock(&s->mu);
    *ret = s->stats;
    mutex_unlock(&s->mu);
}

static void
register_metrics(struct block_store *s)
{
    static const char *const names[] = {[BLOCK_PROBLEM_FOREIGN] = "foreign",
                                        [BLOCK_PROBLEM_CORRUPT] = "corrupt",
                                        [BLOCK_PROBLEM_VERSION] = "version"};
    s->length = metric_gauge("tempodb_blocklist_length", "Total number of blocks per tenant.", "tenant");
    s->bytes = metric_gauge("tempodb_backend_bytes_total",
                            "Total bytes in the backend, tenant and by compaction status.", "tenant,status");
    s->objects = metric_gauge("tempodb_backend_objects_total",
                              "Total objects (traces) in the backend, tenant and by compaction status.",
                              "tenant,status");
    struct metric *m = metric_counter(
        "vivace_block_problems_total",
        "What was found below the blocks and set aside: foreign names, corrupt blocks, other versions.",
        "reason");
    for (size_t i = 0; i < BLOCK_PROBLEM_COUNT; i++) {
        s->problems[i] = metric_series1(m, slice_cstr(names[i]));
    }
}

/* Of a block found at start. */
static err
found_block(struct block_store *s, struct block_meta *m, struct fault *f, struct stored_block_private **ret)
{
    mutex_lock(&s->mu);
    struct store_tenant *t = store_tenant_get(s, slice_cstr(m->tenant));
    mutex_unlock(&s->mu);
    return store_block_new(s, t, m, f, ret);
}

/* Sorted into tenants: `list` is in the order of its blocks, so each tenant's are too. `ids` are those of its
 * blocks, live ones and then marked ones: the number of what replaced a block, of either, is its place. */
static err
load_tenant_blocks(struct block_store *s, struct block_list *l, const struct id_table *replaced,
                   const block_uuid *ids, struct fault *f)
{
    struct stored_block_private *b = NULL;
    const size_t known = l->count + l->compacted_count;
    for (size_t i = 0; i < l->count; i++) {
        const size_t gone = id_table_get(replaced, &l->blocks[i].id);
        err rc = found_block(s, &l->blocks[i], f, &b);
        if (rc != OK) {
            return rc;
        }
        if (gone) { /* a crash came between publishing what replaces it and the mark */
            store_compacted_add(s, &(struct compacted){.block = b,
                                                       .marked_ns = clock_wall_ns(),
                                                       .has_by = gone <= known,
                                                       .by = ids[gone <= known ? gone - 1 : 0]});
            continue;
        }
        struct block_snapshot_private *v = b->tenant->now; /* nobody else sees it yet */
        if ((v->pub.count & (v->pub.count - 1)) == 0) {
            v->blocks = mem_realloc(v->blocks, v->pub.count ? v->pub.count * 2 : 1, sizeof(void *));
            v->pub.blocks = v->blocks;
        }
        v->blocks[v->pub.count++] = &b->pub;
    }
    for (size_t i = 0; i < l->compacted_count; i++) {
        const size_t by = id_table_get(replaced, &l->compacted[i].meta.id);
        const bool has_by = by && by <= known;
        err rc = found_block(s, &l->compacted[i].meta, f, &b);
        if (rc != OK) {
            return rc;
        }
        store_compacted_add(s, &(struct compacted){.block = b,
                                                   .marked_ns = l->compacted[i].marked_ns,
                                                   .on_disk = true,
                                                   .has_by = has_by,
                                                   .by = ids[has_by ? by - 1 : 0]});
    }
    return OK;
}

static void
report_found(void *ctx, enum block_problem what, const char *path, const char *reason)
{
    store_problem(ctx, what, path, reason);
}

static err
load(struct block_store *s, struct fault *f)
{
    struct block_list list = {0};
    struct id_table replaced;
    block_uuid *ids = NULL;
    struct fault g = {0};
    err rc = OK;
    id_table_init(&replaced, sizeof(block_uuid));
    TRY(block_list_scan(s->path, report_found, s, f, &list));
    store_list_mend(s, &list);
    store_list_replaced(&list, &replaced);
    ids = mem_new_array(block_uuid, list.count + list.compacted_count + 1);
    for (size_t i = 0; i < list.count + list.compacted_count; i++) {
        ids[i] = i < list.count ? list.blocks[i].id : list.compacted[i - list.count].meta.id;
    }
    rc = load_tenant_blocks(s, &list, &replaced, ids, f);
    for (size_t i = 0; i < s->tenant_count; i++) { /* count what is there, also to close it again */
        store_tenant_show(s, s->tenants[i]);
    }
    TRY(rc);
    if (!store_mark_all(s, &g)) {
        LOG_W("a replaced block cannot be marked as compacted; it is not served, and tried again",
              LOG_FAULT(&g));
    }
out:
    mem_free(ids);
    id_table_fini(&replaced);
    block_list_fini(&list);
    return rc;
}

err
block_store_open(const struct block_store_options *o, struct fault *f, struct block_store **ret)
{
    struct block_store *s = mem_new(struct block_store);
    s->path = mem_strdup(o->path);
    s->budget = o->budget;
    s->readers_bytes_max = o->readers_bytes_max ? o->readers_bytes_max : STORE_READERS_BYTES;
    mutex_init(&s->look, LOCK_LOOK);
    mutex_init(&s->mu, LOCK_BLOCKLIST);
    cond_init(&s->changed);
    str_table_init(&s->by_name);
    s->empty = store_snapshot_new(NULL, 0);
    register_metrics(s);
    err rc = load(s, f);
    if (rc != OK) {
        block_store_close(s);
        return rc;
    }
    *ret = s;
    return OK;
}

void
block_store_close(struct block_store *s)
{
    if (s == NULL) {
        return;
    }
    for (size_t i = 0; i < s->tenant_count; i++) {
        MUST(atomic_load_explicit(&s->tenants[i]->now->refs, memory_order_relaxed) == 1);
        store_snapshot_unref(s->tenants[i]->now);
    }
    for (size_t i = 0; i < s->compacted_count; i++) {
        store_block_unref(s->compacted[i].block);
    }
    for (size_t i = 0; i < s->tenant_count; i++) {
        mem_free(s->tenants[i]);
    }
    store_snapshot_unref(s->empty);
    str_table_fini(&s->by_name);
    mem_free(s->tenants);
    mem_free(s->compacted);
    mem_free(s->path);
    mutex_fini(&s->look);
    mutex_fini(&s->mu);
    MUST(pthread_cond_destroy(&s->changed) == 0);
    mem_free(s);
}
