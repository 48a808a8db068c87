#include "packed_memo.h"

void
packed_memo_init(struct packed_memo *m)
{
    *m = (struct packed_memo){.next = 0};
    for (size_t i = 0; i < PACKED_MEMO_PAGES; i++) {
        buf_init(&m->pages[i].body, PACKED_MEMO_BYTES);
        buf_init(&m->pages[i].packed, PACKED_MEMO_BYTES * 2); /* what does not shrink may grow a little */
    }
}

void
packed_memo_fini(struct packed_memo *m)
{
    for (size_t i = 0; i < PACKED_MEMO_PAGES; i++) {
        buf_fini(&m->pages[i].body);
        buf_fini(&m->pages[i].packed);
    }
}

bool
packed_memo_get(const struct packed_memo *m, slice body, slice *ret)
{
    for (size_t i = 0; i < PACKED_MEMO_PAGES && body.n; i++) {
        if (slice_eq(buf_slice(&m->pages[i].body), body)) {
            *ret = buf_slice(&m->pages[i].packed);
            return true;
        }
    }
    return false;
}

void
packed_memo_put(struct packed_memo *m, slice body, slice packed)
{
    struct buf *b = &m->pages[m->next].body, *p = &m->pages[m->next].packed;
    if (body.n > PACKED_MEMO_BYTES) {
        return;
    }
    m->next = (m->next + 1) % PACKED_MEMO_PAGES;
    m->memory -= b->cap + p->cap;
    buf_clear(b);
    buf_clear(p);
    if (buf_append_slice(p, packed) == OK) { /* else it is forgotten */
        (void)buf_append_slice(b, body);
    }
    m->memory += b->cap + p->cap;
}
