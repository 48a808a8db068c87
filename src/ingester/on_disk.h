/* ingester-private: which traces may stand in a segment whose index is on disk. Asked before the filters of
 * all those segments: under load there are dozens, and most traces are in none.
 *
 * One fingerprint of 32 bits for each trace of each such segment, so that a segment's can be taken out again:
 * "no" is certain, "maybe" is wrong once in 2^32 for each that is there. Memory: 4 bytes a slot, 5 to 9 a
 * trace of a segment, out of the budget; when that refuses, every answer is "maybe" until on_disk_clear.
 * Threads: the ingester's mutex. */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/base/slice.h"
#include "vivace/model/ids.h"

struct on_disk {
    uint32_t *slots; /* open addressing; 0: free */
    size_t capacity, count;
    uint64_t seed;
    struct budget *budget;
    bool lost; /* what is there is not known */
};

void on_disk_init(struct on_disk *o, struct budget *budget);
void on_disk_fini(struct on_disk *o);
/* A tenant's part of the fingerprints of its traces. */
uint64_t on_disk_tenant(const struct on_disk *o, slice tenant);
bool on_disk_may_have(const struct on_disk *o, uint64_t tenant, const trace_id *id);
/* One more segment has it, one less. What was not added is not there to be removed: nothing happens. */
void on_disk_add(struct on_disk *o, uint64_t tenant, const trace_id *id);
void on_disk_remove(struct on_disk *o, uint64_t tenant, const trace_id *id);
/* No segment is left. */
void on_disk_clear(struct on_disk *o);
