/* A connection without a socket, for protocols that know only net/conn.h: what they write is gathered in a
 * buffer. Defines the conn_* functions and the two loop functions an exchange needs, so the real ones are not
 * linked in. */
#pragma once

#include "../src/net/conn.h"

#include "vivace/base/budget.h"
#include "vivace/base/buf.h"
#include "vivace/base/must.h"
#include "vivace/net/http.h"

#include <stdlib.h>

struct conn {
    struct http_listener_options options;
    struct buf out;
    size_t held; /* pretend so many bytes wait in the send queue */
    bool paused, ending, cut, draining;
    uint64_t now_ms;
};

void
conn_write(struct conn *c, const void *p, size_t n)
{
    MUST(buf_append(&c->out, p, n) == OK);
}

void
conn_write_bytes(struct conn *c, struct bytes *b, size_t off, size_t n)
{
    MUST(off + n <= b->n);
    conn_write(c, b->p + off, n);
}

size_t
conn_queued(const struct conn *c)
{
    return c->held;
}

void
conn_pause(struct conn *c)
{
    c->paused = true;
}

void
conn_resume(struct conn *c)
{
    c->paused = false;
}

void
conn_end(struct conn *c, bool flush)
{
    if (flush) {
        c->ending = true;
    } else {
        c->cut = true;
    }
}

struct loop *
conn_loop(const struct conn *c)
{
    (void)c;
    return NULL;
}

uint64_t
conn_now_ms(const struct conn *c)
{
    return c->now_ms;
}

const struct http_listener_options *
conn_options(const struct conn *c)
{
    return &c->options;
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
    return SL("127.0.0.1:1");
}

err
conn_reserve(struct conn *c, size_t n)
{
    return c->options.budget ? budget_reserve(c->options.budget, n) : OK;
}

void
conn_release(struct conn *c, size_t n)
{
    if (c->options.budget) {
        budget_release(c->options.budget, n);
    }
}

bool
conn_draining(const struct conn *c)
{
    return c->draining;
}

void
loop_assert_here(const struct loop *l)
{
    (void)l;
}

void
loop_post(struct loop *l, struct loop_msg *m)
{
    (void)l;
    m->run(m);
}
