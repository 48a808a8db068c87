/* gather_open, gather_next and gather_close of blocks: vivace/querier/search.h. */
#pragma once

#include "vivace/block/store.h"
#include "vivace/querier/search.h"

CHECKED err block_gather_open(struct block_store *store, const struct search_hunt *hunt, struct fault *f,
                              void **ret_cursor);
CHECKED err block_gather_next(void *cursor, const struct id_table *wanted, struct span_batch *out,
                              uint64_t *bytes, struct fault *f);
void block_gather_close(void *cursor);
