/* Sealed segments become blocks.
 *
 * flusher_open settles what a crash left between blocks and segments. flusher_run writes every sealed
 * segment, oldest first: its spans by tenant into block builders, one builder published whenever all of them
 * together hold `builder_bytes`; when all blocks of the segment are on disk, one block_store_swap serves them
 * and retires the segment. So every query sees each span in the segment or in its blocks, and a crash at any
 * point loses and doubles nothing:
 *
 *   crash before all blocks are there  the start removes those that are, the segment is written again
 *   crash after that                   the start serves the blocks and retires the segment
 *
 * A failure leaves the segment live. What it left on disk is removed before the next try.
 * Threads: but for flusher_cancel one owner at a time, never a loop (disk I/O, CPU). Memory: builder_bytes
 * and what writing a block takes (about 15 MiB), one window of the segment and one decoded record; out of
 * `budget`. Source: docs/block-format.md 4.
 */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/block/store.h"
#include "vivace/ingester/ingester.h"

struct flusher;

struct flusher_options {
    struct ingester *ingester;
    struct block_store *store;
    struct budget *budget; /* may be NULL */
    size_t builder_bytes;  /* 0 = FLUSH_BUILDER_MAX */
};

#define FLUSH_BUILDER_MAX ((size_t)64 << 20)
/* What a process with this much memory gives to builders: a sixth, 4 MiB at least. */
size_t flush_builder_bytes(size_t memory_limit);

/* Nothing may be served yet. ERR_IO, ERR_LIMIT: the segments or blocks could not be looked at. */
CHECKED err flusher_open(const struct flusher_options *o, struct fault *f, struct flusher **ret);
/* Accepts NULL. */
void flusher_close(struct flusher *fl);

/* Write what is sealed now. The first failure is returned (counted; the segment stays live), later segments
 * are tried all the same. Logged when a series of failures begins and ends. */
CHECKED err flusher_run(struct flusher *fl, struct fault *f);
/* From any thread: a run that goes on ends soon with ERR_CANCELLED (its segment stays live), and so do later
 * ones until it is set to false. */
void flusher_cancel(struct flusher *fl, bool cancelled);
/* Segments that could be written now, the one under way included. From any thread. */
size_t flusher_waiting(const struct flusher *fl);
/* The same as flusher_run, but nothing while the pause after a failure lasts (1 s, doubled up to 60 s). */
void flusher_maintain(struct flusher *fl);
