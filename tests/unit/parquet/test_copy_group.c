/* A row group copied from file to file: the same rows, checked on the way, from a file that lies or fails. */
#include "limited_sink.h"
#include "test.h"

#include "vivace/base/mem.h"
#include "vivace/parquet/record.h"
#include "vivace/parquet/writer.h"

#define ROWS 300

struct failing_source {
    slice bytes;
    size_t reads_left;
};

static err
failing_read(void *ctx, uint64_t off, size_t n, void *into, struct fault *f)
{
    struct failing_source *s = ctx;
    if (s->reads_left == 0) {
        return FAULT(f, ERR_IO, "the disk fails");
    }
    s->reads_left--;
    memcpy(into, s->bytes.p + off, n);
    return OK;
}

/* number, text?, tags: list of string?; with `more` also extra? and tags' weights? */
static struct parquet_schema *
make_schema(bool more)
{
    struct parquet_schema *s = parquet_schema_create(SL("t"));
    struct parquet_field number = {.name = SL("number"), .type = PARQUET_INT64};
    struct parquet_field text = {.name = SL("text"),
                                 .type = PARQUET_BYTE_ARRAY,
                                 .repetition = PARQUET_OPTIONAL,
                                 .logical = {.kind = PARQUET_STRING}};
    struct parquet_field extra = {
        .name = SL("extra"), .type = PARQUET_DOUBLE, .repetition = PARQUET_OPTIONAL};
    struct parquet_field element = {.name = SL("element"), .group = true};
    struct parquet_field tag = {.name = SL("tag"), .type = PARQUET_BYTE_ARRAY};
    struct parquet_field weight = {
        .name = SL("weight"), .type = PARQUET_INT32, .repetition = PARQUET_OPTIONAL};
    int32_t list = 0, at = 0;
    assert_int_equal(parquet_schema_add(s, 0, &number, NULL, NULL), OK);
    assert_int_equal(parquet_schema_add(s, 0, &text, NULL, NULL), OK);
    if (more) {
        assert_int_equal(parquet_schema_add(s, 0, &extra, NULL, NULL), OK);
    }
    assert_int_equal(parquet_schema_add_list(s, 0, SL("tags"), false, &list), OK);
    assert_int_equal(parquet_schema_add(s, list, &element, NULL, &at), OK);
    assert_int_equal(parquet_schema_add(s, at, &tag, NULL, NULL), OK);
    if (more) {
        assert_int_equal(parquet_schema_add(s, at, &weight, NULL, NULL), OK);
    }
    return s;
}

/* One row group, pages of 100 rows. */
static void
write_input(struct limited_sink *sink)
{
    struct parquet_schema *schema = make_schema(false);
    struct parquet_column_options columns[3] = {{.encoding = PARQUET_DELTA_BINARY_PACKED, .bloom_ndv = ROWS},
                                                {.dictionary = PARQUET_DICTIONARY_AUTO},
                                                {.encoding = PARQUET_DELTA_LENGTH_BYTE_ARRAY}};
    struct parquet_writer_options o = {.page_rows = 100, .columns = columns};
    struct parquet_sink to = {.ctx = sink, .append = limited_append};
    struct parquet_writer *w = NULL;
    struct fault f = {0};
    int64_t numbers[ROWS];
    slice texts[ROWS], tags[ROWS];
    uint8_t text_def[ROWS], tag_def[ROWS * 2], tag_rep[ROWS * 2];
    size_t text_count = 0, tag_count = 0, levels = 0;
    for (size_t i = 0; i < ROWS; i++) {
        numbers[i] = (int64_t)(i * i);
        text_def[i] = i % 3 != 0;
        if (text_def[i]) {
            texts[text_count++] = i % 2 ? SL("one text of some length") : SL("another");
        }
        for (size_t k = 0; k < (i % 5 == 0 ? 2U : 1U); k++, levels++) { /* none, one or two */
            tag_rep[levels] = k > 0;
            tag_def[levels] = i % 5 == 0 || i % 7 == 0;
            if (tag_def[levels]) {
                tags[tag_count++] = SL("tag");
            }
        }
    }
    buf_init(&sink->bytes, 1 << 24);
    sink->appends_left = SIZE_MAX;
    assert_ok(parquet_writer_create(schema, &o, &to, &f, &w), &f);
    assert_ok(parquet_writer_append(
                  w, 0, &(struct parquet_batch){.level_count = ROWS, .values = {ROWS, {numbers}}}, &f),
              &f);
    assert_ok(
        parquet_writer_append(
            w, 1,
            &(struct parquet_batch){.level_count = ROWS, .def = text_def, .values = {text_count, {texts}}},
            &f),
        &f);
    assert_ok(parquet_writer_append(
                  w, 2,
                  &(struct parquet_batch){
                      .level_count = levels, .def = tag_def, .rep = tag_rep, .values = {tag_count, {tags}}},
                  &f),
              &f);
    assert_ok(parquet_writer_finish(w, &f), &f);
    parquet_writer_destroy(w);
    parquet_schema_destroy(schema);
}

static const struct parquet_copy_column all_columns[3] = {{0, 0}, {1, 0}, {2, 0}};
static const struct parquet_copy_column more_columns[5] = {{0, 0}, {1, 0}, {-1, 0}, {2, 0}, {-1, 2}};

/* A file of the row group twice. */
static err
copy_twice(const struct parquet_file *file, bool more, struct limited_sink *sink, struct fault *f)
{
    struct parquet_schema *schema = make_schema(more);
    struct parquet_writer_options o = {.zstd_level = 1};
    struct parquet_sink to = {.ctx = sink, .append = limited_append};
    struct parquet_scratch *scratch = parquet_scratch_create(NULL);
    struct parquet_group_copy copy = {.file = file, .columns = more ? more_columns : all_columns};
    struct parquet_writer *w = NULL;
    err rc = OK;
    copy.reader = parquet_column_create(scratch);
    TRY(parquet_writer_create(schema, &o, &to, f, &w));
    TRY(parquet_writer_copy_group(w, &copy, f));
    TRY(parquet_writer_copy_group(w, &copy, f));
    TRY(parquet_writer_finish(w, f));
out:
    if (w && rc != OK) { /* dead, and it says so */
        assert_int_equal(parquet_writer_finish(w, NULL), rc);
    }
    parquet_writer_destroy(w);
    parquet_column_destroy(copy.reader);
    parquet_scratch_destroy(scratch);
    parquet_schema_destroy(schema);
    return rc;
}

static err
try_rows(slice bytes, struct buf *rows)
{
    struct parquet_source source = parquet_source_of(&bytes);
    struct parquet_meta *meta = NULL;
    struct fault f = {0};
    err rc = OK;
    assert_ok(parquet_meta_read(&source, NULL, &f, &meta), &f);
    struct parquet_file file = {meta, source};
    struct parquet_rows *r = parquet_rows_create(&file, NULL);
    while ((rc = parquet_rows_next(r, rows, &f)) == OK) {
        buf_append_byte(rows, '\n');
    }
    parquet_rows_destroy(r);
    parquet_meta_destroy(meta);
    return rc == ERR_NOT_FOUND ? OK : rc;
}

static void
read_rows(slice bytes, struct buf *rows)
{
    assert_int_equal(try_rows(bytes, rows), OK);
}

/* Offset index and column index of each chunk lead to its pages. */
static void
check_indexes(slice bytes, size_t columns)
{
    struct parquet_source source = parquet_source_of(&bytes);
    struct parquet_meta *meta = NULL;
    struct parquet_scratch *scratch = parquet_scratch_create(NULL);
    struct parquet_column *reader = parquet_column_create(scratch);
    struct arena a;
    struct fault f = {0};
    arena_init(&a, 1 << 20);
    assert_ok(parquet_meta_read(&source, NULL, &f, &meta), &f);
    struct parquet_file file = {meta, source};
    assert_int_equal(meta->row_group_count, 2);
    for (size_t g = 0; g < 2; g++) {
        for (size_t c = 0; c < columns; c++) {
            const struct parquet_chunk *chunk = parquet_meta_chunk(meta, g, c);
            struct parquet_offset_index x;
            struct parquet_column_index y;
            struct parquet_page page;
            assert_ok(parquet_offset_index_read(&file, chunk, &a, &f, &x), &f);
            assert_ok(parquet_column_index_read(&file, chunk, &a, &f, &y), &f);
            assert_int_equal(x.page_count, 3);
            assert_int_equal(y.page_count, 3);
            assert_ok(parquet_column_open(reader, &file, g, c, &f), &f);
            assert_ok(parquet_column_use_index(reader, &x, &f), &f);
            assert_ok(parquet_column_seek(reader, 250, &f), &f);
            assert_ok(parquet_column_next(reader, &f, &page), &f);
            assert_int_equal(page.first_row, 200);
        }
        bool maybe = false;
        assert_ok(parquet_bloom_check(&file, parquet_meta_chunk(meta, g, 0), parquet_bloom_hash_i64(81), &f,
                                      &maybe),
                  &f);
        assert_true(maybe);
    }
    parquet_meta_destroy(meta);
    arena_fini(&a);
    parquet_column_destroy(reader);
    parquet_scratch_destroy(scratch);
}

static void
a_copied_row_group_reads_as_it_did(void **state)
{
    struct limited_sink in, out = {.appends_left = SIZE_MAX};
    struct buf want, got;
    struct parquet_meta *meta = NULL;
    struct fault f = {0};
    (void)state;
    write_input(&in);
    buf_init(&out.bytes, 1 << 24);
    buf_init(&want, 1 << 24);
    buf_init(&got, 1 << 24);
    slice bytes = buf_slice(&in.bytes);
    struct parquet_source source = parquet_source_of(&bytes);
    assert_ok(parquet_meta_read(&source, NULL, &f, &meta), &f);
    assert_ok(copy_twice(&(struct parquet_file){meta, source}, false, &out, &f), &f);
    read_rows(bytes, &want);
    read_rows(bytes, &want);
    read_rows(buf_slice(&out.bytes), &got);
    assert_true(slice_eq(buf_slice(&want), buf_slice(&got)));
    check_indexes(buf_slice(&out.bytes), 3);
    buf_fini(&want);
    buf_fini(&got);
    buf_fini(&in.bytes);
    buf_fini(&out.bytes);
    parquet_meta_destroy(meta);
}

static size_t
count_of(slice text, slice word)
{
    size_t n = 0;
    for (size_t at = 0; (at = slice_find(text, word)) != SIZE_MAX; n++) {
        text = slice_sub(text, at + word.n, text.n);
    }
    return n;
}

static void
columns_that_the_other_file_lacks_are_null(void **state)
{
    struct limited_sink in, out = {.appends_left = SIZE_MAX};
    struct buf rows;
    struct parquet_meta *meta = NULL;
    struct fault f = {0};
    (void)state;
    write_input(&in);
    buf_init(&out.bytes, 1 << 24);
    buf_init(&rows, 1 << 24);
    slice bytes = buf_slice(&in.bytes);
    struct parquet_source source = parquet_source_of(&bytes);
    assert_ok(parquet_meta_read(&source, NULL, &f, &meta), &f);
    assert_ok(copy_twice(&(struct parquet_file){meta, source}, true, &out, &f), &f);
    read_rows(buf_slice(&out.bytes), &rows);
    size_t elements =
        (size_t)(parquet_meta_chunk(meta, 0, 2)->value_count - parquet_meta_chunk(meta, 0, 2)->null_count);
    assert_int_equal(count_of(buf_slice(&rows), SL("\"extra\":null")), (size_t)2 * ROWS);
    assert_int_equal(count_of(buf_slice(&rows), SL("\"tag\":\"tag\"")) +
                         count_of(buf_slice(&rows), SL("\"tag\":\"746167\"")),
                     2 * elements);
    assert_int_equal(count_of(buf_slice(&rows), SL("\"weight\":null")), 2 * elements);
    check_indexes(buf_slice(&out.bytes), 5);
    buf_fini(&rows);
    buf_fini(&in.bytes);
    buf_fini(&out.bytes);
    parquet_meta_destroy(meta);
}

static void
every_read_and_every_append_may_fail(void **state)
{
    struct limited_sink in, out;
    struct parquet_meta *meta = NULL;
    struct fault f = {0};
    size_t failed = 0;
    err rc = ERR_IO;
    (void)state;
    write_input(&in);
    struct failing_source failing = {.bytes = buf_slice(&in.bytes), .reads_left = SIZE_MAX};
    struct parquet_source source = {&failing, in.bytes.n, failing_read};
    assert_ok(parquet_meta_read(&source, NULL, &f, &meta), &f);
    for (size_t n = 0; rc != OK; n++, failed++) {
        failing.reads_left = n;
        out.appends_left = SIZE_MAX;
        buf_init(&out.bytes, 1 << 24);
        rc = copy_twice(&(struct parquet_file){meta, source}, true, &out, &f);
        assert_true(rc == OK || rc == ERR_IO);
        buf_fini(&out.bytes);
    }
    assert_true(failed > 10);
    failing.reads_left = SIZE_MAX;
    rc = ERR_UNAVAILABLE;
    for (size_t n = failed = 0; rc != OK; n++, failed++) {
        out.appends_left = n;
        buf_init(&out.bytes, 1 << 24);
        rc = copy_twice(&(struct parquet_file){meta, source}, true, &out, &f);
        assert_true(rc == OK || rc == ERR_UNAVAILABLE);
        buf_fini(&out.bytes);
    }
    assert_true(failed > 10);
    parquet_meta_destroy(meta);
    buf_fini(&in.bytes);
}

/* What a footer may say wrong of a chunk, one thing at a time. */
static bool
lie(struct parquet_chunk *c, size_t n)
{
    switch (n) {
    case 0:
        c->offset += 7;
        break;
    case 1:
        c->compressed_bytes -= 5;
        break;
    case 2:
        c->compressed_bytes += 5;
        break;
    case 3:
        c->compressed_bytes = 0;
        break;
    case 4:
        c->value_count++;
        break;
    case 5:
        c->null_count++;
        break;
    case 6:
        c->uncompressed_bytes--;
        break;
    case 7:
        c->data_page_offset++;
        break;
    case 8:
        c->encodings ^= 1U << PARQUET_BYTE_STREAM_SPLIT;
        break;
    case 9:
        c->codec = PARQUET_SNAPPY;
        break;
    case 10:
        c->column_index_offset++;
        break;
    case 11:
        c->column_index_bytes--;
        break;
    case 12:
        c->column_index_offset = UINT64_MAX - 3;
        break;
    default:
        return false;
    }
    return true;
}

static void
a_footer_that_lies_is_found(void **state)
{
    struct limited_sink in, out = {.appends_left = SIZE_MAX};
    struct parquet_meta *meta = NULL;
    struct fault f = {0};
    (void)state;
    write_input(&in);
    slice bytes = buf_slice(&in.bytes);
    struct parquet_source source = parquet_source_of(&bytes);
    assert_ok(parquet_meta_read(&source, NULL, &f, &meta), &f);
    for (size_t c = 0; c < 3; c++) {
        struct parquet_chunk *chunk = &meta->row_groups[0].chunks[c], was = *chunk;
        for (size_t n = 0; lie(chunk, n); n++, *chunk = was) {
            buf_init(&out.bytes, 1 << 24);
            f = (struct fault){0};
            err rc = copy_twice(&(struct parquet_file){meta, source}, false, &out, &f);
            if (rc != ERR_CORRUPT) {
                fail_msg("lie %zu of column %zu: %s", n, c, err_name(rc));
            }
            assert_true(f.msg[0] != 0);
            buf_fini(&out.bytes);
        }
    }
    meta->row_groups[0].row_count++;
    buf_init(&out.bytes, 1 << 24);
    assert_int_equal(copy_twice(&(struct parquet_file){meta, source}, false, &out, &f), ERR_CORRUPT);
    buf_fini(&out.bytes);
    parquet_meta_destroy(meta);
    buf_fini(&in.bytes);
}

/* Any bit of the pages, their headers and the column indexes: the copy says so, or reads as the original. */
static void
a_flipped_bit_of_a_page_is_found(void **state)
{
    struct limited_sink in, out = {.appends_left = SIZE_MAX};
    struct buf want, got;
    struct parquet_meta *meta = NULL;
    struct fault f = {0};
    size_t found = 0, tried = 0;
    (void)state;
    write_input(&in);
    buf_init(&want, 1 << 24);
    read_rows(buf_slice(&in.bytes), &want);
    read_rows(buf_slice(&in.bytes), &want);
    slice bytes = buf_slice(&in.bytes);
    struct parquet_source source = parquet_source_of(&bytes);
    assert_ok(parquet_meta_read(&source, NULL, &f, &meta), &f);
    const struct parquet_chunk *last = parquet_meta_chunk(meta, 0, 2);
    for (size_t at = 4; at < last->offset + last->compressed_bytes; at++) {
        for (unsigned bit = at % 3; bit < 8; bit += 3, tried++) {
            in.bytes.p[at] ^= (uint8_t)(1U << bit);
            buf_init(&out.bytes, 1 << 24);
            buf_init(&got, 1 << 24);
            f = (struct fault){0};
            err rc = copy_twice(&(struct parquet_file){meta, source}, false, &out, &f);
            assert_true(rc == OK || rc == ERR_CORRUPT || rc == ERR_LIMIT);
            found += rc != OK;
            if (rc == OK) {
                if (try_rows(buf_slice(&out.bytes), &got) != OK ||
                    !slice_eq(buf_slice(&want), buf_slice(&got))) {
                    fail_msg("byte %zu, bit %u is copied on", at, bit);
                }
            }
            in.bytes.p[at] ^= (uint8_t)(1U << bit);
            buf_fini(&got);
            buf_fini(&out.bytes);
        }
    }
    assert_true(tried > 1000 && found > tried * 98 / 100);
    buf_fini(&want);
    parquet_meta_destroy(meta);
    buf_fini(&in.bytes);
}

static void
columns_that_do_not_fit_are_refused(void **state)
{
    static const struct parquet_copy_column crossed[3] = {{1, 0}, {0, 0}, {2, 0}};
    static const struct parquet_copy_column outside[3] = {{0, 0}, {1, 0}, {9, 0}};
    static const struct parquet_copy_column like[3] = {{-1, 0}, {1, 0}, {2, 0}};
    const struct parquet_copy_column *const wrong[] = {crossed, outside, like};
    struct limited_sink in, out = {.appends_left = SIZE_MAX};
    struct parquet_schema *schema = make_schema(false);
    struct parquet_writer_options o = {.zstd_level = 1};
    struct parquet_meta *meta = NULL;
    struct fault f = {0};
    (void)state;
    write_input(&in);
    slice bytes = buf_slice(&in.bytes);
    struct parquet_source source = parquet_source_of(&bytes);
    assert_ok(parquet_meta_read(&source, NULL, &f, &meta), &f);
    struct parquet_file file = {meta, source};
    for (size_t i = 0; i < 4; i++) {
        struct parquet_sink to = {.ctx = &out, .append = limited_append};
        struct parquet_group_copy copy = {
            .file = &file, .group = i == 3, .columns = i < 3 ? wrong[i] : all_columns};
        struct parquet_writer *w = NULL;
        buf_init(&out.bytes, 1 << 24);
        assert_ok(parquet_writer_create(schema, &o, &to, &f, &w), &f);
        assert_int_equal(parquet_writer_copy_group(w, &copy, &f), ERR_INVALID);
        parquet_writer_destroy(w);
        buf_fini(&out.bytes);
    }
    parquet_meta_destroy(meta);
    parquet_schema_destroy(schema);
    buf_fini(&in.bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copied_row_group_reads_as_it_did),
        cmocka_unit_test(columns_that_the_other_file_lacks_are_null),
        cmocka_unit_test(every_read_and_every_append_may_fail),
        cmocka_unit_test(a_footer_that_lies_is_found),
        cmocka_unit_test(a_flipped_bit_of_a_page_is_found),
        cmocka_unit_test(columns_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
