/* The same spans in different places: all live, all in one block, or scattered, with a real WAL and a real
 * store of blocks in a directory of their own. What a query answers must not depend on it.
 *
 * The caller's batches are only read. One thread. */
#pragma once

#include "vivace/base/rng.h"
#include "vivace/block/store.h"
#include "vivace/ingester/ingester.h"
#include "vivace/model/span_batch.h"
#include "vivace/querier/search.h"

enum place {
    PLACE_LIVE,      /* several pushes, a sealed segment and a head */
    PLACE_BLOCK,     /* one block */
    PLACE_REPEATED,  /* one block, a quarter of the spans twice in it */
    PLACE_TRACES,    /* three blocks and live data, each trace whole in one of them */
    PLACE_SCATTERED, /* the same, each span for itself */
    PLACE_MERGED,    /* three blocks merged into one, a quarter of the spans came twice */
    PLACE_TWICE,     /* the same, and a quarter of the spans in two of them */
    PLACE_COUNT
};

#define PLACES_TENANT SL("t")

struct places {
    char dir[64];
    struct ingester *ingester;
    struct block_store *store;
    _Atomic(struct ingester *) ingester_at;
    _Atomic(struct block_store *) store_at;
    struct search_source sources[2]; /* live, blocks */
};

const char *place_name(enum place p);
/* `row_group_rows` of blocks: small ones make several. */
void places_make(struct places *p, const struct span_batch *traces, size_t count, enum place place,
                 struct rng *r);
void places_fini(struct places *p);
