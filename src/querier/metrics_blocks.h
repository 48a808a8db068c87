/* The blocks of a metrics query: row groups, the latest first, several at once over the worker pool.
 *
 * Every slot of the pool has a sink of its own; they are merged when someone asks for the result. Merging
 * adds up exact numbers, so that it does not matter which slot read what. Threads: one owner. */
#pragma once

#include "metrics_groups.h"
#include "parallel.h"
#include "row_groups.h"

#define METRICS_GROUPS_AT_ONCE 4 /* row groups each slot reads in one step */

struct block_worker {
    struct metrics_sink own; /* slot 0 works on the query's */
    struct group_reader reader;
    bool ready;
    uint64_t spans, bytes; /* told already */
};

struct metrics_blocks {
    const struct metrics_query *q;
    struct metrics_sink *sink;
    struct group_list *lists; /* by tenant */
    size_t at;                /* tenant */
    struct block_worker *workers;
    size_t worker_count;
    struct block_task *tasks;
    struct exemplar **unknown; /* whose traces are to be read, as exemplars_unknown gives them */
    size_t unknown_count, unknown_at;
    bool open;
};

/* Takes the snapshots; reads nothing. Call metrics_blocks_fini in any case. */
CHECKED err metrics_blocks_open(struct metrics_blocks *b, const struct metrics_query *q,
                                struct block_store *store, struct metrics_sink *sink,
                                struct search_stats *stats, struct fault *f);
void metrics_blocks_fini(struct metrics_blocks *b); /* one that was never opened is fine */
/* Some row groups. ERR_NOT_FOUND: all are read. */
CHECKED err metrics_blocks_step(struct metrics_blocks *b, struct search_stats *stats, struct fault *f);
/* Exemplars' traces, when all is read and gathered: begin, then step until ERR_NOT_FOUND. */
void metrics_blocks_traces_begin(struct metrics_blocks *b, struct exemplar_set *s);
CHECKED err metrics_blocks_traces_step(struct metrics_blocks *b, struct search_stats *stats, struct fault *f);
/* What the workers have, into the query's sink. */
void metrics_blocks_gather(struct metrics_blocks *b);
/* No span in what is not read yet begins later. */
uint64_t metrics_blocks_bound(const struct metrics_blocks *b);
