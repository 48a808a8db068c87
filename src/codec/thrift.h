/* Thrift's binary and compact protocols: a reader over a slice.
 *
 * Errors are sticky: after one, every read gives zero and thrift_next_field says false, so that a decoder
 * checks once, where it ends. A struct is walked with for (struct thrift_field f = {0}; thrift_next_field(r,
 * &f);) switch (thrift_key(&f)) { case THRIFT_KEY(1, ...): and what a decoder does not know, or knows with
 * another type, goes to thrift_skip_field. Sources: Thrift's binary and compact protocol specifications,
 * receivers.md 6.4. No recursion; skipped values nest up to THRIFT_DEPTH_MAX. Threads: no shared state. */
#pragma once

#include "vivace/base/slice.h"

#define THRIFT_DEPTH_MAX 64

/* The binary protocol's numbers; the compact ones are brought to them. */
enum thrift_type {
    THRIFT_STOP = 0,
    THRIFT_BOOL = 2,
    THRIFT_BYTE = 3,
    THRIFT_DOUBLE = 4,
    THRIFT_I16 = 6,
    THRIFT_I32 = 8,
    THRIFT_I64 = 10,
    THRIFT_STRING = 11, /* and binary */
    THRIFT_STRUCT = 12,
    THRIFT_MAP = 13,
    THRIFT_SET = 14,
    THRIFT_LIST = 15,
};

enum thrift_protocol { THRIFT_BINARY, THRIFT_COMPACT };

enum thrift_message { THRIFT_CALL = 1, THRIFT_REPLY = 2, THRIFT_EXCEPTION = 3, THRIFT_ONEWAY = 4 };

struct thrift_reader {
    const uint8_t *p, *end, *start;
    const char *error; /* static text */
    bool compact;
};

struct thrift_field {
    int16_t id;
    uint8_t type; /* enum thrift_type */
    bool value;   /* the compact protocol's boolean stands in the field's header */
};

#define THRIFT_KEY(id, type) ((uint32_t)(id) << 8 | (uint32_t)(type))

struct thrift_reader thrift_reader_of(slice s, enum thrift_protocol protocol);
/* Remember the first error. */
void thrift_malformed(struct thrift_reader *r, const char *text);

/* The next field; false behind the last one, or at an error. Zero `f` before the first. */
bool thrift_next_field(struct thrift_reader *r, struct thrift_field *f);
void thrift_skip_field(struct thrift_reader *r, const struct thrift_field *f);
bool thrift_read_bool(struct thrift_reader *r, const struct thrift_field *f);
int16_t thrift_i16(struct thrift_reader *r);
int32_t thrift_i32(struct thrift_reader *r);
int64_t thrift_i64(struct thrift_reader *r);
double thrift_double(struct thrift_reader *r);
slice thrift_string(struct thrift_reader *r);
/* Elements of a list (or set) of `type`; each takes at least a byte, so the count is never past what is left.
 */
uint32_t thrift_list_begin(struct thrift_reader *r, enum thrift_type type);
/* A message's head: its name and type. Binary: with or without a version. */
slice thrift_message_begin(struct thrift_reader *r, enum thrift_message *ret_type);

static inline uint32_t
thrift_key(const struct thrift_field *f)
{
    return THRIFT_KEY((uint16_t)f->id, f->type);
}
