/* Writers: what they refuse, what they do when the sink or memory fails, when dictionaries pay. */
#include "limited_sink.h"
#include "test.h"

#include "vivace/base/mem.h"
#include "vivace/parquet/reader.h"
#include "vivace/parquet/record.h"
#include "vivace/parquet/writer.h"

static struct parquet_schema *
two_columns(void)
{
    struct parquet_schema *s = parquet_schema_create(SL("t"));
    struct parquet_field number = {.name = SL("number"), .type = PARQUET_INT64};
    struct parquet_field text = {.name = SL("text"),
                                 .type = PARQUET_BYTE_ARRAY,
                                 .repetition = PARQUET_OPTIONAL,
                                 .logical = {.kind = PARQUET_STRING}};
    assert_int_equal(parquet_schema_add(s, 0, &number, NULL, NULL), OK);
    assert_int_equal(parquet_schema_add(s, 0, &text, NULL, NULL), OK);
    return s;
}

/* Two row groups of 100 rows; the first error. */
static err
write_sample(const struct parquet_schema *schema, const struct parquet_writer_options *o,
             struct limited_sink *sink, struct fault *f)
{
    int64_t numbers[100];
    slice texts[100];
    char memory[100][32];
    struct parquet_writer *w = NULL;
    err rc = OK;
    for (size_t i = 0; i < 100; i++) {
        numbers[i] = (int64_t)(i * i);
        texts[i] = slice_of(
            memory[i], (size_t)snprintf(memory[i], 32, "%s-%zu", o->zstd_level > 3 ? "long text" : "t", i));
    }
    TRY(parquet_writer_create(schema, o, &(struct parquet_sink){.ctx = sink, .append = limited_append}, f,
                              &w));
    for (int g = 0; g < 2; g++) {
        TRY(parquet_writer_append(
            w, 0, &(struct parquet_batch){.level_count = 100, .values = {100, {numbers}}}, f));
        TRY(parquet_writer_append(
            w, 1, &(struct parquet_batch){.level_count = 50, .def_level = 1, .values = {50, {texts}}}, f));
        TRY(parquet_writer_append(w, 1, &(struct parquet_batch){.level_count = 50, .def_level = 0}, f));
        TRY(parquet_writer_end_row_group(w, f));
    }
    TRY(parquet_writer_finish(w, f));
out:
    if (w && rc != OK) { /* dead, and it says so */
        assert_int_equal(parquet_writer_end_page(w, NULL), rc);
        assert_int_equal(parquet_writer_finish(w, NULL), rc);
    }
    parquet_writer_destroy(w);
    return rc;
}

static void
every_append_to_the_sink_may_fail(void **state)
{
    (void)state;
    struct parquet_schema *schema = two_columns();
    struct parquet_column_options columns[2] = {{.bloom_ndv = 100}, {.dictionary = PARQUET_DICTIONARY_AUTO}};
    struct parquet_writer_options o = {.page_rows = 10, .columns = columns};
    size_t appends = 0;
    for (err rc = ERR_UNAVAILABLE; rc != OK; appends++) {
        struct fault f = {0};
        struct limited_sink sink = {.appends_left = appends};
        buf_init(&sink.bytes, 1 << 20);
        rc = write_sample(schema, &o, &sink, &f);
        assert_true(rc == OK || rc == ERR_UNAVAILABLE);
        assert_true(rc == OK || strcmp(f.msg, "no space left on device") == 0);
        buf_fini(&sink.bytes);
    }
    assert_true(appends > 8);
    parquet_schema_destroy(schema);
}

static void
memory_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct parquet_schema *schema = two_columns();
    size_t refused = 0;
    err rc = ERR_LIMIT;
    for (size_t max = 256; rc != OK; max += 512) {
        struct fault f = {0};
        struct limited_sink sink = {.appends_left = SIZE_MAX};
        struct parquet_writer_options o = {.page_rows = 10, .memory_max = max};
        buf_init(&sink.bytes, 1 << 20);
        rc = write_sample(schema, &o, &sink, &f);
        assert_true(rc == OK || rc == ERR_LIMIT);
        refused += rc != OK;
        buf_fini(&sink.bytes);
    }
    assert_true(refused > 5);
    parquet_schema_destroy(schema);
}

static void
batches_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const int64_t numbers[2] = {1, 2};
    static const slice texts[2] = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"b", 1}};
    static const uint8_t one[2] = {1, 1}, two[2] = {2, 0}, rep[2] = {0, 1};
    static const uint32_t codes[2] = {0, 1};
    struct parquet_schema *schema = two_columns();
    const struct {
        size_t column;
        struct parquet_batch batch;
    } bad[] = {
        {0, {.level_count = 2, .values = {1, {numbers}}}},
        {0, {.level_count = 2, .def_level = 1, .values = {2, {numbers}}}},
        {0, {.level_count = 2, .rep = rep, .values = {2, {numbers}}}},
        {1, {.level_count = 2, .def = two, .values = {1, {texts}}}},
        {1, {.level_count = 2, .def = one, .values = {1, {texts}}}},
        {1, {.level_count = 2, .def = one, .codes = codes, .values = {2, {texts}}}},
        {2, {.level_count = 2, .values = {2, {numbers}}}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct limited_sink sink = {.appends_left = SIZE_MAX};
        struct parquet_writer *w = NULL;
        struct fault f = {0};
        buf_init(&sink.bytes, 1 << 20);
        assert_ok(parquet_writer_create(schema, &(struct parquet_writer_options){0},
                                        &(struct parquet_sink){.ctx = &sink, .append = limited_append}, &f,
                                        &w),
                  &f);
        assert_int_equal(parquet_writer_append(w, bad[i].column, &bad[i].batch, &f), ERR_INVALID);
        assert_int_equal(parquet_writer_finish(w, NULL), ERR_INVALID);
        parquet_writer_destroy(w);
        buf_fini(&sink.bytes);
    }
    parquet_schema_destroy(schema);
}

static void
columns_of_different_length_are_refused(void **state)
{
    (void)state;
    static const int64_t numbers[2] = {1, 2};
    struct parquet_schema *schema = two_columns();
    struct limited_sink sink = {.appends_left = SIZE_MAX};
    struct parquet_writer *w = NULL;
    struct fault f = {0};
    buf_init(&sink.bytes, 1 << 20);
    assert_ok(parquet_writer_create(schema, &(struct parquet_writer_options){0},
                                    &(struct parquet_sink){.ctx = &sink, .append = limited_append}, &f, &w),
              &f);
    assert_ok(
        parquet_writer_append(w, 0, &(struct parquet_batch){.level_count = 2, .values = {2, {numbers}}}, &f),
        &f);
    assert_int_equal(parquet_writer_end_page(w, &f), ERR_INVALID);
    parquet_writer_destroy(w);
    buf_fini(&sink.bytes);
    parquet_schema_destroy(schema);
}

static void
encodings_that_do_not_fit_a_type_are_refused(void **state)
{
    (void)state;
    struct parquet_schema *schema = two_columns();
    static const struct parquet_column_options bad[][2] = {
        {{.encoding = PARQUET_DELTA_BYTE_ARRAY}, {0}},  {{0}, {.encoding = PARQUET_DELTA_BINARY_PACKED}},
        {{0}, {.encoding = PARQUET_BYTE_STREAM_SPLIT}}, {{.encoding = PARQUET_RLE}, {0}},
        {{.encoding = PARQUET_RLE_DICTIONARY}, {0}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fault f = {0};
        struct parquet_writer *w = NULL;
        struct limited_sink sink = {.appends_left = SIZE_MAX};
        buf_init(&sink.bytes, 1 << 20);
        assert_int_equal(parquet_writer_create(schema, &(struct parquet_writer_options){.columns = bad[i]},
                                               &(struct parquet_sink){.ctx = &sink, .append = limited_append},
                                               &f, &w),
                         ERR_INVALID);
        buf_fini(&sink.bytes);
    }
    parquet_schema_destroy(schema);
}

static void
schemas_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct parquet_schema *s = parquet_schema_create(SL("t"));
    struct fault f = {0};
    int32_t group = 0, leaf = 0, deep = 0;
    struct parquet_field g = {.name = SL("g"), .group = true}, v = {.name = SL("v"), .type = PARQUET_INT32};
    assert_ok(parquet_schema_add(s, 0, &g, &f, &group), &f);
    assert_ok(parquet_schema_add(s, group, &v, &f, &leaf), &f);
    assert_int_equal(parquet_schema_add(s, leaf, &v, &f, NULL), ERR_INVALID);
    assert_ok(parquet_schema_add(s, 0, &v, &f, NULL), &f);
    assert_int_equal(parquet_schema_add(s, group, &v, &f, NULL), ERR_INVALID); /* not depth first */
    assert_int_equal(
        parquet_schema_add(s, 0, &(struct parquet_field){.name = SL("x"), .type = PARQUET_FIXED}, &f, NULL),
        ERR_INVALID);
    err rc = OK;
    for (int i = 0; i <= PARQUET_DEPTH_MAX && rc == OK; i++) {
        rc = parquet_schema_add(s, deep, &g, &f, &deep);
    }
    assert_int_equal(rc, ERR_LIMIT);
    parquet_schema_destroy(s);
}

/* Encodings of the two columns for `distinct` texts of a file of 2000 rows. */
static uint16_t
encodings_for(size_t distinct, size_t dictionary_bytes_max)
{
    static slice texts[2000];
    static char memory[2000][40];
    static int64_t numbers[2000];
    struct parquet_schema *schema = two_columns();
    struct limited_sink sink = {.appends_left = SIZE_MAX};
    struct parquet_writer *w = NULL;
    struct fault f = {0};
    struct parquet_meta *meta = NULL;
    buf_init(&sink.bytes, 1 << 20);
    for (size_t i = 0; i < 2000; i++) {
        texts[i] =
            slice_of(memory[i], (size_t)snprintf(memory[i], 40, "a text of some length %zu", i % distinct));
    }
    struct parquet_writer_options o = {.page_rows = 500, .dictionary_bytes_max = dictionary_bytes_max};
    assert_ok(parquet_writer_create(schema, &o,
                                    &(struct parquet_sink){.ctx = &sink, .append = limited_append}, &f, &w),
              &f);
    assert_ok(parquet_writer_append(
                  w, 0, &(struct parquet_batch){.level_count = 2000, .values = {2000, {numbers}}}, &f),
              &f);
    assert_ok(parquet_writer_append(
                  w, 1,
                  &(struct parquet_batch){.level_count = 2000, .def_level = 1, .values = {2000, {texts}}},
                  &f),
              &f);
    assert_ok(parquet_writer_finish(w, &f), &f);
    parquet_writer_destroy(w);
    slice bytes = buf_slice(&sink.bytes);
    struct parquet_source source = parquet_source_of(&bytes);
    assert_ok(parquet_meta_read(&source, NULL, &f, &meta), &f);
    uint16_t encodings = parquet_meta_chunk(meta, 0, 1)->encodings;
    struct parquet_file file = {.meta = meta, .source = source};
    struct parquet_rows *rows = parquet_rows_create(&file, NULL);
    struct buf row;
    buf_init(&row, 1 << 16);
    for (size_t i = 0; i < 2000; i++) {
        char want[100];
        buf_clear(&row);
        assert_ok(parquet_rows_next(rows, &row, &f), &f);
        snprintf(want, sizeof want, "{\"number\":\"0\",\"text\":\"a text of some length %zu\"}",
                 i % distinct);
        assert_slice_equal(buf_slice(&row), want);
    }
    buf_fini(&row);
    parquet_rows_destroy(rows);
    parquet_meta_destroy(meta);
    buf_fini(&sink.bytes);
    parquet_schema_destroy(schema);
    return encodings;
}

static void
a_dictionary_is_used_where_it_pays(void **state)
{
    (void)state;
    const unsigned plain = 1U << PARQUET_PLAIN | 1U << PARQUET_RLE,
                   coded = plain | 1U << PARQUET_RLE_DICTIONARY;
    assert_int_equal(encodings_for(10, 0), coded);
    assert_int_equal(encodings_for(2000, 0), plain);
    assert_int_equal(encodings_for(900, 0), plain);    /* the first page has no value twice */
    assert_int_equal(encodings_for(300, 4000), plain); /* too large at once */
    assert_int_equal(encodings_for(10, 100), plain);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_append_to_the_sink_may_fail),
        cmocka_unit_test(memory_over_the_limit_is_refused),
        cmocka_unit_test(batches_that_do_not_fit_are_refused),
        cmocka_unit_test(columns_of_different_length_are_refused),
        cmocka_unit_test(encodings_that_do_not_fit_a_type_are_refused),
        cmocka_unit_test(schemas_that_make_no_sense_are_refused),
        cmocka_unit_test(a_dictionary_is_used_where_it_pays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
