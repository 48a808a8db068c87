#include "target.h"

#include "http1.h"
#include "result.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_LIMIT_NS 30000000000u
#define STOP_LIMIT_NS  30000000000u

static void
sleep_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* A port the kernel finds free now. The socket stays open until all are picked, so that they differ. */
static uint16_t
port_pick(int *ret_fd)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0) {
        die("no free port: %s", strerror(errno));
    }
    *ret_fd = fd;
    return ntohs(a.sin_port);
}

static void
config_write(const struct target *t)
{
    char path[300];
    snprintf(path, sizeof path, "%s/config.yaml", t->dir);
    FILE *f = fopen(path, "w");
    if (!f) {
        die("%s: %s", path, strerror(errno));
    }
    fprintf(
        f,
        "server:\n  http_listen_address: 127.0.0.1\n  http_listen_port: %u\n"
        "  grpc_listen_address: 127.0.0.1\n  grpc_listen_port: %u\n"
        "distributor:\n  receivers:\n    otlp:\n      protocols:\n"
        "        grpc:\n          endpoint: 127.0.0.1:%u\n        http:\n          endpoint: 127.0.0.1:%u\n"
        "storage:\n  trace:\n    backend: local\n    wal:\n      path: %s/data/wal\n"
        "    local:\n      path: %s/data/blocks\n"
        "overrides:\n  defaults:\n    ingestion:\n      rate_limit_bytes: 10000000000\n"
        "      burst_size_bytes: 10000000000\n      max_traces_per_user: 0\n"
        "usage_report:\n  reporting_enabled: false\n%s",
        t->http_port, t->grpc_api_port, t->otlp_grpc_port, t->otlp_http_port, t->dir, t->dir,
        t->extra_config ? t->extra_config : "");
    if (fclose(f) != 0) {
        die("%s: %s", path, strerror(errno));
    }
}

void
target_prepare(struct target *t, const char *binary, const char *dir, const char *extra_config)
{
    *t = (struct target){.host = "127.0.0.1",
                         .started_here = true,
                         .binary = binary,
                         .extra_config = extra_config,
                         .http_fd = -1};
    if (dir) {
        snprintf(t->dir, sizeof t->dir, "%s", dir);
        mkdir(t->dir, 0755);
    } else {
        const char *tmp = getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe)
        snprintf(t->dir, sizeof t->dir, "%s/vivace-bench-XXXXXX", tmp ? tmp : "/tmp");
        if (!mkdtemp(t->dir)) {
            die("%s: %s", t->dir, strerror(errno));
        }
    }
    int fds[4];
    t->http_port = port_pick(&fds[0]);
    t->grpc_api_port = port_pick(&fds[1]);
    t->otlp_grpc_port = port_pick(&fds[2]);
    t->otlp_http_port = port_pick(&fds[3]);
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    char data[300];
    snprintf(data, sizeof data, "%s/data", t->dir);
    mkdir(data, 0755);
    config_write(t);
}

static void
log_tail(const struct target *t)
{
    char path[300], text[4096];
    snprintf(path, sizeof path, "%s/server.log", t->dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        off_t end = lseek(fd, 0, SEEK_END);
        ssize_t n = pread(fd, text, sizeof text, end > (off_t)sizeof text ? end - (off_t)sizeof text : 0);
        fprintf(stderr, "--- end of %s\n%.*s---\n", path, (int)(n > 0 ? n : 0), text);
        close(fd);
    }
}

double
target_start(struct target *t)
{
    char config[320], log[300];
    snprintf(config, sizeof config, "-config.file=%s/config.yaml", t->dir);
    snprintf(log, sizeof log, "%s/server.log", t->dir);
    uint64_t start = now_ns();
    t->pid = fork();
    if (t->pid < 0) {
        die("fork: %s", strerror(errno));
    }
    if (t->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a program that is killed leaves no server behind */
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
        if (fd >= 0) {
            dup2(fd, 1);
            dup2(fd, 2);
        }
        execl(t->binary, t->binary, config, (char *)NULL);
        fprintf(stderr, "%s: %s\n", t->binary, strerror(errno));
        _exit(127);
    }
    struct blob body = {0};
    double ms = -1;
    while (now_ns() - start < READY_LIMIT_NS) {
        if (http_get(t, "/ready", NULL, &body) == 200) {
            ms = (double)(now_ns() - start) / 1e6;
            break;
        }
        if (waitpid(t->pid, NULL, WNOHANG) == t->pid) {
            t->pid = 0;
            break;
        }
        sleep_ms(1);
    }
    blob_free(&body);
    if (ms < 0) {
        log_tail(t);
    }
    return ms;
}

static void
http_close(struct target *t)
{
    if (t->http_fd >= 0) {
        close(t->http_fd);
        t->http_fd = -1;
    }
}

void
target_kill(struct target *t)
{
    if (t->pid > 0) {
        kill(t->pid, SIGKILL);
        waitpid(t->pid, NULL, 0);
        t->pid = 0;
    }
    http_close(t);
}

double
target_stop(struct target *t)
{
    if (t->pid <= 0) {
        return -1;
    }
    uint64_t start = now_ns();
    http_close(t);
    kill(t->pid, SIGTERM);
    int status = 0;
    while (now_ns() - start < STOP_LIMIT_NS) {
        if (waitpid(t->pid, &status, WNOHANG) == t->pid) {
            t->pid = 0;
            double ms = (double)(now_ns() - start) / 1e6;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
                return ms;
            }
            log_tail(t);
            return -1;
        }
        sleep_ms(1);
    }
    log_tail(t);
    target_kill(t);
    return -1;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

void
target_remove(struct target *t)
{
    if (t->started_here) {
        nftw(t->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
}

int
tcp_connect(const char *host, uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (fd < 0 || inet_pton(AF_INET, host, &to.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct timeval limit = {.tv_sec = 60};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

static int
http_try(struct target *t, const char *path, const char *accept, struct blob *body)
{
    body->n = 0;
    blob_printf(body, "GET %s HTTP/1.1\r\nHost: %s:%u\r\nAccept: %s\r\n\r\n", path, t->host, t->http_port,
                accept ? accept : "*/*");
    if (t->http_fd < 0) {
        t->http_fd = tcp_connect(t->host, t->http_port);
    }
    if (t->http_fd < 0 || send(t->http_fd, body->p, body->n, MSG_NOSIGNAL) != (ssize_t)body->n) {
        return -1;
    }
    body->n = 0;
    struct http1_answer answer;
    while (http1_parse(body, &answer) == 0) {
        blob_reserve(body, 64 << 10);
        ssize_t got = recv(t->http_fd, body->p + body->n, body->cap - body->n, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return -1;
        }
        body->n += (size_t)got;
    }
    memmove(body->p, answer.body, answer.body_n);
    body->n = answer.body_n;
    return answer.status;
}

int
http_get(struct target *t, const char *path, const char *accept, struct blob *body)
{
    bool kept = t->http_fd >= 0;
    int status = http_try(t, path, accept, body);
    if (status < 0) {
        http_close(t);
        status = kept ? http_try(t, path, accept, body) : -1; /* a kept connection may have been closed */
        if (status < 0) {
            http_close(t);
        }
    }
    return status;
}
