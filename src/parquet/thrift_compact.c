#include "thrift_compact.h"

#include "varint.h"

#include "vivace/base/must.h"

void
thrift_open(struct thrift_reader *t, slice bytes)
{
    t->p = bytes.p;
    t->end = bytes.p ? bytes.p + bytes.n : NULL;
    t->bad = NULL;
}

void
thrift_fail(struct thrift_reader *t, const char *why)
{
    if (!t->bad) {
        t->bad = why;
    }
    t->p = t->end;
}

static uint64_t
read_varint(struct thrift_reader *t)
{
    uint64_t v = 0;
    if (t->bad || !varint_read(&t->p, t->end, &v)) {
        thrift_fail(t, "a number runs past the end");
        return 0;
    }
    return v;
}

static uint8_t
read_byte(struct thrift_reader *t)
{
    if (t->bad || t->p >= t->end) {
        thrift_fail(t, "the bytes end early");
        return 0;
    }
    return *t->p++;
}

bool
thrift_next(struct thrift_reader *t, struct thrift_field *fl)
{
    uint8_t head = read_byte(t);
    if (t->bad || head == THRIFT_STOP) {
        return false;
    }
    fl->type = head & 0x0f;
    int32_t id = fl->id;
    if (head >> 4) {
        id += head >> 4;
    } else {
        id = (int32_t)zigzag_decode(read_varint(t));
    }
    if (fl->type > THRIFT_STRUCT || fl->type == THRIFT_STOP || id < INT16_MIN || id > INT16_MAX) {
        thrift_fail(t, "a field has an unknown type");
        return false;
    }
    fl->id = (int16_t)id;
    return t->bad == NULL;
}

static void
skip_bytes(struct thrift_reader *t, uint64_t n)
{
    if (t->bad || n > (uint64_t)(t->end - t->p)) {
        thrift_fail(t, "a length runs past the end");
        return;
    }
    t->p += n;
}

/* Containers being skipped: a struct (ends by its stop byte) or elements still to come. */
struct skip_frame {
    uint64_t left;
    uint8_t types[2]; /* map: [1] keys, [0] values, in turn */
    bool is_struct;
};

/* Skips a scalar, or pushes a container. */
static void
skip_one(struct thrift_reader *t, uint8_t type, bool in_list, struct skip_frame *stack, int *depth)
{
    struct skip_frame fr = {0};
    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        skip_bytes(t, in_list ? 1 : 0);
        return;
    case THRIFT_BYTE:
        skip_bytes(t, 1);
        return;
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        read_varint(t);
        return;
    case THRIFT_DOUBLE:
        skip_bytes(t, 8);
        return;
    case THRIFT_BINARY:
        skip_bytes(t, read_varint(t));
        return;
    case THRIFT_LIST:
    case THRIFT_SET: {
        uint8_t head = read_byte(t);
        fr.types[0] = fr.types[1] = head & 0x0f;
        fr.left = head >> 4 == 15 ? read_varint(t) : head >> 4;
        break;
    }
    case THRIFT_MAP:
        fr.left = read_varint(t);
        if (fr.left > UINT32_MAX) {
            thrift_fail(t, "a map is too long");
        } else if (fr.left > 0) {
            uint8_t kv = read_byte(t);
            fr.types[0] = kv & 0x0f;
            fr.types[1] = kv >> 4;
            fr.left *= 2;
        }
        break;
    case THRIFT_STRUCT:
        fr.is_struct = true;
        break;
    default:
        thrift_fail(t, "a value has an unknown type");
        return;
    }
    if (*depth == THRIFT_DEPTH_MAX) {
        thrift_fail(t, "values are nested too deep");
    } else if (fr.left > (uint64_t)(t->end - t->p)) {
        thrift_fail(t, "a list is longer than the bytes there are");
    } else {
        stack[(*depth)++] = fr;
    }
}

void
thrift_skip(struct thrift_reader *t, const struct thrift_field *fl)
{
    struct skip_frame stack[THRIFT_DEPTH_MAX];
    int depth = 0;
    skip_one(t, fl->type, false, stack, &depth);
    while (depth > 0 && !t->bad) {
        struct skip_frame *fr = &stack[depth - 1];
        if (fr->is_struct) {
            uint8_t head = read_byte(t);
            if (head == THRIFT_STOP) {
                depth--;
                continue;
            }
            if (!(head >> 4)) {
                read_varint(t);
            }
            skip_one(t, head & 0x0f, false, stack, &depth);
        } else if (fr->left == 0) {
            depth--;
        } else {
            fr->left--;
            skip_one(t, fr->types[fr->left & 1], true, stack, &depth);
        }
    }
}

int64_t
thrift_int(struct thrift_reader *t, const struct thrift_field *fl)
{
    if (fl->type == THRIFT_BYTE) {
        return (int8_t)read_byte(t);
    }
    if (fl->type < THRIFT_I16 || fl->type > THRIFT_I64) {
        thrift_fail(t, "a field that is a number has another type");
        return 0;
    }
    return zigzag_decode(read_varint(t));
}

bool
thrift_bool(struct thrift_reader *t, const struct thrift_field *fl)
{
    if (fl->type != THRIFT_TRUE && fl->type != THRIFT_FALSE) {
        thrift_fail(t, "a field that is a boolean has another type");
    }
    return fl->type == THRIFT_TRUE;
}

bool
thrift_list_bool(struct thrift_reader *t)
{
    return read_byte(t) == 1;
}

slice
thrift_bytes(struct thrift_reader *t, const struct thrift_field *fl)
{
    if (fl->type != THRIFT_BINARY) {
        thrift_fail(t, "a field that is a string has another type");
        return SL_EMPTY;
    }
    uint64_t n = read_varint(t);
    const uint8_t *p = t->p;
    skip_bytes(t, n);
    return t->bad ? SL_EMPTY : slice_of(p, n);
}

bool
thrift_enter(struct thrift_reader *t, const struct thrift_field *fl)
{
    if (fl->type != THRIFT_STRUCT) {
        thrift_fail(t, "a field that is a struct has another type");
    }
    return t->bad == NULL;
}

size_t
thrift_list(struct thrift_reader *t, const struct thrift_field *fl, size_t bytes_min,
            struct thrift_field *elem)
{
    if (fl->type != THRIFT_LIST && fl->type != THRIFT_SET) {
        thrift_fail(t, "a field that is a list has another type");
        return 0;
    }
    uint8_t head = read_byte(t);
    uint64_t n = head >> 4 == 15 ? read_varint(t) : head >> 4;
    elem->id = 0;
    elem->type = head & 0x0f;
    if (t->bad || n > (uint64_t)(t->end - t->p) / (bytes_min ? bytes_min : 1)) {
        thrift_fail(t, "a list is longer than the bytes there are");
        return 0;
    }
    return (size_t)n;
}

err
thrift_check(const struct thrift_reader *t, const char *what, struct fault *f)
{
    return t->bad ? FAULT(f, ERR_CORRUPT, "parquet %s: %s", what, t->bad) : OK;
}

/* --- writer --- */

void
thrift_begin(struct thrift_writer *t, struct buf *out)
{
    t->out = out;
    t->depth = 0;
    t->last[0] = 0;
}

static void
put_varint(struct thrift_writer *t, uint64_t v)
{
    uint8_t tmp[VARINT_MAX];
    buf_append(t->out, tmp, (size_t)(varint_write(tmp, v) - tmp));
}

static void
put_head(struct thrift_writer *t, int id, enum thrift_type type)
{
    int delta = id - t->last[t->depth];
    MUST(delta > 0 && delta <= 15); /* the format's ids are dense enough */
    buf_append_byte(t->out, (uint8_t)((unsigned)delta << 4 | type));
    t->last[t->depth] = (int16_t)id;
}

void
thrift_put_int(struct thrift_writer *t, int id, enum thrift_type type, int64_t v)
{
    put_head(t, id, type);
    put_varint(t, zigzag_encode(v));
}

void
thrift_put_byte(struct thrift_writer *t, int id, uint8_t v)
{
    put_head(t, id, THRIFT_BYTE);
    buf_append_byte(t->out, v);
}

void
thrift_put_bool(struct thrift_writer *t, int id, bool v)
{
    put_head(t, id, v ? THRIFT_TRUE : THRIFT_FALSE);
}

void
thrift_put_bytes(struct thrift_writer *t, int id, slice v)
{
    put_head(t, id, THRIFT_BINARY);
    thrift_elem_bytes(t, v);
}

void
thrift_put_struct(struct thrift_writer *t, int id)
{
    put_head(t, id, THRIFT_STRUCT);
    thrift_elem_struct(t);
}

void
thrift_put_empty(struct thrift_writer *t, int id)
{
    thrift_put_struct(t, id);
    thrift_put_stop(t);
}

void
thrift_put_list(struct thrift_writer *t, int id, enum thrift_type elem, size_t n)
{
    put_head(t, id, THRIFT_LIST);
    if (n < 15) {
        buf_append_byte(t->out, (uint8_t)(n << 4 | elem));
    } else {
        buf_append_byte(t->out, (uint8_t)(0xf0 | elem));
        put_varint(t, n);
    }
}

void
thrift_elem_int(struct thrift_writer *t, int64_t v)
{
    put_varint(t, zigzag_encode(v));
}

void
thrift_elem_bool(struct thrift_writer *t, bool v)
{
    buf_append_byte(t->out, v ? 1 : 2);
}

void
thrift_elem_bytes(struct thrift_writer *t, slice v)
{
    put_varint(t, v.n);
    buf_append_slice(t->out, v);
}

void
thrift_elem_struct(struct thrift_writer *t)
{
    MUST(t->depth + 1 < THRIFT_DEPTH_MAX);
    t->last[++t->depth] = 0;
}

void
thrift_put_stop(struct thrift_writer *t)
{
    buf_append_byte(t->out, THRIFT_STOP);
    t->depth--;
}
