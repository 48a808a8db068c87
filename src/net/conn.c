#include "conn.h"

#include "conn_priv.h"
#include "outq.h"
#include "tls_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/runtime/watch.h"

#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONN_MAGIC     0x636f6e6eu
#define CONN_IOV_MAX   64
#define LINGER_MS      500 /* Go's closeWriteAndWait: time for the peer to read our last answer */
#define LINGER_BYTES   ((size_t)16 << 20) /* thrown away meanwhile, at most */
#define PREFACE        SL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
#define PREFACE_BYTES  24
#define PEER_BYTES_MAX 56

enum conn_phase {
    CONN_HELLO,     /* TLS listener, no byte yet */
    CONN_HANDSHAKE, /* TLS handshake under way */
    CONN_SNIFF,     /* HTTP/1.1 or HTTP/2? */
    CONN_SERVE,     /* a protocol has it */
    CONN_LINGER,    /* our side is closed; what comes is thrown away */
};

struct conn {
    uint32_t magic;
    enum conn_phase phase;
    struct conn_group *g;
    struct conn *prev, *next;
    struct watch *watch;
    const struct proto *proto;
    void *state;
    struct tls_session *tls;
    struct outq out;   /* to the socket */
    struct outq plain; /* TLS: not yet encrypted */
    struct loop_deferred flush;
    uint64_t since_ms;    /* accepted, then: lingering */
    uint64_t progress_ms; /* the peer last took bytes */
    size_t lingered;      /* bytes thrown away */
    uint8_t sniffed;      /* bytes in `sniff` */
    uint8_t sniff[PREFACE_BYTES];
    bool paused, want_write, above_low, ending, cut, eof, hangup;
    char peer[PEER_BYTES_MAX];
};

static void conn_flush(struct loop_deferred *d);
static void conn_tls_input(struct conn *c, slice in);

static void
conn_touch(struct conn *c)
{
    loop_defer(c->g->loop, &c->flush);
}

static void
conn_watch(struct conn *c)
{
    unsigned events = 0;
    if (!c->eof && ((!c->paused && !c->ending) || c->phase == CONN_LINGER)) {
        events |= WATCH_READ;
    } else if (!c->eof && !c->hangup) {
        events |= WATCH_HANGUP;
    }
    if (c->want_write) {
        events |= WATCH_WRITE;
    }
    watch_set(c->watch, events);
}

static void
conn_close_proto(struct conn *c)
{
    if (c->state) {
        void *state = c->state;
        c->state = NULL;
        c->proto->close(state);
    }
}

static void
conn_destroy(struct conn *c)
{
    struct conn_group *g = c->g;
    c->flush.queued = true; /* whatever is asked from here on goes nowhere */
    conn_close_proto(c);
    tls_session_destroy(c->tls);
    outq_fini(&c->out);
    outq_fini(&c->plain);
    watch_destroy(c->watch);
    if (c->prev) {
        c->prev->next = c->next;
    } else {
        g->first = c->next;
    }
    if (c->next) {
        c->next->prev = c->prev;
    }
    c->magic = 0;
    mem_free(c);
    if (--g->count == 0) {
        loop_timer_stop(g->tick);
    }
    g->gone(g);
}

/* --- reading
 * ------------------------------------------------------------------------------------------------ */

static void
conn_serve(struct conn *c, const struct proto *proto)
{
    c->phase = CONN_SERVE;
    c->proto = proto;
    c->state = proto->open(c);
    if (!c->state) {
        conn_end(c, false);
    }
}

static void
conn_feed(struct conn *c, slice in)
{
    if (in.n && c->state && !c->ending && !c->cut) {
        c->proto->feed(c->state, in);
    }
}

/* The first bytes: an HTTP/2 client with prior knowledge begins with the preface, and nobody else does. */
static void
conn_sniff(struct conn *c, slice in)
{
    size_t have = c->sniffed;
    size_t n = PREFACE_BYTES - have < in.n ? PREFACE_BYTES - have : in.n;
    memcpy(c->sniff + have, in.p, n);
    c->sniffed = (uint8_t)(have + n);
    bool same = memcmp(c->sniff, PREFACE.p, c->sniffed) == 0;
    if (same && c->sniffed < PREFACE_BYTES) {
        return;
    }
    if (!same && !c->g->options->allow_http1) {
        conn_end(c, false); /* nothing here speaks that */
        return;
    }
    conn_serve(c, same ? &proto_h2 : &proto_http1);
    conn_feed(c, slice_of(c->sniff, c->sniffed));
    conn_feed(c, slice_sub(in, n, in.n));
}

static void
conn_plain_input(struct conn *c, slice in)
{
    if (c->phase == CONN_SNIFF) {
        conn_sniff(c, in);
    } else {
        conn_feed(c, in);
    }
}

/* Before the first byte of a protocol: which ones may it be? */
static void
conn_choose(struct conn *c)
{
    const struct http_listener_options *o = c->g->options;
    if (o->allow_h2c) {
        c->phase = CONN_SNIFF;
    } else {
        conn_serve(c, &proto_http1);
    }
}

/* After the handshake: by ALPN; a client that offered none is taken as in cleartext. */
static void
conn_choose_alpn(struct conn *c)
{
    slice name = tls_session_alpn(c->tls);
    if (slice_eq(name, SL("h2"))) {
        conn_serve(c, &proto_h2);
    } else if (slice_eq(name, SL("http/1.1"))) {
        conn_serve(c, &proto_http1);
    } else {
        conn_choose(c);
    }
}

static void
conn_tls_decrypt(struct conn *c)
{
    while (!c->cut) {
        size_t n = 0;
        err rc = tls_session_read(c->tls, c->g->plain, CONN_PLAIN_BYTES, &n);
        if (rc == ERR_AGAIN) {
            return;
        }
        if (rc != OK) {
            conn_end(c, false);
            return;
        }
        if (n == 0) { /* close_notify */
            c->eof = true;
            if (c->state && c->proto->eof && !c->ending) {
                c->proto->eof(c->state, true);
            } else if (!c->ending) {
                conn_end(c, false);
            }
            return;
        }
        conn_plain_input(c, slice_of(c->g->plain, n));
    }
}

static void
conn_tls_input(struct conn *c, slice in)
{
    if (c->phase == CONN_HELLO) {
        if (in.p[0] >= 'A' && in.p[0] <= 'Z') { /* no TLS record begins so: Go's answer, word for word */
            slice text =
                SL("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
            outq_copy(&c->out, text.p, text.n);
            c->progress_ms = conn_now_ms(c);
            tls_session_destroy(c->tls);
            c->tls = NULL;
            conn_end(c, true);
            return;
        }
        c->phase = CONN_HANDSHAKE;
    }
    tls_session_input(c->tls, in);
    if (c->phase == CONN_HANDSHAKE) {
        err rc = tls_session_handshake(c->tls);
        if (c->out.n) {
            c->progress_ms = conn_now_ms(c);
            conn_touch(c);
        }
        if (rc == ERR_AGAIN) {
            return;
        }
        if (rc != OK) {
            conn_end(c, true); /* the alert is on its way */
            return;
        }
        conn_choose_alpn(c);
    }
    conn_tls_decrypt(c);
    if (c->out.n) {
        conn_touch(c);
    }
}

static void
conn_eof(struct conn *c)
{
    c->eof = true;
    if (c->phase == CONN_SERVE && c->state && c->proto->eof) {
        if (!c->ending) {
            c->proto->eof(c->state, true);
        }
    } else {
        conn_end(c, false);
    }
}

static void
conn_read(struct conn *c)
{
    uint8_t *p = loop_buffer(c->g->loop);
    ssize_t n = recv(watch_fd(c->watch), p, LOOP_BUFFER_BYTES, 0);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            conn_end(c, false);
        }
        return;
    }
    if (n == 0) {
        conn_eof(c);
    } else if (c->phase == CONN_LINGER) {
        c->lingered += (size_t)n;
        if (c->lingered > LINGER_BYTES) {
            conn_end(c, false);
        }
    } else if (c->tls) {
        conn_tls_input(c, slice_of(p, (size_t)n));
    } else {
        conn_plain_input(c, slice_of(p, (size_t)n));
    }
}

static void
on_event(void *ctx, unsigned events)
{
    struct conn *c = ctx;
    MUST(c->magic == CONN_MAGIC);
    if ((events & WATCH_HANGUP) && !c->hangup) {
        c->hangup = true; /* unread bytes may stand before the end */
        if (c->state && c->proto->eof) {
            c->proto->eof(c->state, false);
        }
    }
    if ((events & WATCH_READ) && !c->cut) {
        conn_read(c);
    }
    if (events & WATCH_WRITE) {
        conn_touch(c);
    }
    conn_watch(c);
}

/* --- writing
 * ------------------------------------------------------------------------------------------------ */

/* Encrypt what the socket may soon take; a big body stays as it is until then. */
static err
conn_encrypt(struct conn *c)
{
    while (c->plain.n && c->out.n < CONN_LOW_WATER) {
        struct iovec part;
        (void)outq_peek(&c->plain, &part, 1);
        size_t n = part.iov_len < CONN_PLAIN_BYTES ? part.iov_len : CONN_PLAIN_BYTES;
        if (tls_session_write(c->tls, slice_of(part.iov_base, n)) != OK) {
            return ERR_IO;
        }
        outq_consume(&c->plain, n);
    }
    return OK;
}

/* Give the kernel what it takes. ERR_AGAIN when it is full, ERR_IO when the peer is gone. */
static err
conn_send(struct conn *c)
{
    while (true) {
        if (c->tls && conn_encrypt(c) != OK) {
            return ERR_IO;
        }
        if (c->out.n == 0) {
            return OK;
        }
        struct iovec iov[CONN_IOV_MAX];
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)outq_peek(&c->out, iov, CONN_IOV_MAX)};
        ssize_t n = sendmsg(watch_fd(c->watch), &msg, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno == EAGAIN ? ERR_AGAIN : ERR_IO;
        }
        c->progress_ms = conn_now_ms(c);
        outq_consume(&c->out, (size_t)n);
    }
}

/* All is sent: close our side, and give the peer time to read before a reset can overtake our answer. */
static void
conn_finish(struct conn *c)
{
    conn_close_proto(c);
    if (c->tls && c->phase == CONN_SERVE) {
        tls_session_shutdown(c->tls);
        (void)conn_send(c);
    }
    int unread = 0;
    (void)ioctl(watch_fd(c->watch), FIONREAD, &unread);
    bool quick = c->eof || (c->g->draining && unread == 0);
    if (quick || shutdown(watch_fd(c->watch), SHUT_WR) != 0) {
        conn_destroy(c);
        return;
    }
    c->phase = CONN_LINGER;
    c->since_ms = conn_now_ms(c);
    c->want_write = false;
    conn_watch(c);
}

static void
conn_flush(struct loop_deferred *d)
{
    struct conn *c = (struct conn *)(void *)((char *)d - offsetof(struct conn, flush));
    MUST(c->magic == CONN_MAGIC);
    if (c->cut) {
        conn_destroy(c);
        return;
    }
    err rc = conn_send(c);
    if (rc == ERR_IO) {
        conn_destroy(c);
        return;
    }
    c->want_write = rc == ERR_AGAIN;
    size_t queued = conn_queued(c);
    if (c->above_low && queued < CONN_LOW_WATER) {
        c->above_low = false;
        if (c->state && !c->ending) {
            c->proto->writable(c->state);
        }
    }
    if (c->ending && conn_queued(c) == 0 && c->phase != CONN_LINGER) {
        conn_finish(c);
        return;
    }
    conn_watch(c);
}

static void
conn_wrote(struct conn *c, size_t before)
{
    if (before == 0) {
        c->progress_ms = conn_now_ms(c);
    }
    c->above_low = c->above_low || conn_queued(c) >= CONN_LOW_WATER;
    conn_touch(c);
}

void
conn_write(struct conn *c, const void *p, size_t n)
{
    if (c->cut || n == 0) {
        return;
    }
    size_t before = conn_queued(c);
    outq_copy(c->tls ? &c->plain : &c->out, p, n);
    conn_wrote(c, before);
}

void
conn_write_bytes(struct conn *c, struct bytes *b, size_t off, size_t n)
{
    if (c->cut || n == 0) {
        return;
    }
    size_t before = conn_queued(c);
    outq_ref(c->tls ? &c->plain : &c->out, b, off, n);
    conn_wrote(c, before);
}

size_t
conn_queued(const struct conn *c)
{
    return c->out.n + c->plain.n;
}

/* --- the rest of the seam
 * ----------------------------------------------------------------------------------- */

void
conn_pause(struct conn *c)
{
    if (!c->paused) {
        c->paused = true;
        conn_watch(c);
    }
}

void
conn_resume(struct conn *c)
{
    if (c->paused) {
        c->paused = false;
        conn_watch(c);
    }
}

void
conn_end(struct conn *c, bool flush)
{
    if (flush) {
        c->ending = true;
    } else {
        c->cut = true;
    }
    conn_touch(c);
}

struct loop *
conn_loop(const struct conn *c)
{
    return c->g->loop;
}

uint64_t
conn_now_ms(const struct conn *c)
{
    return loop_now_ms(c->g->loop);
}

const struct http_listener_options *
conn_options(const struct conn *c)
{
    return c->g->options;
}

bool
conn_is_tls(const struct conn *c)
{
    return c->tls != NULL;
}

slice
conn_peer(const struct conn *c)
{
    return slice_cstr(c->peer);
}

err
conn_reserve(struct conn *c, size_t n)
{
    struct budget *b = c->g->options->budget;
    return b ? budget_reserve(b, n) : OK;
}

void
conn_release(struct conn *c, size_t n)
{
    struct budget *b = c->g->options->budget;
    if (b) {
        budget_release(b, n);
    }
}

bool
conn_draining(const struct conn *c)
{
    return c->g->draining;
}

/* --- the group
 * ---------------------------------------------------------------------------------------------- */

static bool
passed(uint64_t now, uint64_t since, uint64_t timeout)
{
    return timeout && now - since >= timeout;
}

static void
conn_tick(struct conn *c, uint64_t now)
{
    const struct http_limits *l = &c->g->options->limits;
    bool late = false;
    switch (c->phase) {
    case CONN_HELLO:
    case CONN_HANDSHAKE:
        late = passed(now, c->since_ms, l->header_timeout_ms ? l->header_timeout_ms : l->idle_timeout_ms);
        break;
    case CONN_SNIFF:
        late = passed(now, c->since_ms,
                      c->sniffed && l->header_timeout_ms ? l->header_timeout_ms : l->idle_timeout_ms);
        break;
    case CONN_SERVE:
        if (c->state && !c->ending) {
            c->proto->tick(c->state, now);
        }
        break;
    case CONN_LINGER:
        late = passed(now, c->since_ms, LINGER_MS);
        break;
    }
    if (conn_queued(c) && passed(now, c->progress_ms, l->body_timeout_ms)) {
        late = true; /* the peer does not read */
    }
    if (late) {
        conn_end(c, false);
    }
}

static void
on_tick(void *ctx)
{
    struct conn_group *g = ctx;
    uint64_t now = loop_now_ms(g->loop);
    /* Connections die in deferred work only, never during this walk. */
    for (struct conn *c = g->first; c; c = c->next) {
        conn_tick(c, now);
    }
}

void
conn_group_init(struct conn_group *g, const struct http_listener_options *o, struct loop *loop)
{
    g->options = o;
    g->loop = loop;
    g->tick = loop_timer_create(loop, on_tick, g);
    /* A second, or a quarter of a shorter timeout. */
    const uint64_t timeouts[] = {o->limits.header_timeout_ms, o->limits.body_timeout_ms,
                                 o->limits.idle_timeout_ms, o->keepalive.time_ms, o->keepalive.timeout_ms};
    g->tick_ms = 1000;
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        uint64_t quarter = timeouts[i] / 4 < 10 ? 10 : timeouts[i] / 4;
        if (timeouts[i] && quarter < g->tick_ms) {
            g->tick_ms = quarter;
        }
    }
    if (o->tls) {
        g->plain = mem_alloc(CONN_PLAIN_BYTES);
    }
}

void
conn_group_fini(struct conn_group *g)
{
    MUST(g->count == 0);
    loop_timer_destroy(g->tick);
    mem_free(g->plain);
}

void
conn_open(struct conn_group *g, int fd, const char *peer)
{
    loop_assert_here(g->loop);
    struct conn *c = mem_new(struct conn);
    c->magic = CONN_MAGIC;
    c->g = g;
    c->flush.run = conn_flush;
    c->since_ms = loop_now_ms(g->loop);
    (void)snprintf(c->peer, sizeof c->peer, "%s", peer);
    if (watch_create(g->loop, fd, on_event, c, &c->watch) != OK) {
        (void)close(fd);
        mem_free(c);
        g->gone(g);
        return;
    }
    c->next = g->first;
    if (g->first) {
        g->first->prev = c;
    }
    g->first = c;
    if (g->count++ == 0) {
        loop_timer_start(g->tick, g->tick_ms, g->tick_ms);
    }
    if (g->options->tls) {
        c->phase = CONN_HELLO;
        c->tls = tls_session_create(g->options->tls, &c->out);
        if (!c->tls) {
            conn_end(c, false);
        }
    } else {
        conn_choose(c);
    }
    conn_watch(c);
}

void
conn_group_drain(struct conn_group *g)
{
    g->draining = true;
    for (struct conn *c = g->first; c; c = c->next) {
        if (c->phase != CONN_SERVE) {
            conn_end(c, false);
        } else if (c->state && !c->ending) {
            c->proto->drain(c->state);
        }
    }
}

void
conn_group_cut(struct conn_group *g)
{
    for (struct conn *c = g->first; c; c = c->next) {
        conn_end(c, false);
    }
}
