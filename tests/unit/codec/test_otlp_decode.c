/* What a client of the OTLP protobuf decoder may rely on: the rules of the messages and the error texts. */
#include "test.h"

#include "vivace/codec/otlp.h"
#include "vivace/codec/wire.h"

static struct buf
message(void)
{
    struct buf b;
    buf_init(&b, 1 << 24);
    return b;
}

/* Wraps `inner` as field `field` of a new message and frees it. */
static struct buf
wrap(uint32_t field, struct buf inner)
{
    struct buf b = message();
    wire_put_bytes(&b, field, buf_slice(&inner));
    buf_fini(&inner);
    return b;
}

static struct buf
request_of_span(struct buf span)
{
    return wrap(1, wrap(2, wrap(2, span)));
}

static struct buf
copy_of(slice s)
{
    struct buf b = message();
    assert_int_equal(OK, buf_append_slice(&b, s));
    return b;
}

static err
decode_and_drop(slice body, struct fault *f)
{
    struct span_batch batch;
    span_batch_init(&batch, 1 << 26);
    err rc = otlp_decode(body, &batch, f);
    span_batch_fini(&batch);
    return rc;
}

/* --- error texts ------------------------------------------------------------------------------------------
 */

struct text_case {
    slice span; /* body of a Span */
    const char *text;
};

static void
a_malformed_span_is_refused_in_gos_words(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {SL("\x0a\x03"
            "abc"),
         "unmarshal: invalid TraceID length"},
        {SL("\x12\x01z"), "unmarshal: invalid SpanID length"},
        {SL("\x22\x01z"), "unmarshal: invalid SpanID length"},
        {SL("\x08\x01"), "proto: wrong wireType = 0 for field TraceId"},
        {SL("\x28\x01"), "proto: wrong wireType = 0 for field Name"},
        {SL("\x32\x01z"), "proto: wrong wireType = 2 for field Kind"},
        {SL("\x3d\x01\x01\x01\x01"), "proto: wrong wireType = 5 for field StartTimeUnixNano"},
        {SL("\x48\x01"), "proto: wrong wireType = 0 for field Attributes"},
        {SL("\x82\x01\x01z"), "proto: wrong wireType = 2 for field Flags"},
        {SL("\x2a\x05z"), "unexpected EOF"},
        {SL("\x39\x01"), "unexpected EOF"},
        {SL("\x30"), "unexpected EOF"},
        {SL("\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "proto: integer overflow"},
        {SL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "proto: integer overflow"},
        {SL("\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
         "proto: negative length found during unmarshaling"},
        {SL("\x9e\x03"), "proto: illegal wireType 6"},
        {SL("\x2f"), "proto: wrong wireType = 7 for field Name"},
        {SL("\x2c"), "proto: Span: wiretype end group for non-group"},
        {SL("\x02\x00"), "proto: Span: illegal tag 0 (wire type 2)"},
        {SL("\x9b\x03\x08"), "unexpected EOF"},
        {SL("\x9b\x03\x0f"), "proto: illegal wireType 7"},
        {SL("\x4a\x02\x12\x01"), "unexpected EOF"},
        {SL("\x4a\x02\x08\x01"), "proto: wrong wireType = 0 for field Key"},
        {SL("\x4a\x04\x12\x02\x08\x01"), "proto: wrong wireType = 0 for field StringValue"},
        {SL("\x4a\x06\x12\x04\x2a\x02\x08\x01"), "proto: wrong wireType = 0 for field Values"},
        {SL("\x5a\x02\x08\x01"), "proto: wrong wireType = 0 for field TimeUnixNano"},
        {SL("\x6a\x03\x0a\x01z"), "unmarshal: invalid TraceID length"},
        {SL("\x7a\x02\x10\x01"), "proto: wrong wireType = 0 for field Message"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf body = request_of_span(copy_of(cases[i].span));
        struct fault f = {0};
        assert_int_equal(ERR_INVALID, decode_and_drop(buf_slice(&body), &f));
        assert_string_equal(cases[i].text, f.msg);
        buf_fini(&body);
    }
}

static void
garbage_as_a_whole_request_is_refused(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {SL("\x0a"), "unexpected EOF"},
        {SL("\x0a\x05"), "unexpected EOF"},
        {SL("\x08\x01"), "proto: wrong wireType = 0 for field ResourceSpans"},
        {SL("hello"), "proto: ExportTraceServiceRequest: wiretype end group for non-group"},
        {SL("\x0a\x02\x08\x01"), "proto: wrong wireType = 0 for field Resource"},
        {SL("\x0a\x03\xc0\x3e\x01"), "proto: wrong wireType = 0 for field DeprecatedScopeSpans"},
        {SL("\x0a\x04\x12\x02\x08\x01"), "proto: wrong wireType = 0 for field Scope"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault f = {0};
        assert_int_equal(ERR_INVALID, decode_and_drop(cases[i].span, &f));
        assert_string_equal(cases[i].text, f.msg);
    }
}

/* --- rules ------------------------------------------------------------------------------------------------
 */

static void
unknown_fields_and_groups_are_skipped(void **state)
{
    (void)state;
    struct buf span = message();
    wire_put_u64(&span, 99, 7);
    wire_put_bytes(&span, 99, SL("xyz"));
    wire_put_fixed32(&span, 98, 1);
    wire_put_fixed64(&span, 97, 1);
    wire_put_tag(&span, 96, WIRE_SGROUP);
    wire_put_tag(&span, 95, WIRE_SGROUP);
    wire_put_bytes(&span, 1, SL("not an id"));
    wire_put_tag(&span, 95, WIRE_EGROUP);
    wire_put_tag(&span, 96, WIRE_EGROUP);
    wire_put_bytes(&span, 5, SL("op"));
    struct buf body = request_of_span(span);
    struct span_batch b;
    struct fault f = {0};
    span_batch_init(&b, 1 << 20);
    assert_int_equal(OK, otlp_decode(buf_slice(&body), &b, &f));
    assert_int_equal(1, b.span_count);
    assert_true(slice_eq(SL("op"), b.spans[0].name));
    span_batch_fini(&b);
    buf_fini(&body);
}

static struct buf
attr_body(const char *key, int64_t value)
{
    struct buf v = message();
    wire_put_u64(&v, 3, (uint64_t)value);
    v = wrap(2, v);
    wire_put_bytes(&v, 1, slice_cstr(key));
    return v;
}

static void
put_attr(struct buf *to, uint32_t field, const char *key, int64_t value)
{
    struct buf a = attr_body(key, value);
    wire_put_bytes(to, field, buf_slice(&a));
    buf_fini(&a);
}

static void
runs_stay_whole_when_fields_are_interleaved(void **state)
{
    (void)state;
    struct buf span = message();
    for (int i = 0; i < 10; i++) {
        struct buf child = message();
        put_attr(&child, 3, "in", i);
        put_attr(&span, 9, "out", i);
        wire_put_bytes(&span, 11, buf_slice(&child));
        buf_fini(&child);
    }
    struct buf body = request_of_span(span);
    struct span_batch b;
    span_batch_init(&b, 1 << 20);
    assert_int_equal(OK, otlp_decode(buf_slice(&body), &b, NULL));
    const struct span *s = &b.spans[0];
    assert_int_equal(10, s->attrs.n);
    assert_int_equal(10, s->events.n);
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(slice_eq(SL("out"), attr_key(&b.attrs[s->attrs.at + i])));
        assert_int_equal(i, b.attrs[s->attrs.at + i].i);
        struct run in = b.events[s->events.at + i].attrs;
        assert_int_equal(1, in.n);
        assert_true(slice_eq(SL("in"), attr_key(&b.attrs[in.at])));
        assert_int_equal(i, b.attrs[in.at].i);
    }
    span_batch_fini(&b);
    buf_fini(&body);
}

static void
a_resource_sent_twice_is_merged_and_may_come_last(void **state)
{
    (void)state;
    struct buf one = message(), two = message(), rs = message(), span = message();
    put_attr(&one, 1, "a", 1);
    wire_put_bytes(&one, 3, SL("\x0a\x01x"));
    put_attr(&two, 1, "b", 2);
    wire_put_u64(&two, 2, 5);
    wire_put_bytes(&two, 3, SL("\x0a\x01y"));
    wire_put_bytes(&span, 5, SL("op"));
    struct buf scope = wrap(2, span);
    wire_put_bytes(&rs, 1, buf_slice(&one));
    wire_put_bytes(&rs, 2, buf_slice(&scope));
    wire_put_bytes(&rs, 1, buf_slice(&two));
    wire_put_bytes(&rs, 3, SL("url"));
    struct buf body = wrap(1, rs);
    struct span_batch b;
    span_batch_init(&b, 1 << 20);
    assert_int_equal(OK, otlp_decode(buf_slice(&body), &b, NULL));
    assert_int_equal(1, b.resource_count);
    const struct resource *r = &b.resources[0];
    assert_int_equal(2, r->attrs.n);
    assert_int_equal(5, r->dropped_attrs);
    assert_true(slice_eq(SL("url"), r->schema_url));
    assert_true(slice_eq(SL("\x1a\x03\x0a\x01x\x1a\x03\x0a\x01y"), r->entity_refs));
    assert_true(r->has_resource);
    span_batch_fini(&b);
    buf_fini(&body);
    buf_fini(&one);
    buf_fini(&two);
    buf_fini(&scope);
}

static void
old_library_spans_count_only_without_scope_spans(void **state)
{
    (void)state;
    for (int both = 0; both < 2; both++) {
        struct buf rs = message();
        struct buf old = wrap(2, copy_of(SL("\x2a\x03old"))), now = wrap(2, copy_of(SL("\x2a\x03now")));
        wire_put_bytes(&rs, 1000, buf_slice(&old));
        if (both) {
            wire_put_bytes(&rs, 2, buf_slice(&now));
        }
        struct buf body = wrap(1, rs);
        struct span_batch b;
        span_batch_init(&b, 1 << 20);
        assert_int_equal(OK, otlp_decode(buf_slice(&body), &b, NULL));
        assert_int_equal(1, b.span_count);
        assert_true(slice_eq(both ? SL("now") : SL("old"), b.spans[0].name));
        span_batch_fini(&b);
        buf_fini(&body);
        buf_fini(&old);
        buf_fini(&now);
    }
}

static struct buf
nested_value(int lists)
{
    struct buf v = message();
    wire_put_u64(&v, 3, 1);
    for (int i = 0; i < lists; i++) {
        v = wrap(5, wrap(1, v)); /* AnyValue{array_value{values}} */
    }
    return v;
}

static void
nesting_is_bounded(void **state)
{
    (void)state;
    static const struct {
        int lists;
        err want;
    } cases[] = {
        {1, OK}, {ANY_VALUE_DEPTH_MAX, OK}, {ANY_VALUE_DEPTH_MAX + 1, ERR_INVALID}, {20000, ERR_INVALID}};
    for (size_t i = 0; i < 4; i++) {
        struct buf body = request_of_span(wrap(9, wrap(2, nested_value(cases[i].lists))));
        struct fault f = {0};
        assert_int_equal(cases[i].want, decode_and_drop(buf_slice(&body), &f));
        if (cases[i].want != OK) {
            assert_string_equal("proto: AnyValue nested deeper than 64 levels", f.msg);
        }
        buf_fini(&body);
    }
}

static void
the_last_member_of_a_value_wins(void **state)
{
    (void)state;
    struct buf v = message();
    wire_put_bytes(&v, 1, SL("text"));
    wire_put_double(&v, 4, 0.5);
    struct buf body = request_of_span(wrap(9, wrap(2, v)));
    struct span_batch b;
    span_batch_init(&b, 1 << 20);
    assert_int_equal(OK, otlp_decode(buf_slice(&body), &b, NULL));
    assert_int_equal(VALUE_DOUBLE, b.attrs[0].kind);
    assert_true(b.attrs[0].d == 0.5);
    span_batch_fini(&b);
    buf_fini(&body);
}

/* Every field twice: as SDKs write it, and with tags and lengths in more bytes than they need. */
struct two_forms {
    slice usual, padded;
};
static const struct two_forms every_field[] = {
    {SL("\x0a\x10"
        "0123456789abcdef"),
     SL("\x0a\x90\x80\x00"
        "0123456789abcdef")},
    {SL("\x12\x08"
        "01234567"),
     SL("\x92\x00\x08"
        "01234567")},
    {SL("\x1a\x02ts"), SL("\x9a\x00\x02ts")},
    {SL("\x22\x08"
        "76543210"),
     SL("\x22\x88\x80\x00"
        "76543210")},
    {SL("\x2a\x02op"), SL("\x2a\x82\x80\x00op")},
    {SL("\x30\x03"), SL("\x30\x83\x00")},
    {SL("\x39\x01\x02\x03\x04\x05\x06\x07\x08"), SL("\xb9\x00\x01\x02\x03\x04\x05\x06\x07\x08")},
    {SL("\x41\x08\x07\x06\x05\x04\x03\x02\x01"), SL("\xc1\x00\x08\x07\x06\x05\x04\x03\x02\x01")},
    {SL("\x4a\x08\x0a\x01k\x12\x03\x0a\x01v"), SL("\x4a\x0a\x0a\x81\x80\x00k\x12\x03\x0a\x01v")},
    {SL("\x4a\x07\x0a\x01i\x12\x02\x18\x05"), SL("\x4a\x08\x12\x03\x18\x85\x00\x0a\x01i")},
    {SL("\x4a\x07\x0a\x01"
        "b\x12\x02\x10\x01"),
     SL("\x4a\x09\x0a\x01"
        "b\x12\x04\x18\x07\x10\x01")},
    {SL("\x4a\x0e\x0a\x01"
        "d\x12\x09\x21\x01\x02\x03\x04\x05\x06\x07\x08"),
     SL("\xca\x00\x0e\x0a\x01"
        "d\x12\x09\x21\x01\x02\x03\x04\x05\x06\x07\x08")},
    {SL("\x4a\x05\x0a\x01n\x12\x00"), SL("\x4a\x03\x0a\x01n")},
    {SL("\x7a\x02\x18\x02"), SL("\x7a\x03\x18\x82\x00")},
    {SL("\x85\x01\x01\x01\x00\x00"), SL("\x85\x81\x00\x01\x01\x00\x00")},
};

static void
check_every_field(const struct span_batch *b)
{
    const struct span *s = &b->spans[0];
    const struct attr *a = &b->attrs[s->attrs.at];
    assert_int_equal(1, b->span_count);
    assert_memory_equal("0123456789abcdef", s->trace.b, 16);
    assert_memory_equal("01234567", s->id.b, 8);
    assert_memory_equal("76543210", s->parent.b, 8);
    assert_true(slice_eq(SL("ts"), s->trace_state));
    assert_true(slice_eq(SL("op"), s->name));
    assert_int_equal(3, s->kind);
    assert_int_equal(0x0807060504030201, s->start_ns);
    assert_int_equal(0x0102030405060708, s->end_ns);
    assert_int_equal(2, s->status_code);
    assert_int_equal(0x101, s->flags);
    assert_int_equal(5, s->attrs.n);
    assert_int_equal(VALUE_STRING, a[0].kind);
    assert_true(slice_eq(SL("v"), attr_bytes(&a[0])));
    assert_int_equal(VALUE_INT, a[1].kind);
    assert_int_equal(5, a[1].i);
    assert_int_equal(VALUE_BOOL, a[2].kind);
    assert_true(a[2].b);
    assert_int_equal(VALUE_DOUBLE, a[3].kind);
    assert_memory_equal("\x01\x02\x03\x04\x05\x06\x07\x08", &a[3].d, 8);
    assert_int_equal(VALUE_NONE, a[4].kind);
    static const char keys[] = "kibdn";
    for (size_t i = 0; i < 5; i++) {
        assert_true(slice_eq(slice_of(&keys[i], 1), attr_key(&a[i])));
    }
}

static void
a_span_reads_the_same_however_its_fields_are_encoded(void **state)
{
    (void)state;
    size_t n = sizeof every_field / sizeof every_field[0];
    for (size_t padded = 0; padded <= n + 1; padded++) { /* none, each one alone, all */
        struct buf span = message();
        for (size_t i = 0; i < n; i++) {
            bool pad = padded == i + 1 || padded == n + 1;
            assert_int_equal(OK, buf_append_slice(&span, pad ? every_field[i].padded : every_field[i].usual));
        }
        struct buf body = request_of_span(span);
        struct span_batch b;
        span_batch_init(&b, 1 << 20);
        assert_int_equal(OK, otlp_decode(buf_slice(&body), &b, NULL));
        check_every_field(&b);
        trace_id only = b.spans[0].trace;
        span_batch_reset(&b);
        assert_int_equal(OK, otlp_decode_trace(buf_slice(&body), &only, &b, NULL));
        check_every_field(&b);
        only.b[0] ^= 1;
        span_batch_reset(&b);
        assert_int_equal(OK, otlp_decode_trace(buf_slice(&body), &only, &b, NULL));
        assert_int_equal(0, b.span_count);
        span_batch_fini(&b);
        buf_fini(&body);
    }
}

static void
a_span_cut_anywhere_is_refused_or_a_shorter_span(void **state)
{
    (void)state;
    struct buf span = message();
    for (size_t i = 0; i < sizeof every_field / sizeof every_field[0]; i++) {
        assert_int_equal(OK, buf_append_slice(&span, every_field[i].usual));
    }
    size_t good = 0, wanted = 0, at = 0, field = 0;
    for (size_t n = 0; n < span.n; n++) {
        struct buf body = request_of_span(copy_of(slice_of(span.p, n)));
        struct fault f = {0};
        err rc = decode_and_drop(buf_slice(&body), &f);
        assert_true(rc == OK || (rc == ERR_INVALID && strcmp(f.msg, "unexpected EOF") == 0));
        good += rc == OK;
        bool between = n == at; /* fields end here: what is left is a span */
        wanted += between;
        if (between) {
            at += every_field[field++].usual.n;
        }
        buf_fini(&body);
    }
    assert_int_equal(wanted, good);
    buf_fini(&span);
}

static void
the_memory_bound_is_an_error_not_a_crash(void **state)
{
    (void)state;
    struct buf scope = message();
    for (int i = 0; i < 5000; i++) {
        wire_put_bytes(&scope, 2, SL(""));
    }
    struct buf body = wrap(1, wrap(2, scope));
    struct span_batch b;
    struct fault f = {0};
    span_batch_init(&b, 64 << 10);
    assert_int_equal(ERR_LIMIT, otlp_decode(buf_slice(&body), &b, &f));
    span_batch_fini(&b);
    buf_fini(&body);
}

static void
one_trace_is_kept_of_many_wherever_its_id_stands(void **state)
{
    (void)state;
    struct buf mine = message(), other = message(), rs1 = message(), rs2 = message(), body = message();
    wire_put_bytes(&mine, 5, SL("mine"));
    wire_put_bytes(&mine, 1, SL("0123456789abcdef"));
    wire_put_bytes(&other, 1, SL("0123456789abcdeX"));
    wire_put_bytes(&other, 5, SL("other"));
    struct buf scope1 = message(), scope2 = message();
    wire_put_bytes(&scope1, 2, buf_slice(&other));
    wire_put_bytes(&scope2, 2, buf_slice(&other));
    wire_put_bytes(&scope2, 2, buf_slice(&mine));
    wire_put_bytes(&rs1, 2, buf_slice(&scope1));
    wire_put_bytes(&rs2, 2, buf_slice(&scope1));
    wire_put_bytes(&rs2, 2, buf_slice(&scope2));
    wire_put_bytes(&body, 1, buf_slice(&rs1));
    wire_put_bytes(&body, 1, buf_slice(&rs2));
    struct span_batch b;
    span_batch_init(&b, 1 << 20);
    trace_id only;
    memcpy(only.b, "0123456789abcdef", 16);
    assert_int_equal(OK, otlp_decode_trace(buf_slice(&body), &only, &b, NULL));
    assert_int_equal(1, b.span_count);
    assert_int_equal(1, b.scope_count);
    assert_int_equal(1, b.resource_count);
    assert_int_equal(0, b.scopes[b.spans[0].scope].resource);
    assert_true(slice_eq(SL("mine"), b.spans[0].name));
    span_batch_fini(&b);
    struct buf *all[] = {&mine, &other, &rs1, &rs2, &body, &scope1, &scope2};
    for (size_t i = 0; i < 7; i++) {
        buf_fini(all[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_malformed_span_is_refused_in_gos_words),
        cmocka_unit_test(garbage_as_a_whole_request_is_refused),
        cmocka_unit_test(unknown_fields_and_groups_are_skipped),
        cmocka_unit_test(runs_stay_whole_when_fields_are_interleaved),
        cmocka_unit_test(a_resource_sent_twice_is_merged_and_may_come_last),
        cmocka_unit_test(old_library_spans_count_only_without_scope_spans),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(the_last_member_of_a_value_wins),
        cmocka_unit_test(a_span_reads_the_same_however_its_fields_are_encoded),
        cmocka_unit_test(a_span_cut_anywhere_is_refused_or_a_shorter_span),
        cmocka_unit_test(the_memory_bound_is_an_error_not_a_crash),
        cmocka_unit_test(one_trace_is_kept_of_many_wherever_its_id_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
