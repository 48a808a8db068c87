/* What an HTTP/2 client is promised, and what a hostile one meets. */
#include "h2_client.h"

static struct http_request *kept[8];
static int kept_count;
static int runs;
static bool got_too_large;

/* GET /hello, POST /echo, /big (1 MiB, from memory), /keep (answered by the test), /close. */
static void
handle(void *ctx, struct http_request *r)
{
    (void)ctx;
    runs++;
    got_too_large = r->body_too_large;
    struct http_response resp = {.status = 200, .content_type = SL("text/plain"), .may_gzip = true};
    const struct http_header extra[] = {{SL("X-Query"), r->query}, {SL("connection"), SL("close")}};
    resp.headers = extra;
    resp.header_count = 2;
    if (r->body_too_large) {
        resp.status = 413;
    } else if (slice_eq(r->path, SL("/echo"))) {
        resp.body = r->body ? bytes_ref(r->body) : NULL;
    } else if (slice_eq(r->path, SL("/big"))) {
        resp.body = bytes_create((size_t)3 << 20);
        memset(resp.body->p, 'x', resp.body->n);
        resp.may_gzip = false;
    } else if (slice_eq(r->path, SL("/keep"))) {
        kept[kept_count++] = r;
        return;
    } else if (slice_eq(r->path, SL("/close"))) {
        resp.close = true;
    } else {
        resp.body = bytes_copy(SL("hello"));
    }
    http_answer(r, &resp);
}

static void
run_nothing(void *ctx, struct grpc_call *c)
{
    (void)ctx;
    grpc_reply_later(c, NULL);
}

static const struct grpc_method methods[] = {{"Echo", run_nothing}};
static const struct grpc_service service = {"test.Echo", methods, 1};
static const struct grpc_service *const services[] = {&service, NULL};

static void
setup(struct client *t)
{
    kept_count = 0;
    runs = 0;
    client_init(t);
    t->c.opt.handler = handle;
    t->c.opt.grpc = services;
}

static struct ask
get(const char *path)
{
    return (struct ask){.method = "GET", .path = path, .type = ""};
}

static void
test_settings_announce_what_the_listener_allows(void **state)
{
    (void)state;
    for (uint32_t streams = 0; streams <= 100; streams += 100) {
        struct client t;
        setup(&t);
        t.c.opt.limits.streams_max = streams;
        client_open(&t);
        assert_int_equal(t.settings_count, streams ? 3 : 2);
        assert_int_equal(t.settings[NGHTTP2_SETTINGS_MAX_FRAME_SIZE], 16384);
        assert_int_equal(t.settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], streams);
        assert_int_equal(t.settings[NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE], 1 << 20);
        assert_int_equal(nghttp2_session_get_remote_window_size(t.session), 8 << 20);
        client_fini(&t);
    }
}

static void
test_a_request_reaches_the_handler_and_its_answer_the_client(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    struct reply *r = client_ask(&t, get("/hello?a=b"));
    assert_slice_equal(field(&r->head, ":status"), "200");
    assert_slice_equal(field(&r->head, "content-length"), "5");
    assert_slice_equal(field(&r->head, "x-query"), "a=b");
    assert_slice_equal(field(&r->head, "connection"), "(none)");
    assert_slice_equal(field(&r->head, "vary"), "Accept-Encoding");
    assert_int_equal(field(&r->head, "date").n, 29);
    assert_slice_equal(buf_slice(&r->data), "hello");
    assert_true(r->closed && r->reset == 0);
    r = client_ask(&t, (struct ask){.method = "HEAD", .path = "/hello", .type = ""});
    assert_slice_equal(field(&r->head, "content-length"), "5");
    assert_int_equal(r->data.n, 0);
    assert_true(r->closed && r->reset == 0);
    r = client_ask(&t, (struct ask){.path = "/echo", .type = "text/plain", .body = SL("a body")});
    assert_slice_equal(buf_slice(&r->data), "a body");
    client_fini(&t);
}

static void
test_one_port_serves_grpc_and_http(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    struct reply *r = client_ask(&t, (struct ask){.body = slice_of("\0\0\0\0\0", 5)});
    assert_slice_equal(field(&r->trailers, "grpc-status"), "0");
    assert_slice_equal(field(&r->head, "trailer"), "Grpc-Status");
    r = client_ask(&t, (struct ask){.type = "application/json", .body = SL("{}")});
    assert_slice_equal(buf_slice(&r->data), "hello");
    client_fini(&t);
}

static void
test_a_big_answer_waits_for_a_slow_reader(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open_window(&t, (uint32_t)16 << 20);
    nghttp2_session_set_local_window_size(t.session, 0, 0, 16 << 20);
    client_go(&t);
    t.stop_reading = true;
    int32_t id = client_submit(&t, get("/big"));
    client_go(&t);
    assert_true(t.c.out.n >= CONN_HIGH_WATER && t.c.out.n < CONN_HIGH_WATER + 32768);
    t.stop_reading = false;
    client_go(&t);
    assert_int_equal(reply_of(&t, id)->data.n, 3 << 20);
    assert_true(reply_of(&t, id)->closed);
    client_fini(&t);
}

static void
test_a_body_over_the_limit_is_thrown_away_and_told(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    struct budget budget;
    budget_init(&budget, "test", NULL, (size_t)1 << 20);
    t.c.opt.budget = &budget;
    t.c.opt.limits.body_max = 100;
    client_open(&t);
    static uint8_t big[200000];
    struct reply *r = client_ask(&t, (struct ask){.path = "/echo", .type = "x", .body = slice_of(big, 101)});
    assert_slice_equal(field(&r->head, ":status"), "413");
    assert_true(r->closed);
    r = client_ask(&t, (struct ask){.path = "/echo", .type = "x", .body = slice_of(big, sizeof(big))});
    assert_slice_equal(field(&r->head, ":status"), "413");
    r = client_ask(&t, (struct ask){.path = "/echo",
                                    .type = "x",
                                    .names = {"content-length", "expect"},
                                    .values = {"200000", "100-continue"},
                                    .body = slice_of(big, sizeof(big)),
                                    .open = true});
    assert_slice_equal(field(&r->head, ":status"), "413");
    assert_int_equal(r->early.n, 0);
    assert_true(r->closed);
    r = client_ask(&t, (struct ask){.path = "/echo",
                                    .type = "x",
                                    .names = {"expect"},
                                    .values = {"100-continue"},
                                    .body = slice_of(big, 100)});
    assert_slice_equal(field(&r->early, ":status"), "100");
    assert_slice_equal(field(&r->head, ":status"), "200");
    assert_int_equal(r->data.n, 100);
    client_fini(&t);
    assert_int_equal(budget_used(&budget), 0);
}

static void
test_odd_targets_never_reach_the_handler(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    assert_slice_equal(
        field(&client_ask(&t, (struct ask){.method = "OPTIONS", .path = "*", .type = ""})->head, ":status"),
        "200");
    assert_int_equal(runs, 0);
    client_fini(&t);
}

static void
test_headers_have_a_limit_in_bytes_and_number(void **state)
{
    (void)state;
    char big[40000];
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    struct client t;
    setup(&t);
    t.c.opt.limits.header_count_max = 5;
    client_open(&t);
    struct reply *r = client_ask(&t, (struct ask){.names = {"big"}, .values = {big}});
    assert_slice_equal(field(&r->head, ":status"), "431");
    r = client_ask(&t, (struct ask){.names = {"a", "b", "c", "d", "e"}, .values = {"", "", "", "", ""}});
    assert_slice_equal(field(&r->head, ":status"), "431");
    r = client_ask(&t,
                   (struct ask){.names = {"a", "b", "c", "d"}, .values = {"", "", "", ""}, .body = SL("x")});
    assert_slice_equal(field(&r->head, ":status"), "200");
    client_fini(&t);
}

static void
test_connection_fields_reset_the_stream(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    struct reply *r = client_ask(&t, (struct ask){.names = {"connection"}, .values = {"close"}});
    assert_true(r->closed);
    assert_int_equal(r->reset, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(runs, 0);
    r = client_ask(&t, get("/hello"));
    assert_slice_equal(field(&r->head, ":status"), "200");
    client_fini(&t);
}

static void
test_a_request_outlives_its_client(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        struct client t;
        setup(&t);
        client_open(&t);
        int32_t id = client_submit(&t, get("/keep"));
        client_go(&t);
        assert_int_equal(kept_count, 1);
        if (how == 0) {
            nghttp2_submit_rst_stream(t.session, 0, id, NGHTTP2_CANCEL);
            client_go(&t);
        } else {
            client_lose(&t);
        }
        assert_true(kept[0]->cancelled);
        http_answer_text(kept[0], 200, SL("late"));
        kept_count = 0;
        client_fini(&t);
    }
}

static void
test_many_streams_answer_each_its_own(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    int32_t ids[1000];
    char body[1000][16];
    for (int i = 0; i < 1000; i++) {
        snprintf(body[i], sizeof(body[i]), "body %d", i);
        ids[i] = client_submit(&t, (struct ask){.path = "/echo", .type = "x", .body = slice_cstr(body[i])});
    }
    client_go(&t);
    for (int i = 0; i < 1000; i++) {
        assert_slice_equal(buf_slice(&reply_of(&t, ids[i])->data), body[i]);
    }
    client_fini(&t);
}

static void
test_drain_finishes_what_runs_and_then_ends(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    int32_t id = client_submit(&t, get("/keep"));
    client_go(&t);
    proto_h2.drain(t.c.state);
    client_go(&t);
    assert_int_equal(t.goaways, 2);
    assert_int_equal(t.goaway_code, NGHTTP2_NO_ERROR);
    assert_int_equal(t.goaway_last, id);
    assert_false(t.c.ended);
    http_answer_text(kept[0], 200, SL("done"));
    client_go(&t);
    assert_slice_equal(buf_slice(&reply_of(&t, id)->data), "done");
    assert_true(t.c.ended && t.c.flush);
    client_fini(&t);
}

static void
test_drain_does_not_wait_for_a_dead_client(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    t.stop_reading = true;
    proto_h2.drain(t.c.state);
    client_tick(&t, 1000);
    assert_true(t.c.ended);
    client_fini(&t);
}

static void
test_too_many_pings_are_told_to_calm_down(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    t.c.opt.keepalive.min_ping_interval_ms = 300000;
    client_open(&t);
    for (int i = 0; i < 3; i++) { /* the first is free, then two strikes */
        nghttp2_submit_ping(t.session, 0, NULL);
        client_tick(&t, 1000);
    }
    assert_int_equal(t.acks, 3);
    assert_false(t.c.ended);
    nghttp2_submit_ping(t.session, 0, NULL);
    client_go(&t);
    assert_int_equal(t.goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_string_equal(t.goaway_debug, "too_many_pings");
    assert_true(t.c.ended && t.c.flush);
    client_fini(&t);
}

static void
test_pings_between_answers_are_fine(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    t.c.opt.keepalive.min_ping_interval_ms = 300000;
    client_open(&t);
    for (int i = 0; i < 20; i++) {
        (void)client_ask(&t, get("/hello"));
        nghttp2_submit_ping(t.session, 0, NULL);
        client_tick(&t, 10);
    }
    assert_int_equal(t.acks, 20);
    assert_false(t.c.ended);
    client_fini(&t);
}

static void
test_our_pings_find_a_dead_client(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    t.c.opt.keepalive.time_ms = 10000;
    t.c.opt.keepalive.timeout_ms = 5000;
    client_open(&t);
    client_tick(&t, 10000);
    assert_int_equal(t.pings, 1);
    client_tick(&t, 5000);
    assert_false(t.c.ended); /* it answered */
    t.stop_reading = true;
    client_tick(&t, 10000);
    client_tick(&t, 5000);
    assert_true(t.c.ended && !t.c.flush);
    client_fini(&t);
}

static void
test_idle_and_old_connections_go_away(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    client_tick(&t, 119000);
    assert_int_equal(t.goaways, 0);
    client_tick(&t, 2000);
    assert_int_equal(t.goaways, 1); /* nghttp2 stops reading there: it has no streams */
    assert_true(t.c.ended);
    client_fini(&t);

    setup(&t);
    t.c.opt.keepalive.max_age_ms = 100000;
    t.c.opt.keepalive.max_age_grace_ms = 30000;
    client_open(&t);
    (void)client_submit(&t, get("/keep"));
    client_tick(&t, 89000);
    assert_int_equal(t.goaways, 0);
    client_tick(&t, 22000);
    assert_string_equal(t.goaway_debug, "max_age");
    assert_false(t.c.ended); /* a stream is under way */
    client_tick(&t, 31000);
    assert_true(t.c.ended && !t.c.flush);
    client_lose(&t);
    http_answer_text(kept[0], 200, SL_EMPTY);
    client_fini(&t);
}

static void
test_a_stalled_upload_and_a_stalled_reader_are_cut(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open_window(&t, 100);
    struct reply *up =
        client_ask(&t, (struct ask){.path = "/echo", .type = "x", .body = SL("half"), .open = true});
    nghttp2_session_set_local_window_size(t.session, 0, 0, 0);
    int32_t keep = client_submit(&t, get("/keep"));
    client_go(&t);
    client_tick(&t, 29000);
    assert_false(up->closed);
    client_tick(&t, 2000);
    assert_true(up->closed);
    assert_int_equal(up->reset, NGHTTP2_CANCEL);
    assert_false(reply_of(&t, keep)->closed); /* the handler's time is its own */
    http_answer_text(kept[0], 200, SL("x"));
    client_go(&t);
    assert_true(reply_of(&t, keep)->closed);
    client_fini(&t);
}

static void
test_a_preface_that_never_comes_is_not_waited_for(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    fake_conn_open(&t.c);
    nghttp2_session_callbacks *cb;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_client_new(&t.session, cb, &t);
    nghttp2_session_callbacks_del(cb);
    proto_h2.feed(t.c.state, SL("PRI * HT"));
    t.c.now_ms += 31000;
    proto_h2.tick(t.c.state, t.c.now_ms);
    assert_true(t.c.ended);
    client_fini(&t);
}

/* --- raw frames ------------------------------------------------------------------------------------- */

static void
raw(struct buf *b, uint32_t n, uint8_t type, uint8_t flags, uint32_t id)
{
    const uint8_t h[9] = {(uint8_t)(n >> 16),  (uint8_t)(n >> 8),   (uint8_t)n,         type,       flags,
                          (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};
    buf_append(b, h, 9);
}

/* POST / http with static table entries only: :method POST, :scheme http, :path / and :authority "a". */
static const uint8_t tiny_headers[] = {0x83, 0x86, 0x84, 0x41, 0x01, 'a'};

static int
goaways_after(void (*fill)(struct buf *b), uint32_t *code, uint32_t streams_max)
{
    struct client t;
    setup(&t);
    t.c.opt.limits.streams_max = streams_max;
    client_open(&t);
    struct buf b;
    buf_init(&b, (size_t)8 << 20);
    fill(&b);
    client_feed(&t, b.p, b.n);
    bool ended = t.c.ended;
    (void)client_take(&t);
    int n = t.goaways;
    *code = t.goaway_code;
    for (int i = 0; i < kept_count; i++) {
        http_answer_text(kept[i], 200, SL_EMPTY);
    }
    buf_fini(&b);
    client_fini(&t);
    return ended ? n : -1;
}

static void
fill_rapid_reset(struct buf *b)
{
    for (uint32_t i = 0; i < 3000; i++) {
        raw(b, sizeof(tiny_headers), NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2 * i + 1);
        buf_append(b, tiny_headers, sizeof(tiny_headers));
        raw(b, 4, NGHTTP2_RST_STREAM, 0, 2 * i + 1);
        buf_append(b, "\0\0\0\x8", 4);
    }
}

/* The client makes us reset its streams: DATA beyond content-length and the like. */
static void
fill_made_resets(struct buf *b)
{
    for (uint32_t i = 0; i < 1000; i++) {
        raw(b, sizeof(tiny_headers), NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2 * i + 1);
        buf_append(b, tiny_headers, sizeof(tiny_headers));
        raw(b, 4, NGHTTP2_WINDOW_UPDATE, 0, 2 * i + 1);
        buf_append(b, "\x7f\xff\xff\xff", 4);
        raw(b, 4, NGHTTP2_WINDOW_UPDATE, 0, 2 * i + 1);
        buf_append(b, "\x7f\xff\xff\xff", 4);
    }
}

static void
fill_continuations(struct buf *b)
{
    raw(b, 0, NGHTTP2_HEADERS, 0, 1);
    for (int i = 0; i < 100; i++) {
        raw(b, 3, NGHTTP2_CONTINUATION, 0, 1);
        buf_append(b, "\x40\x00\x00", 3);
    }
}

static void
fill_pings(struct buf *b)
{
    for (int i = 0; i < 20000; i++) {
        raw(b, 8, NGHTTP2_PING, 0, 0);
        buf_append(b, "12345678", 8);
    }
}

static void
fill_settings(struct buf *b)
{
    for (int i = 0; i < 20000; i++) {
        raw(b, 0, NGHTTP2_SETTINGS, 0, 0);
    }
}

static void
fill_empty_data(struct buf *b)
{
    raw(b, sizeof(tiny_headers), NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1);
    buf_append(b, tiny_headers, sizeof(tiny_headers));
    for (int i = 0; i < 20000; i++) {
        raw(b, 0, NGHTTP2_DATA, 0, 1);
    }
}

static void
fill_not_http2(struct buf *b)
{
    buf_append_cstr(b, "GET / HTTP/1.1\r\nhost: a\r\n\r\n and more of it, and more");
}

static void
test_floods_end_the_connection(void **state)
{
    (void)state;
    void (*const floods[])(struct buf *) = {fill_rapid_reset, fill_made_resets, fill_continuations,
                                            fill_pings,       fill_settings,    fill_empty_data,
                                            fill_not_http2};
    for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
        for (uint32_t streams = 0; streams <= 100; streams += 100) {
            uint32_t code = 0;
            print_message("  flood %zu\n", i);
            assert_true(goaways_after(floods[i], &code, streams) >= 0);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_announce_what_the_listener_allows),
        cmocka_unit_test(test_a_request_reaches_the_handler_and_its_answer_the_client),
        cmocka_unit_test(test_one_port_serves_grpc_and_http),
        cmocka_unit_test(test_a_big_answer_waits_for_a_slow_reader),
        cmocka_unit_test(test_a_body_over_the_limit_is_thrown_away_and_told),
        cmocka_unit_test(test_odd_targets_never_reach_the_handler),
        cmocka_unit_test(test_headers_have_a_limit_in_bytes_and_number),
        cmocka_unit_test(test_connection_fields_reset_the_stream),
        cmocka_unit_test(test_a_request_outlives_its_client),
        cmocka_unit_test(test_many_streams_answer_each_its_own),
        cmocka_unit_test(test_drain_finishes_what_runs_and_then_ends),
        cmocka_unit_test(test_drain_does_not_wait_for_a_dead_client),
        cmocka_unit_test(test_too_many_pings_are_told_to_calm_down),
        cmocka_unit_test(test_pings_between_answers_are_fine),
        cmocka_unit_test(test_our_pings_find_a_dead_client),
        cmocka_unit_test(test_idle_and_old_connections_go_away),
        cmocka_unit_test(test_a_stalled_upload_and_a_stalled_reader_are_cut),
        cmocka_unit_test(test_a_preface_that_never_comes_is_not_waited_for),
        cmocka_unit_test(test_floods_end_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
