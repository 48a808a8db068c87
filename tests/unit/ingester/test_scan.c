/* A scan sees every acknowledged record of its tenant once, while pushes go on and segments retire. */
#include "wal_data.h"

#include "vivace/base/clock.h"
#include "vivace/ingester/ingester.h"

#include <pthread.h>

static char dir[64];
static struct ingester *ing;

static int
setup(void **state)
{
    (void)state;
    struct fault f = {0};
    log_set_level(LOG_ERROR + 1);
    temp_dir(dir);
    struct ingester_options o = {.wal_dir = dir, .sync = WAL_SYNC_NONE};
    assert_ok(ingester_open(&o, &f, &ing), &f);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    ingester_close(ing);
    clock_real();
    remove_dir(dir);
    return 0;
}

static void
push(const char *tenant, uint64_t first, size_t traces)
{
    struct made m;
    struct fault f = {0};
    made_init(&m, first, traces, 2, (uint32_t)first);
    struct ingester_push p = {.tenant = slice_cstr(tenant), .batch = &m.batch, .wire = buf_slice(&m.wire)};
    assert_ok(ingester_push(ing, &p, &f), &f);
    made_fini(&m);
}

/* Spans of the segment that was entered. */
static size_t
read_segment(struct ingester_scan *scan)
{
    struct fault f = {0};
    struct span_batch b;
    slice payload;
    size_t spans = 0;
    err rc;
    span_batch_init(&b, 0);
    while ((rc = ingester_scan_next(scan, &f, &payload)) == OK) {
        span_batch_reset(&b);
        assert_ok(otlp_decode(payload, &b, &f), &f);
        spans += b.span_count;
    }
    assert_int_equal(rc, ERR_NOT_FOUND);
    span_batch_fini(&b);
    return spans;
}

static size_t
read_all(struct ingester_scan *scan)
{
    size_t spans = 0;
    while (ingester_scan_left(scan)) {
        ingester_scan_enter(scan);
        spans += read_segment(scan);
    }
    return spans;
}

static void
a_tenants_records_are_seen_in_head_and_sealed_segments(void **state)
{
    (void)state;
    struct fault f = {0};
    struct ingester_scan_segment info;
    push("a", 1, 3);
    push("b", 100, 5);
    assert_ok(ingester_flush(ing, &f), &f);
    push("a", 10, 2);
    ingester_maintain(ing); /* the sealed segment's index goes to disk */
    push("b", 200, 1);
    struct ingester_scan *scan = ingester_scan_open(ing, SL("a"), NULL);
    assert_int_equal(ingester_scan_left(scan), 2);
    assert_true(ingester_scan_peek(scan, &info));
    assert_true(info.min_start_ns >= 1700000000000000000u && info.max_end_ns > info.min_start_ns);
    assert_int_equal(read_all(scan), 10);
    assert_false(ingester_scan_peek(scan, &info));
    ingester_scan_close(scan);
    scan = ingester_scan_open(ing, SL("nobody"), NULL);
    assert_int_equal(ingester_scan_left(scan), 0);
    ingester_scan_close(scan);
}

static void
segments_come_newest_first_and_can_be_passed_over(void **state)
{
    (void)state;
    struct fault f = {0};
    struct ingester_scan_segment first;
    struct ingester_scan_segment second;
    push("a", 1, 1); /* two spans: ends early */
    assert_ok(ingester_flush(ing, &f), &f);
    push("a", 10, 8); /* sixteen: ends later */
    struct ingester_scan *scan = ingester_scan_open(ing, SL("a"), NULL);
    assert_true(ingester_scan_peek(scan, &first));
    ingester_scan_skip(scan);
    assert_true(ingester_scan_peek(scan, &second));
    assert_true(first.max_end_ns > second.max_end_ns);
    ingester_scan_enter(scan);
    assert_int_equal(read_segment(scan), 2);
    ingester_scan_close(scan);
}

static void
a_retired_segment_stays_readable_for_the_scan_that_has_it(void **state)
{
    (void)state;
    struct fault f = {0};
    push("a", 1, 4);
    assert_ok(ingester_flush(ing, &f), &f);
    ingester_maintain(ing);
    struct ingester_scan *scan = ingester_scan_open(ing, SL("a"), NULL);
    struct ingester_sealed *sealed = ingester_next_sealed(ing, 0);
    assert_non_null(sealed);
    assert_ok(ingester_retire(ing, sealed, &f), &f);
    ingester_sealed_release(sealed);
    assert_int_equal(read_all(scan), 8);
    ingester_scan_close(scan);
    scan = ingester_scan_open(ing, SL("a"), NULL);
    assert_int_equal(ingester_scan_left(scan), 0);
    ingester_scan_close(scan);
}

static void *
push_many(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < 200; i++) {
        push("a", 1000 + i, 1);
    }
    return NULL;
}

static void
pushes_go_on_while_records_are_read(void **state)
{
    (void)state;
    pthread_t t;
    push("a", 1, 1);
    assert_int_equal(pthread_create(&t, NULL, push_many, NULL), 0);
    size_t last = 0;
    for (int i = 0; i < 50; i++) {
        struct ingester_scan *scan = ingester_scan_open(ing, SL("a"), NULL);
        size_t n = read_all(scan);
        assert_true(n >= last && n % 2 == 0);
        last = n;
        ingester_scan_close(scan);
    }
    assert_int_equal(pthread_join(t, NULL), 0);
    struct ingester_scan *scan = ingester_scan_open(ing, SL("a"), NULL);
    assert_int_equal(read_all(scan), 402);
    ingester_scan_close(scan);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_tenants_records_are_seen_in_head_and_sealed_segments),
        T(segments_come_newest_first_and_can_be_passed_over),
        T(a_retired_segment_stays_readable_for_the_scan_that_has_it),
        T(pushes_go_on_while_records_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
