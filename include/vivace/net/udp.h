/* UDP sockets: datagrams in, and a count of every one that was lost.
 *
 * A socket lives on one loop. Datagrams are read into the loop's buffer and given to the callback one by one,
 * up to UDP_BATCH a turn, so that connections on the same loop get theirs. What the kernel dropped because
 * its receive queue was full is told by the socket itself (SO_RXQ_OVFL) with the next datagram that gets
 * through. Counted in vivace_udp_datagrams_total{listener} and
 * vivace_udp_dropped_datagrams_total{listener,reason}: "kernel", "too_large", and what the owner says with
 * udp_count_drop. Threads: open and close from outside the loop; the callback runs on it and must not block.
 */
#pragma once

#include "vivace/base/err.h"
#include "vivace/base/slice.h"
#include "vivace/runtime/loop.h"

#define UDP_BATCH 64

struct udp_socket;

struct udp_options {
    const char *name;     /* for logs and metrics; static */
    const char *network;  /* "udp", "udp4", "udp6" */
    const char *address;  /* "host:port", ":port", "[::1]:port"; port 0 = any */
    struct loop *loop;    /* started, or to be */
    size_t datagram_max;  /* bytes; larger ones are dropped. At most LOOP_BUFFER_BYTES count */
    size_t kernel_buffer; /* SO_RCVBUF in bytes; 0 = the system's default */
    /* The bytes are good until the callback returns. */
    void (*on_datagram)(void *ctx, slice datagram);
    void *ctx;
};

/* ERR_IO with "listen udp 0.0.0.0:6831: bind: address already in use". */
CHECKED err udp_open(const struct udp_options *o, struct fault *f, struct udp_socket **ret);
int udp_port(const struct udp_socket *u);
/* One datagram of the listener `name` was given to the owner and lost by it. `reason` is a metric label. Any
 * thread. */
void udp_count_drop(const char *name, slice reason);
/* Stop and free; waits for the loop, after which no callback runs. Not on the loop. NULL is fine. */
void udp_close(struct udp_socket *u);
