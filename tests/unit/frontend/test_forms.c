/* Parameters as clients encode them, Accept as Tempo reads it, and the form for language models. */
#include "api.h"
#include "llm.h"
#include "test.h"

#include "vivace/codec/otlp.h"

static void
parameters_are_decoded_and_the_first_one_counts(void **state)
{
    (void)state;
    struct http_request r = {.query = SL("a=1&q=%7B+.x+%3D+%22%26%22+%7D&q=second&bad=%zz&empty=&flag")};
    struct api_request q = {.r = &r};
    slice v = SL_EMPTY;
    arena_init(&q.arena, 0);
    assert_true(api_param(&q, SL("q"), &v));
    assert_slice_equal(v, "{ .x = \"&\" }");
    assert_true(api_param(&q, SL("empty"), &v) && v.n == 0);
    assert_true(api_param(&q, SL("flag"), &v) && v.n == 0);
    assert_false(api_param(&q, SL("bad"), &v));
    assert_false(api_param(&q, SL("absent"), &v));
    assert_false(url_decode(SL("abc%4"), false, &q.arena, &v));
    assert_true(url_decode(SL("a+b%2f"), false, &q.arena, &v));
    assert_slice_equal(v, "a+b/");
    arena_fini(&q.arena);
}

static void
accept_is_read_by_substring_protobuf_first(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        enum accept_format format;
    } rows[] = {
        {"application/json, application/protobuf", ACCEPT_PROTOBUF},
        {"application/protobuf", ACCEPT_PROTOBUF},
        {"application/vnd.grafana.llm", ACCEPT_LLM},
        {"application/json,application/vnd.grafana.llm", ACCEPT_JSON},
        {"*/*", ACCEPT_JSON},
        {"text/html", ACCEPT_JSON},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct http_header h = {SL("accept"), slice_cstr(rows[i].accept)};
        struct http_request r = {.headers = &h, .header_count = 1};
        assert_int_equal(api_accept(&r), rows[i].format);
    }
    struct http_request none = {0};
    assert_int_equal(api_accept(&none), ACCEPT_JSON);
}

static void
language_models_get_flat_attributes_and_hex_ids(void **state)
{
    (void)state;
    static const char body[] = "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
                               "\"value\":{\"stringValue\":\"shop\"}},"
                               "{\"key\":\"pid\",\"value\":{\"intValue\":\"7\"}}]},\"scopeSpans\":[{"
                               "\"scope\":{\"name\":\"lib\"},\"spans\":[{"
                               "\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":"
                               "\"0000000000000001\",\"name\":\"op\",\"kind\":2,"
                               "\"startTimeUnixNano\":\"1000000\",\"endTimeUnixNano\":\"3500000\","
                               "\"attributes\":[{\"key\":\"z\",\"value\":{\"arrayValue\":"
                               "{\"values\":[{\"intValue\":\"1\"},{\"kvlistValue\":{\"values\":[{\"key\":"
                               "\"k\",\"value\":{\"boolValue\":true}}]}}]}}},"
                               "{\"key\":\"a\",\"value\":{\"bytesValue\":\"AQI=\"}}]}]}]}]}";
    struct span_batch b;
    struct buf out;
    struct fault f = {0};
    span_batch_init(&b, 0);
    buf_init(&out, 10000);
    assert_ok(otlp_json_decode(slice_cstr(body), &b, &f), &f);
    assert_int_equal(llm_write_trace(&b, 42, &out), OK);
    assert_slice_equal(buf_slice(&out), "{\"trace\":{\"traceId\":\"0102030405060708090a0b0c0d0e0f10\","
                                        "\"services\":[{\"serviceName\":\"shop\",\"resource\":{"
                                        "\"pid\":7},\"scopes\":[{\"name\":\"lib\",\"version\":\"\",\"spans\":"
                                        "[{\"spanId\":\"0000000000000001\",\"name\":\"op\","
                                        "\"kind\":\"SPAN_KIND_SERVER\",\"startTimeUnixNano\":\"1000000\","
                                        "\"endTimeUnixNano\":\"3500000\",\"durationMs\":2.5,"
                                        "\"attributes\":{\"a\":\"0102\",\"z\":[1,{\"k\":true}]},\"status\":{"
                                        "\"code\":\"STATUS_CODE_UNSET\",\"message\":\"\"}}]}]}]},"
                                        "\"metrics\":{\"inspectedBytes\":42}}");
    buf_fini(&out);
    span_batch_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_decoded_and_the_first_one_counts),
        cmocka_unit_test(accept_is_read_by_substring_protobuf_first),
        cmocka_unit_test(language_models_get_flat_attributes_and_hex_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
