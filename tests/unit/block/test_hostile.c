/* A damaged file is an error with a name, never a crash and never a wrong length of anything. */
#include "block_test.h"

#include "vivace/base/file.h"

struct bytes_of_file {
    uint8_t *p;
    size_t n;
};

static struct bytes_of_file
load_block(void)
{
    struct bytes_of_file file = {0};
    struct block_meta meta;
    struct fault f = {0};
    char path[256];
    publish_random(3, 300, &meta);
    snprintf(path, sizeof path, "%s/spans.parquet", block_dir(&meta.id));
    assert_ok(file_read_all(path, 1 << 24, &f, &file.p, &file.n), &f);
    block_meta_fini(&meta);
    return file;
}

/* Open, find every trace and read every row; what fails must say so with a code that is allowed. */
static bool
try_everything(slice bytes)
{
    struct parquet_source source = parquet_source_of(&bytes);
    struct span_random ids = {.traces = 30};
    struct block_reader *r = NULL;
    struct fault f = {0};
    bool good = true;
    err rc = block_reader_open_source(&source, "test", &f, &r);
    if (rc != OK) {
        assert_true(rc == ERR_CORRUPT || rc == ERR_LIMIT || rc == ERR_UNSUPPORTED || rc == ERR_INVALID);
        assert_true(f.msg[0] != 0);
        return false;
    }
    for (size_t i = 0; i < ids.traces; i += 7) {
        struct span_batch out;
        trace_id id = random_trace(&ids, i);
        uint64_t inspected = 0;
        f = (struct fault){0};
        span_batch_init(&out, 1 << 26);
        rc = block_find_trace(r, &id, &out, &inspected, &f);
        assert_true(rc == OK || rc == ERR_NOT_FOUND || rc == ERR_CORRUPT || rc == ERR_LIMIT ||
                    rc == ERR_UNSUPPORTED || rc == ERR_INVALID);
        assert_true(rc == OK || out.span_count == 0);
        good = good && (rc == OK || rc == ERR_NOT_FOUND);
        span_batch_fini(&out);
    }
    const struct parquet_meta *m = block_reader_file(r)->meta;
    for (uint32_t g = 0; g < m->row_group_count; g++) {
        struct span_batch out;
        uint64_t inspected = 0;
        f = (struct fault){0};
        span_batch_init(&out, 1 << 26);
        rc = block_read_rows(r, g, 0, m->row_groups[g].row_count, &out, &inspected, &f);
        good = good && rc == OK;
        span_batch_fini(&out);
    }
    block_reader_close(r);
    return good;
}

static void
a_flipped_byte_is_found_or_harmless(void **state)
{
    struct bytes_of_file file = load_block();
    size_t found = 0, tried = 0;
    (void)state;
    assert_true(try_everything(slice_of(file.p, file.n)));
    for (size_t at = 0; at < file.n; at += 257, tried++) {
        uint8_t was = file.p[at];
        file.p[at] = (uint8_t)(was ^ (1U << (at % 8)));
        found += !try_everything(slice_of(file.p, file.n));
        file.p[at] = was;
    }
    assert_true(tried > 250);
    assert_true(found > tried / 2); /* pages are under checksums; the rest are unread bounds and filters */
    mem_free(file.p);
}

static void
a_file_cut_anywhere_does_not_open(void **state)
{
    struct bytes_of_file file = load_block();
    (void)state;
    for (size_t n = 0; n < file.n; n += n < 64 ? 1 : 997) {
        assert_false(try_everything(slice_of(file.p, n)));
    }
    mem_free(file.p);
}

static void
a_footer_of_random_bytes_does_not_crash(void **state)
{
    struct bytes_of_file file = load_block();
    struct rng rng;
    uint32_t footer;
    (void)state;
    rng_seed(&rng, 9);
    memcpy(&footer, file.p + file.n - 8, sizeof footer);
    uint8_t *copy = mem_alloc(file.n);
    for (int i = 0; i < 250; i++) {
        memcpy(copy, file.p, file.n);
        for (uint64_t k = 1 + rng_below(&rng, 6); k > 0; k--) {
            copy[file.n - 8 - 1 - rng_below(&rng, footer)] = (uint8_t)rng_next(&rng);
        }
        (void)try_everything(slice_of(copy, file.n));
    }
    mem_free(copy);
    mem_free(file.p);
}

static void
another_program_s_parquet_is_refused(void **state)
{
    struct fault f = {0};
    struct block_reader *r = NULL;
    slice nothing = SL("PAR1PAR1"), empty = SL_EMPTY;
    struct parquet_source source = parquet_source_of(&nothing);
    (void)state;
    assert_int_equal(block_reader_open_source(&source, "x", &f, &r), ERR_CORRUPT);
    source = parquet_source_of(&empty);
    assert_int_not_equal(block_reader_open_source(&source, "x", NULL, &r), OK);
    assert_int_equal(block_reader_open("/nonexistent", NULL, &r), ERR_NOT_FOUND);
}

static void
a_trace_over_the_batch_s_bound_is_refused_and_leaves_nothing(void **state)
{
    struct bytes_of_file file = load_block();
    slice bytes = slice_of(file.p, file.n);
    struct parquet_source source = parquet_source_of(&bytes);
    struct span_random ids = {.traces = 30};
    struct block_reader *r = NULL;
    struct span_batch out;
    struct fault f = {0};
    size_t refused = 0;
    (void)state;
    assert_ok(block_reader_open_source(&source, "test", &f, &r), &f);
    for (size_t max = 1; max < 200000; max += max / 4 + 1) {
        trace_id id = random_trace(&ids, 3);
        uint64_t inspected = 0;
        span_batch_init(&out, max);
        err rc = block_find_trace(r, &id, &out, &inspected, NULL);
        assert_true(rc == OK || rc == ERR_LIMIT);
        refused += rc == ERR_LIMIT;
        if (rc == ERR_LIMIT) {
            assert_int_equal(out.span_count + out.attr_count + out.resource_count + out.scope_count, 0);
        }
        span_batch_fini(&out);
    }
    assert_true(refused > 3);
    block_reader_close(r);
    mem_free(file.p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_byte_is_found_or_harmless),
        cmocka_unit_test(a_file_cut_anywhere_does_not_open),
        cmocka_unit_test(a_footer_of_random_bytes_does_not_crash),
        cmocka_unit_test(another_program_s_parquet_is_refused),
        cmocka_unit_test(a_trace_over_the_batch_s_bound_is_refused_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
