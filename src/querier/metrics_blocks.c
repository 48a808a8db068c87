#include "metrics_blocks.h"

#include "vivace/base/mem.h"

/* A row group to be read. */
struct block_task {
    struct block_reader *block;
    size_t row_group;
    struct exemplar **v; /* traces of these rows; NULL: everything */
    size_t count;
};

err
metrics_blocks_open(struct metrics_blocks *b, const struct metrics_query *q, struct block_store *store,
                    struct metrics_sink *sink, struct search_stats *stats, struct fault *f)
{
    const uint64_t end = q->start_ns + q->steps * q->step_ns;
    *b = (struct metrics_blocks){.q = q, .sink = sink, .open = true};
    b->lists = mem_new_array(struct group_list, q->tenant_count + 1);
    b->worker_count = parallel_slots(q->pool);
    b->workers = mem_new_array(struct block_worker, b->worker_count);
    b->tasks = mem_new_array(struct block_task, b->worker_count * METRICS_GROUPS_AT_ONCE);
    for (size_t t = 0; t < q->tenant_count; t++) {
        err rc = group_list_open(&b->lists[t], store, q->tenants[t], q->start_ns, end, f);
        if (rc != OK) {
            return rc;
        }
        for (size_t i = 0; i < b->lists[t].snapshot->count; i++) {
            const struct block_meta *m = &b->lists[t].snapshot->blocks[i]->meta;
            if (m->min_start_ns <= end && m->max_end_ns >= q->start_ns) {
                stats->blocks++;
                stats->block_bytes += m->bytes;
                stats->jobs++;
            }
        }
    }
    return OK;
}

void
metrics_blocks_fini(struct metrics_blocks *b)
{
    mem_free(b->unknown);
    b->unknown = NULL;
    if (!b->open) {
        return;
    }
    for (size_t i = 0; i < b->worker_count; i++) {
        if (b->workers[i].ready) {
            group_reader_fini(&b->workers[i].reader);
        }
        if (b->workers[i].ready && i > 0) {
            metrics_sink_fini(&b->workers[i].own);
        }
    }
    for (size_t t = 0; t < b->q->tenant_count; t++) {
        group_list_close(&b->lists[t]);
    }
    mem_free(b->lists);
    mem_free(b->workers);
    mem_free(b->tasks);
    *b = (struct metrics_blocks){0};
}

static err
read_traces(struct group_reader *r, const struct block_task *t, struct fault *f)
{
    uint32_t *rows = mem_new_array(uint32_t, t->count);
    trace_id *ids = mem_new_array(trace_id, t->count);
    for (size_t i = 0; i < t->count; i++) {
        rows[i] = t->v[i]->row;
    }
    err rc = group_reader_traces(r, t->block, t->row_group, rows, t->count, f, ids);
    for (size_t i = 0; rc == OK && i < t->count; i++) {
        t->v[i]->trace = ids[i];
        t->v[i]->block = NULL;
    }
    mem_free(rows);
    mem_free(ids);
    return rc;
}

static err
run_task(void *ctx, size_t slot, size_t i, struct fault *f)
{
    struct metrics_blocks *b = ctx;
    struct block_worker *w = &b->workers[slot];
    const struct block_task *t = &b->tasks[i];
    err rc = OK;
    if (!w->ready) {
        w->ready = true;
        if (slot > 0) {
            metrics_sink_init(&w->own, b->q);
            w->own.roots = b->sink->roots;
        }
        group_reader_init(&w->reader, slot > 0 ? &w->own : b->sink);
    }
    TRY(query_guard_check(&b->q->guard, f));
    rc = t->v ? read_traces(&w->reader, t, f) : group_reader_run(&w->reader, t->block, t->row_group, f);
out:
    return rc;
}

/* What was read since it was told last. */
static void
tell(struct metrics_blocks *b, struct search_stats *stats)
{
    for (size_t i = 0; i < b->worker_count; i++) {
        struct block_worker *w = &b->workers[i];
        if (w->ready) {
            const uint64_t bytes = group_reader_bytes(&w->reader);
            stats->spans += w->reader.spans - w->spans;
            stats->bytes += bytes - w->bytes;
            w->spans = w->reader.spans;
            w->bytes = bytes;
        }
    }
}

static err
run_tasks(struct metrics_blocks *b, size_t n, struct search_stats *stats, struct fault *f)
{
    const err rc = parallel_try(b->q->pool, n, run_task, b, f);
    tell(b, stats);
    return rc;
}

err
metrics_blocks_step(struct metrics_blocks *b, struct search_stats *stats, struct fault *f)
{
    const size_t max = b->worker_count * METRICS_GROUPS_AT_ONCE;
    size_t n = 0;
    while (b->open && n < max && b->at < b->q->tenant_count) {
        struct group_list *l = &b->lists[b->at];
        struct listed_group g;
        err rc = group_list_peek(l, f, &g);
        if (rc == ERR_NOT_FOUND) {
            b->at++;
            continue;
        }
        if (rc != OK) {
            return rc;
        }
        b->tasks[n++] = (struct block_task){.block = l->readers[g.block], .row_group = g.group};
        group_list_take(l);
    }
    if (n == 0) {
        stats->jobs_done = stats->jobs;
        return ERR_NOT_FOUND;
    }
    return run_tasks(b, n, stats, f);
}

void
metrics_blocks_gather(struct metrics_blocks *b)
{
    for (size_t i = 1; i < b->worker_count; i++) {
        struct block_worker *w = &b->workers[i];
        if (w->ready) {
            metrics_sink_merge(b->sink, &w->own);
            metrics_sink_fini(&w->own);
            metrics_sink_init(&w->own, b->q);
            w->own.roots = b->sink->roots;
        }
    }
}

/* --- the traces of exemplars ---------------------------------------------------------------------------- */

void
metrics_blocks_traces_begin(struct metrics_blocks *b, struct exemplar_set *s)
{
    b->unknown = mem_realloc(b->unknown, s->count + (size_t)1, sizeof(void *));
    b->unknown_count = exemplars_unknown(s, b->unknown);
    b->unknown_at = 0;
}

err
metrics_blocks_traces_step(struct metrics_blocks *b, struct search_stats *stats, struct fault *f)
{
    const size_t max = b->worker_count * METRICS_GROUPS_AT_ONCE;
    size_t n = 0;
    while (n < max && b->unknown_at < b->unknown_count) {
        struct exemplar **v = &b->unknown[b->unknown_at];
        struct block_task t = {.block = v[0]->block, .row_group = v[0]->row_group, .v = v};
        while (b->unknown_at < b->unknown_count && v[t.count]->block == t.block &&
               v[t.count]->row_group == t.row_group) {
            t.count++;
            b->unknown_at++;
        }
        b->tasks[n++] = t;
    }
    return n ? run_tasks(b, n, stats, f) : ERR_NOT_FOUND;
}

uint64_t
metrics_blocks_bound(const struct metrics_blocks *b)
{
    uint64_t latest = 0;
    for (size_t t = b->at; b->open && t < b->q->tenant_count; t++) {
        const struct group_list *l = &b->lists[t];
        const struct block_snapshot *s = l->snapshot;
        for (size_t i = l->at; i < l->group_count; i++) {
            const uint64_t end = s->blocks[l->groups[i].block]->meta.max_end_ns;
            latest = end > latest ? end : latest;
        }
        if (l->next_block < s->count && s->blocks[l->next_block]->meta.max_end_ns > latest) {
            latest = s->blocks[l->next_block]->meta.max_end_ns;
        }
    }
    return latest;
}
