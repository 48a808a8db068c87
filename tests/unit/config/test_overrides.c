/* Limits per tenant: lookup, replacement of the defaults, reload. */
#include "test.h"

#include "vivace/base/file.h"
#include "vivace/base/metrics.h"
#include "vivace/config/overrides.h"

#include <pthread.h>
#include <unistd.h>

struct box {
    char dir[64], path[96];
    struct config *config;
};

static void
put(struct box *b, const char *text)
{
    struct fault f = {0};
    assert_ok(file_replace(b->path, slice_cstr(text), &f), &f);
}

static void
box_open(struct box *b, const char *defaults)
{
    struct config_report r;
    struct fault f = {0};
    char text[500];
    config_report_init(&r);
    (void)snprintf(b->dir, sizeof b->dir, "/tmp/vivace-overrides-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    (void)snprintf(b->path, sizeof b->path, "%s/overrides.yaml", b->dir);
    (void)snprintf(
        text, sizeof text,
        "overrides: {defaults: %s, per_tenant_override_config: %s, per_tenant_override_period: 3s}\n",
        defaults, b->path);
    assert_ok(config_load_text(slice_cstr(text), "t.yaml", NULL, &r, &f, &b->config), &f);
    config_report_fini(&r);
}

static void
box_close(struct box *b)
{
    (void)unlink(b->path);
    (void)rmdir(b->dir);
    config_destroy(b->config);
}

static uint64_t
traces_of(struct overrides *o, const char *tenant)
{
    const struct tenant_limits *l = overrides_get(o, slice_cstr(tenant));
    uint64_t n = l->ingestion.max_traces_per_user;
    overrides_release(l);
    return n;
}

static double
last_reload(void)
{
    return series_value(metric_series1(
        metric_gauge("tempo_runtime_config_last_reload_successful", "", "config"), SL("overrides")));
}

static void
a_tenant_without_an_entry_gets_the_wildcard_or_the_defaults(void **state)
{
    (void)state;
    struct box b;
    struct overrides *o = NULL;
    struct fault f = {0};
    box_open(&b, "{ingestion: {max_traces_per_user: 7}}");
    put(&b, "overrides:\n  a: {ingestion: {max_traces_per_user: 1}}\n");
    assert_ok(overrides_load(b.config, NULL, &f, &o), &f);
    assert_int_equal(traces_of(o, "a"), 1);
    assert_int_equal(traces_of(o, "b"), 7);
    assert_int_equal(overrides_period_ns(o), INT64_C(3000000000));
    put(&b, "overrides:\n  a: {max_traces_per_user: 2}\n  '*': {max_traces_per_user: 3}\n");
    assert_ok(overrides_reload(o, NULL, &f), &f);
    assert_int_equal(traces_of(o, "a"), 2);
    assert_int_equal(traces_of(o, "b"), 3);
    overrides_destroy(o);
    box_close(&b);
}

static void
an_entry_replaces_the_defaults_as_a_whole(void **state)
{
    (void)state;
    struct box b;
    struct overrides *o = NULL;
    struct fault f = {0};
    box_open(&b, "{}");
    put(&b, "overrides:\n  a: {metrics_generator: {processors: [span-metrics], processor: {span_metrics: "
            "{enable_target_info: false}}}}\n  empty:\n");
    assert_ok(overrides_load(b.config, NULL, &f, &o), &f);
    const struct tenant_limits *l = overrides_get(o, SL("a")), *d = overrides_get(o, SL("other")),
                               *e = overrides_get(o, SL("empty"));
    assert_int_equal(l->ingestion.rate_limit_bytes, 0);
    assert_false(l->ingestion.retry_info_enabled);
    assert_int_equal(l->global.max_bytes_per_trace, 0);
    assert_string_equal(l->metrics_generator.processors.v[0], "span-metrics");
    assert_int_equal(l->metrics_generator.processor.span_metrics.enable_target_info, CONFIG_FALSE);
    assert_int_equal(l->metrics_generator.processor.span_metrics.enable_instance_label, CONFIG_UNSET);
    assert_string_equal(l->metrics_generator.trace_id_label_name, "");
    assert_int_equal(e->ingestion.rate_limit_bytes, 0);
    assert_int_equal(d->ingestion.rate_limit_bytes, 30000000);
    assert_true(d->ingestion.retry_info_enabled);
    overrides_release(l);
    overrides_release(d);
    overrides_release(e);
    struct buf out;
    buf_init(&out, 1 << 20);
    overrides_write_yaml(o, &out);
    assert_true(slice_starts_with(buf_slice(&out),
                                  SL("overrides:\n  a:\n    ingestion:\n      rate_strategy: local\n")));
    buf_fini(&out);
    overrides_destroy(o);
    box_close(&b);
}

static void
a_bad_file_is_fatal_at_start_and_harmless_later(void **state)
{
    (void)state;
    struct box b;
    struct overrides *o = NULL;
    struct fault f = {0};
    box_open(&b, "{}");
    assert_int_equal(overrides_load(b.config, NULL, &f, &o), ERR_NOT_FOUND);
    static const char *const bad[] = {
        "overrides:\n  a: {ingestion: {rate_limit_bytes: x}}\n",
        "overrides: [1]\n",
        "overrides: {a: 1}\n",
        "{",
        "overrides:\n  a: {}\n  a: {}\n",
        "overrides: {a: {metrics_generator: {native_histogram_bucket_factor: 0.5}}}\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(&b, bad[i]);
        f = (struct fault){0};
        assert_int_equal(overrides_load(b.config, NULL, &f, &o), ERR_INVALID);
        assert_non_null(strstr(f.msg, "failed to load runtime config: overrides.yaml:"));
    }
    put(&b, "overrides: {a: {max_traces_per_user: 5}}\n");
    f = (struct fault){0};
    assert_ok(overrides_load(b.config, NULL, &f, &o), &f);
    assert_true(last_reload() == 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(&b, bad[i]);
        assert_int_equal(overrides_reload(o, NULL, NULL), ERR_INVALID);
        assert_int_equal(traces_of(o, "a"), 5);
        assert_true(last_reload() == 0);
    }
    (void)unlink(b.path);
    assert_int_equal(overrides_reload(o, NULL, NULL), ERR_NOT_FOUND);
    put(&b, "overrides: {a: {max_traces_per_user: 6}}\n");
    assert_ok(overrides_reload(o, NULL, &f), &f);
    assert_int_equal(traces_of(o, "a"), 6);
    assert_true(last_reload() == 1);
    overrides_destroy(o);
    box_close(&b);
}

static void
unknown_and_ignored_keys_are_reported(void **state)
{
    (void)state;
    struct box b;
    struct overrides *o = NULL;
    struct fault f = {0};
    struct config_report r;
    box_open(&b, "{}");
    config_report_init(&r);
    put(&b, "overrides:\n  a:\n    bogus: 1\n    forwarders: [x]\n");
    assert_ok(overrides_load(b.config, &r, &f, &o), &f);
    assert_int_equal(r.n, 2);
    assert_string_equal(r.v[0].text, "overrides.yaml:3:5: unknown key \"overrides.a.bogus\" (ignored)");
    assert_string_equal(r.v[1].path, "overrides.a.forwarders");
    config_report_fini(&r);
    overrides_destroy(o);
    box_close(&b);
}

static void *
reader(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        const struct tenant_limits *l = overrides_get(arg, SL("a"));
        if (l->ingestion.max_traces_per_user != l->ingestion.max_attribute_bytes) {
            overrides_release(l);
            return arg;
        }
        overrides_release(l);
    }
    return NULL;
}

static void
readers_see_whole_entries_while_the_file_is_read_again(void **state)
{
    (void)state;
    struct box b;
    struct overrides *o = NULL;
    struct fault f = {0};
    box_open(&b, "{}");
    put(&b, "overrides: {a: {ingestion: {max_traces_per_user: 1, max_attribute_bytes: 1}}}\n");
    assert_ok(overrides_load(b.config, NULL, &f, &o), &f);
    pthread_t t[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, reader, o), 0);
    }
    for (int i = 2; i < 50; i++) {
        char text[200];
        (void)snprintf(text, sizeof text,
                       "overrides: {a: {ingestion: {max_traces_per_user: %d, max_attribute_bytes: %d}}}\n", i,
                       i);
        put(&b, text);
        assert_ok(overrides_reload(o, NULL, &f), &f);
    }
    for (int i = 0; i < 2; i++) {
        void *torn = NULL;
        assert_int_equal(pthread_join(t[i], &torn), 0);
        assert_null(torn);
    }
    overrides_destroy(o);
    box_close(&b);
}

static void
without_a_file_everyone_has_the_defaults(void **state)
{
    (void)state;
    struct config_report r;
    struct config *c = NULL;
    struct overrides *o = NULL;
    struct fault f = {0};
    config_report_init(&r);
    assert_ok(config_load_text(SL_EMPTY, "t", NULL, &r, &f, &c), &f);
    assert_ok(overrides_load(c, NULL, &f, &o), &f);
    assert_ok(overrides_reload(o, NULL, &f), &f);
    assert_int_equal(traces_of(o, "x"), 10000);
    assert_int_equal(overrides_period_ns(o), 0);
    overrides_destroy(o);
    config_destroy(c);
    config_report_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenant_without_an_entry_gets_the_wildcard_or_the_defaults),
        cmocka_unit_test(an_entry_replaces_the_defaults_as_a_whole),
        cmocka_unit_test(a_bad_file_is_fatal_at_start_and_harmless_later),
        cmocka_unit_test(unknown_and_ignored_keys_are_reported),
        cmocka_unit_test(readers_see_whole_entries_while_the_file_is_read_again),
        cmocka_unit_test(without_a_file_everyone_has_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
