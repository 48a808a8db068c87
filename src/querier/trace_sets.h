/* Which traces lie in a row group: asked of its Bloom filter, which the block's reader keeps, and exactly of
 * its column of trace ids when that says maybe: read on first use and kept as long as the search that asks.
 * Threads: each row group is one thread's at a time; several may be asked about at once. Memory: 16 bytes a
 * trace, out of `budget`. */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/block/reader.h"

#include <stdatomic.h>

struct trace_sets {
    struct trace_set **sets; /* by block, then row group; NULL: not entered */
    size_t *counts;          /* row groups, by block */
    size_t block_count;
    struct budget *budget;
    _Atomic size_t held; /* bytes */
    _Atomic uint64_t bytes_read;
};

#define TRACE_SETS_SKIP 2

/* Relaxed: whoever reads the marks has waited for who makes them. */
static inline void
trace_sets_mark(uint8_t *at)
{
    __atomic_store_n(at, 1, __ATOMIC_RELAXED);
}

void trace_sets_init(struct trace_sets *t, size_t block_count, struct budget *budget);
void trace_sets_fini(struct trace_sets *t);
/* What a filter is asked. */
uint64_t trace_sets_hash(const trace_id *id);
/* Before a block's row groups are asked about; one thread. Again does nothing. */
CHECKED err trace_sets_enter(struct trace_sets *t, size_t block, const struct block_reader *r,
                             struct fault *f);
/* Mark (trace_sets_mark(&ret[i])) the traces that have rows in the row group of block number `block`;
 * hashes[i] is that of ids[i]. Several threads may share `ret`. Where it is TRACE_SETS_SKIP nothing is asked.
 */
CHECKED err trace_sets_ask(struct trace_sets *t, size_t block, const struct block_reader *r, size_t group,
                           const trace_id *ids, const uint64_t *hashes, size_t n, uint8_t *ret,
                           struct fault *f);
/* Does the row group have any of them? */
CHECKED err trace_sets_any(struct trace_sets *t, size_t block, const struct block_reader *r, size_t group,
                           const trace_id *ids, const uint64_t *hashes, size_t n, struct fault *f, bool *ret);
/* All trace ids of a row group, in order. Valid until fini. */
CHECKED err trace_sets_list(struct trace_sets *t, size_t block, const struct block_reader *r, size_t group,
                            const trace_id **ret_ids, size_t *ret_count, struct fault *f);
