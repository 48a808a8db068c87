/* What a query makes the querier fetch and do, as text. */
#include "unit/traceql/helpers.h"

#include "vivace/traceql/plan.h"

static void
put_attr(const struct tql_plan *p, uint32_t slot, struct buf *b)
{
    tql_attr_print(&p->compiler.slots.slots[slot].attr, b);
}

static void
put_filter(const struct tql_plan *p, const struct tql_filter *f, struct buf *b)
{
    static const char *const push[] = {"NONE", "ALL", "ANY"};
    (void)buf_printf(b, "%s%s%s%s%s[", f->required ? "+" : "", f->first ? "" : "later ",
                     f->always ? "always " : "", f->never ? "never " : "", push[f->push]);
    for (size_t i = 0; i < f->cond_count; i++) {
        const struct tql_cond *c = &f->conds[i];
        (void)buf_append_cstr(b, i ? ", " : "");
        put_attr(p, c->slot, b);
        (void)buf_printf(b, " %s", tql_op_text((enum tql_op)c->op));
        if (c->op <= TQL_OP_NRE) {
            (void)buf_append_byte(b, ' ');
            tql_static_print(&c->value, b);
        }
    }
    (void)buf_printf(b, "]%s", f->has_residue ? " residue" : "");
}

static void
put_step(const struct tql_plan *p, const struct tql_step *s, struct buf *b)
{
    static const char *const names[] = {"RESET",  "FILTER", "SETOP",    "GROUP",
                                        "SCALAR", "SELECT", "COALESCE", "PIPE"};
    (void)buf_append_cstr(b, names[s->kind]);
    if (s->kind == TQL_STEP_FILTER) {
        (void)buf_printf(b, " %u", s->filter);
    } else if (s->kind == TQL_STEP_SETOP) {
        (void)buf_printf(b, " %s", tql_op_text((enum tql_op)s->op));
    } else if (s->kind == TQL_STEP_GROUP || s->kind == TQL_STEP_SCALAR) {
        (void)buf_printf(b, " %.*s", SL_FMT(s->label));
    }
    if (s->kind == TQL_STEP_SCALAR) {
        (void)buf_printf(b, " %s ", tql_op_text((enum tql_op)s->op));
        tql_static_print(&s->value, b);
    }
    for (size_t i = 0; i < s->slot_count; i++) {
        (void)buf_append_byte(b, ' ');
        put_attr(p, s->slots[i], b);
    }
}

static void
put_plan(const struct tql_plan *p, struct buf *b)
{
    for (size_t i = 0; i < p->filter_count; i++) {
        (void)buf_printf(b, "%zu ", i);
        put_filter(p, &p->filters[i], b);
        (void)buf_append_cstr(b, "; ");
    }
    for (size_t i = 0; i < p->step_count; i++) {
        (void)buf_append_cstr(b, i ? ", " : "");
        put_step(p, &p->steps[i], b);
    }
    (void)buf_printf(b, "; %s%s%s%s", p->fetch == TQL_FETCH_ANY ? "any" : "all",
                     p->needs_structure ? " structure" : "", p->whole_trace ? " trace" : "",
                     p->never ? " never" : "");
    if (p->metric.fn) {
        (void)buf_printf(b, "; %s", tql_metric_name((enum tql_metric_fn)p->metric.fn));
        if (p->metric.fn >= TQL_METRIC_MIN && p->metric.fn <= TQL_METRIC_QUANTILE) {
            (void)buf_append_byte(b, ' ');
            put_attr(p, p->metric.slot, b);
        }
        for (size_t i = 0; i < p->metric.by_count; i++) {
            (void)buf_append_cstr(b, i ? "," : " by ");
            put_attr(p, p->metric.by[i], b);
        }
    }
}

static const char *const plans[][2] = {
    {"{ }", "0 +always ALL[]; RESET, FILTER 0; any"},
    {"{ false }", "0 +never ALL[]; RESET, FILTER 0; any never"},
    {"{ .a = 1 && duration > 1s }", "0 +ALL[.a = 1, duration > 1s]; RESET, FILTER 0; any"},
    {"{ 5 < span.n && nil != .b && .c = nil }",
     "0 +ALL[span.n > 5, .b != nil, .c = nil]; RESET, FILTER 0; any"},
    {"{ .a = 1 && (.b = 2 || .c = 3) }", "0 +ALL[.a = 1] residue; RESET, FILTER 0; any"},
    {"{ .a = 1 || .b =~ \"x.*\" || kind = server }",
     "0 +ANY[.a = 1, .b =~ `x.*`, kind = server]; RESET, FILTER 0; any"},
    {"{ .a = 1 || !(.b = 2) }", "0 +NONE[]; RESET, FILTER 0; any"},
    {"{ .flag }", "0 +ALL[.flag = true]; RESET, FILTER 0; any"},
    {"{ .flag || .a = 1 }", "0 +NONE[]; RESET, FILTER 0; any"},
    {"{ .a + 1 = 2 }", "0 +ALL[] residue; RESET, FILTER 0; any"},
    {"{ true && nestedSetParent<0 }", "0 +ALL[nestedSetParent < 0]; RESET, FILTER 0; any structure"},
    {"{ rootServiceName = `x` }", "0 +ALL[rootServiceName = `x`]; RESET, FILTER 0; any trace"},
    {"{ .a = 1 } && { .b = 2 }",
     "0 +ALL[.a = 1]; 1 +ALL[.b = 2]; RESET, FILTER 0, FILTER 1, SETOP &&; any trace"},
    {"{ .a = 1 } || { .b = 2 }",
     "0 ALL[.a = 1]; 1 ALL[.b = 2]; RESET, FILTER 0, FILTER 1, SETOP ||; any trace"},
    {"{ .a = 1 } !>> { .b = 2 }",
     "0 ALL[.a = 1]; 1 +ALL[.b = 2]; RESET, FILTER 0, FILTER 1, SETOP !>>; any structure trace"},
    {"({ .a = 1 } || { .b = 2 }) > { false }",
     "0 ALL[.a = 1]; 1 ALL[.b = 2]; 2 +never ALL[]; RESET, FILTER 0, FILTER 1, SETOP ||, FILTER 2, SETOP >; "
     "any structure trace never"},
    {"{ .a = 1 } | { .b = 2 } | by(.c) | count() > 1 | coalesce() | select(name, .a)",
     "0 +ALL[.a = 1]; 1 +later ALL[.b = 2]; RESET, FILTER 0, PIPE, FILTER 1, PIPE, GROUP by(.c), PIPE, "
     "SCALAR count() > 1, PIPE, "
     "COALESCE, PIPE, SELECT name .a; any trace"},
    {"({ .a = 1 } | { .b = 2 }) >> ({ .c = 3 })",
     "0 +ALL[.a = 1]; 1 +later ALL[.b = 2]; 2 +ALL[.c = 3]; RESET, FILTER 0, PIPE, FILTER 1, RESET, FILTER "
     "2, SETOP >>; any structure trace"},
    {"count() > 4", "RESET, SCALAR count() > 4; all trace"},
    {"(count() > 4) || ({ .a = 1 })",
     "0 ALL[.a = 1]; RESET, SCALAR count() > 4, RESET, FILTER 0, SETOP ||; all trace"},
    {"{} | select(name)", "0 +always ALL[]; RESET, FILTER 0, PIPE, SELECT name; any"},
    {"{ kind = server } | rate() by (name, resource.x)",
     "0 +ALL[kind = server]; RESET, FILTER 0; any; rate by name,resource.x"},
    {"{} | quantile_over_time(duration, .9) by (parent.foo)",
     "0 +always ALL[]; RESET, FILTER 0; any; quantile_over_time duration by .foo"},
    {"{} | compare({ status = error }, 5)",
     "0 +always ALL[]; 1 later ALL[status = error]; RESET, FILTER 0; any; compare"},
};

static void
a_query_becomes_conditions_and_steps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        struct arena a;
        struct fault f = {0};
        struct tql_query *q = NULL;
        struct tql_plan plan;
        struct buf b;
        arena_init(&a, 0);
        buf_init(&b, 8192);
        assert_ok(traceql_parse(slice_cstr(plans[i][0]), &a, &f, &q), &f);
        assert_ok(traceql_check(q, &f), &f);
        assert_ok(tql_plan_make(q, &a, &f, &plan), &f);
        put_plan(&plan, &b);
        if (!slice_eq(buf_slice(&b), slice_cstr(plans[i][1]))) {
            fail_msg("%s\n  wanted %s\n  got    %.*s", plans[i][0], plans[i][1], (int)b.n, (char *)b.p);
        }
        tql_plan_fini(&plan);
        buf_fini(&b);
        arena_fini(&a);
    }
}

static void
slots_are_in_the_order_of_the_query_and_say_what_for(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t level, uses;
        bool listed;
    } want[] = {
        {"span.a", TQL_LEVEL_SPAN, TQL_USE_FILTER | TQL_USE_SELECT, true},
        {"name", TQL_LEVEL_SPAN, TQL_USE_FILTER | TQL_USE_LABEL, false},
        {"resource.x", TQL_LEVEL_RESOURCE, TQL_USE_FILTER, true},
        {"event:name", TQL_LEVEL_EVENT, TQL_USE_FILTER, true},
        {".u", TQL_LEVEL_UNSCOPED, TQL_USE_GROUP, true},
        {"traceDuration", TQL_LEVEL_TRACE, TQL_USE_SCALAR, false},
        {"link.l", TQL_LEVEL_LINK, TQL_USE_SELECT, true},
        {"instrumentation:version", TQL_LEVEL_INSTRUMENTATION, TQL_USE_SELECT, true},
        {"duration", TQL_LEVEL_SPAN, TQL_USE_METRIC, false},
    };
    struct arena a;
    struct fault f = {0};
    struct tql_query *q = NULL;
    struct tql_plan plan;
    arena_init(&a, 0);
    assert_ok(
        traceql_parse(SL("{ span.a = 1 && name = `x` || resource.x + 1 = 2 && event:name = `e` } | by(.u) | "
                         "avg(trace:duration) > 1 | select(span.a, link.l, instrumentation:version) | "
                         "avg_over_time(duration) by (span:name)"),
                      &a, &f, &q),
        &f);
    assert_ok(tql_plan_make(q, &a, &f, &plan), &f);
    const struct tql_slots *s = &plan.compiler.slots;
    assert_int_equal(s->count, sizeof want / sizeof *want);
    for (size_t i = 0; i < s->count; i++) {
        struct buf b;
        buf_init(&b, 256);
        tql_attr_print(&s->slots[i].attr, &b);
        assert_slice_equal(buf_slice(&b), want[i].name);
        assert_int_equal(s->slots[i].level, want[i].level);
        assert_int_equal(s->slots[i].uses, want[i].uses);
        assert_int_equal(tql_attr_is_listed(&s->slots[i].attr), want[i].listed);
        buf_fini(&b);
    }
    assert_int_equal(plan.filters[0].program.levels,
                     1 << TQL_LEVEL_SPAN | 1 << TQL_LEVEL_RESOURCE | 1 << TQL_LEVEL_EVENT);
    tql_plan_fini(&plan);
    arena_fini(&a);
}

static void
vector_engines_see_plain_boolean_algebra(void **state)
{
    (void)state;
    static const struct {
        const char *q;
        bool only;
    } cases[] = {
        {"{ .a = 1 && (.b = 2 || .c =~ \"x\") && true }", true},
        {"{ .a = 1 && !(.b = 2) }", false},
        {"{ .a = .b }", false},
    };
    for (size_t i = 0; i < 3; i++) {
        struct arena a;
        struct fault f = {0};
        struct tql_query *q = NULL;
        struct tql_plan plan;
        arena_init(&a, 0);
        assert_ok(traceql_parse(slice_cstr(cases[i].q), &a, &f, &q), &f);
        assert_ok(tql_plan_make(q, &a, &f, &plan), &f);
        assert_int_equal(plan.filters[0].program.only_conds, cases[i].only);
        tql_plan_fini(&plan);
        arena_fini(&a);
    }
}

static void
everything_clients_send_can_be_planned(void **state)
{
    (void)state;
    static const char *const files[] = {"clients.txt", "cases.tsv"};
    for (size_t i = 0; i < 2; i++) {
        char path[512];
        struct tsv t;
        (void)snprintf(path, sizeof path, "%s/traceql/%s", TEST_DATA, files[i]);
        tsv_open(&t, path);
        while (tsv_next(&t)) {
            struct arena a;
            struct fault f = {0};
            struct tql_query *q = NULL;
            struct tql_plan plan;
            arena_init(&a, 0);
            if (traceql_parse(slice_cstr(t.field[i]), &a, &f, &q) == OK && traceql_check(q, &f) == OK) {
                assert_ok(tql_plan_make(q, &a, &f, &plan), &f);
                assert_true(plan.stack_max >= 1);
                tql_plan_fini(&plan);
            }
            arena_fini(&a);
        }
        tsv_close(&t);
    }
}

/* Regular expressions and memory are bounded, and nothing leaks when a bound is met. */
static void
a_plan_that_costs_too_much_is_refused(void **state)
{
    (void)state;
    struct arena a;
    struct fault f = {0};
    struct tql_query *q = NULL;
    struct tql_plan plan;
    struct buf b;
    buf_init(&b, 1u << 20);
    (void)buf_append_cstr(&b, "{ .a = 1");
    for (int i = 0; i < 2000; i++) {
        (void)buf_printf(&b, " || .a =~ \"%d[a-z]+\"", i);
    }
    (void)buf_append_cstr(&b, " }");
    arena_init(&a, 0);
    assert_ok(traceql_parse(buf_slice(&b), &a, &f, &q), &f);
    assert_int_equal(traceql_check(q, &f), ERR_LIMIT);
    assert_string_equal(f.msg, "too many or too large regular expressions in the query");
    f = (struct fault){0};
    assert_int_equal(tql_plan_make(q, &a, &f, &plan), ERR_LIMIT);
    assert_string_equal(f.msg, "too many regular expressions in the query (limit: 256)");
    arena_fini(&a);
    buf_fini(&b);
    for (size_t max = 4096; max < 65536; max += 512) {
        f = (struct fault){0};
        arena_init(&a, max);
        err rc =
            traceql_parse(SL("{ .a =~ \"x+\" && .b + 1 = 2 && .c } >> { .d = 1 || .e =~ \"y+\" } | by(.f) | "
                             "avg(.g) > 1 | select(.h, .i) | rate() by (.j)"),
                          &a, &f, &q);
        if (rc == OK) {
            rc = tql_plan_make(q, &a, &f, &plan);
            if (rc == OK) {
                tql_plan_fini(&plan);
            }
        }
        assert_true(rc == OK || rc == ERR_LIMIT);
        arena_fini(&a);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_becomes_conditions_and_steps),
        cmocka_unit_test(slots_are_in_the_order_of_the_query_and_say_what_for),
        cmocka_unit_test(vector_engines_see_plain_boolean_algebra),
        cmocka_unit_test(everything_clients_send_can_be_planned),
        cmocka_unit_test(a_plan_that_costs_too_much_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
