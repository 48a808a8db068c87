#include "conn_priv.h"
#include "listen.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/base/metrics.h"
#include "vivace/base/must.h"
#include "vivace/base/mutex.h"
#include "vivace/runtime/watch.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_BATCH    64  /* connections taken per event, so that others get their turn */
#define ACCEPT_PAUSE_MS 100 /* without descriptors or memory: try again then */

/* The listener's part on one loop. */
struct listener_loop {
    struct http_listener *listener;
    struct conn_group group;
    int fd; /* until the watch has it */
    struct watch *watch;
    struct loop_timer *again; /* accepting paused */
    struct loop_msg start, drain, cut;
    bool cutting, finished;
};

struct http_listener {
    struct http_listener_options o; /* strings and the loop list are ours */
    int port;
    _Atomic size_t connections;
    _Atomic bool draining;
    struct series *accepted, *refused, *open;
    struct mutex mu;
    pthread_cond_t changed;
    size_t unfinished; /* loops not yet done; guarded by mu */
    struct listener_loop *parts;
};

static struct listener_loop *
part_of(struct loop_msg *m, size_t offset)
{
    return (struct listener_loop *)(void *)((char *)m - offset);
}

static void
listener_signal(struct http_listener *l)
{
    mutex_lock(&l->mu);
    pthread_cond_broadcast(&l->changed);
    mutex_unlock(&l->mu);
}

/* The last thing a loop does with a listener; it may be freed at any time after. */
static void
part_finish(struct listener_loop *p)
{
    struct http_listener *l = p->listener;
    if (!p->cutting || p->finished || p->group.count) {
        return;
    }
    p->finished = true;
    conn_group_fini(&p->group);
    loop_timer_destroy(p->again);
    mutex_lock(&l->mu);
    l->unfinished--;
    pthread_cond_broadcast(&l->changed);
    mutex_unlock(&l->mu);
}

static void
on_gone(struct conn_group *g)
{
    struct listener_loop *p =
        (struct listener_loop *)(void *)((char *)g - offsetof(struct listener_loop, group));
    struct http_listener *l = p->listener;
    series_gauge_add(l->open, -1);
    atomic_fetch_sub(&l->connections, 1);
    if (p->cutting) {
        part_finish(p);
    } else if (atomic_load(&l->draining)) {
        listener_signal(l);
    }
}

/* --- accepting
 * ----------------------------------------------------------------------------------------------- */

static void
on_accept_again(void *ctx)
{
    struct listener_loop *p = ctx;
    if (p->watch) {
        watch_set(p->watch, WATCH_READ);
    }
}

static void
accept_failed(struct listener_loop *p, int os_errno)
{
    LOG_LIMITED(LOG_WARN, 1, "accept failed, pausing", LOG_CSTR("listener", p->listener->o.name),
                LOG_CSTR("err", strerrordesc_np(os_errno)));
    watch_set(p->watch, 0);
    loop_timer_start(p->again, ACCEPT_PAUSE_MS, 0);
}

static void
on_accept(void *ctx, unsigned events)
{
    (void)events;
    struct listener_loop *p = ctx;
    struct http_listener *l = p->listener;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage sa = {0};
        socklen_t n = sizeof sa;
        int fd = accept4(watch_fd(p->watch), (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED) {
                continue;
            }
            if (errno != EAGAIN) {
                accept_failed(p, errno);
            }
            return;
        }
        if (atomic_fetch_add(&l->connections, 1) >= l->o.limits.connections_max) {
            atomic_fetch_sub(&l->connections, 1);
            series_add(l->refused, 1);
            (void)close(fd);
            continue;
        }
        series_add(l->accepted, 1);
        series_gauge_add(l->open, 1);
        char peer[64];
        listen_peer_name(&sa, peer, sizeof peer);
        conn_open(&p->group, fd, peer);
    }
}

static void
on_start(struct loop_msg *m)
{
    struct listener_loop *p = part_of(m, offsetof(struct listener_loop, start));
    conn_group_init(&p->group, &p->listener->o, p->listener->o.loops[p - p->listener->parts]);
    p->group.gone = on_gone;
    p->again = loop_timer_create(p->group.loop, on_accept_again, p);
    if (watch_create(p->group.loop, p->fd, on_accept, p, &p->watch) != OK) {
        LOG_E("cannot watch a listening socket", LOG_CSTR("listener", p->listener->o.name));
        (void)close(p->fd);
        return;
    }
    watch_set(p->watch, WATCH_READ);
}

static void
on_drain(struct loop_msg *m)
{
    struct listener_loop *p = part_of(m, offsetof(struct listener_loop, drain));
    watch_destroy(p->watch);
    p->watch = NULL;
    loop_timer_stop(p->again);
    conn_group_drain(&p->group);
    listener_signal(p->listener);
}

static void
on_cut(struct loop_msg *m)
{
    struct listener_loop *p = part_of(m, offsetof(struct listener_loop, cut));
    p->cutting = true;
    conn_group_cut(&p->group);
    part_finish(p);
}

/* --- life
 * ---------------------------------------------------------------------------------------------------- */

static char *
own_string(const char *s)
{
    return mem_strdup(s ? s : "");
}

static void
free_string(const char *s)
{
    union {
        const char *in;
        void *out;
    } own = {.in = s}; /* made by own_string */
    mem_free(own.out);
}

static void
listener_own_options(struct http_listener *l, const struct http_listener_options *o)
{
    l->o = *o;
    l->o.name = own_string(o->name);
    l->o.network = own_string(o->network);
    l->o.address = own_string(o->address);
    struct loop **loops = mem_new_array(struct loop *, o->loop_count);
    for (size_t i = 0; i < o->loop_count; i++) {
        loops[i] = o->loops[i];
    }
    l->o.loops = loops;
}

static void
listener_free(struct http_listener *l)
{
    free_string(l->o.name);
    free_string(l->o.network);
    free_string(l->o.address);
    union {
        struct loop *const *in;
        void *out;
    } loops = {.in = l->o.loops};
    mem_free(loops.out);
    mem_free(l->parts);
    pthread_cond_destroy(&l->changed);
    mutex_fini(&l->mu);
    mem_free(l);
}

static void
listener_metrics(struct http_listener *l)
{
    slice name = slice_cstr(l->o.name);
    l->open =
        metric_series1(metric_gauge("vivace_connections", "Open client connections.", "listener"), name);
    l->accepted = metric_series1(
        metric_counter("vivace_connections_accepted_total", "Client connections accepted.", "listener"),
        name);
    l->refused =
        metric_series1(metric_counter("vivace_connections_refused_total",
                                      "Client connections closed at once, over the limit.", "listener"),
                       name);
}

err
http_listen(const struct http_listener_options *o, struct fault *f, struct http_listener **ret)
{
    MUST(o->loop_count > 0);
    struct http_listener *l = mem_new(struct http_listener);
    listener_own_options(l, o);
    mutex_init(&l->mu, LOCK_MAILBOX);
    cond_init(&l->changed);
    int *fds = mem_new_array(int, o->loop_count);
    err rc = listen_open(l->o.network, l->o.address, o->loop_count, f, fds, &l->port);
    if (rc != OK) {
        mem_free(fds);
        listener_free(l);
        return rc;
    }
    listener_metrics(l);
    l->parts = mem_new_array(struct listener_loop, o->loop_count);
    l->unfinished = o->loop_count;
    for (size_t i = 0; i < o->loop_count; i++) {
        struct listener_loop *p = &l->parts[i];
        p->listener = l;
        p->fd = fds[i];
        p->start.run = on_start;
        p->drain.run = on_drain;
        p->cut.run = on_cut;
        loop_post(o->loops[i], &p->start);
    }
    mem_free(fds);
    *ret = l;
    return OK;
}

int
http_listener_port(const struct http_listener *l)
{
    return l->port;
}

size_t
http_listener_connections(const struct http_listener *l)
{
    return atomic_load(&l->connections);
}

void
http_listener_drain(struct http_listener *l)
{
    if (atomic_exchange(&l->draining, true)) {
        return;
    }
    if (strcmp(l->o.network, "unix") == 0 && l->o.address[0] != '@') {
        (void)unlink(l->o.address); /* as Go: the name goes with the listener */
    }
    for (size_t i = 0; i < l->o.loop_count; i++) {
        loop_post(l->o.loops[i], &l->parts[i].drain);
    }
}

void
http_listener_close(struct http_listener *l, uint64_t timeout_ms)
{
    for (size_t i = 0; i < l->o.loop_count; i++) {
        MUST(!loop_is_here(l->o.loops[i]));
    }
    http_listener_drain(l);
    mutex_lock(&l->mu);
    bool in_time = true;
    int64_t end = clock_mono_ns() + (int64_t)timeout_ms * NS_PER_MS;
    while (atomic_load(&l->connections) && in_time) {
        int64_t left = end - clock_mono_ns();
        in_time = left > 0 && mutex_wait(&l->mu, &l->changed, left);
    }
    mutex_unlock(&l->mu);
    for (size_t i = 0; i < l->o.loop_count; i++) {
        loop_post(l->o.loops[i], &l->parts[i].cut);
    }
    mutex_lock(&l->mu);
    while (l->unfinished) {
        (void)mutex_wait(&l->mu, &l->changed, -1);
    }
    mutex_unlock(&l->mu);
    listener_free(l);
}
