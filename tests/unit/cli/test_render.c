/* What people see: names made safe, units, tables, waterfalls and charts, character by character. */
#include "answer.h"
#include "chart.h"
#include "table.h"
#include "test.h"
#include "waterfall.h"

#include "vivace/base/mem.h"

#include <math.h>

static struct buf out;

static int
setup(void **state)
{
    (void)state;
    buf_init(&out, 1 << 26);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static const char *
text(void)
{
    assert_false(out.failed);
    buf_append_byte(&out, 0);
    return (const char *)out.p;
}

#define assert_text(want)                                                                                    \
    do {                                                                                                     \
        assert_string_equal(text(), want);                                                                   \
        buf_clear(&out);                                                                                     \
    } while (0)

/* --- text -------------------------------------------------------------------------------------------------
 */

static void
no_control_character_reaches_the_terminal(void **state)
{
    (void)state;
    (void)text_put(&out, SL("a\x1b[31mred\x07\r\n\tb"), TEXT_ALL);
    assert_text("a\xef\xbf\xbd[31mred\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                "b");
    (void)text_put(&out, SL("\xc2\x9b\xe2\x80\xae\xff\xc0\x80x"),
                   TEXT_ALL); /* C1, right-to-left, not UTF-8 */
    assert_text("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx");
    for (unsigned c = 0; c < 0x300; c++) { /* no byte below 0x20 whatever comes in */
        uint8_t two[2] = {(uint8_t)(c < 256 ? c : 0xc2), (uint8_t)(c & 0xff)};
        (void)text_put(&out, slice_of(two, 2), TEXT_ALL);
        for (size_t i = 0; i < out.n; i++) {
            assert_true(out.p[i] >= 0x20 && out.p[i] != 0x7f);
        }
        buf_clear(&out);
    }
}

static void
text_is_cut_to_columns_not_bytes(void **state)
{
    (void)state;
    assert_int_equal(text_put(&out, SL("abcdef"), 4), 4);
    assert_text("abc\xe2\x80\xa6");
    assert_int_equal(text_put(&out, SL("abcd"), 4), 4);
    assert_text("abcd");
    assert_int_equal(text_put(&out, SL("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"), 4), 3); /* two columns each */
    assert_text("\xe6\x97\xa5\xe2\x80\xa6");
    assert_int_equal(text_put(&out, SL("abc"), 0), 0);
    assert_text("");
}

static void
units_have_three_digits(void **state)
{
    static const struct {
        uint64_t ns;
        const char *want;
    } durations[] = {
        {0, "0s"},           {999, "999ns"},          {1250, "1.25\xc2\xb5s"},  {999499, "999\xc2\xb5s"},
        {1000000, "1ms"},    {12345678, "12.3ms"},    {999999999, "1s"},        {59940000000, "59.9s"},
        {60000000000, "1m"}, {3725000000000, "1h2m"}, {90061000000000, "1d1h"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        text_duration(&out, durations[i].ns);
        assert_text(durations[i].want);
    }
    text_bytes(&out, 1023);
    assert_text("1023 B");
    text_bytes(&out, 1536);
    assert_text("1.50 KiB");
    text_bytes(&out, UINT64_MAX);
    assert_text("16.0 EiB");
    text_time_ms(&out, UINT64_C(1767323045006000000));
    assert_text("2026-01-02T03:04:05.006Z");
    text_time(&out, UINT64_MAX);
    assert_text("-");
}

static void
a_table_lines_up(void **state)
{
    struct table t;
    (void)state;
    table_init(&t, "NAME|>COUNT|WHAT");
    table_name(&t, SL("\xc3\xa4pfel"), 10);
    table_printf(&t, "%d", 12345);
    table_printf(&t, "x");
    table_name(&t, SL("a\nb"), 10);
    table_printf(&t, "%d", 1);
    table_write(&t, &out);
    assert_text("NAME   COUNT  WHAT\n"
                "\xc3\xa4pfel  12345  x\n"
                "a\xef\xbf\xbd"
                "b        1  \n");
    table_fini(&t);
}

/* --- waterfalls -------------------------------------------------------------------------------------------
 */

struct made {
    uint8_t id, parent;
    uint64_t start_ms, end_ms;
    const char *service, *name, *error;
};

static void
add_span(struct span_batch *b, const struct made *m)
{
    struct span *s = NULL;
    uint32_t attr = (uint32_t)b->attr_count;
    struct attr *a = span_batch_add_attr(b);
    *a = (struct attr){.key = (const uint8_t *)"service.name", .key_n = 12, .kind = VALUE_STRING};
    a->p = (const uint8_t *)m->service;
    a->n = (uint32_t)strlen(m->service);
    span_batch_add_resource(b)->attrs = (struct run){attr, 1};
    span_batch_add_scope(b)->resource = (uint32_t)b->resource_count - 1;
    s = span_batch_add_span(b);
    s->scope = (uint32_t)b->scope_count - 1;
    s->trace.b[15] = 1;
    s->id.b[7] = m->id;
    s->parent.b[7] = m->parent;
    s->start_ns = UINT64_C(1767323045000000000) + m->start_ms * 1000000;
    s->end_ns = UINT64_C(1767323045000000000) + m->end_ms * 1000000;
    s->name = slice_cstr(m->name);
    if (m->error) {
        s->status_code = 2;
        s->status_message = slice_cstr(m->error);
    }
}

static void
render(const struct made *spans, size_t n, size_t width, bool color)
{
    struct span_batch b;
    span_batch_init(&b, 0);
    for (size_t i = 0; i < n; i++) {
        add_span(&b, &spans[i]);
    }
    waterfall_write(&b, &(struct waterfall_options){.width = width, .color = color}, &out);
    span_batch_fini(&b);
}

#define HEAD(length) "trace 00000000000000000000000000000001  2026-01-02T03:04:05.000Z  " length "\n"

static void
a_waterfall_draws_the_tree_and_the_time(void **state)
{
    static const struct made spans[] = {
        {3, 2, 30, 50, "db", "SELECT", NULL},
        {1, 0, 0, 100, "shop", "GET /", NULL},
        {4, 1, 70, 90, "shop", "render", "no template"},
        {2, 1, 10, 60, "shop", "load", NULL},
        {9, 8, 95, 96, "late", "orphan", NULL},
    };
    (void)state;
    render(spans, 5, 60, false);
    assert_text(HEAD("100ms") //
                "                                     0          50ms   100ms\n"
                "shop GET /                     100ms ███████████████████████\n"
                "├ load                          50ms   ████████████\n"
                "│ └ db SELECT                   20ms       ▐████▌\n"
                "└ ✗ render                      20ms                 █████\n"
                "? late orphan                    1ms                      ▐▌\n"
                "✗ render: no template\n"
                "5 spans, 3 services, 1 error, 3 levels\n"
                "?: the parent of 1 span is not in the trace\n");
}

static void
colour_is_only_where_it_was_asked_for(void **state)
{
    static const struct made spans[] = {{1, 0, 0, 10, "a", "x", NULL}, {2, 1, 1, 5, "b", "y", "bad"}};
    (void)state;
    render(spans, 2, 60, false);
    assert_null(strchr(text(), 0x1b));
    buf_clear(&out);
    render(spans, 2, 60, true);
    assert_non_null(strstr(text(), "\x1b[31m✗ "));
    assert_non_null(strstr(text(), "\x1b[38;5;33ma\x1b[0m x"));
}

static size_t
count_lines(void)
{
    size_t n = 0;
    for (size_t i = 0; i < out.n; i++) {
        n += out.p[i] == '\n';
    }
    return n;
}

static void
loops_and_spans_that_are_their_own_parent_are_shown_once(void **state)
{
    static const struct made spans[] = {
        {1, 2, 0, 10, "a", "one", NULL}, {2, 3, 1, 9, "a", "two", NULL},   {3, 1, 2, 8, "a", "three", NULL},
        {4, 4, 3, 7, "a", "self", NULL}, {5, 4, 4, 6, "a", "child", NULL},
    };
    (void)state;
    render(spans, 5, 80, false);
    assert_int_equal(count_lines(), 2 + 5 + 2);
    assert_non_null(strstr(text(), "\n? a one "));
}

static void
ten_thousand_levels_and_ten_thousand_children(void **state)
{
    struct span_batch b;
    (void)state;
    for (int deep = 0; deep < 2; deep++) {
        span_batch_init(&b, 0);
        for (uint32_t i = 0; i < 10000; i++) {
            struct made m = {0, 0, i, i + 1, "a", "n", NULL};
            add_span(&b, &m);
            struct span *s = &b.spans[i];
            uint32_t id = i + 1, parent = deep ? i : i ? 1 : 0;
            memcpy(s->id.b, &id, sizeof id);
            memcpy(s->parent.b, &parent, sizeof parent);
        }
        waterfall_write(&b, &(struct waterfall_options){.width = 120}, &out);
        assert_int_equal(count_lines(), 10003);
        assert_non_null(strstr(text(), deep ? "10000 levels" : "2 levels"));
        buf_clear(&out);
        span_batch_fini(&b);
    }
}

static void
times_that_make_no_sense_do_no_harm(void **state)
{
    static const struct made spans[] = {
        {1, 0, 50, 10, "a", "ends before it begins", NULL},
        {2, 1, 0, 0, "", "", NULL},
        {3, 1, UINT64_MAX / 4, 1, "a", "far", NULL},
    };
    (void)state;
    render(spans, 3, 40, false);
    assert_int_equal(count_lines(), 2 + 3 + 1);
    buf_clear(&out);
    render(spans, 1, 400, false);
    assert_int_equal(count_lines(), 4);
}

/* --- answers ----------------------------------------------------------------------------------------------
 */

static struct arena arena;

#define PARSE(fn, json, into) (arena_init(&arena, 1 << 24), fn(SL(json), &arena, &f, into))

static void
a_search_answer_is_read(void **state)
{
    struct fault f = {0};
    struct search_answer a;
    (void)state;
    assert_ok(
        PARSE(answer_search,
              "{\"traces\":[{\"traceID\":\"ab\",\"rootServiceName\":\"s\",\"startTimeUnixNano\":\"17\","
              "\"durationMs\":3,\"spanSet\":{\"matched\":2,\"spans\":[{}]},\"spanSets\":[{\"matched\":2},{"
              "\"matched\":1}],\"serviceStats\":{\"s\":{\"spanCount\":4,\"errorCount\":1},\"t\":{}}},{}],"
              "\"metrics\":{\"inspectedBytes\":\"99\"},\"unknown\":[[{}]]}",
              &a),
        &f);
    assert_int_equal(a.count, 2);
    assert_slice_equal(a.traces[0].id, "ab");
    assert_int_equal(a.traces[0].start_ns, 17);
    assert_int_equal(a.traces[0].matched, 3);
    assert_int_equal(a.traces[0].spans, 4);
    assert_int_equal(a.traces[0].errors, 1);
    assert_int_equal(a.inspected_bytes, 99);
    arena_fini(&arena);
}

static void
an_answer_of_another_shape_is_an_error(void **state)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{\"traces\":{}}",
                                      "{\"traces\":[1]}",
                                      "{\"traces\":[{\"traceID\":7}]}",
                                      "null",
                                      "<a>",
                                      "{\"traces\":[{\"durationMs\":-1}]}",
                                      "{\"traces\":[{}"};
    struct search_answer a;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fault f = {0};
        arena_init(&arena, 1 << 20);
        assert_int_equal(answer_search(slice_cstr(bad[i]), &arena, &f, &a), ERR_CORRUPT);
        assert_true(f.msg[0] != 0);
        arena_fini(&arena);
    }
    for (size_t i = 0; i < 100000; i++) { /* deeper than any answer, deeper than the stack */
        buf_append_cstr(&out, i ? "[" : "{\"x\":");
    }
    struct fault f = {0};
    arena_init(&arena, 1 << 20);
    assert_int_equal(answer_search(buf_slice(&out), &arena, &f, &a), ERR_CORRUPT);
    arena_fini(&arena);
}

static void
tags_and_values_are_read(void **state)
{
    struct fault f = {0};
    struct tags_answer a;
    (void)state;
    assert_ok(
        PARSE(answer_tags,
              "{\"scopes\":[{\"tags\":[\"a\",\"b\"],\"name\":\"span\"},{\"name\":\"event\",\"tags\":null}]}",
              &a),
        &f);
    assert_int_equal(a.count, 2);
    assert_slice_equal(a.tags[1].scope, "span");
    assert_slice_equal(a.tags[1].name, "b");
    arena_fini(&arena);
    assert_ok(
        PARSE(answer_tags, "{\"tagValues\":[{\"type\":\"string\",\"value\":\"x\"}],\"metrics\":{}}", &a), &f);
    assert_slice_equal(a.tags[0].value, "x");
    arena_fini(&arena);
}

/* --- charts -----------------------------------------------------------------------------------------------
 */

static void
a_chart_of_one_series(void **state)
{
    struct fault f = {0};
    struct series_answer a;
    (void)state;
    assert_ok(
        PARSE(
            answer_series,
            "{\"series\":[{\"labels\":[{\"key\":\"__name__\",\"value\":{\"stringValue\":\"rate\"}}],"
            "\"samples\":["
            "{\"timestampMs\":\"1767323000000\"},{\"timestampMs\":\"1767323010000\",\"value\":2},"
            "{\"timestampMs\":\"1767323020000\",\"value\":4},{\"timestampMs\":\"1767323030000\",\"value\":4},"
            "{\"timestampMs\":\"1767323040000\",\"value\":\"NaN\"},{\"timestampMs\":\"1767323050000\","
            "\"value\":1}]}]}",
            &a),
        &f);
    chart_write(&a, &(struct chart_options){.width = 49, .height = 4}, &out);
    assert_text("      4 ┤            ⣀⡠⠔⠊⠉⠉⠉⠉⠉⠉⠉⠉\n"
                "        │       ⢀⣀⠤⠒⠉\n"
                "   1.33 ┤   ⢀⡠⠔⠊⠁                               ⢀\n"
                "      0 ┤⡠⠔⠊⠁\n"
                "         03:03:20        03:03:45        03:04:10\n"
                "  SERIES             LAST  MIN  MAX  AVG\n"
                "● {__name__=\"rate\"}     1    0    4  2.2\n");
    arena_fini(&arena);
}

static void
series_without_colour_have_a_line_each(void **state)
{
    struct fault f = {0};
    struct series_answer a;
    (void)state;
    assert_ok(
        PARSE(answer_series,
              "{\"series\":[{\"labels\":[{\"key\":\"s\",\"value\":{\"stringValue\":\"low\"}}],\"samples\":["
              "{\"timestampMs\":\"0\",\"value\":1},{\"timestampMs\":\"1000\",\"value\":2}]},"
              "{\"labels\":[{\"key\":\"s\",\"value\":{\"stringValue\":\"high\"}}],\"samples\":["
              "{\"timestampMs\":\"0\",\"value\":8},{\"timestampMs\":\"1000\",\"value\":4}]}]}",
              &a),
        &f);
    chart_write(&a, &(struct chart_options){.width = 40, .height = 4}, &out);
    assert_text("  SERIES                     LAST  MIN  MAX  AVG\n"
                "  {s=\"high\"}  █           ▅     4    4    8    6\n"
                "  {s=\"low\"}   ▂           ▃     2    1    2  1.5\n");
    arena_fini(&arena);
}

static void
numbers_that_no_chart_can_hold_do_no_harm(void **state)
{
    struct sample samples[] = {{0, INFINITY},         {1, -INFINITY}, {2, NAN},
                               {UINT64_MAX, 1.7e308}, {5, -1.7e308},  {5, 0}};
    struct answer_series series[] = {{.labels = SL("{a}"), .samples = samples, .count = 6},
                                     {.labels = SL("{b}")}};
    struct series_answer a = {.series = series, .count = 2};
    (void)state;
    chart_write(&a, &(struct chart_options){.width = 40, .height = 1, .color = true}, &out);
    chart_write(&a, &(struct chart_options){.width = 40, .height = 30}, &out);
    chart_write_values(&a, 40, &out);
    a.count = 0;
    chart_write(&a, &(struct chart_options){.width = 40, .height = 4}, &out);
    assert_non_null(strstr(text(), "no series\n"));
}

static void
numbers_have_three_digits(void **state)
{
    static const struct {
        double v;
        const char *want;
    } numbers[] = {{0, "0"},        {0.00123, "0.00123"}, {1.5, "1.5"},     {999, "999"},
                   {1234, "1.23k"}, {-45678, "-45.7k"},   {9.5e6, "9.50M"}, {1e-9, "1e-09"},
                   {1e20, "1e+20"}, {999.7, "1.00k"}};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        chart_number(&out, numbers[i].v);
        assert_text(numbers[i].want);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_control_character_reaches_the_terminal, setup, teardown),
        cmocka_unit_test_setup_teardown(text_is_cut_to_columns_not_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(units_have_three_digits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_table_lines_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_waterfall_draws_the_tree_and_the_time, setup, teardown),
        cmocka_unit_test_setup_teardown(colour_is_only_where_it_was_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(loops_and_spans_that_are_their_own_parent_are_shown_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ten_thousand_levels_and_ten_thousand_children, setup, teardown),
        cmocka_unit_test_setup_teardown(times_that_make_no_sense_do_no_harm, setup, teardown),
        cmocka_unit_test_setup_teardown(a_search_answer_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_of_another_shape_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(tags_and_values_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_chart_of_one_series, setup, teardown),
        cmocka_unit_test_setup_teardown(series_without_colour_have_a_line_each, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_that_no_chart_can_hold_do_no_harm, setup, teardown),
        cmocka_unit_test_setup_teardown(numbers_have_three_digits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
