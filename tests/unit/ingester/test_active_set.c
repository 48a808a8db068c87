/* Which traces are live: those a span came for in the last one to two periods, however many came before. */
#include "active_set.h"
#include "test.h"

#include "vivace/base/rng.h"

#define PERIOD 10

static trace_id
id_of(uint64_t n)
{
    trace_id id = {{0}};
    memcpy(id.b, &n, sizeof n);
    return id;
}

static void
a_trace_is_live_for_one_to_two_periods(void **state)
{
    enum { TRACES = 3000 };
    static int last[TRACES]; /* the period of its last span, 0: none */
    struct active_set s;
    struct rng r;
    (void)state;
    memset(last, 0, sizeof last);
    rng_seed(&r, 7);
    active_set_init(&s, 0);
    for (int period = 1, now = PERIOD; period < 60; period++) {
        const int skipped = rng_below(&r, 8) == 0; /* nothing came for a while */
        size_t live = 0;
        period += skipped;
        now = period * PERIOD;
        active_set_turn(&s, now, PERIOD);
        active_set_turn(&s, now + PERIOD - 1, PERIOD);
        for (size_t i = 0; i < rng_below(&r, 2 * TRACES); i++) {
            const size_t t = rng_below(&r, TRACES);
            const trace_id id = id_of(t);
            active_set_touch(&s, &id);
            last[t] = period;
        }
        for (size_t t = 0; t < TRACES; t++) {
            const trace_id id = id_of(t);
            const bool is = last[t] && last[t] + 1 >= period;
            assert_int_equal(active_set_has(&s, &id), is);
            live += is;
        }
        assert_int_equal(active_set_count(&s), live);
    }
    active_set_fini(&s);
}

static void
more_than_it_can_hold_are_not_remembered(void **state)
{
    struct active_set s;
    (void)state;
    active_set_init(&s, 0);
    for (uint64_t i = 0; i < ACTIVE_SET_MAX + 5000; i++) {
        const trace_id id = id_of(i);
        active_set_touch(&s, &id);
    }
    assert_int_equal(active_set_count(&s), ACTIVE_SET_MAX);
    assert_true(s.capacity * sizeof *s.slots <= 1 << 20);
    const trace_id first = id_of(0), late = id_of(ACTIVE_SET_MAX + 1);
    assert_true(active_set_has(&s, &first));
    assert_false(active_set_has(&s, &late));
    active_set_turn(&s, PERIOD, PERIOD);
    assert_true(active_set_has(&s, &first));
    active_set_touch(&s, &first); /* one of those from before may go on */
    active_set_turn(&s, 2 * PERIOD, PERIOD);
    assert_int_equal(active_set_count(&s), 1);
    active_set_touch(&s, &late);
    assert_true(active_set_has(&s, &late));
    active_set_fini(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_is_live_for_one_to_two_periods),
        cmocka_unit_test(more_than_it_can_hold_are_not_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
