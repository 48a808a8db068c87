#include "vivace/runtime/watch.h"

#include "loop_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#include <unistd.h>

#define WATCH_MAGIC 0x77617463u

struct watch {
    uint32_t magic;
    int fd;
    unsigned events;
    uv_poll_t uv;
    void (*fn)(void *ctx, unsigned events);
    void *ctx;
};

static void
on_poll(uv_poll_t *h, int status, int uv_events)
{
    struct watch *w = h->data;
    MUST(w->magic == WATCH_MAGIC);
    unsigned events = 0;
    if (status < 0) {
        /* The owner's system call will tell the error, perhaps only after the bytes that came before it.
         * libuv has stopped the handle: forget what was asked, so that watch_set starts it again. */
        events = w->events;
        w->events = 0;
        w->fn(w->ctx, events);
        return;
    }
    events |= (uv_events & UV_READABLE) ? WATCH_READ : 0;
    events |= (uv_events & UV_WRITABLE) ? WATCH_WRITE : 0;
    events |= (uv_events & UV_DISCONNECT) ? WATCH_HANGUP : 0;
    events &= w->events;
    if (events) {
        w->fn(w->ctx, events);
    }
}

err
watch_create(struct loop *l, int fd, void (*fn)(void *ctx, unsigned events), void *ctx, struct watch **ret)
{
    loop_assert_here(l);
    struct watch *w = mem_new(struct watch);
    w->magic = WATCH_MAGIC;
    w->fd = fd;
    w->fn = fn;
    w->ctx = ctx;
    if (uv_poll_init(&l->uv, &w->uv, fd) != 0) {
        mem_free(w);
        return ERR_IO;
    }
    w->uv.data = w;
    *ret = w;
    return OK;
}

void
watch_set(struct watch *w, unsigned events)
{
    MUST(w->magic == WATCH_MAGIC);
    if (events == w->events) {
        return;
    }
    w->events = events;
    int uv_events = 0;
    uv_events |= (events & WATCH_READ) ? UV_READABLE : 0;
    uv_events |= (events & WATCH_WRITE) ? UV_WRITABLE : 0;
    uv_events |= (events & WATCH_HANGUP) ? UV_DISCONNECT : 0;
    if (uv_events == 0) {
        (void)uv_poll_stop(&w->uv);
    } else {
        MUST(uv_poll_start(&w->uv, uv_events, on_poll) == 0);
    }
}

int
watch_fd(const struct watch *w)
{
    return w->fd;
}

static void
on_watch_closed(uv_handle_t *h)
{
    mem_free(h->data);
}

void
watch_destroy(struct watch *w)
{
    if (!w) {
        return;
    }
    MUST(w->magic == WATCH_MAGIC);
    w->magic = 0;
    uv_close((uv_handle_t *)&w->uv, on_watch_closed); /* stops at once: the descriptor may go */
    (void)close(w->fd);
}
