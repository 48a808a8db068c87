/* The blocks that are served, and the thread that turns sealed segments into them. */
#include "server.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"

#define FLUSH_PERIOD_MS 1000
#define FLUSH_NICE      5 /* receiving and queries come first, compaction (10) later */

err
server_open_blocks(struct server *s, struct ingester *ing, struct fault *f)
{
    struct block_store *store = NULL;
    struct block_store_stats st;
    const int64_t t0 = clock_mono_ns();
    const struct block_store_options so = {.path = s->config->storage.local_path, .budget = &s->block_memory};
    err rc = block_store_open(&so, f, &store);
    if (rc != OK) {
        return rc;
    }
    const struct flusher_options fo = {.ingester = ing,
                                       .store = store,
                                       .budget = &s->block_memory,
                                       .builder_bytes = flush_builder_bytes(s->memory.max)};
    rc = flusher_open(&fo, f, &s->flusher);
    s->store = store; /* what a crash left doubled is gone */
    block_store_stats(store, &st);
    if (rc == OK && st.blocks) {
        LOG_I("the blocks were found", LOG_UINT("blocks", st.blocks), LOG_UINT("tenants", st.tenants),
              LOG_UINT("spans", st.spans), LOG_UINT("bytes", st.bytes),
              LOG_DUR("duration", clock_mono_ns() - t0));
    }
    return rc;
}

static struct flush_waiter *
take_waiters(struct server *s)
{
    mutex_lock(&s->flush_mu);
    struct flush_waiter *w = s->flush_waiters;
    s->flush_waiters = NULL;
    mutex_unlock(&s->flush_mu);
    return w;
}

static void
answer_waiters(struct flush_waiter *w, err rc, const struct fault *f)
{
    while (w) {
        struct flush_waiter *next = w->next;
        w->done(w->arg, rc, f);
        mem_free(w);
        w = next;
    }
}

static void
flush_turn(void *ctx)
{
    struct server *s = ctx;
    struct fault f = {0};
    struct flush_waiter *w = take_waiters(s);
    if (w == NULL) {
        flusher_maintain(s->flusher);
        return;
    }
    err rc = ingester_flush(s->ingester, &f);
    rc = rc == OK ? flusher_run(s->flusher, &f) : rc;
    answer_waiters(w, rc, &f);
}

void
server_start_flush(struct server *s)
{
    mutex_lock(&s->flush_mu);
    s->flush_thread = maintenance_start("flush", FLUSH_NICE, FLUSH_PERIOD_MS, flush_turn, s);
    mutex_unlock(&s->flush_mu);
}

/* A segment holds all tenants: a flush for one flushes all. */
err
server_flush(void *ctx, slice tenant, void (*done)(void *arg, err rc, const struct fault *f), void *arg,
             struct fault *f)
{
    struct server *s = ctx;
    struct ingester *ing = s->ingester;
    if (ing == NULL) {
        return FAULT(f, ERR_UNAVAILABLE, "the server is starting");
    }
    if (tenant.n && !ingester_has_tenant(ing, tenant) && !block_store_has_tenant(s->store, tenant)) {
        return ERR_NOT_FOUND;
    }
    struct flush_waiter *w = mem_new(struct flush_waiter);
    *w = (struct flush_waiter){.done = done, .arg = arg};
    mutex_lock(&s->flush_mu);
    const bool runs = s->flush_thread != NULL;
    if (runs) {
        w->next = s->flush_waiters;
        s->flush_waiters = w;
        maintenance_poke(s->flush_thread);
    }
    mutex_unlock(&s->flush_mu);
    if (!runs) {
        mem_free(w);
        return FAULT(f, ERR_UNAVAILABLE, "the server is starting or stopping");
    }
    return OK;
}

void
server_stop_flush(struct server *s)
{
    struct fault f = {0};
    mutex_lock(&s->flush_mu);
    struct maintenance *thread = s->flush_thread;
    s->flush_thread = NULL; /* no more waiters */
    mutex_unlock(&s->flush_mu);
    if (thread == NULL) {
        return;
    }
    flusher_cancel(s->flusher, true);
    maintenance_stop(thread);
    flusher_cancel(s->flusher, false);
    err rc = FAULT(&f, ERR_UNAVAILABLE, "the server is stopping");
    answer_waiters(take_waiters(s), rc, &f);
}

void
server_close_flush(struct server *s)
{
    struct fault f = {0};
    if (s->flusher && s->config->ingester.flush_all_on_shutdown && s->state == SERVER_STOPPING &&
        s->ingester) {
        err rc = ingester_flush(s->ingester, &f);
        rc = rc == OK ? flusher_run(s->flusher, &f) : rc;
        if (rc != OK) {
            LOG_E("flush failed, the spans stay in the WAL", LOG_FAULT(&f));
        }
    }
    flusher_close(s->flusher);
    s->flusher = NULL;
}
