/* A reader keeps the filters of its trace IDs: read once, by whoever comes first. */
#include "block_test.h"

#include "vivace/base/file.h"

#include <pthread.h>

#define TRACES  30 /* as publish_random makes them */
#define THREADS 4

/* A file in memory that counts what is read. */
struct counted_file {
    uint8_t *p;
    size_t n;
    uint64_t read;
    size_t fail_from, fail_to; /* bytes that cannot be read */
};

static err
read_bytes(void *ctx, uint64_t off, size_t n, void *into, struct fault *f)
{
    struct counted_file *x = ctx;
    if (off < x->fail_to && off + n > x->fail_from) {
        return FAULT(f, ERR_IO, "the disk is gone");
    }
    memcpy(into, x->p + off, n);
    __atomic_add_fetch(&x->read, n, __ATOMIC_RELAXED);
    return OK;
}

static struct block_reader *
open_counted(struct counted_file *x)
{
    struct block_reader *r = NULL;
    struct block_meta meta;
    struct fault f = {0};
    char path[256];
    publish_random(5, 1000, &meta);
    snprintf(path, sizeof path, "%s/spans.parquet", block_dir(&meta.id));
    assert_ok(file_read_all(path, 1 << 24, &f, &x->p, &x->n), &f);
    block_meta_fini(&meta);
    const struct parquet_source source = {.ctx = x, .size = x->n, .read = read_bytes};
    assert_ok(block_reader_open_source(&source, "test", &f, &r), &f);
    assert_true(block_reader_file(r)->meta->row_group_count > 2);
    return r;
}

static bool
is_in_a_filter(const struct block_reader *r, const trace_id *id)
{
    char hex[2 * sizeof id->b];
    bool any = false;
    hex_encode(id->b, sizeof id->b, hex);
    for (size_t g = 0; g < block_reader_file(r)->meta->row_group_count; g++) {
        const struct parquet_bloom *bloom = NULL;
        uint64_t inspected = 0;
        if (block_reader_trace_filter(r, g, &inspected, NULL, &bloom) == OK) {
            any = any || parquet_bloom_has(bloom, parquet_bloom_hash(slice_of(hex, sizeof hex)));
        }
    }
    return any;
}

static size_t
missing(const struct block_reader *r)
{
    struct span_random ids = {.traces = TRACES};
    size_t n = 0;
    for (size_t i = 0; i < TRACES; i++) {
        const trace_id id = random_trace(&ids, i);
        n += !is_in_a_filter(r, &id);
    }
    return n;
}

static void
every_trace_is_in_a_filter_that_is_read_once(void **state)
{
    struct counted_file x = {0};
    struct block_reader *r = open_counted(&x);
    const size_t bytes = block_reader_bytes(r);
    trace_id unknown = {{0}};
    size_t wrong = 0;
    (void)state;
    assert_int_equal(missing(r), 0);
    const uint64_t read = x.read;
    for (uint32_t i = 1; i <= 1000; i++) {
        memcpy(unknown.b, &i, sizeof i);
        wrong += is_in_a_filter(r, &unknown);
    }
    assert_true(wrong < 200); /* it says no as well */
    assert_int_equal(x.read, read);
    assert_int_equal(block_reader_bytes(r), bytes); /* counted from the beginning */
    block_reader_close(r);
    mem_free(x.p);
}

static void *
ask(void *ctx)
{
    return missing(ctx) ? ctx : NULL;
}

static void
several_threads_may_ask_at_once(void **state)
{
    struct counted_file x = {0};
    struct block_reader *r = open_counted(&x);
    pthread_t threads[THREADS];
    void *failed = NULL;
    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask, r), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    block_reader_close(r);
    mem_free(x.p);
}

static void
a_filter_that_cannot_be_read_is_tried_again_and_a_damaged_one_is_named(void **state)
{
    struct counted_file x = {0};
    struct block_reader *r = open_counted(&x);
    const struct parquet_meta *m = block_reader_file(r)->meta;
    const size_t leaf = (size_t)block_reader_schema(r)->column[BLOCK_TRACE_ID];
    const struct parquet_bloom *bloom = NULL;
    uint64_t inspected = 0;
    struct fault f = {0};
    (void)state;
    x.fail_from = parquet_meta_chunk(m, 1, leaf)->bloom_offset;
    x.fail_to = x.fail_from + 1;
    assert_int_equal(block_reader_trace_filter(r, 1, &inspected, &f, &bloom), ERR_IO);
    x.fail_to = 0;
    assert_ok(block_reader_trace_filter(r, 1, &inspected, &f, &bloom), &f);
    memset(x.p + parquet_meta_chunk(m, 2, leaf)->bloom_offset, 0xff, 8);
    assert_int_equal(block_reader_trace_filter(r, 2, &inspected, &f, &bloom), ERR_CORRUPT);
    block_reader_close(r);
    mem_free(x.p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_trace_is_in_a_filter_that_is_read_once),
        cmocka_unit_test(several_threads_may_ask_at_once),
        cmocka_unit_test(a_filter_that_cannot_be_read_is_tried_again_and_a_damaged_one_is_named),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
