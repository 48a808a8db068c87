/* Which traces share a row group: those at the borders of a block that look unfinished stand apart. */
#include "block_test.h"

#define TRACES   300
#define GROUP    100 /* rows */
#define GROUPS   16  /* room for so many */
#define START_NS UINT64_C(1700000000000000000)

/* What is missing of a trace: what it sent before, or what it is to send. */
enum part { WHOLE, CHILD_ALONE, ROOT_ALONE };

static void
add_span(struct span_batch *b, size_t trace, bool child)
{
    struct span s = {.start_ns = START_NS + trace * 1000 + child, .kind = child ? 1 : 2};
    s.name = child ? SL("work") : SL("request");
    s.end_ns = START_NS + trace * 1000 + 100 - child;
    s.trace.b[0] = (uint8_t)(trace >> 8 | 0x80);
    s.trace.b[1] = (uint8_t)trace;
    s.id.b[0] = child ? 2 : 1;
    s.id.b[2] = s.trace.b[0];
    s.id.b[3] = s.trace.b[1];
    if (child) {
        s.parent = s.id;
        s.parent.b[0] = 1;
    }
    *span_batch_add_span(b) = s;
}

static void
open_batch(struct span_batch *b)
{
    span_batch_init(b, 0);
    *span_batch_add_resource(b) = (struct resource){0};
    *span_batch_add_scope(b) = (struct scope){0};
}

/* A block of the batch, which is let go: the rows of its row groups. */
static void
publish(struct span_batch *batch, uint32_t rows[GROUPS], size_t *ret_groups)
{
    struct block_builder_options o = {.tenant = SL("tenant-a"), .row_group_rows = GROUP, .page_rows = 64};
    struct block_publish p = {.dir = tenant_dir()};
    struct block_builder *b = NULL;
    struct block_reader *r = NULL;
    struct block_meta meta;
    struct fault f = {0};
    assert_ok(block_builder_create(&o, &f, &b), &f);
    assert_ok(block_builder_add(b, batch, &f), &f);
    assert_ok(block_builder_publish(b, &p, &f, &meta), &f);
    assert_int_equal(meta.spans, batch->span_count);
    assert_int_equal(meta.traces, TRACES);
    assert_ok(block_reader_open(block_dir(&meta.id), &f, &r), &f);
    const struct parquet_meta *m = block_reader_file(r)->meta;
    assert_true(m->row_group_count <= GROUPS);
    *ret_groups = m->row_group_count;
    for (size_t g = 0; g < m->row_group_count; g++) {
        rows[g] = (uint32_t)m->row_groups[g].row_count;
    }
    block_reader_close(r);
    block_meta_fini(&meta);
    block_builder_destroy(b);
    span_batch_fini(batch);
}

/* Traces of a root and its child; of those before `head` and from `tail` on every fourth is only a part. */
static void
publish_traces(size_t head, size_t tail, enum part early, enum part late, uint32_t rows[GROUPS],
               size_t *ret_groups)
{
    struct span_batch batch;
    open_batch(&batch);
    for (size_t i = 0; i < TRACES; i++) {
        const enum part part = i % 4 ? WHOLE : i < head ? early : i >= tail ? late : WHOLE;
        if (part != CHILD_ALONE) {
            add_span(&batch, i, false);
        }
        if (part != ROOT_ALONE) {
            add_span(&batch, i, true);
        }
    }
    publish(&batch, rows, ret_groups);
}

static void
unfinished_traces_at_the_borders_have_row_groups_apart(void **state)
{
    uint32_t rows[GROUPS];
    size_t n = 0;
    (void)state;
    publish_traces(10, TRACES - 20, CHILD_ALONE, ROOT_ALONE, rows, &n);
    assert_int_equal(rows[0], 3);            /* traces 0, 4, 8 without their root */
    assert_int_equal(rows[n - 2], 5);        /* five without the child that others have */
    assert_in_range(rows[n - 1], 94, GROUP); /* the other traces that ended last */
    for (size_t g = 1; g < n - 2; g++) {
        assert_in_range(rows[g], GROUP * 3 / 4, GROUP);
    }
}

static void
a_finished_trace_that_stands_before_the_end_is_no_border(void **state)
{
    uint32_t rows[GROUPS];
    size_t n = 0;
    (void)state;
    publish_traces(0, TRACES, WHOLE, WHOLE, rows, &n);
    for (size_t g = 0; g < n; g++) {
        assert_in_range(rows[g], GROUP * 3 / 4, GROUP);
    }
}

/* Nothing tells them apart: time does, as if nobody had looked. */
static void
where_many_look_unfinished_all_that_ended_last_stand_together(void **state)
{
    uint32_t rows[GROUPS];
    struct span_batch batch;
    size_t n = 0;
    (void)state;
    open_batch(&batch);
    for (size_t i = 0; i < TRACES; i++) {
        add_span(&batch, i, true);
    }
    publish(&batch, rows, &n);
    assert_int_equal(rows[0], GROUP / 4);
    assert_int_equal(rows[n - 1], GROUP);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unfinished_traces_at_the_borders_have_row_groups_apart, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(a_finished_trace_that_stands_before_the_end_is_no_border, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(where_many_look_unfinished_all_that_ended_last_stand_together,
                                        make_dir, drop_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
