#include "vivace/codec/wire.h"

#include "wire_priv.h"

#define GROUP_DEPTH_MAX 64
#define FIELD_MAX       ((UINT32_C(1) << 29) - 1)

bool
wire_varint(struct wire_reader *r, uint64_t *ret)
{
    return wire_varint_fast(r, ret) == WIRE_OK;
}

bool
wire_tag(struct wire_reader *r, uint32_t *ret_field, uint32_t *ret_type)
{
    uint64_t tag;
    if (!wire_varint(r, &tag)) {
        return false;
    }
    uint64_t field = tag >> 3;
    uint32_t type = (uint32_t)(tag & 7);
    if (field == 0 || field > FIELD_MAX || type > WIRE_FIXED32) {
        return false;
    }
    *ret_field = (uint32_t)field;
    *ret_type = type;
    return true;
}

bool
wire_len(struct wire_reader *r, slice *ret)
{
    uint64_t n;
    if (!wire_varint(r, &n) || n > (size_t)(r->end - r->p)) {
        return false;
    }
    *ret = (slice){r->p, (size_t)n};
    r->p += n;
    return true;
}

bool
wire_fixed32(struct wire_reader *r, uint32_t *ret)
{
    if (r->end - r->p < 4) {
        return false;
    }
    *ret = wire_load32(r->p);
    r->p += 4;
    return true;
}

bool
wire_fixed64(struct wire_reader *r, uint64_t *ret)
{
    if (r->end - r->p < 8) {
        return false;
    }
    *ret = wire_load64(r->p);
    r->p += 8;
    return true;
}

/* A value that is not a group. */
static bool
skip_plain(struct wire_reader *r, uint32_t type)
{
    uint64_t v;
    uint32_t v32;
    slice s;
    switch (type) {
    case WIRE_VARINT:
        return wire_varint(r, &v);
    case WIRE_FIXED64:
        return wire_fixed64(r, &v);
    case WIRE_LEN:
        return wire_len(r, &s);
    case WIRE_FIXED32:
        return wire_fixed32(r, &v32);
    default:
        return false;
    }
}

bool
wire_skip(struct wire_reader *r, uint32_t field, uint32_t type)
{
    if (type != WIRE_SGROUP) {
        return skip_plain(r, type);
    }
    uint32_t open[GROUP_DEPTH_MAX];
    size_t depth = 1;
    open[0] = field;
    while (depth > 0) {
        if (!wire_tag(r, &field, &type)) {
            return false;
        }
        if (type == WIRE_EGROUP) {
            if (open[--depth] != field) {
                return false;
            }
        } else if (type == WIRE_SGROUP) {
            if (depth == GROUP_DEPTH_MAX) {
                return false;
            }
            open[depth++] = field;
        } else if (!skip_plain(r, type)) {
            return false;
        }
    }
    return true;
}

void
wire_put_varint(struct buf *b, uint64_t v)
{
    uint8_t tmp[WIRE_VARINT_MAX];
    (void)buf_append(b, tmp, (size_t)(wire_write_varint(tmp, v) - tmp));
}

void
wire_put_tag(struct buf *b, uint32_t field, enum wire_type type)
{
    wire_put_varint(b, (uint64_t)field << 3 | (uint64_t)type);
}

/* Tag and varint in one append, so that a full buffer never holds half a field's head. */
static void
put_pair(struct buf *b, uint32_t field, enum wire_type type, uint64_t v)
{
    uint8_t tmp[2 * WIRE_VARINT_MAX];
    uint8_t *w = wire_write_varint(tmp, (uint64_t)field << 3 | (uint64_t)type);
    w = wire_write_varint(w, v);
    (void)buf_append(b, tmp, (size_t)(w - tmp));
}

void
wire_put_u64(struct buf *b, uint32_t field, uint64_t v)
{
    put_pair(b, field, WIRE_VARINT, v);
}

void
wire_put_u64_nz(struct buf *b, uint32_t field, uint64_t v)
{
    if (v != 0) {
        wire_put_u64(b, field, v);
    }
}

void
wire_put_fixed32(struct buf *b, uint32_t field, uint32_t v)
{
    uint8_t tmp[WIRE_VARINT_MAX + 4];
    uint8_t *w = wire_write_varint(tmp, (uint64_t)field << 3 | WIRE_FIXED32);
    w = wire_write32(w, v);
    (void)buf_append(b, tmp, (size_t)(w - tmp));
}

void
wire_put_fixed64(struct buf *b, uint32_t field, uint64_t v)
{
    uint8_t tmp[WIRE_VARINT_MAX + 8];
    uint8_t *w = wire_write_varint(tmp, (uint64_t)field << 3 | WIRE_FIXED64);
    w = wire_write64(w, v);
    (void)buf_append(b, tmp, (size_t)(w - tmp));
}

void
wire_put_double(struct buf *b, uint32_t field, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    wire_put_fixed64(b, field, bits);
}

void
wire_put_bytes(struct buf *b, uint32_t field, slice s)
{
    size_t before = b->n;
    put_pair(b, field, WIRE_LEN, s.n);
    if (s.n != 0 && !b->failed && buf_append_slice(b, s) != OK) {
        b->n = before; /* `failed` is set: the head alone would be a broken field */
    }
}

void
wire_put_bytes_nz(struct buf *b, uint32_t field, slice s)
{
    if (s.n != 0) {
        wire_put_bytes(b, field, s);
    }
}

void
wire_put_header(struct buf *b, uint32_t field, size_t n)
{
    put_pair(b, field, WIRE_LEN, n);
}

size_t
wire_varint_size(uint64_t v)
{
    return wire_size_varint(v);
}
