/* A number for each group and interval, which stay in a near cache; then what is there to the timelines.
 *
 * Whole numbers are folded as such, so that a sum of them is exact; others as doubles, a sum in two of them.
 */
#include "metrics_folds.h"

#include "metrics_loops.h"

#include <math.h>

#define INT_SUM_BITS 38 /* of a value: 2^24 rows of it do not run over */

static enum tql_metric_fn
function_of(const struct group_reader *r)
{
    return (enum tql_metric_fn)r->sink->q->plan->metric.fn;
}

static bool
is_sum(enum tql_metric_fn fn)
{
    return fn == TQL_METRIC_SUM || fn == TQL_METRIC_AVG;
}

/* Of rows that do not count, too: that costs no more than time. */
static bool
sums_fit(const struct slot_vector *v)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < v->count; i++) {
        const uint64_t x = (uint64_t)v->ints[i];
        bits |= v->ints[i] < 0 ? ~x : x;
    }
    return bits >> INT_SUM_BITS == 0;
}

bool
folds_apply(const struct group_reader *r, const struct row_keys *keys, const struct slot_vector *measured)
{
    const enum tql_metric_fn fn = function_of(r);
    if (keys->cells == NULL || measured == NULL || fn < TQL_METRIC_MIN || fn > TQL_METRIC_SUM) {
        return false;
    }
    return measured->form == VECTOR_CODED ||
           (tql_type_is_numeric(measured->type) && (!is_sum(fn) || sums_fit(measured)));
}

/* A cell's numbers as a timeline has them. */
static void
tell(struct group_reader *r, struct row_keys *keys, const double *sums, const int64_t *ints)
{
    struct timelines *t = &r->sink->timelines;
    const uint32_t *count = keys->counts;
    for (uint32_t group = 0; group < keys->count; group++) {
        for (uint32_t i = 0; i < keys->width; i++, count++) {
            struct timeline *at = *count ? row_keys_timeline(r, keys, group) : NULL;
            const size_t cell = (size_t)(count - keys->counts);
            double numbers[3] = {0, 0, *count};
            if (at == NULL) {
                continue;
            }
            if (ints) {
                numbers[0] = (double)ints[cell];
                numbers[1] = is_sum(function_of(r)) ? (double)(ints[cell] - (int64_t)numbers[0]) : 0;
            } else {
                numbers[0] = sums[2 * cell];
                numbers[1] = sums[2 * cell + 1];
            }
            timeline_add_numbers(t, at, r->first_step + i, numbers);
        }
    }
}

static err
fold_ints(struct group_reader *r, struct row_keys *keys, const struct slot_vector *v, uint32_t *counts,
          struct fault *f)
{
    const size_t cells = (size_t)keys->count * keys->width;
    const enum tql_metric_fn fn = function_of(r);
    int64_t *numbers = arena_alloc(&r->memory, cells * sizeof *numbers);
    if (numbers == NULL) {
        return group_reader_no_memory(f);
    }
    for (size_t i = 0; i < cells; i++) {
        numbers[i] = fn == TQL_METRIC_MIN ? INT64_MAX : fn == TQL_METRIC_MAX ? INT64_MIN : 0;
    }
    const struct loop_rows rows = {r->rows, keys->cells, r->count};
    loop_fold_ints(fn, &rows, v->ints, v->present, numbers, counts);
    tell(r, keys, NULL, numbers);
    return OK;
}

/* The number of each entry of the dictionary; NaN for those that have none. */
static double *
numbers_of(struct group_reader *r, const struct slot_vector *v)
{
    double *numbers = arena_alloc(&r->memory, (v->dict_count + (size_t)1) * sizeof *numbers);
    for (uint32_t i = 0; numbers && i < v->dict_count; i++) {
        numbers[i] = NAN;
        (void)tql_static_number(&v->dict[i], &numbers[i]);
    }
    return numbers;
}

static err
fold_coded(struct group_reader *r, struct row_keys *keys, const struct slot_vector *v, uint32_t *counts,
           struct fault *f)
{
    const size_t cells = (size_t)keys->count * keys->width;
    const enum tql_metric_fn fn = function_of(r);
    const double *numbers = numbers_of(r, v);
    double *sums = arena_new_array(&r->memory, double, 2 * cells);
    if (!numbers || !sums) {
        return group_reader_no_memory(f);
    }
    for (size_t i = 0; !is_sum(fn) && i < cells; i++) {
        sums[2 * i] = fn == TQL_METRIC_MIN ? INFINITY : -INFINITY;
    }
    const struct loop_rows rows = {r->rows, keys->cells, r->count};
    loop_fold_coded(fn, &rows, v->codes, numbers, sums, counts);
    tell(r, keys, sums, NULL);
    return OK;
}

err
folds_add(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured, struct fault *f)
{
    uint32_t *counts = arena_new_array(&r->memory, uint32_t, (size_t)keys->count * keys->width);
    if (counts == NULL) {
        return group_reader_no_memory(f);
    }
    keys->counts = counts;
    return measured->form == VECTOR_CODED ? fold_coded(r, keys, measured, counts, f)
                                          : fold_ints(r, keys, measured, counts, f);
}
