/* A file's footer in memory: schema, row groups, column chunks, key-value metadata.
 *
 * Read once, then immutable: safe to share between threads and to cache. It holds no file handle; what
 * reads pages takes a `struct parquet_file`, the pair of metadata and source. All memory is one arena
 * (and the schema), bounded by the limits; parquet_meta_bytes tells a cache how much.
 */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/parquet/schema.h"

#define PARQUET_SORTING_MAX 16 /* sorting columns of one row group */

/* Bounds on what a file may make a reader allocate. */
struct parquet_limits {
    size_t footer_bytes_max; /* thrift bytes of the footer; also of one page index */
    size_t meta_bytes_max;   /* memory of the parsed footer */
    size_t page_bytes_max;   /* one page, compressed or not; strings put together by DELTA_BYTE_ARRAY */
    size_t column_bytes_max; /* all memory of one column reader: page, levels, values, dictionary */
    size_t read_bytes;       /* read ahead where no offset index says how long a page is */
};

/* 32 MiB, 128 MiB, 64 MiB, 256 MiB, 64 KiB. */
extern const struct parquet_limits PARQUET_LIMITS_DEFAULT;

struct parquet_key_value {
    slice key, value;
};

struct parquet_sorting {
    int32_t column;
    bool descending, nulls_first;
};

struct parquet_chunk {
    uint64_t offset;           /* first byte: the dictionary page or the first data page */
    uint64_t data_page_offset; /* first data page */
    uint64_t compressed_bytes; /* of all pages with their headers */
    uint64_t uncompressed_bytes;
    uint64_t value_count; /* levels: values, nulls and empty lists */
    uint64_t column_index_offset, offset_index_offset, bloom_offset;
    uint32_t column_index_bytes, offset_index_bytes; /* 0 = none */
    uint32_t bloom_bytes;                            /* 0 with bloom_offset > 0: length not given */
    uint16_t encodings;                              /* bit per enum parquet_encoding */
    uint8_t codec;
    bool has_dictionary;
    bool has_null_count;
    uint64_t null_count;
    uint64_t byte_array_bytes; /* sum of value lengths, 0 = not given */
    struct parquet_bounds bounds;
};

struct parquet_row_group {
    struct parquet_chunk *chunks; /* one per column */
    uint64_t row_count;
    uint64_t first_row; /* in the file */
    uint64_t bytes;     /* total_byte_size: uncompressed */
    uint32_t sorting_count;
    struct parquet_sorting *sorting;
};

struct parquet_meta {
    struct parquet_schema *schema;
    struct parquet_row_group *row_groups;
    uint32_t row_group_count;
    uint32_t key_value_count;
    uint64_t row_count;
    struct parquet_key_value *key_values;
    slice created_by;
    bool typed_order; /* bounds follow the types' order (column_orders is there) */
    struct arena arena;
};

struct parquet_file {
    const struct parquet_meta *meta;
    struct parquet_source source;
};

/* Read and parse the footer. `limits` NULL = defaults. The caller destroys it. ERR_CORRUPT, ERR_LIMIT,
 * ERR_UNSUPPORTED (encrypted), or what the source said. */
CHECKED err parquet_meta_read(const struct parquet_source *source, const struct parquet_limits *limits,
                              struct fault *f, struct parquet_meta **ret);
/* The same from the footer's thrift bytes alone (without length and magic). `file_bytes` bounds offsets. */
CHECKED err parquet_meta_parse(slice footer, uint64_t file_bytes, const struct parquet_limits *limits,
                               struct fault *f, struct parquet_meta **ret);
/* Accepts NULL. */
void parquet_meta_destroy(struct parquet_meta *m);
size_t parquet_meta_bytes(const struct parquet_meta *m);
/* The value of a key, p == NULL when absent. */
slice parquet_meta_get(const struct parquet_meta *m, slice key);

static inline const struct parquet_chunk *
parquet_meta_chunk(const struct parquet_meta *m, size_t row_group, size_t column)
{
    return &m->row_groups[row_group].chunks[column];
}
