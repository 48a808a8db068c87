/* AnyValue of OTLP/JSON. Lists become OTLP wire bytes in the batch's arena.
 *
 * A message's length stands before it and is known behind it. So a list is first written to `scratch` with
 * a gap of four bytes for each length, the place of each gap in `heads`, and then copied once with real
 * lengths. Every byte is written twice, whatever the nesting.
 */
#include "otlp_json_priv.h"

#define GAP        4
#define FRAMES_MAX (4 * ANY_VALUE_DEPTH_MAX + 2)

enum place {
    IN_LIST,  /* {"values": ...} */
    IN_ITEMS, /* its array */
    IN_PAIR,  /* a KeyValue */
    IN_VALUE, /* an AnyValue */
};

struct frame {
    enum place place;
    bool pairs;       /* IN_LIST, IN_ITEMS: of a KeyValueList */
    bool has_gap;     /* a message with a length */
    size_t gap;       /* where, in scratch */
    size_t body_size; /* of the message, with real lengths */
};

struct builder {
    struct json_decoder *d;
    struct frame stack[FRAMES_MAX];
    size_t depth, lists;
};

/* The message around: sizes are summed there. Items are not a message. */
static struct frame *
enclosing(struct builder *b)
{
    size_t i = b->depth - 1;
    return b->stack[i].place == IN_ITEMS ? &b->stack[i - 1] : &b->stack[i];
}

static void
message_begin(struct builder *b, uint64_t tag, struct frame frame)
{
    struct buf *s = &b->d->scratch;
    static const uint8_t zeros[GAP];
    (void)buf_append_byte(s, (uint8_t)tag);
    uint32_t at = (uint32_t)s->n;
    (void)buf_append(s, zeros, GAP);
    (void)buf_append(&b->d->heads, &at, sizeof at);
    frame.has_gap = true;
    frame.gap = at;
    b->stack[b->depth++] = frame;
}

static void
frame_end(struct builder *b)
{
    struct frame top = b->stack[--b->depth];
    b->lists -= top.place == IN_LIST;
    if (top.has_gap && !b->d->scratch.failed) {
        wire_write32(b->d->scratch.p + top.gap, (uint32_t)top.body_size);
        enclosing(b)->body_size += 1 + wire_size_varint(top.body_size) + top.body_size;
    }
}

static void
raw_put(struct builder *b, const uint8_t *p, size_t n)
{
    (void)buf_append(&b->d->scratch, p, n);
    enclosing(b)->body_size += n;
}

static void
string_put(struct builder *b, uint32_t field, slice s)
{
    uint8_t head[1 + WIRE_VARINT_MAX];
    head[0] = (uint8_t)PB_TAG(field, WIRE_LEN);
    raw_put(b, head, (size_t)(wire_write_varint(head + 1, s.n) - head));
    raw_put(b, s.p, s.n);
}

static err
scalar_put(struct builder *b, const struct attr *a)
{
    struct buf *s = &b->d->scratch;
    size_t n = otlp_value_size(a);
    err rc = buf_reserve(s, n);
    if (rc == OK) {
        s->n = (size_t)(otlp_value_write(s->p + s->n, a) - s->p);
        enclosing(b)->body_size += n;
    }
    return rc == OK ? OK : otlp_json_fail(b->d, "attribute values take more memory than the limit");
}

static err
base64_take(struct json_decoder *d, struct attr *ret)
{
    slice text, bytes;
    err rc = otlp_json_string(d, &text);
    if (rc != OK) {
        return rc;
    }
    if (!base64_decode(text, &d->b->arena, &bytes)) {
        return otlp_json_fail(d, "bytesValue wants standard base64");
    }
    ret->p = bytes.p;
    ret->n = (uint32_t)bytes.n;
    return OK;
}

/* The value of the member `number` of an AnyValue that is not a list. */
static err
scalar_take(struct json_decoder *d, uint32_t number, struct attr *ret)
{
    static const uint8_t kinds[] = {
        [1] = VALUE_STRING, [2] = VALUE_BOOL, [3] = VALUE_INT, [4] = VALUE_DOUBLE, [7] = VALUE_BYTES};
    slice text;
    err rc;
    *ret = (struct attr){.key = ret->key, .key_n = ret->key_n, .kind = kinds[number]};
    switch (number) {
    case 1:
        rc = otlp_json_string(d, &text);
        if (rc == OK) {
            ret->p = text.p;
            ret->n = (uint32_t)text.n;
        }
        return rc;
    case 2:
        return otlp_json_bool(d, &ret->b);
    case 3:
        return otlp_json_i64(d, &ret->i);
    case 4:
        return otlp_json_double(d, &ret->d);
    default:
        return base64_take(d, ret);
    }
}

static bool
is_list(uint32_t number)
{
    return number == 5 || number == 6;
}

/* A list's object, behind its name; null is an empty list. */
static err
list_begin(struct builder *b, uint32_t number)
{
    bool present;
    err rc = otlp_json_object(b->d, &present);
    if (rc != OK) {
        return rc;
    }
    if (b->lists == ANY_VALUE_DEPTH_MAX) {
        return otlp_json_fail(b->d, "attribute value nested deeper than 64 levels");
    }
    struct frame frame = {.place = IN_LIST, .pairs = number == 6};
    b->lists++;
    if (b->depth == 0) {
        b->stack[b->depth++] = frame;
    } else {
        message_begin(b, PB_TAG(number, WIRE_LEN), frame);
    }
    if (!present && b->depth > 1) {
        frame_end(b);
    } else if (!present) {
        b->depth = 0;
    }
    return OK;
}

static err
list_step(struct builder *b)
{
    uint32_t number;
    bool present;
    err rc = OK;
    bool pairs = b->stack[b->depth - 1].pairs;
    TRY(otlp_json_member(b->d, OTLP_ARRAY_VALUE, &number));
    if (number == 0) {
        frame_end(b);
        return OK;
    }
    TRY(otlp_json_array(b->d, &present));
    if (present) {
        b->stack[b->depth++] = (struct frame){.place = IN_ITEMS, .pairs = pairs};
    }
out:
    return rc;
}

static err
items_step(struct builder *b)
{
    enum element e;
    err rc = otlp_json_element(b->d, &e);
    if (rc != OK) {
        return rc;
    }
    if (e == ELEMENT_END) {
        frame_end(b);
        return OK;
    }
    bool pairs = b->stack[b->depth - 1].pairs;
    message_begin(b, PB_TAG(1, WIRE_LEN), (struct frame){.place = pairs ? IN_PAIR : IN_VALUE});
    if (e == ELEMENT_NULL) {
        frame_end(b);
    }
    return OK;
}

static err
pair_step(struct builder *b)
{
    uint32_t number;
    slice key;
    bool present;
    err rc = OK;
    TRY(otlp_json_member(b->d, OTLP_KEY_VALUE, &number));
    if (number == 0) {
        frame_end(b);
    } else if (number == 1) {
        TRY(otlp_json_string(b->d, &key));
        string_put(b, 1, key);
    } else {
        TRY(otlp_json_object(b->d, &present));
        message_begin(b, PB_TAG(2, WIRE_LEN), (struct frame){.place = IN_VALUE});
        if (!present) {
            frame_end(b);
        }
    }
out:
    return rc;
}

static err
value_step(struct builder *b)
{
    uint32_t number;
    struct attr a = {0};
    err rc = OK;
    TRY(otlp_json_member(b->d, OTLP_ANY_VALUE, &number));
    if (number == 0) {
        frame_end(b);
    } else if (is_list(number)) {
        TRY(list_begin(b, number));
    } else {
        TRY(scalar_take(b->d, number, &a));
        TRY(scalar_put(b, &a));
    }
out:
    return rc;
}

/* Scratch with its gaps closed, in the batch's arena. */
static err
scratch_pack(struct json_decoder *d, size_t size, struct attr *ret)
{
    const struct buf *s = &d->scratch;
    if (s->failed || d->heads.failed || size > UINT32_MAX) {
        return otlp_json_fail(d, "attribute values take more memory than the limit");
    }
    uint8_t *start = arena_alloc(&d->b->arena, size), *w = start;
    if (start == NULL) {
        return FAULT(d->f, ERR_LIMIT, "the decoded spans take more memory than the limit of %zu bytes",
                     d->b->arena.max);
    }
    size_t from = 0;
    for (size_t i = 0; i < d->heads.n; i += sizeof(uint32_t)) {
        uint32_t gap;
        memcpy(&gap, d->heads.p + i, sizeof gap);
        memcpy(w, s->p + from, gap - from);
        w += gap - from;
        w = wire_write_varint(w, wire_load32(s->p + gap));
        from = gap + GAP;
    }
    if (s->n > from) {
        memcpy(w, s->p + from, s->n - from);
    }
    ret->p = start;
    ret->n = (uint32_t)size;
    return OK;
}

static err
list_take(struct json_decoder *d, uint32_t number, struct attr *ret)
{
    struct builder b;
    err rc = OK;
    size_t size = 0;
    b.d = d;
    b.depth = b.lists = 0;
    buf_clear(&d->scratch);
    buf_clear(&d->heads);
    *ret =
        (struct attr){.key = ret->key, .key_n = ret->key_n, .kind = number == 5 ? VALUE_ARRAY : VALUE_KVLIST};
    TRY(list_begin(&b, number));
    while (b.depth > 0) {
        size = b.stack[0].body_size;
        switch (b.stack[b.depth - 1].place) {
        case IN_LIST:
            TRY(list_step(&b));
            break;
        case IN_ITEMS:
            TRY(items_step(&b));
            break;
        case IN_PAIR:
            TRY(pair_step(&b));
            break;
        case IN_VALUE:
            TRY(value_step(&b));
            break;
        }
    }
    rc = scratch_pack(d, size, ret);
out:
    return rc;
}

err
otlp_json_value(struct json_decoder *d, struct attr *ret)
{
    bool present;
    uint32_t number = 1;
    err rc = OK;
    TRY(otlp_json_object(d, &present));
    while (present && number != 0) {
        TRY(otlp_json_member(d, OTLP_ANY_VALUE, &number));
        if (is_list(number)) {
            TRY(list_take(d, number, ret));
        } else if (number != 0) {
            TRY(scalar_take(d, number, ret));
        }
    }
out:
    return rc;
}
