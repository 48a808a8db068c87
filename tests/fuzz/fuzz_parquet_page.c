/* Pages of one column chunk, their headers and every encoding: the first byte chooses the column's type, the
 * second its levels and codec, the rest are the pages. Checksums are left out of the seeds. */
#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/parquet/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t codecs[] = {PARQUET_UNCOMPRESSED, PARQUET_ZSTD, PARQUET_SNAPPY, PARQUET_GZIP,
                                 PARQUET_LZ4_RAW};

static struct parquet_schema *
make_schema(uint8_t type, uint8_t shape)
{
    struct parquet_schema *s = parquet_schema_create(SL("s"));
    int32_t parent = 0;
    struct parquet_field leaf = {.name = SL("v"),
                                 .type = (enum parquet_type)(type % PARQUET_TYPE_COUNT),
                                 .type_length = 1 + type / PARQUET_TYPE_COUNT,
                                 .repetition = shape & 1 ? PARQUET_OPTIONAL : PARQUET_REQUIRED};
    if (shape & 2) {
        MUST(parquet_schema_add_list(s, 0, SL("l"), true, &parent) == OK);
    }
    MUST(parquet_schema_add(s, parent, &leaf, NULL, NULL) == OK);
    return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parquet_limits limits = PARQUET_LIMITS_DEFAULT;
    struct parquet_page page;
    struct parquet_vector v;
    if (size < 2) {
        return 0;
    }
    slice bytes = slice_of(data + 2, size - 2);
    struct parquet_chunk chunk = {
        .compressed_bytes = bytes.n, .value_count = 1 << 20, .codec = codecs[(data[1] >> 2) % sizeof codecs]};
    struct parquet_row_group rg = {.chunks = &chunk, .row_count = 1 << 20};
    struct parquet_meta meta = {
        .schema = make_schema(data[0], data[1]), .row_groups = &rg, .row_group_count = 1};
    struct parquet_file file = {.meta = &meta, .source = parquet_source_of(&bytes)};
    limits.page_bytes_max = (size_t)1 << 20;
    limits.column_bytes_max = (size_t)4 << 20;
    struct parquet_scratch *s = parquet_scratch_create(&limits);
    struct parquet_column *c = parquet_column_create(s);
    err rc = parquet_column_open(c, &file, 0, 0, NULL);
    for (int i = 0; rc == OK; i++) {
        rc = parquet_column_next(c, NULL, &page);
        if (rc == OK && (data[1] & 3) == 1) { /* levels are bits */
            uint64_t *mask = mem_new_array(uint64_t, page.level_count / 64 + 1);
            parquet_column_mask(c, mask, 0);
            (void)!parquet_column_decode(c, PARQUET_DECODE_LEVELS, NULL, &v);
            mem_free(mask);
        }
        if (rc == OK &&
            parquet_column_decode(c, i & 1 ? PARQUET_DECODE_CODES : PARQUET_DECODE_VALUES, NULL, &v) == OK) {
            size_t sum = 0;
            for (size_t k = 0;
                 data[0] % PARQUET_TYPE_COUNT == PARQUET_BYTE_ARRAY && !v.codes && k < v.values.count; k++) {
                sum +=
                    v.values.bytes[k].n ? v.values.bytes[k].p[v.values.bytes[k].n - 1] : 0; /* is it there? */
            }
            (void)sum;
        }
        if (rc == OK && page.row_count > 0) {
            uint64_t from = page.first_row + data[1] % page.row_count;
            enum parquet_decode how = i & 1 ? PARQUET_DECODE_VALUES : PARQUET_DECODE_CODES;
            (void)!parquet_column_decode_rows(c, how, from, from + 1 + data[0], NULL, &v);
        }
    }
    parquet_column_destroy(c);
    parquet_scratch_destroy(s);
    parquet_schema_destroy(meta.schema);
    return 0;
}
