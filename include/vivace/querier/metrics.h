/* TraceQL metrics: series over time of the spans a plan keeps.
 *
 *   m = metrics_create(&query);
 *   while ((rc = metrics_step(m, 10 ms, f)) == ERR_AGAIN) ...;
 *   metrics_result(m); metrics_destroy(m);
 *
 * A span counts by its start: interval i holds the starts in (start + i * step, start + (i + 1) * step]. A
 * plan that must see whole traces runs as a search, every trace put together from all sources; any other
 * looks at the spans of its sources one by one, so that a span sent twice counts as often as it is live or in
 * another block there.
 *
 * Numbers: counts are exact; sums are kept in twice the precision of a double, so that they do not depend on
 * the order spans come in. Exemplars: the series share those that are wanted, each has one at least; of one
 * they are spread over time, chosen by a hash of the span's start, one a trace: the same for the same data,
 * wherever it lies. They are in a result when the query is done.
 *
 * Threads: one owner at a time, workers. Memory: out of `budget` (ERR_LIMIT when it is used up); the series
 * take METRICS_BYTES_MAX at most, whatever the number of spans: further series are left out and the result is
 * `partial`. Source: traceql.md 6.
 */
#pragma once

#include "vivace/querier/search.h"

#define METRICS_BYTES_MAX  ((size_t)64 << 20)
#define METRICS_LABELS_MAX 8       /* of a series */
#define METRICS_STEPS_MAX  1000000 /* intervals, whatever the configuration says */
/* Series that have exemplars: what a screen shows. */
#define METRICS_EXEMPLAR_SERIES_MAX 1000
/* Values of one attribute that compare() counts; any more are left to the totals. */
#define METRICS_COMPARE_VALUES_MAX 16384

/* What sources put in. */
struct metrics_sink;
struct pool;
/* The spans of a batch, each judged by itself. */
CHECKED err metrics_collect(struct metrics_sink *s, const struct span_batch *b, struct fault *f);

/* A place spans lie in, for plans that judge each span by itself. As search_source. */
struct metrics_source {
    err (*open)(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
                void **ret_cursor);
    /* A few milliseconds of work. ERR_NOT_FOUND: all is read. */
    err (*advance)(void *cursor, struct metrics_sink *out, struct search_stats *stats, struct fault *f);
    void (*close)(void *cursor);
    void *ctx;
};
/* Does the plan judge each span by itself? `nestedSetParent < 0` asks for roots, which a span shows alone. */
bool metrics_is_alone(const struct tql_plan *plan);
struct metrics_source metrics_source_live(_Atomic(struct ingester *) *at);

struct metrics_query {
    const struct tql_plan *plan; /* plan->metric.fn is not NONE */
    const slice *tenants;
    size_t tenant_count;
    const struct search_source *sources; /* for plans that need whole traces */
    const struct metrics_source *metrics_sources;
    size_t source_count, metrics_source_count;
    _Atomic(struct block_store *) *blocks; /* may be NULL; for plans that judge each span by itself */
    struct pool *pool;                     /* shares the work on blocks; may be NULL */
    uint64_t start_ns, step_ns;            /* step_ns > 0; the left edge of interval 0 is open */
    uint32_t steps;                        /* 0: no interval, no series */
    uint32_t exemplars;                    /* of all series together; 0 = none */
    uint32_t max_series;                   /* 0 = none */
    bool with_counts;                      /* HISTOGRAM: metrics_series.counts as well */
    struct query_guard guard;
    struct budget *budget; /* may be NULL */
};

struct metrics_label {
    slice key;
    struct tql_static value; /* STRING, INT, FLOAT or BOOL */
};

struct metrics_exemplar {
    trace_id trace;
    uint64_t start_ns;
    double value;
    struct tql_static measured; /* the function's attribute; nil when it has none */
};

struct metrics_series {
    const struct metrics_label *labels;
    size_t label_count, group_count;          /* the first ones are of by() */
    const double *values;                     /* one an interval; NaN = none */
    const struct metrics_exemplar *exemplars; /* by time; none before the query is done */
    size_t exemplar_count;
};

/* The distribution of one group, see metrics_groups. */
struct metrics_group {
    const struct tql_static *by; /* the plan's keys, in order */
    uint64_t count;              /* spans */
    uint64_t buckets[64];        /* spans by the power of two that bounds their value */
};

struct metrics_result {
    const struct metrics_series *series; /* sorted: number of labels, keys, values */
    size_t count;
    slice measured_key; /* the exemplars' label of what was measured; empty when nothing is */
    bool partial;       /* series are missing */
    uint64_t final_ns;  /* intervals that begin here or later are final; UINT64_MAX: none is yet */
    struct search_stats stats;
};

struct metrics;
struct metrics *metrics_create(const struct metrics_query *q); /* what `q` points to outlives it */
void metrics_destroy(struct metrics *m);                       /* accepts NULL */
/* OK: done; ERR_AGAIN: call again; the rest as search_step. */
CHECKED err metrics_step(struct metrics *m, int64_t slice_ns, struct fault *f);
/* What is there by now; valid until the next call with `m`. */
const struct metrics_result *metrics_result(struct metrics *m);
/* The result's final_ns, without making one. */
uint64_t metrics_final_ns(const struct metrics *m);
/* A HISTOGRAM query `with_counts` and one interval: its groups as they are, unsorted. */
struct metrics_group *metrics_groups(struct metrics *m, size_t *ret_count);
/* What was looked at so far. */
const struct search_stats *metrics_stats(const struct metrics *m);
