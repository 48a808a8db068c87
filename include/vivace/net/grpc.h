/* gRPC over HTTP/2: unary and server-streaming methods, by path.
 *
 * Framing, compression (identity, gzip, zstd, snappy), size limits, grpc-timeout and the status texts of
 * receivers.md section 3 are handled here; a method sees one decompressed request message.
 * Threads: the method runs on the loop and must not block; grpc_send_later and grpc_finish_later may be
 * called from any thread (in order, by one thread at a time). A call lives until finished, also when the
 * client has gone (`cancelled`). Source: gRPC over HTTP2 (PROTOCOL-HTTP2.md).
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

struct grpc_call {
    const struct http_request *request; /* headers = metadata; its body is not used */
    struct bytes *message;              /* the request message, decompressed; NULL when empty */
    int64_t deadline_mono_ns;           /* from grpc-timeout; 0 = none */
    void *user;                         /* the method's, from here on */
    _Atomic bool cancelled;
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

/* Send one response message (takes the reference). */
void grpc_send_later(struct grpc_call *c, struct bytes *message);
/* End the call. `text` is percent-encoded here; `details` is a serialised google.rpc.Status for
 * grpc-status-details-bin, or empty. The call is gone after. */
void grpc_finish_later(struct grpc_call *c, enum grpc_status status, slice text, slice details);
/* The common unary end: one message, status 0 (loop thread or any). Takes the reference. */
void grpc_reply_later(struct grpc_call *c, struct bytes *message);
