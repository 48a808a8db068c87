#include "vivace/runtime/pool.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/base/mutex.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

struct pool {
    struct mutex mu;
    pthread_cond_t more;
    struct pool_job *head, **tail; /* guarded by mu */
    bool stopping;                 /* guarded by mu */
    _Atomic size_t queued;         /* written under mu; read anywhere */
    size_t queue_max;
    int threads;
    char name[16];
    pthread_t *ids;
};

static struct pool_job *
pool_next(struct pool *p)
{
    mutex_lock(&p->mu);
    while (!p->head && !p->stopping) {
        (void)mutex_wait(&p->mu, &p->more, -1);
    }
    struct pool_job *j = p->head;
    if (j) {
        p->head = j->next;
        if (!p->head) {
            p->tail = &p->head;
        }
        atomic_fetch_sub_explicit(&p->queued, 1, memory_order_relaxed);
    }
    mutex_unlock(&p->mu);
    return j;
}

static void *
pool_main(void *arg)
{
    struct pool *p = arg;
    (void)pthread_setname_np(pthread_self(), p->name);
    struct pool_job *j;
    while ((j = pool_next(p)) != NULL) {
        j->run(j);
    }
    return NULL;
}

struct pool *
pool_create(const char *name, int threads, size_t queue_max)
{
    MUST(threads > 0);
    struct pool *p = mem_new(struct pool);
    mutex_init(&p->mu, LOCK_POOL);
    cond_init(&p->more);
    p->tail = &p->head;
    p->queue_max = queue_max;
    p->threads = threads;
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    p->ids = mem_new_array(pthread_t, (size_t)threads);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals go to the main thread */
    for (int i = 0; i < threads; i++) {
        /* At start only: a host that gives us no thread cannot run us. */
        MUST(pthread_create(&p->ids[i], NULL, pool_main, p) == 0);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return p;
}

err
pool_submit(struct pool *p, struct pool_job *j)
{
    err rc = OK;
    j->next = NULL;
    mutex_lock(&p->mu);
    if (p->stopping) {
        rc = ERR_UNAVAILABLE;
    } else if (atomic_load_explicit(&p->queued, memory_order_relaxed) >= p->queue_max) {
        rc = ERR_LIMIT;
    } else {
        *p->tail = j;
        p->tail = &j->next;
        atomic_fetch_add_explicit(&p->queued, 1, memory_order_relaxed);
        pthread_cond_signal(&p->more);
    }
    mutex_unlock(&p->mu);
    return rc;
}

size_t
pool_queued(const struct pool *p)
{
    return atomic_load_explicit(&p->queued, memory_order_relaxed);
}

int
pool_threads(const struct pool *p)
{
    return p->threads;
}

void
pool_destroy(struct pool *p)
{
    if (!p) {
        return;
    }
    mutex_lock(&p->mu);
    p->stopping = true;
    pthread_cond_broadcast(&p->more);
    mutex_unlock(&p->mu);
    for (int i = 0; i < p->threads; i++) {
        MUST(pthread_join(p->ids[i], NULL) == 0);
    }
    pthread_cond_destroy(&p->more);
    mutex_fini(&p->mu);
    mem_free(p->ids);
    mem_free(p);
}
