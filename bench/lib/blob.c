#include "blob.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void
die(const char *fmt, ...)
{
    va_list ap;
    fputs("bench: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(2);
}

void *
xalloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);
    if (!p) {
        die("out of memory (%zu bytes)", n);
    }
    return p;
}

void *
xrealloc(void *p, size_t count, size_t size)
{
    void *q = reallocarray(p, count ? count : 1, size);
    if (!q) {
        die("out of memory (%zu x %zu bytes)", count, size);
    }
    return q;
}

void
blob_grow(struct blob *b, size_t more)
{
    size_t cap = b->cap ? b->cap * 2 : 256;
    while (cap - b->n < more) {
        cap *= 2;
    }
    b->p = xrealloc(b->p, cap, 1);
    b->cap = cap;
}

void
blob_add(struct blob *b, const void *p, size_t n)
{
    if (n == 0) {
        return;
    }
    blob_reserve(b, n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void
blob_printf(struct blob *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n > 0) {
        blob_reserve(b, (size_t)n + 1);
        vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void
blob_free(struct blob *b)
{
    free(b->p);
    *b = (struct blob){0};
}

void
blob_consume(struct blob *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

static uint64_t
clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t
now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t
wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}
