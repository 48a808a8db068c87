/* net-private: an HTTP/2 server connection on nghttp2, and the streams on it.
 *
 * h2.c owns the session and its life (frames in, ageing, draining); h2_stream.c assembles requests; h2_send.c
 * turns what streams have queued into frames; h2_answer.c is the HTTP side of an answer; grpc.c the gRPC
 * side. Threads: the connection's loop. Nothing here frees the session or a connection while a callback of
 * nghttp2 is on the stack: entry points are bracketed by h2_enter / h2_leave, and `close` inside them takes
 * effect at the end. Flow control: windows open by hand. The connection's credit is given back at once, a
 * stream's only while the listener's budget is not short (the oldest stream always gets it, so that something
 * ends and frees memory). Sources: RFC 9113, receivers.md 3.1, grpc-go's server for keepalive.
 */
#pragma once

#include "conn.h"
#include "exchange.h"

#include "vivace/net/grpc.h"

#include <nghttp2/nghttp2.h>

#define H2_FRAME_MAX        16384
#define H2_STREAM_WINDOW    (1 << 20) /* announced: there is no bandwidth estimator to grow it */
#define H2_CONN_WINDOW      (8 << 20) /* 64 KiB would stall large OTLP batches */
#define H2_STREAMS_MAX      10000     /* per connection, when the setting is not announced */
#define H2_STREAM_COST      2048      /* bytes reserved for a stream itself */
#define H2_NOISE_MAX        10000 /* frames a second that carry nothing: PING, SETTINGS, empty DATA, ... */
#define H2_RESET_BURST      1000  /* RST_STREAM received; nghttp2's own default, said aloud */
#define H2_RESET_RATE       33    /* ... per second after that */
#define H2_FAULT_BURST      200   /* streams we had to reset for the client's mistakes; 33 a second after */
#define H2_OUTBOUND_ACK_MAX 1000  /* PING and SETTINGS acks waiting to be sent */
#define H2_SETTINGS_MAX     32    /* entries per SETTINGS frame */
#define H2_DRAIN_PING_MS    1000  /* wait for the ping between the two GOAWAYs of a drain */

#define H2_CONN_MAGIC   0x48324331u
#define H2_STREAM_MAGIC 0x48325331u

struct grpc_call_state; /* grpc_priv.h */

/* A piece of a stream's output: an optional gRPC prefix and bytes. First member of what its maker allocated.
 */
struct h2_out {
    struct h2_out *next;
    struct bytes *bytes; /* owned reference; may be NULL */
    size_t off;          /* sent of prefix and bytes together */
    size_t reserved;     /* of the listener's budget */
    uint8_t prefix[5];
    uint8_t prefix_n;
};

#define H2_TRAILERS_MAX 3

struct h2_trailer {
    const char *name; /* static */
    char *value;      /* owned */
    size_t n;
};

struct h2_stream {
    uint32_t magic;
    int32_t id;
    struct h2_conn *h;
    struct h2_stream *prev, *next; /* h->oldest .. h->newest */

    struct exchange *x;           /* being assembled, or waiting for its answer; NULL after */
    struct grpc_call_state *call; /* gRPC: owns the exchange instead */
    struct http_header *headers;  /* in x's arena */
    size_t header_count, header_cap, header_bytes;
    size_t content_length; /* SIZE_MAX = not said */
    size_t reserved;       /* H2_STREAM_COST and headers */
    struct buf body;
    bool headers_done;
    bool headers_too_large;
    bool head;          /* HEAD: no body in the answer */
    bool dispatched;    /* the handler has the exchange */
    bool discard;       /* body bytes are dropped */
    bool remote_closed; /* END_STREAM came */
    size_t held;        /* window credit not given back yet */

    struct h2_out *out, **out_tail;
    size_t out_bytes;
    bool out_end;  /* nothing comes after what is queued */
    bool deferred; /* nghttp2 waits for h2_stream_resume */
    struct h2_trailer trailers[H2_TRAILERS_MAX];
    size_t trailer_count;
    uint64_t progress_ms; /* bytes moved in either direction */
};

enum h2_phase { H2_OPEN, H2_NOTICED, H2_LEAVING };

struct h2_conn {
    uint32_t magic;
    unsigned depth; /* entry points on the stack */
    bool closed;    /* `close` came: c is not to be touched */
    bool ended;     /* conn_end was asked */
    struct conn *c;
    const struct http_listener_options *opt;
    nghttp2_session *session;
    struct h2_stream *oldest, *newest;
    size_t stream_count;

    enum h2_phase phase;
    bool preface_done;
    bool condemned;  /* GOAWAY for misbehaviour: ends once that is flushed */
    unsigned noise;  /* frames that carried nothing since the last tick */
    unsigned faults; /* streams reset for the client's mistakes, less 33 a second */
    uint64_t opened_ms, headers_since_ms, idle_since_ms, read_ms, noticed_ms, leaving_ms; /* 0 = not so */
    uint64_t second_ms;       /* when noise and faults were last aged */
    const char *drain_reason; /* debug data of the last GOAWAY */
    uint64_t age_max_ms;      /* with jitter; 0 = none */

    uint64_t ping_sent_ms;   /* our keepalive ping is under way */
    uint64_t client_ping_ms; /* last ping of the client; 0 = none */
    unsigned strikes;
    bool strikes_reset; /* HEADERS or DATA were sent since */
};

/* --- h2.c --- */
void h2_enter(struct h2_conn *h);
/* May free `h`. */
void h2_leave(struct h2_conn *h);
uint64_t h2_now(const struct h2_conn *h);
/* GOAWAY with this code and reason, then the connection ends once it is flushed. */
void h2_goaway_now(struct h2_conn *h, uint32_t code, const char *reason);
void h2_end(struct h2_conn *h, bool flush);

/* --- h2_keepalive.c --- */
void h2_keepalive_open(struct h2_conn *h);
void h2_keepalive_on_ping(struct h2_conn *h);
void h2_keepalive_on_ack(struct h2_conn *h, const uint8_t data[8]);
void h2_keepalive_tick(struct h2_conn *h, uint64_t now);
/* Graceful: GOAWAY with the highest id and a ping; when that is back, GOAWAY with the last id taken. */
void h2_drain_start(struct h2_conn *h, const char *reason);

/* --- h2_stream.c --- */
void h2_stream_begin(struct h2_conn *h, int32_t id);
void h2_stream_header(struct h2_stream *s, slice name, slice value);
void h2_stream_headers_done(struct h2_stream *s);
void h2_stream_data(struct h2_stream *s, slice in);
void h2_stream_remote_end(struct h2_stream *s);
void h2_stream_destroy(struct h2_stream *s);
void h2_stream_reset(struct h2_stream *s, uint32_t code);
/* A piece was sent or is dropped: count and free it. */
void h2_stream_out_done(struct h2_stream *s, struct h2_out *o);
void h2_stream_tick(struct h2_stream *s, uint64_t now);
/* Grow `b` towards `max` for `n` more bytes, reserving `*reserved` of the budget first. */
CHECKED err h2_body_reserve(struct budget *budget, struct buf *b, size_t n, size_t *reserved);
/* Less than an eighth is left of it or of an ancestor: new credit waits. */
bool h2_budget_short(const struct budget *b);
/* What was held back and may go now. */
void h2_credit_held(struct h2_conn *h);

/* --- h2_send.c --- */
void h2_pump(struct h2_conn *h);
ssize_t h2_on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t length, uint32_t *flags,
                   nghttp2_data_source *source, void *user);
int h2_on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *framehd, size_t length,
                    nghttp2_data_source *source, void *user);
/* HEADERS of an answer; with `body` its DATA follows from the stream's queue, otherwise END_STREAM. */
void h2_stream_respond(struct h2_stream *s, const nghttp2_nv *nv, size_t n, bool body);
/* Takes the piece. */
void h2_stream_queue(struct h2_stream *s, struct h2_out *o);
/* Nothing more comes: END_STREAM, or the stream's trailers. */
void h2_stream_finish(struct h2_stream *s);
void h2_stream_trailers_submit(nghttp2_session *session, int32_t id, struct h2_stream *s);
void h2_out_destroy(struct budget *budget, struct h2_out *o);

/* --- h2_answer.c --- */
extern const struct exchange_ops h2_exchange_ops;
/* An answer of our own, before a handler has the request; frees the exchange. */
void h2_answer_text(struct h2_stream *s, int status, slice text);
nghttp2_nv h2_nv(slice name, slice value);
