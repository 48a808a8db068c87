/* Which traces of some row groups lie elsewhere too: in another block, in the row group beside, in live data.
 *
 * Row groups of the list's blocks are asked by their sets of trace ids, several at once on the pool. Threads:
 * the cursor's owner. */
#pragma once

#include "row_groups.h"
#include "trace_sets.h"

#include "vivace/querier/search.h"

/* Traces of one row group. */
struct spread_ask {
    struct listed_group group;
    const trace_id *ids;
    uint64_t *hashes; /* room for as many */
    uint8_t *spread;  /* the answer: a byte for each, not 0 = it is */
    size_t count;
    uint64_t from_ns, to_ns; /* of all of them */
    /* the row group's first and last trace, which alone may go on in the one beside: places in ids, or
     * SPREAD_NOT_ASKED */
    size_t first, last;
};
#define SPREAD_NOT_ASKED SIZE_MAX

struct spread {
    const struct search_hunt *hunt;
    struct block_store *store;
    struct group_list *list; /* whose blocks are asked */
    struct trace_sets *sets;
};

/* For each of the asks with a count. Whoever does not take judged traces (hunt->search NULL) learns that all
 * are spread. */
CHECKED err spread_find(struct spread *s, struct spread_ask *asks, size_t n, struct fault *f);
