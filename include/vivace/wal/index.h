/* Which records hold a trace: in memory while a segment is written, on disk once it is sealed.
 *
 * A `wal_memindex` costs 39 to 46 bytes a trace, 12 a record, 16 for every three records of a trace, and
 * nothing per span: 4.8 bytes a span for batches of 70 spans in 5 traces, 22 when every span is a record of
 * its own. A `wal_index` is the `.idx` file: in memory stay its tenants, a Bloom filter (12 bits a trace) and
 * every 64th trace id; a lookup is at most three preads. Format: docs/wal-format.md 5. Ownership: an index
 * owns its memory and reserves it from its budget. Threads: memindex has one owner or its owner's lock; a
 * wal_index is immutable and safe from any thread.
 */
#pragma once

#include "vivace/model/ids.h"
#include "vivace/wal/wal.h"

struct span_batch;

/* --- what one batch holds, by trace --- */

struct wal_trace_sum {
    trace_id id;
    uint32_t bytes; /* of its spans' messages; saturating */
    uint32_t spans;
};

struct wal_summary {
    struct wal_trace_sum *traces; /* in order of first appearance */
    uint32_t *slots;              /* open addressing: position + 1 */
    size_t count, cap, slot_count;
    uint64_t min_start_ns, max_end_ns; /* UINT64_MAX and 0 when there is no span */
    uint32_t span_count;
    uint64_t seed; /* of the slots */
};

void wal_summary_init(struct wal_summary *s);
void wal_summary_fini(struct wal_summary *s);
void wal_summary_reset(struct wal_summary *s);
/* Position of the trace in `traces`. */
size_t wal_summary_add(struct wal_summary *s, const trace_id *id, uint32_t bytes, uint64_t start_ns,
                       uint64_t end_ns);
/* Position of a trace that was added. */
size_t wal_summary_find(const struct wal_summary *s, const trace_id *id);
/* From the spans of a decoded batch. */
void wal_summary_of_batch(struct wal_summary *s, const struct span_batch *b);
/* Skim an ExportTraceServiceRequest; false when it is malformed (then the summary is partial). */
bool wal_summary_of_payload(struct wal_summary *s, slice payload);

/* --- statistics of one tenant in one segment --- */

struct wal_tenant_stats {
    slice name;                             /* points into the index */
    uint64_t traces, spans, records, bytes; /* bytes of payload */
    uint64_t min_start_ns, max_end_ns;      /* UINT64_MAX: no span */
};

/* --- in memory --- */

struct wal_memindex *wal_memindex_create(struct budget *budget);
void wal_memindex_destroy(struct wal_memindex *ix);
/* Room for one more record of `traces` traces, on top of what is reserved already: the commit that follows
 * cannot fail. ERR_LIMIT over the budget. */
CHECKED err wal_memindex_reserve(struct wal_memindex *ix, size_t traces);
/* Give a reservation back unused. */
void wal_memindex_cancel(struct wal_memindex *ix, size_t traces);
/* Use a reservation of sum->count traces. */
void wal_memindex_commit(struct wal_memindex *ix, slice tenant, struct wal_ref at, uint32_t payload_bytes,
                         const struct wal_summary *sum);
/* Position of a tenant, SIZE_MAX when it has nothing here. Stays the same for the life of the index. */
size_t wal_memindex_tenant_position(const struct wal_memindex *ix, slice tenant);
/* False when the trace is not there; bytes: of its spans in this segment. `tenant` is a position. */
bool wal_memindex_get(const struct wal_memindex *ix, size_t tenant, const trace_id *id, uint64_t *ret_bytes);
/* Number of records holding the trace; up to `cap` of them in order of arrival into `ret`. */
size_t wal_memindex_find(const struct wal_memindex *ix, slice tenant, const trace_id *id, struct wal_ref *ret,
                         size_t cap);
size_t wal_memindex_bytes(const struct wal_memindex *ix);
size_t wal_memindex_tenant_count(const struct wal_memindex *ix);
struct wal_tenant_stats wal_memindex_tenant(const struct wal_memindex *ix, size_t i);
/* Every trace, in order of first arrival: position from 0; false behind the last. */
bool wal_memindex_trace(const struct wal_memindex *ix, size_t i, size_t *ret_tenant, trace_id *ret_id);
/* Position of a trace (order of first arrival), SIZE_MAX when it is not there. */
size_t wal_memindex_position(const struct wal_memindex *ix, slice tenant, const trace_id *id);
size_t wal_memindex_trace_count(const struct wal_memindex *ix);

/* --- on disk --- */

/* Write the index of a sealed, synced segment: temp file, fsync, rename. Memory: 24 bytes a trace and the
 * filter. */
CHECKED err wal_index_write(struct wal_segment *s, const struct wal_memindex *ix, struct budget *budget,
                            struct fault *f);
/* Open and check the whole file. ERR_NOT_FOUND when there is none, ERR_CORRUPT when it does not fit its
 * segment or its checksum. */
CHECKED err wal_index_open(struct wal_segment *s, struct budget *budget, struct fault *f,
                           struct wal_index **ret);
void wal_index_close(struct wal_index *x);
/* Memory only: false means the trace is surely not there. */
bool wal_index_may_have(const struct wal_index *x, slice tenant, const trace_id *id);
struct wal_index_hit {
    uint64_t posting;  /* first */
    uint32_t postings; /* how many records */
    uint64_t bytes;    /* of the trace's spans in this segment */
};
/* ERR_NOT_FOUND when the trace is not there. */
CHECKED err wal_index_find(const struct wal_index *x, slice tenant, const trace_id *id, struct fault *f,
                           struct wal_index_hit *ret);
/* The records of a hit, in order of arrival; `ret` has room for hit->postings. */
CHECKED err wal_index_postings(const struct wal_index *x, const struct wal_index_hit *hit, struct fault *f,
                               struct wal_ref *ret);
size_t wal_index_bytes(const struct wal_index *x);
size_t wal_index_tenant_count(const struct wal_index *x);
struct wal_tenant_stats wal_index_tenant(const struct wal_index *x, size_t i);
/* Trace ids of one tenant, sorted: `n` of them from position `from` (within stats.traces). */
CHECKED err wal_index_traces(const struct wal_index *x, size_t tenant, uint64_t from, size_t n,
                             struct fault *f, trace_id *ret);
/* End of the segment's last record as the index knows it. */
uint64_t wal_index_segment_end(const struct wal_index *x);
