#include "client_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define RETRY_AFTER_NS  50000000u
#define ANSWER_LIMIT_NS 60000000000u /* a server silent for this long counts as gone */
#define OUT_FULL        (256u << 10)

struct load {
    struct load_options o;
    const struct client_protocol *protocol;
    struct load_stats *stats;
    struct conn *conns;
    uint32_t conn_count, inflight, alive, busy, next_conn;
    int epoll;
    bool drained;  /* next() has no more */
    bool have_due; /* `due` waits for its time or a free slot (open loop) */
    struct load_request due;
    uint64_t due_ns;
};

const struct load_options *
load_options_of(const struct load *l)
{
    return &l->o;
}

static void
note_error(struct load *l, const char *what, const char *detail)
{
    if (l->stats->first_error[0] == 0) {
        snprintf(l->stats->first_error, sizeof l->stats->first_error, "%s: %s", what, detail);
    }
}

static void
slot_finish(struct conn *c, struct slot *s, enum load_outcome outcome)
{
    struct load *l = c->load;
    struct load_stats *st = l->stats;
    switch (outcome) {
    case LOAD_ACKED:
        st->acked_requests++;
        st->acked_spans += s->request.spans;
        st->acked_bytes += s->request.n;
        hist_add(&st->latency, now_ns() - s->start_ns);
        break;
    case LOAD_REFUSED:
        st->refused_spans += s->request.spans;
        break;
    case LOAD_FAILED:
        st->failed_spans += s->request.spans;
        break;
    case LOAD_LOST:
        st->lost_spans += s->request.spans;
        break;
    }
    s->busy = false;
    c->busy--;
    l->busy--;
    if (l->o.done) {
        l->o.done(l->o.ctx, &s->request, outcome);
    }
}

void
slot_answered(struct conn *c, struct slot *s)
{
    struct load *l = c->load;
    if (s->status == l->protocol->ok) {
        slot_finish(c, s, LOAD_ACKED);
        return;
    }
    char what[48];
    snprintf(what, sizeof what, "status %d", s->status);
    note_error(l, what, s->message);
    if (!l->protocol->retryable(s->status)) {
        slot_finish(c, s, LOAD_FAILED);
        return;
    }
    l->stats->refusals++;
    uint64_t now = now_ns();
    if ((double)(now - s->start_ns) > l->o.retry_s * 1e9) {
        slot_finish(c, s, LOAD_REFUSED);
        return;
    }
    s->resend_ns = now + RETRY_AFTER_NS;
}

static void
conn_lose(struct conn *c, const char *why)
{
    struct load *l = c->load;
    if (c->dead) {
        return;
    }
    c->dead = true;
    l->alive--;
    note_error(l, "connection lost", why);
    l->protocol->close(c);
    close(c->fd);
    for (uint32_t i = 0; i < l->inflight; i++) {
        if (c->slots[i].busy) {
            slot_finish(c, &c->slots[i], LOAD_LOST);
        }
    }
}

static void
conn_flush(struct conn *c)
{
    for (;;) {
        if (c->out_at == c->out.n) {
            c->out.n = c->out_at = 0;
            if (!c->load->protocol->pump(c)) {
                conn_lose(c, "protocol error while sending");
                return;
            }
            if (c->out.n == 0) {
                break;
            }
        }
        ssize_t n = send(c->fd, c->out.p + c->out_at, c->out.n - c->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno != EAGAIN) {
            conn_lose(c, strerror(errno));
            return;
        }
        if (n < 0) {
            break;
        }
        c->out_at += (size_t)n;
    }
    bool want = c->out_at < c->out.n;
    if (want != c->want_write) {
        c->want_write = want;
        struct epoll_event ev = {.events = EPOLLIN | (want ? (uint32_t)EPOLLOUT : 0), .data.ptr = c};
        epoll_ctl(c->load->epoll, EPOLL_CTL_MOD, c->fd, &ev);
    }
}

static void
conn_read(struct conn *c)
{
    static uint8_t chunk[64 << 10];
    for (;;) {
        ssize_t n = recv(c->fd, chunk, sizeof chunk, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            conn_lose(c, n == 0 ? "closed by the server" : strerror(errno));
            return;
        }
        if (!c->load->protocol->receive(c, chunk, (size_t)n)) {
            conn_lose(c, "protocol error in the answer");
            return;
        }
        if ((size_t)n < sizeof chunk) {
            return;
        }
    }
}

static bool
conn_open(struct load *l, struct conn *c)
{
    *c = (struct conn){.load = l, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    c->slots = xalloc(l->inflight * sizeof *c->slots);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(l->o.port)};
    if (c->fd < 0 || inet_pton(AF_INET, l->o.host, &to.sin_addr) != 1 ||
        connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        note_error(l, "connect", strerror(errno));
        if (c->fd >= 0) {
            close(c->fd);
        }
        c->dead = true;
        return false;
    }
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    l->protocol->open(c);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev);
    l->alive++;
    return true;
}

static void
slot_submit(struct conn *c, struct slot *s)
{
    s->resend_ns = 0;
    s->sent = 0;
    s->status = ANSWER_UNKNOWN;
    s->answered = false;
    s->message[0] = 0;
    c->load->protocol->submit(c, s);
}

static bool
conn_start(struct conn *c, const struct load_request *r, uint64_t start_ns)
{
    for (uint32_t i = 0; i < c->load->inflight; i++) {
        struct slot *s = &c->slots[i];
        if (!s->busy) {
            *s = (struct slot){.request = *r, .start_ns = start_ns, .busy = true};
            c->busy++;
            c->load->busy++;
            slot_submit(c, s);
            return true;
        }
    }
    return false;
}

/* A living connection with a free slot, round robin; NULL when there is none. */
static struct conn *
conn_pick(struct load *l)
{
    for (uint32_t i = 0; i < l->conn_count; i++) {
        struct conn *c = &l->conns[l->next_conn++ % l->conn_count];
        if (!c->dead && c->busy < l->inflight) {
            return c;
        }
    }
    return NULL;
}

/* Start what may start now. Returns milliseconds until the next scheduled start, at most 10. */
static int
load_feed(struct load *l)
{
    while (!l->drained) {
        if (!l->have_due) {
            if (!l->o.next(l->o.ctx, &l->due)) {
                l->drained = true;
                break;
            }
            l->have_due = true;
            if (l->due_ns == 0) {
                l->due_ns = now_ns();
            }
        }
        uint64_t now = now_ns();
        bool open_loop = l->o.open_loop_spans_per_s > 0;
        if (open_loop && now < l->due_ns) {
            uint64_t ms = (l->due_ns - now) / 1000000u;
            return ms < 10 ? (int)ms : 10;
        }
        struct conn *c = conn_pick(l);
        if (!c) {
            break;
        }
        conn_start(c, &l->due, open_loop ? l->due_ns : now);
        l->have_due = false;
        if (open_loop) {
            l->due_ns += (uint64_t)(l->due.spans * 1e9 / l->o.open_loop_spans_per_s);
        }
        if (c->out.n - c->out_at < OUT_FULL) {
            conn_flush(c);
        }
    }
    return 10;
}

/* Send again what waits for it, and give up on what was never answered. */
static void
load_revisit(struct load *l)
{
    uint64_t now = now_ns();
    for (uint32_t i = 0; i < l->conn_count; i++) {
        struct conn *c = &l->conns[i];
        for (uint32_t k = 0; k < l->inflight && !c->dead; k++) {
            struct slot *s = &c->slots[k];
            if (s->busy && s->resend_ns && now >= s->resend_ns) {
                slot_submit(c, s);
                conn_flush(c);
            } else if (s->busy && !s->resend_ns && now > s->start_ns &&
                       (double)(now - s->start_ns) > (double)ANSWER_LIMIT_NS + l->o.retry_s * 1e9) {
                conn_lose(c, "no answer in 60 s");
            }
        }
    }
}

static void
load_poll(struct load *l, int wait_ms)
{
    struct epoll_event events[64];
    int n = epoll_wait(l->epoll, events, 64, wait_ms);
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;
        if (!c->dead && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            conn_read(c);
        }
        if (!c->dead) {
            conn_flush(c);
        }
    }
}

void
load_run(const struct load_options *o, struct load_stats *ret)
{
    struct load l = {.o = *o, .stats = ret};
    *ret = (struct load_stats){0};
    l.protocol = o->protocol == LOAD_GRPC ? &client_grpc : &client_http;
    l.inflight = o->protocol == LOAD_GRPC ? o->inflight : 1;
    l.conn_count = o->protocol == LOAD_GRPC ? o->connections : o->connections * o->inflight;
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.conns = xalloc(l.conn_count * sizeof *l.conns);
    for (uint32_t i = 0; i < l.conn_count; i++) {
        conn_open(&l, &l.conns[i]);
    }
    uint64_t start = now_ns(), asked = start;
    while (l.alive && !(l.drained && l.busy == 0)) {
        int wait_ms = load_feed(&l);
        load_poll(&l, wait_ms);
        uint64_t now = now_ns();
        if (now - asked > 10000000u) {
            asked = now;
            load_revisit(&l);
            if (o->stop && o->stop(o->ctx)) {
                break;
            }
        }
    }
    ret->seconds = (double)(now_ns() - start) / 1e9;
    for (uint32_t i = 0; i < l.conn_count; i++) {
        struct conn *c = &l.conns[i];
        if (!c->dead) {
            char kept[sizeof ret->first_error];
            memcpy(kept, ret->first_error, sizeof kept);
            conn_lose(c, "end of the run");
            memcpy(ret->first_error, kept, sizeof kept);
        }
        blob_free(&c->out);
        blob_free(&c->in);
        free(c->slots);
    }
    free(l.conns);
    close(l.epoll);
}
