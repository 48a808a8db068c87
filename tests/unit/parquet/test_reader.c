/* Column readers: pages, seeks, codes, indexes, filters, bounds, and the limits on what a file may ask. */
#include "test.h"

#include "vivace/base/arena.h"
#include "vivace/base/mem.h"
#include "vivace/parquet/reader.h"
#include "vivace/parquet/writer.h"

#define ROWS      10000
#define PAGE_ROWS 1000

/* One row group of ten pages: id = row, method = one of five, name = a name per row, tags = row % 3 of them.
 */
struct sample {
    struct buf bytes;
    slice view;
    struct parquet_file file;
    struct parquet_meta *meta;
    size_t reads, bytes_read;
    struct parquet_scratch *scratch;
    struct parquet_column *column;
};

enum { ID, METHOD, NAME, TAG, COLUMNS };

static const char *const methods[] = {"DELETE", "GET", "PATCH", "POST", "PUT"};

static err
append(void *ctx, slice bytes, struct fault *f)
{
    (void)f;
    return buf_append_slice(ctx, bytes);
}

static err
counted_read(void *ctx, uint64_t off, size_t n, void *into, struct fault *f)
{
    struct sample *s = ctx;
    (void)f;
    assert_true(off <= s->view.n && n <= s->view.n - off);
    memcpy(into, s->view.p + off, n);
    s->reads++;
    s->bytes_read += n;
    return OK;
}

static struct parquet_schema *
make_schema(void)
{
    struct parquet_schema *s = parquet_schema_create(SL("sample"));
    struct parquet_logical text = {.kind = PARQUET_STRING};
    int32_t list = 0;
    assert_int_equal(parquet_schema_add(
                         s, 0, &(struct parquet_field){.name = SL("id"), .type = PARQUET_INT64}, NULL, NULL),
                     OK);
    assert_int_equal(parquet_schema_add(s, 0,
                                        &(struct parquet_field){.name = SL("method"),
                                                                .type = PARQUET_BYTE_ARRAY,
                                                                .repetition = PARQUET_OPTIONAL,
                                                                .logical = text},
                                        NULL, NULL),
                     OK);
    assert_int_equal(
        parquet_schema_add(
            s, 0, &(struct parquet_field){.name = SL("name"), .type = PARQUET_BYTE_ARRAY, .logical = text},
            NULL, NULL),
        OK);
    assert_int_equal(parquet_schema_add_list(s, 0, SL("tags"), false, &list), OK);
    assert_int_equal(parquet_schema_add(s, list,
                                        &(struct parquet_field){.name = SL("element"), .type = PARQUET_INT32},
                                        NULL, NULL),
                     OK);
    return s;
}

static void
append_rows(struct parquet_writer *w)
{
    static int64_t ids[ROWS];
    static slice values[ROWS], names[ROWS];
    static char text[ROWS][16];
    static uint8_t def[ROWS], tag_def[3 * ROWS], tag_rep[3 * ROWS];
    static int32_t tags[3 * ROWS];
    size_t present = 0, entries = 0, tag_count = 0;
    struct fault f = {0};
    for (size_t i = 0; i < ROWS; i++) {
        ids[i] = (int64_t)i;
        def[i] = i % 10 != 9;
        if (def[i]) {
            values[present++] = slice_cstr(methods[i % 5]);
        }
        names[i] = slice_of(text[i], (size_t)snprintf(text[i], sizeof text[i], "name-%05zu", i));
        for (size_t k = 0; k < (i % 3 ? i % 3 : 1); k++) {
            tag_rep[entries] = k > 0;
            tag_def[entries++] = i % 3 > 0;
            if (i % 3) {
                tags[tag_count++] = (int32_t)(i * 10 + k);
            }
        }
    }
    assert_ok(parquet_writer_append(
                  w, ID, &(struct parquet_batch){.level_count = ROWS, .values = {ROWS, {ids}}}, &f),
              &f);
    assert_ok(parquet_writer_append(
                  w, METHOD,
                  &(struct parquet_batch){.level_count = ROWS, .def = def, .values = {present, {values}}},
                  &f),
              &f);
    assert_ok(parquet_writer_append(
                  w, NAME, &(struct parquet_batch){.level_count = ROWS, .values = {ROWS, {names}}}, &f),
              &f);
    assert_ok(parquet_writer_append(
                  w, TAG,
                  &(struct parquet_batch){
                      .level_count = entries, .def = tag_def, .rep = tag_rep, .values = {tag_count, {tags}}},
                  &f),
              &f);
}

static int
setup(void **state)
{
    struct sample *s = mem_new(struct sample);
    struct fault f = {0};
    struct parquet_writer *w = NULL;
    struct parquet_schema *schema = make_schema();
    struct parquet_sink sink = {.ctx = &s->bytes, .append = append};
    struct parquet_column_options columns[COLUMNS] = {
        [ID] = {.encoding = PARQUET_DELTA_BINARY_PACKED},
        [METHOD] = {.dictionary = PARQUET_DICTIONARY_AUTO},
        [NAME] = {.encoding = PARQUET_DELTA_BYTE_ARRAY, .bloom_ndv = ROWS},
        [TAG] = {.encoding = PARQUET_DELTA_BINARY_PACKED},
    };
    struct parquet_sorting sorting = {.column = ID};
    struct parquet_writer_options o = {
        .page_rows = PAGE_ROWS, .columns = columns, .sorting = &sorting, .sorting_count = 1};
    buf_init(&s->bytes, (size_t)1 << 24);
    assert_ok(parquet_writer_create(schema, &o, &sink, &f, &w), &f);
    append_rows(w);
    assert_ok(parquet_writer_finish(w, &f), &f);
    assert_int_equal(parquet_writer_file_bytes(w), s->bytes.n);
    parquet_writer_destroy(w);
    parquet_schema_destroy(schema);
    s->view = buf_slice(&s->bytes);
    s->file.source = (struct parquet_source){.ctx = s, .size = s->view.n, .read = counted_read};
    assert_ok(parquet_meta_read(&s->file.source, NULL, &f, &s->meta), &f);
    s->file.meta = s->meta;
    s->scratch = parquet_scratch_create(NULL);
    s->column = parquet_column_create(s->scratch);
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    struct sample *s = *state;
    parquet_column_destroy(s->column);
    parquet_scratch_destroy(s->scratch);
    parquet_meta_destroy(s->meta);
    buf_fini(&s->bytes);
    mem_free(s);
    return 0;
}

static void
the_footer_tells_rows_bounds_and_order(void **state)
{
    struct sample *s = *state;
    assert_int_equal(s->meta->row_count, ROWS);
    assert_int_equal(s->meta->row_group_count, 1);
    assert_int_equal(parquet_schema_find(s->meta->schema, SL("tags.list.element")), TAG);
    assert_int_equal(parquet_schema_find(s->meta->schema, SL("tags.element")), -1);
    assert_slice_equal(s->meta->created_by, "vivace");
    assert_int_equal(s->meta->row_groups[0].sorting_count, 1);
    assert_int_equal(s->meta->row_groups[0].sorting[0].column, ID);
    const struct parquet_chunk *method = parquet_meta_chunk(s->meta, 0, METHOD);
    assert_slice_equal(method->bounds.min, "DELETE");
    assert_slice_equal(method->bounds.max, "PUT");
    assert_true(method->has_dictionary);
    assert_int_equal(method->null_count, ROWS / 10);
    int64_t max = 0;
    memcpy(&max, parquet_meta_chunk(s->meta, 0, ID)->bounds.max.p, 8);
    assert_int_equal(max, ROWS - 1);
    assert_true(parquet_meta_bytes(s->meta) < 16384);
}

static void
codes_come_without_their_strings(void **state)
{
    struct sample *s = *state;
    struct fault f = {0};
    struct parquet_values dict;
    struct parquet_page page;
    struct parquet_vector v;
    size_t row = 0;
    assert_ok(parquet_column_open(s->column, &s->file, 0, METHOD, &f), &f);
    assert_ok(parquet_column_dictionary(s->column, &f, &dict), &f);
    assert_int_equal(dict.count, 5);
    while (parquet_column_next(s->column, &f, &page) == OK) {
        assert_true(page.coded);
        assert_int_equal(page.first_row, row);
        assert_int_equal(page.row_count, PAGE_ROWS);
        assert_ok(parquet_column_decode(s->column, PARQUET_DECODE_CODES, &f, &v), &f);
        assert_int_equal(v.values.count, PAGE_ROWS * 9 / 10);
        size_t at = 0;
        for (size_t i = 0; i < PAGE_ROWS; i++, row++) {
            assert_int_equal(v.def[i], row % 10 != 9);
            if (v.def[i]) {
                assert_slice_equal(dict.bytes[v.codes[at++]], methods[row % 5]);
            }
        }
    }
    assert_int_equal(row, ROWS);
}

/* Row `row` of ID and NAME through a seek. */
static void
check_row(struct sample *s, size_t column, uint64_t row)
{
    struct fault f = {0};
    struct parquet_page page;
    struct parquet_vector v;
    char want[16];
    assert_ok(parquet_column_seek(s->column, row, &f), &f);
    assert_ok(parquet_column_next(s->column, &f, &page), &f);
    assert_true(row >= page.first_row && row < page.first_row + page.row_count);
    assert_ok(parquet_column_decode(s->column, PARQUET_DECODE_VALUES, &f, &v), &f);
    assert_null(v.def);
    size_t i = (size_t)(row - page.first_row);
    if (column == ID) {
        assert_int_equal(v.values.i64[i], row);
    } else {
        snprintf(want, sizeof want, "name-%05zu", (size_t)row);
        assert_slice_equal(v.values.bytes[i], want);
    }
}

static const uint64_t wanted_rows[] = {0, 9999, 1, 5000, 4999, 5000, 7777, 0};

/* The caller's memory is used when there is enough of it, for one decode, and gives what the reader's gives.
 */
static void
codes_are_decoded_where_the_caller_wants_them(void **state)
{
    struct sample *s = *state;
    struct fault f = {0};
    struct parquet_page page;
    struct parquet_vector v;
    uint32_t mine[PAGE_ROWS + 1];
    static uint32_t theirs[PAGE_ROWS];
    assert_ok(parquet_column_open(s->column, &s->file, 0, METHOD, &f), &f);
    assert_ok(parquet_column_next(s->column, &f, &page), &f);
    assert_ok(parquet_column_decode(s->column, PARQUET_DECODE_CODES, &f, &v), &f);
    const size_t n = v.values.count;
    assert_true(n > 0 && n < PAGE_ROWS);
    memcpy(theirs, v.codes, n * sizeof *theirs);
    mine[n] = UINT32_MAX;
    parquet_column_into(s->column, mine, n * sizeof *mine);
    assert_ok(parquet_column_decode(s->column, PARQUET_DECODE_CODES, &f, &v), &f);
    assert_ptr_equal(v.codes, mine);
    assert_memory_equal(mine, theirs, n * sizeof *mine);
    assert_int_equal(mine[n], UINT32_MAX);
    assert_ok(parquet_column_decode(s->column, PARQUET_DECODE_CODES, &f, &v), &f);
    assert_ptr_not_equal(v.codes, mine); /* asked for once */
    memset(mine, 0xff, sizeof mine);
    parquet_column_into(s->column, mine, (n - 1) * sizeof *mine);
    assert_ok(parquet_column_decode(s->column, PARQUET_DECODE_CODES, &f, &v), &f);
    assert_ptr_not_equal(v.codes, mine);
    assert_memory_equal(v.codes, theirs, n * sizeof *theirs);
    assert_int_equal(mine[0], UINT32_MAX);
}

/* Which entries are present, as bits; the values of the page come without its levels then. */
static void
levels_come_as_a_mask_before_values_are_decompressed(void **state)
{
    struct sample *s = *state;
    struct fault f = {0};
    struct parquet_page page;
    struct parquet_vector v;
    uint64_t mask[ROWS / 64 + 1] = {0};
    assert_ok(parquet_column_open(s->column, &s->file, 0, METHOD, &f), &f);
    for (size_t at = 0; at < ROWS; at += page.level_count) {
        assert_ok(parquet_column_next(s->column, &f, &page), &f);
        parquet_column_mask(s->column, mask, at);
        assert_ok(parquet_column_decode(s->column, PARQUET_DECODE_LEVELS, &f, &v), &f);
        assert_null(v.def);
        assert_int_equal(v.values.count, page.level_count - page.level_count / 10);
        assert_ok(parquet_column_decode(s->column, PARQUET_DECODE_VALUES, &f, &v), &f);
        assert_null(v.def);
        assert_int_equal(v.values.count, page.level_count - page.level_count / 10);
        assert_slice_equal(v.values.bytes[0], methods[at % 5]);
    }
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(mask[i / 64] >> i % 64 & 1, i % 10 != 9);
    }
    /* asked for once; and never of lists */
    assert_ok(parquet_column_seek(s->column, 0, &f), &f);
    assert_ok(parquet_column_next(s->column, &f, &page), &f);
    assert_ok(parquet_column_decode(s->column, PARQUET_DECODE_VALUES, &f, &v), &f);
    assert_non_null(v.def);
    assert_ok(parquet_column_open(s->column, &s->file, 0, TAG, &f), &f);
    assert_ok(parquet_column_next(s->column, &f, &page), &f);
    parquet_column_mask(s->column, mask, 0);
    assert_int_equal(parquet_column_decode(s->column, PARQUET_DECODE_LEVELS, &f, &v), ERR_INVALID);
}

static void
a_seek_finds_any_row_with_and_without_an_index(void **state)
{
    struct sample *s = *state;
    struct fault f = {0};
    struct arena a;
    struct parquet_offset_index index;
    arena_init(&a, 0);
    for (size_t column = ID; column <= NAME; column += NAME) {
        for (int indexed = 0; indexed < 2; indexed++) {
            assert_ok(parquet_column_open(s->column, &s->file, 0, column, &f), &f);
            if (indexed) {
                assert_ok(parquet_offset_index_read(&s->file, parquet_meta_chunk(s->meta, 0, column), &a, &f,
                                                    &index),
                          &f);
                assert_int_equal(index.page_count, ROWS / PAGE_ROWS);
                assert_ok(parquet_column_use_index(s->column, &index, &f), &f);
            }
            for (size_t i = 0; i < sizeof wanted_rows / sizeof *wanted_rows; i++) {
                size_t reads = s->reads;
                check_row(s, column, wanted_rows[i]);
                assert_true(!indexed || s->reads - reads <= 1);
            }
            assert_int_equal(parquet_column_seek(s->column, ROWS, &f), ERR_INVALID);
        }
    }
    arena_fini(&a);
}

static void
pages_have_the_same_rows_in_every_column(void **state)
{
    struct sample *s = *state;
    struct fault f = {0};
    struct arena a;
    arena_init(&a, 0);
    for (size_t c = 0; c < COLUMNS; c++) {
        struct parquet_offset_index index;
        struct parquet_column_index bounds;
        const struct parquet_chunk *chunk = parquet_meta_chunk(s->meta, 0, c);
        assert_ok(parquet_offset_index_read(&s->file, chunk, &a, &f, &index), &f);
        assert_ok(parquet_column_index_read(&s->file, chunk, &a, &f, &bounds), &f);
        assert_int_equal(index.page_count, ROWS / PAGE_ROWS);
        assert_int_equal(bounds.page_count, ROWS / PAGE_ROWS);
        assert_int_equal(bounds.order, PARQUET_ASCENDING);
        for (size_t i = 0; i < index.page_count; i++) {
            assert_int_equal(index.pages[i].first_row, i * PAGE_ROWS);
            assert_int_equal(parquet_offset_index_find(&index, i * PAGE_ROWS + 999), i);
        }
    }
    arena_fini(&a);
}

static void
a_list_column_gives_levels_and_values(void **state)
{
    struct sample *s = *state;
    struct fault f = {0};
    struct parquet_page page;
    struct parquet_vector v;
    int64_t row = -1;
    assert_ok(parquet_column_open(s->column, &s->file, 0, TAG, &f), &f);
    while (parquet_column_next(s->column, &f, &page) == OK) {
        assert_ok(parquet_column_decode(s->column, PARQUET_DECODE_VALUES, &f, &v), &f);
        size_t at = 0, k = 0;
        for (uint32_t i = 0; i < page.level_count; i++) {
            row += v.rep[i] == 0;
            k = v.rep[i] ? k + 1 : 0;
            if (v.def[i]) {
                assert_int_equal(v.values.i32[at++], row * 10 + (int64_t)k);
            } else {
                assert_int_equal(row % 3, 0);
            }
        }
        assert_int_equal(at, v.values.count);
    }
    assert_int_equal(row, ROWS - 1);
}

static void
a_bloom_filter_knows_its_values_and_few_others(void **state)
{
    struct sample *s = *state;
    struct fault f = {0};
    struct arena a;
    struct parquet_bloom bloom;
    const struct parquet_chunk *chunk = parquet_meta_chunk(s->meta, 0, NAME);
    size_t wrong = 0;
    arena_init(&a, 0);
    assert_ok(parquet_bloom_read(&s->file, chunk, &a, &f, &bloom), &f);
    for (size_t i = 0; i < 2 * ROWS; i++) {
        char name[16];
        bool maybe = false;
        slice v = slice_of(name, (size_t)snprintf(name, sizeof name, "name-%05zu", i));
        bool has = parquet_bloom_has(&bloom, parquet_bloom_hash(v));
        assert_ok(parquet_bloom_check(&s->file, chunk, parquet_bloom_hash(v), &f, &maybe), &f);
        assert_int_equal(has, maybe);
        assert_true(has || i >= ROWS);
        wrong += has && i >= ROWS;
    }
    assert_true(wrong < ROWS / 50);
    assert_int_equal(parquet_bloom_read(&s->file, parquet_meta_chunk(s->meta, 0, ID), &a, &f, &bloom),
                     ERR_NOT_FOUND);
    arena_fini(&a);
}

static void
a_flipped_bit_in_a_page_is_a_wrong_checksum(void **state)
{
    struct sample *s = *state;
    struct fault f = {0};
    struct parquet_page page;
    struct parquet_vector v;
    struct arena a;
    struct parquet_offset_index index;
    arena_init(&a, 0);
    assert_ok(parquet_offset_index_read(&s->file, parquet_meta_chunk(s->meta, 0, ID), &a, &f, &index), &f);
    uint8_t *byte = s->bytes.p + index.pages[0].offset + index.pages[0].bytes - 1;
    arena_fini(&a);
    *byte ^= 16;
    assert_ok(parquet_column_open(s->column, &s->file, 0, ID, &f), &f);
    assert_ok(parquet_column_next(s->column, &f, &page), &f);
    assert_int_equal(parquet_column_decode(s->column, PARQUET_DECODE_VALUES, &f, &v), ERR_CORRUPT);
    assert_non_null(strstr(f.msg, "checksum"));
    *byte ^= 16;
}

static void
memory_stays_inside_the_limits(void **state)
{
    struct sample *s = *state;
    struct fault f = {0};
    struct parquet_limits limits = PARQUET_LIMITS_DEFAULT;
    struct parquet_meta *meta = NULL;
    struct parquet_page page;
    struct parquet_vector v;
    limits.meta_bytes_max = 100;
    assert_int_equal(parquet_meta_read(&s->file.source, &limits, &f, &meta), ERR_LIMIT);
    limits = PARQUET_LIMITS_DEFAULT;
    limits.footer_bytes_max = 100;
    assert_int_equal(parquet_meta_read(&s->file.source, &limits, &f, &meta), ERR_LIMIT);
    limits = PARQUET_LIMITS_DEFAULT;
    limits.read_bytes = 512;
    limits.column_bytes_max = 6000; /* a page of ID is 8000 bytes of values */
    struct parquet_scratch *small = parquet_scratch_create(&limits);
    struct parquet_column *column = parquet_column_create(small);
    assert_ok(parquet_column_open(column, &s->file, 0, ID, &f), &f);
    assert_ok(parquet_column_next(column, &f, &page), &f);
    assert_int_equal(parquet_column_decode(column, PARQUET_DECODE_VALUES, &f, &v), ERR_LIMIT);
    assert_true(parquet_column_bytes(column) < 6000 + 1024);
    parquet_column_destroy(column);
    parquet_scratch_destroy(small);
}

static err
broken_read(void *ctx, uint64_t off, size_t n, void *into, struct fault *f)
{
    size_t *left = ctx;
    (void)off;
    if (*left == 0) {
        return FAULT(f, ERR_IO, "the disk is gone");
    }
    (*left)--;
    memset(into, 0, n);
    return OK;
}

static void
a_failing_source_is_reported_as_it_said(void **state)
{
    struct sample *s = *state;
    struct fault f = {0};
    struct parquet_page page;
    size_t reads = 0;
    struct parquet_file broken = {.meta = s->meta,
                                  .source = {.ctx = &reads, .size = s->view.n, .read = broken_read}};
    assert_ok(parquet_column_open(s->column, &broken, 0, ID, &f), &f);
    assert_int_equal(parquet_column_next(s->column, &f, &page), ERR_IO);
    assert_string_equal(f.msg, "the disk is gone");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_footer_tells_rows_bounds_and_order),
        cmocka_unit_test(codes_come_without_their_strings),
        cmocka_unit_test(codes_are_decoded_where_the_caller_wants_them),
        cmocka_unit_test(levels_come_as_a_mask_before_values_are_decompressed),
        cmocka_unit_test(a_seek_finds_any_row_with_and_without_an_index),
        cmocka_unit_test(pages_have_the_same_rows_in_every_column),
        cmocka_unit_test(a_list_column_gives_levels_and_values),
        cmocka_unit_test(a_bloom_filter_knows_its_values_and_few_others),
        cmocka_unit_test(a_flipped_bit_in_a_page_is_a_wrong_checksum),
        cmocka_unit_test(memory_stays_inside_the_limits),
        cmocka_unit_test(a_failing_source_is_reported_as_it_said),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
