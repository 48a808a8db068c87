/* compare(): how often each value of each attribute occurs among the spans a filter keeps (selection) and
 * among the others (baseline).
 *
 * Most values of an attribute like a request id occur once: such a count is one number, an array by interval
 * is made when a second interval has it. An attribute keeps METRICS_COMPARE_VALUES_MAX values; further ones
 * are counted in its totals alone. Threads: one owner. */
#pragma once

#include "exemplars.h"

#include "vivace/base/table.h"

enum compare_side { COMPARE_BASELINE, COMPARE_SELECTION, COMPARE_SIDES };

/* Counts by interval: all in one so far, or an array. */
struct compare_counts {
    uint64_t total;
    uint32_t step; /* of all of them, when `by_step` is NULL */
    double *by_step;
};

struct compare_value {
    struct tql_static value;
    struct compare_counts counts[COMPARE_SIDES];
};

struct compare_attr {
    struct tql_attr attr;
    double *totals[COMPARE_SIDES]; /* by interval */
    struct compare_value *v;
    uint32_t *index; /* position + 1, open addressing */
    size_t count, cap, index_cap;
};

struct compare_set {
    const struct metrics_query *q;
    struct compare_attr **attrs;
    size_t attr_count, attr_cap;
    struct str_table by_name[TQL_SCOPE_COUNT];
    struct compare_attr *intrinsics[TQL_INTRINSIC_COUNT];
    struct exemplar *exemplars[COMPARE_SIDES];
    struct arena memory;
    size_t table_bytes;
    bool full; /* an attribute was left out */
};

void compare_set_init(struct compare_set *s, const struct metrics_query *q);
void compare_set_fini(struct compare_set *s);
size_t compare_set_bytes(const struct compare_set *s);
/* NULL when the set is full. Valid as long as the set. */
struct compare_attr *compare_attr_of(struct compare_set *s, const struct tql_attr *attr);
/* `n` spans with this value, which is no array, in an interval. Nil counts nothing. */
void compare_add(struct compare_set *s, struct compare_attr *at, enum compare_side side, uint32_t step,
                 const struct tql_static *value, uint64_t n);
/* `n` spans that have some value, which is not told. */
static inline void
compare_add_untold(struct compare_attr *at, enum compare_side side, uint32_t step, uint64_t n)
{
    at->totals[side][step] += (double)n;
}
void compare_set_merge(struct compare_set *into, const struct compare_set *from);
/* The `top` most frequent values of a side, of equals the least, in no order. `ret` has room for at->count.
 */
size_t compare_top(const struct compare_attr *at, enum compare_side side, size_t top,
                   const struct compare_value **ret);
/* So many values that no new one is counted any more. */
static inline bool
compare_is_crowded(const struct compare_attr *at)
{
    return at->count == METRICS_COMPARE_VALUES_MAX;
}
static inline double
compare_count_at(const struct compare_counts *c, uint32_t step)
{
    if (c->by_step) {
        return c->by_step[step];
    }
    return c->step == step ? (double)c->total : 0;
}
