#include "metrics_loops.h"

#define EXACT_BITS 52
#define ALWAYS     static inline __attribute__((always_inline))

/* Bodies are compiled twice on x86-64: as the rest of the program, and for processors with AVX2. */
#if defined(__x86_64__)
#define AVX2       __attribute__((target("avx2"))) static
#define HAS_AVX2() __builtin_cpu_supports("avx2")
#else
#define AVX2       static
#define HAS_AVX2() 0
#endif

/* --- intervals ------------------------------------------------------------------------------------------ */

/* 2^52 as a double: the bits of a smaller whole number, put in, make the sum of both. */
ALWAYS double
as_double(uint64_t x)
{
    const uint64_t bits = x | UINT64_C(0x4330000000000000);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v - 4503599627370496.0;
}

ALWAYS uint64_t
distances(uint64_t base, const uint64_t *starts, size_t n)
{
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) {
        all |= starts[i] - base;
    }
    return all;
}

ALWAYS void
divide(uint64_t base, uint64_t step_ns, const uint64_t *starts, size_t n, uint32_t *steps)
{
    const double step = (double)step_ns;
    const double share = 1 / step;
    for (size_t i = 0; i < n; i++) {
        const double x = as_double(starts[i] - base);
        int32_t at = (int32_t)(x * share);
        const double rest = x - (double)at * step;
        at += rest >= step ? 1 : 0;
        at -= rest < 0 ? 1 : 0;
        steps[i] = (uint32_t)at;
    }
}

ALWAYS void
extremes(const uint32_t *v, size_t n, uint32_t *ret_least, uint32_t *ret_most)
{
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        least = v[i] < least ? v[i] : least;
        most = v[i] > most ? v[i] : most;
    }
    *ret_least = least;
    *ret_most = most;
}

ALWAYS bool
intervals(const struct metrics_query *q, const uint64_t *starts, size_t n, uint32_t *steps,
          uint32_t *ret_first, uint32_t *ret_last)
{
    const uint64_t base = q->start_ns + 1; /* an interval is closed on its right */
    const uint64_t all = distances(base, starts, n);
    if (base == 0 || all >> EXACT_BITS || q->step_ns >> EXACT_BITS || (all / q->step_ns) >> 31) {
        return false;
    }
    divide(base, q->step_ns, starts, n, steps);
    extremes(steps, n, ret_first, ret_last);
    return true;
}

AVX2 bool
intervals_avx2(const struct metrics_query *q, const uint64_t *starts, size_t n, uint32_t *steps,
               uint32_t *ret_first, uint32_t *ret_last)
{
    return intervals(q, starts, n, steps, ret_first, ret_last);
}

bool
loop_intervals(const struct metrics_query *q, const uint64_t *starts, size_t n, uint32_t *steps,
               uint32_t *ret_first, uint32_t *ret_last)
{
    return HAS_AVX2() ? intervals_avx2(q, starts, n, steps, ret_first, ret_last)
                      : intervals(q, starts, n, steps, ret_first, ret_last);
}

/* --- exemplars ------------------------------------------------------------------------------------------ */

ALWAYS void
hash_each(const uint64_t *starts, const uint32_t *rows, size_t n, uint32_t *ret)
{
    for (size_t i = 0; rows && i < n; i++) {
        ret[i] = exemplars_hash(starts[rows[i]]);
    }
    for (size_t i = 0; !rows && i < n; i++) {
        ret[i] = exemplars_hash(starts[i]);
    }
}

AVX2 void
hash_each_avx2(const uint64_t *starts, const uint32_t *rows, size_t n, uint32_t *ret)
{
    hash_each(starts, rows, n, ret);
}

/* The limits are not gathered by AVX2: processors that are safe from "Downfall" are slow at it. */
void
loop_hits(const uint64_t *starts, const uint32_t *rows, const uint32_t *cells, const uint32_t *limits,
          size_t n, uint8_t *hits)
{
    uint32_t hashes[LOOP_PIECE];
    if (HAS_AVX2()) {
        hash_each_avx2(starts, rows, n, hashes);
    } else {
        hash_each(starts, rows, n, hashes);
    }
    for (size_t i = 0; i < n; i++) {
        hits[i] = hashes[i] <= limits[cells[i]];
    }
}

/* --- counting ------------------------------------------------------------------------------------------- */

ALWAYS void
cells_of(const uint32_t *groups, const uint32_t *steps, size_t n, uint32_t first, uint32_t width,
         uint32_t *cells)
{
    for (size_t i = 0; groups && i < n; i++) {
        cells[i] = groups[i] * width + (steps[i] - first);
    }
    for (size_t i = 0; !groups && i < n; i++) {
        cells[i] = steps[i] - first;
    }
}

AVX2 void
cells_avx2(const uint32_t *groups, const uint32_t *steps, size_t n, uint32_t first, uint32_t width,
           uint32_t *cells)
{
    cells_of(groups, steps, n, first, width, cells);
}

void
loop_cells(const uint32_t *groups, const uint32_t *steps, size_t n, uint32_t first, uint32_t width,
           uint32_t *cells)
{
    if (HAS_AVX2()) {
        cells_avx2(groups, steps, n, first, width, cells);
    } else {
        cells_of(groups, steps, n, first, width, cells);
    }
}

void
loop_count(const uint32_t *cells, size_t n, uint32_t *matrix)
{
    for (size_t i = 0; i < n; i++) {
        matrix[cells[i]]++;
    }
}

void
loop_buckets(const uint32_t *rows, const int64_t *v, const uint32_t *cells, size_t n, size_t cell_count,
             uint32_t *matrix)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t bucket = timeline_bucket(v[rows ? rows[i] : i]);
        matrix[cells[i] + bucket * cell_count]++;
    }
}

/* --- folding -------------------------------------------------------------------------------------------- */

ALWAYS void
fold_ints(enum tql_metric_fn fn, const struct loop_rows *r, const int64_t *v, const uint64_t *present,
          int64_t *numbers, uint32_t *counts)
{
    for (size_t i = 0; i < r->count; i++) {
        const size_t row = r->rows ? r->rows[i] : i;
        int64_t *at = &numbers[r->cells[i]];
        if (present && !(present[row / 64] >> row % 64 & 1)) {
            continue;
        }
        counts[r->cells[i]]++;
        *at = fn == TQL_METRIC_MIN   ? (v[row] < *at ? v[row] : *at)
              : fn == TQL_METRIC_MAX ? (v[row] > *at ? v[row] : *at)
                                     : *at + v[row];
    }
}

void
loop_fold_ints(enum tql_metric_fn fn, const struct loop_rows *r, const int64_t *v, const uint64_t *present,
               int64_t *numbers, uint32_t *counts)
{
    if (fn == TQL_METRIC_MIN) {
        fold_ints(TQL_METRIC_MIN, r, v, present, numbers, counts);
    } else if (fn == TQL_METRIC_MAX) {
        fold_ints(TQL_METRIC_MAX, r, v, present, numbers, counts);
    } else {
        fold_ints(TQL_METRIC_SUM, r, v, present, numbers, counts);
    }
}

ALWAYS void
fold_coded(enum tql_metric_fn fn, const struct loop_rows *r, const uint32_t *codes, const double *numbers,
           double *sums, uint32_t *counts)
{
    for (size_t i = 0; i < r->count; i++) {
        const double x = numbers[codes[r->rows ? r->rows[i] : i]];
        double *at = &sums[2 * (size_t)r->cells[i]];
        if (!(x == x)) {
            continue;
        }
        counts[r->cells[i]]++;
        if (fn == TQL_METRIC_MIN) {
            *at = x < *at ? x : *at;
        } else if (fn == TQL_METRIC_MAX) {
            *at = x > *at ? x : *at;
        } else {
            sum_add(at, x);
        }
    }
}

void
loop_fold_coded(enum tql_metric_fn fn, const struct loop_rows *r, const uint32_t *codes,
                const double *numbers, double *sums, uint32_t *counts)
{
    if (fn == TQL_METRIC_MIN) {
        fold_coded(TQL_METRIC_MIN, r, codes, numbers, sums, counts);
    } else if (fn == TQL_METRIC_MAX) {
        fold_coded(TQL_METRIC_MAX, r, codes, numbers, sums, counts);
    } else {
        fold_coded(TQL_METRIC_SUM, r, codes, numbers, sums, counts);
    }
}

ALWAYS void
count_pairs(const uint32_t *at, const uint32_t *cells, size_t n, const uint32_t *codes, uint32_t width,
            uint32_t *matrix, uint32_t *other)
{
    size_t i = 0;
    for (; i + 2 <= n; i += 2) {
        matrix[codes[at ? at[i] : i] * width + cells[i]]++;
        other[codes[at ? at[i + 1] : i + 1] * width + cells[i + 1]]++;
    }
    if (i < n) {
        matrix[codes[at ? at[i] : i] * width + cells[i]]++;
    }
}

void
loop_count_pairs(const struct loop_rows *r, const uint32_t *codes, uint32_t width, uint32_t *matrix,
                 size_t size)
{
    uint32_t *other = matrix + size;
    if (r->rows) {
        count_pairs(r->rows, r->cells, r->count, codes, width, matrix, other);
    } else {
        count_pairs(NULL, r->cells, r->count, codes, width, matrix, other);
    }
    for (size_t k = 0; k < size; k++) {
        matrix[k] += other[k];
    }
}
