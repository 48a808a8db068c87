/* Blocks become one: nothing is lost, nothing stands twice, and every trace is whole. */
#include "merge_test.h"

static void
run_case(const struct case_of *c)
{
    struct inputs in = {.count = 0};
    struct block_merge_stats stats;
    struct block_meta meta;
    struct block_reader *merged = NULL;
    struct span_batch all;
    struct fault f = {0};
    uint64_t want = 0, spans = 0;
    inputs_make(&in, c);
    for (size_t i = 0; i < in.count; i++) {
        want += sum_of(&in.batch[i], c->seed);
        spans += in.batch[i].span_count;
    }
    assert_ok(merge(&in, c, NULL, &f, &meta, &stats), &f);
    assert_int_equal(meta.spans, spans);
    assert_int_equal(stats.spans_read, spans);
    assert_int_equal(stats.duplicate_spans, 0);
    assert_int_equal(meta.level, 1);
    assert_ok(block_reader_open(block_dir(&meta.id), &f, &merged), &f);
    span_batch_init(&all, 0);
    read_all(merged, &all);
    assert_int_equal(all.span_count, spans);
    assert_int_equal(sum_of(&all, c->seed), want);
    check_order(merged, c->out_rows ? c->out_rows : 65536);
    check_summaries(merged, c, sum_of(&all, 3));
    span_batch_fini(&all);
    block_reader_close(merged);
    block_meta_fini(&meta);
    inputs_fini(&in);
}

static void
every_span_is_in_the_merged_block_once_and_as_it_was(void **state)
{
    static const struct case_of cases[] = {
        {.seed = 1, .inputs = 1, .spans_each = 1, .traces = 1},
        {.seed = 2, .inputs = 2, .spans_each = 60, .traces = 9, .few_values = true},
        {.seed = 3,
         .inputs = 4,
         .spans_each = 500,
         .traces = 150,
         .group_rows = 100,
         .page_rows = 16,
         .out_rows = 100,
         .few_values = true},
        {.seed = 4,
         .inputs = 4,
         .spans_each = 500,
         .traces = 600,
         .group_rows = 64,
         .page_rows = 10,
         .out_rows = 200,
         .in_time = true},
        {.seed = 5,
         .inputs = 3,
         .spans_each = 400,
         .traces = 60,
         .bad_text = true,
         .few_values = true,
         .group_rows = 90,
         .out_rows = 120},
        {.seed = 6,
         .inputs = 3,
         .spans_each = 300,
         .traces = 1,
         .group_rows = 64,
         .page_rows = 7,
         .out_rows = 64,
         .few_values = true},
        {.seed = 7,
         .inputs = 8,
         .spans_each = 200,
         .traces = 900,
         .out_rows = 50,
         .group_rows = 50,
         .few_values = true,
         .in_time = true},
        {.seed = 8, .inputs = 4, .spans_each = 1000, .traces = 40, .few_values = true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_case(&cases[i]);
    }
}

static void
spans_sent_to_two_blocks_stand_once(void **state)
{
    const struct case_of c = {.seed = 11,
                              .inputs = 1,
                              .spans_each = 400,
                              .traces = 40,
                              .group_rows = 64,
                              .out_rows = 100,
                              .few_values = true};
    struct inputs in = {.count = 0};
    struct block_merge_stats stats;
    struct block_meta meta;
    struct block_reader *merged = NULL;
    struct span_batch all;
    struct fault f = {0};
    (void)state;
    inputs_make(&in, &c);
    for (in.count = 2; in.count < 4; in.count++) { /* the same again, and once more */
        size_t i = in.count - 1;
        span_batch_init(&in.batch[i], 0);
        publish_batch(&in.batch[0], &c, &in.meta[i], &in.reader[i]);
    }
    in.count = 3;
    assert_ok(merge(&in, &c, NULL, &f, &meta, &stats), &f);
    assert_int_equal(meta.spans, 400);
    assert_int_equal(stats.duplicate_spans, 800);
    assert_true(stats.combined_traces > 0);
    assert_ok(block_reader_open(block_dir(&meta.id), &f, &merged), &f);
    span_batch_init(&all, 0);
    read_all(merged, &all);
    assert_int_equal(all.span_count, 400);
    assert_int_equal(sum_of(&all, 1), sum_of(&in.batch[0], 1));
    span_batch_fini(&all);
    block_reader_close(merged);
    block_meta_fini(&meta);
    inputs_fini(&in);
}

static void
traces_that_meet_late_are_whole_without_waiting_for_ever(void **state)
{
    /* The second block has the same traces, in the opposite order of time. */
    const struct case_of c = {.seed = 12,
                              .inputs = 2,
                              .spans_each = 1200,
                              .traces = 300,
                              .group_rows = 40,
                              .out_rows = 40,
                              .few_values = true};
    struct span_random r = {.traces = c.traces, .few_values = true};
    struct inputs in = {.count = 2};
    struct block_merge_stats stats;
    struct block_meta meta;
    struct block_reader *merged = NULL;
    struct span_batch all;
    struct fault f = {0};
    uint64_t next = 0, want = 0;
    (void)state;
    rng_seed(&r.rng, c.seed);
    for (size_t i = 0; i < 2; i++) {
        span_batch_init(&in.batch[i], 0);
        random_spans(&r, &in.batch[i], c.spans_each);
        make_unique(&in.batch[i], i, &next, &c);
        for (size_t k = 0; k < c.spans_each; k++) {
            struct span *s = &in.batch[i].spans[k];
            size_t trace = k / 4;
            s->trace = random_trace(&r, trace);
            s->start_ns = (i ? c.traces - trace : trace) * 1000 + 1;
            s->end_ns = s->start_ns + 10;
        }
        publish_batch(&in.batch[i], &c, &in.meta[i], &in.reader[i]);
        want += sum_of(&in.batch[i], 3);
    }
    assert_ok(merge(&in, &c, NULL, &f, &meta, &stats), &f);
    assert_true(stats.waits_cut > 0);
    assert_int_equal(stats.spans_read, 2400);
    assert_int_equal(meta.spans, 2400);
    assert_int_equal(meta.traces, 300);
    assert_ok(block_reader_open(block_dir(&meta.id), &f, &merged), &f);
    span_batch_init(&all, 0);
    read_all(merged, &all);
    assert_int_equal(sum_of(&all, 3), want);
    check_order(merged, 40);
    check_summaries(merged, &c, want);
    span_batch_fini(&all);
    block_reader_close(merged);
    block_meta_fini(&meta);
    inputs_fini(&in);
}

static void
a_merge_that_fails_anywhere_leaves_no_block(void **state)
{
    const struct case_of c = {.seed = 13,
                              .inputs = 2,
                              .spans_each = 150,
                              .traces = 30,
                              .group_rows = 64,
                              .out_rows = 64,
                              .few_values = true};
    struct inputs in = {.count = 0};
    struct block_merge_stats stats;
    struct failing x = {.reached = true};
    (void)state;
    inputs_make(&in, &c);
    size_t before = listed();
    for (int n = 0; x.reached; n += n < 20 ? 1 : n < 300 ? 7 : 29) {
        struct block_meta meta;
        struct fault f = {0};
        x = (struct failing){.countdown = n};
        file_set_hook(fail_at, &x);
        err rc = merge(&in, &c, NULL, &f, &meta, &stats);
        file_set_hook(NULL, NULL);
        assert_true(x.reached ? rc == ERR_IO || rc == ERR_CORRUPT || rc == OK : rc == OK);
        if (rc == OK) { /* the failure was in cleaning up, or came too late */
            assert_ok(block_remove(tenant_dir(), &meta.id, &f), &f);
            block_meta_fini(&meta);
        } else {
            assert_true(f.msg[0] != 0);
        }
        assert_int_equal(listed(), before);
    }
    inputs_fini(&in);
}

struct stepping {
    size_t countdown, seen;
};

static err
stop_at(void *ctx, struct fault *f)
{
    struct stepping *x = ctx;
    x->seen++;
    return x->countdown-- == 0 ? FAULT(f, ERR_CANCELLED, "stop") : OK;
}

static void
a_merge_can_be_stopped_at_every_step(void **state)
{
    const struct case_of c = {
        .seed = 14, .inputs = 2, .spans_each = 300, .traces = 40, .group_rows = 64, .few_values = true};
    struct inputs in = {.count = 0};
    err rc = ERR_CANCELLED;
    (void)state;
    inputs_make(&in, &c);
    size_t before = listed();
    for (size_t n = 0; rc == ERR_CANCELLED; n += 1 + n / 8) {
        struct stepping x = {.countdown = n};
        struct block_merge_options o = {.inputs = in.reader,
                                        .input_count = 2,
                                        .tenant = SL("tenant-a"),
                                        .row_group_rows = 64,
                                        .step = stop_at,
                                        .ctx = &x};
        struct block_publish p = {.dir = tenant_dir()};
        struct block_merge_stats stats;
        struct block_meta meta;
        struct fault f = {0};
        rc = block_merge(&o, &p, &f, &meta, &stats);
        if (rc == OK) {
            assert_true(x.seen > 40);
            assert_int_equal(meta.spans, 600);
            block_meta_fini(&meta);
        } else {
            assert_int_equal(rc, ERR_CANCELLED);
            assert_int_equal(listed(), before);
        }
    }
    assert_int_equal(rc, OK);
    inputs_fini(&in);
}

static void
memory_is_reserved_first_and_given_back(void **state)
{
    const struct case_of c = {
        .seed = 15, .inputs = 3, .spans_each = 300, .traces = 100, .group_rows = 100, .few_values = true};
    struct inputs in = {.count = 0};
    struct block_merge_stats stats;
    struct budget budget;
    err rc = ERR_LIMIT;
    (void)state;
    inputs_make(&in, &c);
    size_t before = listed();
    for (size_t max = 1 << 20; rc == ERR_LIMIT; max *= 2) {
        struct block_meta meta;
        struct fault f = {0};
        budget_init(&budget, "test", NULL, max);
        rc = merge(&in, &c, &budget, &f, &meta, &stats);
        assert_int_equal(budget_used(&budget), 0);
        assert_true(rc == OK || rc == ERR_LIMIT);
        assert_int_equal(listed(), before + (rc == OK));
        if (rc == OK) {
            assert_true(max > 1 << 20);
            block_meta_fini(&meta);
        }
    }
    inputs_fini(&in);
}

static void
a_damaged_input_is_named_and_harms_nothing(void **state)
{
    const struct case_of c = {
        .seed = 16, .inputs = 2, .spans_each = 200, .traces = 30, .group_rows = 64, .few_values = true};
    struct inputs in = {.count = 0};
    struct rng rng;
    char path[256];
    uint8_t *p = NULL;
    size_t size = 0, refused = 0;
    struct fault f = {0};
    (void)state;
    inputs_make(&in, &c);
    rng_seed(&rng, 16);
    snprintf(path, sizeof path, "%s/spans.parquet", block_dir(&in.meta[1].id));
    assert_ok(file_read_all(path, 1 << 24, &f, &p, &size), &f);
    size_t before = listed();
    for (size_t n = 0; n < 300; n++) {
        uint8_t *copy = mem_alloc(size);
        slice bytes = slice_of(copy, size);
        struct parquet_source source = parquet_source_of(&bytes);
        struct inputs two = in;
        struct block_merge_stats stats;
        struct block_meta meta;
        memcpy(copy, p, size);
        for (uint64_t k = rng_below(&rng, 3) + 1; k > 0; k--) {
            copy[rng_below(&rng, size)] ^= (uint8_t)(1U << rng_below(&rng, 8));
        }
        f = (struct fault){0};
        if (block_reader_open_source(&source, "damaged", &f, &two.reader[1]) == OK) {
            err rc = merge(&two, &c, NULL, &f, &meta, &stats);
            refused += rc != OK;
            if (rc == OK) {
                assert_ok(block_remove(tenant_dir(), &meta.id, &f), &f);
                block_meta_fini(&meta);
            } else {
                assert_true(rc == ERR_CORRUPT || rc == ERR_UNSUPPORTED || rc == ERR_LIMIT ||
                            rc == ERR_INVALID);
                assert_true(f.msg[0] != 0);
                if (rc == ERR_CORRUPT && stats.bad_input != 1)
                    fail_msg("%s: input %zu", f.msg, stats.bad_input);
            }
            block_reader_close(two.reader[1]);
        }
        mem_free(copy);
    }
    assert_true(refused > 50);
    assert_int_equal(listed(), before);
    mem_free(p);
    inputs_fini(&in);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_span_is_in_the_merged_block_once_and_as_it_was),
        cmocka_unit_test(spans_sent_to_two_blocks_stand_once),
        cmocka_unit_test(traces_that_meet_late_are_whole_without_waiting_for_ever),
        cmocka_unit_test(a_merge_that_fails_anywhere_leaves_no_block),
        cmocka_unit_test(a_merge_can_be_stopped_at_every_step),
        cmocka_unit_test(memory_is_reserved_first_and_given_back),
        cmocka_unit_test(a_damaged_input_is_named_and_harms_nothing),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
