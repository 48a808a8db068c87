/* Traces of which every block has a part are judged together, as many at once as there are threads, and the
 * answer is that of one block; what stops a search stops it there too. */
#include "block_gather.h"
#include "fake_store.h"
#include "gather.h"
#include "planned.h"

#include "vivace/base/table.h"
#include "vivace/querier/search.h"
#include "vivace/runtime/pool.h"

#include <stdatomic.h>

#define SECOND     UINT64_C(1000000000)
#define START      UINT64_C(1700000000000000000)
#define TRACES     300u
#define SPANS      9u
#define GROUP_ROWS 128u
#define PAGE_ROWS  32u
#define LARGE      77u /* a trace that goes on in the next row group */

static uint32_t large_spans = 200; /* it goes on in the next row group */

/* --- blocks ----------------------------------------------------------------------------------------------
 */

struct world {
    struct block_store store;
    _Atomic(struct block_store *) at;
    struct search_source source;
    struct pool *pool;
};

static void
add_attr(struct span_batch *b, const char *key, int64_t i, const char *text)
{
    struct attr *a = span_batch_add_attr(b);
    a->key = (const uint8_t *)key;
    a->key_n = (uint32_t)strlen(key);
    a->kind = text ? VALUE_STRING : VALUE_INT;
    a->i = i;
    if (text) {
        a->p = (const uint8_t *)text;
        a->n = (uint32_t)strlen(text);
    }
}

static void
add_context(struct span_batch *b, uint32_t i)
{
    static const char *const services[] = {"shop", "cart", "pay"};
    struct resource *r = span_batch_add_resource(b);
    r->has_resource = true;
    r->attrs = (struct run){(uint32_t)b->attr_count, 2};
    add_attr(b, "service.name", 0, services[i % 3]);
    add_attr(b, "zone", i % 2, NULL);
    struct scope *s = span_batch_add_scope(b);
    s->has_scope = true;
    s->resource = (uint32_t)b->resource_count - 1;
    s->name = i % 2 ? SL("lib") : SL("other");
    s->version = SL("1");
}

static void
add_parts(struct span_batch *b, struct span *x, uint32_t t, uint32_t i)
{
    if (i % 4 == 1) {
        struct span_event *e = span_batch_add_event(b);
        e->time_ns = x->start_ns + i;
        e->name = SL("retry");
        e->attrs = (struct run){(uint32_t)b->attr_count, 1};
        add_attr(b, "try", t % 5, NULL);
        x->events = (struct run){(uint32_t)b->event_count - 1, 1};
    }
    if (t % 7 == 0 && i == 5) {
        struct span_link *l = span_batch_add_link(b);
        l->trace.b[3] = 9;
        l->span.b[3] = (uint8_t)t;
        x->links = (struct run){(uint32_t)b->link_count - 1, 1};
    }
}

/* Span `i` of trace `t`: a tree, some errors, one span in 40 sent twice. */
static void
add_span(struct span_batch *b, uint32_t t, uint32_t i)
{
    static const char *const names[] = {"GET /", "SELECT", "charge"};
    add_context(b, i);
    struct span x = {.start_ns = START + t * SECOND + i * 1000,
                     .name = slice_cstr(names[(t + i) % 3]),
                     .kind = (int32_t)(i % 6),
                     .status_code = (t + i) % 11 ? 1 : 2,
                     .status_message = (t + i) % 11 ? SL_EMPTY : SL("no"),
                     .scope = (uint32_t)b->scope_count - 1};
    x.end_ns = x.start_ns + (t * UINT64_C(7919000) + i * UINT64_C(104729000)) % SECOND;
    x.trace = (trace_id){.b = {(uint8_t)(t * 37), (uint8_t)(t >> 8), (uint8_t)t, 1}};
    x.id = (span_id){.b = {1, (uint8_t)(t >> 8), (uint8_t)t, (uint8_t)(i + 1), (uint8_t)((i + 1) >> 8)}};
    if (i) {
        x.parent = x.id;
        x.parent.b[3] = (uint8_t)(i / 2 + 1);
        x.parent.b[4] = (uint8_t)((i / 2 + 1) >> 8);
    }
    x.attrs = (struct run){(uint32_t)b->attr_count, 1};
    add_attr(b, "n", (int64_t)(t * 31 + i * 17) % 50, NULL);
    add_parts(b, &x, t, i);
    *span_batch_add_span(b) = x;
}

/* `scattered`: each block has a part of every trace; else of those at its seam with the next. */
static void
world_make(struct world *w, size_t blocks, bool scattered, size_t threads)
{
    *w = (struct world){0};
    fake_store_init(&w->store);
    for (size_t p = 0; p < blocks; p++) {
        struct span_batch b;
        span_batch_init(&b, 0);
        for (uint32_t t = 0; t < TRACES; t++) {
            for (uint32_t i = 0; i < (t == LARGE ? large_spans : SPANS); i++) {
                const size_t home = t * blocks / TRACES;
                const bool at_seam = (t + 30) * blocks / TRACES != home && home + 1 < blocks;
                size_t place = scattered ? (t + i) % blocks : at_seam ? home + i % 2 : home;
                if (place == p) {
                    add_span(&b, t, i);
                }
                if (place == p && (t + i) % 40 == 3) {
                    add_span(&b, t, i);
                }
            }
        }
        fake_store_add(&w->store, &b, GROUP_ROWS, PAGE_ROWS);
        span_batch_fini(&b);
    }
    atomic_store(&w->at, &w->store);
    w->source = search_source_blocks(&w->at);
    w->pool = threads ? pool_create("test", (int)threads, 100) : NULL;
}

static void
world_fini(struct world *w)
{
    if (w->pool) {
        pool_destroy(w->pool);
    }
    fake_store_fini(&w->store);
}

/* --- questions -------------------------------------------------------------------------------------------
 */

struct question {
    struct planned planned;
    struct search_query q;
    slice tenant;
};

static void
question_make(struct question *x, struct world *w, const char *text, uint32_t limit)
{
    planned_make(&x->planned, text);
    x->tenant = SL("t");
    x->q = (struct search_query){.plan = &x->planned.plan,
                                 .tenants = &x->tenant,
                                 .tenant_count = 1,
                                 .sources = &w->source,
                                 .source_count = 1,
                                 .end_ns = UINT64_MAX,
                                 .limit = limit,
                                 .spans_per_set = 4,
                                 .pool = w->pool};
}

static void
question_fini(struct question *x)
{
    planned_fini(&x->planned);
}

static void
put_attrs(struct buf *out, const struct search_attr *attrs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)buf_printf(out, " %.*s=", SL_FMT(attrs[i].key));
        tql_static_print_plain(&attrs[i].value, out);
    }
}

static void
put_trace(struct buf *out, const struct search_trace *t)
{
    trace_id_format(out, &t->id, false);
    (void)buf_printf(out, " %.*s / %.*s %llu %llu\n", SL_FMT(t->root_service), SL_FMT(t->root_name),
                     (unsigned long long)t->start_ns, (unsigned long long)t->duration_ns);
    for (size_t i = 0; i < t->service_count; i++) {
        (void)buf_printf(out, " %.*s %u %u\n", SL_FMT(t->services[i].name), t->services[i].spans,
                         t->services[i].errors);
    }
    for (size_t i = 0; i < t->set_count; i++) {
        (void)buf_printf(out, " %u", t->sets[i].matched);
        put_attrs(out, t->sets[i].attrs, t->sets[i].attr_count);
        for (size_t k = 0; k < t->sets[i].span_count; k++) {
            const struct search_span *s = &t->sets[i].spans[k];
            (void)buf_printf(out, "\n  %u %.*s %llu %llu", s->id.b[3], SL_FMT(s->name),
                             (unsigned long long)s->start_ns, (unsigned long long)s->duration_ns);
            put_attrs(out, s->attrs, s->attr_count);
        }
        (void)buf_append_cstr(out, "\n");
    }
}

static err
run(const struct search_query *q, struct buf *out, struct search_stats *stats, struct fault *f)
{
    struct search *s = search_create(q);
    err rc = search_to_end(s, f);
    for (size_t i = 0; rc == OK && out && i < search_result(s)->count; i++) {
        put_trace(out, search_result(s)->traces[i]);
    }
    if (stats) {
        *stats = search_result(s)->stats;
    }
    search_destroy(s);
    return rc;
}

/* --- tests -----------------------------------------------------------------------------------------------
 */

static const char *const queries[] = {
    "{ .n > 10 } | sum(.n) > 150",
    "{ } | avg(duration) > 500ms",
    "{ nestedSetParent < 0 && status = error } | select(status, resource.service.name, name)",
    "{ kind = server } | count() > 1 | select(resource.zone, span.n, statusMessage)",
    "{ event.try > 3 } | count() > 1 | select(event:name, event:timeSinceStart)",
    "{ link:traceID != \"\" } || { status = error && .n > 40 }",
    "{ instrumentation:name = \"lib\" } | by(.service.name) | count() > 1 | select(instrumentation:version)",
    "{ name = \"GET /\" } >> { status = error } | select(nestedSetLeft, span:childCount)",
    "{ rootName = \"SELECT\" && traceDuration > 900ms } | max(.n) > 40",
    "{ statusMessage = \"no\" } | count() >= 1",
};

static void
same_as_in_one_block(struct world *one, struct world *many, const char *text, uint32_t limit)
{
    struct question x, y;
    struct buf want, got;
    struct fault f = {0};
    struct search_stats stats;
    buf_init(&want, (size_t)64 << 20);
    buf_init(&got, (size_t)64 << 20);
    question_make(&x, one, text, limit);
    question_make(&y, many, text, limit);
    assert_ok(run(&x.q, &want, NULL, &f), &f);
    assert_ok(run(&y.q, &got, &stats, &f), &f);
    if (want.n == 0) {
        fail_msg("%s finds nothing", text);
    }
    assert_true(stats.traces > 0);
    if (!slice_eq(buf_slice(&want), buf_slice(&got))) {
        fail_msg("%s, limit %u: wanted\n%.*sgot\n%.*s", text, limit, SL_FMT(buf_slice(&want)),
                 SL_FMT(buf_slice(&got)));
    }
    question_fini(&x);
    question_fini(&y);
    buf_fini(&want);
    buf_fini(&got);
}

static void
spread_traces_are_answered_as_those_of_one_block(void **state)
{
    struct world one;
    (void)state;
    world_make(&one, 1, false, 0);
    for (size_t i = 0; i < 4; i++) {
        struct world many;
        world_make(&many, 2 + i, i % 2, i < 2 ? 0 : 3);
        for (size_t q = 0; q < sizeof queries / sizeof *queries; q++) {
            same_as_in_one_block(&one, &many, queries[q], 0);
            same_as_in_one_block(&one, &many, queries[q], 25);
        }
        world_fini(&many);
    }
    world_fini(&one);
}

/* One pass over the blocks: the spans it brings, and the bytes it reads for them. */
static size_t
gather_pass(struct world *w, struct question *x, struct trace_sets *sets, const struct id_table *wanted,
            uint64_t *bytes)
{
    const struct search_hunt hunt = {
        .tenant = x->tenant, .plan = &x->planned.plan, .end_ns = UINT64_MAX, .pool = w->pool};
    struct gathered out = {0};
    struct fault f = {0};
    void *cursor = NULL;
    size_t spans = 0;
    err rc = OK;
    *bytes = 0;
    assert_ok(block_gather_open(&w->store, &hunt, sets, &w->store.snapshot, &f, &cursor), &f);
    do {
        rc = block_gather_next(cursor, wanted, &out, bytes, &f);
    } while (rc == OK);
    assert_int_equal(rc, ERR_NOT_FOUND);
    block_gather_close(cursor);
    for (size_t i = 0; i < out.count; i++) {
        spans += out.batches[i]->span_count;
        span_batch_fini(out.batches[i]);
        mem_free(out.batches[i]);
    }
    mem_free(out.batches);
    return spans;
}

static void
row_groups_that_are_known_to_have_none_of_the_traces_are_not_read(void **state)
{
    struct world w;
    struct question x;
    struct trace_sets sets;
    struct id_table wanted;
    uint64_t first = 0;
    uint64_t again = 0;
    uint64_t none = 0;
    (void)state;
    world_make(&w, 3, false, 2);
    question_make(&x, &w, queries[0], 0);
    trace_sets_init(&sets, w.store.snapshot.count, NULL);
    id_table_init(&wanted, TRACE_ID_BYTES);
    const trace_id seam = {.b = {(uint8_t)(90 * 37), 0, 90, 1}};
    *id_table_put(&wanted, &seam) = 1;
    assert_in_range(gather_pass(&w, &x, &sets, &wanted, &first), SPANS, 2 * SPANS);
    assert_in_range(gather_pass(&w, &x, &sets, &wanted, &again), SPANS, 2 * SPANS);
    assert_true(again > 0 && again < first); /* no filters, no ids */
    id_table_clear(&wanted);
    const trace_id unknown = {.b = {7, 7, 7, 7}};
    *id_table_put(&wanted, &unknown) = 1;
    assert_int_equal(gather_pass(&w, &x, &sets, &wanted, &none), 0);
    assert_true(none < again); /* at most the ids that a filter is wrong about */
    assert_int_equal(gather_pass(&w, &x, &sets, &wanted, &none), 0);
    assert_int_equal(none, 0);
    id_table_fini(&wanted);
    trace_sets_fini(&sets);
    question_fini(&x);
    world_fini(&w);
}

/* Larger than what is judged ahead of its turn. */
static void
a_spread_trace_of_many_spans_is_judged_whole(void **state)
{
    struct world one, many;
    (void)state;
    large_spans = 30000;
    world_make(&one, 1, false, 0);
    world_make(&many, 2, true, 2);
    same_as_in_one_block(&one, &many, "{ } | sum(.n) > 300000", 0);
    world_fini(&one);
    world_fini(&many);
    large_spans = 200;
}

static void
a_search_that_gathers_stops_at_the_memory_it_may_use(void **state)
{
    struct world w;
    struct question x;
    size_t refused = 0;
    err rc = ERR_LIMIT;
    (void)state;
    world_make(&w, 4, true, 2);
    question_make(&x, &w, queries[0], 0);
    for (size_t max = (size_t)64 << 10; rc != OK && max < (size_t)1 << 30; max += max / 4) {
        struct budget budget;
        struct fault f = {0};
        budget_init(&budget, "test", NULL, max);
        x.q.budget = &budget;
        rc = run(&x.q, NULL, NULL, &f);
        assert_int_equal(budget_used(&budget), 0);
        if (rc != OK) {
            refused++;
            assert_int_equal(rc, ERR_LIMIT);
            assert_non_null(strstr(f.msg, "the memory for queries is used up"));
        }
    }
    assert_int_equal(rc, OK);
    assert_true(refused > 10); /* at many places */
    question_fini(&x);
    world_fini(&w);
}

static void
a_search_that_gathers_stops_when_it_is_cancelled(void **state)
{
    struct world w;
    struct question x;
    _Atomic bool cancelled = false;
    struct budget budget;
    size_t steps = 0;
    bool whole = false;
    (void)state;
    world_make(&w, 4, true, 2);
    question_make(&x, &w, queries[0], 0);
    budget_init(&budget, "test", NULL, SIZE_MAX);
    x.q.budget = &budget;
    x.q.guard.cancelled = &cancelled;
    while (!whole) { /* after each number of steps */
        struct fault f = {0};
        struct search *s = search_create(&x.q);
        err rc = ERR_AGAIN;
        cancelled = false;
        for (size_t i = 0; i < steps && rc == ERR_AGAIN; i++) {
            rc = search_step(s, 0, &f);
        }
        whole = rc == OK;
        cancelled = true;
        assert_int_equal(whole ? ERR_CANCELLED : search_step(s, 0, &f), ERR_CANCELLED);
        search_destroy(s);
        assert_int_equal(budget_used(&budget), 0);
        steps++;
    }
    assert_true(steps > 10);
    question_fini(&x);
    world_fini(&w);
}

static void
a_search_that_gathers_stops_at_its_deadline(void **state)
{
    struct world w;
    struct question x;
    struct fault f = {0};
    (void)state;
    world_make(&w, 4, true, 2);
    question_make(&x, &w, queries[0], 0);
    x.q.guard.deadline_mono_ns = 1;
    assert_int_equal(run(&x.q, NULL, NULL, &f), ERR_TIMEOUT);
    question_fini(&x);
    world_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spread_traces_are_answered_as_those_of_one_block),
        cmocka_unit_test(row_groups_that_are_known_to_have_none_of_the_traces_are_not_read),
        cmocka_unit_test(a_spread_trace_of_many_spans_is_judged_whole),
        cmocka_unit_test(a_search_that_gathers_stops_at_the_memory_it_may_use),
        cmocka_unit_test(a_search_that_gathers_stops_when_it_is_cancelled),
        cmocka_unit_test(a_search_that_gathers_stops_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
