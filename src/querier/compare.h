/* compare(): how often each value of each attribute occurs among the spans a filter keeps (selection) and
 * among the others (baseline).
 *
 * Most values of an attribute like a request id occur once: such a count is one or two numbers, an array by
 * interval is made when a third interval has it. An attribute keeps METRICS_COMPARE_VALUES_MAX values;
 * further ones are counted in its totals alone. Threads: one owner. */
#pragma once

#include "exemplars.h"

#include "vivace/base/table.h"

enum compare_side { COMPARE_BASELINE, COMPARE_SELECTION, COMPARE_SIDES };

#define COMPARE_FEW 2

/* Counts by interval: of few intervals as they come, or an array. */
struct compare_counts {
    uint64_t total;
    double *by_step; /* NULL: `few` tells */
    struct {
        uint32_t step, n; /* n is 0 behind the last */
    } few[COMPARE_FEW];
};

struct compare_value {
    struct tql_static value;
    uint64_t hash;
    uint64_t prefix; /* of a string, so that most are put in order without being read */
    struct compare_counts counts[COMPARE_SIDES];
};

struct compare_attr {
    struct tql_attr attr;
    double *totals[COMPARE_SIDES]; /* by interval */
    struct compare_value *v;
    uint64_t *index; /* position + 1, and above it half of the value's hash; open addressing */
    size_t count, cap, index_cap;
};

struct compare_set {
    const struct metrics_query *q;
    struct compare_attr **attrs;
    size_t attr_count, attr_cap;
    struct str_table by_name[TQL_SCOPE_COUNT];
    struct compare_attr *intrinsics[TQL_INTRINSIC_COUNT];
    struct exemplar_set exemplars; /* by side */
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
/* The place of a value, which is neither nil nor an array, in at->v; COMPARE_NO_VALUE when there are too
 * many.
 */
#define COMPARE_NO_VALUE UINT32_MAX
uint32_t compare_place(struct compare_set *s, struct compare_attr *at, const struct tql_static *value);
/* As compare_add for a value whose place is known; with COMPARE_NO_VALUE in the totals alone. */
void compare_count(struct compare_set *s, struct compare_attr *at, uint32_t place, enum compare_side side,
                   uint32_t step, uint64_t n);
void compare_set_merge(struct compare_set *into, const struct compare_set *from);
/* The `top` most frequent values of a side, of equals the least, in no order. `ret` has room for at->count.
 */
size_t compare_top(const struct compare_attr *at, enum compare_side side, size_t top,
                   const struct compare_value **ret);
static inline double
compare_count_at(const struct compare_counts *c, uint32_t step)
{
    if (c->by_step) {
        return c->by_step[step];
    }
    for (int i = 0; i < COMPARE_FEW; i++) {
        if (c->few[i].n && c->few[i].step == step) {
            return c->few[i].n;
        }
    }
    return 0;
}
