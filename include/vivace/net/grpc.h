/* gRPC over HTTP/2: unary and server-streaming methods, by path.
 *
 * Framing, compression (identity, gzip, zstd, snappy), size limits, grpc-timeout and the status texts of
 * receivers.md section 3 are handled here. A method gets one request message, still compressed: it asks for
 * the plain bytes with grpc_call_message, on the thread that will decode them, so that no loop ever
 * decompresses.
 *
 * A unary method, in short:
 *
 *   run (loop):    c->user = ...; pool_submit(...)          full queue: grpc_finish_later(c, GRPC_..., ...)
 *   job (worker):  rc = grpc_call_message(c, &f, &m);
 *                  if (rc != OK) { grpc_refuse_later(c, rc, &f); return; }
 *                  ... grpc_reply_later(c, answer);
 *
 * Threads: the method runs on the loop and must not block; everything with a call may be used from any
 * thread, by one thread at a time. Ownership: a call lives until grpc_finish_later / grpc_reply_later /
 * grpc_refuse_later, also when the client has gone or its deadline has passed (`cancelled`: answers then go
 * nowhere). Compression of an answer happens in grpc_send_later, on the caller's thread. Limits: one message
 * of at most grpc_message_max bytes, compressed and plain; GRPC_QUEUED_MAX of answers. Source: gRPC over
 * HTTP2 (PROTOCOL-HTTP2.md), grpc-go's texts.
 */
#pragma once

#include "vivace/net/http.h"

enum grpc_status {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
};

/* A producer should pause while grpc_queued is above this: the client reads more slowly than it sends. */
#define GRPC_QUEUED_HIGH ((size_t)1 << 20)
/* A message that would pass this while others wait ends the call with RESOURCE_EXHAUSTED, and so does one the
 * listener's budget has no room for. A single message may be larger. */
#define GRPC_QUEUED_MAX ((size_t)16 << 20)

struct grpc_call {
    const struct http_request *request; /* headers = metadata, path, peer, loop; it has no body */
    int64_t deadline_mono_ns; /* from grpc-timeout; 0 = none. Enforced here, within about a second */
    void *user;               /* the method's, from here on */
    _Atomic bool cancelled;   /* reset by the client, connection lost, deadline passed: stop working */
};

struct grpc_method {
    const char *name; /* "Export" */
    void (*run)(void *ctx, struct grpc_call *c);
};

struct grpc_service {
    const char *name; /* "opentelemetry.proto.collector.trace.v1.TraceService" */
    const struct grpc_method *methods;
    size_t method_count;
};

/* The request message, plain; NULL when it is empty. Decompresses at the first call, on the calling thread,
 * and gives the same bytes after. Borrowed: they live as long as the call; take a reference to keep them.
 * ERR_INVALID (not that compression), ERR_LIMIT (too large, or no budget) with the client's text in `f`: hand
 * both to grpc_refuse_later. */
CHECKED err grpc_call_message(struct grpc_call *c, struct fault *f, struct bytes **ret);
/* Finish with the status that belongs to grpc_call_message's failure: 13, or 8 for ERR_LIMIT. */
void grpc_refuse_later(struct grpc_call *c, err code, const struct fault *f);
/* Send one response message (takes the reference; NULL = an empty message). */
void grpc_send_later(struct grpc_call *c, struct bytes *message);
/* Bytes sent with grpc_send_later that have not left for the socket yet; 0 once the client is gone. */
size_t grpc_queued(const struct grpc_call *c);
/* End the call. `text` is percent-encoded here; `details` is a serialised google.rpc.Status for
 * grpc-status-details-bin, or empty. The call is gone after. */
void grpc_finish_later(struct grpc_call *c, enum grpc_status status, slice text, slice details);
/* The common unary end: one message, status 0. Takes the reference. */
void grpc_reply_later(struct grpc_call *c, struct bytes *message);

/* grpc.health.v1.Health: Check answers SERVING or NOT_SERVING for any service name, Watch is not supported.
 * Its state is the process's; NOT_SERVING until set. Any thread. */
extern const struct grpc_service grpc_health;
void grpc_health_set(bool serving);
