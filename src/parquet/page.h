/* A page header in memory, from and to its thrift bytes. */
#pragma once

#include "thrift_compact.h"

#include "vivace/parquet/types.h"

enum page_type { PAGE_DATA, PAGE_INDEX, PAGE_DICTIONARY, PAGE_DATA_V2 };

#define PAGE_HEADER_BYTES_MAX ((size_t)1 << 20) /* statistics of other writers may hold long strings */

struct page_header {
    enum page_type type;
    uint32_t uncompressed_bytes, compressed_bytes; /* without the header; V2: levels included */
    uint32_t value_count;                          /* levels, or dictionary entries */
    uint32_t null_count, row_count;                /* V2 */
    uint32_t def_bytes, rep_bytes;                 /* V2 */
    uint32_t crc;
    bool has_crc, compressed;                     /* V2: false = values stand as they are */
    uint8_t encoding, def_encoding, rep_encoding; /* the level encodings of V1 */
};

/* ERR_CORRUPT. *ret_used = the header's bytes. */
CHECKED err page_header_parse(slice in, struct fault *f, struct page_header *ret, size_t *ret_used);
/* V2 data pages and dictionary pages. */
void page_header_write(const struct page_header *h, struct buf *out);
