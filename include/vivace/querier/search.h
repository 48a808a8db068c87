/* A search: the newest traces a query matches.
 *
 *   s = search_create(&query);
 *   while ((rc = search_step(s, 20 ms, f)) == ERR_AGAIN) ... show search_result, let others work ...
 *   use search_result(s); search_destroy(s);
 *
 * Sources say which traces may match, newest first (candidates); each is put together from all sources and
 * judged as a whole (vivace/querier/eval.h), in falling order of the latest moment it may begin at. The
 * search ends when `limit` traces are found that no candidate left can precede. So the answer is the newest
 * `limit` traces, in order of start (falling) and trace id, however their spans arrived.
 *
 * Threads: one owner at a time, workers (sources do I/O). Memory: out of `budget`, ERR_LIMIT when it is used
 * up; SEARCH_TRACE_BYTES_MAX for the trace being judged. A trace larger than that is judged by the spans that
 * fit.
 */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/querier/guard.h"
#include "vivace/querier/trace.h"
#include "vivace/traceql/plan.h"

#define SEARCH_TRACE_BYTES_MAX  ((size_t)64 << 20)
#define SEARCH_RESULT_BYTES_MAX ((size_t)64 << 20)
/* Matching spans may lie this far outside the range and still find a trace of the range: live segments and
 * row groups further away are not searched, and row groups outside the range only when a trace of theirs goes
 * on in one that touches it, or in live data. Judged is the whole trace, wherever its spans lie. */
#define SEARCH_MARGIN_NS UINT64_C(3600000000000)

struct candidates;
struct gathered;
struct id_table;
struct eval;
struct ingester;
struct block_store;
struct pool;
struct search;

/* What a source needs to know of a search. */
struct search_hunt {
    slice tenant;
    const struct tql_plan *plan;
    uint64_t start_ns, end_ns;       /* 0 and UINT64_MAX when there is no bound */
    struct budget *budget;           /* may be NULL */
    const struct query_guard *guard; /* may be NULL */
    struct pool *pool;               /* to work in parallel; may be NULL */
    struct search *search; /* takes traces a source has judged itself; NULL: only candidates are taken */
    const struct search_source *source; /* the one being opened */
    void *looked; /* gather_open: the source's cursor for this tenant, which is open until the search ends */
};

struct search_stats {
    uint64_t bytes, spans, traces; /* looked at */
    uint32_t jobs_done, jobs;      /* segments, row groups */
    uint32_t blocks;
    uint64_t block_bytes;
};

/* A place traces lie in. */
struct search_source {
    struct trace_source trace;
    /* Begin; `hunt` lives as long as the cursor. */
    err (*open)(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
                void **ret_cursor);
    /* A few milliseconds of work: offer candidates (candidates_offer). *ret_horizon: no trace that is a
     * candidate only with what is still unread begins later. ERR_NOT_FOUND: all is read; the cursor gives
     * memory back. */
    err (*advance)(void *cursor, struct candidates *out, struct search_stats *stats, uint64_t *ret_horizon,
                   struct fault *f);
    void (*close)(void *cursor);
    /* Optional: which of the traces may have spans here (ret[i] |= 1)? Without it, all may. No false for a
     * trace whose spans were acknowledged before the call. */
    err (*may_have)(void *ctx, slice tenant, const trace_id *ids, size_t n, uint8_t *ret, struct fault *f);
    /* Optional (all three or none), where one trace costs as much to find as many: read everything, a few
     * milliseconds at a time, and copy the spans of the wanted traces (bytes too). ERR_NOT_FOUND: all is
     * read; ERR_LIMIT: `out` is full. */
    err (*gather_open)(void *ctx, const struct search_hunt *hunt, struct fault *f, void **ret_cursor);
    err (*gather_next)(void *cursor, const struct id_table *wanted, struct gathered *out, uint64_t *bytes,
                       struct fault *f);
    void (*gather_close)(void *cursor);
    void *ctx;
};

/* Live data. `*at` may be NULL while the server starts: ERR_UNAVAILABLE. */
struct search_source search_source_live(_Atomic(struct ingester *) *at);
/* Blocks: to be asked after the live data, so that a segment which becomes a block in between is seen. */
struct search_source search_source_blocks(_Atomic(struct block_store *) *at);
struct trace_source trace_source_blocks(_Atomic(struct block_store *) *at);

/* `start_ns` is at or after the trace's start; `bits` as prefilter_span says. ERR_LIMIT over the budget. */
CHECKED err candidates_offer(struct candidates *c, const trace_id *id, uint64_t start_ns, uint32_t bits,
                             struct fault *f);

/* Where gather_next puts spans: the batch for whoever reads one thing after the other; or one more, which
 * holds at most bytes_max, to be filled on any thread before gather_next returns. */
struct span_batch *gathered_batch(struct gathered *g);
struct span_batch *gathered_batch_add(struct gathered *g, size_t bytes_max);
/* How many bytes fit in. */
size_t gathered_room(const struct gathered *g);

struct search_query {
    const struct tql_plan *plan;
    const slice *tenants;
    size_t tenant_count;
    const struct search_source *sources;
    size_t source_count;
    uint64_t start_ns,
        end_ns;     /* a trace's start <= end_ns and its end >= start_ns; 0 and UINT64_MAX: no bound */
    uint32_t limit; /* traces; 0 = all */
    uint32_t spans_per_set; /* shown; 0 = all */
    bool headers_only;      /* legacy search: no spansets, no services */
    /* Instead of keeping results: told each matching trace in range (eval.h); `limit` is 0 then. May be NULL.
     */
    err (*matched)(void *ctx, struct eval *e, struct fault *f);
    /* The same for traces that are judged on the pool, from several threads at once, each with a slot of its
     * own below parallel_slots(pool); 0 is the caller's. NULL: `matched`. */
    err (*matched_at)(void *ctx, size_t slot, struct eval *e, struct fault *f);
    void *matched_ctx;
    bool matched_rows; /* it does not need e->batch: traces may be judged where they lie */
    struct query_guard guard;
    struct budget *budget; /* may be NULL */
    struct pool *pool;     /* row groups are judged on it, too; may be NULL */
};

struct search_attr {
    slice key;
    struct tql_static value;
};

struct search_span {
    span_id id;
    bool has_name;
    slice name;
    uint64_t start_ns, duration_ns;
    struct search_attr *attrs;
    size_t attr_count;
};

struct search_spanset {
    struct search_span *spans;
    size_t span_count;
    uint32_t matched;
    struct search_attr *attrs; /* by(...), count(), ...: in order of the pipeline */
    size_t attr_count;
};

struct search_service {
    slice name;
    uint32_t spans, errors;
};

struct search_trace {
    trace_id id;
    slice root_service, root_name; /* empty without a root */
    uint64_t start_ns, duration_ns;
    struct search_spanset *sets;
    size_t set_count;
    struct search_service *services; /* by name */
    size_t service_count;
};

struct search_result {
    struct search_trace *const *traces; /* newest first */
    size_t count;
    size_t final_count; /* so many of them will stay where they are */
    struct search_stats stats;
};

struct search *search_create(const struct search_query *q); /* `q` and what it points to outlive it */
void search_destroy(struct search *s);                      /* accepts NULL */
/* Work for about `slice_ns`. OK: done; ERR_AGAIN: call again; ERR_CANCELLED, ERR_TIMEOUT, ERR_LIMIT, a
 * source's failure, or a run-time error of the query (ERR_INVALID, ERR_UNSUPPORTED) in Tempo's words. */
CHECKED err search_step(struct search *s, int64_t slice_ns, struct fault *f);
/* Valid until the next step. */
const struct search_result *search_result(struct search *s);
