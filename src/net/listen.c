#include "listen.h"

#include "vivace/base/slice.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG   4096 /* the kernel cuts it to net.core.somaxconn */
#define KEEPALIVE_IDLE_S 15   /* Go's default for accepted connections */

struct place {
    struct sockaddr_storage sa;
    socklen_t sa_n;
    bool dual; /* IPv6 socket that takes IPv4 too */
    char shown[300];
    const char *network;
};

static err
listen_fault(struct fault *f, const struct place *at, const char *step, int os_errno)
{
    char text[96];
    (void)snprintf(text, sizeof text, "%s",
                   strerrordesc_np(os_errno) ? strerrordesc_np(os_errno) : "unknown error");
    text[0] = (char)tolower((unsigned char)text[0]); /* as Go spells them */
    return fault_set(f, ERR_IO, os_errno, __FILE__, __LINE__, "listen %s %s: %s: %s", at->network, at->shown,
                     step, text);
}

static bool
host_has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return has;
}

/* "host:port", "[host]:port", ":port" into two strings. */
static err
split_address(slice address, struct fault *f, char host[256], char port[32])
{
    size_t colon = address.n;
    while (colon > 0 && address.p[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return FAULT(f, ERR_INVALID, "listen: address %.*s: missing port in address", SL_FMT(address));
    }
    slice h = slice_sub(address, 0, colon - 1);
    slice p = slice_sub(address, colon, address.n);
    if (h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']') {
        h = slice_sub(h, 1, h.n - 2);
    } else if (slice_find_byte(h, ':') < h.n) {
        return FAULT(f, ERR_INVALID, "listen: address %.*s: too many colons in address", SL_FMT(address));
    }
    if (h.n >= 256 || p.n >= 32) {
        return FAULT(f, ERR_INVALID, "listen: address %.*s: too long", SL_FMT(slice_sub(address, 0, 200)));
    }
    (void)snprintf(host, 256, "%.*s", SL_FMT(h));
    (void)snprintf(port, 32, "%.*s", SL_FMT(p.n ? p : SL("0")));
    return OK;
}

static bool
is_wildcard(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;
    return host[0] == '\0' || (inet_pton(AF_INET, host, &v4) == 1 && v4.s_addr == INADDR_ANY) ||
           (inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_UNSPECIFIED(&v6));
}

/* Among what the name means: for "tcp" the first IPv4 address, else the first. */
static const struct addrinfo *
choose_address(const struct addrinfo *all, int family)
{
    for (const struct addrinfo *a = all; a; a = a->ai_next) {
        if (a->ai_family == (family == AF_UNSPEC ? AF_INET : family)) {
            return a;
        }
    }
    return all;
}

static bool
is_udp(const struct place *at)
{
    return strncmp(at->network, "udp", 3) == 0;
}

/* TCP and UDP alike. */
static err
place_ip(slice address, struct fault *f, struct place *at)
{
    char host[256] = "", port[32] = "";
    err rc = split_address(address, f, host, port);
    if (rc != OK) {
        return rc;
    }
    char version = at->network[3];
    int family = version == '4' ? AF_INET : version == '6' ? AF_INET6 : AF_UNSPEC;
    bool any = is_wildcard(host);
    if (any && family == AF_UNSPEC) {
        family = host_has_ipv6() ? AF_INET6 : AF_INET;
        at->dual = family == AF_INET6;
    }
    const char *ask = !any ? host : family == AF_INET6 ? "::" : "0.0.0.0";
    struct addrinfo want = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *all = NULL;
    int gai = getaddrinfo(ask, port, &want, &all);
    if (gai != 0) {
        return FAULT(f, ERR_INVALID, "listen %s %.*s: lookup %s: %s", at->network, SL_FMT(address), host,
                     gai_strerror(gai));
    }
    const struct addrinfo *one = choose_address(all, family);
    if (one == NULL) {
        return FAULT(f, ERR_INVALID, "listen %s %.*s: no address", at->network, SL_FMT(address));
    }
    memcpy(&at->sa, one->ai_addr, one->ai_addrlen);
    at->sa_n = one->ai_addrlen;
    freeaddrinfo(all);
    if (host[0] == '\0') {
        (void)snprintf(at->shown, sizeof at->shown, ":%s", port);
    } else if (any) {
        (void)snprintf(at->shown, sizeof at->shown, "%.*s", SL_FMT(address));
    } else {
        listen_peer_name(&at->sa, at->shown, sizeof at->shown);
    }
    return OK;
}

static err
place_unix(slice address, struct fault *f, struct place *at)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    (void)snprintf(at->shown, sizeof at->shown, "%.*s", SL_FMT(address));
    if (address.n == 0 || address.n >= sizeof un.sun_path) {
        return FAULT(f, ERR_INVALID, "listen unix %s: the path must have 1 to %zu bytes", at->shown,
                     sizeof un.sun_path - 1);
    }
    memcpy(un.sun_path, address.p, address.n);
    at->sa_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + address.n + 1);
    if (un.sun_path[0] == '@') { /* the abstract namespace, as Go spells it */
        un.sun_path[0] = '\0';
        at->sa_n--;
    }
    memcpy(&at->sa, &un, sizeof un);
    return OK;
}

/* A socket file that nobody answers on was left by a process that died. */
static void
remove_stale_unix(const struct place *at)
{
    struct sockaddr_un un;
    memcpy(&un, &at->sa, sizeof un);
    struct stat st;
    if (un.sun_path[0] == '\0' || lstat(un.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        return;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return;
    }
    if (connect(fd, (const struct sockaddr *)&at->sa, at->sa_n) != 0 && errno == ECONNREFUSED) {
        (void)unlink(un.sun_path);
    }
    (void)close(fd);
}

static err
set_options(int fd, const struct place *at, bool reuse_port)
{
    int on = 1, off = 0, idle = KEEPALIVE_IDLE_S;
    if (at->sa.ss_family == AF_UNIX) {
        return OK;
    }
    int bad = 0;
    if (at->sa.ss_family == AF_INET6) {
        bad |= setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, at->dual ? &off : &on, sizeof on);
    }
    if (is_udp(at)) {
        return bad ? ERR_IO : OK; /* here SO_REUSEADDR would let a second process in */
    }
    bad |= setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (reuse_port) {
        bad |= setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    }
    /* Accepted sockets inherit these. */
    bad |= setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bad |= setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    bad |= setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    bad |= setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof idle);
    return bad ? ERR_IO : OK;
}

/* One bound socket; `listening` unless it only tests whether the address is free. */
static err
open_one(const struct place *at, bool reuse_port, bool listening, struct fault *f, int *ret)
{
    int type = is_udp(at) ? SOCK_DGRAM : SOCK_STREAM;
    int fd = socket(at->sa.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return listen_fault(f, at, "socket", errno);
    }
    const char *step = "setsockopt";
    if (set_options(fd, at, reuse_port) != OK) {
        goto failed;
    }
    step = "bind";
    if (bind(fd, (const struct sockaddr *)&at->sa, at->sa_n) != 0) {
        goto failed;
    }
    step = "listen";
    if (listening && listen(fd, LISTEN_BACKLOG) != 0) {
        goto failed;
    }
    *ret = fd;
    return OK;
failed:
    (void)listen_fault(f, at, step, errno);
    (void)close(fd);
    return ERR_IO;
}

static in_port_t *
place_port(struct place *at)
{
    return at->sa.ss_family == AF_INET6 ? &((struct sockaddr_in6 *)(void *)&at->sa)->sin6_port
                                        : &((struct sockaddr_in *)(void *)&at->sa)->sin_port;
}

static err
open_ip(struct place *at, size_t count, struct fault *f, int *fds, int *ret_port)
{
    err rc = OK;
    bool share = count > 1;
    if (share && *place_port(at) != 0) {
        /* SO_REUSEPORT would let a second process in beside us: first see that the address is free. */
        int probe = -1;
        rc = open_one(at, false, false, f, &probe);
        if (rc != OK) {
            return rc;
        }
        (void)close(probe);
    }
    for (size_t i = 0; i < count && rc == OK; i++) {
        rc = open_one(at, share, !is_udp(at), f, &fds[i]);
        if (rc == OK && i == 0) {
            struct place bound = *at;
            socklen_t n = sizeof bound.sa;
            if (getsockname(fds[0], (struct sockaddr *)&bound.sa, &n) != 0) {
                rc = listen_fault(f, at, "getsockname", errno);
                continue;
            }
            *place_port(at) = *place_port(&bound); /* the same for the others */
        }
    }
    *ret_port = ntohs(*place_port(at));
    return rc;
}

static err
open_unix(const struct place *at, size_t count, struct fault *f, int *fds)
{
    remove_stale_unix(at);
    err rc = open_one(at, false, true, f, &fds[0]);
    for (size_t i = 1; i < count && rc == OK; i++) {
        fds[i] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
        if (fds[i] < 0) {
            rc = listen_fault(f, at, "dup", errno);
        }
    }
    return rc;
}

err
listen_open(const char *network, const char *address, size_t count, struct fault *f, int *ret_fds,
            int *ret_port)
{
    struct place at = {.network = network && network[0] ? network : "tcp"};
    bool is_unix = strcmp(at.network, "unix") == 0;
    if (!is_unix && strcmp(at.network, "tcp") != 0 && strcmp(at.network, "tcp4") != 0 &&
        strcmp(at.network, "tcp6") != 0) {
        return FAULT(f, ERR_INVALID, "listen %s: unknown network", at.network);
    }
    slice addr = slice_cstr(address);
    err rc = is_unix ? place_unix(addr, f, &at) : place_ip(addr, f, &at);
    if (rc != OK) {
        return rc;
    }
    for (size_t i = 0; i < count; i++) {
        ret_fds[i] = -1;
    }
    int port = 0;
    rc = is_unix ? open_unix(&at, count, f, ret_fds) : open_ip(&at, count, f, ret_fds, &port);
    if (rc != OK) {
        for (size_t i = 0; i < count; i++) {
            if (ret_fds[i] >= 0) {
                (void)close(ret_fds[i]);
            }
        }
        return rc;
    }
    *ret_port = port;
    return OK;
}

err
listen_open_udp(const char *network, const char *address, struct fault *f, int *ret_fd, int *ret_port)
{
    struct place at = {.network = network};
    if (strcmp(network, "udp") != 0 && strcmp(network, "udp4") != 0 && strcmp(network, "udp6") != 0) {
        return FAULT(f, ERR_INVALID, "listen %s: unknown network", network);
    }
    int fd = -1;
    err rc = place_ip(slice_cstr(address), f, &at);
    if (rc == OK) {
        rc = open_ip(&at, 1, f, &fd, ret_port);
    }
    if (rc == OK) {
        *ret_fd = fd;
    } else if (fd >= 0) {
        (void)close(fd);
    }
    return rc;
}

void
listen_peer_name(const struct sockaddr_storage *sa, char *ret, size_t ret_bytes)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
        (void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        (void)snprintf(ret, ret_bytes, "%s:%u", host, ntohs(v4->sin_port));
    } else if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            (void)inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, host, sizeof host);
            (void)snprintf(ret, ret_bytes, "%s:%u", host, ntohs(v6->sin6_port));
        } else {
            (void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
            (void)snprintf(ret, ret_bytes, "[%s]:%u", host, ntohs(v6->sin6_port));
        }
    } else {
        (void)snprintf(ret, ret_bytes, "unix");
    }
}
