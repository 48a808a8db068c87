#include "metrics_counts.h"
#include "metrics_loops.h"

#include "vivace/base/mem.h"

#define GROUP_MEMORY_MAX ((size_t)256 << 20)

void
group_reader_init(struct group_reader *r, struct metrics_sink *sink)
{
    *r = (struct group_reader){.sink = sink};
    arena_init(&r->memory, GROUP_MEMORY_MAX);
}

void
group_reader_fini(struct group_reader *r)
{
    group_scan_destroy(r->scan);
    arena_fini(&r->memory);
}

uint64_t
group_reader_bytes(const struct group_reader *r)
{
    return r->bytes_before + (r->scan ? r->scan->bytes_read : 0);
}

/* --- which rows, and when ------------------------------------------------------------------------------- */

/* The filters of the pipeline, one after the other. False: nothing is left. */
static err
run_filters(struct group_reader *r, struct fault *f, bool *ret_any)
{
    const struct tql_plan *plan = r->sink->q->plan;
    r->mask = NULL;
    *ret_any = true;
    for (size_t i = 0; i < plan->step_count; i++) {
        uint64_t *mask = NULL;
        const struct tql_filter *filter = &plan->filters[plan->steps[i].filter];
        if (plan->steps[i].kind != TQL_STEP_FILTER || filter->always) {
            continue;
        }
        err rc = group_mask(r->scan, f, &mask);
        if (rc == OK) {
            rc = group_filter(r->scan, plan->steps[i].filter, r->mask, f, mask);
        }
        if (rc != OK) {
            return rc;
        }
        r->mask = mask;
        *ret_any = mask_any(mask, r->scan->words);
        if (!*ret_any) {
            break;
        }
    }
    return OK;
}

/* Rows stand by trace, so that the interval is most often the one before. */
static void
pick_rows(struct group_reader *r, uint32_t *rows)
{
    const struct metrics_query *q = r->sink->q;
    const size_t end = r->scan->rows;
    uint64_t low = 0; /* (low, high] is the interval `step` */
    uint64_t high = 0;
    uint32_t step = METRICS_NO_STEP;
    size_t n = 0;
    r->first_step = UINT32_MAX;
    r->last_step = 0;
    for (size_t i = r->mask ? mask_next(r->mask, 0, end) : 0; i < end;
         i = r->mask ? mask_next(r->mask, i + 1, end) : i + 1) {
        const uint64_t start = r->starts[i];
        if (start <= low || start > high) {
            step = metrics_interval(q, start);
            if (step == METRICS_NO_STEP) {
                high = low;
                continue;
            }
            low = q->start_ns + step * q->step_ns;
            high = low + q->step_ns;
            r->first_step = step < r->first_step ? step : r->first_step;
            r->last_step = step > r->last_step ? step : r->last_step;
        }
        rows[n] = (uint32_t)i;
        r->steps[n++] = step;
    }
    r->rows = rows;
    r->count = n;
}

static err
take_rows(struct group_reader *r, struct fault *f)
{
    const size_t rows = r->scan->rows;
    r->steps = arena_alloc(&r->memory, (rows + 1) * sizeof *r->steps);
    if (r->steps == NULL) {
        return group_reader_no_memory(f);
    }
    r->rows = NULL;
    r->count = rows;
    if (r->mask == NULL &&
        loop_intervals(r->sink->q, r->starts, rows, r->steps, &r->first_step, &r->last_step) &&
        r->last_step < r->sink->q->steps) {
        return OK;
    }
    uint32_t *picked = arena_alloc(&r->memory, (rows + 1) * sizeof *picked);
    if (picked == NULL) {
        return group_reader_no_memory(f);
    }
    pick_rows(r, picked);
    return OK;
}

/* --- a row group ---------------------------------------------------------------------------------------- */

static err
collect(struct group_reader *r, struct fault *f)
{
    const struct metrics_query *q = r->sink->q;
    const struct slot_vector *measured = NULL;
    struct row_keys keys;
    err rc = OK;
    if (metrics_measures(q)) {
        TRY(row_keys_slot(r, q->plan->metric.slot, f, &measured));
    }
    TRY(row_keys_make(r, &keys, f));
    TRY(row_cells_make(r, &keys, f));
    TRY(counts_add(r, &keys, measured, f));
    if (q->exemplars) {
        TRY(counts_choose_exemplars(r, &keys, measured, f));
    }
out:
    return rc;
}

static void
use_block(struct group_reader *r, struct block_reader *block)
{
    if (r->scan && r->block == block) {
        return;
    }
    r->bytes_before = group_reader_bytes(r);
    group_scan_destroy(r->scan);
    r->scan = group_scan_create(block, r->sink->q->plan, &r->sink->q->guard, r->sink->q->budget);
    r->block = block;
}

err
group_reader_run(struct group_reader *r, struct block_reader *block, size_t row_group, struct fault *f)
{
    bool any = false;
    err rc = OK;
    use_block(r, block);
    arena_reset(&r->memory);
    TRY(group_scan_open(r->scan, row_group, f));
    TRY(run_filters(r, f, &any));
    r->spans += any ? r->scan->rows : r->scan->looked;
    if (!any) {
        return OK;
    }
    TRY(group_starts(r->scan, f, &r->starts));
    TRY(take_rows(r, f));
    if (r->count && r->sink->q->plan->metric.fn == TQL_METRIC_COMPARE) {
        TRY(group_reader_compare(r, f));
    } else if (r->count) {
        TRY(collect(r, f));
    }
    if (r->count) {
        TRY(metrics_sink_account(r->sink, f));
    }
out:
    return rc;
}

err
group_reader_traces(struct group_reader *r, struct block_reader *block, size_t row_group,
                    const uint32_t *rows, size_t n, struct fault *f, trace_id *ret)
{
    err rc = OK;
    use_block(r, block);
    TRY(group_scan_open(r->scan, row_group, f));
    TRY(group_traces_of(r->scan, rows, n, f, ret));
out:
    return rc;
}
