/* ingester-private: which traces of a tenant are live in Tempo's sense: spans came for them a short time ago.
 *
 * Tempo's max_traces_per_user bounds the traces between their first span and trace_idle_period after their
 * last one. Two generations, each a period long: a trace counts for one to two periods after its last span.
 * A trace is known by 63 bits of a seeded hash of its id (that two of 100,000 have the same: 5 in 10^10).
 * Memory: 8 bytes a slot, at most 1 MiB; beyond ACTIVE_SET_MAX traces new ones are not remembered (and
 * count as live). Threads: the ingester's mutex. */
#pragma once

#include "vivace/model/ids.h"

#define ACTIVE_SET_MAX 100000

struct active_set {
    uint64_t *slots; /* open addressing; 0: free, else the hash over the bit of its generation */
    size_t capacity, count;
    size_t before; /* of them: of the generation before */
    uint64_t seed, generation;
    int64_t turned_ns; /* when the generation began, monotonic */
};

void active_set_init(struct active_set *s, int64_t now_ns);
void active_set_fini(struct active_set *s);
/* Let periods pass. Cheap when none has, else one pass over the slots. */
void active_set_turn(struct active_set *s, int64_t now_ns, int64_t period_ns);
bool active_set_has(const struct active_set *s, const trace_id *id);
/* A span came for this trace. */
void active_set_touch(struct active_set *s, const trace_id *id);
size_t active_set_count(const struct active_set *s);
