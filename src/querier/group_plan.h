/* What a plan allows to leave out when traces are judged on vectors. Threads: plain functions. */
#pragma once

#include "columns.h"

/* May an answer of the plan stand on the order of a trace's rows? A sum of floats does, to the last bit. */
bool plan_order_may_matter(const struct tql_plan *plan);
/* Does it, with the values of this row group? */
CHECKED err plan_order_matters(struct group_scan *s, struct fault *f, bool *ret);
/* A trace with fewer rows (that a first filter keeps) cannot match, for its spansets are too small for a
 * count(). 0 when the plan does not say. */
uint32_t plan_least_rows(const struct tql_plan *plan);

/* A trace whose values of the slot, all 0 or more, add up to less cannot match: no spanset of it has such a
 * sum(), nor would one without doubles. */
struct plan_sum {
    uint32_t slot;
    double least;
};
/* False when the plan does not say. */
bool plan_least_sum(const struct tql_plan *plan, struct plan_sum *ret);
