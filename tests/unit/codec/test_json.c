/* JSON and base64 as Go reads and writes them. */
#include "test.h"

#include "vivace/base/rng.h"
#include "vivace/codec/json.h"

#include <math.h>

static void
doubles_print_as_go_prints_them(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {100, "100"},
        {123456.789, "123456.789"},
        {1e20, "100000000000000000000"},
        {1e21, "1e+21"},
        {1.5e300, "1.5e+300"},
        {0.000001, "0.000001"},
        {0.0000012, "0.0000012"},
        {1e-7, "1e-7"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992"},
        {NAN, "\"NaN\""},
        {INFINITY, "\"Infinity\""},
        {-INFINITY, "\"-Infinity\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        struct json_writer w;
        buf_init(&out, 100);
        json_writer_init(&w, &out);
        json_double(&w, cases[i].v);
        assert_slice_equal(buf_slice(&out), cases[i].text);
        buf_fini(&out);
    }
}

static void
every_double_reads_back_the_same(void **state)
{
    (void)state;
    struct rng r;
    struct buf out;
    struct json_writer w;
    rng_seed(&r, 1);
    buf_init(&out, 100);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_next(&r);
        double v, back;
        memcpy(&v, &bits, sizeof v);
        if (!isfinite(v)) {
            continue;
        }
        buf_clear(&out);
        json_writer_init(&w, &out);
        json_double(&w, v);
        assert_int_equal(OK, buf_append_byte(&out, 0));
        back = strtod((char *)out.p, NULL);
        assert_memory_equal(&v, &back, sizeof v);
    }
    buf_fini(&out);
}

static void
strings_are_escaped_as_go_escapes_them(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"a<b>&", "\"a\\u003cb\\u003e\\u0026\""},
        {"\"\\\n\r\t\b\f\x01", "\"\\\"\\\\\\n\\r\\t\\b\\f\\u0001\""},
        {"\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {"\xff\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
        {"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", "\"\\u2028\\u2029\xe2\x80\xaa\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        struct json_writer w;
        buf_init(&out, 100);
        json_writer_init(&w, &out);
        json_string(&w, slice_cstr(cases[i].in));
        assert_slice_equal(buf_slice(&out), cases[i].out);
        buf_fini(&out);
    }
}

static void
strings_read_as_go_reads_them(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* out NULL: refused */
    } cases[] = {
        {"\"plain text of more than eight bytes\"", "plain text of more than eight bytes"},
        {"\"\\u00e9\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\\"\\\\\"", "\xc3\xa9\xf0\x9f\x98\x80/\b\f\n\r\t\"\\"},
        {"\"\\ud800x\"", "\xef\xbf\xbdx"},
        {"\"\\udc00\\ud800\"", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\"\\ud800\\u0041\"", "\xef\xbf\xbd"
                               "A"},
        {"\"\xff\"", "\xef\xbf\xbd"},
        {"\"\xed\xa0\x80\"", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\"\xc3\"", "\xef\xbf\xbd"},
        {"\"\\x\"", NULL},
        {"\"\\u12g4\"", NULL},
        {"\"a\nb\"", NULL},
        {"\"open", NULL},
        {"\"\\", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena a;
        struct json_reader r;
        arena_init(&a, 1 << 16);
        json_reader_init(&r, slice_cstr(cases[i].in), &a);
        enum json_event e = json_next(&r);
        assert_int_equal(cases[i].out != NULL ? JSON_STRING : JSON_ERROR, e);
        if (cases[i].out != NULL) {
            assert_slice_equal(r.text, cases[i].out);
        } else {
            assert_non_null(r.error);
        }
        arena_fini(&a);
    }
}

static void
only_rfc_8259_is_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool ok;
    } cases[] = {
        {"{}", true},     {" [ ] ", true},       {"{\"a\":[1,{\"b\":null}],\"c\":true}", true},
        {"[1,]", false},  {"{\"a\":1,}", false}, {"{,}", false},
        {"[,]", false},   {"{\"a\"}", false},    {"{\"a\":}", false},
        {"{1:2}", false}, {"[1 2]", false},      {"{\"a\":1]", false},
        {"[1}", false},   {"", false},           {"-", false},
        {"01 ", true},    {"[01]", false},       {"[1.]", false},
        {"[.5]", false},  {"[1e]", false},       {"[1e+5,-0,-0.5E-7]", true},
        {"[nul]", false}, {"[NaN]", false},      {"[+1]", false},
        {"[", false},     {"{\"a\":1", false},   {"'a'", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct json_reader r;
        json_reader_init(&r, slice_cstr(cases[i].in), NULL);
        bool ok = json_skip(&r) && json_next(&r) == JSON_END;
        if (ok != cases[i].ok) {
            fail_msg("%s: %s", cases[i].in, ok ? "accepted" : "refused");
        }
    }
}

static void
depth_has_a_limit(void **state)
{
    (void)state;
    char text[JSON_DEPTH_MAX + 1];
    struct json_reader r;
    memset(text, '[', sizeof text);
    for (size_t n = JSON_DEPTH_MAX; n <= JSON_DEPTH_MAX + 1; n++) {
        json_reader_init(&r, slice_of(text, n), NULL);
        assert_false(json_skip(&r));
        assert_string_equal(n > JSON_DEPTH_MAX ? "JSON nested too deep" : "unexpected end of JSON input",
                            r.error);
    }
}

static void
base64_reads_padded_and_not(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* out NULL: refused */
    } cases[] = {{"", ""},        {"Zg==", "f"},        {"Zg", "f"},    {"Zm8=", "fo"},     {"Zm8", "fo"},
                 {"Zm9v", "foo"}, {"Zm9vYg==", "foob"}, {"Z", NULL},    {"Zg=", NULL},      {"Zg===", NULL},
                 {"=", NULL},     {"====", NULL},       {"Z*==", NULL}, {"Zg==Zg==", NULL}, {"Zm-_", NULL}};
    struct arena a;
    arena_init(&a, 1 << 16);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        slice got;
        bool ok = base64_decode(slice_cstr(cases[i].in), &a, &got);
        assert_int_equal(cases[i].out != NULL, ok);
        if (ok) {
            assert_slice_equal(got, cases[i].out);
        }
    }
    arena_fini(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_print_as_go_prints_them),
        cmocka_unit_test(every_double_reads_back_the_same),
        cmocka_unit_test(strings_are_escaped_as_go_escapes_them),
        cmocka_unit_test(strings_read_as_go_reads_them),
        cmocka_unit_test(only_rfc_8259_is_accepted),
        cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(base64_reads_padded_and_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
