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
    uint32_t *rows, *steps; /* the rows that count, and their intervals */
    size_t count;
};

void group_reader_init(struct group_reader *r, struct metrics_sink *sink);
void group_reader_fini(struct group_reader *r);
/* All rows of a row group. */
CHECKED err group_reader_run(struct group_reader *r, struct block_reader *block, size_t row_group,
                             struct fault *f);
/* metrics_compare.c: the rows that count, for compare(). */
CHECKED err group_reader_compare(struct group_reader *r, struct fault *f);
uint64_t group_reader_bytes(const struct group_reader *r);
