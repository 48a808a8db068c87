#include "otlp_layout.h"

#include "vivace/base/mem.h"

#include <stdlib.h>

static int
scope_compare(const void *va, const void *vb, void *vbatch)
{
    const struct span_batch *b = vbatch;
    uint32_t ia = *(const uint32_t *)va, ib = *(const uint32_t *)vb;
    const struct scope *x = &b->scopes[ia], *y = &b->scopes[ib];
    if (x->resource != y->resource) {
        return x->resource < y->resource ? -1 : 1;
    }
    int c = slice_cmp(x->name, y->name);
    c = c != 0 ? c : slice_cmp(x->version, y->version);
    return c != 0 ? c : (ia > ib) - (ia < ib);
}

static bool
same_group(const struct span_batch *b, uint32_t ia, uint32_t ib)
{
    const struct scope *x = &b->scopes[ia], *y = &b->scopes[ib];
    return x->resource == y->resource && slice_eq(x->name, y->name) && slice_eq(x->version, y->version);
}

/* Chain the scopes with spans, by resource, name and version; the first of each chain leads. */
static err
chain_equal_scopes(struct otlp_layout *l, const struct span_batch *b)
{
    uint32_t *order = mem_try_alloc((b->scope_count + 1) * sizeof *order);
    size_t n = 0;
    if (order == NULL) {
        return ERR_LIMIT;
    }
    for (uint32_t i = 0; i < b->scope_count; i++) {
        if (l->spans[i].n != 0) {
            order[n++] = i;
        }
    }
    if (n > 1) {
        struct span_batch view = *b; /* qsort_r wants a pointer to non-const */
        qsort_r(order, n, sizeof *order, scope_compare, &view);
    }
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || !same_group(b, order[i - 1], order[i]);
        l->leads[order[i]] = first;
        if (!first) {
            l->next[order[i - 1]] = order[i];
        }
    }
    mem_free(order);
    return OK;
}

/* The parts of one piece of memory, widest first so that each is aligned. */
static err
parts_allocate(struct otlp_layout *l, size_t scopes, size_t spans)
{
    size_t scope_need = sizeof *l->scope_bytes + sizeof *l->spans + sizeof *l->next + sizeof *l->scope_order +
                        sizeof *l->leads;
    size_t span_need = sizeof *l->span_bytes + sizeof *l->span_order;
    uint8_t *p = mem_try_alloc(scopes * scope_need + spans * span_need + 1);
    if (p == NULL) {
        return ERR_LIMIT;
    }
    *l = (struct otlp_layout){.memory = p, .span_bytes = (size_t *)(void *)p};
    p += spans * sizeof *l->span_bytes;
    l->scope_bytes = (size_t *)(void *)p;
    p += scopes * sizeof *l->scope_bytes;
    l->spans = (struct run *)(void *)p;
    p += scopes * sizeof *l->spans;
    l->next = (uint32_t *)(void *)p;
    p += scopes * sizeof *l->next;
    l->scope_order = (uint32_t *)(void *)p;
    p += scopes * sizeof *l->scope_order;
    l->span_order = (uint32_t *)(void *)p;
    p += spans * sizeof *l->span_order;
    l->leads = p;
    return OK;
}

/* Spans by scope, by counting; those of one scope keep their order. */
static void
spans_order(struct otlp_layout *l, const struct span_batch *b)
{
    uint32_t at = 0;
    for (size_t i = 0; i < b->span_count; i++) {
        l->spans[b->spans[i].scope].n++;
    }
    for (size_t i = 0; i < b->scope_count; i++) {
        l->spans[i].at = at;
        at += l->spans[i].n;
        l->spans[i].n = 0;
    }
    for (uint32_t i = 0; i < b->span_count; i++) {
        struct run *r = &l->spans[b->spans[i].scope];
        l->span_order[r->at + r->n++] = i;
    }
}

static int
resource_compare(const void *va, const void *vb, void *vbatch)
{
    const struct span_batch *b = vbatch;
    uint32_t ia = *(const uint32_t *)va, ib = *(const uint32_t *)vb;
    uint32_t x = b->scopes[ia].resource, y = b->scopes[ib].resource;
    return x != y ? (x > y) - (x < y) : (ia > ib) - (ia < ib);
}

/* Scopes by resource: as they stand, nearly always. */
static void
scopes_order(struct otlp_layout *l, const struct span_batch *b)
{
    bool ordered = true;
    for (uint32_t i = 0; i < b->scope_count; i++) {
        l->scope_order[i] = i;
        ordered = ordered && (i == 0 || b->scopes[i - 1].resource <= b->scopes[i].resource);
    }
    if (!ordered) {
        struct span_batch view = *b; /* qsort_r wants a pointer to non-const */
        qsort_r(l->scope_order, b->scope_count, sizeof *l->scope_order, resource_compare, &view);
    }
}

err
otlp_layout_init(struct otlp_layout *l, const struct span_batch *b, bool merge)
{
    err rc = parts_allocate(l, b->scope_count, b->span_count);
    if (rc != OK) {
        return rc;
    }
    for (size_t i = 0; i < b->scope_count; i++) {
        l->spans[i] = (struct run){0};
        l->next[i] = LAYOUT_END;
        l->leads[i] = !merge;
        l->scope_bytes[i] = 0;
    }
    spans_order(l, b);
    scopes_order(l, b);
    rc = merge ? chain_equal_scopes(l, b) : OK;
    if (rc != OK) {
        otlp_layout_fini(l);
    }
    return rc;
}

void
otlp_layout_fini(struct otlp_layout *l)
{
    mem_free(l->memory);
    *l = (struct otlp_layout){0};
}
