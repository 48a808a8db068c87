/* HTTP/1.0 and 1.1 on one connection: a request at a time, answers in order.
 *
 * Between requests a connection owns no buffer. A head that came whole is parsed from a copy that belongs to
 * the request; one in pieces is gathered in `in` first. Bytes behind a request under way (pipelining) wait in
 * `in` and stop the reading. The state machine sees only conn.h, so that it runs in tests without a socket.
 */
#include "conn.h"
#include "exchange.h"
#include "http1_answer.h"
#include "http1_parser.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/base/metrics.h"
#include "vivace/base/must.h"
#include "vivace/runtime/watch.h"

#include <stdio.h>

#define HTTP1_MAGIC      0x68747031u
#define HTTP1_ANSWER_MAX ((size_t)256 << 10) /* an answer's head: our own headers */
#define HTTP1_BODY_FIRST ((size_t)16 << 10)  /* first reservation for a body that comes in pieces */
#define HTTP1_PIPELINED_MAX                                                                                  \
    ((size_t)256 << 10) /* what may be read before a pause takes effect, and a head                          \
                         */

enum http1_at {
    AT_HEAD,   /* idle, or a head is coming */
    AT_LENGTH, /* a body of known length */
    AT_CHUNKS, /* a chunked body */
    AT_ANSWER, /* the handler has it */
    AT_END,    /* the connection ends: nothing more is taken */
};

struct http1 {
    uint32_t magic;
    enum http1_at at;
    struct conn *conn;
    const struct http_listener_options *o;
    struct exchange *x; /* from the end of the head to the answer */
    struct buf in;      /* unparsed bytes */
    size_t in_reserved;
    struct http1_scan scan;
    struct http1_chunks chunks;
    struct buf body;
    uint64_t body_left;
    uint64_t since_ms;     /* idle, head begun, or the body's last progress */
    int64_t start_mono_ns; /* first byte of the head; 0 = idle */
    int version;
    bool keep_alive, head_request, draining, running, eof;
};

static void http1_run(struct http1 *h, slice *in);

static void
http1_wake(struct http1 *h)
{
    h->since_ms = conn_now_ms(h->conn);
}

/* Bytes that wait: a head that is not whole yet and what came with its end, or requests behind this one. */
static void
http1_init_in(struct http1 *h)
{
    size_t head_max = h->o->limits.header_bytes_max + LOOP_BUFFER_BYTES;
    buf_init(&h->in, head_max > HTTP1_PIPELINED_MAX ? head_max : HTTP1_PIPELINED_MAX);
}

static void
http1_drop_in(struct http1 *h)
{
    if (h->in.cap) {
        buf_fini(&h->in);
        http1_init_in(h);
    }
    if (h->in_reserved) {
        conn_release(h->conn, h->in_reserved);
        h->in_reserved = 0;
    }
}

static void
http1_end(struct http1 *h)
{
    h->at = AT_END;
    conn_end(h->conn, true);
}

/* --- answers
 * ------------------------------------------------------------------------------------------------- */

static void
http1_send(struct http1 *h, const struct http_response *resp)
{
    struct http1_answer how = {.version = h->version, .head = h->head_request, .keep_alive = h->keep_alive};
    struct buf head;
    buf_init(&head, HTTP1_ANSWER_MAX);
    http1_answer_head(&head, &how, resp);
    if (head.failed) { /* our own headers are too long: a bug upstream, but not worth a crash */
        h->keep_alive = how.keep_alive = false;
        buf_clear(&head);
        http1_answer_head(&head, &how, &(struct http_response){.status = 500});
        conn_write(h->conn, head.p, head.n);
    } else {
        conn_write(h->conn, head.p, head.n);
        if (resp->body && !how.head && !http1_is_bodiless(resp->status)) {
            conn_write_bytes(h->conn, resp->body, 0, resp->body->n);
        }
    }
    buf_fini(&head);
}

/* The request cannot be served: say so in one line, and close. */
static void
http1_refuse(struct http1 *h, int status, const char *text)
{
    if (h->x) {
        exchange_destroy(h->x);
        h->x = NULL;
    }
    char code[16];
    (void)snprintf(code, sizeof code, "%d", status);
    series_add(metric_series2(metric_counter("vivace_http_refused_requests_total",
                                             "HTTP/1.x requests refused before a handler saw them.",
                                             "listener,status"),
                              slice_cstr(h->o->name ? h->o->name : ""), slice_cstr(code)),
               1);
    char line[160];
    int n = snprintf(line, sizeof line, "%d %s: %s\n", status, http1_reason(status), text);
    struct bytes *body = bytes_copy(slice_of(line, n > 0 ? (size_t)n : 0));
    h->keep_alive = false;
    h->head_request = false;
    h->version = h->version ? h->version : 11;
    static const struct http_header retry = {{(const uint8_t *)"Retry-After", 11}, {(const uint8_t *)"5", 1}};
    http1_send(h, &(struct http_response){.status = status,
                                          .content_type = SL("text/plain; charset=utf-8"),
                                          .headers = &retry,
                                          .header_count = status == 503, /* out of memory for now */
                                          .body = body});
    bytes_unref(body);
    http1_end(h);
}

/* Bytes wait until an answer is done, or until the peer has read enough of those before. */
static bool
http1_is_held(const struct http1 *h)
{
    return h->in.n && (h->at == AT_ANSWER || (h->at == AT_HEAD && conn_queued(h->conn) >= CONN_HIGH_WATER));
}

/* After progress from elsewhere than a read: go on reading, or end after the last request. */
static void
http1_settle(struct http1 *h)
{
    if (http1_is_held(h) || h->at == AT_END) {
        return;
    }
    if (h->eof && h->at != AT_ANSWER) {
        http1_end(h);
    } else {
        conn_resume(h->conn);
    }
}

/* Go on with the bytes that waited. */
static void
http1_run_stored(struct http1 *h)
{
    slice rest = buf_slice(&h->in);
    http1_run(h, &rest);
    buf_consume(&h->in, h->in.n - rest.n);
    if (h->in.n == 0 || h->at == AT_END) {
        http1_drop_in(h);
    }
}

/* After an answer: the next request, or the end. */
static void
http1_next(struct http1 *h)
{
    h->at = AT_HEAD;
    h->scan = (struct http1_scan){0};
    h->start_mono_ns = 0;
    h->version = 0;
    http1_wake(h);
    if (h->running) {
        return; /* called from within http1_run, which goes on */
    }
    if (h->in.n) {
        http1_run_stored(h);
    }
    http1_settle(h);
}

static void
http1_answer(struct exchange *x, const struct http_response *resp)
{
    struct http1 *h = x->proto_state;
    MUST(h->magic == HTTP1_MAGIC);
    MUST(h->at == AT_ANSWER);
    h->x = NULL; /* the exchange frees itself after this */
    h->keep_alive = h->keep_alive && !resp->close && !h->draining;
    http1_send(h, resp);
    bytes_unref(resp->body);
    if (h->keep_alive) {
        http1_next(h);
    } else {
        http1_end(h);
    }
}

static const struct exchange_ops http1_ops = {.answer = http1_answer};

/* --- requests
 * ------------------------------------------------------------------------------------------------ */

static void
http1_dispatch(struct http1 *h)
{
    struct exchange *x = h->x;
    if (h->body.n) {
        x->req.body = bytes_take(&h->body);
    }
    buf_fini(&h->body);
    h->at = AT_ANSWER;
    exchange_dispatch(x, h->o->handler, h->o->handler_ctx);
}

/* The handler says what it thinks of a body this big; we read no more of it. */
static void
http1_dispatch_too_large(struct http1 *h)
{
    buf_clear(&h->body);
    h->x->req.body_too_large = true;
    h->keep_alive = false;
    conn_pause(h->conn);
    http1_dispatch(h);
}

/* Make room for `n` more bytes of body, reserved before it is allocated. */
static bool
http1_body_room(struct http1 *h, size_t n)
{
    struct buf *b = &h->body;
    MUST(h->x != NULL);
    if (n <= b->cap - b->n) {
        return true;
    }
    size_t want = b->cap * 2 < HTTP1_BODY_FIRST ? HTTP1_BODY_FIRST : b->cap * 2;
    want = want < b->n + n ? b->n + n : want;
    want = want > b->max ? b->max : want;
    if (conn_reserve(h->conn, want - b->cap) != OK) {
        return false;
    }
    h->x->reserved += want - b->cap; /* goes with the request, given back when it is answered */
    if (buf_reserve(b, want - b->n) != OK) {
        return false;
    }
    if (b->cap > want && conn_reserve(h->conn, b->cap - want) == OK) {
        h->x->reserved += b->cap - want;
    }
    return true;
}

static bool
http1_body_append(struct http1 *h, slice data)
{
    if (!http1_body_room(h, data.n)) {
        http1_refuse(h, 503, "out of buffer memory, try again");
        return false;
    }
    MUST(buf_append_slice(&h->body, data) == OK);
    return true;
}

static void
http1_step_length(struct http1 *h, slice *in)
{
    size_t n = h->body_left < in->n ? (size_t)h->body_left : in->n;
    slice data = slice_sub(*in, 0, n);
    *in = slice_sub(*in, n, in->n);
    http1_wake(h);
    if (!http1_body_append(h, data)) {
        return;
    }
    h->body_left -= n;
    if (h->body_left == 0) {
        http1_dispatch(h);
    }
}

static void
http1_step_chunks(struct http1 *h, slice *in)
{
    slice data = SL_EMPTY;
    size_t room;
    http1_wake(h);
    switch (http1_chunks_next(&h->chunks, in, &data)) {
    case CHUNK_MORE:
        break;
    case CHUNK_DATA:
        room = h->o->limits.body_max - h->body.n;
        if (data.n > room || h->chunks.left > room - data.n) {
            http1_dispatch_too_large(h); /* as soon as the size line says so */
        } else {
            (void)http1_body_append(h, data);
        }
        break;
    case CHUNK_END:
        http1_dispatch(h);
        break;
    case CHUNK_BAD:
        http1_refuse(h, 400, "malformed chunked body");
        break;
    }
}

/* The head is parsed: what comes next? */
static void
http1_begin(struct http1 *h, const struct http1_head *head, bool more_input)
{
    if (head->length > h->o->limits.body_max) {
        http1_dispatch_too_large(h);
        return;
    }
    if (!head->chunked && head->length == 0) {
        http1_dispatch(h);
        return;
    }
    buf_init(&h->body, head->chunked ? h->o->limits.body_max : (size_t)head->length);
    h->body_left = head->length;
    http1_chunks_init(&h->chunks);
    h->at = head->chunked ? AT_CHUNKS : AT_LENGTH;
    if (head->expect_continue && !more_input) {
        slice go_on = SL("HTTP/1.1 100 Continue\r\n\r\n");
        conn_write(h->conn, go_on.p, go_on.n);
    }
}

static void
http1_fill(struct http1 *h, const struct http1_head *head)
{
    struct http_request *r = &h->x->req;
    r->method = head->method;
    r->path = head->path;
    r->query = head->query;
    r->authority = head->authority;
    r->headers = head->headers;
    r->header_count = head->header_count;
    r->version = head->version;
    r->tls = conn_is_tls(h->conn);
    r->peer = arena_copy(&h->x->arena, conn_peer(h->conn));
    r->start_mono_ns = h->start_mono_ns;
    h->version = head->version;
    h->keep_alive = head->keep_alive && h->o->keep_alive && !h->draining;
    h->head_request = slice_eq(head->method, SL("HEAD"));
}

/* A whole head of n bytes stands at the start of `in`. */
static void
http1_head_complete(struct http1 *h, slice *in, size_t n)
{
    size_t cost = n * 2; /* the block and its header table */
    if (conn_reserve(h->conn, cost) != OK) {
        http1_refuse(h, 503, "out of buffer memory, try again");
        return;
    }
    h->x = exchange_create(conn_loop(h->conn), &http1_ops, h, h->o->budget);
    h->x->reserved = cost;
    uint8_t *block = arena_alloc(&h->x->arena, n);
    MUST(block != NULL && in->p != NULL);
    memcpy(block, in->p, n);
    *in = slice_sub(*in, n, in->n);
    struct http1_head head;
    struct http1_refusal why;
    if (!http1_parse_head(block, n, h->o->limits.header_count_max, &h->x->arena, &head, &why)) {
        http1_refuse(h, why.status, why.text);
        return;
    }
    http1_fill(h, &head);
    if (head.options_star) {
        h->at = AT_ANSWER; /* about the server as a whole: ours to answer, as Go does */
        http_answer(&h->x->req, &(struct http_response){.status = 200});
        return;
    }
    http1_begin(h, &head, in->n > 0);
}

static void
http1_head_too_long(struct http1 *h)
{
    if (h->scan.lines == 0) {
        http1_refuse(h, 414, "request line too long");
    } else {
        http1_refuse(h, 431, "request headers too large");
    }
}

/* True when it took something, false when it needs more bytes. */
static bool
http1_step_head(struct http1 *h, slice *in)
{
    if (h->start_mono_ns == 0) {
        h->start_mono_ns = clock_mono_ns();
        http1_wake(h);
    }
    size_t max = h->o->limits.header_bytes_max;
    size_t visible = in->n < max ? in->n : max;
    size_t n = 0;
    switch (http1_scan_head(&h->scan, in->p, visible, &n)) {
    case OK:
        http1_head_complete(h, in, n);
        return true;
    case ERR_AGAIN:
        if (visible == max) {
            http1_head_too_long(h);
        }
        return false;
    default:
        http1_refuse(h, 400, "malformed request");
        return false;
    }
}

/* Take from `in` until a request is under way, more bytes are needed, or the connection ends. */
static void
http1_run(struct http1 *h, slice *in)
{
    h->running = true;
    bool more = true;
    while (more && in->n) {
        switch (h->at) {
        case AT_HEAD:
            more = conn_queued(h->conn) < CONN_HIGH_WATER && http1_step_head(h, in);
            break;
        case AT_LENGTH:
            http1_step_length(h, in);
            break;
        case AT_CHUNKS:
            http1_step_chunks(h, in);
            break;
        case AT_ANSWER:
        case AT_END:
            more = false;
            break;
        }
    }
    h->running = false;
}

/* Keep what is not taken yet. */
static void
http1_store(struct http1 *h, slice rest)
{
    size_t more = rest.n > h->in.cap - h->in.n ? (h->in.n + rest.n) * 2 - h->in.cap : 0; /* it doubles */
    bool fits = more == 0 || conn_reserve(h->conn, more) == OK;
    h->in_reserved += fits ? more : 0;
    if (fits && buf_append_slice(&h->in, rest) == OK) {
        return;
    }
    if (h->at == AT_ANSWER) {
        conn_end(h->conn, false); /* no way to say it: an answer is under way */
    } else {
        http1_refuse(h, 503, "out of buffer memory, try again");
    }
}

/* --- the seam
 * ------------------------------------------------------------------------------------------------ */

static void *
http1_open(struct conn *c)
{
    struct http1 *h = mem_new(struct http1);
    h->magic = HTTP1_MAGIC;
    h->conn = c;
    h->o = conn_options(c);
    h->draining = conn_draining(c);
    http1_init_in(h);
    http1_wake(h);
    return h;
}

static void
http1_feed(void *state, slice in)
{
    struct http1 *h = state;
    MUST(h->magic == HTTP1_MAGIC);
    if (h->at == AT_END || (h->x && h->x->req.body_too_large)) {
        return;
    }
    if (h->in.n == 0) {
        http1_run(h, &in);
        if (in.n && h->at != AT_END) {
            http1_store(h, in);
        }
    } else {
        http1_store(h, in);
        if (h->at != AT_ANSWER && h->at != AT_END) {
            http1_run_stored(h);
        }
    }
    if (http1_is_held(h)) {
        conn_pause(h->conn);
    }
}

static void
http1_writable(void *state)
{
    struct http1 *h = state;
    if (h->at == AT_HEAD && h->in.n) { /* was held back by a full send queue */
        http1_run_stored(h);
    }
    http1_settle(h);
}

static void
http1_drain(void *state)
{
    struct http1 *h = state;
    h->draining = true;
    if (h->at == AT_HEAD && h->start_mono_ns == 0) {
        http1_end(h);
    }
}

static void
http1_tick(void *state, uint64_t now_ms)
{
    struct http1 *h = state;
    const struct http_limits *l = &h->o->limits;
    uint64_t waited = now_ms > h->since_ms ? now_ms - h->since_ms : 0;
    if (h->at == AT_HEAD && h->start_mono_ns == 0) {
        if (l->idle_timeout_ms && waited >= l->idle_timeout_ms) {
            http1_end(h);
        }
    } else if (h->at == AT_HEAD) {
        if (l->header_timeout_ms && waited >= l->header_timeout_ms && conn_queued(h->conn) == 0) {
            http1_refuse(h, 408, "the request head took too long");
        }
    } else if (h->at == AT_LENGTH || h->at == AT_CHUNKS) {
        if (l->body_timeout_ms && waited >= l->body_timeout_ms) {
            http1_refuse(h, 408, "the request body took too long");
        }
    }
}

static void
http1_eof(void *state, bool all_read)
{
    struct http1 *h = state;
    if (h->at == AT_ANSWER) { /* as Go: work is called off, an answer is still sent */
        atomic_store(&h->x->req.cancelled, true);
    }
    h->eof = h->eof || all_read;
    if (h->eof) {
        http1_settle(h);
    }
}

static void
http1_close(void *state)
{
    struct http1 *h = state;
    if (h->x && h->at == AT_ANSWER) {
        exchange_detach(h->x);
    } else if (h->x) {
        exchange_destroy(h->x);
    }
    buf_fini(&h->body);
    http1_drop_in(h);
    h->magic = 0;
    mem_free(h);
}

const struct proto proto_http1 = {
    .name = "http1",
    .open = http1_open,
    .feed = http1_feed,
    .writable = http1_writable,
    .drain = http1_drain,
    .tick = http1_tick,
    .close = http1_close,
    .eof = http1_eof,
};
