/* Borrowed bytes: a pointer and a length, passed by value.
 *
 * A slice owns nothing and is not NUL-terminated. Whoever stores one says in a comment which arena,
 * buffer or literal it points into. `p` may be NULL only when `n` is 0.
 * Threads: plain values, safe anywhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct slice {
    const uint8_t *p;
    size_t n;
} slice;

/* A slice over a string literal. */
#define SL(lit)  ((slice){(const uint8_t *)("" lit), sizeof(lit) - 1})
#define SL_EMPTY ((slice){NULL, 0})

/* printf arguments for "%.*s". */
#define SL_FMT(s) (int)(s).n, (s).n ? (const char *)(s).p : ""

static inline slice
slice_of(const void *p, size_t n)
{
    return (slice){(const uint8_t *)p, n};
}

/* A slice over a NUL-terminated string; NULL gives the empty slice. */
static inline slice
slice_cstr(const char *s)
{
    return s ? (slice){(const uint8_t *)s, strlen(s)} : SL_EMPTY;
}

static inline bool
slice_eq(slice a, slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* The part [from, from+n) of `s`, cut to what is there. */
static inline slice
slice_sub(slice s, size_t from, size_t n)
{
    if (from > s.n) {
        from = s.n;
    }
    if (n > s.n - from) {
        n = s.n - from;
    }
    return (slice){from ? s.p + from : s.p, n}; /* NULL + 0 is undefined */
}

/* memcmp order, shorter first on a tie: < 0, 0, > 0. */
int slice_cmp(slice a, slice b);
/* ASCII case-insensitive equality (header names, tokens). */
bool slice_ieq(slice a, slice b);
bool slice_starts_with(slice s, slice prefix);
bool slice_ends_with(slice s, slice suffix);
/* Offset of the first `c`, or `s.n` when absent. */
size_t slice_find_byte(slice s, uint8_t c);
/* Offset of the first `needle`, or SIZE_MAX when absent; an empty needle is at 0. */
size_t slice_find(slice s, slice needle);
/* Without leading and trailing SP and HTAB. */
slice slice_trim(slice s);
/* Cut `*rest` at the first `sep`: returns what stands before it and moves `*rest` behind it (to the
 * empty slice with p == NULL when there was no separator). Loop: while (rest.p) part = slice_cut(...) */
slice slice_cut(slice *rest, uint8_t sep);

/* Whole-slice decimal numbers, no sign (u64) or optional '-' (i64), no blanks; false on anything else
 * and on overflow, and then `*ret` is left alone. */
bool slice_to_u64(slice s, uint64_t *ret);
bool slice_to_i64(slice s, int64_t *ret);
