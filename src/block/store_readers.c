/* Open readers of blocks: shared while in use, kept for the next query up to a bound, last used last out. */
#include "dir.h"
#include "store_priv.h"

#include <limits.h>

/* mu held. */
static void
idle_remove(struct block_store *s, struct stored_block_private *b)
{
    *(b->idle_prev ? &b->idle_prev->idle_next : &s->idle_new) = b->idle_next;
    *(b->idle_next ? &b->idle_next->idle_prev : &s->idle_old) = b->idle_prev;
    b->idle_prev = b->idle_next = NULL;
    b->idle = false;
    s->idle_count--;
}

/* mu held. */
static void
idle_add(struct block_store *s, struct stored_block_private *b)
{
    b->idle_next = s->idle_new;
    *(s->idle_new ? &s->idle_new->idle_prev : &s->idle_old) = b;
    s->idle_new = b;
    b->idle = true;
    s->idle_count++;
}

struct block_reader *
store_reader_take(struct stored_block_private *b)
{
    struct block_store *s = b->store;
    struct block_reader *r = b->reader;
    if (r == NULL) {
        return NULL;
    }
    MUST(b->uses == 0);
    idle_remove(s, b);
    s->stats.open_readers--;
    s->stats.reader_bytes -= b->reader_bytes;
    if (s->budget) {
        budget_release(s->budget, b->reader_bytes);
    }
    b->reader = NULL;
    b->reader_bytes = 0;
    return r;
}

/* mu held; let go while files are closed. Until the bound holds, and `count` more are gone. */
static void
evict(struct block_store *s, size_t count)
{
    while (s->idle_old &&
           (count || s->stats.reader_bytes > s->readers_bytes_max || s->idle_count > STORE_READERS_MAX)) {
        struct block_reader *r = store_reader_take(s->idle_old);
        count -= count ? 1 : 0;
        mutex_unlock(&s->mu);
        block_reader_close(r);
        mutex_lock(&s->mu);
    }
}

/* mu not held: nobody else opens it now. */
static err
open_reader(struct stored_block_private *b, struct fault *f, struct block_reader **ret)
{
    char dir[PATH_MAX], block[PATH_MAX], uuid[BLOCK_UUID_TEXT + 1];
    struct fault g = {0};
    block_uuid_format(&b->pub.meta.id, uuid);
    err rc = block_store_tenant_dir(b->store, slice_cstr(b->tenant->name), dir, f);
    rc = rc == OK ? path_join(block, dir, uuid, f) : rc;
    if (rc != OK) {
        return rc;
    }
    rc = block_reader_open(block, &g, ret);
    if (store_is_damage(rc)) {
        store_set_aside(b, block, rc, &g);
        rc = ERR_CORRUPT;
    }
    if (rc != OK && f) {
        *f = g;
        f->code = rc;
    }
    return rc;
}

/* mu held: idle readers go until the budget takes this one. */
static err
reserve(struct block_store *s, size_t bytes, struct fault *f)
{
    while (s->budget && budget_reserve(s->budget, bytes) != OK) {
        if (s->idle_old == NULL) {
            return FAULT(f, ERR_LIMIT, "the readers of blocks are over their memory budget");
        }
        evict(s, 1);
    }
    return OK;
}

err
stored_block_open(struct stored_block *pub, struct fault *f, struct block_reader **ret)
{
    struct stored_block_private *b = pub->priv;
    struct block_store *s = b->store;
    struct block_reader *r = NULL;
    err rc = OK;
    mutex_lock(&s->mu);
    while (b->opening) {
        mutex_wait(&s->mu, &s->changed, -1);
    }
    if (b->reader == NULL) {
        b->opening = true;
        mutex_unlock(&s->mu);
        rc = open_reader(b, f, &r);
        const size_t bytes = rc == OK ? block_reader_bytes(r) : 0;
        mutex_lock(&s->mu);
        rc = rc == OK ? reserve(s, bytes, f) : rc;
        if (rc == OK) {
            b->reader = r;
            b->reader_bytes = bytes;
            s->stats.open_readers++;
            s->stats.reader_bytes += bytes;
        }
        b->opening = false;
        MUST(pthread_cond_broadcast(&s->changed) == 0);
    }
    if (rc == OK) {
        b->uses++;
        if (b->idle) {
            idle_remove(s, b);
        }
        *ret = b->reader;
        r = NULL;
        evict(s, 0);
    }
    mutex_unlock(&s->mu);
    block_reader_close(r);
    return rc;
}

void
stored_block_done(struct stored_block *pub)
{
    struct stored_block_private *b = pub->priv;
    struct block_store *s = b->store;
    mutex_lock(&s->mu);
    MUST(b->uses > 0);
    if (--b->uses == 0) {
        idle_add(s, b);
        evict(s, 0);
    }
    mutex_unlock(&s->mu);
}
