/* However entries come, one by one, many at once or as values they share: the file is the same. */
#include "test.h"

#include "vivace/base/rng.h"
#include "vivace/parquet/reader.h"
#include "vivace/parquet/record.h"
#include "vivace/parquet/writer.h"

#define ROWS      400
#define PAGE_ROWS 40

enum way { AT_ONCE, ONE_BY_ONE, SHARED, MIXED, WAYS };

/* What a column holds: of each row the number of its value, -1 for none. */
struct column {
    int32_t of[ROWS];
};

static slice values[ROWS];
static char value_bytes[ROWS][32];
static int64_t numbers[ROWS];

static err
append(void *ctx, slice bytes, struct fault *f)
{
    (void)f;
    return buf_append_slice(ctx, bytes);
}

static struct parquet_schema *
schema_create(void)
{
    struct parquet_schema *s = parquet_schema_create(SL("t"));
    struct parquet_field fields[] = {
        {.name = SL("number"), .type = PARQUET_INT64, .repetition = PARQUET_OPTIONAL},
        {.name = SL("text"),
         .type = PARQUET_BYTE_ARRAY,
         .repetition = PARQUET_OPTIONAL,
         .logical = {.kind = PARQUET_STRING}},
        {.name = SL("given"),
         .type = PARQUET_BYTE_ARRAY,
         .repetition = PARQUET_OPTIONAL,
         .logical = {.kind = PARQUET_STRING}},
    };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(parquet_schema_add(s, 0, &fields[i], NULL, NULL), OK);
    }
    return s;
}

/* Rows [at, at + n) of a column. A given dictionary has all values, by their numbers. */
static void
put(struct parquet_writer *w, size_t column, const struct column *c, size_t at, size_t n, bool shared)
{
    uint8_t def[ROWS];
    uint32_t pick[ROWS], codes[ROWS], place[ROWS];
    int64_t longs[ROWS];
    slice texts[ROWS];
    size_t count = 0, distinct = 0;
    struct fault f = {0};
    memset(place, 0xff, sizeof place);
    for (size_t i = 0; i < n; i++) {
        int32_t v = c->of[at + i];
        def[i] = v >= 0;
        if (v < 0) {
            continue;
        }
        if (!shared || place[v] == UINT32_MAX) {
            place[v] = (uint32_t)distinct;
            codes[distinct] = (uint32_t)v;
            longs[distinct] = numbers[v];
            texts[distinct++] = values[v];
        }
        pick[count++] = place[v];
    }
    struct parquet_batch b = {.level_count = n, .def = def, .values.count = distinct};
    if (count == n || count == 0) {
        b.def = NULL;
        b.def_level = count > 0;
    }
    b.codes = column == 2 ? codes : NULL;
    if (column == 0) {
        b.values.i64 = longs;
    } else {
        b.values.bytes = texts;
    }
    if (shared) {
        b.pick = pick;
        b.pick_count = count;
    }
    assert_ok(parquet_writer_append(w, column, &b, &f), &f);
}

static void
put_column(struct parquet_writer *w, size_t column, const struct column *c, enum way way, struct rng *rng)
{
    for (size_t at = 0, n = 0; at < ROWS; at += n) {
        n = way == AT_ONCE      ? ROWS
            : way == ONE_BY_ONE ? 1
            : way == SHARED     ? PAGE_ROWS / 2
                                : 1 + rng_below(rng, 70);
        n = n < ROWS - at ? n : ROWS - at;
        put(w, column, c, at, n, way == SHARED || (way == MIXED && rng_below(rng, 2)));
    }
}

static void
write_file(const struct column c[3], enum way way, size_t dictionary_bytes_max, struct buf *out)
{
    struct parquet_schema *schema = schema_create();
    struct parquet_column_options columns[3] = {{.dictionary = PARQUET_DICTIONARY_AUTO},
                                                {.dictionary = PARQUET_DICTIONARY_AUTO, .bloom_ndv = ROWS},
                                                {.dictionary = PARQUET_DICTIONARY_GIVEN}};
    struct parquet_writer_options o = {
        .page_rows = PAGE_ROWS, .columns = columns, .dictionary_bytes_max = dictionary_bytes_max};
    struct parquet_writer *w = NULL;
    struct fault f = {0};
    struct rng rng;
    rng_seed(&rng, 7);
    assert_ok(parquet_writer_create(schema, &o, &(struct parquet_sink){.ctx = out, .append = append}, &f, &w),
              &f);
    assert_ok(
        parquet_writer_add_dictionary(w, 2, &(struct parquet_values){.count = ROWS, .bytes = values}, &f),
        &f);
    for (size_t i = 0; i < 3; i++) {
        put_column(w, i, &c[i], way, &rng);
    }
    assert_ok(parquet_writer_finish(w, &f), &f);
    parquet_writer_destroy(w);
    parquet_schema_destroy(schema);
}

/* The rows as JSON say what the columns were given. */
static void
check_rows(slice bytes, const struct column c[3])
{
    struct parquet_source source = parquet_source_of(&bytes);
    struct parquet_meta *meta = NULL;
    struct fault f = {0};
    struct buf row, want;
    buf_init(&row, 1 << 16);
    buf_init(&want, 1 << 16);
    assert_ok(parquet_meta_read(&source, NULL, &f, &meta), &f);
    struct parquet_rows *rows =
        parquet_rows_create(&(struct parquet_file){.meta = meta, .source = source}, NULL);
    for (size_t i = 0; i < ROWS; i++) {
        const char *const names[] = {"number", "text", "given"};
        buf_clear(&row);
        buf_clear(&want);
        assert_ok(parquet_rows_next(rows, &row, &f), &f);
        for (size_t k = 0; k < 3; k++) {
            int32_t v = c[k].of[i];
            (void)buf_printf(&want, "%s\"%s\":", k ? "," : "{", names[k]);
            if (v < 0) {
                (void)buf_append_cstr(&want, "null");
            } else if (k == 0) {
                (void)buf_printf(&want, "\"%lld\"", (long long)numbers[v]);
            } else {
                (void)buf_printf(&want, "\"%.*s\"", SL_FMT(values[v]));
            }
        }
        (void)buf_append_byte(&want, '}');
        (void)buf_append_byte(&want, 0);
        assert_slice_equal(buf_slice(&row), (const char *)want.p);
    }
    buf_fini(&row);
    buf_fini(&want);
    parquet_rows_destroy(rows);
    parquet_meta_destroy(meta);
}

/* Page by page: one value, none, one value and then another, few values, many, with gaps and without. */
static void
fill(struct column *c, struct rng *rng)
{
    for (size_t p = 0; p < ROWS / PAGE_ROWS; p++) {
        uint64_t kind = rng_below(rng, 6), turn = rng_below(rng, PAGE_ROWS), a = rng_below(rng, ROWS);
        for (size_t i = 0; i < PAGE_ROWS; i++) {
            uint64_t v = kind == 0   ? a
                         : kind == 1 ? UINT64_MAX
                         : kind == 2 ? (i < turn ? a : ROWS - 1 - a)
                         : kind == 3 ? rng_below(rng, 3)
                         : kind == 4 ? rng_below(rng, ROWS)
                                     : (rng_below(rng, 3) ? a / 2 + rng_below(rng, 5) : UINT64_MAX);
            c->of[p * PAGE_ROWS + i] = v == UINT64_MAX ? -1 : (int32_t)v;
        }
    }
}

static void
compare_ways(uint64_t seed, size_t dictionary_bytes_max, bool same_bytes)
{
    struct column c[3];
    struct buf files[WAYS];
    struct rng rng;
    rng_seed(&rng, seed);
    for (size_t i = 0; i < ROWS; i++) {
        numbers[i] = (int64_t)(i * 1000003 % 7919);
        values[i] = slice_of(value_bytes[i], (size_t)snprintf(value_bytes[i], sizeof value_bytes[i],
                                                              "value %zu", i * 7919 % 1009));
    }
    for (size_t i = 0; i < 3; i++) {
        fill(&c[i], &rng);
    }
    for (int way = 0; way < WAYS; way++) {
        buf_init(&files[way], 1 << 20);
        write_file(c, (enum way)way, dictionary_bytes_max, &files[way]);
        check_rows(buf_slice(&files[way]), c);
        if (same_bytes &&
            way != MIXED) { /* whose batches go over pages: a dictionary is judged with more in it */
            assert_int_equal(files[way].n, files[0].n);
            assert_memory_equal(files[way].p, files[0].p, files[0].n);
        }
    }
    for (int way = 0; way < WAYS; way++) {
        buf_fini(&files[way]);
    }
}

static void
a_file_is_the_same_however_its_entries_come(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 60; seed++) {
        compare_ways(seed, 0, true);
    }
}

static void
shared_values_come_back_when_the_dictionary_does_not_pay(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 130; seed++) {
        compare_ways(seed, 200, false);
    }
}

#define ALIKE_COLUMNS 24
#define ALIKE_ROWS    40000
#define ALIKE_PAGE    20000

/* Column c says in its own words what columns c + 3, c + 6, ... say; one in five says something else. */
static int32_t
alike(size_t column, size_t row)
{
    size_t kind = column % 5 == 4 ? column : column % 3;
    size_t wide = column % 3 == 2 ? 5000 : 29; /* codes of 13 bits make pages that are not kept */
    return (int32_t)(column * 100000 + (row * 7919 + row / 977 * kind) % wide);
}

/* Pages that are the same are compressed once: each column has its own values all the same. */
static void
columns_that_say_the_same_keep_their_values(void **state)
{
    static int32_t numbers_of[ALIKE_ROWS];
    struct parquet_schema *schema = parquet_schema_create(SL("t"));
    struct parquet_writer_options o = {.page_rows = ALIKE_PAGE};
    struct parquet_writer *w = NULL;
    struct parquet_meta *meta = NULL;
    struct fault f = {0};
    struct buf out, row, want;
    char name[8];
    (void)state;
    buf_init(&out, 1 << 26);
    buf_init(&row, 1 << 16);
    buf_init(&want, 1 << 16);
    for (size_t c = 0; c < ALIKE_COLUMNS; c++) {
        struct parquet_field field = {.type = PARQUET_INT32};
        field.name = slice_of(name, (size_t)snprintf(name, sizeof name, "c%zu", c));
        assert_int_equal(parquet_schema_add(schema, 0, &field, NULL, NULL), OK);
    }
    assert_ok(
        parquet_writer_create(schema, &o, &(struct parquet_sink){.ctx = &out, .append = append}, &f, &w), &f);
    for (size_t c = 0; c < ALIKE_COLUMNS; c++) {
        for (size_t i = 0; i < ALIKE_ROWS; i++) {
            numbers_of[i] = alike(c, i);
        }
        struct parquet_batch b = {.level_count = ALIKE_ROWS, .values = {ALIKE_ROWS, {numbers_of}}};
        assert_ok(parquet_writer_append(w, c, &b, &f), &f);
    }
    assert_ok(parquet_writer_finish(w, &f), &f);
    parquet_writer_destroy(w);
    slice bytes = buf_slice(&out);
    struct parquet_source source = parquet_source_of(&bytes);
    assert_ok(parquet_meta_read(&source, NULL, &f, &meta), &f);
    struct parquet_rows *rows =
        parquet_rows_create(&(struct parquet_file){.meta = meta, .source = source}, NULL);
    for (size_t i = 0; i < ALIKE_ROWS; i++) {
        buf_clear(&row);
        buf_clear(&want);
        assert_ok(parquet_rows_next(rows, &row, &f), &f);
        for (size_t c = 0; c < ALIKE_COLUMNS; c++) {
            (void)buf_printf(&want, "%s\"c%zu\":%d", c ? "," : "{", c, alike(c, i));
        }
        (void)buf_append(&want, "}", 2);
        assert_slice_equal(buf_slice(&row), (const char *)want.p);
    }
    parquet_rows_destroy(rows);
    parquet_meta_destroy(meta);
    parquet_schema_destroy(schema);
    buf_fini(&out);
    buf_fini(&row);
    buf_fini(&want);
}

static void
a_value_that_is_not_there_cannot_be_picked(void **state)
{
    static const uint32_t pick[3] = {0, 2, 1};
    static const int64_t longs[2] = {1, 2};
    struct parquet_schema *schema = schema_create();
    struct parquet_writer *w = NULL;
    struct fault f = {0};
    struct buf out;
    (void)state;
    buf_init(&out, 1 << 20);
    assert_ok(parquet_writer_create(schema, &(struct parquet_writer_options){0},
                                    &(struct parquet_sink){.ctx = &out, .append = append}, &f, &w),
              &f);
    struct parquet_batch b = {
        .level_count = 3, .def_level = 1, .values = {2, {longs}}, .pick = pick, .pick_count = 3};
    assert_int_equal(parquet_writer_append(w, 0, &b, &f), ERR_INVALID);
    parquet_writer_destroy(w);
    parquet_schema_destroy(schema);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_the_same_however_its_entries_come),
        cmocka_unit_test(shared_values_come_back_when_the_dictionary_does_not_pay),
        cmocka_unit_test(columns_that_say_the_same_keep_their_values),
        cmocka_unit_test(a_value_that_is_not_there_cannot_be_picked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
