#include "grpc_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

/* What HPACK and HTTP/2 count for a field besides its bytes (RFC 9113 10.5.1). */
#define FIELD_COST 32

bool
h2_budget_short(const struct budget *b)
{
    for (; b; b = b->parent) {
        if (b->max != SIZE_MAX && budget_used(b) > b->max - b->max / 8) {
            return true;
        }
    }
    return false;
}

err
h2_body_reserve(struct budget *budget, struct buf *b, size_t n, size_t *reserved)
{
    if (n > b->max - b->n) {
        return ERR_LIMIT;
    }
    size_t need = b->n + n;
    if (need <= b->cap) {
        return OK;
    }
    size_t cap = b->cap < b->max / 2 ? b->cap * 2 : b->max;
    cap = cap < need ? need : cap;
    if (budget) {
        size_t more = cap > *reserved ? cap - *reserved : 0;
        err rc = budget_reserve(budget, more);
        if (rc != OK) {
            return rc;
        }
        *reserved += more;
    }
    return buf_reserve(b, cap - b->n);
}

static void
stream_link(struct h2_conn *h, struct h2_stream *s)
{
    s->prev = h->newest;
    if (h->newest) {
        h->newest->next = s;
    } else {
        h->oldest = s;
    }
    h->newest = s;
    h->stream_count++;
}

static void
stream_unlink(struct h2_stream *s)
{
    struct h2_conn *h = s->h;
    *(s->prev ? &s->prev->next : &h->oldest) = s->next;
    *(s->next ? &s->next->prev : &h->newest) = s->prev;
    if (--h->stream_count == 0) {
        h->idle_since_ms = h2_now(h);
    }
}

void
h2_stream_begin(struct h2_conn *h, int32_t id)
{
    struct budget *budget = h->opt->budget;
    if (h->stream_count >= H2_STREAMS_MAX || (budget && budget_reserve(budget, H2_STREAM_COST) != OK)) {
        /* Not processed, so the client may send it again (RFC 9113 8.7). */
        (void)nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return;
    }
    struct h2_stream *s = mem_new(struct h2_stream);
    s->magic = H2_STREAM_MAGIC;
    s->id = id;
    s->h = h;
    s->content_length = SIZE_MAX;
    s->out_tail = &s->out;
    s->progress_ms = h2_now(h);
    s->x = exchange_create(conn_loop(h->c), &h2_exchange_ops, s, budget);
    s->x->reserved = budget ? H2_STREAM_COST : 0;
    s->x->req.version = 20;
    s->x->req.tls = conn_is_tls(h->c);
    s->x->req.peer = arena_copy(&s->x->arena, conn_peer(h->c));
    stream_link(h, s);
    (void)nghttp2_session_set_stream_user_data(h->session, id, s);
}

static void
split_path(struct http_request *r, slice v)
{
    size_t q = slice_find_byte(v, '?');
    r->path = slice_sub(v, 0, q);
    r->query = slice_sub(v, q + 1, v.n);
}

static void
take_pseudo(struct h2_stream *s, slice name, slice value)
{
    struct http_request *r = &s->x->req;
    if (slice_eq(name, SL(":method"))) {
        r->method = value;
        s->head = slice_eq(value, SL("HEAD"));
    } else if (slice_eq(name, SL(":path"))) {
        split_path(r, value);
    } else if (slice_eq(name, SL(":authority"))) {
        r->authority = value;
    }
}

void
h2_stream_header(struct h2_stream *s, slice name, slice value)
{
    if (s->headers_too_large || !s->x) {
        return;
    }
    const struct http_limits *l = &s->h->opt->limits;
    struct exchange *x = s->x;
    s->header_bytes += name.n + value.n + FIELD_COST;
    bool pseudo = name.n > 0 && name.p[0] == ':';
    if (s->header_bytes > l->header_bytes_max || (!pseudo && s->header_count >= l->header_count_max)) {
        s->headers_too_large = true;
        return;
    }
    slice v = arena_copy(&x->arena, value);
    if (pseudo) {
        take_pseudo(s, name, v);
        return;
    }
    slice n = arena_copy(&x->arena, name);
    s->headers = arena_grow(&x->arena, s->headers, s->header_count, &s->header_cap, s->header_count + 1,
                            sizeof(struct http_header));
    if (!s->headers || (v.n && !v.p) || !n.p) {
        s->headers_too_large = true;
        return;
    }
    s->headers[s->header_count++] = (struct http_header){n, v};
    x->req.headers = s->headers;
    x->req.header_count = s->header_count;
    uint64_t length = 0;
    if (slice_eq(n, SL("content-length")) && slice_to_u64(v, &length)) {
        s->content_length = length;
    } else if (slice_eq(n, SL("host")) && x->req.authority.n == 0) {
        x->req.authority = v;
    }
}

void
h2_stream_reset(struct h2_stream *s, uint32_t code)
{
    (void)nghttp2_submit_rst_stream(s->h->session, NGHTTP2_FLAG_NONE, s->id, code);
}

/* --- plain requests --------------------------------------------------------------------------------- */

static void
dispatch(struct h2_stream *s)
{
    struct exchange *x = s->x;
    s->dispatched = true;
    if (s->body.n > 0) {
        x->req.body = bytes_take(&s->body);
    }
    exchange_dispatch(x, s->h->opt->handler, s->h->opt->handler_ctx); /* may have answered */
}

static void
dispatch_too_large(struct h2_stream *s)
{
    s->discard = true;
    buf_fini(&s->body);
    s->x->req.body_too_large = true;
    dispatch(s);
}

/* Forms that no handler should see; true when answered. */
static bool
answer_odd_forms(struct h2_stream *s)
{
    struct http_request *r = &s->x->req;
    if (slice_eq(r->method, SL("CONNECT"))) {
        h2_answer_text(s, 405, SL("Method Not Allowed\n"));
    } else if (slice_eq(r->path, SL("*"))) {
        bool options = slice_eq(r->method, SL("OPTIONS"));
        h2_answer_text(s, options ? 200 : 400, options ? SL_EMPTY : SL("400 Bad Request"));
    } else if (r->path.n == 0 || r->path.p[0] != '/') {
        h2_answer_text(s, 400, SL("400 Bad Request"));
    } else {
        return false;
    }
    return true;
}

static void
plain_begin(struct h2_stream *s)
{
    struct h2_conn *h = s->h;
    size_t max = h->opt->limits.body_max;
    if (answer_odd_forms(s)) {
        return;
    }
    if (s->content_length != SIZE_MAX && s->content_length > max) {
        dispatch_too_large(s);
        return;
    }
    buf_init(&s->body, s->content_length < max ? s->content_length : max);
    if (!s->remote_closed && slice_ieq(http_header_get(&s->x->req, SL("expect")), SL("100-continue"))) {
        nghttp2_nv nv = h2_nv(SL(":status"), SL("100"));
        (void)nghttp2_submit_headers(h->session, NGHTTP2_FLAG_NONE, s->id, NULL, &nv, 1, NULL);
    }
}

static void
plain_data(struct h2_stream *s, slice in)
{
    struct exchange *x = s->x;
    if (in.n > s->body.max - s->body.n) {
        dispatch_too_large(s);
        return;
    }
    if (h2_body_reserve(x->budget, &s->body, in.n, &x->reserved) != OK) {
        h2_answer_text(s, 503, SL("the server is short of memory, try again later"));
        return;
    }
    (void)buf_append_slice(&s->body, in); /* room was made */
}

/* --- both kinds ------------------------------------------------------------------------------------- */

void
h2_stream_headers_done(struct h2_stream *s)
{
    struct h2_conn *h = s->h;
    s->headers_done = true;
    s->progress_ms = h2_now(h);
    struct exchange *x = s->x;
    if (s->headers_too_large) {
        h2_answer_text(s, 431, SL("Request Header Fields Too Large"));
        return;
    }
    if (x->budget) {
        if (budget_reserve(x->budget, s->header_bytes) != OK) {
            h2_stream_reset(s, NGHTTP2_REFUSED_STREAM);
            s->discard = true;
            return;
        }
        x->reserved += s->header_bytes;
    }
    if (grpc_is_call(h->opt, &x->req)) {
        grpc_open(s);
    } else {
        plain_begin(s);
    }
}

static void
give_credit(struct h2_stream *s, size_t n)
{
    (void)nghttp2_session_consume_stream(s->h->session, s->id, n);
}

void
h2_stream_data(struct h2_stream *s, slice in)
{
    struct h2_conn *h = s->h;
    s->progress_ms = h2_now(h);
    if (s->discard) {
        give_credit(s, in.n);
        return;
    }
    if (h2_budget_short(h->opt->budget) && s != h->oldest) {
        s->held += in.n;
    } else {
        give_credit(s, in.n);
    }
    if (s->call) {
        grpc_feed(s->call, in);
    } else if (s->x && !s->dispatched) {
        plain_data(s, in);
    }
}

void
h2_credit_held(struct h2_conn *h)
{
    bool is_short = h2_budget_short(h->opt->budget);
    for (struct h2_stream *s = h->oldest; s; s = s->next) {
        if (s->held > 0 && (!is_short || s->discard || s == h->oldest)) {
            size_t n = s->held;
            s->held = 0;
            s->progress_ms = h2_now(h);
            give_credit(s, n);
        }
    }
}

void
h2_stream_remote_end(struct h2_stream *s)
{
    s->remote_closed = true;
    if (s->discard) {
        return;
    }
    if (s->call) {
        grpc_remote_end(s->call);
    } else if (s->x && !s->dispatched) {
        dispatch(s);
    }
}

void
h2_stream_tick(struct h2_stream *s, uint64_t now)
{
    if (s->call) {
        grpc_tick(s->call);
    }
    uint64_t max = s->h->opt->limits.body_timeout_ms;
    bool receiving = s->headers_done && !s->remote_closed && s->held == 0;
    bool waits_for_peer = receiving || s->out_bytes > 0;
    if (max && waits_for_peer && now > s->progress_ms && now - s->progress_ms > max) {
        if (s->dispatched && s->out_bytes == 0) {
            return; /* the handler works, or a client streams on without need: no hurry */
        }
        h2_stream_reset(s, NGHTTP2_CANCEL);
        s->discard = true;
    }
}

void
h2_stream_out_done(struct h2_stream *s, struct h2_out *o)
{
    if (s->call) {
        atomic_fetch_sub_explicit(&s->call->queued, o->prefix_n + (o->bytes ? o->bytes->n : 0),
                                  memory_order_relaxed);
    }
    h2_out_destroy(s->h->opt->budget, o);
}

void
h2_stream_destroy(struct h2_stream *s)
{
    MUST(s->magic == H2_STREAM_MAGIC);
    stream_unlink(s);
    while (s->out) {
        struct h2_out *o = s->out;
        s->out = o->next;
        h2_stream_out_done(s, o);
    }
    if (s->call) {
        grpc_detach(s->call);
    } else if (s->x && s->dispatched) {
        exchange_detach(s->x);
    } else if (s->x) {
        exchange_destroy(s->x);
    }
    for (size_t i = 0; i < s->trailer_count; i++) {
        mem_free(s->trailers[i].value);
    }
    buf_fini(&s->body);
    s->magic = 0;
    mem_free(s);
}
