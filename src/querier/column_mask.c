/* Bit masks of rows and of their events and links. */
#include "columns.h"

bool
mask_any(const uint64_t *m, size_t words)
{
    uint64_t all = 0;
    for (size_t i = 0; i < words; i++) {
        all |= m[i];
    }
    return all != 0;
}

bool
mask_is_full(const uint64_t *m, size_t bits)
{
    const uint64_t rest = (UINT64_C(1) << bits % 64) - 1;
    for (size_t i = 0; i < bits / 64; i++) {
        if (m[i] != UINT64_MAX) {
            return false;
        }
    }
    return bits % 64 == 0 || m[bits / 64] == rest;
}

/* Word i of the mask, only the bits in [from, to). */
static inline uint64_t
word_between(const uint64_t *m, size_t i, size_t from, size_t to)
{
    uint64_t w = m[i];
    if (i == from / 64) {
        w &= UINT64_MAX << from % 64;
    }
    if (i == to / 64) {
        w &= (UINT64_C(1) << to % 64) - 1;
    }
    return w;
}

size_t
mask_count(const uint64_t *m, size_t from, size_t to)
{
    size_t n = 0;
    for (size_t i = from / 64; i * 64 < to; i++) {
        n += (size_t)__builtin_popcountll(word_between(m, i, from, to));
    }
    return n;
}

bool
mask_meets(const uint64_t *a, const uint64_t *b, size_t from, size_t to)
{
    uint64_t both = 0;
    for (size_t i = from / 64; i * 64 < to; i++) {
        both |= word_between(a, i, from, to) & b[i];
    }
    return both != 0;
}

void
mask_clear(uint64_t *m, size_t from, size_t to)
{
    for (size_t i = from / 64; i * 64 < to; i++) {
        m[i] &= ~word_between(m, i, from, to);
    }
}

/* The first bit from `from` on that is set in the mask (or, with `flip` all ones, that is not), or `to`. */
static inline size_t
next_bit(const uint64_t *m, uint64_t flip, size_t from, size_t to)
{
    size_t i = from / 64;
    if (from >= to) {
        return to;
    }
    uint64_t w = (m[i] ^ flip) & UINT64_MAX << from % 64;
    while (w == 0) {
        if (++i * 64 >= to) {
            return to;
        }
        w = m[i] ^ flip;
    }
    const size_t at = i * 64 + (size_t)__builtin_ctzll(w);
    return at < to ? at : to;
}

size_t
mask_next(const uint64_t *m, size_t from, size_t to)
{
    return next_bit(m, 0, from, to);
}

void
mask_fill(uint64_t *m, size_t rows)
{
    memset(m, 0xff, rows / 64 * sizeof *m);
    if (rows % 64) {
        m[rows / 64] = (UINT64_C(1) << rows % 64) - 1;
    }
}

static void
fill_between(uint64_t *m, size_t from, size_t to)
{
    for (; from < to && from % 64; from++) {
        m[from / 64] |= UINT64_C(1) << from % 64;
    }
    for (; to - from >= 64; from += 64) {
        m[from / 64] = UINT64_MAX;
    }
    for (; from < to; from++) {
        m[from / 64] |= UINT64_C(1) << from % 64;
    }
}

void
mask_of_parts(const uint64_t *rows, size_t n, const struct group_parts *parts, uint64_t *ret)
{
    size_t to = 0;
    for (size_t from = next_bit(rows, 0, 0, n); from < n; from = next_bit(rows, 0, to, n)) {
        to = next_bit(rows, UINT64_MAX, from, n);
        fill_between(ret, parts->first[from], parts->first[to]);
    }
}

void
mask_see(const uint64_t *m, size_t bits, const uint32_t *codes, uint8_t *seen)
{
    size_t to = 0;
    for (size_t from = next_bit(m, 0, 0, bits); from < bits; from = next_bit(m, 0, to, bits)) {
        to = next_bit(m, UINT64_MAX, from, bits);
        for (size_t i = from; i < to; i++) {
            seen[codes ? codes[i] : i] = 1;
        }
    }
}
