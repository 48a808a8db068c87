/* bench_vectors: metrics queries over blocks, in this process: what of an answer is the engine's.
 *
 *   bench_block --spans 1000000 --keep --dir DIR/single-tenant ; bench_vectors --dir DIR */
#include "args.h"
#include "inproc.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/block/store.h"
#include "vivace/querier/metrics.h"
#include "vivace/runtime/pool.h"
#include "vivace/traceql/traceql.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const queries[] = {
    "{} | rate()",
    "{} | rate() by (resource.service.name)",
    "{} | compare({ status = error })",
    "{ nestedSetParent < 0 } | rate() by (resource.service.name)",
    "{ status = error } | count_over_time() by (name)",
    "{} | quantile_over_time(duration, .5, .9, .99) by (name)",
    "{} | avg_over_time(duration) by (resource.service.name, name)",
    "{} | rate() by (rootName)",
    "{ kind = server } >> { status = error } | count_over_time() by (name)",
};

static int
by_number(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The time all blocks cover, and their spans. */
static uint64_t
bounds(struct block_store *store, uint64_t *ret_start, uint64_t *ret_end)
{
    const struct block_snapshot *v = block_store_snapshot(store, SL("single-tenant"));
    uint64_t spans = 0;
    *ret_start = UINT64_MAX;
    *ret_end = 0;
    for (size_t i = 0; i < v->count; i++) {
        const struct block_meta *m = &v->blocks[i]->meta;
        *ret_start = m->min_start_ns < *ret_start ? m->min_start_ns : *ret_start;
        *ret_end = m->max_end_ns > *ret_end ? m->max_end_ns : *ret_end;
        spans += m->spans;
    }
    block_snapshot_release(v);
    return spans;
}

static void
run(const struct metrics_query *q, size_t times, const char *text)
{
    double *ms = mem_new_array(double, times);
    struct fault f = {0};
    size_t series = 0;
    size_t exemplars = 0;
    uint64_t together = 0; /* traces read one by one */
    double cpu = 0;
    double total = 0;
    for (size_t i = 0; i < times; i++) {
        const int64_t from = clock_mono_ns();
        const double cpu_from = cpu_s();
        struct metrics *m = metrics_create(q);
        err rc = OK;
        while ((rc = metrics_step(m, 10 * NS_PER_MS, &f)) == ERR_AGAIN) {
        }
        must(rc, &f);
        const struct metrics_result *r = metrics_result(m);
        series = r->count;
        together = r->stats.traces;
        exemplars = 0;
        total = 0;
        for (size_t k = 0; k < r->count; k++) {
            exemplars += r->series[k].exemplar_count;
            for (uint32_t s = 0; s < q->steps; s++) {
                total += r->series[k].values[s] > 0 ? r->series[k].values[s] : 0;
            }
        }
        metrics_destroy(m);
        ms[i] = (double)(clock_mono_ns() - from) / 1e6;
        const double used = (cpu_s() - cpu_from) * 1e3;
        cpu = i == 0 || used < cpu ? used : cpu; /* the least: others use the machine as well */
    }
    qsort(ms, times, sizeof *ms, by_number);
    (void)printf(
        "%-62s p50 %8.2f ms  min %8.2f  cpu %8.2f  series %5zu exemplars %5zu total %.6g put together %llu\n",
        text, ms[times / 2], ms[0], cpu, series, exemplars, total, (unsigned long long)together);
    (void)fflush(stdout);
    mem_free(ms);
}

int
main(int argc, char **argv)
{
    const char *dir = "bench-blocks";
    const char *only = NULL;
    double times = 20;
    double threads = 2;
    double steps = 240;
    double exemplars = 100;
    const struct arg args[] = {
        {"--dir", "of the store (bench-blocks)", NULL, &dir, NULL},
        {"--query", "only this one", NULL, &only, NULL},
        {"--times", "runs of each query (20)", &times, NULL, NULL},
        {"--threads", "workers (2)", &threads, NULL, NULL},
        {"--steps", "intervals (240)", &steps, NULL, NULL},
        {"--exemplars", "of a series (100)", &exemplars, NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    args_parse(argc, argv, "metrics queries over blocks", args);
    struct block_store_options o = {.path = dir};
    struct block_store *opened = NULL;
    struct fault f = {0};
    must(block_store_open(&o, &f, &opened), &f);
    _Atomic(struct block_store *) store = opened;
    struct pool *pool = pool_create("worker", (int)threads, 1000);
    uint64_t start = 0;
    uint64_t end = 0;
    uint64_t spans = bounds(opened, &start, &end);
    (void)printf("%llu spans, %.0f s\n", (unsigned long long)spans, (double)(end - start) / 1e9);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        const char *text = only ? only : queries[i];
        struct arena a;
        struct tql_query *query = NULL;
        struct tql_plan plan;
        const slice tenant = SL("single-tenant");
        arena_init(&a, 0);
        must(traceql_parse(slice_cstr(text), &a, &f, &query), &f);
        must(traceql_check(query, &f), &f);
        must(tql_plan_make(query, &a, &f, &plan), &f);
        struct search_source source = search_source_blocks(&store);
        struct metrics_query q = {
            .plan = &plan,
            .tenants = &tenant,
            .tenant_count = 1,
            .sources = &source,
            .source_count = 1,
            .blocks = &store,
            .pool = pool,
            .start_ns = start - 1,
            .step_ns = (end - start) / (uint64_t)steps + 1,
            .steps = (uint32_t)steps,
            .exemplars = (uint32_t)exemplars,
        };
        run(&q, (size_t)times, text);
        tql_plan_fini(&plan);
        arena_fini(&a);
        if (only) {
            break;
        }
    }
    pool_destroy(pool);
    block_store_close(opened);
    return 0;
}
