/* Names and values of tags: those of the spans a filter keeps, wherever the spans lie; and told in parts
 * while they are collected, each once. */
#include "support/brute.h"
#include "support/places.h"
#include "test.h"

#include "vivace/base/log.h"
#include "vivace/base/table.h"
#include "vivace/querier/tags.h"
#include "vivace/traceql/traceql.h"

#ifdef VIVACE_DEBUG
#define WORLDS 2u
#else
#define WORLDS 4u
#endif
#define EACH       40
#define TRACES_MAX 20

struct world {
    struct span_batch traces[TRACES_MAX]; /* each whole, without repetitions */
    size_t count;
    struct places places[PLACE_COUNT];
};

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

/* Distinct lines, sorted. */
struct lines {
    struct buf v[2048];
    size_t n;
};

static struct lines lines;

static int
by_text(const void *a, const void *b)
{
    return slice_cmp(buf_slice(a), buf_slice(b));
}

static struct buf *
line_begin(void)
{
    assert_true(lines.n < 2048);
    buf_init(&lines.v[lines.n], 1 << 16);
    return &lines.v[lines.n++];
}

/* How many lines came more than once. */
static size_t
lines_take(struct buf *out)
{
    size_t repeated = 0;
    qsort(lines.v, lines.n, sizeof *lines.v, by_text);
    for (size_t i = 0; i < lines.n; i++) {
        if (i && by_text(&lines.v[i - 1], &lines.v[i]) == 0) {
            repeated++;
        } else {
            (void)buf_append_slice(out, buf_slice(&lines.v[i]));
            (void)buf_append_byte(out, '\n');
        }
    }
    for (size_t i = 0; i < lines.n; i++) {
        buf_fini(&lines.v[i]);
    }
    lines.n = 0;
    return repeated;
}

/* --- what is expected ------------------------------------------------------------------------------------
 */

static void
want_names(const struct span_batch *b, enum tag_scope scope, struct run run)
{
    for (uint32_t i = 0; i < run.n; i++) {
        (void)buf_printf(line_begin(), "%d %.*s", (int)scope, SL_FMT(attr_key(&b->attrs[run.at + i])));
    }
}

static void
want_names_of(const struct span_batch *b, const struct span *s)
{
    const struct scope *scope = &b->scopes[s->scope];
    want_names(b, TAG_SCOPE_SPAN, s->attrs);
    want_names(b, TAG_SCOPE_INSTRUMENTATION, scope->attrs);
    want_names(b, TAG_SCOPE_RESOURCE, b->resources[scope->resource].attrs);
    for (uint32_t i = 0; i < s->events.n; i++) {
        want_names(b, TAG_SCOPE_EVENT, b->events[s->events.at + i].attrs);
    }
    for (uint32_t i = 0; i < s->links.n; i++) {
        want_names(b, TAG_SCOPE_LINK, b->links[s->links.at + i].attrs);
    }
}

static void
want_value(const struct brute_value *v)
{
    for (size_t i = 0; v->type == BRUTE_ARRAY && i < v->n; i++) {
        brute_print(&v->items[i], line_begin());
    }
    if (v->type != BRUTE_ARRAY && v->type != BRUTE_NIL) {
        brute_print(v, line_begin());
    }
}

static void
want_values_of(const struct brute_trace *t, size_t row, const struct tql_attr *at)
{
    const struct span *s = &t->b->spans[row];
    enum tql_level level = tql_attr_level(at);
    bool part = level == TQL_LEVEL_EVENT || level == TQL_LEVEL_LINK;
    uint32_t n = level == TQL_LEVEL_EVENT ? s->events.n : part ? s->links.n : 1;
    for (uint32_t i = 0; i < n; i++) {
        struct brute_value v = brute_lookup(t, row, at, part ? (int)i : -1, part ? (int)i : -1);
        want_value(&v);
    }
}

/* False: the query fails for some span. `at` is NULL for names. */
static bool
expect(const struct world *w, const struct tql_query *q, const struct tql_attr *at, struct buf *out)
{
    struct brute_error wrong = {0};
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < w->count && !wrong.failed; i++) {
        struct brute_trace t;
        brute_trace_make(&t, &w->traces[i], &arena);
        const struct brute_set *sets = brute_run(&t, q, &wrong);
        for (size_t row = 0; sets && row < t.b->span_count; row++) {
            if (sets->rows[row] && at) {
                want_values_of(&t, row, at);
            } else if (sets->rows[row]) {
                want_names_of(t.b, &t.b->spans[row]);
            }
        }
    }
    arena_fini(&arena);
    (void)lines_take(out);
    return !wrong.failed;
}

/* --- what is answered ------------------------------------------------------------------------------------
 */

static size_t
tell(const struct tags_result *r)
{
    struct arena arena;
    size_t before = lines.n;
    arena_init(&arena, 0);
    for (int scope = 0; scope < TAG_SCOPE_COUNT; scope++) {
        for (size_t i = 0; i < r->name_counts[scope]; i++) {
            (void)buf_printf(line_begin(), "%d %.*s", scope, SL_FMT(r->names[scope][i]));
        }
    }
    for (size_t i = 0; i < r->value_count; i++) {
        struct brute_value v = brute_of_static(&r->values[i], &arena);
        brute_print(&v, line_begin());
    }
    arena_fini(&arena);
    return lines.n - before;
}

struct told {
    struct buf all, parts;
    size_t parts_with_news, repeated;
    err rc;
};

static void
ask(struct places *p, const struct tql_plan *plan, bool values, struct told *ret)
{
    slice tenant = PLACES_TENANT;
    struct tag_source sources[] = {tag_source_live(&p->ingester_at), tag_source_blocks(&p->store_at)};
    struct tags_query q = {.plan = plan,
                           .scopes = values ? 0 : (1u << TAG_SCOPE_COUNT) - 1,
                           .slots = plan->steps[plan->step_count - 1].slots,
                           .slot_count = values ? plan->steps[plan->step_count - 1].slot_count : 0,
                           .tenants = &tenant,
                           .tenant_count = 1,
                           .sources = p->sources,
                           .tag_sources = sources,
                           .source_count = 2,
                           .tag_source_count = 2,
                           .end_ns = UINT64_MAX};
    struct tags *t = tags_create(&q);
    struct fault f = {0};
    *ret = (struct told){0};
    buf_init(&ret->all, 1 << 20);
    buf_init(&ret->parts, 1 << 20);
    do {
        ret->rc = tags_step(t, 0, &f);
        ret->parts_with_news += tell(tags_news(t)) > 0;
    } while (ret->rc == ERR_AGAIN);
    ret->repeated = lines_take(&ret->parts);
    (void)tell(tags_result(t));
    ret->repeated += lines_take(&ret->all);
    tags_destroy(t);
}

static void
told_fini(struct told *t)
{
    buf_fini(&t->all);
    buf_fini(&t->parts);
}

static uint64_t asked, told_in_parts;

/* `{ filter } | select(attribute)`: values of the attribute, or all names. */
static void
compare(struct world *w, const char *text, bool values)
{
    struct tql_query *parsed = NULL;
    struct tql_plan plan;
    struct arena arena;
    struct buf want;
    struct fault f = {0};
    arena_init(&arena, 0);
    buf_init(&want, 1 << 20);
    assert_ok(traceql_parse(slice_cstr(text), &arena, &f, &parsed), &f);
    if (traceql_check(parsed, &f) == OK) {
        assert_ok(tql_plan_make(parsed, &arena, &f, &plan), &f);
        bool judged = expect(w, parsed, values ? &parsed->pipeline->next->attrs[0] : NULL, &want);
        for (int p = 0; judged && p < PLACE_COUNT; p++) {
            struct told told;
            ask(&w->places[p], &plan, values, &told);
            asked++;
            told_in_parts += told.parts_with_news > 1;
            assert_int_equal(told.rc, OK);
            assert_int_equal(told.repeated, 0);
            assert_true(slice_eq(buf_slice(&told.all), buf_slice(&told.parts)));
            if (!slice_eq(buf_slice(&told.all), buf_slice(&want))) {
                fail_msg("%s, %s: got\n%.*swanted\n%.*s", place_name((enum place)p), text,
                         SL_FMT(buf_slice(&told.all)), SL_FMT(buf_slice(&want)));
            }
            told_fini(&told);
        }
        tql_plan_fini(&plan);
    }
    buf_fini(&want);
    arena_fini(&arena);
}

static void
tags_of_a_filter_are_the_same_wherever_spans_lie_and_are_told_once(void **state)
{
    struct buf text;
    (void)state;
    buf_init(&text, 1 << 20);
    for (uint64_t seed = 1; seed <= WORLDS; seed++) {
        struct world w;
        struct rng r;
        rng_seed(&r, seed);
        world_make(&w, &r);
        for (int i = 0; i < EACH; i++) {
            buf_clear(&text);
            brute_random_filter(&r, &text);
            (void)buf_append_cstr(&text, " | select(");
            brute_random_attribute(&r, &text);
            (void)buf_append(&text, ")", 2);
            compare(&w, (const char *)text.p, i % 2);
        }
        world_fini(&w);
    }
    buf_fini(&text);
    print_message("%llu tag queries, %llu told in parts\n", (unsigned long long)asked,
                  (unsigned long long)told_in_parts);
    assert_true(told_in_parts > 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_of_a_filter_are_the_same_wherever_spans_lie_and_are_told_once),
    };
    log_set_level(LOG_ERROR + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
