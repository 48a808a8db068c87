/* What the files of a metrics query share. */
#pragma once

#include "compare.h"
#include "eval_priv.h"
#include "timelines.h"

#include "vivace/base/table.h"

/* Traces without a root at hand whose root is asked for everywhere; those of the others count as empty. */
#define METRICS_ROOTS_ASKED_MAX 256

struct metrics_root {
    uint64_t start_ns, end_ns;
    span_id id;
    int32_t kind;
    slice name, service;
};

/* Roots of the live data, read before they are needed; then shared by all workers, unchanged. */
struct metrics_roots {
    struct id_table index; /* trace id -> position + 1 */
    struct metrics_root *v;
    size_t count, cap;
    struct arena memory;
    _Atomic size_t asked;
};
void metrics_roots_init(struct metrics_roots *r);
void metrics_roots_fini(struct metrics_roots *r);
size_t metrics_roots_bytes(const struct metrics_roots *r);
void metrics_roots_add(struct metrics_roots *r, const struct span_batch *b);

/* Where numbers gather: one for each worker. */
struct metrics_sink {
    const struct metrics_query *q;
    struct eval eval; /* of batches of single spans */
    struct timelines timelines;
    struct compare_set compare;
    struct tql_static labels[METRICS_LABELS_MAX];
    struct metrics_roots *roots; /* of compare(); NULL: traces are whole */
    struct arena root_texts;
    size_t reserved;
};
/* The root of a trace of which a part without one is at hand; empty when there is none. */
CHECKED err metrics_roots_find(struct metrics_sink *s, const trace_id *id, struct tql_static *ret_name,
                               struct tql_static *ret_service, struct fault *f);
/* An attribute's value, nil for lists and bytes. */
struct tql_static metrics_scalar(const struct attr *a);

void metrics_sink_init(struct metrics_sink *s, const struct metrics_query *q);
void metrics_sink_fini(struct metrics_sink *s);
/* What it holds, in the query's budget. */
CHECKED err metrics_sink_account(struct metrics_sink *s, struct fault *f);
void metrics_sink_merge(struct metrics_sink *into, const struct metrics_sink *from);
/* Those of its function. */
static inline struct exemplar_set *
metrics_sink_exemplars(struct metrics_sink *s)
{
    return s->q->plan->metric.fn == TQL_METRIC_COMPARE ? &s->compare.exemplars : &s->timelines.exemplars;
}
/* The spans e's last run has kept. */
CHECKED err metrics_sink_rows(struct metrics_sink *s, struct eval *e, struct fault *f);
/* One span, its label values in s->labels; `measured` is NULL for functions that only count. */
void metrics_sink_add(struct metrics_sink *s, uint32_t step, uint64_t start_ns, const trace_id *trace,
                      const struct tql_static *measured);

static inline bool
metrics_measures(const struct metrics_query *q)
{
    return q->plan->metric.fn >= TQL_METRIC_MIN && q->plan->metric.fn != TQL_METRIC_COMPARE;
}

/* metrics_result.c: the series of an answer. */
struct metrics_answer {
    struct arena memory;
    struct metrics_series *v;
    size_t count, cap;
    slice measured_key;
    bool full;
};
void metrics_answer_make(struct metrics_sink *s, struct metrics_answer *ret);
/* metrics_second.c: topk, bottomk, comparisons, in their order. */
void metrics_second_stages(const struct metrics_query *q, struct metrics_answer *a);
