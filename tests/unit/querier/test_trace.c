/* A trace is one set of spans, however they arrived. */
#include "test.h"

#include "vivace/querier/trace.h"

static void
add(struct span_batch *b, uint8_t id, uint8_t parent, int32_t kind)
{
    if (b->resource_count == 0) {
        span_batch_add_resource(b);
        span_batch_add_scope(b);
    }
    struct span *s = span_batch_add_span(b);
    s->id.b[7] = id;
    s->parent.b[7] = parent;
    s->kind = kind;
    s->wire_bytes = 100;
}

static void
spans_sent_twice_are_kept_once_but_kinds_differ(void **state)
{
    (void)state;
    struct span_batch b;
    span_batch_init(&b, 0);
    add(&b, 1, 0, 2);
    add(&b, 2, 1, 3);
    add(&b, 1, 0, 2);
    add(&b, 2, 1, 2);
    trace_drop_duplicates(&b);
    assert_int_equal(b.span_count, 3);
    assert_int_equal(b.spans[2].kind, 2);
    span_batch_fini(&b);
}

static void
zipkins_shared_ids_are_taken_apart(void **state)
{
    (void)state;
    struct span_batch b;
    span_batch_init(&b, 0);
    add(&b, 9, 0, 2);   /* root server */
    add(&b, 0xa, 9, 3); /* client */
    add(&b, 0xa, 9, 2); /* the server side of the same call */
    add(&b, 1, 0xa, 1); /* its child, which also uses up the number 1 */
    trace_split_shared_ids(&b);
    assert_int_equal(b.spans[1].id.b[7], 0xa);
    assert_int_equal(b.spans[2].id.b[7], 2);
    assert_int_equal(b.spans[2].parent.b[7], 0xa);
    assert_int_equal(b.spans[3].parent.b[7], 2);
    assert_int_equal(b.spans[0].parent.b[7], 0);
    span_batch_fini(&b);
}

struct fake_source {
    err rc;
    int spans;
    uint8_t first_id;
};

static err
fake_find(void *ctx, slice tenant, const trace_id *id, struct span_batch *out, uint64_t *inspected_bytes,
          struct fault *f)
{
    const struct fake_source *s = ctx;
    (void)tenant;
    (void)id;
    if (s->rc != OK) {
        return s->rc == ERR_NOT_FOUND ? s->rc : FAULT(f, s->rc, "source failed");
    }
    for (int i = 0; i < s->spans; i++) {
        add(out, (uint8_t)(s->first_id + i), 0, 1);
    }
    *inspected_bytes += 10;
    return OK;
}

static void
parts_from_several_sources_and_tenants_are_put_together(void **state)
{
    (void)state;
    struct fake_source live = {OK, 3, 1};
    struct fake_source none = {ERR_NOT_FOUND, 0, 0};
    struct fake_source block = {OK, 3, 3}; /* span 3 is in both */
    struct trace_source sources[] = {{fake_find, &live}, {fake_find, &none}, {fake_find, &block}};
    slice tenants[] = {SL("a"), SL("b")};
    struct trace_query q = {.sources = sources, .source_count = 3, .tenants = tenants, .tenant_count = 2};
    struct span_batch out;
    struct fault f = {0};
    span_batch_init(&out, 0);
    assert_ok(trace_find(&q, &out, &f), &f);
    assert_int_equal(out.span_count, 5);
    assert_int_equal(q.inspected_bytes, 40);
    assert_false(q.truncated);

    span_batch_reset(&out);
    q.max_bytes = 250;
    assert_ok(trace_find(&q, &out, &f), &f);
    assert_int_equal(out.span_count, 2);
    assert_true(q.truncated);

    span_batch_reset(&out);
    live.rc = ERR_NOT_FOUND;
    block.rc = ERR_NOT_FOUND;
    assert_int_equal(trace_find(&q, &out, &f), ERR_NOT_FOUND);
    block.rc = ERR_CORRUPT;
    assert_int_equal(trace_find(&q, &out, &f), ERR_CORRUPT); /* "could not look" is never "not there" */
    _Atomic bool gone = true;
    q.cancelled = &gone;
    f = (struct fault){0};
    assert_int_equal(trace_find(&q, &out, &f), ERR_CANCELLED);
    span_batch_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_sent_twice_are_kept_once_but_kinds_differ),
        cmocka_unit_test(zipkins_shared_ids_are_taken_apart),
        cmocka_unit_test(parts_from_several_sources_and_tenants_are_put_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
