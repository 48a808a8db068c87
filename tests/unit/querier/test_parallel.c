/* Work on several things at once: each number once, and never waiting for a worker that is not free. */
#include "parallel.h"
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define NUMBERS 1000

struct sums {
    int times[NUMBERS]; /* each written by whoever has the number */
    struct pool *pool;
};

static void
count(void *ctx, size_t slot, size_t i)
{
    (void)slot;
    ((struct sums *)ctx)->times[i]++;
}

static void
every_number_is_worked_on_once(void **state)
{
    (void)state;
    struct pool *p = pool_create("fork", 4, 100);
    for (int round = 0; round < 200; round++) {
        struct sums s = {.pool = p};
        size_t n = (size_t)round * 5;
        parallel_for(round % 10 ? p : NULL, n, count, &s);
        for (size_t i = 0; i < NUMBERS; i++) {
            assert_int_equal(s.times[i], i < n);
        }
    }
    pool_destroy(p);
}

static err
refuse_some(void *ctx, size_t slot, size_t i, struct fault *f)
{
    const size_t *every = ctx;
    (void)slot;
    if (i % *every != *every - 1) {
        usleep(i % 3 * 10);
        return OK;
    }
    usleep(i < 200 ? 300 : 0); /* the first to fail is not the first to tell */
    return FAULT(f, ERR_CORRUPT, "number %zu", i);
}

static void
the_failure_of_the_least_number_is_the_answer(void **state)
{
    (void)state;
    struct pool *p = pool_create("fork", 4, 100);
    for (size_t every = 1; every < 120; every++) {
        char text[32];
        struct fault f = {0};
        snprintf(text, sizeof text, "number %zu", every - 1);
        assert_int_equal(parallel_try(every % 10 ? p : NULL, 1000, refuse_some, &every, &f), ERR_CORRUPT);
        assert_string_equal(f.msg, text);
        assert_int_equal(parallel_try(p, every - 1, refuse_some, &every, NULL), OK);
        assert_int_equal(parallel_try(p, every, refuse_some, &every, NULL), ERR_CORRUPT);
    }
    pool_destroy(p);
}

/* Jobs that keep every worker busy until the gate opens. */
struct blocker {
    struct pool_job job;
    pthread_mutex_t *gate;
    _Atomic int *inside;
};

static void
block(struct pool_job *j)
{
    struct blocker *b = (struct blocker *)(void *)j;
    atomic_fetch_add(b->inside, 1);
    pthread_mutex_lock(b->gate);
    pthread_mutex_unlock(b->gate);
}

static void
the_caller_does_it_alone_when_all_workers_are_busy(void **state)
{
    (void)state;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    _Atomic int inside = 0;
    struct blocker b[2];
    struct sums s = {{0}, NULL};
    struct pool *p = pool_create("fork", 2, 4);
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 2; i++) {
        b[i] = (struct blocker){.job.run = block, .gate = &gate, .inside = &inside};
        assert_int_equal(pool_submit(p, &b[i].job), OK);
    }
    while (atomic_load(&inside) < 2) {
        usleep(100);
    }
    for (int round = 0; round < 6; round++) { /* more than the queue holds */
        parallel_for(p, 50, count, &s);
    }
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(s.times[i], 6);
    }
    pthread_mutex_unlock(&gate);
    pool_destroy(p); /* helpers that come late find nothing, and free what they hold */
}

static void
fork_again(void *ctx, size_t slot, size_t i)
{
    (void)slot;
    struct sums *s = ctx;
    struct sums inner = {{0}, NULL};
    parallel_for(s->pool, 20, count, &inner);
    for (size_t k = 0; k < 20; k++) {
        s->times[i] += inner.times[k];
    }
}

static void
what_is_forked_may_fork(void **state)
{
    (void)state;
    struct pool *p = pool_create("fork", 3, 100);
    struct sums s = {.pool = p};
    parallel_for(p, 100, fork_again, &s);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(s.times[i], 20);
    }
    pool_destroy(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_is_worked_on_once),
        cmocka_unit_test(the_failure_of_the_least_number_is_the_answer),
        cmocka_unit_test(the_caller_does_it_alone_when_all_workers_are_busy),
        cmocka_unit_test(what_is_forked_may_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
