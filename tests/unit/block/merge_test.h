/* What the tests of merging share: inputs of random spans, and what the result must hold. */
#pragma once

#include "block_test.h"

#include "vivace/base/budget.h"
#include "vivace/base/file.h"
#include "vivace/base/table.h"
#include "vivace/block/merge.h"
#include "vivace/parquet/record.h"

#include <errno.h>

#define INPUTS_MAX 8

struct case_of {
    uint64_t seed;
    size_t inputs, spans_each, traces;
    uint32_t group_rows, page_rows, out_rows;
    bool bad_text, few_values, in_time; /* in_time: each input is later than the one before */
};

struct inputs {
    struct span_batch batch[INPUTS_MAX];
    struct block_meta meta[INPUTS_MAX];
    struct block_reader *reader[INPUTS_MAX];
    size_t count;
};

/* Ids that never repeat; times in order of the inputs when asked for. */
static inline void
make_unique(struct span_batch *b, size_t input, uint64_t *next, const struct case_of *c)
{
    for (size_t i = 0; i < b->span_count; i++) {
        struct span *s = &b->spans[i];
        uint64_t id = ++*next;
        memcpy(s->id.b, &id, sizeof id);
        if (i % 4) {
            memcpy(s->parent.b, &(uint64_t){id - 1 - i % 3}, sizeof id);
        }
        if (c->in_time) {
            s->start_ns = 1700000000000000000U + (input * 1000 + i) * 1000000;
            s->end_ns = s->start_ns + 5000;
        }
    }
}

static inline void
publish_batch(const struct span_batch *batch, const struct case_of *c, struct block_meta *meta,
              struct block_reader **reader)
{
    struct block_builder_options o = {
        .tenant = SL("tenant-a"), .row_group_rows = c->group_rows, .page_rows = c->page_rows};
    struct block_publish p = {.dir = tenant_dir()};
    struct block_builder *b = NULL;
    struct fault f = {0};
    assert_ok(block_builder_create(&o, &f, &b), &f);
    assert_ok(block_builder_add(b, batch, &f), &f);
    assert_ok(block_builder_publish(b, &p, &f, meta), &f);
    assert_ok(block_reader_open(block_dir(&meta->id), &f, reader), &f);
    block_builder_destroy(b);
}

static inline void
inputs_make(struct inputs *in, const struct case_of *c)
{
    struct span_random r = {.traces = c->traces, .bad_text = c->bad_text, .few_values = c->few_values};
    uint64_t next = 0;
    rng_seed(&r.rng, c->seed);
    in->count = c->inputs;
    for (size_t i = 0; i < c->inputs; i++) {
        span_batch_init(&in->batch[i], 0);
        r.few_values = c->few_values ^ (i % 2); /* schemas differ */
        random_spans(&r, &in->batch[i], c->spans_each);
        make_unique(&in->batch[i], i, &next, c);
        publish_batch(&in->batch[i], c, &in->meta[i], &in->reader[i]);
    }
}

static inline void
inputs_fini(struct inputs *in)
{
    for (size_t i = 0; i < in->count; i++) {
        block_reader_close(in->reader[i]);
        block_meta_fini(&in->meta[i]);
        span_batch_fini(&in->batch[i]);
    }
}

static inline err
merge(const struct inputs *in, const struct case_of *c, struct budget *budget, struct fault *f,
      struct block_meta *meta, struct block_merge_stats *stats)
{
    struct block_merge_options o = {
        .inputs = in->reader,
        .input_count = in->count,
        .tenant = SL("tenant-a"),
        .budget = budget,
        .row_group_rows = c->out_rows,
        .page_rows = c->page_rows,
    };
    struct block_publish p = {.dir = tenant_dir(), .level = 1};
    return block_merge(&o, &p, f, meta, stats);
}

/* Sum of hashes of the spans, each as a request of its own with its resource and scope. */
static inline uint64_t
sum_of(const struct span_batch *b, uint64_t seed)
{
    struct span_batch one;
    struct buf bytes;
    uint64_t sum = 0;
    span_batch_init(&one, 0);
    buf_init(&bytes, 1 << 24);
    for (size_t i = 0; i < b->span_count; i++) {
        struct span_copy_memo memo = {0};
        span_batch_reset(&one);
        buf_clear(&bytes);
        assert_int_equal(span_batch_copy_span(&one, b, i, false, &memo), OK);
        assert_int_equal(otlp_encode(&one, &bytes), OK);
        sum += hash_bytes(bytes.p, bytes.n, seed);
    }
    buf_fini(&bytes);
    span_batch_fini(&one);
    return sum;
}

static inline void
read_all(struct block_reader *r, struct span_batch *out)
{
    struct fault f = {0};
    uint64_t inspected = 0;
    const struct parquet_meta *m = block_reader_file(r)->meta;
    for (uint32_t g = 0; g < m->row_group_count; g++) {
        assert_ok(block_read_rows(r, g, 0, m->row_groups[g].row_count, out, &inspected, &f), &f);
    }
}

/* Traces stand in one run of rows each, by id in a row group unless larger than it. */
static inline void
check_order(struct block_reader *r, uint32_t group_rows)
{
    const struct parquet_meta *m = block_reader_file(r)->meta;
    struct id_table seen;
    trace_id last = {{0}};
    uint64_t run = 0;
    id_table_init(&seen, sizeof(trace_id));
    for (uint32_t g = 0; g < m->row_group_count; g++) {
        struct span_batch out;
        struct fault f = {0};
        uint64_t inspected = 0;
        span_batch_init(&out, 0);
        assert_true(m->row_groups[g].row_count <= group_rows);
        assert_ok(block_read_rows(r, g, 0, m->row_groups[g].row_count, &out, &inspected, &f), &f);
        for (size_t i = 0; i < out.span_count; i++) {
            const trace_id *id = &out.spans[i].trace;
            if (run && trace_id_eq(id, &last)) {
                run++;
                continue;
            }
            if (!(i == 0 || memcmp(id, &last, sizeof last) > 0))
                fail_msg("group %u of %u, row %zu of %zu, rows %u", g, m->row_group_count, i, out.span_count,
                         group_rows);
            assert_int_equal(id_table_get(&seen, id->b), 0);
            *id_table_put(&seen, id->b) = 1;
            last = *id;
            run = 1;
        }
        span_batch_fini(&out);
    }
    id_table_fini(&seen);
}

/* What is said of a row's trace and its place in it, without what depends on the block. */
static inline uint64_t
summary_sum(struct block_reader *r)
{
    static const char *const members[] = {"nested_set_left",   "nested_set_right", "nested_set_parent",
                                          "child_count",       "trace_start_time", "trace_duration_nano",
                                          "root_service_name", "root_span_name",   "trace_services",
                                          "batch_start",       "span_id",          "trace_id",
                                          "resource",          "scope_name"};
    struct parquet_rows *rows = parquet_rows_create(block_reader_file(r), NULL);
    struct fault f = {0};
    struct buf row, kept;
    uint64_t sum = 0;
    err rc = OK;
    buf_init(&row, 1 << 22);
    buf_init(&kept, 1 << 22);
    for (;; buf_clear(&row), buf_clear(&kept)) {
        rc = parquet_rows_next(rows, &row, &f);
        if (rc == ERR_NOT_FOUND) {
            break;
        }
        assert_ok(rc, &f);
        for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
            char name[64];
            snprintf(name, sizeof name, "\"%s\":", members[i]);
            size_t at = slice_find(buf_slice(&row), slice_cstr(name));
            assert_true(at != SIZE_MAX);
            size_t end = at + strlen(name);
            for (int depth = 0, text = 0; end < row.n; end++) {
                uint8_t ch = row.p[end];
                if (text && ch == '\\') {
                    end++;
                    continue;
                }
                text ^= ch == '"';
                depth += !text && (ch == '[' || ch == '{');
                depth -= !text && (ch == ']' || ch == '}');
                if (depth < 0 || (!text && depth == 0 && ch == ',')) {
                    break;
                }
            }
            buf_append(&kept, row.p + at, end - at);
        }
        sum += hash_bytes(kept.p, kept.n, 7);
    }
    buf_fini(&row);
    buf_fini(&kept);
    parquet_rows_destroy(rows);
    return sum;
}

/* The merged block says of its traces what a block made of the same spans at once says. */
static inline void
check_summaries(struct block_reader *merged, const struct case_of *c, uint64_t want)
{
    struct block_meta meta;
    struct block_reader *reference = NULL;
    struct span_batch all;
    struct fault f = {0};
    uint64_t inspected = 0;
    span_batch_init(&all, 0);
    for (size_t i = 0; i < c->traces; i++) {
        trace_id id = random_trace(NULL, i);
        err rc = block_find_trace(merged, &id, &all, &inspected, &f);
        assert_true(rc == OK || rc == ERR_NOT_FOUND);
    }
    assert_int_equal(sum_of(&all, 3), want); /* each found by its id, too */
    publish_batch(&all, c, &meta, &reference);
    span_batch_fini(&all);
    assert_int_equal(summary_sum(merged), summary_sum(reference));
    block_reader_close(reference);
    block_meta_fini(&meta);
}

static inline size_t
listed(void)
{
    struct block_list list;
    struct fault f = {0};
    assert_ok(block_list_scan(blocks_dir(), NULL, NULL, &f, &list), &f);
    size_t n = list.count;
    assert_int_equal(list.problems[BLOCK_PROBLEM_CORRUPT] + list.problems[BLOCK_PROBLEM_FOREIGN], 0);
    block_list_fini(&list);
    return n;
}

struct failing {
    int countdown;
    bool reached;
};

static inline int
fail_at(void *ctx, enum file_op op, const char *path, size_t bytes)
{
    struct failing *x = ctx;
    (void)op;
    (void)path;
    (void)bytes;
    if (x->countdown-- == 0) {
        x->reached = true;
        return EIO;
    }
    return 0;
}
