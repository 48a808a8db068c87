#include "group_spans.h"

#include "columns_priv.h"

#include "vivace/base/mem.h"
#include "vivace/codec/wire.h"

#define LINK_KIND SL("opentracing.ref_type") /* says whether a link stands in for a parent */
#define NONE      UINT32_MAX

/* An attribute the plan looks at, of spans, events or links. */
struct wanted_attr {
    slice key;
    enum owner owner;
    struct slot_vector v; /* links: once `has_links` */
};

struct group_spans {
    struct group_scan *s;
    struct span_batch *out;
    struct wanted_attr *attrs;
    size_t attr_count;
    slice *resource_keys, *scope_keys; /* of attributes it looks at */
    size_t resource_key_count, scope_key_count;
    bool wants_message, wants_events, wants_scopes;
    /* of the row group */
    const uint64_t *starts;
    const span_id *ids;
    const struct slot_vector *name, *kind, *status, *message, *duration;
    const struct raw_column *parents;
    const uint32_t *parent_of;
    const struct group_parts *events, *links; /* NULL: not wanted, or there are none */
    const struct slot_vector *event_name, *event_time;
    bool has_links; /* what follows is there */
    const struct raw_column *link_trace, *link_span;
    struct context_view resources, scopes;
    uint32_t last_resource, last_scope, out_scope;
    /* by context: place in `out`, or NONE. Without wanted scopes a resource has one. */
    uint32_t *out_resource, *scope_of_resource;
};

static err
full(struct fault *f)
{
    return FAULT(f, ERR_LIMIT, "the traces are larger than a query may read");
}

/* --- what to read -----------------------------------------------------------------------------------------
 */

static void
want(struct group_spans *g, enum owner owner, slice key)
{
    for (size_t i = 0; i < g->attr_count; i++) {
        if (g->attrs[i].owner == owner && slice_eq(g->attrs[i].key, key)) {
            return;
        }
    }
    g->attrs[g->attr_count++] = (struct wanted_attr){.key = key, .owner = owner};
}

/* Attributes of scopes and resources. */
static void
want_context(struct group_spans *g, const struct tql_attr *a)
{
    if (a->scope == TQL_SCOPE_INSTRUMENTATION) {
        g->scope_keys[g->scope_key_count++] = a->name;
        g->wants_scopes = true;
    } else if (a->scope == TQL_SCOPE_RESOURCE || a->scope == TQL_SCOPE_NONE) {
        g->resource_keys[g->resource_key_count++] = a->name;
    }
}

static void
want_slot(struct group_spans *g, const struct tql_slot *slot)
{
    const struct tql_attr *a = &slot->attr;
    g->wants_events = g->wants_events || slot->level == TQL_LEVEL_EVENT;
    g->wants_message = g->wants_message || a->intrinsic == TQL_INTRINSIC_STATUS_MESSAGE;
    g->wants_scopes = g->wants_scopes || a->intrinsic == TQL_INTRINSIC_INSTRUMENTATION_NAME ||
                      a->intrinsic == TQL_INTRINSIC_INSTRUMENTATION_VERSION;
    if (a->intrinsic != TQL_INTRINSIC_NONE) {
        return;
    }
    want_context(g, a);
    if (a->scope == TQL_SCOPE_SPAN || a->scope == TQL_SCOPE_NONE) {
        want(g, OWNER_ROW, a->name);
    } else if (a->scope == TQL_SCOPE_EVENT) {
        want(g, OWNER_EVENT, a->name);
    } else if (a->scope == TQL_SCOPE_LINK) {
        want(g, OWNER_LINK, a->name);
    }
}

struct group_spans *
group_spans_create(struct group_scan *s)
{
    const struct tql_slots *slots = &s->plan->compiler.slots;
    struct group_spans *g = mem_new(struct group_spans);
    g->s = s;
    g->attrs = mem_new_array(struct wanted_attr, slots->count + 1);
    g->resource_keys = mem_new_array(slice, slots->count + 1);
    g->scope_keys = mem_new_array(slice, slots->count + 1);
    want(g, OWNER_LINK, LINK_KIND);
    g->resource_keys[g->resource_key_count++] = SL("service.name");
    for (size_t i = 0; i < slots->count; i++) {
        want_slot(g, &slots->slots[i]);
    }
    return g;
}

void
group_spans_destroy(struct group_spans *g)
{
    if (g) {
        mem_free(g->attrs);
        mem_free(g->resource_keys);
        mem_free(g->scope_keys);
        mem_free(g);
    }
}

static err
open_attrs(struct group_spans *g, enum owner owner, struct fault *f)
{
    err rc = OK;
    for (size_t i = 0; i < g->attr_count; i++) {
        if (g->attrs[i].owner == owner) {
            TRY(attr_vector(g->s, owner, g->attrs[i].key, f, &g->attrs[i].v));
        }
    }
out:
    return rc;
}

static err
open_events(struct group_spans *g, struct fault *f)
{
    err rc = OK;
    g->events = NULL;
    if (g->wants_events) {
        TRY(group_parts(g->s, TQL_LEVEL_EVENT, f, &g->events));
        TRY(group_column(g->s, BLOCK_EVENT_NAME, f, &g->event_name));
        TRY(group_column(g->s, BLOCK_EVENT_TIME, f, &g->event_time));
        rc = open_attrs(g, OWNER_EVENT, f);
    }
out:
    return rc;
}

/* Links tell roots, so that it must be known who has some; what they are, only of those who do. */
static err
open_links(struct group_spans *g, struct fault *f)
{
    g->links = NULL;
    g->has_links = false;
    return raw_is_empty(g->s, g->s->priv->schema->column[BLOCK_LINK_DROPPED])
               ? OK
               : group_parts(g->s, TQL_LEVEL_LINK, f, &g->links);
}

static err
load_links(struct group_spans *g, struct fault *f)
{
    struct group_scan *s = g->s;
    err rc = OK;
    TRY(raw_fixed(s, BLOCK_LINK_TRACE, f, &g->link_trace));
    TRY(raw_fixed(s, BLOCK_LINK_SPAN, f, &g->link_span));
    if (g->link_trace->value_count != g->links->count || g->link_span->value_count != g->links->count) {
        return scan_corrupt(s, "columns have different numbers of links", f);
    }
    TRY(open_attrs(g, OWNER_LINK, f));
    g->has_links = true;
out:
    return rc;
}

static err
open_contexts(struct group_spans *g, struct fault *f)
{
    struct group_scan *s = g->s;
    err rc = OK;
    TRY(context_look(s, s->priv->resources, f, &g->resources));
    if (g->wants_scopes) {
        TRY(context_look(s, s->priv->scopes, f, &g->scopes));
    }
    const size_t bytes = (g->resources.count + (size_t)1) * sizeof(uint32_t);
    g->out_resource = scan_alloc(s, bytes, 1);
    g->scope_of_resource = scan_alloc(s, bytes, 1);
    if (!g->out_resource || !g->scope_of_resource) {
        return scan_no_memory(f);
    }
    memset(g->out_resource, 0xff, bytes);
    memset(g->scope_of_resource, 0xff, bytes);
    g->last_resource = g->last_scope = NONE;
out:
    return rc;
}

err
group_spans_open(struct group_spans *g, struct span_batch *out, size_t rows, struct fault *f)
{
    struct group_scan *s = g->s;
    err rc = OK;
    g->out = out;
    if (!span_batch_reserve_spans(out, rows)) {
        return full(f);
    }
    TRY(group_starts(s, f, &g->starts));
    TRY(group_span_ids(s, f, &g->ids));
    TRY(group_column(s, BLOCK_DURATION, f, &g->duration));
    TRY(group_column(s, BLOCK_NAME, f, &g->name));
    TRY(group_column(s, BLOCK_KIND, f, &g->kind));
    TRY(group_column(s, BLOCK_STATUS_CODE, f, &g->status));
    if (g->wants_message) {
        TRY(group_column(s, BLOCK_STATUS_MESSAGE, f, &g->message));
    }
    TRY(raw_fixed(s, BLOCK_PARENT_SPAN_ID, f, &g->parents));
    TRY(raw_values_of(s, g->parents, 0, s->rows, f, &g->parent_of));
    TRY(open_events(g, f));
    TRY(open_links(g, f));
    TRY(open_contexts(g, f));
    rc = open_attrs(g, OWNER_ROW, f);
out:
    return rc;
}

/* --- attributes -------------------------------------------------------------------------------------------
 */

static void
put_element(struct buf *out, const struct tql_static *e)
{
    struct buf value;
    buf_init(&value, (size_t)1 << 30);
    switch (e->type) {
    case TQL_STRING:
        wire_put_bytes(&value, 1, tql_static_slice(e));
        break;
    case TQL_BOOL:
        wire_put_u64(&value, 2, e->b);
        break;
    case TQL_INT:
        wire_put_u64(&value, 3, (uint64_t)e->i);
        break;
    default:
        wire_put_double(&value, 4, e->f);
        break;
    }
    wire_put_bytes(out, 1, buf_slice(&value));
    buf_fini(&value);
}

/* An array as the message it was. */
static slice
array_message(struct arena *a, const struct tql_static *v)
{
    struct buf out;
    buf_init(&out, (size_t)1 << 30);
    for (uint32_t i = 0; i < v->n; i++) {
        struct tql_static e = tql_static_element(v, i);
        put_element(&out, &e);
    }
    slice copy = arena_copy(a, buf_slice(&out));
    buf_fini(&out);
    return copy;
}

static bool
set_value(struct arena *arena, struct attr *a, const struct tql_static *v)
{
    slice bytes;
    switch (v->type) {
    case TQL_STRING:
        a->kind = VALUE_STRING;
        bytes = tql_static_slice(v);
        bytes = bytes.n ? arena_copy(arena, bytes) : bytes;
        a->p = bytes.p;
        a->n = (uint32_t)v->n;
        return v->n == 0 || bytes.p;
    case TQL_INT:
        a->kind = VALUE_INT;
        a->i = v->i;
        return true;
    case TQL_FLOAT:
        a->kind = VALUE_DOUBLE;
        a->d = v->f;
        return true;
    case TQL_BOOL:
        a->kind = VALUE_BOOL;
        a->b = v->b;
        return true;
    case TQL_NIL:
        a->kind = VALUE_NONE; /* it is there, and cannot be looked at */
        return true;
    default:
        bytes = array_message(arena, v);
        a->kind = VALUE_ARRAY;
        a->p = bytes.p;
        a->n = (uint32_t)bytes.n;
        return bytes.p != NULL;
    }
}

static bool
has_value(const struct slot_vector *v, size_t i)
{
    return v->form == VECTOR_CODED ? v->codes[i] != 0 : v->present == NULL || mask_has(v->present, i);
}

static err
add_attrs(struct group_spans *g, enum owner owner, size_t at, struct fault *f, struct run *ret)
{
    *ret = (struct run){(uint32_t)g->out->attr_count, 0};
    for (size_t i = 0; i < g->attr_count; i++) {
        const struct wanted_attr *w = &g->attrs[i];
        if (w->owner != owner || !has_value(&w->v, at)) {
            continue;
        }
        const struct tql_static v = vector_at(&w->v, at);
        struct attr *a = span_batch_add_attr(g->out);
        if (a == NULL || !set_value(&g->out->arena, a, &v)) {
            return full(f);
        }
        a->key = w->key.p; /* of the plan, or literal */
        a->key_n = (uint32_t)w->key.n;
        ret->n++;
    }
    return OK;
}

/* --- spans ------------------------------------------------------------------------------------------------
 */

static slice
keep(struct group_spans *g, const struct slot_vector *v, size_t at, bool *good)
{
    const struct tql_static value = vector_at(v, at);
    const slice s = tql_static_slice(&value);
    slice copy = s.n ? arena_copy(&g->out->arena, s) : SL_EMPTY;
    *good = *good && (s.n == 0 || copy.p);
    return copy;
}

static bool
is_among(slice key, const slice *keys, size_t n)
{
    size_t i = 0;
    while (i < n && !slice_eq(keys[i], key)) {
        i++;
    }
    return i < n;
}

/* Copy attributes of a resource or a scope that the plan looks at. */
static bool
copy_attrs(struct span_batch *to, const struct span_batch *from, struct run run, const slice *keys, size_t n,
           struct run *ret)
{
    *ret = (struct run){(uint32_t)to->attr_count, 0};
    for (uint32_t i = 0; i < run.n; i++) {
        const struct attr *x = &from->attrs[run.at + i];
        if (!is_among(attr_key(x), keys, n)) {
            continue;
        }
        ret->n++;
        struct attr *a = span_batch_add_attr(to);
        slice key = arena_copy(&to->arena, attr_key(x));
        if (a == NULL || (x->key_n && key.p == NULL)) {
            return false;
        }
        *a = *x;
        a->key = key.p;
        if (x->kind == VALUE_STRING || x->kind >= VALUE_ARRAY) {
            slice bytes = x->n ? arena_copy(&to->arena, attr_bytes(x)) : SL_EMPTY;
            a->p = bytes.p;
            if (x->n && bytes.p == NULL) {
                return false;
            }
        }
    }
    return true;
}

static err
enter_resource(struct group_spans *g, uint32_t context, struct fault *f)
{
    struct run attrs;
    if (g->out_resource[context] != NONE) {
        return OK;
    }
    const struct span_batch *from = g->resources.batch;
    if (!copy_attrs(g->out, from, from->resources[context].attrs, g->resource_keys, g->resource_key_count,
                    &attrs)) {
        return full(f);
    }
    struct resource *r = span_batch_add_resource(g->out);
    if (r == NULL) {
        return full(f);
    }
    r->attrs = attrs;
    g->out_resource[context] = (uint32_t)g->out->resource_count - 1;
    return OK;
}

/* The scope as far as the plan looks at scopes. */
static err
fill_scope(struct group_spans *g, uint32_t scope, struct scope *x, struct fault *f)
{
    const struct span_batch *from = g->scopes.batch;
    const struct scope *y = &from->scopes[scope];
    if (!copy_attrs(g->out, from, y->attrs, g->scope_keys, g->scope_key_count, &x->attrs)) {
        return full(f);
    }
    x->name = arena_copy(&g->out->arena, y->name);
    x->version = arena_copy(&g->out->arena, y->version);
    return (y->name.n && x->name.p == NULL) || (y->version.n && x->version.p == NULL) ? full(f) : OK;
}

static err
enter_scope(struct group_spans *g, size_t row, struct fault *f)
{
    const uint32_t resource = g->resources.of_row[row];
    const uint32_t scope = g->wants_scopes ? g->scopes.of_row[row] : 0;
    struct scope filled = {0};
    err rc = OK;
    if (resource == g->last_resource && scope == g->last_scope) {
        return OK;
    }
    if (g->wants_scopes || g->scope_of_resource[resource] == NONE) {
        TRY(enter_resource(g, resource, f));
        TRY(g->wants_scopes ? fill_scope(g, scope, &filled, f) : OK);
        struct scope *x = span_batch_add_scope(g->out);
        if (x == NULL) {
            return full(f);
        }
        *x = filled;
        x->resource = g->out_resource[resource];
        g->scope_of_resource[resource] = (uint32_t)g->out->scope_count - 1;
    }
    g->last_resource = resource;
    g->last_scope = scope;
    g->out_scope = g->scope_of_resource[resource];
out:
    return rc;
}

static err
add_events(struct group_spans *g, size_t row, struct fault *f, struct run *ret)
{
    const uint32_t from = g->events ? g->events->first[row] : 0;
    const uint32_t to = g->events ? g->events->first[row + 1] : 0;
    bool good = true;
    err rc = OK;
    *ret = (struct run){(uint32_t)g->out->event_count, to - from};
    for (uint32_t i = from; i < to; i++) {
        struct run attrs;
        TRY(add_attrs(g, OWNER_EVENT, i, f, &attrs));
        struct span_event *e = span_batch_add_event(g->out);
        if (e == NULL) {
            return full(f);
        }
        e->attrs = attrs;
        e->time_ns = (uint64_t)vector_at(g->event_time, i).i;
        e->name = keep(g, g->event_name, i, &good);
    }
    rc = good ? OK : full(f);
out:
    return rc;
}

static const uint8_t *
fixed_at(const struct raw_column *raw, size_t value, size_t width)
{
    return raw->values.fixed + (raw->codes ? raw->codes[value] : value) * width;
}

static err
add_links(struct group_spans *g, size_t row, struct fault *f, struct run *ret)
{
    const uint32_t from = g->links ? g->links->first[row] : 0;
    const uint32_t to = g->links ? g->links->first[row + 1] : 0;
    err rc = OK;
    if (from < to && !g->has_links) {
        TRY(load_links(g, f));
    }
    *ret = (struct run){(uint32_t)g->out->link_count, to - from};
    for (uint32_t i = from; i < to; i++) {
        struct run attrs;
        TRY(add_attrs(g, OWNER_LINK, i, f, &attrs));
        struct span_link *l = span_batch_add_link(g->out);
        if (l == NULL) {
            return full(f);
        }
        l->attrs = attrs;
        memcpy(l->trace.b, fixed_at(g->link_trace, i, TRACE_ID_BYTES), TRACE_ID_BYTES);
        memcpy(l->span.b, fixed_at(g->link_span, i, SPAN_ID_BYTES), SPAN_ID_BYTES);
    }
out:
    return rc;
}

static err
add_span(struct group_spans *g, const trace_id *id, size_t row, struct fault *f)
{
    struct span x = {.trace = *id, .id = g->ids[row], .start_ns = g->starts[row]};
    bool good = true;
    err rc = OK;
    TRY(enter_scope(g, row, f));
    TRY(add_attrs(g, OWNER_ROW, row, f, &x.attrs));
    TRY(add_events(g, row, f, &x.events));
    TRY(add_links(g, row, f, &x.links));
    x.end_ns = x.start_ns + (uint64_t)vector_at(g->duration, row).i;
    x.name = keep(g, g->name, row, &good);
    x.status_message = g->wants_message ? keep(g, g->message, row, &good) : SL_EMPTY;
    x.kind = (int32_t)vector_at(g->kind, row).i;
    x.status_code = (int32_t)vector_at(g->status, row).i;
    x.scope = g->out_scope;
    if (g->parent_of[row] != NONE) {
        memcpy(x.parent.b, fixed_at(g->parents, g->parent_of[row], SPAN_ID_BYTES), SPAN_ID_BYTES);
    }
    struct span *place = good ? span_batch_add_span(g->out) : NULL;
    if (place == NULL) {
        return full(f);
    }
    *place = x;
out:
    return rc;
}

err
group_spans_add(struct group_spans *g, const trace_id *id, uint32_t from, uint32_t to, struct fault *f)
{
    err rc = OK;
    for (uint32_t row = from; rc == OK && row < to; row++) {
        rc = add_span(g, id, row, f);
    }
    return rc;
}
