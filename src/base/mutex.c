#include "vivace/base/mutex.h"

#include "vivace/base/must.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#ifdef VIVACE_DEBUG
/* The ranks this thread holds, in the order taken. */
static _Thread_local const struct mutex *held_stack[16];
static _Thread_local int held_count;

static void
note_locked(struct mutex *m)
{
    MUST(held_count < 16);
    held_stack[held_count++] = m;
    m->owner = pthread_self();
    m->held = true;
}

static void
note_unlocked(struct mutex *m)
{
    m->held = false;
    for (int i = held_count; i-- > 0;) {
        if (held_stack[i] == m) {
            memmove(&held_stack[i], &held_stack[i + 1], (size_t)(held_count - i - 1) * sizeof held_stack[0]);
            held_count--;
            return;
        }
    }
    must_fail("the mutex is held by this thread", __FILE__, __LINE__);
}

static void
check_order(const struct mutex *m)
{
    for (int i = 0; i < held_count; i++) {
        MUST(held_stack[i]->rank < m->rank);
    }
}
#else
static void
note_locked(struct mutex *m)
{
    (void)m;
}

static void
note_unlocked(struct mutex *m)
{
    (void)m;
}

static void
check_order(const struct mutex *m)
{
    (void)m;
}
#endif

void
mutex_init(struct mutex *m, enum lock_rank rank)
{
    memset(m, 0, sizeof *m);
    m->rank = rank;
    MUST(pthread_mutex_init(&m->mu, NULL) == 0);
}

void
mutex_fini(struct mutex *m)
{
    MUST(pthread_mutex_destroy(&m->mu) == 0);
}

void
mutex_lock(struct mutex *m)
{
    check_order(m);
    MUST(pthread_mutex_lock(&m->mu) == 0);
    note_locked(m);
}

void
mutex_unlock(struct mutex *m)
{
    note_unlocked(m);
    MUST(pthread_mutex_unlock(&m->mu) == 0);
}

void
mutex_must_hold(struct mutex *m)
{
#ifdef VIVACE_DEBUG
    MUST(m->held && pthread_equal(m->owner, pthread_self()));
#else
    (void)m;
#endif
}

bool
mutex_wait(struct mutex *m, pthread_cond_t *cv, long long timeout_ns)
{
    int rc = 0;
    note_unlocked(m);
    if (timeout_ns < 0) {
        rc = pthread_cond_wait(cv, &m->mu);
    } else {
        struct timespec at;
        MUST(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
        long long ns = at.tv_nsec + timeout_ns % 1000000000;
        at.tv_sec += (time_t)(timeout_ns / 1000000000 + ns / 1000000000);
        at.tv_nsec = (long)(ns % 1000000000);
        rc = pthread_cond_timedwait(cv, &m->mu, &at);
    }
    note_locked(m);
    MUST(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void
cond_init(pthread_cond_t *cv)
{
    pthread_condattr_t attr;
    MUST(pthread_condattr_init(&attr) == 0);
    MUST(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    MUST(pthread_cond_init(cv, &attr) == 0);
    MUST(pthread_condattr_destroy(&attr) == 0);
}
