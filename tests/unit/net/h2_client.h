/* nghttp2 as the client of a fake connection: requests in one line, and everything that came back, per
 * stream. */
#pragma once

#include "h2_fake.h"
#include "test.h"

#include <nghttp2/nghttp2.h>

#define REPLIES_MAX 3000

struct reply {
    struct buf head, trailers, early; /* "name: value\n"; early: 1xx */
    struct buf *block;                /* the one being received */
    struct buf data;
    bool closed;
    uint32_t reset; /* error code of the close */
    slice send;     /* request body still to be sent */
    bool keep_open;
};

struct client {
    struct conn c;
    struct loop *loop;
    nghttp2_session *session;
    struct reply *replies; /* by stream id / 2 */
    int goaways;
    uint32_t goaway_code;
    int32_t goaway_last;
    char goaway_debug[64];
    uint32_t settings[8];
    int settings_count, acks, pings;
    bool stop_reading; /* the peer leaves what the server wrote in the socket */
    size_t chunk;      /* bytes per feed; 0 = all at once */
};

static struct reply *
reply_of(struct client *t, int32_t id)
{
    MUST(id / 2 < REPLIES_MAX);
    return &t->replies[id / 2];
}

static int
client_on_begin(nghttp2_session *s, const nghttp2_frame *f, void *user)
{
    (void)s;
    struct reply *r = reply_of(user, f->hd.stream_id);
    r->block = &r->trailers;
    return 0;
}

static int
client_on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *n, size_t nn, const uint8_t *v,
                 size_t vn, uint8_t flags, void *user)
{
    (void)s;
    (void)flags;
    struct reply *r = reply_of(user, f->hd.stream_id);
    if (nn == 7 && memcmp(n, ":status", 7) == 0) {
        r->block = v[0] == '1' ? &r->early : &r->head;
    }
    buf_append(r->block, n, nn);
    buf_append_cstr(r->block, ": ");
    buf_append(r->block, v, vn);
    buf_append_cstr(r->block, "\n");
    return 0;
}

static int
client_on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
    (void)s;
    (void)flags;
    buf_append(&reply_of(user, id)->data, p, n);
    return 0;
}

static int
client_on_close(nghttp2_session *s, int32_t id, uint32_t code, void *user)
{
    (void)s;
    reply_of(user, id)->closed = true;
    reply_of(user, id)->reset = code;
    return 0;
}

static int
client_on_frame(nghttp2_session *s, const nghttp2_frame *f, void *user)
{
    (void)s;
    struct client *t = user;
    if (f->hd.type == NGHTTP2_GOAWAY) {
        t->goaways++;
        t->goaway_code = f->goaway.error_code;
        t->goaway_last = f->goaway.last_stream_id;
        size_t n = f->goaway.opaque_data_len < 63 ? f->goaway.opaque_data_len : 63;
        if (n > 0) {
            memcpy(t->goaway_debug, f->goaway.opaque_data, n);
        }
        t->goaway_debug[n] = 0;
    } else if (f->hd.type == NGHTTP2_SETTINGS && !(f->hd.flags & NGHTTP2_FLAG_ACK)) {
        t->settings_count = (int)f->settings.niv;
        for (size_t i = 0; i < f->settings.niv; i++) {
            if (f->settings.iv[i].settings_id < 8) {
                t->settings[f->settings.iv[i].settings_id] = f->settings.iv[i].value;
            }
        }
    } else if (f->hd.type == NGHTTP2_PING) {
        *(f->hd.flags & NGHTTP2_FLAG_ACK ? &t->acks : &t->pings) += 1;
    }
    return 0;
}

static ssize_t
client_read(nghttp2_session *s, int32_t id, uint8_t *buf, size_t len, uint32_t *flags,
            nghttp2_data_source *src, void *user)
{
    (void)s;
    (void)src;
    struct reply *r = reply_of(user, id);
    size_t n = r->send.n < len ? r->send.n : len;
    if (n == 0 && r->keep_open) {
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > 0) {
        memcpy(buf, r->send.p, n);
    }
    r->send = slice_sub(r->send, n, r->send.n);
    if (r->send.n == 0 && !r->keep_open) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

/* Before client_open the test may change t->c.opt. */
static inline void
client_init(struct client *t)
{
    memset(t, 0, sizeof(*t));
    t->loop = &t->c.loop;
    fake_conn_init(&t->c, &t->loop);
    t->replies = calloc(REPLIES_MAX, sizeof(*t->replies));
    for (int i = 0; i < REPLIES_MAX; i++) {
        buf_init(&t->replies[i].head, 65536);
        buf_init(&t->replies[i].early, 256);
        buf_init(&t->replies[i].trailers, 65536);
        buf_init(&t->replies[i].data, (size_t)64 << 20);
    }
}

static inline void
client_feed(struct client *t, const uint8_t *p, size_t n)
{
    size_t step = t->chunk ? t->chunk : n;
    for (size_t at = 0; at < n && t->c.state && !t->c.ended; at += step) {
        proto_h2.feed(t->c.state, slice_of(p + at, n - at < step ? n - at : step));
    }
}

/* Server to client, once; did anything move? */
static inline bool
client_take(struct client *t)
{
    if (t->stop_reading || t->c.out.n == 0) {
        return false;
    }
    struct buf out = t->c.out;
    buf_init(&t->c.out, (size_t)256 << 20);
    (void)nghttp2_session_mem_recv(t->session, out.p, out.n);
    buf_fini(&out);
    if (t->c.state && !t->c.ended) {
        proto_h2.writable(t->c.state);
    }
    return true;
}

/* Until both sides and the mailbox are quiet. */
static inline void
client_go(struct client *t)
{
    bool moved = true;
    while (moved) {
        moved = false;
        const uint8_t *p;
        ssize_t n;
        while ((n = nghttp2_session_mem_send(t->session, &p)) > 0) {
            client_feed(t, p, (size_t)n);
            moved = true;
        }
        moved = fake_loop_run(&t->c.loop) > 0 || moved;
        moved = client_take(t) || moved;
    }
}

/* `window` = the client's stream window; 0 = the default 65535. */
static inline void
client_open_window(struct client *t, uint32_t window)
{
    nghttp2_session_callbacks *cb;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, client_on_begin);
    nghttp2_session_callbacks_set_on_header_callback(cb, client_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, client_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, client_on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, client_on_frame);
    nghttp2_session_client_new(&t->session, cb, t);
    nghttp2_session_callbacks_del(cb);
    nghttp2_settings_entry e = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window};
    nghttp2_submit_settings(t->session, 0, &e, window ? 1 : 0);
    fake_conn_open(&t->c);
    client_go(t);
}

static inline void
client_open(struct client *t)
{
    client_open_window(t, 0);
}

static inline void
client_tick(struct client *t, uint64_t ms)
{
    t->c.now_ms += ms;
    if (t->c.state && !t->c.ended) {
        proto_h2.tick(t->c.state, t->c.now_ms);
    }
    client_go(t);
}

static inline void
client_lose(struct client *t)
{
    if (t->c.state) {
        proto_h2.close(t->c.state);
        t->c.state = NULL;
    }
}

static inline void
client_fini(struct client *t)
{
    fake_conn_close(&t->c);
    nghttp2_session_del(t->session);
    for (int i = 0; i < REPLIES_MAX; i++) {
        buf_fini(&t->replies[i].head);
        buf_fini(&t->replies[i].early);
        buf_fini(&t->replies[i].trailers);
        buf_fini(&t->replies[i].data);
    }
    free(t->replies);
}

struct ask {
    const char *method, *path, *type, *encoding, *timeout;
    const char *names[6], *values[6]; /* more headers */
    slice body;
    bool open; /* no END_STREAM */
};

static inline nghttp2_nv
nv_of(const char *n, const char *v)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)n, (uint8_t *)(uintptr_t)v, strlen(n), strlen(v), 0};
}

/* Submit only; its stream id. */
static inline int32_t
client_submit(struct client *t, struct ask a)
{
    nghttp2_nv nv[16];
    size_t n = 0;
    nv[n++] = nv_of(":method", a.method ? a.method : "POST");
    nv[n++] = nv_of(":scheme", "http");
    nv[n++] = nv_of(":path", a.path ? a.path : "/test.Echo/Echo");
    nv[n++] = nv_of(":authority", "localhost");
    const char *type = a.type ? a.type : "application/grpc";
    if (type[0]) {
        nv[n++] = nv_of("content-type", type);
    }
    if (a.encoding) {
        nv[n++] = nv_of("grpc-encoding", a.encoding);
    }
    if (a.timeout) {
        nv[n++] = nv_of("grpc-timeout", a.timeout);
    }
    for (int i = 0; i < 6 && a.names[i]; i++) {
        nv[n++] = nv_of(a.names[i], a.values[i]);
    }
    int32_t id = (int32_t)nghttp2_session_get_next_stream_id(t->session);
    struct reply *r = reply_of(t, id);
    r->send = a.body;
    r->keep_open = a.open;
    nghttp2_data_provider dp = {.read_callback = client_read};
    bool body = a.body.n > 0 || a.open;
    MUST(nghttp2_submit_request(t->session, NULL, nv, n, body ? &dp : NULL, NULL) == id);
    return id;
}

static inline struct reply *
client_ask(struct client *t, struct ask a)
{
    int32_t id = client_submit(t, a);
    client_go(t);
    return reply_of(t, id);
}

/* The value of a field in "name: value\n" lines, "(none)" when absent. */
static inline slice
field(const struct buf *b, const char *name)
{
    slice rest = buf_slice(b);
    size_t n = strlen(name);
    while (rest.n > 0) {
        slice line = slice_cut(&rest, '\n');
        if (line.n >= n + 2 && memcmp(line.p, name, n) == 0 && line.p[n] == ':') {
            return slice_sub(line, n + 2, line.n);
        }
    }
    return SL("(none)");
}

/* Append a gRPC frame to `b`. */
static inline void
frame_put(struct buf *b, uint8_t flag, slice msg)
{
    uint8_t p[5] = {flag, (uint8_t)(msg.n >> 24), (uint8_t)(msg.n >> 16), (uint8_t)(msg.n >> 8),
                    (uint8_t)msg.n};
    buf_append(b, p, 5);
    buf_append_slice(b, msg);
}
