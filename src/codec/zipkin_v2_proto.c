/* Zipkin v2 protobuf (receivers.md 5.3). */
#include "attr_set.h"
#include "pb_field.h"
#include "zipkin_priv.h"

static const struct pb_field_info list_fields[] = {PB_FIELD(1, LEN, "Spans")};
static const struct pb_field_info span_fields[] = {
    PB_FIELD(1, LEN, "TraceId"),      PB_FIELD(2, LEN, "ParentId"),      PB_FIELD(3, LEN, "Id"),
    PB_FIELD(4, VARINT, "Kind"),      PB_FIELD(5, LEN, "Name"),          PB_FIELD(6, FIXED64, "Timestamp"),
    PB_FIELD(7, VARINT, "Duration"),  PB_FIELD(8, LEN, "LocalEndpoint"), PB_FIELD(9, LEN, "RemoteEndpoint"),
    PB_FIELD(10, LEN, "Annotations"), PB_FIELD(11, LEN, "Tags"),         PB_FIELD(12, VARINT, "Debug"),
    PB_FIELD(13, VARINT, "Shared"),
};
static const struct pb_field_info endpoint_fields[] = {PB_FIELD(1, LEN, "ServiceName"),
                                                       PB_FIELD(2, LEN, "Ipv4"), PB_FIELD(3, LEN, "Ipv6"),
                                                       PB_FIELD(4, VARINT, "Port")};
static const struct pb_field_info note_fields[] = {PB_FIELD(1, FIXED64, "Timestamp"),
                                                   PB_FIELD(2, LEN, "Value")};
static const struct pb_field_info tag_fields[] = {PB_FIELD(1, LEN, "Key"), PB_FIELD(2, LEN, "Value")};

enum message { M_LIST, M_SPAN, M_ENDPOINT, M_NOTE, M_TAG, M_COUNT };

static const struct pb_message messages[M_COUNT] = {
    [M_LIST] = PB_FIELDS("ListOfSpans", list_fields),
    [M_SPAN] = PB_FIELDS("Span", span_fields),
    [M_ENDPOINT] = PB_FIELDS("Endpoint", endpoint_fields),
    [M_NOTE] = PB_FIELDS("Annotation", note_fields),
    [M_TAG] = PB_FIELDS("Tags", tag_fields),
};

static bool
field_next(struct zipkin_decoder *d, enum message kind, struct wire_reader *r, struct pb_field *field,
           err *rc)
{
    return pb_next_known(r, &messages[kind], field, d->f, rc);
}

static err
id_take(struct zipkin_decoder *d, const char *name, slice from, uint8_t *to, size_t n)
{
    if (from.n != n) {
        return FAULT(d->f, ERR_INVALID, "invalid %s: has length %zu yet wanted length %zu", name, from.n, n);
    }
    memcpy(to, from.p, n);
    return OK;
}

static err
ip_take(struct zipkin_decoder *d, slice bytes, slice *ret)
{
    *ret = bytes.n != 0 ? zipkin_ip_text(&d->b->arena, bytes) : SL_EMPTY;
    return bytes.n == 0 || ret->p != NULL ? OK : zipkin_full(d);
}

static err
endpoint_take(struct zipkin_decoder *d, slice body, struct zipkin_endpoint *to)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    err rc = OK;
    while (field_next(d, M_ENDPOINT, &r, &field, &rc)) {
        switch (field.tag >> 3) {
        case 1:
            to->service = field.bytes;
            break;
        case 2:
            TRY(ip_take(d, field.bytes, &to->ipv4));
            break;
        case 3:
            TRY(ip_take(d, field.bytes, &to->ipv6));
            break;
        default:
            to->port = (uint16_t)field.v; /* as zipkin-go holds it */
        }
    }
out:
    return rc;
}

static err
note_take(struct zipkin_decoder *d, slice body)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    struct zipkin_note *n;
    err rc = OK;
    TRY(zipkin_note_add(d, &n));
    while (field_next(d, M_NOTE, &r, &field, &rc)) {
        if (field.tag >> 3 == 1) {
            n->time_us = (int64_t)field.v;
        } else {
            n->value = field.bytes;
        }
    }
out:
    return rc;
}

static err
tag_take(struct zipkin_decoder *d, slice body, struct zipkin_span *z)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    slice key = SL_EMPTY, value = SL_EMPTY;
    struct attr *a;
    err rc = OK;
    while (field_next(d, M_TAG, &r, &field, &rc)) {
        *(field.tag >> 3 == 1 ? &key : &value) = field.bytes;
    }
    TRY(rc);
    TRY(zipkin_tag_add(d, z, key, &a));
    attr_set_string(a, value);
out:
    return rc;
}

static int32_t
kind_of(uint64_t v)
{
    static const uint8_t kinds[] = {ZIPKIN_KIND_NONE, ZIPKIN_KIND_CLIENT, ZIPKIN_KIND_SERVER,
                                    ZIPKIN_KIND_PRODUCER, ZIPKIN_KIND_CONSUMER};
    return v < sizeof kinds ? kinds[v] : ZIPKIN_KIND_NONE;
}

static err
span_field_take(struct zipkin_decoder *d, const struct pb_field *field, struct zipkin_span *z)
{
    switch (field->tag >> 3) {
    case 1:
        return id_take(d, "TraceID", field->bytes, z->trace.b, TRACE_ID_BYTES);
    case 2:
        return field->bytes.n == 0 ? OK : id_take(d, "ParentID", field->bytes, z->parent.b, SPAN_ID_BYTES);
    case 3:
        return id_take(d, "SpanID", field->bytes, z->id.b, SPAN_ID_BYTES);
    case 4:
        z->kind = kind_of(field->v);
        return OK;
    case 5:
        z->name = field->bytes;
        return OK;
    case 6:
        z->time_us = field->v;
        return OK;
    case 7:
        z->duration_us = field->v;
        return OK;
    case 8:
        return endpoint_take(d, field->bytes, &z->local);
    case 9:
        return endpoint_take(d, field->bytes, &z->remote);
    case 10:
        return note_take(d, field->bytes);
    case 11:
        return tag_take(d, field->bytes, z);
    default: /* debug and shared have no place in OTLP */
        return OK;
    }
}

static err
span_take(struct zipkin_decoder *d, slice body)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    struct zipkin_span z;
    err rc = OK;
    unsigned ids = 0;
    zipkin_span_begin(d, &z);
    while (field_next(d, M_SPAN, &r, &field, &rc)) {
        ids |= field.tag >> 3 == 1 ? 1 : field.tag >> 3 == 3 ? 2 : 0;
        TRY(span_field_take(d, &field, &z));
    }
    TRY(rc);
    if ((ids & 1) == 0) {
        return id_take(d, "TraceID", SL_EMPTY, z.trace.b, TRACE_ID_BYTES);
    }
    if ((ids & 2) == 0) {
        return id_take(d, "SpanID", SL_EMPTY, z.id.b, SPAN_ID_BYTES);
    }
    rc = zipkin_v2_span(d, &z);
out:
    return rc;
}

err
zipkin_v2_proto(struct zipkin_decoder *d, slice body)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field;
    err rc = OK;
    while (field_next(d, M_LIST, &r, &field, &rc)) {
        TRY(span_take(d, field.bytes));
    }
    TRY(rc);
    rc = zipkin_v2_end(d);
out:
    return rc;
}
