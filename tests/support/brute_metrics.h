/* Metrics of the second evaluator: series counted span by span from whole traces (traceql.md 6). */
#pragma once

#include "support/brute.h"

#define BRUTE_STEPS_MAX 64

struct brute_series {
    struct buf labels;              /* "key=value", a line each: by() in order, then p, __bucket, __name__ */
    double values[BRUTE_STEPS_MAX]; /* NaN: none */
    bool any[BRUTE_STEPS_MAX];      /* nobody says what: not a number went in */
};

struct brute_metrics {
    struct brute_series *series;
    size_t count, cap;
    uint64_t counted; /* spans in the intervals */
};

/* The first stage of `q` over the traces. False when judging a trace fails. */
bool brute_metrics_make(struct brute_metrics *m, const struct span_batch *traces, size_t count,
                        const struct tql_query *q, uint64_t start_ns, uint64_t step_ns, uint32_t steps);
void brute_metrics_fini(struct brute_metrics *m);
/* A label's value as `labels` has it. */
void brute_label_print(const struct brute_value *v, struct buf *out);
/* `| count_over_time() by (...)` and the like, appended. */
void brute_random_metric(struct rng *r, struct buf *out);
