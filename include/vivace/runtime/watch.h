/* Descriptors watched by a loop, and work put off to the end of the loop's turn: what sockets are built on.
 *
 * A watch reports readiness (level-triggered) of a non-blocking descriptor; the owner reads and writes it
 * with ordinary system calls. Reads go into the loop's one buffer, so that an idle connection owns none.
 * Deferred work runs after the events of this turn and before the loop sleeps: that is where queued answers
 * are written (one writev for many) and where connections die, never inside their own callbacks. Threads:
 * everything here on the loop's own thread.
 */
#pragma once

#include "vivace/runtime/loop.h"

#include <stddef.h>

enum {
    WATCH_READ = 1,   /* bytes, or the end */
    WATCH_WRITE = 2,  /* room in the send buffer */
    WATCH_HANGUP = 4, /* the peer closed its side; asked for apart from WATCH_READ */
};

struct watch;

/* Watch `fd` (taken: closed by watch_destroy; on failure it is left open) with no events yet. `fn` gets the
 * events that hold; an error on the descriptor reads as all that were asked for. */
CHECKED err watch_create(struct loop *l, int fd, void (*fn)(void *ctx, unsigned events), void *ctx,
                         struct watch **ret);
/* The set of events wanted from now on. The same set again costs nothing. */
void watch_set(struct watch *w, unsigned events);
int watch_fd(const struct watch *w);
/* Stop, close the descriptor, free (later). `fn` is not called again. NULL is fine. */
void watch_destroy(struct watch *w);

struct loop_deferred {
    struct loop_deferred *next; /* the loop's */
    void (*run)(struct loop_deferred *d);
    bool queued; /* the loop's: cleared just before `run` */
};

/* Run `d` at the end of this turn; once, however often it is asked. It must not die while queued. What is
 * deferred from within deferred work runs in the same turn. */
void loop_defer(struct loop *l, struct loop_deferred *d);

/* The loop's read buffer: its content is good until the callback returns. */
#define LOOP_BUFFER_BYTES ((size_t)64 << 10)
uint8_t *loop_buffer(struct loop *l);
