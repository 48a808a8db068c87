#include "vivace/base/slice.h"

static uint8_t
ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

int
slice_cmp(slice a, slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    if (order != 0) {
        return order;
    }
    return (a.n > b.n) - (a.n < b.n);
}

bool
slice_ieq(slice a, slice b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i])) {
            return false;
        }
    }
    return true;
}

bool
slice_starts_with(slice s, slice prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool
slice_ends_with(slice s, slice suffix)
{
    return s.n >= suffix.n && (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

size_t
slice_find_byte(slice s, uint8_t c)
{
    const uint8_t *at = s.n ? memchr(s.p, c, s.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

size_t
slice_find(slice s, slice needle)
{
    if (needle.n == 0) {
        return 0;
    }
    const uint8_t *at = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
    return at ? (size_t)(at - s.p) : SIZE_MAX;
}

slice
slice_trim(slice s)
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

slice
slice_cut(slice *rest, uint8_t sep)
{
    size_t at = slice_find_byte(*rest, sep);
    slice part = {rest->p, at};
    if (at == rest->n) {
        *rest = SL_EMPTY;
    } else {
        *rest = (slice){rest->p + at + 1, rest->n - at - 1};
    }
    return part;
}

bool
slice_to_u64(slice s, uint64_t *ret)
{
    uint64_t v = 0;
    size_t safe = s.n < 19 ? s.n : 19; /* so many digits cannot overflow */
    if (s.n == 0) {
        return false;
    }
    for (size_t i = 0; i < safe; i++) {
        unsigned digit = (unsigned)s.p[i] - '0';
        if (digit > 9) {
            return false;
        }
        v = v * 10 + digit;
    }
    for (size_t i = safe; i < s.n; i++) {
        unsigned digit = (unsigned)s.p[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v)) {
            return false;
        }
    }
    *ret = v;
    return true;
}

bool
slice_to_i64(slice s, int64_t *ret)
{
    bool negative = s.p && s.n > 0 && s.p[0] == '-';
    uint64_t v = 0;
    if (!slice_to_u64(negative ? slice_sub(s, 1, s.n) : s, &v)) {
        return false;
    }
    if (v > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}
