/* What a gRPC client is promised, to the byte (receivers.md section 3). */
#include "h2_client.h"

#include "vivace/base/clock.h"
#include "vivace/codec/compress.h"

static struct grpc_call *kept[64];
static int kept_count;
static int runs;

static void
run_echo(void *ctx, struct grpc_call *c)
{
    (void)ctx;
    runs++;
    struct fault f = {0};
    struct bytes *m = NULL;
    err rc = grpc_call_message(c, &f, &m);
    if (rc != OK) {
        grpc_refuse_later(c, rc, &f);
        return;
    }
    grpc_reply_later(c, m ? bytes_ref(m) : NULL);
}

static void
run_keep(void *ctx, struct grpc_call *c)
{
    (void)ctx;
    kept[kept_count++] = c;
}

static void
run_fail(void *ctx, struct grpc_call *c)
{
    (void)ctx;
    const uint8_t details[] = {0x08, 0x08, 0x12, 0x01};
    grpc_finish_later(c, GRPC_RESOURCE_EXHAUSTED, SL("100% too f\xc3\xbcll"), slice_of(details, 4));
}

static const struct grpc_method methods[] = {{"Echo", run_echo}, {"Keep", run_keep}, {"Fail", run_fail}};
static const struct grpc_service service = {"test.Echo", methods, 3};
static const struct grpc_service *const services[] = {&service, &grpc_health, NULL};

static void
setup(struct client *t)
{
    kept_count = 0;
    runs = 0;
    client_init(t);
    t->c.opt.grpc = services;
}

static void
status_is(struct reply *r, const char *http, const char *status, const char *text)
{
    assert_slice_equal(field(&r->head, ":status"), http);
    struct buf *b = r->trailers.n > 0 ? &r->trailers : &r->head;
    assert_slice_equal(field(b, "grpc-status"), status);
    assert_slice_equal(field(b, "grpc-message"), text);
    assert_true(r->closed);
}

static void
test_a_unary_call_answers_headers_message_trailers(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    struct buf b;
    buf_init(&b, 100);
    frame_put(&b, 0, SL("hello"));
    struct reply *r = client_ask(&t, (struct ask){.body = buf_slice(&b)});
    assert_string_equal((buf_append_byte(&r->head, 0), (char *)r->head.p),
                        ":status: 200\ncontent-type: application/grpc\n");
    assert_int_equal(r->data.n, 10);
    assert_memory_equal(r->data.p, b.p, 10);
    assert_string_equal((buf_append_byte(&r->trailers, 0), (char *)r->trailers.p),
                        "grpc-status: 0\ngrpc-message: \n");
    assert_true(r->closed && r->reset == 0);
    buf_fini(&b);
    client_fini(&t);
}

struct row {
    const char *what;
    struct ask ask;
    const char *http, *status, *text;
};

static void
test_each_defect_has_its_status_and_text(void **state)
{
    (void)state;
#define BODY(lit) slice_of(lit, sizeof(lit) - 1)
    const slice ok = BODY("\0\0\0\0\2ab");
    const struct row rows[] = {
        {"empty message", {.body = BODY("\0\0\0\0\0")}, "200", "0", ""},
        {"no message", {.method = "POST"}, "200", "2", "EOF"},
        {"half a prefix", {.body = BODY("\0\0\0")}, "200", "2", "unexpected EOF"},
        {"half a message", {.body = BODY("\0\0\0\0\5ab")}, "200", "2", "unexpected EOF"},
        {"a second message", {.body = BODY("\0\0\0\0\1a\0\0\0\0\1b")}, "200", "0", ""},
        {"garbage after it", {.body = BODY("\0\0\0\0\1aXX")}, "200", "0", ""},
        {"flag without encoding",
         {.body = BODY("\1\0\0\0\1a")},
         "200",
         "13",
         "grpc: compressed flag set with identity or empty encoding"},
        {"flag with identity",
         {.body = BODY("\1\0\0\0\1a"), .encoding = "identity"},
         "200",
         "13",
         "grpc: compressed flag set with identity or empty encoding"},
        {"unknown flag",
         {.body = BODY("\7\0\0\0\1a")},
         "200",
         "13",
         "grpc: received unexpected payload format 7"},
        {"unknown encoding",
         {.body = ok, .encoding = "deflate"},
         "200",
         "12",
         "grpc: Decompressor is not installed for grpc-encoding \"deflate\""},
        {"unknown service", {.body = ok, .path = "/a.B/C"}, "200", "12", "unknown service a.B"},
        {"unknown method",
         {.body = ok, .path = "/test.Echo/No"},
         "200",
         "12",
         "unknown method No for service test.Echo"},
        {"one slash", {.body = ok, .path = "/x"}, "200", "12", "malformed method name: \"/x\""},
        {"content type",
         {.body = ok, .type = "application/json"},
         "415",
         "3",
         "invalid gRPC request content-type \"application/json\""},
        {"content type, almost",
         {.body = ok, .type = "application/grpcx"},
         "415",
         "3",
         "invalid gRPC request content-type \"application/grpcx\""},
        {"no content type", {.body = ok, .type = ""}, "415", "3", "invalid gRPC request content-type \"\""},
        {"method",
         {.method = "GET"},
         "405",
         "13",
         "Received a HEADERS frame with :method \"GET\" which should be POST"},
        {"too large",
         {.body = BODY("\0\0\x40\0\1")},
         "200",
         "8",
         "grpc: received message larger than max (4194305 vs. 4194304)"},
        {"hostile length",
         {.body = BODY("\0\xff\xff\xff\xff")},
         "200",
         "8",
         "grpc: received message larger than max (4294967295 vs. 4194304)"},
        {"deadline passed", {.body = ok, .timeout = "1n"}, "200", "4", "context deadline exceeded"},
        {"deadline far", {.body = ok, .timeout = "99999999H"}, "200", "0", ""},
        {"deadline without unit",
         {.body = ok, .timeout = "12"},
         "400",
         "13",
         "malformed grpc-timeout: transport: timeout unit is not recognized: \"12\""},
        {"deadline too short",
         {.body = ok, .timeout = "S"},
         "400",
         "13",
         "malformed grpc-timeout: transport: timeout string is too short: \"S\""},
        {"deadline too long",
         {.body = ok, .timeout = "123456789S"},
         "400",
         "13",
         "malformed grpc-timeout: transport: timeout string is too long: \"123456789S\""},
        {"deadline not a number",
         {.body = ok, .timeout = "xS"},
         "400",
         "13",
         "malformed grpc-timeout: strconv.ParseUint: parsing \"x\": invalid syntax"},
        {"the method's own", {.body = ok, .path = "/test.Echo/Fail"}, "200", "8", "100%25 too f%C3%BCll"},
        {"health", {.body = BODY("\0\0\0\0\0"), .path = "/grpc.health.v1.Health/Check"}, "200", "0", ""},
        {"health watch",
         {.body = BODY("\0\0\0\0\0"), .path = "/grpc.health.v1.Health/Watch"},
         "200",
         "12",
         "Watching is not supported"},
    };
    for (size_t chunk = 0; chunk < 2; chunk++) {
        struct client t;
        setup(&t);
        t.chunk = chunk; /* all at once, and byte by byte */
        client_open(&t);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            print_message("  %s\n", rows[i].what);
            status_is(client_ask(&t, rows[i].ask), rows[i].http, rows[i].status, rows[i].text);
        }
        assert_int_equal(t.goaways, 0);
        client_fini(&t);
    }
}

static void
test_status_details_are_base64_without_padding(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    struct reply *r =
        client_ask(&t, (struct ask){.path = "/test.Echo/Fail", .body = slice_of("\0\0\0\0\0", 5)});
    assert_slice_equal(field(&r->head, "grpc-status-details-bin"), "CAgSAQ");
    assert_int_equal(r->data.n, 0);
    assert_int_equal(r->trailers.n, 0);
    client_fini(&t);
}

static void
test_content_type_is_echoed(void **state)
{
    (void)state;
    const char *const pairs[][2] = {{"application/grpc", "application/grpc"},
                                    {"application/grpc+proto", "application/grpc+proto"},
                                    {"application/grpc;Proto", "application/grpc+proto"},
                                    {"Application/GRPC+json", "application/grpc+json"}};
    struct client t;
    setup(&t);
    client_open(&t);
    for (size_t i = 0; i < 4; i++) {
        struct reply *r =
            client_ask(&t, (struct ask){.type = pairs[i][0], .body = slice_of("\0\0\0\0\0", 5)});
        assert_slice_equal(field(&r->head, "content-type"), pairs[i][1]);
    }
    client_fini(&t);
}

static void
test_answers_are_compressed_as_the_request_was(void **state)
{
    (void)state;
    const struct {
        const char *name;
        enum codec_kind kind;
    } kinds[] = {{"gzip", CODEC_GZIP}, {"zstd", CODEC_ZSTD}, {"snappy", CODEC_SNAPPY_FRAMED}};
    uint8_t plain[100000];
    memset(plain, 'a', sizeof(plain));
    struct client t;
    setup(&t);
    client_open(&t);
    for (size_t i = 0; i < 3; i++) {
        for (int flag = 0; flag < 2; flag++) {
            struct buf packed, body, back;
            buf_init(&packed, 200000);
            buf_init(&body, 200000);
            buf_init(&back, 200000);
            assert_int_equal(codec_compress(kinds[i].kind, slice_of(plain, sizeof(plain)), &packed), OK);
            frame_put(&body, (uint8_t)flag, flag ? buf_slice(&packed) : slice_of(plain, sizeof(plain)));
            struct reply *r =
                client_ask(&t, (struct ask){.encoding = kinds[i].name, .body = buf_slice(&body)});
            status_is(r, "200", "0", "");
            assert_slice_equal(field(&r->head, "grpc-encoding"), kinds[i].name);
            assert_int_equal(r->data.p[0], 1);
            struct fault f = {0};
            assert_ok(
                codec_decompress(kinds[i].kind, slice_sub(buf_slice(&r->data), 5, r->data.n), &back, &f), &f);
            assert_int_equal(back.n, sizeof(plain));
            assert_memory_equal(back.p, plain, sizeof(plain));
            buf_fini(&packed);
            buf_fini(&body);
            buf_fini(&back);
        }
    }
    client_fini(&t);
}

static void
test_a_bad_or_bursting_compressed_message_is_refused(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    t.c.opt.grpc_message_max = 1000;
    client_open(&t);
    uint8_t zeros[5000] = {0};
    struct buf packed, body;
    buf_init(&packed, 20000);
    buf_init(&body, 20000);
    assert_int_equal(codec_compress(CODEC_GZIP, slice_of(zeros, 5000), &packed), OK);
    frame_put(&body, 1, buf_slice(&packed));
    status_is(client_ask(&t, (struct ask){.encoding = "gzip", .body = buf_slice(&body)}), "200", "8",
              "grpc: received message after decompression larger than max 1000");
    status_is(
        client_ask(&t, (struct ask){.encoding = "gzip", .body = slice_of("\1\0\0\0\x0bhello world", 16)}),
        "200", "13", "grpc: failed to decompress the message: gzip: invalid header");
    struct reply *r =
        client_ask(&t, (struct ask){.encoding = "snappy", .body = slice_of("\1\0\0\0\5\4abcd", 10)});
    assert_slice_equal(field(&r->head, "grpc-status"), "13");
    assert_true(
        slice_starts_with(field(&r->head, "grpc-message"), SL("grpc: failed to read decompressed data: ")));
    buf_fini(&packed);
    buf_fini(&body);
    client_fini(&t);
}

static struct bytes *
pattern(size_t n, uint8_t seed)
{
    struct bytes *b = bytes_create(n);
    for (size_t i = 0; i < n; i++) {
        b->p[i] = (uint8_t)(i * 7 + seed);
    }
    return b;
}

static struct grpc_call *
keep_one(struct client *t, int32_t *id)
{
    *id = client_submit(t, (struct ask){.path = "/test.Echo/Keep", .body = slice_of("\0\0\0\0\0", 5)});
    int before = kept_count;
    client_go(t);
    assert_int_equal(kept_count, before + 1);
    return kept[before];
}

static void
test_streams_pass_small_windows_whole_and_in_order(void **state)
{
    (void)state;
    const uint32_t windows[] = {1, 7, 1000, 0};
    for (size_t w = 0; w < 4; w++) {
        struct client t;
        setup(&t);
        client_open_window(&t, windows[w]);
        int32_t id;
        struct grpc_call *c = keep_one(&t, &id);
        const size_t sizes[] = {0, 1, 300, 5000, windows[w] == 1 ? 10 : 100000};
        size_t total = 0;
        for (size_t i = 0; i < 5; i++) {
            total += sizes[i] + 5;
            grpc_send_later(c, sizes[i] ? pattern(sizes[i], (uint8_t)i) : NULL);
            if (i == 2) {
                client_go(&t);
                assert_int_equal(grpc_queued(c), 0);
            }
        }
        grpc_finish_later(c, GRPC_OK, SL_EMPTY, SL_EMPTY);
        client_go(&t);
        struct reply *r = reply_of(&t, id);
        status_is(r, "200", "0", "");
        assert_int_equal(r->data.n, total);
        const uint8_t *p = r->data.p;
        for (size_t i = 0; i < 5; i++) {
            struct bytes *want = pattern(sizes[i], (uint8_t)i);
            assert_int_equal((p[1] << 24) + (p[2] << 16) + (p[3] << 8) + p[4], sizes[i]);
            assert_memory_equal(p + 5, want->p, sizes[i]);
            p += 5 + sizes[i];
            bytes_unref(want);
        }
        client_fini(&t);
    }
}

static void
test_an_error_after_messages_comes_in_trailers(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    int32_t id;
    struct grpc_call *c = keep_one(&t, &id);
    grpc_send_later(c, bytes_copy(SL("one")));
    client_go(&t);
    grpc_finish_later(c, GRPC_INTERNAL, SL("broke\nhere"), SL("d"));
    client_go(&t);
    struct reply *r = reply_of(&t, id);
    status_is(r, "200", "13", "broke%0Ahere");
    assert_slice_equal(field(&r->trailers, "grpc-status-details-bin"), "ZA");
    assert_int_equal(r->data.n, 8);
    client_fini(&t);
}

static void
test_a_reset_a_lost_connection_and_a_deadline_cancel_the_call(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct client t;
        setup(&t);
        client_open(&t);
        int32_t id = client_submit(
            &t,
            (struct ask){.path = "/test.Echo/Keep", .timeout = "1000S", .body = slice_of("\0\0\0\0\0", 5)});
        client_go(&t);
        struct grpc_call *c = kept[0];
        grpc_send_later(c, bytes_copy(SL("one")));
        assert_false(c->cancelled);
        if (how == 0) {
            nghttp2_submit_rst_stream(t.session, 0, id, NGHTTP2_CANCEL);
            client_go(&t);
        } else if (how == 1) {
            client_go(&t);
            client_lose(&t);
        } else {
            client_go(&t);
            c->deadline_mono_ns = clock_mono_ns() - 1;
            client_tick(&t, 1000);
            status_is(reply_of(&t, id), "200", "4", "context deadline exceeded");
        }
        assert_true(c->cancelled);
        assert_int_equal(grpc_queued(c), 0);
        grpc_send_later(c, bytes_copy(SL("two"))); /* goes nowhere, and is not an error */
        grpc_finish_later(c, GRPC_OK, SL_EMPTY, SL_EMPTY);
        client_fini(&t);
    }
}

static void
test_a_reader_that_stops_bounds_the_queue(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    struct budget budget;
    budget_init(&budget, "test", NULL, (size_t)64 << 20);
    t.c.opt.budget = &budget;
    client_open_window(&t, 10);
    int32_t id;
    struct grpc_call *c = keep_one(&t, &id);
    t.stop_reading = true;
    int sent = 0;
    while (!c->cancelled && sent < 100) {
        grpc_send_later(c, pattern((size_t)1 << 20, 1));
        sent++;
        client_go(&t);
    }
    assert_true(c->cancelled);
    assert_true(sent >= 15 && sent <= 18);
    assert_true(budget_used(&budget) <= GRPC_QUEUED_MAX + ((size_t)1 << 20));
    grpc_finish_later(c, GRPC_OK, SL_EMPTY, SL_EMPTY);
    client_fini(&t);
    assert_int_equal(budget_used(&budget), 0);
}

static void
test_memory_is_reserved_as_it_arrives_and_given_back(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    struct budget budget;
    budget_init(&budget, "test", NULL, (size_t)1 << 20);
    t.c.opt.budget = &budget;
    client_open(&t);
    /* announced 4 MiB, sent 10 bytes: costs next to nothing */
    int32_t id =
        client_submit(&t, (struct ask){.body = slice_of("\0\0\x40\0\0abcdefghij", 15), .open = true});
    client_go(&t);
    assert_true(budget_used(&budget) < 10000);
    /* 2 MiB do not fit in 1 MiB */
    struct buf b;
    buf_init(&b, (size_t)4 << 20);
    struct bytes *m = pattern((size_t)2 << 20, 3);
    frame_put(&b, 0, bytes_slice(m));
    struct reply *r = client_ask(&t, (struct ask){.body = buf_slice(&b)});
    assert_slice_equal(field(&r->head, "grpc-status"), "8");
    bytes_unref(m);
    buf_fini(&b);
    nghttp2_submit_rst_stream(t.session, 0, id, NGHTTP2_CANCEL);
    client_go(&t);
    assert_int_equal(budget_used(&budget), 0);
    client_fini(&t);
}

static void
test_a_short_budget_withholds_the_window(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    struct budget budget;
    budget_init(&budget, "test", NULL, (size_t)64 << 20);
    t.c.opt.budget = &budget;
    client_open(&t);
    assert_int_equal(budget_reserve(&budget, (size_t)58 << 20), OK); /* others hold most of it */
    struct buf b;
    buf_init(&b, (size_t)4 << 20);
    struct bytes *m = pattern((size_t)2 << 20, 3);
    frame_put(&b, 0, bytes_slice(m));
    int32_t first = client_submit(&t, (struct ask){.open = true, .body = slice_of("\0", 1)});
    client_go(&t);
    int32_t id = client_submit(&t, (struct ask){.body = buf_slice(&b)});
    client_go(&t);
    assert_int_equal(reply_of(&t, id)->send.n, b.n - (1 << 20)); /* one window, then silence */
    budget_release(&budget, (size_t)58 << 20);
    client_tick(&t, 1000);
    client_tick(&t, 1000);
    status_is(reply_of(&t, id), "200", "0", "");
    assert_int_equal(reply_of(&t, id)->data.n, b.n);
    assert_false(reply_of(&t, first)->closed);
    bytes_unref(m);
    buf_fini(&b);
    client_fini(&t);
    assert_int_equal(budget_used(&budget), 0);
}

static void *
worker(void *arg)
{
    struct grpc_call *c = arg;
    for (int i = 0; i < 200; i++) {
        grpc_send_later(c, pattern(100, (uint8_t)i));
    }
    grpc_finish_later(c, GRPC_OK, SL_EMPTY, SL_EMPTY);
    return NULL;
}

static void
test_workers_answer_from_their_own_threads(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    int32_t ids[8];
    pthread_t threads[8];
    for (int i = 0; i < 8; i++) {
        (void)keep_one(&t, &ids[i]);
    }
    for (int i = 0; i < 8; i++) {
        pthread_create(&threads[i], NULL, worker, kept[i]);
    }
    for (int i = 0; i < 1000; i++) {
        client_go(&t);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
    }
    client_go(&t);
    for (int i = 0; i < 8; i++) {
        status_is(reply_of(&t, ids[i]), "200", "0", "");
        assert_int_equal(reply_of(&t, ids[i])->data.n, 200 * 105);
    }
    client_fini(&t);
}

static void
test_health_says_what_it_was_told(void **state)
{
    (void)state;
    struct client t;
    setup(&t);
    client_open(&t);
    const struct ask a = {.path = "/grpc.health.v1.Health/Check", .body = slice_of("\0\0\0\0\0", 5)};
    assert_memory_equal(client_ask(&t, a)->data.p, "\0\0\0\0\2\x08\x02", 7);
    grpc_health_set(true);
    assert_memory_equal(client_ask(&t, a)->data.p, "\0\0\0\0\2\x08\x01", 7);
    grpc_health_set(false);
    client_fini(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_unary_call_answers_headers_message_trailers),
        cmocka_unit_test(test_each_defect_has_its_status_and_text),
        cmocka_unit_test(test_status_details_are_base64_without_padding),
        cmocka_unit_test(test_content_type_is_echoed),
        cmocka_unit_test(test_answers_are_compressed_as_the_request_was),
        cmocka_unit_test(test_a_bad_or_bursting_compressed_message_is_refused),
        cmocka_unit_test(test_streams_pass_small_windows_whole_and_in_order),
        cmocka_unit_test(test_an_error_after_messages_comes_in_trailers),
        cmocka_unit_test(test_a_reset_a_lost_connection_and_a_deadline_cancel_the_call),
        cmocka_unit_test(test_a_reader_that_stops_bounds_the_queue),
        cmocka_unit_test(test_memory_is_reserved_as_it_arrives_and_given_back),
        cmocka_unit_test(test_a_short_budget_withholds_the_window),
        cmocka_unit_test(test_workers_answer_from_their_own_threads),
        cmocka_unit_test(test_health_says_what_it_was_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
