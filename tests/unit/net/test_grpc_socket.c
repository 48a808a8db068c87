/* gRPC over a real listener and sockets, answered by workers: order, cancellation, drain. */
#include "test.h"

#include "vivace/net/grpc.h"
#include "vivace/runtime/loop.h"
#include "vivace/runtime/pool.h"

#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CALLS 50

struct job {
    struct pool_job job;
    struct grpc_call *call;
};

static struct pool *pool;
static atomic_int cancelled, slow_running;

/* Three messages: the request's, and twice its length in x. */
static void
echo_work(struct pool_job *j)
{
    struct job *job = (struct job *)(void *)j;
    struct grpc_call *c = job->call;
    free(job);
    struct fault f = {0};
    struct bytes *m = NULL;
    err rc = grpc_call_message(c, &f, &m);
    if (rc != OK) {
        grpc_refuse_later(c, rc, &f);
        return;
    }
    for (int i = 0; i < 2; i++) {
        grpc_send_later(c, bytes_ref(m));
    }
    grpc_reply_later(c, bytes_ref(m));
}

/* Until cancelled, or 5 s. */
static void
slow_work(struct pool_job *j)
{
    struct job *job = (struct job *)(void *)j;
    atomic_fetch_add(&slow_running, 1);
    for (int i = 0; i < 500 && !job->call->cancelled; i++) {
        usleep(10000);
    }
    atomic_fetch_add(&cancelled, job->call->cancelled ? 1 : 0);
    grpc_finish_later(job->call, GRPC_OK, SL_EMPTY, SL_EMPTY);
    free(job);
}

static void
submit(struct grpc_call *c, void (*run)(struct pool_job *j))
{
    struct job *job = calloc(1, sizeof(*job));
    job->job.run = run;
    job->call = c;
    if (pool_submit(pool, &job->job) != OK) {
        grpc_finish_later(c, GRPC_RESOURCE_EXHAUSTED, SL("busy"), SL_EMPTY);
        free(job);
    }
}

static void
run_echo(void *ctx, struct grpc_call *c)
{
    (void)ctx;
    submit(c, echo_work);
}

static void
run_slow(void *ctx, struct grpc_call *c)
{
    (void)ctx;
    submit(c, slow_work);
}

static const struct grpc_method methods[] = {{"Echo", run_echo}, {"Slow", run_slow}};
static const struct grpc_service service = {"S", methods, 2};
static const struct grpc_service *const services[] = {&service, NULL};

struct server {
    struct loop *loop;
    struct loop *loops[1];
    struct budget budget;
    struct http_listener *listener;
};

static void
server_start(struct server *s)
{
    pool = pool_create("test", 3, 1000);
    s->loop = loop_create("test");
    assert_int_equal(loop_start(s->loop), OK);
    s->loops[0] = s->loop;
    budget_init(&s->budget, "test", NULL, (size_t)64 << 20);
    struct http_listener_options o = {.name = "grpc",
                                      .network = "tcp",
                                      .address = "127.0.0.1:0",
                                      .loops = s->loops,
                                      .loop_count = 1,
                                      .allow_h2c = true,
                                      .keep_alive = true,
                                      .budget = &s->budget,
                                      .grpc = services,
                                      .grpc_message_max = (size_t)4 << 20};
    http_limits_default(&o.limits);
    struct fault f = {0};
    assert_ok(http_listen(&o, &f, &s->listener), &f);
}

static void
server_stop(struct server *s)
{
    http_listener_drain(s->listener);
    http_listener_close(s->listener, 5000);
    pool_destroy(pool);
    loop_stop(s->loop);
    loop_join(s->loop);
    assert_int_equal(budget_used(&s->budget), 0);
}

struct peer {
    int fd;
    nghttp2_session *session;
    int closed, ok, goaways;
    size_t bytes;
    slice body;
    size_t sent[2 * CALLS + 3];
};

static int
on_close(nghttp2_session *n, int32_t id, uint32_t code, void *user)
{
    (void)n;
    (void)id;
    (void)code;
    ((struct peer *)user)->closed++;
    return 0;
}

static int
on_header(nghttp2_session *n, const nghttp2_frame *f, const uint8_t *name, size_t nn, const uint8_t *v,
          size_t vn, uint8_t flags, void *user)
{
    (void)n;
    (void)f;
    (void)flags;
    if (nn == 11 && memcmp(name, "grpc-status", 11) == 0 && vn == 1 && v[0] == '0') {
        ((struct peer *)user)->ok++;
    }
    return 0;
}

static int
on_data(nghttp2_session *n, uint8_t flags, int32_t id, const uint8_t *p, size_t k, void *user)
{
    (void)n;
    (void)flags;
    (void)id;
    (void)p;
    ((struct peer *)user)->bytes += k;
    return 0;
}

static int
on_frame(nghttp2_session *n, const nghttp2_frame *f, void *user)
{
    (void)n;
    ((struct peer *)user)->goaways += f->hd.type == NGHTTP2_GOAWAY;
    return 0;
}

static ssize_t
on_read(nghttp2_session *n, int32_t id, uint8_t *to, size_t len, uint32_t *flags, nghttp2_data_source *src,
        void *user)
{
    (void)n;
    (void)src;
    struct peer *p = user;
    slice left = slice_sub(p->body, p->sent[id], len);
    memcpy(to, left.p, left.n);
    p->sent[id] += left.n;
    if (p->sent[id] == p->body.n) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)left.n;
}

static void
peer_open(struct peer *p, struct server *s)
{
    *p = (struct peer){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_listener_port(s->listener)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(p->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    struct timeval wait = {.tv_sec = 10};
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    nghttp2_session_callbacks *cb;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_client_new(&p->session, cb, p);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(p->session, 0, NULL, 0);
}

static void
peer_close(struct peer *p)
{
    nghttp2_session_del(p->session);
    close(p->fd);
}

#define NV(n, v)                                                                                             \
    {                                                                                                        \
        (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), sizeof(n) - 1, strlen(v), 0                    \
    }

static void
peer_call(struct peer *p, const char *path)
{
    nghttp2_nv nv[] = {NV(":method", "POST"), NV(":scheme", "http"), NV(":path", path), NV(":authority", "a"),
                       NV("content-type", "application/grpc")};
    nghttp2_data_provider dp = {.read_callback = on_read};
    assert_true(nghttp2_submit_request(p->session, NULL, nv, 5, &dp, NULL) > 0);
}

static void
peer_send(struct peer *p)
{
    const uint8_t *out;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(p->session, &out)) > 0) {
        assert_int_equal(send(p->fd, out, (size_t)n, MSG_NOSIGNAL), n);
    }
}

/* Until `closed` streams are done or the server hangs up. */
static void
peer_go(struct peer *p, int closed)
{
    uint8_t in[65536];
    peer_send(p);
    while (p->closed < closed) {
        ssize_t n = recv(p->fd, in, sizeof(in), 0);
        if (n <= 0) {
            return;
        }
        assert_int_equal(nghttp2_session_mem_recv(p->session, in, (size_t)n), n);
        peer_send(p);
    }
}

static slice
body_of(struct bytes **ret, uint32_t n)
{
    struct bytes *b = bytes_create(n + 5);
    memset(b->p, 'b', b->n);
    const uint8_t prefix[5] = {0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
    memcpy(b->p, prefix, 5);
    *ret = b;
    return bytes_slice(b);
}

static void
workers_answer_calls_of_every_size(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    const uint32_t sizes[] = {1, 1000, 100000, 4 << 20};
    for (size_t i = 0; i < 4; i++) {
        int calls = sizes[i] > 1 << 20 ? 2 : CALLS;
        struct peer p;
        peer_open(&p, &s);
        struct bytes *b;
        p.body = body_of(&b, sizes[i]);
        for (int k = 0; k < calls; k++) {
            peer_call(&p, "/S/Echo");
        }
        peer_go(&p, calls);
        assert_int_equal(p.ok, calls);
        assert_int_equal(p.bytes, (size_t)calls * 3 * p.body.n);
        peer_close(&p);
        bytes_unref(b);
    }
    server_stop(&s);
}

static void
a_client_that_leaves_stops_the_work(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    atomic_store(&cancelled, 0);
    atomic_store(&slow_running, 0);
    struct peer p;
    peer_open(&p, &s);
    struct bytes *b;
    p.body = body_of(&b, 1);
    peer_call(&p, "/S/Slow");
    peer_call(&p, "/S/Slow");
    peer_send(&p);
    while (atomic_load(&slow_running) < 2) {
        usleep(1000);
    }
    peer_close(&p);
    bytes_unref(b);
    server_stop(&s);
    assert_int_equal(atomic_load(&cancelled), 2);
}

static void
drain_lets_a_running_call_finish(void **state)
{
    (void)state;
    struct server s;
    server_start(&s);
    struct peer p;
    peer_open(&p, &s);
    struct bytes *b;
    p.body = body_of(&b, 1000);
    for (int k = 0; k < CALLS; k++) {
        peer_call(&p, "/S/Echo");
    }
    peer_go(&p, 1);
    http_listener_drain(s.listener);
    peer_go(&p, CALLS);
    assert_int_equal(p.ok, CALLS);
    peer_go(&p, CALLS + 1); /* nothing more, and the server hangs up */
    assert_true(p.goaways >= 1);
    peer_close(&p);
    bytes_unref(b);
    server_stop(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_answer_calls_of_every_size),
        cmocka_unit_test(a_client_that_leaves_stops_the_work),
        cmocka_unit_test(drain_lets_a_running_call_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
