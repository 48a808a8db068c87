/* What the files of the store share.
 *
 * Locks: `look` (LOCK_LOOK) is held by whoever wants to see the live data and the blocks of one moment, and
 * by a swap while it changes both. `mu` (LOCK_BLOCKLIST) guards the tenants' current snapshots, the compacted
 * blocks, counts, and the cache of readers; no I/O under either. `changing` is a baton for what must not run
 * twice at once: swap, setting aside, sweep. Snapshots and the metas in them never change. */
#pragma once

#include "vivace/base/metrics.h"
#include "vivace/base/must.h"
#include "vivace/base/mutex.h"
#include "vivace/base/table.h"
#include "vivace/block/store.h"

#include <stdatomic.h>

#define STORE_READERS_BYTES ((size_t)32 << 20)
#define STORE_READERS_MAX   256 /* idle readers: each holds a descriptor */

struct stored_block_private {
    struct stored_block pub;
    struct block_store *store;
    struct store_tenant *tenant;
    _Atomic uint32_t refs; /* snapshots that list it, and the list of compacted blocks */
    size_t bytes;          /* reserved for it */
    /* guarded by mu: */
    struct block_reader *reader;
    size_t reader_bytes;
    uint32_t uses;
    bool opening, idle; /* idle: in the list of idle readers */
    struct stored_block_private *idle_prev, *idle_next;
};

struct block_snapshot_private {
    struct block_snapshot pub;
    _Atomic uint32_t refs;
    struct stored_block **blocks;
};

struct store_tenant {
    char name[BLOCK_TENANT_MAX + 1];
    struct block_snapshot_private *now;       /* guarded by mu */
    bool in_swap;                             /* written with changing held */
    size_t unmarked;                          /* of its compacted blocks; written with changing held */
    size_t bytes, traces;                     /* of its blocks; guarded by mu */
    size_t compacted_bytes, compacted_traces; /* guarded by mu */
    struct series *length_gauge, *bytes_gauge, *traces_gauge, *compacted_gauge, *compacted_bytes_gauge;
};

/* A block that was replaced. */
struct compacted {
    struct stored_block_private *block; /* a reference */
    int64_t marked_ns;
    bool on_disk; /* the mark is durable */
    bool has_by;  /* the block `by` replaced it, and may have to give it back */
    block_uuid by;
};

struct block_store {
    char *path;
    struct budget *budget;
    size_t readers_bytes_max;
    struct mutex look;
    struct mutex mu;
    pthread_cond_t changed; /* opening or changing ended */
    bool changing;          /* guarded by mu */
    struct block_snapshot_private *empty;
    struct str_table by_name; /* struct store_tenant; guarded by mu */
    struct store_tenant **tenants;
    size_t tenant_count, tenant_cap; /* guarded by mu */
    struct compacted *compacted;     /* written with changing held, under mu */
    size_t compacted_count, compacted_cap;
    struct block_store_stats stats; /* guarded by mu; what is counted as it happens */
    struct stored_block_private *idle_new,
        *idle_old; /* readers nobody uses, last used first; guarded by mu */
    size_t idle_count;
    struct metric *length, *bytes, *objects;
    struct series *problems[BLOCK_PROBLEM_COUNT];
};

/* mu held. */
void store_changing_take(struct block_store *s);
void store_changing_give(struct block_store *s);

/* Takes the meta. ERR_LIMIT when the budget refuses (the meta is the caller's then). One reference. */
CHECKED err store_block_new(struct block_store *s, struct store_tenant *t, struct block_meta *meta,
                            struct fault *f, struct stored_block_private **ret);
void store_block_unref(struct stored_block_private *b); /* mu not held; accepts NULL */
/* mu held; the name fits. */
struct store_tenant *store_tenant_get(struct block_store *s, slice name);
/* References of blocks go over to it. Sorted here. */
struct block_snapshot_private *store_snapshot_new(struct stored_block **blocks, size_t count);
void store_snapshot_unref(struct block_snapshot_private *v); /* mu not held */
/* mu held (or nothing else runs): count the tenant's blocks and show them. */
void store_tenant_show(struct block_store *s, struct store_tenant *t);
/* mu held: the tenant's snapshot becomes `next`; the old one is returned, to be released without mu. */
struct block_snapshot_private *store_tenant_set(struct block_store *s, struct store_tenant *t,
                                                struct block_snapshot_private *next);
/* mu held, changing held. Takes the reference. */
void store_compacted_add(struct block_store *s, const struct compacted *c);
/* mu held: one more or (-1) less in the counts of compacted blocks. */
void store_compacted_count(struct block_store *s, struct stored_block_private *b, int sign);
/* Changing held, mu not: make the marks of compacted blocks durable; false when one could not be. */
bool store_mark_all(struct block_store *s, struct fault *f);
/* changing held. The blocks of a snapshot that are not in `gone`, each referenced, with room for more. */
struct stored_block **store_without(const struct block_snapshot_private *now,
                                    struct stored_block_private *const *gone, size_t n, size_t room,
                                    size_t *ret);
/* Give back what store_without returned. */
void store_blocks_drop(struct stored_block **v, size_t n);
void store_problem(struct block_store *s, enum block_problem what, const char *path, const char *reason);

/* store_restore.c: an error of opening a block that no later try can do away with. */
bool store_is_damage(err rc);
/* At start, before anybody else is there: blocks that only damaged ones replaced become live in the list. */
void store_list_mend(struct block_store *s, struct block_list *l);
/* The ids that blocks found at start replace: of live and of marked ones, whose marking may have stopped half
 * way. -> 1 + the place of what replaced it among live and then marked blocks; behind the last: a damaged
 * one. */
void store_list_replaced(const struct block_list *l, struct id_table *ret);
/* mu not held. The block cannot be read: it leaves, and what it replaced comes back as far as it is there. */
void store_set_aside(struct stored_block_private *b, const char *dir, err why, const struct fault *f);

/* readers.c: mu held. The reader of a block that is going away, or NULL. */
struct block_reader *store_reader_take(struct stored_block_private *b);
