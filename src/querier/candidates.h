/* Traces that may match: gathered from the sources, taken newest first. Threads: one owner. */
#pragma once

#include "vivace/base/table.h"
#include "vivace/querier/search.h"

struct candidate {
    trace_id id;
    uint64_t start_ns; /* the trace begins here or earlier */
    uint32_t bits;
    bool ready; /* stands, or stood, in the heap */
};

#define CANDIDATE_DONE UINT64_MAX

struct candidates {
    struct id_table index; /* id -> position + 1, or CANDIDATE_DONE */
    struct candidate *v;
    uint32_t *heap; /* positions; latest start first */
    size_t count, cap, heap_count;
    uint32_t complete; /* bits that make a candidate ready */
    struct budget *budget;
    size_t reserved;
};

void candidates_init(struct candidates *c, uint32_t complete, struct budget *budget);
void candidates_fini(struct candidates *c);
/* A trace that is judged already: offers of it are passed over from now on. It was never offered. */
void candidates_forget(struct candidates *c, const trace_id *id);
/* The bound of the one to come; 0 when none is ready. */
uint64_t candidates_peek(const struct candidates *c);
/* Its position in `v`; false when none is ready. */
bool candidates_take(struct candidates *c, uint32_t *ret);
/* One that was taken is to come again. */
void candidates_put_back(struct candidates *c, uint32_t at);
