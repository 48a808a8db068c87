#include "candidates.h"

#include "vivace/base/mem.h"

void
candidates_init(struct candidates *c, uint32_t complete, struct budget *budget)
{
    *c = (struct candidates){.complete = complete, .budget = budget};
    id_table_init(&c->index, TRACE_ID_BYTES);
}

void
candidates_fini(struct candidates *c)
{
    id_table_fini(&c->index);
    mem_free(c->v);
    mem_free(c->heap);
    if (c->budget) {
        budget_release(c->budget, c->reserved);
    }
}

/* Room for one more, in the budget first: the arrays double and so does the index. */
static err
make_room(struct candidates *c, struct fault *f)
{
    if (c->count < c->cap) {
        return OK;
    }
    size_t cap = c->cap ? c->cap * 2 : 64;
    size_t want = cap * (sizeof *c->v + sizeof *c->heap + 2 * (TRACE_ID_BYTES + sizeof(uint64_t)));
    if (cap >= UINT32_MAX || (c->budget && budget_reserve(c->budget, want - c->reserved) != OK)) {
        return FAULT(f, ERR_LIMIT, "the memory for queries is used up, ask for less or try again");
    }
    c->reserved = want;
    c->v = mem_realloc(c->v, cap, sizeof *c->v);
    c->heap = mem_realloc(c->heap, cap, sizeof *c->heap);
    c->cap = cap;
    return OK;
}

static bool
before(const struct candidates *c, uint32_t a, uint32_t b)
{
    return c->v[a].start_ns > c->v[b].start_ns;
}

static void
heap_up(struct candidates *c, size_t i)
{
    while (i > 0 && before(c, c->heap[i], c->heap[(i - 1) / 2])) {
        uint32_t t = c->heap[i];
        c->heap[i] = c->heap[(i - 1) / 2];
        c->heap[(i - 1) / 2] = t;
        i = (i - 1) / 2;
    }
}

static void
heap_down(struct candidates *c)
{
    size_t i = 0;
    for (;;) {
        size_t top = i;
        for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < c->heap_count; k++) {
            top = before(c, c->heap[k], c->heap[top]) ? k : top;
        }
        if (top == i) {
            return;
        }
        uint32_t t = c->heap[i];
        c->heap[i] = c->heap[top];
        c->heap[top] = t;
        i = top;
    }
}

err
candidates_offer(struct candidates *c, const trace_id *id, uint64_t start_ns, uint32_t bits, struct fault *f)
{
    err rc = make_room(c, f);
    if (rc != OK) {
        return rc;
    }
    uint64_t *at = id_table_put(&c->index, id);
    if (*at == CANDIDATE_DONE) {
        return OK;
    }
    if (*at == 0) {
        c->v[c->count] = (struct candidate){.id = *id, .start_ns = start_ns};
        *at = ++c->count;
    }
    uint32_t pos = (uint32_t)(*at - 1);
    struct candidate *x = &c->v[pos];
    x->bits |= bits;
    if (x->ready) {
        return OK; /* its bound stays: the heap is sorted by it */
    }
    x->start_ns = start_ns < x->start_ns ? start_ns : x->start_ns;
    if ((x->bits & c->complete) == c->complete) {
        x->ready = true;
        c->heap[c->heap_count++] = pos;
        heap_up(c, c->heap_count - 1);
    }
    return OK;
}

void
candidates_forget(struct candidates *c, const trace_id *id)
{
    *id_table_put(&c->index, id) = CANDIDATE_DONE;
}

uint64_t
candidates_peek(const struct candidates *c)
{
    return c->heap_count ? c->v[c->heap[0]].start_ns : 0;
}

bool
candidates_take(struct candidates *c, uint32_t *ret)
{
    if (c->heap_count == 0) {
        return false;
    }
    *ret = c->heap[0];
    c->heap[0] = c->heap[--c->heap_count];
    heap_down(c);
    return true;
}

void
candidates_put_back(struct candidates *c, uint32_t at)
{
    c->heap[c->heap_count++] = at; /* there is room: each candidate stands in the heap once */
    heap_up(c, c->heap_count - 1);
}
