/* Row groups that share no trace with another go into the merged block as they are, and nobody can tell. */
#include "merge_test.h"

#include "vivace/parquet/index.h"

#define PER_INPUT 400
#define LARGE     50 /* half of a row group */

/* The same spans in each input, but for ids and times; `apart` traces lie between the first of one input and
 * the first of the next. */
static void
fill(struct span_batch *b, const struct case_of *c, size_t input, size_t apart)
{
    struct span_random r = {.traces = c->traces, .few_values = true};
    uint64_t next = input * 10000;
    rng_seed(&r.rng, c->seed);
    span_batch_init(b, 0);
    random_spans(&r, b, c->spans_each);
    make_unique(b, input, &next, c);
    for (size_t i = 0; i < b->span_count; i++) {
        size_t trace = i / 10; /* so a row group holds some traces of one stretch of time */
        b->spans[i].trace = random_trace(NULL, input * apart + trace);
    }
}

static void
make(struct inputs *in, const struct case_of *c, size_t apart,
     void (*change)(struct span_batch *b, size_t input))
{
    in->count = c->inputs;
    for (size_t i = 0; i < c->inputs; i++) {
        fill(&in->batch[i], c, i, apart);
        if (change) {
            change(&in->batch[i], i);
        }
        publish_batch(&in->batch[i], c, &in->meta[i], &in->reader[i]);
    }
}

static size_t
groups_of(const struct inputs *in, size_t from, size_t to, uint64_t rows_min)
{
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        const struct parquet_meta *m = block_reader_file(in->reader[i])->meta;
        for (uint32_t g = 0; g < m->row_group_count; g++) {
            n += m->row_groups[g].row_count >= rows_min;
        }
    }
    return n;
}

/* Merge, and compare with a block made of the same spans at once: spans, summaries, meta.json. */
static void
check_merged(const struct inputs *in, const struct case_of *c, size_t traces, struct block_merge_stats *stats,
             struct block_reader **ret)
{
    struct case_of whole = *c;
    struct block_meta meta, reference;
    struct block_reader *merged = NULL, *at_once = NULL;
    struct span_batch all;
    struct fault f = {0};
    uint64_t want = 0, spans = 0;
    whole.traces = traces;
    for (size_t i = 0; i < in->count; i++) {
        want += sum_of(&in->batch[i], 3);
        spans += in->batch[i].span_count;
    }
    assert_ok(merge(in, c, NULL, &f, &meta, stats), &f);
    assert_ok(block_reader_open(block_dir(&meta.id), &f, &merged), &f);
    assert_int_equal(meta.spans, spans);
    assert_int_equal(stats->spans_read, spans);
    span_batch_init(&all, 0);
    read_all(merged, &all);
    assert_int_equal(sum_of(&all, 3), want);
    check_order(merged, c->out_rows);
    check_summaries(merged, &whole, want);
    publish_batch(&all, &whole, &reference, &at_once);
    assert_int_equal(meta.spans, reference.spans);
    assert_int_equal(meta.traces, reference.traces);
    assert_int_equal(meta.min_start_ns, reference.min_start_ns);
    assert_int_equal(meta.max_end_ns, reference.max_end_ns);
    block_reader_close(at_once);
    block_meta_fini(&reference);
    span_batch_fini(&all);
    *ret = merged;
    block_meta_fini(&meta);
}

/* Bytes of a column chunk. */
static slice
chunk_bytes(struct block_reader *r, size_t group, size_t column, uint8_t *into)
{
    const struct parquet_file *file = block_reader_file(r);
    const struct parquet_chunk *c = parquet_meta_chunk(file->meta, group, column);
    struct fault f = {0};
    assert_true(c->compressed_bytes <= 1 << 20);
    assert_ok(file->source.read(file->source.ctx, c->offset, (size_t)c->compressed_bytes, into, &f), &f);
    return slice_of(into, (size_t)c->compressed_bytes);
}

/* Columns stand in another order where attributes occur equally often. */
static void
check_chunks(struct block_reader *ra, uint32_t ga, struct block_reader *rb, uint32_t gb)
{
    const struct block_schema *sa = block_reader_schema(ra), *sb = block_reader_schema(rb);
    uint8_t *a = mem_alloc(1 << 20), *b = mem_alloc(1 << 20);
    assert_int_equal(sa->attr_count, sb->attr_count);
    for (size_t i = 0; i < BLOCK_COLUMN_COUNT + sa->attr_count; i++) {
        int32_t from = -1, to = -1;
        if (i < BLOCK_COLUMN_COUNT) {
            from = sa->column[i];
            to = sb->column[i];
        } else {
            const struct block_attr_column *x = &sa->attrs[i - BLOCK_COLUMN_COUNT];
            const struct block_attr_column *y = block_schema_attr(sb, x->scope, x->kind, x->key);
            assert_non_null(y);
            from = x->column;
            to = y->column;
        }
        assert_true((from < 0) == (to < 0));
        if (from < 0) {
            continue;
        }
        const struct parquet_chunk *x = parquet_meta_chunk(block_reader_file(ra)->meta, ga, (size_t)from);
        const struct parquet_chunk *y = parquet_meta_chunk(block_reader_file(rb)->meta, gb, (size_t)to);
        assert_true(slice_eq(chunk_bytes(ra, ga, (size_t)from, a), chunk_bytes(rb, gb, (size_t)to, b)));
        assert_int_equal(x->null_count, y->null_count);
        assert_int_equal(x->column_index_bytes, y->column_index_bytes);
        assert_int_equal(x->bloom_bytes, y->bloom_bytes);
        assert_true(slice_eq(x->bounds.min, y->bounds.min) && slice_eq(x->bounds.max, y->bounds.max));
    }
    mem_free(a);
    mem_free(b);
}

static const struct case_of alike = {.seed = 21,
                                     .inputs = 3,
                                     .spans_each = PER_INPUT,
                                     .traces = 40,
                                     .group_rows = 100,
                                     .page_rows = 32,
                                     .out_rows = 100,
                                     .in_time = true};

/* Where a row group of the input stands in the output. */
static uint32_t
find_group(struct block_reader *in, uint32_t group, struct block_reader *out)
{
    size_t a = (size_t)block_reader_schema(in)->column[BLOCK_TRACE_START];
    size_t b = (size_t)block_reader_schema(out)->column[BLOCK_TRACE_START];
    const struct parquet_meta *mi = block_reader_file(in)->meta, *mo = block_reader_file(out)->meta;
    uint32_t at = 0;
    while (at < mo->row_group_count && (mi->row_groups[group].row_count != mo->row_groups[at].row_count ||
                                        !slice_eq(parquet_meta_chunk(mi, group, a)->bounds.min,
                                                  parquet_meta_chunk(mo, at, b)->bounds.min))) {
        at++;
    }
    assert_true(at < mo->row_group_count);
    return at;
}

static void
row_groups_with_traces_of_their_own_keep_their_bytes(void **state)
{
    struct inputs in = {.count = 0};
    struct block_merge_stats stats;
    struct block_reader *merged = NULL;
    (void)state;
    make(&in, &alike, 40, NULL);
    check_merged(&in, &alike, 120, &stats, &merged);
    assert_int_equal(stats.groups_copied, groups_of(&in, 0, 3, LARGE) + 1); /* and the first */
    assert_true(stats.spans_copied > 2 * PER_INPUT && stats.spans_copied < 3 * PER_INPUT);
    for (size_t i = 0; i < in.count; i++) {
        const struct parquet_meta *m = block_reader_file(in.reader[i])->meta;
        for (uint32_t g = 0; g < m->row_group_count; g++) {
            if (m->row_groups[g].row_count >= LARGE || (i == 0 && g == 0)) {
                check_chunks(in.reader[i], g, merged, find_group(in.reader[i], g, merged));
            }
        }
    }
    block_reader_close(merged);
    inputs_fini(&in);
}

static void
traces_at_the_borders_are_put_together_and_the_rest_is_copied(void **state)
{
    struct inputs in = {.count = 0};
    struct block_merge_stats stats;
    struct block_reader *merged = NULL;
    (void)state;
    make(&in, &alike, 37, NULL); /* three traces stand in two blocks, twice */
    check_merged(&in, &alike, 114, &stats, &merged);
    assert_int_equal(stats.combined_traces, 6);
    assert_true(stats.groups_copied >= 6 && stats.groups_copied < groups_of(&in, 0, 3, 1));
    block_reader_close(merged);
    inputs_fini(&in);
}

/* The first trace of the first input goes on in all. */
static void
add_long_trace(struct span_batch *b, size_t input)
{
    for (size_t i = 0; i < 5; i++) {
        b->spans[input * 60 + i].trace = random_trace(NULL, 0);
    }
}

static void
a_trace_of_three_blocks_is_whole_between_copied_row_groups(void **state)
{
    struct inputs in = {.count = 0};
    struct block_merge_stats stats;
    struct block_reader *merged = NULL;
    struct span_batch out;
    struct fault f = {0};
    trace_id id = random_trace(NULL, 0);
    uint64_t inspected = 0;
    (void)state;
    make(&in, &alike, 40, add_long_trace);
    check_merged(&in, &alike, 120, &stats, &merged);
    assert_int_equal(stats.combined_traces, 1);
    assert_true(stats.groups_copied >= 6);
    span_batch_init(&out, 0);
    assert_ok(block_find_trace(merged, &id, &out, &inspected, &f), &f);
    assert_int_equal(out.span_count, 20);
    span_batch_fini(&out);
    block_reader_close(merged);
    inputs_fini(&in);
}

/* A trace of the first input's beginning goes on at its end, and in the second input. */
static void
add_trace_over_the_border(struct span_batch *b, size_t input)
{
    b->spans[input ? 3 : PER_INPUT - 2].trace = random_trace(NULL, 5);
}

static void
a_long_trace_that_goes_on_leaves_the_row_groups_between_alone(void **state)
{
    struct case_of c = alike;
    struct inputs in = {.count = 0};
    struct block_merge_stats stats;
    struct block_reader *merged = NULL;
    (void)state;
    c.inputs = 2;
    make(&in, &c, 40, add_trace_over_the_border);
    check_merged(&in, &c, 80, &stats, &merged);
    assert_int_equal(stats.combined_traces, 1);
    /* All large ones but the last of the first input, and the first of all. */
    assert_int_equal(stats.groups_copied, groups_of(&in, 0, 2, LARGE) - 1 + 1);
    block_reader_close(merged);
    inputs_fini(&in);
}

static struct run
with_attr(struct span_batch *b, struct run old, const char *key, int64_t value)
{
    struct run run = {(uint32_t)b->attr_count, old.n + 1};
    for (uint32_t i = 0; i < old.n; i++) {
        struct attr *to = span_batch_add_attr(b);
        *to = b->attrs[old.at + i];
    }
    struct attr *a = span_batch_add_attr(b);
    a->key = (const uint8_t *)key;
    a->key_n = (uint32_t)strlen(key);
    a->kind = VALUE_INT;
    a->i = value;
    return run;
}

static struct run
of_owner(struct span_batch *b, bool own, const char *key, size_t i)
{
    struct run run = with_attr(b, (struct run){0, 0}, "common", (int64_t)i % 5);
    return own ? with_attr(b, run, key, (int64_t)i) : run;
}

/* The first input has attributes that the second lacks, and that the third has too seldom for a column. */
static void
add_own_columns(struct span_batch *b, size_t input)
{
    for (size_t i = 0; i < b->span_count; i++) {
        bool own = input == 0 ? i % 3 == 0 : input == 2 && i == PER_INPUT / 2;
        b->spans[i].attrs = of_owner(b, own, "only.first", i);
    }
    for (size_t i = 0; i < b->event_count; i++) {
        b->events[i].attrs = of_owner(b, input == 0, "of.event", i);
    }
    for (size_t i = 0; i < b->link_count; i++) {
        b->links[i].attrs = of_owner(b, input == 0, "of.link", i);
    }
    for (size_t i = 0; i < b->resource_count; i++) {
        b->resources[i].attrs = of_owner(b, input != 1, "of.resource", 7);
        b->resources[i].has_resource = true;
    }
    for (size_t i = 0; i < b->scope_count; i++) {
        b->scopes[i].attrs = of_owner(b, input != 1, "of.scope", 7);
        b->scopes[i].has_scope = true;
    }
}

/* Values in the attribute's column of a row group; -1: it has none. */
static int64_t
values_in_column(struct block_reader *r, uint32_t group, enum block_scope scope, slice key)
{
    const struct block_attr_column *a = block_schema_attr(block_reader_schema(r), scope, VALUE_INT, key);
    if (a == NULL) {
        return -1;
    }
    const struct parquet_chunk *c = parquet_meta_chunk(block_reader_file(r)->meta, group, (size_t)a->column);
    return (int64_t)(c->value_count - c->null_count);
}

static void
a_column_that_an_input_lacks_is_empty_unless_its_values_stand_elsewhere(void **state)
{
    struct inputs in = {.count = 0};
    struct block_merge_stats stats;
    struct block_reader *merged = NULL;
    int64_t values = 0, events = 0, resources = 0, scopes = 0;
    (void)state;
    make(&in, &alike, 40, add_own_columns);
    assert_int_equal(values_in_column(in.reader[1], 0, BLOCK_SPAN, SL("only.first")), -1);
    assert_int_equal(values_in_column(in.reader[1], 0, BLOCK_EVENT, SL("of.event")), -1);
    assert_int_equal(values_in_column(in.reader[2], 0, BLOCK_SPAN, SL("only.first")), -1);
    assert_int_equal(values_in_column(in.reader[1], 0, BLOCK_RESOURCE, SL("of.resource")), -1);
    check_merged(&in, &alike, 120, &stats, &merged);
    const struct parquet_meta *m = block_reader_file(merged)->meta;
    for (uint32_t g = 0; g < m->row_group_count; g++) {
        values += values_in_column(merged, g, BLOCK_SPAN, SL("only.first"));
        events += values_in_column(merged, g, BLOCK_EVENT, SL("of.event"));
        resources += values_in_column(merged, g, BLOCK_RESOURCE, SL("of.resource"));
        scopes += values_in_column(merged, g, BLOCK_INSTRUMENTATION, SL("of.scope"));
    }
    assert_int_equal(events, in.batch[0].event_count);
    assert_int_equal(resources, 2 * PER_INPUT);
    assert_int_equal(scopes, 2 * PER_INPUT);
    assert_int_equal(values, (PER_INPUT + 2) / 3 + 1); /* also the one that was in a generic list */
    assert_true(stats.groups_copied >= groups_of(&in, 0, 2, LARGE));
    assert_true(stats.groups_copied <= groups_of(&in, 0, 3, LARGE));
    block_reader_close(merged);
    inputs_fini(&in);
}

static void
small_row_groups_are_joined(void **state)
{
    struct case_of c = alike;
    struct inputs in = {.count = 0};
    struct block_merge_stats stats;
    struct block_reader *merged = NULL;
    (void)state;
    c.group_rows = 40;
    make(&in, &c, 40, NULL);
    assert_true(groups_of(&in, 0, 3, 1) >= 30);
    check_merged(&in, &c, 120, &stats, &merged);
    assert_int_equal(stats.groups_copied, 0);
    assert_true(block_reader_file(merged)->meta->row_group_count <= 3 * PER_INPUT / LARGE);
    block_reader_close(merged);
    inputs_fini(&in);
}

static void
a_span_that_stands_twice_in_one_row_group_stands_once(void **state)
{
    struct case_of c = alike;
    struct inputs in = {.count = 1};
    struct block_merge_stats stats;
    struct block_meta meta;
    struct block_reader *merged = NULL;
    struct fault f = {0};
    (void)state;
    c.inputs = 1;
    fill(&in.batch[0], &c, 0, 40);
    in.batch[0].spans[203].id = in.batch[0].spans[207].id; /* of one trace */
    in.batch[0].spans[203].kind = in.batch[0].spans[207].kind;
    in.batch[0].spans[213].id = in.batch[0].spans[218].id; /* Zipkin's shared ids are not the same span */
    in.batch[0].spans[213].kind = in.batch[0].spans[218].kind + 1;
    publish_batch(&in.batch[0], &c, &in.meta[0], &in.reader[0]);
    assert_ok(merge(&in, &c, NULL, &f, &meta, &stats), &f);
    assert_int_equal(stats.duplicate_spans, 1);
    assert_int_equal(meta.spans, PER_INPUT - 1);
    assert_int_equal(stats.groups_copied, groups_of(&in, 0, 1, LARGE)); /* one more is large, and one first */
    assert_ok(block_reader_open(block_dir(&meta.id), &f, &merged), &f);
    block_reader_close(merged);
    block_meta_fini(&meta);
    inputs_fini(&in);
}

static void
a_copy_that_fails_anywhere_leaves_no_block(void **state)
{
    struct case_of c = alike;
    struct inputs in = {.count = 0};
    struct block_merge_stats stats;
    struct failing x = {.reached = true};
    size_t failed = 0;
    (void)state;
    c.inputs = 2;
    make(&in, &c, 40, NULL);
    size_t before = listed();
    for (int n = 0; x.reached; n += n < 20 ? 1 : n < 300 ? 3 : 17) {
        struct block_meta meta;
        struct fault f = {0};
        x = (struct failing){.countdown = n};
        file_set_hook(fail_at, &x);
        err rc = merge(&in, &c, NULL, &f, &meta, &stats);
        file_set_hook(NULL, NULL);
        assert_true(x.reached ? rc == ERR_IO || rc == OK : rc == OK);
        failed += rc != OK;
        if (rc == OK) {
            assert_true(stats.spans_copied > PER_INPUT);
            assert_ok(block_remove(tenant_dir(), &meta.id, &f), &f);
            block_meta_fini(&meta);
        } else {
            assert_true(f.msg[0] != 0);
        }
        assert_int_equal(listed(), before);
    }
    assert_true(failed > 50);
    inputs_fini(&in);
}

static void
memory_to_copy_with_is_reserved_and_without_it_all_is_decoded(void **state)
{
    struct case_of c = alike;
    struct inputs in = {.count = 0};
    struct block_merge_stats stats = {.spans_copied = 0};
    struct budget budget;
    size_t refused = 0;
    (void)state;
    c.inputs = 2;
    make(&in, &c, 40, NULL);
    size_t before = listed();
    for (size_t max = 1 << 20; stats.spans_copied == 0; max += max / 8) {
        struct block_meta meta;
        struct fault f = {0};
        budget_init(&budget, "test", NULL, max);
        err rc = merge(&in, &c, &budget, &f, &meta, &stats);
        assert_int_equal(budget_used(&budget), 0);
        assert_true(rc == OK || rc == ERR_LIMIT);
        refused += rc == ERR_LIMIT;
        if (rc == OK) {
            assert_true(stats.spans_copied == 0 || max > 6 << 20);
            assert_int_equal(meta.spans, 2 * PER_INPUT);
            assert_ok(block_remove(tenant_dir(), &meta.id, &f), &f);
            block_meta_fini(&meta);
        }
    }
    assert_true(refused > 0);
    assert_int_equal(listed(), before);
    inputs_fini(&in);
}

/* Read all of a merged block. */
static void
must_be_readable(const struct block_meta *meta, uint64_t spans)
{
    struct block_reader *r = NULL;
    struct span_batch all;
    struct fault f = {0};
    span_batch_init(&all, 0);
    assert_ok(block_reader_open(block_dir(&meta->id), &f, &r), &f);
    read_all(r, &all);
    assert_int_equal(all.span_count, spans);
    span_batch_fini(&all);
    block_reader_close(r);
}

static void
a_damaged_row_group_is_not_copied_on(void **state)
{
    struct case_of c = alike;
    struct inputs in = {.count = 0};
    struct fault f = {0};
    struct rng rng;
    char path[256];
    uint8_t *p = NULL;
    size_t size = 0, refused = 0, merged = 0;
    (void)state;
    c.inputs = 2;
    make(&in, &c, 40, NULL);
    rng_seed(&rng, 22);
    snprintf(path, sizeof path, "%s/spans.parquet", block_dir(&in.meta[1].id));
    assert_ok(file_read_all(path, 1 << 24, &f, &p, &size), &f);
    size_t before = listed();
    for (size_t n = 0; n < 600; n++) {
        uint8_t *copy = mem_alloc(size);
        slice bytes = slice_of(copy, size);
        struct parquet_source source = parquet_source_of(&bytes);
        struct inputs two = in;
        struct block_merge_stats stats;
        struct block_meta meta;
        memcpy(copy, p, size);
        copy[n % 2 ? rng_below(&rng, size) : size - 1 - rng_below(&rng, size / 4)] ^= /* footer and indexes */
            (uint8_t)(1U << rng_below(&rng, 8));
        f = (struct fault){0};
        if (block_reader_open_source(&source, "damaged", &f, &two.reader[1]) == OK) {
            err rc = merge(&two, &c, NULL, &f, &meta, &stats);
            refused += rc != OK;
            if (rc == OK) {
                merged++;
                must_be_readable(&meta, 2 * PER_INPUT);
                assert_ok(block_remove(tenant_dir(), &meta.id, &f), &f);
                block_meta_fini(&meta);
            } else {
                assert_true(rc == ERR_CORRUPT || rc == ERR_UNSUPPORTED || rc == ERR_LIMIT ||
                            rc == ERR_INVALID);
                assert_true(f.msg[0] != 0);
                if (rc == ERR_CORRUPT && stats.bad_input != 1) {
                    fail_msg("%s: input %zu", f.msg, stats.bad_input);
                }
            }
            block_reader_close(two.reader[1]);
        }
        mem_free(copy);
    }
    assert_true(refused > 150 && merged > 20);
    assert_int_equal(listed(), before);
    mem_free(p);
    inputs_fini(&in);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_groups_with_traces_of_their_own_keep_their_bytes),
        cmocka_unit_test(traces_at_the_borders_are_put_together_and_the_rest_is_copied),
        cmocka_unit_test(a_trace_of_three_blocks_is_whole_between_copied_row_groups),
        cmocka_unit_test(a_long_trace_that_goes_on_leaves_the_row_groups_between_alone),
        cmocka_unit_test(a_column_that_an_input_lacks_is_empty_unless_its_values_stand_elsewhere),
        cmocka_unit_test(small_row_groups_are_joined),
        cmocka_unit_test(a_span_that_stands_twice_in_one_row_group_stands_once),
        cmocka_unit_test(a_copy_that_fails_anywhere_leaves_no_block),
        cmocka_unit_test(memory_to_copy_with_is_reserved_and_without_it_all_is_decoded),
        cmocka_unit_test(a_damaged_row_group_is_not_copied_on),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
