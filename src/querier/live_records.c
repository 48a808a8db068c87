#include "live_records.h"

#include "vivace/base/mem.h"
#include "vivace/base/table.h"
#include "vivace/codec/otlp.h"
#include "vivace/ingester/ingester.h"

#include <stdatomic.h>

err
live_ingester(void *ctx, struct fault *f, struct ingester **ret)
{
    *ret = atomic_load((_Atomic(struct ingester *) *)ctx);
    return *ret ? OK : FAULT(f, ERR_UNAVAILABLE, "the server is starting");
}

err
live_records_open(void *ctx, const struct search_hunt *hunt, uint64_t margin_ns, struct fault *f,
                  struct live_records **ret)
{
    struct ingester *ing = NULL;
    err rc = live_ingester(ctx, f, &ing);
    if (rc != OK) {
        return rc;
    }
    struct live_records *r = mem_new(struct live_records);
    r->scan = ingester_scan_open(ing, hunt->tenant, hunt->budget);
    r->from_ns = hunt->start_ns > margin_ns ? hunt->start_ns - margin_ns : 0;
    r->to_ns = hunt->end_ns < UINT64_MAX - margin_ns ? hunt->end_ns + margin_ns : UINT64_MAX;
    span_batch_init(&r->batch, 0);
    *ret = r;
    return OK;
}

void
live_records_close(struct live_records *r)
{
    if (r) {
        ingester_scan_close(r->scan);
        span_batch_fini(&r->batch);
        mem_free(r);
    }
}

size_t
live_records_left(const struct live_records *r)
{
    return ingester_scan_left(r->scan);
}

uint64_t
live_records_bound(const struct live_records *r)
{
    struct ingester_scan_segment info;
    return ingester_scan_peek(r->scan, &info) ? info.max_end_ns : 0;
}

/* The next segment with spans of the range. */
static bool
enter_segment(struct live_records *r, struct search_stats *stats)
{
    struct ingester_scan_segment info;
    while (!r->inside && ingester_scan_peek(r->scan, &info)) {
        if (info.min_start_ns <= r->to_ns && info.max_end_ns >= r->from_ns) {
            ingester_scan_enter(r->scan);
            r->inside = true;
        } else {
            ingester_scan_skip(r->scan);
            stats->jobs_done++;
        }
    }
    return r->inside;
}

err
live_records_next(struct live_records *r, const struct id_table *wanted, struct search_stats *stats,
                  struct fault *f)
{
    struct fault cause = {0};
    slice payload;
    if (!enter_segment(r, stats)) {
        return ERR_NOT_FOUND;
    }
    err rc = ingester_scan_next(r->scan, f, &payload);
    if (rc == ERR_NOT_FOUND) {
        r->inside = false;
        stats->jobs_done++;
        return ERR_AGAIN;
    }
    if (rc != OK) {
        return rc;
    }
    span_batch_reset(&r->batch);
    stats->bytes += payload.n;
    rc = wanted ? otlp_decode_traces(payload, wanted, &r->batch, &cause)
                : otlp_decode(payload, &r->batch, &cause);
    stats->spans += r->batch.span_count;
    return rc == OK ? OK : FAULT(f, ERR_CORRUPT, "a live record: %s", cause.msg);
}
