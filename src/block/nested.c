/* What is known of a trace as a whole: its root, and each span's interval in the tree (nested set).
 *
 * Spans count in order of their start, then id, as a search judges them (querier/trace.h). One counter runs
 * depth first over the roots; a span's left and right bounds hold those of its descendants. A span that no
 * root reaches has 0, 0, 0, and so has every span of a trace in which an id occurs more than twice. Source:
 * traceql.md section 3.
 */
#include "builder_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/rng.h"

#include <stdlib.h>

#define NOBODY      UINT32_MAX
#define KIND_SERVER 2
#define KIND_CLIENT 3

static void
tree_reserve(struct tree *t, uint32_t n)
{
    if (n > t->cap) {
        t->cap = n + n / 2;
        t->spans = mem_realloc(t->spans, t->cap, sizeof *t->spans);
        t->sets = mem_realloc(t->sets, t->cap, sizeof *t->sets);
        t->parent = mem_realloc(t->parent, t->cap, sizeof(uint32_t));
        t->first_child = mem_realloc(t->first_child, t->cap, sizeof(uint32_t));
        t->next_sibling = mem_realloc(t->next_sibling, t->cap, sizeof(uint32_t));
        t->twin = mem_realloc(t->twin, t->cap, sizeof(uint32_t));
    }
    uint32_t slots = 16;
    while (slots < n * 2 && slots < UINT32_C(1) << 31) {
        slots *= 2;
    }
    if (slots > t->slot_count) {
        mem_free(t->slots);
        t->slots = mem_new_array(uint32_t, slots);
        t->slot_count = slots;
    }
}

void
tree_fini(struct tree *t)
{
    mem_free(t->spans);
    mem_free(t->sets);
    mem_free(t->parent);
    mem_free(t->first_child);
    mem_free(t->next_sibling);
    mem_free(t->twin);
    mem_free(t->slots);
}

/* Ids are client-chosen: the process's seed keeps them from colliding on purpose. */
static uint32_t
slot_of(const struct tree *t, const span_id *id, uint32_t mask)
{
    uint64_t v;
    memcpy(&v, id->b, sizeof v);
    v = (v ^ t->seed) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)((v ^ v >> 29) >> 32) & mask;
}

static uint32_t
find_id(const struct tree *t, const span_id *id, uint32_t mask)
{
    for (uint32_t at = slot_of(t, id, mask); t->slots[at]; at = (at + 1) & mask) {
        if (span_id_eq(&t->spans[t->slots[at] - 1].id, id)) {
            return t->slots[at] - 1;
        }
    }
    return NOBODY;
}

/* False when an id occurs more than twice. */
static bool
index_ids(struct tree *t, uint32_t mask)
{
    memset(t->slots, 0, ((size_t)mask + 1) * sizeof *t->slots);
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = slot_of(t, &t->spans[i].id, mask);
        t->twin[i] = NOBODY;
        while (t->slots[at] && !span_id_eq(&t->spans[t->slots[at] - 1].id, &t->spans[i].id)) {
            at = (at + 1) & mask;
        }
        uint32_t first = t->slots[at];
        if (first == 0) {
            t->slots[at] = i + 1;
        } else if (t->twin[first - 1] != NOBODY) {
            return false;
        } else {
            t->twin[first - 1] = i;
        }
    }
    return true;
}

/* A link into its own trace that says "child of" stands in for a parent (OpenTracing). */
static bool
has_parent_link(const struct block_builder *b, const struct row *row, const trace_id *trace)
{
    for (uint32_t i = 0; row->more && i < row->more->link_count; i++) {
        const struct held_link *l = &row->more->links[i];
        const struct shape *s = &b->shapes[l->shape];
        for (uint32_t k = 0; trace_id_eq(&l->trace, trace) && k < s->attr_count; k++) {
            const struct field *field = &b->fields[s->attrs[k].field];
            if (field->kind == VALUE_STRING &&
                slice_eq(intern_get(&b->strings, field->key), SL("opentracing.ref_type")) &&
                slice_eq(intern_get(&b->strings, l->cells[s->attrs[k].cell]), SL("child_of"))) {
                return true;
            }
        }
    }
    return false;
}

/* The parent among spans that share its id: a server's is the client, anybody else's the server. */
static uint32_t
choose_parent(const struct tree *t, uint32_t child, uint32_t found)
{
    uint32_t other = found == NOBODY ? NOBODY : t->twin[found];
    if (other != NOBODY) {
        int32_t want = t->spans[child].kind == KIND_SERVER ? KIND_CLIENT : KIND_SERVER;
        found = t->spans[found].kind != want && t->spans[other].kind == want ? other : found;
    }
    return found == child ? NOBODY : found;
}

static struct nested_set *
set_of(const struct tree *t, uint32_t position)
{
    return &t->sets[t->spans[position].row];
}

static void
link_tree(struct tree *t, uint32_t mask)
{
    for (uint32_t i = 0; i < t->count; i++) {
        t->first_child[i] = t->next_sibling[i] = t->parent[i] = NOBODY;
    }
    for (uint32_t i = t->count; i-- > 0;) { /* backwards: lists come out in order */
        if (span_id_is_zero(&t->spans[i].parent)) {
            continue;
        }
        uint32_t p = choose_parent(t, i, find_id(t, &t->spans[i].parent, mask));
        if (p != NOBODY) {
            t->parent[i] = p;
            t->next_sibling[i] = t->first_child[p];
            t->first_child[p] = i;
            set_of(t, p)->children++;
        }
    }
}

/* Number the tree below `root`; returns the next free number. */
static int32_t
number_from(struct tree *t, uint32_t root, int32_t next)
{
    uint32_t at = root;
    set_of(t, root)->parent_left = -1;
    set_of(t, root)->left = next++;
    for (;;) {
        if (t->first_child[at] != NOBODY) {
            uint32_t child = t->first_child[at];
            set_of(t, child)->parent_left = set_of(t, at)->left;
            at = child;
            set_of(t, at)->left = next++;
            continue;
        }
        set_of(t, at)->right = next++;
        while (at != root && t->next_sibling[at] == NOBODY) {
            at = t->parent[at];
            set_of(t, at)->right = next++;
        }
        if (at == root) {
            return next;
        }
        uint32_t sibling = t->next_sibling[at];
        set_of(t, sibling)->parent_left = set_of(t, t->parent[at])->left;
        at = sibling;
        set_of(t, at)->left = next++;
    }
}

static int
by_start(const void *left, const void *right)
{
    const struct tree_span *a = left, *b = right;
    if (a->start_ns != b->start_ns) {
        return a->start_ns < b->start_ns ? -1 : 1;
    }
    return memcmp(a->id.b, b->id.b, SPAN_ID_BYTES);
}

/* Most traces are short, and nearly in order. */
static void
sort_spans(struct tree *t)
{
    if (t->count > 64) {
        qsort(t->spans, t->count, sizeof *t->spans, by_start);
        return;
    }
    for (uint32_t i = 1; i < t->count; i++) {
        const struct tree_span span = t->spans[i];
        uint32_t at = i;
        while (at > 0 && by_start(&t->spans[at - 1], &span) > 0) {
            t->spans[at] = t->spans[at - 1];
            at--;
        }
        t->spans[at] = span;
    }
}

/* The one time that rows are waited for: they arrived at another time and stand far away. */
static void
take_rows(struct tree *t, struct row *const *rows)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const struct row *row = rows[i];
        const uint8_t *ahead = (const uint8_t *)rows[i + ROWS_AHEAD];
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + 64);
        const uint32_t *cells = rows[i + ROWS_AHEAD / 2]->cells;
        __builtin_prefetch(cells);
        if (cells) {
            __builtin_prefetch(cells + 16);
        }
        t->spans[i] = (struct tree_span){
            .start_ns = row->start_ns, .id = row->id, .parent = row->parent, .kind = row->kind, .row = i};
        t->sets[i] = (struct nested_set){0};
    }
}

void
trace_summarise(const struct block_builder *b, struct tree *t, struct held_trace *trace,
                struct row *const *rows)
{
    uint32_t mask = 15;
    int32_t next = 1;
    tree_reserve(t, trace->rows);
    t->seed = rng_process_seed();
    t->count = trace->rows;
    take_rows(t, rows);
    sort_spans(t);
    while (mask + 1 < t->count * 2 && mask + 1 < t->slot_count) {
        mask = mask * 2 + 1;
    }
    bool numbered = index_ids(t, mask);
    if (numbered) {
        link_tree(t, mask);
    }
    for (uint32_t i = 0; i < t->count; i++) {
        const struct row *row = rows[t->spans[i].row];
        if (!span_id_is_zero(&t->spans[i].parent) || has_parent_link(b, row, &trace->id)) {
            continue;
        }
        trace->root_name = row->name;
        trace->root_service = b->resources[b->scopes[row->scope].resource].service;
        if (numbered && t->count < INT32_MAX / 2) {
            next = number_from(t, i, next);
        }
    }
}
