/* The row groups of a tenant's blocks that may hold spans of a range of time, the ones with the latest traces
 * first. Blocks are opened when their turn comes. Threads: one owner. */
#pragma once

#include "vivace/block/store.h"

struct listed_group {
    uint32_t block;     /* in the snapshot */
    uint32_t group;     /* row group of the block */
    uint64_t latest_ns; /* every trace with a span in it begins here or earlier */
    uint64_t min_start_ns;
    uint64_t max_end_ns; /* no span ends later; UINT64_MAX when the file does not say */
};

struct group_list {
    const struct block_snapshot *snapshot;
    struct block_reader **readers; /* by block; NULL: not opened */
    struct listed_group *groups;   /* of the opened blocks, latest_ns falling; those before `at` are taken */
    size_t group_count, group_cap, at;
    size_t next_block;
    size_t passed; /* row groups left out for their time */
    uint64_t from_ns, to_ns;
};

/* Spans may overlap [from_ns, to_ns]. `store` may be NULL while the server starts: ERR_UNAVAILABLE. */
CHECKED err group_list_open(struct group_list *l, struct block_store *store, slice tenant, uint64_t from_ns,
                            uint64_t to_ns, struct fault *f);
/* A list that was not opened is fine. */
void group_list_close(struct group_list *l);
/* The next one, its reader open; ERR_NOT_FOUND behind the last. It stays until group_list_take. */
CHECKED err group_list_peek(struct group_list *l, struct fault *f, struct listed_group *ret);
static inline void
group_list_take(struct group_list *l)
{
    l->at++;
}
/* Open every block that is left, so that all readers of the range are there. */
CHECKED err group_list_open_all(struct group_list *l, struct fault *f);
/* No trace with a span in what is not taken yet begins later; 0 when all is taken. Opens nothing. */
uint64_t group_list_bound(struct group_list *l);
