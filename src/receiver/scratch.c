#include "scratch.h"

#include "vivace/base/mem.h"

/* A decoded batch is larger than its bytes: real ones take 2 to 3 times as much. A body that wants more than
 * this is made of empty fields only and is refused. */
#define BATCH_BYTES_PER_BODY_BYTE 8
#define BATCH_BYTES_FLOOR         ((size_t)1 << 20)

void
scratch_pool_init(struct scratch_pool *p, size_t keep)
{
    *p = (struct scratch_pool){.keep = keep};
    mutex_init(&p->mu, LOCK_POOL);
}

static void
scratch_destroy(struct scratch *s)
{
    span_batch_fini(&s->batch);
    buf_fini(&s->body);
    mem_free(s);
}

void
scratch_pool_fini(struct scratch_pool *p)
{
    while (p->free) {
        struct scratch *s = p->free;
        p->free = s->next;
        scratch_destroy(s);
    }
    mutex_fini(&p->mu);
}

struct scratch *
scratch_get(struct scratch_pool *p, size_t body_max)
{
    mutex_lock(&p->mu);
    struct scratch *s = p->free;
    if (s) {
        p->free = s->next;
        p->free_count--;
    }
    mutex_unlock(&p->mu);
    if (s == NULL) {
        s = mem_new(struct scratch);
        span_batch_init(&s->batch, 0);
        buf_init(&s->body, 0);
    }
    s->body.max = body_max;
    return s;
}

void
scratch_bound_batch(struct scratch *s, size_t n)
{
    s->batch.arena.max = n * BATCH_BYTES_PER_BODY_BYTE + BATCH_BYTES_FLOOR;
}

void
scratch_put(struct scratch_pool *p, struct scratch *s)
{
    span_batch_reset(&s->batch);
    buf_clear(&s->body);
    bool keep = s->batch.arena.bytes + s->body.cap <= SCRATCH_KEEP_BYTES;
    if (keep) {
        mutex_lock(&p->mu);
        keep = p->free_count < p->keep;
        if (keep) {
            s->next = p->free;
            p->free = s;
            p->free_count++;
        }
        mutex_unlock(&p->mu);
    }
    if (!keep) {
        scratch_destroy(s);
    }
}
