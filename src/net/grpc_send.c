#include "grpc_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#include <stdio.h>

static struct grpc_call_state *
state_of(struct grpc_call *c)
{
    struct grpc_call_state *st = (struct grpc_call_state *)(void *)c; /* pub is the first member */
    MUST(st->magic == GRPC_CALL_MAGIC);
    return st;
}

/* --- on the loop ------------------------------------------------------------------------------------ */

static void
send_headers(struct grpc_call_state *c)
{
    nghttp2_nv nv[6];
    size_t n = 0;
    nv[n++] = h2_nv(SL(":status"), SL("200"));
    nv[n++] = h2_nv(SL("content-type"), c->content_type);
    if (c->encoding.n > 0) {
        nv[n++] = h2_nv(SL("grpc-encoding"), c->encoding);
    }
    if (c->shared_port) { /* as Go's ServeHTTP does; some proxies drop trailers nobody declared */
        nv[n++] = h2_nv(SL("trailer"), SL("Grpc-Status"));
        nv[n++] = h2_nv(SL("trailer"), SL("Grpc-Message"));
        nv[n++] = h2_nv(SL("trailer"), SL("Grpc-Status-Details-Bin"));
    }
    c->headers_sent = true;
    h2_stream_respond(c->stream, nv, n, true);
}

static void
trailer_add(struct h2_stream *s, const char *name, char *value)
{
    s->trailers[s->trailer_count++] = (struct h2_trailer){name, value, strlen(value)};
}

/* The stream ends by itself now; the call may live on. */
static void
let_go(struct grpc_call_state *c)
{
    c->stream->call = NULL;
    c->stream->discard = true;
    c->stream = NULL;
    /* What is queued is the stream's alone: nobody counts it down for us. */
    atomic_store_explicit(&c->queued, 0, memory_order_relaxed);
}

void
grpc_end_stream(struct grpc_call_state *c, int http_status, enum grpc_status status, char *text,
                char *details)
{
    struct h2_stream *s = c->stream;
    char code[12];
    (void)snprintf(code, sizeof(code), "%u", (unsigned)status);
    if (c->headers_sent) {
        trailer_add(s, "grpc-status", mem_strdup(code));
        trailer_add(s, "grpc-message", text);
        if (details) {
            trailer_add(s, "grpc-status-details-bin", details);
        }
        h2_stream_finish(s);
    } else {
        char http[12];
        (void)snprintf(http, sizeof(http), "%d", http_status);
        nghttp2_nv nv[5];
        size_t n = 0;
        nv[n++] = h2_nv(SL(":status"), slice_cstr(http));
        nv[n++] = h2_nv(SL("content-type"), c->content_type);
        nv[n++] = h2_nv(SL("grpc-status"), slice_cstr(code));
        nv[n++] = h2_nv(SL("grpc-message"), slice_cstr(text));
        if (details) {
            nv[n++] = h2_nv(SL("grpc-status-details-bin"), slice_cstr(details));
        }
        h2_stream_respond(s, nv, n, false);
        mem_free(text);
        mem_free(details);
    }
    let_go(c);
}

static void
item_destroy(struct grpc_call_state *c, struct grpc_item *it)
{
    mem_free(it->text);
    mem_free(it->details);
    h2_out_destroy(c->x->budget, &it->out);
}

/* Returns true when the call is over. */
static bool
item_run(struct grpc_call_state *c, struct grpc_item *it)
{
    bool last = it->kind == GRPC_ITEM_FINISH;
    if (!c->stream) {
        item_destroy(c, it);
        return last;
    }
    if (it->kind == GRPC_ITEM_MESSAGE) {
        if (!c->headers_sent) {
            send_headers(c);
        }
        h2_stream_queue(c->stream, &it->out);
        return false;
    }
    grpc_end_stream(c, 200, it->status, it->text, it->details);
    it->text = it->details = NULL;
    item_destroy(c, it);
    return last;
}

void
grpc_call_destroy(struct grpc_call_state *c)
{
    MUST(c->magic == GRPC_CALL_MAGIC && !c->stream);
    c->magic = 0;
    bytes_unref(c->packed);
    bytes_unref(c->message);
    buf_fini(&c->raw);
    if (c->x->budget) {
        budget_release(c->x->budget, c->raw_reserved + c->plain_reserved);
    }
    exchange_destroy(c->x);
    mem_free(c);
}

/* Run `it` and what follows it in sending order, then let the frames out. */
static void
run_items(struct grpc_call_state *c, struct grpc_item *it)
{
    struct h2_conn *h = c->stream ? c->stream->h : NULL;
    if (h) {
        h2_enter(h);
    }
    bool over = false;
    while (it) {
        struct grpc_item *next = it->next;
        over = item_run(c, it) || over;
        it = next;
    }
    if (h) {
        h2_pump(h); /* may close streams, ours too: then grpc_detach clears c->stream */
        h2_leave(h);
    }
    if (over) {
        grpc_call_destroy(c);
    }
}

static void
on_message(struct loop_msg *m)
{
    struct grpc_call_state *c =
        (struct grpc_call_state *)(void *)((char *)m - offsetof(struct grpc_call_state, msg));
    MUST(c->magic == GRPC_CALL_MAGIC);
    /* acquire: pairs with the release in push; release: who finds the list empty may use `msg` anew, which
     * the loop has read */
    struct grpc_item *newest = atomic_exchange_explicit(&c->items, NULL, memory_order_acq_rel);
    struct grpc_item *oldest = NULL;
    while (newest) {
        struct grpc_item *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    run_items(c, oldest);
}

/* --- on any thread ---------------------------------------------------------------------------------- */

static void
push(struct grpc_call_state *c, struct grpc_item *it)
{
    struct loop *loop = c->x->req.loop;
    struct grpc_item *head = atomic_load_explicit(&c->items, memory_order_relaxed);
    if (!head && loop_is_here(loop)) {
        run_items(c, it); /* nothing is on its way before it */
        return;
    }
    do {
        it->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&c->items, &head, it, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (!head) {
        c->msg.run = on_message;
        loop_post(loop, &c->msg);
    }
}

static struct grpc_item *
item_create(enum grpc_item_kind kind)
{
    struct grpc_item *it = mem_new(struct grpc_item);
    it->kind = kind;
    return it;
}

static void
push_end(struct grpc_call_state *c, enum grpc_item_kind kind, enum grpc_status status, slice text,
         slice details)
{
    struct grpc_item *it = item_create(kind);
    it->status = status;
    it->text = grpc_percent_encode(text);
    it->details = details.n > 0 ? grpc_base64(details) : NULL;
    push(c, it);
}

/* Replace `*m` by its compressed form; the flag for the prefix. An empty message stays as it is. */
static uint8_t
compress_message(enum codec_kind kind, struct bytes **m)
{
    struct bytes *plain = *m;
    if (kind == CODEC_NONE || !plain || plain->n == 0) {
        return 0;
    }
    struct buf out;
    buf_init(&out, plain->n + plain->n / 2 + 4096);
    if (codec_compress(kind, bytes_slice(plain), &out) != OK) {
        buf_fini(&out);
        return 0;
    }
    *m = bytes_take(&out);
    bytes_unref(plain);
    return 1;
}

void
grpc_send_later(struct grpc_call *c, struct bytes *message)
{
    struct grpc_call_state *st = state_of(c);
    if (atomic_load_explicit(&c->cancelled, memory_order_relaxed)) {
        bytes_unref(message);
        return;
    }
    uint8_t flag = compress_message(st->codec, &message);
    size_t n = message ? message->n : 0;
    size_t queued = grpc_queued(c);
    bool full = queued > 0 && n > GRPC_QUEUED_MAX - (queued < GRPC_QUEUED_MAX ? queued : GRPC_QUEUED_MAX);
    struct budget *budget = st->x->budget;
    if (full || n > UINT32_MAX || (budget && budget_reserve(budget, n) != OK)) {
        bytes_unref(message);
        atomic_store_explicit(&c->cancelled, true, memory_order_relaxed);
        push_end(st, GRPC_ITEM_ABORT, GRPC_RESOURCE_EXHAUSTED,
                 full ? SL("the client reads too slowly, its answer is not kept any longer")
                      : SL("the server is short of memory for the answer, try again later"),
                 SL_EMPTY);
        return;
    }
    struct grpc_item *it = item_create(GRPC_ITEM_MESSAGE);
    it->out.bytes = message;
    it->out.reserved = budget ? n : 0;
    it->out.prefix_n = 5;
    it->out.prefix[0] = flag;
    for (size_t i = 0; i < 4; i++) {
        it->out.prefix[1 + i] = (uint8_t)(n >> (24 - 8 * i));
    }
    atomic_fetch_add_explicit(&st->queued, n + 5, memory_order_relaxed);
    push(st, it);
}

size_t
grpc_queued(const struct grpc_call *c)
{
    const struct grpc_call_state *st = (const struct grpc_call_state *)(const void *)c;
    if (atomic_load_explicit(&c->cancelled, memory_order_relaxed)) {
        return 0;
    }
    return atomic_load_explicit(&st->queued, memory_order_relaxed);
}

void
grpc_finish_later(struct grpc_call *c, enum grpc_status status, slice text, slice details)
{
    push_end(state_of(c), GRPC_ITEM_FINISH, status, text, details);
}

void
grpc_reply_later(struct grpc_call *c, struct bytes *message)
{
    grpc_send_later(c, message);
    grpc_finish_later(c, GRPC_OK, SL_EMPTY, SL_EMPTY);
}

void
grpc_refuse_later(struct grpc_call *c, err code, const struct fault *f)
{
    enum grpc_status status = code == ERR_LIMIT ? GRPC_RESOURCE_EXHAUSTED : GRPC_INTERNAL;
    grpc_finish_later(c, status, slice_cstr(f->msg), SL_EMPTY);
}
