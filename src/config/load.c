/* Defaults < file < flags, then the checks that need more than one key. */
#include "loading.h"

#include "vivace/base/file.h"
#include "vivace/base/mem.h"

#include <stdio.h>

#define VALUES_BYTES_MAX ((size_t)64 << 20) /* what a configuration may keep */
#define NODES_BYTES_MAX                                                                                      \
    ((size_t)256 << 20) /* its tree while loading: CONFIG_NODES_MAX nodes and their growth */

/* --- checks --- */

static bool
is_rising(const struct config_floats *l)
{
    for (size_t i = 1; i < l->n; i++) {
        if (!(l->v[i] > l->v[i - 1])) {
            return false;
        }
    }
    return true;
}

static void
processors_check(struct loading *l, const struct config_processors *p, const struct yaml_node *at,
                 const char *path)
{
    if (!is_rising(&p->service_graphs.histogram_buckets) || !is_rising(&p->span_metrics.histogram_buckets)) {
        report_add(l->report, CONFIG_ERROR, l->name, at, "%s: histogram_buckets must rise", path);
    }
    for (size_t i = 0; i < p->span_metrics.dimension_mappings.n; i++) {
        const struct config_dimension_mapping *m = &p->span_metrics.dimension_mappings.v[i];
        if (!m->name[0] || m->source_labels.n == 0) {
            report_add(l->report, CONFIG_ERROR, l->name, at,
                       "%s: a dimension mapping needs a name and source_labels", path);
        }
    }
}

void
limits_check(struct loading *l, const struct tenant_limits *t, const struct yaml_node *at, const char *path)
{
    double factor = t->metrics_generator.native_histogram_bucket_factor;
    if (factor != 0 && !(factor > 1)) {
        report_add(l->report, CONFIG_ERROR, l->name, at, "%s: native_histogram_bucket_factor must be over 1",
                   path);
    }
    const char *s = t->metrics_generator.span_name_sanitization;
    if (s[0] && strcmp(s, "disabled") != 0 && strcmp(s, "dry_run") != 0 && strcmp(s, "enabled") != 0) {
        report_add(l->report, CONFIG_ERROR, l->name, at,
                   "%s: span_name_sanitization is disabled, dry_run or enabled", path);
    }
    processors_check(l, &t->metrics_generator.processor, at, path);
}

/* "tempo/" -> "/tempo", "/" -> "" */
static const char *
prefix_normalise(const char *prefix, struct arena *a)
{
    slice s = slice_cstr(prefix);
    while (s.n > 0 && s.p[s.n - 1] == '/') {
        s.n--;
    }
    if (s.n == 0) {
        return "";
    }
    bool slash = s.p[0] == '/';
    char *out = arena_alloc(a, s.n + 2);
    if (!out) {
        return "";
    }
    (void)snprintf(out, s.n + 2, "%s%.*s", slash ? "" : "/", SL_FMT(s));
    return out;
}

/* Versions and suites are named once for both listeners of a server. */
static void
server_tls_fill(struct loading *l, struct config_server *s)
{
    const struct field suites = {.type = FIELD_STRINGS};
    const char *why = NULL;
    s->http_tls.min_version = s->tls_min_version;
    s->http_tls.max_version = "";
    if (s->tls_cipher_suites[0]) {
        (void)value_set(&suites, &s->http_tls.cipher_suites, slice_cstr(s->tls_cipher_suites), l->values,
                        &why);
    }
    s->grpc_tls.min_version = s->tls_min_version;
    s->grpc_tls.max_version = "";
    s->grpc_tls.cipher_suites = s->http_tls.cipher_suites;
}

void
config_check(struct loading *l, struct config *c)
{
    server_tls_fill(l, &c->server);
    server_tls_fill(l, &c->internal_server);
    static const char *const targets[] = {"", "all", "scalable-single-binary", "all-3.0"};
    bool known = false;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        known = known || strcmp(c->target, targets[i]) == 0;
    }
    if (!known) {
        report_add(l->report, CONFIG_ERROR, l->name, NULL,
                   "target: \"%.80s\" cannot run alone: one process does everything (all)", c->target);
    }
    c->http_api_prefix = prefix_normalise(c->http_api_prefix, l->values);
    c->server.http_path_prefix = prefix_normalise(c->server.http_path_prefix, l->values);
    if (c->vivace.wal_sync == CONFIG_WAL_SYNC_INTERVAL && c->vivace.wal_sync_interval_ns <= 0) {
        report_add(l->report, CONFIG_ERROR, l->name, NULL, "vivace.wal_sync_interval: must be over 0");
    }
    if (c->overrides.per_tenant_override_period_ns <= 0) {
        report_add(l->report, CONFIG_ERROR, l->name, NULL,
                   "overrides.per_tenant_override_period: must be over 0");
    }
    for (size_t i = 0; i < c->metrics_generator.remote_write.n; i++) {
        if (!c->metrics_generator.remote_write.v[i].url[0]) {
            report_add(l->report, CONFIG_ERROR, l->name, NULL,
                       "metrics_generator.storage.remote_write: entry %zu has no url", i + 1);
        }
    }
    limits_check(l, &c->overrides.defaults, NULL, "overrides.defaults.metrics_generator");
    processors_check(l, &c->metrics_generator.processor, NULL, "metrics_generator.processor");
}

/* --- loading --- */

static err
read_file(const char *path, struct fault *f, uint8_t **ret, size_t *ret_n)
{
    struct fault why = {0};
    err rc = file_read_all(path, CONFIG_FILE_MAX, &why, ret, ret_n);
    if (rc == ERR_NOT_FOUND) {
        return FAULT(
            f, rc, "failed parsing config: failed to read configFile %s: open %s: no such file or directory",
            path, path);
    }
    if (rc != OK) {
        return FAULT(f, rc, "failed parsing config: failed to read configFile %s: %s", path, why.msg);
    }
    return OK;
}

static void
apply_flags(struct loading *l, const struct config_args *args, struct config *c)
{
    for (size_t i = 0; args && i < args->flag_count; i++) {
        slice name = slice_of(args->flags[i].name, strcspn(args->flags[i].name, "="));
        void *at = NULL;
        const char *why = "known";
        const struct field *row = flag_find(name, c, &at);
        if (!row || !value_set(row, at, slice_cstr(args->flags[i].value), l->values, &why)) {
            report_add(l->report, CONFIG_ERROR, "command line", NULL, "flag -%.*s: \"%.80s\" is not %s",
                       SL_FMT(name), args->flags[i].value, why);
        }
    }
    for (size_t i = 0; args && i < args->ignored_count; i++) {
        char path[WALK_PATH_MAX];
        (void)snprintf(path, sizeof path, "-%.*s", (int)strcspn(args->ignored[i].name, "="),
                       args->ignored[i].name);
        report_ignored(l, NULL, path);
    }
}

static void
apply_text(struct loading *l, slice text, struct config *c)
{
    const struct yaml_node *root = yaml_parse(l, text);
    if (!yaml_is_null(root) && root->kind != YAML_MAP) {
        report_add(l->report, CONFIG_ERROR, l->name, root, "a configuration is a map of keys");
    } else if (!yaml_is_null(root)) {
        apply_map(l, &table_root, c, root, "");
    }
}

static const char *
first_error(const struct config_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].severity == CONFIG_ERROR) {
            return r->v[i].text;
        }
    }
    return "bad configuration";
}

err
config_load_text(slice text, const char *name, const struct config_args *args, struct config_report *report,
                 struct fault *f, struct config **ret)
{
    struct config *c = mem_new(struct config);
    struct arena nodes;
    struct buf expanded;
    arena_init(&c->arena, VALUES_BYTES_MAX);
    arena_init(&nodes, NODES_BYTES_MAX);
    buf_init(&expanded, CONFIG_FILE_MAX);
    struct loading l = {.name = name, .values = &c->arena, .nodes = &nodes, .report = report};
    size_t errors_before = report->errors;
    struct fault why = {0};
    table_set_defaults(&table_root, c, &c->arena);
    c->expand_env = args && args->expand_env;
    if (c->expand_env && expand_env(text, name, &expanded, &why) != OK) {
        report_add(report, CONFIG_ERROR, "environment", NULL, "%s", why.msg);
    } else {
        apply_text(&l, c->expand_env ? buf_slice(&expanded) : text, c);
    }
    receivers_apply(&l, &c->distributor.receivers);
    apply_flags(&l, args, c);
    config_check(&l, c);
    buf_fini(&expanded);
    arena_fini(&nodes);
    if (report->errors > errors_before) {
        config_destroy(c);
        return FAULT(f, ERR_INVALID, "failed parsing config: %.250s", first_error(report));
    }
    *ret = c;
    return OK;
}

err
config_load(const struct config_args *args, struct config_report *report, struct fault *f,
            struct config **ret)
{
    if (!args->file[0]) {
        return config_load_text(SL_EMPTY, "defaults", args, report, f, ret);
    }
    uint8_t *text = NULL;
    size_t n = 0;
    err rc = read_file(args->file, f, &text, &n);
    if (rc != OK) {
        return rc;
    }
    const char *slash = strrchr(args->file, '/');
    rc = config_load_text(slice_of(text, n), slash ? slash + 1 : args->file, args, report, f, ret);
    mem_free(text);
    return rc;
}

void
config_destroy(struct config *c)
{
    if (c) {
        arena_fini(&c->arena);
        mem_free(c);
    }
}

bool
config_tls_is_on(const struct config_tls *t)
{
    return (t->cert_file[0] || t->cert_pem[0]) && (t->key_file[0] || t->key_pem[0]);
}
