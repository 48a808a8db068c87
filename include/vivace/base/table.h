/* Open-addressing hash table from short byte keys to a 64-bit value (an index or a pointer).
 *
 * Keys are copied inline when they have the table's fixed size (ids), so that a lookup touches one line.
 * Linear probing, power-of-two capacity, backward-shift deletion, seeded hash (keys are client-chosen).
 * Threads: one owner, or the owner's lock.
 */
#pragma once

#include "vivace/base/err.h"
#include "vivace/base/slice.h"

/* Fixed-size keys of `key_bytes` (8..32). */
struct id_table {
    uint8_t *slots; /* capacity * (key_bytes + 8); value 0 = free slot */
    size_t count, capacity, key_bytes;
    uint64_t seed;
};

void id_table_init(struct id_table *t, size_t key_bytes);
void id_table_fini(struct id_table *t);
/* Bytes it holds from the system. */
size_t id_table_bytes(const struct id_table *t);
/* 0 when absent. */
uint64_t id_table_get(const struct id_table *t, const void *key);
/* `key` will be looked for soon: for keys known ahead, so that they do not wait for memory one by one. */
void id_table_fetch(const struct id_table *t, const void *key);
/* The value's place for `key`, inserted with value 0 when absent: the caller must store a non-zero value
 * before the next call. Valid until the next insert or delete. */
uint64_t *id_table_put(struct id_table *t, const void *key);
/* False when it was not there. */
bool id_table_del(struct id_table *t, const void *key);
/* Iterate: start with *cursor = 0; false at the end. Do not modify meanwhile. */
bool id_table_next(const struct id_table *t, size_t *cursor, const void **ret_key, uint64_t *ret_value);
void id_table_clear(struct id_table *t);

/* String keys (copied) to a pointer. */
struct str_table {
    struct str_entry *entries;
    size_t count, capacity;
    uint64_t seed;
};

void str_table_init(struct str_table *t);
/* Frees the keys; the values are the caller's (iterate first). */
void str_table_fini(struct str_table *t);
void *str_table_get(const struct str_table *t, slice key);
/* Replaces; returns the old value or NULL. `value` is not NULL. */
void *str_table_put(struct str_table *t, slice key, void *value);
void *str_table_del(struct str_table *t, slice key);
bool str_table_next(const struct str_table *t, size_t *cursor, slice *ret_key, void **ret_value);

/* The hash both use: seeded, 64 bit, not cryptographic, not stable between versions (never on disk). */
uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);
