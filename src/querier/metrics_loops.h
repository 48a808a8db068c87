/* The loops over all rows of a row group that a metrics query runs; compiled for vectors (CMakeLists.txt). */
#pragma once

#include "timelines.h"

/* Intervals of starts without a division each. A start is turned to a double, which is exact below 2^52 ns
 * behind the query's start; a guess is put right by a look at the remainder, exact as well. False, and
 * nothing is decided, when a start is further away or before: metrics_interval tells then. Intervals behind
 * the query's last are not noticed: look at `ret_last`. */
bool loop_intervals(const struct metrics_query *q, const uint64_t *starts, size_t n, uint32_t *steps,
                    uint32_t *ret_first, uint32_t *ret_last);

/* cells[i] := groups[i] * width + steps[i] - first; `groups` NULL: all are group 0. */
void loop_cells(const uint32_t *groups, const uint32_t *steps, size_t n, uint32_t first, uint32_t width,
                uint32_t *cells);
#define LOOP_PIECE 256 /* rows at a time, a multiple of 8 */
/* hits[i] := 1 when exemplars_hash of starts[rows[i]] is limits[cells[i]] at most, else 0; `rows` NULL: of
 * starts[i]. `n` is LOOP_PIECE at most. */
void loop_hits(const uint64_t *starts, const uint32_t *rows, const uint32_t *cells, const uint32_t *limits,
               size_t n, uint8_t *hits);

/* matrix[cells[i]]++ */
void loop_count(const uint32_t *cells, size_t n, uint32_t *matrix);

/* matrix[cells[i] + bucket * cell_count]++, the bucket of v[rows[i]]; `rows` NULL: of v[i]. */
void loop_buckets(const uint32_t *rows, const int64_t *v, const uint32_t *cells, size_t n, size_t cell_count,
                  uint32_t *matrix);

/* Rows that count, and the cell of each; `rows` NULL: all of them. */
struct loop_rows {
    const uint32_t *rows, *cells;
    size_t count;
};
/* numbers[cell] := the least, most or sum (also for avg) of it and v[row], where `present` (NULL: always) has
 * the row; counts[cell]++ there. */
void loop_fold_ints(enum tql_metric_fn fn, const struct loop_rows *r, const int64_t *v,
                    const uint64_t *present, int64_t *numbers, uint32_t *counts);
/* The same of numbers[codes[row]] where that is one, into two doubles a cell. */
void loop_fold_coded(enum tql_metric_fn fn, const struct loop_rows *r, const uint32_t *codes,
                     const double *numbers, double *sums, uint32_t *counts);

/* matrix[codes[row] * width + cells[i]]++, `i` the place of the row; the matrix is there twice, so that a
 * counter needs not wait for the one before it, and `size` counters each: the sum is in the first. */
void loop_count_pairs(const struct loop_rows *r, const uint32_t *codes, uint32_t width, uint32_t *matrix,
                      size_t size);
