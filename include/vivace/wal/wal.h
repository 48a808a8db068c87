/* The write-ahead log: segments of checksummed records, appended and replayed.
 *
 * A record is one accepted batch: its tenant and its spans as ExportTraceServiceRequest bytes. The byte
 * layout stands in docs/wal-format.md; this header is the interface. An appended record survives kill -9 when
 * wal_append returns, and power loss when wal_sync (or the interval) has passed.
 * Threads: append from any thread (one lock per open segment, writev under it); readers use pread and need
 * no lock. A segment is immutable once sealed.
 */
#pragma once

#include "vivace/base/err.h"
#include "vivace/base/slice.h"

#include <stdbool.h>

struct wal;
struct wal_segment;

enum wal_sync { WAL_SYNC_INTERVAL, WAL_SYNC_ALWAYS, WAL_SYNC_NONE };

#define WAL_RECORD_MAX (64u << 20) /* bytes of one record's payload */
#define WAL_TENANT_MAX 150         /* bytes of a tenant id */

/* Where a record stands. */
struct wal_ref {
    struct wal_segment *segment;
    uint64_t offset;
    uint32_t bytes; /* header and payload */
};
