/* bench_metrics: TraceQL metrics over a settled corpus, again and again: latency, series, memory. Counts are
 * held against the corpus; a wrong or failed answer fails the run. */
#include "args.h"
#include "shape.h"

#include <stdlib.h>

#define RANGE "/api/metrics/query_range"

#define SERIES(name, query)                                                                                  \
    {                                                                                                        \
        name, RANGE, query, NULL, ANSWER_SERIES, EXPECT_SOME, 0, 0, 0                                        \
    }

static const struct shape shapes[] = {
    SERIES("rate", "{} | rate()"),
    SERIES("rate_by_service", "{} | rate() by (resource.service.name)"),
    SERIES("rate_by_two",
           "{ kind = server } | rate() by (resource.service.name, span.http.response.status_code)"),
    SERIES("rate_errors", "{ status = error } | rate() by (resource.service.name)"),
    SERIES("rate_roots", "{nestedSetParent<0 && true} | rate() with(sample=true)"),
    SERIES("rate_roots_by_name", "{nestedSetParent<0 && true && name != nil} | rate() by(name)"),
    SERIES("rate_pod_regex",
           "{ resource.k8s.pod.name =~ \"payment-.*\" } | rate() by (resource.k8s.pod.name)"),
    SERIES("count_filtered",
           "{ span.http.response.status_code >= 500 } | count_over_time() by (span.http.route)"),
    SERIES("count_two",
           "{ resource.service.name = \"checkout\" && kind = client } | count_over_time() by (name)"),
    SERIES("quantile_by_name", "{ kind = server } | quantile_over_time(duration, 0.5, 0.9, 0.99) by (name)"),
    SERIES("quantile_roots", "{nestedSetParent<0 && true} | quantile_over_time(duration, 0.9)"),
    SERIES("histogram", "{ kind = server } | histogram_over_time(duration)"),
    SERIES("histogram_roots",
           "{nestedSetParent<0 && true} | histogram_over_time(duration) with(sample=true)"),
    SERIES("avg",
           "{ span.db.system.name = \"postgresql\" } | avg_over_time(duration) by (span.db.collection.name)"),
    SERIES("max", "{} | max_over_time(span.app.order.amount) by (resource.service.name)"),
    SERIES("min", "{ span.db.operation.name = \"SELECT\" } | min_over_time(duration)"),
    SERIES("sum", "{} | sum_over_time(span.db.response.returned_rows) by (span.db.system.name)"),
    SERIES("topk", "{} | rate() by (resource.k8s.pod.name) | topk(5)"),
    SERIES("bottomk", "{} | rate() by (resource.service.name) | bottomk(3)"),
    SERIES("structural", "{ resource.service.name = \"checkout\" } >> { kind = client } | rate() by (name)"),
    SERIES("structural_errors",
           "{ kind = server } &>> { status = error } | rate() by (resource.service.name)"),
    SERIES("compare_errors", "{nestedSetParent<0 && true} | compare({ status = error }, 10)"),
    SERIES("compare_all", "{} | compare({ status = error })"),
    {"exemplars", RANGE, "{ kind = server } | rate() by (resource.service.name)", "exemplars=100",
     ANSWER_SERIES, EXPECT_SOME, 0, 0, 0},
    {"no_exemplars", RANGE, "{ kind = server } | rate() by (resource.service.name) with(exemplars=false)",
     NULL, ANSWER_SERIES, EXPECT_SOME, 0, 0, 0},
    {"last_tenth", RANGE, "{} | rate() by (resource.service.name)", NULL, ANSWER_SERIES, EXPECT_SOME, 0, 0.85,
     0.95},
    {"instant", "/api/metrics/query", "{} | count_over_time() by (resource.service.name)", NULL,
     ANSWER_SERIES, EXPECT_SOME, 0, 0, 0},
};

int
main(int argc, char **argv)
{
    struct scene s = {.o = SCENE_DEFAULTS};
    double runs = 20, budget_s = 30;
    const char *only = NULL;
    const struct arg list[] = {
        SCENE_ARGS(&s.o),
        {"--runs", "of each query, after one to warm up", .number = &runs},
        {"--budget", "seconds for one query's runs, at least three", .number = &budget_s},
        {"--only", "shapes, with commas between their names", .text = &only},
        {0},
    };
    args_parse(argc, argv, "bench_metrics: TraceQL metrics queries over a settled corpus", list);
    if (runs < 1) {
        die("--runs begins at 1");
    }
    scene_open(&s);
    /* Every span is counted, and nothing else: what the corpus holds is known. */
    const struct shape counts[] = {
        {"count_all", RANGE, "{} | count_over_time()", NULL, ANSWER_SERIES, EXPECT_EXACT,
         (double)s.known.spans, 0, 0},
        {"count_by_service", RANGE, "{} | count_over_time() by (resource.service.name)", NULL, ANSWER_SERIES,
         EXPECT_EXACT, (double)s.known.spans, 0, 0},
        {"count_errors", RANGE, "{ status = error } | count_over_time()", NULL, ANSWER_SERIES, EXPECT_EXACT,
         (double)s.known.errors, 0, 0},
        {"count_servers", RANGE, "{ kind = server } | count_over_time() by (name)", NULL, ANSWER_SERIES,
         EXPECT_EXACT, (double)s.known.requests, 0, 0},
    };
    size_t known = sizeof counts / sizeof counts[0], others = sizeof shapes / sizeof shapes[0];
    struct shape *all = xalloc((known + others) * sizeof *all);
    for (size_t i = 0; i < known + others; i++) {
        all[i] = i < known ? counts[i] : shapes[i - known];
    }
    struct shape_run r = {.scene = &s, .runs = (uint32_t)runs, .budget_s = budget_s, .only = only};
    shapes_measure(&r, "metrics", all, known + others);
    free(all);
    return scene_close(&s);
}
