/* A trace as gogo's jsonpb prints it (api.md 1.0 and 1.1): fields in the order of Tempo's .proto files, zero
 * and empty ones left out, ids in base64, 64-bit integers as strings. And the same as OTLP/JSON: ids in hex,
 * enums as numbers. */
#include "otlp_layout.h"
#include "otlp_schema.h"

#include "vivace/codec/json.h"
#include "vivace/codec/otlp.h"

/* --- values -----------------------------------------------------------------------------------------------
 */

/* A list being printed. */
struct list {
    struct wire_reader r;
    bool pairs;   /* a KeyValueList */
    bool opened;  /* "values" was printed */
    bool in_pair; /* it is the value of a pair, whose object ends with it */
};

struct value_printer {
    struct json_writer *w;
    struct list stack[ANY_VALUE_DEPTH_MAX];
    size_t depth;
};

static void
list_open(struct value_printer *p, const struct attr *a, bool in_pair)
{
    bool pairs = a->kind == VALUE_KVLIST;
    json_key(p->w, pairs ? SL("kvlistValue") : SL("arrayValue"));
    json_object_begin(p->w);
    p->stack[p->depth++] =
        (struct list){.r = wire_reader_of(attr_bytes(a)), .pairs = pairs, .in_pair = in_pair};
}

/* Print a value, or as much of it as stands before its list's elements. */
static void
value_begin(struct value_printer *p, const struct attr *a, bool in_pair)
{
    struct json_writer *w = p->w;
    json_object_begin(w);
    switch ((enum value_kind)a->kind) {
    case VALUE_NONE:
        break;
    case VALUE_STRING:
        json_key(w, SL("stringValue"));
        json_string(w, attr_bytes(a));
        break;
    case VALUE_BOOL:
        json_key(w, SL("boolValue"));
        json_bool(w, a->b);
        break;
    case VALUE_INT:
        json_key(w, SL("intValue"));
        json_i64_string(w, a->i);
        break;
    case VALUE_DOUBLE:
        json_key(w, SL("doubleValue"));
        json_double(w, a->d);
        break;
    case VALUE_BYTES:
        json_key(w, SL("bytesValue"));
        json_base64(w, attr_bytes(a));
        break;
    case VALUE_ARRAY:
    case VALUE_KVLIST:
        if (p->depth == ANY_VALUE_DEPTH_MAX) {
            break; /* every decoder refuses deeper ones: {} for what came past them */
        }
        list_open(p, a, in_pair);
        return;
    }
    json_object_end(w);
    if (in_pair) {
        json_object_end(w);
    }
}

/* The body of the list's next element; false at its end. */
static bool
element_next(struct list *l, slice *ret)
{
    struct pb_field field;
    while (l->r.p < l->r.end && pb_next(&l->r, &field)) {
        if (field.tag == PB_TAG(1, WIRE_LEN)) {
            *ret = field.bytes;
            return true;
        }
    }
    return false;
}

static void
list_close(struct value_printer *p)
{
    const struct list *l = &p->stack[--p->depth];
    if (l->opened) {
        json_array_end(p->w);
    }
    json_object_end(p->w); /* the list */
    json_object_end(p->w); /* the value it is */
    if (l->in_pair) {
        json_object_end(p->w);
    }
}

static void
value_print(struct json_writer *w, const struct attr *a)
{
    struct value_printer p;
    slice body;
    p.w = w;
    p.depth = 0;
    value_begin(&p, a, false);
    while (p.depth > 0) {
        struct list *l = &p.stack[p.depth - 1];
        struct attr child = {0};
        if (!element_next(l, &body)) {
            list_close(&p);
            continue;
        }
        if (!l->opened) {
            json_key(w, SL("values"));
            json_array_begin(w);
            l->opened = true;
        }
        bool pair = l->pairs;
        if (pair) {
            otlp_key_value_peek(body, &child);
            json_object_begin(w);
            if (child.key_n != 0) {
                json_key(w, SL("key"));
                json_string(w, attr_key(&child));
            }
            json_key(w, SL("value"));
        } else {
            otlp_any_value_peek(body, &child);
        }
        value_begin(&p, &child, pair);
    }
}

err
otlp_value_write_json(const struct attr *a, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    value_print(&w, a);
    return out->failed ? ERR_LIMIT : OK;
}

/* --- fields -----------------------------------------------------------------------------------------------
 */

static void
attrs_print(struct json_writer *w, const struct span_batch *b, struct run r)
{
    if (r.n == 0) {
        return;
    }
    json_key(w, SL("attributes"));
    json_array_begin(w);
    for (uint32_t i = 0; i < r.n; i++) {
        const struct attr *a = &b->attrs[r.at + i];
        json_object_begin(w);
        if (a->key_n != 0) {
            json_key(w, SL("key"));
            json_string(w, attr_key(a));
        }
        json_key(w, SL("value"));
        value_print(w, a);
        json_object_end(w);
    }
    json_array_end(w);
}

static void
string_print(struct json_writer *w, slice key, slice s)
{
    if (s.n != 0) {
        json_key(w, key);
        json_string(w, s);
    }
}

static void
count_print(struct json_writer *w, slice key, uint32_t n)
{
    if (n != 0) {
        json_key(w, key);
        json_u64(w, n);
    }
}

static void
time_print(struct json_writer *w, slice key, uint64_t ns)
{
    if (ns != 0) {
        json_key(w, key);
        json_u64_string(w, ns);
    }
}

/* Where the two forms differ. */
enum form { FORM_JSONPB, FORM_OTLP };

static void
id_print(struct json_writer *w, enum form form, const uint8_t *id, size_t n)
{
    char hex[2 * TRACE_ID_BYTES];
    if (form == FORM_JSONPB) {
        json_base64(w, slice_of(id, n));
    } else {
        hex_encode(id, n, hex);
        json_string(w, slice_of(hex, 2 * n));
    }
}

static void
trace_id_print(struct json_writer *w, enum form form, const trace_id *id)
{
    if (!trace_id_is_zero(id)) {
        json_key(w, SL("traceId"));
        id_print(w, form, id->b, sizeof id->b);
    }
}

static void
span_id_print(struct json_writer *w, enum form form, slice key, const span_id *id)
{
    if (!span_id_is_zero(id)) {
        json_key(w, key);
        id_print(w, form, id->b, sizeof id->b);
    }
}

/* A name, or the number when it has none (OTLP: always the number); zero is left out. */
static void
enum_print(struct json_writer *w, enum form form, slice key, const char *const *names, int32_t v)
{
    if (v == 0) {
        return;
    }
    json_key(w, key);
    for (int32_t i = 1; form == FORM_JSONPB && names[i] != NULL; i++) {
        if (i == v) {
            json_string(w, slice_cstr(names[i]));
            return;
        }
    }
    json_i64(w, v);
}

/* --- spans ------------------------------------------------------------------------------------------------
 */

static void
events_print(struct json_writer *w, const struct span_batch *b, struct run r)
{
    if (r.n == 0) {
        return;
    }
    json_key(w, SL("events"));
    json_array_begin(w);
    for (uint32_t i = 0; i < r.n; i++) {
        const struct span_event *e = &b->events[r.at + i];
        json_object_begin(w);
        time_print(w, SL("timeUnixNano"), e->time_ns);
        string_print(w, SL("name"), e->name);
        attrs_print(w, b, e->attrs);
        count_print(w, SL("droppedAttributesCount"), e->dropped_attrs);
        json_object_end(w);
    }
    json_array_end(w);
}

static void
links_print(struct json_writer *w, enum form form, const struct span_batch *b, struct run r)
{
    if (r.n == 0) {
        return;
    }
    json_key(w, SL("links"));
    json_array_begin(w);
    for (uint32_t i = 0; i < r.n; i++) {
        const struct span_link *l = &b->links[r.at + i];
        json_object_begin(w);
        trace_id_print(w, form, &l->trace);
        span_id_print(w, form, SL("spanId"), &l->span);
        string_print(w, SL("traceState"), l->trace_state);
        attrs_print(w, b, l->attrs);
        count_print(w, SL("droppedAttributesCount"), l->dropped_attrs);
        count_print(w, SL("flags"), l->flags);
        json_object_end(w);
    }
    json_array_end(w);
}

static void
status_print(struct json_writer *w, enum form form, const struct span *s)
{
    static const char *const names[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR", NULL};
    json_key(w, SL("status"));
    json_object_begin(w);
    string_print(w, SL("message"), s->status_message);
    enum_print(w, form, SL("code"), names, s->status_code);
    json_object_end(w);
}

static void
span_print(struct json_writer *w, enum form form, const struct span_batch *b, const struct span *s)
{
    static const char *const kinds[] = {"SPAN_KIND_UNSPECIFIED",
                                        "SPAN_KIND_INTERNAL",
                                        "SPAN_KIND_SERVER",
                                        "SPAN_KIND_CLIENT",
                                        "SPAN_KIND_PRODUCER",
                                        "SPAN_KIND_CONSUMER",
                                        NULL};
    json_object_begin(w);
    trace_id_print(w, form, &s->trace);
    span_id_print(w, form, SL("spanId"), &s->id);
    string_print(w, SL("traceState"), s->trace_state);
    span_id_print(w, form, SL("parentSpanId"), &s->parent);
    count_print(w, SL("flags"), s->flags);
    string_print(w, SL("name"), s->name);
    enum_print(w, form, SL("kind"), kinds, s->kind);
    time_print(w, SL("startTimeUnixNano"), s->start_ns);
    time_print(w, SL("endTimeUnixNano"), s->end_ns);
    attrs_print(w, b, s->attrs);
    count_print(w, SL("droppedAttributesCount"), s->dropped_attrs);
    events_print(w, b, s->events);
    count_print(w, SL("droppedEventsCount"), s->dropped_events);
    links_print(w, form, b, s->links);
    count_print(w, SL("droppedLinksCount"), s->dropped_links);
    status_print(w, form, s);
    json_object_end(w);
}

/* --- scopes and resources ---------------------------------------------------------------------------------
 */

static void
scope_spans_print(struct json_writer *w, enum form form, const struct span_batch *b,
                  const struct otlp_layout *l, uint32_t leader)
{
    const struct scope *s = &b->scopes[leader];
    json_object_begin(w);
    json_key(w, SL("scope"));
    json_object_begin(w);
    string_print(w, SL("name"), s->name);
    string_print(w, SL("version"), s->version);
    attrs_print(w, b, s->attrs);
    count_print(w, SL("droppedAttributesCount"), s->dropped_attrs);
    json_object_end(w);
    json_key(w, SL("spans"));
    json_array_begin(w);
    for (uint32_t i = leader; i != LAYOUT_END; i = l->next[i]) {
        for (uint32_t k = 0; k < l->spans[i].n; k++) {
            span_print(w, form, b, &b->spans[l->span_order[l->spans[i].at + k]]);
        }
    }
    json_array_end(w);
    string_print(w, SL("schemaUrl"), s->schema_url);
    json_object_end(w);
}

static void
resource_spans_print(struct json_writer *w, enum form form, const struct span_batch *b,
                     const struct otlp_layout *l, uint32_t leader)
{
    const struct resource *r = &b->resources[b->scopes[leader].resource];
    json_object_begin(w);
    json_key(w, SL("resource"));
    json_object_begin(w);
    attrs_print(w, b, r->attrs);
    count_print(w, SL("droppedAttributesCount"), r->dropped_attrs);
    json_object_end(w);
    json_key(w, SL("scopeSpans"));
    json_array_begin(w);
    scope_spans_print(w, form, b, l, leader);
    json_array_end(w);
    string_print(w, SL("schemaUrl"), r->schema_url);
    json_object_end(w);
}

static err
trace_write(const struct span_batch *b, enum form form, slice root, struct buf *out)
{
    struct otlp_layout l;
    struct json_writer w;
    err rc = otlp_layout_init(&l, b, true);
    if (rc != OK) {
        return rc;
    }
    json_writer_init(&w, out);
    json_object_begin(&w);
    if (b->span_count != 0) {
        json_key(&w, root);
        json_array_begin(&w);
        for (uint32_t i = 0; i < b->scope_count && !out->failed; i++) {
            uint32_t scope = l.scope_order[i];
            if (l.leads[scope]) {
                resource_spans_print(&w, form, b, &l, scope);
            }
        }
        json_array_end(&w);
    }
    json_object_end(&w);
    otlp_layout_fini(&l);
    return out->failed ? ERR_LIMIT : OK;
}

err
otlp_trace_write_json(const struct span_batch *b, enum trace_root root, struct buf *out)
{
    return trace_write(b, FORM_JSONPB, root == TRACE_ROOT_BATCHES ? SL("batches") : SL("resourceSpans"), out);
}

err
otlp_write_json(const struct span_batch *b, struct buf *out)
{
    return trace_write(b, FORM_OTLP, SL("resourceSpans"), out);
}
