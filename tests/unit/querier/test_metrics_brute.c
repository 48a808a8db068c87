/* Metrics queries give the numbers that counting span by span gives, and the same ones wherever the spans
 * lie. BRUTE_WORLDS and BRUTE_SEED in the environment ask for more, or for others. */
#include "support/brute_metrics.h"
#include "support/places.h"
#include "test.h"

#include "vivace/base/log.h"
#include "vivace/querier/metrics.h"
#include "vivace/traceql/traceql.h"

#include <math.h>

#ifdef VIVACE_DEBUG
#define WORLDS 3u
#else
#define WORLDS 12u
#endif
#define EACH       60
#define TRACES_MAX 20
#define START      UINT64_C(1700000000000000000)

static uint64_t
from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

struct world {
    struct span_batch traces[TRACES_MAX]; /* each whole, without repetitions */
    size_t count;
    struct places places[PLACE_COUNT];
};

/* A span that was sent twice may count twice where spans are looked at one by one. */
static bool
is_exact(int place)
{
    return place != PLACE_TWICE && place != PLACE_REPEATED;
}

static void
world_make(struct world *w, struct rng *r)
{
    w->count = TRACES_MAX;
    for (size_t t = 0; t < w->count; t++) {
        span_batch_init(&w->traces[t], 0);
        brute_random_trace(r, (uint32_t)t + 1, &w->traces[t]);
        trace_sort(&w->traces[t]);
        trace_drop_duplicates(&w->traces[t]);
    }
    for (int p = 0; p < PLACE_COUNT; p++) {
        if (is_exact(p)) {
            places_make(&w->places[p], w->traces, w->count, (enum place)p, r);
        }
    }
}

static void
world_fini(struct world *w)
{
    for (int p = 0; p < PLACE_COUNT; p++) {
        if (is_exact(p)) {
            places_fini(&w->places[p]);
        }
    }
    for (size_t t = 0; t < w->count; t++) {
        span_batch_fini(&w->traces[t]);
    }
}

struct question {
    const char *text;
    const struct tql_query *query;
    struct tql_plan plan;
    uint64_t start_ns, step_ns;
    uint32_t steps;
};

/* The labels of a series as the second evaluator writes them. */
static void
tell_labels(const struct metrics_series *s, struct buf *out)
{
    struct arena a;
    arena_init(&a, 0);
    for (size_t i = 0; i < s->label_count; i++) {
        struct brute_value v = brute_of_static(&s->labels[i].value, &a);
        (void)buf_printf(out, "%.*s=", SL_FMT(s->labels[i].key));
        brute_label_print(&v, out);
        (void)buf_append_byte(out, '\n');
    }
    arena_fini(&a);
}

/* Sums of many numbers may differ in the last places. */
static bool
near(double a, double b)
{
    return (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= 1e-9 * (fabs(a) + fabs(b));
}

/* A series of nothing but infinities may be there, or not. */
static bool
must_be_there(const struct brute_series *s, uint32_t steps)
{
    bool there = false;
    for (uint32_t i = 0; i < steps; i++) {
        there = there || (!isnan(s->values[i]) && !s->any[i]);
    }
    return there;
}

static const struct brute_series *
find_series(const struct brute_metrics *m, slice labels)
{
    for (size_t i = 0; i < m->count; i++) {
        if (slice_eq(buf_slice(&m->series[i].labels), labels)) {
            return &m->series[i];
        }
    }
    return NULL;
}

/* compare() takes the root of a trace from the block (or the live data) a span lies in: of a trace that is
 * scattered over several the root may be another. */
static bool
is_root_of_part(int place, const struct question *q, slice labels)
{
    return place == PLACE_SCATTERED && q->query->metric->fn == TQL_METRIC_COMPARE &&
           (slice_find(labels, SL("\nrootName=")) != SIZE_MAX ||
            slice_find(labels, SL("\nrootServiceName=")) != SIZE_MAX);
}

/* What differs, told in `out`; nothing when all is the same. */
static void
compare_result(const struct question *q, int place, const struct metrics_result *r,
               const struct brute_metrics *want, struct buf *out)
{
    size_t required = 0, found = 0;
    for (size_t i = 0; i < want->count; i++) {
        required += must_be_there(&want->series[i], q->steps) &&
                    !is_root_of_part(place, q, buf_slice(&want->series[i].labels));
    }
    for (size_t i = 0; i < r->count; i++) {
        struct buf labels;
        buf_init(&labels, 1 << 20);
        tell_labels(&r->series[i], &labels);
        const struct brute_series *s = find_series(want, buf_slice(&labels));
        if (is_root_of_part(place, q, buf_slice(&labels))) {
            buf_fini(&labels);
            continue;
        }
        if (s == NULL) {
            (void)buf_printf(out, "not wanted: %.*s", SL_FMT(buf_slice(&labels)));
        }
        found += s && must_be_there(s, q->steps);
        for (uint32_t k = 0; s && k < q->steps; k++) {
            if (!s->any[k] && !near(s->values[k], r->series[i].values[k])) {
                (void)buf_printf(out, "%.*sat %u: %.17g, wanted %.17g\n", SL_FMT(buf_slice(&labels)), k,
                                 r->series[i].values[k], s->values[k]);
            }
        }
        buf_fini(&labels);
    }
    if (found != required) {
        (void)buf_printf(out, "%zu series are missing\n", required - found);
    }
}

struct metrics_run {
    struct metrics *m;
    struct metrics_query query;
    struct metrics_source sources[1];
    err rc;
    struct fault f;
};

static slice tenant = SL_EMPTY;

static void
ask(struct places *p, const struct question *q, struct metrics_run *run)
{
    *run = (struct metrics_run){.rc = OK};
    tenant = PLACES_TENANT;
    run->sources[0] = metrics_source_live(&p->ingester_at);
    run->query = (struct metrics_query){.plan = &q->plan,
                                        .tenants = &tenant,
                                        .tenant_count = 1,
                                        .sources = p->sources,
                                        .metrics_sources = run->sources,
                                        .blocks = &p->store_at,
                                        .source_count = 2,
                                        .metrics_source_count = 1,
                                        .start_ns = q->start_ns,
                                        .step_ns = q->step_ns,
                                        .steps = q->steps};
    run->m = metrics_create(&run->query);
    do {
        run->rc = metrics_step(run->m, 1000000, &run->f);
    } while (run->rc == ERR_AGAIN);
}

struct tally {
    uint64_t asked, counted, errors, wrong;
};

static void
compare(struct world *w, const struct question *q, uint64_t seed, struct tally *tally)
{
    struct brute_metrics want;
    bool judged = brute_metrics_make(&want, w->traces, w->count, q->query, q->start_ns, q->step_ns, q->steps);
    tally->errors += !judged;
    for (int p = 0; judged && p < PLACE_COUNT; p++) {
        struct metrics_run run;
        struct buf wrong;
        if (!is_exact(p)) {
            continue;
        }
        buf_init(&wrong, 1 << 20);
        ask(&w->places[p], q, &run);
        tally->asked++;
        tally->counted += want.counted > 0;
        if (run.rc != OK) {
            (void)buf_printf(&wrong, "failed: %s\n", run.f.msg);
        } else {
            compare_result(q, p, metrics_result(run.m), &want, &wrong);
        }
        if (wrong.n) {
            tally->wrong++;
            (void)fprintf(stderr, "seed %llu, %s: %s from %llu step %llu times %u\n%.*s\n",
                          (unsigned long long)seed, place_name((enum place)p), q->text,
                          (unsigned long long)q->start_ns, (unsigned long long)q->step_ns, q->steps,
                          SL_FMT(buf_slice(&wrong)));
        }
        metrics_destroy(run.m);
        buf_fini(&wrong);
    }
    brute_metrics_fini(&want);
}

static void
question_of(struct world *w, struct rng *r, uint64_t seed, struct tally *tally)
{
    static const uint64_t steps_ns[] = {50000000, 1000000000, 333000000, 5000000000, 60000000000};
    struct question q = {.start_ns = START - rng_below(r, 3) * UINT64_C(500000000),
                         .step_ns = steps_ns[rng_below(r, 5)],
                         .steps = 1 + (uint32_t)rng_below(r, BRUTE_STEPS_MAX)};
    struct tql_query *parsed = NULL;
    struct buf text;
    struct arena arena;
    struct fault f = {0};
    buf_init(&text, 1 << 20);
    arena_init(&arena, 0);
    if (rng_below(r, 3)) {
        brute_random_filter(r, &text);
    } else {
        do {
            brute_random_query(r, &text);
        } while (text.p[0] == '('); /* nothing may follow some of those */
    }
    brute_random_metric(r, &text);
    assert_int_equal(buf_append_byte(&text, 0), OK);
    q.text = (const char *)text.p;
    assert_ok(traceql_parse(slice_cstr(q.text), &arena, &f, &parsed), &f);
    q.query = parsed;
    if (traceql_check(parsed, &f) == OK) {
        assert_ok(tql_plan_make(parsed, &arena, &f, &q.plan), &f);
        if (!q.plan.never) {
            compare(w, &q, seed, tally);
        }
        tql_plan_fini(&q.plan);
    }
    arena_fini(&arena);
    buf_fini(&text);
}

static void
test_metrics_are_what_counting_span_by_span_gives(void **state)
{
    uint64_t worlds = from_environment("BRUTE_WORLDS", WORLDS), seed = from_environment("BRUTE_SEED", 1);
    struct tally tally = {0};
    (void)state;
    for (uint64_t i = 0; i < worlds && tally.wrong < 10; i++) {
        struct world w;
        struct rng r;
        rng_seed(&r, seed + i);
        world_make(&w, &r);
        for (int k = 0; k < EACH && tally.wrong < 10; k++) {
            question_of(&w, &r, seed + i, &tally);
        }
        world_fini(&w);
    }
    print_message("%llu metrics queries: %llu counted something, %llu questions with run-time errors\n",
                  (unsigned long long)tally.asked, (unsigned long long)tally.counted,
                  (unsigned long long)tally.errors);
    assert_int_equal(tally.wrong, 0);
    assert_true(tally.counted > tally.asked / 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_are_what_counting_span_by_span_gives),
    };
    log_set_level(LOG_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
