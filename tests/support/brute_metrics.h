/* Metrics of the second evaluator: series counted span by span from whole traces (traceql.md 6). */
#pragma once

#include "support/brute.h"

#define BRUTE_STEPS_MAX 64

/* A span that went into a series. */
struct brute_span {
    trace_id trace;
    uint64_t start_ns;
    struct brute_value measured;
};

struct brute_spans {
    struct brute_span *v;
    size_t count, cap;
};

struct brute_series {
    struct buf labels;              /* "key=value", a line each: by() in order, then p, __bucket, __name__ */
    double values[BRUTE_STEPS_MAX]; /* NaN: none */
    bool any[BRUTE_STEPS_MAX];      /* nobody says what: not a number went in */
    struct brute_spans spans;       /* of compare(): all of its side */
};

struct brute_metrics {
    struct brute_series *series;
    size_t count, cap;
    uint64_t counted; /* spans in the intervals */
    struct arena memory;
    struct brute_spans sides[2]; /* of compare(): baseline, selection */
};

/* The first stage of `q` over the traces. False when judging a trace fails. */
bool brute_metrics_make(struct brute_metrics *m, const struct span_batch *traces, size_t count,
                        const struct tql_query *q, uint64_t start_ns, uint64_t step_ns, uint32_t steps);
void brute_metrics_fini(struct brute_metrics *m);
/* A label's value as `labels` has it. */
void brute_label_print(const struct brute_value *v, struct buf *out);
/* `| count_over_time() by (...)` and the like, appended. */
void brute_random_metric(struct rng *r, struct buf *out);
/* `| topk(3)`, `| > 0.5` and the like, one or two, appended. */
void brute_random_second(struct rng *r, struct buf *out);
