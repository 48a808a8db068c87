/* Page indexes on their way out: what a column writer notes about each page it cut. */
#pragma once

#include "vivace/base/buf.h"
#include "vivace/parquet/index.h"

struct page_note {
    uint64_t offset; /* in the column's pages: the file's offset is added when they are placed */
    uint64_t first_row;
    uint64_t byte_array_bytes;
    uint32_t bytes;
    uint32_t null_count;
    uint32_t min_bytes, max_bytes; /* in the column's bounds, one page after another: min, then max */
    bool null_page;
};

void offset_index_write(const struct page_note *pages, size_t n, uint64_t base, bool byte_arrays,
                        struct buf *out);
/* `bounds` holds the pages' min and max; `leaf` decides the order of pages. */
void column_index_write(const struct page_note *pages, size_t n, slice bounds,
                        const struct parquet_node *leaf, struct buf *out);
