#include "vivace/runtime/fork.h"

#include "vivace/base/mem.h"
#include "vivace/base/mutex.h"

#include <stdatomic.h>

#define HELPERS_MAX 63

struct fork;

struct helper {
    struct pool_job job; /* first: a job is its helper */
    struct fork *of;
};

struct fork {
    void (*fn)(void *ctx, size_t i);
    void *ctx;
    size_t n;
    _Atomic size_t next;   /* the number to begin next; past n: none */
    _Atomic uint32_t refs; /* the caller, and helpers that have not ended */
    struct mutex mu;
    pthread_cond_t all_done;
    size_t done; /* guarded by mu */
    struct helper helpers[HELPERS_MAX];
};

static void
unref(struct fork *f)
{
    if (atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1) {
        (void)pthread_cond_destroy(&f->all_done);
        mutex_fini(&f->mu);
        mem_free(f);
    }
}

/* The caller's memory (ctx) is touched only between taking a number and counting it as done, and the caller
 * leaves when all are done: a helper that comes late finds no number and touches only the fork. */
static void
work(struct fork *f)
{
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&f->next, 1, memory_order_relaxed);
        if (i >= f->n) {
            return;
        }
        f->fn(f->ctx, i);
        mutex_lock(&f->mu); /* also publishes what fn wrote to the caller */
        if (++f->done == f->n) {
            (void)pthread_cond_signal(&f->all_done);
        }
        mutex_unlock(&f->mu);
    }
}

static void
help(struct pool_job *job)
{
    struct fork *f = ((struct helper *)job)->of;
    work(f);
    unref(f);
}

void
fork_join(struct pool *pool, size_t n, void (*fn)(void *ctx, size_t i), void *ctx)
{
    size_t helpers = pool && n > 1 ? (size_t)pool_threads(pool) - 1 : 0;
    helpers = helpers < n ? helpers : n ? n - 1 : 0;
    helpers = helpers < HELPERS_MAX ? helpers : HELPERS_MAX;
    if (helpers == 0) {
        for (size_t i = 0; i < n; i++) {
            fn(ctx, i);
        }
        return;
    }
    struct fork *f = mem_new(struct fork);
    f->fn = fn;
    f->ctx = ctx;
    f->n = n;
    atomic_init(&f->refs, 1);
    mutex_init(&f->mu, LOCK_FORK);
    cond_init(&f->all_done);
    for (size_t i = 0; i < helpers; i++) {
        f->helpers[i] = (struct helper){.job.run = help, .of = f};
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
        if (pool_submit(pool, &f->helpers[i].job) != OK) {
            atomic_fetch_sub_explicit(&f->refs, 1, memory_order_relaxed); /* the caller has one */
            break;
        }
    }
    work(f);
    mutex_lock(&f->mu);
    while (f->done < n) {
        (void)mutex_wait(&f->mu, &f->all_done, -1);
    }
    mutex_unlock(&f->mu);
    unref(f);
}
