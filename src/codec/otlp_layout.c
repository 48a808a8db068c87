#include "otlp_layout.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

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

err
otlp_layout_init(struct otlp_layout *l, const struct span_batch *b, bool merge)
{
    size_t scopes = b->scope_count, spans = b->span_count;
    size_t scope_need = sizeof *l->spans + sizeof *l->next + sizeof *l->leads + sizeof *l->scope_bytes;
    uint8_t *p = mem_try_alloc(scopes * scope_need + spans * sizeof *l->span_bytes + 1);
    if (p == NULL) {
        return ERR_LIMIT;
    }
    /* Widest first, so that each part is aligned. */
    *l = (struct otlp_layout){.memory = p, .span_bytes = (size_t *)(void *)p};
    p += spans * sizeof *l->span_bytes;
    l->scope_bytes = (size_t *)(void *)p;
    p += scopes * sizeof *l->scope_bytes;
    l->spans = (struct run *)(void *)p;
    p += scopes * sizeof *l->spans;
    l->next = (uint32_t *)(void *)p;
    p += scopes * sizeof *l->next;
    l->leads = p;
    for (size_t i = 0; i < scopes; i++) {
        l->spans[i] = (struct run){0};
        l->next[i] = LAYOUT_END;
        l->leads[i] = !merge;
    }
    for (uint32_t i = 0; i < spans; i++) {
        struct run *r = &l->spans[b->spans[i].scope];
        if (r->n == 0) {
            r->at = i;
        }
        MUST(r->at + r->n == i); /* spans of one scope are contiguous: the batch's promise */
        r->n++;
    }
    err rc = merge ? chain_equal_scopes(l, b) : OK;
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
