/* A connection without a socket, for the tests and the fuzzer of HTTP/2 and gRPC: bytes in, bytes out, a
 * clock the test moves, and a mailbox that runs when asked. Include once per program: it defines conn_* and
 * loop_*. */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/base/buf.h"
#include "vivace/base/must.h"
#include "vivace/net/grpc.h"

#if __has_include("conn.h")
#include "conn.h" /* unit tests stand in the room */
#else
#include "net/conn.h" /* fuzz targets in src */
#endif

#include <pthread.h>

struct loop {
    pthread_mutex_t mu;
    pthread_t owner;
    struct loop_msg *head, **tail; /* guarded by mu */
};

struct conn {
    struct http_listener_options opt;
    struct loop loop;
    struct buf out; /* what the server wrote and the peer has not read */
    uint64_t now_ms;
    bool ended, flush, draining;
    void *state;
};

void
loop_post(struct loop *l, struct loop_msg *m)
{
    pthread_mutex_lock(&l->mu);
    m->next = NULL;
    *l->tail = m;
    l->tail = &m->next;
    pthread_mutex_unlock(&l->mu);
}

bool
loop_is_here(const struct loop *l)
{
    return pthread_equal(l->owner, pthread_self());
}

void
loop_assert_here(const struct loop *l)
{
    MUST(loop_is_here(l));
}

/* Run what was posted; how many. */
static inline int
fake_loop_run(struct loop *l)
{
    int count = 0;
    pthread_mutex_lock(&l->mu);
    struct loop_msg *m = l->head;
    l->head = NULL;
    l->tail = &l->head;
    pthread_mutex_unlock(&l->mu);
    while (m) {
        struct loop_msg *next = m->next;
        m->run(m);
        m = next;
        count++;
    }
    return count;
}

void
conn_write(struct conn *c, const void *p, size_t n)
{
    MUST(buf_append(&c->out, p, n) == OK);
}

void
conn_write_bytes(struct conn *c, struct bytes *b, size_t off, size_t n)
{
    MUST(off + n <= b->n);
    MUST(buf_append(&c->out, b->p + off, n) == OK);
}

size_t
conn_queued(const struct conn *c)
{
    return c->out.n;
}

void
conn_end(struct conn *c, bool flush)
{
    c->ended = true;
    c->flush = flush;
}

struct loop *
conn_loop(const struct conn *c)
{
    return c->opt.loops[0];
}

uint64_t
conn_now_ms(const struct conn *c)
{
    return c->now_ms;
}

const struct http_listener_options *
conn_options(const struct conn *c)
{
    return &c->opt;
}

bool
conn_is_tls(const struct conn *c)
{
    (void)c;
    return false;
}

slice
conn_peer(const struct conn *c)
{
    (void)c;
    return SL("127.0.0.1:9");
}

bool
conn_draining(const struct conn *c)
{
    return c->draining;
}

/* `loops` points to a pointer to c->loop that lives as long as `c`. */
static inline void
fake_conn_init(struct conn *c, struct loop *const *loops)
{
    memset(c, 0, sizeof(*c));
    pthread_mutex_init(&c->loop.mu, NULL);
    c->loop.owner = pthread_self();
    c->loop.tail = &c->loop.head;
    buf_init(&c->out, (size_t)256 << 20);
    c->now_ms = 1000000;
    http_limits_default(&c->opt.limits);
    c->opt.loops = loops;
    c->opt.loop_count = 1;
    c->opt.grpc_message_max = (size_t)4 << 20;
}

static inline void
fake_conn_open(struct conn *c)
{
    c->state = proto_h2.open(c);
    MUST(c->state);
}

static inline void
fake_conn_close(struct conn *c)
{
    if (c->state) {
        proto_h2.close(c->state);
        c->state = NULL;
    }
    while (fake_loop_run(&c->loop) > 0) {
    }
    buf_fini(&c->out);
    pthread_mutex_destroy(&c->loop.mu);
}
