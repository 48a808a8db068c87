#include "shape.h"

#include "vivace/base/table.h"

#define KIND_SERVER 2
#define KIND_CLIENT 3

/* The link that makes a span without parent id a child (OpenTracing bridges), or NULL. */
static const struct span_link *
child_of_link(const struct span_batch *b, const struct span *s)
{
    for (uint32_t i = 0; i < s->links.n; i++) {
        const struct span_link *l = &b->links[s->links.at + i];
        const struct attr *a = attrs_find(b, l->attrs, SL("opentracing.ref_type"));
        if (a && a->kind == VALUE_STRING && slice_eq(attr_bytes(a), SL("child_of")) &&
            trace_id_eq(&l->trace, &s->trace)) {
            return l;
        }
    }
    return NULL;
}

bool
shape_span_is_root(const struct span_batch *b, const struct span *s)
{
    return span_id_is_zero(&s->parent) && (s->links.n == 0 || child_of_link(b, s) == NULL);
}

/* Rows by span id: row + 1 of the first in the low half, of the second in the high half. */
struct by_id {
    struct id_table table;
    bool crowded; /* an id occurs more than twice */
};

static void
by_id_fill(struct by_id *ids, const struct span_batch *b)
{
    for (size_t i = 0; i < b->span_count; i++) {
        uint64_t *at = id_table_put(&ids->table, &b->spans[i].id);
        if (*at == 0) {
            *at = i + 1;
        } else if (*at >> 32 == 0) {
            *at |= (uint64_t)(i + 1) << 32;
        } else {
            ids->crowded = true;
        }
    }
}

/* Which of the one or two spans with this id is meant by a span of `kind`. */
static uint32_t
pick(const struct by_id *ids, const struct span_batch *b, const span_id *id, int32_t kind)
{
    uint64_t at = id_table_get(&ids->table, id);
    uint32_t first = (uint32_t)at;
    uint32_t second = (uint32_t)(at >> 32);
    if (first == 0) {
        return SHAPE_NO_ROW;
    }
    int32_t want = kind == KIND_SERVER ? KIND_CLIENT : KIND_SERVER;
    if (second && b->spans[first - 1].kind != want && b->spans[second - 1].kind == want) {
        return second - 1;
    }
    return first - 1;
}

static uint32_t
parent_of(const struct by_id *ids, const struct span_batch *b, size_t row)
{
    const struct span *s = &b->spans[row];
    const span_id *parent = &s->parent;
    if (s->kind == KIND_SERVER && id_table_get(&ids->table, &s->id) >> 32) {
        uint32_t other = pick(ids, b, &s->id, KIND_SERVER);
        if (other != row && b->spans[other].kind == KIND_CLIENT) {
            return other;
        }
    }
    if (span_id_is_zero(parent)) {
        const struct span_link *l = child_of_link(b, s);
        if (l == NULL) {
            return SHAPE_NO_ROW;
        }
        parent = &l->span;
    }
    uint32_t found = pick(ids, b, parent, s->kind);
    return found == row ? SHAPE_NO_ROW : found;
}

static bool
allocate(struct shape *s, size_t n, struct arena *a)
{
    *s = (struct shape){.count = n};
    s->parent = arena_new_array(a, uint32_t, n + 1);
    s->left = arena_new_array(a, uint32_t, n + 1);
    s->right = arena_new_array(a, uint32_t, n + 1);
    s->children = arena_new_array(a, uint32_t, n + 1);
    s->order = arena_new_array(a, uint32_t, n + 1);
    s->is_root = arena_new_array(a, bool, n + 1);
    return s->parent && s->left && s->right && s->children && s->order && s->is_root;
}

/* First child and next sibling, in order of arrival. */
struct lists {
    uint32_t *first, *next;
};

/* Depth first from one root without a stack: up over `parent`. */
static void
number_from(struct shape *s, const struct lists *l, uint32_t root, uint32_t *counter)
{
    uint32_t at = root;
    for (;;) {
        s->left[at] = ++*counter;
        s->order[s->connected++] = at;
        if (l->first[at] != SHAPE_NO_ROW) {
            at = l->first[at];
            continue;
        }
        s->right[at] = ++*counter;
        while (at != root && l->next[at] == SHAPE_NO_ROW) {
            at = s->parent[at];
            s->right[at] = ++*counter;
        }
        if (at == root) {
            return;
        }
        at = l->next[at];
    }
}

static void
link_children(struct shape *s, struct lists *l)
{
    for (size_t i = 0; i < s->count; i++) {
        l->first[i] = SHAPE_NO_ROW;
        l->next[i] = SHAPE_NO_ROW;
    }
    for (size_t i = s->count; i-- > 0;) { /* backwards: lists come out in order of arrival */
        uint32_t p = s->parent[i];
        if (p != SHAPE_NO_ROW) {
            l->next[i] = l->first[p];
            l->first[p] = (uint32_t)i;
            s->children[p]++;
        }
    }
}

err
shape_make(const struct span_batch *b, struct arena *a, struct fault *f, struct shape *ret)
{
    struct by_id ids = {0};
    struct lists l = {arena_new_array(a, uint32_t, b->span_count + 1),
                      arena_new_array(a, uint32_t, b->span_count + 1)};
    if (!allocate(ret, b->span_count, a) || !l.first || !l.next) {
        return FAULT(f, ERR_LIMIT, "a trace of %zu spans is larger than a query may look at", b->span_count);
    }
    id_table_init(&ids.table, SPAN_ID_BYTES);
    by_id_fill(&ids, b);
    for (size_t i = 0; i < b->span_count; i++) {
        ret->parent[i] = parent_of(&ids, b, i);
        ret->is_root[i] = ret->parent[i] == SHAPE_NO_ROW && shape_span_is_root(b, &b->spans[i]);
    }
    id_table_fini(&ids.table);
    link_children(ret, &l);
    uint32_t counter = 0;
    for (uint32_t i = 0; !ids.crowded && i < b->span_count; i++) {
        if (ret->is_root[i]) {
            number_from(ret, &l, i, &counter);
        }
    }
    return OK;
}

int64_t
shape_nested_parent(const struct shape *s, size_t row)
{
    if (s->left[row] == 0) {
        return 0;
    }
    return s->parent[row] == SHAPE_NO_ROW ? -1 : (int64_t)s->left[s->parent[row]];
}

void
trace_facts_of(const struct span_batch *b, struct trace_facts *ret)
{
    *ret = (struct trace_facts){.start_ns = UINT64_MAX};
    for (size_t i = 0; i < b->span_count; i++) {
        const struct span *s = &b->spans[i];
        ret->id = s->trace;
        ret->start_ns = s->start_ns < ret->start_ns ? s->start_ns : ret->start_ns;
        ret->end_ns = s->end_ns > ret->end_ns ? s->end_ns : ret->end_ns;
        ret->end_ns = s->start_ns > ret->end_ns ? s->start_ns : ret->end_ns;
        if (shape_span_is_root(b, s)) {
            ret->root_name = s->name;
            ret->root_service = span_service_name(b, s);
        }
    }
}
