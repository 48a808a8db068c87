/* gather_open, gather_next and gather_close of blocks: vivace/querier/search.h. */
#pragma once

#include "trace_sets.h"

#include "vivace/block/store.h"
#include "vivace/querier/search.h"

/* `sets` (may be NULL) is what the search knows of the blocks of the snapshot `of`: it is used, and added to,
 * when these are still the blocks. */
CHECKED err block_gather_open(struct block_store *store, const struct search_hunt *hunt,
                              struct trace_sets *sets, const struct block_snapshot *of, struct fault *f,
                              void **ret_cursor);
CHECKED err block_gather_next(void *cursor, const struct id_table *wanted, struct gathered *out,
                              uint64_t *bytes, struct fault *f);
void block_gather_close(void *cursor);
