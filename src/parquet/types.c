#include "vivace/parquet/types.h"

#include "meta_priv.h"

static const struct {
    enum parquet_logical_kind kind;
    int thrift;
} logical_ids[] = {
    {PARQUET_STRING, 1},   {PARQUET_MAP, 2},      {PARQUET_LIST, 3},  {PARQUET_ENUM, 4},
    {PARQUET_DECIMAL, 5},  {PARQUET_DATE, 6},     {PARQUET_TIME, 7},  {PARQUET_TIMESTAMP, 8},
    {PARQUET_INTEGER, 10}, {PARQUET_NULL, 11},    {PARQUET_JSON, 12}, {PARQUET_BSON, 13},
    {PARQUET_UUID, 14},    {PARQUET_FLOAT16, 15},
};

enum parquet_logical_kind
logical_from_thrift(int id)
{
    for (size_t i = 0; i < sizeof logical_ids / sizeof *logical_ids; i++) {
        if (logical_ids[i].thrift == id) {
            return logical_ids[i].kind;
        }
    }
    return PARQUET_LOGICAL_OTHER;
}

int
logical_to_thrift(enum parquet_logical_kind kind)
{
    for (size_t i = 0; i < sizeof logical_ids / sizeof *logical_ids; i++) {
        if (logical_ids[i].kind == kind) {
            return logical_ids[i].thrift;
        }
    }
    return 0;
}

/* ConvertedType by its number. Integers and times that depend on more are handled apart. */
static const struct parquet_logical converted_types[] = {
    [0] = {.kind = PARQUET_STRING},
    [1] = {.kind = PARQUET_MAP},
    [2] = {.kind = PARQUET_MAP},
    [3] = {.kind = PARQUET_LIST},
    [4] = {.kind = PARQUET_ENUM},
    [5] = {.kind = PARQUET_DECIMAL},
    [6] = {.kind = PARQUET_DATE},
    [7] = {.kind = PARQUET_TIME, .unit = PARQUET_MILLIS, .utc = true},
    [8] = {.kind = PARQUET_TIME, .unit = PARQUET_MICROS, .utc = true},
    [9] = {.kind = PARQUET_TIMESTAMP, .unit = PARQUET_MILLIS, .utc = true},
    [10] = {.kind = PARQUET_TIMESTAMP, .unit = PARQUET_MICROS, .utc = true},
    [11] = {.kind = PARQUET_INTEGER, .bits = 8},
    [12] = {.kind = PARQUET_INTEGER, .bits = 16},
    [13] = {.kind = PARQUET_INTEGER, .bits = 32},
    [14] = {.kind = PARQUET_INTEGER, .bits = 64},
    [15] = {.kind = PARQUET_INTEGER, .bits = 8, .is_signed = true},
    [16] = {.kind = PARQUET_INTEGER, .bits = 16, .is_signed = true},
    [17] = {.kind = PARQUET_INTEGER, .bits = 32, .is_signed = true},
    [18] = {.kind = PARQUET_INTEGER, .bits = 64, .is_signed = true},
    [19] = {.kind = PARQUET_JSON},
    [20] = {.kind = PARQUET_BSON},
    [21] = {.kind = PARQUET_INTERVAL},
};
#define CONVERTED_COUNT ((int)(sizeof converted_types / sizeof *converted_types))

struct parquet_logical
logical_from_converted(int64_t converted, int32_t scale, int32_t precision)
{
    if (converted < 0 || converted >= CONVERTED_COUNT) {
        return (struct parquet_logical){.kind = PARQUET_LOGICAL_OTHER};
    }
    struct parquet_logical l = converted_types[converted];
    if (l.kind == PARQUET_DECIMAL) {
        l.scale = scale;
        l.precision = precision;
    }
    return l;
}

int
logical_to_converted(struct parquet_logical l)
{
    for (int i = 0; i < CONVERTED_COUNT; i++) {
        struct parquet_logical c = converted_types[i];
        if (l.kind != c.kind || i == 2) {
            continue;
        }
        bool timed = l.kind == PARQUET_TIME || l.kind == PARQUET_TIMESTAMP;
        if (l.kind == PARQUET_INTEGER ? l.bits == c.bits && l.is_signed == c.is_signed
                                      : !timed || (l.unit == c.unit && l.utc == c.utc)) {
            return i;
        }
    }
    return -1;
}

enum parquet_order
parquet_order_of(enum parquet_type type, struct parquet_logical logical)
{
    switch (logical.kind) {
    case PARQUET_INTERVAL:
    case PARQUET_FLOAT16:
    case PARQUET_LOGICAL_OTHER:
    case PARQUET_NULL:
        return PARQUET_ORDER_NONE;
    case PARQUET_DECIMAL:
        return type == PARQUET_INT32 || type == PARQUET_INT64 ? PARQUET_ORDER_SIGNED : PARQUET_ORDER_NONE;
    default:
        break;
    }
    switch (type) {
    case PARQUET_INT32:
    case PARQUET_INT64:
        return logical.kind == PARQUET_INTEGER && !logical.is_signed ? PARQUET_ORDER_UNSIGNED
                                                                     : PARQUET_ORDER_SIGNED;
    case PARQUET_BOOLEAN:
        return PARQUET_ORDER_UNSIGNED;
    case PARQUET_FLOAT:
    case PARQUET_DOUBLE:
        return PARQUET_ORDER_FLOAT;
    case PARQUET_BYTE_ARRAY:
    case PARQUET_FIXED:
        return PARQUET_ORDER_BYTES;
    default:
        return PARQUET_ORDER_NONE;
    }
}

static double
as_double(slice s)
{
    if (s.n == 4) {
        float v;
        memcpy(&v, s.p, sizeof v);
        return (double)v;
    }
    double v;
    memcpy(&v, s.p, sizeof v);
    return v;
}

int
parquet_compare(enum parquet_type type, enum parquet_order order, slice a, slice b)
{
    if (order == PARQUET_ORDER_BYTES) {
        return slice_cmp(a, b);
    }
    bool wide = type == PARQUET_INT64 || type == PARQUET_DOUBLE;
    size_t need = type == PARQUET_BOOLEAN ? 1 : wide ? 8 : 4;
    if (order == PARQUET_ORDER_NONE || a.n < need || b.n < need) {
        return -1;
    }
    a.n = b.n = need;
    if (order == PARQUET_ORDER_FLOAT) {
        double x = as_double(a), y = as_double(b);
        return (x > y) - (x < y);
    }
    uint64_t x = need == 1 ? *a.p : wide ? load_u64(a.p) : load_u32(a.p);
    uint64_t y = need == 1 ? *b.p : wide ? load_u64(b.p) : load_u32(b.p);
    if (order == PARQUET_ORDER_UNSIGNED) {
        return (x > y) - (x < y);
    }
    int64_t i = wide ? (int64_t)x : (int32_t)x;
    int64_t j = wide ? (int64_t)y : (int32_t)y;
    return (i > j) - (i < j);
}

static const char *const encoding_names[PARQUET_ENCODING_COUNT] = {
    [PARQUET_PLAIN] = "PLAIN",
    [PARQUET_PLAIN_DICTIONARY] = "PLAIN_DICTIONARY",
    [PARQUET_RLE] = "RLE",
    [PARQUET_BIT_PACKED] = "BIT_PACKED",
    [PARQUET_DELTA_BINARY_PACKED] = "DELTA_BINARY_PACKED",
    [PARQUET_DELTA_LENGTH_BYTE_ARRAY] = "DELTA_LENGTH_BYTE_ARRAY",
    [PARQUET_DELTA_BYTE_ARRAY] = "DELTA_BYTE_ARRAY",
    [PARQUET_RLE_DICTIONARY] = "RLE_DICTIONARY",
    [PARQUET_BYTE_STREAM_SPLIT] = "BYTE_STREAM_SPLIT",
};

const char *
parquet_encoding_name(enum parquet_encoding e)
{
    return (unsigned)e < PARQUET_ENCODING_COUNT && encoding_names[e] ? encoding_names[e] : "unknown";
}

const char *
parquet_codec_name(enum parquet_codec c)
{
    static const char *const names[PARQUET_CODEC_COUNT] = {"UNCOMPRESSED", "SNAPPY", "GZIP", "LZO",
                                                           "BROTLI",       "LZ4",    "ZSTD", "LZ4_RAW"};
    return (unsigned)c < PARQUET_CODEC_COUNT ? names[c] : "unknown";
}

const char *
parquet_type_name(enum parquet_type t)
{
    static const char *const names[PARQUET_TYPE_COUNT] = {
        "BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"};
    return (unsigned)t < PARQUET_TYPE_COUNT ? names[t] : "unknown";
}

static err
read_memory(void *ctx, uint64_t off, size_t n, void *into, struct fault *f)
{
    const slice *bytes = ctx;
    if (off > bytes->n || n > bytes->n - off) {
        return FAULT(f, ERR_IO, "read of %zu bytes at %llu outside %zu bytes", n, (unsigned long long)off,
                     bytes->n);
    }
    if (n) {
        memcpy(into, bytes->p + off, n);
    }
    return OK;
}

struct parquet_source
parquet_source_of(const slice *bytes)
{
    return (struct parquet_source){.ctx = (void *)(uintptr_t)bytes, .size = bytes->n, .read = read_memory};
}
