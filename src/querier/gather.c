#include "gather.h"

#include "vivace/base/mem.h"

/* --- batches -----------------------------------------------------------------------------------------------
 */

static size_t
gathered_bytes(const struct gathered *g)
{
    size_t bytes = 0;
    for (size_t i = 0; i < g->count; i++) {
        bytes += g->batches[i]->arena.bytes;
    }
    return bytes;
}

size_t
gathered_room(const struct gathered *g)
{
    const size_t used = gathered_bytes(g);
    return used < GATHER_BYTES_MAX ? GATHER_BYTES_MAX - used : 0;
}

struct span_batch *
gathered_batch_add(struct gathered *g, size_t bytes_max)
{
    struct span_batch *b = mem_new(struct span_batch);
    span_batch_init(b, bytes_max);
    if (g->count == g->cap) {
        g->cap = g->cap ? 2 * g->cap : 16;
        g->batches = mem_realloc(g->batches, g->cap, sizeof(void *));
    }
    g->batches[g->count++] = b;
    return b;
}

struct span_batch *
gathered_batch(struct gathered *g)
{
    if (g->common == NULL) {
        g->common = gathered_batch_add(g, GATHER_BYTES_MAX);
    }
    return g->common;
}

static void
gathered_clear(struct gathered *g)
{
    for (size_t i = 0; i < g->count; i++) {
        span_batch_fini(g->batches[i]);
        mem_free(g->batches[i]);
    }
    g->count = 0;
    g->common = NULL;
}

static bool
has_spans(const struct gathered *g)
{
    bool some = false;
    for (size_t i = 0; i < g->count; i++) {
        some = some || g->batches[i]->span_count;
    }
    return some;
}

size_t
gather_bytes(const struct gather *g)
{
    return gathered_bytes(&g->spans);
}

/* --- passes ------------------------------------------------------------------------------------------------
 */

void
gather_init(struct gather *g, const struct search_query *q)
{
    *g = (struct gather){.q = q};
    id_table_init(&g->wanted, TRACE_ID_BYTES);
    for (size_t i = 0; i < q->source_count; i++) {
        g->goal = q->sources[i].gather_open ? GATHER_FIRST : g->goal;
    }
}

static void
close_cursor(struct gather *g)
{
    if (g->cursor) {
        g->q->sources[g->source % g->q->source_count].gather_close(g->cursor);
        g->cursor = NULL;
    }
}

void
gather_fini(struct gather *g)
{
    close_cursor(g);
    id_table_fini(&g->wanted);
    gathered_clear(&g->spans);
    mem_free(g->spans.batches);
    mem_free(g->positions);
    mem_free(g->starts);
    mem_free(g->rows);
}

/* The first `n` of the positions are what is wanted now. */
static void
want(struct gather *g, const struct candidates *c, size_t n)
{
    close_cursor(g);
    gathered_clear(&g->spans);
    id_table_clear(&g->wanted);
    for (size_t i = 0; i < n; i++) {
        *id_table_put(&g->wanted, &c->v[g->positions[i]].id) = i + 1;
    }
    g->count = n;
    g->at = 0;
    g->source = 0;
    g->reading = true;
}

bool
gather_begin(struct gather *g, struct candidates *c)
{
    size_t n = 0;
    if (g->goal < GATHER_MIN || c->heap_count < GATHER_MIN) {
        return false;
    }
    /* another pass for the few that are left would read the same again */
    const size_t all = c->heap_count;
    const size_t goal = all < 2 * g->goal && all <= GATHER_MAX ? all : g->goal;
    g->positions = mem_realloc(g->positions, goal, sizeof *g->positions);
    while (n < goal && candidates_take(c, &g->positions[n])) {
        n++;
    }
    want(g, c, n);
    return true;
}

/* The place of the trace + 1; spans of one stand together. */
static uint64_t
place_of(const struct gather *g, const struct span_batch *b, size_t row, uint64_t before)
{
    return row && trace_id_eq(&b->spans[row].trace, &b->spans[row - 1].trace)
               ? before
               : id_table_get(&g->wanted, &b->spans[row].trace);
}

/* Sort the rows by trace, in order of arrival within one. */
static void
index_rows(struct gather *g)
{
    size_t n = 0;
    for (size_t k = 0; k < g->spans.count; k++) {
        n += g->spans.batches[k]->span_count;
    }
    g->starts = mem_realloc(g->starts, g->count + 2, sizeof *g->starts);
    g->rows = mem_realloc(g->rows, n + 1, sizeof *g->rows);
    memset(g->starts, 0, (g->count + 2) * sizeof *g->starts);
    for (size_t k = 0; k < g->spans.count; k++) {
        const struct span_batch *b = g->spans.batches[k];
        uint64_t at = 0;
        for (size_t i = 0; i < b->span_count; i++) {
            at = place_of(g, b, i, at);
            g->starts[at + 1]++;
        }
    }
    for (size_t i = 1; i < g->count + 2; i++) {
        g->starts[i] += g->starts[i - 1];
    }
    for (size_t k = 0; k < g->spans.count; k++) { /* starts[place + 1] moves up to where place + 1 begins */
        const struct span_batch *b = g->spans.batches[k];
        uint64_t at = 0;
        for (size_t i = 0; i < b->span_count; i++) {
            at = place_of(g, b, i, at);
            g->rows[g->starts[at]++] = (struct gathered_row){(uint32_t)k, (uint32_t)i};
        }
    }
}

/* Too much: a quarter now, the others later. */
static void
retry_with_fewer(struct gather *g, struct candidates *c)
{
    size_t fewer = g->count / 4;
    for (size_t i = fewer; i < g->count; i++) {
        candidates_put_back(c, g->positions[i]);
    }
    g->goal = fewer;
    g->grew = true; /* enough of that */
    want(g, c, fewer);
    if (fewer < GATHER_MIN) {
        for (size_t i = 0; i < fewer; i++) {
            candidates_put_back(c, g->positions[i]);
        }
        g->count = 0;
        g->goal = 0;
        g->reading = false;
    }
}

err
gather_read(struct gather *g, struct candidates *c, uint64_t *bytes, struct fault *f)
{
    const struct search_query *q = g->q;
    if (g->source == q->source_count * q->tenant_count) {
        g->reading = false;
        index_rows(g);
        if (!g->grew && g->goal < GATHER_MAX) {
            g->goal *= 4;
        }
        return OK;
    }
    const struct search_source *source = &q->sources[g->source % q->source_count];
    err rc = OK;
    if (source->gather_open == NULL) {
        g->source++;
        return OK;
    }
    if (g->cursor == NULL) {
        g->hunt = (struct search_hunt){.tenant = q->tenants[g->source / q->source_count],
                                       .plan = q->plan,
                                       .start_ns = q->start_ns,
                                       .end_ns = q->end_ns,
                                       .budget = q->budget,
                                       .guard = &q->guard,
                                       .pool = q->pool,
                                       .search = g->search,
                                       .source = source,
                                       .looked = g->looked};
        rc = source->gather_open(source->ctx, &g->hunt, f, &g->cursor);
    }
    if (rc == OK) {
        rc = source->gather_next(g->cursor, &g->wanted, &g->spans, bytes, f);
    }
    if (rc == ERR_NOT_FOUND) {
        close_cursor(g);
        g->source++;
        return OK;
    }
    if (rc == ERR_LIMIT && has_spans(&g->spans)) {
        retry_with_fewer(g, c);
        if (f) {
            *f = (struct fault){0};
        }
        return OK;
    }
    return rc;
}

err
gather_copy(const struct gather *g, size_t place, struct span_batch *out)
{
    struct span_copy_memo memo = {0};
    uint32_t batch = UINT32_MAX;
    err rc = OK;
    for (uint32_t i = g->starts[place]; rc == OK && i < g->starts[place + 1]; i++) {
        const struct gathered_row *r = &g->rows[i];
        if (r->batch != batch) {
            memo = (struct span_copy_memo){0};
            batch = r->batch;
        }
        rc = span_batch_copy_span(out, g->spans.batches[batch], r->row, false, &memo);
    }
    return rc;
}
