#include "vivace/base/table.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/base/rng.h"

#define TABLE_FIRST 64 /* slots */

static uint64_t
mix(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Folded multiply over 8-byte words, after wyhash. Inline, so that keys of a known size need no loop. */
static inline __attribute__((always_inline)) uint64_t
hash_inline(const void *p, size_t n, uint64_t seed)
{
    const uint8_t *at = p;
    uint64_t h = seed ^ UINT64_C(0xa0761d6478bd642f);
    uint64_t w = 0;
    size_t left = n;
    for (; left >= 8; left -= 8, at += 8) {
        memcpy(&w, at, 8);
        h = mix(h ^ w, UINT64_C(0xe7037ed1a0b428db));
    }
    w = 0;
    if (left) {
        memcpy(&w, at, left);
    }
    h = mix(h ^ w, UINT64_C(0x8ebc6af09c88c6e3));
    return mix(h ^ n, UINT64_C(0x589965cc75374cc3) ^ seed);
}

uint64_t
hash_bytes(const void *p, size_t n, uint64_t seed)
{
    return n == 16 ? hash_inline(p, 16, seed) : hash_inline(p, n, seed); /* trace ids */
}

/* --- fixed-size keys ---------------------------------------------------------------------------------- */

static size_t
slot_bytes(const struct id_table *t)
{
    return t->key_bytes + sizeof(uint64_t);
}

static uint8_t *
slot_at(const struct id_table *t, size_t i)
{
    return t->slots + i * slot_bytes(t);
}

static uint64_t
slot_value(const struct id_table *t, size_t i)
{
    uint64_t v = 0;
    memcpy(&v, slot_at(t, i) + t->key_bytes, sizeof v);
    return v;
}

void
id_table_init(struct id_table *t, size_t key_bytes)
{
    /* Multiples of 8 keep the value of every slot aligned. */
    MUST(key_bytes >= 8 && key_bytes <= 32 && key_bytes % 8 == 0);
    *t = (struct id_table){.key_bytes = key_bytes, .seed = rng_process_seed()};
}

void
id_table_fini(struct id_table *t)
{
    mem_free(t->slots);
    *t = (struct id_table){.key_bytes = t->key_bytes, .seed = t->seed};
}

void
id_table_clear(struct id_table *t)
{
    id_table_fini(t);
}

size_t
id_table_bytes(const struct id_table *t)
{
    return t->capacity * slot_bytes(t);
}

/* Keys are whole words. */
static inline bool
key_is(const uint8_t *slot, const void *key, size_t n)
{
    const uint8_t *k = key;
    uint64_t a = 0, b = 0, other = 0;
    for (size_t i = 0; i < n; i += sizeof a) {
        memcpy(&a, slot + i, sizeof a);
        memcpy(&b, k + i, sizeof b);
        other |= a ^ b;
    }
    return other == 0;
}

static inline __attribute__((always_inline)) size_t
find_among(const struct id_table *t, const void *key, size_t key_bytes)
{
    const size_t mask = t->capacity - 1, step = key_bytes + sizeof(uint64_t);
    size_t i = hash_inline(key, key_bytes, t->seed) & mask;
    uint64_t value = 0;
    for (;; i = (i + 1) & mask) {
        const uint8_t *slot = t->slots + i * step;
        memcpy(&value, slot + key_bytes, sizeof value);
        if (value == 0 || key_is(slot, key, key_bytes)) {
            return i;
        }
    }
}

/* The slot that holds `key`, or the free one where it belongs. */
static size_t
find_slot(const struct id_table *t, const void *key)
{
    return t->key_bytes == 16 ? find_among(t, key, 16) : find_among(t, key, t->key_bytes); /* trace ids */
}

void
id_table_fetch(const struct id_table *t, const void *key)
{
    if (t->count) {
        __builtin_prefetch(slot_at(t, hash_bytes(key, t->key_bytes, t->seed) & (t->capacity - 1)));
    }
}

uint64_t
id_table_get(const struct id_table *t, const void *key)
{
    return t->count ? slot_value(t, find_slot(t, key)) : 0;
}

static void
id_table_grow(struct id_table *t)
{
    struct id_table old = *t;
    t->capacity = old.capacity ? old.capacity * 2 : TABLE_FIRST;
    t->slots = mem_calloc(t->capacity, slot_bytes(t));
    for (size_t i = 0; i < old.capacity; i++) {
        if (slot_value(&old, i) != 0) {
            memcpy(slot_at(t, find_slot(t, slot_at(&old, i))), slot_at(&old, i), slot_bytes(t));
        }
    }
    mem_free(old.slots);
}

uint64_t *
id_table_put(struct id_table *t, const void *key)
{
    if (t->count + 1 > t->capacity - t->capacity / 4) {
        id_table_grow(t);
    }
    size_t i = find_slot(t, key);
    if (slot_value(t, i) == 0) {
        memcpy(slot_at(t, i), key, t->key_bytes);
        t->count++;
    }
    return (uint64_t *)(void *)(slot_at(t, i) + t->key_bytes);
}

bool
id_table_del(struct id_table *t, const void *key)
{
    if (t->count == 0) {
        return false;
    }
    size_t mask = t->capacity - 1;
    size_t hole = find_slot(t, key);
    if (slot_value(t, hole) == 0) {
        return false;
    }
    /* Backward shift: pull later members of the run into the hole, so that no tombstones are needed. */
    for (size_t i = (hole + 1) & mask; slot_value(t, i) != 0; i = (i + 1) & mask) {
        size_t home = hash_bytes(slot_at(t, i), t->key_bytes, t->seed) & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            memcpy(slot_at(t, hole), slot_at(t, i), slot_bytes(t));
            hole = i;
        }
    }
    memset(slot_at(t, hole), 0, slot_bytes(t));
    t->count--;
    return true;
}

bool
id_table_next(const struct id_table *t, size_t *cursor, const void **ret_key, uint64_t *ret_value)
{
    for (; *cursor < t->capacity; (*cursor)++) {
        uint64_t v = slot_value(t, *cursor);
        if (v != 0) {
            *ret_key = slot_at(t, *cursor);
            *ret_value = v;
            (*cursor)++;
            return true;
        }
    }
    return false;
}

/* --- string keys -------------------------------------------------------------------------------------- */

struct str_entry {
    char *key;
    size_t n;
    void *value; /* NULL = free slot */
};

void
str_table_init(struct str_table *t)
{
    *t = (struct str_table){.seed = rng_process_seed()};
}

void
str_table_fini(struct str_table *t)
{
    for (size_t i = 0; i < t->capacity; i++) {
        mem_free(t->entries[i].key);
    }
    mem_free(t->entries);
    *t = (struct str_table){.seed = t->seed};
}

static struct str_entry *
find_entry(const struct str_table *t, slice key)
{
    size_t mask = t->capacity - 1;
    size_t i = hash_bytes(key.p, key.n, t->seed) & mask;
    while (t->entries[i].value && !slice_eq(slice_of(t->entries[i].key, t->entries[i].n), key)) {
        i = (i + 1) & mask;
    }
    return &t->entries[i];
}

void *
str_table_get(const struct str_table *t, slice key)
{
    return t->count ? find_entry(t, key)->value : NULL;
}

static void
str_table_grow(struct str_table *t)
{
    struct str_table old = *t;
    t->capacity = old.capacity ? old.capacity * 2 : 16;
    t->entries = mem_new_array(struct str_entry, t->capacity);
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.entries[i].value) {
            *find_entry(t, slice_of(old.entries[i].key, old.entries[i].n)) = old.entries[i];
        }
    }
    mem_free(old.entries);
}

void *
str_table_put(struct str_table *t, slice key, void *value)
{
    MUST(value != NULL);
    if (t->count + 1 > t->capacity - t->capacity / 4) {
        str_table_grow(t);
    }
    struct str_entry *e = find_entry(t, key);
    void *old = e->value;
    if (old == NULL) {
        e->key = mem_strndup(key.p, key.n);
        e->n = key.n;
        t->count++;
    }
    e->value = value;
    return old;
}

void *
str_table_del(struct str_table *t, slice key)
{
    if (t->count == 0) {
        return NULL;
    }
    struct str_entry *hole = find_entry(t, key);
    void *old = hole->value;
    if (old == NULL) {
        return NULL;
    }
    mem_free(hole->key);
    size_t mask = t->capacity - 1;
    size_t at = (size_t)(hole - t->entries);
    for (size_t i = (at + 1) & mask; t->entries[i].value; i = (i + 1) & mask) {
        size_t home = hash_bytes(t->entries[i].key, t->entries[i].n, t->seed) & mask;
        if (((i - home) & mask) >= ((i - at) & mask)) {
            t->entries[at] = t->entries[i];
            at = i;
        }
    }
    t->entries[at] = (struct str_entry){0};
    t->count--;
    return old;
}

bool
str_table_next(const struct str_table *t, size_t *cursor, slice *ret_key, void **ret_value)
{
    for (; *cursor < t->capacity; (*cursor)++) {
        const struct str_entry *e = &t->entries[*cursor];
        if (e->value) {
            *ret_key = slice_of(e->key, e->n);
            *ret_value = e->value;
            (*cursor)++;
            return true;
        }
    }
    return false;
}
