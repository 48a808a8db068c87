/* A loop over numbers, shared with the worker pool.
 *
 * Numbers are handed out by a counter. The caller takes part and never waits for a helper that has not begun,
 * so that a loop ends however busy the pool is: a helper that comes late finds nothing to do. Threads: any
 * worker; `fn` runs on several at once, each with a slot of its own. Lock: LOCK_PARALLEL. */
#pragma once

#include "vivace/runtime/pool.h"

#define PARALLEL_SLOTS_MAX 64

/* How many slots a loop over the pool uses at most; 1 without a pool. */
size_t parallel_slots(const struct pool *pool);
/* fn(ctx, slot, i) for every i in [0, n); slot < parallel_slots(pool), 0 is the caller's. Returns when all
 * are done. */
void parallel_for(struct pool *pool, size_t n, void (*fn)(void *ctx, size_t slot, size_t i), void *ctx);
/* The same for work that can fail: the failure of the least number is the answer, whichever came first; those
 * above a failed one may be left out. */
err parallel_try(struct pool *pool, size_t n, err (*fn)(void *ctx, size_t slot, size_t i, struct fault *f),
                 void *ctx, struct fault *f);
