#include "vivace/net/client.h"

#include "client_answer.h"
#include "tls_context.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_MAX        256
#define PATH_BYTES_MAX  ((size_t)256 << 10) /* path and query */
#define TIMEOUT_DEFAULT 30000
#define ANSWER_DEFAULT  ((size_t)256 << 20)
#define READ_BYTES      ((size_t)64 << 10)

struct client {
    const struct http_client_options *o;
    char host[HOST_MAX], port[8];
    slice path; /* of the URL */
    bool tls;
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    int64_t deadline_ns;
    struct fault *f;
};

/* --- the URL ----------------------------------------------------------------------------------------------
 */

static bool
is_clean(slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

static err
bad_url(struct client *c, const char *why)
{
    return FAULT(c->f, ERR_INVALID, "the URL %s", why);
}

/* host, host:port, [v6], [v6]:port */
static err
parse_authority(struct client *c, slice a)
{
    slice host = a, port = c->tls ? SL("443") : SL("80");
    size_t close = slice_find_byte(a, ']');
    uint64_t number = 0;
    if (a.n && a.p[0] == '[') {
        if (close == a.n) {
            return bad_url(c, "has a bracket that is not closed");
        }
        host = slice_sub(a, 1, close - 1);
        a = slice_sub(a, close + 1, a.n);
        if (a.n && a.p[0] != ':') {
            return bad_url(c, "has something behind the address");
        }
        port = a.n ? slice_sub(a, 1, a.n) : port;
    } else if (slice_find_byte(a, ':') < a.n) {
        port = a;
        host = slice_cut(&port, ':');
    }
    if (!slice_to_u64(port, &number) || number == 0 || number > 65535) {
        return bad_url(c, "has no good port");
    }
    if (host.n == 0 || host.n >= sizeof c->host || slice_find_byte(host, '@') < host.n) {
        return bad_url(c, "has no good host");
    }
    (void)snprintf(c->host, sizeof c->host, "%.*s", SL_FMT(host));
    (void)snprintf(c->port, sizeof c->port, "%llu", (unsigned long long)number);
    return OK;
}

static err
parse_url(struct client *c, slice url)
{
    slice http = SL("http://"), https = SL("https://");
    if (!is_clean(url)) {
        return bad_url(c, "has blanks or control characters");
    }
    c->tls = slice_starts_with(url, https);
    if (!c->tls && !slice_starts_with(url, http)) {
        return bad_url(c, "does not begin with http:// or https://");
    }
    url = slice_sub(url, c->tls ? https.n : http.n, url.n);
    size_t slash = slice_find_byte(url, '/');
    c->path = slash < url.n ? slice_sub(url, slash, url.n) : SL("/");
    if (c->path.n > PATH_BYTES_MAX) {
        return bad_url(c, "is too long");
    }
    return parse_authority(c, slice_sub(url, 0, slash));
}

void
url_encode(struct buf *out, slice s)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        uint8_t b = s.p[i];
        bool plain = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '-' ||
                     b == '.' || b == '_' || b == '~';
        if (plain) {
            buf_append_byte(out, b);
        } else {
            char hex[3] = {'%', digits[b >> 4], digits[b & 15]};
            buf_append(out, hex, sizeof hex);
        }
    }
}

/* --- the connection ---------------------------------------------------------------------------------------
 */

static err
wait_for(struct client *c, short events)
{
    int64_t left = c->deadline_ns - clock_mono_ns();
    struct pollfd p = {.fd = c->fd, .events = events};
    int n = 0;
    do {
        n = left > 0 ? poll(&p, 1, (int)(left / NS_PER_MS) + 1) : 0;
    } while (n < 0 && errno == EINTR);
    if (n == 0) {
        return FAULT(c->f, ERR_TIMEOUT, "%s port %s did not answer in time", c->host, c->port);
    }
    return n > 0 ? OK : FAULT_OS(c->f, ERR_IO, "poll");
}

/* OK: connected; ERR_UNAVAILABLE: the next address. */
static err
connect_address(struct client *c, const struct addrinfo *a)
{
    int status = 0;
    socklen_t n = sizeof status;
    err rc = OK;
    c->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0) {
        return ERR_UNAVAILABLE;
    }
    if (connect(c->fd, a->ai_addr, a->ai_addrlen) != 0) {
        if (errno == EINPROGRESS) {
            rc = wait_for(c, POLLOUT);
            if (rc == OK && getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &status, &n) == 0 && status) {
                errno = status;
                rc = ERR_UNAVAILABLE;
            }
        } else {
            rc = ERR_UNAVAILABLE;
        }
    }
    if (rc == ERR_UNAVAILABLE) {
        int why = errno;
        close(c->fd);
        c->fd = -1;
        errno = why;
    }
    return rc;
}

static err
open_connection(struct client *c)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    int failed = getaddrinfo(c->host, c->port, &hints, &list);
    err rc = ERR_UNAVAILABLE;
    if (failed) {
        return FAULT(c->f, ERR_UNAVAILABLE, "%s is not known: %s", c->host, gai_strerror(failed));
    }
    for (const struct addrinfo *a = list; a && rc == ERR_UNAVAILABLE; a = a->ai_next) {
        rc = connect_address(c, a);
    }
    int why = errno;
    freeaddrinfo(list);
    errno = why;
    return rc == ERR_UNAVAILABLE ? FAULT_OS(c->f, rc, "%s port %s cannot be reached", c->host, c->port) : rc;
}

/* --- TLS --------------------------------------------------------------------------------------------------
 */

static err
tls_error(struct client *c, const char *what)
{
    long verdict = c->ssl ? SSL_get_verify_result(c->ssl) : X509_V_OK;
    unsigned long code = ERR_peek_error();
    const char *reason = verdict != X509_V_OK ? X509_verify_cert_error_string(verdict)
                         : code               ? ERR_reason_error_string(code)
                                              : "the connection ended";
    ERR_clear_error();
    return FAULT(c->f, ERR_UNAVAILABLE, "tls: %s: %s", what, reason ? reason : "unknown error");
}

/* Wait as OpenSSL wants; ERR_NOT_FOUND at the end of the stream. */
static err
tls_wait(struct client *c, int rc, const char *what)
{
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(c, POLLIN);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(c, POLLOUT);
    case SSL_ERROR_ZERO_RETURN:
        return ERR_NOT_FOUND;
    default:
        return tls_error(c, what);
    }
}

static bool
tls_set_up(struct client *c)
{
    struct in6_addr address;
    bool is_ip = inet_pton(AF_INET, c->host, &address) == 1 || inet_pton(AF_INET6, c->host, &address) == 1;
    c->ctx = SSL_CTX_new(TLS_client_method());
    if (c->ctx == NULL || SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) != 1) {
        return false;
    }
    if (c->o->ca_file ? SSL_CTX_load_verify_locations(c->ctx, c->o->ca_file, NULL) != 1
                      : SSL_CTX_set_default_verify_paths(c->ctx) != 1) {
        return false;
    }
    SSL_CTX_set_verify(c->ctx, c->o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(c->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF); /* lengths and chunks tell a cut answer */
    c->ssl = SSL_new(c->ctx);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1) {
        return false;
    }
    return is_ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(c->ssl), c->host) == 1
                 : SSL_set1_host(c->ssl, c->host) == 1 && SSL_set_tlsext_host_name(c->ssl, c->host) == 1;
}

static err
tls_begin(struct client *c)
{
    static const uint8_t alpn[] = "\x08http/1.1";
    err rc = OK;
    int n = 0;
    if (!tls_set_up(c) || SSL_set_alpn_protos(c->ssl, alpn, sizeof alpn - 1) != 0) {
        return tls_error(c, c->o->ca_file ? c->o->ca_file : "cannot be set up");
    }
    while (rc == OK && (n = SSL_connect(c->ssl)) != 1) {
        rc = tls_wait(c, n, c->host);
    }
    return rc == ERR_NOT_FOUND ? tls_error(c, c->host) : rc;
}

/* --- bytes ------------------------------------------------------------------------------------------------
 */

static err
send_all(struct client *c, slice bytes)
{
    err rc = OK;
    while (bytes.n && rc == OK) {
        size_t n = 0;
        if (c->ssl) {
            int did = SSL_write_ex(c->ssl, bytes.p, bytes.n, &n);
            rc = did == 1 ? OK : tls_wait(c, did, "send");
        } else {
            ssize_t did = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
            n = did > 0 ? (size_t)did : 0;
            if (did < 0) {
                rc = errno == EAGAIN  ? wait_for(c, POLLOUT)
                     : errno == EINTR ? OK
                                      : FAULT_OS(c->f, ERR_UNAVAILABLE, "send to %s", c->host);
            }
        }
        bytes = slice_sub(bytes, n, bytes.n);
    }
    return rc;
}

/* Some bytes; ERR_NOT_FOUND at the end of the stream. */
static err
receive(struct client *c, uint8_t *p, size_t *ret_n)
{
    err rc = OK;
    while (rc == OK) {
        if (c->ssl) {
            int did = SSL_read_ex(c->ssl, p, READ_BYTES, ret_n);
            if (did == 1) {
                return OK;
            }
            rc = tls_wait(c, did, "receive");
        } else {
            ssize_t did = recv(c->fd, p, READ_BYTES, 0);
            *ret_n = did > 0 ? (size_t)did : 0;
            if (did >= 0) {
                return did > 0 ? OK : ERR_NOT_FOUND;
            }
            rc = errno == EAGAIN  ? wait_for(c, POLLIN)
                 : errno == EINTR ? OK
                                  : FAULT_OS(c->f, ERR_UNAVAILABLE, "receive from %s", c->host);
        }
    }
    return rc;
}

/* --- the exchange -----------------------------------------------------------------------------------------
 */

static bool
is_header(const struct http_header *h)
{
    for (size_t i = 0; i < h->name.n; i++) {
        if (!http1_is_token(h->name.p[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < h->value.n; i++) {
        if ((h->value.p[i] < ' ' && h->value.p[i] != '\t') || h->value.p[i] == 0x7f) {
            return false;
        }
    }
    return h->name.n > 0;
}

static err
put_request(struct client *c, struct buf *out)
{
    bool v6 = strchr(c->host, ':') != NULL;
    buf_append_cstr(out, "GET ");
    buf_append_slice(out, c->path);
    buf_printf(out, " HTTP/1.1\r\nhost: %s%s%s:%s\r\n", v6 ? "[" : "", c->host, v6 ? "]" : "", c->port);
    buf_append_cstr(out, "user-agent: vivace\r\naccept-encoding: gzip\r\nconnection: close\r\n");
    for (size_t i = 0; i < c->o->header_count; i++) {
        const struct http_header *h = &c->o->headers[i];
        if (!is_header(h)) {
            return FAULT(c->f, ERR_INVALID, "'%.*s' is not a header that can be sent",
                         SL_FMT(slice_sub(h->name, 0, 40)));
        }
        buf_append_slice(out, h->name);
        buf_append_cstr(out, ": ");
        buf_append_slice(out, h->value);
        buf_append_cstr(out, "\r\n");
    }
    buf_append_cstr(out, "\r\n");
    return out->failed ? FAULT(c->f, ERR_LIMIT, "the request is too large") : OK;
}

static err
receive_answer(struct client *c, struct client_answer *a)
{
    uint8_t *p = mem_alloc(READ_BYTES);
    err rc = OK;
    while (rc == OK && !a->done) {
        size_t n = 0;
        rc = receive(c, p, &n);
        rc = rc == ERR_NOT_FOUND ? client_answer_end(a, c->f)
             : rc == OK          ? client_answer_feed(a, slice_of(p, n), c->f)
                                 : rc;
    }
    mem_free(p);
    return rc;
}

static err
exchange(struct client *c, struct client_answer *a)
{
    struct buf request;
    err rc = OK;
    buf_init(&request, PATH_BYTES_MAX * 2);
    TRY(put_request(c, &request));
    TRY(open_connection(c));
    if (c->tls) {
        TRY(tls_begin(c));
    }
    TRY(send_all(c, buf_slice(&request)));
    TRY(receive_answer(c, a));
out:
    buf_fini(&request);
    return rc;
}

err
http_get(const char *url, const struct http_client_options *o, struct fault *f, struct http_reply *ret)
{
    const size_t max = o->answer_max ? o->answer_max : ANSWER_DEFAULT;
    struct client c = {.o = o, .fd = -1, .f = f};
    struct client_answer a;
    err rc = OK;
    c.deadline_ns = clock_mono_ns() + (int64_t)(o->timeout_ms ? o->timeout_ms : TIMEOUT_DEFAULT) * NS_PER_MS;
    *ret = (struct http_reply){.status = 0};
    buf_init(&ret->body, max);
    client_answer_init(&a, max);
    TRY(parse_url(&c, slice_cstr(url)));
    TRY(exchange(&c, &a));
    TRY(client_answer_body(&a, &ret->body, f));
    ret->status = a.status;
out:
    SSL_free(c.ssl);
    SSL_CTX_free(c.ctx);
    if (c.fd >= 0) {
        close(c.fd);
    }
    client_answer_fini(&a);
    if (rc != OK) {
        http_reply_fini(ret);
    }
    return rc;
}

void
http_reply_fini(struct http_reply *r)
{
    buf_fini(&r->body);
}
