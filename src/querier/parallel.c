#include "parallel.h"

#include "vivace/base/mem.h"
#include "vivace/base/mutex.h"

#include <stdatomic.h>

struct loop;

struct helper {
    struct pool_job job;
    struct loop *loop;
    size_t slot;
};

struct loop {
    struct mutex mu;
    pthread_cond_t idle;
    size_t active; /* helpers at work; guarded by mu */
    size_t refs;   /* the caller and the helpers the pool has; guarded by mu */
    bool closed;   /* no number is left; guarded by mu */
    _Atomic size_t next;
    size_t n;
    void (*fn)(void *ctx, size_t slot, size_t i);
    void *ctx;
    struct helper helpers[PARALLEL_SLOTS_MAX];
};

size_t
parallel_slots(const struct pool *pool)
{
    size_t threads = pool ? (size_t)pool_threads(pool) : 1;
    return threads < PARALLEL_SLOTS_MAX ? threads : PARALLEL_SLOTS_MAX;
}

static void
take_part(struct loop *l, size_t slot)
{
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);
        if (i >= l->n) {
            return;
        }
        l->fn(l->ctx, slot, i);
    }
}

/* The last one frees. */
static void
leave(struct loop *l)
{
    mutex_lock(&l->mu);
    const bool last = --l->refs == 0;
    mutex_unlock(&l->mu);
    if (last) {
        pthread_cond_destroy(&l->idle);
        mutex_fini(&l->mu);
        mem_free(l);
    }
}

static void
help(struct pool_job *job)
{
    struct helper *h = (struct helper *)job;
    struct loop *l = h->loop;
    mutex_lock(&l->mu);
    const bool late = l->closed;
    l->active += !late;
    mutex_unlock(&l->mu);
    if (!late) {
        take_part(l, h->slot);
        mutex_lock(&l->mu);
        l->active--;
        pthread_cond_signal(&l->idle);
        mutex_unlock(&l->mu);
    }
    leave(l);
}

void
parallel_for(struct pool *pool, size_t n, void (*fn)(void *ctx, size_t slot, size_t i), void *ctx)
{
    const size_t slots = parallel_slots(pool);
    if (n < 2 || slots < 2) {
        for (size_t i = 0; i < n; i++) {
            fn(ctx, 0, i);
        }
        return;
    }
    struct loop *l = mem_new(struct loop);
    mutex_init(&l->mu, LOCK_PARALLEL);
    cond_init(&l->idle);
    l->n = n;
    l->fn = fn;
    l->ctx = ctx;
    const size_t wanted = (n < slots ? n : slots) - 1;
    l->refs = 1 + wanted;
    for (size_t i = 0; i < wanted; i++) {
        l->helpers[i] = (struct helper){.job.run = help, .loop = l, .slot = i + 1};
        if (pool_submit(pool, &l->helpers[i].job) != OK) { /* busy, or stopping: without it */
            leave(l);
        }
    }
    take_part(l, 0);
    mutex_lock(&l->mu);
    l->closed = true;
    while (l->active) {
        (void)mutex_wait(&l->mu, &l->idle, -1);
    }
    mutex_unlock(&l->mu);
    leave(l);
}

/* --- work that can fail -----------------------------------------------------------------------------------
 */

struct trial {
    err (*fn)(void *ctx, size_t slot, size_t i, struct fault *f);
    void *ctx;
    _Atomic size_t failed; /* the least number that failed */
    struct mutex mu;
    err rc;             /* of `failed`; guarded by mu */
    struct fault fault; /* guarded by mu */
};

static void
try_one(void *ctx, size_t slot, size_t i)
{
    struct trial *t = ctx;
    struct fault f = {0};
    if (i > atomic_load_explicit(&t->failed, memory_order_relaxed)) {
        return;
    }
    const err rc = t->fn(t->ctx, slot, i, &f);
    if (rc == OK) {
        return;
    }
    mutex_lock(&t->mu);
    if (i < atomic_load_explicit(&t->failed, memory_order_relaxed)) {
        atomic_store_explicit(&t->failed, i, memory_order_relaxed);
        t->rc = rc;
        t->fault = f;
    }
    mutex_unlock(&t->mu);
}

err
parallel_try(struct pool *pool, size_t n, err (*fn)(void *ctx, size_t slot, size_t i, struct fault *f),
             void *ctx, struct fault *f)
{
    struct trial t = {.fn = fn, .ctx = ctx, .rc = OK};
    atomic_init(&t.failed, SIZE_MAX);
    mutex_init(&t.mu, LOCK_PARALLEL);
    parallel_for(pool, n, try_one, &t);
    mutex_fini(&t.mu);
    if (t.rc != OK && f) {
        *f = t.fault;
    }
    return t.rc;
}
