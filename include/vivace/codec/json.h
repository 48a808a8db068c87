/* JSON: a pull reader over a slice and a streaming writer into a buf.
 *
 * Reader: RFC 8259, strict, no recursion, nesting to JSON_DEPTH_MAX; strings without escapes are slices of
 * the input, others are unescaped into the arena; numbers stay text, so that 64-bit integers are exact.
 * Invalid UTF-8 and lone surrogates become U+FFFD as Go's decoder does.
 * Writer: compact, `<`, `>` and `&` escaped as Go does (api.md 1.0); doubles in the shortest form that reads
 * back the same. Threads: no shared state.
 */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/base/buf.h"

#define JSON_DEPTH_MAX 256

enum json_event {
    JSON_ERROR,
    JSON_END, /* the value is complete; bytes after it are not looked at */
    JSON_OBJECT_BEGIN,
    JSON_OBJECT_END,
    JSON_ARRAY_BEGIN,
    JSON_ARRAY_END,
    JSON_KEY,    /* text = the key */
    JSON_STRING, /* text = the value */
    JSON_NUMBER, /* text = as written */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json_reader {
    slice in;
    size_t at; /* offset of the next byte; of the error after JSON_ERROR */
    slice text;
    struct arena *arena;
    const char *error; /* static text after JSON_ERROR */
    uint8_t state;
    uint16_t depth;
    uint8_t stack[JSON_DEPTH_MAX / 8]; /* one bit a level: object or array */
};

void json_reader_init(struct json_reader *r, slice in, struct arena *arena);
enum json_event json_next(struct json_reader *r);
/* Skip the value that comes next (after a key, or an array element). False on an error. */
bool json_skip(struct json_reader *r);

struct json_writer {
    struct buf *out; /* check out->failed at the end */
    uint16_t depth;
    bool need_comma;
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_key(struct json_writer *w, slice key);
void json_string(struct json_writer *w, slice s);
void json_i64(struct json_writer *w, int64_t v);        /* bare number */
void json_u64(struct json_writer *w, uint64_t v);       /* bare number */
void json_i64_string(struct json_writer *w, int64_t v); /* "123" */
void json_u64_string(struct json_writer *w, uint64_t v);
void json_double(struct json_writer *w, double v); /* "NaN", "Infinity", "-Infinity" as strings */
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
void json_base64(struct json_writer *w, slice s); /* standard alphabet, padded */
void json_raw(struct json_writer *w, slice s);    /* a value already encoded */

/* Standard base64 with or without padding; false on anything else. */
bool base64_decode(slice in, struct arena *arena, slice *ret);
void base64_encode(slice in, bool pad, struct buf *out);
