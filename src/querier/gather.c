#include "gather.h"

#include "vivace/base/mem.h"

void
gather_init(struct gather *g, const struct search_query *q)
{
    *g = (struct gather){.q = q};
    id_table_init(&g->wanted, TRACE_ID_BYTES);
    span_batch_init(&g->batch, GATHER_BYTES_MAX);
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
    span_batch_fini(&g->batch);
    mem_free(g->positions);
    mem_free(g->starts);
    mem_free(g->rows);
}

/* The first `n` of the positions are what is wanted now. */
static void
want(struct gather *g, const struct candidates *c, size_t n)
{
    close_cursor(g);
    span_batch_reset(&g->batch);
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
    g->positions = mem_realloc(g->positions, g->goal, sizeof *g->positions);
    while (n < g->goal && candidates_take(c, &g->positions[n])) {
        n++;
    }
    want(g, c, n);
    return true;
}

/* Sort the rows by trace, in order of arrival within one. */
static void
index_rows(struct gather *g)
{
    const size_t n = g->batch.span_count;
    g->starts = mem_realloc(g->starts, g->count + 2, sizeof *g->starts);
    g->rows = mem_realloc(g->rows, n + 1, sizeof *g->rows);
    memset(g->starts, 0, (g->count + 2) * sizeof *g->starts);
    for (size_t i = 0; i < n; i++) {
        g->starts[id_table_get(&g->wanted, &g->batch.spans[i].trace) + 1]++;
    }
    for (size_t i = 1; i < g->count + 2; i++) {
        g->starts[i] += g->starts[i - 1];
    }
    for (size_t i = 0; i < n; i++) { /* starts[place + 1] moves up to where place + 1 begins */
        g->rows[g->starts[id_table_get(&g->wanted, &g->batch.spans[i].trace)]++] = (uint32_t)i;
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
        rc = source->gather_next(g->cursor, &g->wanted, &g->batch, bytes, f);
    }
    if (rc == ERR_NOT_FOUND) {
        close_cursor(g);
        g->source++;
        return OK;
    }
    if (rc == ERR_LIMIT && g->batch.span_count) {
        retry_with_fewer(g, c);
        if (f) {
            *f = (struct fault){0};
        }
        return OK;
    }
    return rc;
}

err
gather_take(struct gather *g, struct span_batch *out)
{
    struct span_copy_memo memo = {0};
    size_t place = g->at++;
    for (uint32_t i = g->starts[place]; i < g->starts[place + 1]; i++) {
        err rc = span_batch_copy_span(out, &g->batch, g->rows[i], false, &memo);
        if (rc != OK) {
            return rc;
        }
    }
    return OK;
}
