/* A query and spans: "<query>\n<ExportTraceServiceRequest>". Whatever they are, judging them is bounded and
 * safe. */
#include "vivace/codec/otlp.h"
#include "vivace/querier/eval.h"
#include "vivace/querier/metrics.h"
#include "vivace/traceql/traceql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
judge(const struct tql_plan *plan, slice payload)
{
    struct span_batch b;
    struct eval e;
    struct query_guard guard = {0};
    struct fault f = {0};
    span_batch_init(&b, 8 << 20);
    if (otlp_decode(payload, &b, &f) == OK) {
        eval_init(&e, plan, 8 << 20, &guard);
        if (eval_run(&e, &b, &f) == OK) {
            for (size_t i = 0; i < e.set_count; i++) {
                for (uint32_t slot = 0; slot < plan->compiler.slots.count; slot++) {
                    (void)eval_shown(&e, e.sets[i].rows[0], slot);
                }
            }
        }
        eval_fini(&e);
    }
    span_batch_fini(&b);
}

/* --- the same spans for a metrics function --- */

struct one_batch {
    const struct span_batch *batch;
    bool read;
};

static err
open_batch(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
           void **ret_cursor)
{
    (void)hunt;
    (void)stats;
    (void)f;
    *ret_cursor = ctx;
    return OK;
}

static err
read_batch(void *cursor, struct metrics_sink *out, struct search_stats *stats, struct fault *f)
{
    struct one_batch *b = cursor;
    (void)stats;
    if (b->read) {
        return ERR_NOT_FOUND;
    }
    b->read = true;
    return metrics_collect(out, b->batch, f);
}

static void
close_batch(void *cursor)
{
    (void)cursor;
}

static void
measure(const struct tql_plan *plan, slice payload)
{
    struct span_batch b;
    struct fault f = {0};
    struct one_batch one = {&b, false};
    const struct metrics_source source = {open_batch, read_batch, close_batch, &one};
    const slice tenant = SL("t");
    struct metrics_query q = {.plan = plan,
                              .tenants = &tenant,
                              .tenant_count = 1,
                              .metrics_sources = &source,
                              .metrics_source_count = 1,
                              .step_ns = UINT64_MAX / 16,
                              .steps = 16,
                              .exemplars = 10};
    span_batch_init(&b, 8 << 20);
    if (otlp_decode(payload, &b, &f) == OK) {
        struct metrics *m = metrics_create(&q);
        while (metrics_step(m, 1000000, &f) == ERR_AGAIN) {
        }
        const struct metrics_result *r = metrics_result(m);
        for (size_t i = 0; i < r->count; i++) {
            for (size_t k = 0; k < r->series[i].exemplar_count; k++) {
                if (r->series[i].exemplars[k].start_ns == 0) {
                    __builtin_trap();
                }
            }
        }
        metrics_destroy(m);
    }
    span_batch_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice rest = slice_of(data, size);
    slice text = slice_cut(&rest, '\n');
    struct arena arena;
    struct fault f = {0};
    struct tql_query *query = NULL;
    struct tql_plan plan;
    if (text.n > 4096) {
        return 0;
    }
    arena_init(&arena, 8 << 20);
    if (traceql_parse(text, &arena, &f, &query) == OK && traceql_check(query, &f) == OK &&
        tql_plan_make(query, &arena, &f, &plan) == OK) {
        judge(&plan, rest);
        if (plan.metric.fn != TQL_METRIC_NONE && metrics_is_alone(&plan)) {
            measure(&plan, rest);
        }
        tql_plan_fini(&plan);
    }
    arena_fini(&arena);
    return 0;
}
