/* A span that was acknowledged is found by every query, before and after a restart, until its segment is
 * retired. */
#include "wal_data.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/base/metrics.h"
#include "vivace/ingester/ingester.h"

static char dir[64];
static struct ingester_options options;

static int
setup(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR + 1);
    temp_dir(dir);
    options = (struct ingester_options){.wal_dir = dir, .sync = WAL_SYNC_NONE};
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    clock_real();
    file_set_hook(NULL, NULL);
    remove_dir(dir);
    return 0;
}

static struct ingester *
open_ingester(void)
{
    struct ingester *ing = NULL;
    struct fault f = {0};
    assert_ok(ingester_open(&options, &f, &ing), &f);
    return ing;
}

static void
push(struct ingester *ing, const char *tenant, uint64_t first, size_t traces, uint32_t mark)
{
    struct made m;
    struct fault f = {0};
    made_init(&m, first, traces, 2, mark);
    struct ingester_push p = {.tenant = slice_cstr(tenant), .batch = &m.batch, .wire = buf_slice(&m.wire)};
    assert_ok(ingester_push(ing, &p, &f), &f);
    made_fini(&m);
}

/* Spans found of a trace; their marks, in order, into `marks` when it is not NULL. */
static size_t
find(struct ingester *ing, const char *tenant, uint64_t trace, uint32_t *marks)
{
    struct span_batch out;
    struct fault f = {0};
    uint64_t inspected = 0;
    trace_id id = trace_number(trace);
    span_batch_init(&out, 0);
    err rc = ingester_find_trace(ing, slice_cstr(tenant), &id, &out, &inspected, &f);
    if (rc != ERR_NOT_FOUND) {
        assert_ok(rc, &f);
        assert_true(inspected > 0);
    }
    size_t n = out.span_count;
    for (size_t i = 0; i < n; i++) {
        assert_true(trace_id_eq(&out.spans[i].trace, &id));
        assert_slice_equal(out.spans[i].name, "GET /a/fairly/ordinary/name");
        if (marks) {
            memcpy(&marks[i], out.spans[i].id.b, 4);
        }
    }
    uint8_t may = 0;
    ingester_may_have(ing, slice_cstr(tenant), &id, 1, &may);
    assert_true(n == 0 || may); /* never no for what is there */
    assert_int_equal(n == 0, rc == ERR_NOT_FOUND);
    span_batch_fini(&out);
    return n;
}

static void
a_pushed_span_is_found_at_once_by_its_tenant_only(void **state)
{
    (void)state;
    struct ingester *ing = open_ingester();
    uint32_t marks[8];
    assert_int_equal(find(ing, "a", 1, NULL), 0);
    push(ing, "a", 1, 3, 100);
    push(ing, "b", 1, 1, 200);
    push(ing, "a", 2, 1, 300);
    assert_int_equal(find(ing, "a", 1, NULL), 2);
    assert_int_equal(find(ing, "b", 1, marks), 2);
    assert_int_equal(marks[0], 200);
    assert_int_equal(find(ing, "b", 2, NULL), 0);
    assert_int_equal(find(ing, "a", 2, marks), 4);
    assert_true(marks[0] == 100 && marks[1] == 100 && marks[2] == 300 &&
                marks[3] == 300); /* order of arrival */
    assert_int_equal(find(ing, "c", 1, NULL), 0);
    const trace_id some[] = {trace_number(1), trace_number(2), trace_number(3)};
    uint8_t may[3] = {0};
    ingester_may_have(ing, SL("b"), some, 3, may); /* exact: the index is in memory */
    assert_true(may[0] == 1 && may[1] == 0 && may[2] == 0);
    ingester_close(ing);
}

/* One trace over a scanned segment, an indexed one, one sealed in memory and the head. */
static void
a_trace_is_put_together_from_all_segments_and_survives_restarts(void **state)
{
    (void)state;
    struct fault f = {0};
    uint32_t marks[8];
    struct ingester *ing = open_ingester();
    push(ing, "a", 1, 5, 1);
    assert_ok(ingester_flush(ing, &f), &f);
    push(ing, "a", 1, 5, 2);
    assert_ok(ingester_flush(ing, &f), &f);
    push(ing, "a", 1, 5, 3);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(find(ing, "a", 4, marks), 6);
        assert_true(marks[0] == 1 && marks[2] == 2 && marks[4] == 3);
        struct ingester_stats st;
        ingester_stats(ing, &st);
        assert_int_equal(st.segments, 3);
        assert_int_equal(st.live_traces, 5);
        assert_int_equal(st.live_spans, 30);
        ingester_close(ing);
        if (round == 1) { /* no indexes: as after a kill -9 */
            char path[512];
            while (count_files(dir, ".idx", path)) {
                assert_int_equal(unlink(path), 0);
            }
        }
        ing = open_ingester();
    }
    ingester_close(ing);
    assert_int_equal(count_files(dir, ".wal", NULL), 3); /* restarts alone make no segments */
}

static void
the_head_is_sealed_by_size_and_age(void **state)
{
    (void)state;
    struct ingester_stats st;
    int64_t now = 1000 * NS_PER_S;
    clock_fake(now, now);
    options.max_block_bytes = 5000;
    options.max_block_duration_ms = 60000;
    struct ingester *ing = open_ingester();
    push(ing, "a", 1, 60, 1); /* over 5000 bytes: the next goes to another */
    push(ing, "a", 1, 1, 1);
    ingester_stats(ing, &st);
    assert_int_equal(st.segments, 2);
    assert_int_equal(st.sealed_in_memory, 1);
    ingester_maintain(ing);
    ingester_stats(ing, &st);
    assert_int_equal(st.sealed_in_memory, 0);
    assert_int_equal(count_files(dir, ".idx", NULL), 1);
    for (int i = 0; i < 15; i++) { /* 60 s old at last */
        push(ing, "a", 1, 1, 1);
        now += 4 * NS_PER_S;
        clock_fake(now, now);
        ingester_maintain(ing);
        assert_int_equal(count_files(dir, ".idx", NULL), i < 14 ? 1 : 2);
    }
    assert_int_equal(find(ing, "a", 1, NULL), 2 + 2 + 15 * 2);
    ingester_close(ing);
}

static void
a_limit_drops_spans_of_its_trace_and_stores_the_rest(void **state)
{
    (void)state;
    struct fault f = {0};
    struct made m;
    struct ingester *ing = open_ingester();
    push(ing, "a", 1, 2, 1);
    made_init(&m, 1, 4, 2, 2); /* traces 1..4, two of them new */
    struct ingester_push p = {
        .tenant = SL("a"), .batch = &m.batch, .wire = buf_slice(&m.wire), .limits.max_traces = 3};
    assert_ok(ingester_push(ing, &p, &f), &f);
    assert_int_equal(p.dropped_live_traces, 2);
    assert_int_equal(p.dropped_trace_too_large, 0);
    assert_int_equal(find(ing, "a", 1, NULL), 4);
    assert_int_equal(find(ing, "a", 3, NULL), 2);
    assert_int_equal(find(ing, "a", 4, NULL), 0);
    /* sealing does not make room: a trace is live by its last span, not by where it lies */
    assert_ok(ingester_flush(ing, &f), &f);
    assert_ok(ingester_push(ing, &p, &f), &f);
    assert_int_equal(p.dropped_live_traces, 2);
    assert_int_equal(find(ing, "a", 4, NULL), 0);
    /* another tenant has a count of its own */
    p.tenant = SL("b");
    assert_ok(ingester_push(ing, &p, &f), &f);
    assert_int_equal(p.dropped_live_traces, 2);
    /* bytes: trace 1 of tenant a has 6 spans by now, trace 9 none */
    const uint32_t span_bytes = m.batch.spans[0].wire_bytes;
    p = (struct ingester_push){
        .tenant = SL("a"), .batch = &m.batch, .limits.max_bytes_per_trace = 7 * span_bytes};
    assert_ok(ingester_push(ing, &p, &f), &f); /* traces 1, 2: 6 + 2; 3: 4 + 2; 4: 0 + 2 */
    assert_int_equal(p.dropped_trace_too_large, 4);
    assert_int_equal(find(ing, "a", 1, NULL), 6);
    assert_int_equal(find(ing, "a", 3, NULL), 6);
    assert_int_equal(find(ing, "a", 4, NULL), 2);
    /* a batch of which nothing is left is answered OK and stores nothing */
    p.limits = (struct ingester_limits){.max_bytes_per_trace = 1};
    assert_ok(ingester_push(ing, &p, &f), &f);
    assert_int_equal(p.dropped_trace_too_large, 8);
    assert_int_equal(find(ing, "a", 4, NULL), 2);
    made_fini(&m);
    ingester_close(ing);
}

static void
a_trace_is_live_until_it_has_been_idle_for_a_while(void **state)
{
    (void)state;
    struct fault f = {0};
    struct made m;
    int64_t now = 1000 * NS_PER_S;
    clock_fake(now, now);
    options.trace_idle_ms = 10000;
    struct ingester *ing = open_ingester();
    struct series *gauge =
        metric_series1(metric_gauge("tempo_ingester_live_traces", "", "tenant"), SL("idle"));
    push(ing, "idle", 1, 3, 1);
    assert_int_equal(series_value(gauge), 3);
    made_init(&m, 3, 2, 1, 7); /* trace 3 is live, trace 4 is not */
    struct ingester_push p = {
        .tenant = SL("idle"), .batch = &m.batch, .wire = buf_slice(&m.wire), .limits.max_traces = 3};
    assert_ok(ingester_push(ing, &p, &f), &f);
    assert_int_equal(p.dropped_live_traces, 1);
    now += 15 * NS_PER_S; /* one to two periods: still counted, and trace 3 is touched again */
    clock_fake(now, now);
    assert_ok(ingester_push(ing, &p, &f), &f);
    assert_int_equal(p.dropped_live_traces, 1);
    now += 11 * NS_PER_S; /* 1 and 2 are idle now */
    clock_fake(now, now);
    ingester_maintain(ing);
    assert_int_equal(series_value(gauge), 1);
    assert_ok(ingester_push(ing, &p, &f), &f);
    assert_int_equal(p.dropped_live_traces, 0);
    now += 100 * NS_PER_S;
    clock_fake(now, now);
    ingester_maintain(ing);
    assert_int_equal(series_value(gauge), 0);
    assert_int_equal(find(ing, "idle", 1, NULL), 2); /* idle is not gone */
    made_fini(&m);
    ingester_close(ing);
    clock_real();
}

static void
over_the_memory_budget_a_push_is_refused_whole(void **state)
{
    (void)state;
    struct budget budget;
    struct fault f = {0};
    budget_init(&budget, "test", NULL, 200000);
    options.budget = &budget;
    struct ingester *ing = open_ingester();
    uint64_t n = 0;
    err rc = OK;
    for (; rc == OK && n < 200; n++) {
        struct made m;
        made_init(&m, n * 100, 100, 1, 1);
        struct ingester_push p = {.tenant = SL("a"), .batch = &m.batch, .wire = buf_slice(&m.wire)};
        rc = ingester_push(ing, &p, &f);
        made_fini(&m);
    }
    assert_int_equal(rc, ERR_LIMIT);
    assert_in_range(n, 5, 100);
    assert_int_equal(find(ing, "a", (n - 1) * 100, NULL), 0);
    assert_int_equal(find(ing, "a", (n - 2) * 100, NULL), 1);
    struct ingester_stats st;
    ingester_stats(ing, &st);
    assert_int_equal(st.live_traces, (n - 1) * 100);
    ingester_close(ing);
    assert_int_equal(budget_used(&budget), 0);
}

static void
a_retired_segment_is_gone_for_queries_and_stays_for_its_readers(void **state)
{
    (void)state;
    struct fault f = {0};
    struct ingester_stats st;
    struct ingester *ing = open_ingester();
    push(ing, "a", 1, 10, 1);
    push(ing, "b", 1, 1, 1);
    assert_ok(ingester_flush(ing, &f), &f);
    push(ing, "a", 8, 10, 2); /* 8, 9, 10 are in both */
    assert_null(ingester_next_sealed(ing, 1));
    struct ingester_sealed *s = ingester_next_sealed(ing, 0);
    assert_non_null(s);
    struct ingester_sealed_tenant t;
    assert_true(ingester_sealed_tenant(s, 0, &t));
    assert_string_equal(t.name, "a");
    assert_int_equal(t.stats.traces, 10);
    assert_int_equal(t.stats.spans, 20);
    assert_int_equal(t.stats.min_start_ns, 1700000000000000000u);
    assert_true(ingester_sealed_tenant(s, 1, &t));
    assert_false(ingester_sealed_tenant(s, 2, &t));
    struct wal_cursor c;
    struct wal_record r;
    struct wal_ref at;
    ingester_sealed_records(s, &c);
    assert_ok(wal_cursor_next(&c, &f, &r, &at), &f);
    assert_slice_equal(r.tenant, "a");
    assert_ok(ingester_retire(ing, s, &f), &f);
    assert_ok(ingester_retire(ing, s, &f), &f); /* twice is once */
    assert_int_equal(count_files(dir, ".wal", NULL), 1);
    assert_int_equal(count_files(dir, ".idx", NULL), 0);
    assert_int_equal(find(ing, "a", 1, NULL), 0);
    assert_int_equal(find(ing, "b", 1, NULL), 0);
    assert_int_equal(find(ing, "a", 9, NULL), 2);
    ingester_stats(ing, &st);
    assert_int_equal(st.live_traces, 10);
    assert_int_equal(st.live_spans, 20);
    assert_ok(wal_cursor_next(&c, &f, &r, &at), &f); /* the one who holds it reads on */
    assert_slice_equal(r.tenant, "b");
    assert_int_equal(wal_cursor_next(&c, &f, &r, &at), ERR_NOT_FOUND);
    wal_cursor_fini(&c);
    ingester_sealed_release(s);
    ingester_close(ing);
    ing = open_ingester();
    assert_int_equal(find(ing, "a", 1, NULL), 0);
    ingester_stats(ing, &st);
    assert_int_equal(st.live_traces, 10);
    ingester_close(ing);
}

static void
a_damaged_record_is_an_error_and_never_a_missing_trace(void **state)
{
    (void)state;
    struct fault f = {0};
    char path[512];
    struct ingester *ing = open_ingester();
    push(ing, "a", 1, 1, 1);
    push(ing, "a", 2, 1, 1);
    assert_int_equal(count_files(dir, ".wal", path), 1);
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "\xff", 1, 64 + 60), 1);
    close(fd);
    struct span_batch out;
    uint64_t inspected = 0;
    trace_id id = trace_number(1);
    span_batch_init(&out, 0);
    assert_int_equal(ingester_find_trace(ing, SL("a"), &id, &out, &inspected, &f), ERR_CORRUPT);
    assert_non_null(strstr(f.msg, "offset 64"));
    span_batch_fini(&out);
    assert_int_equal(find(ing, "a", 2, NULL), 2);
    ingester_close(ing);
    /* without its index the next start counts it, and serves the other */
    assert_int_equal(count_files(dir, ".idx", path), 1);
    assert_int_equal(unlink(path), 0);
    struct metric *m = metric_counter("tempo_ingester_replay_errors_total", "", "tenant");
    double before = series_value(metric_series1(m, SL("a")));
    ing = open_ingester();
    assert_true(series_value(metric_series1(m, SL("a"))) == before + 1);
    assert_int_equal(find(ing, "a", 1, NULL), 0);
    assert_int_equal(find(ing, "a", 2, NULL), 2);
    ingester_close(ing);
}

static void
what_can_never_be_stored_is_refused_as_invalid(void **state)
{
    (void)state;
    struct fault f = {0};
    struct made m;
    char name[WAL_TENANT_MAX + 1];
    struct ingester *ing = open_ingester();
    memset(name, 'x', sizeof name);
    made_init(&m, 1, 1, 1, 1);
    struct ingester_push p = {.tenant = SL(""), .batch = &m.batch, .wire = buf_slice(&m.wire)};
    assert_int_equal(ingester_push(ing, &p, &f), ERR_INVALID);
    p.tenant = slice_of(name, sizeof name);
    assert_int_equal(ingester_push(ing, &p, &f), ERR_INVALID);
    p.tenant = slice_of(name, sizeof name - 1);
    assert_int_equal(ingester_push(ing, &p, &f), OK);
    struct span_batch none;
    span_batch_init(&none, 0);
    p.batch = &none;
    assert_int_equal(ingester_push(ing, &p, &f), OK);
    assert_int_equal(count_files(dir, ".wal", NULL), 1);
    made_fini(&m);
    ingester_close(ing);
    ing = open_ingester();
    struct ingester_stats st;
    ingester_stats(ing, &st);
    assert_int_equal(st.live_spans, 1);
    ingester_close(ing);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_pushed_span_is_found_at_once_by_its_tenant_only),
        T(a_trace_is_put_together_from_all_segments_and_survives_restarts),
        T(the_head_is_sealed_by_size_and_age),
        T(a_limit_drops_spans_of_its_trace_and_stores_the_rest),
        T(a_trace_is_live_until_it_has_been_idle_for_a_while),
        T(over_the_memory_budget_a_push_is_refused_whole),
        T(a_retired_segment_is_gone_for_queries_and_stays_for_its_readers),
        T(a_damaged_record_is_an_error_and_never_a_missing_trace),
        T(what_can_never_be_stored_is_refused_as_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
