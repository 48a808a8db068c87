/* Regular expressions: RE2's dialect, anchored, `.` matches newline, linear in time. */
#include "unit/traceql/helpers.h"

#include "vivace/base/mem.h"
#include "vivace/traceql/regex.h"

#include <time.h>

static void
patterns_match_the_whole_text(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
        enum tql_regex_kind kind;
    } cases[] = {
        {"foo", "foo", true, TQL_REGEX_LITERALS},
        {"foo", "foobar", false, TQL_REGEX_LITERALS},
        {"foo", "Foo", false, TQL_REGEX_LITERALS},
        {"", "", true, TQL_REGEX_LITERALS},
        {"", "x", false, TQL_REGEX_LITERALS},
        {"a|b|cc", "cc", true, TQL_REGEX_LITERALS},
        {"a|b|cc", "c", false, TQL_REGEX_LITERALS},
        {"(a|b)", "b", true, TQL_REGEX_LITERALS},
        {"(?:a|b)", "ab", false, TQL_REGEX_LITERALS},
        {"a|", "", true, TQL_REGEX_LITERALS},
        {"foo\\.bar", "foo.bar", true, TQL_REGEX_LITERALS},
        {"foo\\.bar", "fooxbar", false, TQL_REGEX_LITERALS},
        {".*", "", true, TQL_REGEX_ANY},
        {".*", "a\nb", true, TQL_REGEX_ANY},
        {"GET.*", "GET /x", true, TQL_REGEX_PREFIX},
        {"GET.*", "POST GET", false, TQL_REGEX_PREFIX},
        {".*foo", "a\nfoo", true, TQL_REGEX_SUFFIX},
        {".*foo.*", "xfoox", true, TQL_REGEX_CONTAINS},
        {".*foo.*", "xfox", false, TQL_REGEX_CONTAINS},
        {".*?", "x", true, TQL_REGEX_RE2},
        {"GET.*|POST", "GET x", true, TQL_REGEX_RE2},
        {"(?i)foo", "FOO", true, TQL_REGEX_RE2},
        {"fo+", "fooo", true, TQL_REGEX_RE2},
        {"f?oo", "oo", true, TQL_REGEX_RE2},
        {"a{2}", "aa", true, TQL_REGEX_RE2},
        {"a.c", "a\nc", true, TQL_REGEX_RE2},
        {"(a)|(b)", "b", true, TQL_REGEX_RE2},
        {"^foo$", "foo", true, TQL_REGEX_RE2},
        {"[a-c]+", "abcabc", true, TQL_REGEX_RE2},
        {"\\d+", "123", true, TQL_REGEX_RE2},
        {"\\pL+", "é", true, TQL_REGEX_RE2},
        {"..", "éé", true, TQL_REGEX_RE2},
        {"a.b",
         "a\xff"
         "b",
         true, TQL_REGEX_RE2},
        {"[^a]", "\xff", true, TQL_REGEX_RE2},
        {"^timeout after (?:\\d|[0-9]+) ms\\s+.*$", "timeout after 300 ms \nx", true, TQL_REGEX_RE2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tql_regex *re = NULL;
        struct fault f = {0};
        const slice *literals;
        size_t n;
        assert_ok(tql_regex_create(slice_cstr(cases[i].pattern), &f, &re), &f);
        if (tql_regex_match(re, slice_cstr(cases[i].text)) != cases[i].match ||
            tql_regex_kind(re, &literals, &n) != cases[i].kind) {
            fail_msg("%s on %s: kind %d", cases[i].pattern, cases[i].text, tql_regex_kind(re, &literals, &n));
        }
        assert_true(tql_regex_bytes(re) > 0);
        tql_regex_destroy(re);
    }
}

static void
what_re2_does_not_know_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"[",  "(?=x)",  "(a)\\1", "(",       "a)(b",
                                      "*a", "a{2,1}", "\\",     "(?<!x)y", "((a{1000}){1000}){1000}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tql_regex *re = NULL;
        struct fault f = {0};
        char want[64];
        (void)snprintf(want, sizeof want, "invalid regex: `%s`", bad[i]);
        assert_int_equal(tql_regex_create(slice_cstr(bad[i]), &f, &re), ERR_INVALID);
        assert_string_equal(f.msg, want);
    }
}

static void
fast_paths_agree_with_re2(void **state)
{
    (void)state;
    static const char *const patterns[] = {"ab",     "ab.*",  ".*ab", ".*ab.*", "a|b|ab",
                                           "(a|ab)", "a\\.b", ".*",   "a|"};
    static const char *const texts[] = {"", "a", "b", "ab", "abc", "cab", "cabc", "a.b", "aab", "a\nab\n"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char slow[64];
        struct tql_regex *fast_re = NULL, *slow_re = NULL;
        const slice *literals;
        size_t n;
        (void)snprintf(slow, sizeof slow, "(?:(?:%s))", patterns[i]);
        assert_int_equal(tql_regex_create(slice_cstr(patterns[i]), NULL, &fast_re), OK);
        assert_int_equal(tql_regex_create(slice_cstr(slow), NULL, &slow_re), OK);
        assert_int_not_equal(tql_regex_kind(fast_re, &literals, &n), TQL_REGEX_RE2);
        assert_int_equal(tql_regex_kind(slow_re, &literals, &n), TQL_REGEX_RE2);
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            assert_int_equal(tql_regex_match(fast_re, slice_cstr(texts[k])),
                             tql_regex_match(slow_re, slice_cstr(texts[k])));
        }
        tql_regex_destroy(fast_re);
        tql_regex_destroy(slow_re);
    }
}

static void
bombs_take_linear_time(void **state)
{
    (void)state;
    static const char *const bombs[] = {"(a*)*b", "(a|a)*b", "(a+)+$b", "(.*a){20}", "(x+x+)+y"};
    size_t n = 200000;
    uint8_t *text = mem_alloc(n);
    memset(text, 'a', n);
    clock_t start = clock();
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        struct tql_regex *re = NULL;
        assert_int_equal(tql_regex_create(slice_cstr(bombs[i]), NULL, &re), OK);
        (void)tql_regex_match(re, slice_of(text, n));
        tql_regex_destroy(re);
    }
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 3);
    mem_free(text);
}

static void
a_very_long_pattern_is_compiled_or_refused(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1u << 20);
    while (b.n < 130000) {
        (void)buf_append_cstr(&b, "[a-z]+x|");
    }
    struct tql_regex *re = NULL;
    struct fault f = {0};
    err rc = tql_regex_create(buf_slice(&b), &f, &re);
    assert_true(rc == OK || rc == ERR_INVALID);
    if (rc == OK) {
        assert_true(tql_regex_match(re, SL("abcx")));
    }
    tql_regex_destroy(re);
    buf_fini(&b);
}

static void
arrays_match_by_element_and_other_types_never(void **state)
{
    (void)state;
    struct tql_regex *re = NULL;
    const slice ab[] = {SL("a"), SL("b")};
    struct tql_static arr = {.type = TQL_STRING_ARRAY, .strings = ab, .n = 2}, i = tql_static_int(1),
                      nil = TQL_STATIC_NIL;
    struct tql_static s = tql_static_string(SL("a"));
    assert_int_equal(tql_regex_create(SL("b|c"), NULL, &re), OK);
    assert_true(tql_static_match(&arr, re, false));
    assert_false(tql_static_match(&arr, re, true));
    assert_false(tql_static_match(&s, re, false));
    assert_true(tql_static_match(&s, re, true));
    assert_false(tql_static_match(&i, re, false) || tql_static_match(&i, re, true));
    assert_false(tql_static_match(&nil, re, false) || tql_static_match(&nil, re, true));
    tql_regex_destroy(re);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_the_whole_text),
        cmocka_unit_test(what_re2_does_not_know_is_refused),
        cmocka_unit_test(fast_paths_agree_with_re2),
        cmocka_unit_test(bombs_take_linear_time),
        cmocka_unit_test(a_very_long_pattern_is_compiled_or_refused),
        cmocka_unit_test(arrays_match_by_element_and_other_types_never),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
