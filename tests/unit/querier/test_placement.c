/* A search answers what the second evaluator says of each whole trace, and the same wherever the spans lie:
 * live, in one block, scattered over blocks and live data, or there twice. BRUTE_WORLDS and BRUTE_SEED in the
 * environment ask for more, or for others. */
#include "support/brute.h"
#include "support/places.h"
#include "test.h"

#include "vivace/base/log.h"
#include "vivace/traceql/traceql.h"

#ifdef VIVACE_DEBUG
#define WORLDS 3u
#define EACH   20u
#else
#define WORLDS 10u
#define EACH   50u
#endif
#define TRACES_MAX 24
#define LINES_MAX  64

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

static void
world_make(struct world *w, struct rng *r)
{
    w->count = 4 + rng_below(r, TRACES_MAX - 4);
    for (size_t t = 0; t < w->count; t++) {
        span_batch_init(&w->traces[t], 0);
        brute_random_trace(r, (uint32_t)t + 1, &w->traces[t]);
        trace_sort(&w->traces[t]);
        trace_drop_duplicates(&w->traces[t]);
    }
    for (int p = 0; p < PLACE_COUNT; p++) {
        places_make(&w->places[p], w->traces, w->count, (enum place)p, r);
    }
}

static void
world_fini(struct world *w)
{
    for (int p = 0; p < PLACE_COUNT; p++) {
        places_fini(&w->places[p]);
    }
    for (size_t t = 0; t < w->count; t++) {
        span_batch_fini(&w->traces[t]);
    }
}

/* --- answers as text -------------------------------------------------------------------------------------
 */

/* Spansets in an order of their own: nobody promises one. */
static struct buf lines[LINES_MAX];
static size_t line_count;

static struct buf *
line_begin(void)
{
    assert_true(line_count < LINES_MAX);
    buf_init(&lines[line_count], 1 << 20);
    return &lines[line_count++];
}

static int
by_text(const void *a, const void *b)
{
    return slice_cmp(buf_slice(a), buf_slice(b));
}

static void
lines_take(struct buf *out)
{
    qsort(lines, line_count, sizeof *lines, by_text);
    for (size_t i = 0; i < line_count; i++) {
        (void)buf_append_slice(out, buf_slice(&lines[i]));
        (void)buf_append_byte(out, '\n');
        buf_fini(&lines[i]);
    }
    line_count = 0;
}

static void
tell_head(struct buf *out, const trace_id *id, slice service, slice name, uint64_t start, uint64_t duration)
{
    trace_id_format(out, id, false);
    (void)buf_printf(out, " '%.*s' '%.*s' %llu %llu\n", SL_FMT(service), SL_FMT(name),
                     (unsigned long long)start, (unsigned long long)duration);
}

static void
tell_attrs(struct buf *out, const struct search_attr *attrs, size_t n, struct arena *a)
{
    for (size_t i = 0; i < n; i++) {
        struct brute_value v = brute_of_static(&attrs[i].value, a);
        (void)buf_printf(out, " %.*s=", SL_FMT(attrs[i].key));
        brute_print(&v, out);
    }
}

static void
tell_found(const struct search_trace *t, struct arena *a, struct buf *out)
{
    tell_head(out, &t->id, t->root_service, t->root_name, t->start_ns, t->duration_ns);
    for (size_t i = 0; i < t->service_count; i++) {
        (void)buf_printf(out, " service '%.*s' %u %u\n", SL_FMT(t->services[i].name), t->services[i].spans,
                         t->services[i].errors);
    }
    for (size_t i = 0; i < t->set_count; i++) {
        struct buf *line = line_begin();
        (void)buf_printf(line, " set of %u", t->sets[i].matched);
        tell_attrs(line, t->sets[i].attrs, t->sets[i].attr_count, a);
        for (size_t k = 0; k < t->sets[i].span_count; k++) {
            const struct search_span *s = &t->sets[i].spans[k];
            (void)buf_printf(line, "\n  span %d '%.*s' %llu %llu", s->id.b[7], SL_FMT(s->name),
                             (unsigned long long)s->start_ns, (unsigned long long)s->duration_ns);
            tell_attrs(line, s->attrs, s->attr_count, a);
        }
    }
    lines_take(out);
}

struct asked {
    uint64_t start_ns, end_ns;
    uint32_t limit, spans_per_set;
};

/* What is never listed among a span's attributes (traceql.md 5.8). */
static bool
is_listed(const struct tql_attr *a)
{
    static const uint8_t never[] = {TQL_INTRINSIC_NAME,
                                    TQL_INTRINSIC_DURATION,
                                    TQL_INTRINSIC_TRACE_DURATION,
                                    TQL_INTRINSIC_TRACE_ROOT_NAME,
                                    TQL_INTRINSIC_TRACE_ROOT_SERVICE,
                                    TQL_INTRINSIC_TRACE_ID,
                                    TQL_INTRINSIC_SPAN_ID};
    for (size_t i = 0; i < sizeof never; i++) {
        if (a->intrinsic == never[i]) {
            return false;
        }
    }
    return true;
}

static void
tell_span(const struct brute_trace *t, const struct tql_query *q, const struct tql_slots *slots, size_t row,
          struct buf *out)
{
    const struct span *s = &t->b->spans[row];
    slice name = SL_EMPTY;
    for (size_t i = 0; i < slots->count; i++) {
        name = slots->slots[i].attr.intrinsic == TQL_INTRINSIC_NAME ? s->name : name;
    }
    (void)buf_printf(out, "\n  span %d '%.*s' %llu %llu", s->id.b[7], SL_FMT(name),
                     (unsigned long long)s->start_ns,
                     (unsigned long long)(s->end_ns > s->start_ns ? s->end_ns - s->start_ns : 0));
    for (size_t i = 0; i < slots->count; i++) {
        const struct tql_attr *at = &slots->slots[i].attr;
        struct brute_value v = {0};
        if (is_listed(at)) {
            v = brute_shown(t, row, q, at);
        }
        if (v.type != BRUTE_NIL) {
            slice key = at->intrinsic ? slice_cstr(tql_intrinsic_name(at->intrinsic)) : at->name;
            (void)buf_printf(out, " %.*s=", SL_FMT(key));
            brute_print(&v, out);
        }
    }
}

static void
tell_services(const struct span_batch *b, struct buf *out)
{
    for (size_t i = 0; i < b->span_count; i++) {
        slice name = span_service_name(b, &b->spans[i]);
        uint32_t spans = 0, errors = 0;
        bool first = true;
        for (size_t k = 0; k < b->span_count; k++) {
            bool same = slice_eq(name, span_service_name(b, &b->spans[k]));
            first = first && !(same && k < i);
            spans += same;
            errors += same && b->spans[k].status_code == 2;
        }
        if (first) {
            (void)buf_printf(line_begin(), " service '%.*s' %u %u", SL_FMT(name), spans, errors);
        }
    }
    lines_take(out);
}

static void
tell_labels(const struct brute_label *l, struct buf *out)
{
    if (l) {
        tell_labels(l->older, out);
        (void)buf_printf(out, " %.*s=", SL_FMT(l->key));
        brute_print(&l->value, out);
    }
}

static void
tell_expected(const struct brute_trace *t, const struct tql_query *q, const struct tql_slots *slots,
              const struct brute_set *sets, const struct asked *asked, struct buf *out)
{
    const struct span *root = t->root < 0 ? NULL : &t->b->spans[t->root];
    tell_head(out, &t->b->spans[0].trace, root ? span_service_name(t->b, root) : SL_EMPTY,
              root ? root->name : SL_EMPTY, t->start_ns, t->end_ns - t->start_ns);
    tell_services(t->b, out);
    for (; sets; sets = sets->next) {
        struct buf *line = line_begin();
        uint32_t left = asked->spans_per_set ? asked->spans_per_set : UINT32_MAX;
        (void)buf_printf(line, " set of %zu", sets->count);
        tell_labels(sets->labels, line);
        for (size_t row = 0; row < t->b->span_count; row++) {
            if (sets->rows[row] && left) {
                tell_span(t, q, slots, row, line);
                left--;
            }
        }
    }
    lines_take(out);
}

/* --- the comparison --------------------------------------------------------------------------------------
 */

struct question {
    const char *text;
    const struct tql_query *query;
    struct tql_plan plan;
    struct asked asked;
};

struct expected {
    struct buf text;
    uint64_t start_ns;
    trace_id id;
};

static int
newest(const void *a, const void *b)
{
    const struct expected *x = a, *y = b;
    if (x->start_ns != y->start_ns) {
        return x->start_ns < y->start_ns ? 1 : -1;
    }
    return memcmp(x->id.b, y->id.b, TRACE_ID_BYTES);
}

/* False when judging a trace fails: whether a search comes to it, nobody says. */
static bool
expect(const struct world *w, const struct question *q, struct buf *out)
{
    struct expected found[TRACES_MAX];
    struct brute_error wrong = {0};
    struct arena arena;
    size_t n = 0;
    arena_init(&arena, 0);
    for (size_t i = 0; i < w->count; i++) {
        struct brute_trace t;
        brute_trace_make(&t, &w->traces[i], &arena);
        const struct brute_set *sets = brute_run(&t, q->query, &wrong);
        if (wrong.failed) {
            break;
        }
        if (sets && t.start_ns <= q->asked.end_ns && t.end_ns >= q->asked.start_ns) {
            found[n] = (struct expected){.start_ns = t.start_ns, .id = w->traces[i].spans[0].trace};
            buf_init(&found[n].text, 1 << 20);
            tell_expected(&t, q->query, &q->plan.compiler.slots, sets, &q->asked, &found[n++].text);
        }
    }
    qsort(found, n, sizeof *found, newest);
    for (size_t i = 0; i < n; i++) {
        if (q->asked.limit == 0 || i < q->asked.limit) {
            (void)buf_append_slice(out, buf_slice(&found[i].text));
        }
        buf_fini(&found[i].text);
    }
    arena_fini(&arena);
    return !wrong.failed;
}

static err
ask(struct places *p, const struct question *q, struct fault *f, struct buf *out)
{
    slice tenant = PLACES_TENANT;
    struct arena arena;
    struct search_query query = {.plan = &q->plan,
                                 .tenants = &tenant,
                                 .tenant_count = 1,
                                 .sources = p->sources,
                                 .source_count = 2,
                                 .start_ns = q->asked.start_ns,
                                 .end_ns = q->asked.end_ns,
                                 .limit = q->asked.limit,
                                 .spans_per_set = q->asked.spans_per_set};
    struct search *s = search_create(&query);
    err rc;
    do {
        rc = search_step(s, 1000000, f);
    } while (rc == ERR_AGAIN);
    arena_init(&arena, 0);
    for (size_t i = 0; rc == OK && i < search_result(s)->count; i++) {
        tell_found(search_result(s)->traces[i], &arena, out);
    }
    arena_fini(&arena);
    search_destroy(s);
    return rc;
}

struct tally {
    uint64_t asked, found, errors, wrong;
};

static void
compare(struct world *w, const struct question *q, uint64_t seed, struct tally *tally)
{
    struct buf want, got;
    buf_init(&want, 16 << 20);
    buf_init(&got, 16 << 20);
    bool judged = expect(w, q, &want);
    tally->errors += !judged;
    for (int p = 0; p < PLACE_COUNT; p++) {
        struct fault f = {0};
        buf_clear(&got);
        err rc = ask(&w->places[p], q, &f, &got);
        tally->asked++;
        tally->found += got.n > 0;
        if (judged && (rc != OK || !slice_eq(buf_slice(&got), buf_slice(&want)))) {
            tally->wrong++;
            (void)fprintf(
                stderr, "seed %llu, %s, limit %u, spans %u, from %llu to %llu: %s\n%s\n%.*swanted\n%.*s\n",
                (unsigned long long)seed, place_name((enum place)p), q->asked.limit, q->asked.spans_per_set,
                (unsigned long long)q->asked.start_ns, (unsigned long long)q->asked.end_ns, q->text,
                rc == OK ? "got" : f.msg, SL_FMT(buf_slice(&got)), SL_FMT(buf_slice(&want)));
        }
        if (!judged) {
            assert_true(rc == OK || rc == ERR_INVALID || rc == ERR_UNSUPPORTED);
        }
    }
    buf_fini(&want);
    buf_fini(&got);
}

static void
question_of(struct world *w, struct rng *r, uint64_t seed, struct tally *tally)
{
    struct question q = {.asked = {.end_ns = UINT64_MAX}};
    struct tql_query *parsed = NULL;
    struct buf text;
    struct arena arena;
    struct fault f = {0};
    buf_init(&text, 1 << 20);
    arena_init(&arena, 0);
    brute_random_query(r, &text);
    assert_int_equal(buf_append_byte(&text, 0), OK);
    q.text = (const char *)text.p;
    assert_ok(traceql_parse(slice_cstr(q.text), &arena, &f, &parsed), &f);
    q.query = parsed;
    if (rng_below(r, 2)) {
        q.asked.limit = (uint32_t)rng_below(r, 6);
        q.asked.spans_per_set = (uint32_t)rng_below(r, 4);
    }
    if (rng_below(r, 3) == 0) {
        q.asked.start_ns = UINT64_C(1700000000000000000) + rng_below(r, TRACES_MAX) * UINT64_C(1000000000);
        q.asked.end_ns = q.asked.start_ns + rng_below(r, 10) * UINT64_C(1000000000);
    }
    if (traceql_check(parsed, &f) == OK) {
        assert_ok(tql_plan_make(parsed, &arena, &f, &q.plan), &f);
        compare(w, &q, seed, tally);
        tql_plan_fini(&q.plan);
    }
    arena_fini(&arena);
    buf_fini(&text);
}

static void
test_a_search_answers_the_same_wherever_spans_lie(void **state)
{
    uint64_t worlds = from_environment("BRUTE_WORLDS", WORLDS), seed = from_environment("BRUTE_SEED", 1);
    struct tally tally = {0};
    (void)state;
    for (uint64_t i = 0; i < worlds && tally.wrong < 10; i++) {
        struct world w;
        struct rng r;
        rng_seed(&r, seed + i);
        world_make(&w, &r);
        for (uint32_t k = 0; k < EACH && tally.wrong < 10; k++) {
            question_of(&w, &r, seed + i, &tally);
        }
        world_fini(&w);
    }
    print_message("%llu searches: %llu found something, %llu questions with run-time errors\n",
                  (unsigned long long)tally.asked, (unsigned long long)tally.found,
                  (unsigned long long)tally.errors);
    assert_int_equal(tally.wrong, 0);
    assert_true(tally.found > tally.asked / 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_search_answers_the_same_wherever_spans_lie),
    };
    log_set_level(LOG_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
