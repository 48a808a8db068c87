/* The HTTP/1.x connection: parser, chunks, state machine. The same bytes, whole and in pieces chosen by the
 * first input byte, with answers at once and put off, must give the same answers; no byte of budget may be
 * kept. */
#include "fake_conn.h"

#include "vivace/base/clock.h"
#include "vivace/base/rng.h"

static struct http_request *waiting;
static bool put_off;

static void
answer(struct http_request *r)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_append_slice(&b, r->method);
    buf_append_slice(&b, r->path);
    buf_append_slice(&b, r->query);
    for (size_t i = 0; i < r->header_count; i++) {
        buf_append_slice(&b, r->headers[i].name);
        buf_append_slice(&b, r->headers[i].value);
    }
    buf_append_u64(&b, r->body_too_large ? 1 : 0);
    buf_append_slice(&b, bytes_slice(r->body));
    MUST(!b.failed);
    http_answer(r,
                &(struct http_response){.status = 200, .body = bytes_take(&b), .close = r->body_too_large});
}

static void
handle(void *ctx, struct http_request *r)
{
    (void)ctx;
    MUST(waiting == NULL);
    if (put_off) {
        waiting = r;
    } else {
        answer(r);
    }
}

/* What comes out for `in`; seed 0: in one piece, answered at once. */
static void
run(slice in, uint64_t seed, struct buf *ret)
{
    struct budget budget;
    budget_init(&budget, "fuzz", NULL, 8 << 20);
    struct conn c = {
        .options = {.name = "fuzz",
                    .allow_http1 = true,
                    .keep_alive = true,
                    .handler = handle,
                    .budget = &budget,
                    .limits = {.body_max = 300, .header_bytes_max = 512, .header_count_max = 10}}};
    buf_init(&c.out, 16 << 20);
    struct rng rng;
    rng_seed(&rng, seed);
    void *h = proto_http1.open(&c);
    put_off = seed & 1;
    while (in.n && !c.ending && !c.cut) {
        size_t n = seed ? 1 + rng_below(&rng, 40) : in.n;
        slice piece = slice_sub(in, 0, n);
        in = slice_sub(in, piece.n, in.n);
        proto_http1.feed(h, piece);
        while (waiting) {
            struct http_request *r = waiting;
            waiting = NULL;
            answer(r);
        }
    }
    MUST(!c.cut);
    proto_http1.eof(h, true);
    MUST(c.ending);
    proto_http1.close(h);
    MUST(budget_used(&budget) == 0);
    *ret = c.out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536) {
        return 0;
    }
    clock_fake(0, 1);
    slice in = slice_of(data + 1, size - 1);
    struct buf whole, pieces;
    run(in, 0, &whole);
    run(in, data[0] + 1U, &pieces);
    if (slice_find(buf_slice(&whole), SL("100 Continue")) == SIZE_MAX &&
        slice_find(buf_slice(&pieces), SL("100 Continue")) == SIZE_MAX) { /* that depends on the pieces */
        MUST(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    }
    buf_fini(&whole);
    buf_fini(&pieces);
    return 0;
}
