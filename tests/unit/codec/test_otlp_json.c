/* OTLP/JSON in, Tempo's JSON and protobuf out: the forms clients see, and no loss between them. */
#include "span_random.h"
#include "test.h"

#include "vivace/codec/otlp.h"
#include "vivace/codec/wire.h"

#define T1 "0af7651916cd43dd8448eb211c80319c"

static err
decode(const char *text, struct span_batch *b, struct fault *f)
{
    span_batch_init(b, 1 << 24);
    return otlp_json_decode(slice_cstr(text), b, f);
}

static const char full_request[] =
    "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"
    "\"shop\"}},"
    "{\"key\":\"n\",\"value\":{}}],\"droppedAttributesCount\":1},\"scope_spans\":[{\"scope\":{\"name\":\"lib."
    "a\","
    "\"version\":\"1.2.3\"},\"spans\":[{\"traceId\":\"" T1
    "\",\"span_id\":\"B7AD6B7169203332\",\"parentSpanId\":"
    "\"b7ad6b7169203331\",\"traceState\":\"a=b\",\"flags\":257,\"name\":\"db "
    "<query>\",\"kind\":\"SPAN_KIND_CLIENT\","
    "\"startTimeUnixNano\":\"1795169865905265204\",\"endTimeUnixNano\":1795169865910265204,\"unknown\":[{"
    "\"x\":[1]}],"
    "\"attributes\":[{\"key\":\"i\",\"value\":{\"intValue\":\"42\"}},{\"key\":\"i2\",\"value\":{\"intValue\":"
    "-7}},"
    "{\"key\":\"b\",\"value\":{\"boolValue\":false}},{\"key\":\"d\",\"value\":{\"doubleValue\":0.25}},"
    "{\"key\":\"nan\",\"value\":{\"doubleValue\":\"NaN\"}},{\"key\":\"y\",\"value\":{\"bytesValue\":\"AQI=\"}"
    "},"
    "{\"key\":\"a\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"a\"},{\"arrayValue\":{}},null]}"
    "}},"
    "{\"key\":\"l\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"intValue\":\"1\"}},"
    "{\"key\":\"in\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"deep\",\"value\":{\"doubleValue\":1."
    "5}}]}}}]}}}],"
    "\"droppedAttributesCount\":2,\"events\":[{\"timeUnixNano\":\"5\",\"name\":\"ev1\",\"attributes\":[{"
    "\"key\":\"e\","
    "\"value\":{\"stringValue\":\"v\"}}],\"droppedAttributesCount\":3}],\"droppedEventsCount\":4,\"links\":[{"
    "\"traceId\":"
    "\"11111111111111111111111111111111\",\"spanId\":\"2222222222222222\",\"traceState\":\"s\",\"flags\":1}],"
    "\"droppedLinksCount\":5,\"status\":{\"message\":\"boom\",\"code\":2}}]}],\"schemaUrl\":\"u\"}]} "
    "trailing";

static const char full_answer[] =
    "{\"batches\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":{\"stringValue\":"
    "\"shop\"}},"
    "{\"key\":\"n\",\"value\":{}}],\"droppedAttributesCount\":1},\"scopeSpans\":[{\"scope\":{\"name\":\"lib."
    "a\","
    "\"version\":\"1.2.3\"},\"spans\":[{\"traceId\":\"CvdlGRbNQ92ESOshHIAxnA==\",\"spanId\":\"t61rcWkgMzI=\","
    "\"traceState\":\"a=b\",\"parentSpanId\":\"t61rcWkgMzE=\",\"flags\":257,\"name\":\"db "
    "\\u003cquery\\u003e\","
    "\"kind\":\"SPAN_KIND_CLIENT\",\"startTimeUnixNano\":\"1795169865905265204\",\"endTimeUnixNano\":"
    "\"1795169865910265204\",\"attributes\":[{\"key\":\"i\",\"value\":{\"intValue\":\"42\"}},{\"key\":\"i2\","
    "\"value\":"
    "{\"intValue\":\"-7\"}},{\"key\":\"b\",\"value\":{\"boolValue\":false}},{\"key\":\"d\",\"value\":{"
    "\"doubleValue\":0.25}},"
    "{\"key\":\"nan\",\"value\":{\"doubleValue\":\"NaN\"}},{\"key\":\"y\",\"value\":{\"bytesValue\":\"AQI=\"}"
    "},"
    "{\"key\":\"a\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"a\"},{\"arrayValue\":{}},{}]}}}"
    ","
    "{\"key\":\"l\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"intValue\":\"1\"}},"
    "{\"key\":\"in\",\"value\":{\"kvlistValue\":{\"values\":[{\"key\":\"deep\",\"value\":{\"doubleValue\":1."
    "5}}]}}}]}}}],"
    "\"droppedAttributesCount\":2,\"events\":[{\"timeUnixNano\":\"5\",\"name\":\"ev1\",\"attributes\":[{"
    "\"key\":\"e\","
    "\"value\":{\"stringValue\":\"v\"}}],\"droppedAttributesCount\":3}],\"droppedEventsCount\":4,\"links\":[{"
    "\"traceId\":"
    "\"EREREREREREREREREREREQ==\",\"spanId\":\"IiIiIiIiIiI=\",\"traceState\":\"s\",\"flags\":1}],"
    "\"droppedLinksCount\":5,"
    "\"status\":{\"message\":\"boom\",\"code\":\"STATUS_CODE_ERROR\"}}]}],\"schemaUrl\":\"u\"}]}";

static void
a_span_of_json_is_answered_as_tempo_prints_it(void **state)
{
    (void)state;
    struct span_batch b, again;
    struct fault f = {0};
    struct buf out, wire;
    buf_init(&out, 1 << 20);
    buf_init(&wire, 1 << 20);
    assert_int_equal(OK, decode(full_request, &b, &f));
    assert_int_equal(OK, otlp_trace_write_json(&b, TRACE_ROOT_BATCHES, &out));
    assert_slice_equal(buf_slice(&out), full_answer);

    /* the same through protobuf, cut at every byte on the way: never a crash */
    assert_int_equal(OK, otlp_encode(&b, &wire));
    assert_int_equal(wire.n, otlp_encoded_size(&b));
    span_batch_init(&again, 1 << 20);
    for (size_t n = 0; n < wire.n; n++) {
        span_batch_reset(&again);
        err rc = otlp_decode(slice_sub(buf_slice(&wire), 0, n), &again, NULL);
        assert_true(rc == ERR_INVALID || n == 0);
    }
    span_batch_reset(&again);
    assert_int_equal(OK, otlp_decode(buf_slice(&wire), &again, NULL));
    assert_int_equal(b.spans[0].wire_bytes, again.spans[0].wire_bytes);
    buf_clear(&out);
    assert_int_equal(OK, otlp_trace_write_json(&again, TRACE_ROOT_BATCHES, &out));
    assert_slice_equal(buf_slice(&out), full_answer);
    span_batch_fini(&b);
    span_batch_fini(&again);
    buf_fini(&out);
    buf_fini(&wire);
}

static void
json_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct span_batch b;
    span_batch_init(&b, 1 << 20);
    for (size_t n = 0; n < sizeof full_request - sizeof " trailing"; n++) {
        struct fault f = {0};
        span_batch_reset(&b);
        assert_int_equal(ERR_INVALID, otlp_json_decode(slice_of(full_request, n), &b, &f));
        assert_non_null(strstr(f.msg, " at offset "));
    }
    span_batch_fini(&b);
}

static void
the_observed_v1_answer_is_reproduced(void **state)
{
    (void)state;
    static const char want[] = "{\"batches\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
                               "\"value\":{\"stringValue\":\"orphan\"}}]},"
                               "\"scopeSpans\":[{\"scope\":{},\"spans\":[{\"traceId\":"
                               "\"AAAAAAAAAAAAAAAAAACrzQ==\",\"spanId\":\"AAAAAAAAAKE=\","
                               "\"parentSpanId\":\"AAAAAAAAAKA=\",\"name\":\"lonely\",\"kind\":\"SPAN_KIND_"
                               "INTERNAL\",\"startTimeUnixNano\":"
                               "\"1795169865905265204\",\"endTimeUnixNano\":\"1795169865910265204\","
                               "\"attributes\":[{\"key\":\"x\",\"value\":"
                               "{\"stringValue\":\"y\"}}],\"status\":{}}]}]}]}";
    struct span_batch b;
    struct buf out;
    struct fault f = {0};
    buf_init(&out, 1 << 20);
    assert_int_equal(
        OK, decode("{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
                   "{\"stringValue\":\"orphan\"}}]},\"scopeSpans\":[{\"spans\":[{\"traceId\":"
                   "\"0000000000000000000000000000abcd\",\"spanId\":\"00000000000000a1\",\"parentSpanId\":"
                   "\"00000000000000a0\",\"name\":\"lonely\",\"kind\":1,\"startTimeUnixNano\":"
                   "\"1795169865905265204\",\"endTimeUnixNano\":\"1795169865910265204\",\"attributes\":"
                   "[{\"key\":\"x\",\"value\":{\"stringValue\":\"y\"}}]}]}]}]}",
                   &b, &f));
    assert_int_equal(OK, otlp_trace_write_json(&b, TRACE_ROOT_BATCHES, &out));
    assert_slice_equal(buf_slice(&out), want);
    span_batch_fini(&b);
    buf_fini(&out);
}

static void
readers_always_find_resource_scope_and_status(void **state)
{
    (void)state;
    struct span_batch b;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(
        OK, decode("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"x\",\"kind\":77}]}]}]}", &b,
                   NULL));
    assert_int_equal(OK, otlp_trace_encode(&b, &out));
    static const uint8_t want[] = {0x0a, 0x0f, 0x0a, 0,   0x12, 0x0b, 0x0a, 0, 0x12,
                                   7,    0x2a, 1,    'x', 0x30, 77,   0x7a, 0};
    assert_int_equal(sizeof want, out.n);
    assert_memory_equal(want, out.p, sizeof want);
    buf_clear(&out);
    assert_int_equal(OK, otlp_trace_write_json(&b, TRACE_ROOT_RESOURCE_SPANS, &out));
    assert_slice_equal(buf_slice(&out),
                       "{\"resourceSpans\":[{\"resource\":{},\"scopeSpans\":[{\"scope\":{},\"spans\":"
                       "[{\"name\":\"x\",\"kind\":77,\"status\":{}}]}]}]}");
    span_batch_fini(&b);
    buf_fini(&out);
}

static void
a_trace_has_one_resource_spans_per_resource_and_scope(void **state)
{
    (void)state;
    struct span_batch b;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(OK,
                     decode("{\"resourceSpans\":[{\"scopeSpans\":["
                            "{\"scope\":{\"name\":\"a\"},\"spans\":[{\"name\":\"1\"}]},"
                            "{\"scope\":{\"name\":\"b\"},\"spans\":[{\"name\":\"2\"}]},"
                            "{\"scope\":{\"name\":\"none\"}},"
                            "{\"scope\":{\"name\":\"a\"},\"spans\":[{\"name\":\"3\"}]}]},"
                            "{\"scopeSpans\":[{\"scope\":{\"name\":\"a\"},\"spans\":[{\"name\":\"4\"}]}]}]}",
                            &b, NULL));
    assert_int_equal(OK, otlp_trace_write_json(&b, TRACE_ROOT_BATCHES, &out));
#define GROUP(scope, spans)                                                                                  \
    "{\"resource\":{},\"scopeSpans\":[{\"scope\":{\"name\":\"" scope "\"},\"spans\":[" spans "]}]}"
#define NAMED(name) "{\"name\":\"" name "\",\"status\":{}}"
    static const char want[] = "{\"batches\":[" GROUP("a", NAMED("1") "," NAMED("3")) "," GROUP(
        "b", NAMED("2")) "," GROUP("a", NAMED("4")) "]}";
    assert_slice_equal(buf_slice(&out), want);
    struct span_batch again;
    struct buf wire;
    buf_init(&wire, 1 << 20);
    span_batch_init(&again, 1 << 20);
    assert_int_equal(OK, otlp_trace_encode(&b, &wire));
    assert_int_equal(OK, otlp_decode(buf_slice(&wire), &again, NULL));
    assert_int_equal(3, again.resource_count);
    buf_clear(&out);
    assert_int_equal(OK, otlp_trace_write_json(&again, TRACE_ROOT_BATCHES, &out));
    assert_slice_equal(buf_slice(&out), want);
    span_batch_fini(&b);
    span_batch_fini(&again);
    buf_fini(&out);
    buf_fini(&wire);
}

static void
json_of_the_wrong_kind_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *member; /* of a span */
        const char *text;   /* NULL: accepted */
    } cases[] = {
        {"\"traceId\":\"CvdlGRbNQ92ESOshHIAxnA==\"", "a trace id of 32 hex digits is wanted"},
        {"\"traceId\":\"\"", NULL},
        {"\"traceId\":null", NULL},
        {"\"spanId\":\"12\"", "a span id of 16 hex digits is wanted"},
        {"\"startTimeUnixNano\":1.5", "an unsigned 64-bit integer is wanted"},
        {"\"startTimeUnixNano\":null", "an unsigned 64-bit integer is wanted"},
        {"\"startTimeUnixNano\":\"18446744073709551615\"", NULL},
        {"\"kind\":\"SERVER\"", "unknown enum name"},
        {"\"kind\":null", "an enum name or number is wanted"},
        {"\"kind\":99", NULL},
        {"\"name\":5", "a string is wanted"},
        {"\"name\":null", NULL},
        {"\"attributes\":{}", "an array is wanted"},
        {"\"attributes\":null", NULL},
        {"\"status\":null", NULL},
        {"\"status\":[]", "an object is wanted"},
        {"\"status\":{\"code\":\"STATUS_CODE_OK\"}", NULL},
        {"\"droppedAttributesCount\":\"7\"", NULL},
        {"\"droppedAttributesCount\":4294967296", "an unsigned 32-bit integer is wanted"},
        {"\"attributes\":[{\"key\":\"k\",\"value\":{\"boolValue\":\"true\"}}]", "true or false is wanted"},
        {"\"attributes\":[{\"key\":\"k\",\"value\":{\"intValue\":\"x\"}}]", "a 64-bit integer is wanted"},
        {"\"attributes\":[{\"key\":\"k\",\"value\":{\"doubleValue\":\"0x10\"}}]", "a number is wanted"},
        {"\"attributes\":[{\"key\":\"k\",\"value\":{\"doubleValue\":\"-Infinity\"}}]", NULL},
        {"\"attributes\":[{\"key\":\"k\",\"value\":{\"bytesValue\":\"*\"}}]",
         "bytesValue wants standard base64"},
        {"\"attributes\":[{\"key\":\"k\",\"value\":null}]", NULL},
        {"\"a\":tru", "invalid literal"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span_batch b;
        struct fault f = {0};
        char text[400];
        snprintf(text, sizeof text, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{%s}]}]}]}",
                 cases[i].member);
        err rc = decode(text, &b, &f);
        assert_int_equal(cases[i].text != NULL ? ERR_INVALID : OK, rc);
        if (cases[i].text != NULL) {
            assert_int_equal(0, strncmp(cases[i].text, f.msg, strlen(cases[i].text)));
        } else {
            assert_int_equal(1, b.span_count);
        }
        span_batch_fini(&b);
    }
}

static void
nesting_in_json_is_bounded(void **state)
{
    (void)state;
    static const int depths[] = {1, 40, 100, 20000};
    for (size_t i = 0; i < 4; i++) {
        struct buf text;
        struct span_batch b;
        buf_init(&text, 8 << 20);
        buf_append_cstr(&text,
                        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"k\",\"value\":");
        for (int k = 0; k < depths[i]; k++) {
            buf_append_cstr(&text, "{\"arrayValue\":{\"values\":[");
        }
        buf_append_cstr(&text, "{\"intValue\":1}");
        for (int k = 0; k < depths[i]; k++) {
            buf_append_cstr(&text, "]}}");
        }
        buf_append_cstr(&text, "}]}}]}");
        span_batch_init(&b, 1 << 24);
        assert_int_equal(depths[i] <= 40 ? OK : ERR_INVALID, otlp_json_decode(buf_slice(&text), &b, NULL));
        span_batch_fini(&b);
        buf_fini(&text);
    }
}

static void
entity_refs_become_the_bytes_protobuf_has(void **state)
{
    (void)state;
    static const struct {
        const char *refs;
        slice want;
        err rc;
    } cases[] = {
        {"[{\"descriptionKeys\":[\"d\"],\"idKeys\":[\"a\",\"\"],\"type\":\"host\",\"schemaUrl\":\"u\"}]",
         SL("\x1a\x11\x0a\x01u\x12\x04host\x1a\x01"
            "a\x1a\x00\"\x01"
            "d"),
         OK},
        {"[{\"type\":\"a\"},{},null,{\"id_keys\":[\"x\"],\"idKeys\":[\"y\"],\"new\":[{}]}]",
         SL("\x1a\x03\x12\x01"
            "a\x1a\x00\x1a\x00\x1a\x03\x1a\x01y"),
         OK},
        {"null", SL(""), OK},
        {"[]", SL(""), OK},
        {"[{\"idKeys\":[1]}]", SL(""), ERR_INVALID},
        {"[{\"idKeys\":\"x\"}]", SL(""), ERR_INVALID},
        {"[1]", SL(""), ERR_INVALID},
        {"{}", SL(""), ERR_INVALID},
        {"[{\"type\":\"a\"}", SL(""), ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span_batch b;
        char text[256];
        span_batch_init(&b, 1 << 20);
        int n = snprintf(text, sizeof text, "{\"resourceSpans\":[{\"resource\":{\"entityRefs\":%s}}]}",
                         cases[i].refs);
        assert_int_equal(cases[i].rc, otlp_json_decode(slice_of(text, (size_t)n), &b, NULL));
        if (cases[i].rc == OK) {
            assert_true(slice_eq(cases[i].want, b.resources[0].entity_refs));
        }
        span_batch_fini(&b);
    }
}

/* Two resources with a scope each and three spans, of which the first and last are of the second scope, and
 * the second scope is of the first resource: no decoder makes such a batch. */
static void
scattered_batch(struct span_batch *b)
{
    span_batch_init(b, 0);
    for (uint32_t i = 0; i < 2; i++) {
        assert_non_null(span_batch_add_resource(b));
        struct scope *s = span_batch_add_scope(b);
        assert_non_null(s);
        s->resource = 1 - i;
        s->name = i == 0 ? SL("first") : SL("second");
    }
    static const slice names[] = {SL("a"), SL("b"), SL("c")};
    for (uint32_t i = 0; i < 3; i++) {
        struct span *s = span_batch_add_span(b);
        assert_non_null(s);
        s->scope = i != 1;
        s->name = names[i];
    }
}

static void
a_batch_out_of_order_is_written_whole(void **state)
{
    (void)state;
    struct span_batch b, back;
    struct buf wire, json;
    scattered_batch(&b);
    span_batch_init(&back, 0);
    buf_init(&wire, 1 << 20);
    buf_init(&json, 1 << 20);
    assert_int_equal(OK, otlp_encode(&b, &wire));
    assert_int_equal(wire.n, otlp_encoded_size(&b));
    assert_int_equal(OK, otlp_decode(buf_slice(&wire), &back, NULL));
    assert_int_equal(3, back.span_count);
    assert_int_equal(2, back.scope_count);
    assert_true(slice_eq(SL("second"), back.scopes[0].name));
    assert_true(slice_eq(SL("a"), back.spans[0].name));
    assert_true(slice_eq(SL("c"), back.spans[1].name));
    assert_true(slice_eq(SL("b"), back.spans[2].name));
    assert_int_equal(OK, otlp_trace_write_json(&b, TRACE_ROOT_BATCHES, &json));
    assert_int_equal(OK, buf_append(&json, "", 1));
    assert_non_null(strstr((char *)json.p, "{\"name\":\"a\""));
    assert_non_null(strstr((char *)json.p, "{\"name\":\"b\""));
    assert_non_null(strstr((char *)json.p, "{\"name\":\"c\""));
    span_batch_fini(&b);
    span_batch_fini(&back);
    buf_fini(&wire);
    buf_fini(&json);
}

static void
a_full_buffer_is_an_error_and_holds_no_part(void **state)
{
    (void)state;
    struct span_batch b;
    struct buf whole;
    span_batch_init(&b, 0);
    buf_init(&whole, 1 << 20);
    assert_int_equal(OK, otlp_json_decode(slice_cstr(full_request), &b, NULL));
    assert_int_equal(OK, otlp_encode(&b, &whole));
    for (size_t max = 0; max < whole.n; max++) {
        struct buf small;
        buf_init(&small, max);
        assert_int_equal(ERR_LIMIT, otlp_encode(&b, &small));
        assert_int_equal(0, small.n);
        assert_int_equal(ERR_LIMIT, otlp_trace_encode(&b, &small));
        assert_int_equal(ERR_LIMIT, otlp_trace_write_json(&b, TRACE_ROOT_RESOURCE_SPANS, &small));
        assert_true(small.failed);
        assert_true(small.n <= max);
        buf_fini(&small);
    }
    buf_fini(&whole);
    span_batch_fini(&b);
}

static void
a_value_deeper_than_any_decoder_lets_through_prints_empty(void **state)
{
    (void)state;
    struct buf body, out;
    buf_init(&body, 1 << 20);
    buf_init(&out, 1 << 20);
    for (int i = 0; i < ANY_VALUE_DEPTH_MAX + 5; i++) { /* ArrayValue{values{array_value{...}}} */
        struct buf item, outer;
        buf_init(&item, 1 << 20);
        buf_init(&outer, 1 << 20);
        wire_put_bytes(&item, 5, buf_slice(&body));
        wire_put_bytes(&outer, 1, buf_slice(&item));
        buf_fini(&item);
        buf_fini(&body);
        body = outer;
    }
    struct attr a = {.kind = VALUE_ARRAY, .p = body.p, .n = (uint32_t)body.n};
    assert_int_equal(OK, otlp_value_write_json(&a, &out));
    /* Sixty-four lists end behind it. */
    assert_true(
        slice_eq(SL("[{}]}}"), slice_sub(buf_slice(&out), out.n - 3 * (size_t)ANY_VALUE_DEPTH_MAX - 3, 6)));
    buf_fini(&body);
    buf_fini(&out);
}

/* What `block cat` prints is what a receiver takes: nothing is lost on the way round. */
static void
otlp_json_can_be_pushed_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct span_random r = {.traces = 5, .few_values = seed % 2 == 0};
        struct span_batch b, again;
        struct fault f = {0};
        struct buf first, second;
        rng_seed(&r.rng, seed);
        span_batch_init(&b, 0);
        span_batch_init(&again, 0);
        buf_init(&first, 1 << 24);
        buf_init(&second, 1 << 24);
        random_spans(&r, &b, 50);
        assert_ok(otlp_write_json(&b, &first), &f);
        assert_ok(otlp_json_decode(buf_slice(&first), &again, &f), &f);
        assert_int_equal(again.span_count, b.span_count);
        assert_int_equal(again.event_count, b.event_count);
        assert_int_equal(again.link_count, b.link_count);
        assert_ok(otlp_write_json(&again, &second), &f);
        assert_true(slice_eq(buf_slice(&first), buf_slice(&second)));
        span_batch_fini(&b);
        span_batch_fini(&again);
        buf_fini(&first);
        buf_fini(&second);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_of_json_is_answered_as_tempo_prints_it),
        cmocka_unit_test(json_cut_anywhere_is_refused),
        cmocka_unit_test(the_observed_v1_answer_is_reproduced),
        cmocka_unit_test(readers_always_find_resource_scope_and_status),
        cmocka_unit_test(a_trace_has_one_resource_spans_per_resource_and_scope),
        cmocka_unit_test(json_of_the_wrong_kind_is_refused_with_a_reason),
        cmocka_unit_test(nesting_in_json_is_bounded),
        cmocka_unit_test(entity_refs_become_the_bytes_protobuf_has),
        cmocka_unit_test(a_batch_out_of_order_is_written_whole),
        cmocka_unit_test(otlp_json_can_be_pushed_again),
        cmocka_unit_test(a_full_buffer_is_an_error_and_holds_no_part),
        cmocka_unit_test(a_value_deeper_than_any_decoder_lets_through_prints_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
