/* The client reads answers however they are cut into pieces, and takes nothing else for one. */
#include "client_answer.h"
#include "test.h"

#include "vivace/codec/compress.h"
#include "vivace/net/client.h"

/* Feed in pieces of `step` bytes. */
static err
feed(struct client_answer *a, slice in, size_t step, struct fault *f)
{
    err rc = OK;
    client_answer_init(a, 1 << 20);
    while (rc == OK && in.n && !a->done) {
        rc = client_answer_feed(a, slice_sub(in, 0, step), f);
        in = slice_sub(in, step, in.n);
    }
    return rc == OK && !a->done ? client_answer_end(a, f) : rc;
}

static void
an_answer_is_read_in_any_pieces(void **state)
{
    static const struct {
        const char *in;
        int status;
        const char *body;
    } answers[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: 1\r\n\r\n",
         200, "hello"},
        {"HTTP/1.0 404 Not Found\r\n\r\nnothing here", 404, "nothing here"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", 200, "ok"},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
        {"HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", 200, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        slice in = slice_cstr(answers[i].in);
        for (size_t step = 1; step <= in.n; step++) {
            struct client_answer a;
            struct fault f = {0};
            assert_ok(feed(&a, in, step, &f), &f);
            assert_int_equal(a.status, answers[i].status);
            assert_slice_equal(buf_slice(&a.body), answers[i].body);
            client_answer_fini(&a);
        }
    }
}

static void
what_is_no_answer_is_an_error(void **state)
{
    static const char *const bad[] = {
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nx",
        "HTTP/1.1 200 OK\r\ncontent-encoding: br\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\nx",
        "HTTP/2 200\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct client_answer a;
        struct fault f = {0};
        if (feed(&a, slice_cstr(bad[i]), 7, &f) != ERR_CORRUPT) {
            fail_msg("taken for an answer: %s", bad[i]);
        }
        assert_true(f.msg[0] != 0);
        client_answer_fini(&a);
    }
}

static void
an_answer_without_end_is_cut_off(void **state)
{
    struct client_answer a;
    struct fault f = {0};
    static uint8_t junk[1 << 16];
    err rc = OK;
    (void)state;
    memset(junk, 'x', sizeof junk);
    client_answer_init(&a, 1 << 20);
    assert_int_equal(client_answer_feed(&a, SL("HTTP/1.1 200 OK\r\n\r\n"), &f), OK);
    for (int i = 0; i < 100 && rc == OK; i++) {
        rc = client_answer_feed(&a, slice_of(junk, sizeof junk), &f);
    }
    assert_int_equal(rc, ERR_LIMIT);
    client_answer_fini(&a);

    client_answer_init(&a, 1 << 20); /* a head without end */
    rc = client_answer_feed(&a, SL("HTTP/1.1 200 OK\r\nx: "), &f);
    for (int i = 0; i < 100 && rc == OK; i++) {
        rc = client_answer_feed(&a, slice_of(junk, sizeof junk), &f);
    }
    assert_int_equal(rc, ERR_LIMIT);
    client_answer_fini(&a);
}

static void
a_compressed_answer_is_unpacked_up_to_the_limit(void **state)
{
    static uint8_t zeros[1 << 20];
    struct client_answer a;
    struct fault f = {0};
    struct buf packed, head, out;
    (void)state;
    buf_init(&packed, 1 << 20);
    buf_init(&head, 1 << 20);
    assert_ok(codec_compress(CODEC_GZIP, slice_of(zeros, sizeof zeros), &packed), &f);
    buf_printf(&head, "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %zu\r\n\r\n", packed.n);
    buf_append_slice(&head, buf_slice(&packed));
    assert_ok(feed(&a, buf_slice(&head), 1000, &f), &f);
    buf_init(&out, sizeof zeros);
    assert_ok(client_answer_body(&a, &out, &f), &f);
    assert_int_equal(out.n, sizeof zeros);
    buf_fini(&out);
    buf_init(&out, sizeof zeros - 1);
    assert_int_equal(client_answer_body(&a, &out, &f), ERR_LIMIT);
    buf_fini(&out);
    client_answer_fini(&a);
    buf_fini(&packed);
    buf_fini(&head);
}

static void
a_url_that_cannot_be_asked_says_why(void **state)
{
    static const char *const bad[] = {"ftp://x/",       "http://",          "http://x:0/",  "http://x:99999/",
                                      "http://u@x/",    "http://x/a b",     "http://[::1/", "http://x:/",
                                      "http://[::1]x/", "http://x/\r\nx: y"};
    const struct http_client_options none = {.timeout_ms = 100};
    const struct http_header header = {SL("x"), SL("a\r\nhost: evil")};
    struct http_client_options injected = {.headers = &header, .header_count = 1};
    struct http_reply r;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fault f = {0};
        if (http_get(bad[i], &none, &f, &r) != ERR_INVALID) {
            fail_msg("asked: %s", bad[i]);
        }
    }
    struct fault f = {0};
    assert_int_equal(http_get("http://127.0.0.1:1/", &injected, &f, &r), ERR_INVALID);
    f = (struct fault){0};
    assert_int_equal(http_get("http://127.0.0.1:1/", &none, &f, &r), ERR_UNAVAILABLE);
}

static void
every_byte_of_a_parameter_is_encoded(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 1024);
    url_encode(&out, SL("{ .a = \"\xc3\xa4&b+c/%\" }-._~"));
    assert_slice_equal(buf_slice(&out), "%7B%20.a%20%3D%20%22%C3%A4%26b%2Bc%2F%25%22%20%7D-._~");
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read_in_any_pieces),
        cmocka_unit_test(what_is_no_answer_is_an_error),
        cmocka_unit_test(an_answer_without_end_is_cut_off),
        cmocka_unit_test(a_compressed_answer_is_unpacked_up_to_the_limit),
        cmocka_unit_test(a_url_that_cannot_be_asked_says_why),
        cmocka_unit_test(every_byte_of_a_parameter_is_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
