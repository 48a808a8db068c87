#include "outq.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#define OUTQ_BLOCK_MIN ((size_t)1 << 10)
#define OUTQ_BLOCK_MAX ((size_t)16 << 10)
#define OUTQ_COPY_MAX                                                                                        \
    ((size_t)1 << 10) /* below this a copy is cheaper than one more iovec and a reference                    \
                       */

struct outq_part {
    struct outq_part *next;
    const uint8_t *p; /* unsent bytes, in `data` or in `ref` */
    size_t n;
    struct bytes *ref;
    size_t cap; /* of `data` */
    uint8_t data[];
};

static void
outq_push(struct outq *q, struct outq_part *part)
{
    if (q->tail) {
        q->tail->next = part;
    } else {
        q->head = part;
    }
    q->tail = part;
}

static void
outq_pop(struct outq *q)
{
    struct outq_part *part = q->head;
    q->head = part->next;
    if (!q->head) {
        q->tail = NULL;
    }
    bytes_unref(part->ref);
    mem_free(part);
}

void
outq_fini(struct outq *q)
{
    while (q->head) {
        outq_pop(q);
    }
    q->n = 0;
}

void
outq_copy(struct outq *q, const void *p, size_t n)
{
    const uint8_t *at = p;
    q->n += n;
    struct outq_part *t = q->tail;
    if (n && t && !t->ref) {
        size_t used = (size_t)(t->p - t->data) + t->n;
        size_t fits = t->cap - used < n ? t->cap - used : n;
        memcpy(t->data + used, at, fits);
        t->n += fits;
        at += fits;
        n -= fits;
    }
    if (n == 0) {
        return;
    }
    size_t cap = n * 2 < OUTQ_BLOCK_MIN ? OUTQ_BLOCK_MIN : n * 2;
    if (cap > OUTQ_BLOCK_MAX) {
        cap = n > OUTQ_BLOCK_MAX ? n : OUTQ_BLOCK_MAX;
    }
    struct outq_part *part = mem_alloc(sizeof *part + cap);
    *part = (struct outq_part){.p = part->data, .n = n, .cap = cap};
    memcpy(part->data, at, n);
    outq_push(q, part);
}

void
outq_ref(struct outq *q, struct bytes *b, size_t off, size_t n)
{
    MUST(off <= b->n);
    MUST(n <= b->n - off);
    if (n <= OUTQ_COPY_MAX) {
        outq_copy(q, b->p + off, n);
        return;
    }
    struct outq_part *part = mem_new(struct outq_part);
    part->p = b->p + off;
    part->n = n;
    part->ref = bytes_ref(b);
    q->n += n;
    outq_push(q, part);
}

int
outq_peek(const struct outq *q, struct iovec *iov, int max)
{
    int count = 0;
    for (const struct outq_part *part = q->head; part && count < max; part = part->next) {
        union {
            const uint8_t *in;
            void *out;
        } base = {.in = part->p}; /* iovec has no const */
        iov[count++] = (struct iovec){.iov_base = base.out, .iov_len = part->n};
    }
    return count;
}

void
outq_consume(struct outq *q, size_t n)
{
    MUST(n <= q->n);
    q->n -= n;
    while (n > 0) {
        struct outq_part *part = q->head;
        if (n < part->n) {
            part->p += n;
            part->n -= n;
            return;
        }
        n -= part->n;
        outq_pop(q);
    }
}
