/* Protobuf wire format: a reader over a slice and a writer into a buf.
 * Source: protobuf encoding guide. Threads: no shared state. Readers return false at a malformed byte. */
#pragma once

#include "vivace/base/buf.h"

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_LEN = 2,
    WIRE_SGROUP = 3,
    WIRE_EGROUP = 4,
    WIRE_FIXED32 = 5
};

struct wire_reader {
    const uint8_t *p, *end;
};

static inline struct wire_reader
wire_reader_of(slice s)
{
    return (struct wire_reader){s.p, s.n != 0 ? s.p + s.n : s.p};
}

/* False when truncated or over 10 bytes. */
bool wire_varint(struct wire_reader *r, uint64_t *ret);
/* Field number and wire type; false at a bad tag (number 0, type 6 or 7). */
bool wire_tag(struct wire_reader *r, uint32_t *ret_field, uint32_t *ret_type);
bool wire_len(struct wire_reader *r, slice *ret);
bool wire_fixed32(struct wire_reader *r, uint32_t *ret);
bool wire_fixed64(struct wire_reader *r, uint64_t *ret);
/* Skip a field's value (groups to a depth of 64, no recursion). */
bool wire_skip(struct wire_reader *r, uint32_t field, uint32_t type);

/* Writers append a whole field; the `_nz` forms leave out zero and empty, as proto3 does. */
void wire_put_varint(struct buf *b, uint64_t v);
void wire_put_tag(struct buf *b, uint32_t field, enum wire_type type);
void wire_put_u64(struct buf *b, uint32_t field, uint64_t v);
void wire_put_u64_nz(struct buf *b, uint32_t field, uint64_t v);
void wire_put_fixed32(struct buf *b, uint32_t field, uint32_t v);
void wire_put_fixed64(struct buf *b, uint32_t field, uint64_t v);
void wire_put_double(struct buf *b, uint32_t field, double v);
void wire_put_bytes(struct buf *b, uint32_t field, slice s);
void wire_put_bytes_nz(struct buf *b, uint32_t field, slice s);
/* Tag and length of a sub-message of `n` bytes, whose body the caller appends next. */
void wire_put_header(struct buf *b, uint32_t field, size_t n);
size_t wire_varint_size(uint64_t v);
