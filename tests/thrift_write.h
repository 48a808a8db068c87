/* A Thrift writer for tests and benches: the binary or the compact protocol, into a buf. */
#pragma once

#include "vivace/base/buf.h"

struct thrift_writer {
    struct buf *out;
    bool compact;
    bool whole_ids; /* compact: every field's id is written out, none as a step */
    int last[16];   /* compact: the id before, at each depth */
    int depth;
};

enum { TW_BOOL = 2, TW_DOUBLE = 4, TW_I32 = 8, TW_I64 = 10, TW_STRING = 11, TW_STRUCT = 12, TW_LIST = 15 };

static inline void
tw_big(struct thrift_writer *w, uint64_t v, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        (void)buf_append_byte(w->out, (uint8_t)(v >> (8 * i)));
    }
}

static inline void
tw_varint(struct thrift_writer *w, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        (void)buf_append_byte(w->out, (uint8_t)(v | 0x80));
    }
    (void)buf_append_byte(w->out, (uint8_t)v);
}

static inline void
tw_zigzag(struct thrift_writer *w, int64_t v)
{
    tw_varint(w, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

static inline uint8_t
tw_compact_type(int type)
{
    static const uint8_t types[16] = {[TW_BOOL] = 1,   [TW_DOUBLE] = 7,  [TW_I32] = 5, [TW_I64] = 6,
                                      [TW_STRING] = 8, [TW_STRUCT] = 12, [TW_LIST] = 9};
    return types[type];
}

static inline void
tw_field_as(struct thrift_writer *w, int id, int type, int compact_type)
{
    if (!w->compact) {
        (void)buf_append_byte(w->out, (uint8_t)type);
        tw_big(w, (uint64_t)id, 2);
        return;
    }
    int delta = id - w->last[w->depth];
    w->last[w->depth] = id;
    if (!w->whole_ids && delta > 0 && delta <= 15) {
        (void)buf_append_byte(w->out, (uint8_t)(delta << 4 | compact_type));
    } else {
        (void)buf_append_byte(w->out, (uint8_t)compact_type);
        tw_zigzag(w, id);
    }
}

static inline void
tw_field(struct thrift_writer *w, int id, int type)
{
    tw_field_as(w, id, type, tw_compact_type(type));
}

static inline void
tw_struct_begin(struct thrift_writer *w)
{
    w->last[++w->depth] = 0;
}

static inline void
tw_struct_end(struct thrift_writer *w)
{
    (void)buf_append_byte(w->out, 0);
    w->depth--;
}

static inline void
tw_i32(struct thrift_writer *w, int id, int32_t v)
{
    tw_field(w, id, TW_I32);
    if (w->compact) {
        tw_zigzag(w, v);
    } else {
        tw_big(w, (uint32_t)v, 4);
    }
}

static inline void
tw_i64(struct thrift_writer *w, int id, int64_t v)
{
    tw_field(w, id, TW_I64);
    if (w->compact) {
        tw_zigzag(w, v);
    } else {
        tw_big(w, (uint64_t)v, 8);
    }
}

static inline void
tw_double(struct thrift_writer *w, int id, double d)
{
    uint64_t v;
    memcpy(&v, &d, sizeof v);
    tw_field(w, id, TW_DOUBLE);
    tw_big(w, w->compact ? __builtin_bswap64(v) : v, 8);
}

static inline void
tw_bool(struct thrift_writer *w, int id, bool v)
{
    tw_field_as(w, id, TW_BOOL, v ? 1 : 2);
    if (!w->compact) {
        (void)buf_append_byte(w->out, v);
    }
}

static inline void
tw_bytes(struct thrift_writer *w, slice s)
{
    if (w->compact) {
        tw_varint(w, s.n);
    } else {
        tw_big(w, s.n, 4);
    }
    (void)buf_append_slice(w->out, s);
}

static inline void
tw_string(struct thrift_writer *w, int id, slice s)
{
    tw_field(w, id, TW_STRING);
    tw_bytes(w, s);
}

/* The elements follow. */
static inline void
tw_list(struct thrift_writer *w, int id, int type, size_t n)
{
    tw_field(w, id, TW_LIST);
    if (!w->compact) {
        (void)buf_append_byte(w->out, (uint8_t)type);
        tw_big(w, n, 4);
    } else if (n < 15) {
        (void)buf_append_byte(w->out, (uint8_t)(n << 4 | tw_compact_type(type)));
    } else {
        (void)buf_append_byte(w->out, (uint8_t)(0xf0 | tw_compact_type(type)));
        tw_varint(w, n);
    }
}

/* The head of a message emitBatch; its arguments are a struct that the caller begins. */
static inline void
tw_emit_batch(struct thrift_writer *w, bool strict)
{
    if (w->compact) {
        (void)buf_append(w->out,
                         "\x82\x81\0\x09"
                         "emitBatch",
                         13);
    } else if (strict) {
        (void)buf_append(w->out,
                         "\x80\1\0\4\0\0\0\x09"
                         "emitBatch\0\0\0\0",
                         21);
    } else {
        (void)buf_append(w->out,
                         "\0\0\0\x09"
                         "emitBatch\1\0\0\0\0",
                         18);
    }
}
