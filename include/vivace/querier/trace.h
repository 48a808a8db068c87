/* A trace put together from every place its spans lie.
 *
 * Sources are asked in order (live data, then blocks); spans sent twice (same id and kind) are kept once; the
 * shared span ids of Zipkin are taken apart. Whatever way the spans arrived, the answer is the same set.
 * Source: api.md 1.1. Threads: worker threads; sources do I/O.
 */
#pragma once

#include "vivace/model/span_batch.h"

/* A place that holds spans. */
struct trace_source {
    /* Append the trace's spans to `out` (bytes in its arena) and add what was read to *inspected_bytes.
     * ERR_NOT_FOUND when it has none. */
    err (*find)(void *ctx, slice tenant, const trace_id *id, struct span_batch *out,
                uint64_t *inspected_bytes, struct fault *f);
    void *ctx;
};

struct trace_query {
    const struct trace_source *sources;
    size_t source_count;
    const slice *tenants; /* spans of all of them are put together */
    size_t tenant_count;
    trace_id id;
    uint64_t max_bytes; /* sum of the spans' OTLP sizes; 0 = no bound */
    const _Atomic bool *cancelled;
    bool keep_shared_ids; /* leave Zipkin's shared span ids as they were sent */
    bool by_start;        /* spans in order of trace_sort, not of arrival */
    /* out */
    uint64_t inspected_bytes;
    bool truncated; /* max_bytes was reached: `out` holds the first spans */
};

/* ERR_NOT_FOUND, ERR_LIMIT (out's arena bound), ERR_CANCELLED, or a source's failure. */
CHECKED err trace_find(struct trace_query *q, struct span_batch *out, struct fault *f);

/* By start, then id, kind, and what else tells two spans apart: an order that does not depend on how they
 * arrived, so that all that stands on it (nested sets, the last root, which of two unlike spans with one id
 * is kept, which spans are shown) does not either. O(n) when it is so already. Spans of one scope need not
 * stand together any more. */
void trace_sort(struct span_batch *b);
/* Keep the first of spans with the same id and kind; the order stays. */
void trace_drop_duplicates(struct span_batch *b);
/* A SERVER span that shares its id with a CLIENT span (Zipkin) gets the smallest free number as id and the
 * shared id as parent; children of the shared id move under it. */
void trace_split_shared_ids(struct span_batch *b);
