/* A query and spans: "<query>\n<ExportTraceServiceRequest>". Whatever they are, judging them is bounded and
 * safe. */
#include "vivace/codec/otlp.h"
#include "vivace/querier/eval.h"
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
        tql_plan_fini(&plan);
    }
    arena_fini(&arena);
    return 0;
}
