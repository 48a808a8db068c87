/* Protobuf wire format, writing and skimming: the load programs' own, so that a mistake in the server's
 * cannot hide here as well. Source: the protobuf encoding guide. Threads: no shared state. */
#pragma once

#include "blob.h"

#include <stdbool.h>
#include <string.h>

static inline void
pb_varint(struct blob *b, uint64_t v)
{
    blob_reserve(b, 10);
    while (v >= 0x80) {
        b->p[b->n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    b->p[b->n++] = (uint8_t)v;
}

static inline void
pb_uint(struct blob *b, uint32_t field, uint64_t v)
{
    pb_varint(b, (uint64_t)field << 3);
    pb_varint(b, v);
}

static inline void
pb_fixed64(struct blob *b, uint32_t field, uint64_t v)
{
    pb_varint(b, (uint64_t)field << 3 | 1);
    blob_add(b, &v, 8); /* little-endian machines only, as the server */
}

static inline void
pb_fixed32(struct blob *b, uint32_t field, uint32_t v)
{
    pb_varint(b, (uint64_t)field << 3 | 5);
    blob_add(b, &v, 4);
}

static inline void
pb_bytes(struct blob *b, uint32_t field, const void *p, size_t n)
{
    pb_varint(b, (uint64_t)field << 3 | 2);
    pb_varint(b, n);
    blob_add(b, p, n);
}

static inline void
pb_str(struct blob *b, uint32_t field, const char *s)
{
    pb_bytes(b, field, s, strlen(s));
}

/* Begin a sub-message: the result goes to pb_close, which puts the length in. */
static inline size_t
pb_open(struct blob *b, uint32_t field)
{
    pb_varint(b, (uint64_t)field << 3 | 2);
    pb_varint(b, 0);
    return b->n;
}

void pb_close(struct blob *b, size_t opened);

/* KeyValue messages in field `field`. */
void pb_attr_str(struct blob *b, uint32_t field, const char *key, const char *value);
void pb_attr_strn(struct blob *b, uint32_t field, const char *key, const void *value, size_t n);
void pb_attr_int(struct blob *b, uint32_t field, const char *key, int64_t value);
void pb_attr_bool(struct blob *b, uint32_t field, const char *key, bool value);
void pb_attr_double(struct blob *b, uint32_t field, const char *key, double value);
void pb_attr_strings(struct blob *b, uint32_t field, const char *key, const char *const *values, size_t n);

/* One field of a message at `*p`; false at the end or at a malformed byte (then *p != end). */
struct pb_field {
    uint32_t number, type;
    uint64_t value;   /* varint and fixed */
    const uint8_t *p; /* length-delimited */
    size_t n;
};
bool pb_next(const uint8_t **p, const uint8_t *end, struct pb_field *ret);

/* Walk a message Trace (or ExportTraceServiceRequest): `span` is called with each span's ids. False when
 * the bytes are malformed or an id has a wrong length. */
typedef void (*pb_span_fn)(void *ctx, const uint8_t trace[16], const uint8_t span[8]);
bool pb_trace_walk(const uint8_t *p, size_t n, pb_span_fn span, void *ctx);
