/* The traces of a row group judged on its vectors.
 *
 *   j = group_judge_create(reader, plan, guard, budget)
 *   group_judge_open(j, row_group)           which traces may match: bits of prefilter.h by trace
 *   group_judge_trace(j, trace, to_show)     one judged whole: j->eval holds the answer
 *
 * A trace may be judged here only when all of it lies in this row group. group_judge_trace says of the few
 * whose numbers in the block are not what a search goes by (a span came twice, a link stands in for a parent)
 * that they must be put together instead. Threads: one owner. Memory: the scan's, and SEARCH_TRACE_BYTES_MAX
 * for the trace being judged.
 */
#pragma once

#include "columns.h"
#include "eval_priv.h"
#include "prefilter.h"

struct judged_trace {
    trace_id id;
    uint64_t start_ns, end_ns; /* of what lies here */
    uint32_t from, to;         /* rows */
    uint32_t exact;            /* bits, if all of the trace lies here */
    uint32_t loose;            /* bits it may have with what lies elsewhere */
};

struct group_judge {
    struct group_scan *scan;
    struct prefilter prefilter;
    struct eval eval;
    struct judged_trace *traces; /* by row; until the next open */
    size_t trace_count;
    bool never_loose; /* all `loose` are zero: no trace is a candidate, wherever it lies */
    struct group_judge_private *priv;
};

struct group_judge *group_judge_create(struct block_reader *r, const struct tql_plan *plan,
                                       const struct query_guard *guard, struct budget *budget);
void group_judge_destroy(struct group_judge *j); /* accepts NULL */
CHECKED err group_judge_open(struct group_judge *j, size_t row_group, struct fault *f);
/* May the trace match, if it lies here alone? And if there is more of it? */
static inline bool
judged_may_match(const struct group_judge *j, const struct judged_trace *t)
{
    return (t->exact & j->prefilter.complete) == j->prefilter.complete;
}
static inline bool
judged_is_part(const struct group_judge *j, const struct judged_trace *t)
{
    return j->prefilter.complete == 0 || t->loose;
}
/* ERR_AGAIN: it must be put together. Else as eval_run. `t` is one of j->traces. Without `to_show` the rows
 * of the answer may come in another order than a result shows them in. */
CHECKED err group_judge_trace(struct group_judge *j, const struct judged_trace *t, bool to_show,
                              struct fault *f);
/* Read the columns that `to_show` needs of this row group, so that traces are shown without reading any: all
 * a result shows, or (not `whole`) what puts rows in order. */
CHECKED err group_judge_read_shown(struct group_judge *j, bool whole, struct fault *f);
/* For those who ask a trace that was judged without `to_show` for the starts of its rows (eval_row_start). */
CHECKED err group_judge_starts(struct group_judge *j, struct fault *f);
/* What reading a column met while the answer of the last trace was looked at (result_make): ask after. */
CHECKED err group_judge_failed(const struct group_judge *j, struct fault *f);
