/* net-private: one accepted socket, and the seam between bytes and protocols.
 *
 * conn.c owns the socket (and TLS on it), reads, queues writes, and picks the protocol by ALPN or first
 * bytes; http1.c and h2.c are protocols. All on the connection's loop thread. A protocol never frees the
 * connection: it calls conn_end, and gets `close` once, after which it must not touch the connection.
 */
#pragma once

#include "vivace/net/http.h"

struct conn;

struct proto {
    const char *name; /* "http1", "h2" */
    /* New state for a connection; NULL = refuse it. */
    void *(*open)(struct conn *c);
    /* Bytes as they came. The protocol takes all of them (it buffers what it needs, within its limits).
     * May be called with conn_end already asked: then it does nothing. */
    void (*feed)(void *state, slice in);
    /* The send queue fell below the low-water mark: produce more. */
    void (*writable)(void *state);
    /* Stop taking new requests, finish those under way, then conn_end. */
    void (*drain)(void *state);
    /* About once a second, and after each timer the protocol asked for: check deadlines. */
    void (*tick)(void *state, uint64_t now_ms);
    /* The connection is gone: mark requests under way as cancelled and detach them (they free themselves when
     * answered), free the state. */
    void (*close)(void *state);
    /* The peer closed its side: what is under way is no longer waited for, answers are still sent.
     * `all_read`: no more bytes will be fed. May be called twice (first without, then with it). NULL = the
     * connection is cut instead. */
    void (*eof)(void *state, bool all_read);
};

extern const struct proto proto_http1;
extern const struct proto proto_h2;

/* Queue a copy. Never blocks; a peer that does not read is cut by the body timeout. */
void conn_write(struct conn *c, const void *p, size_t n);
/* Queue bytes [off, off+n) of `b` without copying; takes a reference of its own. */
void conn_write_bytes(struct conn *c, struct bytes *b, size_t off, size_t n);
/* Bytes queued and not yet taken by the kernel. */
size_t conn_queued(const struct conn *c);
#define CONN_LOW_WATER  ((size_t)128 << 10)
#define CONN_HIGH_WATER ((size_t)1 << 20) /* protocols stop producing above this */
/* Stop and start reading (back-pressure). */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
/* Close once the queue is flushed (flush = true) or now. Idempotent. */
void conn_end(struct conn *c, bool flush);
struct loop *conn_loop(const struct conn *c);
uint64_t conn_now_ms(const struct conn *c);
const struct http_listener_options *conn_options(const struct conn *c);
bool conn_is_tls(const struct conn *c);
slice conn_peer(const struct conn *c);
/* Take from the listener's budget before buffering, and give back what was taken: the connection keeps no
 * tally, so that a request can carry its reservation away. */
CHECKED err conn_reserve(struct conn *c, size_t n);
void conn_release(struct conn *c, size_t n);
/* The listener is draining (new connections' protocols check it at open). */
bool conn_draining(const struct conn *c);
