/* Bytes from a client into an HTTP/2 session with a gRPC service and an HTTP handler behind it. The first
 * byte of the input chooses: bit 0 puts a valid preface and SETTINGS before the rest, bit 1 feeds byte by
 * byte, bit 2 makes the memory budget small, bit 3 leaves answers for later (bit 4: before the connection is
 * gone). */
#include "unit/net/h2_fake.h"

#include <stdlib.h>

static struct grpc_call *kept_calls[64];
static struct http_request *kept_requests[64];
static size_t call_count, request_count;
static bool late;

static void
finish(struct grpc_call *c)
{
    struct fault f = {0};
    struct bytes *m = NULL;
    err rc = grpc_call_message(c, &f, &m);
    if (rc != OK) {
        grpc_refuse_later(c, rc, &f);
        return;
    }
    grpc_send_later(c, m ? bytes_ref(m) : NULL);
    grpc_reply_later(c, bytes_copy(SL("more")));
}

static void
run(void *ctx, struct grpc_call *c)
{
    (void)ctx;
    if (late && call_count < 64) {
        kept_calls[call_count++] = c;
    } else {
        finish(c);
    }
}

static void
handle(void *ctx, struct http_request *r)
{
    (void)ctx;
    if (late && request_count < 64) {
        kept_requests[request_count++] = r;
    } else {
        http_answer(r, &(struct http_response){.status = 200, .body = r->body ? bytes_ref(r->body) : NULL});
    }
}

static const struct grpc_method methods[] = {{"E", run}};
static const struct grpc_service service = {"S", methods, 1};
static const struct grpc_service *const services[] = {&service, NULL};

static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

static void
answer_late(void)
{
    for (size_t i = 0; i < call_count; i++) {
        finish(kept_calls[i]);
    }
    for (size_t i = 0; i < request_count; i++) {
        http_answer_text(kept_requests[i], 200, SL("late"));
    }
    call_count = request_count = 0;
}

static void
feed(struct conn *c, slice in)
{
    if (!c->ended && in.n > 0) {
        proto_h2.feed(c->state, in);
        while (fake_loop_run(&c->loop) > 0) {
        }
        buf_clear(&c->out);
        proto_h2.writable(c->state);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t how = data[0];
    struct conn c;
    struct loop *loop = &c.loop;
    struct budget budget;
    budget_init(&budget, "fuzz", NULL, how & 4 ? 8192 : (size_t)64 << 20);
    fake_conn_init(&c, &loop);
    c.opt.budget = &budget;
    c.opt.grpc = services;
    c.opt.handler = handle;
    c.opt.grpc_message_max = 1 << 16;
    c.opt.limits.body_max = 1000;
    c.opt.keepalive.min_ping_interval_ms = 1000;
    late = how & 8;
    fake_conn_open(&c);
    if (how & 1) {
        feed(&c, slice_of(preface, sizeof(preface) - 1));
    }
    size_t step = how & 2 ? 1 : size;
    for (size_t at = 1; at < size; at += step) {
        feed(&c, slice_sub(slice_of(data, size), at, step));
    }
    for (int i = 0; i < 3 && !c.ended; i++) {
        c.now_ms += 20000;
        proto_h2.tick(c.state, c.now_ms);
    }
    bool before = how & 16;
    if (before) {
        answer_late();
    }
    proto_h2.close(c.state);
    c.state = NULL;
    answer_late();
    fake_conn_close(&c);
    MUST(budget_used(&budget) == 0);
    return 0;
}
