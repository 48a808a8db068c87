#include "h2.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

static bool
is_full(const struct h2_conn *h)
{
    return conn_queued(h->c) >= CONN_HIGH_WATER;
}

void
h2_pump(struct h2_conn *h)
{
    if (h->depth > 1 || h->closed || h->ended) {
        return; /* inside a callback: the entry that is under way pumps */
    }
    while (!is_full(h)) {
        const uint8_t *p = NULL;
        ssize_t n = nghttp2_session_mem_send(h->session, &p);
        if (n < 0) {
            h2_end(h, false);
            return;
        }
        if (n == 0) {
            break;
        }
        conn_write(h->c, p, (size_t)n); /* gathered there, sent once a turn of the loop */
    }
    bool all_sent = !nghttp2_session_want_write(h->session);
    if (all_sent && (h->condemned || !nghttp2_session_want_read(h->session))) {
        h2_end(h, true);
    }
}

/* --- a stream's queue ------------------------------------------------------------------------------- */

void
h2_out_destroy(struct budget *budget, struct h2_out *o)
{
    if (budget && o->reserved) {
        budget_release(budget, o->reserved);
    }
    bytes_unref(o->bytes);
    mem_free(o);
}

static size_t
out_left(const struct h2_out *o)
{
    return o->prefix_n + (o->bytes ? o->bytes->n : 0) - o->off;
}

/* Move up to `n` bytes of the piece to the socket; returns how many. */
static size_t
out_send(struct h2_conn *h, struct h2_out *o, size_t n)
{
    if (o->off < o->prefix_n) {
        size_t k = o->prefix_n - o->off < n ? o->prefix_n - o->off : n;
        conn_write(h->c, o->prefix + o->off, k);
        o->off += k;
        return k;
    }
    size_t at = o->off - o->prefix_n;
    size_t k = o->bytes->n - at < n ? o->bytes->n - at : n;
    conn_write_bytes(h->c, o->bytes, at, k);
    o->off += k;
    return k;
}

ssize_t
h2_on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t length, uint32_t *flags,
           nghttp2_data_source *source, void *user)
{
    (void)to;
    (void)user;
    struct h2_stream *s = source->ptr;
    MUST(s->magic == H2_STREAM_MAGIC);
    if (s->out_bytes == 0 && !s->out_end) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t n = s->out_bytes < length ? s->out_bytes : length;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (n == s->out_bytes && s->out_end) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->trailer_count > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            h2_stream_trailers_submit(session, id, s);
        }
    }
    return (ssize_t)n;
}

int
h2_on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd, size_t length,
                nghttp2_data_source *source, void *user)
{
    (void)session;
    struct h2_conn *h = user;
    struct h2_stream *s = source->ptr;
    MUST(s->magic == H2_STREAM_MAGIC && frame->data.padlen == 0);
    if (h->closed || is_full(h)) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    conn_write(h->c, framehd, 9);
    MUST(length <= s->out_bytes);
    s->out_bytes -= length;
    while (length > 0) {
        struct h2_out *o = s->out;
        length -= out_send(h, o, length);
        if (out_left(o) == 0) {
            s->out = o->next;
            if (!s->out) {
                s->out_tail = &s->out;
            }
            h2_stream_out_done(s, o);
        }
    }
    s->progress_ms = h2_now(h);
    return 0;
}

void
h2_stream_respond(struct h2_stream *s, const nghttp2_nv *nv, size_t n, bool body)
{
    nghttp2_data_provider data = {.source.ptr = s, .read_callback = h2_on_read};
    (void)nghttp2_submit_response(s->h->session, s->id, nv, n, body ? &data : NULL);
    s->progress_ms = h2_now(s->h);
}

static void
resume(struct h2_stream *s)
{
    if (s->deferred) {
        s->deferred = false;
        (void)nghttp2_session_resume_data(s->h->session, s->id);
    }
}

void
h2_stream_queue(struct h2_stream *s, struct h2_out *o)
{
    o->next = NULL;
    *s->out_tail = o;
    s->out_tail = &o->next;
    if (s->out_bytes == 0) {
        s->progress_ms = h2_now(s->h); /* the wait for the reader begins */
    }
    s->out_bytes += out_left(o);
    resume(s);
}

void
h2_stream_finish(struct h2_stream *s)
{
    s->out_end = true;
    if (s->deferred && s->out_bytes == 0 && s->trailer_count > 0) {
        /* Everything has gone: trailers alone, without an empty DATA frame before them. */
        h2_stream_trailers_submit(s->h->session, s->id, s);
        return;
    }
    resume(s);
}

void
h2_stream_trailers_submit(nghttp2_session *session, int32_t id, struct h2_stream *s)
{
    nghttp2_nv nv[H2_TRAILERS_MAX];
    for (size_t i = 0; i < s->trailer_count; i++) {
        nv[i] = h2_nv(slice_cstr(s->trailers[i].name), slice_of(s->trailers[i].value, s->trailers[i].n));
    }
    (void)nghttp2_submit_trailer(session, id, nv, s->trailer_count);
}
