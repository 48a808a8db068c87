#include "intern.h"

#include "vivace/base/mem.h"
#include "vivace/base/utf8.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BYTE_CHUNK (((size_t)256 << 10) - 64) /* eight of them and some headers make a huge page */
#define HASH_BITS  UINT32_C(0x7fffffff)

void
intern_init(struct intern *t)
{
    *t = (struct intern){.slot_count = 4096, .cap = 1024};
    arena_init(&t->arena, 0);
    t->arena.huge = true;
    t->slots = mem_new_array(uint32_t, t->slot_count);
    t->strings = mem_new_array(struct intern_string, t->cap);
    (void)intern_put(t, SL_EMPTY);
}

void
intern_fini(struct intern *t)
{
    arena_fini(&t->arena);
    mem_free(t->slots);
    mem_free(t->strings);
    *t = (struct intern){0};
}

void
intern_seal(struct intern *t)
{
    mem_free(t->slots);
    t->slots = NULL;
    t->slot_count = 0;
}

size_t
intern_bytes(const struct intern *t)
{
    return t->arena.bytes + (size_t)t->cap * sizeof *t->strings + (size_t)t->slot_count * sizeof *t->slots;
}

static void
grow_slots(struct intern *t)
{
    uint32_t n = t->slot_count * 2;
    mem_free(t->slots);
    t->slots = mem_new_array(uint32_t, n);
    t->slot_count = n;
    for (uint32_t id = 0; id < t->count; id++) {
        uint32_t at = t->strings[id].hash & (n - 1);
        while (t->slots[at]) {
            at = (at + 1) & (n - 1);
        }
        t->slots[at] = id + 1;
    }
}

static const uint8_t *
store(struct intern *t, slice s)
{
    static const uint8_t nothing[1];
    if (s.n == 0) {
        return nothing;
    }
    if (s.n > (size_t)(t->end - t->at)) {
        size_t n = s.n > BYTE_CHUNK / 8 ? s.n : BYTE_CHUNK;
        uint8_t *p = arena_alloc(&t->arena, n); /* unbounded: the builder reserves before */
        if (n == s.n) {
            memcpy(p, s.p, s.n);
            return p;
        }
        t->at = p;
        t->end = p + n;
    }
    uint8_t *p = t->at;
    memcpy(p, s.p, s.n);
    t->at += s.n;
    return p;
}

uint32_t
intern_hash(slice s)
{
    return (uint32_t)XXH3_64bits(s.p, s.n) & HASH_BITS;
}

uint32_t
intern_put(struct intern *t, slice s)
{
    return intern_put_hashed(t, s, intern_hash(s));
}

uint32_t
intern_put_hashed(struct intern *t, slice s, uint32_t hash)
{
    uint32_t at = hash & (t->slot_count - 1), id;
    while ((id = t->slots[at]) != 0) {
        const struct intern_string *x = &t->strings[id - 1];
        if (x->hash == hash && x->n == s.n && bytes_same(x->p, s.p, s.n)) {
            return id - 1;
        }
        at = (at + 1) & (t->slot_count - 1);
    }
    if (t->count == t->cap) {
        t->cap += t->cap / 2;
        t->strings = mem_realloc(t->strings, t->cap, sizeof *t->strings);
    }
    id = t->count++;
    t->strings[id] = (struct intern_string){
        .p = store(t, s), .n = (uint32_t)s.n, .hash = hash & HASH_BITS, .bad = !utf8_is_valid(s)};
    t->slots[at] = t->count;
    if (t->count > t->slot_count / 2) {
        grow_slots(t);
    }
    return id;
}

/* --- numbers ------------------------------------------------------------------------------------------ */

void
id_map_fini(struct id_map *m)
{
    mem_free(m->slots);
    *m = (struct id_map){0};
}

void
id_map_clear(struct id_map *m)
{
    if (m->count) {
        memset(m->slots, 0, (size_t)m->slot_count * 2 * sizeof *m->slots);
    }
    m->count = 0;
}

static void
id_map_grow(struct id_map *m)
{
    struct id_map old = *m;
    m->slot_count = old.slot_count ? old.slot_count * 2 : 64;
    m->slots = mem_new_array(uint32_t, (size_t)m->slot_count * 2);
    for (uint32_t i = 0; i < old.slot_count; i++) {
        if (old.slots[i * 2]) {
            uint32_t at = id_map_home(m, old.slots[i * 2] - 1);
            while (m->slots[at * 2]) {
                at = (at + 1) & (m->slot_count - 1);
            }
            m->slots[at * 2] = old.slots[i * 2];
            m->slots[at * 2 + 1] = old.slots[i * 2 + 1];
        }
    }
    mem_free(old.slots);
}

uint32_t *
id_map_put(struct id_map *m, uint32_t key, bool *ret_new)
{
    if (m->count >= m->slot_count / 2) {
        id_map_grow(m);
    }
    uint32_t at = id_map_home(m, key);
    while (m->slots[at * 2]) {
        if (m->slots[at * 2] == key + 1) {
            *ret_new = false;
            return &m->slots[at * 2 + 1];
        }
        at = (at + 1) & (m->slot_count - 1);
    }
    m->slots[at * 2] = key + 1;
    m->count++;
    *ret_new = true;
    return &m->slots[at * 2 + 1];
}

const uint32_t *
id_map_get(const struct id_map *m, uint32_t key)
{
    for (uint32_t at = m->slot_count ? id_map_home(m, key) : 0; m->slot_count && m->slots[at * 2];
         at = (at + 1) & (m->slot_count - 1)) {
        if (m->slots[at * 2] == key + 1) {
            return &m->slots[at * 2 + 1];
        }
    }
    return NULL;
}
