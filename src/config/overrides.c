/* Limits per tenant: an immutable snapshot, swapped on reload. */
#include "vivace/config/overrides.h"

#include "loading.h"

#include "vivace/base/file.h"
#include "vivace/base/mem.h"
#include "vivace/base/metrics.h"
#include "vivace/base/must.h"
#include "vivace/base/mutex.h"
#include "vivace/base/table.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define SNAPSHOT_BYTES_MAX ((size_t)256 << 20) /* OVERRIDES_TENANTS_MAX entries with room for lists */
#define NODES_BYTES_MAX    ((size_t)256 << 20)

struct snapshot;

struct entry {
    struct snapshot *owner; /* first: overrides_release finds it before the limits */
    slice tenant;
    struct tenant_limits limits;
};

struct snapshot {
    _Atomic uint32_t refs;
    struct arena arena; /* entries and their values */
    struct str_table by_tenant;
    struct entry defaults;   /* copy of the configuration's; its values live in the configuration */
    const struct entry *any; /* the entry "*", or NULL */
};

struct overrides {
    const struct config *config;
    struct mutex mu;
    struct snapshot *now; /* guarded by mu */
    uint64_t file_hash;   /* reloading thread only */
    struct series *successful;
};

/* --- snapshots --- */

static struct snapshot *
snapshot_create(const struct config *c)
{
    struct snapshot *s = mem_new(struct snapshot);
    atomic_init(&s->refs, 1);
    arena_init(&s->arena, SNAPSHOT_BYTES_MAX);
    str_table_init(&s->by_tenant);
    s->defaults = (struct entry){.owner = s, .tenant = SL_EMPTY, .limits = c->overrides.defaults};
    return s;
}

static void
snapshot_unref(struct snapshot *s)
{
    /* acq_rel: the last one sees all reads of the others done before it frees */
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1) {
        str_table_fini(&s->by_tenant);
        arena_fini(&s->arena);
        mem_free(s);
    }
}

/* --- reading the file --- */

static void
read_tenant(struct loading *l, struct snapshot *s, const struct yaml_pair *p)
{
    slice tenant = arena_copy(&s->arena, p->key->text);
    struct entry *e = arena_new(&s->arena, struct entry);
    char path[WALK_PATH_MAX];
    (void)snprintf(path, sizeof path, "overrides.%.*s", SL_FMT(slice_sub(p->key->text, 0, 64)));
    if (!e || tenant.n == 0 || !tenant.p) {
        report_add(l->report, CONFIG_ERROR, l->name, p->key,
                   "%s: a tenant needs a name, and the file must fit", path);
        return;
    }
    *e = (struct entry){.owner = s, .tenant = tenant};
    table_set_empty(&table_limits, &e->limits, &s->arena);
    if (!yaml_is_null(p->value)) {
        if (p->value->kind != YAML_MAP) {
            report_add(l->report, CONFIG_ERROR, l->name, p->value, "%s: a map is wanted", path);
            return;
        }
        apply_map(l, &table_tenant, &e->limits, p->value, path);
        limits_check(l, &e->limits, p->key, path);
    }
    (void)str_table_put(&s->by_tenant, tenant, e);
    if (slice_eq(tenant, SL("*"))) {
        s->any = e;
    }
}

static void
read_root(struct loading *l, struct snapshot *s, const struct yaml_node *root)
{
    if (root->kind != YAML_MAP) {
        report_add(l->report, CONFIG_ERROR, l->name, root, "a map with the key overrides is wanted");
        return;
    }
    for (size_t i = 0; i < root->count; i++) {
        const struct yaml_pair *p = &root->pairs[i];
        if (!slice_eq(p->key->text, SL("overrides"))) {
            report_add(l->report, CONFIG_WARNING, l->name, p->key, "unknown key \"%.*s\" (ignored)",
                       SL_FMT(slice_sub(p->key->text, 0, 64)));
        } else if (yaml_is_null(p->value)) {
            continue;
        } else if (p->value->kind != YAML_MAP) {
            report_add(l->report, CONFIG_ERROR, l->name, p->value, "overrides: a map of tenants is wanted");
        } else if (p->value->count > OVERRIDES_TENANTS_MAX) {
            report_add(l->report, CONFIG_ERROR, l->name, p->value, "overrides: more than %d tenants",
                       OVERRIDES_TENANTS_MAX);
        } else {
            for (size_t k = 0; k < p->value->count; k++) {
                read_tenant(l, s, &p->value->pairs[k]);
            }
        }
    }
}

static err
read_text(const struct overrides *o, slice text, const char *path, struct config_report *report,
          struct snapshot *s, struct fault *f)
{
    struct arena nodes;
    struct buf expanded;
    struct fault why = {0};
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t errors_before = report->errors;
    arena_init(&nodes, NODES_BYTES_MAX);
    buf_init(&expanded, CONFIG_FILE_MAX);
    struct loading l = {.name = name, .values = &s->arena, .nodes = &nodes, .report = report};
    if (o->config->expand_env && expand_env(text, name, &expanded, &why) != OK) {
        report_add(report, CONFIG_ERROR, "environment", NULL, "%s", why.msg);
    } else {
        const struct yaml_node *root = yaml_parse(&l, o->config->expand_env ? buf_slice(&expanded) : text);
        if (!yaml_is_null(root)) {
            read_root(&l, s, root);
        }
    }
    buf_fini(&expanded);
    arena_fini(&nodes);
    if (report->errors == errors_before) {
        return OK;
    }
    for (size_t i = 0; i < report->n; i++) {
        if (report->v[i].severity == CONFIG_ERROR) {
            return FAULT(f, ERR_INVALID, "failed to load runtime config: %.250s", report->v[i].text);
        }
    }
    return FAULT(f, ERR_INVALID, "failed to load runtime config: %s is not good", path);
}

/* A snapshot of the file as it is now; *ret is NULL when its bytes are those of `old_hash`. */
static err
load_snapshot(const struct overrides *o, bool only_changed, struct config_report *report, struct fault *f,
              struct snapshot **ret, uint64_t *ret_hash)
{
    const char *path = o->config->overrides.per_tenant_override_config;
    uint8_t *text = NULL;
    size_t n = 0;
    struct fault why = {0};
    struct snapshot *s = NULL;
    err rc = file_read_all(path, CONFIG_FILE_MAX, &why, &text, &n);
    if (rc != OK) {
        return FAULT(f, rc, "failed to load runtime config: read file: %s",
                     rc == ERR_NOT_FOUND ? path : why.msg);
    }
    uint64_t hash = hash_bytes(text, n, 0);
    if (only_changed && hash == o->file_hash) {
        goto out;
    }
    s = snapshot_create(o->config);
    TRY(read_text(o, slice_of(text, n), path, report, s, f));
    *ret_hash = hash;
    *ret = s;
    s = NULL;
out:
    mem_free(text);
    if (s) {
        snapshot_unref(s);
    }
    return rc;
}

/* --- public --- */

static void
publish_defaults(const struct tenant_limits *d)
{
    struct metric *m = metric_gauge("tempo_limits_defaults", "Default resource limits", "limit_name");
    series_set(metric_series1(m, SL("max_local_traces_per_user")), (double)d->ingestion.max_traces_per_user);
    series_set(metric_series1(m, SL("max_global_traces_per_user")),
               (double)d->ingestion.max_global_traces_per_user);
    series_set(metric_series1(m, SL("ingestion_rate_limit_bytes")), (double)d->ingestion.rate_limit_bytes);
    series_set(metric_series1(m, SL("ingestion_burst_size_bytes")), (double)d->ingestion.burst_size_bytes);
    series_set(metric_series1(m, SL("max_bytes_per_tag_values_query")),
               (double)d->read.max_bytes_per_tag_values_query);
    series_set(metric_series1(m, SL("max_blocks_per_tag_values_query")),
               (double)d->read.max_blocks_per_tag_values_query);
    series_set(metric_series1(m, SL("max_bytes_per_trace")), (double)d->global.max_bytes_per_trace);
    series_set(metric_series1(m, SL("block_retention")), (double)d->compaction.block_retention_ns / 1e9);
    series_set(metric_series1(m, SL("metrics_generator_max_active_series")),
               (double)d->metrics_generator.max_active_series);
}

err
overrides_load(const struct config *c, struct config_report *report, struct fault *f, struct overrides **ret)
{
    struct overrides *o = mem_new(struct overrides);
    struct config_report own;
    err rc = OK;
    config_report_init(&own);
    o->config = c;
    struct metric *m =
        metric_gauge("tempo_runtime_config_last_reload_successful",
                     "Whether the last runtime-config reload attempt was successful.", "config");
    o->successful = metric_series1(m, SL("overrides"));
    publish_defaults(&c->overrides.defaults);
    if (c->overrides.per_tenant_override_config[0]) {
        TRY(load_snapshot(o, false, report ? report : &own, f, &o->now, &o->file_hash));
    } else {
        o->now = snapshot_create(c);
    }
    series_set(o->successful, 1);
    mutex_init(&o->mu, LOCK_CONFIG);
    *ret = o;
    o = NULL;
out:
    config_report_fini(&own);
    mem_free(o);
    return rc;
}

void
overrides_destroy(struct overrides *o)
{
    if (!o) {
        return;
    }
    MUST(atomic_load_explicit(&o->now->refs, memory_order_acquire) == 1);
    snapshot_unref(o->now);
    mutex_fini(&o->mu);
    mem_free(o);
}

const struct tenant_limits *
overrides_get(struct overrides *o, slice tenant)
{
    mutex_lock(&o->mu);
    const struct snapshot *s = o->now;
    const struct entry *e = str_table_get(&s->by_tenant, tenant);
    if (!e) {
        e = s->any ? s->any : &s->defaults;
    }
    atomic_fetch_add_explicit(&e->owner->refs, 1,
                              memory_order_relaxed); /* the lock keeps it alive meanwhile */
    mutex_unlock(&o->mu);
    return &e->limits;
}

void
overrides_release(const struct tenant_limits *l)
{
    struct snapshot *owner = NULL;
    memcpy((void *)&owner, (const char *)l - offsetof(struct entry, limits),
           sizeof(void *)); /* entry.owner */
    snapshot_unref(owner);
}

err
overrides_reload(struct overrides *o, struct config_report *report, struct fault *f)
{
    if (!o->config->overrides.per_tenant_override_config[0]) {
        return OK;
    }
    struct config_report own;
    struct snapshot *fresh = NULL;
    config_report_init(&own);
    err rc = load_snapshot(o, true, report ? report : &own, f, &fresh, &o->file_hash);
    series_set(o->successful, rc == OK ? 1 : 0);
    config_report_fini(&own);
    if (fresh) {
        mutex_lock(&o->mu);
        struct snapshot *old = o->now;
        o->now = fresh;
        mutex_unlock(&o->mu);
        snapshot_unref(old);
    }
    return rc;
}

int64_t
overrides_period_ns(const struct overrides *o)
{
    return o->config->overrides.per_tenant_override_config[0]
               ? o->config->overrides.per_tenant_override_period_ns
               : 0;
}

static int
entry_cmp(const void *a, const void *b)
{
    return slice_cmp((*(const struct entry *const *)a)->tenant, (*(const struct entry *const *)b)->tenant);
}

void
overrides_write_yaml(struct overrides *o, struct buf *out)
{
    mutex_lock(&o->mu);
    struct snapshot *s = o->now;
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    mutex_unlock(&o->mu);
    size_t n = 0, cursor = 0;
    slice key;
    void *value = NULL;
    const struct entry **all = mem_new_array(const struct entry *, s->by_tenant.count + 1);
    while (str_table_next(&s->by_tenant, &cursor, &key, &value)) {
        all[n++] = value;
    }
    qsort((void *)all, n, sizeof(void *), entry_cmp);
    (void)buf_append_cstr(out, n ? "overrides:\n" : "overrides: {}\n");
    for (size_t i = 0; i < n; i++) {
        (void)buf_append_cstr(out, "  ");
        char *name = mem_strndup(all[i]->tenant.p, all[i]->tenant.n);
        value_write_string(name, out);
        mem_free(name);
        (void)buf_append_cstr(out, ":\n");
        config_write_limits(&all[i]->limits, 4, out);
    }
    mem_free((void *)all);
    snapshot_unref(s);
}
