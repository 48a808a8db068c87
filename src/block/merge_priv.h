/* A merge under way. merge.c: its course. merge_plan.c: the columns of the result. merge_pool.c: traces in
 * memory. */
#pragma once

#include "load.h"
#include "writer_priv.h"

#include "vivace/block/merge.h"

/* The columns that a merged block gets: those that inputs have and that occur often enough in all. */
void merge_plan(struct block_reader *const *inputs, size_t count, struct schema_plan *ret);
/* Set the fields' `chosen` by the plan. */
void merge_choose(struct block_builder *b, const struct schema_plan *plan);

/* Scratch of pool_drop_duplicates. Zero to begin with. */
struct seen_spans {
    const struct row **slots;
    size_t slot_cap;
};
/* Mark rows of these traces whose span id and kind came before in the trace as dropped; how many. */
uint64_t pool_drop_duplicates(struct seen_spans *s, struct block_builder *b, struct held_trace *const *traces,
                              size_t n);
/* Copy the wanted traces (a flag each) with their rows into another builder, where their ids are indexed. */
CHECKED err pool_move(const struct block_builder *from, const uint8_t *wanted, struct block_builder *to,
                      struct fault *f);
