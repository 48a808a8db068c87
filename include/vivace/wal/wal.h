/* The write-ahead log: segments of checksummed records, appended and replayed.
 *
 * A record is one accepted batch: its tenant and its spans as ExportTraceServiceRequest bytes. The byte
 * layout stands in docs/wal-format.md; this header is the interface. An appended record survives kill -9 when
 * wal_append returns, and power loss when wal_segment_sync has returned OK for it.
 * A segment is written by one process run only; what is found at start is read and never appended to.
 * Threads: append and sync from any thread (one lock per segment, the write under it, fdatasync outside);
 * reads use pread and need no lock. open, list, recover, remove: one thread at a time.
 */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/base/slice.h"

#include <stdbool.h>

struct wal;
struct wal_segment;
struct wal_memindex;
struct wal_index;

enum wal_sync { WAL_SYNC_INTERVAL, WAL_SYNC_ALWAYS, WAL_SYNC_NONE };

#define WAL_RECORD_MAX (64u << 20) /* bytes of one record's payload */
#define WAL_TENANT_MAX 150         /* bytes of a tenant id */

/* Where a record stands in its segment. */
struct wal_ref {
    uint64_t offset;
    uint32_t bytes; /* header, tenant and payload */
};

struct wal_record {
    slice tenant;
    slice payload; /* ExportTraceServiceRequest bytes */
    uint32_t span_count;
    int64_t received_ns; /* unix */
};

/* Make the directory if needed and take its lock. ERR_EXISTS when another process holds it. */
CHECKED err wal_open(const char *dir, enum wal_sync sync, struct fault *f, struct wal **ret);
/* Every segment must be closed before. Accepts NULL. */
void wal_close(struct wal *w);
/* Sequences of the segments on disk, rising (mem_free). Removes left-overs of a crash: empty segments,
 * half-written indexes, indexes without a segment. */
CHECKED err wal_list(struct wal *w, struct fault *f, uint64_t **ret, size_t *ret_n);

/* --- one segment --- */

/* A new, empty segment. ERR_UNAVAILABLE when the disk refuses (nothing is left behind). */
CHECKED err wal_segment_create(struct wal *w, struct fault *f, struct wal_segment **ret);
/* Close the file. Accepts NULL. */
void wal_segment_close(struct wal_segment *s);

/* Append one record. OK: it is in the kernel. ERR_UNAVAILABLE: disk full or failing; the segment is cut back
 * to what it was. ERR_AGAIN: the segment is sealed, use another. ERR_INVALID: over WAL_RECORD_MAX. */
CHECKED err wal_append(struct wal_segment *s, const struct wal_record *r, struct fault *f,
                       struct wal_ref *ret);
/* Make everything below `upto` durable; calls of several threads share one fdatasync. On failure
 * (ERR_UNAVAILABLE) the segment is sealed and counts as failed for ever; `cut` also removes what was not
 * durable yet (nobody was answered about it). */
CHECKED err wal_segment_sync(struct wal_segment *s, uint64_t upto, bool cut, struct fault *f);
/* No append from here on. */
void wal_segment_seal(struct wal_segment *s);
bool wal_segment_is_sealed(struct wal_segment *s);
/* A sync failed: what it held since the last good one may not be on disk. */
bool wal_segment_has_failed(struct wal_segment *s);
/* End of the last whole record; the header's size when there is none. */
uint64_t wal_segment_end(struct wal_segment *s);
/* The file holds its header and nothing else. */
bool wal_segment_is_empty(struct wal_segment *s);
uint64_t wal_segment_sequence(const struct wal_segment *s);
int64_t wal_segment_created_ns(const struct wal_segment *s);
const uint8_t *wal_segment_uuid(const struct wal_segment *s); /* 16 bytes */
const char *wal_segment_path(const struct wal_segment *s);

/* Read the record at `at` into `buf` (at.bytes bytes) and check it; slices of `*ret` point into `buf`.
 * ERR_CORRUPT names the file and offset. */
CHECKED err wal_read(struct wal_segment *s, struct wal_ref at, uint8_t *buf, struct fault *f,
                     struct wal_record *ret);

/* Unlink segment and index (docs/wal-format.md 7). The open file stays readable until it is closed. */
CHECKED err wal_segment_remove(struct wal_segment *s, struct fault *f);

/* --- reading a whole segment --- */

enum wal_damage_kind { WAL_DAMAGE_TORN, WAL_DAMAGE_CORRUPT };

struct wal_damage {
    enum wal_damage_kind kind;
    bool tail; /* it reaches the end of the segment */
    uint64_t offset, bytes;
    slice
        tenant; /* of the damaged record when its header is good, else empty; valid as the record's slices */
    const char *path;
};

/* A walk over the records of a segment in order. Memory: one window of WAL_WINDOW bytes, or the largest
 * record when that is larger. */
#define WAL_WINDOW (1u << 20)

struct wal_cursor {
    struct wal_segment *segment;
    struct budget *budget;
    uint64_t at, end; /* next offset to look at; where to stop */
    uint8_t *window;  /* bytes [base, base+have) of the file */
    size_t window_cap, have;
    uint64_t base;
    struct wal_damage damage; /* set when wal_cursor_next says ERR_CORRUPT */
    bool failed;
};

/* Over what the segment holds now. `budget` may be NULL. */
void wal_cursor_init(struct wal_cursor *c, struct wal_segment *s, struct budget *budget);
void wal_cursor_fini(struct wal_cursor *c);
/* OK: a record, valid until the next call. ERR_NOT_FOUND: the end. ERR_CORRUPT: `damage` is set and the walk
 * stands behind it: call again. ERR_IO, ERR_LIMIT: the walk is over. */
CHECKED err wal_cursor_next(struct wal_cursor *c, struct fault *f, struct wal_record *ret,
                            struct wal_ref *ret_at);

/* Copy a damaged range of a segment into quarantine; a copy made before is written again. */
CHECKED err wal_quarantine_range(struct wal_segment *s, uint64_t offset, uint64_t bytes, struct fault *f);

/* --- start --- */

struct wal_recovery {
    struct budget *budget; /* may be NULL */
    void (*damaged)(void *ctx,
                    const struct wal_damage *d); /* once for each damage, before it is cut; may be NULL */
    void *ctx;
};
/* What a recovered segment is read through: exactly one is set. */
struct wal_recovered {
    struct wal_memindex *mem; /* it was scanned */
    struct wal_index *disk;   /* its index was good */
};
/* Open segment `seq` sealed. With a good index nothing is scanned; otherwise its records are, damage is set
 * aside and a torn tail cut. The caller owns all that is returned. ERR_IO, ERR_LIMIT: the segment was not
 * touched. ERR_NOT_FOUND: the file was foreign and is now in quarantine. */
CHECKED err wal_segment_recover(struct wal *w, uint64_t seq, const struct wal_recovery *how, struct fault *f,
                                struct wal_segment **ret, struct wal_recovered *ret_how);

/* --- looking on, beside the process that owns the log ---
 *
 * Nothing is locked, made or removed. Close with wal_close and wal_segment_close; of the calls above only
 * those that read may be used: wal_read, the cursor, wal_index_open and the getters. What the owner appends
 * after wal_view_segment is not seen; a record half written at that moment looks like a torn tail. */

/* ERR_NOT_FOUND when there is no such directory. */
CHECKED err wal_view_open(const char *dir, struct fault *f, struct wal **ret);
struct wal_view_names {
    uint64_t *segments; /* sequences, rising (mem_free) */
    size_t segment_count;
    size_t indexes, index_temps, quarantined, others; /* files of each kind */
    bool owned;                                       /* a process holds the lock */
};
CHECKED err wal_view_list(struct wal *w, struct fault *f, struct wal_view_names *ret);
/* ERR_NOT_FOUND: removed meanwhile; ERR_CORRUPT: not a segment. */
CHECKED err wal_view_segment(struct wal *w, uint64_t seq, struct fault *f, struct wal_segment **ret);
