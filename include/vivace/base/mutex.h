/* A pthread mutex that knows its rank: locks are taken in rising rank, named in docs/locking.md.
 * Debug builds assert the order and the owner; any pthread error is a bug. No I/O to a peer, callback or
 * large allocation while holding one. Threads: that is what it is for. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

enum lock_rank { /* lower is taken first; see docs/locking.md */
                 LOCK_CONFIG = 10,
                 LOCK_TENANTS = 20,
                 LOCK_LOOK = 25,
                 LOCK_INGESTER = 30,
                 LOCK_SEGMENT = 40,
                 LOCK_BLOCKLIST = 50,
                 LOCK_LIMITER = 60,
                 LOCK_QUERIES = 65,
                 LOCK_FLUSH = 67,
                 LOCK_PARALLEL = 69,
                 LOCK_POOL = 70,
                 LOCK_MAILBOX = 80,
                 LOCK_METRICS = 90,
                 LOCK_LOG = 100,
};

struct mutex {
    pthread_mutex_t mu;
    enum lock_rank rank;
#ifdef VIVACE_DEBUG
    pthread_t owner;
    bool held;
#endif
};

void mutex_init(struct mutex *m, enum lock_rank rank);
void mutex_fini(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
/* Debug builds: abort unless this thread holds it. */
void mutex_must_hold(struct mutex *m);
/* Wait on `cv` with `m` held. timeout_ns < 0: no timeout. False on timeout. Use cond_init for `cv`. */
bool mutex_wait(struct mutex *m, pthread_cond_t *cv, long long timeout_ns);
/* A condition on the monotonic clock. */
void cond_init(pthread_cond_t *cv);
