/* The columns that every row has: one pass over the rows gathers them all, and what rows share through their
 * scope is worked out once a scope. */
#include "writer_priv.h"

#include "vivace/base/mem.h"

/* --- gathering ------------------------------------------------------------------------------------------ */

/* The scope's place among those of the chunk. */
static uint32_t
scope_number(struct chunk_rows *c, uint32_t scope)
{
    uint32_t at = c->number[scope];
    if (at >= c->scope_count || c->scopes[at] != scope) {
        at = c->scope_count++;
        c->scopes[at] = scope;
        c->number[scope] = at;
    }
    return at;
}

static void
take_more(struct chunk_rows *c, size_t i, const struct row_more *more)
{
    static const struct row_more none;
    more = more ? more : &none;
    c->dropped_attrs[i] = (int32_t)more->dropped_attrs;
    c->dropped_events[i] = (int32_t)more->dropped_events;
    c->dropped_links[i] = (int32_t)more->dropped_links;
    c->status_message[i] = more->status_message;
    c->trace_state[i] = more->trace_state;
}

static void
take_fixed(struct block_writer *w, const struct row *row, const struct nested_set *set)
{
    struct chunk_rows *c = w->rows;
    size_t i = c->count;
    c->start[i] = (int64_t)row->start_ns;
    c->duration[i] = (int64_t)(row->end_ns - row->start_ns);
    c->kind[i] = row->kind;
    c->status[i] = row->status;
    c->flags[i] = (int32_t)row->flags;
    c->left[i] = set->left;
    c->right[i] = set->right;
    c->parent_left[i] = set->parent_left;
    c->children[i] = set->children;
    c->batch_start[i] = row->batch_start;
    c->name[i] = row->name;
    c->order[i] = w->b->shapes[row->shape].order;
    c->ids[i] = row->id;
    c->parents[c->parent_count] = row->parent;
    c->has_parent[i] = !span_id_is_zero(&row->parent);
    c->parent_count += c->has_parent[i];
    c->scope_of_row[i] = scope_number(c, row->scope);
}

void
rows_take(struct block_writer *w, const struct row *row, const struct held_trace *trace, uint32_t k)
{
    struct chunk_rows *c = w->rows;
    if (c->trace_count == 0 || c->traces[c->trace_count - 1] != trace) {
        c->traces[c->trace_count++] = trace;
    }
    c->trace_of_row[c->count] = c->trace_count - 1;
    if (k == 0) {
        services_take(&w->services, w->b, w->sorted + trace->first_row, trace->rows);
    } else {
        services_skip(&w->services);
    }
    take_fixed(w, row, &w->tree.sets[k]);
    take_more(c, c->count, row->more);
    take_lists(w, row->more);
    scatter(w, (uint32_t)c->count, row->shape, row->cells, &w->generic[BLOCK_SPAN]);
    c->bytes += row->bytes;
    c->count++;
}

/* --- columns -------------------------------------------------------------------------------------------- */

static err
emit_ids(struct block_writer *w)
{
    const struct chunk_rows *c = w->rows;
    struct levels l = {.count = c->count};
    err rc = OK;
    TRY(put_fixed(w, &w->targets[BLOCK_SPAN_ID], l, c->ids[0].b, c->count));
    l.def = c->has_parent;
    TRY(put_fixed(w, &w->targets[BLOCK_PARENT_SPAN_ID], l, c->parents[0].b, c->parent_count));
out:
    return rc;
}

static err
emit_longs(struct block_writer *w)
{
    const struct chunk_rows *c = w->rows;
    const struct {
        enum block_column column;
        const int64_t *values;
    } columns[] = {
        {BLOCK_START, c->start},
        {BLOCK_DURATION, c->duration},
    };
    const struct levels l = {.count = c->count};
    err rc = OK;
    for (size_t i = 0; i < sizeof columns / sizeof *columns && rc == OK; i++) {
        rc = put_i64(w, &w->targets[columns[i].column], l, columns[i].values, c->count);
    }
    return rc;
}

static err
emit_ints(struct block_writer *w)
{
    const struct chunk_rows *c = w->rows;
    const struct {
        enum block_column column;
        const int32_t *values;
    } columns[] = {
        {BLOCK_KIND, c->kind},
        {BLOCK_STATUS_CODE, c->status},
        {BLOCK_FLAGS, c->flags},
        {BLOCK_DROPPED_ATTRS, c->dropped_attrs},
        {BLOCK_DROPPED_EVENTS, c->dropped_events},
        {BLOCK_DROPPED_LINKS, c->dropped_links},
        {BLOCK_NESTED_LEFT, c->left},
        {BLOCK_NESTED_RIGHT, c->right},
        {BLOCK_NESTED_PARENT, c->parent_left},
        {BLOCK_CHILD_COUNT, c->children},
        {BLOCK_BATCH_START, c->batch_start},
    };
    const struct levels l = {.count = c->count};
    err rc = OK;
    for (size_t i = 0; i < sizeof columns / sizeof *columns && rc == OK; i++) {
        rc = put_i32(w, &w->targets[columns[i].column], l, columns[i].values, c->count);
    }
    return rc;
}

static err
emit_strings(struct block_writer *w)
{
    const struct chunk_rows *c = w->rows;
    const struct {
        enum block_column column;
        const uint32_t *ids;
    } columns[] = {
        {BLOCK_NAME, c->name},
        {BLOCK_STATUS_MESSAGE, c->status_message},
        {BLOCK_TRACE_STATE, c->trace_state},
        {BLOCK_ORDER, c->order},
    };
    const struct levels l = {.count = c->count};
    err rc = OK;
    for (size_t i = 0; i < sizeof columns / sizeof *columns && rc == OK; i++) {
        rc = put_ids(w, &w->targets[columns[i].column], l, columns[i].ids, c->count);
    }
    return rc;
}

/* What all rows of a trace have. */
static err
emit_traces(struct block_writer *w)
{
    struct chunk_rows *c = w->rows;
    const struct levels l = {.count = c->count};
    const uint32_t n = c->trace_count;
    err rc = OK;
    TRY(put_traces(w));
    for (uint32_t i = 0; i < n; i++) {
        c->longs_of[i] = (int64_t)c->traces[i]->min_start_ns;
    }
    TRY(put_picked_i64(w, &w->targets[BLOCK_TRACE_START], l, c->longs_of, n, c->trace_of_row, c->count));
    for (uint32_t i = 0; i < n; i++) {
        c->longs_of[i] = (int64_t)(c->traces[i]->max_end_ns - c->traces[i]->min_start_ns);
    }
    TRY(put_picked_i64(w, &w->targets[BLOCK_TRACE_DURATION], l, c->longs_of, n, c->trace_of_row, c->count));
    for (uint32_t i = 0; i < n; i++) {
        c->ids_of[i] = c->traces[i]->root_service;
    }
    TRY(put_picked(w, &w->targets[BLOCK_ROOT_SERVICE], l, c->ids_of, n, c->trace_of_row, c->count));
    for (uint32_t i = 0; i < n; i++) {
        c->ids_of[i] = c->traces[i]->root_name;
    }
    TRY(put_picked(w, &w->targets[BLOCK_ROOT_NAME], l, c->ids_of, n, c->trace_of_row, c->count));
out:
    return rc;
}

/* A string that the k-th scope of the chunk has. */
#define EACH_SCOPE(COLUMN, EXPR)                                                                             \
    for (uint32_t k = 0; k < c->scope_count; k++) {                                                          \
        const struct held_scope *scope = &b->scopes[c->scopes[k]];                                           \
        c->ids_of[k] = (EXPR);                                                                               \
    }                                                                                                        \
    TRY(put_picked(w, &w->targets[COLUMN], l, c->ids_of, c->scope_count, c->scope_of_row, c->count))

/* Attributes of the chunk's scopes and their resources: the k-th scope is their owner. */
static void
scatter_contexts(struct block_writer *w)
{
    const struct block_builder *b = w->b;
    const struct chunk_rows *c = w->rows;
    for (uint32_t k = 0; k < c->scope_count; k++) {
        const struct held_scope *scope = &b->scopes[c->scopes[k]];
        const struct held_resource *resource = &b->resources[scope->resource];
        scatter(w, k, scope->shape, scope->cells, NULL);
        scatter(w, k, resource->shape, resource->cells, NULL);
    }
}

static err
emit_contexts(struct block_writer *w)
{
    const struct block_builder *b = w->b;
    struct chunk_rows *c = w->rows;
    const struct levels l = {.count = c->count};
    err rc = OK;
    scatter_contexts(w);
    EACH_SCOPE(BLOCK_RESOURCE_JSON, b->resources[scope->resource].json);
    EACH_SCOPE(BLOCK_RESOURCE_RAW, b->resources[scope->resource].raw);
    EACH_SCOPE(BLOCK_SCOPE_RAW, scope->raw);
    EACH_SCOPE(BLOCK_SCOPE_NAME, scope->name);
    EACH_SCOPE(BLOCK_SCOPE_VERSION, scope->version);
out:
    return rc;
}

err
emit_rows(struct block_writer *w)
{
    err rc = OK;
    TRY(emit_traces(w));
    TRY(emit_ids(w));
    TRY(emit_longs(w));
    TRY(emit_ints(w));
    TRY(emit_strings(w));
    TRY(emit_contexts(w));
out:
    return rc;
}

/* --- attributes of resources and scopes ------------------------------------------------------------------
 */

/* Which rows have a value, and which: fills v.def and pick. Returns how many. */
static size_t
pick_values(struct block_writer *w, const struct target *t)
{
    struct chunk_rows *c = w->rows;
    size_t n = 0;
    memset(c->value, 0xff, c->scope_count * sizeof *c->value);
    for (uint32_t i = 0; i < t->count; i++) {
        c->value[t->at[i]] = i;
    }
    for (size_t i = 0; i < c->count; i++) {
        uint32_t value = c->value[c->scope_of_row[i]];
        bool there = value != UINT32_MAX;
        c->pick[n] = value;
        w->v.def[i] = there;
        n += there;
    }
    return n;
}

err
emit_context_attr(struct block_writer *w, struct target *t)
{
    struct chunk_rows *c = w->rows;
    struct levels l = {.count = c->count};
    err rc = OK;
    const uint32_t *pick = c->pick;
    size_t n = 0;
    if (t->count == c->scope_count) { /* each has one: they stand in their order */
        pick = c->scope_of_row;
        n = c->count;
        l.def_level = 1;
    } else if (t->count) {
        n = pick_values(w, t);
        l.def = w->v.def;
    }
    if (t->kind == VALUE_STRING) {
        rc = put_picked(w, t, l, t->ids, t->count, pick, n);
    } else {
        for (size_t i = 0; i < n; i++) {
            w->v.i64[i] = (int64_t)t->cells[pick[i]];
        }
        rc = put_cells(w, t, l, (const uint64_t *)(const void *)w->v.i64, n, t->kind);
    }
    t->count = 0;
    return rc;
}
