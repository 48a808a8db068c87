#include "vivace/net/udp.h"

#include "listen.h"

#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/base/metrics.h"
#include "vivace/base/mutex.h"
#include "vivace/runtime/watch.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

struct udp_socket {
    struct udp_options o;
    struct watch *watch;
    struct series *received;
    struct loop_msg start, stop;
    struct mutex mu;
    pthread_cond_t changed;
    bool stopped;          /* guarded by mu */
    uint32_t kernel_drops; /* the socket's own count, as last seen; it wraps */
    int fd, port;
};

static struct metric *
drops(void)
{
    return metric_counter("vivace_udp_dropped_datagrams_total", "Datagrams lost, by the reason.",
                          "listener,reason");
}

void
udp_count_drop(const char *name, slice reason)
{
    series_add(metric_series2(drops(), slice_cstr(name), reason), 1);
}

/* How many the kernel has dropped so far, when the datagram tells. */
static void
kernel_drops_look(struct udp_socket *u, struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        uint32_t now;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL ||
            c->cmsg_len < CMSG_LEN(sizeof now)) {
            continue;
        }
        memcpy(&now, CMSG_DATA(c), sizeof now);
        series_add(metric_series2(drops(), slice_cstr(u->o.name), SL("kernel")), now - u->kernel_drops);
        u->kernel_drops = now;
    }
}

/* False when there is nothing more to read. */
static bool
datagram_read(struct udp_socket *u)
{
    uint8_t *buffer = loop_buffer(u->o.loop);
    union {
        struct cmsghdr head;
        uint8_t bytes[CMSG_SPACE(sizeof(uint32_t))];
    } control;
    struct iovec part = {.iov_base = buffer, .iov_len = LOOP_BUFFER_BYTES};
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(watch_fd(u->watch), &m, 0);
    if (n < 0) {
        return errno != EAGAIN &&
               errno != EWOULDBLOCK; /* EINTR, or an ICMP answer to somebody else's packet */
    }
    kernel_drops_look(u, &m);
    series_add(u->received, 1);
    if ((m.msg_flags & MSG_TRUNC) != 0 || (size_t)n > u->o.datagram_max) {
        udp_count_drop(u->o.name, SL("too_large"));
    } else {
        u->o.on_datagram(u->o.ctx, slice_of(buffer, (size_t)n));
    }
    return true;
}

static void
on_readable(void *ctx, unsigned events)
{
    (void)events;
    struct udp_socket *u = ctx;
    for (int i = 0; i < UDP_BATCH && datagram_read(u); i++) {
    }
}

static void
on_start(struct loop_msg *m)
{
    struct udp_socket *u = (struct udp_socket *)(void *)((char *)m - offsetof(struct udp_socket, start));
    if (watch_create(u->o.loop, u->fd, on_readable, u, &u->watch) != OK) {
        LOG_E("cannot watch a UDP socket, it receives nothing", LOG_CSTR("listener", u->o.name));
        (void)close(u->fd);
        return;
    }
    watch_set(u->watch, WATCH_READ);
}

/* The loop's last use of the socket. */
static void
on_stop(struct loop_msg *m)
{
    struct udp_socket *u = (struct udp_socket *)(void *)((char *)m - offsetof(struct udp_socket, stop));
    watch_destroy(u->watch);
    mutex_lock(&u->mu);
    u->stopped = true;
    pthread_cond_signal(&u->changed);
    mutex_unlock(&u->mu);
}

err
udp_open(const struct udp_options *o, struct fault *f, struct udp_socket **ret)
{
    int fd, port, on = 1;
    err rc = listen_open_udp(o->network, o->address, f, &fd, &port);
    if (rc != OK) {
        return rc;
    }
    int bytes = o->kernel_buffer < INT32_MAX ? (int)o->kernel_buffer : INT32_MAX;
    if (setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on) != 0 ||
        (bytes != 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) != 0)) {
        rc = FAULT_OS(f, ERR_IO, "listen %s %s: setsockopt", o->network, o->address);
        (void)close(fd);
        return rc;
    }
    struct udp_socket *u = mem_new(struct udp_socket);
    u->o = *o;
    u->fd = fd;
    u->port = port;
    u->received = metric_series1(
        metric_counter("vivace_udp_datagrams_total", "Datagrams received.", "listener"), slice_cstr(o->name));
    u->start.run = on_start;
    u->stop.run = on_stop;
    mutex_init(&u->mu, LOCK_MAILBOX);
    cond_init(&u->changed);
    loop_post(o->loop, &u->start);
    *ret = u;
    return OK;
}

int
udp_port(const struct udp_socket *u)
{
    return u->port;
}

void
udp_close(struct udp_socket *u)
{
    if (u == NULL) {
        return;
    }
    loop_post(u->o.loop, &u->stop);
    mutex_lock(&u->mu);
    while (!u->stopped) {
        (void)mutex_wait(&u->mu, &u->changed, -1);
    }
    mutex_unlock(&u->mu);
    (void)pthread_cond_destroy(&u->changed);
    mutex_fini(&u->mu);
    mem_free(u);
}
