/* Event loops: one libuv loop per thread, with a mailbox to reach it and timers.
 *
 * runtime is the only room that includes uv.h; sockets are built on runtime/watch.h. A loop owns its
 * handles: every call here but loop_post must come from the loop's own thread (asserted).
 * A mailbox message is a struct embedded in its owner (no allocation); the queue is a list swapped out once
 * per wake-up (after h2o's multithread queue).
 */
#pragma once

#include "vivace/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;

struct loop_msg {
    struct loop_msg *next;           /* the mailbox's */
    void (*run)(struct loop_msg *m); /* on the loop's thread */
};

/* Create a loop (not running yet). */
struct loop *loop_create(const char *name);
/* Start its thread. */
CHECKED err loop_start(struct loop *l);
/* Run on the calling thread instead of a thread of its own, until loop_stop. */
void loop_run_here(struct loop *l);
/* Ask it to stop: runs what is posted, then ends once every handle is closed. From any thread. */
void loop_stop(struct loop *l);
/* Wait for the thread, free it. Not from the loop's own thread. */
void loop_join(struct loop *l);
/* From any thread: run `m` on the loop soon, in order of posting. `m` must live until it ran. */
void loop_post(struct loop *l, struct loop_msg *m);
bool loop_is_here(const struct loop *l);
void loop_assert_here(const struct loop *l);
/* Monotonic ms, cached for this turn of the loop. */
uint64_t loop_now_ms(const struct loop *l);

/* Timers: caller's storage may not move or die before loop_timer_close's callback or loop end.
 * On the loop's thread only. */
struct loop_timer;
struct loop_timer *loop_timer_create(struct loop *l, void (*fn)(void *ctx), void *ctx);
/* First after `after_ms`, then each `repeat_ms` (0 = once). Re-arming is cheap. */
void loop_timer_start(struct loop_timer *t, uint64_t after_ms, uint64_t repeat_ms);
void loop_timer_stop(struct loop_timer *t);
/* Stop and free (later, in libuv's close callback). NULL is fine. */
void loop_timer_destroy(struct loop_timer *t);

/* Call `fn(ctx, signum)` on the loop's thread for a signal. For the process's life. */
void loop_on_signal(struct loop *l, int signum, void (*fn)(void *ctx, int signum), void *ctx);
