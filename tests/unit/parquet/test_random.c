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

/* Where rows [from, to) of a page stand: counted level by level. */
struct place {
    size_t level_from, level_to, value_from, value_to;
};

static struct place
place_of(const struct parquet_vector *v, uint8_t max_def, uint64_t from, uint64_t to)
{
    struct place p = {0};
    uint64_t row = v->page.first_row - 1;
    for (size_t i = 0; i < v->page.level_count; i++) {
        row += v->rep == NULL || v->rep[i] == 0;
        bool value = v->def == NULL || v->def[i] == max_def;
        p.level_from += row < from;
        p.level_to += row < to;
        p.value_from += row < from && value;
        p.value_to += row < to && value;
    }
    return p;
}

static void
assert_same_values(const struct parquet_node *leaf, const struct parquet_vector *part,
                   const struct parquet_vector *whole, size_t at)
{
    size_t n = part->values.count, width = parquet_value_bytes(leaf);
    assert_int_equal(part->codes != NULL, whole->codes != NULL && n > 0);
    if (n == 0) {
        return;
    }
    if (part->codes) {
        assert_memory_equal(part->codes, whole->codes + at, n * sizeof *part->codes);
    } else if (leaf->field.type == PARQUET_BYTE_ARRAY) {
        for (size_t i = 0; i < n; i++) {
            assert_true(slice_eq(part->values.bytes[i], whole->values.bytes[at + i]));
        }
    } else {
        width = leaf->field.type == PARQUET_BOOLEAN ? 1 : width;
        assert_memory_equal(part->values.raw, (const uint8_t *)whole->values.raw + at * width, n * width);
    }
}

static void
check_part(struct parquet_column *c, enum parquet_decode how, const struct parquet_node *leaf,
           const struct parquet_vector *whole, uint64_t from, uint64_t to)
{
    struct parquet_vector part;
    struct fault f = {0};
    struct place p = place_of(whole, leaf->max_def, from, to);
    assert_ok(parquet_column_decode_rows(c, how, from, to, &f, &part), &f);
    assert_int_equal(part.page.first_row, from);
    assert_int_equal(part.page.row_count, to - from);
    assert_int_equal(part.page.level_count, p.level_to - p.level_from);
    assert_int_equal(part.values.count, p.value_to - p.value_from);
    for (size_t i = 0; i < part.page.level_count; i++) {
        uint8_t want = whole->def ? whole->def[p.level_from + i] : leaf->max_def;
        assert_int_equal(part.def ? part.def[i] : leaf->max_def, want);
        assert_true(part.rep == NULL || part.rep[i] == whole->rep[p.level_from + i]);
    }
    if (how != PARQUET_DECODE_LEVELS) {
        assert_same_values(leaf, &part, whole, p.value_from);
    }
}

static void
check_column(const struct parquet_file *file, uint32_t g, size_t c, struct parquet_column *columns[2],
             struct rng *rng)
{
    const struct parquet_node *leaf = parquet_schema_column(file->meta->schema, c);
    struct parquet_page page, same;
    struct parquet_vector whole;
    struct fault f = {0};
    enum parquet_decode how = (enum parquet_decode)rng_below(rng, 3);
    assert_ok(parquet_column_open(columns[0], file, g, c, &f), &f);
    assert_ok(parquet_column_open(columns[1], file, g, c, &f), &f);
    while (parquet_column_next(columns[0], &f, &page) == OK) {
        assert_ok(parquet_column_next(columns[1], &f, &same), &f);
        assert_ok(parquet_column_decode(columns[0], how, &f, &whole), &f);
        for (int i = 0; i < 4; i++) {
            uint64_t from = page.first_row + rng_below(rng, page.row_count);
            uint64_t to = from + 1 + rng_below(rng, page.first_row + page.row_count - from);
            check_part(columns[1], how, leaf, &whole, from, to);
        }
        check_part(columns[1], how, leaf, &whole, page.first_row, page.first_row + page.row_count);
    }
}

static void
a_part_of_a_page_is_what_the_whole_page_has_there(void **state)
{
    (void)state;
    for (uint64_t seed = 1000; seed < 1000 + SEEDS / 2; seed++) {
        struct random_file file;
        struct fault f = {0};
        struct parquet_meta *meta = NULL;
        struct rng rng;
        rng_seed(&rng, seed);
        random_file_make(seed, seed & 1, &file);
        slice bytes = buf_slice(&file.bytes);
        struct parquet_file open = {.source = parquet_source_of(&bytes)};
        assert_ok(parquet_meta_read(&open.source, NULL, &f, &meta), &f);
        open.meta = meta;
        struct parquet_scratch *s = parquet_scratch_create(NULL);
        struct parquet_column *columns[2] = {parquet_column_create(s), parquet_column_create(s)};
        for (uint32_t g = 0; g < meta->row_group_count; g++) {
            for (size_t c = 0; c < (size_t)meta->schema->column_count; c++) {
                check_column(&open, g, c, columns, &rng);
            }
        }
        parquet_column_destroy(columns[0]);
        parquet_column_destroy(columns[1]);
        parquet_scratch_destroy(s);
        parquet_meta_destroy(meta);
        random_file_free(&file);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_files_read_back_row_by_row),
        cmocka_unit_test(a_part_of_a_page_is_what_the_whole_page_has_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
