/* Trace and span ids: 16 and 8 bytes, all-zero = absent. Threads: plain values. */
#pragma once

#include "vivace/base/buf.h"

#define TRACE_ID_BYTES 16
#define SPAN_ID_BYTES  8

typedef struct trace_id {
    uint8_t b[TRACE_ID_BYTES];
} trace_id;

typedef struct span_id {
    uint8_t b[SPAN_ID_BYTES];
} span_id;

static inline bool
trace_id_eq(const trace_id *a, const trace_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static inline bool
span_id_eq(const span_id *a, const span_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static inline bool
trace_id_is_zero(const trace_id *id)
{
    return trace_id_eq(id, &(const trace_id){0});
}

static inline bool
span_id_is_zero(const span_id *id)
{
    return span_id_eq(id, &(const span_id){0});
}

/* A trace id as users write it: 1..32 hex digits of any case, padded with zeros on the left.
 * Errors carry Tempo's texts: "trace IDs can only contain hex characters: invalid character 'z' at
 * position 1" and "trace IDs can't be larger than 128 bits". Empty is ERR_INVALID. */
CHECKED err trace_id_parse(slice hex, trace_id *ret, struct fault *f);
/* Exactly 2n hex digits into n bytes; false otherwise. */
bool hex_decode(slice hex, uint8_t *ret, size_t n);
/* Lower-case digits, 2n of them, no NUL. */
void hex_encode(const uint8_t *p, size_t n, char *ret);
/* Lower-case hex; `strip` drops leading zeros (Tempo's search results), leaving at least "0". */
void trace_id_format(struct buf *out, const trace_id *id, bool strip);
