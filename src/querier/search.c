#include "vivace/querier/search.h"

#include "ahead.h"
#include "gather.h"
#include "prefilter.h"
#include "result.h"
#include "search_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"

/* A source being read for one tenant. */
struct reading {
    const struct search_source *source;
    struct search_hunt hunt;
    void *cursor; /* NULL: not opened */
    uint64_t horizon;
    bool ended;
};

struct search {
    struct search_query q;
    struct candidates candidates;
    struct gather gather;
    struct ahead ahead;
    struct reading *readings;
    size_t reading_count;
    struct trace_source *trace_sources; /* first those one trace is found in at a time */
    size_t single_count;
    struct eval eval;
    struct span_batch trace;
    struct arena kept;           /* results */
    struct search_trace **found; /* newest first */
    size_t found_count, found_cap;
    size_t reserved;
    struct search_result result;
    bool opened, done;
};

struct search *
search_create(const struct search_query *q)
{
    struct search *s = mem_new(struct search);
    struct prefilter p;
    s->q = *q;
    prefilter_init(&p, q->plan); /* the sources make their own: only which bits are needed */
    candidates_init(&s->candidates, p.complete, q->budget);
    prefilter_fini(&p);
    s->readings = mem_new_array(struct reading, q->source_count * q->tenant_count + 1);
    s->trace_sources = mem_new_array(struct trace_source, q->source_count + 1);
    for (size_t i = 0, gathering = 0; i < q->source_count; i++) {
        const struct search_source *source = &q->sources[i];
        size_t at = source->gather_open ? q->source_count - ++gathering : s->single_count++;
        s->trace_sources[at] = source->trace;
    }
    gather_init(&s->gather, &s->q);
    ahead_init(&s->ahead, &s->q);
    s->gather.search = q->matched && !q->matched_rows ? NULL : s;
    eval_init(&s->eval, q->plan, SEARCH_TRACE_BYTES_MAX, &s->q.guard);
    span_batch_init(&s->trace, SEARCH_TRACE_BYTES_MAX);
    arena_init(&s->kept, SEARCH_RESULT_BYTES_MAX);
    s->done = q->plan->never;
    return s;
}

void
search_destroy(struct search *s)
{
    if (s == NULL) {
        return;
    }
    gather_fini(&s->gather);
    ahead_fini(&s->ahead);
    for (size_t i = 0; i < s->reading_count; i++) {
        if (s->readings[i].cursor) {
            s->readings[i].source->close(s->readings[i].cursor);
        }
    }
    candidates_fini(&s->candidates);
    eval_fini(&s->eval);
    span_batch_fini(&s->trace);
    arena_fini(&s->kept);
    mem_free(s->found);
    mem_free(s->readings);
    mem_free(s->trace_sources);
    if (s->q.budget) {
        budget_release(s->q.budget, s->reserved);
    }
    mem_free(s);
}

/* Traces that lie in one place may be judged there: not those of several tenants, which are put together, nor
 * where somebody wants to see the spans as a batch. */
static bool
takes_judged(const struct search *s)
{
    return s->q.tenant_count == 1 && (s->q.matched == NULL || s->q.matched_rows);
}

static err
open_all(struct search *s, struct fault *f)
{
    s->opened = true;
    for (size_t t = 0; t < s->q.tenant_count; t++) {
        for (size_t i = 0; i < s->q.source_count; i++) {
            struct reading *r = &s->readings[s->reading_count++];
            *r = (struct reading){.source = &s->q.sources[i],
                                  .hunt = {.tenant = s->q.tenants[t],
                                           .plan = s->q.plan,
                                           .start_ns = s->q.start_ns,
                                           .end_ns = s->q.end_ns,
                                           .budget = s->q.budget,
                                           .guard = &s->q.guard,
                                           .pool = s->q.pool,
                                           .search = takes_judged(s) ? s : NULL,
                                           .source = &s->q.sources[i]},
                                  .horizon = UINT64_MAX};
            err rc = r->source->open(r->source->ctx, &r->hunt, &s->result.stats, f, &r->cursor);
            if (rc != OK) {
                return rc;
            }
        }
    }
    return OK;
}

/* What this search holds, in the budget. */
static err
account(struct search *s, struct fault *f)
{
    size_t held = s->kept.bytes + s->eval.arena.bytes + s->trace.arena.bytes + gather_bytes(&s->gather) +
                  ahead_bytes(&s->ahead) + s->found_cap * sizeof(void *);
    if (s->q.budget == NULL || held <= s->reserved) {
        return OK;
    }
    if (budget_reserve(s->q.budget, held - s->reserved) != OK) {
        return FAULT(f, ERR_LIMIT, "the memory for queries is used up, ask for less or try again");
    }
    s->reserved = held;
    return OK;
}

/* --- judging -------------------------------------------------------------------------------------------- */

static bool
comes_before(const struct search_trace *a, const struct search_trace *b)
{
    if (a->start_ns != b->start_ns) {
        return a->start_ns > b->start_ns;
    }
    return memcmp(a->id.b, b->id.b, TRACE_ID_BYTES) < 0;
}

static void
insert(struct search *s, struct search_trace *t)
{
    if (s->found_count == s->found_cap) {
        s->found_cap = s->found_cap ? 2 * s->found_cap : 32;
        s->found = mem_realloc(s->found, s->found_cap, sizeof(void *));
    }
    size_t at = s->found_count;
    while (at > 0 && comes_before(t, s->found[at - 1])) {
        at--;
    }
    memmove(s->found + at + 1, s->found + at, (s->found_count - at) * sizeof(void *));
    s->found[at] = t;
    s->found_count++;
    if (s->q.limit && s->found_count > s->q.limit) {
        s->found_count = s->q.limit;
    }
}

static bool
is_full(const struct search *s)
{
    return s->q.limit && s->found_count == s->q.limit;
}

/* The whole trace, or the first part of one that is too large; with what is gathered of it already. */
static err
assemble(struct search *s, const trace_id *id, bool gathered, struct fault *f)
{
    struct fault g = {0};
    struct trace_query find = {.sources = s->trace_sources,
                               .source_count = gathered ? s->single_count : s->q.source_count,
                               .tenants = s->q.tenants,
                               .tenant_count = s->q.tenant_count,
                               .id = *id,
                               .keep_shared_ids = true,
                               .by_start = true,
                               .cancelled = s->q.guard.cancelled};
    span_batch_reset(&s->trace);
    err rc = gathered ? gather_copy(&s->gather, s->gather.at, &s->trace) : OK;
    if (rc == OK) {
        rc = trace_find(&find, &s->trace, &g);
    }
    s->result.stats.bytes += find.inspected_bytes;
    if (rc == ERR_LIMIT && s->trace.span_count) {
        LOG_LIMITED(LOG_WARN, 1, "a trace is too large for a search, which looks at a part of it",
                    LOG_UINT("spans", s->trace.span_count));
    }
    if ((rc == ERR_LIMIT || rc == ERR_NOT_FOUND) && s->trace.span_count) {
        trace_sort(&s->trace);
        trace_drop_duplicates(&s->trace);
        rc = OK;
    }
    if (rc != OK && rc != ERR_NOT_FOUND && f) {
        *f = g;
    }
    return rc;
}

static bool
is_in_range(const struct search *s, const struct trace_facts *t)
{
    return t->start_ns <= s->q.end_ns && t->end_ns >= s->q.start_ns;
}

static err
judge(struct search *s, const trace_id *id, bool gathered, struct fault *f)
{
    struct trace_facts facts;
    struct search_trace *t = NULL;
    struct fault g = {0};
    err rc = assemble(s, id, gathered, f);
    if (rc != OK) {
        return rc == ERR_NOT_FOUND ? OK : rc; /* it has just moved, or was never acknowledged */
    }
    s->result.stats.traces++;
    trace_facts_of(&s->trace, &facts);
    if (!is_in_range(s, &facts) || (is_full(s) && facts.start_ns < s->found[s->found_count - 1]->start_ns)) {
        return OK;
    }
    rc = eval_run(&s->eval, &s->trace, &g);
    if (rc == ERR_LIMIT) {
        LOG_LIMITED(LOG_WARN, 1, "a trace is too large to be judged and left out of a search", LOG_FAULT(&g));
        return OK;
    }
    if (rc != OK && f) {
        *f = g;
    }
    if (rc == OK && s->eval.set_count && s->q.matched) {
        rc = s->q.matched(s->q.matched_ctx, &s->eval, f);
    } else if (rc == OK && s->eval.set_count) {
        rc = result_make(&s->eval, &s->q, &s->kept, f, &t);
        if (rc == OK) {
            insert(s, t);
        }
    }
    return rc == OK ? account(s, f) : rc;
}

/* --- traces that sources judge ----------------------------------------------------------------------------
 */

uint64_t
search_cut(const struct search *s)
{
    return is_full(s) ? s->found[s->found_count - 1]->start_ns : 0;
}

size_t
search_newer(const struct search *s, uint64_t start_ns)
{
    size_t from = 0;
    size_t to = s->found_count;
    while (from < to) {
        const size_t at = from + (to - from) / 2;
        if (s->found[at]->start_ns > start_ns) {
            from = at + 1;
        } else {
            to = at;
        }
    }
    return from;
}

const struct search_query *
search_query_of(const struct search *s)
{
    return &s->q;
}

bool
search_wants(const struct search *s, const trace_id *id, uint64_t start_ns)
{
    const struct search_trace t = {.id = *id, .start_ns = start_ns};
    return (!is_full(s) || comes_before(&t, s->found[s->found_count - 1])) &&
           id_table_get(&s->candidates.index, id) == 0;
}

err
search_accept(struct search *s, struct eval *e, struct fault *f)
{
    struct search_trace *t = NULL;
    const trace_id id = eval_facts(e)->id;
    err rc = s->q.matched ? s->q.matched(s->q.matched_ctx, e, f) : result_make(e, &s->q, &s->kept, f, &t);
    if (rc != OK) {
        return rc;
    }
    if (t) {
        insert(s, t);
    }
    candidates_forget(&s->candidates, &id);
    return account(s, f);
}

err
search_told(struct search *s, const trace_id *id, struct fault *f)
{
    candidates_forget(&s->candidates, id);
    return account(s, f);
}

err
search_elsewhere(const struct search *s, const struct search_source *self, const trace_id *ids, size_t n,
                 uint8_t *ret, struct fault *f)
{
    err rc = OK;
    for (size_t i = 0; rc == OK && i < s->q.source_count; i++) {
        const struct search_source *x = &s->q.sources[i];
        if (x == self) {
            continue;
        }
        if (x->may_have) {
            rc = x->may_have(x->ctx, s->q.tenants[0], ids, n, ret, f);
        } else {
            memset(ret, 1, n);
        }
    }
    return rc;
}

/* --- the walk ------------------------------------------------------------------------------------------- */

/* The source that may still bring the newest traces, or NULL. */
static struct reading *
newest_reading(struct search *s)
{
    struct reading *best = NULL;
    for (size_t i = 0; i < s->reading_count; i++) {
        struct reading *r = &s->readings[i];
        if (r->cursor && !r->ended && (best == NULL || r->horizon > best->horizon)) {
            best = r;
        }
    }
    return best;
}

static err
advance(struct search *s, struct reading *r, struct fault *f)
{
    err rc = r->source->advance(r->cursor, &s->candidates, &s->result.stats, &r->horizon, f);
    if (rc == ERR_NOT_FOUND) {
        r->ended = true;
        rc = OK;
    }
    return rc;
}

/* Traces that start later than this are all found. */
static uint64_t
frontier(struct search *s)
{
    const struct reading *r = newest_reading(s);
    uint64_t edge = candidates_peek(&s->candidates);
    uint64_t gathered = gather_peek(&s->gather, &s->candidates);
    edge = gathered > edge ? gathered : edge;
    return r && r->horizon > edge ? r->horizon : edge;
}

static err
read_gathered(struct search *s, struct fault *f)
{
    struct gather *g = &s->gather;
    g->looked = g->source < s->reading_count ? s->readings[g->source].cursor : NULL;
    ahead_forget(&s->ahead);
    err rc = gather_read(g, &s->candidates, &s->result.stats.bytes, f);
    return rc == OK ? account(s, f) : rc;
}

/* What traces have in sources that gather nothing is not known ahead. */
static err
judge_gathered(struct search *s, struct fault *f)
{
    struct gather *g = &s->gather;
    const trace_id id = s->candidates.v[g->positions[g->at]].id;
    err rc = OK;
    if (s->single_count == 0 && ahead_rules_out(&s->ahead, g, search_cut(s))) {
        s->result.stats.traces++;
        rc = g->at == s->ahead.from ? account(s, f) : OK;
    } else {
        rc = judge(s, &id, true, f);
    }
    g->at++;
    return rc;
}

/* One record, or one trace. Newest first: what is ready is judged once no source can bring a later one. */
static err
work(struct search *s, struct fault *f)
{
    struct reading *r = newest_reading(s);
    uint32_t at = 0;
    if (is_full(s) && s->found[s->found_count - 1]->start_ns > frontier(s)) {
        s->done = true;
        return OK;
    }
    if (gather_is_active(&s->gather)) {
        return s->gather.reading ? read_gathered(s, f) : judge_gathered(s, f);
    }
    /* without a limit every candidate is judged: all are known first, and many are read together */
    const bool all = s->q.limit == 0;
    if (r && (all || s->candidates.heap_count == 0 || r->horizon >= candidates_peek(&s->candidates))) {
        return advance(s, r, f);
    }
    const uint64_t many = all ? s->candidates.heap_count : s->result.stats.traces;
    if (many >= GATHER_AFTER && gather_begin(&s->gather, &s->candidates)) {
        return OK;
    }
    if (!candidates_take(&s->candidates, &at)) {
        s->done = true;
        return OK;
    }
    const trace_id id = s->candidates.v[at].id; /* a copy: the array may move */
    return judge(s, &id, false, f);
}

err
search_step(struct search *s, int64_t slice_ns, struct fault *f)
{
    const int64_t until = clock_mono_ns() + slice_ns;
    err rc = s->opened || s->done ? OK : open_all(s, f);
    while (rc == OK && !s->done) {
        rc = query_guard_check(&s->q.guard, f);
        if (rc == OK) {
            rc = work(s, f);
        }
        if (rc == OK && !s->done && clock_mono_ns() >= until) {
            rc = ERR_AGAIN;
        }
    }
    return rc;
}

const struct search_result *
search_result(struct search *s)
{
    uint64_t edge = s->done ? 0 : frontier(s);
    struct search_result *r = &s->result;
    r->traces = s->found;
    r->count = s->found_count;
    r->final_count = s->done ? s->found_count : 0;
    while (!s->done && r->final_count < s->found_count && s->found[r->final_count]->start_ns > edge) {
        r->final_count++;
    }
    return r;
}
