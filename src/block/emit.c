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
owners_reserve(struct owners *o, size_t levels)
{
    o->def = grow(o->def, levels, &o->def_cap, 1);
    o->rep = grow(o->rep, levels, &o->rep_cap, 1);
    o->levels = grow(o->levels, levels, &o->levels_cap, sizeof *o->levels);
}

/* Entries of a row with n elements. */
static void
owners_row(struct owners *o, uint32_t n)
{
    owners_reserve(o, o->level_count + n + 1);
    for (uint32_t i = 0; i < n; i++) {
        o->levels[o->count++] = (uint32_t)o->level_count;
        o->def[o->level_count] = 1;
        o->rep[o->level_count++] = i > 0;
    }
    if (n == 0) {
        o->def[o->level_count] = 0;
        o->rep[o->level_count++] = 0;
    }
}

static struct levels
owner_levels(const struct owners *o)
{
    return (struct levels){o->level_count, o->def, o->rep, o->present};
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
        if (a->target >= 0) {
            struct target *t = &w->targets[a->target];
            if (t->count == t->cap) {
                t->cap = t->cap ? t->cap * 2 : 256;
                t->at = mem_realloc(t->at, t->cap, sizeof *t->at);
                t->cells = mem_realloc(t->cells, t->cap, sizeof *t->cells);
            }
            t->at[t->count] = owner;
            t->cells[t->count++] = cell;
        } else if (generic) {
            generic_add(generic, w->b, owner, a, cell);
        }
    }
}

static void
gather_lists(struct block_writer *w)
{
    struct owners *e = &w->event_owners, *l = &w->link_owners;
    e->count = e->level_count = l->count = l->level_count = 0;
    for (size_t i = 0; i < w->slot_count; i++) {
        const struct row_more *m = w->rows->more[i];
        uint32_t events = m ? m->event_count : 0, links = m ? m->link_count : 0;
        w->events = grow(w->events, e->count + events, &w->event_cap, sizeof(struct held_event *));
        w->links = grow(w->links, l->count + links, &w->link_cap, sizeof(struct held_link *));
        for (uint32_t k = 0; k < events; k++) {
            w->events[e->count + k] = &m->events[k];
            scatter(w, (uint32_t)e->count + k, m->events[k].shape, m->events[k].cells,
                    &w->generic[BLOCK_EVENT]);
        }
        for (uint32_t k = 0; k < links; k++) {
            w->links[l->count + k] = &m->links[k];
            scatter(w, (uint32_t)l->count + k, m->links[k].shape, m->links[k].cells, &w->generic[BLOCK_LINK]);
        }
        owners_row(e, events);
        owners_row(l, links);
    }
}

static const struct owners *
owners_of(const struct block_writer *w, enum block_scope scope)
{
    return scope == BLOCK_EVENT ? &w->event_owners : scope == BLOCK_LINK ? &w->link_owners : &w->spans;
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
emit_attr(struct block_writer *w, struct target *t)
{
    const struct owners *o = owners_of(w, t->scope);
    struct levels l = {.count = o->level_count, .rep = o->rep, .def_level = 0};
    vectors_reserve(&w->v, t->count, o->level_count);
    if (t->count == o->level_count) { /* every owner has it, and every level an owner */
        l.def_level = (uint8_t)(o->present + 1);
    } else if (t->count || o->def) {
        if (o->def) {
            memcpy(w->v.def, o->def, o->level_count);
        } else {
            memset(w->v.def, o->present, o->level_count);
        }
        for (size_t i = 0; i < t->count; i++) {
            w->v.def[o->levels ? o->levels[t->at[i]] : t->at[i]] = (uint8_t)(o->present + 1);
        }
        l.def = w->v.def;
    }
    err rc = put_cells(w, t, l, t->cells, t->count, t->kind);
    t->count = 0;
    return rc;
}

/* --- generic lists -------------------------------------------------------------------------------------- */

/* Levels of the list's required leaves into v.def and v.rep; returns how many. Items stand by owner. */
static size_t
generic_levels(struct block_writer *w, const struct owners *o, const struct generic_items *g)
{
    uint8_t deeper = o->present + 1;
    size_t n = 0, item = 0, owner = 0;
    vectors_reserve(&w->v, g->count, o->level_count + g->count);
    for (size_t level = 0; level < o->level_count; level++) {
        bool there = o->def == NULL || o->def[level] == o->present;
        size_t first = item;
        while (there && item < g->count && g->items[item].owner == owner) {
            w->v.def[n] = deeper;
            w->v.rep[n++] = item > first ? (o->rep ? 2 : 1) : o->rep ? o->rep[level] : 0;
            item++;
        }
        if (item == first) {
            w->v.def[n] = o->def ? o->def[level] : o->present;
            w->v.rep[n++] = o->rep ? o->rep[level] : 0;
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
    size_t n = 0, item = 0;
    for (size_t i = 0; i < l.count && item < g->count; i++) {
        if (w->v.def[i] < item_def) {
            continue;
        }
        bool has = is_generic_of(g->items[item].kind, leaf);
        w->v.def[i] = has ? (uint8_t)(item_def + 1) : item_def;
        if (has) {
            w->v.i64[n++] = (int64_t)g->items[item].cell;
        }
        item++;
    }
    return put_cells(w, t, l, (const uint64_t *)(const void *)w->v.i64, n, kinds[leaf]);
}

static err
emit_generic(struct block_writer *w, enum block_scope scope, size_t first)
{
    const struct owners *o = owners_of(w, scope);
    struct generic_items *g = &w->generic[scope];
    uint8_t item_def = o->present + 1;
    struct levels l = {.count = o->level_count, .def = o->def, .rep = o->rep, .def_level = o->present};
    err rc = OK;
    if (w->targets[first].column < 0) {
        return OK;
    }
    if (g->count) {
        l.count = generic_levels(w, o, g);
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

/* --- services of a trace -------------------------------------------------------------------------------- */

#define STATUS_ERROR 2

/* Spans and errors of each service: services into v.ids, counts into v.i32 and v.i64, from `at`. */
static size_t
count_services(struct block_writer *w, const struct held_trace *trace, size_t at)
{
    const struct block_builder *b = w->b;
    size_t n = at;
    id_map_clear(&w->services);
    for (uint32_t i = 0; i < trace->rows; i++) {
        const struct row *row = w->sorted[trace->first_row + i];
        uint32_t service = b->resources[b->scopes[row->scope].resource].service;
        bool is_new = false;
        uint32_t *place = id_map_put(&w->services, service, &is_new);
        if (is_new) {
            *place = (uint32_t)n;
            vectors_reserve(&w->v, n + 1, 0);
            w->v.ids[n] = service;
            w->v.i32[n] = 0;
            w->v.i64[n++] = 0;
        }
        w->v.i32[*place]++;
        w->v.i64[*place] += row->status == STATUS_ERROR;
    }
    return n;
}

static err
emit_services(struct block_writer *w)
{
    size_t n = 0, levels = 0;
    err rc = OK;
    for (size_t i = 0; i < w->slot_count; i++) {
        size_t from = n;
        if (w->slots[i].row == w->sorted[w->slots[i].trace->first_row]) {
            n = count_services(w, w->slots[i].trace, n);
        }
        vectors_reserve(&w->v, 0, levels + (n - from) + 1);
        w->v.def[levels] = n > from;
        w->v.rep[levels++] = 0;
        for (size_t k = from + 1; k < n; k++) {
            w->v.def[levels] = 1;
            w->v.rep[levels++] = 1;
        }
    }
    struct levels l = {.count = levels, .def = w->v.def, .rep = w->v.rep};
    TRY(put_ids(w, &w->targets[BLOCK_SERVICE_NAME], l, w->v.ids, n));
    TRY(put_i32(w, &w->targets[BLOCK_SERVICE_SPANS], l, w->v.i32, n));
    for (size_t i = 0; i < n; i++) {
        w->v.i32[i] = (int32_t)w->v.i64[i];
    }
    TRY(put_i32(w, &w->targets[BLOCK_SERVICE_ERRORS], l, w->v.i32, n));
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
    err rc = OK;
    w->spans = (struct owners){.count = w->slot_count, .level_count = w->slot_count};
    vectors_reserve(&w->v, w->slot_count, w->slot_count);
    rows_gather(w);
    gather_lists(w);
    TRY(emit_rows(w));
    for (size_t i = BLOCK_COLUMN_COUNT; i < w->target_count; i++) {
        struct target *t = &w->targets[i];
        bool context = t->scope == BLOCK_RESOURCE || t->scope == BLOCK_INSTRUMENTATION;
        TRY(context ? emit_context_attr(w, t) : emit_attr(w, t));
    }
    TRY(emit_services(w));
    TRY(emit_generic(w, BLOCK_SPAN, BLOCK_SPAN_GENERIC));
    TRY(emit_events(w));
    TRY(emit_links(w));
out:
    w->slot_count = w->slot_bytes = 0;
    return rc;
}
