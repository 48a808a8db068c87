#include "llm.h"

#include "vivace/base/mem.h"
#include "vivace/codec/json.h"
#include "vivace/codec/wire.h"

#include <stdlib.h>

#define HEX_MAX 64 /* bytes of a bytes value written at a time */

static void
write_hex(struct json_writer *w, slice s)
{
    struct buf hex;
    buf_init(&hex, 2 * s.n + 1);
    for (size_t i = 0; i < s.n; i += HEX_MAX) {
        char digits[2 * HEX_MAX];
        slice part = slice_sub(s, i, HEX_MAX);
        hex_encode(part.p, part.n, digits);
        buf_append(&hex, digits, 2 * part.n);
    }
    json_string(w, buf_slice(&hex));
    buf_fini(&hex);
}

/* --- nested values: OTLP AnyValue bytes as plain JSON, with an explicit stack -----------------------------
 */

struct level {
    struct wire_reader r;
    bool is_list; /* of key/values: a JSON object */
};

/* One AnyValue message. Containers are pushed instead of written: true then, with their body in `ret`. */
static bool
write_any(struct json_writer *w, slice value, struct level *ret)
{
    struct wire_reader r = wire_reader_of(value);
    uint32_t field = 0;
    uint32_t type = 0;
    uint64_t number = 0;
    slice bytes;
    double d = 0;
    while (r.p < r.end && wire_tag(&r, &field, &type)) {
        if (type == WIRE_LEN && wire_len(&r, &bytes)) {
            if (field == 5 || field == 6) {
                *ret = (struct level){wire_reader_of(bytes), field == 6};
                return true;
            }
            if (field == 7) {
                write_hex(w, bytes);
            } else {
                json_string(w, bytes);
            }
            return false;
        }
        if (type == WIRE_VARINT && wire_varint(&r, &number)) {
            if (field == 2) {
                json_bool(w, number != 0);
            } else {
                json_i64(w, (int64_t)number);
            }
            return false;
        }
        if (type == WIRE_FIXED64 && wire_fixed64(&r, &number)) {
            memcpy(&d, &number, sizeof d);
            json_double(w, d);
            return false;
        }
        break; /* checked when it came in: not reached */
    }
    json_null(w);
    return false;
}

/* The value inside a KeyValue; its key is written. */
static slice
key_value(struct json_writer *w, slice kv)
{
    struct wire_reader r = wire_reader_of(kv);
    uint32_t field = 0;
    uint32_t type = 0;
    slice part;
    slice key = SL_EMPTY;
    slice value = SL_EMPTY;
    while (r.p < r.end && wire_tag(&r, &field, &type) && type == WIRE_LEN && wire_len(&r, &part)) {
        if (field == 1) {
            key = part;
        } else if (field == 2) {
            value = part;
        }
    }
    json_key(w, key);
    return value;
}

static void
write_container(struct json_writer *w, slice body, bool is_list)
{
    struct level stack[ANY_VALUE_DEPTH_MAX + 1];
    size_t depth = 0;
    stack[depth++] = (struct level){wire_reader_of(body), is_list};
    is_list ? json_object_begin(w) : json_array_begin(w);
    while (depth) {
        struct level *top = &stack[depth - 1];
        uint32_t field = 0;
        uint32_t type = 0;
        slice item;
        if (top->r.p >= top->r.end || !wire_tag(&top->r, &field, &type) || type != WIRE_LEN ||
            !wire_len(&top->r, &item)) {
            top->is_list ? json_object_end(w) : json_array_end(w);
            depth--;
            continue;
        }
        struct level deeper;
        if (top->is_list) {
            item = key_value(w, item);
        }
        if (!write_any(w, item, &deeper)) {
            continue;
        }
        if (depth == sizeof stack / sizeof stack[0]) {
            json_null(w);
            continue;
        }
        deeper.is_list ? json_object_begin(w) : json_array_begin(w);
        stack[depth++] = deeper;
    }
}

static void
write_value(struct json_writer *w, const struct attr *a)
{
    switch (a->kind) {
    case VALUE_STRING:
        json_string(w, attr_bytes(a));
        break;
    case VALUE_BOOL:
        json_bool(w, a->b);
        break;
    case VALUE_INT:
        json_i64(w, a->i);
        break;
    case VALUE_DOUBLE:
        json_double(w, a->d);
        break;
    case VALUE_BYTES:
        write_hex(w, attr_bytes(a));
        break;
    case VALUE_ARRAY:
    case VALUE_KVLIST:
        write_container(w, attr_bytes(a), a->kind == VALUE_KVLIST);
        break;
    default:
        json_null(w);
    }
}

/* --- spans ---------------------------------------------------------------------------------------------- */

static int
by_key(const void *x, const void *y)
{
    const struct attr *const *a = x;
    const struct attr *const *b = y;
    return slice_cmp(attr_key(*a), attr_key(*b));
}

/* {"key":value,...}, keys sorted; `without` is left out. */
static void
write_attrs(struct json_writer *w, const struct span_batch *b, struct run r, slice without)
{
    const struct attr **sorted = mem_alloc((r.n + 1) * sizeof(const struct attr *));
    for (uint32_t i = 0; i < r.n; i++) {
        sorted[i] = &b->attrs[r.at + i];
    }
    qsort(sorted, r.n, sizeof(const struct attr *), by_key);
    json_object_begin(w);
    for (uint32_t i = 0; i < r.n; i++) {
        if (!slice_eq(attr_key(sorted[i]), without)) {
            json_key(w, attr_key(sorted[i]));
            write_value(w, sorted[i]);
        }
    }
    json_object_end(w);
    mem_free(sorted);
}

static void
write_id(struct json_writer *w, slice key, const uint8_t *id, size_t n)
{
    char hex[2 * TRACE_ID_BYTES];
    hex_encode(id, n, hex);
    json_key(w, key);
    json_string(w, slice_of(hex, 2 * n));
}

static void
write_events_and_links(struct json_writer *w, const struct span_batch *b, const struct span *s)
{
    if (s->events.n) {
        json_key(w, SL("events"));
        json_array_begin(w);
        for (uint32_t i = 0; i < s->events.n; i++) {
            const struct span_event *e = &b->events[s->events.at + i];
            json_object_begin(w);
            json_key(w, SL("name"));
            json_string(w, e->name);
            json_key(w, SL("timeUnixNano"));
            json_u64_string(w, e->time_ns);
            json_key(w, SL("attributes"));
            write_attrs(w, b, e->attrs, SL_EMPTY);
            json_object_end(w);
        }
        json_array_end(w);
    }
    if (s->links.n) {
        json_key(w, SL("links"));
        json_array_begin(w);
        for (uint32_t i = 0; i < s->links.n; i++) {
            const struct span_link *l = &b->links[s->links.at + i];
            json_object_begin(w);
            write_id(w, SL("traceId"), l->trace.b, TRACE_ID_BYTES);
            write_id(w, SL("spanId"), l->span.b, SPAN_ID_BYTES);
            json_key(w, SL("attributes"));
            write_attrs(w, b, l->attrs, SL_EMPTY);
            json_object_end(w);
        }
        json_array_end(w);
    }
}

static void
write_span(struct json_writer *w, const struct span_batch *b, const struct span *s)
{
    static const char *const kinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
                                        "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};
    static const char *const codes[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};
    json_object_begin(w);
    write_id(w, SL("spanId"), s->id.b, SPAN_ID_BYTES);
    json_key(w, SL("name"));
    json_string(w, s->name);
    if (!span_id_is_zero(&s->parent)) {
        write_id(w, SL("parentSpanId"), s->parent.b, SPAN_ID_BYTES);
    }
    json_key(w, SL("kind"));
    json_string(w, slice_cstr(s->kind >= 0 && s->kind <= 5 ? kinds[s->kind] : kinds[0]));
    json_key(w, SL("startTimeUnixNano"));
    json_u64_string(w, s->start_ns);
    json_key(w, SL("endTimeUnixNano"));
    json_u64_string(w, s->end_ns);
    json_key(w, SL("durationMs"));
    json_double(w, s->end_ns >= s->start_ns ? (double)(s->end_ns - s->start_ns) / 1e6 : 0);
    json_key(w, SL("attributes"));
    write_attrs(w, b, s->attrs, SL_EMPTY);
    write_events_and_links(w, b, s);
    json_key(w, SL("status"));
    json_object_begin(w);
    json_key(w, SL("code"));
    json_string(w, slice_cstr(s->status_code >= 0 && s->status_code <= 2 ? codes[s->status_code] : codes[0]));
    json_key(w, SL("message"));
    json_string(w, s->status_message);
    json_object_end(w);
    json_object_end(w);
}

/* Spans [*at, ...) of one scope. */
static void
write_scope(struct json_writer *w, const struct span_batch *b, size_t *at)
{
    uint32_t scope = b->spans[*at].scope;
    json_object_begin(w);
    json_key(w, SL("name"));
    json_string(w, b->scopes[scope].name);
    json_key(w, SL("version"));
    json_string(w, b->scopes[scope].version);
    json_key(w, SL("spans"));
    json_array_begin(w);
    for (; *at < b->span_count && b->spans[*at].scope == scope; (*at)++) {
        write_span(w, b, &b->spans[*at]);
    }
    json_array_end(w);
    json_object_end(w);
}

/* Spans [*at, ...) of one resource. */
static void
write_service(struct json_writer *w, const struct span_batch *b, size_t *at)
{
    uint32_t resource = b->scopes[b->spans[*at].scope].resource;
    json_object_begin(w);
    json_key(w, SL("serviceName"));
    json_string(w, span_service_name(b, &b->spans[*at]));
    json_key(w, SL("resource"));
    write_attrs(w, b, b->resources[resource].attrs, SL("service.name"));
    json_key(w, SL("scopes"));
    json_array_begin(w);
    while (*at < b->span_count && b->scopes[b->spans[*at].scope].resource == resource) {
        write_scope(w, b, at);
    }
    json_array_end(w);
    json_object_end(w);
}

err
llm_write_trace(const struct span_batch *b, uint64_t inspected_bytes, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SL("trace"));
    json_object_begin(&w);
    if (b->span_count) {
        write_id(&w, SL("traceId"), b->spans[0].trace.b, TRACE_ID_BYTES);
    }
    json_key(&w, SL("services"));
    json_array_begin(&w);
    for (size_t at = 0; at < b->span_count;) {
        write_service(&w, b, &at);
    }
    json_array_end(&w);
    json_object_end(&w);
    json_key(&w, SL("metrics"));
    json_object_begin(&w);
    json_key(&w, SL("inspectedBytes"));
    json_u64(&w, inspected_bytes);
    json_object_end(&w);
    json_object_end(&w);
    return out->failed ? ERR_LIMIT : OK;
}
