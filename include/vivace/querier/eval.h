/* A query run on one whole trace.
 *
 * The spans of the trace are the rows of a batch. eval_run walks the plan's steps (vivace/traceql/plan.h) and
 * leaves the spansets of the answer. A plan that needs no whole trace (plan->whole_trace false) may also run
 * on a batch of many traces' spans, such as one record: each span is judged by itself.
 *
 *   eval_init(&e, plan, bytes_max, guard);
 *   for each trace { TRY(eval_run(&e, batch, f)); use e.sets[0 .. e.set_count) and eval_value(&e, row, slot)
 * } eval_fini(&e);
 *
 * Everything a run makes lies in e's arena and lives until the next run. Time: O(rows) for a step over one
 * spanset; structural operators are linear too. Threads: one owner; the plan is shared. Memory: `bytes_max`.
 * Semantics: traceql.md 5, the documented ones where Tempo's storage makes its answer another.
 */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/model/span_batch.h"
#include "vivace/querier/guard.h"
#include "vivace/traceql/plan.h"

/* An attribute of a spanset: by(...), count(), avg(...). Newest first. */
struct spanset_attr {
    slice key;
    struct tql_static value;
    const struct spanset_attr *older;
};

struct spanset {
    const uint32_t *rows; /* rising */
    uint32_t count;
    uint32_t origin; /* which spanset of the step's input it was made of */
    const struct spanset_attr *attrs;
};

struct trace_facts;
struct eval_private;
struct eval_rows;

struct eval {
    const struct tql_plan *plan;
    const struct query_guard *guard;
    struct arena arena;
    const struct span_batch *batch; /* NULL in a run over rows of a block */
    size_t rows;                    /* of the trace */
    bool alone; /* set after eval_init: spans of several traces; of structure they show whether they are roots
                 */
    const struct spanset *sets; /* of the last run; none is empty */
    size_t set_count;
    struct eval_private *priv;
};

void eval_init(struct eval *e, const struct tql_plan *plan, size_t bytes_max,
               const struct query_guard *guard);
void eval_fini(struct eval *e);

/* `b` must stay until the next run. ERR_LIMIT: the trace needs more than bytes_max. ERR_CANCELLED,
 * ERR_TIMEOUT: the guard. Anything else is the query's run-time error, in Tempo's words ("division by zero",
 * ...). */
CHECKED err eval_run(struct eval *e, const struct span_batch *b, struct fault *f);
/* A slot's value for a row of the last run; of several events or links the first that has one. Nil when e's
 * arena is full. */
struct tql_static eval_value(struct eval *e, size_t row, uint32_t slot);
/* Every value of a slot for a row, one for each event or link: `at` counts from 0; false behind the last. */
bool eval_each(struct eval *e, size_t row, uint32_t slot, uint32_t at, struct tql_static *ret);
/* What a search result shows of a slot for a matching row: nil when nothing. A value that only filters look
 * at is shown when it satisfies one of their conditions. */
struct tql_static eval_shown(struct eval *e, size_t row, uint32_t slot);
/* Facts of the trace the last run was given. */
const struct trace_facts *eval_facts(const struct eval *e);
