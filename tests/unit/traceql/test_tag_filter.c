/* Autocompletion asks while the user still types: what filters, what does not, and that nothing fails. */
#include "unit/traceql/helpers.h"

static void
put_filter(const struct tql_tag_filter *t, struct buf *b)
{
    for (size_t i = 0; i < t->group_count; i++) {
        (void)buf_append_cstr(b, i ? " | " : "");
        for (size_t k = 0; k < t->groups[i].cond_count; k++) {
            const struct tql_tag_cond *c = &t->groups[i].conds[k];
            (void)buf_append_cstr(b, k ? " & " : "");
            tql_attr_print(&c->attr, b);
            (void)buf_printf(b, " %s", tql_op_text((enum tql_op)c->op));
            if (c->op <= TQL_OP_NRE) {
                (void)buf_append_byte(b, ' ');
                tql_static_print(&c->value, b);
            }
        }
    }
}

static const char *const cases[][2] = {
    {"", ""},
    {"{", ""},
    {"{ }", ""},
    {"nonsense", ""},
    {"{ span.foo = \"bar\" }", "span.foo = `bar`"},
    {"{ span.foo = \"bar\"", "span.foo = `bar`"},
    {"{ span.foo = \"bar\" && span.x = ", "span.foo = `bar`"},
    {"{ span.foo = \"bar\" && span.x = }", "span.foo = `bar`"},
    {"{ span.foo = \"bar\" && ", "span.foo = `bar`"},
    {"{ span.foo = \"bar\" && }", "span.foo = `bar`"},
    {"{ && span.foo = \"bar\" }", "span.foo = `bar`"},
    {"{ span.x = && span.foo = \"bar\" }", "span.foo = `bar`"},
    {"{ (span.x = ) && span.foo = \"bar\" }", "span.foo = `bar`"},
    {"{ () && span.foo = \"bar\" }", "span.foo = `bar`"},
    {"{ (span.foo = \"bar\" && (", "span.foo = `bar`"},
    {"{ span.foo = \"bar\" && span.x = \"unfinish", "span.foo = `bar`"},
    {"{ span.foo = \"bar\" && span.x =~ } | rate()", "span.foo = `bar`"},
    {"{ span.foo = \"bar\" } | count() > ", "span.foo = `bar`"},
    {"{ span.foo = \"bar\" } | count() > 1", "span.foo = `bar`"},
    {"{ span.a = }", ""},
    {"{ span.a }", ""},
    {"{ .a = }", ""},
    {"{ .foo = \"bar\" }", ""},
    {"{ span.foo = \"bar\" && .x = 1 }", ""},
    {"{ span.foo = \"bar\" && name = }", ""},
    {"{ span.foo = \"bar\" || span.x = }", ""},
    {"{ span.foo = \"bar\" || span.x = 1 }", "span.foo = `bar` | span.x = 1"},
    {"{ (span.a = 1 || span.b = 2) && (span.c = 3 || 4 < span.d) }",
     "span.a = 1 & span.c = 3 | span.a = 1 & span.d > 4 | span.b = 2 & span.c = 3 | span.b = 2 & span.d > 4"},
    {"{ span.a != nil && name =~ \"x\" && resource.b = nil }",
     "span.a != nil & name =~ `x` & resource.b = nil"},
    {"{ span.a = 1 && !(span.b = 2) && span.c + 1 = 2 }", "span.a = 1"},
    {"{ name = \"SELECT\" } && { kind = server }", ""},
    {"{ name = \"SELECT\" } >> { }", ""},
    {"{ status = error && kind = server }", "status = error & kind = server"},
    {"{ name = 1 }", ""},
    {"{ span.a = 1 }}}}", ""},
    {"count() > 1", ""},
};

static void
what_is_complete_filters_and_the_rest_is_forgiven(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        struct fault f = {0};
        struct tql_tag_filter filter;
        struct buf b;
        arena_init(&a, 0);
        buf_init(&b, 4096);
        assert_ok(traceql_parse_tag_filter(slice_cstr(cases[i][0]), &a, &f, &filter), &f);
        put_filter(&filter, &b);
        if (!slice_eq(buf_slice(&b), slice_cstr(cases[i][1]))) {
            fail_msg("%s\n  wanted %s\n  got    %.*s", cases[i][0], cases[i][1], (int)b.n,
                     b.n ? (char *)b.p : "");
        }
        buf_fini(&b);
        arena_fini(&a);
    }
}

static err
filter_of(struct buf *b, struct fault *f, size_t *ret_conds)
{
    struct arena a;
    struct tql_tag_filter filter = {0};
    arena_init(&a, 256u << 20);
    err rc = traceql_parse_tag_filter(buf_slice(b), &a, f, &filter);
    *ret_conds = filter.group_count ? filter.groups[0].cond_count : 0;
    arena_fini(&a);
    return rc;
}

static void
too_many_alternatives_are_refused(void **state)
{
    (void)state;
    for (int n = 100; n <= 101; n++) {
        struct buf b;
        struct fault f = {0};
        size_t conds;
        buf_init(&b, 1u << 20);
        (void)buf_append_cstr(&b, "{ span.a = 0");
        for (int i = 1; i < n; i++) {
            (void)buf_printf(&b, " || span.a = %d", i);
        }
        (void)buf_append_cstr(&b, " }");
        assert_int_equal(filter_of(&b, &f, &conds), n <= 100 ? OK : ERR_LIMIT);
        if (n > 100) {
            assert_string_equal(f.msg,
                                "maximum condition groups reached (limit: 100). Reduce the number of OR "
                                "conditions in the query");
        }
        buf_fini(&b);
    }
}

static void
long_and_broken_queries_cost_little(void **state)
{
    (void)state;
    static const struct {
        const char *head, *unit, *tail;
        size_t times, conds;
    } big[] = {
        {"{ span.a=1", "&&span.a=1", " }", 13000, 13001},
        {"{ ", "(", "", 130000, 0},
        {"{ ", "()&&", "span.a = 1", 30000, 1},
        {"{ span.a = 1 ", "&& ||", "", 20000, 1},
        {"", "{", "", 100000, 0},
        {"{ span.a = 1 ", ")", "", 100000, 0},
        {"{ ", "span.a=1&&(", "span.b=", 10000, 10000},
    };
    for (size_t i = 0; i < sizeof big / sizeof *big; i++) {
        struct buf b;
        struct fault f = {0};
        size_t conds;
        buf_init(&b, 4u << 20);
        (void)buf_append_cstr(&b, big[i].head);
        for (size_t k = 0; k < big[i].times; k++) {
            (void)buf_append_cstr(&b, big[i].unit);
        }
        (void)buf_append_cstr(&b, big[i].tail);
        assert_ok(filter_of(&b, &f, &conds), &f);
        assert_int_equal(conds, big[i].conds);
        buf_fini(&b);
    }
}

static void
a_full_arena_is_a_limit(void **state)
{
    (void)state;
    for (size_t max = 64; max < 16384; max += 64) {
        struct arena a;
        struct fault f = {0};
        struct tql_tag_filter filter;
        arena_init(&a, max);
        err rc = traceql_parse_tag_filter(
            SL("{ (span.a = 1 || span.b = 2) && (span.c = 3 || span.d = 4) && x"), &a, &f, &filter);
        assert_true(rc == OK || rc == ERR_LIMIT);
        arena_fini(&a);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_complete_filters_and_the_rest_is_forgiven),
        cmocka_unit_test(too_many_alternatives_are_refused),
        cmocka_unit_test(long_and_broken_queries_cost_little),
        cmocka_unit_test(a_full_arena_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
