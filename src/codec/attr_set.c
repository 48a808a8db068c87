#include "attr_set.h"

#include "vivace/base/must.h"

#include <stdlib.h>

/* Up to this many a 64-bit filter of the keys seen is still mostly empty. */
#define FILTER_ATTRS_MAX 48

uint32_t
attr_set_find(const struct span_batch *b, struct run run, slice key)
{
    const struct attr *a = attrs_find(b, run, key);
    return a != NULL ? (uint32_t)(a - b->attrs) : UINT32_MAX;
}

void
attr_set_remove(struct span_batch *b, struct run *run, uint32_t i)
{
    uint32_t last = run->at + run->n - 1;
    b->attrs[i] = b->attrs[last];
    run->n--;
    if (last + 1 == b->attr_count) {
        b->attr_count--;
    }
}

struct attr *
attr_set_put(struct span_batch *b, struct run *run, slice key)
{
    uint32_t i = attr_set_find(b, *run, key);
    if (i != UINT32_MAX) {
        return &b->attrs[i];
    }
    MUST(run->at + run->n == b->attr_count);
    struct attr *a = span_batch_add_attr(b);
    if (a != NULL) {
        a->key = key.p;
        a->key_n = (uint32_t)key.n;
        run->n++;
    }
    return a;
}

void
attr_set_string(struct attr *a, slice value)
{
    a->kind = VALUE_STRING;
    a->p = value.p;
    a->n = (uint32_t)value.n;
}

/* The value of `from` under the key of `to`, which is the same key. */
static void
value_move(struct attr *to, const struct attr *from)
{
    const uint8_t *key = to->key;
    *to = *from;
    to->key = key;
}

/* A bit for the key: equal keys have equal bits. */
static uint64_t
filter_bit(const struct attr *a)
{
    uint64_t h = a->key_n;
    if (a->key_n >= 8) {
        uint64_t head, tail;
        memcpy(&head, a->key, sizeof head);
        memcpy(&tail, a->key + a->key_n - 8, sizeof tail);
        h += head * 31 + tail;
    } else {
        for (uint32_t i = 0; i < a->key_n; i++) {
            h = h * 257 + a->key[i];
        }
    }
    return UINT64_C(1) << (h * UINT64_C(0x9e3779b97f4a7c15) >> 58);
}

static void
unique_small(struct span_batch *b, struct run *run)
{
    struct attr *attrs = b->attrs + run->at;
    uint64_t seen = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < run->n; i++) {
        uint64_t bit = filter_bit(&attrs[i]);
        if ((seen & bit) != 0) {
            uint32_t twin = attr_set_find(b, (struct run){run->at, kept}, attr_key(&attrs[i]));
            if (twin != UINT32_MAX) {
                value_move(&b->attrs[twin], &attrs[i]);
                continue;
            }
        }
        seen |= bit;
        if (kept != i) {
            attrs[kept] = attrs[i];
        }
        kept++;
    }
    run->n = kept;
}

static int
by_key(const void *va, const void *vb, void *vattrs)
{
    const struct attr *attrs = vattrs;
    uint32_t a = *(const uint32_t *)va, b = *(const uint32_t *)vb;
    int c = slice_cmp(attr_key(&attrs[a]), attr_key(&attrs[b]));
    return c != 0 ? c : (a > b) - (a < b);
}

static err
unique_large(struct span_batch *b, struct run *run)
{
    struct arena_mark mark = arena_mark(&b->arena);
    struct attr *attrs = b->attrs + run->at;
    uint32_t *order = arena_alloc(&b->arena, run->n * sizeof *order);
    uint8_t *gone = arena_calloc(&b->arena, run->n, 1);
    if (order == NULL || gone == NULL) {
        return ERR_LIMIT;
    }
    for (uint32_t i = 0; i < run->n; i++) {
        order[i] = i;
    }
    qsort_r(order, run->n, sizeof *order, by_key, attrs);
    uint32_t first = order[0], kept = 0;
    for (uint32_t i = 1; i < run->n; i++) {
        if (slice_eq(attr_key(&attrs[first]), attr_key(&attrs[order[i]]))) {
            value_move(&attrs[first], &attrs[order[i]]);
            gone[order[i]] = 1;
        } else {
            first = order[i];
        }
    }
    for (uint32_t i = 0; i < run->n; i++) {
        if (!gone[i]) {
            attrs[kept++] = attrs[i];
        }
    }
    run->n = kept;
    arena_rewind(&b->arena, mark);
    return OK;
}

err
attr_set_unique(struct span_batch *b, struct run *run)
{
    uint32_t end = run->at + run->n;
    bool at_end = end == b->attr_count;
    err rc = OK;
    if (run->n > FILTER_ATTRS_MAX) {
        rc = unique_large(b, run);
    } else if (run->n > 1) {
        unique_small(b, run);
    }
    if (at_end) {
        b->attr_count = run->at + run->n;
    }
    return rc;
}
