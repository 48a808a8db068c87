/* The loops over all rows of a row group that a metrics query runs; compiled for vectors (CMakeLists.txt). */
#pragma once

#include "timelines.h"

/* Intervals of starts without a division each. A start is turned to a double, which is exact below 2^52 ns
 * behind the query's start; a guess is put right by a look at the remainder, exact as well. False, and
 * nothing is decided, when a start is further away or before: metrics_interval tells then. Intervals behind
 * the query's last are not noticed: look at `ret_last`. */
bool loop_intervals(const struct metrics_query *q, const uint64_t *starts, size_t n, uint32_t *steps,
                    uint32_t *ret_first, uint32_t *ret_last);

/* exemplars_hash of starts[rows[i]]; `rows` NULL: of starts[i]. */
void loop_hashes(const uint64_t *starts, const uint32_t *rows, size_t n, uint32_t *ret);

/* matrix[groups[i]][steps[i] - first]++, `width` numbers a group; `groups` NULL: all are group 0. */
void loop_count(const uint32_t *groups, const uint32_t *steps, size_t n, uint32_t first, uint32_t width,
                uint32_t *matrix);

/* matrix[(groups[i] * TIMELINE_BUCKETS + bucket) * width + steps[i] - first]++, the bucket of v[rows[i]];
 * `rows` NULL: of v[i]. */
void loop_buckets(const uint32_t *rows, const int64_t *v, const uint32_t *groups, const uint32_t *steps,
                  size_t n, uint32_t first, uint32_t width, uint32_t *matrix);
