/* One field at a time of a protobuf message, with the error texts of Go's generated decoders.
 *
 * The fast path is inline and knows no message; a switch on the whole tag in the caller sorts the fields out.
 * What goes wrong is looked at again, slowly, in pb_fault(), which knows the message's fields.
 * Threads: no shared state.
 */
#pragma once

#include "wire_priv.h"

#include "vivace/base/err.h"

#define PB_TAG(field, type) ((uint64_t)(field) << 3 | (uint64_t)(type))
#define PB_TAG_END          (UINT64_C(1) << 32) /* field numbers have 29 bits */

struct pb_field_info {
    uint32_t number;
    enum wire_type type;
    const char *name; /* as Go spells it */
    size_t name_n;
};

struct pb_message {
    const char *name;
    const struct pb_field_info *fields;
    size_t field_count;
};

/* A field by its number, the end of its WIRE_ type and its name; a message with a static array of fields. */
#define PB_FIELD(number, type, name)                                                                         \
    {                                                                                                        \
        number, WIRE_##type, name, sizeof(name) - 1                                                          \
    }
#define PB_FIELDS(message_name, array)                                                                       \
    {                                                                                                        \
        message_name, array, sizeof(array) / sizeof((array)[0])                                              \
    }

struct pb_field {
    uint64_t tag;
    uint64_t v;  /* VARINT, FIXED64, FIXED32 */
    slice bytes; /* LEN */
};

/* Skip the rest of a group whose start tag was read. Groups are counted, not matched, as in Go. */
bool pb_skip_group(struct wire_reader *r);

/* Fill `f` with the error at r->p, where pb_next failed or where a field has the wrong type. */
err pb_fault(struct fault *f, const struct pb_message *m, struct wire_reader r);

/* Call with r->p < r->end. False at a malformed field, and then r->p stays in front of it. */
static inline bool
pb_next(struct wire_reader *r, struct pb_field *f)
{
    struct wire_reader at = *r;
    uint64_t n;
    if (wire_varint_fast(&at, &f->tag) != WIRE_OK || f->tag < PB_TAG(1, 0) || f->tag >= PB_TAG_END) {
        return false;
    }
    switch (f->tag & 7) {
    case WIRE_LEN:
        if (wire_varint_fast(&at, &n) != WIRE_OK || n > (size_t)(at.end - at.p)) {
            return false;
        }
        f->bytes = (slice){at.p, (size_t)n};
        at.p += n;
        break;
    case WIRE_VARINT:
        if (wire_varint_fast(&at, &f->v) != WIRE_OK) {
            return false;
        }
        break;
    case WIRE_FIXED64:
        if (at.end - at.p < 8) {
            return false;
        }
        f->v = wire_load64(at.p);
        at.p += 8;
        break;
    case WIRE_FIXED32:
        if (at.end - at.p < 4) {
            return false;
        }
        f->v = wire_load32(at.p);
        at.p += 4;
        break;
    case WIRE_SGROUP:
        if (!pb_skip_group(&at)) {
            return false;
        }
        break;
    default:
        return false;
    }
    r->p = at.p;
    return true;
}

/* The next field of `m`, skipping those it does not have: false at the end of the message, or at an error,
 * and then *rc says which. For messages that are not hot. */
bool pb_next_known(struct wire_reader *r, const struct pb_message *m, struct pb_field *field, struct fault *f,
                   err *rc);

/* For a tag the caller's switch does not know: a new field, or a known one of the wrong type? */
static inline bool
pb_is_unknown(const struct pb_message *m, uint64_t tag)
{
    for (size_t i = 0; i < m->field_count; i++) {
        if (m->fields[i].number == tag >> 3) {
            return false;
        }
    }
    return true;
}
