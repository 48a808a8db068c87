/* Who may run a query now: a bounded number at once, taking turns on the worker pool.
 *
 * A task's step works for a few milliseconds and says whether it is done; between two steps it goes to the
 * end of the pool's queue, so that pushes and small requests never wait for a long search. Tasks over
 * `running_max` wait in order; over `waiting_max` they are refused. Threads: any. Lock: LOCK_QUERIES. */
#pragma once

#include "vivace/base/mutex.h"
#include "vivace/runtime/pool.h"

#define QUERY_SLICE_NS INT64_C(10000000) /* of one step: what others wait at most for a worker */

struct query_gate;

struct query_task {
    struct pool_job job;
    struct query_gate *gate;
    struct query_task *next; /* waiting */
    /* True when it is answered; the task is gone then. */
    bool (*step)(struct query_task *t);
};

struct query_gate {
    struct mutex mu;
    struct pool *pool;
    size_t running, running_max;     /* guarded by mu */
    size_t waiting, waiting_max;     /* guarded by mu */
    struct query_task *first, *last; /* guarded by mu */
};

void query_gate_init(struct query_gate *g, struct pool *pool, size_t running_max, size_t waiting_max);
void query_gate_fini(struct query_gate *g);
/* Start it now or when its turn comes. ERR_LIMIT, ERR_UNAVAILABLE: too many wait, or the pool takes no more;
 * the task is still the caller's. Any thread, loops too. */
CHECKED err query_gate_enter(struct query_gate *g, struct query_task *t);
