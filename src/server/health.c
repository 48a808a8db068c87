#include "health.h"

#include "vivace/base/slice.h"

#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define HOST_MAX  256
#define TIMEOUT_S 5

struct target {
    char host[HOST_MAX], port[8], path[1024];
};

/* http://host[:port][/path] */
static bool
parse_url(slice url, struct target *t)
{
    slice scheme = SL("http://");
    if (!slice_starts_with(url, scheme)) {
        return false;
    }
    slice rest = slice_sub(url, scheme.n, url.n);
    size_t slash = slice_find_byte(rest, '/');
    slice authority = slice_sub(rest, 0, slash);
    slice path = slash < rest.n ? slice_sub(rest, slash, rest.n) : SL("/");
    slice host = authority;
    slice port = SL("80");
    size_t bracket = slice_find_byte(authority, ']');
    size_t from = bracket < authority.n ? bracket : 0;
    size_t colon = from + slice_find_byte(slice_sub(authority, from, authority.n), ':');
    if (colon < authority.n) {
        host = slice_sub(authority, 0, colon);
        port = slice_sub(authority, colon + 1, authority.n);
    }
    if (host.n && host.p[0] == '[') {
        host = slice_sub(host, 1, host.n - 2);
    }
    return snprintf(t->host, sizeof t->host, "%.*s", SL_FMT(host)) < (int)sizeof t->host &&
           snprintf(t->port, sizeof t->port, "%.*s", SL_FMT(port)) < (int)sizeof t->port &&
           snprintf(t->path, sizeof t->path, "%.*s", SL_FMT(path)) < (int)sizeof t->path;
}

static int
connect_to(const struct target *t)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int fd = -1;
    if (getaddrinfo(t->host, t->port, &hints, &list) != 0) {
        return -1;
    }
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        struct timeval timeout = {.tv_sec = TIMEOUT_S};
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
        if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

int
health_check(const char *url)
{
    struct target t;
    char request[2048];
    char answer[64] = {0};
    if (!parse_url(slice_cstr(url), &t)) {
        fprintf(stderr, "Tempo is not healthy: %s is not an http URL\n", url);
        return 1;
    }
    int fd = connect_to(&t);
    if (fd < 0) {
        fprintf(stderr, "Tempo is not healthy: %s cannot be reached\n", url);
        return 1;
    }
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                     t.path, t.host);
    size_t got = 0;
    if (send(fd, request, (size_t)n, MSG_NOSIGNAL) == n) {
        while (got < 12) { /* "HTTP/1.1 200" */
            ssize_t more = recv(fd, answer + got, sizeof answer - 1 - got, 0);
            if (more <= 0) {
                break;
            }
            got += (size_t)more;
        }
    }
    close(fd);
    if (got < 12 || strncmp(answer + 8, " 200", 4) != 0) {
        fprintf(stderr, "Tempo is not healthy: %s answered %.12s\n", url, got ? answer : "nothing");
        return 1;
    }
    printf("Tempo is healthy\n");
    return 0;
}
