/* Compaction and retention over a store of blocks, on one thread of its own.
 *
 * Each cycle: blocks past their retention and, over `retention_bytes`, the oldest blocks are taken out of
 * the list; what was taken out or replaced is deleted when its time has come and nobody reads it; then two
 * to sixteen blocks of one tenant and window of time become one, as long as there is such work. One merge
 * runs at a time, at a low priority, with pauses. A merge is refused, and one under way dropped, while the
 * file system has less than 5 % free (1 GiB at most): spans need the room. What a merge cannot read or
 * hold in memory is left as it is, and alone for an hour. No merge begins while the caller is `busy`.
 * docs/adr/0005 and 0006 have the rules.
 *
 * A block is published before it replaces its inputs, in one step, and names them: a crash at any moment
 * loses and doubles nothing. Threads: start and stop from one thread; the compactor's own does the work.
 */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/block/store.h"

struct compactor;

/* A tenant's, 0 = as the options say. */
struct compactor_limits {
    int64_t block_retention_ns, window_ns;
    bool disabled; /* no merges; retention goes on */
};

struct compactor_options {
    struct block_store *store;
    const char *path;               /* storage.trace.local.path: whose file system must have room */
    struct budget *budget;          /* of merges; may be NULL */
    int64_t window_ns;              /* 0 = 1 h */
    int64_t cycle_ns;               /* how often work is looked for; 0 = 30 s */
    int64_t max_time_per_tenant_ns; /* then the next tenant's turn comes; 0 = 5 min */
    int64_t block_retention_ns;     /* by the end of a block's newest span; 0 = for ever */
    int64_t compacted_block_retention_ns;
    uint64_t retention_bytes; /* of all blocks, replaced ones included; 0 = no bound */
    uint64_t max_objects;     /* traces of a merged block; 0 = no bound */
    uint64_t max_block_bytes; /* of a merged block; 0 = no bound */
    void (*limits)(void *ctx, slice tenant, struct compactor_limits *ret); /* may be NULL */
    void *limits_ctx;
    /* True while something more urgent wants the CPU and the memory of a merge: none begins then, for ten
     * minutes on end at most. May be NULL. */
    bool (*busy)(void *ctx);
    void *busy_ctx;
    /* Bytes that the file system has and has free; NULL = statvfs of `path`. For tests. */
    err (*space)(void *ctx, uint64_t *ret_total, uint64_t *ret_free);
    void *space_ctx;
};

/* Without a thread: the caller runs cycles (tests, tools). The store must outlive it. */
struct compactor *compactor_create(const struct compactor_options *o);
/* The thread; its first cycle is one period away. */
void compactor_start(struct compactor *c);
/* Have a cycle run soon. */
void compactor_poke(struct compactor *c);
/* Stop within about 100 ms: a merge under way is dropped. Frees. Accepts NULL. */
void compactor_destroy(struct compactor *c);

/* One cycle, on the caller's thread; how many merges were done. Not while the thread runs. */
size_t compactor_cycle(struct compactor *c);
