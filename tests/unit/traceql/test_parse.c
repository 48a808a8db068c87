/* Queries as people and Grafana write them: which are understood, and what is said about the others. */
#include "unit/traceql/helpers.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"

static size_t
check_refusals(const char *path)
{
    struct tsv t;
    size_t lines = 0;
    tsv_open(&t, path);
    while (tsv_next(&t)) {
        struct outcome o = outcome_of(t.field[1]);
        const char *expected = strcmp(t.field[0], "run") == 0 ? "valid" : t.field[0];
        if (strcmp(o.class, expected) != 0 ||
            (strcmp(expected, "valid") != 0 && strcmp(o.msg, t.field[2]) != 0)) {
            fail_msg("%s\n  wanted %s: %s\n  got    %s: %s", t.field[1], t.field[0], t.field[2], o.class,
                     o.msg);
        }
        lines++;
    }
    tsv_close(&t);
    return lines;
}

static void
every_query_asked_of_tempo_gets_its_answer(void **state)
{
    (void)state;
    assert_int_equal(check_refusals(TEST_DATA "/traceql/cases.tsv"), 345);
}

static void
a_refusal_says_where_and_why(void **state)
{
    (void)state;
    assert_int_equal(check_refusals(TEST_DATA "/traceql/errors.tsv"), 50);
}

static void
everything_clients_send_is_understood(void **state)
{
    (void)state;
    struct tsv t;
    size_t lines = 0;
    tsv_open(&t, TEST_DATA "/traceql/clients.txt");
    while (tsv_next(&t)) {
        struct outcome o = outcome_of(t.field[0]);
        if (strcmp(o.class, "valid") != 0) {
            fail_msg("%s: %s", t.field[0], o.msg);
        }
        lines++;
    }
    tsv_close(&t);
    assert_true(lines > 70);
}

static void
the_normal_form_is_stable(void **state)
{
    (void)state;
    static const char *const files[] = {"normal.tsv", "cases.tsv", "clients.txt"};
    for (size_t i = 0; i < 3; i++) {
        char path[512];
        struct tsv t;
        (void)snprintf(path, sizeof path, "%s/traceql/%s", TEST_DATA, files[i]);
        tsv_open(&t, path);
        while (tsv_next(&t)) {
            const char *q = t.field[i == 1];
            struct outcome o = outcome_of(q), again = outcome_of(o.printed);
            if (strcmp(o.class, "syntax") != 0 &&
                (strcmp(again.class, o.class) != 0 || strcmp(o.printed, again.printed) != 0)) {
                fail_msg("%s\n  once  %s\n  twice %s (%s)", q, o.printed, again.printed, again.msg);
            }
            if (i == 0 && strcmp(o.printed, t.field[1]) != 0) {
                fail_msg("%s\n  wanted %s\n  got    %s %s", q, t.field[1], o.printed, o.msg);
            }
        }
        tsv_close(&t);
    }
}

static void
the_size_limit_has_its_own_text(void **state)
{
    (void)state;
    struct fault f = {0};
    uint8_t *text = mem_calloc(1, TQL_QUERY_BYTES_MAX + 1);
    assert_int_equal(traceql_check_size(slice_of(text, TQL_QUERY_BYTES_MAX), TQL_QUERY_BYTES_MAX, &f), OK);
    assert_int_equal(traceql_check_size(slice_of(text, TQL_QUERY_BYTES_MAX + 1), TQL_QUERY_BYTES_MAX, &f),
                     ERR_LIMIT);
    assert_string_equal(
        f.msg, "TraceQL expression exceeds the configured maximum size of 131072 bytes, reduce the query "
               "expression size or contact your system administrator");
    mem_free(text);
}

/* `unit` over and over between `head` and `tail`, as one query of about `bytes`. */
static slice
repeat(struct buf *b, const char *head, const char *unit, const char *tail, size_t times)
{
    buf_init(b, 4u << 20);
    (void)buf_append_cstr(b, head);
    for (size_t i = 0; i < times; i++) {
        (void)buf_append_cstr(b, unit);
    }
    (void)buf_append_cstr(b, tail);
    assert_false(b->failed);
    return buf_slice(b);
}

static void
parse_print_check(slice q, err expected)
{
    struct arena a;
    struct fault f = {0};
    struct tql_query *query = NULL;
    struct buf out;
    arena_init(&a, 256u << 20);
    buf_init(&out, 64u << 20);
    err rc = traceql_parse(q, &a, &f, &query);
    if (rc == OK) {
        traceql_print(query, &out);
        assert_false(out.failed);
        rc = traceql_check(query, &f);
    }
    if (rc != expected) {
        fail_msg("wanted %s, got %s: %s", err_name(expected), err_name(rc), f.msg);
    }
    buf_fini(&out);
    arena_fini(&a);
}

static void
depth_and_size_cost_memory_and_no_stack(void **state)
{
    (void)state;
    static const struct {
        const char *head, *unit, *tail;
        size_t times;
        err expected;
    } cases[] = {
        {"{ ", "(", "", 10000, ERR_INVALID},   {"", "(", "", 131072, ERR_INVALID},
        {"{ ", "!", " .a }", 131000, OK},      {"{ ", "-", " .a = 1 }", 131000, OK},
        {"{ .a", " + 1", " > 0 }", 30000, OK}, {"{ .a", "=.a", " }", 30000, OK},
        {"{ .a", " ^.a", " > 0 }", 30000, OK}, {"{ .a=1", "&&.a=1", " }", 20000, OK},
        {"{ .a=1", "||.b=1", " }", 20000, OK}, {"{}", ">{}", "", 40000, OK},
        {"{}", "|{}", "", 40000, OK},          {"{}|select(.a", ",.a", ")", 40000, OK},
        {"{}", " with(a=1)", "", 10000, OK},   {"count()", "+count()", " > 1", 10000, ERR_UNSUPPORTED},
        {"{}|rate()", ">1", "", 60000, OK},    {"{ .a = \"", "x", "\" }", 131000, OK},
        {"{ .", "x", " = 1 }", 131000, OK},    {"{ .a = ", "1", " }", 131000, ERR_INVALID},
        {"{ .a = ", "1s", " }", 60000, OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b;
        parse_print_check(repeat(&b, cases[i].head, cases[i].unit, cases[i].tail, cases[i].times),
                          cases[i].expected);
        buf_fini(&b);
    }
}

static void
ten_thousand_parentheses_are_fine_when_closed(void **state)
{
    (void)state;
    struct buf open, close, both;
    buf_init(&both, 1u << 20);
    slice o = repeat(&open, "{ ", "(", ".a = 1", 10000), c = repeat(&close, "", ")", " }", 10000);
    (void)buf_append_slice(&both, o);
    (void)buf_append_slice(&both, c);
    parse_print_check(buf_slice(&both), OK);
    buf_fini(&open);
    buf_fini(&close);
    buf_fini(&both);
}

static void
a_full_arena_is_a_limit_not_a_crash(void **state)
{
    (void)state;
    for (size_t max = 64; max < 16384; max += 64) {
        struct arena a;
        struct fault f = {0};
        struct tql_query *query = NULL;
        arena_init(&a, max);
        err rc = traceql_parse(
            SL("{ span.a = \"x\" && .b + 1 > 2 } >> { } | by(.c) | avg(.d) > 1 | rate() by (.e) with(f=1)"),
            &a, &f, &query);
        assert_true(rc == ERR_LIMIT || (rc == OK && query));
        arena_fini(&a);
    }
}

static void
a_tag_in_a_url_is_one_attribute(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"resource.service.name", "resource.service.name"},
        {".foo", ".foo"},
        {"span.\"a b\"", "span.\"a b\""},
        {"name", "name"},
        {"span:name", "name"},
        {"trace:rootService", "rootServiceName"},
        {"event:timeSinceStart", "event:timeSinceStart"},
        {"foo", "!failed to parse identifier foo: parse error at line 1, col 2: unknown identifier: foo"},
        {"service.name", "!failed to parse identifier service.name: parse error at line 1, col 2: unknown "
                         "identifier: service"},
        {"error", "!failed to parse identifier error: expected Attribute but got traceql.Static"},
        {"", "!failed to parse identifier : expected Attribute but got traceql.Static"},
        {".a} && {.b", "!failed to parse identifier .a} && {.b: expected one attribute"},
        {".a = 1", "!failed to parse identifier .a = 1: expected Attribute but got *traceql.BinaryOperation"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        struct fault f = {0};
        struct tql_attr attr;
        struct buf b;
        arena_init(&a, 0);
        buf_init(&b, 1024);
        if (traceql_parse_identifier(slice_cstr(cases[i][0]), &a, &f, &attr) == OK) {
            tql_attr_print(&attr, &b);
        } else {
            (void)buf_printf(&b, "!%s", f.msg);
        }
        (void)buf_append_byte(&b, 0);
        assert_string_equal((char *)b.p, cases[i][1]);
        buf_fini(&b);
        arena_fini(&a);
    }
}

static void
bytes_that_are_no_text_are_refused(void **state)
{
    (void)state;
    static const struct {
        slice q;
        const char *msg;
    } cases[] = {
        {{(const uint8_t *)"{ .a = \"\xff\" }", 12}, "parse error at line 1, col 8: invalid UTF-8 encoding"},
        {{(const uint8_t *)"{ .a = `\0` }", 12}, "parse error at line 1, col 8: invalid character NUL"},
        {{(const uint8_t *)"{ .\xc3( = 1 }", 11}, "parse error at line 1, col 3: invalid UTF-8 encoding"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a;
        struct fault f = {0};
        struct tql_query *query = NULL;
        arena_init(&a, 0);
        assert_int_equal(traceql_parse(cases[i].q, &a, &f, &query), ERR_INVALID);
        assert_string_equal(f.msg, cases[i].msg);
        arena_fini(&a);
    }
}

static void
the_last_hint_wins(void **state)
{
    (void)state;
    struct arena a;
    struct fault f = {0};
    struct tql_query *query = NULL;
    arena_init(&a, 0);
    assert_int_equal(traceql_parse(SL("{} with(most_recent=false, x=1, most_recent=true)"), &a, &f, &query),
                     OK);
    assert_true(tql_static_is_true(tql_query_hint(query, SL("most_recent"))));
    assert_int_equal(tql_query_hint(query, SL("x"))->i, 1);
    assert_null(tql_query_hint(query, SL("y")));
    arena_fini(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_query_asked_of_tempo_gets_its_answer),
        cmocka_unit_test(a_refusal_says_where_and_why),
        cmocka_unit_test(everything_clients_send_is_understood),
        cmocka_unit_test(the_normal_form_is_stable),
        cmocka_unit_test(the_size_limit_has_its_own_text),
        cmocka_unit_test(depth_and_size_cost_memory_and_no_stack),
        cmocka_unit_test(ten_thousand_parentheses_are_fine_when_closed),
        cmocka_unit_test(a_full_arena_is_a_limit_not_a_crash),
        cmocka_unit_test(a_tag_in_a_url_is_one_attribute),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(the_last_hint_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
