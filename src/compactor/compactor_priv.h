/* compactor.c: the cycle, space, metrics. select.c: which blocks are merged. job.c: one merge. retention.c:
 * what is deleted. */
#pragma once

#include "vivace/base/clock.h"
#include "vivace/base/metrics.h"
#include "vivace/base/table.h"
#include "vivace/compactor/compactor.h"
#include "vivace/runtime/pool.h"

#include <stdatomic.h>

#define COMPACT_INPUTS_MIN  2
#define COMPACT_INPUTS_OPEN 4 /* in a window that goes on: of one level, at least */
#define COMPACT_INPUTS_MAX  16
#define FAILURES_MAX        3                 /* of a block: then it is left alone */
#define FAILURES_KEPT       4096              /* blocks they are known of */
#define FAILURES_NS         (3600 * NS_PER_S) /* how long they are remembered */

struct compactor_metrics {
    struct metric *blocks, *bytes, *combined, *written, *spans_combined; /* by level */
    struct metric *outstanding;                                          /* by tenant */
    struct series *done, *errors, *marked, *deleted, *retention_errors, *retention_time, *paused;
};

struct compactor {
    struct compactor_options o;
    struct maintenance *thread;
    _Atomic bool stop;
    bool no_space;
    int64_t busy_since_ns;    /* 0: it is not */
    struct id_table failures; /* by block */
    int64_t failures_since_ns;
    /* a merged block that could not replace its inputs nor be removed yet */
    bool has_leftover;
    block_uuid leftover;
    char leftover_tenant[BLOCK_TENANT_MAX + 1];
    int64_t pause_at_ns, look_at_ns; /* of the merge under way: next pause, next look at the disk */
    struct compactor_metrics m;
};

/* ERR_UNAVAILABLE when the file system would have less than its reserve after `bytes` more. */
CHECKED err compactor_space(struct compactor *c, uint64_t bytes, struct fault *f);
void compactor_forget_failures(struct compactor *c);
void compactor_limits_of(const struct compactor *c, slice tenant, struct compactor_limits *ret);

/* --- select.c --- */

struct selection {
    struct stored_block *blocks[COMPACT_INPUTS_MAX];
    size_t count;
};

struct select_rules {
    int64_t window_ns, now_ns;
    uint64_t max_objects, max_block_bytes;
    const struct id_table *failures; /* by block id; may be NULL */
};

/* The next blocks to merge: of the newest window that has some. False when there are none. *ret_outstanding:
 * blocks that wait for a merge in all windows. */
bool select_blocks(const struct block_snapshot *v, const struct select_rules *r, struct selection *ret,
                   size_t *ret_outstanding);

/* --- job.c --- */

/* Merge and replace. ERR_CANCELLED, ERR_UNAVAILABLE (no room): nothing changed, later again; any other error:
 * counted and logged, and what caused it is not tried for ever. */
CHECKED err compact_blocks(struct compactor *c, slice tenant, const struct selection *s);
/* Remove what a failed swap left; false while that fails. */
bool compact_leftover(struct compactor *c);

/* --- retention.c --- */

void retention_run(struct compactor *c);
