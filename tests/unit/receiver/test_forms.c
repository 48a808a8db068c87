/* The wire forms of refusals, and CORS. */
#include "cors.h"
#include "rpc_status.h"
#include "test.h"

#include "vivace/codec/wire.h"

static void
a_refusal_carries_retry_info_in_both_encodings(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    rpc_status_write_json(&out, 8, SL("slow \"down\""), 5);
    assert_slice_equal(buf_slice(&out),
                       "{\"code\":8,\"message\":\"slow \\\"down\\\"\",\"details\":[{\"@type\":"
                       "\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"5s\"}]}");
    buf_clear(&out);
    rpc_status_write_json(&out, 3, SL("bad"), 0);
    assert_slice_equal(buf_slice(&out), "{\"code\":3,\"message\":\"bad\"}");
    buf_clear(&out);
    rpc_status_encode(&out, 8, SL("x"), 5);
    static const char want[] =
        "\x08\x08\x12\x01x\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x05";
    assert_int_equal(out.n, sizeof want - 1);
    assert_memory_equal(out.p, want, sizeof want - 1);
    buf_fini(&out);
}

static void
errors_map_to_the_statuses_clients_act_on(void **state)
{
    (void)state;
    static const struct {
        err rc;
        int grpc, http;
    } rows[] = {
        {OK, 0, 200},          {ERR_INVALID, 3, 400},      {ERR_LIMIT, 8, 429},
        {ERR_DENIED, 14, 503}, {ERR_UNAVAILABLE, 14, 503}, {ERR_INTERNAL, 13, 500},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(rpc_status_of(rows[i].rc), rows[i].grpc);
        assert_int_equal(rpc_status_to_http(rows[i].grpc), rows[i].http);
    }
}

static bool
has(const struct cors_headers *h, const char *name, const char *value)
{
    for (size_t i = 0; i < h->n; i++) {
        if (slice_eq(h->v[i].name, slice_cstr(name))) {
            return slice_eq(h->v[i].value, slice_cstr(value));
        }
    }
    return value == NULL;
}

static void
cors_lets_in_whom_the_configuration_names(void **state)
{
    (void)state;
    const char *origins[] = {"https://*.example.org", "http://localhost:3000"};
    struct config_receiver c = {.cors_allowed_origins = {origins, 2}, .cors_max_age = 7200};
    struct http_header headers[] = {
        {SL("origin"), SL("https://app.example.org")},
        {SL("access-control-request-method"), SL("POST")},
        {SL("access-control-request-headers"), SL("content-type")},
    };
    struct http_request r = {.method = SL("OPTIONS"), .headers = headers, .header_count = 3};
    struct cors_headers h;
    assert_true(cors_is_preflight(&c, &r));
    cors_preflight(&c, &r, &h);
    assert_true(has(&h, "Access-Control-Allow-Origin", "https://app.example.org"));
    assert_true(has(&h, "Access-Control-Allow-Methods", "POST"));
    assert_true(has(&h, "Access-Control-Allow-Headers", "content-type"));
    assert_true(has(&h, "Access-Control-Max-Age", "7200"));
    headers[0].value = SL("https://example.com");
    cors_preflight(&c, &r, &h);
    assert_int_equal(h.n, 1);
    assert_true(has(&h, "Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"));
    cors_actual(&c, &r, &h);
    assert_int_equal(h.n, 1);
    headers[0].value = SL("http://localhost:3000");
    cors_actual(&c, &r, &h);
    assert_true(has(&h, "Access-Control-Allow-Credentials", "true"));
    headers[2].value = SL("x-secret");
    cors_preflight(&c, &r, &h);
    assert_int_equal(h.n, 1); /* a header nobody allowed */
    c.cors_allowed_origins.n = 0;
    assert_false(cors_is_preflight(&c, &r));
    cors_actual(&c, &r, &h);
    assert_int_equal(h.n, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_carries_retry_info_in_both_encodings),
        cmocka_unit_test(errors_map_to_the_statuses_clients_act_on),
        cmocka_unit_test(cors_lets_in_whom_the_configuration_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
