/* Thrift's compact protocol: a cursor over untrusted bytes and an appender.
 *
 * The reader keeps its first error: after it every call returns zero or false, so a parser checks once at
 * the end (thrift_check). Nesting is bounded by THRIFT_DEPTH_MAX; nothing is allocated.
 */
#pragma once

#include "vivace/base/buf.h"

#define THRIFT_DEPTH_MAX 32

enum thrift_type {
    THRIFT_STOP,
    THRIFT_TRUE,
    THRIFT_FALSE,
    THRIFT_BYTE,
    THRIFT_I16,
    THRIFT_I32,
    THRIFT_I64,
    THRIFT_DOUBLE,
    THRIFT_BINARY,
    THRIFT_LIST,
    THRIFT_SET,
    THRIFT_MAP,
    THRIFT_STRUCT,
};

struct thrift_reader {
    const uint8_t *p, *end;
    const char *bad; /* what was wrong, or NULL */
};

/* One field; start a struct with {0}. */
struct thrift_field {
    int16_t id;
    uint8_t type;
};

void thrift_open(struct thrift_reader *t, slice bytes);
/* The next field of a struct, false at its end or after an error. Its value must be read or skipped. */
bool thrift_next(struct thrift_reader *t, struct thrift_field *fl);
void thrift_skip(struct thrift_reader *t, const struct thrift_field *fl);
int64_t thrift_int(struct thrift_reader *t, const struct thrift_field *fl);
bool thrift_bool(struct thrift_reader *t, const struct thrift_field *fl);
slice thrift_bytes(struct thrift_reader *t, const struct thrift_field *fl);
/* Enter a struct: false (and an error) when the field is none. */
bool thrift_enter(struct thrift_reader *t, const struct thrift_field *fl);
/* Begin a list whose elements take at least `bytes_min` each: their count, 0 after an error. `elem` gets
 * the element type, to be passed to the readers above. */
size_t thrift_list(struct thrift_reader *t, const struct thrift_field *fl, size_t bytes_min,
                   struct thrift_field *elem);
/* A bool inside a list, where it takes a byte. */
bool thrift_list_bool(struct thrift_reader *t);
void thrift_fail(struct thrift_reader *t, const char *why);
/* OK, or ERR_CORRUPT naming `what`. */
CHECKED err thrift_check(const struct thrift_reader *t, const char *what, struct fault *f);

/* Writer: appends to `out`, whose `failed` flag is the error. Keeps the last field id of each open struct. */
struct thrift_writer {
    struct buf *out;
    int16_t last[THRIFT_DEPTH_MAX];
    int depth;
};

void thrift_begin(struct thrift_writer *t, struct buf *out);
void thrift_put_int(struct thrift_writer *t, int id, enum thrift_type type, int64_t v);
void thrift_put_byte(struct thrift_writer *t, int id, uint8_t v);
void thrift_put_bool(struct thrift_writer *t, int id, bool v);
void thrift_put_bytes(struct thrift_writer *t, int id, slice v);
void thrift_put_struct(struct thrift_writer *t, int id); /* then fields, then thrift_put_stop */
void thrift_put_empty(struct thrift_writer *t, int id);  /* an empty struct */
void thrift_put_list(struct thrift_writer *t, int id, enum thrift_type elem, size_t n);
/* Elements of a list. */
void thrift_elem_int(struct thrift_writer *t, int64_t v);
void thrift_elem_bool(struct thrift_writer *t, bool v);
void thrift_elem_bytes(struct thrift_writer *t, slice v);
void thrift_elem_struct(struct thrift_writer *t);
void thrift_put_stop(struct thrift_writer *t);
