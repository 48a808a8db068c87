/* The vectors and masks of a row group are, value by value, what its spans say when they are read back. */
#include "columns.h"
#include "fake_store.h"
#include "planned.h"
#include "span_random.h"

#include "vivace/querier/eval.h"

static bool
same_value(const struct tql_static *a, const struct tql_static *b)
{
    if (!tql_type_is_array(a->type)) {
        return tql_static_same(a, b);
    }
    bool same = a->type == b->type && a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++) {
        struct tql_static x = tql_static_element(a, i);
        struct tql_static y = tql_static_element(b, i);
        same = tql_static_same(&x, &y);
    }
    return same;
}

static void
must_be(const struct tql_static *got, const struct tql_static *want, const struct tql_attr *attr, size_t at)
{
    if (!same_value(got, want)) {
        struct buf text;
        buf_init(&text, 4096);
        tql_attr_print(attr, &text);
        buf_printf(&text, " of %zu: type %u ", at, got->type);
        tql_static_print_plain(got, &text);
        buf_printf(&text, ", want type %u ", want->type);
        tql_static_print_plain(want, &text);
        fail_msg("%.*s", SL_FMT(buf_slice(&text)));
    }
}

static void
check_parts(struct group_scan *s, const struct span_batch *b, const struct tql_slot *slot,
            const struct slot_vector *v, struct value_source *values)
{
    const struct group_parts *parts = NULL;
    struct fault f = {0};
    const bool events = slot->level == TQL_LEVEL_EVENT;
    assert_ok(group_parts(s, (enum tql_level)slot->level, &f, &parts), &f);
    assert_int_equal(parts->count, v->count);
    for (size_t row = 0; row < b->span_count; row++) {
        const struct run run = events ? b->spans[row].events : b->spans[row].links;
        assert_int_equal(parts->first[row + 1] - parts->first[row], run.n);
        for (uint32_t i = 0; i < run.n; i++) {
            struct tql_static want;
            struct tql_static got = vector_at(v, parts->first[row] + i);
            value_of_part(values, slot, row, (struct value_at){run.at + i, run.at + i}, &want);
            must_be(&got, &want, &slot->attr, row);
        }
    }
}

static const char every_slot[] =
    "{ } | select(duration, name, status, statusMessage, kind, span:id, span:parentID, event:name, "
    "event:timeSinceStart, link:traceID, link:spanID, instrumentation:name, instrumentation:version, span.n, "
    ".n, "
    "resource.n, event.n, link.n, instrumentation.n, span.code, .code, event.code, link.code, "
    "resource.service.name, "
    ".service.name, span.service.name, span.id, .id, event.id, link.id, span.name, event.http.method, "
    "span.\"k:int\", .\"Http.Method\", span.http.method, .nowhere, event.nowhere, trace:id, resource.code, "
    "instrumentation.code, .exception.type, link.\"k:int\")";

static void
check_group(struct group_scan *s, size_t group)
{
    struct span_batch b;
    struct arena arena;
    struct fault f = {0};
    uint64_t bytes = 0;
    const struct tql_slots *slots = &s->plan->compiler.slots;
    span_batch_init(&b, 0);
    arena_init(&arena, 0);
    assert_ok(group_scan_open(s, group, &f), &f);
    /* the test's own block is read with the block room's row reader */
    assert_ok(block_read_rows(s->reader, group, 0, s->rows, &b, &bytes, &f), &f);
    assert_int_equal(b.span_count, s->rows);
    struct trace_facts facts = {0};
    struct value_source values = {.batch = &b, .facts = &facts, .arena = &arena};
    for (uint32_t i = 0; i < slots->count; i++) {
        const struct tql_slot *slot = &slots->slots[i];
        const struct slot_vector *v = NULL;
        assert_ok(group_slot(s, i, &f, &v), &f);
        if (slot_is_part(slot)) {
            check_parts(s, &b, slot, v, &values);
            continue;
        }
        assert_int_equal(v->count, s->rows);
        for (size_t row = 0; row < s->rows; row++) {
            struct tql_static want;
            struct tql_static got = vector_at(v, row);
            facts.id = b.spans[row].trace;
            value_of_span(&values, slot, row, &want);
            must_be(&got, &want, &slot->attr, row);
        }
    }
    const uint64_t *starts = NULL;
    const span_id *ids = NULL;
    const struct slot_vector *services = NULL;
    struct group_traces traces;
    assert_ok(group_starts(s, &f, &starts), &f);
    assert_ok(group_span_ids(s, &f, &ids), &f);
    assert_ok(group_services(s, &f, &services), &f);
    assert_ok(group_traces(s, &f, &traces), &f);
    for (size_t t = 0; t < traces.count; t++) {
        assert_int_equal(traces.v[t].from, t ? traces.v[t - 1].to : 0);
        for (size_t row = traces.v[t].from; row < traces.v[t].to; row++) {
            struct tql_static service = vector_at(services, row);
            assert_true(trace_id_eq(&b.spans[row].trace, &traces.v[t].id));
            assert_int_equal(starts[row], b.spans[row].start_ns);
            assert_true(span_id_eq(&ids[row], &b.spans[row].id));
            assert_true(slice_eq(tql_static_slice(&service), span_service_name(&b, &b.spans[row])));
        }
    }
    assert_int_equal(traces.v[traces.count - 1].to, s->rows);
    span_batch_fini(&b);
    arena_fini(&arena);
}

static void
random_block(struct block_store *store, uint64_t seed, size_t spans, bool few_values)
{
    struct span_random r = {.traces = 40, .few_values = few_values, .bad_text = seed % 2};
    struct span_batch batch;
    rng_seed(&r.rng, seed);
    span_batch_init(&batch, 0);
    random_spans(&r, &batch, spans);
    fake_store_add(store, &batch, 300, 64);
    span_batch_fini(&batch);
}

static void
every_value_is_what_the_span_says(void **state)
{
    (void)state;
    struct planned p;
    struct block_store store;
    planned_make(&p, every_slot);
    fake_store_init(&store);
    for (uint64_t seed = 1; seed < 9; seed++) {
        random_block(&store, seed, seed == 8 ? 3 : 900, seed % 4 != 0);
    }
    for (size_t i = 0; i < store.snapshot.count; i++) {
        struct block_reader *r = store.blocks[i]->priv->reader;
        struct group_scan *s = group_scan_create(r, &p.plan, NULL, NULL);
        for (size_t g = 0; g < block_reader_file(r)->meta->row_group_count; g++) {
            check_group(s, g);
        }
        check_group(s, 0); /* and again */
        group_scan_destroy(s);
    }
    fake_store_fini(&store);
    planned_fini(&p);
}

/* Every resource's first attribute is `all` then, a text. */
static void
give_all_one(struct span_batch *b)
{
    static const char *const texts[] = {"", "checkout", "cart"};
    struct run some = {0};
    for (size_t i = 0; i < b->resource_count; i++) {
        some = b->resources[i].attrs.n ? b->resources[i].attrs : some;
    }
    assert_true(some.n);
    for (size_t i = 0; i < b->resource_count; i++) {
        struct resource *r = &b->resources[i];
        r->has_resource = true;
        r->attrs = r->attrs.n ? r->attrs : some;
        const char *text = texts[r->attrs.at % 3];
        b->attrs[r->attrs.at] = (struct attr){.key = (const uint8_t *)"all",
                                              .key_n = 3,
                                              .kind = VALUE_STRING,
                                              .p = (const uint8_t *)text,
                                              .n = (uint32_t)strlen(text)};
    }
}

static void
block_with_all(struct block_store *store, uint64_t seed)
{
    struct span_random r = {.traces = 40, .few_values = true};
    struct span_batch batch;
    rng_seed(&r.rng, seed);
    span_batch_init(&batch, 0);
    random_spans(&r, &batch, 900);
    give_all_one(&batch);
    fake_store_add(store, &batch, 300, 64);
    span_batch_fini(&batch);
}

/* What is read of a block for the first slot of a plan alone. */
static uint64_t
bytes_for_a_slot(struct block_reader *r, const struct tql_plan *plan)
{
    struct group_scan *s = group_scan_create(r, plan, NULL, NULL);
    struct fault f = {0};
    for (size_t g = 0; g < block_reader_file(r)->meta->row_group_count; g++) {
        const struct slot_vector *v = NULL;
        assert_ok(group_scan_open(s, g, &f), &f);
        assert_ok(group_slot(s, 0, &f, &v), &f);
    }
    const uint64_t bytes = s->bytes_read;
    group_scan_destroy(s);
    return bytes;
}

/* Who asks for one attribute of resources a second time reads its column, where that was found to be enough:
 * the values are the same. */
static void
a_resource_attribute_is_the_same_from_its_column(void **state)
{
    static const char *const queries[] = {"{ } | select(resource.all)",
                                          "{ } | select(resource.service.name)",
                                          "{ } | select(resource.n)",
                                          "{ } | select(resource.code)",
                                          "{ } | select(.all)",
                                          "{ } | select(.service.name)",
                                          "{ } | select(instrumentation.n)",
                                          "{ } | select(instrumentation.code)"};
    (void)state;
    struct block_store store;
    fake_store_init(&store);
    for (uint64_t seed = 1; seed < 9; seed++) {
        random_block(&store, seed, seed == 8 ? 3 : 900, seed % 4 != 0);
        block_with_all(&store, seed);
    }
    for (size_t q = 0; q < sizeof queries / sizeof *queries; q++) {
        struct planned p;
        uint64_t first = 0;
        uint64_t second = 0;
        planned_make(&p, queries[q]);
        for (size_t i = 0; i < store.snapshot.count; i++) {
            first += bytes_for_a_slot(store.blocks[i]->priv->reader, &p.plan);
            second += bytes_for_a_slot(store.blocks[i]->priv->reader, &p.plan);
        }
        assert_true(q == 0 ? second < first : second <= first);
        for (size_t i = 0; i < 2 * store.snapshot.count; i++) {
            struct block_reader *r = store.blocks[i / 2]->priv->reader;
            struct group_scan *s = group_scan_create(r, &p.plan, NULL, NULL);
            for (size_t g = 0; g < block_reader_file(r)->meta->row_group_count; g++) {
                check_group(s, g);
            }
            group_scan_destroy(s);
        }
        planned_fini(&p);
    }
    fake_store_fini(&store);
}

/* --- filters ----------------------------------------------------------------------------------------------
 */

static const char *const filters[] = {
    "{ }",
    "{ false }",
    "{ name = \"GET\" }",
    "{ name != \"GET\" && .n = 1 }",
    "{ .n = 1 || .n > 2.5 || .n = \"GET\" }",
    "{ span.n = nil }",
    "{ span.n != nil }",
    "{ span.n != 0 }",
    "{ !(span.n = 1 && name = \"\") }",
    "{ span.n = -2 || span.n < -1 || span.n >= 2 }",
    "{ duration > 500ms && duration <= 900ms }",
    "{ duration = 0 }",
    "{ duration != 0 }",
    "{ duration > 1.5 }",
    "{ status = error && kind != server }",
    "{ status != ok }",
    "{ name =~ \".*G.*\" && .code !~ \".*x.*\" }",
    "{ event:name = \"GET\" }",
    "{ event:name = \"GET\" && event.n = 1 }",
    "{ event:name = \"GET\" && event.n != nil && .n = nil }",
    "{ event.n = nil }",
    "{ !(event:name = \"GET\") }",
    "{ event:timeSinceStart > 0ns }",
    "{ link.code = \"checkout\" || name = \"GET\" }",
    "{ link:traceID != \"\" && event:name != \"\" }",
    "{ link.n = event.n }",
    "{ event.n = span.n }",
    "{ .n = span.n }",
    "{ .n * 2 = 2 }",
    "{ resource.service.name = \"\" }",
    "{ resource.service.name != \"x.y\" && instrumentation.n = nil }",
    "{ instrumentation:name = \"GET\" }",
    "{ true && name = \"GET\" || false }",
};

static void
check_filter(struct group_scan *s, size_t group, const char *text)
{
    struct span_batch b;
    struct query_guard guard = {0};
    struct eval e;
    struct fault f = {0};
    uint64_t bytes = 0;
    uint64_t *mask = NULL;
    uint64_t *half = NULL;
    span_batch_init(&b, 0);
    assert_ok(group_scan_open(s, group, &f), &f);
    assert_ok(block_read_rows(s->reader, group, 0, s->rows, &b, &bytes, &f), &f);
    eval_init(&e, s->plan, 0, &guard);
    err judged = eval_run(&e, &b, &f);
    f = (struct fault){0};
    assert_ok(group_mask(s, &f, &mask), &f);
    err rc = group_filter(s, 0, NULL, &f, mask);
    if (judged != OK) { /* two lists compared, say */
        assert_int_equal(rc, judged);
        goto out;
    }
    assert_ok(rc, &f);
    size_t want = e.set_count ? e.sets[0].count : 0;
    if (mask_count(mask, 0, s->rows) != want) {
        fail_msg("%s keeps %zu rows, want %zu", text, mask_count(mask, 0, s->rows), want);
    }
    size_t at = 0;
    for (size_t i = 0; i < want; i++, at++) {
        at = mask_next(mask, at, s->rows);
        assert_int_equal(at, e.sets[0].rows[i]);
    }
    assert_int_equal(mask_next(mask, at, s->rows), s->rows);
    assert_ok(group_mask(s, &f, &half), &f);
    for (size_t i = 0; i < s->rows; i += 2) {
        half[i / 64] |= UINT64_C(1) << i % 64;
    }
    assert_ok(group_filter(s, 0, half, &f, half), &f);
    for (size_t i = 0; i < s->rows; i++) {
        assert_int_equal(mask_has(half, i), i % 2 == 0 && mask_has(mask, i));
    }
out:
    eval_fini(&e);
    span_batch_fini(&b);
}

static void
filters_keep_the_rows_that_judging_each_span_keeps(void **state)
{
    (void)state;
    struct block_store store;
    fake_store_init(&store);
    for (uint64_t seed = 11; seed < 14; seed++) {
        random_block(&store, seed, 700, true);
    }
    for (size_t q = 0; q < sizeof filters / sizeof *filters; q++) {
        struct planned p;
        planned_make(&p, filters[q]);
        for (size_t i = 0; i < store.snapshot.count; i++) {
            struct group_scan *s = group_scan_create(store.blocks[i]->priv->reader, &p.plan, NULL, NULL);
            for (size_t g = 0; g < 3; g++) {
                check_filter(s, g, filters[q]);
            }
            group_scan_destroy(s);
        }
        planned_fini(&p);
    }
    fake_store_fini(&store);
}

/* --- limits -----------------------------------------------------------------------------------------------
 */

static void
a_scan_over_its_budget_is_refused_and_gives_all_of_it_back(void **state)
{
    (void)state;
    struct planned p;
    struct block_store store;
    struct budget budget;
    struct fault f = {0};
    const struct slot_vector *v = NULL;
    planned_make(&p, "{ name = \"x\" && .n = 1 && event.n = 1 }");
    fake_store_init(&store);
    random_block(&store, 21, 900, false);
    budget_init(&budget, "test", NULL, 4096);
    struct group_scan *s = group_scan_create(store.blocks[0]->priv->reader, &p.plan, NULL, &budget);
    assert_ok(group_scan_open(s, 0, &f), &f);
    assert_int_equal(group_slot(s, 0, &f, &v), ERR_LIMIT);
    f = (struct fault){0};
    group_scan_destroy(s);
    assert_int_equal(budget_used(&budget), 0);
    budget_init(&budget, "test", NULL, (size_t)64 << 20);
    s = group_scan_create(store.blocks[0]->priv->reader, &p.plan, NULL, &budget);
    assert_ok(group_scan_open(s, 0, &f), &f);
    assert_ok(group_slot(s, 1, &f, &v), &f);
    assert_true(budget_used(&budget) > 0);
    group_scan_destroy(s);
    assert_int_equal(budget_used(&budget), 0);
    fake_store_fini(&store);
    planned_fini(&p);
}

/* --- damage -----------------------------------------------------------------------------------------------
 */

/* A file in memory with some bytes changed: every slot is read, and every filter run. */
static void
read_damaged(const slice *bytes, const struct tql_plan *plan, size_t *refused)
{
    struct parquet_source source = parquet_source_of(bytes);
    struct block_reader *r = NULL;
    struct fault f = {0};
    if (block_reader_open_source(&source, "damaged", &f, &r) != OK) {
        (*refused)++;
        return;
    }
    struct group_scan *s = group_scan_create(r, plan, NULL, NULL);
    for (size_t g = 0; g < block_reader_file(r)->meta->row_group_count; g++) {
        const struct slot_vector *v = NULL;
        struct group_traces traces;
        uint64_t *mask = NULL;
        f = (struct fault){0};
        err rc = group_scan_open(s, g, &f);
        for (uint32_t i = 0; rc == OK && i < plan->compiler.slots.count; i++) {
            rc = group_slot(s, i, &f, &v);
            for (size_t k = 0; rc == OK && k < v->count; k++) {
                struct tql_static value = vector_at(v, k); /* looked at, so that a sanitizer sees it */
                (void)tql_static_hash(&value, 1);
            }
        }
        rc = rc == OK ? group_traces(s, &f, &traces) : rc;
        rc = rc == OK ? group_mask(s, &f, &mask) : rc;
        rc = rc == OK ? group_filter(s, 0, NULL, &f, mask) : rc;
        *refused += rc != OK;
        assert_true(rc == OK || f.msg[0] != 0); /* every refusal says why */
    }
    group_scan_destroy(s);
    block_reader_close(r);
}

static void
a_damaged_block_is_read_or_refused_with_a_reason(void **state)
{
    (void)state;
    struct planned p;
    struct block_store store;
    struct rng rng;
    char path[192];
    char uuid[BLOCK_UUID_TEXT + 1];
    static uint8_t bytes[4 << 20];
    static uint8_t damaged[4 << 20];
    size_t refused = 0;
    planned_make(&p, every_slot);
    fake_store_init(&store);
    random_block(&store, 31, 300, true);
    rng_seed(&rng, 31);
    block_uuid_format(&store.blocks[0]->meta.id, uuid);
    snprintf(path, sizeof path, "%s/%s/spans.parquet", store.dir, uuid);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, sizeof bytes, file);
    assert_true(n > 0 && n < sizeof bytes);
    fclose(file);
    for (int round = 0; round < 150; round++) {
        memcpy(damaged, bytes, n);
        for (uint64_t k = 1 + rng_below(&rng, 4); k > 0; k--) {
            size_t footer = n / 3; /* half of the damage hits the last third, where the footer is */
            size_t at = rng_below(&rng, 2) ? rng_below(&rng, n) : n - 1 - rng_below(&rng, footer);
            damaged[at] ^= (uint8_t)(1 + rng_below(&rng, 255));
        }
        slice s = slice_of(damaged, n);
        read_damaged(&s, &p.plan, &refused);
    }
    assert_true(refused > 10);
    fake_store_fini(&store);
    planned_fini(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_what_the_span_says),
        cmocka_unit_test(a_resource_attribute_is_the_same_from_its_column),
        cmocka_unit_test(filters_keep_the_rows_that_judging_each_span_keeps),
        cmocka_unit_test(a_damaged_block_is_read_or_refused_with_a_reason),
        cmocka_unit_test(a_scan_over_its_budget_is_refused_and_gives_all_of_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
