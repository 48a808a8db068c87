/* A blocking client over raw sockets, and a server of our own to talk to: net's end-to-end tests. */
#pragma once

#include "test.h"

#include "vivace/net/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LOOPS 2

struct server {
    struct loop *loops[LOOPS];
    struct http_listener *listener;
    struct http_listener_options o;
    struct budget budget;
    _Atomic int requests, cancelled;
    pthread_mutex_t gate; /* held by a test to keep /later waiting */
};

struct later {
    struct server *s;
    struct http_request *r;
};

static void *
answer_from_a_thread(void *arg)
{
    struct later *l = arg;
    pthread_mutex_lock(&l->s->gate);
    pthread_mutex_unlock(&l->s->gate);
    if (atomic_load(&l->r->cancelled)) {
        atomic_fetch_add(&l->s->cancelled, 1);
    }
    http_answer_later(l->r, &(struct http_response){.status = 200, .body = bytes_copy(SL("later"))});
    free(l);
    return NULL;
}

/* /big: 8 MiB; /later: answered from another thread; else "METHOD path body-length peer". */
static void
server_handle(void *ctx, struct http_request *r)
{
    struct server *s = ctx;
    atomic_fetch_add(&s->requests, 1);
    if (slice_eq(r->path, SL("/later"))) {
        struct later *l = calloc(1, sizeof *l);
        *l = (struct later){.s = s, .r = r};
        pthread_t id;
        pthread_create(&id, NULL, answer_from_a_thread, l);
        pthread_detach(id);
    } else if (slice_eq(r->path, SL("/big"))) {
        struct bytes *b = bytes_create((size_t)8 << 20);
        memset(b->p, 'b', b->n);
        http_answer(r, &(struct http_response){.status = 200, .body = b});
    } else {
        char text[256];
        int n = snprintf(text, sizeof text, "%.*s %.*s %zu%s %s tls=%d", SL_FMT(r->method), SL_FMT(r->path),
                         r->body ? r->body->n : 0, r->body_too_large ? " too large" : "",
                         slice_eq(r->peer, SL("unix")) ? "unix" : "tcp", r->tls);
        http_answer_text(r, r->body_too_large ? 413 : 200, slice_of(text, (size_t)n));
    }
}

static void
server_init(struct server *s)
{
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->gate, NULL);
    budget_init(&s->budget, "test", NULL, (size_t)64 << 20);
    for (int i = 0; i < LOOPS; i++) {
        s->loops[i] = loop_create("test");
        assert_int_equal(loop_start(s->loops[i]), OK);
    }
    s->o = (struct http_listener_options){.name = "test",
                                          .network = "tcp",
                                          .address = "127.0.0.1:0",
                                          .loops = s->loops,
                                          .loop_count = LOOPS,
                                          .allow_http1 = true,
                                          .allow_h2c = true,
                                          .keep_alive = true,
                                          .budget = &s->budget,
                                          .handler = server_handle,
                                          .handler_ctx = s};
    http_limits_default(&s->o.limits);
    s->o.limits.body_max = (size_t)1 << 20;
}

static int
server_listen(struct server *s)
{
    struct fault f = {0};
    assert_ok(http_listen(&s->o, &f, &s->listener), &f);
    return http_listener_port(s->listener);
}

static void
server_fini(struct server *s)
{
    http_listener_close(s->listener, 1000);
    for (int i = 0; i < LOOPS; i++) {
        loop_stop(s->loops[i]);
        loop_join(s->loops[i]);
    }
    assert_int_equal(budget_used(&s->budget), 0);
    pthread_mutex_destroy(&s->gate);
}

static int
client_connect(int port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval tv = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
        fail_msg("connect: %s", strerror(errno));
    }
    return fd;
}

static void
client_send(int fd, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), n);
}

/* Until `needle` came `count` times, or the end. A static, NUL-terminated buffer. */
static const char *
client_read(int fd, const char *needle, int count)
{
    static char text[1 << 16];
    size_t n = 0;
    text[0] = 0;
    while (n < sizeof text - 1) {
        int seen = 0;
        for (const char *at = text; needle && (at = strstr(at, needle)) != NULL; at++) {
            seen++;
        }
        if (needle && seen >= count) {
            break;
        }
        ssize_t got = recv(fd, text + n, sizeof text - 1 - n, 0);
        if (got < 0 && errno == EAGAIN) {
            fail_msg("no answer in time; so far: %s", text);
        }
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
        text[n] = 0;
    }
    return text;
}

static const char *
client_read_all(int fd)
{
    const char *text = client_read(fd, NULL, 0);
    close(fd);
    return text;
}

#define assert_contains(text, part)                                                                          \
    do {                                                                                                     \
        const char *assert_text = (text);                                                                    \
        if (!strstr(assert_text, (part))) {                                                                  \
            fail_msg("%s:%d: no '%s' in: %s", __FILE__, __LINE__, (part), assert_text);                      \
        }                                                                                                    \
    } while (0)
