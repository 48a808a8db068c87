/* Files load as Tempo reads them; what is wrong is named with its place. */
#include "test.h"

#include "vivace/base/file.h"
#include "vivace/base/mem.h"
#include "vivace/config/config.h"

#include <dirent.h>
#include <stdlib.h>

static struct config *
load(const char *text, struct config_report *r)
{
    struct config *c = NULL;
    config_report_init(r);
    err rc = config_load_text(slice_cstr(text), "tempo.yaml", NULL, r, NULL, &c);
    assert_int_equal(rc != OK, c == NULL);
    return c;
}

static void
assert_message(const char *yaml, enum config_severity severity, const char *expected)
{
    struct config_report r;
    struct config *c = load(yaml, &r);
    bool found = false;
    for (size_t i = 0; i < r.n; i++) {
        found = found || (r.v[i].severity == severity && strcmp(r.v[i].text, expected) == 0);
    }
    if (!found) {
        print_message("%s\nwanted: %s\n", yaml, expected);
        for (size_t i = 0; i < r.n; i++) {
            print_message("got:    %s\n", r.v[i].text);
        }
    }
    assert_true(found);
    assert_int_equal(severity == CONFIG_ERROR, c == NULL);
    config_destroy(c);
    config_report_fini(&r);
}

static void
every_chart_operator_and_example_file_loads_without_complaint(void **state)
{
    (void)state;
    DIR *d = opendir(TEST_DATA "/config");
    assert_non_null(d);
    int files = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (!strstr(e->d_name, ".yaml") || strstr(e->d_name, "overrides")) {
            continue;
        }
        char path[512];
        (void)snprintf(path, sizeof path, "%s/config/%s", TEST_DATA, e->d_name);
        struct config_args args = {.file = path};
        struct config_report r;
        struct fault f = {0};
        struct config *c = NULL;
        config_report_init(&r);
        err rc = config_load(&args, &r, &f, &c);
        size_t complaints = r.errors;
        for (size_t i = 0; i < r.n; i++) {
            if (r.v[i].severity == CONFIG_WARNING && !strstr(r.v[i].text, "opencensus")) {
                complaints++;
                print_message("%s: %s\n", e->d_name, r.v[i].text);
            }
        }
        if (rc != OK) {
            print_message("%s: %s\n", e->d_name, f.msg);
        }
        assert_int_equal(rc, OK);
        assert_int_equal(complaints, 0);
        config_destroy(c);
        config_report_fini(&r);
        files++;
    }
    (void)closedir(d);
    assert_true(files >= 12);
}

static void
the_seed_file_sets_what_it_says(void **state)
{
    (void)state;
    struct config_args args = {.file = TEST_DATA "/config/seed.yaml"};
    struct config_report r;
    struct config *c = NULL;
    config_report_init(&r);
    assert_int_equal(config_load(&args, &r, NULL, &c), OK);
    assert_int_equal(r.n, 0);
    assert_int_equal(c->server.http_listen_port, 3200);
    assert_int_equal(c->distributor.receivers.n, 2);
    assert_string_equal(config_receiver_find(c, RECEIVER_OTLP_GRPC)->endpoint, "0.0.0.0:4317");
    assert_string_equal(config_receiver_find(c, RECEIVER_OTLP_HTTP)->endpoint, "0.0.0.0:4318");
    assert_int_equal(c->ingester.trace_idle_period_ns, INT64_C(10000000000));
    assert_int_equal(c->ingester.max_block_bytes, 1000000);
    assert_int_equal(c->compactor.block_retention_ns, INT64_C(3600000000000));
    assert_int_equal(c->storage.backend, CONFIG_BACKEND_LOCAL);
    assert_string_equal(c->storage.local_path, "/var/tempo/traces");
    assert_int_equal(c->storage.pool_max_workers, 100);
    config_destroy(c);
    config_report_fini(&r);
}

static void
an_empty_file_gives_the_defaults(void **state)
{
    (void)state;
    static const char *const empties[] = {
        "", "# nothing\n", "---\n", "server:\n", "distributor: {receivers: {}}\n", "{}"};
    for (size_t i = 0; i < sizeof empties / sizeof *empties; i++) {
        struct config_report r;
        struct config *c = load(empties[i], &r);
        assert_non_null(c);
        assert_int_equal(r.n, 0);
        assert_int_equal(c->server.http_listen_port, 3200);
        assert_int_equal(c->server.grpc_listen_port, 9095);
        assert_int_equal(c->internal_server.http_listen_port, 3101);
        assert_false(c->internal_server.enable);
        assert_int_equal(c->query_frontend.query_end_cutoff_ns, 0);
        assert_int_equal(c->distributor.receivers.n, 3);
        assert_string_equal(config_receiver_find(c, RECEIVER_JAEGER_GRPC)->endpoint, "localhost:14250");
        assert_string_equal(config_receiver_find(c, RECEIVER_JAEGER_THRIFT_HTTP)->endpoint,
                            "localhost:14268");
        assert_string_equal(config_receiver_find(c, RECEIVER_OTLP_GRPC)->endpoint, "localhost:4317");
        assert_null(config_receiver_find(c, RECEIVER_OTLP_HTTP));
        assert_int_equal(c->overrides.defaults.ingestion.rate_limit_bytes, 30000000);
        assert_true(c->overrides.defaults.ingestion.retry_info_enabled);
        assert_int_equal(c->overrides.defaults.metrics_generator.processor.span_metrics.histogram_buckets.n,
                         0);
        assert_int_equal(c->metrics_generator.processor.span_metrics.histogram_buckets.n, 14);
        assert_int_equal(c->vivace.wal_sync, CONFIG_WAL_SYNC_INTERVAL);
        assert_string_equal(c->http_api_prefix, "");
        config_destroy(c);
        config_report_fini(&r);
    }
}

static void
both_vocabularies_and_both_forms_of_overrides_are_one_setting(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "ingester: {trace_idle_period: 7s}\ncompactor: {compaction: {block_retention: "
        "5h}}\nmultitenancy_enabled: yes\n"
        "overrides: {defaults: {ingestion: {max_traces_per_user: 9}, metrics_generator: {processors: "
        "[span-metrics]}}}\n",
        "live_store: {max_trace_idle: 7s}\nbackend_worker: {compaction: {block_retention: "
        "5h}}\nauth_enabled: on\n"
        "overrides: {max_traces_per_user: 9, metrics_generator_processors: [span-metrics]}\n",
    };
    for (size_t i = 0; i < 2; i++) {
        struct config_report r;
        struct config *c = load(texts[i], &r);
        assert_non_null(c);
        assert_int_equal(r.n, 0);
        assert_int_equal(c->ingester.trace_idle_period_ns, INT64_C(7000000000));
        assert_int_equal(c->compactor.block_retention_ns, INT64_C(18000000000000));
        assert_true(c->multitenancy_enabled);
        assert_int_equal(c->overrides.defaults.ingestion.max_traces_per_user, 9);
        assert_int_equal(c->overrides.defaults.metrics_generator.processors.n, 1);
        assert_string_equal(c->overrides.defaults.metrics_generator.processors.v[0], "span-metrics");
        config_destroy(c);
        config_report_fini(&r);
    }
}

static void
numbers_durations_and_booleans_read_as_in_tempo(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } numbers[] = {{"1_000_000", 1000000},
                   {"2_147_483_648", 2147483648u},
                   {"0x10", 16},
                   {"010", 8},
                   {"0o17", 15},
                   {"0b101", 5},
                   {"5e9", 5000000000u},
                   {"1.073741824e+09", 1073741824},
                   {"\"42\"", 42},
                   {"64MiB", 67108864},
                   {"2GB", 2000000000},
                   {"0", 0},
                   {"18446744073709551615", UINT64_MAX}};
    static const struct {
        const char *text;
        int64_t ns;
    } durations[] = {{"1h30m", INT64_C(5400000000000)},
                     {"14d", INT64_C(1209600000000000)},
                     {"1.5s", 1500000000},
                     {"0", 0},
                     {"336h0m0s", INT64_C(1209600000000000)}};
    char text[200];
    struct config_report r;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        (void)snprintf(text, sizeof text, "ingester: {max_block_bytes: %s}", numbers[i].text);
        struct config *c = load(text, &r);
        assert_non_null(c);
        assert_true(c->ingester.max_block_bytes == numbers[i].value);
        assert_int_equal(r.n, 0);
        config_destroy(c);
        config_report_fini(&r);
    }
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        (void)snprintf(text, sizeof text, "compactor: {compaction: {block_retention: %s}}",
                       durations[i].text);
        struct config *c = load(text, &r);
        assert_non_null(c);
        assert_true(c->compactor.block_retention_ns == durations[i].ns);
        assert_int_equal(r.n, 0);
        config_destroy(c);
        config_report_fini(&r);
    }
    static const char *const yes[] = {"true", "True", "yes", "on", "y"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        (void)snprintf(text, sizeof text, "multitenancy_enabled: %s", yes[i]);
        struct config *c = load(text, &r);
        assert_non_null(c);
        assert_true(c->multitenancy_enabled);
        config_destroy(c);
        config_report_fini(&r);
    }
}

static void
what_is_wrong_is_named_with_its_place(void **state)
{
    (void)state;
    assert_message("server:\n  bogus: 1\n", CONFIG_WARNING,
                   "tempo.yaml:2:3: unknown key \"server.bogus\" (ignored)");
    assert_message("bogus: {a: [1, {b: c}]}\n", CONFIG_WARNING,
                   "tempo.yaml:1:1: unknown key \"bogus\" (ignored)");
    assert_message("memberlist: {join_members: [a]}\n", CONFIG_IGNORED,
                   "tempo.yaml:1:1: memberlist means nothing here (ignored)");
    assert_message("server:\n  http_listen_port: abc\n", CONFIG_ERROR,
                   "tempo.yaml:2:21: server.http_listen_port: \"abc\" is not a port (0 to 65535)");
    assert_message("server: {http_listen_port: 65536}", CONFIG_ERROR,
                   "tempo.yaml:1:28: server.http_listen_port: \"65536\" is not a port (0 to 65535)");
    assert_message("ingester: {max_block_bytes: -1}", CONFIG_ERROR,
                   "tempo.yaml:1:29: ingester.max_block_bytes: \"-1\" is not a whole number >= 0");
    assert_message(
        "ingester: {trace_idle_period: soon}", CONFIG_ERROR,
        "tempo.yaml:1:31: ingester.trace_idle_period: \"soon\" is not a duration such as 30s or 1h30m");
    assert_message("ingester: {trace_idle_period: 10}", CONFIG_WARNING,
                   "tempo.yaml:1:31: ingester.trace_idle_period: 10 has no unit and is read as nanoseconds");
    assert_message("multitenancy_enabled: maybe", CONFIG_ERROR,
                   "tempo.yaml:1:23: multitenancy_enabled: \"maybe\" is not true or false");
    assert_message("server: {log_level: loud}", CONFIG_ERROR,
                   "tempo.yaml:1:21: server.log_level: \"loud\" is not one of debug|info|warn|error");
    assert_message("server: 7", CONFIG_ERROR, "tempo.yaml:1:9: server: a map is wanted, not a single value");
    assert_message("server: {http_listen_port: [1]}", CONFIG_ERROR,
                   "tempo.yaml:1:28: server.http_listen_port: a single value is wanted, not a list");
    assert_message("[1]", CONFIG_ERROR, "tempo.yaml:1:1: a configuration is a map of keys");
    assert_message("target: all\ntarget: all\n", CONFIG_ERROR,
                   "tempo.yaml:2:1: key \"target\" is given twice (first in line 1)");
    assert_message("server: {http_listen_port: 1\n", CONFIG_ERROR,
                   "tempo.yaml:2:1: did not find expected ',' or '}'");
    assert_message("target: querier", CONFIG_ERROR,
                   "tempo.yaml: target: \"querier\" cannot run alone: one process does everything (all)");
    assert_message("vivace: {wal_sync_interval: 0s}", CONFIG_ERROR,
                   "tempo.yaml: vivace.wal_sync_interval: must be over 0");
    assert_message("metrics_generator: {processor: {span_metrics: {histogram_buckets: [2, 1]}}}",
                   CONFIG_ERROR, "tempo.yaml: metrics_generator.processor: histogram_buckets must rise");
    assert_message("metrics_generator: {storage: {remote_write: [{name: x}]}}", CONFIG_ERROR,
                   "tempo.yaml: metrics_generator.storage.remote_write: entry 1 has no url");
}

static void
receivers_follow_the_collectors_rules(void **state)
{
    (void)state;
    assert_message("distributor: {receivers: {otlp: }}", CONFIG_ERROR,
                   "tempo.yaml:1:27: distributor.receivers.otlp: at least one of its protocols must be named "
                   "under protocols:");
    assert_message("distributor: {receivers: {jaeger: {protocols: {}}}}", CONFIG_ERROR,
                   "tempo.yaml:1:27: distributor.receivers.jaeger: at least one of its protocols must be "
                   "named under protocols:");
    assert_message(
        "distributor: {receivers: {bogus: {}}}", CONFIG_ERROR,
        "tempo.yaml:1:27: distributor.receivers.bogus: unknown receiver; there are otlp, zipkin and jaeger");
    assert_message("distributor: {receivers: {opencensus: null}}", CONFIG_WARNING,
                   "tempo.yaml:1:27: distributor.receivers.opencensus is gone from Tempo too: nothing "
                   "listens for it (ignored)");
    assert_message(
        "distributor: {receivers: {otlp: {protocols: {grpc: {bogus: 1}}}}}", CONFIG_WARNING,
        "tempo.yaml:1:53: unknown key \"distributor.receivers.otlp.protocols.grpc.bogus\" (ignored)");
    assert_message("distributor: {receivers: {otlp: {protocols: {quic: }}}}", CONFIG_WARNING,
                   "tempo.yaml:1:46: unknown key \"distributor.receivers.otlp.protocols.quic\" (ignored)");
    assert_message("distributor: {receivers: {zipkin: {endpoint: nowhere}}}", CONFIG_ERROR,
                   "tempo.yaml:1:27: distributor.receivers.zipkin.endpoint: \"nowhere\" is not host:port");
    struct config_report r;
    struct config *c = load("distributor:\n  receivers:\n    zipkin:\n    otlp:\n      protocols:\n        "
                            "http:\n          cors: {allowed_origins: ['*']}\n"
                            "          tls: {cert_file: c, key_file: k, client_ca_file: ca}\n    otlp/two: "
                            "{protocols: {grpc: {endpoint: '[::1]:5317'}}}\n"
                            "    jaeger: {protocols: {thrift_compact: }}\n",
                            &r);
    assert_non_null(c);
    assert_int_equal(r.n, 0);
    assert_int_equal(c->distributor.receivers.n, 4);
    assert_string_equal(config_receiver_find(c, RECEIVER_ZIPKIN)->endpoint, "localhost:9411");
    const struct config_receiver *http = config_receiver_find(c, RECEIVER_OTLP_HTTP);
    assert_string_equal(http->endpoint, "localhost:4318");
    assert_string_equal(http->traces_url_path, "/v1/traces");
    assert_string_equal(http->cors_allowed_origins.v[0], "*");
    assert_int_equal(http->max_request_body_size, 20971520);
    assert_true(config_tls_is_on(&http->tls));
    assert_int_equal(http->tls.client_auth, CONFIG_AUTH_REQUIRE_AND_VERIFY);
    assert_string_equal(config_receiver_find(c, RECEIVER_OTLP_GRPC)->name, "otlp/two");
    assert_string_equal(config_receiver_find(c, RECEIVER_JAEGER_THRIFT_COMPACT)->transport, "udp");
    config_destroy(c);
    config_report_fini(&r);
}

static void
anchors_and_merge_keys_work_and_bombs_do_not(void **state)
{
    (void)state;
    struct config_report r;
    struct config *c = load("server: &s {http_listen_port: 1, log_level: debug}\ninternal_server: {<<: *s, "
                            "http_listen_port: 2}\n",
                            &r);
    assert_non_null(c);
    assert_int_equal(c->internal_server.http_listen_port, 2);
    assert_int_equal(c->internal_server.log_level, c->server.log_level);
    config_destroy(c);
    config_report_fini(&r);
    assert_message("a: &a [*a]\n", CONFIG_ERROR, "tempo.yaml:1:8: an alias inside what it names");
    assert_message("a: *b\n", CONFIG_ERROR, "tempo.yaml:1:4: an alias without its anchor");
    assert_message("a: {<<: 1}\n", CONFIG_ERROR, "tempo.yaml:1:5: << wants a map or a list of maps");
    char bomb[4096];
    size_t n = (size_t)snprintf(bomb, sizeof bomb, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++) {
        n += (size_t)snprintf(bomb + n, sizeof bomb - n,
                              "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1,
                              i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    c = load(bomb, &r);
    assert_null(c);
    assert_non_null(strstr(r.v[r.n - 1].text, "too many nodes"));
    config_report_fini(&r);
    char deep[200];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    assert_message(deep, CONFIG_ERROR, "tempo.yaml:1:49: nested too deeply");
}

/* Small files whose values would need hundreds of megabytes. */
static void
values_that_multiply_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *head, *item, *tail;
        int count;
        bool keyed;
    } rows[] = {
        {"storage: {trace: {s3: {tags: {", "*big, ", "}}}}\n", 200, true},
        {"query_frontend: {url_deny_list: [", "*big, ", "]}\n", 200, false},
        {"metrics_generator: {storage: {remote_write: [", "{name: *big}, ", "]}}\n", 200, false},
        {"metrics_generator: {storage: {remote_write: [", "{}, ", "]}}\n", 90000, false},
        {"metrics_generator: {storage: {remote_write: [", "{}, ", "]}}\n", 130000, false},
        {"metrics_generator: {storage: {remote_write: [", "{}, ", "]}}\n", 190000, false},
        {"distributor: {receivers: {otlp: {protocols: {grpc: {endpoint: ':1', tls: {cipher_suites: [",
         "*big, ", "]}}}}}}\n", 200, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf text;
        buf_init(&text, CONFIG_FILE_MAX);
        (void)buf_append_cstr(&text, "big: &big ");
        for (int k = 0; k < 1 << 20; k++) {
            (void)buf_append_byte(&text, 'x');
        }
        (void)buf_append_byte(&text, '\n');
        (void)buf_append_cstr(&text, rows[i].head);
        for (int k = 0; k < rows[i].count; k++) {
            if (rows[i].keyed) {
                (void)buf_printf(&text, "k%d: ", k);
            }
            (void)buf_append_cstr(&text, rows[i].item);
        }
        (void)buf_append_cstr(&text, rows[i].tail);
        assert_false(text.failed);
        struct config_report r;
        struct config *c = NULL;
        config_report_init(&r);
        assert_int_equal(config_load_text(buf_slice(&text), "t.yaml", NULL, &r, NULL, &c), ERR_INVALID);
        assert_null(c);
        config_report_fini(&r);
        buf_fini(&text);
    }
}

static void
messages_are_bounded_and_errors_are_not_lost_behind_warnings(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 1000; i++) {
        (void)buf_printf(&text, "unknown_%d: 1\n", i);
    }
    (void)buf_append_cstr(&text, "target: {}\n");
    struct config_report r;
    struct config *c = NULL;
    struct fault f = {0};
    config_report_init(&r);
    assert_int_equal(config_load_text(buf_slice(&text), "t.yaml", NULL, &r, &f, &c), ERR_INVALID);
    assert_string_equal(f.msg,
                        "failed parsing config: t.yaml:1001:9: target: a single value is wanted, not a map");
    assert_int_equal(r.warnings, 1000);
    assert_int_equal(r.errors, 1);
    assert_true(r.n <= CONFIG_MESSAGES_MAX);
    buf_fini(&text);
    config_report_fini(&r);
}

static void
variables_are_expanded_only_when_asked(void **state)
{
    (void)state;
    assert_int_equal(setenv("VIVACE_TEST_PORT", "4000", 1), 0);
    assert_int_equal(setenv("VIVACE_TEST_EMPTY", "", 1), 0);
    assert_int_equal(unsetenv("VIVACE_TEST_NONE"), 0);
    static const struct {
        const char *value, *expected;
    } rows[] = {{"${VIVACE_TEST_PORT}", "4000"},
                {"${VIVACE_TEST_NONE:fallback}", "fallback"},
                {"${VIVACE_TEST_NONE:-fallback}", "fallback"},
                {"${VIVACE_TEST_EMPTY:-fallback}", "fallback"},
                {"${VIVACE_TEST_NONE:-a${VIVACE_TEST_PORT}b}", "a4000b"},
                {"x${VIVACE_TEST_NONE}y", "xy"},
                {"\"$${VIVACE_TEST_PORT}\"", "${VIVACE_TEST_PORT}"},
                {"$VIVACE_TEST_PORT", "$VIVACE_TEST_PORT"},
                {"${VIVACE_TEST_NONE:http://h:1/}", "http://h:1/"}};
    struct config_args args = {.file = "", .expand_env = true};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200];
        (void)snprintf(text, sizeof text,
                       "storage: {trace: {s3: {bucket: 'q'}}}\nserver:\n  http_listen_address: %s\n",
                       rows[i].value);
        struct config_report r;
        struct config *c = NULL;
        config_report_init(&r);
        assert_int_equal(config_load_text(slice_cstr(text), "t.yaml", &args, &r, NULL, &c), OK);
        assert_string_equal(c->server.http_listen_address, rows[i].expected);
        config_destroy(c);
        args.expand_env = false;
        if (rows[i].value[0] == '$') {
            assert_int_equal(config_load_text(slice_cstr(text), "t.yaml", &args, &r, NULL, &c), OK);
            assert_string_equal(c->server.http_listen_address, rows[i].value);
            config_destroy(c);
        }
        args.expand_env = true;
        config_report_fini(&r);
    }
    struct config_report r;
    struct config *c = NULL;
    config_report_init(&r);
    assert_int_equal(config_load_text(SL("a: 1\nb: ${X\n"), "t.yaml", &args, &r, NULL, &c), ERR_INVALID);
    assert_string_equal(r.v[0].text, "environment: t.yaml:2: not a variable: ${X");
    config_report_fini(&r);
}

static void
a_missing_file_is_named_in_tempos_words(void **state)
{
    (void)state;
    struct config_args args = {.file = "/nowhere/x.yaml"};
    struct config_report r;
    struct fault f = {0};
    struct config *c = NULL;
    config_report_init(&r);
    assert_int_equal(config_load(&args, &r, &f, &c), ERR_NOT_FOUND);
    assert_string_equal(f.msg, "failed parsing config: failed to read configFile /nowhere/x.yaml: open "
                               "/nowhere/x.yaml: no such file or directory");
    config_report_fini(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chart_operator_and_example_file_loads_without_complaint),
        cmocka_unit_test(the_seed_file_sets_what_it_says),
        cmocka_unit_test(an_empty_file_gives_the_defaults),
        cmocka_unit_test(both_vocabularies_and_both_forms_of_overrides_are_one_setting),
        cmocka_unit_test(numbers_durations_and_booleans_read_as_in_tempo),
        cmocka_unit_test(what_is_wrong_is_named_with_its_place),
        cmocka_unit_test(receivers_follow_the_collectors_rules),
        cmocka_unit_test(anchors_and_merge_keys_work_and_bombs_do_not),
        cmocka_unit_test(values_that_multiply_are_refused),
        cmocka_unit_test(messages_are_bounded_and_errors_are_not_lost_behind_warnings),
        cmocka_unit_test(variables_are_expanded_only_when_asked),
        cmocka_unit_test(a_missing_file_is_named_in_tempos_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
