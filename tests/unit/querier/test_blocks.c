/* A search over blocks and live data finds and shows exactly what judging every whole trace shows. */
#include "fake_store.h"
#include "planned.h"
#include "prefilter.h"
#include "result.h"
#include "span_random.h"

#include "vivace/base/table.h"
#include "vivace/querier/search.h"
#include "vivace/runtime/pool.h"

#include <stdatomic.h>

#define SECOND     UINT64_C(1000000000)
#define START      UINT64_C(1700000000000000000)
#define TRACES_MAX 200
#define ORDER      "9ffe8a53" /* of one span: its number times the golden ratio's */

/* --- live data: one batch --------------------------------------------------------------------------------
 */

struct live {
    struct span_batch spans;
    bool read;
    struct prefilter prefilter;
};

static err
fake_find(void *ctx, slice tenant, const trace_id *id, struct span_batch *out, uint64_t *bytes,
          struct fault *f)
{
    struct live *l = ctx;
    struct span_copy_memo memo = {0};
    bool found = false;
    (void)tenant;
    (void)bytes;
    (void)f;
    for (size_t i = 0; i < l->spans.span_count; i++) {
        if (trace_id_eq(&l->spans.spans[i].trace, id)) {
            assert_int_equal(span_batch_copy_span(out, &l->spans, i, true, &memo), OK);
            found = true;
        }
    }
    return found ? OK : ERR_NOT_FOUND;
}

static err
fake_open(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f, void **ret)
{
    struct live *l = ctx;
    (void)stats;
    (void)f;
    l->read = false;
    prefilter_init(&l->prefilter, hunt->plan);
    *ret = l;
    return OK;
}

static err
fake_advance(void *cursor, struct candidates *out, struct search_stats *stats, uint64_t *ret_horizon,
             struct fault *f)
{
    struct live *l = cursor;
    (void)stats;
    if (l->read) {
        return ERR_NOT_FOUND;
    }
    l->read = true;
    prefilter_batch(&l->prefilter, &l->spans);
    for (size_t i = 0; i < l->spans.span_count; i++) {
        uint32_t bits = 0;
        if (prefilter_span(&l->prefilter, i, &bits)) {
            assert_int_equal(
                candidates_offer(out, &l->spans.spans[i].trace, l->spans.spans[i].start_ns, bits, f), OK);
        }
    }
    *ret_horizon = 0;
    return OK;
}

static void
fake_close(void *cursor)
{
    prefilter_fini(&((struct live *)cursor)->prefilter);
}

static err
fake_may_have(void *ctx, slice tenant, const trace_id *ids, size_t n, uint8_t *ret, struct fault *f)
{
    struct live *l = ctx;
    (void)tenant;
    (void)f;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < l->spans.span_count; k++) {
            ret[i] |= trace_id_eq(&ids[i], &l->spans.spans[k].trace);
        }
    }
    return OK;
}

/* --- a world ---------------------------------------------------------------------------------------------
 */

struct world {
    struct live live;
    struct block_store store;
    _Atomic(struct block_store *) store_at;
    struct search_source sources[2];
    trace_id ids[TRACES_MAX];
    struct span_batch whole[TRACES_MAX]; /* every trace put together */
    size_t trace_count;
    struct pool *pool;
    uint64_t looked; /* spans of all searches */
};

static void
shape_span(struct span_random *r, struct span *s, size_t trace, size_t i, uint64_t start)
{
    static const char *const names[] = {"GET /", "checkout", "SELECT", "x"};
    s->trace = random_trace(r, trace);
    s->id = (span_id){.b = {1, 0, 0, 0, 0, 0, (uint8_t)trace, (uint8_t)(i + 1)}};
    s->parent = (span_id){0};
    if (i && !random_one_in(r, 12)) {
        s->parent = s->id;
        s->parent.b[7] = random_one_in(r, 15) ? 200 : (uint8_t)(1 + rng_below(&r->rng, i));
    }
    if (i && random_one_in(r, 25)) { /* a shared id, or the same span again */
        s->id.b[7] = (uint8_t)i;
    }
    s->start_ns = start + rng_below(&r->rng, 3 * SECOND);
    s->end_ns = random_one_in(r, 20) ? s->start_ns - 5 : s->start_ns + rng_below(&r->rng, SECOND);
    s->name = slice_cstr(names[rng_below(&r->rng, 4)]);
    s->kind = (int32_t)rng_below(&r->rng, 6);
    s->status_code = (int32_t)rng_below(&r->rng, 3);
}

/* What only the spans of a part of the time have, so that row groups have values of their own; and an order
 * that no other span has. */
static void
add_own_values(struct span_batch *b, uint64_t start, size_t trace, size_t i)
{
    struct span *s = &b->spans[b->span_count - 1];
    const uint32_t at = (uint32_t)b->attr_count;
    const uint32_t part = (uint32_t)((start - START) / SECOND / 60);
    char text[32];
    for (uint32_t k = 0; k < s->attrs.n; k++) {
        struct attr *a = span_batch_add_attr(b);
        *a = b->attrs[s->attrs.at + k];
    }
    struct attr *a = span_batch_add_attr(b);
    *a = (struct attr){.key = (const uint8_t *)"part", .key_n = 4, .kind = VALUE_INT, .i = part};
    a = span_batch_add_attr(b);
    *a = (struct attr){.key = (const uint8_t *)"share", .key_n = 5, .kind = VALUE_DOUBLE, .d = part / 4.0};
    snprintf(text, sizeof text, "%08x", (uint32_t)((trace * 64 + i + 1) * 2654435761U));
    const slice order = arena_copy(&b->arena, slice_cstr(text));
    a = span_batch_add_attr(b);
    *a = (struct attr){.key = (const uint8_t *)"order", .key_n = 5, .kind = VALUE_STRING, .p = order.p};
    a->n = (uint32_t)order.n;
    s->attrs = (struct run){at, (uint32_t)b->attr_count - at};
    if (part == 2) {
        s->end_ns = s->start_ns + 7 * SECOND;
    }
}

static void
put_together(struct world *w)
{
    struct trace_source sources[2] = {w->sources[0].trace, w->sources[1].trace};
    slice tenant = SL("t");
    struct fault f = {0};
    for (size_t t = 0; t < w->trace_count; t++) {
        struct trace_query find = {.sources = sources,
                                   .source_count = 2,
                                   .tenants = &tenant,
                                   .tenant_count = 1,
                                   .id = w->ids[t],
                                   .keep_shared_ids = true,
                                   .by_start = true};
        span_batch_init(&w->whole[t], 0);
        assert_ok(trace_find(&find, &w->whole[t], &f), &f);
    }
}

static void
world_make(struct world *w, uint64_t seed, size_t traces, size_t blocks, bool with_live, size_t one_strays_in)
{
    struct span_random r = {.traces = traces, .few_values = true};
    struct span_batch parts[8];
    memset(w, 0, sizeof *w);
    rng_seed(&r.rng, seed);
    span_batch_init(&w->live.spans, 0);
    fake_store_init(&w->store);
    w->trace_count = traces;
    for (size_t p = 0; p < blocks; p++) {
        span_batch_init(&parts[p], 0);
    }
    for (size_t t = 0; t < traces; t++) {
        uint64_t start = START + rng_below(&r.rng, 300) * SECOND;
        size_t home = rng_below(&r.rng, blocks + (with_live ? 1 : 0));
        w->ids[t] = random_trace(&r, t);
        size_t n = random_one_in(&r, 20) ? 60 : 1 + rng_below(&r.rng, 12);
        for (size_t i = 0; i < n; i++) {
            size_t place =
                random_one_in(&r, one_strays_in) ? rng_below(&r.rng, blocks + (with_live ? 1 : 0)) : home;
            struct span_batch *b = place == blocks ? &w->live.spans : &parts[place];
            random_context(&r, b);
            random_span(&r, b);
            shape_span(&r, &b->spans[b->span_count - 1], t, i, start);
            add_own_values(b, start, t, i);
        }
    }
    for (size_t p = 0; p < blocks; p++) {
        if (parts[p].span_count) {
            fake_store_add(&w->store, &parts[p], 120, 32);
        }
        span_batch_fini(&parts[p]);
    }
    atomic_store(&w->store_at, &w->store);
    w->sources[0] = (struct search_source){.trace = {fake_find, &w->live},
                                           .open = fake_open,
                                           .advance = fake_advance,
                                           .close = fake_close,
                                           .may_have = fake_may_have,
                                           .ctx = &w->live};
    w->sources[1] = search_source_blocks(&w->store_at);
    put_together(w);
}

static void
world_fini(struct world *w)
{
    for (size_t t = 0; t < w->trace_count; t++) {
        span_batch_fini(&w->whole[t]);
    }
    span_batch_fini(&w->live.spans);
    fake_store_fini(&w->store);
}

/* --- the truth -------------------------------------------------------------------------------------------
 */

static void
put_value(struct buf *out, const struct tql_static *v)
{
    buf_printf(out, "%u:", v->type);
    for (uint32_t i = 0; tql_type_is_array(v->type) && i < v->n; i++) {
        struct tql_static e = tql_static_element(v, i);
        tql_static_print_plain(&e, out);
    }
    if (!tql_type_is_array(v->type)) {
        tql_static_print_plain(v, out);
    }
}

static void
put_attrs(struct buf *out, const struct search_attr *attrs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, " %.*s=", SL_FMT(attrs[i].key));
        put_value(out, &attrs[i].value);
    }
}

/* All an answer says of a trace, as text. */
static void
put_trace(struct buf *out, const struct search_trace *t)
{
    trace_id_format(out, &t->id, false);
    buf_printf(out, " %.*s / %.*s %llu %llu\n", SL_FMT(t->root_service), SL_FMT(t->root_name),
               (unsigned long long)t->start_ns, (unsigned long long)t->duration_ns);
    for (size_t i = 0; i < t->service_count; i++) {
        buf_printf(out, " service %.*s %u %u\n", SL_FMT(t->services[i].name), t->services[i].spans,
                   t->services[i].errors);
    }
    for (size_t i = 0; i < t->set_count; i++) {
        buf_printf(out, " set %u", t->sets[i].matched);
        put_attrs(out, t->sets[i].attrs, t->sets[i].attr_count);
        for (size_t k = 0; k < t->sets[i].span_count; k++) {
            const struct search_span *s = &t->sets[i].spans[k];
            buf_printf(out, "\n  span %02x%02x %d %.*s %llu %llu", s->id.b[6], s->id.b[7], s->has_name,
                       SL_FMT(s->name), (unsigned long long)s->start_ns, (unsigned long long)s->duration_ns);
            put_attrs(out, s->attrs, s->attr_count);
        }
        buf_append_cstr(out, "\n");
    }
}

static int
newest(const void *a, const void *b)
{
    const struct search_trace *x = *(struct search_trace *const *)a;
    const struct search_trace *y = *(struct search_trace *const *)b;
    if (x->start_ns != y->start_ns) {
        return x->start_ns < y->start_ns ? 1 : -1;
    }
    return memcmp(x->id.b, y->id.b, TRACE_ID_BYTES);
}

/* Every trace put together and judged; the run-time error of the query instead, if it has one. */
static err
brute_force(struct world *w, const struct search_query *q, struct buf *out)
{
    struct search_trace *found[TRACES_MAX];
    struct arena kept;
    struct eval e;
    struct fault f = {0};
    size_t n = 0;
    err rc = OK;
    arena_init(&kept, 0);
    eval_init(&e, q->plan, 0, &q->guard);
    for (size_t t = 0; rc == OK && t < w->trace_count; t++) {
        struct trace_facts facts;
        trace_facts_of(&w->whole[t], &facts);
        if (facts.start_ns > q->end_ns || facts.end_ns < q->start_ns) {
            continue; /* no error of the query, either */
        }
        rc = eval_run(&e, &w->whole[t], &f);
        if (rc == OK && e.set_count) {
            assert_ok(result_make(&e, q, &kept, &f, &found[n]), &f);
            n++;
        }
    }
    qsort(found, n, sizeof *found, newest);
    for (size_t i = 0; rc == OK && i < n && (q->limit == 0 || i < q->limit); i++) {
        put_trace(out, found[i]);
    }
    arena_fini(&kept);
    eval_fini(&e);
    return rc;
}

static void
check(struct world *w, const char *text, uint32_t limit, uint64_t from, uint64_t to)
{
    struct planned p;
    struct fault f = {0};
    struct buf want, got;
    slice tenant = SL("t");
    buf_init(&want, (size_t)64 << 20);
    buf_init(&got, (size_t)64 << 20);
    planned_make(&p, text);
    struct search_query q = {.plan = &p.plan,
                             .tenants = &tenant,
                             .tenant_count = 1,
                             .sources = w->sources,
                             .source_count = 2,
                             .start_ns = from,
                             .end_ns = to,
                             .spans_per_set = 5,
                             .pool = w->pool,
                             .limit = limit};
    err expected = brute_force(w, &q, &want);
    struct search *s = search_create(&q);
    err rc = search_to_end(s, &f);
    if (expected == OK) {
        assert_ok(rc, &f);
        const struct search_result *r = search_result(s);
        w->looked += r->stats.spans;
        for (size_t i = 0; i < r->count; i++) {
            put_trace(&got, r->traces[i]);
        }
        if (!slice_eq(buf_slice(&got), buf_slice(&want))) {
            size_t at = 0;
            while (at < got.n && at < want.n && got.p[at] == want.p[at]) {
                at++;
            }
            size_t shown = at > 300 ? at - 300 : 0;
            fail_msg("%s limit %u from %llu to %llu differs at %zu:\n%.*s\nwant\n%.*s", text, limit,
                     (unsigned long long)from, (unsigned long long)to, at,
                     SL_FMT(slice_sub(buf_slice(&got), shown, 500)),
                     SL_FMT(slice_sub(buf_slice(&want), shown, 500)));
        }
    } else if (limit == 0 && rc != ERR_INVALID && rc != ERR_UNSUPPORTED) { /* which is first may differ */
        fail_msg("%s from %llu to %llu: %s where %s is due", text, (unsigned long long)from,
                 (unsigned long long)to, err_name(rc), err_name(expected));
    }
    search_destroy(s);
    planned_fini(&p);
    buf_fini(&want);
    buf_fini(&got);
}

static const char *const queries[] = {
    "{ }",
    "{ name = \"x\" }",
    "{ .n = 1 }",
    "{ span.n != 1 }",
    "{ span.n = nil }",
    "{ span.n != nil }",
    "{ .service.name = \"GET\" }",
    "{ resource.service.name = \"GET\" && span.code != nil }",
    "{ resource.service.name != \"\" || .id =~ \"x.*\" }",
    "{ instrumentation.n != nil }",
    "{ instrumentation:name = \"GET\" }",
    "{ event:name = \"GET\" }",
    "{ event.n = nil }",
    "{ event.http.method != nil && event:name =~ \".*e.*\" }",
    "{ event.code = \"checkout\" || link.code = \"checkout\" }",
    "{ link:traceID != \"\" && event:name != \"\" }",
    "{ !(event:name = \"GET\") }",
    "{ duration > 500ms }",
    "{ status = error && kind = server }",
    "{ statusMessage != \"\" }",
    "{ name =~ \"GET.*\" && name !~ \".*x\" }",
    "{ !(name = \"x\" && status = error) }",
    "{ duration > 2 * 100ms && .n < 1000 }",
    "{ .n + 1 > 0 }",
    "{ span:id = \"0100000000000101\" }",
    "{ span:parentID = \"0100000000000301\" }",
    "{ span:childCount > 2 }",
    "{ nestedSetParent < 0 && status = error }",
    "{ } | sum(.n) > 5",
    "{ span.n != nil } | sum(span.n) >= 1000",
    "{ } | sum(duration) > 3s",
    "{ name != nil } | sum(duration) = 2000000000",
    "{ } | by(name) | sum(.n) > 10",
    "{ status = error } && { kind = server } | sum(duration) > 1s",
    "{ } | by(name) | coalesce() | sum(.n) > 1.5 | count() > 1",
    "({ } | sum(duration) > 5s) || ({ status = error } | count() > 0)",
    "{ nestedSetLeft = 2 }",
    "{ rootName = \"x\" && name = \"SELECT\" }",
    "{ rootServiceName = \"GET\" }",
    "{ traceDuration > 3s }",
    "{ trace:id = \"157c4a7fb979379e0000000000000001\" }",
    "{ span.part = 2 }",
    "{ span.part > 3 && name != \"\" }",
    "{ .part < 1 || .n = 1 }",
    "{ span.share = 0.5 && status = error }",
    "{ span.part = 77 }",
    "{ !(span.part = 1) && name = \"x\" }",
    "{ span.part = 3 && span.n + 1 > 0 }",
    "{ span.order = \"" ORDER "\" }",
    "{ .order = \"" ORDER "\" }",
    "{ duration > 6s }",
    "{ duration > 6s } >> { span.part = 2 }",
    "{ span.part = 1 } && { span.part = 2 }",
    "{ span.part = 1 } || { span.part = 2 }",
    "{ traceDuration > 6s && span.part = 2 }",
    "{ rootName = \"x\" && span.part = 2 }",
    "{ span.part = 4 } | count() > 2",
    "{ name = \"x\" } && { status = error }",
    "{ name = \"x\" } || { status = error }",
    "{ name = \"x\" } > { status = error }",
    "{ name = \"x\" } >> { status = error }",
    "{ name = \"x\" } ~ { status = error }",
    "{ name = \"x\" } < { status = error }",
    "{ name = \"x\" } << { status = error }",
    "{ name = \"x\" } !>> { status = error }",
    "{ name = \"x\" } !~ { status = error }",
    "{ name = \"x\" } &>> { status = error }",
    "{ } | count() > 6",
    "{ status = error } | avg(duration) > 400ms",
    "{ status = error } | max(.n) > 0",
    "{ } | by(name) | count() > 2",
    "{ } | by(span.n) | count() > 1",
    "{ } | by(resource.service.name) | max(duration) > 500ms",
    "{ name = \"x\" } | select(span.n, resource.service.name, event.n, link.code, duration)",
    "({ name = \"x\" } | count() > 1) && ({ status = error } | count() > 1)",
    "{ } | by(name) | coalesce() | count() > 3",
    "({ name = \"x\" } | count() > 3) || ({ status = error } | avg(duration) > 1ns)",
    "({ status = error } | count() > 2 | avg(duration) > 1ns) || ({ name = \"x\" } | count() > 1)",
    "{ } > { } | count() > 4",
    "{ name = \"x\" } | count() >= 1.5",
    "{ } | count() = 4",
    "{ name = \"x\" } | { status = error }",
    "{ 1 / .n > 0 }",
    "{ name = \"x\" && 7 / .n > 0 }",
    "{ false }",
};

static void
run_all(uint64_t seed, size_t traces, size_t blocks, bool with_live, size_t one_strays_in)
{
    struct world w;
    struct rng r;
    rng_seed(&r, seed);
    world_make(&w, seed, traces, blocks, with_live, one_strays_in);
    w.pool = seed % 3 ? pool_create("test", 3, 100) : NULL;
    const size_t step = one_strays_in < 30 ? 3 : 1; /* to put traces together one by one takes its time */
    for (size_t q = seed % step; q < sizeof queries / sizeof *queries; q += step) {
        uint64_t from = rng_below(&r, 2) ? 0 : START + rng_below(&r, 200) * SECOND;
        uint64_t to = rng_below(&r, 2) ? UINT64_MAX : from + rng_below(&r, 200) * SECOND;
        check(&w, queries[q], 0, 0, UINT64_MAX);
        check(&w, queries[q], (uint32_t)rng_below(&r, 30), from, to);
        from = START + rng_below(&r, 300) * SECOND; /* most row groups lie outside */
        check(&w, queries[q], (uint32_t)(1 + rng_below(&r, 5)), from, from + rng_below(&r, 3) * SECOND);
    }
    if (w.pool) {
        pool_destroy(w.pool);
    }
    world_fini(&w);
}

static void
what_lies_in_one_block_is_shown_as_if_judged_whole(void **state)
{
    (void)state;
    run_all(1, TRACES_MAX, 1, false, 30);
    run_all(2, 20, 1, false, 30);
}

static void
what_is_spread_over_blocks_and_live_data_is_shown_whole(void **state)
{
    (void)state;
    for (uint64_t seed = 3; seed < 6; seed++) {
        run_all(seed, 60 + 30 * (size_t)seed % 140, 1 + seed % 3, seed % 2, 30);
    }
}

static void
what_is_scattered_all_over_is_gathered(void **state)
{
    (void)state;
    run_all(7, 100, 4, false, 1);
    run_all(8, 100, 2, true, 2);
}

static void
row_groups_outside_a_range_are_not_judged(void **state)
{
    struct world w;
    struct planned p;
    struct fault f = {0};
    slice tenant = SL("t");
    uint64_t spans[2];
    (void)state;
    world_make(&w, 9, TRACES_MAX, 1, false, 1000);
    planned_make(&p, "{ true }");
    for (int i = 0; i < 2; i++) {
        struct search_query q = {.plan = &p.plan,
                                 .tenants = &tenant,
                                 .tenant_count = 1,
                                 .sources = w.sources,
                                 .source_count = 2,
                                 .start_ns = i ? START + 150 * SECOND : 0,
                                 .end_ns = i ? START + 160 * SECOND : UINT64_MAX};
        struct search *s = search_create(&q);
        assert_ok(search_to_end(s, &f), &f);
        assert_true(search_result(s)->count > 0);
        spans[i] = search_result(s)->stats.spans;
        search_destroy(s);
    }
    assert_true(spans[1] * 3 < spans[0]);
    planned_fini(&p);
    world_fini(&w);
}

static void
row_groups_without_a_value_are_not_looked_at(void **state)
{
    static const char *const few[] = {"{ span.part = 2 }", "{ span.order = \"" ORDER "\" }",
                                      "{ duration > 6s && name != nil }", "{ span.share >= 1.0 }"};
    struct world w;
    (void)state;
    world_make(&w, 10, TRACES_MAX, 1, false, 1000);
    check(&w, "{ name != nil }", 0, 0, UINT64_MAX);
    const uint64_t all = w.looked;
    for (size_t i = 0; i < sizeof few / sizeof *few; i++) {
        w.looked = 0;
        check(&w, few[i], 0, 0, UINT64_MAX);
        print_message("%s looks at %llu spans of %llu\n", few[i], (unsigned long long)w.looked,
                      (unsigned long long)all);
        assert_true(w.looked > 0 && w.looked * 2 < all);
    }
    w.looked = 0;
    check(&w, "{ span.part = 77 }", 0, 0, UINT64_MAX);
    assert_int_equal(w.looked, 0);
    world_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_in_one_block_is_shown_as_if_judged_whole),
        cmocka_unit_test(what_is_spread_over_blocks_and_live_data_is_shown_whole),
        cmocka_unit_test(what_is_scattered_all_over_is_gathered),
        cmocka_unit_test(row_groups_outside_a_range_are_not_judged),
        cmocka_unit_test(row_groups_without_a_value_are_not_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
