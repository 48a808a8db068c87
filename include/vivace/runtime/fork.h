/* Work on several things at once, from a worker, without waiting for other workers to be free.
 *
 *   fork_join(pool, n, fn, ctx)      fn(ctx, 0) .. fn(ctx, n - 1), each once, in any order
 *
 * The caller takes part: it works on the next number until none is left, and then waits only for numbers that
 * another worker has begun. When all others are busy it does everything itself, so that any number of callers
 * may do this at once on one pool. Threads: call from any; `fn` runs on the caller and on workers.
 */
#pragma once

#include "vivace/runtime/pool.h"

/* `pool` may be NULL: the caller alone. */
void fork_join(struct pool *pool, size_t n, void (*fn)(void *ctx, size_t i), void *ctx);
