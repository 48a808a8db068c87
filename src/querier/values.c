#include "values.h"

#include "vivace/codec/wire.h"

/* --- attributes --------------------------------------------------------------------------------------- */

/* One element of an ArrayValue: an AnyValue of a simple type. False for anything else. */
static bool
element_read(slice body, struct tql_static *ret)
{
    struct wire_reader r = wire_reader_of(body);
    uint32_t field = 0;
    uint32_t type = 0;
    uint64_t v = 0;
    slice s;
    *ret = TQL_STATIC_NIL;
    while (r.p < r.end) {
        if (!wire_tag(&r, &field, &type)) {
            return false;
        }
        if (field == 1 && type == WIRE_LEN && wire_len(&r, &s)) {
            *ret = tql_static_string(s);
        } else if (field == 2 && type == WIRE_VARINT && wire_varint(&r, &v)) {
            *ret = tql_static_bool(v != 0);
        } else if (field == 3 && type == WIRE_VARINT && wire_varint(&r, &v)) {
            *ret = tql_static_int((int64_t)v);
        } else if (field == 4 && type == WIRE_FIXED64 && wire_fixed64(&r, &v)) {
            double d = 0;
            memcpy(&d, &v, sizeof d);
            *ret = tql_static_float(d);
        } else {
            return false;
        }
    }
    return ret->type != TQL_NIL;
}

/* The next element; false at the end or at something that is no simple value (then *ret_good is false). */
static bool
element_next(struct wire_reader *r, struct tql_static *ret, bool *ret_good)
{
    uint32_t field = 0;
    uint32_t type = 0;
    slice body;
    while (r->p < r->end) {
        if (!wire_tag(r, &field, &type)) {
            *ret_good = false;
            return false;
        }
        if (field == 1 && type == WIRE_LEN) {
            *ret_good = wire_len(r, &body) && element_read(body, ret);
            return *ret_good;
        }
        if (!wire_skip(r, field, type)) {
            *ret_good = false;
            return false;
        }
    }
    return false;
}

/* How many elements, all of one type; 0 when the array cannot be looked at. */
static uint32_t
array_measure(slice body, uint8_t *ret_type)
{
    struct wire_reader r = wire_reader_of(body);
    struct tql_static e;
    uint32_t n = 0;
    bool good = true;
    while (element_next(&r, &e, &good)) {
        if (n > 0 && e.type != *ret_type) {
            return 0;
        }
        *ret_type = e.type;
        n++;
    }
    return good ? n : 0;
}

static void
array_read(struct value_source *v, slice body, struct tql_static *ret)
{
    static const uint8_t array_of[] = {[TQL_INT] = TQL_INT_ARRAY,
                                       [TQL_FLOAT] = TQL_FLOAT_ARRAY,
                                       [TQL_STRING] = TQL_STRING_ARRAY,
                                       [TQL_BOOL] = TQL_BOOL_ARRAY};
    uint8_t type = TQL_NIL;
    uint32_t n = array_measure(body, &type);
    struct wire_reader r = wire_reader_of(body);
    struct tql_static e = TQL_STATIC_NIL;
    bool good = true;
    *ret = TQL_STATIC_NIL;
    if (n < 2) { /* an array of one is its element */
        *ret = n && element_next(&r, &e, &good) ? e : TQL_STATIC_NIL;
        return;
    }
    void *elements = arena_calloc(v->arena, n, sizeof(slice));
    if (elements == NULL) {
        v->failed = true;
        return;
    }
    for (uint32_t i = 0; element_next(&r, &e, &good); i++) {
        switch (type) {
        case TQL_INT:
            ((int64_t *)elements)[i] = e.i;
            break;
        case TQL_FLOAT:
            ((double *)elements)[i] = e.f;
            break;
        case TQL_BOOL:
            ((bool *)elements)[i] = e.b;
            break;
        default:
            ((slice *)elements)[i] = tql_static_slice(&e);
            break;
        }
    }
    *ret = (struct tql_static){.strings = elements, .n = n, .type = array_of[type]};
}

bool
value_of_one(slice array, struct tql_static *ret)
{
    struct wire_reader r = wire_reader_of(array);
    struct tql_static first = TQL_STATIC_NIL;
    struct tql_static second;
    bool good = true;
    if (!element_next(&r, &first, &good) || element_next(&r, &second, &good) || !good) {
        return false;
    }
    *ret = first;
    return true;
}

void
value_of_attr(struct value_source *v, const struct attr *a, struct tql_static *ret)
{
    switch (a->kind) {
    case VALUE_STRING:
        *ret = tql_static_string(attr_bytes(a));
        break;
    case VALUE_BOOL:
        *ret = tql_static_bool(a->b);
        break;
    case VALUE_INT:
        *ret = tql_static_int(a->i);
        break;
    case VALUE_DOUBLE:
        *ret = tql_static_float(a->d);
        break;
    case VALUE_ARRAY:
        array_read(v, attr_bytes(a), ret);
        break;
    default:
        *ret = TQL_STATIC_NIL;
        break;
    }
}

/* The attribute of a run; false when there is none. */
static bool
find(struct value_source *v, struct run run, slice key, struct tql_static *ret)
{
    const struct attr *a = attrs_find(v->batch, run, key);
    if (a == NULL) {
        *ret = TQL_STATIC_NIL;
        return false;
    }
    value_of_attr(v, a, ret);
    return true;
}

/* --- intrinsics --------------------------------------------------------------------------------------- */

/* Lower-case hex; `strip` leaves out leading zeros. */
static struct tql_static
hex_value(struct value_source *v, const uint8_t *id, size_t n, bool strip)
{
    char *text = arena_alloc(v->arena, 2 * n);
    if (text == NULL) {
        v->failed = true;
        return TQL_STATIC_NIL;
    }
    size_t skip = 0;
    hex_encode(id, n, text);
    while (strip && skip + 1 < 2 * n && text[skip] == '0') {
        skip++;
    }
    return tql_static_string(slice_of(text + skip, 2 * n - skip));
}

static int64_t
duration_of(uint64_t start, uint64_t end)
{
    uint64_t d = end > start ? end - start : 0;
    return d > INT64_MAX ? INT64_MAX : (int64_t)d;
}

static struct tql_static
structure_value(const struct value_source *v, uint8_t intrinsic, size_t row)
{
    const struct shape *s = v->shape;
    if (v->alone && intrinsic == TQL_INTRINSIC_NESTED_SET_PARENT) {
        return tql_static_int(shape_span_is_root(v->batch, &v->batch->spans[row]) ? -1 : 0);
    }
    if (s == NULL) {
        return TQL_STATIC_NIL;
    }
    switch ((enum tql_intrinsic)intrinsic) {
    case TQL_INTRINSIC_SPAN_CHILD_COUNT:
        return tql_static_int(s->children[row]);
    case TQL_INTRINSIC_NESTED_SET_LEFT:
        return tql_static_int(s->left[row]);
    case TQL_INTRINSIC_NESTED_SET_RIGHT:
        return tql_static_int(s->right[row]);
    default:
        return tql_static_int(shape_nested_parent(s, row));
    }
}

static struct tql_static
trace_value(struct value_source *v, uint8_t intrinsic)
{
    const struct trace_facts *t = v->facts;
    if (t == NULL) {
        return TQL_STATIC_NIL;
    }
    switch ((enum tql_intrinsic)intrinsic) {
    case TQL_INTRINSIC_TRACE_ID:
        return hex_value(v, t->id.b, TRACE_ID_BYTES, true);
    case TQL_INTRINSIC_TRACE_DURATION:
        return tql_static_duration(duration_of(t->start_ns, t->end_ns));
    case TQL_INTRINSIC_TRACE_ROOT_NAME:
        return tql_static_string(t->root_name);
    default:
        return tql_static_string(t->root_service);
    }
}

static struct tql_static
intrinsic_value(struct value_source *v, uint8_t intrinsic, size_t row)
{
    const struct span *s = &v->batch->spans[row];
    const struct scope *scope = &v->batch->scopes[s->scope];
    switch ((enum tql_intrinsic)intrinsic) {
    case TQL_INTRINSIC_DURATION:
        return tql_static_duration(duration_of(s->start_ns, s->end_ns));
    case TQL_INTRINSIC_NAME:
        return tql_static_string(s->name);
    case TQL_INTRINSIC_STATUS:
        return tql_static_status(s->status_code);
    case TQL_INTRINSIC_STATUS_MESSAGE:
        return tql_static_string(s->status_message);
    case TQL_INTRINSIC_KIND:
        return tql_static_kind(s->kind);
    case TQL_INTRINSIC_SPAN_ID:
        return hex_value(v, s->id.b, SPAN_ID_BYTES, false);
    case TQL_INTRINSIC_SPAN_PARENT_ID:
        return hex_value(v, s->parent.b, SPAN_ID_BYTES, false);
    case TQL_INTRINSIC_SPAN_CHILD_COUNT:
    case TQL_INTRINSIC_NESTED_SET_LEFT:
    case TQL_INTRINSIC_NESTED_SET_RIGHT:
    case TQL_INTRINSIC_NESTED_SET_PARENT:
        return structure_value(v, intrinsic, row);
    case TQL_INTRINSIC_TRACE_ID:
    case TQL_INTRINSIC_TRACE_DURATION:
    case TQL_INTRINSIC_TRACE_ROOT_NAME:
    case TQL_INTRINSIC_TRACE_ROOT_SERVICE:
        return trace_value(v, intrinsic);
    case TQL_INTRINSIC_INSTRUMENTATION_NAME:
        return tql_static_string(scope->name);
    case TQL_INTRINSIC_INSTRUMENTATION_VERSION:
        return tql_static_string(scope->version);
    default:
        return TQL_STATIC_NIL;
    }
}

void
value_of_span(struct value_source *v, const struct tql_slot *slot, size_t row, struct tql_static *ret)
{
    const struct tql_attr *attr = &slot->attr;
    const struct span_batch *b = v->batch;
    const struct span *s = &b->spans[row];
    if (attr->intrinsic != TQL_INTRINSIC_NONE) {
        *ret = intrinsic_value(v, attr->intrinsic, row);
        return;
    }
    const struct scope *scope = &b->scopes[s->scope];
    const struct run resource = b->resources[scope->resource].attrs;
    switch ((enum tql_scope)attr->scope) {
    case TQL_SCOPE_SPAN:
        find(v, s->attrs, attr->name, ret);
        break;
    case TQL_SCOPE_RESOURCE:
        find(v, resource, attr->name, ret);
        if (ret->type == TQL_NIL && slice_eq(attr->name, SL("service.name"))) {
            *ret = tql_static_string(SL_EMPTY); /* it always exists, also when it is bytes */
        }
        break;
    case TQL_SCOPE_INSTRUMENTATION:
        find(v, scope->attrs, attr->name, ret);
        break;
    case TQL_SCOPE_NONE:
        if (!find(v, s->attrs, attr->name, ret)) {
            find(v, resource, attr->name, ret);
        }
        break;
    default:
        *ret = TQL_STATIC_NIL;
        break;
    }
}

/* --- events and links --------------------------------------------------------------------------------- */

void
value_of_part(struct value_source *v, const struct tql_slot *slot, size_t row, struct value_at at,
              struct tql_static *ret)
{
    const struct tql_attr *attr = &slot->attr;
    const struct span_batch *b = v->batch;
    *ret = TQL_STATIC_NIL;
    if (slot->level == TQL_LEVEL_EVENT && at.event != SHAPE_NO_ROW) {
        const struct span_event *e = &b->events[at.event];
        if (attr->intrinsic == TQL_INTRINSIC_EVENT_NAME) {
            *ret = tql_static_string(e->name);
        } else if (attr->intrinsic == TQL_INTRINSIC_EVENT_TIME_SINCE_START) {
            *ret = tql_static_duration((int64_t)(e->time_ns - b->spans[row].start_ns));
        } else {
            find(v, e->attrs, attr->name, ret);
        }
    } else if (slot->level == TQL_LEVEL_LINK && at.link != SHAPE_NO_ROW) {
        const struct span_link *l = &b->links[at.link];
        if (attr->intrinsic == TQL_INTRINSIC_LINK_TRACE_ID) {
            *ret = hex_value(v, l->trace.b, TRACE_ID_BYTES, true);
        } else if (attr->intrinsic == TQL_INTRINSIC_LINK_SPAN_ID) {
            *ret = hex_value(v, l->span.b, SPAN_ID_BYTES, false);
        } else {
            find(v, l->attrs, attr->name, ret);
        }
    }
}
