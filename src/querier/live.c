/* Live data as a source of searches: records of the write-ahead log, one at a time. */
#include "live_records.h"
#include "prefilter.h"

#include "vivace/base/mem.h"
#include "vivace/ingester/ingester.h"
#include "vivace/querier/search.h"

struct live_cursor {
    struct live_records *records;
    struct prefilter prefilter;
};

static err
live_find(void *ctx, slice tenant, const trace_id *id, struct span_batch *out, uint64_t *inspected_bytes,
          struct fault *f)
{
    struct ingester *ing = NULL;
    err rc = live_ingester(ctx, f, &ing);
    return rc == OK ? ingester_find_trace(ing, tenant, id, out, inspected_bytes, f) : rc;
}

static err
live_open(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
          void **ret_cursor)
{
    struct live_records *records = NULL;
    err rc = live_records_open(ctx, hunt, SEARCH_MARGIN_NS, f, &records);
    if (rc != OK) {
        return rc;
    }
    struct live_cursor *c = mem_new(struct live_cursor);
    c->records = records;
    prefilter_init(&c->prefilter, hunt->plan);
    stats->jobs += (uint32_t)live_records_left(records);
    *ret_cursor = c;
    return OK;
}

static void
live_close(void *cursor)
{
    struct live_cursor *c = cursor;
    live_records_close(c->records);
    prefilter_fini(&c->prefilter);
    mem_free(c);
}

static err
offer_record(struct live_cursor *c, struct candidates *out, struct fault *f)
{
    const struct span_batch *b = &c->records->batch;
    prefilter_batch(&c->prefilter, b);
    for (size_t i = 0; i < b->span_count; i++) {
        const struct span *s = &b->spans[i];
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

static err
live_advance(void *cursor, struct candidates *out, struct search_stats *stats, uint64_t *ret_horizon,
             struct fault *f)
{
    struct live_cursor *c = cursor;
    err rc = live_records_next(c->records, NULL, stats, f);
    if (rc == OK) {
        *ret_horizon = UINT64_MAX;
        return offer_record(c, out, f);
    }
    if (rc == ERR_AGAIN) {
        *ret_horizon = live_records_bound(c->records);
        return OK;
    }
    if (rc == ERR_NOT_FOUND) {
        live_records_close(c->records);
        c->records = NULL;
    }
    return rc;
}

/* --- many traces at once ----------------------------------------------------------------------------------
 */

static err
gather_open(void *ctx, const struct search_hunt *hunt, struct fault *f, void **ret_cursor)
{
    struct search_hunt all = *hunt;
    struct live_records *records = NULL;
    all.start_ns = 0;
    all.end_ns = UINT64_MAX;
    err rc = live_records_open(ctx, &all, 0, f, &records);
    *ret_cursor = records;
    return rc;
}

static void
gather_close(void *cursor)
{
    live_records_close(cursor);
}

static err
gather_next(void *cursor, const struct id_table *wanted, struct gathered *out, uint64_t *bytes,
            struct fault *f)
{
    struct live_records *r = cursor;
    struct search_stats stats = {0};
    struct span_copy_memo memo = {0};
    err rc = live_records_next(r, wanted, &stats, f);
    *bytes += stats.bytes;
    for (size_t i = 0; rc == OK && i < r->batch.span_count; i++) {
        rc = span_batch_copy_span(gathered_batch(out), &r->batch, i, true, &memo);
    }
    return rc == ERR_AGAIN ? OK : rc;
}

static err
live_may_have(void *ctx, slice tenant, const trace_id *ids, size_t n, uint8_t *ret, struct fault *f)
{
    struct ingester *ing = NULL;
    err rc = live_ingester(ctx, f, &ing);
    if (rc == OK) {
        ingester_may_have(ing, tenant, ids, n, ret);
    }
    return rc;
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
