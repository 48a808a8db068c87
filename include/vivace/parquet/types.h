/* The vocabulary of Apache Parquet: physical and logical types, encodings, codecs, and where bytes come
 * from and go to. Numbers are those of the format's parquet.thrift.
 *
 * This room is a generic reader and writer; it knows nothing of traces. Threads: plain values.
 * Source: github.com/apache/parquet-format (parquet.thrift, Encodings.md, LogicalTypes.md, PageIndex.md,
 * BloomFilter.md).
 */
#pragma once

#include "vivace/base/err.h"
#include "vivace/base/slice.h"

enum parquet_type {
    PARQUET_BOOLEAN,
    PARQUET_INT32,
    PARQUET_INT64,
    PARQUET_INT96, /* read only: 12 raw bytes a value */
    PARQUET_FLOAT,
    PARQUET_DOUBLE,
    PARQUET_BYTE_ARRAY,
    PARQUET_FIXED, /* FIXED_LEN_BYTE_ARRAY */
    PARQUET_TYPE_COUNT
};

enum parquet_repetition { PARQUET_REQUIRED, PARQUET_OPTIONAL, PARQUET_REPEATED };

enum parquet_encoding {
    PARQUET_PLAIN = 0,
    PARQUET_PLAIN_DICTIONARY = 2, /* the old name of RLE_DICTIONARY; read only */
    PARQUET_RLE = 3,              /* booleans and levels */
    PARQUET_BIT_PACKED = 4,       /* deprecated: refused */
    PARQUET_DELTA_BINARY_PACKED = 5,
    PARQUET_DELTA_LENGTH_BYTE_ARRAY = 6,
    PARQUET_DELTA_BYTE_ARRAY = 7,
    PARQUET_RLE_DICTIONARY = 8,
    PARQUET_BYTE_STREAM_SPLIT = 9,
    PARQUET_ENCODING_COUNT
};

enum parquet_codec {
    PARQUET_UNCOMPRESSED = 0,
    PARQUET_SNAPPY = 1,
    PARQUET_GZIP = 2,
    PARQUET_LZO = 3,    /* refused */
    PARQUET_BROTLI = 4, /* refused */
    PARQUET_LZ4 = 5,    /* the deprecated framing: refused */
    PARQUET_ZSTD = 6,
    PARQUET_LZ4_RAW = 7,
    PARQUET_CODEC_COUNT
};

/* What a physical type means. UTC, unit, scale, precision, bits and sign are used by the kinds that have
 * them. A file's old "converted type" is translated to these. */
enum parquet_logical_kind {
    PARQUET_LOGICAL_NONE,
    PARQUET_STRING, /* UTF-8 */
    PARQUET_MAP,
    PARQUET_LIST,
    PARQUET_ENUM,
    PARQUET_DECIMAL,
    PARQUET_DATE,
    PARQUET_TIME,
    PARQUET_TIMESTAMP,
    PARQUET_INTERVAL,
    PARQUET_INTEGER,
    PARQUET_NULL,
    PARQUET_JSON,
    PARQUET_BSON,
    PARQUET_UUID,
    PARQUET_FLOAT16,
    PARQUET_LOGICAL_OTHER, /* a kind this reader does not know: values come as the physical type */
};

enum parquet_time_unit { PARQUET_MILLIS, PARQUET_MICROS, PARQUET_NANOS };

struct parquet_logical {
    enum parquet_logical_kind kind;
    enum parquet_time_unit unit;
    bool utc;
    bool is_signed;
    uint8_t bits;
    int32_t scale, precision;
};

/* Random access to a file's bytes. `read` fills exactly `n` bytes from `off` or fails; it is never asked
 * for a range outside [0, size). It may be a file, an object store or memory. */
struct parquet_source {
    void *ctx;
    uint64_t size;
    err (*read)(void *ctx, uint64_t off, size_t n, void *into, struct fault *f);
};

/* Where a writer's bytes go, in order. */
struct parquet_sink {
    void *ctx;
    err (*append)(void *ctx, slice bytes, struct fault *f);
};

/* A memory source: `bytes` must outlive it. */
struct parquet_source parquet_source_of(const slice *bytes);

/* Values of one column: typed, dense, without the nulls. Which pointer holds follows the physical type. */
struct parquet_values {
    size_t count;
    union {
        const void *raw;
        const uint8_t *bools; /* one byte each, 0 or 1 */
        const int32_t *i32;
        const int64_t *i64;
        const float *f32;
        const double *f64;
        const slice *bytes;
        const uint8_t *fixed; /* count * type_length bytes (INT96: 12) */
    };
};

/* Smallest and largest value, in PLAIN encoding (byte arrays without length); p == NULL when not known.
 * They may be rounded outwards (shorter strings): see the exact flags. */
struct parquet_bounds {
    slice min, max;
    bool min_exact, max_exact;
};

/* Compare two PLAIN-encoded values of a column as its order says (bounds against a constant): < 0, 0, > 0.
 * `order` is from parquet_order_of; values shorter than the type compare as equal to nothing: < 0. */
enum parquet_order {
    PARQUET_ORDER_NONE,
    PARQUET_ORDER_SIGNED,
    PARQUET_ORDER_UNSIGNED,
    PARQUET_ORDER_FLOAT,
    PARQUET_ORDER_BYTES
};

enum parquet_order parquet_order_of(enum parquet_type type, struct parquet_logical logical);
int parquet_compare(enum parquet_type type, enum parquet_order order, slice a, slice b);

/* "ZSTD", "DELTA_BYTE_ARRAY", ...: for messages. */
const char *parquet_encoding_name(enum parquet_encoding e);
const char *parquet_codec_name(enum parquet_codec c);
const char *parquet_type_name(enum parquet_type t);
