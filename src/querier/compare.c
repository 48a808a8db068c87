#include "compare.h"

#include "vivace/base/mem.h"

#define HASH_SEED UINT64_C(0x636f6d7061726521)

void
compare_set_init(struct compare_set *s, const struct metrics_query *q)
{
    *s = (struct compare_set){.q = q};
    for (int i = 0; i < TQL_SCOPE_COUNT; i++) {
        str_table_init(&s->by_name[i]);
    }
    arena_init(&s->memory, METRICS_BYTES_MAX);
}

void
compare_set_fini(struct compare_set *s)
{
    for (size_t i = 0; i < s->attr_count; i++) {
        mem_free(s->attrs[i]->v);
        mem_free(s->attrs[i]->index);
    }
    for (int i = 0; i < TQL_SCOPE_COUNT; i++) {
        str_table_fini(&s->by_name[i]);
    }
    mem_free(s->attrs);
    arena_fini(&s->memory);
}

size_t
compare_set_bytes(const struct compare_set *s)
{
    return s->memory.bytes + s->table_bytes;
}

struct compare_attr *
compare_attr_of(struct compare_set *s, const struct tql_attr *attr)
{
    struct str_table *names = &s->by_name[attr->scope];
    struct compare_attr *at =
        attr->intrinsic ? s->intrinsics[attr->intrinsic] : str_table_get(names, attr->name);
    if (at || s->full) {
        return at;
    }
    at = arena_new(&s->memory, struct compare_attr);
    for (int i = 0; at && i < COMPARE_SIDES; i++) {
        at->totals[i] = arena_new_array(&s->memory, double, s->q->steps + (size_t)1);
        at = at->totals[i] ? at : NULL;
    }
    slice name = at ? arena_copy(&s->memory, attr->name) : SL_EMPTY;
    if (at == NULL || (attr->name.n && name.p == NULL)) {
        s->full = true;
        return NULL;
    }
    at->attr = *attr;
    at->attr.name = name;
    if (s->attr_count == s->attr_cap) {
        s->attr_cap = s->attr_cap ? 2 * s->attr_cap : 32;
        s->attrs = mem_realloc(s->attrs, s->attr_cap, sizeof(void *));
    }
    s->attrs[s->attr_count++] = at;
    if (attr->intrinsic) {
        s->intrinsics[attr->intrinsic] = at;
    } else {
        str_table_put(names, name, at);
    }
    return at;
}

/* --- values --------------------------------------------------------------------------------------------- */

static uint32_t *
place(struct compare_attr *at, const struct tql_static *v)
{
    size_t i = tql_static_hash(v, HASH_SEED) & (at->index_cap - 1);
    while (at->index[i] && !tql_static_same(&at->v[at->index[i] - 1].value, v)) {
        i = (i + 1) & (at->index_cap - 1);
    }
    return &at->index[i];
}

static void
grow(struct compare_set *s, struct compare_attr *at)
{
    s->table_bytes -= at->cap * sizeof *at->v + at->index_cap * sizeof *at->index;
    at->cap = at->cap ? 2 * at->cap : 16;
    at->index_cap = 2 * at->cap;
    at->v = mem_realloc(at->v, at->cap, sizeof *at->v);
    mem_free(at->index);
    at->index = mem_new_array(uint32_t, at->index_cap);
    s->table_bytes += at->cap * sizeof *at->v + at->index_cap * sizeof *at->index;
    for (size_t i = 0; i < at->count; i++) {
        *place(at, &at->v[i].value) = (uint32_t)i + 1;
    }
}

/* NULL when there are too many. */
static struct compare_value *
value_of(struct compare_set *s, struct compare_attr *at, const struct tql_static *v)
{
    uint32_t *slot = at->index_cap ? place(at, v) : NULL;
    if (slot && *slot) {
        return &at->v[*slot - 1];
    }
    struct tql_static copy = *v;
    if (at->count == METRICS_COMPARE_VALUES_MAX || s->memory.bytes + s->table_bytes > METRICS_BYTES_MAX) {
        return NULL;
    }
    if (v->type == TQL_STRING && v->n) {
        copy.s = arena_copy(&s->memory, tql_static_slice(v)).p;
        if (copy.s == NULL) {
            return NULL;
        }
    }
    if (at->v == NULL || at->count == at->cap) {
        grow(s, at);
    }
    at->v[at->count++] = (struct compare_value){.value = copy};
    *place(at, &copy) = (uint32_t)at->count;
    return &at->v[at->count - 1];
}

static void
count_add(struct compare_set *s, struct compare_counts *c, uint32_t step, uint64_t n)
{
    if (c->by_step == NULL && c->total && c->step != step) {
        double *by_step = arena_new_array(&s->memory, double, s->q->steps);
        if (by_step) {
            by_step[c->step] = (double)c->total;
            c->by_step = by_step;
        } else {
            s->full = true;
        }
    }
    c->step = c->total ? c->step : step;
    c->total += n;
    if (c->by_step) {
        c->by_step[step] += (double)n;
    }
}

void
compare_add(struct compare_set *s, struct compare_attr *at, enum compare_side side, uint32_t step,
            const struct tql_static *value, uint64_t n)
{
    if (n == 0 || value->type == TQL_NIL) {
        return;
    }
    at->totals[side][step] += (double)n;
    struct compare_value *v = value_of(s, at, value);
    if (v) {
        count_add(s, &v->counts[side], step, n);
    }
}

static void
merge_counts(struct compare_set *s, struct compare_counts *to, const struct compare_counts *from)
{
    if (from->by_step == NULL) {
        if (from->total) {
            count_add(s, to, from->step, from->total);
        }
        return;
    }
    for (uint32_t i = 0; i < s->q->steps; i++) {
        if (from->by_step[i] > 0) {
            count_add(s, to, i, (uint64_t)from->by_step[i]);
        }
    }
}

void
compare_set_merge(struct compare_set *into, const struct compare_set *from)
{
    into->full = into->full || from->full;
    for (size_t i = 0; i < from->attr_count; i++) {
        const struct compare_attr *a = from->attrs[i];
        struct compare_attr *to = compare_attr_of(into, &a->attr);
        for (int side = 0; to && side < COMPARE_SIDES; side++) {
            for (uint32_t k = 0; k < into->q->steps; k++) {
                to->totals[side][k] += a->totals[side][k];
            }
        }
        for (size_t k = 0; to && k < a->count; k++) {
            struct compare_value *v = value_of(into, to, &a->v[k].value);
            for (int side = 0; v && side < COMPARE_SIDES; side++) {
                merge_counts(into, &v->counts[side], &a->v[k].counts[side]);
            }
        }
    }
    for (int side = 0; side < COMPARE_SIDES; side++) {
        exemplars_merge(into->q, &into->memory, &into->exemplars[side], from->exemplars[side]);
    }
}

/* --- the most frequent ------------------------------------------------------------------------------------
 */

static bool
comes_before(const struct compare_value *a, const struct compare_value *b, enum compare_side side)
{
    const uint64_t x = a->counts[side].total;
    const uint64_t y = b->counts[side].total;
    return x != y ? x > y : tql_static_order(&a->value, &b->value) < 0;
}

/* `a` comes behind all below it in the heap. */
static void
sift_down(const struct compare_value **heap, size_t n, size_t at, enum compare_side side)
{
    for (;;) {
        size_t worst = at;
        for (size_t child = 2 * at + 1; child < n && child <= 2 * at + 2; child++) {
            worst = comes_before(heap[worst], heap[child], side) ? child : worst;
        }
        if (worst == at) {
            return;
        }
        const struct compare_value *moved = heap[at];
        heap[at] = heap[worst];
        heap[worst] = moved;
        at = worst;
    }
}

size_t
compare_top(const struct compare_attr *at, enum compare_side side, size_t top,
            const struct compare_value **ret)
{
    size_t n = 0;
    for (size_t i = 0; top && i < at->count; i++) {
        const struct compare_value *v = &at->v[i];
        if (v->counts[side].total == 0) {
            continue;
        }
        if (n < top) {
            ret[n++] = v;
            for (size_t k = n / 2; n == top && k-- > 0;) {
                sift_down(ret, n, k, side); /* from now on the last of them is at the front */
            }
        } else if (comes_before(v, ret[0], side)) {
            ret[0] = v;
            sift_down(ret, n, 0, side);
        }
    }
    return n;
}
