/* What a metrics query adds up: exact whatever the order, the same from one worker or several, bounded. */
#include "metrics_loops.h"
#include "metrics_priv.h"
#include "parallel.h"
#include "planned.h"
#include "test.h"

#include "vivace/base/mem.h"
#include "vivace/base/rng.h"

#include <math.h>
#include <stdatomic.h>

struct fixture {
    struct planned planned;
    struct metrics_query q;
};

static void
begin(struct fixture *x, const char *text)
{
    planned_make(&x->planned, text);
    x->q = (struct metrics_query){.plan = &x->planned.plan, .step_ns = 100, .steps = 10, .exemplars = 20};
}

static void
end(struct fixture *x)
{
    planned_fini(&x->planned);
}

static void
observe(struct metrics_sink *s, const char *label, uint64_t at, double value)
{
    const trace_id trace = {{(uint8_t)at, (uint8_t)(at >> 8), 1}};
    const struct tql_static v = tql_static_float(value);
    s->labels[0] = tql_static_string(slice_cstr(label));
    metrics_sink_add(s, metrics_interval(s->q, at), at, &trace, metrics_measures(s->q) ? &v : NULL);
}

static void
test_an_interval_is_open_on_its_left_and_closed_on_its_right(void **state)
{
    const struct metrics_query q = {.start_ns = 1000, .step_ns = 100, .steps = 3};
    (void)state;
    assert_int_equal(metrics_interval(&q, 1000), METRICS_NO_STEP);
    assert_int_equal(metrics_interval(&q, 1001), 0);
    assert_int_equal(metrics_interval(&q, 1100), 0);
    assert_int_equal(metrics_interval(&q, 1101), 1);
    assert_int_equal(metrics_interval(&q, 1300), 2);
    assert_int_equal(metrics_interval(&q, 1301), METRICS_NO_STEP);
    assert_int_equal(metrics_interval(&q, UINT64_MAX), METRICS_NO_STEP);
}

/* Starts at the edges of intervals and anywhere, near and far: what the loop says is what each by itself
 * says. */
static void
test_intervals_of_many_starts_are_those_of_each(void **state)
{
    static const uint64_t lengths[] = {1, 2, 3, 7, 1000, 999999937, 60000000000, UINT64_C(1) << 40};
    uint64_t starts[64];
    uint32_t steps[64];
    uint32_t first = 0;
    uint32_t last = 0;
    size_t decided = 0;
    struct rng r;
    (void)state;
    rng_seed(&r, 7);
    for (int round = 0; round < 20000; round++) {
        struct metrics_query q = {.start_ns = UINT64_C(1700000000000000000) + rng_below(&r, 1000),
                                  .step_ns = lengths[rng_below(&r, 8)],
                                  .steps = METRICS_STEPS_MAX};
        const uint64_t range = UINT64_C(1) << (1 + rng_below(&r, 54));
        for (size_t i = 0; i < 64; i++) {
            const uint64_t edge = rng_below(&r, 1 + range / q.step_ns) * q.step_ns;
            starts[i] = q.start_ns + (rng_below(&r, 2) ? edge + rng_below(&r, 3) : 1 + rng_below(&r, range));
        }
        if (!loop_intervals(&q, starts, 64, steps, &first, &last) || last >= q.steps) {
            continue; /* too far away, or before the first: each is looked at */
        }
        decided++;
        for (size_t i = 0; i < 64; i++) {
            assert_int_equal(steps[i], metrics_interval(&q, starts[i]));
            assert_true(steps[i] >= first && steps[i] <= last);
        }
    }
    assert_true(decided > 5000);
    const struct metrics_query end = {.start_ns = UINT64_MAX, .step_ns = 1, .steps = 1};
    assert_false(loop_intervals(&end, starts, 64, steps, &first, &last));
    const struct metrics_query later = {.start_ns = starts[0], .step_ns = 1, .steps = 1};
    assert_false(loop_intervals(&later, starts, 1, steps, &first, &last));
}

static void
test_a_bucket_is_the_least_power_of_two_that_is_no_less(void **state)
{
    (void)state;
    assert_int_equal(timeline_bucket(INT64_MIN), 0);
    assert_int_equal(timeline_bucket(1), 0);
    assert_int_equal(timeline_bucket(2), 1);
    assert_int_equal(timeline_bucket(3), 2);
    assert_int_equal(timeline_bucket(4), 2);
    assert_int_equal(timeline_bucket(INT64_MAX), 63);
}

static void
test_a_sum_does_not_depend_on_the_order_of_its_numbers(void **state)
{
    static const double numbers[] = {1e16, 1, -1e16, 0.1, 3e-9, 1e16, -1e16, 0.2};
    struct fixture x;
    (void)state;
    begin(&x, "{ } | sum_over_time(span.x) by (name)");
    for (size_t shift = 0; shift < 8; shift++) {
        struct metrics_sink s;
        struct metrics_answer a = {0};
        metrics_sink_init(&s, &x.q);
        arena_init(&a.memory, 0);
        for (size_t i = 0; i < 8; i++) {
            observe(&s, "n", 1, numbers[(i * 5 + shift) % 8]);
        }
        metrics_answer_make(&s, &a);
        assert_int_equal(a.count, 1);
        assert_true(fabs(a.v[0].values[0] - (1.3 + 3e-9)) < 1e-15);
        assert_true(isnan(a.v[0].values[1]));
        metrics_sink_fini(&s);
        arena_fini(&a.memory);
        mem_free(a.v);
    }
    end(&x);
}

/* Every function: all spans in one sink, and dealt out to three that are merged. */
static void
test_workers_together_find_what_one_finds(void **state)
{
    static const char *const texts[] = {
        "{ } | rate() by (name)",
        "{ } | min_over_time(span.x) by (name)",
        "{ } | max_over_time(span.x) by (name)",
        "{ } | sum_over_time(span.x) by (name)",
        "{ } | avg_over_time(span.x) by (name)",
    };
    (void)state;
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        struct fixture x;
        struct metrics_sink one;
        struct metrics_sink part[3];
        struct metrics_answer a = {0};
        struct metrics_answer b = {0};
        struct rng rng;
        begin(&x, texts[t]);
        rng_seed(&rng, 7);
        metrics_sink_init(&one, &x.q);
        for (size_t i = 0; i < 3; i++) {
            metrics_sink_init(&part[i], &x.q);
        }
        for (size_t i = 0; i < 2000; i++) {
            static const char *const names[] = {"a", "b", "c", "d"};
            const char *name = names[rng_below(&rng, 4)];
            const uint64_t at = 1 + rng_below(&rng, 1000);
            const double value = (double)rng_below(&rng, 1000) / 7;
            observe(&one, name, at, value);
            observe(&part[rng_below(&rng, 3)], name, at, value);
        }
        metrics_sink_merge(&part[0], &part[1]);
        metrics_sink_merge(&part[0], &part[2]);
        arena_init(&a.memory, 0);
        arena_init(&b.memory, 0);
        exemplars_choose(&one.timelines.exemplars);
        exemplars_choose(&part[0].timelines.exemplars);
        metrics_answer_make(&one, &a);
        metrics_answer_make(&part[0], &b);
        assert_int_equal(a.count, 4);
        assert_int_equal(b.count, 4);
        for (size_t i = 0; i < 4; i++) {
            for (uint32_t k = 0; k < x.q.steps; k++) {
                assert_true(a.v[i].values[k] == b.v[i].values[k]);
            }
            assert_int_equal(a.v[i].exemplar_count, b.v[i].exemplar_count);
            assert_in_range(a.v[i].exemplar_count, 1, 20);
        }
        metrics_sink_fini(&one);
        for (size_t i = 0; i < 3; i++) {
            metrics_sink_fini(&part[i]);
        }
        arena_fini(&a.memory);
        arena_fini(&b.memory);
        mem_free(a.v);
        mem_free(b.v);
        end(&x);
    }
}

static void
test_a_million_series_are_cut_at_the_memory_bound_and_said_so(void **state)
{
    struct fixture x;
    struct metrics_sink s;
    (void)state;
    begin(&x, "{ } | rate() by (name)");
    x.q.exemplars = 0;
    x.q.steps = 1000;
    metrics_sink_init(&s, &x.q);
    for (size_t i = 0; i < 1000000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "series %zu", i);
        observe(&s, name, 1, 0);
    }
    assert_true(s.timelines.full);
    assert_in_range(s.timelines.count, 1000, 10000);
    assert_in_range(timelines_bytes(&s.timelines), METRICS_BYTES_MAX / 2, METRICS_BYTES_MAX + (1 << 20));
    metrics_sink_fini(&s);
    end(&x);
}

static void
test_compare_counts_all_values_in_totals_and_a_bounded_number_one_by_one(void **state)
{
    struct fixture x;
    struct compare_set s;
    const struct tql_attr attr = {.name = SL("id"), .scope = TQL_SCOPE_SPAN};
    const size_t n = 3 * METRICS_COMPARE_VALUES_MAX;
    (void)state;
    begin(&x, "{ } | compare({ status = error })");
    compare_set_init(&s, &x.q);
    struct compare_attr *at = compare_attr_of(&s, &attr);
    for (size_t i = 0; i < n; i++) {
        const struct tql_static v = tql_static_int(i % 10 ? (int64_t)i : -1);
        compare_add(&s, at, COMPARE_SELECTION, (uint32_t)(i % 10), &v, 1);
    }
    const struct compare_value **top = mem_new_array(const struct compare_value *, at->count);
    double total = 0;
    for (uint32_t i = 0; i < x.q.steps; i++) {
        total += at->totals[COMPARE_SELECTION][i];
    }
    assert_true(total == (double)n);
    assert_int_equal(at->count, METRICS_COMPARE_VALUES_MAX);
    assert_int_equal(compare_top(at, COMPARE_SELECTION, 1, top), 1);
    assert_int_equal(top[0]->value.i, -1);
    assert_int_equal(compare_top(at, COMPARE_BASELINE, 10, top), 0);
    mem_free(top);
    compare_set_fini(&s);
    end(&x);
}

static void
mark(void *ctx, size_t slot, size_t i)
{
    _Atomic uint8_t *seen = ctx;
    assert_true(slot < 4);
    atomic_fetch_add(&seen[i], 1);
}

static void
test_a_loop_over_the_pool_does_every_number_once_even_when_the_pool_is_busy(void **state)
{
    struct pool *pool = pool_create("t", 4, 2);
    (void)state;
    for (size_t n = 0; n < 200; n++) {
        _Atomic uint8_t seen[200] = {0};
        parallel_for(pool, n, mark, seen);
        for (size_t i = 0; i < 200; i++) {
            assert_int_equal(seen[i], i < n);
        }
    }
    pool_destroy(pool);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_interval_is_open_on_its_left_and_closed_on_its_right),
        cmocka_unit_test(test_intervals_of_many_starts_are_those_of_each),
        cmocka_unit_test(test_a_bucket_is_the_least_power_of_two_that_is_no_less),
        cmocka_unit_test(test_a_sum_does_not_depend_on_the_order_of_its_numbers),
        cmocka_unit_test(test_workers_together_find_what_one_finds),
        cmocka_unit_test(test_a_million_series_are_cut_at_the_memory_bound_and_said_so),
        cmocka_unit_test(test_compare_counts_all_values_in_totals_and_a_bounded_number_one_by_one),
        cmocka_unit_test(test_a_loop_over_the_pool_does_every_number_once_even_when_the_pool_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
