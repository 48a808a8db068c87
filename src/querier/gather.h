/* The spans of many traces read in one pass, for searches that must judge many: queries no single span
 * decides.
 *
 * A search that has judged GATHER_AFTER traces one by one takes the next candidates together, has every
 * source that offers it read its data once for all of them, and then judges them in the same order as before.
 * What does not fit into GATHER_BYTES_MAX is tried again with fewer. Threads: one owner. */
#pragma once

#include "candidates.h"

#define GATHER_AFTER     64 /* found one by one this costs about as much as reading 50,000 spans */
#define GATHER_FIRST     1024
#define GATHER_MAX       16384
#define GATHER_MIN       16 /* fewer are not worth a pass */
#define GATHER_BYTES_MAX ((size_t)64 << 20)

/* Spans in batches, those of a trace in the order of the batches and of the rows in them. */
struct gathered {
    struct span_batch **batches;
    size_t count, cap;
    struct span_batch *common; /* one of them, or NULL */
};

struct gathered_row {
    uint32_t batch, row;
};

struct gather {
    const struct search_query *q;
    struct id_table wanted; /* id -> place + 1 */
    uint32_t *positions;    /* by place: in the candidates */
    uint32_t *starts;       /* by place + 1: spans of it are rows[starts[place] .. starts[place + 1]) */
    struct gathered_row *rows;
    size_t count, at; /* traces; the next to judge */
    size_t goal;      /* how many to take the next time; 0: none any more */
    struct gathered spans;
    struct search_hunt hunt; /* of the cursor */
    struct search *search;   /* NULL: spans are wanted whole */
    void *looked;            /* the search's own cursor of the source */
    void *cursor;
    size_t source; /* tenant and source being read: tenant * sources + source */
    bool reading, grew;
};

void gather_init(struct gather *g, const struct search_query *q);
void gather_fini(struct gather *g);
/* Bytes it holds from the system for spans. */
size_t gather_bytes(const struct gather *g);
/* Take candidates and begin to read. False when there are too few, or no source to read. */
bool gather_begin(struct gather *g, struct candidates *c);
/* A step of what is to be read. */
CHECKED err gather_read(struct gather *g, struct candidates *c, uint64_t *bytes, struct fault *f);
/* Traces are waiting, or being read. */
static inline bool
gather_is_active(const struct gather *g)
{
    return g->at < g->count;
}
/* The bound of the next one. */
static inline uint64_t
gather_peek(const struct gather *g, const struct candidates *c)
{
    return gather_is_active(g) ? c->v[g->positions[g->at]].start_ns : 0;
}
/* Copy the spans of the trace at `place` to `out` (bytes stay in the gather). ERR_LIMIT when that is full.
 * Threads: any, once all is read. */
CHECKED err gather_copy(const struct gather *g, size_t place, struct span_batch *out);
