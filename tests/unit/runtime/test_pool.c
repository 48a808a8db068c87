/* The worker pool and the maintenance thread. */
#include "test.h"

#include "vivace/runtime/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define JOBS 5000

struct job {
    struct pool_job job;
    _Atomic int *done;
    pthread_mutex_t *gate;
};

static void
run_job(struct pool_job *j)
{
    struct job *job = (struct job *)(void *)j;
    if (job->gate) {
        pthread_mutex_lock(job->gate);
        pthread_mutex_unlock(job->gate);
    }
    atomic_fetch_add(job->done, 1);
}

static void
every_accepted_job_runs_once_even_when_the_pool_ends(void **state)
{
    (void)state;
    static struct job jobs[JOBS];
    _Atomic int done = 0;
    struct pool *p = pool_create("pool", 4, JOBS);
    assert_int_equal(pool_threads(p), 4);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.job.run = run_job, .done = &done};
        assert_int_equal(pool_submit(p, &jobs[i].job), OK);
    }
    pool_destroy(p);
    assert_int_equal(atomic_load(&done), JOBS);
}

static void
a_full_queue_refuses_and_recovers(void **state)
{
    (void)state;
    struct job jobs[4];
    _Atomic int done = 0;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&gate);
    struct pool *p = pool_create("full", 1, 2);
    for (int i = 0; i < 4; i++) {
        jobs[i] = (struct job){.job.run = run_job, .done = &done, .gate = &gate};
    }
    assert_int_equal(pool_submit(p, &jobs[0].job), OK);
    while (pool_queued(p) > 0) { /* until the worker holds it */
        usleep(100);
    }
    assert_int_equal(pool_submit(p, &jobs[1].job), OK);
    assert_int_equal(pool_submit(p, &jobs[2].job), OK);
    assert_int_equal(pool_submit(p, &jobs[3].job), ERR_LIMIT);
    assert_int_equal(pool_queued(p), 2);
    pthread_mutex_unlock(&gate);
    while (pool_submit(p, &jobs[3].job) == ERR_LIMIT) {
        usleep(100);
    }
    pool_destroy(p);
    assert_int_equal(atomic_load(&done), 4);
}

static _Atomic int rounds;

static void
count_round(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&rounds, 1);
}

static void
maintenance_runs_by_the_clock_and_when_poked(void **state)
{
    (void)state;
    struct maintenance *m = maintenance_start("maint", 0, 3600 * 1000, count_round, NULL);
    assert_int_equal(atomic_load(&rounds), 0);
    maintenance_poke(m);
    while (atomic_load(&rounds) < 1) {
        usleep(100);
    }
    maintenance_stop(m);
    m = maintenance_start("maint", 0, 1, count_round, NULL);
    while (atomic_load(&rounds) < 4) {
        usleep(100);
    }
    maintenance_stop(m);
    int before = atomic_load(&rounds);
    usleep(5000);
    assert_int_equal(atomic_load(&rounds), before);
}

static _Atomic int niceness;

static void
note_priority(void *ctx)
{
    (void)ctx;
    atomic_store(&niceness, getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid)));
}

static void
work_in_the_background_stands_back_alone(void **state)
{
    (void)state;
    const int mine = getpriority(PRIO_PROCESS, 0);
    const int want = mine + 3 < 19 ? mine + 3 : 19;
    atomic_store(&niceness, -100);
    struct maintenance *m = maintenance_start("maint", want, 1, note_priority, NULL);
    while (atomic_load(&niceness) == -100) {
        usleep(100);
    }
    maintenance_stop(m);
    assert_int_equal(atomic_load(&niceness), want);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), mine);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_accepted_job_runs_once_even_when_the_pool_ends),
        cmocka_unit_test(a_full_queue_refuses_and_recovers),
        cmocka_unit_test(maintenance_runs_by_the_clock_and_when_poked),
        cmocka_unit_test(work_in_the_background_stands_back_alone),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
