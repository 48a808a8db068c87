/* What two values of the language say to each other: the documented semantics, as a table. */
#include "unit/traceql/helpers.h"

#include <math.h>

/* The folded value of `{ text }`'s expression: constants go through the same functions as spans' values. */
static void
folds_to(const char *text, const char *expected)
{
    char q[256], want[256];
    (void)snprintf(q, sizeof q, "{ %s }", text);
    (void)snprintf(want, sizeof want, "{ %s }", expected);
    struct outcome o = outcome_of(q);
    if (strcmp(o.printed, want) != 0) {
        fail_msg("%s is %s, wanted %s (%s)", text, o.printed, expected, o.msg);
    }
}

static void
constants_calculate_and_compare(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"7 / 2", "3"},
        {"-7 / 2", "-3"},
        {"7 % 3", "1"},
        {"-7 % 3", "-1"},
        {"7 / 2.0", "3.5"},
        {"2 ^ 10", "1024"},
        {"2 ^ -1", "0"},
        {"1 ^ -5", "1"},
        {"(-1) ^ -3", "-1"},
        {"2.0 ^ 3", "8.0"},
        {"2 ^ 0.5", "1.4142135623730951"},
        {"maxInt + 1", "minInt"},
        {"minInt / -1", "minInt"},
        {"minInt % -1", "0"},
        {"maxInt * 2", "-2"},
        {"2s / 1s", "2.0"},
        {"1s * 2", "2000000000.0"},
        {"1s + 1", "1000000001.0"},
        {"5.5 % 2", "1.5"},
        {"1 = 1.0", "true"},
        {"1s = 1000000000", "true"},
        {"1s > 999ms", "true"},
        {"1.5 < 2", "true"},
        {"2 <= 1.9", "false"},
        {"\"a\" < \"b\"", "true"},
        {"\"a\" = \"A\"", "false"},
        {"\"ab\" != \"a\"", "true"},
        {"\"a\" >= \"a\"", "true"},
        {"true = false", "false"},
        {"true != false", "true"},
        {"!true", "false"},
        {"ok = ok", "true"},
        {"ok != error", "true"},
        {"server = client", "false"},
        {"-(-3)", "3"},
        {"- 1s", "-1s"},
        {"-minInt", "minInt"},
        {"-2 + 3", "1"},
        {"1 < 2 = true", "true"},
        {"\"foo\" =~ \"f.*\"", "true"},
        {"\"foo\" !~ \"f\"", "true"},
        {"1 != nil", "true"},
        {"\"x\" = nil", "false"},
        {"true && false || true", "true"},
        {"010 + 1", "11"},
        {"1h30m", "1h30m0s"},
        {"1y", "8760h0m0s"},
        {"1w2d", "216h0m0s"},
        {"1ms1s", "1.001s"},
        {"1.5h", "1h30m0s"},
        {"100us", "100µs"},
        {"3ns", "3ns"},
        {"0s", "0s"},
        {"1h1h", "2h0m0s"},
        {".5", "0.5"},
        {"5.", "5.0"},
        {"1e-7", "1e-07"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        folds_to(cases[i][0], cases[i][1]);
    }
    folds_to("123456789.25", "123456789.25");
    folds_to("1e20 * 10", "1e+21");
    folds_to("0.1 + 0.2", "0.30000000000000004");
}

static struct tql_static
strings(const slice *s, uint32_t n)
{
    return (struct tql_static){.type = TQL_STRING_ARRAY, .strings = s, .n = n};
}

static struct tql_static
ints(const int64_t *i, uint32_t n)
{
    return (struct tql_static){.type = TQL_INT_ARRAY, .ints = i, .n = n};
}

static bool
compares(enum tql_op op, struct tql_static a, struct tql_static b)
{
    bool result = false;
    struct fault f = {0};
    assert_ok(tql_static_compare(op, &a, &b, &result, &f), &f);
    return result;
}

static void
absent_and_other_types_compare_false_under_every_operator(void **state)
{
    (void)state;
    for (enum tql_op op = TQL_OP_EQ; op <= TQL_OP_GTE; op++) {
        assert_false(compares(op, TQL_STATIC_NIL, tql_static_int(1)));
        assert_false(compares(op, tql_static_string(SL("x")), TQL_STATIC_NIL));
        assert_false(compares(op, TQL_STATIC_NIL, TQL_STATIC_NIL));
        assert_false(compares(op, tql_static_string(SL("1")), tql_static_int(1)));
        assert_false(compares(op, tql_static_bool(true), tql_static_int(1)));
        assert_false(compares(op, tql_static_status(1), tql_static_kind(1)));
        assert_false(compares(op, tql_static_status(1), tql_static_int(1)));
    }
    assert_true(compares(TQL_OP_NEQ, tql_static_float(NAN), tql_static_float(NAN)));
    assert_false(compares(TQL_OP_LTE, tql_static_float(NAN), tql_static_float(1)));
    assert_true(compares(TQL_OP_LT, tql_static_int(INT64_MAX - 1), tql_static_int(INT64_MAX)));
}

static void
an_array_fits_when_an_element_does_and_differs_when_none_is_equal(void **state)
{
    (void)state;
    const slice ab[] = {SL("a"), SL("b")};
    const int64_t n13[] = {1, 3};
    struct tql_static arr = strings(ab, 2), num = ints(n13, 2), a = tql_static_string(SL("a"));
    assert_true(compares(TQL_OP_EQ, arr, a));
    assert_true(compares(TQL_OP_EQ, a, arr));
    assert_false(compares(TQL_OP_NEQ, arr, a));
    assert_true(compares(TQL_OP_NEQ, arr, tql_static_string(SL("c"))));
    assert_true(compares(TQL_OP_GT, num, tql_static_int(2)));
    assert_true(compares(TQL_OP_LT, tql_static_int(2), num));
    assert_false(compares(TQL_OP_GT, num, tql_static_int(3)));
    assert_true(compares(TQL_OP_EQ, num, tql_static_float(3)));
    assert_false(compares(TQL_OP_NEQ, num, a));
    bool ignored;
    struct fault f = {0};
    assert_int_equal(tql_static_compare(TQL_OP_EQ, &arr, &arr, &ignored, &f), ERR_UNSUPPORTED);
    assert_string_equal(f.msg, "array operators must consist of a scalar and an array operand");
}

static void
arithmetic_that_cannot_be_is_false_or_an_error(void **state)
{
    (void)state;
    struct tql_static one = tql_static_int(1), zero = tql_static_int(0), s = tql_static_string(SL("x")), r;
    struct fault f = {0};
    assert_ok(tql_static_arith(TQL_OP_ADD, &one, &s, &r, &f), &f);
    assert_true(r.type == TQL_BOOL && !r.b);
    struct tql_static nil = TQL_STATIC_NIL;
    assert_ok(tql_static_arith(TQL_OP_ADD, &nil, &one, &r, &f), &f);
    assert_true(r.type == TQL_BOOL && !r.b);
    assert_int_equal(tql_static_arith(TQL_OP_DIV, &one, &zero, &r, &f), ERR_INVALID);
    assert_string_equal(f.msg, "division by zero");
    f = (struct fault){0};
    assert_int_equal(tql_static_arith(TQL_OP_MOD, &one, &zero, &r, &f), ERR_INVALID);
    assert_string_equal(f.msg, "modulo by zero");
    struct tql_static fz = tql_static_float(0);
    assert_ok(tql_static_arith(TQL_OP_DIV, &one, &fz, &r, &f), &f);
    assert_true(isinf(r.f));
}

static void
groups_tell_values_apart_by_type(void **state)
{
    (void)state;
    const int64_t n13[] = {1, 3};
    const slice ab[] = {SL("a"), SL("b")};
    const struct tql_static values[] = {
        TQL_STATIC_NIL,
        tql_static_int(1),
        tql_static_int(2),
        tql_static_float(1),
        tql_static_float(NAN),
        tql_static_string(SL("1")),
        tql_static_string(SL("")),
        tql_static_bool(true),
        tql_static_bool(false),
        tql_static_duration(1),
        tql_static_status(1),
        tql_static_kind(1),
        ints(n13, 2),
        ints(n13, 1),
        strings(ab, 2),
    };
    size_t n = sizeof values / sizeof *values;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(tql_static_same(&values[i], &values[k]), i == k);
            assert_int_equal(tql_static_order(&values[i], &values[k]) < 0,
                             tql_static_order(&values[k], &values[i]) > 0);
            if (i == k) {
                assert_int_equal(tql_static_hash(&values[i], 7), tql_static_hash(&values[k], 7));
            }
        }
    }
    struct tql_static zero = tql_static_float(0.0), minus = tql_static_float(-0.0);
    assert_true(tql_static_same(&zero, &minus));
    assert_int_equal(tql_static_hash(&zero, 1), tql_static_hash(&minus, 1));
}

static void
labels_show_plain_values(void **state)
{
    (void)state;
    const slice ab[] = {SL("a"), SL("b")};
    const struct {
        struct tql_static v;
        const char *text;
    } cases[] = {
        {TQL_STATIC_NIL, "nil"},
        {tql_static_string(SL("x y")), "x y"},
        {tql_static_duration(1133333333), "1.133333333s"},
        {tql_static_status(2), "error"},
        {tql_static_status(7), "7"},
        {tql_static_kind(5), "consumer"},
        {tql_static_float(2), "2.0"},
        {strings(ab, 2), "[a, b]"},
        {tql_static_duration(INT64_MIN), "-2562047h47m16.854775808s"},
        {tql_static_bool(false), "false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf b;
        buf_init(&b, 256);
        tql_static_print_plain(&cases[i].v, &b);
        assert_slice_equal(buf_slice(&b), cases[i].text);
        buf_fini(&b);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_calculate_and_compare),
        cmocka_unit_test(absent_and_other_types_compare_false_under_every_operator),
        cmocka_unit_test(an_array_fits_when_an_element_does_and_differs_when_none_is_equal),
        cmocka_unit_test(arithmetic_that_cannot_be_is_false_or_an_error),
        cmocka_unit_test(groups_tell_values_apart_by_type),
        cmocka_unit_test(labels_show_plain_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
