/* Live data: what was acknowledged and is not in a block yet.
 *
 * ingester_push appends to the WAL, indexes by trace id, and returns; from then on every query sees the
 * spans. The head segment is sealed by size and age; a sealed segment keeps its index on disk and is read
 * through it. The seam for blocks: ingester_next_sealed / ingester_retire. Threads: push and find from any
 * worker thread (they do disk I/O: never from a loop). ingester_maintain is called about each second, from
 * one thread or several (they take turns). With WAL_SYNC_INTERVAL the ingester runs one thread of its own
 * that only syncs, so that nothing else can delay it.
 */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/model/span_batch.h"
#include "vivace/wal/index.h"
#include "vivace/wal/wal.h"

struct ingester;

#define INGESTER_TENANTS_MAX 100000 /* tenants one process has seen; a push of one more is ERR_LIMIT */

struct ingester_limits {          /* per push: the tenant's; 0 = unlimited */
    uint64_t max_bytes_per_trace; /* of its live spans as OTLP Span messages */
    uint64_t max_traces;          /* live traces of the tenant: those with a span in the last one to two
                                     trace_idle_ms, as in Tempo */
};

struct ingester_options {
    const char *wal_dir;
    enum wal_sync sync;
    uint64_t sync_interval_ms;      /* 0 = 1000 */
    uint64_t max_block_bytes;       /* seal the head past this; 0 = 500 MB (Tempo 2.10) */
    uint64_t max_block_duration_ms; /* and past this age; 0 = 30 min */
    uint64_t trace_idle_ms;         /* for max_traces; 0 = 10 s */
    struct budget *budget;          /* indexes, and what reading and replaying needs; may be NULL */
};

/* Replays the WAL: torn tails are cut and reported, corrupt records skipped, counted and set aside.
 * ERR_EXISTS: another process uses wal_dir. ERR_IO: a segment cannot be read (nothing was changed). */
CHECKED err ingester_open(const struct ingester_options *o, struct fault *f, struct ingester **ret);
/* Syncs, writes the head's index and closes; everything stays on disk for the next start. No call may be
 * running, every sealed segment must be released. */
void ingester_close(struct ingester *ing);

struct ingester_push {
    slice tenant; /* 1..WAL_TENANT_MAX bytes */
    const struct span_batch *batch;
    slice wire; /* the batch as ExportTraceServiceRequest bytes, or empty: then it is encoded here */
    struct ingester_limits limits;
    /* out: spans dropped by a limit (the push still succeeds, as in Tempo) */
    uint64_t dropped_trace_too_large, dropped_live_traces;
    /* out: different traces in the batch, counted before anything can fail but the tenant id */
    uint64_t traces;
};
/* ERR_UNAVAILABLE when the disk is full or failing (what was acknowledged stays readable; retry),
 * ERR_LIMIT over the memory budget (retry), ERR_INVALID for a batch or tenant id that can never be stored.
 * Nothing is stored on an error. Limits are judged before the append: pushes that run at the same moment may
 * pass them by what they bring. A push without spans is OK and stores nothing. */
CHECKED err ingester_push(struct ingester *ing, struct ingester_push *p, struct fault *f);

/* Append every live span of a trace to `out` (bytes copied into its arena), in order of arrival.
 * ERR_NOT_FOUND when there is none; `*inspected_bytes` grows by the bytes read. ERR_CORRUPT names a record
 * that no longer checks; ERR_LIMIT when out's arena is full. */
CHECKED err ingester_find_trace(struct ingester *ing, slice tenant, const trace_id *id,
                                struct span_batch *out, uint64_t *inspected_bytes, struct fault *f);

/* Which of the traces may have live spans: ret[i] |= 1. Exact for segments whose index is in memory, a
 * filter's word for others; never no for a trace whose spans were acknowledged before the call. No I/O. */
void ingester_may_have(struct ingester *ing, slice tenant, const trace_id *ids, size_t n, uint8_t *ret);

/* The tenant has pushed to this process, or has live spans in the WAL it replayed. */
bool ingester_has_tenant(struct ingester *ing, slice tenant);

/* Seal the head now (if it holds anything) and sync it: /flush. */
CHECKED err ingester_flush(struct ingester *ing, struct fault *f);

/* Seal what is due and write the indexes of sealed segments. Errors are logged and tried again at the next
 * call. */
void ingester_maintain(struct ingester *ing);

struct ingester_stats {
    size_t segments;                              /* head and sealed */
    size_t sealed_in_memory;                      /* sealed and their index not on disk yet */
    size_t index_bytes;                           /* memory of all indexes */
    uint64_t live_traces, live_spans, live_bytes; /* bytes of payload */
};
void ingester_stats(struct ingester *ing, struct ingester_stats *ret);

/* --- reading all of it: scan.c ---
 *
 *   scan = ingester_scan_open(ing, tenant, budget);
 *   while (ingester_scan_peek(scan, &info)) {
 *       if (outside the range) { ingester_scan_skip(scan); continue; }
 *       ingester_scan_enter(scan);
 *       while ((rc = ingester_scan_next(scan, f, &payload)) == OK) ...
 *   }
 *   ingester_scan_close(scan);
 *
 * A scan sees the segments that were live when it was opened, each up to what it held when it was entered;
 * pushes go on meanwhile, and retired segments stay readable. Threads: one owner, a worker (disk I/O).
 * Memory: one window of WAL_WINDOW bytes or the largest record, out of `budget` (may be NULL). */

struct ingester_scan_segment {
    uint8_t uuid[16];
    uint64_t bytes, spans;             /* of the tenant, when the scan was opened */
    uint64_t min_start_ns, max_end_ns; /* of its spans; later pushes to the head may lie outside */
};

struct ingester_scan;
/* `tenant` must live as long as the scan. */
struct ingester_scan *ingester_scan_open(struct ingester *ing, slice tenant, struct budget *budget);
void ingester_scan_close(struct ingester_scan *scan); /* accepts NULL */
/* Segments neither entered nor skipped yet. */
size_t ingester_scan_left(const struct ingester_scan *scan);
/* The next segment, by max_end_ns falling; false behind the last. */
bool ingester_scan_peek(const struct ingester_scan *scan, struct ingester_scan_segment *ret);
void ingester_scan_skip(struct ingester_scan *scan);
void ingester_scan_enter(struct ingester_scan *scan);
/* The next record's ExportTraceServiceRequest bytes, in order of arrival, valid until the next call.
 * ERR_NOT_FOUND: end of the segment. ERR_IO, ERR_LIMIT: the scan is over. Corrupt records are logged and
 * passed over. */
CHECKED err ingester_scan_next(struct ingester_scan *scan, struct fault *f, slice *ret);

/* --- the seam for blocks: what flush.h does with sealed segments ---
 *
 * The UUID names the segment for ever: a block made of it stores that UUID, so that a segment whose blocks
 * were published just before a crash is retired at the next start instead of served twice. */

struct ingester_sealed; /* a sealed segment, held: it stays readable until released, retired or not */

/* The oldest sealed segment with a sequence above `after` that no push still writes to, and that is synced
 * and has its index on disk (or whose disk failed); NULL when there is none. */
struct ingester_sealed *ingester_next_sealed(struct ingester *ing, uint64_t after);
void ingester_sealed_release(struct ingester_sealed *s);
uint64_t ingester_sealed_sequence(const struct ingester_sealed *s);
const uint8_t *ingester_sealed_uuid(const struct ingester_sealed *s); /* 16 bytes */
uint64_t ingester_sealed_bytes(const struct ingester_sealed *s);
/* Its tenants: false behind the last; the name is copied. */
struct ingester_sealed_tenant {
    char name[WAL_TENANT_MAX + 1];
    struct wal_tenant_stats stats; /* stats.name points to `name` */
};
bool ingester_sealed_tenant(struct ingester_sealed *s, size_t i, struct ingester_sealed_tenant *ret);
/* Walk its records with wal_cursor_next; wal_cursor_fini before the release. */
void ingester_sealed_records(struct ingester_sealed *s, struct wal_cursor *ret);
/* Take the segment out of what queries see, and remove its files. In parts, for who changes more in the same
 * step: begin waits for maintenance to pause; leave is the step, a short lock without I/O; end counts and
 * lets maintenance go on (also when nothing left); remove deletes the files and may be called again when it
 * fails (ERR_IO). Queries that run keep the segment until they end. The hold is still to be released. */
void ingester_retire_begin(struct ingester *ing);
void ingester_retire_leave(struct ingester_sealed *h);
void ingester_retire_end(struct ingester_sealed *h);
CHECKED err ingester_sealed_remove(struct ingester_sealed *h, struct fault *f);
/* All of it. ERR_IO: it has left, its files are still there: ingester_sealed_remove. */
CHECKED err ingester_retire(struct ingester *ing, struct ingester_sealed *s, struct fault *f);
