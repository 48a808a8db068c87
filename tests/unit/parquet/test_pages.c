/* How pages are stored: codes as bits or as bytes, compressed or not. */
#include "limited_sink.h"
#include "test.h"

#include "vivace/parquet/reader.h"
#include "vivace/parquet/writer.h"

#define ROWS 8192 /* of a row group: one page */

/* Values of a row group: at most 64 of them, by chance, or in an order that comes again. */
static void
fill(int64_t *values, bool by_chance)
{
    uint64_t x = 1;
    for (size_t i = 0; i < ROWS; i++) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
        values[i] = (int64_t)(by_chance || i < 64 ? i < 64 ? i : x >> 58 : (i / 7 * i / 11) % 61 % 37);
    }
}

struct written {
    struct buf bytes;
    struct parquet_meta *meta;
    struct parquet_source source;
    slice file;
};

/* A row group for each letter: r(andom) or o(rdered). */
static void
write_groups(struct written *w, const char *groups)
{
    static int64_t values[ROWS];
    struct parquet_schema *schema = parquet_schema_create(SL("t"));
    const struct parquet_field number = {.name = SL("number"), .type = PARQUET_INT64};
    struct limited_sink sink = {.appends_left = SIZE_MAX};
    struct parquet_column_options column = {.dictionary = PARQUET_DICTIONARY_AUTO};
    struct parquet_writer_options o = {.zstd_level = 1, .columns = &column};
    struct parquet_writer *out = NULL;
    struct fault f = {0};
    buf_init(&sink.bytes, 1 << 20);
    assert_int_equal(parquet_schema_add(schema, 0, &number, NULL, NULL), OK);
    assert_ok(parquet_writer_create(schema, &o,
                                    &(struct parquet_sink){.ctx = &sink, .append = limited_append}, &f, &out),
              &f);
    for (const char *g = groups; *g; g++) {
        fill(values, *g == 'r');
        assert_ok(parquet_writer_append(
                      out, 0, &(struct parquet_batch){.level_count = ROWS, .values = {ROWS, {values}}}, &f),
                  &f);
        assert_ok(parquet_writer_end_row_group(out, &f), &f);
    }
    assert_ok(parquet_writer_finish(out, &f), &f);
    parquet_writer_destroy(out);
    parquet_schema_destroy(schema);
    w->bytes = sink.bytes;
    w->file = buf_slice(&w->bytes);
    w->source = parquet_source_of(&w->file);
    assert_ok(parquet_meta_read(&w->source, NULL, &f, &w->meta), &f);
}

static void
written_fini(struct written *w)
{
    parquet_meta_destroy(w->meta);
    buf_fini(&w->bytes);
}

/* Values of the row group are those that were written; its page's bytes. */
static struct parquet_page
read_group(const struct written *w, size_t group, bool by_chance)
{
    static int64_t want[ROWS];
    struct parquet_file file = {.meta = w->meta, .source = w->source};
    struct parquet_scratch *scratch = parquet_scratch_create(NULL);
    struct parquet_column *column = parquet_column_create(scratch);
    struct parquet_page page;
    struct parquet_vector v;
    struct fault f = {0};
    fill(want, by_chance);
    assert_ok(parquet_column_open(column, &file, group, 0, &f), &f);
    assert_ok(parquet_column_next(column, &f, &page), &f);
    assert_true(page.coded);
    assert_ok(parquet_column_decode(column, PARQUET_DECODE_VALUES, &f, &v), &f);
    assert_int_equal(v.values.count, ROWS);
    assert_memory_equal(v.values.i64, want, sizeof want);
    parquet_column_destroy(column);
    parquet_scratch_destroy(scratch);
    return page;
}

/* Bytes that compression saves in a row group. */
static int64_t
saved(const struct written *w, size_t group)
{
    const struct parquet_chunk *c = parquet_meta_chunk(w->meta, group, 0);
    return (int64_t)c->uncompressed_bytes - (int64_t)c->compressed_bytes;
}

static void
codes_that_shrink_are_whole_bytes(void **state)
{
    (void)state;
    struct written w = {.file = SL_EMPTY};
    write_groups(&w, "o");
    assert_in_range(read_group(&w, 0, false).bytes, ROWS, ROWS + 16);
    assert_true(saved(&w, 0) > ROWS / 2);
    written_fini(&w);
}

static void
codes_by_chance_take_no_more_bits_than_they_need(void **state)
{
    (void)state;
    struct written w = {.file = SL_EMPTY};
    write_groups(&w, "r");
    assert_in_range(read_group(&w, 0, true).bytes, ROWS * 6 / 8, ROWS * 6 / 8 + 16);
    assert_in_range(parquet_meta_chunk(w.meta, 0, 0)->compressed_bytes, ROWS * 6 / 8,
                    ROWS * 6 / 8 + 800); /* the dictionary, headers */
    written_fini(&w);
}

static void
a_row_group_is_compressed_whatever_those_before_were(void **state)
{
    (void)state;
    struct written w = {.file = SL_EMPTY};
    write_groups(&w, "ror");
    assert_in_range(read_group(&w, 0, true).bytes, ROWS * 6 / 8, ROWS * 6 / 8 + 16);
    assert_in_range(read_group(&w, 1, false).bytes, ROWS, ROWS + 16);
    assert_in_range(read_group(&w, 2, true).bytes, ROWS * 6 / 8, ROWS * 6 / 8 + 16);
    assert_true(saved(&w, 1) > ROWS / 2);
    written_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_that_shrink_are_whole_bytes),
        cmocka_unit_test(codes_by_chance_take_no_more_bits_than_they_need),
        cmocka_unit_test(a_row_group_is_compressed_whatever_those_before_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
