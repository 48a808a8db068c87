/* Queries as people and Grafana write them: which are understood, and what is said about the others. */
#include "unit/traceql/helpers.h"

static void
every_query_asked_of_tempo_gets_its_answer(void **state)
{
    (void)state;
    struct tsv t;
    size_t lines = 0;
    tsv_open(&t, TEST_DATA "/traceql/cases.tsv");
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
    assert_true(lines > 300);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_query_asked_of_tempo_gets_its_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
