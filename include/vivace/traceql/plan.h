/* What the querier does for a query: which spans to fetch, what decides about them, and the steps of the
 * pipeline.
 *
 * A trace is judged by running the steps over a stack of spanset lists and one register, the `input`. Each
 * spanset is a set of the trace's spans, possibly with attributes (by, aggregates). The trace is a result
 * when the list left on the stack has a spanset that is not empty; that list also feeds the metrics function.
 *
 *   RESET    input := one spanset with all spans of the trace
 *   FILTER   push each spanset of the input with only the spans the filter keeps; empty ones go
 *   SETOP    pop b, pop a, push a op b (structural operators work spanset by spanset)
 *   GROUP    push the input, each spanset split by the program's value; label by(…)
 *   SCALAR   push the spansets of the input whose aggregate compares; label count(), avg(duration), …
 *   SELECT   push the input unchanged; its slots are shown for every span of the result
 *   COALESCE push one spanset: the union of the input's, labels dropped
 *   PIPE     pop it to the input
 *
 * `{ .a = 1 } >> { .b = 2 && kind = server } | count() > 2 | rate() by (name)` plans as
 *
 *   slots   0 .a  1 .b  2 kind  3 name(label)
 *   filters 0: ALL [.a = 1]      1: ALL [.b = 2, kind = server]
 *   steps   RESET  FILTER 0  FILTER 1  SETOP >>  PIPE  SCALAR count() > 2
 *   fetch   TQL_FETCH_ANY: a span matters only when a first filter keeps it; the trace only when both keep
 * one (required); structure is needed metric  rate() by slot 3
 *
 * A filter that says TQL_PUSH_ALL is true for a span exactly when every one of its conditions and its residue
 * (if it has one) are; one that says ANY when at least one condition is, and it has no residue. With NONE
 * only `program` decides. `program` is always the whole filter, so that an engine may ignore the conditions.
 * Events and links are judged as vivace/traceql/program.h says: one event for all conditions.
 *
 * Second pass: a slot whose `uses` lack TQL_USE_FILTER need be read only for spans that stay.
 *
 * Threads: immutable after tql_plan_make; shared by all workers of the query. Memory: the arena, some KiB for
 * what people write and 600 bytes for each byte of the query at worst (43,000 empty filters in 128 KiB): cap
 * it. Regular expressions are on the heap: tql_plan_fini.
 */
#pragma once

#include "vivace/traceql/program.h"

enum tql_push { TQL_PUSH_NONE, TQL_PUSH_ALL, TQL_PUSH_ANY };

struct tql_filter {
    struct tql_program program; /* evaluates to the boolean true for a span it keeps */
    uint8_t push;               /* enum tql_push */
    bool always;                /* keeps every span: `{ }` */
    bool never;                 /* keeps none: `{ false }` */
    bool has_residue;
    bool first;    /* its input is the whole trace (not the spansets of an earlier stage) */
    bool required; /* the query answers a trace only when this filter keeps one of its spans */
    const struct tql_cond *conds;
    size_t cond_count;
    struct tql_program residue; /* the other operands of the ANDs */
};

enum tql_step_kind {
    TQL_STEP_RESET,
    TQL_STEP_FILTER,
    TQL_STEP_SETOP,
    TQL_STEP_GROUP,
    TQL_STEP_SCALAR,
    TQL_STEP_SELECT,
    TQL_STEP_COALESCE,
    TQL_STEP_PIPE,
};

struct tql_step {
    uint8_t kind;               /* enum tql_step_kind */
    uint8_t op;                 /* enum tql_op of SETOP and SCALAR */
    uint8_t aggregate;          /* enum tql_aggregate of SCALAR */
    bool has_program;           /* SCALAR: false for count() */
    uint32_t filter;            /* FILTER: index in filters */
    struct tql_program program; /* GROUP, and the argument of SCALAR */
    struct tql_static value;    /* SCALAR: what the aggregate is compared with */
    slice label;           /* GROUP "by(span.a)", SCALAR "avg(duration)": key of the spanset's attribute */
    const uint32_t *slots; /* SELECT */
    size_t slot_count;
};

enum tql_fetch {
    TQL_FETCH_ALL, /* every span of a trace may matter */
    TQL_FETCH_ANY, /* only spans that one of the `first` filters keeps */
};

struct tql_metric_plan {
    uint8_t fn;    /* enum tql_metric_fn, NONE for a search */
    uint32_t slot; /* MIN to QUANTILE */
    const uint32_t *by;
    size_t by_count;
    uint32_t compare_filter;      /* COMPARE: index in filters; not among the steps */
    const struct tql_metric *ast; /* quantiles, top, range */
};

struct tql_plan {
    const struct tql_query *query;
    struct tql_compiler compiler; /* slots: compiler.slots */
    const struct tql_filter *filters;
    const struct tql_step *steps;
    size_t filter_count, step_count;
    uint32_t stack_max;   /* lists of spansets */
    uint32_t values_max;  /* largest stack_max of all programs */
    uint8_t fetch;        /* enum tql_fetch */
    bool needs_structure; /* parents, or nested-set numbers */
    bool whole_trace;     /* the spans of a trace must be judged together: set operations, groups, aggregates,
                           * trace-level values. False: each span by itself, matches then joined by trace */
    bool never;           /* no trace can match: answer without looking */
    struct tql_metric_plan metric;
};

/* The plan of a query that passed traceql_check; lives in `a` with it. ERR_LIMIT: arena or the compiler's
 * limits. On failure nothing is left to fini. */
CHECKED err tql_plan_make(const struct tql_query *q, struct arena *a, struct fault *f, struct tql_plan *ret);
void tql_plan_fini(struct tql_plan *p);
