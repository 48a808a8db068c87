/* protobuf-c as the judge: what it packs we decode and write back byte for byte. */
#include "test.h"

#include "vivace/base/rng.h"
#include "vivace/codec/otlp.h"

#include <opentelemetry/proto/trace/v1/trace.pb-c.h>

/* protobuf-c's INIT macros cast its constant empty string. */
#pragma GCC diagnostic ignored "-Wcast-qual"

typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;
typedef Opentelemetry__Proto__Trace__V1__Span Span;

static struct arena arena;
static struct rng rng;

#define NEW(type, init)                                                                                      \
    __extension__({                                                                                          \
        type *made = arena_new(&arena, type);                                                                \
        static const type blank = init;                                                                      \
        *made = blank;                                                                                       \
        made;                                                                                                \
    })

static char *
random_text(void)
{
    char text[20] = {0};
    size_t n = rng_below(&rng, sizeof text);
    for (size_t i = 0; i < n; i++) {
        text[i] = (char)('a' + rng_below(&rng, 26));
    }
    return arena_cstr(&arena, slice_cstr(text));
}

static ProtobufCBinaryData
random_bytes(size_t n)
{
    uint8_t *p = arena_alloc(&arena, n);
    rng_fill(&rng, p, n);
    p[0] |= 1; /* an id of zeros is absent */
    return (ProtobufCBinaryData){n, p};
}

static AnyValue *
random_value(void)
{
    AnyValue *v = NEW(AnyValue, OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__INIT);
    v->value_case = (int)rng_below(&rng, 8);
    switch ((int)v->value_case) {
    case 1:
        v->string_value = random_text();
        break;
    case 2:
        v->bool_value = (int)rng_below(&rng, 2);
        break;
    case 3:
        v->int_value = (int64_t)rng_next(&rng) >> rng_below(&rng, 64);
        break;
    case 4:
        v->double_value = rng_unit(&rng);
        break;
    case 5:
        v->array_value = NEW(Opentelemetry__Proto__Common__V1__ArrayValue,
                             OPENTELEMETRY__PROTO__COMMON__V1__ARRAY_VALUE__INIT);
        break;
    case 6:
        v->kvlist_value = NEW(Opentelemetry__Proto__Common__V1__KeyValueList,
                              OPENTELEMETRY__PROTO__COMMON__V1__KEY_VALUE_LIST__INIT);
        break;
    case 7:
        v->bytes_value = random_bytes(1 + rng_below(&rng, 200));
        break;
    default:
        break;
    }
    return v;
}

static KeyValue **
random_attrs(size_t *ret_n)
{
    size_t n = rng_below(&rng, 14);
    KeyValue **list = arena_new_array(&arena, KeyValue *, n + 1);
    for (size_t i = 0; i < n; i++) {
        list[i] = NEW(KeyValue, OPENTELEMETRY__PROTO__COMMON__V1__KEY_VALUE__INIT);
        list[i]->key = random_text();
        list[i]->value = random_value();
    }
    *ret_n = n;
    return list;
}

static Span *
random_span(void)
{
    Span *s = NEW(Span, OPENTELEMETRY__PROTO__TRACE__V1__SPAN__INIT);
    s->trace_id = random_bytes(16);
    s->span_id = random_bytes(8);
    s->trace_state = random_text();
    s->name = random_text();
    s->kind = (int)rng_below(&rng, 6);
    s->start_time_unix_nano = rng_next(&rng);
    s->end_time_unix_nano = rng_below(&rng, 2);
    s->attributes = random_attrs(&s->n_attributes);
    s->dropped_attributes_count = (uint32_t)rng_below(&rng, 2000);
    s->flags = (uint32_t)rng_below(&rng, 3);
    s->n_events = rng_below(&rng, 3);
    s->events = arena_new_array(&arena, Opentelemetry__Proto__Trace__V1__Span__Event *, 3);
    for (size_t i = 0; i < s->n_events; i++) {
        s->events[i] = NEW(Opentelemetry__Proto__Trace__V1__Span__Event,
                           OPENTELEMETRY__PROTO__TRACE__V1__SPAN__EVENT__INIT);
        s->events[i]->name = random_text();
        s->events[i]->attributes = random_attrs(&s->events[i]->n_attributes);
    }
    s->n_links = rng_below(&rng, 3);
    s->links = arena_new_array(&arena, Opentelemetry__Proto__Trace__V1__Span__Link *, 3);
    for (size_t i = 0; i < s->n_links; i++) {
        s->links[i] = NEW(Opentelemetry__Proto__Trace__V1__Span__Link,
                          OPENTELEMETRY__PROTO__TRACE__V1__SPAN__LINK__INIT);
        s->links[i]->trace_id = random_bytes(16);
        s->links[i]->attributes = random_attrs(&s->links[i]->n_attributes);
        s->links[i]->flags = 1;
    }
    s->status = NEW(Opentelemetry__Proto__Trace__V1__Status, OPENTELEMETRY__PROTO__TRACE__V1__STATUS__INIT);
    s->status->code = 2;
    return s;
}

static void
protobuf_c_and_we_agree_byte_for_byte(void **state)
{
    (void)state;
    rng_seed(&rng, 42);
    for (int round = 0; round < 200; round++) {
        arena_init(&arena, 0);
        Span *spans[20];
        Opentelemetry__Proto__Trace__V1__TracesData data = OPENTELEMETRY__PROTO__TRACE__V1__TRACES_DATA__INIT;
        Opentelemetry__Proto__Trace__V1__ResourceSpans rs =
            OPENTELEMETRY__PROTO__TRACE__V1__RESOURCE_SPANS__INIT;
        Opentelemetry__Proto__Trace__V1__ScopeSpans ss = OPENTELEMETRY__PROTO__TRACE__V1__SCOPE_SPANS__INIT;
        Opentelemetry__Proto__Resource__V1__Resource res = OPENTELEMETRY__PROTO__RESOURCE__V1__RESOURCE__INIT;
        Opentelemetry__Proto__Trace__V1__ResourceSpans *rs_list[] = {&rs, &rs};
        Opentelemetry__Proto__Trace__V1__ScopeSpans *ss_list[] = {&ss, &ss};
        res.attributes = random_attrs(&res.n_attributes);
        rs.resource = round % 2 ? &res : NULL;
        rs.schema_url = random_text();
        rs.scope_spans = ss_list;
        rs.n_scope_spans = rng_below(&rng, 3);
        ss.n_spans = rng_below(&rng, 20);
        ss.spans = spans;
        for (size_t i = 0; i < ss.n_spans; i++) {
            spans[i] = random_span();
        }
        data.resource_spans = rs_list;
        data.n_resource_spans = 2;
        size_t n = opentelemetry__proto__trace__v1__traces_data__get_packed_size(&data);
        uint8_t *packed = arena_alloc(&arena, n);
        opentelemetry__proto__trace__v1__traces_data__pack(&data, packed);
        struct span_batch b;
        struct buf out;
        struct fault f = {0};
        span_batch_init(&b, 0);
        buf_init(&out, 1 << 24);
        assert_int_equal(OK, otlp_decode(slice_of(packed, n), &b, &f));
        assert_int_equal(2 * rs.n_scope_spans * ss.n_spans, b.span_count);
        assert_int_equal(OK, otlp_encode(&b, &out));
        assert_int_equal(n, out.n);
        assert_memory_equal(packed, out.p, n);
        span_batch_fini(&b);
        buf_fini(&out);
        arena_fini(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(protobuf_c_and_we_agree_byte_for_byte)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
