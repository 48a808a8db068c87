/* net-private: the connections of one listener on one loop, between listener.c and conn.c. Loop thread only.
 */
#pragma once

#include "conn.h"

struct conn_group {
    const struct http_listener_options *options; /* the listener's copy */
    struct loop *loop;
    struct conn *first;
    size_t count;
    struct loop_timer *tick; /* runs while there are connections */
    uint64_t tick_ms;
    bool draining;
    uint8_t *plain;                     /* TLS: where records are decrypted, CONN_PLAIN_BYTES */
    void (*gone)(struct conn_group *g); /* a connection was freed (or could not be made) */
};

#define CONN_PLAIN_BYTES ((size_t)16 << 10) /* one TLS record */

void conn_group_init(struct conn_group *g, const struct http_listener_options *o, struct loop *loop);
/* With no connections left. */
void conn_group_fini(struct conn_group *g);
/* Serve an accepted socket (taken). */
void conn_open(struct conn_group *g, int fd, const char *peer);
void conn_group_drain(struct conn_group *g);
/* Close every connection now. */
void conn_group_cut(struct conn_group *g);
