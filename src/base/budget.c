#include "vivace/base/budget.h"

#include "vivace/base/must.h"

void
budget_init(struct budget *b, const char *name, struct budget *parent, size_t max)
{
    b->name = name;
    b->parent = parent;
    b->max = max;
    atomic_init(&b->used, 0);
    atomic_init(&b->refused, 0);
}

/* Give back in [from, to). */
static void
release_up_to(struct budget *from, const struct budget *to, size_t bytes)
{
    for (; from != to; from = from->parent) {
        size_t before = atomic_fetch_sub_explicit(&from->used, bytes, memory_order_relaxed);
        MUST(before >= bytes);
    }
}

err
budget_reserve(struct budget *b, size_t bytes)
{
    for (struct budget *at = b; at; at = at->parent) {
        /* Add, look, take back: two threads near the edge may both be refused, never both let in. */
        size_t before = atomic_fetch_add_explicit(&at->used, bytes, memory_order_relaxed);
        if (bytes > at->max || before > at->max - bytes) {
            atomic_fetch_sub_explicit(&at->used, bytes, memory_order_relaxed);
            atomic_fetch_add_explicit(&at->refused, 1, memory_order_relaxed);
            release_up_to(b, at, bytes);
            return ERR_LIMIT;
        }
    }
    return OK;
}

void
budget_release(struct budget *b, size_t bytes)
{
    release_up_to(b, NULL, bytes);
}

size_t
budget_used(const struct budget *b)
{
    return atomic_load_explicit(&b->used, memory_order_relaxed);
}
