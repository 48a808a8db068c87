/* Expressions over one span's values: the semantics a search has, value by value. */
#include "unit/traceql/helpers.h"

#include "vivace/base/mem.h"
#include "vivace/traceql/plan.h"

/* A span as text gives it: attribute references and their values. */
struct value {
    const char *name;
    struct tql_static value;
};

static const slice ab[] = {SL("a"), SL("b")};
static const int64_t n13[] = {1, 3};

static const struct value span[] = {
    {"span.foo", {.type = TQL_STRING, .s = (const uint8_t *)"bar", .n = 3}},
    {".foo", {.type = TQL_STRING, .s = (const uint8_t *)"bar", .n = 3}},
    {"resource.foo", {.type = TQL_STRING, .s = (const uint8_t *)"resfoo", .n = 6}},
    {"span.n", {.type = TQL_INT, .i = 10}},
    {"span.zero", {.type = TQL_INT, .i = 0}},
    {"span.f", {.type = TQL_FLOAT, .f = 2.5}},
    {"span.yes", {.type = TQL_BOOL, .b = true}},
    {"span.no", {.type = TQL_BOOL, .b = false}},
    {"span.arr", {.type = TQL_STRING_ARRAY, .strings = ab, .n = 2}},
    {"span.nums", {.type = TQL_INT_ARRAY, .ints = n13, .n = 2}},
    {"duration", {.type = TQL_DURATION, .i = 2000000000}},
    {"name", {.type = TQL_STRING, .s = (const uint8_t *)"GET /x", .n = 6}},
    {"status", {.type = TQL_STATUS, .i = TQL_STATUS_ERROR}},
    {"kind", {.type = TQL_KIND, .i = 2}},
};

static struct tql_static
lookup(const struct tql_attr *attr)
{
    struct tql_static v = TQL_STATIC_NIL;
    struct buf b;
    buf_init(&b, 1024);
    tql_attr_print(attr, &b);
    for (size_t i = 0; i < sizeof span / sizeof *span; i++) {
        if (slice_eq(buf_slice(&b), slice_cstr(span[i].name))) {
            v = span[i].value;
        }
    }
    buf_fini(&b);
    return v;
}

struct ran {
    struct arena arena;
    struct tql_plan plan;
    struct fault fault;
    struct tql_static *slots, *stack;
};

static void
prepare(struct ran *r, const char *q)
{
    struct tql_query *query = NULL;
    *r = (struct ran){0};
    arena_init(&r->arena, 0);
    assert_ok(traceql_parse(slice_cstr(q), &r->arena, &r->fault, &query), &r->fault);
    assert_ok(traceql_check(query, &r->fault), &r->fault);
    assert_ok(tql_plan_make(query, &r->arena, &r->fault, &r->plan), &r->fault);
    r->slots = mem_new_array(struct tql_static, r->plan.compiler.slots.count + 1);
    r->stack = mem_new_array(struct tql_static, r->plan.values_max + 1);
    for (size_t i = 0; i < r->plan.compiler.slots.count; i++) {
        r->slots[i] = lookup(&r->plan.compiler.slots.slots[i].attr);
    }
}

static void
done(struct ran *r)
{
    tql_plan_fini(&r->plan);
    mem_free(r->slots);
    mem_free(r->stack);
    arena_fini(&r->arena);
}

static bool
run_true(struct ran *r, const struct tql_program *p)
{
    struct tql_static v = TQL_STATIC_NIL;
    assert_ok(tql_program_eval(p, r->slots, r->stack, &r->fault, &v), &r->fault);
    return tql_static_is_true(&v);
}

/* The same answer from the pushed conditions and the residue. */
static bool
pushed_answer(struct ran *r, const struct tql_filter *filter)
{
    size_t held = 0;
    for (size_t i = 0; i < filter->cond_count; i++) {
        held += tql_cond_eval(&filter->conds[i], &r->slots[filter->conds[i].slot]);
    }
    if (filter->push == TQL_PUSH_ANY) {
        return held > 0;
    }
    return !filter->never && held == filter->cond_count &&
           (!filter->has_residue || run_true(r, &filter->residue));
}

static const struct {
    const char *expr;
    bool match;
} matches[] = {
    {"", true},
    {"true", true},
    {"false", false},
    {"span.foo = `bar`", true},
    {"span.foo != `bar`", false},
    {"span.foo != `x`", true},
    {"`bar` = span.foo", true},
    {"span.foo =~ `ba.*`", true},
    {"span.foo =~ `ba`", false},
    {"span.foo !~ `ba`", true},
    {"span.missing = `x`", false},
    {"span.missing != `x`", false},
    {"span.missing !~ `x`", false},
    {"span.missing > 0", false},
    {"span.missing + 1 > 0", false},
    {"span.missing = nil", true},
    {"span.missing != nil", false},
    {"span.foo != nil", true},
    {"span.foo = nil", false},
    {"nil != span.foo", true},
    {"span.foo = 10", false},
    {"span.foo != 10", false},
    {"span.n = 10", true},
    {"span.n = 10.0", true},
    {"span.n = 10ns", true},
    {"span.n >= 9.5", true},
    {"5 < span.n", true},
    {"20 < span.n", false},
    {"10 <= span.n", true},
    {"span.f > 2", true},
    {"2s <= duration", true},
    {"1s < duration", true},
    {"duration = 2000000000", true},
    {"duration > 1.5", true},
    {"duration * 2 = 4s", true},
    {"duration / 2s = 1", true},
    {"span.n + span.n = 20", true},
    {"span.n % 3 = 1", true},
    {"span.n ^ 2 = 100", true},
    {"2 ^ span.n = 1024", true},
    {"span.n / 4 = 2", true},
    {"span.n / 4.0 = 2.5", true},
    {"-span.n = -10", true},
    {"-span.n + 11 = 1", true},
    {"span.n / span.f = 4", true},
    {"span.foo = resource.foo", false},
    {"span.foo != resource.foo", true},
    {"span.foo < resource.foo", true},
    {"span.yes", true},
    {"span.no", false},
    {"span.missing", false},
    {"span.foo", false},
    {"!span.no", true},
    {"!span.yes", false},
    {"!span.missing", false},
    {"!(span.foo = `bar`)", false},
    {"!(span.foo = `x`)", true},
    {"!(span.missing = `x`)", true},
    {"span.yes && span.n = 10", true},
    {"span.foo && true", false},
    {"span.foo || true", false},
    {"true || span.foo", true},
    {"span.yes || span.missing", true},
    {"span.missing || span.yes", false},
    {"!span.missing || name != nil", true},
    {"span.no = false", true},
    {"span.yes != true", false},
    {"status = error", true},
    {"status != error", false},
    {"status = error && kind = server", true},
    {"kind = client || status = ok", false},
    {"kind = client || status = error", true},
    {"status = ok || status = error && kind = client", false},
    {"status = ok || (status = error && kind = server)", true},
    {"(span.n > 5 && span.f < 3) = true", true},
    {"span.arr = `a`", true},
    {"span.arr != `a`", false},
    {"span.arr != `c`", true},
    {"span.arr =~ `[bc]`", true},
    {"span.arr !~ `b`", false},
    {"span.arr = `a` || span.arr = `b`", true},
    {"span.nums > 2", true},
    {"span.nums = 2", false},
    {"2 < span.nums", true},
    {"name = `GET /x` && name =~ `GET.*` && !(name =~ `POST.*`)", true},
    {"name >= `GET`", true},
    {"true && true && span.n = 10 && duration > span.n", true},
    {"span.n = 10 && false", false},
    {"name = `x` && span.n / span.zero = 1", false},
    {"span.missing + span.n = false", true},
};

static void
a_filter_keeps_the_spans_the_language_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof matches / sizeof *matches; i++) {
        char q[256];
        struct ran r;
        (void)snprintf(q, sizeof q, "{ %s }", matches[i].expr);
        prepare(&r, q);
        const struct tql_filter *filter = &r.plan.filters[0];
        if (run_true(&r, &filter->program) != matches[i].match) {
            fail_msg("%s is %d", q, !matches[i].match);
        }
        if (filter->push != TQL_PUSH_NONE && pushed_answer(&r, filter) != matches[i].match) {
            fail_msg("%s is %d by its conditions", q, !matches[i].match);
        }
        done(&r);
    }
}

static void
a_failure_while_running_names_the_expression(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{ !.foo }", "expression (!.foo) expected a boolean, but got TypeString"},
        {"{ -.foo = 1 }", "expression (-.foo) expected a numeric, but got TypeString"},
        {"{ -span.n < 0 && -(.foo + 1) = 1 }",
         "expression (-(.foo + 1)) expected a numeric, but got TypeBoolean"},
        {"{ 1 / 0 = 1 }", "division by zero"},
        {"{ span.n / span.zero = 1 }", "division by zero"},
        {"{ span.n % 0 = 1 }", "modulo by zero"},
        {"{ span.arr = span.nums }", "array operators must consist of a scalar and an array operand"},
        {"{ span.n = 10 && !span.n }", "expression (!span.n) expected a boolean, but got TypeInt"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ran r;
        struct tql_static v;
        prepare(&r, cases[i][0]);
        const struct tql_filter *filter = &r.plan.filters[0];
        assert_int_not_equal(tql_program_eval(&filter->program, r.slots, r.stack, &r.fault, &v), OK);
        assert_string_equal(r.fault.msg, cases[i][1]);
        if (filter->has_residue) {
            r.fault = (struct fault){0};
            assert_int_not_equal(tql_program_eval(&filter->residue, r.slots, r.stack, &r.fault, &v), OK);
            assert_string_equal(r.fault.msg, cases[i][1]);
        }
        done(&r);
    }
}

static void
logic_stops_at_the_side_that_decides(void **state)
{
    (void)state;
    struct ran r;
    prepare(&r, "{ (span.n = 11 && 1 / span.zero = 1) || span.yes = true || 1 / span.zero = 1 }");
    assert_true(run_true(&r, &r.plan.filters[0].program));
    done(&r);
}

static void
groups_and_aggregates_keep_the_value_itself(void **state)
{
    (void)state;
    struct ran r;
    struct tql_static v;
    prepare(&r, "{ } | by(span.n + 1) | by(span.missing) | by(span.n > 5) | max(span.n * 2) > 1");
    static const struct {
        size_t step;
        uint8_t type;
        int64_t i;
        const char *label;
    } want[] = {
        {3, TQL_INT, 11, "by(span.n + 1)"},
        {5, TQL_NIL, 0, "by(span.missing)"},
        {7, TQL_BOOL, 1, "by(span.n > 5)"},
        {9, TQL_INT, 20, "max(span.n * 2)"},
    };
    for (size_t i = 0; i < 4; i++) {
        const struct tql_step *s = &r.plan.steps[want[i].step];
        assert_ok(tql_program_eval(&s->program, r.slots, r.stack, &r.fault, &v), &r.fault);
        assert_int_equal(v.type, want[i].type);
        assert_true(v.type == TQL_NIL || (v.type == TQL_BOOL ? v.b : v.i == want[i].i));
        assert_slice_equal(s->label, want[i].label);
    }
    done(&r);
}

static void
deep_expressions_run_or_are_refused(void **state)
{
    (void)state;
    for (size_t depth = 20000; depth <= 80000; depth += 60000) {
        struct buf b;
        struct arena a;
        struct fault f = {0};
        struct tql_query *query = NULL;
        struct tql_plan plan;
        buf_init(&b, 4u << 20);
        (void)buf_append_cstr(&b, "{ ");
        for (size_t i = 0; i < depth; i++) {
            (void)buf_append_cstr(&b, ".a ^");
        }
        (void)buf_append_cstr(&b, " 1 = 1 }");
        arena_init(&a, 0);
        assert_ok(traceql_parse(buf_slice(&b), &a, &f, &query), &f);
        err rc = tql_plan_make(query, &a, &f, &plan);
        assert_int_equal(rc, depth > TQL_STACK_MAX ? ERR_LIMIT : OK);
        if (rc == OK) {
            struct tql_static one = tql_static_int(1), v,
                              *stack = mem_new_array(struct tql_static, plan.values_max);
            assert_ok(tql_program_eval(&plan.filters[0].program, &one, stack, &f, &v), &f);
            assert_true(tql_static_is_true(&v));
            mem_free(stack);
            tql_plan_fini(&plan);
        }
        arena_fini(&a);
        buf_fini(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_keeps_the_spans_the_language_says),
        cmocka_unit_test(a_failure_while_running_names_the_expression),
        cmocka_unit_test(logic_stops_at_the_side_that_decides),
        cmocka_unit_test(groups_and_aggregates_keep_the_value_itself),
        cmocka_unit_test(deep_expressions_run_or_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
