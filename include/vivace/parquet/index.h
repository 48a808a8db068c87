/* What lets a reader leave pages unread: column index (bounds per page), offset index (where pages are and
 * at which row they begin), split-block Bloom filters.
 *
 * Each is read when asked for, into the caller's arena. Threads: plain functions over immutable metadata.
 * Source: parquet-format PageIndex.md and BloomFilter.md (XXH64, seed 0, 256-bit blocks).
 */
#pragma once

#include "vivace/parquet/meta.h"

struct parquet_page_location {
    uint64_t offset;
    uint32_t bytes;     /* with the page header */
    uint64_t first_row; /* in the row group */
};

struct parquet_offset_index {
    struct parquet_page_location *pages;
    size_t page_count;
};

enum parquet_boundary_order { PARQUET_UNORDERED, PARQUET_ASCENDING, PARQUET_DESCENDING };

struct parquet_page_bounds {
    slice min, max;      /* PLAIN encoded, p == NULL on a page of nulls */
    uint64_t null_count; /* 0 when the file does not say */
    bool null_page;
};

struct parquet_column_index {
    struct parquet_page_bounds *pages;
    size_t page_count;
    enum parquet_boundary_order order;
    bool has_null_counts;
};

/* ERR_NOT_FOUND when the chunk has none; ERR_CORRUPT; ERR_LIMIT when the arena or `footer_bytes_max`
 * (default limits) is passed. Slices point into the arena. */
CHECKED err parquet_offset_index_read(const struct parquet_file *file, const struct parquet_chunk *chunk,
                                      struct arena *a, struct fault *f, struct parquet_offset_index *ret);
CHECKED err parquet_column_index_read(const struct parquet_file *file, const struct parquet_chunk *chunk,
                                      struct arena *a, struct fault *f, struct parquet_column_index *ret);
/* The page that holds `row` (binary search); page_count must be > 0. */
size_t parquet_offset_index_find(const struct parquet_offset_index *x, uint64_t row);

struct parquet_bloom {
    const uint8_t *blocks; /* 32 bytes each */
    uint32_t block_count;
};

/* The hash of a value: XXH64 of its PLAIN encoding (a byte array's without length). */
uint64_t parquet_bloom_hash(slice plain);
uint64_t parquet_bloom_hash_i64(int64_t v);
uint64_t parquet_bloom_hash_i32(int32_t v);
/* The whole filter into the arena; ERR_NOT_FOUND when there is none. */
CHECKED err parquet_bloom_read(const struct parquet_file *file, const struct parquet_chunk *chunk,
                               struct arena *a, struct fault *f, struct parquet_bloom *ret);
bool parquet_bloom_has(const struct parquet_bloom *b, uint64_t hash);
/* One question without loading the filter: two small reads. *ret_maybe false = surely not there. */
CHECKED err parquet_bloom_check(const struct parquet_file *file, const struct parquet_chunk *chunk,
                                uint64_t hash, struct fault *f, bool *ret_maybe);
