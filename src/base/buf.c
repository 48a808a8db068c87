#include "vivace/base/buf.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#include <stdio.h>

#define BUF_FIRST_BYTES 256

void
buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void
buf_fini(struct buf *b)
{
    mem_free(b->p);
    *b = (struct buf){.max = b->max};
}

void
buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

err
buf_reserve(struct buf *b, size_t n)
{
    if (n <= b->cap - b->n) {
        return OK;
    }
    if (b->n > b->max || n > b->max - b->n) {
        b->failed = true;
        return ERR_LIMIT;
    }
    size_t want = b->n + n;
    size_t cap = b->cap ? b->cap : BUF_FIRST_BYTES;
    while (cap < want) {
        cap = cap > b->max / 2 ? b->max : cap * 2;
    }
    if (cap > b->max) {
        cap = b->max;
    }
    b->p = mem_realloc(b->p, cap, 1);
    b->cap = cap;
    return OK;
}

err
buf_append(struct buf *b, const void *p, size_t n)
{
    err rc = buf_reserve(b, n);
    if (rc == OK && n) {
        memcpy(b->p + b->n, p, n);
        b->n += n;
    }
    return rc;
}

err
buf_append_slice(struct buf *b, slice s)
{
    return buf_append(b, s.p, s.n);
}

err
buf_append_cstr(struct buf *b, const char *s)
{
    return buf_append(b, s, strlen(s));
}

err
buf_append_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    return buf_append(b, digits + at, sizeof digits - at);
}

err
buf_append_i64(struct buf *b, int64_t v)
{
    if (v < 0) {
        err rc = buf_append_byte(b, '-');
        return rc == OK ? buf_append_u64(b, 0 - (uint64_t)v) : rc;
    }
    return buf_append_u64(b, (uint64_t)v);
}

err
buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    MUST(n >= 0);
    /* One more for the NUL that vsnprintf wants to write; it is not counted in b->n. */
    err rc = buf_reserve(b, (size_t)n + 1);
    if (rc == OK) {
        va_start(args, fmt);
        vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, args);
        va_end(args);
        b->n += (size_t)n;
    }
    return rc;
}

void
buf_consume(struct buf *b, size_t n)
{
    MUST(n <= b->n);
    if (n && n < b->n) {
        memmove(b->p, b->p + n, b->n - n);
    }
    b->n -= n;
}

static void
bytes_release_inline(struct bytes *self)
{
    mem_free(self);
}

static void
bytes_release_taken(struct bytes *self)
{
    mem_free(self->p);
    mem_free(self);
}

struct bytes *
bytes_create(size_t n)
{
    struct bytes *b = n <= SIZE_MAX - sizeof *b ? mem_try_alloc(sizeof *b + n) : NULL;
    if (b) {
        atomic_init(&b->refs, 1);
        b->release = bytes_release_inline;
        b->p = (uint8_t *)(b + 1);
        b->n = n;
    }
    return b;
}

struct bytes *
bytes_copy(slice s)
{
    struct bytes *b = bytes_create(s.n);
    if (b && s.n) {
        memcpy(b->p, s.p, s.n);
    }
    return b;
}

struct bytes *
bytes_take(struct buf *from)
{
    struct bytes *b = mem_alloc(sizeof *b);
    atomic_init(&b->refs, 1);
    b->release = bytes_release_taken;
    b->p = from->p;
    b->n = from->n;
    *from = (struct buf){.max = from->max};
    return b;
}

struct bytes *
bytes_ref(struct bytes *b)
{
    /* Relaxed is enough: who takes a reference already holds one. */
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void
bytes_unref(struct bytes *b)
{
    /* acq_rel pairs every drop with the last one, which frees. */
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
        b->release(b);
    }
}
