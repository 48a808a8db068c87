/* The API of :3200 (and, over HTTP/2, of :9095): routing, tenants, metrics, and the small endpoints.
 *
 * Small answers are made on the loop; queries run on the worker pool. Errors have Tempo's texts (api.md 1.0).
 * Threads: frontend_handle on loops; the hooks are called from workers, `ready` from loops.
 */
#pragma once

#include "vivace/base/budget.h"
#include "vivace/config/overrides.h"
#include "vivace/net/grpc.h"
#include "vivace/querier/metrics.h"
#include "vivace/querier/tags.h"
#include "vivace/runtime/pool.h"

struct frontend;

/* What only the server knows. */
struct frontend_hooks {
    void *ctx;
    /* True when ready; else a reason for /ready's body ("Application is stopping"). Must not block. */
    bool (*ready)(void *ctx, struct buf *ret_reason);
    /* Live data into blocks. OK: `done` is called when it is there or failed, from any thread, perhaps before
     * this returns. ERR_NOT_FOUND: no such tenant ("" = all); ERR_UNAVAILABLE: `done` is not called. */
    err (*flush)(void *ctx, slice tenant, void (*done)(void *arg, err rc, const struct fault *f), void *arg,
                 struct fault *f);
    void (*shutdown)(void *ctx); /* flush and stop taking spans; returns at once */
};

struct frontend_options { /* what it points to outlives the frontend */
    const struct config *config;
    struct overrides *overrides;
    struct pool *pool;
    const struct trace_source *trace_sources;
    size_t trace_source_count;
    const struct search_source *search_sources;
    size_t search_source_count;
    const struct tag_source *tag_sources;
    size_t tag_source_count;
    const struct metrics_source *metrics_sources;
    size_t metrics_source_count;
    _Atomic(struct block_store *) *blocks; /* for metrics queries */
    struct budget *query_budget;
    struct frontend_hooks hooks;
};

struct frontend *frontend_create(const struct frontend_options *o);
void frontend_destroy(struct frontend *fe);

/* tempopb.StreamingQuerier; its ctx is the frontend. */
extern const struct grpc_service frontend_streaming;

/* http_handler of the main ports; ctx: the frontend. */
void frontend_handle(void *ctx, struct http_request *r);
/* http_handler of the internal server (port 3101): /ready and /metrics only. */
void frontend_handle_internal(void *ctx, struct http_request *r);

/* The Tempo whose API this is, as clients gate features on it; and our own version. */
#define FRONTEND_API_VERSION "3.0.3"
#define VIVACE_VERSION       "0.1.0"
/* tempo_build_info = 1. */
void frontend_register_build_info(void);
