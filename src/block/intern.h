/* Distinct byte strings, numbered in the order they first came; 0 is the empty one.
 *
 * Owner: the builder. Bytes are packed without gaps. Threads: one owner.
 */
#pragma once

#include "vivace/base/arena.h"

struct intern_string {
    const uint8_t *p;
    uint32_t n;
    uint32_t hash : 31;
    uint32_t bad : 1; /* not UTF-8 */
};

struct intern {
    struct arena arena;
    struct intern_string *strings;
    uint32_t *slots; /* id + 1, 0 = free */
    uint32_t count, cap, slot_count;
    uint8_t *at, *end; /* free part of the open byte chunk */
};

void intern_init(struct intern *t);
void intern_fini(struct intern *t);
/* The bytes are copied. */
uint32_t intern_put(struct intern *t, slice s);
size_t intern_bytes(const struct intern *t);
/* Nothing will be put any more: gives back what finding takes. */
void intern_seal(struct intern *t);

/* The same in two steps, for many strings at once: what the first ones wait for in memory is fetched while
 * the next are hashed. */
uint32_t intern_hash(slice s);
uint32_t intern_put_hashed(struct intern *t, slice s, uint32_t hash);

static inline void
intern_fetch(const struct intern *t, uint32_t hash)
{
    __builtin_prefetch(&t->slots[hash & (t->slot_count - 1)]);
}

static inline slice
intern_get(const struct intern *t, uint32_t id)
{
    return (slice){t->strings[id].p, t->strings[id].n};
}

static inline uint64_t
word_at(const uint8_t *p)
{
    uint64_t v = 0;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Are n bytes the same? Most strings are short: no call. The last word may overlap the one before. */
static inline bool
bytes_same(const uint8_t *a, const uint8_t *b, size_t n)
{
    if (n >= 8) {
        const size_t last = n - 8;
        for (size_t i = 0; i < last; i += 8) {
            if (word_at(a + i) != word_at(b + i)) {
                return false;
            }
        }
        return word_at(a + last) == word_at(b + last);
    }
    if (n >= 4) { /* the first four and the last four */
        uint32_t v[4];
        memcpy(&v[0], a, 4);
        memcpy(&v[1], b, 4);
        memcpy(&v[2], a + n - 4, 4);
        memcpy(&v[3], b + n - 4, 4);
        return v[0] == v[1] && v[2] == v[3];
    }
    while (n > 0 && a[n - 1] == b[n - 1]) {
        n--;
    }
    return n == 0;
}

/* Number to number, for small dense sets: codes of a column's dictionary. */
struct id_map {
    uint32_t *slots; /* pairs: key + 1, value */
    uint32_t count, slot_count;
};

void id_map_fini(struct id_map *m);
/* Empty, keeps the memory. */
void id_map_clear(struct id_map *m);
/* The value's place; *ret_new tells that it was not there (the caller stores it). */
uint32_t *id_map_put(struct id_map *m, uint32_t key, bool *ret_new);
/* NULL: not there. */
const uint32_t *id_map_get(const struct id_map *m, uint32_t key);

static inline uint32_t
id_map_home(const struct id_map *m, uint32_t key)
{
    return (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (m->slot_count - 1);
}

/* The value of a key that stands where it is looked for first: NULL tells nothing. */
static inline const uint32_t *
id_map_at_home(const struct id_map *m, uint32_t key)
{
    const uint32_t *slot = m->slot_count ? m->slots + (size_t)id_map_home(m, key) * 2 : NULL;
    return slot && *slot == key + 1 ? slot + 1 : NULL;
}
