/* HTTP/1.x syntax: what is read, and what is refused with which status. */
#include "http1_parser.h"
#include "test.h"

struct parsed {
    bool complete, ok;
    struct http1_head head;
    struct http1_refusal why;
    struct arena arena;
};

/* Scan and parse `text` as a connection does. */
static struct parsed
parse(const char *text, size_t n)
{
    struct parsed r = {0};
    struct http1_scan scan = {0};
    size_t head = 0;
    arena_init(&r.arena, 0);
    err rc = http1_scan_head(&scan, (const uint8_t *)text, n, &head);
    r.complete = rc == OK;
    if (rc == ERR_INVALID) {
        r.complete = true;
        r.why = (struct http1_refusal){400, "scan"};
        return r;
    }
    if (rc == OK) {
        uint8_t *block = arena_alloc(&r.arena, head);
        memcpy(block, text, head);
        r.ok = http1_parse_head(block, head, 100, &r.arena, &r.head, &r.why);
    }
    return r;
}

#define GET  "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

static void
what_two_servers_could_read_differently_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n; /* 0: strlen */
        int status;
    } rows[] = {
        {"GET / HTTP/1.1\nHost: a\n\n", 0, 400},        /* bare LF */
        {"GET / HTTP/1.1\rHost: a\r\n\r\n", 0, 400},    /* bare CR */
        {GET "X: a\rb\r\n\r\n", 0, 400},                /* bare CR in a value */
        {GET "X: a\r\r\n\r\n", 0, 400},                 /* CR CR LF */
        {GET "X: a\r\n b\r\n\r\n", 0, 400},             /* folded line */
        {GET "X: a\r\n\tb\r\n\r\n", 0, 400},            /* folded with a tab */
        {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 0, 400}, /* blank before the first header */
        {GET "X : a\r\n\r\n", 0, 400},                  /* blank before the colon */
        {GET "X\t: a\r\n\r\n", 0, 400},
        {GET ": a\r\n\r\n", 0, 400},     /* no name */
        {GET "novalue\r\n\r\n", 0, 400}, /* no colon */
        {GET "X(: a\r\n\r\n", 0, 400},   /* not a token */
        {GET "X\x80: a\r\n\r\n", 0, 400},
        {GET "X: a\0b\r\n\r\n", sizeof GET - 1 + 10, 400}, /* NUL */
        {GET "X: a\x7f\r\n\r\n", 0, 400},                  /* DEL */
        {GET "X: a\x01\r\n\r\n", 0, 400},
        {"GET / HTTP/1.1\r\n\r\n", 0, 400}, /* no Host */
        {GET "Host: a\r\n\r\n", 0, 400},    /* two */
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 0, 400},
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 0, 400},
        {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 0, 400},
        {POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400},
        {POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 0, 400},
        {POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 0, 400},
        {POST "Content-Length: 5\r\ncontent-length: 6\r\n\r\n", 0, 400},
        {POST "Content-Length: 5, 5\r\n\r\n", 0, 400},
        {POST "Content-Length: +5\r\n\r\n", 0, 400},
        {POST "Content-Length: -5\r\n\r\n", 0, 400},
        {POST "Content-Length: 5 5\r\n\r\n", 0, 400},
        {POST "Content-Length: 0x5\r\n\r\n", 0, 400},
        {POST "Content-Length: 5;\r\n\r\n", 0, 400},
        {POST "Content-Length:\r\n\r\n", 0, 400},
        {POST "Content-Length: 18446744073709551616\r\n\r\n", 0, 400},
        {POST "Content-Length: 99999999999999999999999999\r\n\r\n", 0, 400},
        {POST "Transfer-Encoding: chunked, gzip\r\n\r\n", 0, 400},
        {POST "Transfer-Encoding: chunked, identity\r\n\r\n", 0, 400},
        {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400},
        {POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400},
        {POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 0, 501},
        {POST "Transfer-Encoding: chunked, chunked\r\n\r\n", 0, 501},
        {POST "Transfer-Encoding: identity\r\n\r\n", 0, 501},
        {POST "Transfer-Encoding: xchunked\r\n\r\n", 0, 501},
        {POST "Transfer-Encoding: \"chunked\"\r\n\r\n", 0, 501},
        {POST "Transfer-Encoding:\x0b"
              "chunked\r\n\r\n",
         0, 400},
        {POST "Transfer-Encoding:\r\n\r\n", 0, 501},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 0, 505},
        {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 0, 505},
        {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 0, 400},
        {"GET / HTTP/11\r\nHost: a\r\n\r\n", 0, 400},
        {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 0, 400},
        {"GET / http/1.1\r\nHost: a\r\n\r\n", 0, 400},
        {"GET /\r\nHost: a\r\n\r\n", 0, 400},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
        {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
        {"GET /\t HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
        {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
        {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
        {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
        {"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
        {"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
        {"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
        {"GET http://u@h/x HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400},
        {"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 405},
        {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400}, /* one empty line is forgiven, two are not */
        {GET "Expect: 200-ok\r\n\r\n", 0, 417},
        {"\x16\x03\x01\x02", 0, 400}, /* TLS on a plain port */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parsed r = parse(rows[i].text, rows[i].n ? rows[i].n : strlen(rows[i].text));
        if (!r.complete || r.ok || r.why.status != rows[i].status) {
            fail_msg("row %zu '%s': complete %d, ok %d, status %d, want %d", i, rows[i].text, r.complete,
                     r.ok, r.why.status, rows[i].status);
        }
        arena_fini(&r.arena);
    }
}

static void
requests_are_read_as_sent(void **state)
{
    (void)state;
    static const struct {
        const char *text, *method, *path, *query, *authority;
        int version;
        bool keep_alive, chunked;
        uint64_t length;
    } rows[] = {
        {GET "\r\n", "GET", "/", "", "a", 11, true, false, 0},
        {"\r\n" GET "\r\n", "GET", "/", "", "a", 11, true, false, 0},
        {"get /%41?q=%20a?b HTTP/1.1\r\nhost:  b:80 \r\n\r\n", "get", "/%41", "q=%20a?b", "b:80", 11, true,
         false, 0},
        {"X-Y!# /? HTTP/1.1\r\nHost:\r\n\r\n", "X-Y!#", "/", "", "", 11, true, false, 0},
        {"GET //a//b HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "//a//b", "", "a", 11, true, false, 0},
        {"GET /\xc3\xa9{} HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/\xc3\xa9{}", "", "a", 11, true, false, 0},
        {"GET http://h:1/p?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/p", "q", "h:1", 11, true, false, 0},
        {"GET https://h HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "", "h", 11, true, false, 0},
        {"GET http://h?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "q", "h", 11, true, false, 0},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS", "*", "", "a", 11, true, false, 0},
        {"GET / HTTP/1.0\r\n\r\n", "GET", "/", "", "", 10, false, false, 0},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET", "/", "", "", 10, true, false, 0},
        {GET "Connection: foo, CLOSE\r\n\r\n", "GET", "/", "", "a", 11, false, false, 0},
        {GET "Connection: foo\r\nConnection: close\r\n\r\n", "GET", "/", "", "a", 11, false, false, 0},
        {"GET / HTTP/1.9\r\nHost: [::1]:3200\r\n\r\n", "GET", "/", "", "[::1]:3200", 11, true, false, 0},
        {POST "Content-Length: 0042\r\n\r\n", "POST", "/", "", "a", 11, true, false, 42},
        {POST "CONTENT-LENGTH:18446744073709551615\t\r\n\r\n", "POST", "/", "", "a", 11, true, false,
         UINT64_MAX},
        {POST "Transfer-Encoding: ChunkeD\r\n\r\n", "POST", "/", "", "a", 11, true, true, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct parsed r = parse(rows[i].text, strlen(rows[i].text));
        if (!r.ok) {
            fail_msg("row %zu '%s': refused %d %s", i, rows[i].text, r.why.status, r.why.text);
        }
        assert_slice_equal(r.head.method, rows[i].method);
        assert_slice_equal(r.head.path, rows[i].path);
        assert_slice_equal(r.head.query, rows[i].query);
        assert_slice_equal(r.head.authority, rows[i].authority);
        assert_int_equal(r.head.version, rows[i].version);
        assert_int_equal(r.head.keep_alive, rows[i].keep_alive);
        assert_int_equal(r.head.chunked, rows[i].chunked);
        assert_true(r.head.length == rows[i].length);
        arena_fini(&r.arena);
    }
}

static void
headers_keep_their_values_and_lower_their_names(void **state)
{
    (void)state;
    const char *text = GET "X-Scope-OrgID: Team A\r\nempty:\r\nobs: \xff\r\n\r\n";
    struct parsed r = parse(text, strlen(text));
    assert_true(r.ok);
    assert_int_equal(r.head.header_count, 4);
    assert_slice_equal(r.head.headers[1].name, "x-scope-orgid");
    assert_slice_equal(r.head.headers[1].value, "Team A");
    assert_slice_equal(r.head.headers[2].value, "");
    assert_slice_equal(r.head.headers[3].value, "\xff");
    arena_fini(&r.arena);
}

static void
the_end_of_a_head_is_found_whatever_the_pieces(void **state)
{
    (void)state;
    const char *text = "\r\n" GET "A: b\r\n\r\nrest";
    size_t n = strlen(text), want = n - 4;
    for (size_t cut = 0; cut <= want; cut++) {
        struct http1_scan scan = {0};
        size_t got = 0;
        if (cut < want) {
            assert_int_equal(http1_scan_head(&scan, (const uint8_t *)text, cut, &got), ERR_AGAIN);
        }
        assert_int_equal(http1_scan_head(&scan, (const uint8_t *)text, n, &got), OK);
        assert_int_equal(got, want);
    }
}

static void
too_many_headers_are_refused(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_append_cstr(&b, GET);
    for (int i = 0; i < 100; i++) {
        buf_append_cstr(&b, "x: y\r\n");
    }
    buf_append_cstr(&b, "\r\n");
    struct parsed r = parse((const char *)b.p, b.n);
    assert_false(r.ok);
    assert_int_equal(r.why.status, 431);
    arena_fini(&r.arena);
    buf_fini(&b);
}

/* Decode in pieces of `step` bytes: the body, or NULL when refused; *ret_rest = bytes after the end. */
static bool
unchunk(const char *text, size_t step, struct buf *out, enum http1_chunk *ret_last, size_t *ret_rest)
{
    struct http1_chunks c;
    http1_chunks_init(&c);
    buf_clear(out);
    size_t n = strlen(text);
    *ret_last = CHUNK_MORE;
    for (size_t at = 0; at < n; at += step) {
        slice in = slice_of(text + at, n - at < step ? n - at : step);
        slice data;
        do {
            data = SL_EMPTY;
            *ret_last = http1_chunks_next(&c, &in, &data);
            buf_append_slice(out, data);
        } while (*ret_last == CHUNK_DATA);
        *ret_rest = n - at - (n - at < step ? n - at : step) + in.n;
        if (*ret_last != CHUNK_MORE) {
            break;
        }
    }
    return *ret_last == CHUNK_END;
}

static void
chunked_bodies_are_read_strictly_in_any_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *text, *body; /* NULL: refused */
        size_t rest;
    } rows[] = {
        {"0\r\n\r\n", "", 0},
        {"5\r\nhello\r\n0\r\n\r\nGET", "hello", 3},
        {"5\r\nhello\r\n00000000\r\n\r\n", "hello", 0},
        {"000A\r\n0123456789\r\n1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n!", "0123456789x", 1},
        {"5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n", "hello", 0},
        {"a\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0},
        {"\r\n", NULL, 0},
        {";a\r\n", NULL, 0},
        {"5 \r\nhello\r\n0\r\n\r\n", NULL, 0},
        {" 5\r\nhello\r\n0\r\n\r\n", NULL, 0},
        {"+5\r\nhello", NULL, 0},
        {"-5\r\nhello", NULL, 0},
        {"0x5\r\nhello", NULL, 0},
        {"5g\r\nhello", NULL, 0},
        {"5\nhello\r\n0\r\n\r\n", NULL, 0},
        {"5\r\nhello0\r\n\r\n", NULL, 0},
        {"5\r\nhello\n0\r\n\r\n", NULL, 0},
        {"5\r\nhello\r\r\n0\r\n\r\n", NULL, 0},
        {"5\r\nhelloo\r\n0\r\n\r\n", NULL, 0},
        {"5;a\nb\r\nhello\r\n0\r\n\r\n", NULL, 0},
        {"5\r\nhello\r\n0\r\nA: b\n\r\n", NULL, 0},
        {"5\r\nhello\r\n0\r\n A: b\r\n\r\n", NULL, 0},
        {"0\r\nA: b\r\nnocolon\r\n\r\n", NULL, 0},
        {"0\r\nA : b\r\n\r\n", NULL, 0},
        {"0\r\n: b\r\n\r\n", NULL, 0},
        {"5;\r\nhello\r\n0\r\n\r\n", NULL, 0},
        {"5;a;;b\r\nhello\r\n0\r\n\r\n", NULL, 0},
        {"10000000000000000\r\n", NULL, 0},
        {"00000000000000005\r\nhello\r\n0\r\n\r\n", NULL, 0},
    };
    struct buf out;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t step = 1; step < 64; step++) {
            enum http1_chunk last;
            size_t rest = 0;
            bool ok = unchunk(rows[i].text, step, &out, &last, &rest);
            if (ok != (rows[i].body != NULL) || (!ok && last != CHUNK_BAD)) {
                fail_msg("row %zu step %zu: last %d", i, step, (int)last);
            }
            if (ok) {
                assert_slice_equal(buf_slice(&out), rows[i].body);
                assert_int_equal(rest, rows[i].rest);
            }
        }
    }
    buf_fini(&out);
}

static void
chunk_extensions_and_trailers_have_an_end(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);
    for (int trailer = 0; trailer < 2; trailer++) {
        struct http1_chunks c;
        http1_chunks_init(&c);
        slice in = trailer ? SL("0\r\na:") : SL("1;"), data;
        assert_int_equal(http1_chunks_next(&c, &in, &data), CHUNK_MORE);
        size_t fed = 0;
        enum http1_chunk last = CHUNK_MORE;
        while (last == CHUNK_MORE && fed < (1 << 20)) {
            in = SL("a:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
            fed += in.n;
            last = http1_chunks_next(&c, &in, &data);
        }
        assert_int_equal(last, CHUNK_BAD);
        assert_true(fed <= HTTP1_TRAILER_MAX + 64);
    }
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_two_servers_could_read_differently_is_refused),
        cmocka_unit_test(requests_are_read_as_sent),
        cmocka_unit_test(headers_keep_their_values_and_lower_their_names),
        cmocka_unit_test(the_end_of_a_head_is_found_whatever_the_pieces),
        cmocka_unit_test(too_many_headers_are_refused),
        cmocka_unit_test(chunked_bodies_are_read_strictly_in_any_pieces),
        cmocka_unit_test(chunk_extensions_and_trailers_have_an_end),
    };
    return cmocka_run_group_tests_name("http1_parser", tests, NULL, NULL);
}
