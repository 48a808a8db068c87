/* Which traces may stand in a settled segment: never "no" for one that does, and hardly ever "maybe" else. */
#include "on_disk.h"
#include "test.h"

#include "vivace/base/rng.h"

enum { TRACES = 20000, TIMES_MAX = 4 };

static trace_id
id_of(uint64_t n)
{
    trace_id id = {{0}};
    memcpy(id.b + 8, &n, sizeof n);
    return id;
}

static size_t
wrong_answers(const struct on_disk *o, const uint8_t *times, uint64_t tenant)
{
    size_t wrong = 0;
    for (size_t t = 0; t < TRACES; t++) {
        const trace_id id = id_of(t);
        const bool may = on_disk_may_have(o, tenant, &id);
        assert_true(may || times[t] == 0);
        wrong += may && times[t] == 0;
    }
    return wrong;
}

static void
a_trace_is_there_as_long_as_one_segment_has_it(void **state)
{
    static uint8_t times[TRACES], nothing[TRACES];
    struct budget budget;
    struct on_disk o;
    struct rng r;
    (void)state;
    memset(times, 0, sizeof times);
    budget_init(&budget, "test", NULL, 1 << 20);
    rng_seed(&r, 3);
    on_disk_init(&o, &budget);
    const uint64_t one = on_disk_tenant(&o, SL("one")), other = on_disk_tenant(&o, SL("other"));
    for (size_t i = 0; i < (size_t)20 * TRACES; i++) {
        const size_t t = rng_below(&r, TRACES);
        const trace_id id = id_of(t);
        if (rng_below(&r, 2) && times[t] < TIMES_MAX) {
            on_disk_add(&o, one, &id);
            times[t]++;
        } else if (times[t]) {
            on_disk_remove(&o, one, &id);
            times[t]--;
        } else if (rng_below(&r, 100) == 0) {
            on_disk_remove(&o, other, &id); /* never was there */
        }
        if (i % (3 * TRACES) == 0) {
            assert_true(wrong_answers(&o, times, one) < 3);
            assert_true(wrong_answers(&o, nothing, other) < 3);
        }
    }
    assert_true(budget_used(&budget) == o.capacity * sizeof *o.slots);
    for (size_t t = 0; t < TRACES; t++) {
        const trace_id id = id_of(t);
        for (; times[t]; times[t]--) {
            on_disk_remove(&o, one, &id);
        }
    }
    assert_int_equal(o.count, 0);
    assert_int_equal(wrong_answers(&o, times, one), 0);
    on_disk_fini(&o);
    assert_true(budget_used(&budget) == 0);
}

static void
without_memory_everything_may_be_there_until_nothing_is(void **state)
{
    struct budget budget;
    struct on_disk o;
    (void)state;
    budget_init(&budget, "test", NULL, 40000);
    on_disk_init(&o, &budget);
    const uint64_t tenant = on_disk_tenant(&o, SL("t"));
    const trace_id unknown = id_of(TRACES);
    for (size_t t = 0; t < 1000; t++) {
        const trace_id id = id_of(t);
        on_disk_add(&o, tenant, &id);
    }
    assert_false(on_disk_may_have(&o, tenant, &unknown));
    for (size_t t = 1000; t < TRACES; t++) {
        const trace_id id = id_of(t);
        on_disk_add(&o, tenant, &id);
        on_disk_remove(&o, tenant, &id);
        on_disk_add(&o, tenant, &id);
    }
    assert_true(on_disk_may_have(&o, tenant, &unknown));
    assert_true(budget_used(&budget) == 0);
    on_disk_clear(&o);
    assert_false(on_disk_may_have(&o, tenant, &unknown));
    on_disk_add(&o, tenant, &unknown);
    assert_true(on_disk_may_have(&o, tenant, &unknown));
    on_disk_fini(&o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_is_there_as_long_as_one_segment_has_it),
        cmocka_unit_test(without_memory_everything_may_be_there_until_nothing_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
