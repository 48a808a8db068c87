#include "grpc_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#define TEXT_MAX 1024

bool
grpc_is_call(const struct http_listener_options *o, const struct http_request *r)
{
    if (!o->handler) {
        return true;
    }
    return o->grpc && slice_find(http_header_get(r, SL("content-type")), SL("application/grpc")) != SIZE_MAX;
}

/* --- opening ---------------------------------------------------------------------------------------- */

/* "application/grpc", "+proto" or ";anything" after it: what we answer with, as grpc-go builds it. */
static bool
content_type_take(struct grpc_call_state *c, slice v)
{
    slice base = SL("application/grpc");
    c->content_type = base;
    if (!slice_ieq(slice_sub(v, 0, base.n), base)) {
        return false;
    }
    slice rest = slice_sub(v, base.n, v.n);
    if (rest.n == 0 || !rest.p) {
        return true;
    }
    if (rest.p[0] != '+' && rest.p[0] != ';') {
        return false;
    }
    if (rest.n == 1) {
        return true;
    }
    uint8_t *p = arena_alloc(&c->x->arena, base.n + rest.n);
    if (!p) {
        return true;
    }
    memcpy(p, base.p, base.n);
    memcpy(p + base.n, rest.p, rest.n);
    p[base.n] = '+';
    for (size_t i = base.n; i < base.n + rest.n; i++) {
        p[i] = p[i] >= 'A' && p[i] <= 'Z' ? (uint8_t)(p[i] | 0x20) : p[i];
    }
    c->content_type = slice_of(p, base.n + rest.n);
    return true;
}

static struct grpc_call_state *
call_create(struct h2_stream *s)
{
    const struct http_listener_options *o = s->h->opt;
    struct grpc_call_state *c = mem_new(struct grpc_call_state);
    c->magic = GRPC_CALL_MAGIC;
    c->x = s->x;
    c->stream = s;
    c->pub.request = &c->x->req;
    c->ctx = o->grpc_ctx;
    c->message_max = o->grpc_message_max;
    c->shared_port = o->handler != NULL;
    c->codec = CODEC_NONE;
    c->x->proto_state = NULL;
    s->x = NULL;
    s->call = c;
    return c;
}

void
grpc_abort(struct grpc_call_state *c, int http_status, enum grpc_status status, slice text)
{
    grpc_end_stream(c, http_status, status, grpc_percent_encode(text), NULL);
    if (c->dispatched) {
        atomic_store_explicit(&c->pub.cancelled, true, memory_order_relaxed);
        exchange_detach(c->x);
    } else {
        grpc_call_destroy(c);
    }
}

/* The same with a text that quotes the client, "<before>"<quoted>"<after>". */
static void
abort_quoting(struct grpc_call_state *c, int http_status, enum grpc_status status, const char *before,
              slice quoted)
{
    struct buf t;
    buf_init(&t, TEXT_MAX);
    buf_append_cstr(&t, before);
    grpc_quote(&t, slice_sub(quoted, 0, TEXT_MAX / 8));
    if (status == GRPC_INTERNAL) {
        buf_append_cstr(&t, " which should be POST");
    }
    grpc_abort(c, http_status, status, buf_slice(&t));
    buf_fini(&t);
}

static void
abort_unknown(struct grpc_call_state *c, slice service, slice method, bool service_known)
{
    struct buf t;
    buf_init(&t, TEXT_MAX);
    service = slice_sub(service, 0, TEXT_MAX / 4);
    method = slice_sub(method, 0, TEXT_MAX / 4);
    if (service_known) {
        buf_printf(&t, "unknown method %.*s for service %.*s", SL_FMT(method), SL_FMT(service));
    } else {
        buf_printf(&t, "unknown service %.*s", SL_FMT(service));
    }
    grpc_abort(c, 200, GRPC_UNIMPLEMENTED, buf_slice(&t));
    buf_fini(&t);
}

/* False when the stream was answered. */
static bool
method_find(struct grpc_call_state *c, const struct grpc_service *const *services)
{
    slice path = c->x->req.path;
    size_t last = 0;
    for (size_t i = 1; i < path.n; i++) {
        last = path.p[i] == '/' ? i : last;
    }
    if (last == 0) {
        abort_quoting(c, 200, GRPC_UNIMPLEMENTED, "malformed method name: ", path);
        return false;
    }
    slice service = slice_sub(path, 1, last - 1);
    slice method = slice_sub(path, last + 1, path.n);
    bool known = false;
    for (; services && *services && !known; services++) {
        known = slice_eq(service, slice_cstr((*services)->name));
        for (size_t i = 0; known && i < (*services)->method_count; i++) {
            if (slice_eq(method, slice_cstr((*services)->methods[i].name))) {
                c->method = &(*services)->methods[i];
                return true;
            }
        }
    }
    abort_unknown(c, service, method, known);
    return false;
}

/* False when the stream was answered. */
static bool
timeout_take(struct grpc_call_state *c)
{
    slice v = http_header_get(&c->x->req, SL("grpc-timeout"));
    if (!v.p) {
        return true;
    }
    struct fault f = {0};
    int64_t ns = 0;
    if (grpc_timeout_parse(v, &f, &ns) != OK) {
        grpc_abort(c, 400, GRPC_INTERNAL, slice_cstr(f.msg));
        return false;
    }
    int64_t start = c->x->req.start_mono_ns;
    c->pub.deadline_mono_ns = ns > INT64_MAX - start ? INT64_MAX : start + ns;
    return true;
}

/* False when the stream was answered. */
static bool
encoding_take(struct grpc_call_state *c)
{
    slice v = http_header_get(&c->x->req, SL("grpc-encoding"));
    if (v.n == 0 || slice_eq(v, SL("identity"))) {
        return true;
    }
    if (!codec_from_grpc(v, &c->codec)) {
        abort_quoting(c, 200, GRPC_UNIMPLEMENTED, "grpc: Decompressor is not installed for grpc-encoding ",
                      v);
        return false;
    }
    c->encoding = v;
    return true;
}

void
grpc_open(struct h2_stream *s)
{
    const struct http_listener_options *o = s->h->opt;
    struct grpc_call_state *c = call_create(s);
    const struct http_request *r = &c->x->req;
    slice type = http_header_get(r, SL("content-type"));
    if (!content_type_take(c, type)) {
        abort_quoting(c, 415, GRPC_INVALID_ARGUMENT, "invalid gRPC request content-type ", type);
    } else if (!slice_eq(r->method, SL("POST"))) {
        abort_quoting(c, 405, GRPC_INTERNAL, "Received a HEADERS frame with :method ", r->method);
    } else if (timeout_take(c) && method_find(c, o->grpc)) {
        (void)encoding_take(c);
    }
}

/* --- the message ------------------------------------------------------------------------------------ */

static bool
is_late(const struct grpc_call_state *c)
{
    return c->pub.deadline_mono_ns != 0 && clock_mono_ns() >= c->pub.deadline_mono_ns;
}

static void
dispatch(struct grpc_call_state *c)
{
    uint8_t flag = c->prefix[0];
    if (flag == 1 && c->codec == CODEC_NONE) {
        grpc_abort(c, 200, GRPC_INTERNAL, SL("grpc: compressed flag set with identity or empty encoding"));
        return;
    }
    if (flag > 1) {
        struct buf t;
        buf_init(&t, TEXT_MAX);
        buf_printf(&t, "grpc: received unexpected payload format %u", flag);
        grpc_abort(c, 200, GRPC_INTERNAL, buf_slice(&t));
        buf_fini(&t);
        return;
    }
    if (is_late(c)) {
        grpc_abort(c, 200, GRPC_DEADLINE_EXCEEDED, SL("context deadline exceeded"));
        return;
    }
    if (c->raw.n > 0) {
        struct bytes *b = bytes_take(&c->raw);
        *(flag ? &c->packed : &c->message) = b;
    }
    c->dispatched = true;
    c->stream->dispatched = true;
    c->stream->discard = true;       /* a second message is read and ignored */
    c->method->run(c->ctx, &c->pub); /* may have finished it */
}

/* The 5-byte prefix is complete: judge the length before a byte of the message is kept. */
static bool
prefix_check(struct grpc_call_state *c)
{
    uint32_t n = (uint32_t)c->prefix[1] << 24 | (uint32_t)c->prefix[2] << 16 | (uint32_t)c->prefix[3] << 8 |
                 c->prefix[4];
    if (n > c->message_max) {
        struct buf t;
        buf_init(&t, TEXT_MAX);
        buf_printf(&t, "grpc: received message larger than max (%u vs. %zu)", n, c->message_max);
        grpc_abort(c, 200, GRPC_RESOURCE_EXHAUSTED, buf_slice(&t));
        buf_fini(&t);
        return false;
    }
    buf_init(&c->raw, n);
    return true;
}

void
grpc_feed(struct grpc_call_state *c, slice in)
{
    if (c->dispatched) {
        return;
    }
    if (c->prefix_n < 5) {
        size_t n = 5U - c->prefix_n < in.n ? 5U - c->prefix_n : in.n;
        memcpy(c->prefix + c->prefix_n, in.p, n);
        c->prefix_n = (uint8_t)(c->prefix_n + n);
        in = slice_sub(in, n, in.n);
        if (c->prefix_n < 5 || !prefix_check(c)) {
            return;
        }
    }
    in = slice_sub(in, 0, c->raw.max - c->raw.n);
    if (in.n > 0) {
        if (h2_body_reserve(c->x->budget, &c->raw, in.n, &c->raw_reserved) != OK) {
            grpc_abort(c, 200, GRPC_RESOURCE_EXHAUSTED, SL("the server is short of memory, try again later"));
            return;
        }
        (void)buf_append_slice(&c->raw, in); /* room was made */
    }
    if (c->raw.n == c->raw.max) {
        dispatch(c);
    }
}

void
grpc_remote_end(struct grpc_call_state *c)
{
    if (!c->dispatched) {
        bool none = c->prefix_n == 0;
        grpc_abort(c, 200, GRPC_UNKNOWN, none ? SL("EOF") : SL("unexpected EOF"));
    }
}

void
grpc_detach(struct grpc_call_state *c)
{
    c->stream->call = NULL;
    c->stream = NULL;
    if (!c->dispatched) {
        grpc_call_destroy(c);
        return;
    }
    atomic_store_explicit(&c->pub.cancelled, true, memory_order_relaxed);
    exchange_detach(c->x);
}

void
grpc_tick(struct grpc_call_state *c)
{
    if (is_late(c)) {
        grpc_abort(c, 200, GRPC_DEADLINE_EXCEEDED, SL("context deadline exceeded"));
    }
}

/* --- asked for by the method, on its thread --------------------------------------------------------- */

/* grpc-go reads gzip's header when it opens the stream, and says so. */
static bool
is_gzip(slice in)
{
    return in.n >= 10 && in.p[0] == 0x1f && in.p[1] == 0x8b && in.p[2] == 8;
}

static err
decompress(struct grpc_call_state *c, struct fault *f)
{
    slice in = bytes_slice(c->packed);
    if (c->codec == CODEC_GZIP && !is_gzip(in)) {
        return FAULT(f, ERR_INVALID, "grpc: failed to decompress the message: %s",
                     in.n < 10 ? "unexpected EOF" : "gzip: invalid header");
    }
    struct fault cause = {0};
    struct buf out;
    buf_init(&out, c->message_max);
    err rc = codec_decompress(c->codec, in, &out, &cause);
    if (rc == ERR_LIMIT) {
        rc = FAULT(f, rc, "grpc: received message after decompression larger than max %zu", c->message_max);
    } else if (rc != OK) {
        rc = FAULT(f, ERR_INVALID, "grpc: failed to read decompressed data: %s", cause.msg);
    } else if (c->x->budget && budget_reserve(c->x->budget, out.n) != OK) {
        rc = FAULT(f, ERR_LIMIT, "the server is short of memory, try again later");
    }
    if (rc != OK) {
        buf_fini(&out);
        return rc;
    }
    c->plain_reserved = out.n;
    if (out.n > 0) {
        c->message = bytes_take(&out);
    }
    buf_fini(&out);
    bytes_unref(c->packed);
    c->packed = NULL;
    if (c->x->budget) {
        budget_release(c->x->budget, c->raw_reserved);
    }
    c->raw_reserved = 0;
    return OK;
}

err
grpc_call_message(struct grpc_call *c, struct fault *f, struct bytes **ret)
{
    struct grpc_call_state *st = (struct grpc_call_state *)(void *)c;
    MUST(st->magic == GRPC_CALL_MAGIC);
    if (st->packed) {
        err rc = decompress(st, f);
        if (rc != OK) {
            return rc;
        }
    }
    *ret = st->message;
    return OK;
}
