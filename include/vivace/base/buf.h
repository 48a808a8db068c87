/* Growable bytes with a mandatory cap, and the reference-counted bytes that travel between threads.
 *
 * A `struct buf` names its maximum when it is made; passing it is ERR_LIMIT and leaves the buffer as it
 * was. A `struct bytes` is immutable once shared: spans, bodies and responses point into it.
 * Threads: a buf has one owner; bytes_ref/unref are safe from any thread.
 */
#pragma once

#include "vivace/base/err.h"
#include "vivace/base/slice.h"

#include <stdatomic.h>

struct buf {
    uint8_t *p;
    size_t n;    /* bytes used */
    size_t cap;  /* bytes allocated */
    size_t max;  /* hard cap on n */
    bool failed; /* an append was refused: sticky until buf_clear; check once at the end of a writer */
};

/* Caller's storage. `max` is the cap in bytes. Allocates nothing yet. */
void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/* Empty, keeps the memory. */
void buf_clear(struct buf *b);
/* Make room for `n` more bytes (grows by doubling up to max). */
CHECKED err buf_reserve(struct buf *b, size_t n);
/* Appenders: on refusal set `failed`, append nothing. Writers may ignore the result and check `failed`. */
err buf_append(struct buf *b, const void *p, size_t n);
err buf_append_slice(struct buf *b, slice s);
err buf_append_cstr(struct buf *b, const char *s);
err buf_append_u64(struct buf *b, uint64_t v); /* decimal */
err buf_append_i64(struct buf *b, int64_t v);
err buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drop the first `n` bytes (moves the rest). */
void buf_consume(struct buf *b, size_t n);

static inline err
buf_append_byte(struct buf *b, uint8_t c)
{
    if (b->n < b->cap) {
        b->p[b->n++] = c;
        return OK;
    }
    return buf_append(b, &c, 1);
}

static inline slice
buf_slice(const struct buf *b)
{
    return (slice){b->p, b->n};
}

/* Immutable, reference-counted bytes. */
struct bytes {
    _Atomic uint32_t refs;
    void (*release)(struct bytes *self); /* how to free; set by the maker */
    uint8_t *p;
    size_t n;
};

/* One reference, `n` uninitialised bytes in the same allocation; NULL when memory is refused. */
struct bytes *bytes_create(size_t n);
struct bytes *bytes_copy(slice s);
/* Takes the memory of `from` (which is empty after). */
struct bytes *bytes_take(struct buf *from);
struct bytes *bytes_ref(struct bytes *b);
/* Accepts NULL. */
void bytes_unref(struct bytes *b);

static inline slice
bytes_slice(const struct bytes *b)
{
    return b ? (slice){b->p, b->n} : SL_EMPTY;
}
