/* A bounded number of queries runs; the others wait their turn, and none is lost. */
#include "gate.h"
#include "test.h"

#include "vivace/base/mem.h"

#include <stdatomic.h>
#include <unistd.h>

static _Atomic int running, most, finished;

struct counting {
    struct query_task task;
    int steps_left;
    bool begun;
};

static bool
step(struct query_task *t)
{
    struct counting *c = (struct counting *)t;
    if (!c->begun) {
        int now = atomic_fetch_add(&running, 1) + 1;
        int before = atomic_load(&most);
        while (now > before && !atomic_compare_exchange_weak(&most, &before, now)) {
        }
        c->begun = true;
    }
    if (--c->steps_left > 0) {
        return false;
    }
    atomic_fetch_sub(&running, 1);
    atomic_fetch_add(&finished, 1);
    mem_free(c);
    return true;
}

static struct counting *
make(int steps)
{
    struct counting *c = mem_new(struct counting);
    c->task.step = step;
    c->steps_left = steps;
    return c;
}

static void
wait_for(int count)
{
    for (int i = 0; i < 10000 && atomic_load(&finished) < count; i++) {
        usleep(1000);
    }
    assert_int_equal(atomic_load(&finished), count);
}

static void
run_with(size_t running_max, size_t queue_max)
{
    struct query_gate g;
    running = most = finished = 0;
    struct pool *pool = pool_create("test", 2, queue_max);
    query_gate_init(&g, pool, running_max, 1000);
    for (int i = 0; i < 300; i++) {
        struct counting *c = make(1 + i % 7);
        while (query_gate_enter(&g, &c->task) != OK) {
            usleep(100); /* the pool's queue is full */
        }
    }
    wait_for(300);
    pool_destroy(pool);
    assert_true(most <= (int)running_max);
    assert_int_equal(g.running, 0);
    assert_int_equal(g.waiting, 0);
    query_gate_fini(&g);
}

static void
at_most_so_many_run_and_all_end(void **state)
{
    (void)state;
    run_with(3, 4096);
}

static void
a_full_worker_queue_loses_no_query(void **state)
{
    (void)state;
    run_with(5, 1);
}

static void
too_many_waiting_are_refused(void **state)
{
    (void)state;
    struct query_gate g;
    running = most = finished = 0;
    struct pool *pool = pool_create("test", 1, 4096);
    query_gate_init(&g, pool, 1, 2);
    struct counting *first = make(1000000);
    assert_int_equal(query_gate_enter(&g, &first->task), OK);
    assert_int_equal(query_gate_enter(&g, &make(1)->task), OK);
    assert_int_equal(query_gate_enter(&g, &make(1)->task), OK);
    struct counting *refused = make(1);
    assert_int_equal(query_gate_enter(&g, &refused->task), ERR_LIMIT);
    mem_free(refused);
    wait_for(3);
    pool_destroy(pool);
    query_gate_fini(&g);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_most_so_many_run_and_all_end),
        cmocka_unit_test(a_full_worker_queue_loses_no_query),
        cmocka_unit_test(too_many_waiting_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
