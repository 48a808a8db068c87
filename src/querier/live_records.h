/* querier-private: the records of live data that may lie in a range, decoded one at a time, newest segment
 * first. Threads: one owner; it does I/O. */
#pragma once

#include "vivace/querier/search.h"

struct ingester_scan;

struct live_records {
    struct ingester_scan *scan;
    struct span_batch batch; /* the record at hand; bounded by WAL_RECORD_MAX */
    uint64_t from_ns, to_ns;
    bool inside; /* a segment is being read */
};

/* The ingester `ctx` (an _Atomic(struct ingester *) *) points to. ERR_UNAVAILABLE while the server starts. */
CHECKED err live_ingester(void *ctx, struct fault *f, struct ingester **ret);
/* Segments without a span in the hunt's range are passed over; those nearer than margin_ns to it are not. */
CHECKED err live_records_open(void *ctx, const struct search_hunt *hunt, uint64_t margin_ns, struct fault *f,
                              struct live_records **ret);
void live_records_close(struct live_records *r); /* accepts NULL */
/* Segments not begun. */
size_t live_records_left(const struct live_records *r);
/* No span left to read ends later, once ERR_AGAIN was returned; 0 when nothing is left. */
uint64_t live_records_bound(const struct live_records *r);
/* The next record into r->batch: of the traces `wanted` (their bytes copied), or all of it (NULL; valid until
 * the next call). Adds bytes, spans and finished segments to `stats`. ERR_AGAIN: a segment has ended;
 * ERR_NOT_FOUND: all are read. */
CHECKED err live_records_next(struct live_records *r, const struct id_table *wanted,
                              struct search_stats *stats, struct fault *f);
