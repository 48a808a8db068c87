/* A merge under way. merge.c: its course. merge_plan.c: the columns of the result. merge_pool.c: traces in
 * memory. merge_copy.c: row groups that are not decoded. */
#pragma once

#include "load.h"
#include "writer_priv.h"

#include "vivace/block/merge.h"

/* The columns that a merged block gets: those that inputs have and that occur often enough in all. */
void merge_plan(struct block_reader *const *inputs, size_t count, struct schema_plan *ret);
/* Set the fields' `chosen` by the plan. */
void merge_choose(struct block_builder *b, const struct schema_plan *plan);

/* Where a span is looked for by its id and kind, in a power of two slots. */
size_t span_slot(const span_id *id, int32_t kind, size_t mask);
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

/* What a row group that goes out as it is holds. */
struct copied_group {
    uint64_t rows, traces, min_start_ns, max_end_ns;
};

struct copier;
/* `w` is prepared, and outlives it as the plan does. */
struct copier *copier_create(struct block_reader *const *inputs, size_t count, const struct schema_plan *plan,
                             struct block_writer *w);
/* Accepts NULL. */
void copier_destroy(struct copier *c);
/* What copying row groups of so many rows takes at most. */
size_t copier_bytes(uint64_t group_rows);
/* Set `dictionary` and `distinct` of the writer's targets by what the inputs have. */
void copier_choose_dictionaries(struct copier *c, struct block_reader *const *inputs);
/* May the row group that `l` is at, of this input, stand in the output as it is? Its columns must fit, no
 * attribute be elsewhere than readers will look, its rows be in order and no span twice. Whether its traces
 * stand elsewhere is the caller's to know. A group that may not for what is wrong with it is to be decoded:
 * that says what it is. ERR_CORRUPT, ERR_IO, ERR_LIMIT. */
CHECKED err copier_look(struct copier *c, struct loader *l, size_t input, struct copied_group *ret,
                        bool *ret_fits);
/* Copy it. */
CHECKED err copier_copy(struct copier *c, struct loader *l, size_t input);
