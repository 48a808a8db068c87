/* Blocks as a source of searches: row groups, the latest traces first, several at once.
 *
 * A round takes a few row groups. Each is looked at on its vectors for the traces that may match; of these
 * the ones that lie nowhere else are judged right there, and the others are offered as candidates, to be put
 * together from all sources. */
#include "block_gather.h"
#include "group_judge.h"
#include "parallel.h"
#include "row_groups.h"
#include "search_priv.h"
#include "spread.h"

#include "vivace/base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

#define ROUND_MAX       8   /* row groups at once: each holds its vectors meanwhile */
#define TRACES_PER_LOOK 256 /* at the clock */
#define ORDERED_TRIES   8   /* traces judged in order, for each of the limit */
#define ALREADY_TOLD    2

static struct block_store *
store_of(void *ctx)
{
    struct block_store *store = atomic_load((_Atomic(struct block_store *) *)ctx);
    return store;
}

/* --- one trace ------------------------------------------------------------------------------------------ */

static err
blocks_find(void *ctx, slice tenant, const trace_id *id, struct span_batch *out, uint64_t *inspected_bytes,
            struct fault *f)
{
    struct block_store *store = store_of(ctx);
    bool any = false;
    err rc = OK;
    if (store == NULL) {
        return FAULT(f, ERR_UNAVAILABLE, "the server is starting");
    }
    const struct block_snapshot *v = block_store_snapshot(store, tenant);
    for (size_t i = 0; rc == OK && i < v->count; i++) {
        struct block_reader *r = NULL;
        rc = stored_block_open(v->blocks[i], f, &r);
        if (rc != OK) {
            break;
        }
        rc = block_find_trace(r, id, out, inspected_bytes, f);
        any = any || rc == OK;
        rc = rc == ERR_NOT_FOUND ? OK : rc;
        stored_block_done(v->blocks[i]);
    }
    block_snapshot_release(v);
    return rc == OK && !any ? ERR_NOT_FOUND : rc;
}

struct trace_source
trace_source_blocks(_Atomic(struct block_store *) *at)
{
    return (struct trace_source){blocks_find, at};
}

/* --- a cursor ---------------------------------------------------------------------------------------------
 */

struct group_job {
    struct blocks_cursor *cursor;
    struct listed_group group;
    struct group_judge *judge; /* of the block `of_block` */
    size_t of_block;
    uint32_t *some;   /* traces that may match, by number */
    size_t left;      /* of them: not in a batch yet */
    uint32_t *batch;  /* those to be judged now */
    trace_id *ids;    /* of the batch */
    uint64_t *hashes; /* of the ids, as far as they are asked about */
    uint8_t *spread;  /* they lie elsewhere too */
    uint32_t *found;  /* traces that do match, newest first */
    uint8_t *odd;     /* by number: it must be put together; or ALREADY_TOLD */
    size_t count, cap, matched;
    bool begun;
    bool ordered;   /* the batch is newest first, and enough matches end it */
    size_t sure;    /* of the matched: those that need not be put together */
    uint64_t bytes; /* read by it already counted */
    uint64_t judged;
};

struct blocks_cursor {
    struct search_hunt hunt; /* by value: what it points to outlives the cursor */
    struct block_store *store;
    struct group_list list;
    struct trace_sets sets;
    struct group_job jobs[ROUND_MAX];
    size_t round; /* row groups of the next one */
    size_t jobs_now;
    uint64_t cut; /* traces that begin earlier make no difference */
};

static err
search_open(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
            void **ret_cursor)
{
    const uint64_t margin = SEARCH_MARGIN_NS;
    uint64_t from = hunt->start_ns > margin ? hunt->start_ns - margin : 0;
    uint64_t to = hunt->end_ns < UINT64_MAX - margin ? hunt->end_ns + margin : UINT64_MAX;
    struct blocks_cursor *c = mem_new(struct blocks_cursor);
    c->hunt = *hunt;
    c->round = 1;
    c->store = store_of(ctx);
    *ret_cursor = c; /* the owner closes it in any case */
    err rc = group_list_open(&c->list, c->store, hunt->tenant, from, to, f);
    if (rc != OK) {
        return rc;
    }
    trace_sets_init(&c->sets, c->list.snapshot->count, hunt->budget);
    for (size_t i = 0; i < c->list.snapshot->count; i++) {
        const struct block_meta *m = &c->list.snapshot->blocks[i]->meta;
        if (m->min_start_ns <= to && m->max_end_ns >= from) {
            stats->blocks++;
            stats->block_bytes += m->bytes;
            stats->jobs++;
        }
    }
    return OK;
}

static void
jobs_free(struct blocks_cursor *c)
{
    for (size_t i = 0; i < ROUND_MAX; i++) {
        struct group_job *job = &c->jobs[i];
        group_judge_destroy(job->judge);
        mem_free(job->some);
        mem_free(job->batch);
        mem_free(job->ids);
        mem_free(job->hashes);
        mem_free(job->spread);
        mem_free(job->found);
        mem_free(job->odd);
        *job = (struct group_job){0};
    }
}

static void
search_close(void *cursor)
{
    struct blocks_cursor *c = cursor;
    jobs_free(c);
    if (c->list.snapshot) {
        trace_sets_fini(&c->sets);
    }
    group_list_close(&c->list);
    mem_free(c);
}

/* --- which traces of a row group may match ----------------------------------------------------------------
 */

static void
job_reserve(struct group_job *job, size_t n)
{
    if (n > job->cap) {
        job->cap = n;
        job->some = mem_realloc(job->some, n, sizeof *job->some);
        job->batch = mem_realloc(job->batch, n, sizeof *job->batch);
        job->ids = mem_realloc(job->ids, n, sizeof *job->ids);
        job->hashes = mem_realloc(job->hashes, n, sizeof *job->hashes);
        job->spread = mem_realloc(job->spread, n, sizeof *job->spread);
        job->found = mem_realloc(job->found, n, sizeof *job->found);
        job->odd = mem_realloc(job->odd, n, sizeof *job->odd);
    }
}

/* A match alone would count; or a part of it, to be put together. */
static bool
is_in_range(const struct search_hunt *h, const struct judged_trace *t)
{
    return t->start_ns <= h->end_ns && t->end_ns >= h->start_ns;
}

static err
look_at_group(void *ctx, size_t slot, size_t i, struct fault *f)
{
    struct group_job *job = &((struct blocks_cursor *)ctx)->jobs[i];
    const struct blocks_cursor *c = job->cursor;
    struct group_judge *j = job->judge;
    err rc = OK;
    (void)slot;
    job->left = job->count = job->matched = job->sure = 0;
    job->judged = 0;
    job->begun = false;
    TRY(group_judge_open(j, job->group.group, f));
    if (j->trace_count == 0 || j->never_loose) {
        return OK;
    }
    job_reserve(job, j->trace_count);
    for (size_t k = 0; k < j->trace_count; k++) {
        const struct judged_trace *t = &j->traces[k];
        if (judged_is_part(j, t) || (judged_may_match(j, t) && is_in_range(&c->hunt, t))) {
            job->some[job->left++] = (uint32_t)k;
        }
    }
out:
    return rc;
}

/* --- the newest first -------------------------------------------------------------------------------------
 */

static bool
is_newer(const struct judged_trace *traces, uint32_t a, uint32_t b)
{
    if (traces[a].start_ns != traces[b].start_ns) {
        return traces[a].start_ns > traces[b].start_ns;
    }
    return memcmp(traces[a].id.b, traces[b].id.b, TRACE_ID_BYTES) < 0;
}

/* A heap whose top is the newest. */
static void
sift_down(const struct judged_trace *traces, uint32_t *v, size_t n, size_t at)
{
    for (;;) {
        size_t top = at;
        for (size_t k = 2 * at + 1; k <= 2 * at + 2 && k < n; k++) {
            top = is_newer(traces, v[k], v[top]) ? k : top;
        }
        if (top == at) {
            return;
        }
        uint32_t t = v[at];
        v[at] = v[top];
        v[top] = t;
        at = top;
    }
}

static size_t
limit_of(const struct blocks_cursor *c)
{
    return c->hunt.search ? search_query_of(c->hunt.search)->limit : 0;
}

static int
newest_first(const void *a, const void *b, void *ctx)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return x == y ? 0 : is_newer(ctx, x, y) ? -1 : 1;
}

/* The next traces to judge: the newest ones, since a common match fills the answer with them, so that nobody
 * asks where the others lie; for a rare one then the others, in any order. */
static void
next_batch(struct group_job *job)
{
    const struct judged_trace *traces = job->judge->traces;
    const size_t newest = job->begun ? 0 : ORDERED_TRIES * limit_of(job->cursor);
    job->count = 0;
    job->ordered = newest > 0;
    if (job->left == 0) {
        return;
    }
    if (newest && newest < job->left) {
        for (size_t k = job->left / 2; k-- > 0;) {
            sift_down(traces, job->some, job->left, k);
        }
        while (job->count < newest) {
            job->batch[job->count++] = job->some[0];
            job->some[0] = job->some[--job->left];
            sift_down(traces, job->some, job->left, 0);
        }
    } else {
        memcpy(job->batch, job->some, job->left * sizeof *job->batch);
        job->count = job->left;
        job->left = 0;
        if (newest) {
            qsort_r(job->batch, job->count, sizeof *job->batch, newest_first, job->judge->traces);
        }
    }
    job->begun = true;
    for (size_t i = 0; i < job->count; i++) {
        job->ids[i] = traces[job->batch[i]].id;
    }
}

/* --- which of them lie elsewhere too ----------------------------------------------------------------------
 */

static struct spread_ask
ask_of(const struct group_job *job)
{
    const struct judged_trace *traces = job->judge->traces;
    struct spread_ask a = {.group = job->group,
                           .ids = job->ids,
                           .hashes = job->hashes,
                           .spread = job->spread,
                           .count = job->count,
                           .from_ns = UINT64_MAX,
                           .first = SPREAD_NOT_ASKED,
                           .last = SPREAD_NOT_ASKED};
    for (size_t i = 0; i < job->count; i++) {
        const struct judged_trace *t = &traces[job->batch[i]];
        a.from_ns = t->start_ns < a.from_ns ? t->start_ns : a.from_ns;
        a.to_ns = t->end_ns > a.to_ns ? t->end_ns : a.to_ns;
        a.first = job->batch[i] == 0 ? i : a.first;
        a.last = job->batch[i] + 1 == job->judge->trace_count ? i : a.last;
    }
    return a;
}

static err
find_spread(struct blocks_cursor *c, struct fault *f)
{
    struct spread s = {&c->hunt, c->store, &c->list, &c->sets};
    struct spread_ask asks[ROUND_MAX];
    for (size_t i = 0; i < c->jobs_now; i++) {
        asks[i] = ask_of(&c->jobs[i]);
    }
    return spread_find(&s, asks, c->jobs_now, f);
}

/* Offer what lies elsewhere too; the others stay. */
static err
sort_out(struct blocks_cursor *c, struct group_job *job, struct candidates *out, struct fault *f)
{
    struct group_judge *j = job->judge;
    size_t kept = 0;
    err rc = OK;
    for (size_t i = 0; i < job->count; i++) {
        const struct judged_trace *t = &j->traces[job->batch[i]];
        if (job->spread[i]) {
            if (judged_is_part(j, t)) {
                TRY(candidates_offer(out, &t->id, t->start_ns, t->loose, f));
            }
        } else if (judged_may_match(j, t) && is_in_range(&c->hunt, t) && t->start_ns >= c->cut) {
            job->batch[kept++] = job->batch[i];
        }
    }
    job->count = kept;
out:
    return rc;
}

/* --- judging ----------------------------------------------------------------------------------------------
 */

/* A match whose rows are wanted, and nothing else: here and now, so that they are taken on all threads. */
static err
tell_match(struct group_job *job, size_t slot, uint32_t number, struct fault *f)
{
    const struct search_query *q = search_query_of(job->cursor->hunt.search);
    const struct judged_trace *t = &job->judge->traces[number];
    err rc = OK;
    if (q->matched_at == NULL || !search_wants(job->cursor->hunt.search, &t->id, t->start_ns)) {
        return OK;
    }
    job->odd[number] = ALREADY_TOLD;
    TRY(group_judge_starts(job->judge, f));
    TRY(q->matched_at(q->matched_ctx, slot, &job->judge->eval, f));
    TRY(group_judge_failed(job->judge, f));
out:
    return rc;
}

/* Judge one; a match (or one that must be put together) goes to `found`. */
static err
judge_one(struct group_job *job, size_t slot, uint32_t number, struct fault *f)
{
    struct group_judge *j = job->judge;
    err rc = OK;
    if (++job->judged % TRACES_PER_LOOK == 0 && job->cursor->hunt.guard) {
        rc = query_guard_check(job->cursor->hunt.guard, f);
        if (rc != OK) {
            return rc;
        }
    }
    rc = group_judge_trace(j, &j->traces[number], false, f);
    if (rc == ERR_AGAIN || (rc == OK && j->eval.set_count)) {
        job->odd[number] = rc == ERR_AGAIN;
        job->sure += rc == OK;
        job->found[job->matched++] = number;
        rc = rc == OK ? tell_match(job, slot, number, f) : OK;
    }
    return rc;
}

static bool
is_full(const struct group_job *job)
{
    return job->ordered && job->sure >= limit_of(job->cursor); /* of newer ones than are left */
}

static bool
is_shown(const struct group_job *job)
{
    return job->cursor->hunt.search && search_query_of(job->cursor->hunt.search)->matched == NULL;
}

/* Those of the batch that match. */
static err
judge_batch(void *ctx, size_t slot, size_t i, struct fault *f)
{
    struct group_job *job = &((struct blocks_cursor *)ctx)->jobs[i];
    err rc = OK;
    for (size_t k = 0; k < job->count && !is_full(job); k++) {
        TRY(judge_one(job, slot, job->batch[k], f));
    }
    if (job->matched > 1 && is_shown(job)) {
        qsort_r(job->found, job->matched, sizeof *job->found, newest_first, job->judge->traces);
    }
out:
    return rc;
}

/* Will the answer have a trace of the job's? */
static bool
is_wanted(const struct blocks_cursor *c, const struct group_job *job)
{
    const size_t limit = limit_of(c);
    if (job->matched == 0 || c->hunt.search == NULL || search_query_of(c->hunt.search)->matched_at) {
        return false; /* or it was told of them already */
    }
    const uint64_t newest = job->judge->traces[job->found[0]].start_ns;
    size_t newer = search_newer(c->hunt.search, newest);
    for (size_t i = 0; limit && i < c->jobs_now && newer < limit; i++) {
        const struct group_job *x = &c->jobs[i];
        for (size_t k = 0; k < x->matched && x->judge->traces[x->found[k]].start_ns > newest; k++) {
            newer++;
        }
    }
    return limit == 0 || newer < limit;
}

/* Read what its traces are shown with, on the pool. */
static err
read_shown(void *ctx, size_t slot, size_t i, struct fault *f)
{
    const struct blocks_cursor *c = ctx;
    const struct group_job *job = &c->jobs[i];
    (void)slot;
    if (!is_wanted(c, job)) {
        return OK;
    }
    return group_judge_read_shown(job->judge, search_query_of(c->hunt.search)->matched == NULL, f);
}

/* What a job found becomes part of the answer. */
static err
hand_over(struct blocks_cursor *c, struct group_job *job, struct candidates *out, struct fault *f)
{
    struct group_judge *j = job->judge;
    err rc = OK;
    for (size_t k = 0; k < job->matched; k++) {
        const struct judged_trace *t = &j->traces[job->found[k]];
        if (job->odd[job->found[k]] == ALREADY_TOLD) {
            TRY(search_told(c->hunt.search, &t->id, f));
        } else if (job->odd[job->found[k]]) {
            TRY(candidates_offer(out, &t->id, t->start_ns, j->prefilter.complete, f));
        } else if (search_wants(c->hunt.search, &t->id, t->start_ns)) {
            TRY(group_judge_trace(j, t, true, f)); /* again: its values are at hand */
            TRY(search_accept(c->hunt.search, &j->eval, f));
            TRY(group_judge_failed(j, f));
        }
    }
out:
    return rc;
}

static void
take_batch(void *ctx, size_t slot, size_t i)
{
    struct group_job *job = &((struct blocks_cursor *)ctx)->jobs[i];
    (void)slot;
    if (job->begun && is_full(job)) {
        job->left = 0;
    }
    next_batch(job);
}

/* False when no job has traces left to judge. */
static bool
next_batches(struct blocks_cursor *c)
{
    bool some = false;
    parallel_for(c->hunt.pool, c->jobs_now, take_batch, c);
    for (size_t i = 0; i < c->jobs_now; i++) {
        some = some || c->jobs[i].count > 0;
    }
    return some;
}

/* --- rounds -----------------------------------------------------------------------------------------------
 */

static bool
touches_range(const struct search_hunt *h, const struct listed_group *g)
{
    return g->min_start_ns <= h->end_ns && g->max_end_ns >= h->start_ns;
}

/* When every span of the row group lies outside the range, only its traces that go on in a row group that
 * touches the range, or in live data, may be in it. The columns of a query are not needed to tell. */
static err
may_matter(struct blocks_cursor *c, const struct listed_group *g, struct group_job *job, bool *ret,
           struct fault *f)
{
    const struct search_hunt *h = &c->hunt;
    const trace_id *ids = NULL;
    size_t n = 0;
    err rc = OK;
    *ret = true;
    if (h->search == NULL || touches_range(h, g)) {
        return OK;
    }
    TRY(h->guard ? query_guard_check(h->guard, f) : OK);
    TRY(group_list_open_all(&c->list, f));
    TRY(trace_sets_enter(&c->sets, g->block, c->list.readers[g->block], f));
    TRY(trace_sets_list(&c->sets, g->block, c->list.readers[g->block], g->group, &ids, &n, f));
    if (n == 0) {
        goto out;
    }
    job_reserve(job, n);
    memset(job->spread, 0, n);
    TRY(search_elsewhere(h->search, h->source, ids, n, job->spread, f));
    for (size_t i = 0; i < n; i++) {
        job->hashes[i] = trace_sets_hash(&ids[i]);
    }
    for (size_t i = 0; i < c->list.group_count; i++) {
        const struct listed_group *x = &c->list.groups[i];
        const bool beside = x->group + 1 == g->group || g->group + 1 == x->group;
        if (touches_range(h, x) && (x->block != g->block || beside)) {
            TRY(trace_sets_enter(&c->sets, x->block, c->list.readers[x->block], f));
            TRY(trace_sets_ask(&c->sets, x->block, c->list.readers[x->block], x->group, ids, job->hashes, n,
                               job->spread, f));
        }
    }
    const struct block_snapshot *now = block_store_snapshot(c->store, h->tenant);
    *ret = now != c->list.snapshot || memchr(job->spread, 1, n);
    block_snapshot_release(now);
out:
    return rc;
}

static err
take_groups(struct blocks_cursor *c, struct fault *f)
{
    bool matters = false;
    err rc = OK;
    c->jobs_now = 0;
    while (c->jobs_now < c->round) {
        struct group_job *job = &c->jobs[c->jobs_now];
        rc = group_list_peek(&c->list, f, &job->group);
        if (rc == ERR_NOT_FOUND && c->jobs_now) {
            return OK;
        }
        if (rc != OK || (c->jobs_now && job->group.latest_ns < c->cut)) {
            return rc;
        }
        rc = may_matter(c, &job->group, job, &matters, f);
        if (rc != OK) {
            return rc;
        }
        group_list_take(&c->list);
        if (!matters) {
            return OK; /* so that the caller looks whether it wants older ones */
        }
        if (job->judge == NULL || job->of_block != job->group.block) {
            group_judge_destroy(job->judge);
            job->judge = group_judge_create(c->list.readers[job->group.block], c->hunt.plan, c->hunt.guard,
                                            c->hunt.budget);
            job->of_block = job->group.block;
            job->bytes = 0;
        }
        job->cursor = c;
        c->jobs_now++;
    }
    return OK;
}

static void
count_work(struct blocks_cursor *c, struct search_stats *stats)
{
    for (size_t i = 0; i < c->jobs_now; i++) {
        struct group_job *job = &c->jobs[i];
        stats->bytes += job->judge->scan->bytes_read - job->bytes;
        job->bytes = job->judge->scan->bytes_read;
        stats->spans += job->judge->scan->looked;
        stats->traces += job->judged;
    }
    stats->bytes += atomic_exchange(&c->sets.bytes_read, 0);
}

static err
search_advance(void *cursor, struct candidates *out, struct search_stats *stats, uint64_t *ret_horizon,
               struct fault *f)
{
    struct blocks_cursor *c = cursor;
    err rc = OK;
    c->cut = c->hunt.search ? search_cut(c->hunt.search) : 0;
    rc = take_groups(c, f);
    if (rc == ERR_NOT_FOUND) {
        stats->jobs_done += stats->jobs - stats->jobs_done;
        jobs_free(c);
    }
    TRY(rc);
    TRY(parallel_try(c->hunt.pool, c->jobs_now, look_at_group, c, f));
    while (next_batches(c)) {
        TRY(find_spread(c, f));
        for (size_t i = 0; i < c->jobs_now; i++) {
            TRY(sort_out(c, &c->jobs[i], out, f));
        }
        TRY(parallel_try(c->hunt.pool, c->jobs_now, judge_batch, c, f));
    }
    TRY(parallel_try(c->hunt.pool, c->jobs_now, read_shown, c, f));
    for (size_t i = 0; i < c->jobs_now; i++) {
        TRY(hand_over(c, &c->jobs[i], out, f));
    }
    count_work(c, stats);
    const size_t most = 2 * parallel_slots(c->hunt.pool); /* more would only hold memory */
    c->round = c->round * 2 < most ? c->round * 2 : most < ROUND_MAX ? most : ROUND_MAX;
    *ret_horizon = group_list_bound(&c->list);
out:
    return rc;
}

static err
gather_open(void *ctx, const struct search_hunt *hunt, struct fault *f, void **ret_cursor)
{
    struct blocks_cursor *c = hunt->looked;
    struct trace_sets *sets = c ? &c->sets : NULL;
    return block_gather_open(store_of(ctx), hunt, sets, c ? c->list.snapshot : NULL, f, ret_cursor);
}

struct search_source
search_source_blocks(_Atomic(struct block_store *) *at)
{
    return (struct search_source){.trace = trace_source_blocks(at),
                                  .open = search_open,
                                  .advance = search_advance,
                                  .close = search_close,
                                  .gather_open = gather_open,
                                  .gather_next = block_gather_next,
                                  .gather_close = block_gather_close,
                                  .ctx = at};
}
