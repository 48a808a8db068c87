/* Events and links. */
#include "load.h"

#include "vivace/base/mem.h"

/* --- how many each row has --------------------------------------------------------------------------------
 */

static void
begin_events(struct loader *l, size_t at, uint32_t n)
{
    struct row *row = l->row[at];
    struct held_event *events = NULL;
    if (row) {
        struct row_more *more = load_more(l, row);
        more->events = events = arena_new_array(&l->b->arena, struct held_event, n);
        more->event_count = n;
        load_count_bytes(l, at, n * sizeof *events);
    }
    for (uint32_t i = 0; i < n; i++) {
        *load_add_owner(&l->owners[BLOCK_EVENT]) =
            (struct load_owner){.row = (uint32_t)at, .held = events ? &events[i] : NULL};
    }
}

static void
begin_links(struct loader *l, size_t at, uint32_t n)
{
    struct row *row = l->row[at];
    struct held_link *links = NULL;
    if (row) {
        struct row_more *more = load_more(l, row);
        more->links = links = arena_new_array(&l->b->arena, struct held_link, n);
        more->link_count = n;
        load_count_bytes(l, at, n * sizeof *links);
    }
    for (uint32_t i = 0; i < n; i++) {
        *load_add_owner(&l->owners[BLOCK_LINK]) =
            (struct load_owner){.row = (uint32_t)at, .held = links ? &links[i] : NULL};
    }
}

/* Rows of the page and their elements, by the list's first leaf. */
static err
count_page(struct loader *l, const struct parquet_vector *v)
{
    size_t row = v->page.first_row;
    for (size_t i = 0; i < v->page.level_count;) {
        size_t end = i + 1;
        while (v->rep && end < v->page.level_count && v->rep[end] > 0) {
            end++;
        }
        if (row == l->rows) {
            return load_corrupt(l, "a list has more rows than its row group");
        }
        uint32_t n = v->def && v->def[i] == 0 ? 0 : (uint32_t)(end - i);
        if (n && l->scope == BLOCK_EVENT) {
            begin_events(l, row, n);
        } else if (n) {
            begin_links(l, row, n);
        }
        row++;
        i = end;
    }
    return OK;
}

/* --- fixed columns of elements ----------------------------------------------------------------------------
 */

static err
set_event(struct loader *l, const struct parquet_vector *v, size_t k, struct load_owner *o)
{
    struct held_event *e = o->held;
    uint32_t shape = 0;
    err rc = OK;
    switch (l->fixed) {
    case BLOCK_EVENT_TIME:
        e->time_ns = (uint64_t)v->values.i64[k];
        break;
    case BLOCK_EVENT_NAME:
        TRY(load_id(l, v, k, &e->name));
        load_count_bytes(l, o->row, l->b->strings.strings[e->name].n);
        break;
    case BLOCK_EVENT_DROPPED:
        e->dropped = (uint32_t)v->values.i32[k];
        break;
    default:
        TRY(load_id(l, v, k, &shape));
        load_shape(l, o, shape);
        e->shape = shape;
        e->cells = o->cells;
    }
out:
    return rc;
}

static err
set_link(struct loader *l, const struct parquet_vector *v, size_t k, struct load_owner *o)
{
    struct held_link *x = o->held;
    uint32_t shape = 0;
    err rc = OK;
    switch (l->fixed) {
    case BLOCK_LINK_TRACE:
        memcpy(x->trace.b, v->values.fixed + k * sizeof x->trace, sizeof x->trace);
        break;
    case BLOCK_LINK_SPAN:
        memcpy(x->span.b, v->values.fixed + k * sizeof x->span, sizeof x->span);
        break;
    case BLOCK_LINK_STATE:
        TRY(load_id(l, v, k, &x->state));
        load_count_bytes(l, o->row, l->b->strings.strings[x->state].n);
        break;
    case BLOCK_LINK_FLAGS:
        x->flags = (uint32_t)v->values.i32[k];
        break;
    case BLOCK_LINK_DROPPED:
        x->dropped = (uint32_t)v->values.i32[k];
        break;
    default:
        TRY(load_id(l, v, k, &shape));
        load_shape(l, o, shape);
        x->shape = shape;
        x->cells = o->cells;
    }
out:
    return rc;
}

static err
take_element(struct loader *l, const struct parquet_vector *v)
{
    struct load_owners *owners = &l->owners[l->scope];
    size_t value = 0;
    err rc = OK;
    for (size_t i = 0; i < v->page.level_count; i++) {
        if (v->def && v->def[i] == 0) {
            continue;
        }
        if (l->owner == owners->count) {
            return load_corrupt(l, "a list's columns have different numbers of elements");
        }
        struct load_owner *o = &owners->at[l->owner++];
        if (o->held) {
            TRY(l->scope == BLOCK_EVENT ? set_event(l, v, value, o) : set_link(l, v, value, o));
        } else if (l->use == LOAD_SHAPE) { /* its items in the generic list are passed over by its shape */
            TRY(load_id(l, v, value, &o->shape));
        }
        value++;
    }
out:
    return rc;
}

static err
load_elements(struct loader *l, const uint8_t *columns, size_t n)
{
    err rc = OK;
    TRY(load_pages(l, l->schema->column[columns[0]], PARQUET_DECODE_LEVELS, count_page));
    for (size_t i = 0; i < n && l->owners[l->scope].count; i++) {
        enum block_column c = (enum block_column)columns[i];
        bool bytes = column_forms[c].type == PARQUET_BYTE_ARRAY;
        l->fixed = c;
        l->use = c == BLOCK_EVENT_ORDER || c == BLOCK_LINK_ORDER ? LOAD_SHAPE : LOAD_TEXT;
        TRY(load_pages(l, l->schema->column[c], bytes ? PARQUET_DECODE_CODES : PARQUET_DECODE_VALUES,
                       take_element));
        if (l->owner != l->owners[l->scope].count) {
            return load_corrupt(l, "a list's columns have different numbers of elements");
        }
    }
    if (l->owners[l->scope].count) {
        TRY(load_attrs(l, l->scope));
    }
out:
    return rc;
}

err
load_lists(struct loader *l)
{
    static const uint8_t events[] = {BLOCK_EVENT_TIME, BLOCK_EVENT_NAME, BLOCK_EVENT_DROPPED,
                                     BLOCK_EVENT_ORDER};
    static const uint8_t links[] = {BLOCK_LINK_TRACE, BLOCK_LINK_SPAN,    BLOCK_LINK_STATE,
                                    BLOCK_LINK_FLAGS, BLOCK_LINK_DROPPED, BLOCK_LINK_ORDER};
    err rc = OK;
    l->scope = BLOCK_EVENT;
    TRY(load_elements(l, events, sizeof events));
    l->scope = BLOCK_LINK;
    TRY(load_elements(l, links, sizeof links));
out:
    return rc;
}
