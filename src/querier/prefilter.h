/* Which traces may match, from single spans.
 *
 * A trace can be a result only when every `required` filter of the plan keeps one of its spans (or, when none
 * is required, when any first filter does). prefilter_span says which of them a span may satisfy, looking at
 * it alone: what it cannot know (values of the trace, nested sets, run-time errors) counts as satisfied. So
 * no trace that matches is ever missed, and what is found is judged as a whole later. Threads: one owner. */
#pragma once

#include "eval_priv.h"

#define PREFILTER_FILTERS_MAX 32 /* more required filters are not looked at here */

struct prefilter_cond {
    const struct tql_cond *cond;
    uint8_t how;             /* enum in prefilter.c */
    bool memo;               /* the answer for resource `memo_resource` */
    uint32_t memo_resource1; /* + 1; 0 = none */
};

struct prefilter_filter {
    const struct tql_filter *filter;
    struct prefilter_cond *conds;
    size_t cond_count;
    const struct tql_program *rest; /* a program that can be run on one span, or NULL */
    struct slot_use rest_use;
};

struct prefilter {
    const struct tql_plan *plan;
    struct prefilter_filter *filters;
    size_t filter_count;
    bool any;          /* one of the filters is enough */
    uint32_t complete; /* the bits a trace needs; 0: every trace is a candidate */
    struct arena plan_memory, arena;
    struct trace_facts facts; /* only the id */
    struct value_source values;
    struct tql_static *line, *stack;
};

/* `nestedSetParent < 0` and the like: true only for a root's -1. */
bool cond_means_root(const struct tql_cond *c);
void prefilter_init(struct prefilter *p, const struct tql_plan *plan);
void prefilter_fini(struct prefilter *p);
/* The batch the next spans are of. */
void prefilter_batch(struct prefilter *p, const struct span_batch *b);
/* False when the span alone makes no candidate; else the bits of the filters it may satisfy. */
bool prefilter_span(struct prefilter *p, size_t row, uint32_t *ret_bits);
