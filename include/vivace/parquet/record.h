/* Rows as JSON: puts the columns of a file together again, one object per row. For tools and tests; speed
 * is not its aim, memory is bounded (one page per column).
 *
 * LIST groups become arrays, MAP groups arrays of {"key","value"}; INT64 is a string as in protobuf's JSON;
 * NaN and infinities are strings; byte arrays that are not text are hex; bytes that are not UTF-8 become
 * U+FFFD. Decimals, dates and times are printed as their stored integers.
 * Threads: one owner.
 */
#pragma once

#include "vivace/base/buf.h"
#include "vivace/parquet/reader.h"

struct parquet_rows;

/* Reads every column of `file`, from its first row. `file`'s metadata and source must outlive it. `limits`
 * NULL = defaults. */
struct parquet_rows *parquet_rows_create(const struct parquet_file *file,
                                         const struct parquet_limits *limits);
/* Accepts NULL. */
void parquet_rows_destroy(struct parquet_rows *r);
/* Append the next row to `out` as one JSON object without a newline. ERR_NOT_FOUND behind the last,
 * ERR_LIMIT when `out` is full, ERR_CORRUPT when columns disagree. */
CHECKED err parquet_rows_next(struct parquet_rows *r, struct buf *out, struct fault *f);
