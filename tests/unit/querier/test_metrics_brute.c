/* Metrics queries give the numbers that counting span by span gives, and the same ones wherever the spans
 * lie. BRUTE_WORLDS and BRUTE_SEED in the environment ask for more, or for others. */
#include "support/brute_metrics.h"
#include "support/places.h"
#include "test.h"

#include "vivace/base/log.h"
#include "vivace/querier/metrics.h"
#include "vivace/runtime/pool.h"
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
    uint32_t steps, exemplars;
};

struct tally {
    uint64_t asked, counted, errors, wrong, exemplars, cut;
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

/* --- exemplars ------------------------------------------------------------------------------------------ */

static bool
is_span_of(const struct metrics_exemplar *e, const struct brute_spans *spans)
{
    for (size_t i = 0; i < spans->count; i++) {
        if (trace_id_eq(&e->trace, &spans->v[i].trace) && e->start_ns == spans->v[i].start_ns) {
            return true;
        }
    }
    return false;
}

static bool
is_first_of_its_trace(const struct metrics_series *s, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (trace_id_eq(&s->exemplars[i].trace, &s->exemplars[at].trace)) {
            return false;
        }
    }
    return true;
}

/* Each is a span of its series, one a trace, by time, no more than were asked for; what counts has one. */
static void
compare_exemplars(const struct question *q, const struct metrics_series *s, const struct brute_series *want,
                  struct tally *tally, struct buf *out)
{
    const enum tql_metric_fn fn = (enum tql_metric_fn)q->query->metric->fn;
    if (s->exemplar_count > q->exemplars) {
        (void)buf_printf(out, "%zu exemplars where %u were asked for\n", s->exemplar_count, q->exemplars);
    }
    for (size_t i = 0; i < s->exemplar_count; i++) {
        const struct metrics_exemplar *e = &s->exemplars[i];
        if (!is_span_of(e, &want->spans)) {
            (void)buf_printf(out, "exemplar %zu is no span of %.*s", i, SL_FMT(buf_slice(&want->labels)));
        }
        if (!is_first_of_its_trace(s, i) || (i && e->start_ns < e[-1].start_ns)) {
            (void)buf_printf(out, "exemplar %zu is out of order, or its trace has two\n", i);
        }
        if ((fn == TQL_METRIC_RATE || fn == TQL_METRIC_COUNT) &&
            !near(e->value, s->values[(e->start_ns - q->start_ns - 1) / q->step_ns])) {
            (void)buf_printf(out, "exemplar %zu does not lie on the curve\n", i);
        }
    }
    if (q->exemplars && want->spans.count && s->exemplar_count == 0 &&
        (fn == TQL_METRIC_RATE || fn == TQL_METRIC_COUNT)) {
        (void)buf_printf(out, "no exemplar for %.*s", SL_FMT(buf_slice(&want->labels)));
    }
    tally->exemplars += s->exemplar_count;
}

/* --- an answer ------------------------------------------------------------------------------------------ */

/* What differs, told in `out`; nothing when all is the same. */
static void
compare_result(const struct question *q, int place, const struct metrics_result *r,
               const struct brute_metrics *want, struct tally *tally, struct buf *out)
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
        if (s) {
            compare_exemplars(q, &r->series[i], s, tally, out);
        }
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

/* Which ones they are, for all series that are the same in all places. */
static void
tell_exemplars(const struct question *q, const struct metrics_result *r, const struct brute_metrics *want,
               struct buf *out)
{
    for (size_t i = 0; i < r->count; i++) {
        const size_t before = out->n;
        tell_labels(&r->series[i], out);
        const slice labels = slice_sub(buf_slice(out), before, out->n);
        const struct brute_series *s = find_series(want, labels);
        if (is_root_of_part(PLACE_SCATTERED, q, labels) || (s && !must_be_there(s, q->steps))) {
            out->n = before;
            continue;
        }
        for (size_t k = 0; k < r->series[i].exemplar_count; k++) {
            char id[2 * TRACE_ID_BYTES];
            hex_encode(r->series[i].exemplars[k].trace.b, TRACE_ID_BYTES, id);
            (void)buf_printf(out, "%.*s at %llu\n", (int)sizeof id, id,
                             (unsigned long long)r->series[i].exemplars[k].start_ns);
        }
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
static struct pool *pool; /* every other question is worked on by several */

/* Which of several workers adds up what is chance: where a sum runs over, too. */
static bool
is_shared(const struct question *q)
{
    return q->steps % 2 && q->query->metric->fn != TQL_METRIC_SUM && q->query->metric->fn != TQL_METRIC_AVG;
}

static void
ask(struct places *p, const struct question *q, uint32_t max_series, struct metrics_run *run)
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
                                        .pool = is_shared(q) ? pool : NULL,
                                        .source_count = 2,
                                        .metrics_source_count = 1,
                                        .start_ns = q->start_ns,
                                        .step_ns = q->step_ns,
                                        .steps = q->steps,
                                        .exemplars = q->exemplars,
                                        .max_series = max_series};
    run->m = metrics_create(&run->query);
    do {
        run->rc = metrics_step(run->m, 1000000, &run->f);
    } while (run->rc == ERR_AGAIN);
}

/* --- what follows the function ---------------------------------------------------------------------------
 */

/* The place of series `i` in an interval: how many come before it when the largest (or least) is the first.
 * Of equals topk takes the first by labels, bottomk the last. */
static size_t
place_in_interval(const struct metrics_result *r, double *const *values, size_t i, uint32_t step,
                  bool largest)
{
    const double x = values[i][step];
    size_t before = 0;
    for (size_t k = 0; k < r->count; k++) {
        const double y = values[k][step];
        before += !isnan(y) && (largest ? y > x || (y == x && k < i) : y < x || (y == x && k > i));
    }
    return before;
}

static size_t
series_left(const struct question *q, size_t count, double *const *values)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        bool some = false;
        for (uint32_t k = 0; k < q->steps; k++) {
            some = some || !isnan(values[i][k]);
        }
        left += some;
    }
    return left;
}

static void
apply_second(const struct question *q, const struct metrics_result *r, const struct tql_second *second,
             double **values, struct arena *a)
{
    double **before = arena_new_array(a, double *, r->count + 1);
    double limit = 0;
    (void)tql_static_number(&second->value, &limit);
    limit /= second->value.type == TQL_DURATION ? 1e9 : 1;
    for (size_t i = 0; i < r->count; i++) {
        before[i] = arena_new_array(a, double, q->steps);
        memcpy(before[i], values[i], q->steps * sizeof(double));
    }
    if (second->kind != TQL_SECOND_COMPARE && series_left(q, r->count, values) <= (size_t)second->limit) {
        return;
    }
    for (size_t i = 0; i < r->count; i++) {
        for (uint32_t k = 0; k < q->steps; k++) {
            const double x = before[i][k];
            const bool kept = second->kind != TQL_SECOND_COMPARE
                                  ? place_in_interval(r, before, i, k, second->kind == TQL_SECOND_TOPK) <
                                        (size_t)second->limit
                              : second->op == TQL_OP_EQ  ? x == limit
                              : second->op == TQL_OP_NEQ ? x != limit
                              : second->op == TQL_OP_LT  ? x < limit
                              : second->op == TQL_OP_LTE ? x <= limit
                              : second->op == TQL_OP_GT  ? x > limit
                                                         : x >= limit;
            values[i][k] = kept ? x : NAN;
        }
    }
}

/* `got` is `all` with the second stages of `q` applied: the same series in the same order. */
static void
compare_second(const struct question *q, const struct metrics_result *all, const struct metrics_result *got,
               struct buf *out)
{
    struct arena a;
    size_t at = 0;
    arena_init(&a, 0);
    double **values = arena_new_array(&a, double *, all->count + 1);
    for (size_t i = 0; i < all->count; i++) {
        values[i] = arena_new_array(&a, double, q->steps);
        memcpy(values[i], all->series[i].values, q->steps * sizeof(double));
    }
    for (size_t k = 0; k < q->query->second_count; k++) {
        apply_second(q, all, &q->query->seconds[k], values, &a);
    }
    for (size_t i = 0; i < all->count; i++) {
        if (series_left(q, 1, &values[i]) == 0) {
            continue;
        }
        bool same = at < got->count;
        for (uint32_t k = 0; same && k < q->steps; k++) {
            const double x = got->series[at].values[k];
            same = x == values[i][k] || (isnan(x) && isnan(values[i][k]));
        }
        if (!same) {
            (void)buf_printf(out, "series %zu differs behind the second stages\n", at);
        }
        at++;
    }
    if (at != got->count) {
        (void)buf_printf(out, "%zu series are left, wanted %zu\n", got->count, at);
    }
    arena_fini(&a);
}

/* The same question, followed by second stages; then the first question again, for fewer series. */
static void
compare_rest(struct places *p, const struct question *q, const struct question *second, struct metrics *all,
             struct tally *tally, struct buf *out)
{
    const struct metrics_result *r = metrics_result(all);
    struct metrics_run run;
    ask(p, second, 0, &run);
    if (run.rc != OK) {
        (void)buf_printf(out, "%s failed: %s\n", second->text, run.f.msg);
    } else {
        compare_second(second, r, metrics_result(run.m), out);
    }
    metrics_destroy(run.m);
    for (uint32_t max = 1; max < 3 && max <= r->count + 1; max++) {
        ask(p, q, max, &run);
        const struct metrics_result *some = run.rc == OK ? metrics_result(run.m) : NULL;
        if (some == NULL || some->partial != (r->count > max) ||
            some->count != (r->count < max ? r->count : max)) {
            (void)buf_printf(out, "%u series at most: %zu of %zu\n", max, some ? some->count : 0, r->count);
        }
        tally->cut += some && some->partial;
        metrics_destroy(run.m);
    }
}

static void
compare(struct world *w, const struct question *q, const struct question *second, uint64_t seed,
        struct tally *tally)
{
    struct brute_metrics want;
    bool judged = brute_metrics_make(&want, w->traces, w->count, q->query, q->start_ns, q->step_ns, q->steps);
    struct buf first; /* exemplars of the first place: those of the others are the same */
    struct buf here;
    buf_init(&first, 1 << 24);
    buf_init(&here, 1 << 24);
    tally->errors += !judged;
    for (int p = 0; judged && p < PLACE_COUNT; p++) {
        struct metrics_run run;
        struct buf wrong;
        if (!is_exact(p)) {
            continue;
        }
        buf_init(&wrong, 1 << 20);
        ask(&w->places[p], q, 0, &run);
        tally->asked++;
        tally->counted += want.counted > 0;
        if (run.rc != OK) {
            (void)buf_printf(&wrong, "failed: %s\n", run.f.msg);
        } else {
            compare_result(q, p, metrics_result(run.m), &want, tally, &wrong);
            buf_clear(&here);
            tell_exemplars(q, metrics_result(run.m), &want, p == 0 ? &first : &here);
            if (p && !slice_eq(buf_slice(&first), buf_slice(&here))) {
                (void)buf_printf(&wrong, "exemplars %.*s where %s has %.*s", SL_FMT(buf_slice(&here)),
                                 place_name((enum place)0), SL_FMT(buf_slice(&first)));
            }
            if (second) {
                compare_rest(&w->places[p], q, second, run.m, tally, &wrong);
            }
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
    buf_fini(&first);
    buf_fini(&here);
    brute_metrics_fini(&want);
}

/* False when the language refuses it. */
static bool
plan_question(struct question *q, struct buf *text, struct arena *a)
{
    struct tql_query *parsed = NULL;
    struct fault f = {0};
    assert_int_equal(buf_append_byte(text, 0), OK);
    q->text = (const char *)text->p;
    assert_ok(traceql_parse(slice_cstr(q->text), a, &f, &parsed), &f);
    q->query = parsed;
    if (traceql_check(parsed, &f) != OK) {
        return false;
    }
    assert_ok(tql_plan_make(parsed, a, &f, &q->plan), &f);
    return true;
}

static void
question_of(struct world *w, struct rng *r, uint64_t seed, struct tally *tally)
{
    static const uint64_t steps_ns[] = {50000000, 1000000000, 333000000, 5000000000, 60000000000};
    struct question q = {.start_ns = START - rng_below(r, 3) * UINT64_C(500000000),
                         .step_ns = steps_ns[rng_below(r, 5)],
                         .steps = 1 + (uint32_t)rng_below(r, BRUTE_STEPS_MAX),
                         .exemplars = rng_below(r, 3) ? 1 + (uint32_t)rng_below(r, 30) : 0};
    struct question second = q;
    struct buf text;
    struct buf longer;
    struct arena arena;
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
    buf_init(&longer, 1 << 20);
    (void)buf_append_slice(&longer, buf_slice(&text));
    brute_random_second(r, &longer);
    if (plan_question(&q, &text, &arena)) {
        const bool followed =
            q.query->metric->fn != TQL_METRIC_COMPARE && plan_question(&second, &longer, &arena);
        if (!q.plan.never) {
            compare(w, &q, followed ? &second : NULL, seed, tally);
        }
        if (followed) {
            tql_plan_fini(&second.plan);
        }
        tql_plan_fini(&q.plan);
    }
    arena_fini(&arena);
    buf_fini(&text);
    buf_fini(&longer);
}

/* Worlds in which something went wrong once: errors of spans outside the range, roots that start together. */
static const uint64_t once_wrong[] = {62, 112, 531, 549};

static void
ask_world(uint64_t seed, struct tally *tally)
{
    struct world w;
    struct rng r;
    rng_seed(&r, seed);
    world_make(&w, &r);
    for (int k = 0; k < EACH && tally->wrong < 10; k++) {
        question_of(&w, &r, seed, tally);
    }
    world_fini(&w);
}

static void
test_metrics_are_what_counting_span_by_span_gives(void **state)
{
    uint64_t worlds = from_environment("BRUTE_WORLDS", WORLDS), seed = from_environment("BRUTE_SEED", 1);
    struct tally tally = {0};
    (void)state;
    for (uint64_t i = 0; i < worlds; i++) {
        ask_world(seed + i, &tally);
    }
    for (size_t i = 0; i < sizeof once_wrong / sizeof *once_wrong; i++) {
        ask_world(once_wrong[i], &tally);
    }
    print_message("%llu metrics queries: %llu counted something, %llu questions with run-time errors\n",
                  (unsigned long long)tally.asked, (unsigned long long)tally.counted,
                  (unsigned long long)tally.errors);
    assert_int_equal(tally.wrong, 0);
    assert_true(tally.counted > tally.asked / 4);
    assert_true(tally.exemplars > tally.asked && tally.cut > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_are_what_counting_span_by_span_gives),
    };
    log_set_level(LOG_ERROR + 1);
    pool = pool_create("brute", 3, 100);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pool_destroy(pool);
    return failed;
}
