#include "pb_field.h"

#include <inttypes.h>

static const char text_eof[] = "unexpected EOF";
static const char text_overflow[] = "proto: integer overflow";

static const char *
varint_text(enum wire_status s)
{
    return s == WIRE_OVERFLOW ? text_overflow : text_eof;
}

/* Why the value of a field of this type cannot be read; NULL when it can. */
static const char *
value_text(struct wire_reader *r, uint32_t type)
{
    uint64_t v;
    enum wire_status s;
    switch (type) {
    case WIRE_VARINT:
        s = wire_varint_fast(r, &v);
        return s == WIRE_OK ? NULL : varint_text(s);
    case WIRE_LEN:
        s = wire_varint_fast(r, &v);
        if (s != WIRE_OK) {
            return varint_text(s);
        }
        if (v > INT64_MAX) {
            return "proto: negative length found during unmarshaling";
        }
        break;
    default:
        v = type == WIRE_FIXED64 ? 8 : 4;
        break;
    }
    if (v > (size_t)(r->end - r->p)) {
        return text_eof;
    }
    r->p += v;
    return NULL;
}

/* The rest of a group: NULL when it is well formed. `ret_illegal` gets a wire type that does not exist. */
static const char *
group_text(struct wire_reader *r, uint32_t *ret_illegal)
{
    size_t depth = 1;
    while (depth > 0) {
        uint64_t tag;
        enum wire_status s = wire_varint_fast(r, &tag);
        if (s != WIRE_OK) {
            return varint_text(s);
        }
        uint32_t type = (uint32_t)(tag & 7);
        if (type == WIRE_SGROUP) {
            depth++;
        } else if (type == WIRE_EGROUP) {
            depth--;
        } else if (type > WIRE_FIXED32) {
            *ret_illegal = type;
            return "";
        } else {
            const char *text = value_text(r, type);
            if (text != NULL) {
                return text;
            }
        }
    }
    return NULL;
}

bool
pb_skip_group(struct wire_reader *r)
{
    uint32_t illegal;
    return group_text(r, &illegal) == NULL;
}

static const struct pb_field_info *
field_find(const struct pb_message *m, uint64_t number)
{
    for (size_t i = 0; i < m->field_count; i++) {
        if (m->fields[i].number == number) {
            return &m->fields[i];
        }
    }
    return NULL;
}

err
pb_fault(struct fault *f, const struct pb_message *m, struct wire_reader r)
{
    uint64_t tag;
    enum wire_status s = wire_varint_fast(&r, &tag);
    if (s != WIRE_OK) {
        return FAULT(f, ERR_INVALID, "%s", varint_text(s));
    }
    uint32_t type = (uint32_t)(tag & 7);
    uint64_t number = tag >> 3;
    if (type == WIRE_EGROUP) {
        return FAULT(f, ERR_INVALID, "proto: %s: wiretype end group for non-group", m->name);
    }
    if (number == 0 || tag >= PB_TAG_END) {
        return FAULT(f, ERR_INVALID, "proto: %s: illegal tag %" PRId32 " (wire type %" PRIu64 ")", m->name,
                     (int32_t)number, tag);
    }
    const struct pb_field_info *known = field_find(m, number);
    if (known != NULL && type != (uint32_t)known->type) {
        return FAULT(f, ERR_INVALID, "proto: wrong wireType = %" PRIu32 " for field %s", type, known->name);
    }
    uint32_t illegal = type;
    const char *text = "";
    if (type == WIRE_SGROUP) {
        text = group_text(&r, &illegal);
    } else if (type <= WIRE_FIXED32) {
        text = value_text(&r, type);
    }
    if (text != NULL && text[0] == '\0') {
        return FAULT(f, ERR_INVALID, "proto: illegal wireType %" PRIu32, illegal);
    }
    return FAULT(f, ERR_INVALID, "%s", text != NULL ? text : text_eof);
}

bool
pb_next_known(struct wire_reader *r, const struct pb_message *m, struct pb_field *field, struct fault *f,
              err *rc)
{
    while (r->p < r->end) {
        struct wire_reader at = *r;
        bool ok = pb_next(r, field);
        const struct pb_field_info *known = ok ? field_find(m, field->tag >> 3) : NULL;
        if (known != NULL && (uint64_t)known->type == (field->tag & 7)) {
            return true;
        }
        if (!ok || known != NULL) {
            *rc = pb_fault(f, m, at);
            return false;
        }
    }
    return false;
}
