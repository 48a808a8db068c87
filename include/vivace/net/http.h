/* The HTTP side of every port: listeners, requests, answers. HTTP/1.1 and HTTP/2 look the same from here.
 *
 * A listener accepts on one or more loops (SO_REUSEPORT), speaks TLS when told to, and tells HTTP/1.1 from
 * HTTP/2 by ALPN or by the first bytes (prior knowledge), as far as its options allow. A request reaches the
 * handler once its body is complete (bounded by body_max) or found too large; gRPC calls go to net/grpc.h.
 *
 * Threads: the handler runs on the loop that owns the connection and must not block: it answers at once, or
 * hands the request to a worker and answers later. All http_* calls with a request are loop-thread only,
 * except http_answer_later, which may be called from any thread, once.
 * Ownership: a request lives from the handler's call until it is answered, also when the client goes away
 * meanwhile (then answers go nowhere and `cancelled` reads true).
 * Sources: RFC 9110, 9112, 9113.
 */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/base/buf.h"
#include "vivace/runtime/loop.h"

struct http_listener;
struct tls_context; /* net/tls.h */

struct http_header {
    slice name; /* lower case */
    slice value;
};

struct http_request {
    slice method;    /* "GET" */
    slice path;      /* as sent, before '?', not decoded; "*" and authority forms are answered below */
    slice query;     /* after '?', not decoded; empty when absent */
    slice authority; /* Host or :authority */
    const struct http_header *headers;
    size_t header_count;
    struct bytes *body;  /* NULL when empty; take a reference to keep it */
    bool body_too_large; /* the body passed body_max and was thrown away */
    int version;         /* 10, 11 or 20 */
    bool tls;
    slice peer; /* "127.0.0.1:52114", "unix" */
    struct loop *loop;
    int64_t start_mono_ns;  /* when the request's first byte came in */
    void *user;             /* the handler's, from here on */
    _Atomic bool cancelled; /* the client went away: long work should stop */
};

/* Value of the first header with this lower-case name; p == NULL when absent. */
slice http_header_get(const struct http_request *r, slice name);
size_t http_header_count(const struct http_request *r, slice name);

/* An answer. Slices are copied by http_answer; `body` is taken (one reference). */
struct http_response {
    int status;
    slice content_type;                /* empty = none */
    const struct http_header *headers; /* extra; content-length, date and connection are the front's */
    size_t header_count;
    struct bytes *body; /* may be NULL */
    bool close;         /* close the connection after it */
    bool may_gzip;      /* compress when the client accepts gzip and the body is worth it; adds Vary */
};

typedef void (*http_handler)(void *ctx, struct http_request *r);

/* Answer. Loop thread. The request is gone after. */
void http_answer(struct http_request *r, const struct http_response *resp);
/* Answer from any thread: takes the response by value, copying slices; the work is done on r->loop. */
void http_answer_later(struct http_request *r, const struct http_response *resp);
/* Shorthands with a text/plain; charset=utf-8 body, copied as it is. */
void http_answer_text(struct http_request *r, int status, slice text);

struct http_limits {
    size_t body_max;         /* bytes, as received (compressed) */
    size_t header_bytes_max; /* whole header block, default 32 KiB */
    size_t header_count_max; /* default 100 */
    size_t connections_max;  /* per listener, default 16384 */
    uint32_t streams_max;    /* HTTP/2 concurrent streams per connection, default 100; 0 = do not announce */
    uint64_t header_timeout_ms; /* from first byte to end of headers, default 30 s */
    uint64_t body_timeout_ms;   /* without progress while a body or an answer is under way, default 30 s */
    uint64_t idle_timeout_ms;   /* between requests, default 120 s */
};
void http_limits_default(struct http_limits *l);

/* gRPC keepalive (receivers.md 1.4); 0 = off / unlimited. */
struct h2_keepalive {
    uint64_t time_ms, timeout_ms;                       /* our pings after idle, and how long to wait */
    uint64_t max_idle_ms, max_age_ms, max_age_grace_ms; /* then GOAWAY */
    uint64_t min_ping_interval_ms; /* client pings faster than this are strikes; 3rd: GOAWAY too_many_pings */
    bool ping_without_stream;      /* allowed */
};

struct http_listener_options {
    const char *name;    /* for logs and metrics: "http", "otlp_grpc", ... */
    const char *network; /* "tcp", "tcp4", "tcp6", "unix" */
    const char *address; /* "host:port", ":port", "[::1]:port", or a socket path; port 0 = any */
    struct loop *const *loops;
    size_t loop_count;
    bool allow_http1; /* an HTTP/1.1 client is served */
    bool allow_h2c;   /* HTTP/2 with prior knowledge in cleartext is served (over TLS it follows ALPN) */
    bool keep_alive;  /* false: every HTTP/1.1 answer says Connection: close */
    struct tls_context *tls; /* NULL = cleartext */
    struct http_limits limits;
    struct h2_keepalive keepalive;
    struct budget *budget; /* receive and send buffers */
    http_handler handler;  /* requests that are not gRPC; NULL answers 415/404 as a gRPC-only port does */
    void *handler_ctx;
    const struct grpc_service *const *grpc; /* NULL-terminated, or NULL: see net/grpc.h */
    void *grpc_ctx;
    size_t grpc_message_max; /* bytes, compressed and decompressed */
};

/* Bind and listen on every loop; ERR_IO with "listen tcp 0.0.0.0:4317: bind: address already in use". */
CHECKED err http_listen(const struct http_listener_options *o, struct fault *f, struct http_listener **ret);
/* The bound port (after port 0), 0 for unix. */
int http_listener_port(const struct http_listener *l);
/* Stop accepting; idle connections close, HTTP/2 gets GOAWAY, requests under way go on. Any thread. */
void http_listener_drain(struct http_listener *l);
/* After drain: wait up to timeout_ms for connections to end, then cut them; frees. Not on a loop thread. */
void http_listener_close(struct http_listener *l, uint64_t timeout_ms);
size_t http_listener_connections(const struct http_listener *l);
