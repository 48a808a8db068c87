#include "on_disk.h"

#include "vivace/base/mem.h"
#include "vivace/base/rng.h"
#include "vivace/base/table.h"

#define SLOTS_FIRST 1024

void
on_disk_init(struct on_disk *o, struct budget *budget)
{
    *o = (struct on_disk){.seed = rng_process_seed(), .budget = budget};
}

static void
let_go(struct on_disk *o)
{
    mem_free(o->slots);
    if (o->budget) {
        budget_release(o->budget, o->capacity * sizeof *o->slots);
    }
    o->slots = NULL;
    o->capacity = o->count = 0;
}

void
on_disk_fini(struct on_disk *o)
{
    let_go(o);
}

void
on_disk_clear(struct on_disk *o)
{
    let_go(o);
    o->lost = false;
}

uint64_t
on_disk_tenant(const struct on_disk *o, slice tenant)
{
    return hash_bytes(tenant.p, tenant.n, o->seed);
}

static uint32_t
fingerprint(uint64_t tenant, const trace_id *id)
{
    const uint32_t h = (uint32_t)hash_bytes(id->b, sizeof id->b, tenant);
    return h ? h : 1;
}

/* The first slot that holds it, or the free one behind all that might. */
static size_t
slot_of(const struct on_disk *o, uint32_t print)
{
    const size_t mask = o->capacity - 1;
    size_t i = print & mask;
    while (o->slots[i] && o->slots[i] != print) {
        i = (i + 1) & mask;
    }
    return i;
}

static void
put(struct on_disk *o, uint32_t print)
{
    const size_t mask = o->capacity - 1;
    size_t i = print & mask;
    while (o->slots[i]) {
        i = (i + 1) & mask;
    }
    o->slots[i] = print;
}

static bool
grow(struct on_disk *o)
{
    const size_t had = o->capacity;
    const size_t to = had ? 2 * had : SLOTS_FIRST;
    if (o->budget && budget_reserve(o->budget, to * sizeof *o->slots) != OK) {
        return false;
    }
    uint32_t *old = o->slots;
    o->slots = mem_new_array(uint32_t, to);
    o->capacity = to;
    for (size_t i = 0; i < had; i++) {
        if (old[i]) {
            put(o, old[i]);
        }
    }
    mem_free(old);
    if (o->budget) {
        budget_release(o->budget, had * sizeof *o->slots);
    }
    return true;
}

bool
on_disk_may_have(const struct on_disk *o, uint64_t tenant, const trace_id *id)
{
    return o->lost || (o->count && o->slots[slot_of(o, fingerprint(tenant, id))]);
}

void
on_disk_add(struct on_disk *o, uint64_t tenant, const trace_id *id)
{
    if (!o->lost && o->count + 1 > o->capacity - o->capacity / 4 && !grow(o)) {
        let_go(o);
        o->lost = true;
    }
    if (!o->lost) {
        put(o, fingerprint(tenant, id));
        o->count++;
    }
}

void
on_disk_remove(struct on_disk *o, uint64_t tenant, const trace_id *id)
{
    const size_t mask = o->capacity - 1;
    if (o->count == 0) {
        return;
    }
    size_t hole = slot_of(o, fingerprint(tenant, id));
    if (o->slots[hole] == 0) {
        return;
    }
    for (size_t i = (hole + 1) & mask; o->slots[i]; i = (i + 1) & mask) {
        if (((i - o->slots[i]) & mask) >= ((i - hole) & mask)) { /* it may stand in the hole */
            o->slots[hole] = o->slots[i];
            hole = i;
        }
    }
    o->slots[hole] = 0;
    o->count--;
}
