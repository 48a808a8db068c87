/* What follows a metrics function: topk, bottomk, comparisons, on the finished series (traceql.md 6.3). */
#include "metrics_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"

#include <math.h>
#include <stdlib.h>

static double *
numbers_of(const struct metrics_series *s)
{
    return (double *)(uintptr_t)s->values; /* they lie in the answer's own memory */
}

/* Series without a number go. */
static void
drop_empty(const struct metrics_query *q, struct metrics_answer *a)
{
    size_t kept = 0;
    for (size_t i = 0; i < a->count; i++) {
        uint32_t k = 0;
        while (k < q->steps && isnan(a->v[i].values[k])) {
            k++;
        }
        if (k < q->steps) {
            a->v[kept++] = a->v[i];
        }
    }
    a->count = kept;
}

/* --- topk, bottomk -------------------------------------------------------------------------------------- */

struct point {
    double value;
    size_t series; /* they are in order of their labels */
};

static int
by_least(const void *x, const void *y)
{
    const struct point *a = x;
    const struct point *b = y;
    if (a->value != b->value) {
        return a->value < b->value ? -1 : 1;
    }
    return a->series > b->series ? -1 : a->series < b->series; /* of equals the last is the least */
}

static void
keep_extreme(const struct metrics_query *q, struct metrics_answer *a, size_t limit, bool largest)
{
    struct point *points = mem_new_array(struct point, a->count + 1);
    for (uint32_t step = 0; step < q->steps; step++) {
        size_t n = 0;
        for (size_t i = 0; i < a->count; i++) {
            if (!isnan(a->v[i].values[step])) {
                points[n++] = (struct point){a->v[i].values[step], i};
            }
        }
        if (n <= limit) {
            continue;
        }
        qsort(points, n, sizeof *points, by_least);
        const struct point *gone = largest ? points : points + limit;
        for (size_t i = 0; i < n - limit; i++) {
            numbers_of(&a->v[gone[i].series])[step] = NAN;
        }
    }
    mem_free(points);
}

/* --- comparisons ---------------------------------------------------------------------------------------- */

static bool
holds(uint8_t op, double a, double b)
{
    switch ((enum tql_op)op) {
    case TQL_OP_EQ:
        return a == b;
    case TQL_OP_NEQ:
        return a != b;
    case TQL_OP_LT:
        return a < b;
    case TQL_OP_LTE:
        return a <= b;
    case TQL_OP_GT:
        return a > b;
    default:
        return a >= b;
    }
}

static void
keep_comparing(const struct metrics_query *q, struct metrics_answer *a, const struct tql_second *second)
{
    double limit = 0;
    (void)tql_static_number(&second->value, &limit);
    limit /= second->value.type == TQL_DURATION ? (double)NS_PER_S : 1;
    for (size_t i = 0; i < a->count; i++) {
        struct metrics_series *s = &a->v[i];
        double *v = numbers_of(s);
        for (uint32_t k = 0; k < q->steps; k++) {
            v[k] = holds(second->op, v[k], limit) ? v[k] : NAN;
        }
        struct metrics_exemplar *e = (struct metrics_exemplar *)(uintptr_t)s->exemplars;
        size_t kept = 0;
        for (size_t k = 0; k < s->exemplar_count; k++) {
            if (holds(second->op, e[k].value, limit)) {
                e[kept++] = e[k];
            }
        }
        s->exemplar_count = kept;
    }
}

void
metrics_second_stages(const struct metrics_query *q, struct metrics_answer *a)
{
    const struct tql_query *query = q->plan->query;
    for (size_t i = 0; i < query->second_count; i++) {
        const struct tql_second *second = &query->seconds[i];
        if (second->kind == TQL_SECOND_COMPARE) {
            keep_comparing(q, a, second);
        } else if ((size_t)second->limit < a->count) {
            keep_extreme(q, a, (size_t)second->limit, second->kind == TQL_SECOND_TOPK);
        }
        drop_empty(q, a);
    }
}
