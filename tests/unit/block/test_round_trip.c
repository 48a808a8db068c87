/* What OTLP carries comes back from a block as it went in. */
#include "block_test.h"
#include "span_random.h"

#define BATCHES_MAX 40

/* The spans of a trace as they were pushed. */
static void
expected_trace(const struct span_batch *batches, size_t count, const trace_id *id, struct span_batch *ret)
{
    for (size_t i = 0; i < count; i++) {
        struct span_copy_memo memo = {0};
        for (size_t k = 0; k < batches[i].span_count; k++) {
            if (trace_id_eq(&batches[i].spans[k].trace, id)) {
                assert_int_equal(span_batch_copy_span(ret, &batches[i], k, false, &memo), OK);
            }
        }
    }
}

static void
assert_same(const struct span_batch *want, const struct span_batch *got)
{
    struct buf a, b;
    buf_init(&a, 1 << 26);
    buf_init(&b, 1 << 26);
    assert_int_equal(want->span_count, got->span_count);
    assert_int_equal(otlp_encode(want, &a), OK);
    assert_int_equal(otlp_encode(got, &b), OK);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
    buf_fini(&a);
    buf_fini(&b);
}

static struct block_reader *
publish_and_open(struct block_builder *builder, struct block_meta *meta)
{
    struct fault f = {0};
    struct block_reader *reader = NULL;
    struct block_publish p = {.dir = tenant_dir()};
    assert_ok(block_builder_publish(builder, &p, &f, meta), &f);
    assert_ok(block_reader_open(block_dir(&meta->id), &f, &reader), &f);
    return reader;
}

static void
check_traces(struct block_reader *reader, const struct span_batch *batches, size_t count,
             const struct span_random *r)
{
    struct fault f = {0};
    size_t spans = 0;
    for (size_t t = 0; t < r->traces; t++) {
        trace_id id = random_trace(r, t);
        struct span_batch want, got;
        uint64_t inspected = 0;
        span_batch_init(&want, 0);
        span_batch_init(&got, 0);
        expected_trace(batches, count, &id, &want);
        err rc = block_find_trace(reader, &id, &got, &inspected, &f);
        if (want.span_count == 0) {
            assert_int_equal(rc, ERR_NOT_FOUND);
        } else {
            assert_ok(rc, &f);
            assert_true(inspected > 0);
            assert_same(&want, &got);
        }
        spans += got.span_count;
        span_batch_fini(&want);
        span_batch_fini(&got);
    }
    size_t pushed = 0;
    for (size_t i = 0; i < count; i++) {
        pushed += batches[i].span_count;
    }
    assert_int_equal(spans, pushed);
}

/* The rows of a trace stand together, and traces by id in every row group: what its sorting columns say. */
static void
check_order(struct block_reader *reader)
{
    const struct parquet_meta *m = block_reader_file(reader)->meta;
    struct fault f = {0};
    for (uint32_t g = 0; g < m->row_group_count; g++) {
        struct span_batch got;
        uint64_t inspected = 0;
        span_batch_init(&got, 0);
        assert_ok(block_read_rows(reader, g, 0, m->row_groups[g].row_count, &got, &inspected, &f), &f);
        for (size_t i = 1; i < got.span_count; i++) {
            assert_true(memcmp(&got.spans[i - 1].trace, &got.spans[i].trace, sizeof(trace_id)) <= 0);
        }
        span_batch_fini(&got);
    }
}

struct round_trip {
    uint64_t seed;
    size_t batches, spans_each, traces;
    uint32_t group_rows, page_rows;
    bool bad_text, few_values;
    int zstd_level;
    enum block_order order;
};

static void
round_trip(const struct round_trip *c)
{
    struct span_random r = {.traces = c->traces, .bad_text = c->bad_text, .few_values = c->few_values};
    struct span_batch batches[BATCHES_MAX];
    struct block_builder *b = NULL;
    struct block_meta meta;
    struct fault f = {0};
    struct block_builder_options o = {
        .tenant = SL("single-tenant"),
        .row_group_rows = c->group_rows,
        .page_rows = c->page_rows,
        .zstd_level = c->zstd_level,
        .order = c->order,
    };
    rng_seed(&r.rng, c->seed);
    assert_ok(block_builder_create(&o, &f, &b), &f);
    for (size_t i = 0; i < c->batches; i++) {
        span_batch_init(&batches[i], 0);
        random_spans(&r, &batches[i], c->spans_each);
        assert_ok(block_builder_add(b, &batches[i], &f), &f);
    }
    struct block_reader *reader = publish_and_open(b, &meta);
    assert_int_equal(meta.spans, c->batches * c->spans_each);
    check_traces(reader, batches, c->batches, &r);
    check_order(reader);
    block_reader_close(reader);
    block_builder_destroy(b);
    block_meta_fini(&meta);
    for (size_t i = 0; i < c->batches; i++) {
        span_batch_fini(&batches[i]);
    }
}

static void
every_field_comes_back_as_it_was_pushed(void **state)
{
    static const struct round_trip cases[] = {
        {.seed = 1, .batches = 1, .spans_each = 1, .traces = 1},
        {.seed = 2, .batches = 3, .spans_each = 50, .traces = 9},
        {.seed = 3, .batches = 20, .spans_each = 100, .traces = 70, .few_values = true},
        {.seed = 4, .batches = 20, .spans_each = 100, .traces = 300, .group_rows = 256, .page_rows = 64},
        {.seed = 5, .batches = 10, .spans_each = 100, .traces = 1, .group_rows = 300, .page_rows = 7},
        {.seed = 6, .batches = 10, .spans_each = 60, .traces = 20, .bad_text = true, .few_values = true},
        {.seed = 7, .batches = 40, .spans_each = 100, .traces = 100, .zstd_level = 6, .page_rows = 1000},
        {.seed = 8,
         .batches = 10,
         .spans_each = 100,
         .traces = 80,
         .order = BLOCK_ORDER_TRACE_ID,
         .group_rows = 128},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        round_trip(&cases[i]);
    }
    for (uint64_t seed = 100; seed < 130; seed++) {
        round_trip(&(struct round_trip){.seed = seed,
                                        .batches = 1 + seed % 4,
                                        .spans_each = 1 + seed % 23,
                                        .traces = 1 + seed % 7,
                                        .group_rows = seed % 3 ? 0 : 10,
                                        .page_rows = seed % 2 ? 0 : 3,
                                        .few_values = seed % 5 != 0});
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_comes_back_as_it_was_pushed),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
