#include "span_group.h"

#include <stdlib.h>

static int
home_compare(const struct span_home *a, const struct span_home *b)
{
    int c = slice_cmp(a->resource, b->resource);
    c = c != 0 ? c : slice_cmp(a->scope, b->scope);
    return c != 0 ? c : slice_cmp(a->version, b->version);
}

static bool
home_eq(const struct span_home *a, const struct span_home *b)
{
    return slice_eq(a->resource, b->resource) && slice_eq(a->scope, b->scope) &&
           slice_eq(a->version, b->version);
}

static bool
in_order(const struct span_home *homes, size_t n, enum span_group_order order)
{
    for (size_t i = 1; i < n; i++) {
        if (home_eq(&homes[i - 1], &homes[i])) {
            continue;
        }
        if (order == SPAN_GROUP_AS_MET || home_compare(&homes[i - 1], &homes[i]) > 0) {
            return false;
        }
    }
    return true;
}

/* Where each span goes. */
struct place {
    const struct span_home *home;
    uint32_t index;
    uint32_t resource_first, home_first; /* of the spans it stands with, the first that came */
};

static int
by_home(const void *va, const void *vb)
{
    const struct place *a = va, *b = vb;
    int c = home_compare(a->home, b->home);
    return c != 0 ? c : (a->index > b->index) - (a->index < b->index);
}

static int
by_first(const void *va, const void *vb)
{
    const struct place *a = va, *b = vb;
    if (a->resource_first != b->resource_first) {
        return a->resource_first < b->resource_first ? -1 : 1;
    }
    if (a->home_first != b->home_first) {
        return a->home_first < b->home_first ? -1 : 1;
    }
    return (a->index > b->index) - (a->index < b->index);
}

/* `v` is sorted by home. */
static void
firsts_fill(struct place *v, size_t n)
{
    size_t resource_at = 0;
    uint32_t resource_first = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        bool same_home = i > 0 && home_eq(v[i - 1].home, v[i].home);
        bool same_resource = i > 0 && slice_eq(v[i - 1].home->resource, v[i].home->resource);
        v[i].home_first = same_home ? v[i - 1].home_first : v[i].index;
        if (!same_resource) {
            for (size_t k = resource_at; k < i; k++) {
                v[k].resource_first = resource_first;
            }
            resource_at = i;
            resource_first = UINT32_MAX;
        }
        resource_first = v[i].index < resource_first ? v[i].index : resource_first;
    }
    for (size_t k = resource_at; k < n; k++) {
        v[k].resource_first = resource_first;
    }
}

err
span_group(struct span_batch *b, size_t at, struct span_home *homes, enum span_group_order order)
{
    size_t n = b->span_count - at;
    if (in_order(homes, n, order)) {
        return OK;
    }
    struct arena_mark mark = arena_mark(&b->arena);
    struct place *v = arena_alloc(&b->arena, n * sizeof *v);
    struct span *spans = arena_alloc(&b->arena, n * sizeof *spans);
    struct span_home *old = arena_alloc(&b->arena, n * sizeof *old);
    if (v == NULL || spans == NULL || old == NULL) {
        return ERR_LIMIT;
    }
    memcpy(spans, b->spans + at, n * sizeof *spans);
    memcpy(old, homes, n * sizeof *old);
    for (size_t i = 0; i < n; i++) {
        v[i] = (struct place){.home = &old[i], .index = (uint32_t)i};
    }
    qsort(v, n, sizeof *v, by_home);
    if (order == SPAN_GROUP_AS_MET) {
        firsts_fill(v, n);
        qsort(v, n, sizeof *v, by_first);
    }
    for (size_t i = 0; i < n; i++) {
        b->spans[at + i] = spans[v[i].index];
        homes[i] = old[v[i].index];
    }
    arena_rewind(&b->arena, mark);
    return OK;
}
