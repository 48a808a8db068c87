/* What the files of wal/ share: the layout of docs/wal-format.md as offsets, and the open segment.
 * Locks: wal_segment.mu (LOCK_SEGMENT) guards end, synced, syncing, sealed and failed. */
#pragma once

#include "vivace/base/metrics.h"
#include "vivace/base/must.h"
#include "vivace/base/mutex.h"
#include "vivace/wal/index.h"
#include "vivace/wal/wal.h"

#include <sys/types.h>

#define WAL_PATH_MAX 4096

/* Section 2: the segment header. */
#define SEGMENT_MAGIC        "VIVACEWL"
#define SEGMENT_HEADER_BYTES 64
#define WAL_VERSION          1

/* Section 3: the record header. */
#define RECORD_MAGIC        "VREC"
#define RECORD_HEADER_BYTES 40
#define RECORD_TYPE_SPANS   1

/* Section 5: the index. */
#define INDEX_MAGIC         "VIVACEIX"
#define INDEX_HEADER_BYTES  96
#define INDEX_TENANT_BYTES  216
#define INDEX_TRACE_BYTES   32
#define INDEX_POSTING_BYTES 12
#define INDEX_BLOOM_BLOCK   64
#define INDEX_BLOOM_BITS    12 /* per trace: about 0.5 % false positives with 8 probes */
#define INDEX_FENCE         64 /* traces per remembered id: a lookup reads at most 2 KiB */

static inline void
put32(uint8_t *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline void
put64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

static inline uint32_t
get32(const uint8_t *p)
{
    uint32_t v = 0;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t
get64(const uint8_t *p)
{
    uint64_t v = 0;
    memcpy(&v, p, sizeof v);
    return v;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "put and get copy little-endian numbers as they are");

static inline void
put_magic(uint8_t *p, slice magic)
{
    memcpy(p, magic.p, magic.n);
}

uint64_t wal_hash(const void *p, size_t n, uint64_t seed);

struct wal {
    char *dir;
    int lock_fd;
    enum wal_sync sync;
    _Atomic uint64_t next_sequence;
    /* all NULL when it is only looked at (wal_view_open) */
    struct series *appended_bytes, *records, *append_errors, *sync_errors, *sync_seconds, *segments;
};

struct wal_segment {
    struct wal *wal;
    int fd;
    char *path;
    uint64_t sequence, salt;
    int64_t created_ns;
    uint8_t uuid[16];
    struct mutex mu;
    pthread_cond_t synced_cond;
    uint64_t end;    /* guarded by mu */
    uint64_t synced; /* guarded by mu: durable up to here */
    bool syncing;    /* guarded by mu: one thread is in fdatasync */
    bool sealed;     /* guarded by mu */
    bool failed;     /* guarded by mu: an fdatasync failed */
};

/* The path of a file of this directory; false (and ret = "") when it would be too long. */
bool wal_path(const struct wal *w, uint64_t seq, const char *suffix, char ret[WAL_PATH_MAX]);

/* Is it <16 lower-case hex digits><suffix>? */
bool wal_parse_name(const char *name, const char *suffix, uint64_t *ret);

/* Open an existing segment sealed, checking its header. ERR_CORRUPT: foreign. */
err wal_segment_open(struct wal *w, uint64_t seq, struct fault *f, struct wal_segment **ret);
/* Move a foreign file into quarantine. */
err wal_quarantine_file(struct wal *w, uint64_t seq, struct fault *f);

struct record_header {
    uint8_t type, tenant_n;
    uint32_t payload_n, span_count;
    int64_t received_ns;
    uint64_t payload_hash;
};

/* Encode header bytes 0..39 for a record at `offset`. */
void record_header_encode(uint8_t p[RECORD_HEADER_BYTES], const struct record_header *h, slice tenant,
                          uint64_t seed);
/* `p` holds the header and, as it says, its tenant (`n` bytes in all). False when it does not check. */
bool record_header_decode(const uint8_t *p, size_t n, uint64_t seed, struct record_header *ret);

static inline uint64_t
record_bytes(const struct record_header *h)
{
    return RECORD_HEADER_BYTES + (uint64_t)h->tenant_n + h->payload_n;
}

/* For the writer of the index file: postings of trace `i`, in order. */
struct memindex_walk {
    uint32_t chunk, slot;
};
void memindex_walk_init(const struct wal_memindex *ix, size_t trace, struct memindex_walk *w);
bool memindex_walk_next(const struct wal_memindex *ix, struct memindex_walk *w, struct wal_ref *ret);
/* Bytes of the trace's spans. */
uint32_t memindex_trace_bytes(const struct wal_memindex *ix, size_t trace);
