#include "vivace/runtime/loop.h"

#include "loop_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#include <signal.h>
#include <stdio.h>

struct loop_timer {
    uv_timer_t uv;
    void (*fn)(void *ctx);
    void *ctx;
};

struct loop_signal {
    uv_signal_t uv;
    void (*fn)(void *ctx, int signum);
    void *ctx;
};

/* At the very end: our own handles, and signals, which nobody destroys. */
static void
on_signal_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

static void
close_left_over(uv_handle_t *h, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(h)) {
        uv_close(h, h->type == UV_SIGNAL ? on_signal_closed : NULL);
    }
}

static void
run_deferred(struct loop *l)
{
    while (l->deferred) {
        struct loop_deferred *d = l->deferred;
        l->deferred = d->next;
        if (!l->deferred) {
            l->deferred_end = &l->deferred;
        }
        d->queued = false;
        d->run(d);
    }
}

static void
on_before_sleep(uv_prepare_t *h)
{
    run_deferred(h->data);
}

static void
on_after_sleep(uv_check_t *h)
{
    run_deferred(h->data);
}

static void
run_mailbox(struct loop *l)
{
    mutex_lock(&l->mu);
    struct loop_msg *m = l->head;
    l->head = NULL;
    l->tail = &l->head;
    mutex_unlock(&l->mu);
    while (m) {
        struct loop_msg *next = m->next; /* `run` may free it */
        m->run(m);
        m = next;
    }
}

static void
on_wake(uv_async_t *h)
{
    struct loop *l = h->data;
    run_mailbox(l);
    mutex_lock(&l->mu);
    bool stopping = l->stopping;
    mutex_unlock(&l->mu);
    if (stopping) {
        /* From here on only others' handles keep the loop running. */
        uv_unref((uv_handle_t *)&l->wake);
        uv_unref((uv_handle_t *)&l->before_sleep);
        uv_unref((uv_handle_t *)&l->after_sleep);
    }
}

struct loop *
loop_create(const char *name)
{
    struct loop *l = mem_new(struct loop);
    l->magic = LOOP_MAGIC;
    l->tail = &l->head;
    l->deferred_end = &l->deferred;
    l->buffer = mem_alloc(LOOP_BUFFER_BYTES);
    (void)snprintf(l->name, sizeof l->name, "%s", name);
    mutex_init(&l->mu, LOCK_MAILBOX);
    /* These fail only when the process has no descriptors left at start. */
    MUST(uv_loop_init(&l->uv) == 0);
    MUST(uv_async_init(&l->uv, &l->wake, on_wake) == 0);
    MUST(uv_prepare_init(&l->uv, &l->before_sleep) == 0);
    MUST(uv_check_init(&l->uv, &l->after_sleep) == 0);
    MUST(uv_prepare_start(&l->before_sleep, on_before_sleep) == 0);
    MUST(uv_check_start(&l->after_sleep, on_after_sleep) == 0);
    l->wake.data = l;
    l->before_sleep.data = l;
    l->after_sleep.data = l;
    return l;
}

void
loop_run_here(struct loop *l)
{
    MUST(l->magic == LOOP_MAGIC);
    atomic_store(&l->runner, (uintptr_t)pthread_self());
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    atomic_store(&l->runner, 0);
}

static void *
loop_main(void *arg)
{
    struct loop *l = arg;
    (void)pthread_setname_np(pthread_self(), l->name);
    loop_run_here(l);
    return NULL;
}

err
loop_start(struct loop *l)
{
    MUST(!l->has_thread);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals go to the main thread */
    int rc = pthread_create(&l->thread, NULL, loop_main, l);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    l->has_thread = rc == 0;
    return rc == 0 ? OK : ERR_UNAVAILABLE;
}

void
loop_stop(struct loop *l)
{
    mutex_lock(&l->mu);
    l->stopping = true;
    mutex_unlock(&l->mu);
    (void)uv_async_send(&l->wake);
}

void
loop_join(struct loop *l)
{
    if (l->has_thread) {
        MUST(!loop_is_here(l));
        MUST(pthread_join(l->thread, NULL) == 0);
    }
    /* What was posted or put off after the last turn still runs (it may free things). */
    atomic_store(&l->runner, (uintptr_t)pthread_self());
    while (l->head || l->deferred) {
        run_mailbox(l);
        run_deferred(l);
    }
    uv_walk(&l->uv, close_left_over, NULL);
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
    MUST(uv_loop_close(&l->uv) == 0);
    mutex_fini(&l->mu);
    mem_free(l->buffer);
    l->magic = 0;
    mem_free(l);
}

void
loop_post(struct loop *l, struct loop_msg *m)
{
    m->next = NULL;
    mutex_lock(&l->mu);
    bool first = l->head == NULL;
    *l->tail = m;
    l->tail = &m->next;
    mutex_unlock(&l->mu);
    if (first) { /* later ones ride on the same wake-up */
        (void)uv_async_send(&l->wake);
    }
}

bool
loop_is_here(const struct loop *l)
{
    return atomic_load(&l->runner) == (uintptr_t)pthread_self();
}

void
loop_assert_here(const struct loop *l)
{
    MUST(l->magic == LOOP_MAGIC);
    MUST(loop_is_here(l));
}

uint64_t
loop_now_ms(const struct loop *l)
{
    return uv_now(&l->uv);
}

void
loop_defer(struct loop *l, struct loop_deferred *d)
{
    if (d->queued) {
        return;
    }
    d->queued = true;
    d->next = NULL;
    *l->deferred_end = d;
    l->deferred_end = &d->next;
}

uint8_t *
loop_buffer(struct loop *l)
{
    return l->buffer;
}

static void
on_timer(uv_timer_t *h)
{
    struct loop_timer *t = h->data;
    t->fn(t->ctx);
}

struct loop_timer *
loop_timer_create(struct loop *l, void (*fn)(void *ctx), void *ctx)
{
    struct loop_timer *t = mem_new(struct loop_timer);
    t->fn = fn;
    t->ctx = ctx;
    MUST(uv_timer_init(&l->uv, &t->uv) == 0);
    t->uv.data = t;
    return t;
}

void
loop_timer_start(struct loop_timer *t, uint64_t after_ms, uint64_t repeat_ms)
{
    MUST(uv_timer_start(&t->uv, on_timer, after_ms, repeat_ms) == 0);
}

void
loop_timer_stop(struct loop_timer *t)
{
    (void)uv_timer_stop(&t->uv);
}

static void
on_timer_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

void
loop_timer_destroy(struct loop_timer *t)
{
    if (t) {
        uv_close((uv_handle_t *)&t->uv, on_timer_closed);
    }
}

static void
on_signal(uv_signal_t *h, int signum)
{
    struct loop_signal *s = h->data;
    s->fn(s->ctx, signum);
}

void
loop_on_signal(struct loop *l, int signum, void (*fn)(void *ctx, int signum), void *ctx)
{
    struct loop_signal *s = mem_new(struct loop_signal); /* for the process's life */
    s->fn = fn;
    s->ctx = ctx;
    MUST(uv_signal_init(&l->uv, &s->uv) == 0);
    s->uv.data = s;
    uv_unref((uv_handle_t *)&s->uv);
    MUST(uv_signal_start(&s->uv, on_signal, signum) == 0);
}
