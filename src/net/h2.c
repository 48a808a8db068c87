#include "h2.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

void
h2_enter(struct h2_conn *h)
{
    MUST(h->magic == H2_CONN_MAGIC);
    h->depth++;
}

static void
conn_free(struct h2_conn *h)
{
    while (h->oldest) {
        h2_stream_destroy(h->oldest);
    }
    nghttp2_session_del(h->session);
    h->magic = 0;
    mem_free(h);
}

void
h2_leave(struct h2_conn *h)
{
    MUST(h->depth > 0);
    if (--h->depth == 0 && h->closed) {
        conn_free(h);
    }
}

uint64_t
h2_now(const struct h2_conn *h)
{
    return h->closed ? h->read_ms : conn_now_ms(h->c);
}

void
h2_end(struct h2_conn *h, bool flush)
{
    if (!h->ended && !h->closed) {
        h->ended = true;
        conn_end(h->c, flush);
    }
}

void
h2_goaway_now(struct h2_conn *h, uint32_t code, const char *reason)
{
    if (h->condemned || h->closed) {
        return;
    }
    h->condemned = true;
    int32_t last = nghttp2_session_get_last_proc_stream_id(h->session);
    (void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, last, code, (const uint8_t *)reason,
                                strlen(reason));
}

/* --- callbacks of nghttp2 --------------------------------------------------------------------------- */

static struct h2_stream *
stream_of(nghttp2_session *session, int32_t id)
{
    return id > 0 ? nghttp2_session_get_stream_user_data(session, id) : NULL;
}

static int
on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
    (void)session;
    struct h2_conn *h = user;
    bool empty = hd->type == NGHTTP2_DATA && hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM);
    bool noise = empty || hd->type == NGHTTP2_PING || hd->type == NGHTTP2_SETTINGS ||
                 hd->type == NGHTTP2_PRIORITY || hd->type > NGHTTP2_CONTINUATION;
    if (noise && ++h->noise > H2_NOISE_MAX) {
        h2_goaway_now(h, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_frames");
    }
    return h->condemned ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct h2_conn *h = user;
    h->headers_since_ms = h2_now(h);
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    h2_stream_begin(h, frame->hd.stream_id);
    return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
          uint8_t flags, void *user)
{
    (void)flags;
    (void)user;
    struct h2_stream *s = stream_of(session, frame->hd.stream_id);
    if (s && !s->headers_done) { /* request trailers say nothing to us */
        nghttp2_vec n = nghttp2_rcbuf_get_buf(name);
        nghttp2_vec v = nghttp2_rcbuf_get_buf(value);
        h2_stream_header(s, slice_of(n.base, n.len), slice_of(v.base, v.len));
    }
    return 0;
}

/* A field nghttp2 would skip: malformed by RFC 9113 8.2.1, and Go's servers reset the stream. */
static int
on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                  nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    (void)session;
    (void)frame;
    (void)name;
    (void)value;
    (void)flags;
    (void)user;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int
on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
    (void)flags;
    (void)user;
    (void)nghttp2_session_consume_connection(session, n);
    struct h2_stream *s = stream_of(session, id);
    if (s) {
        h2_stream_data(s, slice_of(p, n));
    } else {
        (void)nghttp2_session_consume_stream(session, id, n);
    }
    return 0;
}

static int
on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_conn *h = user;
    struct h2_stream *s = stream_of(session, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        h->headers_since_ms = 0;
        if (s && !s->headers_done) {
            s->remote_closed = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
            h2_stream_headers_done(s);
        }
        break;
    case NGHTTP2_SETTINGS:
        h->preface_done = true;
        return 0;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK) {
            h2_keepalive_on_ack(h, frame->ping.opaque_data);
        } else {
            h2_keepalive_on_ping(h);
        }
        return 0;
    case NGHTTP2_DATA:
        break;
    default:
        return 0;
    }
    if (s && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        h2_stream_remote_end(s);
    }
    return 0;
}

static int
on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2_conn *h = user;
    if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
        h->strikes_reset = true;
        struct h2_stream *s = stream_of(session, frame->hd.stream_id);
        if (s && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && !s->remote_closed) {
            /* Answered early: the client need not send the rest (RFC 9113 8.1). */
            (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
        }
    } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
        uint32_t code = frame->rst_stream.error_code;
        bool ours = code == NGHTTP2_NO_ERROR || code == NGHTTP2_REFUSED_STREAM || code == NGHTTP2_CANCEL;
        if (!ours && ++h->faults > H2_FAULT_BURST) {
            h2_goaway_now(h, NGHTTP2_ENHANCE_YOUR_CALM, "too_many_stream_errors");
        }
    }
    return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    (void)code;
    (void)user;
    struct h2_stream *s = stream_of(session, id);
    if (s) {
        (void)nghttp2_session_set_stream_user_data(session, id, NULL);
        h2_stream_destroy(s);
    }
    return 0;
}

/* --- the protocol seam ------------------------------------------------------------------------------ */

static void
callbacks_set(nghttp2_session_callbacks *cb)
{
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(cb, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(cb, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(cb, h2_on_send_data);
}

static bool
session_create(struct h2_conn *h)
{
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_option *o = NULL;
    if (nghttp2_session_callbacks_new(&cb) != 0) {
        return false;
    }
    if (nghttp2_option_new(&o) != 0) {
        nghttp2_session_callbacks_del(cb);
        return false;
    }
    callbacks_set(cb);
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(o, 1);
    nghttp2_option_set_max_outbound_ack(o, H2_OUTBOUND_ACK_MAX);
    nghttp2_option_set_max_settings(o, H2_SETTINGS_MAX);
    nghttp2_option_set_stream_reset_rate_limit(o, H2_RESET_BURST, H2_RESET_RATE);
    nghttp2_option_set_max_continuations(o, 8 + h->opt->limits.header_bytes_max / H2_FRAME_MAX);
    int rc = nghttp2_session_server_new2(&h->session, cb, h, o);
    nghttp2_option_del(o);
    nghttp2_session_callbacks_del(cb);
    return rc == 0;
}

static void
settings_submit(struct h2_conn *h)
{
    uint32_t streams_max = h->opt->limits.streams_max;
    nghttp2_settings_entry set[3] = {
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, H2_FRAME_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams_max},
    };
    (void)nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, set, streams_max ? 3 : 2);
    (void)nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, H2_CONN_WINDOW);
}

static void *
proto_open(struct conn *c)
{
    struct h2_conn *h = mem_new(struct h2_conn);
    h->magic = H2_CONN_MAGIC;
    h->c = c;
    h->opt = conn_options(c);
    if (!session_create(h)) {
        mem_free(h);
        return NULL;
    }
    h->opened_ms = h->idle_since_ms = h->read_ms = h->second_ms = conn_now_ms(c);
    settings_submit(h);
    h2_keepalive_open(h);
    if (conn_draining(c)) {
        h2_drain_start(h, "");
    }
    return h;
}

static void
proto_feed(void *state, slice in)
{
    struct h2_conn *h = state;
    if (h->ended || h->closed || in.n == 0) {
        return;
    }
    h2_enter(h);
    h->read_ms = h2_now(h);
    ssize_t n = nghttp2_session_mem_recv(h->session, in.p, in.n);
    h2_pump(h);
    if (n < 0) {
        /* The session is beyond repair (flood, not HTTP/2, a limit): what it had to say has been queued. */
        h2_end(h, true);
    }
    h2_leave(h);
}

static void
proto_writable(void *state)
{
    struct h2_conn *h = state;
    h2_enter(h);
    h2_pump(h);
    h2_leave(h);
}

static void
proto_drain(void *state)
{
    struct h2_conn *h = state;
    h2_enter(h);
    h2_drain_start(h, "");
    h2_pump(h);
    h2_leave(h);
}

/* A peer that never finishes its preface or a header block. */
static bool
is_stalled(struct h2_conn *h, uint64_t now)
{
    uint64_t max = h->opt->limits.header_timeout_ms;
    uint64_t since = h->preface_done ? h->headers_since_ms : h->opened_ms;
    bool waiting = !h->preface_done || h->headers_since_ms != 0;
    return max && waiting && now > since && now - since >= max;
}

static void
counters_age(struct h2_conn *h, uint64_t now)
{
    if (now - h->second_ms >= 1000) {
        h->second_ms = now;
        h->noise = 0;
        h->faults = h->faults > H2_RESET_RATE ? h->faults - H2_RESET_RATE : 0;
    }
}

static void
proto_tick(void *state, uint64_t now)
{
    struct h2_conn *h = state;
    if (h->ended || h->closed) {
        return;
    }
    h2_enter(h);
    counters_age(h, now);
    if (is_stalled(h, now)) {
        h2_end(h, false);
        h2_leave(h);
        return;
    }
    struct h2_stream *next = NULL;
    for (struct h2_stream *s = h->oldest; s; s = next) {
        next = s->next;
        h2_stream_tick(s, now);
    }
    h2_credit_held(h);
    h2_keepalive_tick(h, now);
    h2_pump(h);
    h2_leave(h);
}

static void
proto_close(void *state)
{
    struct h2_conn *h = state;
    h2_enter(h);
    h->closed = true;
    h2_leave(h);
}

const struct proto proto_h2 = {
    .name = "h2",
    .open = proto_open,
    .feed = proto_feed,
    .writable = proto_writable,
    .drain = proto_drain,
    .tick = proto_tick,
    .close = proto_close,
};
