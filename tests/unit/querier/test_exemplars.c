/* Exemplars: as many as were asked for, shared by the series, spread over time, a trace once in a series; the
 * same ones in whatever order spans come and wherever they lie. */
#include "exemplars.h"
#include "test.h"

#include "vivace/base/rng.h"

#include <stdlib.h>

#define SPANS_MAX 600
#define OWNERS    8

static struct block_reader *const BLOCKS[] = {(void *)0x100, (void *)0x200};

struct one {
    uint64_t start_ns;
    trace_id trace;
    size_t owner;
    double measured;
};

struct spans {
    struct one v[SPANS_MAX];
    size_t count;
};

static trace_id
trace_of(uint64_t n)
{
    return (trace_id){{(uint8_t)(n >> 8), (uint8_t)n, 1}};
}

static void
add(struct exemplar_set *s, const struct one *o, struct block_reader *block, uint32_t row_group, uint32_t row)
{
    struct exemplar e = {.start_ns = o->start_ns,
                         .block = block,
                         .row_group = row_group,
                         .row = row,
                         .measured = tql_static_float(o->measured)};
    if (block == NULL) {
        e.trace = o->trace;
    }
    exemplars_add(s, o->owner, &e);
}

static void
add_all(struct exemplar_set *s, const struct one *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        add(s, &v[i], NULL, 0, 0);
    }
}

static void
finish(struct exemplar_set *s)
{
    exemplars_mark(s);
    exemplars_choose(s);
}

static size_t
shown_of(const struct exemplar_set *s, size_t owner)
{
    const struct exemplar *shown[EXEMPLARS_MAX];
    return exemplars_shown(s, owner, shown);
}

static void
test_series_share_what_was_asked_for_and_each_has_one(void **state)
{
    (void)state;
    for (size_t owners = 1; owners < 300; owners += 1 + owners / 7) {
        const struct metrics_query q = {.step_ns = 1000, .steps = 60, .exemplars = 100};
        struct exemplar_set s;
        size_t all = 0;
        exemplars_init(&s, &q);
        for (uint64_t i = 0; i < 120000; i++) {
            const struct one o = {
                .start_ns = 1 + i * 7919 % 60000, .trace = trace_of(i), .owner = i % owners};
            add(&s, &o, NULL, 0, 0);
        }
        finish(&s);
        for (size_t i = 0; i < owners; i++) {
            assert_in_range(shown_of(&s, i), 1, 100);
            all += shown_of(&s, i);
        }
        assert_in_range(all, owners < 100 ? 45 : owners, owners < 100 ? 100 : owners);
        exemplars_fini(&s);
    }
}

static void
test_they_are_spread_over_time_and_lie_close_together_across_series(void **state)
{
    const struct metrics_query q = {.step_ns = 1000, .steps = 64, .exemplars = 128};
    const struct exemplar *shown[EXEMPLARS_MAX];
    struct exemplar_set s;
    (void)state;
    exemplars_init(&s, &q);
    for (uint64_t i = 0; i < 100000; i++) {
        const struct one o = {.start_ns = 1 + i * 7919 % 64000, .trace = trace_of(i), .owner = i % 8};
        add(&s, &o, NULL, 0, 0);
    }
    finish(&s);
    for (size_t owner = 0; owner < 8; owner++) { /* 16 each: two at the end of each eighth */
        assert_int_equal(exemplars_shown(&s, owner, shown), 16);
        for (size_t i = 0; i < 16; i++) {
            assert_int_equal(metrics_interval(&q, shown[i]->start_ns), i / 2 * 8 + 7);
        }
    }
    exemplars_fini(&s);
}

static void
test_none_are_kept_when_none_are_wanted_or_behind_the_last_series(void **state)
{
    struct metrics_query q = {.step_ns = 1000, .steps = 6};
    struct exemplar_set s;
    struct one o = {.start_ns = 5, .trace = trace_of(1)};
    (void)state;
    for (int round = 0; round < 2; round++) {
        exemplars_init(&s, &q);
        add(&s, &o, NULL, 0, 0);
        finish(&s);
        assert_int_equal(shown_of(&s, o.owner), 0);
        assert_int_equal(s.used, 0);
        exemplars_fini(&s);
        q.exemplars = 5;
        o.owner = METRICS_EXEMPLAR_SERIES_MAX;
    }
}

static void
test_a_great_number_asked_for_and_many_that_start_together_take_bounded_memory(void **state)
{
    const struct metrics_query q = {.step_ns = 1000, .steps = METRICS_STEPS_MAX, .exemplars = UINT32_MAX};
    struct exemplar_set s;
    (void)state;
    exemplars_init(&s, &q);
    for (uint32_t i = 0; i < 1000000; i++) {
        const struct one o = {.start_ns = 1 + i % 50, .trace = trace_of(i)};
        add(&s, &o, i % 3 ? BLOCKS[i % 2] : NULL, i % 1000, i);
    }
    assert_in_range(exemplars_bytes(&s), 1, 1 << 16);
    finish(&s);
    exemplars_fini(&s);
}

/* --- wherever they lie ---------------------------------------------------------------------------------- */

static int
by_start(const void *x, const void *y)
{
    const struct one *a = x;
    const struct one *b = y;
    return a->start_ns < b->start_ns ? -1 : a->start_ns > b->start_ns;
}

static int
by_trace(const void *x, const void *y)
{
    return memcmp(&((const struct one *)x)->trace, &((const struct one *)y)->trace, sizeof(trace_id));
}

/* Few traces, few starts: many are equal. */
static void
make_spans(struct spans *w, struct rng *r, uint64_t range)
{
    const uint64_t starts = 1 + rng_below(r, 400);
    const uint64_t traces = 1 + rng_below(r, 300);
    w->count = 1 + rng_below(r, SPANS_MAX);
    for (size_t i = 0; i < w->count; i++) {
        w->v[i] = (struct one){.start_ns = 1 + rng_below(r, starts) * (range / starts),
                               .trace = trace_of(rng_below(r, traces)),
                               .owner = rng_below(r, OWNERS)};
    }
}

/* Spans that were dealt out: what is read of a row in a block is where it stands. */
struct dealt {
    struct one groups[2][4][SPANS_MAX];
    size_t counts[2][4];
};

/* Live, or in one of eight row groups of two blocks, whose rows stand by trace; into three sets in turns. */
static void
deal(struct dealt *d, const struct spans *w, struct rng *r, struct exemplar_set part[3])
{
    memset(d->counts, 0, sizeof d->counts);
    for (size_t i = 0; i < w->count; i++) {
        const uint64_t place = rng_below(r, 11);
        if (place > 7) {
            add(&part[place - 8], &w->v[i], NULL, 0, 0);
        } else {
            d->groups[place / 4][place % 4][d->counts[place / 4][place % 4]++] = w->v[i];
        }
    }
    for (size_t k = 0; k < 8; k++) {
        struct one *v = d->groups[k / 4][k % 4];
        qsort(v, d->counts[k / 4][k % 4], sizeof *v, by_trace);
        for (size_t i = 0; i < d->counts[k / 4][k % 4]; i++) {
            add(&part[k % 3], &v[i], BLOCKS[k / 4], (uint32_t)k % 4, (uint32_t)i);
        }
    }
}

static void
read_traces(struct exemplar_set *s, const struct dealt *d)
{
    struct exemplar **unknown = calloc(s->count + 1, sizeof(void *));
    const size_t n = exemplars_unknown(s, unknown);
    for (size_t i = 0; i < n; i++) {
        struct exemplar *e = unknown[i];
        assert_true(i == 0 || unknown[i - 1]->block != e->block || unknown[i - 1]->row_group < e->row_group ||
                    (unknown[i - 1]->row_group == e->row_group && unknown[i - 1]->row < e->row));
        e->trace = d->groups[e->block == BLOCKS[1]][e->row_group][e->row].trace;
        e->block = NULL;
    }
    free(unknown);
}

static int
by_start_and_trace(const void *x, const void *y)
{
    const struct exemplar *a = *(const struct exemplar *const *)x;
    const struct exemplar *b = *(const struct exemplar *const *)y;
    return a->start_ns != b->start_ns ? (a->start_ns < b->start_ns ? -1 : 1)
                                      : memcmp(&a->trace, &b->trace, sizeof a->trace);
}

static void
assert_same(const struct exemplar_set *a, const struct exemplar_set *b)
{
    const struct exemplar *x[EXEMPLARS_MAX];
    const struct exemplar *y[EXEMPLARS_MAX];
    for (size_t owner = 0; owner < OWNERS; owner++) {
        const size_t n = exemplars_shown(a, owner, x);
        assert_int_equal(exemplars_shown(b, owner, y), n);
        qsort(x, n, sizeof(void *), by_start_and_trace);
        qsort(y, n, sizeof(void *), by_start_and_trace);
        for (size_t i = 0; i < n; i++) {
            assert_true(trace_id_eq(&x[i]->trace, &y[i]->trace));
            assert_int_equal(x[i]->start_ns, y[i]->start_ns);
            for (size_t k = 0; k < i; k++) {
                assert_false(trace_id_eq(&x[i]->trace, &x[k]->trace));
            }
        }
    }
}

static void
test_they_are_the_same_whatever_the_order_and_wherever_spans_lie(void **state)
{
    struct spans *w = calloc(1, sizeof *w);
    struct dealt *d = calloc(1, sizeof *d);
    struct rng r;
    size_t shown = 0;
    (void)state;
    rng_seed(&r, 11);
    for (int round = 0; round < 2000; round++) {
        const struct metrics_query q = {.step_ns = 1000,
                                        .steps = 1 + (uint32_t)rng_below(&r, 50),
                                        .exemplars = 1 + (uint32_t)rng_below(&r, 150)};
        struct exemplar_set whole;
        struct exemplar_set late_first;
        struct exemplar_set part[3];
        make_spans(w, &r, q.steps * q.step_ns);
        exemplars_init(&whole, &q);
        exemplars_init(&late_first, &q);
        add_all(&whole, w->v, w->count);
        qsort(w->v, w->count, sizeof *w->v, by_start);
        for (size_t i = w->count; i-- > 0;) {
            add(&late_first, &w->v[i], NULL, 0, 0);
        }
        for (int i = 0; i < 3; i++) {
            exemplars_init(&part[i], &q);
        }
        deal(d, w, &r, part);
        for (size_t owner = 0; owner < OWNERS; owner++) {
            exemplars_merge(&part[0], owner, &part[1], owner);
            exemplars_merge(&part[0], owner, &part[2], owner);
        }
        exemplars_mark(&part[0]);
        read_traces(&part[0], d);
        exemplars_choose(&part[0]);
        finish(&whole);
        finish(&late_first);
        assert_same(&whole, &late_first);
        assert_same(&whole, &part[0]);
        shown += shown_of(&whole, 0);
        exemplars_fini(&whole);
        exemplars_fini(&late_first);
        for (int i = 0; i < 3; i++) {
            exemplars_fini(&part[i]);
        }
    }
    assert_true(shown > 2000);
    free(w);
    free(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series_share_what_was_asked_for_and_each_has_one),
        cmocka_unit_test(test_they_are_spread_over_time_and_lie_close_together_across_series),
        cmocka_unit_test(test_none_are_kept_when_none_are_wanted_or_behind_the_last_series),
        cmocka_unit_test(test_a_great_number_asked_for_and_many_that_start_together_take_bounded_memory),
        cmocka_unit_test(test_they_are_the_same_whatever_the_order_and_wherever_spans_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
