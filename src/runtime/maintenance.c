#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/base/mutex.h"
#include "vivace/runtime/pool.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct maintenance {
    struct mutex mu;
    pthread_cond_t woken;
    bool stopping; /* guarded by mu */
    bool poked;    /* guarded by mu */
    int nice;
    uint64_t period_ms;
    void (*fn)(void *ctx);
    void *ctx;
    char name[16];
    pthread_t id;
};

static void *
maintenance_main(void *arg)
{
    struct maintenance *m = arg;
    (void)pthread_setname_np(pthread_self(), m->name);
    if (m->nice) { /* of this thread alone */
        (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), m->nice);
    }
    mutex_lock(&m->mu);
    while (!m->stopping) {
        if (!m->poked && mutex_wait(&m->mu, &m->woken, (long long)m->period_ms * NS_PER_MS)) {
            continue; /* woken: look again (a stray wake-up only starts the period anew) */
        }
        m->poked = false;
        mutex_unlock(&m->mu);
        m->fn(m->ctx);
        mutex_lock(&m->mu);
    }
    mutex_unlock(&m->mu);
    return NULL;
}

struct maintenance *
maintenance_start(const char *name, int nice, uint64_t period_ms, void (*fn)(void *ctx), void *ctx)
{
    struct maintenance *m = mem_new(struct maintenance);
    mutex_init(&m->mu, LOCK_POOL);
    cond_init(&m->woken);
    m->nice = nice;
    m->period_ms = period_ms;
    m->fn = fn;
    m->ctx = ctx;
    (void)snprintf(m->name, sizeof m->name, "%s", name);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    MUST(pthread_create(&m->id, NULL, maintenance_main, m) == 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return m;
}

void
maintenance_poke(struct maintenance *m)
{
    mutex_lock(&m->mu);
    m->poked = true;
    pthread_cond_signal(&m->woken);
    mutex_unlock(&m->mu);
}

void
maintenance_stop(struct maintenance *m)
{
    if (!m) {
        return;
    }
    mutex_lock(&m->mu);
    m->stopping = true;
    pthread_cond_signal(&m->woken);
    mutex_unlock(&m->mu);
    MUST(pthread_join(m->id, NULL) == 0);
    pthread_cond_destroy(&m->woken);
    mutex_fini(&m->mu);
    mem_free(m);
}
