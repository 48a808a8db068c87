/* Files of random schemas, data and settings read back as they were written. */
#include "support/parquet_random.h"
#include "test.h"

#include "vivace/parquet/record.h"

#define SEEDS 300

/* What the files of all seeds contained: the test must have met every encoding. */
static unsigned encodings_seen;
static size_t rows_seen;

static void
read_back(uint64_t seed, bool standard)
{
    struct random_file file;
    struct fault f = {0};
    struct parquet_meta *meta = NULL;
    struct buf row;
    random_file_make(seed, standard, &file);
    slice bytes = buf_slice(&file.bytes);
    struct parquet_file open = {.source = parquet_source_of(&bytes)};
    if (parquet_meta_read(&open.source, NULL, &f, &meta) != OK) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, f.msg);
    }
    open.meta = meta;
    assert_int_equal(meta->row_count, file.row_count);
    assert_slice_equal(parquet_meta_get(meta, SL("key")), "value");
    for (uint32_t g = 0; g < meta->row_group_count; g++) {
        for (int32_t c = 0; c < meta->schema->column_count; c++) {
            encodings_seen |= parquet_meta_chunk(meta, g, (size_t)c)->encodings;
        }
    }
    rows_seen += file.row_count;
    struct parquet_rows *rows = parquet_rows_create(&open, NULL);
    buf_init(&row, RANDOM_FILE_MAX);
    slice rest = buf_slice(&file.rows);
    for (size_t i = 0; i < file.row_count; i++) {
        buf_clear(&row);
        if (parquet_rows_next(rows, &row, &f) != OK) {
            fail_msg("seed %llu, row %zu: %s", (unsigned long long)seed, i, f.msg);
        }
        slice want = slice_cut(&rest, '\n');
        if (!slice_eq(buf_slice(&row), want)) {
            fail_msg("seed %llu, row %zu:\nread %.*s\nwant %.*s", (unsigned long long)seed, i,
                     SL_FMT(buf_slice(&row)), SL_FMT(want));
        }
    }
    assert_int_equal(parquet_rows_next(rows, &row, &f), ERR_NOT_FOUND);
    parquet_rows_destroy(rows);
    parquet_meta_destroy(meta);
    buf_fini(&row);
    random_file_free(&file);
}

static void
random_files_read_back_row_by_row(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        read_back(seed, seed & 1);
    }
    assert_int_equal(encodings_seen,
                     1U << PARQUET_PLAIN | 1U << PARQUET_RLE | 1U << PARQUET_DELTA_BINARY_PACKED |
                         1U << PARQUET_DELTA_LENGTH_BYTE_ARRAY | 1U << PARQUET_DELTA_BYTE_ARRAY |
                         1U << PARQUET_RLE_DICTIONARY | 1U << PARQUET_BYTE_STREAM_SPLIT);
    assert_true(rows_seen > SEEDS * 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_files_read_back_row_by_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
