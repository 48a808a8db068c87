/* verify finds what is damaged: every flip in a block is reported, or changes nothing that can be read. */
#include "../block/block_test.h"
#include "verify.h"

#include "vivace/base/file.h"

#define SPANS 240

struct block {
    struct block_meta meta;
    uint8_t *p;
    size_t n;
    struct buf spans; /* all rows, encoded */
};

static bool
read_all(slice bytes, struct buf *ret)
{
    struct parquet_source source = parquet_source_of(&bytes);
    struct block_reader *r = NULL;
    struct fault f = {0};
    bool good = block_reader_open_source(&source, "test", &f, &r) == OK;
    for (uint32_t g = 0; good && g < block_reader_file(r)->meta->row_group_count; g++) {
        struct span_batch b;
        uint64_t inspected = 0;
        span_batch_init(&b, 1 << 28);
        good = block_read_rows(r, g, 0, block_reader_file(r)->meta->row_groups[g].row_count, &b, &inspected,
                               &f) == OK &&
               otlp_encode(&b, ret) == OK;
        span_batch_fini(&b);
    }
    struct span_random ids = {.traces = 30};
    for (size_t i = 0; good && i < ids.traces; i++) {
        struct span_batch b;
        trace_id id = random_trace(&ids, i);
        uint64_t inspected = 0;
        span_batch_init(&b, 1 << 28);
        err rc = block_find_trace(r, &id, &b, &inspected, &f);
        good = (rc == OK || rc == ERR_NOT_FOUND) && otlp_encode(&b, ret) == OK;
        span_batch_fini(&b);
    }
    block_reader_close(r);
    return good;
}

static struct block
make_block(uint64_t seed)
{
    struct block b = {.p = NULL};
    struct fault f = {0};
    char path[256];
    publish_random(seed, SPANS, &b.meta);
    snprintf(path, sizeof path, "%s/spans.parquet", block_dir(&b.meta.id));
    assert_ok(file_read_all(path, 1 << 24, &f, &b.p, &b.n), &f);
    buf_init(&b.spans, 1 << 28);
    assert_true(read_all(slice_of(b.p, b.n), &b.spans));
    return b;
}

static void
drop_block(struct block *b)
{
    block_meta_fini(&b->meta);
    mem_free(b->p);
    buf_fini(&b->spans);
}

/* How many problems; the text of all of them into `problems`. `work_max` is 0 for what a user has. */
static uint64_t
problems_within(const struct block *b, uint64_t work_max, struct buf *problems)
{
    slice bytes = slice_of(b->p, b->n);
    struct parquet_source source = parquet_source_of(&bytes);
    struct verify v = {.path = "test", .meta = &b->meta, .work_max = work_max};
    struct fault f = {0};
    buf_init(&v.problems, 1 << 20);
    if (block_reader_open_source(&source, "test", &f, &v.reader) != OK) {
        verify_problem(&v, "footer", "%s", f.msg);
    } else {
        verify_run(&v);
        block_reader_close(v.reader);
    }
    if (problems) {
        buf_append_slice(problems, buf_slice(&v.problems));
    }
    buf_fini(&v.problems);
    assert_true(work_max || v.work <= v.work_max / 100); /* a block of ours is far away from its bound */
    return v.problem_count;
}

static uint64_t
problems_of(const struct block *b, struct buf *problems)
{
    return problems_within(b, 0, problems);
}

static void
a_good_block_has_no_problem(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct block b = make_block(seed);
        struct buf problems;
        buf_init(&problems, 1 << 20);
        uint64_t n = problems_of(&b, &problems);
        if (n) {
            fail_msg("seed %llu: %s: %s", (unsigned long long)seed, (const char *)problems.p,
                     (const char *)problems.p + strlen((const char *)problems.p) + 1);
        }
        buf_fini(&problems);
        drop_block(&b);
    }
}

static void
a_flip_is_reported_or_changes_nothing(void **state)
{
    struct block b = make_block(3);
    size_t tried = 0, silent = 0;
    struct buf now;
    (void)state;
    buf_init(&now, 1 << 28);
    for (size_t at = 0; at < b.n; at += 389, tried++) {
        uint8_t was = b.p[at];
        b.p[at] = (uint8_t)(was ^ (1U << (at % 8)));
        if (problems_of(&b, NULL) == 0) {
            silent++;
            buf_clear(&now);
            assert_true(read_all(slice_of(b.p, b.n), &now));
            assert_true(slice_eq(buf_slice(&now), buf_slice(&b.spans)));
        }
        b.p[at] = was;
    }
    print_message("%zu flips, %zu changed nothing\n", tried, silent);
    assert_true(tried > 200);
    assert_true(silent * 6 <
                tried /* a third of so small a block are names the footer repeats, and indexes */);
    buf_fini(&now);
    drop_block(&b);
}

static void
every_flip_inside_a_page_is_reported_with_its_place(void **state)
{
    struct block b = make_block(4);
    slice bytes = slice_of(b.p, b.n);
    struct parquet_source source = parquet_source_of(&bytes);
    struct parquet_meta *m = NULL;
    struct fault f = {0};
    (void)state;
    assert_ok(parquet_meta_read(&source, NULL, &f, &m), &f);
    for (int32_t c = 0; c < m->schema->column_count; c++) {
        const struct parquet_chunk *chunk = parquet_meta_chunk(m, 1, (size_t)c);
        size_t at = chunk->offset + chunk->compressed_bytes - 1; /* the last page's last byte */
        char want[64];
        struct buf problems;
        buf_init(&problems, 1 << 20);
        snprintf(want, sizeof want, "row group 1, column %d ", c);
        b.p[at] ^= 0x10;
        assert_true(problems_of(&b, &problems) > 0);
        b.p[at] ^= 0x10;
        if (slice_find(buf_slice(&problems), slice_cstr(want)) == SIZE_MAX) {
            fail_msg("a flip at %zu of column %d is not named: %s", at, c, (const char *)problems.p);
        }
        buf_fini(&problems);
    }
    parquet_meta_destroy(m);
    drop_block(&b);
}

static void
a_file_that_unpacks_to_too_much_is_not_read_further(void **state)
{
    const uint64_t budgets[] = {1, 10000, 100000};
    struct block b = make_block(5);
    (void)state;
    assert_int_equal(problems_of(&b, NULL), 0);
    for (size_t i = 0; i < 3; i++) {
        struct buf problems;
        buf_init(&problems, 1 << 20);
        assert_int_equal(problems_within(&b, budgets[i], &problems),
                         1); /* told once, and nothing that follows from it: rows are not put together */
        assert_true(slice_find(buf_slice(&problems), SL("it unpacks to far more than a block does")) !=
                    SIZE_MAX);
        buf_fini(&problems);
    }
    drop_block(&b);
}

static void
a_meta_that_tells_another_story_is_reported(void **state)
{
    struct block b = make_block(5);
    const struct block_meta good = b.meta;
    (void)state;
    b.meta.spans++;
    assert_true(problems_of(&b, NULL) > 0);
    b.meta = good;
    b.meta.traces--;
    assert_true(problems_of(&b, NULL) > 0);
    b.meta = good;
    b.meta.max_end_ns++;
    assert_true(problems_of(&b, NULL) > 0);
    b.meta = good;
    b.meta.level = 4;
    assert_true(problems_of(&b, NULL) > 0);
    b.meta = good;
    assert_int_equal(problems_of(&b, NULL), 0);
    drop_block(&b);
}

/* --- trees ------------------------------------------------------------------------------------------------
 */

#define ID(n)                                                                                                \
    {                                                                                                        \
        {                                                                                                    \
            0, 0, 0, 0, 0, 0, 0, n                                                                           \
        }                                                                                                    \
    }

/* 1 -> (2 -> 3, 4); 5 hangs below a span that is not there. */
static const struct tree_row good_tree[] = {
    {.id = ID(1), .left = 1, .right = 8, .parent_left = -1, .children = 2},
    {.id = ID(2), .parent = ID(1), .left = 2, .right = 5, .parent_left = 1, .children = 1},
    {.id = ID(3), .parent = ID(2), .left = 3, .right = 4, .parent_left = 2},
    {.id = ID(4), .parent = ID(1), .left = 6, .right = 7, .parent_left = 1},
    {.id = ID(5), .parent = ID(9)},
};
#define ROWS (sizeof good_tree / sizeof good_tree[0])

static const char *
check_with(size_t row, struct tree_row changed)
{
    struct tree_row rows[ROWS];
    size_t at = 0;
    memcpy(rows, good_tree, sizeof rows);
    rows[row] = changed;
    return tree_check(rows, ROWS, &at);
}

static void
a_wrong_tree_is_named(void **state)
{
    struct tree_row r;
    (void)state;
    assert_null(check_with(0, good_tree[0]));
    r = good_tree[0];
    r.children = 1;
    assert_string_equal(check_with(0, r), "child_count is not the number of its children");
    r = good_tree[1];
    r.right = 6;
    assert_string_equal(check_with(1, r), "nested set bounds are not one count over the trace");
    r = good_tree[2];
    r.parent_left = 1;
    assert_string_equal(check_with(2, r), "a span's nested set does not lie in its parent's");
    r = good_tree[3];
    r.parent = (span_id)ID(2);
    assert_string_equal(check_with(3, r), "a span's nested set does not lie in its parent's");
    r = good_tree[4];
    r.parent = (span_id)ID(4);
    assert_string_equal(check_with(4, r), "a span has no nested set and its parent has");
    r = good_tree[4];
    r.parent = (span_id){{0}};
    assert_string_equal(check_with(4, r), "a root has no nested set");
    r.may_hang = true;
    assert_null(check_with(4, r));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_block_has_no_problem, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_flip_is_reported_or_changes_nothing, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(every_flip_inside_a_page_is_reported_with_its_place, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(a_file_that_unpacks_to_too_much_is_not_read_further, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(a_meta_that_tells_another_story_is_reported, make_dir, drop_dir),
        cmocka_unit_test(a_wrong_tree_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
