/* /status/config, docs/config.md and config/vivace.yaml: what is written can be read, hides secrets, and is
 * up to date. VIVACE_REGENERATE=1 writes the two files anew. */
#include "test.h"

#include "vivace/base/file.h"
#include "vivace/base/mem.h"
#include "vivace/config/config.h"

static struct config *
load(slice text)
{
    struct config *c = NULL;
    struct config_report r;
    struct fault f = {0};
    config_report_init(&r);
    assert_ok(config_load_text(text, "t.yaml", NULL, &r, &f, &c), &f);
    assert_int_equal(r.warnings, 0);
    config_report_fini(&r);
    return c;
}

static const char full[] =
    "multitenancy_enabled: true\n"
    "distributor:\n  receivers:\n    otlp/x: {protocols: {grpc: {endpoint: ':1'}, http: {endpoint: ':2', "
    "response_headers: {a: b}}}}\n    zipkin:\n"
    "storage: {trace: {backend: s3, s3: {bucket: b, secret_key: hidden1, sse: {encryption_key: hidden2}, "
    "tags: {'a: b': \"c\\nd\"}}}}\n"
    "metrics_generator:\n  storage:\n    path: /g\n    remote_write:\n    - url: http://u:hidden3@h/w\n      "
    "headers: {Authorization: hidden4}\n"
    "      basic_auth: {username: u, password: hidden5}\n      write_relabel_configs: [{source_labels: [a, "
    "b], action: drop}, {regex: 'x.*'}]\n"
    "    - url: http://h2/w\n"
    "  processor:\n    span_metrics:\n      filter_policies:\n      - include: {match_type: regex, "
    "attributes: [{key: kind, value: 'X.*'}, {key: span.n, value: 5}]}\n"
    "overrides: {defaults: {metrics_generator: {processors: [span-metrics], remote_write_headers: {T: "
    "hidden6}}}}\n"
    "vivace: {memory_limit: 1GiB}\n";

static void
what_is_written_reads_back_as_the_same(void **state)
{
    (void)state;
    struct config *c = load(slice_cstr(full));
    struct buf first, second;
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    for (int mode = CONFIG_WRITE_CURRENT; mode <= CONFIG_WRITE_DEFAULTS; mode++) {
        buf_clear(&first);
        buf_clear(&second);
        config_write_yaml(c, (enum config_write_mode)mode, &first);
        assert_false(first.failed);
        struct config *again = load(buf_slice(&first));
        config_write_yaml(again, (enum config_write_mode)mode, &second);
        if (!slice_eq(buf_slice(&first), buf_slice(&second))) {
            print_message("--- first\n%.*s\n--- second\n%.*s\n", SL_FMT(buf_slice(&first)),
                          SL_FMT(buf_slice(&second)));
        }
        assert_true(slice_eq(buf_slice(&first), buf_slice(&second)));
        assert_true(slice_find(buf_slice(&first), SL("hidden")) == SIZE_MAX);
        if (mode != CONFIG_WRITE_DEFAULTS) {
            assert_int_equal(again->distributor.receivers.n, 3);
            assert_string_equal(again->distributor.receivers.v[0].name, "otlp/x");
            assert_int_equal(again->metrics_generator.remote_write.n, 2);
            assert_int_equal(again->metrics_generator.remote_write.v[0].write_relabel_configs.n, 2);
            assert_string_equal(again->storage.s3.tags.v[0].key, "a: b");
            assert_string_equal(again->storage.s3.tags.v[0].value, "c\nd");
            const struct config_filter_policies *p =
                &again->metrics_generator.processor.span_metrics.filter_policies;
            assert_int_equal(p->n, 1);
            assert_int_equal(p->v[0].include.match_type, 1);
            assert_int_equal(p->v[0].include.attributes.v[1].value.kind, CONFIG_SCALAR_INT);
            assert_int_equal(p->v[0].include.attributes.v[1].value.i, 5);
            assert_int_equal(p->v[0].exclude.attributes.n, 0);
        }
        config_destroy(again);
    }
    assert_string_equal(c->storage.s3.secret_key, "hidden1");
    buf_fini(&first);
    buf_fini(&second);
    config_destroy(c);
}

static void
diff_shows_only_what_differs(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 20);
    struct config *c = load(SL_EMPTY);
    config_write_yaml(c, CONFIG_WRITE_DIFF, &out);
    assert_slice_equal(buf_slice(&out), "{}\n");
    config_destroy(c);
    buf_clear(&out);
    c = load(SL("server: {http_listen_port: 3100}\ncompactor: {compaction: {block_retention: "
                "1h}}\nquery_frontend: {search: {max_duration: 168h}}\n"));
    config_write_yaml(c, CONFIG_WRITE_DIFF, &out);
    assert_slice_equal(
        buf_slice(&out),
        "server:\n  http_listen_port: 3100\ncompactor:\n  compaction:\n    block_retention: 1h0m0s\n");
    config_destroy(c);
    buf_fini(&out);
}

static void
check_file(const char *path, slice fresh)
{
    struct fault f = {0};
    if (getenv("VIVACE_REGENERATE")) {
        assert_ok(file_replace(path, fresh, &f), &f);
    }
    uint8_t *text = NULL;
    size_t n = 0;
    assert_ok(file_read_all(path, CONFIG_FILE_MAX, &f, &text, &n), &f);
    if (!slice_eq(slice_of(text, n), fresh)) {
        fail_msg("%s is out of date: run this test with VIVACE_REGENERATE=1", path);
    }
    mem_free(text);
}

static void
the_documentation_is_what_the_program_reads(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4 << 20);
    config_write_docs(&out);
    assert_false(out.failed);
    check_file(SOURCE_DIR "/docs/config.md", buf_slice(&out));
    buf_fini(&out);
}

static void
the_example_is_up_to_date_and_loads(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 20);
    config_write_example(&out);
    assert_false(out.failed);
    check_file(SOURCE_DIR "/config/vivace.yaml", buf_slice(&out));
    struct config *c = load(buf_slice(&out));
    assert_string_equal(c->storage.local_path, "./data/traces");
    assert_string_equal(config_receiver_find(c, RECEIVER_OTLP_GRPC)->endpoint, "0.0.0.0:4317");
    assert_string_equal(config_receiver_find(c, RECEIVER_OTLP_HTTP)->endpoint, "0.0.0.0:4318");
    config_destroy(c);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back_as_the_same),
        cmocka_unit_test(diff_shows_only_what_differs),
        cmocka_unit_test(the_documentation_is_what_the_program_reads),
        cmocka_unit_test(the_example_is_up_to_date_and_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
