/* Growable bytes and the few ways the load programs end early.
 * The load programs measure the server, so they share no code with it. Threads: plain values. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct blob {
    uint8_t *p;
    size_t n, cap;
};

/* Print "bench: <text>" and exit with status 2: for wrong arguments and a broken environment. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Never NULL. */
void *xalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t count, size_t size) __attribute__((returns_nonnull));

void blob_grow(struct blob *b, size_t more);
void blob_add(struct blob *b, const void *p, size_t n);
void blob_printf(struct blob *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void blob_free(struct blob *b);
/* Drop the first `n` bytes. */
void blob_consume(struct blob *b, size_t n);

static inline void
blob_reserve(struct blob *b, size_t more)
{
    if (b->cap - b->n < more) {
        blob_grow(b, more);
    }
}

/* Monotonic nanoseconds; wall-clock nanoseconds. */
uint64_t now_ns(void);
uint64_t wall_ns(void);
