/* A search finds the newest traces that match, however their spans are spread over sources and chunks. */
#include "planned.h"
#include "prefilter.h"
#include "test.h"

#include "vivace/base/mem.h"
#include "vivace/base/rng.h"
#include "vivace/base/table.h"
#include "vivace/querier/search.h"

#define TRACES_MAX 300
#define CHUNKS     4
#define SECOND     UINT64_C(1000000000)

/* A source of made spans: CHUNKS batches, walked in order; the first has the newest. */
struct fake {
    struct span_batch chunks[CHUNKS];
    size_t finds, gathers;
};

struct fake_cursor {
    struct fake *of;
    size_t chunk;
    struct prefilter prefilter;
};

static err
fake_find(void *ctx, slice tenant, const trace_id *id, struct span_batch *out, uint64_t *bytes,
          struct fault *f)
{
    struct fake *s = ctx;
    bool found = false;
    (void)tenant;
    (void)f;
    s->finds++;
    for (int c = 0; c < CHUNKS; c++) {
        struct span_copy_memo memo = {0};
        for (size_t i = 0; i < s->chunks[c].span_count; i++) {
            if (trace_id_eq(&s->chunks[c].spans[i].trace, id)) {
                assert_int_equal(span_batch_copy_span(out, &s->chunks[c], i, true, &memo), OK);
                found = true;
            }
        }
    }
    *bytes += 1;
    return found ? OK : ERR_NOT_FOUND;
}

static err
fake_open(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f, void **ret)
{
    struct fake_cursor *c = mem_new(struct fake_cursor);
    (void)f;
    c->of = ctx;
    stats->jobs += CHUNKS;
    prefilter_init(&c->prefilter, hunt->plan);
    *ret = c;
    return OK;
}

static uint64_t
latest_start(const struct span_batch *b)
{
    uint64_t latest = 0;
    for (size_t i = 0; i < b->span_count; i++) {
        latest = b->spans[i].start_ns > latest ? b->spans[i].start_ns : latest;
    }
    return latest;
}

static err
fake_advance(void *cursor, struct candidates *out, struct search_stats *stats, uint64_t *ret_horizon,
             struct fault *f)
{
    struct fake_cursor *c = cursor;
    if (c->chunk == CHUNKS) {
        return ERR_NOT_FOUND;
    }
    const struct span_batch *b = &c->of->chunks[c->chunk++];
    stats->jobs_done++;
    prefilter_batch(&c->prefilter, b);
    for (size_t i = 0; i < b->span_count; i++) {
        uint32_t bits = 0;
        if (prefilter_span(&c->prefilter, i, &bits)) {
            assert_int_equal(candidates_offer(out, &b->spans[i].trace, b->spans[i].start_ns, bits, f), OK);
        }
    }
    *ret_horizon = 0;
    for (size_t k = c->chunk; k < CHUNKS; k++) {
        uint64_t latest = latest_start(&c->of->chunks[k]);
        *ret_horizon = latest > *ret_horizon ? latest : *ret_horizon;
    }
    return OK;
}

static void
fake_close(void *cursor)
{
    prefilter_fini(&((struct fake_cursor *)cursor)->prefilter);
    mem_free(cursor);
}

static err
fake_gather_open(void *ctx, const struct search_hunt *hunt, struct fault *f, void **ret)
{
    struct fake_cursor *c = mem_new(struct fake_cursor);
    (void)hunt;
    (void)f;
    c->of = ctx;
    c->of->gathers++;
    *ret = c;
    return OK;
}

static err
fake_gather_next(void *cursor, const struct id_table *wanted, struct gathered *out, uint64_t *bytes,
                 struct fault *f)
{
    struct fake_cursor *c = cursor;
    struct span_copy_memo memo = {0};
    (void)f;
    if (c->chunk == CHUNKS) {
        return ERR_NOT_FOUND;
    }
    const struct span_batch *b = &c->of->chunks[c->chunk++];
    *bytes += 1;
    for (size_t i = 0; i < b->span_count; i++) {
        if (id_table_get(wanted, &b->spans[i].trace) &&
            span_batch_copy_span(gathered_batch(out), b, i, true, &memo) != OK) {
            return ERR_LIMIT;
        }
    }
    return OK;
}

static void
fake_gather_close(void *cursor)
{
    mem_free(cursor);
}

/* --- made traces ---------------------------------------------------------------------------------------- */

struct world {
    struct fake fakes[2];
    struct span_batch whole[TRACES_MAX]; /* the truth: every trace's spans */
    size_t trace_count;
};

static void
copy_to(struct span_batch *to, const struct span_batch *from, size_t i)
{
    struct span_copy_memo memo = {0};
    assert_int_equal(span_batch_copy_span(to, from, i, true, &memo), OK);
}

static void
add_span(struct span_batch *b, size_t trace, size_t i, uint64_t start, bool error, slice name)
{
    if (b->scope_count == 0) {
        span_batch_add_resource(b);
        span_batch_add_scope(b);
    }
    struct span *s = span_batch_add_span(b);
    s->trace.b[14] = (uint8_t)(trace >> 8);
    s->trace.b[15] = (uint8_t)trace;
    s->id.b[7] = (uint8_t)(i + 1);
    s->parent.b[7] = (uint8_t)(i ? 1 : 0);
    s->start_ns = start;
    s->end_ns = start + 1;
    s->status_code = error ? 2 : 0;
    s->kind = 1;
    s->name = name;
}

/* Random traces, each span in a random source, and there in the chunk its time belongs to or, now and then,
 * in a later one: data that came late. */
static void
world_make(struct world *w, struct rng *r, size_t traces, slice big)
{
    memset(w, 0, sizeof *w);
    w->trace_count = traces;
    for (int s = 0; s < 2; s++) {
        for (int c = 0; c < CHUNKS; c++) {
            span_batch_init(&w->fakes[s].chunks[c], 0);
        }
    }
    for (size_t t = 0; t < traces; t++) {
        span_batch_init(&w->whole[t], 0);
        size_t spans = 1 + rng_below(r, 4);
        uint64_t start = 1000 * SECOND + rng_below(r, 40) * SECOND; /* ties on purpose */
        for (size_t i = 0; i < spans; i++) {
            uint64_t at = start + (i ? rng_below(r, 12) * SECOND : 0);
            bool named = rng_below(r, 3) == 0;
            slice name = big.n ? big : named ? SL("x") : SL("y");
            add_span(&w->whole[t], t, i, at, rng_below(r, 4) == 0, name);
            size_t chunk = CHUNKS - 1 - (size_t)((at - 1000 * SECOND) / (15 * SECOND));
            chunk = rng_below(r, 10) == 0 && chunk + 1 < CHUNKS ? chunk + 1 : chunk;
            copy_to(&w->fakes[rng_below(r, 2)].chunks[chunk], &w->whole[t], i);
        }
    }
}

static void
world_fini(struct world *w)
{
    for (int s = 0; s < 2; s++) {
        for (int c = 0; c < CHUNKS; c++) {
            span_batch_fini(&w->fakes[s].chunks[c]);
        }
    }
    for (size_t t = 0; t < w->trace_count; t++) {
        span_batch_fini(&w->whole[t]);
    }
}

/* --- the truth ------------------------------------------------------------------------------------------ */

struct truth {
    uint64_t start;
    size_t trace;
};

static int
newest(const void *a, const void *b)
{
    const struct truth *x = a;
    const struct truth *y = b;
    if (x->start != y->start) {
        return x->start < y->start ? 1 : -1;
    }
    return x->trace < y->trace ? -1 : 1;
}

static size_t
brute_force(const struct world *w, const struct tql_plan *plan, uint64_t from, uint64_t to, struct truth *ret)
{
    struct query_guard guard = {0};
    struct eval e;
    struct fault f = {0};
    size_t n = 0;
    eval_init(&e, plan, 0, &guard);
    for (size_t t = 0; t < w->trace_count; t++) {
        assert_ok(eval_run(&e, &w->whole[t], &f), &f);
        const struct trace_facts *facts = eval_facts(&e);
        if (e.set_count && facts->start_ns <= to && facts->end_ns >= from) {
            ret[n++] = (struct truth){facts->start_ns, t};
        }
    }
    eval_fini(&e);
    qsort(ret, n, sizeof *ret, newest);
    return n;
}

static void
check(struct world *w, const char *q, uint32_t limit, uint64_t from, uint64_t to, bool gathering)
{
    struct planned p;
    struct fault f = {0};
    struct truth want[TRACES_MAX];
    struct search_source sources[2];
    slice tenant = SL("t");
    planned_make(&p, q);
    for (int i = 0; i < 2; i++) {
        sources[i] = (struct search_source){.trace = {fake_find, &w->fakes[i]},
                                            .open = fake_open,
                                            .advance = fake_advance,
                                            .close = fake_close,
                                            .ctx = &w->fakes[i]};
        if (gathering && i == 0) {
            sources[i].gather_open = fake_gather_open;
            sources[i].gather_next = fake_gather_next;
            sources[i].gather_close = fake_gather_close;
        }
    }
    struct search_query sq = {.plan = &p.plan,
                              .tenants = &tenant,
                              .tenant_count = 1,
                              .sources = sources,
                              .source_count = 2,
                              .start_ns = from,
                              .end_ns = to,
                              .limit = limit};
    size_t all = brute_force(w, &p.plan, from, to, want);
    size_t expected = limit && limit < all ? limit : all;
    struct search *s = search_create(&sq);
    err rc;
    trace_id firm[TRACES_MAX];
    size_t firm_count = 0;
    while ((rc = search_step(s, 0, &f)) == ERR_AGAIN) {
        const struct search_result *r = search_result(s);
        assert_true(r->final_count >= firm_count);
        for (size_t i = 0; i < r->final_count; i++) {
            assert_true(i >= firm_count || trace_id_eq(&firm[i], &r->traces[i]->id)); /* final is final */
            firm[i] = r->traces[i]->id;
        }
        firm_count = r->final_count;
    }
    assert_ok(rc, &f);
    const struct search_result *r = search_result(s);
    if (r->count != expected) {
        fail_msg("%s limit %u: %zu traces, want %zu", q, limit, r->count, expected);
    }
    for (size_t i = 0; i < r->count; i++) {
        size_t got = (size_t)r->traces[i]->id.b[14] << 8 | r->traces[i]->id.b[15];
        assert_int_equal(got, want[i].trace);
        assert_int_equal(r->traces[i]->start_ns, want[i].start);
    }
    search_destroy(s);
    planned_fini(&p);
}

static const char *const queries[] = {
    "{ }",
    "{ name = \"x\" }",
    "{ name = \"x\" && status = error }",
    "{ name = \"x\" || status = error }",
    "{ name = \"x\" } && { status = error }",
    "{ name = \"x\" } > { status = error }",
    "{ name = \"x\" } !> { status = error }",
    "{ name = \"x\" } || { status = error }",
    "{ } | count() = 3",
    "{ nestedSetParent < 0 && status = error }",
    "{ rootName = \"x\" } | count() > 1",
    "{ traceDuration > 5s }",
    "{ !(name = \"x\") } ~ { }",
    "{ false }",
};

static void
the_newest_traces_are_found_however_spans_are_spread(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 4711);
    for (int round = 0; round < 12; round++) {
        struct world w;
        world_make(&w, &r, 20 + rng_below(&r, TRACES_MAX - 20), SL_EMPTY);
        for (size_t q = 0; q < sizeof queries / sizeof *queries; q++) {
            uint64_t from = rng_below(&r, 2) ? 0 : (1000 + rng_below(&r, 30)) * SECOND;
            uint64_t to = rng_below(&r, 2) ? UINT64_MAX : from + (5 + rng_below(&r, 30)) * SECOND;
            check(&w, queries[q], (uint32_t)rng_below(&r, 30), from, to, round % 2);
        }
        world_fini(&w);
    }
}

static void
what_is_too_large_to_read_together_is_read_in_parts(void **state)
{
    (void)state;
    struct world w;
    struct rng r;
    struct buf big;
    rng_seed(&r, 1);
    buf_init(&big, 1 << 20);
    while (big.n < 400000) {
        buf_append_cstr(&big, "0123456789abcdef");
    }
    world_make(&w, &r, 250, buf_slice(&big)); /* some 600 spans of 400 KB */
    check(&w, "{ } | count() = 2", 0, 0, UINT64_MAX, true);
    assert_true(w.fakes[0].gathers > 1);
    world_fini(&w);
    buf_fini(&big);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_traces_are_found_however_spans_are_spread),
        cmocka_unit_test(what_is_too_large_to_read_together_is_read_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
