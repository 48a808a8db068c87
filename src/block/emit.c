/* One chunk: gather the values of each column from events, links and cells (emit_rows.c: from rows). */
#include "writer_priv.h"

#include "vivace/base/mem.h"

static void *
grow(void *array, size_t want, size_t *cap, size_t size)
{
    if (want <= *cap) {
        return array;
    }
    *cap = want + want / 2;
    return mem_realloc(array, *cap, size);
}

/* --- owners: where events and links stand in the levels ------------------------------------------------- */

static void
owners_grow(struct owners *o, size_t want)
{
    const size_t had = o->cap;
    o->cap = want + want / 2;
    o->def = mem_realloc(o->def, o->cap, 1);
    o->rep = mem_realloc(o->rep, o->cap, 1);
    o->levels = mem_realloc(o->levels, o->cap, sizeof *o->levels);
    memset(o->def + had, 0, o->cap - had);
    memset(o->rep + had, 0, o->cap - had);
}

/* Entries of the next row, which has n elements. The levels of a row without any are zero, as they were. */
static inline void
owners_row(struct owners *o, uint32_t n)
{
    const size_t want = o->level_count + (n ? n : 1);
    if (want > o->cap) {
        owners_grow(o, want);
    }
    for (uint32_t i = 0; i < n; i++) {
        o->levels[o->count++] = (uint32_t)(o->level_count + i);
        o->def[o->level_count + i] = 1;
        o->rep[o->level_count + i] = i > 0;
    }
    o->repeated |= n > 1;
    o->level_count = want;
}

static void
owners_clear(struct owners *o)
{
    if (o->count) {
        memset(o->def, 0, o->level_count);
        memset(o->rep, 0, o->level_count);
    }
    o->count = o->level_count = 0;
    o->repeated = false;
}

/* Most chunks have no events, or no links. */
static struct levels
owner_levels(const struct owners *o)
{
    return (struct levels){.count = o->level_count,
                           .def = o->count ? o->def : NULL,
                           .rep = o->repeated ? o->rep : NULL,
                           .def_level = 0};
}

/* Levels of what a scope's owners are in the chunk. */
static struct levels
levels_of(const struct block_writer *w, enum block_scope scope)
{
    return scope == BLOCK_EVENT  ? owner_levels(&w->event_owners)
           : scope == BLOCK_LINK ? owner_levels(&w->link_owners)
                                 : (struct levels){.count = w->rows->count};
}

/* --- attributes ----------------------------------------------------------------------------------------- */

static void
generic_add(struct generic_items *g, const struct block_builder *b, uint32_t owner,
            const struct shape_attr *a, uint64_t cell)
{
    g->items = grow(g->items, g->count + 1, &g->cap, sizeof *g->items);
    g->items[g->count++] =
        (struct generic_item){.cell = cell, .owner = owner, .key = b->fields[a->field].key, .kind = a->kind};
}

static void
target_grow(struct target *t)
{
    t->cap = t->cap ? t->cap * 2 : CHUNK_ROWS;
    t->ids = t->kind == VALUE_STRING ? mem_realloc(t->ids, t->cap, sizeof *t->ids) : NULL;
    t->cells = t->kind != VALUE_STRING ? mem_realloc(t->cells, t->cap, sizeof *t->cells) : NULL;
    if (t->scope != BLOCK_SPAN) {
        t->at = mem_realloc(t->at, t->cap, sizeof *t->at);
    } else if (t->def == NULL) {
        t->def = mem_calloc(CHUNK_ROWS, 1);
    }
}

void
scatter(struct block_writer *w, uint32_t owner, uint32_t shape, const uint32_t *cells,
        struct generic_items *generic)
{
    const struct shape *s = &w->b->shapes[shape];
    for (uint32_t i = 0; i < s->attr_count; i++) {
        const struct shape_attr *a = &s->attrs[i];
        size_t words = kind_cells((enum value_kind)a->kind);
        uint64_t cell = words ? cells[a->cell] : 0;
        if (words == 2) {
            memcpy(&cell, &cells[a->cell], sizeof cell);
        }
        if (a->target < 0) {
            if (generic) {
                generic_add(generic, w->b, owner, a, cell);
            }
            continue;
        }
        struct target *t = &w->targets[a->target];
        if (t->count == t->cap) {
            target_grow(t);
        }
        if (a->kind == VALUE_STRING) {
            t->ids[t->count] = (uint32_t)cell;
        } else {
            t->cells[t->count] = cell;
        }
        if (t->at) {
            t->at[t->count] = owner;
        } else {
            t->def[owner] = 1;
        }
        t->count++;
    }
}

static void
take_some(struct block_writer *w, const struct row_more *m)
{
    struct owners *e = &w->event_owners, *l = &w->link_owners;
    const uint32_t events = m->event_count, links = m->link_count;
    if (events) {
        w->events = grow(w->events, e->count + events, &w->event_cap, sizeof(struct held_event *));
    }
    if (links) {
        w->links = grow(w->links, l->count + links, &w->link_cap, sizeof(struct held_link *));
    }
    for (uint32_t k = 0; k < events; k++) {
        w->events[e->count + k] = &m->events[k];
        scatter(w, (uint32_t)e->count + k, m->events[k].shape, m->events[k].cells, &w->generic[BLOCK_EVENT]);
    }
    for (uint32_t k = 0; k < links; k++) {
        w->links[l->count + k] = &m->links[k];
        scatter(w, (uint32_t)l->count + k, m->links[k].shape, m->links[k].cells, &w->generic[BLOCK_LINK]);
    }
}

void
take_lists(struct block_writer *w, const struct row_more *m)
{
    if (m) {
        take_some(w, m);
    }
    owners_row(&w->event_owners, m ? m->event_count : 0);
    owners_row(&w->link_owners, m ? m->link_count : 0);
}

err
put_cells(struct block_writer *w, struct target *t, struct levels l, const uint64_t *cells, size_t n,
          enum value_kind kind)
{
    switch (kind) {
    case VALUE_INT:
        return put_i64(w, t, l, (const int64_t *)(const void *)cells, n);
    case VALUE_DOUBLE:
        return put_f64(w, t, l, (const double *)(const void *)cells, n);
    case VALUE_BOOL:
        for (size_t i = 0; i < n; i++) {
            w->v.bytes[i] = (uint8_t)cells[i];
        }
        return put_bools(w, t, l, w->v.bytes, n);
    default:
        for (size_t i = 0; i < n; i++) {
            w->v.ids[i] = (uint32_t)cells[i];
        }
        return put_ids(w, t, l, w->v.ids, n);
    }
}

static err
put_values(struct block_writer *w, struct target *t, struct levels l)
{
    return t->kind == VALUE_STRING ? put_ids(w, t, l, t->ids, t->count)
                                   : put_cells(w, t, l, t->cells, t->count, t->kind);
}

/* A column of spans' attributes. */
static err
emit_span_attr(struct block_writer *w, struct target *t)
{
    size_t rows = w->rows->count;
    struct levels l = {.count = rows, .def_level = t->count == rows};
    l.def = t->count && t->count < rows ? t->def : NULL;
    vectors_reserve(&w->v, t->count, 0);
    err rc = put_values(w, t, l);
    if (t->count) {
        memset(t->def, 0, rows);
    }
    t->count = 0;
    return rc;
}

/* A column of events' or links' attributes. */
static err
emit_list_attr(struct block_writer *w, struct target *t)
{
    const struct owners *o = t->scope == BLOCK_EVENT ? &w->event_owners : &w->link_owners;
    struct levels l = owner_levels(o);
    vectors_reserve(&w->v, t->count, o->level_count);
    if (t->count) {
        memcpy(w->v.def, o->def, o->level_count);
        for (size_t i = 0; i < t->count; i++) {
            w->v.def[o->levels[t->at[i]]] = 2;
        }
        l.def = w->v.def;
    }
    err rc = put_values(w, t, l);
    t->count = 0;
    return rc;
}

static err
emit_attr(struct block_writer *w, struct target *t)
{
    switch (t->scope) {
    case BLOCK_SPAN:
        return emit_span_attr(w, t);
    case BLOCK_EVENT:
    case BLOCK_LINK:
        return emit_list_attr(w, t);
    default:
        return emit_context_attr(w, t);
    }
}

/* --- generic lists -------------------------------------------------------------------------------------- */

/* Levels of the list's required leaves into v.def and v.rep; returns how many. Items stand by owner. */
static size_t
generic_levels(struct block_writer *w, enum block_scope scope, const struct generic_items *g)
{
    const struct owners *o = scope == BLOCK_EVENT ? &w->event_owners : &w->link_owners;
    const bool nested = scope != BLOCK_SPAN; /* a list in a list */
    const uint8_t present = nested;
    size_t levels = nested ? o->level_count : w->rows->count;
    size_t n = 0, item = 0, owner = 0;
    vectors_reserve(&w->v, g->count, levels + g->count);
    for (size_t level = 0; level < levels; level++) {
        bool there = !nested || o->def[level] == present;
        size_t first = item;
        while (there && item < g->count && g->items[item].owner == owner) {
            g->items[item].level = (uint32_t)n;
            w->v.def[n] = present + 1;
            w->v.rep[n++] = item > first ? 1 + nested : nested ? o->rep[level] : 0;
            item++;
        }
        if (item == first) {
            w->v.def[n] = nested ? o->def[level] : 0;
            w->v.rep[n++] = nested ? o->rep[level] : 0;
        }
        owner += there;
    }
    return n;
}

static bool
is_generic_of(uint8_t kind, size_t leaf)
{
    switch ((enum value_kind)kind) {
    case VALUE_STRING:
        return leaf == BLOCK_GENERIC_STRING;
    case VALUE_INT:
        return leaf == BLOCK_GENERIC_INT;
    case VALUE_DOUBLE:
        return leaf == BLOCK_GENERIC_DOUBLE;
    case VALUE_BOOL:
        return leaf == BLOCK_GENERIC_BOOL;
    case VALUE_ARRAY:
    case VALUE_KVLIST:
    case VALUE_BYTES:
        return leaf == BLOCK_GENERIC_BYTES;
    case VALUE_NONE:
        break;
    }
    return false;
}

static err
emit_generic_values(struct block_writer *w, struct target *t, struct levels l, uint8_t item_def,
                    const struct generic_items *g, size_t leaf)
{
    static const enum value_kind kinds[BLOCK_GENERIC_COUNT] = {
        [BLOCK_GENERIC_STRING] = VALUE_STRING, [BLOCK_GENERIC_INT] = VALUE_INT,
        [BLOCK_GENERIC_DOUBLE] = VALUE_DOUBLE, [BLOCK_GENERIC_BOOL] = VALUE_BOOL,
        [BLOCK_GENERIC_BYTES] = VALUE_BYTES,
    };
    size_t n = 0;
    for (size_t i = 0; i < g->count; i++) {
        const struct generic_item *item = &g->items[i];
        bool has = is_generic_of(item->kind, leaf);
        w->v.def[item->level] = (uint8_t)(item_def + has);
        if (has) {
            w->v.i64[n++] = (int64_t)item->cell;
        }
    }
    return put_cells(w, t, l, (const uint64_t *)(const void *)w->v.i64, n, kinds[leaf]);
}

static err
emit_generic(struct block_writer *w, enum block_scope scope, size_t first)
{
    struct generic_items *g = &w->generic[scope];
    uint8_t item_def = scope == BLOCK_SPAN ? 1 : 2;
    struct levels l = levels_of(w, scope);
    err rc = OK;
    if (w->targets[first].column < 0) {
        return OK;
    }
    if (g->count) {
        l.count = generic_levels(w, scope, g);
        l.def = w->v.def;
        l.rep = w->v.rep;
    }
    for (size_t i = 0; i < g->count; i++) {
        w->v.ids[i] = g->items[i].key;
        w->v.i32[i] = g->items[i].kind;
    }
    TRY(put_ids(w, &w->targets[first + BLOCK_GENERIC_KEY], l, w->v.ids, g->count));
    TRY(put_i32(w, &w->targets[first + BLOCK_GENERIC_TYPE], l, w->v.i32, g->count));
    for (size_t leaf = BLOCK_GENERIC_STRING; leaf < BLOCK_GENERIC_COUNT; leaf++) {
        TRY(emit_generic_values(w, &w->targets[first + leaf], l, item_def, g, leaf));
    }
    g->count = 0;
out:
    return rc;
}

/* --- events and links ----------------------------------------------------------------------------------- */

#define EACH(COUNT, INTO, EXPR)                                                                              \
    for (size_t i = 0; i < (COUNT); i++) {                                                                   \
        (INTO)[i] = (EXPR);                                                                                  \
    }

static err
emit_events(struct block_writer *w)
{
    const struct owners *o = &w->event_owners;
    struct levels l = owner_levels(o);
    size_t n = o->count;
    err rc = OK;
    vectors_reserve(&w->v, n, 0);
    EACH(n, w->v.i64, (int64_t)w->events[i]->time_ns)
    TRY(put_i64(w, &w->targets[BLOCK_EVENT_TIME], l, w->v.i64, n));
    EACH(n, w->v.ids, w->events[i]->name)
    TRY(put_ids(w, &w->targets[BLOCK_EVENT_NAME], l, w->v.ids, n));
    EACH(n, w->v.i32, (int32_t)w->events[i]->dropped)
    TRY(put_i32(w, &w->targets[BLOCK_EVENT_DROPPED], l, w->v.i32, n));
    EACH(n, w->v.ids, w->b->shapes[w->events[i]->shape].order)
    TRY(put_ids(w, &w->targets[BLOCK_EVENT_ORDER], l, w->v.ids, n));
    TRY(emit_generic(w, BLOCK_EVENT, BLOCK_EVENT_GENERIC));
out:
    return rc;
}

static err
emit_links(struct block_writer *w)
{
    const struct owners *o = &w->link_owners;
    struct levels l = owner_levels(o);
    size_t n = o->count;
    err rc = OK;
    vectors_reserve(&w->v, n, 0);
    for (size_t i = 0; i < n; i++) {
        memcpy(w->v.bytes + i * sizeof(trace_id), &w->links[i]->trace, sizeof(trace_id));
    }
    TRY(put_fixed(w, &w->targets[BLOCK_LINK_TRACE], l, w->v.bytes, n));
    for (size_t i = 0; i < n; i++) {
        memcpy(w->v.bytes + i * sizeof(span_id), &w->links[i]->span, sizeof(span_id));
    }
    TRY(put_fixed(w, &w->targets[BLOCK_LINK_SPAN], l, w->v.bytes, n));
    EACH(n, w->v.ids, w->links[i]->state)
    TRY(put_ids(w, &w->targets[BLOCK_LINK_STATE], l, w->v.ids, n));
    EACH(n, w->v.i32, (int32_t)w->links[i]->flags)
    TRY(put_i32(w, &w->targets[BLOCK_LINK_FLAGS], l, w->v.i32, n));
    EACH(n, w->v.i32, (int32_t)w->links[i]->dropped)
    TRY(put_i32(w, &w->targets[BLOCK_LINK_DROPPED], l, w->v.i32, n));
    EACH(n, w->v.ids, w->b->shapes[w->links[i]->shape].order)
    TRY(put_ids(w, &w->targets[BLOCK_LINK_ORDER], l, w->v.ids, n));
    TRY(emit_generic(w, BLOCK_LINK, BLOCK_LINK_GENERIC));
out:
    return rc;
}

err
emit_chunk(struct block_writer *w)
{
    struct chunk_rows *c = w->rows;
    err rc = OK;
    vectors_reserve(&w->v, c->count, c->count);
    TRY(emit_rows(w));
    for (size_t i = BLOCK_COLUMN_COUNT; i < w->target_count; i++) {
        TRY(emit_attr(w, &w->targets[i]));
    }
    TRY(emit_services(w));
    TRY(emit_generic(w, BLOCK_SPAN, BLOCK_SPAN_GENERIC));
    TRY(emit_events(w));
    TRY(emit_links(w));
out:
    c->count = c->parent_count = c->bytes = 0;
    c->trace_count = c->scope_count = 0;
    owners_clear(&w->event_owners);
    owners_clear(&w->link_owners);
    return rc;
}
