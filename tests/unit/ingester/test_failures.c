/* Every write can fail, at any moment, and the process can die at any moment: what was acknowledged is there
 * afterwards, what was refused is not. */
#include "wal_data.h"

#include "vivace/base/mem.h"
#include "vivace/base/rng.h"
#include "vivace/ingester/ingester.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static char dir[64];
static struct ingester_options options;
static bool refused_may_return; /* docs/wal-format.md 6, the one exception */

static int
setup(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR + 1);
    temp_dir(dir);
    options = (struct ingester_options){.wal_dir = dir, .sync = WAL_SYNC_ALWAYS};
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    file_set_hook(NULL, NULL);
    remove_dir(dir);
    return 0;
}

static err
push_told(struct ingester *ing, uint64_t trace, struct fault *f)
{
    struct made m;
    made_init(&m, trace, 1, 1, 1);
    struct ingester_push p = {.tenant = SL("a"), .batch = &m.batch, .wire = buf_slice(&m.wire)};
    err rc = ingester_push(ing, &p, f);
    made_fini(&m);
    return rc;
}

static err
push_one(struct ingester *ing, uint64_t trace)
{
    return push_told(ing, trace, NULL);
}

static size_t
find_one(struct ingester *ing, uint64_t trace)
{
    struct span_batch out;
    struct fault f = {0};
    uint64_t inspected = 0;
    trace_id id = trace_number(trace);
    span_batch_init(&out, 0);
    err rc = ingester_find_trace(ing, SL("a"), &id, &out, &inspected, &f);
    if (rc != ERR_NOT_FOUND) {
        assert_ok(rc, &f);
    }
    size_t n = out.span_count;
    span_batch_fini(&out);
    return n;
}

/* --- failing operations --- */

struct plan {
    int n;          /* fail the n-th operation ... */
    bool from_then; /* ... and all that write after it */
    int how;        /* 0: EIO, 1: ENOSPC, 2: a short write */
    int seen;
    bool fired;
};

static int
fail_nth(void *ctx, enum file_op op, const char *path, size_t bytes)
{
    struct plan *p = ctx;
    (void)path;
    p->seen++;
    if (op == FILE_READ || p->seen < p->n || (p->seen > p->n && !p->from_then)) {
        return 0;
    }
    p->fired = true;
    if (p->how == 2 && op == FILE_WRITE && bytes > 1) {
        return -(int)(bytes / 2);
    }
    return p->how == 0 ? EIO : ENOSPC;
}

enum { PUSHES = 6 };

/* A life with pushes, a flush and maintenance; `acked` says which pushes were answered OK. */
static void
live(bool acked[PUSHES])
{
    struct ingester *ing = NULL;
    struct fault f = {0};
    if (ingester_open(&options, &f, &ing) != OK) {
        return;
    }
    for (int i = 0; i < PUSHES; i++) {
        acked[i] = push_one(ing, (uint64_t)i) == OK;
        for (int k = 0; k <= i;
             k++) { /* at every moment: what was answered is served, what was refused is not */
            assert_int_equal(find_one(ing, (uint64_t)k), acked[k]);
        }
        if (i == 2) {
            (void)!ingester_flush(ing, &f);
        }
        if (i == 4) {
            ingester_maintain(ing);
        }
    }
    ingester_close(ing);
}

static struct ingester *
check_found(const bool acked[PUSHES])
{
    struct ingester *ing = NULL;
    struct fault f = {0};
    file_set_hook(NULL, NULL);
    assert_ok(ingester_open(&options, &f, &ing), &f);
    for (uint64_t k = 0; k < PUSHES; k++) {
        size_t n = find_one(ing, k);
        assert_true(n == acked[k] || (n == 1 && refused_may_return));
    }
    return ing;
}

static void
check_after(const bool acked[PUSHES])
{
    struct ingester *ing = check_found(acked);
    assert_int_equal(push_one(ing, 100), OK); /* and it works again */
    assert_true(find_one(ing, 100) > 0);
    ingester_close(ing);
}

static void
fail_each(bool from_then)
{
    for (int how = 0; how < 3; how++) {
        struct plan plan = {.fired = true};
        for (int n = 1; plan.fired; n++) {
            bool acked[PUSHES] = {0};
            assert_true(n < 500);
            plan = (struct plan){.n = n, .how = how, .from_then = from_then};
            file_set_hook(fail_nth, &plan);
            live(acked);
            check_after(acked);
            remove_dir(dir);
            temp_dir(dir);
        }
    }
}

static void
one_failing_operation_loses_nothing_and_invents_nothing(void **state)
{
    (void)state;
    fail_each(false);
    options.sync = WAL_SYNC_NONE;
    fail_each(false);
}

/* Writes, cuts, syncs, renames: all fail from the n-th on. */
static void
a_disk_that_dies_loses_nothing_that_was_answered(void **state)
{
    (void)state;
    options.sync = WAL_SYNC_NONE;
    fail_each(true);
    /* with wal_sync always a record may be written whole and then be neither synced nor cut: not answered,
     * never served by this process, and there after a restart */
    options.sync = WAL_SYNC_ALWAYS;
    refused_may_return = true;
    fail_each(true);
    refused_may_return = false;
}

static int
fail_reads(void *ctx, enum file_op op, const char *path, size_t bytes)
{
    (void)bytes;
    int *n = ctx;
    return op == FILE_READ && path && (*n)-- == 0 ? EIO : 0;
}

static void
a_start_that_cannot_read_changes_nothing(void **state)
{
    (void)state;
    bool acked[PUSHES] = {0};
    live(acked);
    for (int n = 0;; n++) {
        char path[512];
        int left = n;
        if (count_files(dir, ".idx", path)) { /* one of them is scanned */
            assert_int_equal(unlink(path), 0);
        }
        struct ingester *ing = NULL;
        struct fault f = {0};
        file_set_hook(fail_reads, &left);
        err rc = ingester_open(&options, &f, &ing);
        file_set_hook(NULL, NULL);
        if (rc == OK) {
            ingester_close(ing);
        }
        ingester_close(check_found(acked));
        if (left >= 0) {
            assert_true(n > 2);
            return;
        }
    }
}

/* --- kill -9 --- */

static void
child_pushes_until_killed(int fd, uint64_t first)
{
    struct ingester *ing = NULL;
    struct fault f = {0};
    if (ingester_open(&options, &f, &ing) != OK) {
        _exit(1);
    }
    for (uint64_t i = first;; i++) {
        struct made m;
        made_init(&m, i, 1, 3, 1);
        struct ingester_push p = {.tenant = SL("a"), .batch = &m.batch, .wire = buf_slice(&m.wire)};
        if (ingester_push(ing, &p, &f) != OK || write(fd, &i, sizeof i) != sizeof i) {
            _exit(1);
        }
        made_fini(&m);
        if (i % 7 == 0) {
            ingester_maintain(ing);
        }
    }
}

static void
an_acknowledged_span_survives_kill_9(void **state)
{
    (void)state;
    struct rng rng;
    uint64_t next = 0;
    rng_seed(&rng, 42);
    options.sync = WAL_SYNC_INTERVAL;
    options.sync_interval_ms = 5;
    options.max_block_bytes = 2000; /* seal, index and push at once */
    for (int round = 0; round < 25; round++) {
        int fd[2];
        assert_int_equal(pipe(fd), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fd[0]);
            child_pushes_until_killed(fd[1], next);
        }
        close(fd[1]);
        uint64_t until = next + 1 + rng_below(&rng, 60); /* let it answer a few, then a random while */
        uint64_t got = 0;
        while (next < until && read(fd[0], &got, sizeof got) == sizeof got) {
            assert_int_equal(got, next);
            next++;
        }
        assert_int_equal(next, until);
        usleep((useconds_t)rng_below(&rng, 1500));
        assert_int_equal(kill(pid, SIGKILL), 0);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        while (read(fd[0], &got, sizeof got) == sizeof got) { /* answered before the end */
            assert_int_equal(got, next);
            next++;
        }
        close(fd[0]);
        struct ingester *ing = NULL;
        struct fault f = {0};
        assert_ok(ingester_open(&options, &f, &ing), &f);
        for (uint64_t k = 0; k < next; k++) {
            assert_int_equal(find_one(ing, k), 3);
        }
        assert_int_equal(find_one(ing, next + 1), 0); /* at most one was stored and not answered */
        next += find_one(ing, next) != 0;
        ingester_close(ing);
    }
}

/* --- threads --- */

struct worker {
    struct ingester *ing;
    uint64_t first;
    int mismatches;
    struct fault refused; /* the first push that failed */
};

static _Atomic bool done;

static void *
push_and_find(void *arg)
{
    struct worker *w = arg;
    for (uint64_t i = 0; i < 60; i++) {
        w->mismatches += push_told(w->ing, w->first + i % 20, &w->refused) != OK;
        w->mismatches += find_one(w->ing, w->first + i % 20) != i / 20 + 1;
    }
    return NULL;
}

static void *
maintain(void *arg)
{
    struct worker *w = arg;
    struct fault f = {0};
    while (!done) {
        ingester_maintain(w->ing);
        struct ingester_sealed *s = ingester_next_sealed(w->ing, 0);
        struct ingester_sealed_tenant t;
        w->mismatches += s && !ingester_sealed_tenant(s, 0, &t);
        ingester_sealed_release(s);
        w->mismatches += ingester_flush(w->ing, &f) != OK;
        usleep(500);
    }
    return NULL;
}

static void
pushes_and_queries_of_many_threads_agree(void **state)
{
    (void)state;
    struct worker workers[5] = {0};
    pthread_t threads[5];
    for (int mode = 0; mode < 3; mode++) {
        options.sync = (enum wal_sync)mode;
        options.sync_interval_ms = 1;
        options.max_block_bytes = 1500;
        struct ingester *ing = NULL;
        struct fault f = {0};
        assert_ok(ingester_open(&options, &f, &ing), &f);
        done = false;
        for (uint64_t i = 0; i < 5; i++) {
            workers[i] = (struct worker){.ing = ing, .first = (uint64_t)mode * 10000 + 100 * i};
            assert_int_equal(pthread_create(&threads[i], NULL, i < 4 ? push_and_find : maintain, &workers[i]),
                             0);
        }
        for (int i = 0; i < 5; i++) {
            done = i == 4;
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            if (workers[i].mismatches) {
                fail_msg("mode %d, thread %d: %d mismatches; refused: '%s'", mode, i, workers[i].mismatches,
                         workers[i].refused.msg);
            }
        }
        struct ingester_stats st;
        ingester_stats(ing, &st);
        assert_int_equal(st.live_traces, 80 * (mode + 1)); /* exact, however the pushes met the seals */
        assert_int_equal(st.live_spans, 240 * (mode + 1));
        ingester_close(ing);
    }
    /* all of it can be retired, and then nothing is live */
    struct ingester *ing = NULL;
    struct fault f = {0};
    assert_ok(ingester_open(&options, &f, &ing), &f);
    for (struct ingester_sealed *s = NULL; (s = ingester_next_sealed(ing, 0)) != NULL;
         ingester_sealed_release(s)) {
        assert_ok(ingester_retire(ing, s, &f), &f);
    }
    struct ingester_stats st;
    ingester_stats(ing, &st);
    assert_int_equal(st.live_traces, 0);
    assert_int_equal(st.live_spans, 0);
    assert_int_equal(st.live_bytes, 0);
    ingester_close(ing);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(one_failing_operation_loses_nothing_and_invents_nothing),
        T(a_disk_that_dies_loses_nothing_that_was_answered),
        T(a_start_that_cannot_read_changes_nothing),
        T(an_acknowledged_span_survives_kill_9),
        T(pushes_and_queries_of_many_threads_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
