/* What people read: faults, log lines, metrics, times. */
#include "test.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void
a_fault_keeps_its_first_cause_and_takes_prefixes(void **state)
{
    (void)state;
    struct fault f = {0};
    errno = ENOSPC;
    assert_int_equal(FAULT_OS(&f, ERR_IO, "write %s", "x"), ERR_IO);
    assert_int_equal(FAULT(&f, ERR_INTERNAL, "later"), ERR_INTERNAL);
    fault_prefix(&f, "wal");
    assert_string_equal(f.msg, "wal: write x: No space left on device");
    assert_int_equal(f.os_errno, ENOSPC);
    assert_int_equal(f.code, ERR_IO);
    assert_int_equal(FAULT(NULL, ERR_LIMIT, "nobody listens"), ERR_LIMIT);
}

static void
durations_read_and_print_as_in_go(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
        const char *printed;
    } rows[] = {
        {"0", 0, "0s"},
        {"1h", INT64_C(3600000000000), "1h0m0s"},
        {"1h15m30.5s", INT64_C(4530500000000), "1h15m30.5s"},
        {"90ms", 90000000, "90ms"},
        {"1.5s", 1500000000, "1.5s"},
        {"-2us", -2000, "-2\xc2\xb5s"},
        {"100ns", 100, "100ns"},
        {"2m", INT64_C(120000000000), "2m0s"},
        {"336h", INT64_C(1209600000000000), "336h0m0s"},
    };
    struct buf out;
    buf_init(&out, 100);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ns = -1;
        assert_true(duration_parse(slice_cstr(rows[i].text), false, &ns));
        assert_true(ns == rows[i].ns);
        buf_clear(&out);
        duration_format(&out, ns);
        assert_slice_equal(buf_slice(&out), rows[i].printed);
    }
    static const char *const bad[] = {"", "5", "s", "1x", "1h ", "-", "1d", "99999999999h", ".s"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ns = 0;
        assert_false(duration_parse(slice_cstr(bad[i]), false, &ns));
    }
    int64_t ns = 0;
    assert_true(duration_parse(SL("14d"), true, &ns) && ns == INT64_C(1209600000000000));
    buf_clear(&out);
    clock_format_rfc3339(&out, INT64_C(1700000000123450000));
    assert_slice_equal(buf_slice(&out), "2023-11-14T22:13:20.12345Z");
    buf_fini(&out);
}

static void
log_lines_have_tempos_fields_in_order(void **state)
{
    (void)state;
    int fds[2];
    char line[1024];
    assert_int_equal(pipe(fds), 0);
    clock_fake(INT64_C(1700000000) * NS_PER_S, 0);
    log_set_fd(fds[1]);
    LOG_I("segment sealed", LOG_CSTR("path", "a b"), LOG_INT("bytes", 5), LOG_DUR("took", 1500000000));
    ssize_t n = read(fds[0], line, sizeof line - 1);
    line[n] = 0;
    assert_non_null(strstr(line, "level=info ts=2023-11-14T22:13:20Z caller=test_report.c:"));
    assert_non_null(strstr(line, " msg=\"segment sealed\" path=\"a b\" bytes=5 took=1.5s\n"));
    log_set_format(LOG_JSON);
    LOG_W("x\"y", LOG_BOOL("ok", true));
    n = read(fds[0], line, sizeof line - 1);
    line[n] = 0;
    assert_non_null(strstr(line, "\"msg\":\"x\\\"y\",\"ok\":true}\n"));
    LOG_D("not shown");
    log_set_level(LOG_DEBUG);
    LOG_D("shown");
    n = read(fds[0], line, sizeof line - 1);
    line[n] = 0;
    assert_null(strstr(line, "not shown"));
    log_set_fd(2);
    log_set_format(LOG_LOGFMT);
    log_set_level(LOG_INFO);
    clock_real();
    close(fds[0]);
    close(fds[1]);
}

static void
metrics_print_as_prometheus_and_openmetrics(void **state)
{
    (void)state;
    static const double buckets[] = {0.1, 1};
    metrics_reset();
    struct metric *c = metric_counter("spans_total", "Spans.", "tenant,reason");
    series_add(metric_series2(c, SL("a\"b"), SL("late")), 3);
    series_add(metric_series2(c, SL("a\"b"), SL("late")), 2);
    struct series *h = metric_series0(metric_histogram("push_seconds", "Push.", "", buckets, 2));
    series_observe(h, 0.05);
    series_observe(h, 0.1);
    series_observe(h, 5);
    series_set(metric_series0(metric_gauge("live", "Live.", "")), 1.5);
    struct buf out;
    buf_init(&out, 1 << 16);
    metrics_write(&out, false);
    assert_slice_equal(buf_slice(&out),
                       "# HELP live Live.\n# TYPE live gauge\nlive 1.5\n"
                       "# HELP push_seconds Push.\n# TYPE push_seconds histogram\n"
                       "push_seconds_bucket{le=\"0.1\"} 2\npush_seconds_bucket{le=\"1\"} 2\n"
                       "push_seconds_bucket{le=\"+Inf\"} 3\npush_seconds_sum 5.15\npush_seconds_count 3\n"
                       "# HELP spans_total Spans.\n# TYPE spans_total counter\n"
                       "spans_total{tenant=\"a\\\"b\",reason=\"late\"} 5\n");
    buf_clear(&out);
    metrics_write(&out, true);
    assert_true(slice_find(buf_slice(&out), SL("# TYPE spans counter\nspans_total{")) != SIZE_MAX);
    assert_true(slice_ends_with(buf_slice(&out), SL("# EOF\n")));
    buf_fini(&out);
    metrics_reset();
}

static void
a_family_with_too_many_series_overflows_into_one(void **state)
{
    (void)state;
    metrics_reset();
    struct metric *c = metric_counter("many_total", "Many.", "id");
    char id[32];
    for (int i = 0; i < METRIC_SERIES_MAX + 100; i++) {
        snprintf(id, sizeof id, "%d", i);
        series_add(metric_series1(c, slice_cstr(id)), 1);
    }
    assert_true(series_value(metric_series1(c, SL("__overflow__"))) == 100);
    metrics_reset();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_keeps_its_first_cause_and_takes_prefixes),
        cmocka_unit_test(durations_read_and_print_as_in_go),
        cmocka_unit_test(log_lines_have_tempos_fields_in_order),
        cmocka_unit_test(metrics_print_as_prometheus_and_openmetrics),
        cmocka_unit_test(a_family_with_too_many_series_overflows_into_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
