/* net-private: a gRPC call between its HTTP/2 stream and its method.
 *
 * The stream (loop thread) feeds the call and tells it when it is gone; the method's side pushes messages and
 * the end from any thread onto `items`, a list that the loop takes as a whole. The thread that finds the list
 * empty posts the call's one mailbox message, so it is posted at most once at a time, and nobody but the loop
 * touches the call after the end was pushed.
 */
#pragma once

#include "h2.h"

#include "vivace/codec/compress.h"

#define GRPC_CALL_MAGIC  0x47525043u
#define GRPC_TEXT_MAX    8192  /* grpc-message, percent-encoded */
#define GRPC_DETAILS_MAX 16384 /* grpc-status-details-bin, base64 */

enum grpc_item_kind { GRPC_ITEM_MESSAGE, GRPC_ITEM_ABORT, GRPC_ITEM_FINISH };

struct grpc_item {
    struct h2_out out; /* first: the stream's queue takes the message as it is */
    struct grpc_item *next;
    enum grpc_item_kind kind;
    enum grpc_status status;
    char *text;    /* percent-encoded, owned */
    char *details; /* base64, owned; NULL = none */
};

struct grpc_call_state {
    struct grpc_call pub; /* first */
    uint32_t magic;
    struct exchange *x;
    struct h2_stream *stream; /* loop thread; NULL once it is gone or ended */
    const struct grpc_method *method;
    void *ctx;
    size_t message_max;
    bool dispatched;
    bool headers_sent;
    bool shared_port;   /* HTTP lives on the port too: declare the trailers */
    slice content_type; /* in x's arena */
    slice encoding;     /* request's grpc-encoding, echoed; empty = identity */
    enum codec_kind codec;

    uint8_t prefix[5];
    uint8_t prefix_n;
    struct buf raw;        /* the message while it arrives; its max is the length in the prefix */
    struct bytes *packed;  /* complete and compressed, until asked for */
    struct bytes *message; /* plain */
    size_t raw_reserved, plain_reserved; /* of the listener's budget, for the two */

    struct loop_msg msg;
    _Atomic(struct grpc_item *) items; /* newest first */
    _Atomic size_t queued;
};

/* --- grpc.c --- */
/* api.md 2.1: content-type contains application/grpc, or the port has no HTTP handler. */
bool grpc_is_call(const struct http_listener_options *o, const struct http_request *r);
/* Headers are complete: makes the call of the stream (taking its exchange), or answers it with an error. */
void grpc_open(struct h2_stream *s);
void grpc_feed(struct grpc_call_state *c, slice in);
void grpc_remote_end(struct grpc_call_state *c);
/* The stream is gone. */
void grpc_detach(struct grpc_call_state *c);
void grpc_tick(struct grpc_call_state *c);
/* End the stream with an error now, and let go of it; frees a call no method has seen. Loop thread. */
void grpc_abort(struct grpc_call_state *c, int http_status, enum grpc_status status, slice text);

/* --- grpc_send.c --- */
/* Answer with HEADERS only, or trailers when HEADERS went out before. Takes the strings. */
void grpc_end_stream(struct grpc_call_state *c, int http_status, enum grpc_status status, char *text,
                     char *details);
void grpc_call_destroy(struct grpc_call_state *c);

/* --- grpc_text.c --- */
/* "5S" -> ns; ERR_INVALID with grpc-go's text. */
CHECKED err grpc_timeout_parse(slice s, struct fault *f, int64_t *ret_ns);
/* NUL-terminated, at most GRPC_TEXT_MAX characters. */
char *grpc_percent_encode(slice s);
/* Without padding; NULL when longer than GRPC_DETAILS_MAX. */
char *grpc_base64(slice s);
/* As Go's %q, for the texts that quote what the client sent. */
void grpc_quote(struct buf *out, slice s);
