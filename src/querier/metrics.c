#include "vivace/querier/metrics.h"

#include "live_records.h"
#include "metrics_blocks.h"
#include "parallel.h"
#include "prefilter.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"

#include <stdatomic.h>

struct metrics {
    struct metrics_query q;
    struct metrics_sink sink;
    struct metrics_sink *slots; /* of a search on the pool; slot 0 is `sink` */
    size_t slot_count;
    struct metrics_roots roots;
    struct search *search; /* for plans that need whole traces */
    struct search_query search_query;
    void **cursors; /* by tenant and source; NULL = read */
    struct search_hunt *hunts;
    size_t cursor_count, at;
    struct metrics_blocks blocks;
    struct metrics_answer answer;
    struct metrics_group *groups;
    struct metrics_result result;
    bool opened, read, done;
};

/* --- live data ------------------------------------------------------------------------------------------ */

struct live_cursor {
    struct live_records *roots; /* of the same moment, read before; NULL: read, or not needed */
    struct live_records *spans;
};

static void
live_close(void *cursor)
{
    struct live_cursor *c = cursor;
    live_records_close(c->roots);
    live_records_close(c->spans);
    mem_free(c);
}

static err
live_open(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
          void **ret_cursor)
{
    struct live_cursor *c = mem_new(struct live_cursor);
    err rc = live_records_open(ctx, hunt, 0, f, &c->spans);
    if (rc == OK && hunt->plan->metric.fn == TQL_METRIC_COMPARE) {
        rc = live_records_open(ctx, hunt, SEARCH_MARGIN_NS, f, &c->roots);
    }
    if (rc != OK) {
        live_close(c);
        return rc;
    }
    stats->jobs += (uint32_t)live_records_left(c->spans);
    *ret_cursor = c;
    return OK;
}

/* The roots of all traces come first: a record rarely has its trace's. */
static err
read_roots(struct live_cursor *c, struct metrics_sink *out, struct search_stats *stats, struct fault *f)
{
    struct search_stats read = {0};
    err rc = live_records_next(c->roots, NULL, &read, f);
    stats->bytes += read.bytes;
    if (rc == OK && out->roots) {
        metrics_roots_add(out->roots, &c->roots->batch);
        return metrics_sink_account(out, f);
    }
    if (rc == ERR_NOT_FOUND) {
        live_records_close(c->roots);
        c->roots = NULL;
    }
    return rc == ERR_NOT_FOUND || rc == ERR_AGAIN ? OK : rc;
}

static err
live_advance(void *cursor, struct metrics_sink *out, struct search_stats *stats, struct fault *f)
{
    struct live_cursor *c = cursor;
    if (c->roots) {
        return read_roots(c, out, stats, f);
    }
    err rc = live_records_next(c->spans, NULL, stats, f);
    if (rc == OK) {
        return metrics_collect(out, &c->spans->batch, f);
    }
    return rc == ERR_AGAIN ? OK : rc;
}

struct metrics_source
metrics_source_live(_Atomic(struct ingester *) *at)
{
    return (struct metrics_source){live_open, live_advance, live_close, at};
}

/* --- a query -------------------------------------------------------------------------------------------- */

static bool
program_reads(const struct tql_program *p, uint32_t slot)
{
    for (uint32_t i = 0; i < p->cond_count; i++) {
        if (p->conds[i].slot == slot) {
            return true;
        }
    }
    for (uint32_t i = 0; i < p->insn_count; i++) {
        if (p->insns[i].code == TQL_CODE_SLOT && p->insns[i].arg == slot) {
            return true;
        }
    }
    return false;
}

/* The filter asks of nestedSetParent no more than whether the span is a root. */
static bool
asks_for_roots(const struct tql_filter *filter, uint32_t slot)
{
    if (filter->push == TQL_PUSH_NONE) {
        return !program_reads(&filter->program, slot);
    }
    for (size_t i = 0; i < filter->cond_count; i++) {
        if (filter->conds[i].slot == slot && !cond_means_root(&filter->conds[i])) {
            return false;
        }
    }
    return !filter->has_residue || !program_reads(&filter->residue, slot);
}

bool
metrics_is_alone(const struct tql_plan *plan)
{
    const struct tql_slots *slots = &plan->compiler.slots;
    if (plan->whole_trace) {
        return false;
    }
    for (uint32_t i = 0; plan->needs_structure && i < slots->count; i++) {
        const enum tql_intrinsic intrinsic = (enum tql_intrinsic)slots->slots[i].attr.intrinsic;
        if (intrinsic < TQL_INTRINSIC_SPAN_CHILD_COUNT || intrinsic > TQL_INTRINSIC_NESTED_SET_PARENT) {
            continue;
        }
        if (intrinsic != TQL_INTRINSIC_NESTED_SET_PARENT || slots->slots[i].uses != TQL_USE_FILTER) {
            return false;
        }
        for (size_t k = 0; k < plan->filter_count; k++) {
            if (!asks_for_roots(&plan->filters[k], i)) {
                return false;
            }
        }
    }
    return true;
}

static uint64_t
end_of(const struct metrics_query *q)
{
    return q->start_ns + q->steps * q->step_ns;
}

/* A trace some of whose spans are kept. */
static err
add_trace(void *ctx, struct eval *e, struct fault *f)
{
    struct metrics *m = ctx;
    return metrics_sink_rows(&m->sink, e, f);
}

/* The same on a thread of the pool. */
static err
add_trace_at(void *ctx, size_t slot, struct eval *e, struct fault *f)
{
    struct metrics *m = ctx;
    return metrics_sink_rows(slot ? &m->slots[slot] : &m->sink, e, f);
}

/* What the slots have, into the query's sink. */
static void
gather_slots(struct metrics *m)
{
    for (size_t i = 1; i < m->slot_count; i++) {
        metrics_sink_merge(&m->sink, &m->slots[i]);
        metrics_sink_fini(&m->slots[i]);
        metrics_sink_init(&m->slots[i], &m->q);
    }
}

static void
start_search(struct metrics *m)
{
    const struct metrics_query *q = &m->q;
    const bool rows = q->plan->metric.fn != TQL_METRIC_COMPARE;
    m->slot_count = rows ? parallel_slots(q->pool) : 0;
    m->slots = mem_new_array(struct metrics_sink, m->slot_count + 1);
    for (size_t i = 1; i < m->slot_count; i++) {
        metrics_sink_init(&m->slots[i], q);
    }
    m->search_query = (struct search_query){.plan = q->plan,
                                            .tenants = q->tenants,
                                            .tenant_count = q->tenant_count,
                                            .sources = q->sources,
                                            .source_count = q->source_count,
                                            .start_ns = q->start_ns,
                                            .end_ns = end_of(q),
                                            .matched = add_trace,
                                            .matched_at = rows ? add_trace_at : NULL,
                                            .matched_ctx = m,
                                            .matched_rows = rows,
                                            .pool = q->pool,
                                            .guard = q->guard,
                                            .budget = q->budget};
    m->search = search_create(&m->search_query);
}

struct metrics *
metrics_create(const struct metrics_query *q)
{
    struct metrics *m = mem_new(struct metrics);
    m->q = *q;
    m->done = q->plan->never || q->steps == 0;
    m->result.final_ns = UINT64_MAX;
    metrics_sink_init(&m->sink, &m->q);
    arena_init(&m->answer.memory, METRICS_BYTES_MAX);
    m->sink.eval.alone = true;
    metrics_roots_init(&m->roots);
    if (q->plan->metric.fn == TQL_METRIC_COMPARE && metrics_is_alone(q->plan)) {
        m->sink.roots = &m->roots;
    }
    if (!m->done && !metrics_is_alone(q->plan)) {
        start_search(m);
    }
    m->cursors = mem_new_array(void *, q->tenant_count * q->metrics_source_count + 1);
    m->hunts = mem_new_array(struct search_hunt, q->tenant_count + 1);
    return m;
}

void
metrics_destroy(struct metrics *m)
{
    if (m == NULL) {
        return;
    }
    for (size_t i = 0; i < m->cursor_count; i++) {
        if (m->cursors[i]) {
            m->q.metrics_sources[i % m->q.metrics_source_count].close(m->cursors[i]);
        }
    }
    metrics_blocks_fini(&m->blocks);
    search_destroy(m->search);
    for (size_t i = 1; i < m->slot_count; i++) {
        metrics_sink_fini(&m->slots[i]);
    }
    mem_free(m->slots);
    metrics_sink_fini(&m->sink);
    metrics_roots_fini(&m->roots);
    arena_fini(&m->answer.memory);
    mem_free(m->answer.v);
    mem_free(m->groups);
    mem_free(m->cursors);
    mem_free(m->hunts);
    mem_free(m);
}

static err
open_sources(struct metrics *m, struct fault *f)
{
    for (size_t i = 0; i < m->q.tenant_count; i++) {
        m->hunts[i] = (struct search_hunt){.tenant = m->q.tenants[i],
                                           .plan = m->q.plan,
                                           .start_ns = m->q.start_ns,
                                           .end_ns = end_of(&m->q),
                                           .budget = m->q.budget};
        for (size_t k = 0; k < m->q.metrics_source_count; k++) {
            const struct metrics_source *source = &m->q.metrics_sources[k];
            err rc =
                source->open(source->ctx, &m->hunts[i], &m->result.stats, f, &m->cursors[m->cursor_count++]);
            if (rc != OK) {
                return rc;
            }
        }
    }
    return OK;
}

/* Live data and blocks at one moment: a segment that becomes a block meanwhile is seen once. */
static err
open_all(struct metrics *m, struct fault *f)
{
    struct block_store *store = m->q.blocks ? atomic_load(m->q.blocks) : NULL;
    err rc = OK;
    m->opened = true;
    if (m->q.blocks && store == NULL) {
        return FAULT(f, ERR_UNAVAILABLE, "the server is starting");
    }
    if (store) {
        block_store_look_begin(store);
    }
    rc = open_sources(m, f);
    if (rc == OK && store) {
        rc = metrics_blocks_open(&m->blocks, &m->q, store, &m->sink, &m->result.stats, f);
    }
    if (store) {
        block_store_look_end(store);
    }
    return rc;
}

/* A record of the source at hand; ERR_NOT_FOUND when all are read. */
static err
work(struct metrics *m, struct fault *f)
{
    if (m->at == m->cursor_count) {
        return metrics_blocks_step(&m->blocks, &m->result.stats, f);
    }
    const struct metrics_source *source = &m->q.metrics_sources[m->at % m->q.metrics_source_count];
    err rc = source->advance(m->cursors[m->at], &m->sink, &m->result.stats, f);
    if (rc == ERR_NOT_FOUND) {
        source->close(m->cursors[m->at]);
        m->cursors[m->at++] = NULL;
        rc = OK;
    }
    return rc;
}

static err
step_spans(struct metrics *m, int64_t until, struct fault *f)
{
    err rc = m->opened ? OK : open_all(m, f);
    while (rc == OK) {
        rc = query_guard_check(&m->q.guard, f);
        rc = rc == OK ? work(m, f) : rc;
        if (rc == OK && clock_mono_ns() >= until) {
            return ERR_AGAIN;
        }
    }
    return rc == ERR_NOT_FOUND ? OK : rc;
}

/* Everything is in: which exemplars are shown? */
static err
step_exemplars(struct metrics *m, int64_t until, struct fault *f)
{
    struct exemplar_set *exemplars = metrics_sink_exemplars(&m->sink);
    err rc = OK;
    if (!m->read) {
        m->read = true;
        metrics_blocks_gather(&m->blocks);
        gather_slots(m);
        exemplars_mark(exemplars);
        metrics_blocks_traces_begin(&m->blocks, exemplars);
    }
    while (rc == OK) {
        rc = metrics_blocks_traces_step(&m->blocks, &m->result.stats, f);
        if (rc == OK && clock_mono_ns() >= until) {
            return ERR_AGAIN;
        }
    }
    if (rc == ERR_NOT_FOUND) {
        exemplars_choose(exemplars);
        rc = OK;
    }
    return rc;
}

err
metrics_step(struct metrics *m, int64_t slice_ns, struct fault *f)
{
    const int64_t until = clock_mono_ns() + slice_ns;
    err rc = OK;
    if (m->done) {
        return OK;
    }
    if (m->read) {
        rc = step_exemplars(m, until, f);
        m->done = rc == OK;
        return rc;
    }
    if (m->search) {
        rc = search_step(m->search, slice_ns, f);
        m->result.stats = search_result(m->search)->stats;
    } else {
        rc = step_spans(m, until, f);
    }
    rc = rc == OK ? step_exemplars(m, until, f) : rc;
    m->done = rc == OK;
    return rc;
}

const struct search_stats *
metrics_stats(const struct metrics *m)
{
    return &m->result.stats;
}

uint64_t
metrics_final_ns(const struct metrics *m)
{
    if (m->done) {
        return 0;
    }
    return m->search || !m->opened || m->at < m->cursor_count ? UINT64_MAX : metrics_blocks_bound(&m->blocks);
}

const struct metrics_result *
metrics_result(struct metrics *m)
{
    struct metrics_result *r = &m->result;
    struct metrics_answer *a = &m->answer;
    metrics_blocks_gather(&m->blocks);
    gather_slots(m);
    arena_reset(&a->memory);
    a->count = 0;
    a->full = false;
    metrics_answer_make(&m->sink, a);
    metrics_second_stages(&m->q, a);
    r->partial = a->full || m->sink.timelines.full || m->sink.compare.full;
    if (m->q.max_series && a->count > m->q.max_series) {
        a->count = m->q.max_series;
        r->partial = true;
    }
    r->series = a->v;
    r->count = a->count;
    r->measured_key = a->measured_key;
    r->final_ns = metrics_final_ns(m);
    return r;
}

struct metrics_group *
metrics_groups(struct metrics *m, size_t *ret_count)
{
    metrics_blocks_gather(&m->blocks);
    const struct timelines *s = &m->sink.timelines;
    m->groups = mem_realloc(m->groups, s->count + 1, sizeof *m->groups);
    for (size_t i = 0; i < s->count; i++) {
        struct metrics_group *g = &m->groups[i];
        *g = (struct metrics_group){.by = s->v[i].labels, .count = (uint64_t)s->v[i].values[0]};
        for (int b = 0; b < TIMELINE_BUCKETS; b++) {
            g->buckets[b] = s->v[i].buckets[b] ? (uint64_t)s->v[i].buckets[b][0] : 0;
        }
    }
    *ret_count = s->count;
    return m->groups;
}
