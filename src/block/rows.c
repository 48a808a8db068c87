/* Rows back into a span batch, with nothing lost: docs/block-format.md says how the columns fit together. */
#include "reader_priv.h"

#include "vivace/base/must.h"
#include "vivace/base/table.h"
#include "vivace/codec/otlp.h"
#include "vivace/codec/wire.h"

#define RECENT_ORDERS 64U

/* One attribute of an order. */
struct order_attr {
    slice key;               /* in the batch's arena */
    const struct leaf *leaf; /* NULL = the generic list */
    uint8_t kind;
};

struct order {
    struct order_attr *attrs;
    uint32_t count;
};

struct generic_leaves {
    struct leaf leaf[BLOCK_GENERIC_COUNT];
    size_t next; /* item */
};

/* Equal values of one dictionary are the same bytes: what was worked out for them is found by address. */
struct recent_order {
    slice bytes;
    const struct order *order;
};

struct row_reader {
    struct leaf_request q;
    const struct block_schema *schema;
    const trace_id *trace; /* of all rows, or NULL */
    struct span_batch *out;
    struct leaf fixed[BLOCK_COLUMN_COUNT];
    struct leaf *attrs; /* one per schema->attrs, loaded when an order names it */
    struct generic_leaves generic[3];
    struct str_table orders[3]; /* by scope: order bytes -> struct order */
    struct recent_order recent[RECENT_ORDERS];
    struct id_table contexts; /* addresses of resource and scope -> scope in out + 1 */
    size_t event, link;       /* next in their leaves */
    size_t event_level, link_level;
    struct row_context context; /* of the row before */
    size_t rows;
};

static const size_t generic_first[3] = {BLOCK_SPAN_GENERIC, BLOCK_EVENT_GENERIC, BLOCK_LINK_GENERIC};

static err
corrupt(struct row_reader *r, const char *what)
{
    return FAULT(r->q.f, ERR_CORRUPT, "row group %zu, rows %llu to %llu: %s", r->q.row_group,
                 (unsigned long long)r->q.from, (unsigned long long)r->q.to, what);
}

static err
full(struct row_reader *r)
{
    return FAULT(r->q.f, ERR_LIMIT, "the trace is too large for the memory it may take");
}

/* --- orders -----------------------------------------------------------------------------------------------
 */

static bool
is_column_kind(uint8_t kind)
{
    return kind == VALUE_STRING || kind == VALUE_INT || kind == VALUE_DOUBLE || kind == VALUE_BOOL;
}

/* The leaf of a column, loaded. */
static err
attr_leaf(struct row_reader *r, const struct block_attr_column *c, const struct leaf **ret)
{
    struct leaf *l = &r->attrs[c - r->schema->attrs];
    err rc = l->loaded ? OK : leaf_load(&r->q, c->column, c->scope == BLOCK_SPAN ? 0 : 1, &r->out->arena, l);
    *ret = l;
    return rc;
}

/* Only the first attribute of a key and kind stands in the column. */
static bool
came_before(struct str_table *seen, slice key_and_kind)
{
    static int there;
    return str_table_put(seen, key_and_kind, &there) != NULL;
}

static err
order_parse_attr(struct row_reader *r, enum block_scope scope, struct wire_reader *in, struct str_table *seen,
                 struct order_attr *ret)
{
    const uint8_t *from = in->p;
    uint64_t n = 0;
    ret->kind = *in->p++;
    if (ret->kind > VALUE_BYTES || !wire_varint(in, &n) || n > (uint64_t)(in->end - in->p)) {
        return corrupt(r, "attribute_order is malformed");
    }
    ret->key = slice_of(in->p, n);
    in->p += n;
    if (!is_column_kind(ret->kind)) {
        return OK;
    }
    const struct block_attr_column *c =
        block_schema_attr(r->schema, scope, (enum value_kind)ret->kind, ret->key);
    if (c == NULL || came_before(seen, slice_of(from, (size_t)(in->p - from)))) {
        return OK;
    }
    return attr_leaf(r, c, &ret->leaf);
}

static err
order_parse(struct row_reader *r, enum block_scope scope, slice bytes, struct order *ret)
{
    struct str_table seen;
    size_t cap = 0;
    err rc = OK;
    slice mine = arena_copy(&r->out->arena, bytes);
    str_table_init(&seen);
    if (bytes.n && mine.p == NULL) {
        rc = full(r);
        goto out;
    }
    struct wire_reader in = wire_reader_of(mine);
    while (in.p < in.end) {
        ret->attrs =
            arena_grow(r->q.scratch, ret->attrs, ret->count, &cap, ret->count + 1, sizeof *ret->attrs);
        if (ret->attrs == NULL) {
            rc = full(r);
            goto out;
        }
        struct order_attr *a = &ret->attrs[ret->count++];
        *a = (struct order_attr){0};
        TRY(order_parse_attr(r, scope, &in, &seen, a));
    }
out:
    str_table_fini(&seen);
    return rc;
}

static bool
same_bytes(slice a, slice b)
{
    return a.p == b.p && a.n == b.n;
}

static err
order_of(struct row_reader *r, enum block_scope scope, slice bytes, const struct order **ret)
{
    struct recent_order *recent = &r->recent[((uintptr_t)bytes.p >> 4) % RECENT_ORDERS];
    if (scope == BLOCK_SPAN && recent->order && same_bytes(recent->bytes, bytes)) {
        *ret = recent->order;
        return OK;
    }
    struct order *o = str_table_get(&r->orders[scope], bytes);
    if (o == NULL) {
        o = arena_new(r->q.scratch, struct order);
        if (o == NULL) {
            return full(r);
        }
        err rc = order_parse(r, scope, bytes, o);
        if (rc != OK) {
            return rc;
        }
        (void)str_table_put(&r->orders[scope], bytes, o);
    }
    if (scope == BLOCK_SPAN) {
        *recent = (struct recent_order){bytes, o};
    }
    *ret = o;
    return OK;
}

/* --- values -----------------------------------------------------------------------------------------------
 */

static void
value_set(struct attr *a, const struct leaf *l, uint32_t at)
{
    switch ((enum value_kind)a->kind) {
    case VALUE_BOOL:
        a->b = l->values.bools[at] != 0;
        break;
    case VALUE_INT:
        a->i = l->values.i64[at];
        break;
    case VALUE_DOUBLE:
        a->d = l->values.f64[at];
        break;
    case VALUE_NONE:
        break;
    case VALUE_STRING:
    case VALUE_ARRAY:
    case VALUE_KVLIST:
    case VALUE_BYTES:
        a->p = l->values.bytes[at].p;
        a->n = (uint32_t)l->values.bytes[at].n;
    }
}

static enum block_generic
generic_of(uint8_t kind)
{
    static const uint8_t leaves[] = {
        [VALUE_STRING] = BLOCK_GENERIC_STRING, [VALUE_BOOL] = BLOCK_GENERIC_BOOL,
        [VALUE_INT] = BLOCK_GENERIC_INT,       [VALUE_DOUBLE] = BLOCK_GENERIC_DOUBLE,
        [VALUE_ARRAY] = BLOCK_GENERIC_BYTES,   [VALUE_KVLIST] = BLOCK_GENERIC_BYTES,
        [VALUE_BYTES] = BLOCK_GENERIC_BYTES,
    };
    return (enum block_generic)leaves[kind];
}

/* Leaves of a generic list, on first use; `leaf` beyond key and type. */
static err
generic_leaf(struct row_reader *r, enum block_scope scope, enum block_generic which, struct leaf **ret)
{
    struct leaf *l = &r->generic[scope].leaf[which];
    uint8_t item_def = scope == BLOCK_SPAN ? 1 : 2;
    err rc = OK;
    *ret = l;
    if (r->schema->column[generic_first[scope] + which] < 0) {
        return corrupt(r, "a list of attributes is missing");
    }
    if (!l->loaded) {
        rc = leaf_load(&r->q, r->schema->column[generic_first[scope] + which], item_def, &r->out->arena, l);
    }
    return rc;
}

/* The next item of the list must be this attribute. */
static err
generic_take(struct row_reader *r, enum block_scope scope, const struct order_attr *want, struct attr *a)
{
    size_t item = r->generic[scope].next++;
    struct leaf *key = NULL, *type = NULL, *value = NULL;
    err rc = OK;
    TRY(generic_leaf(r, scope, BLOCK_GENERIC_KEY, &key));
    TRY(generic_leaf(r, scope, BLOCK_GENERIC_TYPE, &type));
    if (item >= key->owner_count || item >= type->owner_count || key->value_of[item] == UINT32_MAX ||
        type->value_of[item] == UINT32_MAX || type->values.i32[type->value_of[item]] != want->kind ||
        !slice_eq(key->values.bytes[key->value_of[item]], want->key)) {
        return corrupt(r, "the list of attributes does not fit attribute_order");
    }
    if (want->kind == VALUE_NONE) {
        return OK;
    }
    TRY(generic_leaf(r, scope, generic_of(want->kind), &value));
    if (item >= value->owner_count || value->value_of[item] == UINT32_MAX) {
        return corrupt(r, "an attribute has no value of its type");
    }
    value_set(a, value, value->value_of[item]);
out:
    return rc;
}

static err
attrs_read(struct row_reader *r, enum block_scope scope, slice order_bytes, size_t owner, struct run *ret)
{
    static const struct order none;
    const struct order *o = &none;
    err rc = order_of(r, scope, order_bytes, &o);
    *ret = (struct run){(uint32_t)r->out->attr_count, 0};
    for (uint32_t i = 0; rc == OK && i < o->count; i++) {
        const struct order_attr *want = &o->attrs[i];
        struct attr *a = span_batch_add_attr(r->out);
        if (a == NULL) {
            return full(r);
        }
        a->key = want->key.p;
        a->key_n = (uint32_t)want->key.n;
        a->kind = want->kind;
        ret->n++;
        if (want->leaf == NULL) {
            rc = generic_take(r, scope, want, a);
        } else if (owner >= want->leaf->owner_count || want->leaf->value_of[owner] == UINT32_MAX) {
            rc = corrupt(r, "an attribute's column has no value");
        } else {
            value_set(a, want->leaf, want->leaf->value_of[owner]);
        }
    }
    return rc;
}

/* --- resources and scopes
 * ----------------------------------------------------------------------------------- */

static size_t
field_bytes(size_t n)
{
    return 1 + wire_varint_size(n) + n;
}

/* Decode a resource and a scope into the batch: put together as the request they came from. */
static err
context_decode(struct row_reader *r, slice resource, slice scope)
{
    struct span_batch *out = r->out;
    size_t spans = out->span_count, scopes = out->scope_count, resources = out->resource_count;
    size_t inner = resource.n + field_bytes(scope.n), n = field_bytes(inner);
    struct buf body;
    err rc = OK;
    uint8_t *p = arena_alloc(&out->arena, n);
    if (p == NULL) {
        return full(r);
    }
    buf_init(&body, n);
    wire_put_header(&body, 1, inner);
    buf_append_slice(&body, resource);
    wire_put_bytes(&body, 2, scope);
    MUST(body.n == n && !body.failed);
    memcpy(p, body.p, n);
    buf_fini(&body);
    rc = otlp_decode(slice_of(p, n), out, r->q.f);
    if (rc == ERR_INVALID) {
        rc = ERR_CORRUPT;
    }
    if (rc == OK && (out->span_count != spans || out->scope_count != scopes + 1 ||
                     out->resource_count != resources + 1)) {
        rc = corrupt(r, "resource_raw or scope_raw holds something else");
    }
    return rc;
}

/* A resource and a scope that came before: entered again with the attributes they have already. */
static err
context_again(struct row_reader *r, uint32_t from, bool with_resource)
{
    struct span_batch *out = r->out;
    if (with_resource) {
        struct resource *resource = span_batch_add_resource(out);
        if (resource == NULL) {
            return full(r);
        }
        *resource = out->resources[out->scopes[from].resource];
    }
    struct scope *scope = span_batch_add_scope(out);
    if (scope == NULL) {
        return full(r);
    }
    *scope = out->scopes[from];
    scope->resource = (uint32_t)out->resource_count - 1;
    return OK;
}

/* A context that was not open in the row before. */
static err
context_change(struct row_reader *r, slice resource, slice scope, bool same_resource)
{
    const uint8_t *key[2] = {resource.p, scope.p};
    err rc = OK;
    uint64_t *known = id_table_put(&r->contexts, key);
    if (*known) {
        return context_again(r, (uint32_t)*known - 1, !same_resource);
    }
    *known = UINT64_MAX; /* should the decoding fail */
    if (same_resource) {
        TRY(context_decode(r, SL_EMPTY, scope));
        r->out->resource_count--; /* the empty one: the scope belongs to the one before */
        r->out->scopes[r->out->scope_count - 1].resource = (uint32_t)r->out->resource_count - 1;
    } else {
        TRY(context_decode(r, resource, scope));
    }
    *known = r->out->scope_count;
out:
    return rc;
}

/* Make the last scope of the batch the one of this row. */
static err
context_enter(struct row_reader *r, size_t i)
{
    slice resource = r->fixed[BLOCK_RESOURCE_RAW].values.bytes[i];
    slice scope = r->fixed[BLOCK_SCOPE_RAW].values.bytes[i];
    int32_t start = r->fixed[BLOCK_BATCH_START].values.i32[i];
    struct row_context *c = &r->context;
    bool same_resource = c->open && start != 2 &&
                         (same_bytes(resource, c->resource_raw) || slice_eq(resource, c->resource_raw));
    bool same_scope =
        same_resource && start == 0 && (same_bytes(scope, c->scope_raw) || slice_eq(scope, c->scope_raw));
    *c = (struct row_context){true, resource, scope};
    return same_scope ? OK : context_change(r, resource, scope, same_resource);
}

/* --- events and links -------------------------------------------------------------------------------------
 */

/* Elements of the next row in a list: `lead` is any required leaf of it. */
static size_t
list_count(const struct leaf *lead, size_t *level)
{
    size_t n = 0;
    do {
        n += lead->def == NULL || lead->def[*level] > 0;
        (*level)++;
    } while (*level < lead->level_count && lead->rep && lead->rep[*level] > 0);
    return n;
}

static err
events_read(struct row_reader *r, struct run *ret)
{
    const struct leaf *f = r->fixed;
    err rc = OK;
    if (r->event_level >= f[BLOCK_EVENT_TIME].level_count) {
        return corrupt(r, "events end early");
    }
    size_t n = list_count(&f[BLOCK_EVENT_TIME], &r->event_level);
    *ret = (struct run){(uint32_t)r->out->event_count, (uint32_t)n};
    for (size_t i = 0; i < n; i++, r->event++) {
        struct run attrs;
        TRY(attrs_read(r, BLOCK_EVENT, f[BLOCK_EVENT_ORDER].values.bytes[r->event], r->event, &attrs));
        struct span_event *e = span_batch_add_event(r->out);
        if (e == NULL) {
            return full(r);
        }
        e->time_ns = (uint64_t)f[BLOCK_EVENT_TIME].values.i64[r->event];
        e->name = f[BLOCK_EVENT_NAME].values.bytes[r->event];
        e->dropped_attrs = (uint32_t)f[BLOCK_EVENT_DROPPED].values.i32[r->event];
        e->attrs = attrs;
    }
out:
    return rc;
}

static err
links_read(struct row_reader *r, struct run *ret)
{
    const struct leaf *f = r->fixed;
    err rc = OK;
    if (r->link_level >= f[BLOCK_LINK_TRACE].level_count) {
        return corrupt(r, "links end early");
    }
    size_t n = list_count(&f[BLOCK_LINK_TRACE], &r->link_level);
    *ret = (struct run){(uint32_t)r->out->link_count, (uint32_t)n};
    for (size_t i = 0; i < n; i++, r->link++) {
        struct run attrs;
        TRY(attrs_read(r, BLOCK_LINK, f[BLOCK_LINK_ORDER].values.bytes[r->link], r->link, &attrs));
        struct span_link *l = span_batch_add_link(r->out);
        if (l == NULL) {
            return full(r);
        }
        memcpy(l->trace.b, f[BLOCK_LINK_TRACE].values.fixed + r->link * sizeof l->trace, sizeof l->trace);
        memcpy(l->span.b, f[BLOCK_LINK_SPAN].values.fixed + r->link * sizeof l->span, sizeof l->span);
        l->trace_state = f[BLOCK_LINK_STATE].values.bytes[r->link];
        l->flags = (uint32_t)f[BLOCK_LINK_FLAGS].values.i32[r->link];
        l->dropped_attrs = (uint32_t)f[BLOCK_LINK_DROPPED].values.i32[r->link];
        l->attrs = attrs;
    }
out:
    return rc;
}

/* --- spans ------------------------------------------------------------------------------------------------
 */

/* Columns that make a span, and whether their owners are events or links. */
static const uint8_t needed[] = {
    BLOCK_TRACE_ID,    BLOCK_SPAN_ID,       BLOCK_PARENT_SPAN_ID, BLOCK_START,          BLOCK_DURATION,
    BLOCK_NAME,        BLOCK_KIND,          BLOCK_STATUS_CODE,    BLOCK_STATUS_MESSAGE, BLOCK_TRACE_STATE,
    BLOCK_FLAGS,       BLOCK_DROPPED_ATTRS, BLOCK_DROPPED_EVENTS, BLOCK_DROPPED_LINKS,  BLOCK_ORDER,
    BLOCK_BATCH_START, BLOCK_RESOURCE_RAW,  BLOCK_SCOPE_RAW,      BLOCK_EVENT_TIME,     BLOCK_LINK_TRACE,
};
static const uint8_t of_events[] = {BLOCK_EVENT_NAME, BLOCK_EVENT_DROPPED, BLOCK_EVENT_ORDER};
static const uint8_t of_links[] = {BLOCK_LINK_SPAN, BLOCK_LINK_STATE, BLOCK_LINK_FLAGS, BLOCK_LINK_DROPPED,
                                   BLOCK_LINK_ORDER};

static err
load_fixed(struct row_reader *r, const uint8_t *columns, size_t count, size_t owners)
{
    err rc = OK;
    for (size_t i = 0; i < count; i++) {
        uint8_t c = columns[i];
        if (c == BLOCK_TRACE_ID && r->trace) {
            continue;
        }
        bool scratch = c == BLOCK_TRACE_ID || c == BLOCK_RESOURCE_RAW || c == BLOCK_SCOPE_RAW ||
                       c == BLOCK_ORDER || c == BLOCK_EVENT_ORDER || c == BLOCK_LINK_ORDER;
        struct arena *bytes = scratch ? r->q.scratch : &r->out->arena;
        TRY(leaf_load(&r->q, r->schema->column[c], c >= BLOCK_EVENT_TIME ? 1 : 0, bytes, &r->fixed[c]));
        size_t want = c == BLOCK_EVENT_TIME || c == BLOCK_LINK_TRACE ? r->fixed[c].owner_count : owners;
        if (r->fixed[c].owner_count != want) {
            return corrupt(r, "columns have different numbers of rows");
        }
    }
out:
    return rc;
}

static err
load_all(struct row_reader *r)
{
    err rc = OK;
    TRY(load_fixed(r, needed, sizeof needed, r->rows));
    size_t events = r->fixed[BLOCK_EVENT_TIME].owner_count, links = r->fixed[BLOCK_LINK_TRACE].owner_count;
    if (events) {
        TRY(load_fixed(r, of_events, sizeof of_events, events));
    }
    if (links) {
        TRY(load_fixed(r, of_links, sizeof of_links, links));
    }
out:
    return rc;
}

static bool
span_fill(const struct row_reader *r, size_t i, struct span *s)
{
    const struct leaf *f = r->fixed;
    uint32_t parent = f[BLOCK_PARENT_SPAN_ID].value_of[i];
    memcpy(s->id.b, f[BLOCK_SPAN_ID].values.fixed + i * sizeof s->id, sizeof s->id);
    if (parent != UINT32_MAX) {
        memcpy(s->parent.b, f[BLOCK_PARENT_SPAN_ID].values.fixed + parent * sizeof s->parent,
               sizeof s->parent);
    }
    s->start_ns = (uint64_t)f[BLOCK_START].values.i64[i];
    s->end_ns = s->start_ns + (uint64_t)f[BLOCK_DURATION].values.i64[i];
    s->name = f[BLOCK_NAME].values.bytes[i];
    s->trace_state = f[BLOCK_TRACE_STATE].values.bytes[i];
    s->status_message = f[BLOCK_STATUS_MESSAGE].values.bytes[i];
    s->kind = f[BLOCK_KIND].values.i32[i];
    s->status_code = f[BLOCK_STATUS_CODE].values.i32[i];
    s->flags = (uint32_t)f[BLOCK_FLAGS].values.i32[i];
    s->dropped_attrs = (uint32_t)f[BLOCK_DROPPED_ATTRS].values.i32[i];
    s->dropped_events = (uint32_t)f[BLOCK_DROPPED_EVENTS].values.i32[i];
    s->dropped_links = (uint32_t)f[BLOCK_DROPPED_LINKS].values.i32[i];
    if (r->trace) {
        s->trace = *r->trace;
        return true;
    }
    return hex_decode(f[BLOCK_TRACE_ID].values.bytes[i], s->trace.b, sizeof s->trace);
}

static err
span_read(struct row_reader *r, size_t i)
{
    struct span_batch *out = r->out;
    struct span s = {0};
    err rc = OK;
    TRY(context_enter(r, i));
    if (!span_fill(r, i, &s)) {
        return corrupt(r, "trace_id is not 32 hex digits");
    }
    TRY(attrs_read(r, BLOCK_SPAN, r->fixed[BLOCK_ORDER].values.bytes[i], i, &s.attrs));
    TRY(events_read(r, &s.events));
    TRY(links_read(r, &s.links));
    s.scope = (uint32_t)out->scope_count - 1;
    s.wire_bytes = (uint32_t)otlp_span_size(out, &s);
    struct span *place = span_batch_add_span(out);
    if (place == NULL) {
        return full(r);
    }
    *place = s;
out:
    return rc;
}

err
rows_read(struct leaf_request *q, const struct block_schema *schema, const trace_id *trace,
          struct row_context *context, struct span_batch *out)
{
    struct row_reader r = {.q = *q,
                           .schema = schema,
                           .trace = trace,
                           .out = out,
                           .rows = (size_t)(q->to - q->from),
                           .context = *context};
    const struct span_batch_mark before = span_batch_mark(out);
    err rc = OK;
    for (size_t i = 0; i < 3; i++) {
        str_table_init(&r.orders[i]);
    }
    id_table_init(&r.contexts, 2 * sizeof(uint8_t *));
    r.attrs = arena_new_array(q->scratch, struct leaf, schema->attr_count + 1);
    if (r.attrs == NULL) {
        rc = full(&r);
        goto out;
    }
    TRY(load_all(&r));
    for (size_t i = 0; i < r.rows; i++) {
        TRY(span_read(&r, i));
    }
    for (size_t i = 0; i < 3; i++) {
        if (r.generic[i].leaf[BLOCK_GENERIC_KEY].loaded &&
            r.generic[i].next != r.generic[i].leaf[BLOCK_GENERIC_KEY].owner_count) {
            rc = corrupt(&r, "the list of attributes holds more than attribute_order says");
        }
    }
    *context = r.context;
out:
    for (size_t i = 0; i < 3; i++) {
        str_table_fini(&r.orders[i]);
    }
    id_table_fini(&r.contexts);
    if (rc != OK) {
        span_batch_rewind(out, before);
    }
    return rc;
}
