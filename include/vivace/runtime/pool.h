/* The worker pool: a fixed number of threads and one bounded queue for CPU work and disk I/O.
 *
 * A job is a struct embedded in its owner. Full queue = pool_submit says ERR_LIMIT and the caller answers its
 * client with back-pressure; nothing waits unbounded. Jobs run in order of submission, in parallel.
 * Threads: submit from any thread.
 */
#pragma once

#include "vivace/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct pool;

struct pool_job {
    struct pool_job *next;           /* the pool's */
    void (*run)(struct pool_job *j); /* on a worker; owns the job from here on */
};

/* `queue_max` jobs may wait. */
struct pool *pool_create(const char *name, int threads, size_t queue_max);
/* ERR_LIMIT when the queue is full, ERR_UNAVAILABLE after pool_stop. */
CHECKED err pool_submit(struct pool *p, struct pool_job *j);
size_t pool_queued(const struct pool *p);
int pool_threads(const struct pool *p);
/* Refuse new jobs, run what is queued, join the threads, free. */
void pool_destroy(struct pool *p);

/* A thread of its own that runs `fn` each `period_ms` until stopped, woken early by maintenance_poke. `nice`:
 * 0, or how far it stands back behind the others (setpriority(2)); a kernel that refuses leaves it as it was.
 */
struct maintenance;
struct maintenance *maintenance_start(const char *name, int nice, uint64_t period_ms, void (*fn)(void *ctx),
                                      void *ctx);
void maintenance_poke(struct maintenance *m);
/* Waits for a running `fn`, frees. */
void maintenance_stop(struct maintenance *m);
