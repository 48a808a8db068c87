/* Settled: everything received is in blocks, and merging them has come to rest. Threads: none. */
#pragma once

#include "target.h"

/* Compaction in a benchmark looks for work every two seconds instead of every thirty: the work is the same,
 * the wait for its end is shorter. What was merged is deleted after three seconds instead of an hour, so that
 * the disk holds what it would hold later. Appended to the configuration of servers started here. */
#define SETTLE_YAML "compactor:\n  compaction:\n    compaction_cycle: 2s\n    compacted_block_retention: 3s\n"

struct settled {
    double flush_s; /* until /flush had answered; a server without it: 0 */
    double quiet_s; /* from there until nothing had moved for the asked time, that time not counted */
    struct target_usage at_flush;        /* when /flush had answered */
    struct target_usage at_rest;         /* at the end */
    double blocks, flushes, compactions; /* of /metrics, at the end; -1 = not told */
    bool rested;                         /* false: still moving at the limit */
};

/* GET /flush, then wait until for `quiet_s` seconds in a row no metric of the block list, of flushes and of
 * compaction has moved and the server used at most 8 % of a core; at most `limit_s`. `quiet_s` 0 = only
 * flush. */
void settle(struct target *t, double quiet_s, double limit_s, struct settled *ret);

/* The sum of a metric's samples in the text of /metrics; -1 when it has none. */
double metric_sum(const struct blob *text, const char *name);
