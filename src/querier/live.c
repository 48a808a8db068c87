/* Live data as a source of searches: records of the write-ahead log, one at a time. */
#include "prefilter.h"

#include "vivace/base/mem.h"
#include "vivace/base/table.h"
#include "vivace/codec/otlp.h"
#include "vivace/ingester/ingester.h"
#include "vivace/querier/search.h"

#include <stdatomic.h>

struct live_cursor {
    const struct search_hunt *hunt;
    struct ingester_scan *scan;
    struct prefilter prefilter;
    struct span_batch batch;
    bool inside; /* a segment is being read */
};

static err
live_find(void *ctx, slice tenant, const trace_id *id, struct span_batch *out, uint64_t *inspected_bytes,
          struct fault *f)
{
    struct ingester *ing = atomic_load((_Atomic(struct ingester *) *)ctx);
    if (ing == NULL) {
        return FAULT(f, ERR_UNAVAILABLE, "the server is starting");
    }
    return ingester_find_trace(ing, tenant, id, out, inspected_bytes, f);
}

static err
live_open(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
          void **ret_cursor)
{
    struct ingester *ing = atomic_load((_Atomic(struct ingester *) *)ctx);
    if (ing == NULL) {
        return FAULT(f, ERR_UNAVAILABLE, "the server is starting");
    }
    struct live_cursor *c = mem_new(struct live_cursor);
    c->hunt = hunt;
    c->scan = ingester_scan_open(ing, hunt->tenant, hunt->budget);
    prefilter_init(&c->prefilter, hunt->plan);
    span_batch_init(&c->batch, 0); /* bounded by the record: WAL_RECORD_MAX */
    stats->jobs += (uint32_t)ingester_scan_left(c->scan);
    *ret_cursor = c;
    return OK;
}

static void
live_close(void *cursor)
{
    struct live_cursor *c = cursor;
    ingester_scan_close(c->scan);
    prefilter_fini(&c->prefilter);
    span_batch_fini(&c->batch);
    mem_free(c);
}

static err
offer_record(struct live_cursor *c, struct candidates *out, struct fault *f)
{
    prefilter_batch(&c->prefilter, &c->batch);
    for (size_t i = 0; i < c->batch.span_count; i++) {
        const struct span *s = &c->batch.spans[i];
        uint32_t bits = 0;
        if (prefilter_span(&c->prefilter, i, &bits)) {
            err rc = candidates_offer(out, &s->trace, s->start_ns, bits, f);
            if (rc != OK) {
                return rc;
            }
        }
    }
    return OK;
}

/* The next segment that may hold traces of the range. */
static bool
enter_segment(struct live_cursor *c, struct search_stats *stats)
{
    struct ingester_scan_segment info;
    while (ingester_scan_peek(c->scan, &info)) {
        const struct search_hunt *h = c->hunt;
        bool late =
            h->end_ns < UINT64_MAX - SEARCH_MARGIN_NS && info.min_start_ns > h->end_ns + SEARCH_MARGIN_NS;
        bool early = h->start_ns > SEARCH_MARGIN_NS && info.max_end_ns < h->start_ns - SEARCH_MARGIN_NS;
        if (!late && !early) {
            ingester_scan_enter(c->scan);
            c->inside = true;
            return true;
        }
        ingester_scan_skip(c->scan);
        stats->jobs_done++;
    }
    return false;
}

static err
live_advance(void *cursor, struct candidates *out, struct search_stats *stats, uint64_t *ret_horizon,
             struct fault *f)
{
    struct live_cursor *c = cursor;
    struct ingester_scan_segment info;
    struct fault g = {0};
    slice payload;
    if (!c->inside && !enter_segment(c, stats)) {
        return ERR_NOT_FOUND;
    }
    err rc = ingester_scan_next(c->scan, f, &payload);
    if (rc == OK) {
        *ret_horizon = UINT64_MAX;
        span_batch_reset(&c->batch);
        rc = otlp_decode(payload, &c->batch, &g);
        stats->bytes += payload.n;
        stats->spans += c->batch.span_count;
        return rc == OK ? offer_record(c, out, f) : FAULT(f, ERR_CORRUPT, "a live record: %s", g.msg);
    }
    if (rc == ERR_NOT_FOUND) {
        c->inside = false;
        stats->jobs_done++;
        *ret_horizon = ingester_scan_peek(c->scan, &info) ? info.max_end_ns : 0;
        return OK;
    }
    return rc;
}

/* --- many traces at once ----------------------------------------------------------------------------------
 */

struct live_gather {
    struct ingester_scan *scan;
    struct span_batch record;
    bool inside;
};

static err
gather_open(void *ctx, const struct search_hunt *hunt, struct fault *f, void **ret_cursor)
{
    struct ingester *ing = atomic_load((_Atomic(struct ingester *) *)ctx);
    if (ing == NULL) {
        return FAULT(f, ERR_UNAVAILABLE, "the server is starting");
    }
    struct live_gather *g = mem_new(struct live_gather);
    g->scan = ingester_scan_open(ing, hunt->tenant, hunt->budget);
    span_batch_init(&g->record, 0);
    *ret_cursor = g;
    return OK;
}

static void
gather_close(void *cursor)
{
    struct live_gather *g = cursor;
    ingester_scan_close(g->scan);
    span_batch_fini(&g->record);
    mem_free(g);
}

static err
gather_next(void *cursor, const struct id_table *wanted, struct span_batch *out, uint64_t *bytes,
            struct fault *f)
{
    struct live_gather *g = cursor;
    struct span_copy_memo memo = {0};
    struct fault cause = {0};
    slice payload;
    if (!g->inside && ingester_scan_left(g->scan) == 0) {
        return ERR_NOT_FOUND;
    }
    if (!g->inside) {
        ingester_scan_enter(g->scan);
        g->inside = true;
    }
    err rc = ingester_scan_next(g->scan, f, &payload);
    if (rc == ERR_NOT_FOUND) {
        g->inside = false;
        return OK;
    }
    if (rc != OK) {
        return rc;
    }
    *bytes += payload.n;
    span_batch_reset(&g->record);
    rc = otlp_decode_traces(payload, wanted, &g->record, &cause);
    if (rc != OK) {
        return FAULT(f, ERR_CORRUPT, "a live record: %s", cause.msg);
    }
    for (size_t i = 0; rc == OK && i < g->record.span_count; i++) {
        rc = span_batch_copy_span(out, &g->record, i, true, &memo);
    }
    return rc;
}

static err
live_may_have(void *ctx, slice tenant, const trace_id *ids, size_t n, uint8_t *ret, struct fault *f)
{
    struct ingester *ing = atomic_load((_Atomic(struct ingester *) *)ctx);
    if (ing == NULL) {
        return FAULT(f, ERR_UNAVAILABLE, "the server is starting");
    }
    ingester_may_have(ing, tenant, ids, n, ret);
    return OK;
}

struct search_source
search_source_live(_Atomic(struct ingester *) *at)
{
    return (struct search_source){
        .trace = {live_find, at},
        .open = live_open,
        .advance = live_advance,
        .close = live_close,
        .may_have = live_may_have,
        .gather_open = gather_open,
        .gather_next = gather_next,
        .gather_close = gather_close,
        .ctx = at,
    };
}
