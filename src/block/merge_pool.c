/* Traces between being read and being written. */
#include "merge_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/rng.h"

/* --- duplicates -------------------------------------------------------------------------------------------
 */

/* Ids are client-chosen: the process's seed keeps them from colliding on purpose. */
size_t
span_slot(const span_id *id, int32_t kind, size_t mask)
{
    uint64_t v;
    memcpy(&v, id->b, sizeof v);
    v = (v ^ rng_process_seed() ^ (uint64_t)(uint32_t)kind << 32) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)((v ^ v >> 29) >> 16) & mask;
}

/* Of one trace: rows in order of arrival. */
static uint32_t
drop_from(struct seen_spans *s, struct row *const *rows, uint32_t n)
{
    uint32_t dropped = 0;
    uint8_t carried = 0;
    size_t slots = 16;
    while (slots < (size_t)n * 2) {
        slots *= 2;
    }
    if (slots > s->slot_cap) {
        s->slot_cap = slots;
        s->slots = mem_realloc(s->slots, slots, sizeof(void *));
    }
    memset(s->slots, 0, slots * sizeof(void *));
    for (uint32_t i = 0; i < n; i++) {
        struct row *row = rows[i];
        size_t at = span_slot(&row->id, row->kind, slots - 1);
        while (s->slots[at] &&
               !(span_id_eq(&s->slots[at]->id, &row->id) && s->slots[at]->kind == row->kind)) {
            at = (at + 1) & (slots - 1);
        }
        if (s->slots[at]) { /* where it began a resource, the next one does */
            carried = row->batch_start > carried ? row->batch_start : carried;
            row->trace = ROW_DROPPED;
            dropped++;
            continue;
        }
        row->batch_start = row->batch_start > carried ? row->batch_start : carried;
        carried = 0;
        s->slots[at] = row;
    }
    return dropped;
}

/* The times of a trace that lost rows: a copy may have said others. */
static void
times_again(struct held_trace *t, struct row *const *rows, uint32_t n)
{
    t->min_start_ns = UINT64_MAX;
    t->max_end_ns = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (rows[i]->trace != ROW_DROPPED) {
            trace_count_times(t, rows[i]->start_ns, rows[i]->end_ns);
        }
    }
}

uint64_t
pool_drop_duplicates(struct seen_spans *s, struct block_builder *b, struct held_trace *const *traces,
                     size_t n)
{
    uint32_t *next = mem_alloc((b->trace_count + 1) * sizeof *next); /* by trace */
    uint64_t dropped = 0;
    uint32_t first = 0;
    memset(next, 0xff, (b->trace_count + 1) * sizeof *next);
    for (size_t i = 0; i < n; i++) {
        if (traces[i]->rows > 1) {
            next[traces[i] - b->traces] = first;
            first += traces[i]->rows;
        }
    }
    struct row **rows = mem_new_array(struct row *, (size_t)first + 1);
    for (uint64_t i = 0; i < b->row_count; i++) {
        struct row *row = builder_row(b, i);
        if (next[row->trace] != UINT32_MAX) {
            rows[next[row->trace]++] = row;
        }
    }
    first = 0;
    for (size_t i = 0; i < n; i++) {
        if (traces[i]->rows > 1) {
            uint32_t count = traces[i]->rows, gone = drop_from(s, rows + first, count);
            traces[i]->rows -= gone;
            if (gone) {
                times_again(traces[i], rows + first, count);
            }
            dropped += gone;
            first += count;
        }
    }
    mem_free(rows);
    mem_free(next);
    return dropped;
}

/* --- to another builder -----------------------------------------------------------------------------------
 */

static uint32_t *
unknown(size_t n)
{
    uint32_t *ids = mem_alloc((n + 1) * sizeof *ids);
    memset(ids, 0xff, (n + 1) * sizeof *ids);
    return ids;
}

/* Of the old builder -> of the new one, UINT32_MAX = not yet. */
struct pool_map {
    uint32_t *strings, *shapes, *scopes, *traces;
};

struct moving {
    const struct pool_map *map;
    const struct block_builder *from;
    struct block_builder *to;
    struct fault *f;
};

static uint32_t
move_string(struct moving *m, uint32_t id)
{
    uint32_t *place = &m->map->strings[id];
    if (*place == UINT32_MAX) {
        *place = intern_put(&m->to->strings, intern_get(&m->from->strings, id));
    }
    return *place;
}

static err
move_attrs(struct moving *m, uint32_t *shape, uint32_t **cells)
{
    const struct shape *s = &m->from->shapes[*shape];
    uint32_t *place = &m->map->shapes[*shape];
    const uint32_t *old = *cells;
    err rc = OK;
    if (*place == UINT32_MAX) {
        TRY(take_shape(m->to, s->scope, intern_get(&m->from->strings, s->order), m->f, place));
    }
    *shape = *place;
    *cells = s->cell_count ? builder_cells(m->to, s->cell_count) : NULL;
    for (uint32_t i = 0; *cells && i < s->attr_count; i++) {
        const struct shape_attr *a = &s->attrs[i];
        size_t words = kind_cells((enum value_kind)a->kind);
        if (words == 2 || a->kind == VALUE_BOOL) {
            memcpy(*cells + a->cell, old + a->cell, words * sizeof *old);
        } else if (words == 1) {
            (*cells)[a->cell] = move_string(m, old[a->cell]);
        }
    }
out:
    return rc;
}

static err
move_scope(struct moving *m, uint32_t *scope)
{
    uint32_t *place = &m->map->scopes[*scope];
    const struct held_scope *s = &m->from->scopes[*scope];
    err rc = OK;
    if (*place == UINT32_MAX) {
        rc = take_scope(m->to, intern_get(&m->from->strings, m->from->resources[s->resource].raw),
                        intern_get(&m->from->strings, s->raw), m->f, place);
    }
    *scope = *place;
    return rc;
}

static err
move_more(struct moving *m, struct row *row)
{
    const struct row_more *old = row->more;
    struct row_more *more = arena_new(&m->to->arena, struct row_more);
    err rc = OK;
    *more = *old;
    more->status_message = move_string(m, old->status_message);
    more->trace_state = move_string(m, old->trace_state);
    more->events = arena_new_array(&m->to->arena, struct held_event, old->event_count);
    more->links = arena_new_array(&m->to->arena, struct held_link, old->link_count);
    for (uint32_t i = 0; i < old->event_count; i++) {
        more->events[i] = old->events[i];
        more->events[i].name = move_string(m, old->events[i].name);
        TRY(move_attrs(m, &more->events[i].shape, &more->events[i].cells));
    }
    for (uint32_t i = 0; i < old->link_count; i++) {
        more->links[i] = old->links[i];
        more->links[i].state = move_string(m, old->links[i].state);
        TRY(move_attrs(m, &more->links[i].shape, &more->links[i].cells));
    }
    row->more = more;
out:
    return rc;
}

static err
move_row(struct moving *m, const struct row *old, uint32_t trace)
{
    struct row *row = builder_new_row(m->to);
    err rc = OK;
    *row = *old;
    row->trace = trace;
    row->name = move_string(m, old->name);
    TRY(move_attrs(m, &row->shape, &row->cells));
    TRY(move_scope(m, &row->scope));
    if (row->more) {
        TRY(move_more(m, row));
    }
out:
    return rc;
}

err
pool_move(const struct block_builder *from, const uint8_t *wanted, struct block_builder *to, struct fault *f)
{
    struct pool_map map = {unknown(from->strings.count), unknown(from->shape_count),
                           unknown(from->scope_count), unknown(from->trace_count)};
    struct moving m = {&map, from, to, f};
    err rc = OK;
    for (size_t i = 0; i < from->trace_count; i++) {
        if (wanted[i]) {
            const struct held_trace *t = &from->traces[i];
            size_t at = builder_new_trace(to, &t->id);
            to->traces[at].rows = t->rows;
            to->traces[at].min_start_ns = t->min_start_ns;
            to->traces[at].max_end_ns = t->max_end_ns;
            *id_table_put(&to->trace_ids, t->id.b) = at + 1;
            map.traces[i] = (uint32_t)at;
        }
    }
    for (uint64_t i = 0; i < from->row_count; i++) {
        const struct row *row = builder_row(from, i);
        if (row->trace != ROW_DROPPED && wanted[row->trace]) {
            TRY(move_row(&m, row, map.traces[row->trace]));
        }
    }
out:
    mem_free(map.strings);
    mem_free(map.shapes);
    mem_free(map.scopes);
    mem_free(map.traces);
    return rc;
}
