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
    exemplars_init(&s->exemplars, q);
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
    exemplars_fini(&s->exemplars);
}

size_t
compare_set_bytes(const struct compare_set *s)
{
    return s->memory.bytes + s->table_bytes + exemplars_bytes(&s->exemplars);
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

/* What an entry of the index has of a hash; its low bits choose the entry. */
static uint64_t
mark_of(uint64_t hash)
{
    return hash >> 32 << 32;
}

/* Where the value stands or would stand. */
static uint64_t *
entry_of(struct compare_attr *at, const struct tql_static *v, uint64_t hash)
{
    size_t i = hash & (at->index_cap - 1);
    while (at->index[i] && (mark_of(at->index[i]) != mark_of(hash) ||
                            !tql_static_same(&at->v[(uint32_t)at->index[i] - 1].value, v))) {
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
    at->index = mem_new_array(uint64_t, at->index_cap);
    s->table_bytes += at->cap * sizeof *at->v + at->index_cap * sizeof *at->index;
    for (size_t i = 0; i < at->count; i++) {
        *entry_of(at, &at->v[i].value, at->v[i].hash) = mark_of(at->v[i].hash) | (i + 1);
    }
}

static uint64_t
prefix_of(const struct tql_static *v)
{
    uint64_t prefix = 0;
    for (uint32_t i = 0; v->type == TQL_STRING && i < sizeof prefix; i++) {
        prefix = prefix << 8 | (i < v->n ? v->s[i] : 0);
    }
    return prefix;
}

static uint32_t
place_of(struct compare_set *s, struct compare_attr *at, const struct tql_static *v, uint64_t hash)
{
    const uint64_t *found = at->index_cap ? entry_of(at, v, hash) : NULL;
    struct tql_static copy = *v;
    if (found && *found) {
        return (uint32_t)*found - 1;
    }
    if (at->count == METRICS_COMPARE_VALUES_MAX || s->memory.bytes + s->table_bytes > METRICS_BYTES_MAX) {
        return COMPARE_NO_VALUE;
    }
    if (v->type == TQL_STRING && v->n) {
        copy.s = arena_copy(&s->memory, tql_static_slice(v)).p;
        if (copy.s == NULL) {
            return COMPARE_NO_VALUE;
        }
    }
    if (at->v == NULL || at->count == at->cap) {
        grow(s, at);
    }
    at->v[at->count++] = (struct compare_value){.value = copy, .hash = hash, .prefix = prefix_of(&copy)};
    *entry_of(at, &copy, hash) = mark_of(hash) | at->count;
    return (uint32_t)at->count - 1;
}

uint32_t
compare_place(struct compare_set *s, struct compare_attr *at, const struct tql_static *v)
{
    return place_of(s, at, v, tql_static_hash(v, HASH_SEED));
}

/* From few to an array. */
static void
spread(struct compare_set *s, struct compare_counts *c)
{
    c->by_step = arena_new_array(&s->memory, double, s->q->steps);
    if (c->by_step == NULL) {
        s->full = true;
        return;
    }
    for (int i = 0; i < COMPARE_FEW; i++) {
        c->by_step[c->few[i].step] += c->few[i].n;
    }
}

static void
count_add(struct compare_set *s, struct compare_counts *c, uint32_t step, uint64_t n)
{
    c->total += n;
    for (int i = 0; c->by_step == NULL && i < COMPARE_FEW; i++) {
        if ((c->few[i].n == 0 || c->few[i].step == step) && n <= UINT32_MAX - c->few[i].n) {
            c->few[i].step = step;
            c->few[i].n += (uint32_t)n;
            return;
        }
    }
    if (c->by_step == NULL) {
        spread(s, c);
    }
    if (c->by_step) {
        c->by_step[step] += (double)n;
    }
}

void
compare_count(struct compare_set *s, struct compare_attr *at, uint32_t place, enum compare_side side,
              uint32_t step, uint64_t n)
{
    at->totals[side][step] += (double)n;
    if (place != COMPARE_NO_VALUE) {
        count_add(s, &at->v[place].counts[side], step, n);
    }
}

void
compare_add(struct compare_set *s, struct compare_attr *at, enum compare_side side, uint32_t step,
            const struct tql_static *value, uint64_t n)
{
    if (n && value->type != TQL_NIL) {
        compare_count(s, at, compare_place(s, at, value), side, step, n);
    }
}

static void
merge_counts(struct compare_set *s, struct compare_counts *to, const struct compare_counts *from)
{
    for (int i = 0; from->by_step == NULL && i < COMPARE_FEW; i++) {
        if (from->few[i].n) {
            count_add(s, to, from->few[i].step, from->few[i].n);
        }
    }
    for (uint32_t i = 0; from->by_step && i < s->q->steps; i++) {
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
            const uint32_t place = place_of(into, to, &a->v[k].value, a->v[k].hash);
            for (int side = 0; place != COMPARE_NO_VALUE && side < COMPARE_SIDES; side++) {
                merge_counts(into, &to->v[place].counts[side], &a->v[k].counts[side]);
            }
        }
    }
    for (size_t side = 0; side < COMPARE_SIDES; side++) {
        exemplars_merge(&into->exemplars, side, &from->exemplars, side);
    }
}

/* --- the most frequent ------------------------------------------------------------------------------------
 */

static bool
comes_before(const struct compare_value *a, const struct compare_value *b, enum compare_side side)
{
    const uint64_t x = a->counts[side].total;
    const uint64_t y = b->counts[side].total;
    if (x != y) {
        return x > y;
    }
    if (a->value.type == TQL_STRING && b->value.type == TQL_STRING && a->prefix != b->prefix) {
        return a->prefix < b->prefix;
    }
    return tql_static_order(&a->value, &b->value) < 0;
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
