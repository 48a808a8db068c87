/* Row groups of blocks into the numbers of a metrics query, without making spans: masks from filters, a dense
 * group number from the codes of the labels, an interval from the start, then a tight loop.
 *
 * For plans whose filters look at one span at a time (metrics_is_alone); compare() as well. Threads: one
 * owner for each reader; several readers may share what they read. */
#pragma once

#include "columns.h"
#include "metrics_priv.h"

struct group_reader {
    struct metrics_sink *sink;
    struct group_scan *scan;
    struct block_reader *block;
    uint64_t bytes_before;  /* read by scans that are gone */
    struct arena memory;    /* of one row group */
    uint64_t spans;         /* rows looked at */
    const uint64_t *starts; /* of the row group, like all below */
    const uint64_t *mask;   /* NULL: every row */
    const uint32_t *rows;   /* that count, rising; NULL: all of them */
    uint32_t *steps;        /* their intervals */
    size_t count;
    uint32_t first_step, last_step; /* of those; when any row counts */
};

/* The k-th row that counts. */
static inline uint32_t
group_reader_row(const struct group_reader *r, size_t k)
{
    return r->rows ? r->rows[k] : (uint32_t)k;
}
CHECKED static inline err
group_reader_no_memory(struct fault *f)
{
    return FAULT(f, ERR_LIMIT, "a row group needs more memory than a query may use");
}

void group_reader_init(struct group_reader *r, struct metrics_sink *sink);
void group_reader_fini(struct group_reader *r);
/* All rows of a row group. */
CHECKED err group_reader_run(struct group_reader *r, struct block_reader *block, size_t row_group,
                             struct fault *f);
/* The traces of `n` of its rows, rising. */
CHECKED err group_reader_traces(struct group_reader *r, struct block_reader *block, size_t row_group,
                                const uint32_t *rows, size_t n, struct fault *f, trace_id *ret);
/* metrics_compare.c: the rows that count, for compare(). */
CHECKED err group_reader_compare(struct group_reader *r, struct fault *f);
uint64_t group_reader_bytes(const struct group_reader *r);
