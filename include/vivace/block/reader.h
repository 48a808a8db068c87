/* Read one block: traces by id, and columns for whoever evaluates queries.
 *
 * Opening reads the footer; the Bloom filters of trace IDs are held too once they were asked for. A reader
 * may be shared between threads; every find or column reading takes its own scratch. Memory:
 * block_reader_bytes, about 1 KiB for each column and row group and 4 bytes a trace, the filters counted from
 * the beginning.
 */
#pragma once

#include "vivace/block/meta.h"
#include "vivace/block/schema.h"
#include "vivace/parquet/index.h"
#include "vivace/parquet/reader.h"

struct block_reader;

/* `dir` is the block's directory. ERR_NOT_FOUND, ERR_CORRUPT (names the file), ERR_UNSUPPORTED (a schema of
 * another version), ERR_IO. */
CHECKED err block_reader_open(const char *dir, struct fault *f, struct block_reader **ret);
/* The same over any source of the file's bytes (an object store); `name` is for messages. The source must
 * outlive the reader. */
CHECKED err block_reader_open_source(const struct parquet_source *source, const char *name, struct fault *f,
                                     struct block_reader **ret);
/* Accepts NULL. */
void block_reader_close(struct block_reader *r);
size_t block_reader_bytes(const struct block_reader *r);

/* Append the trace's spans to `out`, in the order they arrived, bytes copied into its arena, and grow
 * *inspected_bytes by what was read. Every OTLP field is as it was pushed. ERR_NOT_FOUND when the block does
 * not have the trace; ERR_CORRUPT; ERR_LIMIT when out's arena is full. On an error `out` is as it was. */
CHECKED err block_find_trace(struct block_reader *r, const trace_id *id, struct span_batch *out,
                             uint64_t *inspected_bytes, struct fault *f);

/* The Bloom filter of a row group's trace IDs (their hex text); it lives as long as the reader. The first
 * call reads it and grows *inspected_bytes. ERR_NOT_FOUND when the footer has none, or not its length.
 * ERR_CORRUPT, ERR_UNSUPPORTED, ERR_IO. */
CHECKED err block_reader_trace_filter(const struct block_reader *r, size_t row_group,
                                      uint64_t *inspected_bytes, struct fault *f,
                                      const struct parquet_bloom **ret);

/* What was learnt about a row group, kept with the reader: the column holds a value for each row,
 * that of the first attribute of its key in the row's resource_raw (scope_raw), so that who wants this
 * attribute alone need not read those. Unknown at first. `c` is of the reader's schema, and of a
 * resource or scope. Learnt only by who has looked at every message of the row group. Any thread. */
bool block_reader_holds_first(const struct block_reader *r, size_t row_group,
                              const struct block_attr_column *c);
void block_reader_learn_first(struct block_reader *r, size_t row_group, const struct block_attr_column *c);

/* Append the spans of rows [from, to) of a row group: what compaction and results use. */
CHECKED err block_read_rows(struct block_reader *r, size_t row_group, uint64_t from, uint64_t to,
                            struct span_batch *out, uint64_t *inspected_bytes, struct fault *f);

/* Columns, statistics, page indexes and Bloom filters are read with parquet/reader.h and parquet/index.h from
 * this file, at the leaves that the schema names. */
const struct parquet_file *block_reader_file(const struct block_reader *r);
const struct block_schema *block_reader_schema(const struct block_reader *r);
extern const struct parquet_limits BLOCK_PARQUET_LIMITS;
