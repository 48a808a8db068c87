/* Segments become blocks: every acknowledged span is in one place, whatever fails and whenever it stops. */
#include "wal_data.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/base/metrics.h"
#include "vivace/ingester/flush.h"

#include <errno.h>
#include <pthread.h>

#define SPANS ((size_t)60) /* of each trace of a record of push_some */

#ifdef __SANITIZE_THREAD__ /* one thread: nothing to find there, at ten times the price */
#define STEP 41
#else
#define STEP 1
#endif

static char dir[64], wal_dir[96], blocks_dir[96];
static struct budget budget;

static struct ingester *ing;
static struct block_store *store;
static struct flusher *fl;
static size_t builder_bytes;

static int
setup(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR + 1);
    temp_dir(dir);
    snprintf(wal_dir, sizeof wal_dir, "%s/wal", dir);
    snprintf(blocks_dir, sizeof blocks_dir, "%s/blocks", dir);
    budget_init(&budget, "blocks", NULL, SIZE_MAX);
    builder_bytes = 0;
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

static err
try_start(struct fault *f)
{
    struct ingester_options io = {.wal_dir = wal_dir, .sync = WAL_SYNC_NONE};
    struct block_store_options so = {.path = blocks_dir, .budget = &budget};
    err rc = ingester_open(&io, f, &ing);
    rc = rc == OK ? block_store_open(&so, f, &store) : rc;
    struct flusher_options fo = {
        .ingester = ing, .store = store, .budget = &budget, .builder_bytes = builder_bytes};
    return rc == OK ? flusher_open(&fo, f, &fl) : rc;
}

static void
start(void)
{
    struct fault f = {0};
    assert_ok(try_start(&f), &f);
}

static void
stop(void)
{
    flusher_close(fl);
    ingester_close(ing);
    block_store_close(store);
    fl = NULL;
    ing = NULL;
    store = NULL;
    assert_int_equal(budget_used(&budget), 0);
}

static void
push(const char *tenant, uint64_t first, size_t traces, size_t spans, uint32_t mark)
{
    struct made m;
    struct fault f = {0};
    made_init(&m, first, traces, spans, mark);
    struct ingester_push p = {.tenant = slice_cstr(tenant), .batch = &m.batch, .wire = buf_slice(&m.wire)};
    assert_ok(ingester_push(ing, &p, &f), &f);
    made_fini(&m);
}

/* Spans of a trace in the live data and in the blocks. */
static void
count_trace(const char *tenant, uint64_t number, size_t *live, size_t *in_blocks)
{
    const trace_id id = trace_number(number);
    struct span_batch out;
    struct fault f = {0};
    uint64_t bytes = 0;
    span_batch_init(&out, 0);
    block_store_look_begin(store);
    err rc = ingester_find_trace(ing, slice_cstr(tenant), &id, &out, &bytes, &f);
    const struct block_snapshot *v = block_store_snapshot(store, slice_cstr(tenant));
    block_store_look_end(store);
    assert_true(rc == OK || rc == ERR_NOT_FOUND);
    *live = out.span_count;
    for (size_t i = 0; i < v->count; i++) {
        struct block_reader *r = NULL;
        assert_ok(stored_block_open(v->blocks[i], &f, &r), &f);
        rc = block_find_trace(r, &id, &out, &bytes, &f);
        assert_true(rc == OK || rc == ERR_NOT_FOUND);
        stored_block_done(v->blocks[i]);
    }
    block_snapshot_release(v);
    *in_blocks = out.span_count - *live;
    span_batch_fini(&out);
}

static void
assert_trace(const char *tenant, uint64_t number, size_t live, size_t in_blocks)
{
    size_t l = 0, b = 0;
    count_trace(tenant, number, &l, &b);
    assert_int_equal(l, live);
    assert_int_equal(b, in_blocks);
}

static size_t
block_count(const char *tenant)
{
    const struct block_snapshot *v = block_store_snapshot(store, slice_cstr(tenant));
    size_t n = v->count;
    block_snapshot_release(v);
    return n;
}

static void
flush_ok(void)
{
    struct fault f = {0};
    assert_ok(ingester_flush(ing, &f), &f);
    assert_ok(flusher_run(fl, &f), &f);
}

static void
a_segment_becomes_a_block_of_each_tenant_and_leaves(void **state)
{
    (void)state;
    start();
    push("a", 1, 10, 2, 1);
    push("b", 1, 1, 3, 2);
    push("a", 5, 10, 1, 3);
    struct fault f = {0};
    assert_ok(flusher_run(fl, &f), &f); /* the head is not sealed: nothing happens */
    assert_int_equal(block_count("a"), 0);
    flush_ok();
    push("a", 1, 1, 1, 4); /* goes on */
    assert_int_equal(block_count("a"), 1);
    assert_int_equal(block_count("b"), 1);
    assert_trace("a", 1, 1, 2);
    assert_trace("a", 7, 0, 3);
    assert_trace("a", 14, 0, 1);
    assert_trace("b", 1, 0, 3);
    assert_int_equal(count_files(wal_dir, ".wal", NULL), 1);
    const struct block_snapshot *v = block_store_snapshot(store, SL("a"));
    const struct block_meta *m = &v->blocks[0]->meta;
    assert_int_equal(m->spans, 30);
    assert_int_equal(m->traces, 14);
    assert_int_equal(m->source_count, 1);
    assert_int_equal(m->sources[0].from, 0);
    block_snapshot_release(v);
    stop();
    start();
    assert_trace("a", 1, 1, 2);
    assert_trace("b", 1, 0, 3);
    stop();
}

static void
spans_that_were_sent_twice_stand_in_the_block_once(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 3; i++) {
        push("a", 1, 4, SPANS, 7);
    }
    assert_trace("a", 1, 3 * SPANS, 0);
    flush_ok();
    assert_int_equal(block_count("a"), 1);
    for (uint64_t trace = 1; trace < 5; trace++) {
        assert_trace("a", trace, 0, SPANS);
    }
    struct block_store_stats st;
    block_store_stats(store, &st);
    assert_int_equal(st.spans, 4 * SPANS);
    stop();
}

static void
nothing_to_write_is_no_block(void **state)
{
    (void)state;
    start();
    flush_ok();
    assert_int_equal(block_count("a"), 0);
    stop();
}

static void
a_segment_larger_than_the_builder_becomes_several_blocks(void **state)
{
    (void)state;
    builder_bytes = 1 << 20; /* about 5000 spans */
    start();
    for (uint32_t i = 0; i < 40; i++) {
        push(i % 4 ? "big" : "small", 1 + i * 10, 10, 40, i);
    }
    flush_ok();
    assert_true(block_count("big") + block_count("small") >= 3);
    for (uint32_t i = 0; i < 40; i++) {
        assert_trace(i % 4 ? "big" : "small", 1 + i * 10, 0, 40);
    }
    assert_true(metric_series0(metric_counter("tempo_ingester_blocks_flushed_total", "", "")) != NULL);
    stop();
}

static void
many_tenants_need_no_more_memory_than_one(void **state)
{
    char tenant[16];
    (void)state;
    builder_bytes = 1 << 20;
    budget.max = 32 << 20;
    start();
    for (uint32_t i = 0; i < 600; i++) {
        snprintf(tenant, sizeof tenant, "t%u", i % 300);
        push(tenant, 1, 1, 2, i);
    }
    flush_ok();
    for (uint32_t i = 0; i < 300; i++) {
        snprintf(tenant, sizeof tenant, "t%u", i);
        assert_trace(tenant, 1, 0, 4);
    }
    stop();
}

static void
a_record_that_does_not_fit_the_budget_is_written_in_portions(void **state)
{
    struct fault f = {0};
    (void)state;
    start();
    push("a", 1, 100, 300, 1); /* 30,000 spans in one record */
    assert_ok(ingester_flush(ing, &f), &f);
    budget.max = 1 << 20;
    assert_int_equal(flusher_run(fl, &f), ERR_LIMIT); /* not even one span: it stays */
    assert_trace("a", 5, 300, 0);
    budget.max = 7 << 20; /* a part of it at once */
    f = (struct fault){0};
    assert_ok(flusher_run(fl, &f), &f);
    assert_true(block_count("a") > 1);
    for (uint64_t i = 1; i <= 100; i++) {
        assert_trace("a", i, 0, 300);
    }
    budget.max = SIZE_MAX;
    stop();
}

/* --- failures --- */

struct failing {
    int countdown; /* operations that work */
    int code;
    bool once;
    size_t seen;
};

static int
fail_at(void *ctx, enum file_op op, const char *path, size_t bytes)
{
    struct failing *x = ctx;
    (void)path;
    if (op == FILE_READ) {
        return 0;
    }
    if (x->countdown-- > 0) {
        return 0;
    }
    x->seen++;
    if (x->once) {
        x->countdown = INT32_MAX;
    }
    return x->code == -1 && op == FILE_WRITE ? -(int)(bytes / 2) - 1 : x->code == -1 ? ENOSPC : x->code;
}

static void
push_some(void)
{
    for (uint32_t i = 0; i < 12; i++) {
        push(i % 3 ? "a" : "b", 1 + i, 4, SPANS, i);
    }
}

/* Every span once, in one place or the other. */
static void
assert_all_once(void)
{
    size_t spans = 0;
    for (int t = 0; t < 2; t++) {
        for (uint64_t n = 1; n <= 15; n++) {
            size_t live = 0, in_blocks = 0, want = 0;
            for (uint64_t i = 0; i < 12; i++) {
                want += (i % 3 ? 0 : 1) == t && n >= 1 + i && n < 5 + i ? SPANS : 0;
            }
            count_trace(t ? "b" : "a", n, &live, &in_blocks);
            assert_int_equal(live + in_blocks, want);
            assert_true(live == 0 || in_blocks == 0); /* all of them are in one segment */
            spans += want;
        }
    }
    assert_int_equal(spans, 12 * 4 * SPANS);
}

/* The n-th operation of a flush fails, and with `once` those after it work. False when n was never reached.
 */
static bool
flush_failing(int n, int code, bool once, bool restart)
{
    struct fault f = {0};
    struct failing x = {.countdown = n, .code = code, .once = once};
    start();
    push_some();
    assert_ok(ingester_flush(ing, &f), &f);
    file_set_hook(fail_at, &x);
    err rc = flusher_run(fl, &f);
    file_set_hook(NULL, NULL);
    assert_true(rc != OK || x.seen <= 1);
    assert_all_once();
    if (restart) { /* a crash: nothing more reaches the disk, then the next start */
        struct failing dead = {.countdown = 0, .code = EIO};
        file_set_hook(fail_at, &dead);
        stop();
        file_set_hook(NULL, NULL);
        start();
        assert_all_once();
        stop();
        start(); /* what the start did is done */
        assert_all_once();
    }
    f = (struct fault){0};
    assert_ok(flusher_run(fl, &f), &f); /* recovers by itself */
    assert_all_once();
    assert_trace("a", 3, 0, SPANS * 2);
    assert_int_equal(count_files(wal_dir, ".wal", NULL), 0);
    (void)block_store_sweep(store, INT64_MAX);
    stop();
    start();
    assert_all_once();
    struct block_store_stats st;
    block_store_stats(store, &st);
    assert_int_equal(st.spans, 12 * 4 * SPANS);
    assert_int_equal(st.problems[BLOCK_PROBLEM_CORRUPT] + st.problems[BLOCK_PROBLEM_FOREIGN], 0);
    stop();
    remove_dir(dir);
    assert_int_equal(mkdir(dir, 0750), 0);
    return x.seen > 0;
}

static void
fail_each(int code, bool once, bool restart)
{
    int n = 0;
    builder_bytes = 1 << 18; /* several blocks */
    while (flush_failing(n, code, once, restart)) {
        n += STEP;
    }
    print_message("%d operations\n", n);
    assert_true(n > 50);
}

static void
a_failing_disk_loses_and_doubles_nothing(void **state)
{
    (void)state;
    fail_each(-1, true, false); /* short writes, else ENOSPC */
}

static void
a_crash_at_any_step_loses_and_doubles_nothing(void **state)
{
    (void)state;
    fail_each(EIO, false, true);
}

static void
a_crash_after_a_passing_failure_loses_and_doubles_nothing(void **state)
{
    (void)state;
    fail_each(EIO, true, true);
}

static double
counted(const char *name)
{
    return series_value(metric_series0(metric_counter(name, "", "")));
}

static void
a_failed_flush_is_tried_again_after_a_growing_pause(void **state)
{
    struct failing x = {.countdown = 0, .code = ENOSPC};
    struct fault f = {0};
    int64_t now = 1000 * NS_PER_S;
    (void)state;
    start();
    push_some();
    assert_ok(ingester_flush(ing, &f), &f);
    const double failed = counted("tempo_ingester_failed_flushes_total");
    const double retried = counted("tempo_ingester_flush_failed_retries_total");
    const double flushed = counted("tempo_ingester_blocks_flushed_total");
    const double cleared = counted("tempo_ingester_blocks_cleared_total");
    file_set_hook(fail_at, &x);
    clock_fake(now, now);
    for (int s = 0; s < 8; s++) { /* at 0, 1, 3 and 7 s */
        clock_fake(now, now + s * NS_PER_S);
        flusher_maintain(fl);
    }
    assert_true(counted("tempo_ingester_failed_flushes_total") == failed + 4);
    assert_true(counted("tempo_ingester_flush_failed_retries_total") == retried + 3);
    assert_all_once();
    file_set_hook(NULL, NULL);
    clock_fake(now, now + 15 * NS_PER_S);
    flusher_maintain(fl);
    assert_true(counted("tempo_ingester_failed_flushes_total") == failed + 4);
    assert_true(counted("tempo_ingester_blocks_flushed_total") == flushed + 2);
    assert_true(counted("tempo_ingester_blocks_cleared_total") == cleared + 1);
    assert_trace("a", 3, 0, 2 * SPANS);
    stop();
}

static void
an_interrupted_flush_is_no_failure_and_goes_on_later(void **state)
{
    struct fault f = {0};
    (void)state;
    start();
    push_some();
    assert_ok(ingester_flush(ing, &f), &f);
    const double failed = counted("tempo_ingester_failed_flushes_total");
    flusher_cancel(fl, true);
    assert_int_equal(flusher_run(fl, NULL), ERR_CANCELLED);
    assert_all_once();
    assert_int_equal(block_count("a"), 0);
    assert_true(counted("tempo_ingester_failed_flushes_total") == failed);
    flusher_cancel(fl, false);
    flusher_maintain(fl); /* at once: no pause */
    assert_trace("a", 3, 0, 2 * SPANS);
    stop();
}

static void
a_damaged_record_is_set_aside_before_its_segment_goes(void **state)
{
    char path[512], quarantine[128];
    struct fault f = {0};
    (void)state;
    start();
    push("a", 1, 1, 50, 1);
    push("a", 2, 1, 50, 2);
    push("a", 3, 1, 50, 3);
    assert_ok(ingester_flush(ing, &f), &f);
    assert_int_equal(count_files(wal_dir, ".wal", path), 1);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "damage", 6, st.st_size / 2), 6);
    close(fd);
    snprintf(quarantine, sizeof quarantine, "%s/quarantine", wal_dir);
    struct failing x = {.countdown = 0, .code = ENOSPC};
    file_set_hook(fail_at, &x);
    assert_true(flusher_run(fl, NULL) != OK); /* it cannot be set aside: the segment stays */
    file_set_hook(NULL, NULL);
    assert_int_equal(count_files(wal_dir, ".wal", NULL), 1);
    assert_ok(flusher_run(fl, &f), &f);
    assert_int_equal(count_files(wal_dir, ".wal", NULL), 0);
    size_t set_aside = 0;
    DIR *d = opendir(quarantine);
    assert_non_null(d);
    for (struct dirent *e = NULL; (e = readdir(d)) != NULL;) {
        set_aside += e->d_name[0] != '.';
    }
    closedir(d);
    assert_int_equal(set_aside, 1);
    assert_trace("a", 1, 0, 50);
    assert_trace("a", 2, 0, 0);
    assert_trace("a", 3, 0, 50);
    stop();
}

/* --- queries and pushes meanwhile --- */

static _Atomic bool done;

static void *
watch(void *arg)
{
    (void)arg;
    size_t rounds = 0;
    for (; !atomic_load(&done); rounds++) {
        for (uint64_t n = 1; n <= 15; n++) {
            size_t live = 0, in_blocks = 0, want = 0;
            for (uint64_t i = 0; i < 12; i++) {
                want += i % 3 && n >= 1 + i && n < 5 + i ? SPANS : 0;
            }
            count_trace("a", n, &live, &in_blocks);
            assert_int_equal(live + in_blocks, want);
        }
    }
    return NULL;
}

static void
a_query_during_a_flush_sees_each_span_once(void **state)
{
    pthread_t threads[2];
    (void)state;
    builder_bytes = 1 << 18;
    start();
    push_some();
    atomic_store(&done, false);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, watch, NULL), 0);
    }
    flush_ok();
    for (uint32_t i = 0; i < 5; i++) { /* more segments come and go */
        push("c", 1000 + i, 3, 100, i);
        flush_ok();
    }
    atomic_store(&done, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_all_once();
    stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_segment_becomes_a_block_of_each_tenant_and_leaves),
        T(spans_that_were_sent_twice_stand_in_the_block_once),
        T(nothing_to_write_is_no_block),
        T(a_query_during_a_flush_sees_each_span_once),
        T(a_segment_larger_than_the_builder_becomes_several_blocks),
        T(many_tenants_need_no_more_memory_than_one),
        T(a_record_that_does_not_fit_the_budget_is_written_in_portions),
        T(a_failing_disk_loses_and_doubles_nothing),
        T(a_crash_at_any_step_loses_and_doubles_nothing),
        T(a_crash_after_a_passing_failure_loses_and_doubles_nothing),
        T(a_failed_flush_is_tried_again_after_a_growing_pause),
        T(an_interrupted_flush_is_no_failure_and_goes_on_later),
        T(a_damaged_record_is_set_aside_before_its_segment_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
