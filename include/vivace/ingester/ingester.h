/* Live data: what was acknowledged and is not in a block yet.
 *
 * ingester_push appends to the WAL, indexes by trace id, and returns; from then on every query sees the
 * spans. The head segment is sealed by size and age; a sealed segment keeps its index on disk and is read
 * through it. The seam for blocks: ingester_next_sealed / ingester_retire. Threads: push and find from any
 * worker thread (they do disk I/O: never from a loop).
 */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/model/span_batch.h"
#include "vivace/wal/wal.h"

struct ingester;

struct ingester_limits { /* per push: the tenant's; 0 = unlimited */
    uint64_t max_bytes_per_trace;
    uint64_t max_traces; /* live traces of the tenant */
};

struct ingester_options {
    const char *wal_dir;
    enum wal_sync sync;
    uint64_t sync_interval_ms;
    uint64_t max_block_bytes;       /* seal the head past this */
    uint64_t max_block_duration_ms; /* and past this age */
    uint64_t trace_idle_ms; /* a head with no push for this long and older than flush_check is sealed */
    struct budget *budget;
};

/* Replays the WAL: torn tails are cut and reported, corrupt records skipped, counted and set aside. */
CHECKED err ingester_open(const struct ingester_options *o, struct fault *f, struct ingester **ret);
/* Syncs and closes; sealed and head segments stay on disk for the next start. */
void ingester_close(struct ingester *ing);

struct ingester_push {
    slice tenant;
    const struct span_batch *batch;
    slice wire; /* the batch as ExportTraceServiceRequest bytes, or empty: then it is encoded here */
    struct ingester_limits limits;
    /* out: spans dropped by a limit (the push still succeeds, as in Tempo) */
    uint64_t dropped_trace_too_large, dropped_live_traces;
};
/* ERR_UNAVAILABLE when the disk is full or failing (what was acknowledged stays readable),
 * ERR_LIMIT over the memory budget. Nothing is stored on an error. */
CHECKED err ingester_push(struct ingester *ing, struct ingester_push *p, struct fault *f);

/* Append every live span of a trace to `out` (bytes copied into its arena), in order of arrival.
 * ERR_NOT_FOUND when there is none; `*inspected_bytes` grows by the bytes read. */
CHECKED err ingester_find_trace(struct ingester *ing, slice tenant, const trace_id *id,
                                struct span_batch *out, uint64_t *inspected_bytes, struct fault *f);

/* Seal the head now (if it holds anything) and sync it: /flush. */
CHECKED err ingester_flush(struct ingester *ing, struct fault *f);
