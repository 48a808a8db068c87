/* The spans of many traces read from blocks in one pass: row groups that hold some of them, as vectors, of
 * which only what the plan looks at becomes spans. Whoever wants to see the spans whole gets them whole.
 *
 * All row groups are asked first whether they have any of the traces; those that do are read several at
 * once, each into a batch of its own. */
#include "block_gather.h"

#include "group_spans.h"
#include "parallel.h"
#include "row_groups.h"

#include "vivace/base/mem.h"
#include "vivace/base/table.h"

#define ROUND_MAX 8 /* row groups at once: each holds its vectors meanwhile */

/* A row group to be read. */
struct gather_job {
    struct block_gather *of;
    struct listed_group group;
    struct span_batch *out;
    struct group_scan *scan; /* of block `of_block` */
    struct group_spans *spans;
    size_t of_block;
    uint64_t counted; /* of the scan's bytes */
    uint64_t bytes;
    uint32_t *found; /* wanted traces, by number in the row group */
    size_t cap;
};

struct block_gather {
    struct search_hunt hunt;
    struct group_list list;
    struct trace_sets *sets, own; /* of the list's snapshot */
    const struct id_table *wanted;
    trace_id *ids; /* wanted */
    uint64_t *hashes;
    size_t count;
    bool *some; /* by place in the list: it has some of them */
    struct gather_job jobs[ROUND_MAX];
    size_t jobs_now;
};

err
block_gather_open(struct block_store *store, const struct search_hunt *hunt, struct trace_sets *sets,
                  const struct block_snapshot *of, struct fault *f, void **ret_cursor)
{
    const uint64_t margin = SEARCH_MARGIN_NS;
    struct block_gather *g = mem_new(struct block_gather);
    g->hunt = *hunt;
    err rc =
        group_list_open(&g->list, store, hunt->tenant, hunt->start_ns > margin ? hunt->start_ns - margin : 0,
                        hunt->end_ns < UINT64_MAX - margin ? hunt->end_ns + margin : UINT64_MAX, f);
    if (rc != OK) {
        mem_free(g);
        return rc;
    }
    g->sets = sets;
    if (g->list.snapshot != of) {
        trace_sets_init(&g->own, g->list.snapshot->count, hunt->budget);
        g->sets = &g->own;
    }
    *ret_cursor = g;
    return OK;
}

void
block_gather_close(void *cursor)
{
    struct block_gather *g = cursor;
    for (size_t i = 0; i < ROUND_MAX; i++) {
        group_spans_destroy(g->jobs[i].spans);
        group_scan_destroy(g->jobs[i].scan);
        mem_free(g->jobs[i].found);
    }
    if (g->sets == &g->own) {
        trace_sets_fini(&g->own);
    }
    group_list_close(&g->list);
    mem_free(g->ids);
    mem_free(g->hashes);
    mem_free(g->some);
    mem_free(g);
}

/* --- which row groups -------------------------------------------------------------------------------------
 */

static void
list_wanted(struct block_gather *g, const struct id_table *wanted)
{
    size_t cursor = 0;
    const void *id = NULL;
    uint64_t place = 0;
    g->wanted = wanted;
    g->ids = mem_new_array(trace_id, wanted->count + 1);
    g->hashes = mem_new_array(uint64_t, wanted->count + 1);
    while (id_table_next(wanted, &cursor, &id, &place)) {
        memcpy(&g->ids[g->count], id, sizeof *g->ids);
        g->hashes[g->count] = trace_sets_hash(&g->ids[g->count]);
        g->count++;
    }
}

static err
ask_group(void *ctx, size_t slot, size_t i, struct fault *f)
{
    struct block_gather *g = ctx;
    const struct listed_group *x = &g->list.groups[i];
    err rc = OK;
    (void)slot;
    TRY(g->hunt.guard ? query_guard_check(g->hunt.guard, f) : OK);
    TRY(trace_sets_any(g->sets, x->block, g->list.readers[x->block], x->group, g->ids, g->hashes, g->count, f,
                       &g->some[i]));
out:
    return rc;
}

static err
ask_all(struct block_gather *g, const struct id_table *wanted, struct fault *f)
{
    err rc = OK;
    list_wanted(g, wanted);
    TRY(group_list_open_all(&g->list, f));
    for (size_t b = 0; b < g->list.snapshot->count; b++) {
        TRY(g->list.readers[b] ? trace_sets_enter(g->sets, b, g->list.readers[b], f) : OK);
    }
    g->some = mem_new_array(bool, g->list.group_count + 1);
    TRY(parallel_try(g->hunt.pool, g->list.group_count, ask_group, g, f));
out:
    return rc;
}

/* The next ones that have some of them. ERR_NOT_FOUND: none is left. */
static err
take_groups(struct block_gather *g, struct gathered *out)
{
    const size_t slots = parallel_slots(g->hunt.pool);
    const size_t most = slots < ROUND_MAX ? slots : ROUND_MAX;
    const size_t room = gathered_room(out) / most;
    for (g->jobs_now = 0; g->list.at < g->list.group_count && g->jobs_now < most; group_list_take(&g->list)) {
        if (g->some[g->list.at]) {
            struct gather_job *job = &g->jobs[g->jobs_now++];
            job->of = g;
            job->group = g->list.groups[g->list.at];
            job->out = gathered_batch_add(out, room + 1);
            job->bytes = 0;
        }
    }
    return g->jobs_now ? OK : ERR_NOT_FOUND;
}

/* --- one of them ------------------------------------------------------------------------------------------
 */

static void
enter_block(struct gather_job *job)
{
    const struct block_gather *g = job->of;
    if (job->scan && job->of_block == job->group.block) {
        return;
    }
    group_spans_destroy(job->spans);
    group_scan_destroy(job->scan);
    job->scan =
        group_scan_create(g->list.readers[job->group.block], g->hunt.plan, g->hunt.guard, g->hunt.budget);
    job->spans = group_spans_create(job->scan);
    job->of_block = job->group.block;
    job->counted = 0;
}

/* Rows of a trace as they are. */
static err
add_whole(struct gather_job *job, const struct group_trace *t, struct fault *f)
{
    return block_read_rows(job->scan->reader, job->scan->row_group, t->from, t->to, job->out, &job->bytes, f);
}

static size_t
find_wanted(struct gather_job *job, const struct group_traces *traces, size_t *ret_rows)
{
    size_t n = 0;
    *ret_rows = 0;
    if (job->cap < traces->count) {
        job->cap = traces->count;
        job->found = mem_realloc(job->found, job->cap, sizeof *job->found);
    }
    for (size_t i = 0; i < traces->count; i++) {
        if (id_table_get(job->of->wanted, &traces->v[i].id)) {
            job->found[n++] = (uint32_t)i;
            *ret_rows += traces->v[i].to - traces->v[i].from;
        }
    }
    return n;
}

static err
read_group(void *ctx, size_t slot, size_t number, struct fault *f)
{
    struct gather_job *job = &((struct block_gather *)ctx)->jobs[number];
    struct group_traces traces;
    const bool whole = job->of->hunt.search == NULL;
    size_t rows = 0;
    err rc = OK;
    (void)slot;
    enter_block(job);
    TRY(group_scan_open(job->scan, job->group.group, f));
    TRY(group_traces(job->scan, f, &traces));
    const size_t n = find_wanted(job, &traces, &rows);
    if (n && !whole) {
        TRY(group_spans_open(job->spans, job->out, rows, f));
    }
    for (size_t i = 0; i < n; i++) {
        const struct group_trace *t = &traces.v[job->found[i]];
        TRY(whole ? add_whole(job, t, f) : group_spans_add(job->spans, &t->id, t->from, t->to, f));
    }
out:
    return rc;
}

err
block_gather_next(void *cursor, const struct id_table *wanted, struct gathered *out, uint64_t *bytes,
                  struct fault *f)
{
    struct block_gather *g = cursor;
    err rc = OK;
    if (g->ids == NULL) {
        TRY(ask_all(g, wanted, f));
    }
    TRY(take_groups(g, out));
    rc = parallel_try(g->hunt.pool, g->jobs_now, read_group, g, f);
    for (size_t i = 0; i < g->jobs_now; i++) {
        struct gather_job *job = &g->jobs[i];
        if (job->scan) { /* not when one before it failed */
            *bytes += job->bytes + (job->scan->bytes_read - job->counted);
            job->counted = job->scan->bytes_read;
        }
    }
out:
    *bytes += atomic_exchange(&g->sets->bytes_read, 0);
    return rc;
}
