/* AnyValue and KeyValue: the value itself, and the check of what is nested in it. */
#include "otlp_schema.h"

#include "vivace/model/span_batch.h"

/* A list, its KeyValue and its AnyValue: three messages a level. */
#define FRAMES_MAX (3 * ANY_VALUE_DEPTH_MAX + 1)

struct frame {
    const uint8_t *end;
    enum otlp_message kind;
};

static bool
is_list(enum otlp_message kind)
{
    return kind == OTLP_ARRAY_VALUE || kind == OTLP_KEY_VALUE_LIST;
}

/* Which message a field of a nested one holds; OTLP_MESSAGE_COUNT when it holds none. */
static enum otlp_message
child_kind(enum otlp_message kind, uint64_t tag)
{
    if (kind == OTLP_ARRAY_VALUE) {
        return tag == PB_TAG(1, WIRE_LEN) ? OTLP_ANY_VALUE : OTLP_MESSAGE_COUNT;
    }
    if (kind == OTLP_KEY_VALUE_LIST) {
        return tag == PB_TAG(1, WIRE_LEN) ? OTLP_KEY_VALUE : OTLP_MESSAGE_COUNT;
    }
    if (kind == OTLP_KEY_VALUE) {
        return tag == PB_TAG(2, WIRE_LEN) ? OTLP_ANY_VALUE : OTLP_MESSAGE_COUNT;
    }
    if (tag == PB_TAG(5, WIRE_LEN)) {
        return OTLP_ARRAY_VALUE;
    }
    return tag == PB_TAG(6, WIRE_LEN) ? OTLP_KEY_VALUE_LIST : OTLP_MESSAGE_COUNT;
}

static bool
type_fits(const struct pb_message *m, uint64_t tag)
{
    for (size_t i = 0; i < m->field_count; i++) {
        if (m->fields[i].number == tag >> 3) {
            return (uint64_t)m->fields[i].type == (tag & 7);
        }
    }
    return true;
}

err
otlp_nested_check(slice body, enum otlp_message kind, struct fault *f)
{
    struct frame stack[FRAMES_MAX];
    size_t n = 0, lists = 1;
    struct wire_reader r = wire_reader_of(body);
    stack[n++] = (struct frame){r.end, kind};
    while (n > 0) {
        struct frame top = stack[n - 1];
        if (r.p == top.end) {
            lists -= is_list(top.kind);
            n--;
            continue;
        }
        struct wire_reader before = r = (struct wire_reader){r.p, top.end};
        struct pb_field field = {0};
        const struct pb_message *m = &otlp_messages[top.kind];
        if (!pb_next(&r, &field) || !type_fits(m, field.tag)) {
            return pb_fault(f, m, before);
        }
        enum otlp_message child = child_kind(top.kind, field.tag);
        if (child == OTLP_MESSAGE_COUNT) {
            continue;
        }
        lists += is_list(child);
        if (lists > ANY_VALUE_DEPTH_MAX) {
            return FAULT(f, ERR_INVALID, "proto: AnyValue nested deeper than %d levels", ANY_VALUE_DEPTH_MAX);
        }
        stack[n++] = (struct frame){r.p, child};
        r.p = field.bytes.p;
    }
    return OK;
}

static void
set_bytes(struct attr *a, enum value_kind kind, slice s)
{
    a->kind = (uint8_t)kind;
    a->p = s.p;
    a->n = (uint32_t)s.n;
}

/* The member this field sets; false when it is none of AnyValue's. */
static bool
member_take(const struct pb_field *field, struct attr *ret)
{
    switch (field->tag) {
    case PB_TAG(1, WIRE_LEN):
        set_bytes(ret, VALUE_STRING, field->bytes);
        return true;
    case PB_TAG(2, WIRE_VARINT):
        set_bytes(ret, VALUE_BOOL, SL_EMPTY);
        ret->b = field->v != 0;
        return true;
    case PB_TAG(3, WIRE_VARINT):
        set_bytes(ret, VALUE_INT, SL_EMPTY);
        ret->i = (int64_t)field->v;
        return true;
    case PB_TAG(4, WIRE_FIXED64):
        set_bytes(ret, VALUE_DOUBLE, SL_EMPTY);
        memcpy(&ret->d, &field->v, sizeof ret->d);
        return true;
    case PB_TAG(5, WIRE_LEN):
        set_bytes(ret, VALUE_ARRAY, field->bytes);
        return true;
    case PB_TAG(6, WIRE_LEN):
        set_bytes(ret, VALUE_KVLIST, field->bytes);
        return true;
    case PB_TAG(7, WIRE_LEN):
        set_bytes(ret, VALUE_BYTES, field->bytes);
        return true;
    default:
        return false;
    }
}

err
otlp_any_value_decode(slice body, struct attr *ret, struct fault *f)
{
    const struct pb_message *m = &otlp_messages[OTLP_ANY_VALUE];
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field = {0};
    err rc = OK;
    while (r.p < r.end) {
        struct wire_reader before = r;
        if (!pb_next(&r, &field)) {
            return pb_fault(f, m, before);
        }
        if (!member_take(&field, ret)) {
            if (!pb_is_unknown(m, field.tag)) {
                return pb_fault(f, m, before);
            }
        } else if (field.tag == PB_TAG(5, WIRE_LEN)) {
            TRY(otlp_nested_check(field.bytes, OTLP_ARRAY_VALUE, f));
        } else if (field.tag == PB_TAG(6, WIRE_LEN)) {
            TRY(otlp_nested_check(field.bytes, OTLP_KEY_VALUE_LIST, f));
        }
    }
out:
    return rc;
}

void
otlp_any_value_peek(slice body, struct attr *ret)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field = {0};
    while (r.p < r.end && pb_next(&r, &field)) {
        (void)member_take(&field, ret);
    }
}

void
otlp_key_value_peek(slice body, struct attr *ret)
{
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field = {0};
    *ret = (struct attr){0};
    while (r.p < r.end && pb_next(&r, &field)) {
        if (field.tag == PB_TAG(1, WIRE_LEN)) {
            ret->key = field.bytes.p;
            ret->key_n = (uint32_t)field.bytes.n;
        } else if (field.tag == PB_TAG(2, WIRE_LEN)) {
            otlp_any_value_peek(field.bytes, ret);
        }
    }
}

err
otlp_key_value_decode(slice body, struct attr *ret, struct fault *f)
{
    const struct pb_message *m = &otlp_messages[OTLP_KEY_VALUE];
    struct wire_reader r = wire_reader_of(body);
    struct pb_field field = {0};
    *ret = (struct attr){0};
    while (r.p < r.end) {
        struct wire_reader before = r;
        if (!pb_next(&r, &field)) {
            return pb_fault(f, m, before);
        }
        if (field.tag == PB_TAG(1, WIRE_LEN)) {
            ret->key = field.bytes.p;
            ret->key_n = (uint32_t)field.bytes.n;
        } else if (field.tag == PB_TAG(2, WIRE_LEN)) {
            err rc = otlp_any_value_decode(field.bytes, ret, f);
            if (rc != OK) {
                return rc;
            }
        } else if (!pb_is_unknown(m, field.tag)) {
            return pb_fault(f, m, before);
        }
    }
    return OK;
}
