/* The command line in Go's spelling, and how much memory there is. */
#include "test.h"

#include "vivace/base/file.h"
#include "vivace/config/config.h"

#include <unistd.h>

#define ARGS(...)                                                                                            \
    ((char *const[]){"vivace", __VA_ARGS__, NULL}) /* literals: what is parsed points into them */
#define A(s) ((char[]){s})

static err
parse(char *const *argv, struct config_args *a, struct fault *f)
{
    int n = 0;
    while (argv[n]) {
        n++;
    }
    return config_parse_args(n, argv, f, a);
}

static void
every_spelling_of_a_flag_is_understood(void **state)
{
    (void)state;
    char *const *const spellings[] = {ARGS("-server.http-listen-port=4000", "-multitenancy.enabled"),
                                      ARGS("--server.http-listen-port=4000", "--multitenancy.enabled=true"),
                                      ARGS("-server.http-listen-port", "4000", "-multitenancy.enabled=1"),
                                      ARGS("--server.http-listen-port", "4000", "-auth.enabled")};
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        struct config_args a;
        struct fault f = {0};
        struct config *c = NULL;
        struct config_report r;
        config_report_init(&r);
        assert_ok(parse(spellings[i], &a, &f), &f);
        assert_ok(
            config_load_text(SL("server: {http_listen_port: 1, log_level: warn}\n"), "t", &a, &r, &f, &c),
            &f);
        assert_int_equal(c->server.http_listen_port, 4000);
        assert_int_equal(c->server.log_level, 2);
        assert_true(c->multitenancy_enabled);
        config_destroy(c);
        config_report_fini(&r);
    }
}

static void
what_charts_and_the_operator_pass_is_accepted(void **state)
{
    (void)state;
    struct config_args a;
    struct fault f = {0};
    assert_ok(
        parse(ARGS("-config.file=/conf/tempo.yaml", "-mem-ballast-size-mbs=1024", "-log.level=debug",
                   "-config.expand-env=true", "-target=all", "-reporting.enabled=false",
                   "-memberlist.bind-port", "7946", "-storage.trace.backend=s3", "-storage.trace.s3.bucket=b",
                   "-distributor.log-received-spans.enabled", "-ingester.max-bytes-per-trace=1_000",
                   "-compactor.compaction.block-retention=2h", "-config.per-user-override-config=/o.yaml"),
              &a, &f),
        &f);
    assert_string_equal(a.file, "/conf/tempo.yaml");
    assert_true(a.expand_env);
    assert_false(a.verify);
    assert_int_equal(a.ignored_count, 3);
    struct config_report r;
    struct config *c = NULL;
    config_report_init(&r);
    assert_ok(config_load_text(SL_EMPTY, "t", &a, &r, &f, &c), &f);
    assert_int_equal(r.ignored, 3);
    assert_int_equal(r.warnings, 0);
    assert_int_equal(c->server.log_level, 0);
    assert_int_equal(c->storage.backend, CONFIG_BACKEND_S3);
    assert_string_equal(c->storage.s3.bucket, "b");
    assert_true(c->distributor.log_received_spans.enabled);
    assert_int_equal(c->overrides.defaults.global.max_bytes_per_trace, 1000);
    assert_int_equal(c->compactor.block_retention_ns, INT64_C(7200000000000));
    assert_string_equal(c->overrides.per_tenant_override_config, "/o.yaml");
    config_destroy(c);
    config_report_fini(&r);
}

static void
switches_are_told_apart(void **state)
{
    (void)state;
    struct config_args a;
    struct fault f = {0};
    assert_ok(
        parse(ARGS("-config.verify", "-version", "-health", "-health.url=http://h:1/ready", "-h"), &a, &f),
        &f);
    assert_true(a.verify && a.version && a.health && a.help);
    assert_string_equal(a.health_url, "http://h:1/ready");
    assert_ok(parse(ARGS("-config.verify=false"), &a, &f), &f);
    assert_false(a.verify || a.version || a.health || a.help);
    assert_string_equal(a.health_url, "http://localhost:3200/ready");
    assert_string_equal(a.file, "");
}

static void
a_bad_flag_says_what_go_says(void **state)
{
    (void)state;
    static const struct {
        const char *arg, *message;
    } rows[] = {
        {"-x", "flag provided but not defined: -x"},
        {"--nope=1", "flag provided but not defined: -nope"},
        {"-config.file", "flag needs an argument: -config.file"},
        {"-server.http-listen-port", "flag needs an argument: -server.http-listen-port"},
        {"-server.http-listen-port=x",
         "invalid value \"x\" for flag -server.http-listen-port: expected a port (0 to 65535)"},
        {"-config.verify=maybe", "invalid boolean value \"maybe\" for -config.verify: parse error"},
        {"-multitenancy.enabled=maybe",
         "invalid value \"maybe\" for flag -multitenancy.enabled: expected true or false"},
        {"---x", "bad flag syntax: ---x"},
        {"-=1", "bad flag syntax: -=1"},
        {"stray", "not a flag: stray"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct config_args a;
        struct fault f = {0};
        char arg[100];
        (void)snprintf(arg, sizeof arg, "%s", rows[i].arg);
        assert_int_equal(parse(ARGS(arg), &a, &f), ERR_INVALID);
        assert_string_equal(f.msg, rows[i].message);
    }
}

static void
usage_names_every_flag_with_its_meaning(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 20);
    config_write_usage(&out);
    assert_false(out.failed);
    slice s = buf_slice(&out);
    assert_true(slice_find(s, SL("  -config.file value\n")) != SIZE_MAX);
    assert_true(slice_find(s, SL("  -server.http-listen-port value\n        HTTP port: API, streaming gRPC, "
                                 "/metrics. (default 3200)\n")) != SIZE_MAX);
    assert_true(slice_find(s, SL("  -log.level value\n")) != SIZE_MAX);
    assert_true(slice_find(s, SL("  -server.http-tls-cert-path value\n")) != SIZE_MAX);
    buf_fini(&out);
}

static void
put(const char *root, const char *path, const char *text)
{
    char full[600];
    struct fault f = {0};
    (void)snprintf(full, sizeof full, "%s%s", root, path);
    char *slash = strrchr(full, '/');
    *slash = '\0';
    assert_ok(file_mkdirs(full, &f), &f);
    *slash = '/';
    assert_ok(file_replace(full, slice_cstr(text), &f), &f);
}

static void
memory_is_the_smallest_of_ram_and_the_cgroups_limits(void **state)
{
    (void)state;
    char root[] = "/tmp/vivace-memory-XXXXXX";
    assert_non_null(mkdtemp(root));
    assert_true(config_memory_detect(root) == 0);
    put(root, "/proc/meminfo", "MemFree: 1 kB\nMemTotal:       16384 kB\n");
    assert_true(config_memory_detect(root) == 16777216);
    put(root, "/proc/self/cgroup", "0::/pod/box\n");
    put(root, "/sys/fs/cgroup/pod/box/memory.max", "max\n");
    assert_true(config_memory_detect(root) == 16777216);
    put(root, "/sys/fs/cgroup/pod/memory.max", "8388608\n");
    assert_true(config_memory_detect(root) == 8388608);
    put(root, "/sys/fs/cgroup/memory.max", "4194304\n");
    assert_true(config_memory_detect(root) == 4194304);
    put(root, "/proc/self/cgroup", "11:cpu,cpuacct:/x\n9:memory:/docker/abc\n");
    put(root, "/sys/fs/cgroup/memory/memory.limit_in_bytes", "2097152\n");
    assert_true(config_memory_detect(root) == 2097152);
    put(root, "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n");
    assert_true(config_memory_detect(root) == 2097152);
    struct config c = {.vivace = {.memory_limit = 77}};
    assert_true(config_memory_limit(&c) == 77);
    c.vivace.memory_limit = 0;
    assert_true(config_memory_limit(&c) > 0);
    char clean[100];
    (void)snprintf(clean, sizeof clean, "rm -rf %s", root);
    assert_int_equal(system(clean), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_of_a_flag_is_understood),
        cmocka_unit_test(what_charts_and_the_operator_pass_is_accepted),
        cmocka_unit_test(switches_are_told_apart),
        cmocka_unit_test(a_bad_flag_says_what_go_says),
        cmocka_unit_test(usage_names_every_flag_with_its_meaning),
        cmocka_unit_test(memory_is_the_smallest_of_ram_and_the_cgroups_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
