/* A metrics query looks at the row groups in which bounds leave it a span, and counts the same spans. */
#include "planned.h"
#include "support/places.h"
#include "test.h"

#include "vivace/querier/metrics.h"

#include <math.h>
#include <stdatomic.h>

#define TRACES 40
#define SPANS  12 /* of a trace */
#define START  UINT64_C(1700000000000000000)
#define SECOND UINT64_C(1000000000)

/* A trace of its own time, number and order. */
static void
make_trace(struct span_batch *b, uint32_t t)
{
    span_batch_init(b, 0);
    (void)span_batch_add_resource(b);
    (void)span_batch_add_scope(b);
    for (uint32_t i = 0; i < SPANS; i++) {
        char text[16];
        snprintf(text, sizeof text, "%08x", (t * SPANS + i + 1) * 2654435761U);
        const slice order = arena_copy(&b->arena, slice_cstr(text));
        *span_batch_add_attr(b) =
            (struct attr){.key = (const uint8_t *)"part", .key_n = 4, .kind = VALUE_INT, .i = t};
        *span_batch_add_attr(b) = (struct attr){.key = (const uint8_t *)"order",
                                                .key_n = 5,
                                                .kind = VALUE_STRING,
                                                .p = order.p,
                                                .n = (uint32_t)order.n};
        struct span *s = span_batch_add_span(b);
        *s = (struct span){.name = SL("op"), .attrs = {2 * i, 2}, .start_ns = START + t * 10 * SECOND + i};
        s->end_ns = s->start_ns + (t + 1) * SECOND;
        s->trace.b[0] = (uint8_t)(t * 37);
        s->trace.b[15] = (uint8_t)(t + 1);
        s->id.b[7] = (uint8_t)(i + 1);
    }
}

/* Spans it counts, and those it looks at. */
static uint64_t
count_spans(struct places *p, const char *text, uint64_t *ret_looked)
{
    struct planned planned;
    struct fault f = {0};
    slice tenant = PLACES_TENANT;
    double sum = 0;
    planned_make(&planned, text);
    struct metrics_query q = {.plan = &planned.plan,
                              .tenants = &tenant,
                              .tenant_count = 1,
                              .blocks = &p->store_at,
                              .start_ns = START - SECOND,
                              .step_ns = 10000 * SECOND,
                              .steps = 1};
    struct metrics *m = metrics_create(&q);
    err rc;
    do {
        rc = metrics_step(m, 1000000, &f);
    } while (rc == ERR_AGAIN);
    assert_ok(rc, &f);
    const struct metrics_result *r = metrics_result(m);
    for (size_t i = 0; i < r->count; i++) {
        sum += isnan(r->series[i].values[0]) ? 0 : r->series[i].values[0];
    }
    *ret_looked = r->stats.spans;
    metrics_destroy(m);
    planned_fini(&planned);
    return (uint64_t)sum;
}

static void
check_place(enum place place)
{
    struct span_batch traces[TRACES];
    struct places p;
    struct rng r;
    char text[128];
    uint64_t looked = 0;
    rng_seed(&r, 1);
    for (uint32_t t = 0; t < TRACES; t++) {
        make_trace(&traces[t], t);
    }
    places_make(&p, traces, TRACES, place, &r);
    assert_int_equal(count_spans(&p, "{ } | count_over_time()", &looked), TRACES * SPANS);
    assert_int_equal(looked, TRACES * SPANS);
    assert_int_equal(count_spans(&p, "{ span.part = 7 } | count_over_time() by (name)", &looked), SPANS);
    assert_true(looked >= SPANS && looked < TRACES * SPANS / 2);
    snprintf(text, sizeof text, "{ name != nil && span.order = \"%08x\" } | count_over_time()",
             (9 * SPANS + 3 + 1) * 2654435761U);
    assert_int_equal(count_spans(&p, text, &looked), 1);
    assert_true(looked >= 1 && looked < TRACES * SPANS / 2);
    assert_int_equal(count_spans(&p, "{ name != nil && duration > 1h } | count_over_time()", &looked), 0);
    assert_int_equal(looked, 0);
    assert_int_equal(count_spans(&p, "{ span.part != 7 } | count_over_time()", &looked),
                     (TRACES - 1) * SPANS);
    places_fini(&p);
    for (uint32_t t = 0; t < TRACES; t++) {
        span_batch_fini(&traces[t]);
    }
}

static void
metrics_of_few_spans_look_at_few_row_groups(void **state)
{
    (void)state;
    check_place(PLACE_BLOCK);
}

static void
so_they_do_when_blocks_were_merged(void **state)
{
    (void)state;
    check_place(PLACE_MERGED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_of_few_spans_look_at_few_row_groups),
        cmocka_unit_test(so_they_do_when_blocks_were_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
