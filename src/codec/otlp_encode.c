/* A span batch as OTLP protobuf: sizes first, then every byte into its place. Fields stand by number.
 *
 * `size_` functions return what the `write_` function of the same name appends; both must agree, and the
 * encoder checks the sum. Members of AnyValue are written even when they are zero, for presence tells the
 * type.
 */
#include "otlp_layout.h"
#include "otlp_schema.h"

#include "vivace/base/must.h"
#include "vivace/codec/otlp.h"

struct encoder {
    const struct span_batch *b;
    struct otlp_layout layout;
    bool for_reader; /* otlp_trace_encode: empty resource, scope and status are there; entity_refs are not */
};

/* --- fields of one-byte tags (numbers 1 to 15) ------------------------------------------------------------
 */

static size_t
size_len(size_t n)
{
    return 1 + wire_size_varint(n) + n;
}

static size_t
size_len_nz(size_t n)
{
    return n != 0 ? size_len(n) : 0;
}

static size_t
size_u64_nz(uint64_t v)
{
    return v != 0 ? 1 + wire_size_varint(v) : 0;
}

static uint8_t *
write_head(uint8_t *w, uint32_t field, size_t n)
{
    *w++ = (uint8_t)PB_TAG(field, WIRE_LEN);
    return wire_write_varint(w, n);
}

static uint8_t *
write_bytes(uint8_t *w, uint32_t field, const uint8_t *p, size_t n)
{
    w = write_head(w, field, n);
    if (n != 0) {
        memcpy(w, p, n);
    }
    return w + n;
}

static uint8_t *
write_slice_nz(uint8_t *w, uint32_t field, slice s)
{
    return s.n != 0 ? write_bytes(w, field, s.p, s.n) : w;
}

static uint8_t *
write_u64_nz(uint8_t *w, uint32_t field, uint64_t v)
{
    if (v == 0) {
        return w;
    }
    *w++ = (uint8_t)PB_TAG(field, WIRE_VARINT);
    return wire_write_varint(w, v);
}

static uint8_t *
write_fixed64_nz(uint8_t *w, uint32_t field, uint64_t v)
{
    if (v == 0) {
        return w;
    }
    *w++ = (uint8_t)PB_TAG(field, WIRE_FIXED64);
    return wire_write64(w, v);
}

/* Negative enum numbers take ten bytes, as protobuf has it. */
static uint64_t
enum_bits(int32_t v)
{
    return (uint64_t)(int64_t)v;
}

/* --- attributes -------------------------------------------------------------------------------------------
 */

size_t
otlp_value_size(const struct attr *a)
{
    switch ((enum value_kind)a->kind) {
    case VALUE_NONE:
        return 0;
    case VALUE_BOOL:
        return 2;
    case VALUE_INT:
        return 1 + wire_size_varint((uint64_t)a->i);
    case VALUE_DOUBLE:
        return 9;
    case VALUE_STRING:
    case VALUE_ARRAY:
    case VALUE_KVLIST:
    case VALUE_BYTES:
        break;
    }
    return size_len(a->n);
}

uint8_t *
otlp_value_write(uint8_t *w, const struct attr *a)
{
    static const uint8_t fields[] = {
        [VALUE_STRING] = 1, [VALUE_ARRAY] = 5, [VALUE_KVLIST] = 6, [VALUE_BYTES] = 7};
    uint64_t bits;
    switch ((enum value_kind)a->kind) {
    case VALUE_NONE:
        return w;
    case VALUE_BOOL:
        *w++ = PB_TAG(2, WIRE_VARINT);
        *w++ = a->b;
        return w;
    case VALUE_INT:
        *w++ = PB_TAG(3, WIRE_VARINT);
        return wire_write_varint(w, (uint64_t)a->i);
    case VALUE_DOUBLE:
        *w++ = PB_TAG(4, WIRE_FIXED64);
        memcpy(&bits, &a->d, sizeof bits);
        return wire_write64(w, bits);
    case VALUE_STRING:
    case VALUE_ARRAY:
    case VALUE_KVLIST:
    case VALUE_BYTES:
        break;
    }
    return write_bytes(w, fields[a->kind], a->p, a->n);
}

static size_t
size_attr(const struct attr *a)
{
    return size_len_nz(a->key_n) + size_len(otlp_value_size(a));
}

static size_t
size_attrs(const struct span_batch *b, struct run r)
{
    size_t n = 0;
    for (uint32_t i = 0; i < r.n; i++) {
        n += size_len(size_attr(&b->attrs[r.at + i]));
    }
    return n;
}

static uint8_t *
write_attrs(uint8_t *w, uint32_t field, const struct span_batch *b, struct run r)
{
    for (uint32_t i = 0; i < r.n; i++) {
        const struct attr *a = &b->attrs[r.at + i];
        size_t value = otlp_value_size(a);
        w = write_head(w, field, size_len_nz(a->key_n) + size_len(value));
        w = write_slice_nz(w, 1, attr_key(a));
        w = write_head(w, 2, value);
        w = otlp_value_write(w, a);
    }
    return w;
}

/* --- spans ------------------------------------------------------------------------------------------------
 */

static size_t
size_event(const struct span_batch *b, const struct span_event *e)
{
    return (e->time_ns != 0 ? 9 : 0) + size_len_nz(e->name.n) + size_attrs(b, e->attrs) +
           size_u64_nz(e->dropped_attrs);
}

static uint8_t *
write_event(uint8_t *w, const struct span_batch *b, const struct span_event *e)
{
    w = write_head(w, 11, size_event(b, e));
    w = write_fixed64_nz(w, 1, e->time_ns);
    w = write_slice_nz(w, 2, e->name);
    w = write_attrs(w, 3, b, e->attrs);
    return write_u64_nz(w, 4, e->dropped_attrs);
}

static slice
trace_slice(const trace_id *id)
{
    return trace_id_is_zero(id) ? SL_EMPTY : (slice){id->b, sizeof id->b};
}

static slice
span_slice(const span_id *id)
{
    return span_id_is_zero(id) ? SL_EMPTY : (slice){id->b, sizeof id->b};
}

static size_t
size_link(const struct span_batch *b, const struct span_link *l)
{
    return size_len_nz(trace_slice(&l->trace).n) + size_len_nz(span_slice(&l->span).n) +
           size_len_nz(l->trace_state.n) + size_attrs(b, l->attrs) + size_u64_nz(l->dropped_attrs) +
           (l->flags != 0 ? 5 : 0);
}

static uint8_t *
write_link(uint8_t *w, const struct span_batch *b, const struct span_link *l)
{
    w = write_head(w, 13, size_link(b, l));
    w = write_slice_nz(w, 1, trace_slice(&l->trace));
    w = write_slice_nz(w, 2, span_slice(&l->span));
    w = write_slice_nz(w, 3, l->trace_state);
    w = write_attrs(w, 4, b, l->attrs);
    w = write_u64_nz(w, 5, l->dropped_attrs);
    if (l->flags != 0) {
        *w++ = PB_TAG(6, WIRE_FIXED32);
        w = wire_write32(w, l->flags);
    }
    return w;
}

static size_t
size_status(const struct span *s)
{
    return size_len_nz(s->status_message.n) + size_u64_nz(enum_bits(s->status_code));
}

static size_t
size_span(const struct encoder *e, const struct span *s)
{
    const struct span_batch *b = e->b;
    size_t status = size_status(s);
    size_t n = size_len_nz(trace_slice(&s->trace).n) + size_len_nz(span_slice(&s->id).n) +
               size_len_nz(s->trace_state.n) + size_len_nz(span_slice(&s->parent).n) +
               size_len_nz(s->name.n) + size_u64_nz(enum_bits(s->kind)) + (s->start_ns != 0 ? 9 : 0) +
               (s->end_ns != 0 ? 9 : 0) + size_attrs(b, s->attrs) + size_u64_nz(s->dropped_attrs) +
               size_u64_nz(s->dropped_events) + size_u64_nz(s->dropped_links) + (s->flags != 0 ? 6 : 0);
    for (uint32_t i = 0; i < s->events.n; i++) {
        n += size_len(size_event(b, &b->events[s->events.at + i]));
    }
    for (uint32_t i = 0; i < s->links.n; i++) {
        n += size_len(size_link(b, &b->links[s->links.at + i]));
    }
    return n + (status != 0 || e->for_reader ? size_len(status) : 0);
}

size_t
otlp_span_size(const struct span_batch *b, const struct span *s)
{
    struct encoder e = {.b = b};
    return size_span(&e, s);
}

static uint8_t *
write_span_tail(uint8_t *w, const struct encoder *e, const struct span *s)
{
    const struct span_batch *b = e->b;
    w = write_u64_nz(w, 10, s->dropped_attrs);
    for (uint32_t i = 0; i < s->events.n; i++) {
        w = write_event(w, b, &b->events[s->events.at + i]);
    }
    w = write_u64_nz(w, 12, s->dropped_events);
    for (uint32_t i = 0; i < s->links.n; i++) {
        w = write_link(w, b, &b->links[s->links.at + i]);
    }
    w = write_u64_nz(w, 14, s->dropped_links);
    size_t status = size_status(s);
    if (status != 0 || e->for_reader) {
        w = write_head(w, 15, status);
        w = write_slice_nz(w, 2, s->status_message);
        w = write_u64_nz(w, 3, enum_bits(s->status_code));
    }
    if (s->flags != 0) {
        w = wire_write_varint(w, PB_TAG(16, WIRE_FIXED32));
        w = wire_write32(w, s->flags);
    }
    return w;
}

static uint8_t *
write_span(uint8_t *w, const struct encoder *e, const struct span *s, size_t n)
{
    w = write_head(w, 2, n);
    w = write_slice_nz(w, 1, trace_slice(&s->trace));
    w = write_slice_nz(w, 2, span_slice(&s->id));
    w = write_slice_nz(w, 3, s->trace_state);
    w = write_slice_nz(w, 4, span_slice(&s->parent));
    w = write_slice_nz(w, 5, s->name);
    w = write_u64_nz(w, 6, enum_bits(s->kind));
    w = write_fixed64_nz(w, 7, s->start_ns);
    w = write_fixed64_nz(w, 8, s->end_ns);
    w = write_attrs(w, 9, e->b, s->attrs);
    return write_span_tail(w, e, s);
}

/* --- scopes and resources ---------------------------------------------------------------------------------
 */

static size_t
size_scope(const struct span_batch *b, const struct scope *s)
{
    return size_len_nz(s->name.n) + size_len_nz(s->version.n) + size_attrs(b, s->attrs) +
           size_u64_nz(s->dropped_attrs);
}

static bool
scope_is_written(const struct encoder *e, const struct scope *s, size_t n)
{
    return n != 0 || s->has_scope || e->for_reader;
}

/* Body of the ScopeSpans that this scope leads. */
static size_t
size_scope_spans(struct encoder *e, uint32_t leader)
{
    const struct scope *s = &e->b->scopes[leader];
    size_t head = size_scope(e->b, s);
    size_t n = (scope_is_written(e, s, head) ? size_len(head) : 0) + size_len_nz(s->schema_url.n);
    for (uint32_t i = leader; i != LAYOUT_END; i = e->layout.next[i]) {
        struct run r = e->layout.spans[i];
        for (uint32_t k = r.at; k < r.at + r.n; k++) {
            uint32_t at = e->layout.span_order[k];
            e->layout.span_bytes[at] = size_span(e, &e->b->spans[at]);
            n += size_len(e->layout.span_bytes[at]);
        }
    }
    return n;
}

static uint8_t *
write_scope_spans(uint8_t *w, const struct encoder *e, uint32_t leader)
{
    const struct scope *s = &e->b->scopes[leader];
    size_t head = size_scope(e->b, s);
    w = write_head(w, 2, e->layout.scope_bytes[leader]);
    if (scope_is_written(e, s, head)) {
        w = write_head(w, 1, head);
        w = write_slice_nz(w, 1, s->name);
        w = write_slice_nz(w, 2, s->version);
        w = write_attrs(w, 3, e->b, s->attrs);
        w = write_u64_nz(w, 4, s->dropped_attrs);
    }
    for (uint32_t i = leader; i != LAYOUT_END; i = e->layout.next[i]) {
        struct run r = e->layout.spans[i];
        for (uint32_t k = r.at; k < r.at + r.n; k++) {
            uint32_t at = e->layout.span_order[k];
            w = write_span(w, e, &e->b->spans[at], e->layout.span_bytes[at]);
        }
    }
    return write_slice_nz(w, 3, s->schema_url);
}

static size_t
size_resource(const struct encoder *e, const struct resource *r)
{
    return size_attrs(e->b, r->attrs) + size_u64_nz(r->dropped_attrs) +
           (e->for_reader ? 0 : r->entity_refs.n);
}

static bool
resource_is_written(const struct encoder *e, const struct resource *r, size_t n)
{
    return n != 0 || r->has_resource || e->for_reader;
}

/* The Resource and the URL of a ResourceSpans. */
static size_t
size_resource_fields(const struct encoder *e, const struct resource *r)
{
    size_t head = size_resource(e, r);
    return (resource_is_written(e, r, head) ? size_len(head) : 0) + size_len_nz(r->schema_url.n);
}

static uint8_t *
write_resource(uint8_t *w, const struct encoder *e, const struct resource *r)
{
    size_t head = size_resource(e, r);
    if (!resource_is_written(e, r, head)) {
        return w;
    }
    w = write_head(w, 1, head);
    w = write_attrs(w, 1, e->b, r->attrs);
    w = write_u64_nz(w, 2, r->dropped_attrs);
    if (!e->for_reader && r->entity_refs.n != 0) {
        memcpy(w, r->entity_refs.p, r->entity_refs.n);
        w += r->entity_refs.n;
    }
    return w;
}

/* Scopes scope_order[at, *end) go into one ResourceSpans: all of the resource's, or one for a reader. */
static uint32_t
group_end(const struct encoder *e, uint32_t resource, uint32_t at)
{
    uint32_t end = at;
    while (end < e->b->scope_count && e->b->scopes[e->layout.scope_order[end]].resource == resource) {
        end++;
        if (e->for_reader) {
            break;
        }
    }
    return end;
}

static size_t
size_resource_spans(struct encoder *e, uint32_t resource, uint32_t at, uint32_t end)
{
    size_t n = size_resource_fields(e, &e->b->resources[resource]);
    for (uint32_t i = at; i < end; i++) {
        n += size_len(e->layout.scope_bytes[e->layout.scope_order[i]]);
    }
    return n;
}

static uint8_t *
write_resource_spans(uint8_t *w, struct encoder *e, uint32_t resource, uint32_t at, uint32_t end)
{
    w = write_head(w, 1, size_resource_spans(e, resource, at, end));
    w = write_resource(w, e, &e->b->resources[resource]);
    for (uint32_t i = at; i < end; i++) {
        w = write_scope_spans(w, e, e->layout.scope_order[i]);
    }
    return write_slice_nz(w, 3, e->b->resources[resource].schema_url);
}

/* One pass over the groups: `w` NULL sums the sizes up, else writes. */
static uint8_t *
groups_walk(struct encoder *e, uint8_t *w, size_t *ret_size)
{
    size_t total = 0;
    uint32_t at = 0;
    for (uint32_t r = 0; r < e->b->resource_count; r++) {
        for (;;) {
            uint32_t end = group_end(e, r, at);
            bool empty = end == at;
            bool written = e->for_reader ? !empty && e->layout.leads[e->layout.scope_order[at]] : true;
            if (written && w == NULL) {
                total += size_len(size_resource_spans(e, r, at, end));
            } else if (written) {
                w = write_resource_spans(w, e, r, at, end);
            }
            at = end;
            if (empty || !e->for_reader) {
                break;
            }
        }
    }
    *ret_size = total;
    return w;
}

static err
encoder_init(struct encoder *e, const struct span_batch *b, bool for_reader, size_t *ret_size)
{
    *e = (struct encoder){.b = b, .for_reader = for_reader};
    err rc = otlp_layout_init(&e->layout, b, for_reader);
    if (rc != OK) {
        return rc;
    }
    for (uint32_t i = 0; i < b->scope_count; i++) {
        if (e->layout.leads[i]) {
            e->layout.scope_bytes[i] = size_scope_spans(e, i);
        }
    }
    (void)groups_walk(e, NULL, ret_size);
    return OK;
}

static err
encode(const struct span_batch *b, bool for_reader, struct buf *out)
{
    struct encoder e;
    size_t n, unused;
    err rc = encoder_init(&e, b, for_reader, &n);
    if (rc != OK) {
        return rc;
    }
    rc = buf_reserve(out, n);
    if (rc == OK && n != 0) {
        uint8_t *end = groups_walk(&e, out->p + out->n, &unused);
        MUST(end == out->p + out->n + n);
        out->n += n;
    }
    otlp_layout_fini(&e.layout);
    return rc;
}

err
otlp_encode(const struct span_batch *b, struct buf *out)
{
    return encode(b, false, out);
}

size_t
otlp_encoded_size(const struct span_batch *b)
{
    struct encoder e;
    size_t n = 0;
    if (encoder_init(&e, b, false, &n) == OK) {
        otlp_layout_fini(&e.layout);
        return n;
    }
    for (size_t i = 0; i < b->span_count; i++) {
        n += b->spans[i].wire_bytes;
    }
    return n;
}

err
otlp_trace_encode(const struct span_batch *b, struct buf *out)
{
    return encode(b, true, out);
}
