/* A file being written: what writer.c and copy_group.c share. */
#pragma once

#include "column_writer.h"

struct parquet_writer {
    struct parquet_meta meta; /* its schema is the caller's */
    struct parquet_sink sink;
    struct writer_shared shared;
    struct column_writer *columns;
    size_t column_count;
    struct parquet_sorting *sorting;
    size_t sorting_count;
    size_t row_groups_cap, key_values_cap;
    struct buf column_indexes, offset_indexes; /* thrift, handed over at the end */
    uint64_t offset;                           /* bytes handed to the sink */
    err dead;                                  /* the first error */
    bool finished;
};

/* ERR_INVALID after finish, the first error after an error. */
CHECKED err writer_check_alive(const struct parquet_writer *w, struct fault *f);
/* Remember the first error: the writer is dead after it. */
CHECKED err writer_die(struct parquet_writer *w, err rc);
/* To the sink. */
CHECKED err writer_emit(struct parquet_writer *w, slice bytes, struct fault *f);
/* A column's dictionary and pages to the sink, its page indexes to their buffers. */
CHECKED err writer_emit_chunk(struct parquet_writer *w, struct column_writer *c, struct parquet_chunk *chunk,
                              struct fault *f);
