#include "active_set.h"

#include "vivace/base/mem.h"
#include "vivace/base/rng.h"
#include "vivace/base/table.h"

#define SLOTS_FIRST 64

void
active_set_init(struct active_set *s, int64_t now_ns)
{
    *s = (struct active_set){.seed = rng_process_seed(), .turned_ns = now_ns};
}

void
active_set_fini(struct active_set *s)
{
    mem_free(s->slots);
    *s = (struct active_set){.seed = s->seed, .turned_ns = s->turned_ns};
}

static uint64_t
key_of(const struct active_set *s, const trace_id *id)
{
    const uint64_t h = hash_bytes(id->b, sizeof id->b, s->seed) & ~UINT64_C(1);
    return h ? h : 2;
}

/* The slot that holds `key`, or the free one where it belongs. */
static size_t
slot_of(const struct active_set *s, uint64_t key)
{
    const size_t mask = s->capacity - 1;
    size_t i = (key >> 1) & mask;
    while (s->slots[i] && (s->slots[i] & ~UINT64_C(1)) != key) {
        i = (i + 1) & mask;
    }
    return i;
}

/* Anew with room for `count`, without those of another generation than `only` unless it is NULL. */
static void
rebuild(struct active_set *s, size_t count, const uint64_t *only)
{
    uint64_t *old = s->slots;
    const size_t n = s->capacity;
    s->capacity = SLOTS_FIRST;
    while (s->capacity - s->capacity / 8 < count) {
        s->capacity *= 2;
    }
    s->slots = mem_new_array(uint64_t, s->capacity);
    s->count = 0;
    for (size_t i = 0; i < n; i++) {
        if (old[i] && (only == NULL || (old[i] & 1) == *only)) {
            s->slots[slot_of(s, old[i] & ~UINT64_C(1))] = old[i];
            s->count++;
        }
    }
    mem_free(old);
}

void
active_set_turn(struct active_set *s, int64_t now_ns, int64_t period_ns)
{
    const int64_t passed = now_ns - s->turned_ns;
    if (passed < period_ns) {
        return;
    }
    s->turned_ns = now_ns;
    if (passed >= 2 * period_ns || s->count == s->before) {
        active_set_fini(s);
        return;
    }
    rebuild(s, s->count - s->before, &s->generation);
    s->before = s->count;
    s->generation ^= 1;
}

bool
active_set_has(const struct active_set *s, const trace_id *id)
{
    return s->count && s->slots[slot_of(s, key_of(s, id))];
}

void
active_set_touch(struct active_set *s, const trace_id *id)
{
    const uint64_t key = key_of(s, id);
    if (s->count + 1 > s->capacity - s->capacity / 8) {
        rebuild(s, s->count + 1, NULL);
    }
    uint64_t *slot = &s->slots[slot_of(s, key)];
    if (*slot) {
        s->before -= (*slot & 1) != s->generation;
    } else if (s->count < ACTIVE_SET_MAX) {
        s->count++;
    } else {
        return;
    }
    *slot = key | s->generation;
}

size_t
active_set_count(const struct active_set *s)
{
    return s->count;
}
