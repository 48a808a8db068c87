/* net-private: bytes waiting to be sent, as a list of small copies and references to big bodies.
 *
 * Small writes are gathered in blocks; a body is referenced, never copied. Threads: one owner.
 */
#pragma once

#include "vivace/base/buf.h"

#include <sys/uio.h>

struct outq_part;

struct outq {
    struct outq_part *head, *tail;
    size_t n; /* bytes queued */
};

void outq_fini(struct outq *q);
void outq_copy(struct outq *q, const void *p, size_t n);
/* Bytes [off, off+n) of `b`; takes a reference of its own (or copies, when it is small). */
void outq_ref(struct outq *q, struct bytes *b, size_t off, size_t n);
/* The first parts, at most `max` of them; how many. */
int outq_peek(const struct outq *q, struct iovec *iov, int max);
/* The first `n` bytes are gone. */
void outq_consume(struct outq *q, size_t n);
