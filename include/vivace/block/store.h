/* The blocks a process serves: one immutable list for each tenant, replaced as a whole.
 *
 *   snapshot = block_store_snapshot(store, tenant);
 *   for each snapshot->blocks[i] (newest first by max_end_ns) {
 *       look at ->meta; TRY(stored_block_open(b, f, &reader)); read; stored_block_done(b);
 *   }
 *   block_snapshot_release(snapshot);
 *
 * A snapshot stays readable until it is released, whatever is published or removed meanwhile. A block that
 * was replaced is marked compacted on disk at once (a start does not serve it) and deleted by
 * block_store_sweep. Crash story: an added block names what it replaces (block_meta.inputs), so a start that
 * finds both serves the new one and finishes the marking. A block that turns out to be damaged while what it
 * replaced is still there gives its place back: at a start, when it is opened, before the files of its inputs
 * are deleted. Source: docs/block-format.md.
 *
 * Memory: about 400 bytes a block; footers (and filters of trace IDs) of blocks in use are kept up to
 * `readers_bytes_max`, least recently used go first. Threads: every call from any worker; disk I/O.
 */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/block/list.h"
#include "vivace/block/reader.h"

struct block_store;

struct block_store_options {
    const char *path;         /* storage.trace.local.path */
    struct budget *budget;    /* lists and open readers; may be NULL */
    size_t readers_bytes_max; /* 0 = 32 MiB */
};

struct stored_block {
    struct block_meta meta; /* immutable; without its inputs */
    struct stored_block_private *priv;
};

struct block_snapshot {
    struct stored_block *const *blocks; /* newest first: by meta.max_end_ns, then id */
    size_t count;
    struct block_snapshot_private *priv;
};

/* Find the blocks, finish what a crash left. What cannot be read is named in the log, counted, left where it
 * is.
 */
CHECKED err block_store_open(const struct block_store_options *o, struct fault *f, struct block_store **ret);
/* No snapshot may be held. */
void block_store_close(struct block_store *s);

/* Never NULL: a tenant without blocks has an empty one. */
const struct block_snapshot *block_store_snapshot(struct block_store *s, slice tenant);
void block_snapshot_release(const struct block_snapshot *v);
/* The i-th tenant that has or had blocks since the start, in no order, copied; false behind the last. */
bool block_store_tenant(struct block_store *s, size_t i, char ret[BLOCK_TENANT_MAX + 1]);
bool block_store_has_tenant(struct block_store *s, slice tenant);
/* "<path>/<tenant>": where the tenant's blocks are written. */
CHECKED err block_store_tenant_dir(struct block_store *s, slice tenant, char *ret /* PATH_MAX */,
                                   struct fault *f);

/* A reader of the block, shared and kept open between uses. The snapshot is held until stored_block_done, and
 * each success needs one. ERR_CORRUPT (also for a file that is gone, or of another version): the block is set
 * aside, no later snapshot has it, but what it replaced as far as it is there; logged and counted. ERR_LIMIT
 * over the budget, ERR_IO: retry. */
CHECKED err stored_block_open(struct stored_block *b, struct fault *f, struct block_reader **ret);
void stored_block_done(struct stored_block *b);
/* Pages of the block are damaged: when all that it replaced is still there, that is served in its place.
 * ERR_NOT_FOUND: it is not, or the block is not served any more; nothing changes. */
CHECKED err block_store_fall_back(struct stored_block *b, const char *reason, struct fault *f);

/* In one step for whoever takes a snapshot or holds a look: `add` (published on disk already; their metas are
 * copied) come, `gone` go. `commit` (may be NULL) runs inside the step, for what must change with it (a
 * segment leaves the live data): short, it may lock what ranks above LOCK_LOOK, and does no I/O; when it
 * fails nothing changes and its error is returned. ERR_NOT_FOUND when a block of `gone` is not served any
 * more (it was replaced, or set aside), ERR_LIMIT over the budget: nothing changes. One entry for each
 * tenant. What replaces blocks is one block that names all of them in its inputs. */
struct block_swap {
    slice tenant;
    const struct block_meta *add;
    size_t add_count;
    struct stored_block *const *gone;
    size_t gone_count;
};
CHECKED err block_store_swap(struct block_store *s, const struct block_swap *swaps, size_t n,
                             err (*commit)(void *ctx, struct fault *f), void *ctx, struct fault *f);

/* Between the two calls no swap happens: who opens a scan of the live data and takes a snapshot in between
 * sees every span once. Short: nothing is read inside. */
void block_store_look_begin(struct block_store *s);
void block_store_look_end(struct block_store *s);

/* Make sure that every block that went is marked on disk: after OK no start serves one of them again. A swap
 * tries it itself; this says whether it worked. */
CHECKED err block_store_settle(struct block_store *s, struct fault *f);
/* Delete blocks that were marked compacted before `before_unix_ns` and that no snapshot holds; how many. What
 * replaced them is opened first. */
size_t block_store_sweep(struct block_store *s, int64_t before_unix_ns);

struct block_store_stats {
    size_t blocks, tenants, bytes, spans;
    size_t compacted_blocks; /* marked, not deleted yet */
    size_t compacted_bytes;
    size_t problems[BLOCK_PROBLEM_COUNT]; /* set aside */
    size_t open_readers, reader_bytes;
};
void block_store_stats(struct block_store *s, struct block_store_stats *ret);
