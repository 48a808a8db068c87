#include "exchange.h"

#include "gzip.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#include <stddef.h>

#define EXCHANGE_MAGIC 0x65786368u

static struct exchange *
exchange_of(struct http_request *r)
{
    struct exchange *x = (struct exchange *)(void *)((char *)r - offsetof(struct exchange, req));
    MUST(x->magic == EXCHANGE_MAGIC);
    return x;
}

struct exchange *
exchange_create(struct loop *loop, const struct exchange_ops *ops, void *proto_state, struct budget *budget)
{
    struct exchange *x = mem_new(struct exchange);
    x->magic = EXCHANGE_MAGIC;
    arena_init(&x->arena, 0); /* bounded by the header limits, which the protocol has checked */
    x->ops = ops;
    x->proto_state = proto_state;
    x->budget = budget;
    x->req.loop = loop;
    x->req.start_mono_ns = clock_mono_ns();
    return x;
}

void
exchange_detach(struct exchange *x)
{
    MUST(x->magic == EXCHANGE_MAGIC);
    loop_assert_here(x->req.loop);
    x->proto_state = NULL;
    atomic_store(&x->req.cancelled, true);
}

void
exchange_destroy(struct exchange *x)
{
    MUST(x->magic == EXCHANGE_MAGIC);
    x->magic = 0;
    bytes_unref(x->req.body);
    if (x->budget && x->reserved) {
        budget_release(x->budget, x->reserved);
    }
    arena_fini(&x->arena);
    mem_free(x);
}

void
exchange_dispatch(struct exchange *x, http_handler handler, void *ctx)
{
    if (handler) {
        handler(ctx, &x->req);
    } else {
        http_answer_text(&x->req, 404, SL("404 page not found\n"));
    }
}

static void
exchange_answer(struct exchange *x, const struct http_response *resp)
{
    if (x->proto_state) {
        x->ops->answer(x, resp);
    } else {
        bytes_unref(resp->body);
    }
    exchange_destroy(x);
}

void
http_answer(struct http_request *r, const struct http_response *resp)
{
    struct exchange *x = exchange_of(r);
    loop_assert_here(r->loop);
    struct http_response packed = *resp;
    gzip_answer(r, &x->arena, &packed);
    exchange_answer(x, &packed);
}

static void
answer_deferred(struct loop_msg *m)
{
    struct exchange *x = (struct exchange *)(void *)((char *)m - offsetof(struct exchange, msg));
    MUST(x->magic == EXCHANGE_MAGIC);
    exchange_answer(x, &x->deferred);
}

void
http_answer_later(struct http_request *r, const struct http_response *resp)
{
    struct exchange *x = exchange_of(r);
    struct http_response *d = &x->deferred;
    *d = *resp;
    d->content_type = arena_copy(&x->arena, resp->content_type);
    struct http_header *headers = arena_new_array(&x->arena, struct http_header, resp->header_count);
    for (size_t i = 0; i < resp->header_count; i++) {
        headers[i].name = arena_copy(&x->arena, resp->headers[i].name);
        headers[i].value = arena_copy(&x->arena, resp->headers[i].value);
    }
    d->headers = headers;
    gzip_answer(r, &x->arena, d); /* here, on the caller's thread: a loop has better things to do */
    x->msg.run = answer_deferred;
    loop_post(r->loop, &x->msg);
}

void
http_answer_text(struct http_request *r, int status, slice text)
{
    http_answer(r, &(struct http_response){
                       .status = status,
                       .content_type = SL("text/plain; charset=utf-8"),
                       .body = text.n ? bytes_copy(text) : NULL,
                   });
}

slice
http_header_get(const struct http_request *r, slice name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (slice_eq(r->headers[i].name, name)) {
            return r->headers[i].value;
        }
    }
    return SL_EMPTY;
}

size_t
http_header_count(const struct http_request *r, slice name)
{
    size_t count = 0;
    for (size_t i = 0; i < r->header_count; i++) {
        count += slice_eq(r->headers[i].name, name) ? 1 : 0;
    }
    return count;
}

void
http_limits_default(struct http_limits *l)
{
    *l = (struct http_limits){
        .body_max = (size_t)20 << 20, /* the collector's confighttp default */
        .header_bytes_max = (size_t)32 << 10,
        .header_count_max = 100,
        .connections_max = 16384,
        .streams_max = 100,
        .header_timeout_ms = 30000,
        .body_timeout_ms = 30000,
        .idle_timeout_ms = 120000,
    };
}
