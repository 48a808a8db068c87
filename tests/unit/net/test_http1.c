/* HTTP/1.x on a connection without a socket: order, framing, limits, deadlines, memory given back. */
#include "conn.h"
#include "fake_conn.h"
#include "test.h"

#include "vivace/base/clock.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static struct budget budget;
static struct http_request *waiting[16]; /* requests the handler has put aside */
static size_t waiting_count;
static bool put_aside;

/* Answers "METHOD path body-length"; /wait is put aside; /big and /hostile answer so. */
static void
answer_echo(struct http_request *r)
{
    char text[256];
    int n = snprintf(text, sizeof text, "%.*s %.*s %zu%s", SL_FMT(r->method), SL_FMT(r->path),
                     r->body ? r->body->n : 0, r->body_too_large ? " too large" : "");
    struct http_header evil = {SL("x-evil"), SL("a\r\nSet-Cookie: b")};
    bool hostile = slice_eq(r->path, SL("/hostile"));
    http_answer(r, &(struct http_response){.status = slice_eq(r->path, SL("/204")) ? 204 : 200,
                                           .content_type = SL("text/plain"),
                                           .headers = &evil,
                                           .header_count = hostile ? 1 : 0,
                                           .close = r->body_too_large,
                                           .body = bytes_copy(slice_of(text, (size_t)n))});
}

static void
handle(void *ctx, struct http_request *r)
{
    (void)ctx;
    if (put_aside || slice_eq(r->path, SL("/wait"))) {
        waiting[waiting_count++] = r;
    } else {
        answer_echo(r);
    }
}

static struct conn *
conn_make(void)
{
    static struct conn c;
    c = (struct conn){.now_ms = 1000};
    budget_init(&budget, "test", NULL, 1 << 20);
    c.options = (struct http_listener_options){
        .name = "test", .allow_http1 = true, .keep_alive = true, .handler = handle, .budget = &budget};
    http_limits_default(&c.options.limits);
    c.options.limits.body_max = 1000;
    buf_init(&c.out, 1 << 22);
    waiting_count = 0;
    put_aside = false;
    clock_fake(INT64_C(784111777) * NS_PER_S, 1);
    return &c;
}

static void
conn_done(struct conn *c, void *state)
{
    proto_http1.close(state);
    buf_fini(&c->out);
    clock_real();
    assert_int_equal(budget_used(&budget), 0);
}

static size_t
count(const struct conn *c, const char *what)
{
    size_t n = 0;
    for (slice s = buf_slice(&c->out); s.n;) {
        size_t at = slice_find(s, slice_cstr(what));
        if (at == SIZE_MAX) {
            break;
        }
        n++;
        s = slice_sub(s, at + 1, s.n);
    }
    return n;
}

static void
feed(void *state, const char *text)
{
    proto_http1.feed(state, slice_cstr(text));
}

static void
an_answer_has_length_date_and_type(void **state)
{
    (void)state;
    struct conn *c = conn_make();
    void *h = proto_http1.open(c);
    feed(h, GET);
    assert_slice_equal(buf_slice(&c->out),
                       "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                       "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 7\r\n\r\nGET / 0");
    assert_false(c->ending);
    conn_done(c, h);
}

/* What came out for `text` fed in pieces of `step` bytes. */
static struct buf
run_in_pieces(const char *text, size_t step, bool *ret_ending)
{
    struct conn *c = conn_make();
    void *h = proto_http1.open(c);
    for (size_t at = 0, n = strlen(text); at < n && !c->ending && !c->cut; at += step) {
        proto_http1.feed(h, slice_of(text + at, n - at < step ? n - at : step));
        while (waiting_count) {
            answer_echo(waiting[--waiting_count]);
        }
    }
    *ret_ending = c->ending;
    struct buf out = c->out;
    buf_init(&c->out, 1);
    conn_done(c, h);
    return out;
}

static void
answers_are_the_same_whatever_the_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ending;
        int answers;
    } rows[] = {
        {GET GET GET, false, 3},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" GET, false, 2},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
         "chunked\r\n\r\n5\r\nhello\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\n" GET,
         false, 2},
        {"POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /wait HTTP/1.1\r\nHost: "
         "a\r\n\r\n" GET,
         false, 3},
        {"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n" GET, false, 2},
        {"GET /204 HTTP/1.1\r\nHost: a\r\n\r\n" GET, false, 2},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" GET, false, 2},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", true, 1},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET, true, 1},
        {"GET / HTTP/1.0\r\n\r\n" GET, true, 1},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" GET, false, 2},
        {GET "\r\n" GET, false, 2},
        {GET "BAD\r\n\r\n", true, 2},
        {"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\nhello", true, 1},
        {"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\nhello", true, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool ending;
        struct buf whole = run_in_pieces(rows[i].text, 1 << 20, &ending);
        struct conn view = {.out = whole};
        if (ending != rows[i].ending || count(&view, "HTTP/1.") != (size_t)rows[i].answers) {
            fail_msg("row %zu: ending %d, out: %.*s", i, ending, (int)whole.n, (char *)whole.p);
        }
        for (size_t step = 1; step < 40; step++) {
            struct buf pieces = run_in_pieces(rows[i].text, step, &ending);
            if (!slice_eq(buf_slice(&whole), buf_slice(&pieces)) || ending != rows[i].ending) {
                fail_msg("row %zu step %zu:\n%.*s\n--- whole:\n%.*s", i, step, (int)pieces.n,
                         (char *)pieces.p, (int)whole.n, (char *)whole.p);
            }
            buf_fini(&pieces);
        }
        buf_fini(&whole);
    }
}

static void
pipelined_requests_wait_and_are_answered_in_order(void **state)
{
    (void)state;
    struct conn *c = conn_make();
    void *h = proto_http1.open(c);
    feed(h, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /wait "
            "HTTP/1.1\r\nHost: a\r\n\r\nGET /4");
    assert_int_equal(waiting_count, 1);
    assert_true(c->paused); /* reads no further while it holds bytes */
    assert_int_equal(c->out.n, 0);
    answer_echo(waiting[0]);
    assert_int_equal(waiting_count, 2);
    assert_true(c->paused);
    assert_int_equal(count(c, "HTTP/1.1 200"), 2);
    answer_echo(waiting[1]);
    assert_false(c->paused);
    feed(h, " HTTP/1.1\r\nHost: a\r\n\r\n");
    size_t one = slice_find(buf_slice(&c->out), SL("GET /wait")),
           two = slice_find(buf_slice(&c->out), SL("GET /2"));
    size_t four = slice_find(buf_slice(&c->out), SL("GET /4"));
    assert_true(one < two && two < four && four != SIZE_MAX);
    conn_done(c, h);
}

static void
a_peer_that_does_not_read_holds_back_its_own_requests(void **state)
{
    (void)state;
    struct conn *c = conn_make();
    void *h = proto_http1.open(c);
    c->held = CONN_HIGH_WATER;
    feed(h, GET GET);
    assert_int_equal(c->out.n, 0);
    assert_true(c->paused);
    c->held = 0;
    proto_http1.writable(h);
    assert_int_equal(count(c, "HTTP/1.1 200"), 2);
    assert_false(c->paused);
    conn_done(c, h);
}

static void
expectations_are_met_once_and_only_when_needed(void **state)
{
    (void)state;
    struct conn *c = conn_make();
    void *h = proto_http1.open(c);
    feed(h, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
    assert_slice_equal(buf_slice(&c->out), "HTTP/1.1 100 Continue\r\n\r\n");
    feed(h, "hi");
    assert_int_equal(count(c, "HTTP/1.1 200"), 1);
    feed(h, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi");
    assert_int_equal(count(c, "100 Continue"), 1); /* the body came with it */
    feed(h, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(count(c, "100 Continue"), 1); /* too large: not invited */
    assert_int_equal(count(c, "too large"), 1);
    assert_true(c->ending);
    conn_done(c, h);
}

static void
limits_answer_with_their_own_status(void **state)
{
    (void)state;
    struct conn *c = conn_make();
    void *h = proto_http1.open(c);
    feed(h, "GET /");
    for (int i = 0; i < 40 && !c->ending; i++) {
        char a[1025];
        memset(a, 'a', 1024);
        a[1024] = 0;
        feed(h, a);
    }
    assert_int_equal(count(c, "HTTP/1.1 414 Request URI Too Long"), 1);
    assert_int_equal(count(c, "Connection: close"), 1);
    conn_done(c, h);

    c = conn_make();
    h = proto_http1.open(c);
    feed(h, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 4000 && !c->ending; i++) {
        feed(h, "a: bbbbbbbb\r\n");
    }
    assert_int_equal(count(c, "HTTP/1.1 431 "), 1);
    conn_done(c, h);
}

static void
slow_heads_and_bodies_are_cut_with_408_and_idle_ones_quietly(void **state)
{
    (void)state;
    struct conn *c = conn_make();
    void *h = proto_http1.open(c);
    feed(h, "GET / HT");
    for (int i = 0; i < 29; i++) { /* a byte now and then does not help */
        c->now_ms += 1000;
        proto_http1.tick(h, c->now_ms);
        feed(h, "T");
    }
    assert_false(c->ending);
    c->now_ms += 1000;
    proto_http1.tick(h, c->now_ms);
    assert_int_equal(count(c, "HTTP/1.1 408 "), 1);
    assert_true(c->ending);
    conn_done(c, h);

    c = conn_make();
    h = proto_http1.open(c);
    feed(h, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    proto_http1.tick(h, c->now_ms += 29000);
    feed(h, "d");
    proto_http1.tick(h, c->now_ms += 29000);
    assert_false(c->ending); /* progress counts */
    proto_http1.tick(h, c->now_ms += 1000);
    assert_int_equal(count(c, "HTTP/1.1 408 "), 1);
    conn_done(c, h);

    c = conn_make();
    h = proto_http1.open(c);
    feed(h, GET);
    size_t before = c->out.n;
    proto_http1.tick(h, c->now_ms += 119000);
    assert_false(c->ending);
    proto_http1.tick(h, c->now_ms += 1000);
    assert_true(c->ending);
    assert_int_equal(c->out.n, before);
    conn_done(c, h);
}

static void
out_of_budget_is_503_and_everything_is_given_back(void **state)
{
    (void)state;
    struct conn *c = conn_make();
    c->options.limits.body_max = 64 << 20;
    void *h = proto_http1.open(c);
    feed(h, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n");
    static char block[65536];
    for (int i = 0; i < 60 && !c->ending; i++) {
        proto_http1.feed(h, slice_of(block, sizeof block));
    }
    assert_int_equal(count(c, "HTTP/1.1 503 "), 1);
    assert_true(c->ending);
    conn_done(c, h);
}

static void
a_request_outlives_its_connection(void **state)
{
    (void)state;
    struct conn *c = conn_make();
    void *h = proto_http1.open(c);
    feed(h, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    proto_http1.close(h);
    assert_true(atomic_load(&waiting[0]->cancelled));
    assert_int_equal(waiting[0]->body->n, 2);
    assert_true(budget_used(&budget) > 0);
    answer_echo(waiting[0]);
    assert_int_equal(c->out.n, 0);
    assert_int_equal(budget_used(&budget), 0);
    buf_fini(&c->out);
    clock_real();
}

static void
a_half_closed_client_still_gets_its_answer(void **state)
{
    (void)state;
    struct conn *c = conn_make();
    void *h = proto_http1.open(c);
    feed(h, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n" GET);
    proto_http1.eof(h, false); /* seen by a hang-up while reading is paused */
    assert_true(atomic_load(&waiting[0]->cancelled));
    proto_http1.eof(h, true);
    assert_false(c->ending);
    answer_echo(waiting[0]);
    assert_int_equal(count(c, "HTTP/1.1 200"), 2);
    assert_true(c->ending);
    conn_done(c, h);
}

static void
draining_ends_idle_connections_and_the_last_answer_says_close(void **state)
{
    (void)state;
    struct conn *c = conn_make();
    void *h = proto_http1.open(c);
    proto_http1.drain(h);
    assert_true(c->ending);
    conn_done(c, h);
    c = conn_make();
    h = proto_http1.open(c);
    feed(h, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    proto_http1.drain(h);
    assert_false(c->ending);
    answer_echo(waiting[0]);
    assert_int_equal(count(c, "Connection: close"), 1);
    assert_true(c->ending);
    conn_done(c, h);
}

static void
a_header_value_cannot_smuggle_a_header(void **state)
{
    (void)state;
    struct conn *c = conn_make();
    void *h = proto_http1.open(c);
    feed(h, "GET /hostile HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(count(c, "\nSet-Cookie"), 0);
    assert_int_equal(count(c, "X-Evil: a  Set-Cookie: b\r\n"), 1);
    conn_done(c, h);
}

static void
a_listener_without_keep_alive_closes_after_each_answer(void **state)
{
    (void)state;
    struct conn *c = conn_make();
    c->options.keep_alive = false;
    void *h = proto_http1.open(c);
    feed(h, GET GET);
    assert_int_equal(count(c, "HTTP/1.1 200"), 1);
    assert_int_equal(count(c, "Connection: close"), 1);
    assert_true(c->ending);
    conn_done(c, h);
}

static void
gzip_answers_when_asked_and_always_says_vary(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        size_t body;
        bool zipped;
    } rows[] = {
        {"gzip", 4096, true},
        {"deflate, gzip;q=1.0, *;q=0.5", 4096, true},
        {"GZIP ; q=0.001", 4096, true},
        {"gzip", 1024, true},
        {"gzip", 1023, false},
        {"gzip;q=0", 4096, false},
        {"gzip; q=0.000", 4096, false},
        {"br", 4096, false},
        {"*", 4096, false},
        {"x-gzip", 4096, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct conn *c = conn_make();
        void *h = proto_http1.open(c);
        char text[128];
        (void)snprintf(text, sizeof text, "GET /wait HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n",
                       rows[i].accept);
        feed(h, text);
        struct bytes *body = bytes_create(rows[i].body);
        memset(body->p, 'a', body->n);
        struct http_response resp = {.status = 200, .body = body, .may_gzip = true};
        if (i % 2) {
            http_answer(waiting[0], &resp);
        } else {
            http_answer_later(waiting[0], &resp);
        }
        assert_int_equal(count(c, "Vary: Accept-Encoding\r\n"), 1);
        if (count(c, "Content-Encoding: gzip\r\n") != rows[i].zipped ||
            (count(c, "\r\n\r\n\x1f\x8b") == 1) != rows[i].zipped || (c->out.n < 1000) != rows[i].zipped) {
            fail_msg("row %zu", i);
        }
        conn_done(c, h);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_length_date_and_type),
        cmocka_unit_test(answers_are_the_same_whatever_the_pieces),
        cmocka_unit_test(pipelined_requests_wait_and_are_answered_in_order),
        cmocka_unit_test(a_peer_that_does_not_read_holds_back_its_own_requests),
        cmocka_unit_test(expectations_are_met_once_and_only_when_needed),
        cmocka_unit_test(limits_answer_with_their_own_status),
        cmocka_unit_test(slow_heads_and_bodies_are_cut_with_408_and_idle_ones_quietly),
        cmocka_unit_test(out_of_budget_is_503_and_everything_is_given_back),
        cmocka_unit_test(a_request_outlives_its_connection),
        cmocka_unit_test(a_half_closed_client_still_gets_its_answer),
        cmocka_unit_test(draining_ends_idle_connections_and_the_last_answer_says_close),
        cmocka_unit_test(a_header_value_cannot_smuggle_a_header),
        cmocka_unit_test(a_listener_without_keep_alive_closes_after_each_answer),
        cmocka_unit_test(gzip_answers_when_asked_and_always_says_vary),
    };
    return cmocka_run_group_tests_name("http1", tests, NULL, NULL);
}
