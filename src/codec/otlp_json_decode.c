/* OTLP/JSON to a span batch (receivers.md 4.3): one pass over the text. A member that is sent twice counts as
 * sent last, so that runs of attributes, events and links stay contiguous. */
#include "json_priv.h"
#include "otlp_json_priv.h"

#include "vivace/codec/otlp.h"

#define NAME_MAX_BYTES 40

/* --- members, objects, arrays -----------------------------------------------------------------------------
 */

err
otlp_json_fail(struct json_decoder *d, const char *text)
{
    err rc = d->r.error == json_text_memory ? ERR_LIMIT : ERR_INVALID;
    return FAULT(d->f, rc, "%s at offset %zu", d->r.error != NULL ? d->r.error : text, d->r.at);
}

static err
full(struct json_decoder *d)
{
    return FAULT(d->f, ERR_LIMIT, "the decoded spans take more memory than the limit of %zu bytes",
                 d->b->arena.max);
}

/* Go's field name from the JSON name in either spelling: "trace_id", "traceId" -> "TraceId". */
static slice
go_name(slice text, char *to)
{
    size_t n = 0;
    bool upper = true;
    if (text.n > NAME_MAX_BYTES || text.n == 0 || text.p[0] < 'a' || text.p[0] > 'z') {
        return SL_EMPTY;
    }
    for (size_t i = 0; i < text.n; i++) {
        char c = (char)text.p[i];
        if (c == '_') {
            upper = true;
            continue;
        }
        to[n++] = upper && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        upper = false;
    }
    return slice_of(to, n);
}

/* The same in either spelling. Kept out of line: few clients write names with underscores. */
static __attribute__((noinline)) size_t
field_find_spelled(const struct pb_message *m, slice key)
{
    char text[NAME_MAX_BYTES];
    slice name = go_name(key, text);
    for (size_t i = 0; i < m->field_count; i++) {
        if (slice_eq(slice_of(m->fields[i].name, m->fields[i].name_n), name)) {
            return i;
        }
    }
    return m->field_count;
}

/* The place of the field with this JSON name, or field_count. Fields mostly come by number: the one behind
 * the last one found is asked first. */
static size_t
field_find(struct json_decoder *d, enum otlp_message kind, slice key)
{
    const struct pb_message *m = &otlp_messages[kind];
    size_t at = d->next_field[kind];
    for (size_t i = 0; i < m->field_count; i++, at++) {
        at = at < m->field_count ? at : 0;
        const struct pb_field_info *field = &m->fields[at];
        if (key.n == field->name_n && key.p[0] == (field->name[0] | 0x20) &&
            memcmp(key.p + 1, field->name + 1, key.n - 1) == 0) {
            return at;
        }
    }
    return field_find_spelled(m, key);
}

err
otlp_json_member(struct json_decoder *d, enum otlp_message kind, uint32_t *ret_number)
{
    const struct pb_message *m = &otlp_messages[kind];
    for (;;) {
        enum json_event e = json_next(&d->r);
        if (e == JSON_OBJECT_END) {
            *ret_number = 0;
            return OK;
        }
        if (e != JSON_KEY) {
            return otlp_json_fail(d, "an object wants names");
        }
        size_t at = field_find(d, kind, d->r.text);
        if (at < m->field_count && m->fields[at].number != OTLP_DEPRECATED_SCOPE_SPANS) {
            d->next_field[kind] = (uint8_t)(at + 1);
            *ret_number = m->fields[at].number;
            return OK;
        }
        if (!json_skip(&d->r)) {
            return otlp_json_fail(d, "unexpected end of JSON input");
        }
    }
}

err
otlp_json_object(struct json_decoder *d, bool *ret_present)
{
    enum json_event e = json_next(&d->r);
    *ret_present = e == JSON_OBJECT_BEGIN;
    return *ret_present || e == JSON_NULL ? OK : otlp_json_fail(d, "an object is wanted");
}

err
otlp_json_array(struct json_decoder *d, bool *ret_present)
{
    enum json_event e = json_next(&d->r);
    *ret_present = e == JSON_ARRAY_BEGIN;
    return *ret_present || e == JSON_NULL ? OK : otlp_json_fail(d, "an array is wanted");
}

err
otlp_json_element(struct json_decoder *d, enum element *ret)
{
    enum json_event e = json_next(&d->r);
    if (e != JSON_OBJECT_BEGIN && e != JSON_ARRAY_END && e != JSON_NULL) {
        return otlp_json_fail(d, "an array of objects is wanted");
    }
    *ret = e == JSON_OBJECT_BEGIN ? ELEMENT_OBJECT : e == JSON_NULL ? ELEMENT_NULL : ELEMENT_END;
    return OK;
}

/* --- scalars ----------------------------------------------------------------------------------------------
 */

err
otlp_json_string(struct json_decoder *d, slice *ret)
{
    enum json_event e = json_next(&d->r);
    if (e != JSON_STRING && e != JSON_NULL) {
        return otlp_json_fail(d, "a string is wanted");
    }
    *ret = e == JSON_STRING ? d->r.text : SL_EMPTY;
    return OK;
}

err
otlp_json_bool(struct json_decoder *d, bool *ret)
{
    enum json_event e = json_next(&d->r);
    if (e != JSON_TRUE && e != JSON_FALSE) {
        return otlp_json_fail(d, "true or false is wanted");
    }
    *ret = e == JSON_TRUE;
    return OK;
}

err
otlp_json_i64(struct json_decoder *d, int64_t *ret)
{
    enum json_event e = json_next(&d->r);
    bool number = e == JSON_NUMBER || e == JSON_STRING;
    return number && slice_to_i64(d->r.text, ret) ? OK : otlp_json_fail(d, "a 64-bit integer is wanted");
}

static err
u64_take(struct json_decoder *d, uint64_t *ret)
{
    enum json_event e = json_next(&d->r);
    bool number = e == JSON_NUMBER || e == JSON_STRING;
    return number && slice_to_u64(d->r.text, ret) ? OK
                                                  : otlp_json_fail(d, "an unsigned 64-bit integer is wanted");
}

static err
u32_take(struct json_decoder *d, uint32_t *ret)
{
    uint64_t v;
    enum json_event e = json_next(&d->r);
    if ((e != JSON_NUMBER && e != JSON_STRING) || !slice_to_u64(d->r.text, &v) || v > UINT32_MAX) {
        return otlp_json_fail(d, "an unsigned 32-bit integer is wanted");
    }
    *ret = (uint32_t)v;
    return OK;
}

/* A number or one of the names, whose place is its number. */
static err
enum_take(struct json_decoder *d, const char *const *names, int32_t *ret)
{
    enum json_event e = json_next(&d->r);
    int64_t v;
    if (e == JSON_STRING) {
        for (int32_t i = 0; names[i] != NULL; i++) {
            if (slice_eq(slice_cstr(names[i]), d->r.text)) {
                *ret = i;
                return OK;
            }
        }
        return otlp_json_fail(d, "unknown enum name");
    }
    if (e != JSON_NUMBER || !slice_to_i64(d->r.text, &v) || v < INT32_MIN || v > INT32_MAX) {
        return otlp_json_fail(d, "an enum name or number is wanted");
    }
    *ret = (int32_t)v;
    return OK;
}

err
otlp_json_double(struct json_decoder *d, double *ret)
{
    static const struct {
        const char *name;
        double value;
    } names[] = {{"NaN", __builtin_nan("")}, {"Infinity", __builtin_inf()}, {"-Infinity", -__builtin_inf()}};
    enum json_event e = json_next(&d->r);
    slice text = d->r.text;
    for (size_t i = 0; e == JSON_STRING && i < 3; i++) {
        if (slice_eq(slice_cstr(names[i].name), text)) {
            *ret = names[i].value;
            return OK;
        }
    }
    if ((e != JSON_NUMBER && e != JSON_STRING) || !json_is_number(text)) {
        return otlp_json_fail(d, "a number is wanted");
    }
    double v = json_number_value(text);
    if (__builtin_isinf(v)) {
        return otlp_json_fail(d, "a number is out of range");
    }
    *ret = v;
    return OK;
}

static err
id_take(struct json_decoder *d, uint8_t *to, size_t n)
{
    slice text = SL_EMPTY;
    err rc = otlp_json_string(d, &text);
    if (rc != OK) {
        return rc;
    }
    memset(to, 0, n);
    if (text.n != 0 && !hex_decode(text, to, n)) {
        return otlp_json_fail(d, n == TRACE_ID_BYTES ? "a trace id of 32 hex digits is wanted"
                                                     : "a span id of 16 hex digits is wanted");
    }
    return OK;
}

/* --- attributes -------------------------------------------------------------------------------------------
 */

typedef err (*element_take)(struct json_decoder *d, enum element e, uint32_t of);

/* The elements of an array, objects or null: each to `take`, with what it belongs to. */
static err
elements_take(struct json_decoder *d, element_take take, uint32_t of)
{
    bool present;
    enum element e = ELEMENT_NULL;
    err rc = OK;
    TRY(otlp_json_array(d, &present));
    while (present) {
        TRY(otlp_json_element(d, &e));
        if (e == ELEMENT_END) {
            break;
        }
        TRY(take(d, e, of));
    }
out:
    return rc;
}

static err
attr_take(struct json_decoder *d, enum element e, uint32_t of)
{
    uint32_t number = e == ELEMENT_OBJECT;
    slice key = SL_EMPTY;
    err rc = OK;
    struct attr a = {0};
    (void)of;
    while (number != 0) {
        TRY(otlp_json_member(d, OTLP_KEY_VALUE, &number));
        if (number == 1) {
            TRY(otlp_json_string(d, &key));
            a.key = key.p;
            a.key_n = (uint32_t)key.n;
        } else if (number == 2) {
            TRY(otlp_json_value(d, &a));
        }
    }
    struct attr *to = span_batch_add_attr(d->b);
    if (to == NULL) {
        return full(d);
    }
    *to = a;
out:
    return rc;
}

static err
attrs_take(struct json_decoder *d, struct run *ret)
{
    ret->at = (uint32_t)d->b->attr_count;
    err rc = elements_take(d, attr_take, 0);
    ret->n = (uint32_t)d->b->attr_count - ret->at;
    return rc;
}

/* --- spans ------------------------------------------------------------------------------------------------
 */

/* Attributes are all that is nested, so the event does not move; nor does a link. */
static err
event_take(struct json_decoder *d, enum element element, uint32_t of)
{
    uint32_t number = element == ELEMENT_OBJECT;
    struct span_event *e = span_batch_add_event(d->b);
    err rc = OK;
    (void)of;
    if (e == NULL) {
        return full(d);
    }
    while (number != 0) {
        TRY(otlp_json_member(d, OTLP_EVENT, &number));
        switch (number) {
        case 1:
            TRY(u64_take(d, &e->time_ns));
            break;
        case 2:
            TRY(otlp_json_string(d, &e->name));
            break;
        case 3:
            TRY(attrs_take(d, &e->attrs));
            break;
        case 4:
            TRY(u32_take(d, &e->dropped_attrs));
            break;
        default:
            break;
        }
    }
out:
    return rc;
}

static err
link_take(struct json_decoder *d, enum element e, uint32_t of)
{
    uint32_t number = e == ELEMENT_OBJECT;
    struct span_link *l = span_batch_add_link(d->b);
    err rc = OK;
    (void)of;
    if (l == NULL) {
        return full(d);
    }
    while (number != 0) {
        TRY(otlp_json_member(d, OTLP_LINK, &number));
        switch (number) {
        case 1:
            TRY(id_take(d, l->trace.b, TRACE_ID_BYTES));
            break;
        case 2:
            TRY(id_take(d, l->span.b, SPAN_ID_BYTES));
            break;
        case 3:
            TRY(otlp_json_string(d, &l->trace_state));
            break;
        case 4:
            TRY(attrs_take(d, &l->attrs));
            break;
        case 5:
            TRY(u32_take(d, &l->dropped_attrs));
            break;
        case 6:
            TRY(u32_take(d, &l->flags));
            break;
        default:
            break;
        }
    }
out:
    return rc;
}

static err
events_take(struct json_decoder *d, struct run *ret)
{
    ret->at = (uint32_t)d->b->event_count;
    err rc = elements_take(d, event_take, 0);
    ret->n = (uint32_t)d->b->event_count - ret->at;
    return rc;
}

static err
links_take(struct json_decoder *d, struct run *ret)
{
    ret->at = (uint32_t)d->b->link_count;
    err rc = elements_take(d, link_take, 0);
    ret->n = (uint32_t)d->b->link_count - ret->at;
    return rc;
}

static err
status_take(struct json_decoder *d, struct span *s)
{
    static const char *const names[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR", NULL};
    bool present;
    uint32_t number = 1;
    err rc = OK;
    TRY(otlp_json_object(d, &present));
    while (present && number != 0) {
        TRY(otlp_json_member(d, OTLP_STATUS, &number));
        if (number == 2) {
            TRY(otlp_json_string(d, &s->status_message));
        } else if (number == 3) {
            TRY(enum_take(d, names, &s->status_code));
        }
    }
out:
    return rc;
}

static err
span_member_take(struct json_decoder *d, uint32_t number, struct span *s)
{
    static const char *const kinds[] = {"SPAN_KIND_UNSPECIFIED",
                                        "SPAN_KIND_INTERNAL",
                                        "SPAN_KIND_SERVER",
                                        "SPAN_KIND_CLIENT",
                                        "SPAN_KIND_PRODUCER",
                                        "SPAN_KIND_CONSUMER",
                                        NULL};
    switch (number) {
    case 1:
        return id_take(d, s->trace.b, TRACE_ID_BYTES);
    case 2:
        return id_take(d, s->id.b, SPAN_ID_BYTES);
    case 3:
        return otlp_json_string(d, &s->trace_state);
    case 4:
        return id_take(d, s->parent.b, SPAN_ID_BYTES);
    case 5:
        return otlp_json_string(d, &s->name);
    case 6:
        return enum_take(d, kinds, &s->kind);
    case 7:
        return u64_take(d, &s->start_ns);
    case 8:
        return u64_take(d, &s->end_ns);
    case 9:
        return attrs_take(d, &s->attrs);
    case 10:
        return u32_take(d, &s->dropped_attrs);
    case 11:
        return events_take(d, &s->events);
    case 12:
        return u32_take(d, &s->dropped_events);
    case 13:
        return links_take(d, &s->links);
    case 14:
        return u32_take(d, &s->dropped_links);
    case 15:
        return status_take(d, s);
    case 16:
        return u32_take(d, &s->flags);
    default:
        return OK;
    }
}

/* --- scopes, resources, the request -----------------------------------------------------------------------
 */

static err
span_take(struct json_decoder *d, enum element e, uint32_t scope)
{
    uint32_t number = e == ELEMENT_OBJECT;
    struct span *s = span_batch_add_span(d->b);
    err rc = OK;
    if (s == NULL) {
        return full(d);
    }
    s->scope = scope;
    while (number != 0) {
        TRY(otlp_json_member(d, OTLP_SPAN, &number));
        TRY(span_member_take(d, number, s));
    }
    s->wire_bytes = (uint32_t)otlp_span_size(d->b, s);
out:
    return rc;
}

static err
scope_take(struct json_decoder *d, struct scope *s)
{
    uint32_t number = 1;
    err rc = OK;
    TRY(otlp_json_object(d, &s->has_scope));
    while (s->has_scope && number != 0) {
        TRY(otlp_json_member(d, OTLP_SCOPE, &number));
        switch (number) {
        case 1:
            TRY(otlp_json_string(d, &s->name));
            break;
        case 2:
            TRY(otlp_json_string(d, &s->version));
            break;
        case 3:
            TRY(attrs_take(d, &s->attrs));
            break;
        case 4:
            TRY(u32_take(d, &s->dropped_attrs));
            break;
        default:
            break;
        }
    }
out:
    return rc;
}

static err
scope_spans_take(struct json_decoder *d, enum element e, uint32_t resource)
{
    uint32_t number = e == ELEMENT_OBJECT, at = (uint32_t)d->b->scope_count;
    struct scope *s = span_batch_add_scope(d->b);
    err rc = OK;
    if (s == NULL) {
        return full(d);
    }
    s->resource = resource;
    while (number != 0) {
        TRY(otlp_json_member(d, OTLP_SCOPE_SPANS, &number));
        if (number == 1) {
            TRY(scope_take(d, s));
        } else if (number == 2) {
            TRY(elements_take(d, span_take, at));
        } else if (number == 3) {
            TRY(otlp_json_string(d, &s->schema_url));
        }
    }
out:
    return rc;
}

static err
resource_take(struct json_decoder *d, struct resource *r)
{
    uint32_t number = 1;
    err rc = OK;
    TRY(otlp_json_object(d, &r->has_resource));
    while (r->has_resource && number != 0) {
        TRY(otlp_json_member(d, OTLP_RESOURCE, &number));
        if (number == 1) {
            TRY(attrs_take(d, &r->attrs));
        } else if (number == 2) {
            TRY(u32_take(d, &r->dropped_attrs));
        } else if (number == 3) {
            TRY(otlp_json_entity_refs(d, &r->entity_refs));
        }
    }
out:
    return rc;
}

static err
resource_spans_take(struct json_decoder *d, enum element e, uint32_t of)
{
    uint32_t number = e == ELEMENT_OBJECT, at = (uint32_t)d->b->resource_count;
    struct resource *r = span_batch_add_resource(d->b);
    err rc = OK;
    (void)of;
    if (r == NULL) {
        return full(d);
    }
    while (number != 0) {
        TRY(otlp_json_member(d, OTLP_RESOURCE_SPANS, &number));
        if (number == 1) {
            TRY(resource_take(d, r));
        } else if (number == 2) {
            TRY(elements_take(d, scope_spans_take, at));
        } else if (number == 3) {
            TRY(otlp_json_string(d, &r->schema_url));
        }
    }
out:
    return rc;
}

static err
request_take(struct json_decoder *d)
{
    bool present;
    uint32_t number = 1;
    err rc = OK;
    TRY(otlp_json_object(d, &present));
    while (present && number != 0) {
        TRY(otlp_json_member(d, OTLP_REQUEST, &number));
        if (number != 0) {
            TRY(elements_take(d, resource_spans_take, 0));
        }
    }
out:
    return rc;
}

err
otlp_json_decode(slice body, struct span_batch *out, struct fault *f)
{
    struct json_decoder d = {.b = out, .f = f};
    size_t room = UINT32_MAX - body.n / 2;
    if (body.n > UINT32_MAX / 8 || out->span_count > room || out->attr_count > room ||
        out->event_count > room || out->link_count > room || out->scope_count > room ||
        out->resource_count > room) {
        return FAULT(f, ERR_LIMIT, "a request of %zu bytes is over the limit of 512 MiB", body.n);
    }
    json_reader_init(&d.r, body, &out->arena);
    /* Four bytes of gap and a tag for at least two of text, and for each gap its place. */
    buf_init(&d.scratch, 8 * body.n + 64);
    buf_init(&d.heads, 4 * body.n + 64);
    err rc = request_take(&d);
    buf_fini(&d.scratch);
    buf_fini(&d.heads);
    return rc;
}
