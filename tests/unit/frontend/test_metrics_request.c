/* Default steps, alignment and times of metrics queries, as Tempo has them (traceql.md 6.1). */
#include "metrics_request.h"
#include "test.h"

#define S UINT64_C(1000000000)

static void
test_the_default_step_is_tempos(void **state)
{
    static const struct {
        uint64_t range_s, step_ms;
    } rows[] = {{30, 100},     {59, 200},     {60, 1000},      {300, 1000},      {2400, 10000},
                {3900, 15000}, {7500, 30000}, {86400, 300000}, {604800, 2400000}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(metrics_default_step(rows[i].range_s * S), rows[i].step_ms * 1000000);
    }
    assert_int_equal(metrics_default_step(1), 50000000);
}

static void
test_a_range_is_aligned_to_the_step_with_one_interval_more(void **state)
{
    struct metrics_request r = {.start_ns = 730 * S, .end_ns = 935 * S, .step_ns = 60 * S};
    (void)state;
    metrics_align(&r, 0);
    assert_int_equal(r.from_ns, 660 * S); /* stamps 720, 780, 840, 900, 960 */
    assert_int_equal(r.steps, 5);
    metrics_align(&r, 910 * S);
    assert_int_equal(r.steps, 4);
    metrics_align(&r, 100 * S);
    assert_int_equal(r.steps, 0);
    r = (struct metrics_request){.start_ns = 0, .end_ns = 60 * S, .step_ns = 60 * S};
    metrics_align(&r, 0);
    assert_int_equal(r.from_ns, 0);
    assert_int_equal(r.steps, 1);
}

static void
test_times_are_read_in_every_form_and_nothing_else(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } good[] = {
        {"1704067200", 1704067200 * S},
        {"1704067200000000001", 1704067200 * S + 1},
        {"1704067200.5", 1704067200 * S + S / 2},
        {"2024-01-01T00:00:00Z", 1704067200 * S},
        {"2024-01-01T01:30:00.25+01:30", 1704067200 * S + S / 4},
        {"2024-02-29T00:00:00-00:30", 1709166600 * S},
        {"0", 0},
    };
    static const char *const bad[] = {"",
                                      "abc",
                                      "-1",
                                      "1e9",
                                      "2024-01-01",
                                      "2024-13-01T00:00:00Z",
                                      "1.2.",
                                      ".",
                                      "inf",
                                      "1704067200.x",
                                      "99999999999999999999",
                                      "2024-01-01T00:00:00",
                                      "9999-01-01T00:00:00Z",
                                      "1704067200 "};
    uint64_t at = 0;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(metrics_parse_time(slice_cstr(good[i].text), &at));
        assert_int_equal(at, good[i].ns);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(metrics_parse_time(slice_cstr(bad[i]), &at));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_default_step_is_tempos),
        cmocka_unit_test(test_a_range_is_aligned_to_the_step_with_one_interval_more),
        cmocka_unit_test(test_times_are_read_in_every_form_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
