/* The evaluator agrees with a second one, written from the language's description alone, about random queries
 * on random traces. BRUTE_PAIRS and BRUTE_SEED in the environment ask for more, or for others. */
#include "support/brute.h"
#include "test.h"

#include "vivace/querier/eval.h"
#include "vivace/traceql/traceql.h"

#include <errno.h>

#ifdef VIVACE_DEBUG
#define PAIRS 8000u
#else
#define PAIRS 120000u
#endif
#define TRACES_EACH 4u

static uint64_t
from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 0) : otherwise;
}

/* Sets as text, in an order of their own: nobody promises one. */
struct listed {
    struct buf lines[512];
    size_t n;
};

static int
by_text(const void *a, const void *b)
{
    return slice_cmp(buf_slice(a), buf_slice(b));
}

static struct buf *
listed_line(struct listed *l)
{
    assert_true(l->n < 512);
    buf_init(&l->lines[l->n], 1 << 20);
    return &l->lines[l->n++];
}

static void
listed_take(struct listed *l, struct buf *out)
{
    qsort(l->lines, l->n, sizeof *l->lines, by_text);
    for (size_t i = 0; i < l->n; i++) {
        (void)buf_append_slice(out, buf_slice(&l->lines[i]));
        (void)buf_append_byte(out, '\n');
        buf_fini(&l->lines[i]);
    }
    l->n = 0;
}

static struct listed listed;

static void
tell_engine(const struct eval *e, struct arena *a, struct buf *out)
{
    for (size_t i = 0; i < e->set_count; i++) {
        struct buf *line = listed_line(&listed);
        assert_true(e->sets[i].count > 0);
        for (uint32_t k = 0; k < e->sets[i].count; k++) {
            assert_true(k == 0 || e->sets[i].rows[k - 1] < e->sets[i].rows[k]);
            (void)buf_printf(line, "%u ", e->sets[i].rows[k]);
        }
        for (const struct spanset_attr *at = e->sets[i].attrs; at; at = at->older) {
            struct brute_value v = brute_of_static(&at->value, a);
            (void)buf_printf(line, "[%.*s=", SL_FMT(at->key));
            brute_print(&v, line);
            (void)buf_append_cstr(line, "]");
        }
    }
    listed_take(&listed, out);
}

static void
tell_brute(const struct brute_trace *t, const struct brute_set *sets, struct buf *out)
{
    for (; sets; sets = sets->next) {
        struct buf *line = listed_line(&listed);
        for (size_t row = 0; row < t->b->span_count; row++) {
            if (sets->rows[row]) {
                (void)buf_printf(line, "%zu ", row);
            }
        }
        for (const struct brute_label *l = sets->labels; l; l = l->older) {
            (void)buf_printf(line, "[%.*s=", SL_FMT(l->key));
            brute_print(&l->value, line);
            (void)buf_append_cstr(line, "]");
        }
    }
    listed_take(&listed, out);
}

/* The trace of a disagreement, for whoever looks into it. */
static void
show_attrs(const struct span_batch *b, const char *title, struct run r, struct arena *a, struct buf *out)
{
    (void)buf_printf(out, "    %s:", title);
    for (uint32_t i = 0; i < r.n; i++) {
        struct brute_value v = brute_of_attr(&b->attrs[r.at + i], a);
        (void)buf_printf(out, " %.*s=", SL_FMT(attr_key(&b->attrs[r.at + i])));
        brute_print(&v, out);
    }
    (void)buf_append_byte(out, '\n');
}

static void
show(const struct span_batch *b)
{
    struct arena a;
    struct buf out;
    arena_init(&a, 0);
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < b->span_count; i++) {
        const struct span *s = &b->spans[i];
        (void)buf_printf(&out, "  row %zu id %d parent %d kind %d status %d duration %lld name \"%.*s\"\n", i,
                         s->id.b[7], s->parent.b[7], s->kind, s->status_code,
                         (long long)(s->end_ns - s->start_ns), SL_FMT(s->name));
        show_attrs(b, "span", s->attrs, &a, &out);
        show_attrs(b, "resource", b->resources[b->scopes[s->scope].resource].attrs, &a, &out);
        show_attrs(b, "scope", b->scopes[s->scope].attrs, &a, &out);
        for (uint32_t k = 0; k < s->events.n; k++) {
            show_attrs(b, "event", b->events[s->events.at + k].attrs, &a, &out);
        }
        for (uint32_t k = 0; k < s->links.n; k++) {
            show_attrs(b, "link", b->links[s->links.at + k].attrs, &a, &out);
        }
    }
    (void)fprintf(stderr, "%.*s", SL_FMT(buf_slice(&out)));
    buf_fini(&out);
    arena_fini(&a);
}

struct pair {
    const char *query;
    const struct tql_query *parsed;
    const struct tql_plan *plan;
    const struct span_batch *trace;
    uint64_t matches, errors;
};

/* Every attribute of every row of the answer. */
static void
tell_shown(struct eval *e, const struct pair *p, const struct brute_trace *t, struct buf *got,
           struct buf *want)
{
    const struct tql_slots *slots = &p->plan->compiler.slots;
    for (size_t i = 0; i < e->set_count; i++) {
        for (uint32_t k = 0; k < e->sets[i].count; k++) {
            for (uint32_t slot = 0; slot < slots->count; slot++) {
                struct tql_static v = eval_shown(e, e->sets[i].rows[k], slot);
                struct brute_value engine = brute_of_static(&v, t->arena);
                struct brute_value brute =
                    brute_shown(t, e->sets[i].rows[k], p->parsed, &slots->slots[slot].attr);
                if (!brute_same(&engine, &brute)) {
                    (void)buf_printf(got, "row %u slot %u shows ", e->sets[i].rows[k], slot);
                    brute_print(&engine, got);
                    (void)buf_printf(want, "row %u slot %u shows ", e->sets[i].rows[k], slot);
                    brute_print(&brute, want);
                }
            }
        }
    }
}

static bool
judge(struct pair *p, uint64_t seed, uint32_t number)
{
    struct arena arena;
    struct eval e;
    struct query_guard guard = {0};
    struct fault f = {0};
    struct brute_trace t;
    struct brute_error wrong = {0};
    struct buf got, want;
    bool same;
    arena_init(&arena, 0);
    buf_init(&got, 1 << 20);
    buf_init(&want, 1 << 20);
    brute_trace_make(&t, p->trace, &arena);
    const struct brute_set *sets = brute_run(&t, p->parsed, &wrong);
    eval_init(&e, p->plan, 16 << 20, &guard);
    err rc = eval_run(&e, p->trace, &f);
    if (rc == OK) {
        tell_engine(&e, &arena, &got);
    } else {
        (void)buf_printf(&got, "error: %s\n", f.msg);
    }
    if (wrong.failed) {
        (void)buf_printf(&want, "error: %s\n", wrong.text);
    } else {
        tell_brute(&t, sets, &want);
    }
    if (!wrong.failed && rc == OK) {
        tell_shown(&e, p, &t, &got, &want);
    }
    same = (wrong.failed && rc != OK) || slice_eq(buf_slice(&got), buf_slice(&want));
    p->matches += want.n > 0;
    p->errors += wrong.failed;
    if (!same) {
        print_error("seed %llu trace %u: %s\nengine:\n%.*sbrute force:\n%.*s\n", (unsigned long long)seed,
                    number, p->query, SL_FMT(buf_slice(&got)), SL_FMT(buf_slice(&want)));
        show(p->trace);
    }
    eval_fini(&e);
    buf_fini(&got);
    buf_fini(&want);
    arena_fini(&arena);
    return same;
}

/* One query on a few traces; how many pairs were judged, 0 for a query that the checks refuse. */
static uint32_t
round_of(uint64_t seed, struct pair *totals, uint32_t *wrong)
{
    struct rng r;
    struct buf text;
    struct arena arena;
    struct tql_query *parsed = NULL;
    struct tql_plan plan;
    struct fault f = {0};
    uint32_t judged = 0;
    rng_seed(&r, seed);
    buf_init(&text, 1 << 20);
    arena_init(&arena, 0);
    brute_random_query(&r, &text);
    assert_int_equal(buf_append_byte(&text, 0), OK);
    slice q = slice_cstr((const char *)text.p);
    if (traceql_parse(q, &arena, &f, &parsed) != OK) {
        fail_msg("%.*s: %s", SL_FMT(q), f.msg);
    }
    if (traceql_check(parsed, &f) == OK) {
        assert_ok(tql_plan_make(parsed, &arena, &f, &plan), &f);
        for (uint32_t i = 0; i < TRACES_EACH; i++) {
            struct span_batch b;
            span_batch_init(&b, 0);
            brute_random_trace(&r, i + 1, &b);
            struct pair p = {.query = (const char *)text.p, .parsed = parsed, .plan = &plan, .trace = &b};
            *wrong += !judge(&p, seed, i);
            totals->matches += p.matches;
            totals->errors += p.errors;
            judged++;
            span_batch_fini(&b);
        }
        tql_plan_fini(&plan);
    }
    arena_fini(&arena);
    buf_fini(&text);
    return judged;
}

static void
test_random_queries_are_judged_as_the_language_is_described(void **state)
{
    uint64_t pairs = from_environment("BRUTE_PAIRS", PAIRS), seed = from_environment("BRUTE_SEED", 1),
             done = 0;
    struct pair totals = {0};
    uint32_t wrong = 0;
    (void)state;
    while (done < pairs && wrong < 10) {
        done += round_of(seed++, &totals, &wrong);
    }
    print_message("%llu pairs: %llu with spansets, %llu with run-time errors\n", (unsigned long long)done,
                  (unsigned long long)totals.matches, (unsigned long long)totals.errors);
    assert_int_equal(wrong, 0);
    assert_true(totals.matches > done / 5); /* the pools meet */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_queries_are_judged_as_the_language_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
