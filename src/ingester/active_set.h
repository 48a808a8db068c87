/* ingester-private: which traces of a tenant are live in Tempo's sense: spans came for them a short time ago.
 *
 * Tempo's max_traces_per_user bounds the traces between their first span and trace_idle_period after their
 * last one. Two generations of ids, each a period long: a trace counts for one to two periods after its last
 * span. Memory: 24 bytes an id, at most ACTIVE_SET_MAX ids; beyond that new ones are not remembered (and
 * count as live). Threads: the ingester's mutex. */
#pragma once

#include "vivace/base/table.h"
#include "vivace/model/ids.h"

#define ACTIVE_SET_MAX 100000

struct active_set {
    struct id_table now, before;
    int64_t turned_ns; /* when `now` was begun, monotonic */
};

void active_set_init(struct active_set *s, int64_t now_ns);
void active_set_fini(struct active_set *s);
/* Let periods pass. Cheap when none has. */
void active_set_turn(struct active_set *s, int64_t now_ns, int64_t period_ns);
bool active_set_has(const struct active_set *s, const trace_id *id);
/* A span came for this trace. */
void active_set_touch(struct active_set *s, const trace_id *id);
size_t active_set_count(const struct active_set *s);
