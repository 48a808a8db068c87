/* Exemplars: spans that stand for the series of an answer, spread over its series and over time.
 *
 * While a query runs, a set keeps candidates: of each series and stretch of time those whose start has the
 * least hash. That needs nothing but the start, which is decoded anyway; the trace of a row in a block is
 * read behind the last row, for candidates that are shown. When everything is in, the series share the
 * exemplars that were asked for, each has one at least: its stretches are joined two by two until two
 * exemplars for each run of them are not too many. Of a run the latest stretch that has candidates is shown,
 * so that those of all series lie close together, in few row groups; a trace once in a series. What is shown
 * depends on the spans alone, not on where they lie or in what order they are read.
 *
 * Spans that start at the same nanosecond are told apart by their traces; of more than EXEMPLARS_TIED_MAX at
 * one place of one series some are passed over. Threads: one owner. Memory: exemplars_bytes. */
#pragma once

#include "vivace/querier/metrics.h"

#define EXEMPLARS_PER_RUN  2
#define EXEMPLARS_KEPT     3 /* candidates of a stretch: one to spare, should two be of one trace */
#define EXEMPLARS_TIED_MAX 64
#define EXEMPLARS_MAX      1000 /* of a series, whatever is asked for */
#define METRICS_NO_STEP    UINT32_MAX

struct block_reader;

struct exemplar {
    uint64_t rank; /* the least are kept */
    uint64_t start_ns;
    trace_id trace;
    struct block_reader *block; /* this row of it has the trace's ID; NULL: `trace` is known */
    uint32_t row_group, row;
    struct tql_static measured; /* a number or nil */
    uint32_t owner;
    uint32_t next; /* position + 1 of the next candidate of its stretch, the rank rising */
    bool marked, shown;
};

/* The candidates of one series and stretch. */
struct exemplar_slot {
    uint64_t limit; /* the rank of the last of EXEMPLARS_KEPT; when there are as many */
    uint32_t first; /* position + 1 */
    uint32_t count;
};

struct exemplar_set {
    const struct metrics_query *q;
    struct exemplar *v;
    struct exemplar_slot *slots; /* by owner (a series) and stretch */
    uint32_t count, cap;         /* places of `v` that were ever in use */
    uint32_t used, free;         /* those that are; position + 1 of one that is not, more behind it */
    uint32_t slot_owners;        /* that have slots */
    uint32_t owners;             /* that have candidates */
    uint32_t run_bits;           /* a run is 2^run_bits stretches */
};

void exemplars_init(struct exemplar_set *s, const struct metrics_query *q);
void exemplars_fini(struct exemplar_set *s);
size_t exemplars_bytes(const struct exemplar_set *s);

/* What decides between spans: a hash of the start, never 0, and (in the rank's low half) the start itself. */
static inline uint32_t
exemplars_hash(uint64_t start_ns)
{
    uint32_t x =
        (uint32_t)start_ns * UINT32_C(0x9e3779b1) ^ (uint32_t)(start_ns >> 32) * UINT32_C(0x85ebca77);
    x = (x ^ x >> 15) * UINT32_C(0x2c1b3c6d);
    x = (x ^ x >> 12) * UINT32_C(0x297a2d39);
    return (x ^ x >> 15) | 1;
}
static inline uint64_t
exemplars_rank(uint64_t start_ns)
{
    return (uint64_t)exemplars_hash(start_ns) << 32 | (uint32_t)start_ns;
}
/* The stretch an interval lies in: 0, 1, ... */
uint32_t exemplars_stretch(const struct metrics_query *q, uint32_t step);
/* The rank above which a start in this stretch is of no use; 0: none is. */
uint64_t exemplars_limit(const struct exemplar_set *s, size_t owner, uint32_t stretch);
/* Would one of this start, which lies in an interval, be kept? */
bool exemplars_want(const struct exemplar_set *s, size_t owner, uint64_t start_ns);
/* A span: start, trace or place, and what was measured. Its rank and owner are set here. */
void exemplars_add(struct exemplar_set *s, size_t owner, const struct exemplar *e);
/* All candidates of `from`'s owner. */
void exemplars_merge(struct exemplar_set *s, size_t owner, const struct exemplar_set *from,
                     size_t from_owner);

/* --- when everything is in, in this order --- */

/* Mark those that may be shown. */
void exemplars_mark(struct exemplar_set *s);
/* Marked ones whose trace is not known, by block, row group and row; `ret` has room for s->count. */
size_t exemplars_unknown(struct exemplar_set *s, struct exemplar **ret);
/* Choose from the marked ones, whose traces are known now. */
void exemplars_choose(struct exemplar_set *s);
/* Those of an owner that are shown; `ret` has room for EXEMPLARS_MAX. Before exemplars_choose: none. */
size_t exemplars_shown(const struct exemplar_set *s, size_t owner, const struct exemplar **ret);

/* The interval a start lies in, or METRICS_NO_STEP. */
static inline uint32_t
metrics_interval(const struct metrics_query *q, uint64_t start_ns)
{
    if (start_ns <= q->start_ns) {
        return METRICS_NO_STEP;
    }
    uint64_t step = (start_ns - q->start_ns - 1) / q->step_ns;
    return step < q->steps ? (uint32_t)step : METRICS_NO_STEP;
}
