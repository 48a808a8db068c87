/* What the distributor promises: whole batches, limits with Tempo's words, true counters. */
#include "test.h"

#include "vivace/base/clock.h"
#include "vivace/base/metrics.h"
#include "vivace/codec/otlp.h"
#include "vivace/distributor/distributor.h"

#include <unistd.h>

static char dir[] = "/tmp/vivace-distributor-XXXXXX";
static struct distributor_limits limits;
static struct ingester *ing;
static struct distributor *d;

static void
give_limits(void *ctx, slice tenant, struct distributor_limits *ret)
{
    (void)ctx;
    (void)tenant;
    *ret = limits;
}

static int
setup(void **state)
{
    (void)state;
    struct fault f = {0};
    limits = (struct distributor_limits){.retry_info = true, .max_attribute_bytes = 2048};
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    struct ingester_options o = {.wal_dir = dir, .sync = WAL_SYNC_NONE};
    if (ingester_open(&o, &f, &ing) != OK) {
        return -1;
    }
    d = distributor_create(
        &(struct distributor_options){.ingester = ing, .limits = give_limits, .retry_after_s = 5});
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    char cmd[128];
    distributor_destroy(d);
    ingester_close(ing);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

static struct attr
text_attr(slice key, slice value)
{
    struct attr a = {.kind = VALUE_STRING};
    a.key = key.p;
    a.key_n = (uint32_t)key.n;
    a.p = value.p;
    a.n = (uint32_t)value.n;
    return a;
}

/* `n` spans of one trace with one attribute each. */
static void
make_batch(struct span_batch *b, int n, uint8_t trace, slice value)
{
    span_batch_reset(b);
    span_batch_add_resource(b);
    span_batch_add_scope(b);
    for (int i = 0; i < n; i++) {
        uint32_t at = (uint32_t)b->attr_count;
        *span_batch_add_attr(b) = text_attr(SL("key"), value);
        struct span *s = span_batch_add_span(b);
        s->trace.b[15] = trace;
        s->id.b[7] = (uint8_t)(i + 1);
        s->name = SL("op");
        s->attrs = (struct run){at, 1};
        s->end_ns = (uint64_t)clock_wall_ns();
        s->wire_bytes = 60;
    }
}

static err
push(struct span_batch *b, struct fault *f, uint32_t *retry)
{
    struct distributor_push p = {
        .receiver = SL("otlp/otlp_receiver"), .transport = SL("grpc"), .tenant = SL("t1"), .batch = b};
    err rc = distributor_push(d, &p, f);
    if (retry) {
        *retry = p.retry_after_s;
    }
    return rc;
}

static double
counter(const char *name, const char *labels, const slice *values)
{
    return series_value(metric_series(metric_counter(name, "", labels), values));
}

static void
an_accepted_batch_is_stored_and_counted(void **state)
{
    (void)state;
    struct span_batch b;
    struct span_batch out;
    struct fault f = {0};
    uint64_t inspected = 0;
    span_batch_init(&b, 0);
    span_batch_init(&out, 0);
    make_batch(&b, 3, 1, SL("v"));
    assert_ok(push(&b, &f, NULL), &f);
    assert_ok(ingester_find_trace(ing, SL("t1"), &b.spans[0].trace, &out, &inspected, &f), &f);
    assert_int_equal(out.span_count, 3);
    assert_true(counter("tempo_distributor_spans_received_total", "tenant", (slice[]){SL("t1")}) == 3);
    assert_true(counter("tempo_receiver_accepted_spans", "receiver,transport",
                        (slice[]){SL("otlp/otlp_receiver"), SL("grpc")}) == 3);
    span_batch_fini(&out);
    span_batch_fini(&b);
}

static void
one_bad_id_refuses_the_whole_batch(void **state)
{
    (void)state;
    struct span_batch b;
    struct fault f = {0};
    span_batch_init(&b, 0);
    make_batch(&b, 3, 2, SL("v"));
    memset(&b.spans[2].id, 0, sizeof b.spans[2].id);
    assert_int_equal(push(&b, &f, NULL), ERR_INVALID);
    assert_string_equal(f.msg, "span ids must be 64 bit and not all zero, received 0 bits");
    assert_true(counter("tempo_discarded_spans_total", "reason,tenant",
                        (slice[]){SL("invalid_span_id"), SL("t1")}) == 3);
    struct span_batch out;
    uint64_t inspected = 0;
    span_batch_init(&out, 0);
    assert_int_equal(ingester_find_trace(ing, SL("t1"), &b.spans[0].trace, &out, &inspected, &f),
                     ERR_NOT_FOUND);
    f = (struct fault){0};
    make_batch(&b, 1, 0, SL("v"));
    assert_int_equal(push(&b, &f, NULL), ERR_INVALID);
    assert_string_equal(f.msg, "trace ids must be 128 bit, received 0 bits");
    span_batch_fini(&out);
    span_batch_fini(&b);
}

static void
a_rate_limit_speaks_tempos_words_and_says_when_to_come_back(void **state)
{
    (void)state;
    struct span_batch b;
    struct fault f = {0};
    uint32_t retry = 0;
    span_batch_init(&b, 0);
    make_batch(&b, 20, 3, SL("v"));
    size_t n = otlp_encoded_size(&b);
    char want[512];
    limits.rate_bytes = n / 2;
    limits.burst_bytes = n / 2;
    assert_int_equal(push(&b, &f, &retry), ERR_LIMIT);
    snprintf(want, sizeof want,
             "RATE_LIMITED: batch size (%zu bytes) exceeds ingestion limit (local: %zu bytes/s, global: 0 "
             "bytes/s, burst: "
             "%zu bytes) while adding %zu bytes for user t1. consider reducing batch size or increasing rate "
             "limit.",
             n, n / 2, n / 2, n);
    assert_string_equal(f.msg, want);
    assert_int_equal(retry, 5);

    limits.rate_bytes = n;
    limits.burst_bytes = n + 1;
    int64_t later = clock_mono_ns() + 1000 * NS_PER_S; /* time alone fills the bucket */
    clock_fake(clock_wall_ns(), later);
    f = (struct fault){0};
    assert_ok(push(&b, &f, &retry), &f);
    assert_int_equal(push(&b, &f, &retry), ERR_LIMIT);
    snprintf(want, sizeof want,
             "RATE_LIMITED: ingestion rate limit (local: %zu bytes/s, global: 0 bytes/s, burst: %zu bytes) "
             "exceeded while "
             "adding %zu bytes for user t1. consider increasing the limit or reducing ingestion rate.",
             n, n + 1, n);
    assert_string_equal(f.msg, want);
    clock_fake(clock_wall_ns(), later + 2 * NS_PER_S);
    f = (struct fault){0};
    assert_ok(push(&b, &f, &retry), &f);
    clock_real();
    limits.rate_bytes = 0;
    span_batch_fini(&b);
}

static void
long_attributes_are_cut_in_bytes_and_stored_cut(void **state)
{
    (void)state;
    char value[5000];
    struct span_batch b;
    struct span_batch out;
    struct fault f = {0};
    uint64_t inspected = 0;
    memset(value, 'x', sizeof value);
    span_batch_init(&b, 0);
    span_batch_init(&out, 0);
    make_batch(&b, 2, 4, slice_of(value, sizeof value));
    *span_batch_add_attr(&b) = text_attr(slice_of(value, 3000), SL("v"));
    b.resources[0].attrs = (struct run){2, 1};
    assert_ok(push(&b, &f, NULL), &f);
    assert_ok(ingester_find_trace(ing, SL("t1"), &b.spans[0].trace, &out, &inspected, &f), &f);
    assert_int_equal(out.attrs[out.spans[0].attrs.at].n, 2048);
    assert_int_equal(out.attrs[out.resources[0].attrs.at].key_n, 2048);
    assert_true(counter("tempo_distributor_attributes_truncated_total", "tenant,scope",
                        (slice[]){SL("t1"), SL("span")}) == 2);
    assert_true(counter("tempo_distributor_attributes_truncated_total", "tenant,scope",
                        (slice[]){SL("t1"), SL("resource")}) == 1);
    span_batch_fini(&out);
    span_batch_fini(&b);
}

static void
a_stopping_server_refuses_with_a_retryable_error(void **state)
{
    (void)state;
    struct span_batch b;
    struct fault f = {0};
    span_batch_init(&b, 0);
    make_batch(&b, 1, 5, SL("v"));
    distributor_stop(d);
    assert_int_equal(push(&b, &f, NULL), ERR_UNAVAILABLE);
    span_batch_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_accepted_batch_is_stored_and_counted),
        cmocka_unit_test(one_bad_id_refuses_the_whole_batch),
        cmocka_unit_test(a_rate_limit_speaks_tempos_words_and_says_when_to_come_back),
        cmocka_unit_test(long_attributes_are_cut_in_bytes_and_stored_cut),
        cmocka_unit_test(a_stopping_server_refuses_with_a_retryable_error),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
