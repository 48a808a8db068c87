/* A row group of a block as vectors: one for each slot of a plan, masks of rows for its filters.
 *
 *   scan = group_scan_create(reader, plan, guard, budget)         slots to columns, once a block
 *   group_scan_open(scan, row_group)                              reads nothing yet
 *   group_slot(scan, slot) -> values of all rows                  read on first use, kept until the next open
 *   group_filter(scan, filter) -> bit mask of the rows it keeps; nothing is read when bounds tell it
 *   group_scan_destroy(scan)
 *
 * Values are exactly those of values.h for the same spans. Those of the trace (rootName, traceDuration, ...)
 * and of its structure (nestedSetLeft, childCount, ...) are the block's own: they are the trace's only when
 * all of it lies in this row group and no span came twice; group_traces says which.
 *
 * Rows are those of the row group. Events and links stand in vectors of their own, element by element in the
 * order of their rows; group_parts says where each row's begin.
 *
 * Memory: arrays of the row group (4 to 8 bytes a row and column in use, and dictionaries), reserved in
 * `budget`; the vectors live until the next open. ERR_LIMIT when it is used up, ERR_CORRUPT for what does not
 * fit together in the file. Threads: one owner; the reader and the plan may be shared.
 */
#pragma once

#include "values.h"

#include "vivace/base/budget.h"
#include "vivace/block/reader.h"
#include "vivace/querier/guard.h"
#include "vivace/traceql/plan.h"

#define GROUP_ROWS_MAX  (1U << 24) /* of a row group */
#define GROUP_BYTES_MAX ((size_t)1 << 30)

enum vector_form {
    VECTOR_CODED, /* dict[codes[i]] */
    VECTOR_INTS,  /* ints[i] of type `type`, where `present` says so */
};

/* The values of one slot. dict[0] is nil, the owner has no such attribute, unless every span has one (name,
 * kind). Another entry may be nil too: the owner has it, but it is nothing the language can look at (a list
 * of lists). Conditions are best run once for each entry; entries may repeat, and some may be used by no row.
 */
struct slot_vector {
    uint8_t form; /* enum vector_form */
    uint8_t type; /* INTS: TQL_INT, TQL_DURATION, TQL_STATUS, TQL_KIND */
    size_t count; /* rows, or events, or links */
    const uint32_t *codes;
    const struct tql_static *dict;
    uint32_t dict_count;
    const int64_t *ints;
    const uint64_t *present; /* a bit each; NULL = all */
};

/* Rows' events or links: of row r they are [first[r], first[r + 1]). */
struct group_parts {
    const uint32_t *first; /* rows + 1 */
    uint32_t count;
};

/* One trace's rows. */
struct group_trace {
    trace_id id;
    uint32_t from, to;
};

struct group_traces {
    const struct group_trace *v; /* by row */
    size_t count;
};

struct group_scan_private;

struct group_scan {
    struct block_reader *reader;
    const struct tql_plan *plan;
    size_t row_group, rows, words; /* words: 64-bit words of a mask */
    size_t looked;                 /* all rows once one of their columns is read, else 0 */
    uint64_t bytes_read;           /* since it was created */
    struct group_scan_private *priv;
};

/* `guard` and `budget` may be NULL. Never fails; the columns are looked at by open and slot. */
struct group_scan *group_scan_create(struct block_reader *r, const struct tql_plan *plan,
                                     const struct query_guard *guard, struct budget *budget);
void group_scan_destroy(struct group_scan *s); /* accepts NULL */
/* What the row group opened before gave is gone. */
CHECKED err group_scan_open(struct group_scan *s, size_t row_group, struct fault *f);

/* A slot's values: for event and link slots by element, for all others by row. */
CHECKED err group_slot(struct group_scan *s, uint32_t slot, struct fault *f, const struct slot_vector **ret);
/* The value at `i`; strings live until the next open. */
static inline struct tql_static
vector_at(const struct slot_vector *v, size_t i)
{
    if (v->form == VECTOR_CODED) {
        return v->dict[v->codes[i]];
    }
    if (v->present && !(v->present[i / 64] >> i % 64 & 1)) {
        return TQL_STATIC_NIL;
    }
    return (struct tql_static){.i = v->ints[i], .type = v->type};
}
CHECKED err group_parts(struct group_scan *s, enum tql_level level, struct fault *f,
                        const struct group_parts **ret);

/* Values every query needs, by row. */
CHECKED err group_starts(struct group_scan *s, struct fault *f, const uint64_t **ret); /* unix ns */
/* As the intrinsic duration: 0 when the span ends before it begins. */
CHECKED err group_durations(struct group_scan *s, struct fault *f, const int64_t **ret);
CHECKED err group_span_ids(struct group_scan *s, struct fault *f, const span_id **ret);
/* A fixed column as a vector of TQL_INT or TQL_STRING. */
CHECKED err group_column(struct group_scan *s, enum block_column c, struct fault *f,
                         const struct slot_vector **ret);
CHECKED err group_traces(struct group_scan *s, struct fault *f, struct group_traces *ret);
/* The traces of `n` rows, rising, for those that look at few: only pages that hold one are decompressed. */
CHECKED err group_traces_of(struct group_scan *s, const uint32_t *rows, size_t n, struct fault *f,
                            trace_id *ret);
/* service.name of each row's resource when it is a string, else empty. */
CHECKED err group_services(struct group_scan *s, struct fault *f, const struct slot_vector **ret);

/* --- masks: bit i % 64 of word i / 64 is row i; bits behind the last row are 0 (column_cond.c,
 * column_mask.c)
 * --- */

/* Rows a filter keeps, as tql_filter's `program` decides. `among` (may be NULL = all): only these rows are
 * looked at, and may be in the answer. A run-time error of the query on one of them is returned. */
CHECKED err group_filter(struct group_scan *s, uint32_t filter, const uint64_t *among, struct fault *f,
                         uint64_t *ret);
/* Is it certain before any column is read that no row (none of its events, links) satisfies the condition?
 * Reads a few bytes of a filter or a dictionary at most. */
CHECKED err group_cond_never(struct group_scan *s, const struct tql_cond *c, struct fault *f, bool *ret);
/* Rows that satisfy one condition of a slot that is not of events or links. */
CHECKED err group_cond(struct group_scan *s, const struct tql_cond *c, struct fault *f, uint64_t *ret);
/* Rows for which the program is true, as above. */
CHECKED err group_program(struct group_scan *s, const struct tql_program *p, const uint64_t *among,
                          struct fault *f, uint64_t *ret);
/* The same row by row, where a run-time error counts as true. */
CHECKED err group_program_may(struct group_scan *s, const struct tql_program *p, const uint64_t *among,
                              struct fault *f, uint64_t *ret);
/* Can group_program answer it by masks alone (no run-time errors, no arithmetic)? */
bool group_program_is_masks(const struct tql_program *p);
/* A zeroed mask that lives until the next open. ERR_LIMIT. */
CHECKED err group_mask(struct group_scan *s, struct fault *f, uint64_t **ret);

static inline bool
mask_has(const uint64_t *m, size_t i)
{
    return m[i / 64] >> i % 64 & 1;
}
bool mask_any(const uint64_t *m, size_t words);
/* Is every one of the `bits` set? */
bool mask_is_full(const uint64_t *m, size_t bits);
/* Bits in [from, to). */
size_t mask_count(const uint64_t *m, size_t from, size_t to);
/* The first bit in [from, to), or `to`. */
size_t mask_next(const uint64_t *m, size_t from, size_t to);
void mask_fill(uint64_t *m, size_t rows);
/* Has [from, to) a bit that is set in both? */
bool mask_meets(const uint64_t *a, const uint64_t *b, size_t from, size_t to);
/* No bit of [from, to) is set then. */
void mask_clear(uint64_t *m, size_t from, size_t to);
/* Events or links of the rows in the mask; `ret` is zeroed, a bit for each part. */
void mask_of_parts(const uint64_t *rows, size_t n, const struct group_parts *parts, uint64_t *ret);
/* seen[codes[i]] = 1 (without codes seen[i]) for each bit i that is set. */
void mask_see(const uint64_t *m, size_t bits, const uint32_t *codes, uint8_t *seen);
