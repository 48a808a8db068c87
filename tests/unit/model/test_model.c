/* Ids as users write them, and batches that copy without loss. */
#include "test.h"

#include "vivace/model/span_batch.h"

static void
trace_ids_read_as_tempo_reads_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *hex;   /* padded, or NULL */
        const char *fault; /* or NULL */
    } rows[] = {
        {"1", "00000000000000000000000000000001", NULL},
        {"ABCD", "0000000000000000000000000000abcd", NULL},
        {"af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c", NULL},
        {"0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c", NULL},
        {"z1", NULL, "trace IDs can only contain hex characters: invalid character 'z' at position 1"},
        {"000000000000000000000000000000001", NULL, "trace IDs can't be larger than 128 bits"},
    };
    struct buf out;
    buf_init(&out, 100);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        trace_id id;
        struct fault f = {0};
        err rc = trace_id_parse(slice_cstr(rows[i].text), &id, &f);
        if (rows[i].fault) {
            assert_int_equal(rc, ERR_INVALID);
            assert_string_equal(f.msg, rows[i].fault);
        } else {
            assert_int_equal(rc, OK);
            buf_clear(&out);
            trace_id_format(&out, &id, false);
            assert_slice_equal(buf_slice(&out), rows[i].hex);
        }
    }
    trace_id id;
    assert_int_equal(trace_id_parse(SL("00ab"), &id, NULL), OK);
    buf_clear(&out);
    trace_id_format(&out, &id, true);
    assert_slice_equal(buf_slice(&out), "ab");
    buf_fini(&out);
}

static struct attr
string_attr(const char *key, const char *value)
{
    struct attr a = {.kind = VALUE_STRING};
    a.key = (const uint8_t *)key;
    a.key_n = (uint32_t)strlen(key);
    a.p = (const uint8_t *)value;
    a.n = (uint32_t)strlen(value);
    return a;
}

static void
copied_spans_keep_their_resource_scope_events_and_links(void **state)
{
    (void)state;
    struct span_batch from;
    struct span_batch to;
    span_batch_init(&from, 0);
    span_batch_init(&to, 0);
    for (uint32_t r = 0; r < 2; r++) {
        uint32_t at = (uint32_t)from.attr_count;
        *span_batch_add_attr(&from) = string_attr("service.name", r ? "shop" : "pay");
        struct resource *res = span_batch_add_resource(&from);
        res->attrs = (struct run){at, 1};
        struct scope *scope = span_batch_add_scope(&from);
        scope->resource = r;
        scope->name = SL("lib");
        for (int i = 0; i < 3; i++) {
            uint32_t attr_at = (uint32_t)from.attr_count;
            *span_batch_add_attr(&from) = string_attr("k", "v");
            uint32_t event_at = (uint32_t)from.event_count;
            struct span_event *e = span_batch_add_event(&from);
            e->name = SL("boom");
            e->attrs = (struct run){attr_at, 1};
            uint32_t link_at = (uint32_t)from.link_count;
            span_batch_add_link(&from)->trace_state = SL("a=b");
            struct span *s = span_batch_add_span(&from);
            s->id.b[7] = (uint8_t)(i + 1);
            s->scope = r;
            s->name = SL("op");
            s->attrs = (struct run){attr_at, 1};
            s->events = (struct run){event_at, 1};
            s->links = (struct run){link_at, 1};
        }
    }
    struct span_copy_memo memo = {0};
    for (size_t i = 0; i < from.span_count; i++) {
        if (i != 1) {
            assert_int_equal(span_batch_copy_span(&to, &from, i, true, &memo), OK);
        }
    }
    span_batch_fini(&from); /* a deep copy stands alone */
    assert_int_equal(to.span_count, 5);
    assert_int_equal(to.resource_count, 2);
    assert_int_equal(to.scope_count, 2);
    assert_slice_equal(span_service_name(&to, &to.spans[0]), "pay");
    assert_slice_equal(span_service_name(&to, &to.spans[4]), "shop");
    assert_int_equal(to.spans[1].id.b[7], 3);
    const struct span *s = &to.spans[4];
    assert_slice_equal(to.events[s->events.at].name, "boom");
    assert_slice_equal(attr_bytes(attrs_find(&to, to.events[s->events.at].attrs, SL("k"))), "v");
    assert_slice_equal(to.links[s->links.at].trace_state, "a=b");
    assert_null(attrs_find(&to, s->attrs, SL("absent")));
    span_batch_fini(&to);
}

static void
a_full_batch_says_so(void **state)
{
    (void)state;
    struct span_batch b;
    span_batch_init(&b, 100000);
    size_t n = 0;
    while (span_batch_add_span(&b)) {
        n++;
    }
    assert_true(n > 100 && b.arena.bytes <= 100000);
    span_batch_reset(&b);
    assert_non_null(span_batch_add_span(&b));
    span_batch_fini(&b);
}

static void
spans_added_to_reserved_room_do_not_move(void **state)
{
    struct span_batch b;
    (void)state;
    span_batch_init(&b, 64 << 10);
    span_batch_add_span(&b)->start_ns = 7;
    assert_true(span_batch_reserve_spans(&b, 100));
    const struct span *first = b.spans;
    for (int i = 0; i < 100; i++) {
        assert_non_null(span_batch_add_span(&b));
    }
    assert_ptr_equal(b.spans, first);
    assert_int_equal(first->start_ns, 7);
    assert_true(span_batch_reserve_spans(&b, 0));
    assert_false(span_batch_reserve_spans(&b, 1000000)); /* more than it may hold */
    assert_false(span_batch_reserve_spans(&b, UINT32_MAX));
    assert_int_equal(b.span_count, 101);
    span_batch_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trace_ids_read_as_tempo_reads_them),
        cmocka_unit_test(copied_spans_keep_their_resource_scope_events_and_links),
        cmocka_unit_test(a_full_batch_says_so),
        cmocka_unit_test(spans_added_to_reserved_room_do_not_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
