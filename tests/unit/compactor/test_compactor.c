/* Small blocks become large ones, old ones go, and no crash or full disk loses or doubles a span. */
#include "compactor_priv.h"
#include "unit/block/block_test.h"

#include "vivace/base/clock.h"
#include "vivace/base/file.h"
#include "vivace/base/table.h"

#include <errno.h>
#include <time.h>

#define TENANT SL("tenant-a")
#define HOUR   (3600 * NS_PER_S)
#define NOW    (INT64_C(1700000000) / 3600 * HOUR + HOUR / 2) /* in the middle of a window */

struct fixture {
    struct block_store *store;
    struct compactor *c;
    uint64_t next_id, total, space;
    struct compactor_limits limits;
    struct compactor_options o;
};

static err
space_of(void *ctx, uint64_t *ret_total, uint64_t *ret_free)
{
    struct fixture *x = ctx;
    *ret_total = x->total;
    *ret_free = x->space;
    return OK;
}

static void
limits_of(void *ctx, slice tenant, struct compactor_limits *ret)
{
    struct fixture *x = ctx;
    (void)tenant;
    *ret = x->limits;
}

static void
store_open(struct fixture *x)
{
    struct block_store_options o = {.path = blocks_dir()};
    struct fault f = {0};
    assert_ok(block_store_open(&o, &f, &x->store), &f);
    x->o.store = x->store;
    x->o.path = test_dir;
    x->o.space = space_of;
    x->o.space_ctx = x;
    x->o.limits = limits_of;
    x->o.limits_ctx = x;
    x->c = compactor_create(&x->o);
}

static void
store_close(struct fixture *x)
{
    compactor_destroy(x->c);
    block_store_close(x->store);
}

static struct fixture
begin(void)
{
    struct fixture x = {.total = UINT64_C(100) << 30, .space = UINT64_C(50) << 30};
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", blocks_dir());
    assert_int_equal(system(command), 0);
    clock_fake(NOW, NS_PER_S);
    x.o.max_objects = 6000000;
    x.o.compacted_block_retention_ns = HOUR;
    return x;
}

/* Publish `n` spans whose newest ends at `end_ns`, and serve them. */
static void
add_block(struct fixture *x, size_t n, int64_t end_ns, uint32_t level)
{
    struct span_random r = {.traces = 40, .few_values = true};
    struct block_builder_options o = {.tenant = TENANT};
    struct block_publish p = {.dir = tenant_dir(), .level = level};
    struct block_swap swap = {.tenant = TENANT, .add_count = 1};
    struct block_builder *b = NULL;
    struct span_batch batch;
    struct block_meta meta;
    struct fault f = {0};
    rng_seed(&r.rng, x->next_id + 1);
    span_batch_init(&batch, 0);
    random_spans(&r, &batch, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t id = ++x->next_id;
        memcpy(batch.spans[i].id.b, &id, sizeof id);
        batch.spans[i].end_ns = (uint64_t)end_ns - i * 1000;
        batch.spans[i].start_ns = batch.spans[i].end_ns - 500;
    }
    assert_ok(block_builder_create(&o, &f, &b), &f);
    assert_ok(block_builder_add(b, &batch, &f), &f);
    assert_ok(block_builder_publish(b, &p, &f, &meta), &f);
    swap.add = &meta;
    assert_ok(block_store_swap(x->store, &swap, 1, NULL, NULL, &f), &f);
    block_meta_fini(&meta);
    block_builder_destroy(b);
    span_batch_fini(&batch);
}

struct content {
    size_t blocks;
    uint64_t spans, sum; /* of span ids, hashed: each span once */
    uint32_t max_level;
};

static struct content
content_of(struct block_store *s)
{
    const struct block_snapshot *v = block_store_snapshot(s, TENANT);
    struct content x = {.blocks = v->count};
    for (size_t i = 0; i < v->count; i++) {
        struct block_reader *r = NULL;
        struct fault f = {0};
        uint64_t inspected = 0;
        assert_ok(stored_block_open(v->blocks[i], &f, &r), &f);
        x.max_level = v->blocks[i]->meta.level > x.max_level ? v->blocks[i]->meta.level : x.max_level;
        const struct parquet_meta *m = block_reader_file(r)->meta;
        for (uint32_t g = 0; g < m->row_group_count; g++) {
            struct span_batch out;
            span_batch_init(&out, 0);
            assert_ok(block_read_rows(r, g, 0, m->row_groups[g].row_count, &out, &inspected, &f), &f);
            x.spans += out.span_count;
            for (size_t k = 0; k < out.span_count; k++) {
                x.sum += hash_bytes(out.spans[k].id.b, 8, 1);
            }
            span_batch_fini(&out);
        }
        stored_block_done(v->blocks[i]);
    }
    block_snapshot_release(v);
    return x;
}

static size_t
directories(void)
{
    char command[160];
    int n = -1;
    snprintf(command, sizeof command, "ls -A %s | wc -l", tenant_dir());
    FILE *p = popen(command, "r");
    assert_non_null(p);
    assert_int_equal(fscanf(p, "%d", &n), 1);
    pclose(p);
    return (size_t)n;
}

static void
blocks_of_a_window_that_is_over_become_one(void **state)
{
    struct fixture x = begin();
    (void)state;
    store_open(&x);
    for (int i = 0; i < 8; i++) {
        add_block(&x, 100, NOW - HOUR - i * NS_PER_S, 0);
    }
    struct content before = content_of(x.store);
    assert_int_equal(compactor_cycle(x.c), 1);
    struct content after = content_of(x.store);
    assert_int_equal(after.blocks, 1);
    assert_int_equal(after.max_level, 1);
    assert_true(after.spans == before.spans && after.sum == before.sum);
    assert_int_equal(series_value(metric_series1(x.c->m.outstanding, TENANT)), 0);
    assert_int_equal(compactor_cycle(x.c), 0);
    assert_int_equal(directories(), 9); /* its inputs wait for compacted_block_retention */
    clock_fake(NOW + 2 * HOUR, NS_PER_S);
    x.c->o.compacted_block_retention_ns = 0;
    assert_int_equal(compactor_cycle(x.c), 0);
    assert_int_equal(directories(), 1);
    store_close(&x);
}

static void
a_window_that_goes_on_waits_for_four_of_a_level(void **state)
{
    struct fixture x = begin();
    (void)state;
    store_open(&x);
    for (int i = 0; i < 3; i++) {
        add_block(&x, 50, NOW - i * NS_PER_S, 0);
    }
    add_block(&x, 50, NOW, 1);
    assert_int_equal(compactor_cycle(x.c), 0);
    add_block(&x, 50, NOW - NS_PER_S, 0);
    assert_int_equal(compactor_cycle(x.c), 1);
    struct content after = content_of(x.store);
    assert_true(after.blocks == 2 && after.max_level == 1 && after.spans == 250);
    x.limits.disabled = true;
    for (int i = 0; i < 18; i++) {
        add_block(&x, 50, NOW - i * NS_PER_S, 0);
    }
    assert_int_equal(compactor_cycle(x.c), 0); /* compaction_disabled */
    x.limits.disabled = false;
    assert_int_equal(compactor_cycle(x.c), 1); /* as many as wait, sixteen at most */
    after = content_of(x.store);
    assert_true(after.blocks == 5 && after.max_level == 1 && after.spans == 1150);
    store_close(&x);
}

static void
windows_and_bounds_are_kept(void **state)
{
    struct fixture x = begin();
    (void)state;
    store_open(&x);
    for (int i = 0; i < 4; i++) { /* two windows */
        add_block(&x, 100, NOW - (i / 2 + 1) * HOUR, 0);
    }
    assert_int_equal(compactor_cycle(x.c), 2);
    assert_int_equal(content_of(x.store).blocks, 2);
    x.limits.window_ns = 24 * HOUR; /* the tenant's own */
    clock_fake(NOW + 48 * HOUR, NS_PER_S);
    x.c->o.max_objects = 45; /* 40 traces a block */
    assert_int_equal(compactor_cycle(x.c), 0);
    x.c->o.max_objects = 0;
    x.c->o.max_block_bytes = 1000;
    assert_int_equal(compactor_cycle(x.c), 0);
    x.c->o.max_block_bytes = 0;
    assert_int_equal(compactor_cycle(x.c), 1);
    assert_int_equal(content_of(x.store).blocks, 1);
    store_close(&x);
}

static void
a_large_block_is_not_rewritten_for_a_few_late_spans(void **state)
{
    struct fixture x = begin();
    (void)state;
    store_open(&x);
    add_block(&x, 4000, NOW - HOUR, 2);
    add_block(&x, 5, NOW - HOUR, 0);
    assert_int_equal(compactor_cycle(x.c), 0);
    add_block(&x, 5, NOW - HOUR, 0);
    assert_int_equal(compactor_cycle(x.c), 1); /* the two late ones */
    assert_int_equal(content_of(x.store).blocks, 2);
    store_close(&x);
}

static void
damage(const struct block_meta *m)
{
    char path[256];
    snprintf(path, sizeof path, "%s/spans.parquet", block_dir(&m->id));
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 200, SEEK_SET), 0);
    assert_int_equal(fwrite("broken", 6, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static void
a_corrupt_block_is_left_alone_and_the_others_go_on(void **state)
{
    struct fixture x = begin();
    (void)state;
    store_open(&x);
    for (int i = 0; i < 4; i++) {
        add_block(&x, 100, NOW - HOUR - i * NS_PER_S, 0);
    }
    const struct block_snapshot *v = block_store_snapshot(x.store, TENANT);
    damage(&v->blocks[1]->meta);
    block_snapshot_release(v);
    double errors = series_value(x.c->m.errors);
    assert_int_equal(compactor_cycle(x.c), 0);
    assert_int_equal(series_value(x.c->m.errors) - errors, 1);
    assert_int_equal(compactor_cycle(x.c), 1); /* the three others */
    v = block_store_snapshot(x.store, TENANT);
    assert_int_equal(v->count, 2); /* what can be read of it is still served */
    block_snapshot_release(v);
    assert_int_equal(compactor_cycle(x.c), 0);
    assert_int_equal(series_value(x.c->m.errors) - errors, 1);
    clock_fake(NOW, 2 * HOUR); /* tried again after an hour */
    assert_int_equal(compactor_cycle(x.c), 0);
    assert_int_equal(series_value(x.c->m.errors) - errors, 2);
    store_close(&x);
}

static void
a_merged_block_with_a_damaged_page_is_made_again_of_its_inputs(void **state)
{
    struct fixture x = begin();
    (void)state;
    store_open(&x);
    for (int i = 0; i < 4; i++) {
        add_block(&x, 100, NOW - HOUR - i * NS_PER_S, 0);
    }
    assert_int_equal(compactor_cycle(x.c), 1);
    const struct block_snapshot *v = block_store_snapshot(x.store, TENANT);
    assert_int_equal(v->count, 1);
    damage(&v->blocks[0]->meta);
    block_snapshot_release(v);
    for (int i = 0; i < 3; i++) {
        add_block(&x, 100, NOW - HOUR - i * NS_PER_S, 0);
    }
    double errors = series_value(x.c->m.errors);
    assert_int_equal(compactor_cycle(x.c), 0);
    assert_int_equal(series_value(x.c->m.errors) - errors, 1);
    assert_int_equal(content_of(x.store).blocks, 7);
    while (compactor_cycle(x.c)) {
    }
    struct content all = content_of(x.store);
    assert_true(all.blocks == 1 && all.spans == 700);
    assert_int_equal(series_value(x.c->m.errors) - errors, 1);
    store_close(&x);
    store_open(&x);
    assert_int_equal(content_of(x.store).spans, 700);
    store_close(&x);
}

static bool
flag(void *ctx)
{
    const bool *set = ctx;
    return *set;
}

static void
nothing_is_merged_while_blocks_are_being_written_but_that_ends(void **state)
{
    struct fixture x = begin();
    bool busy = true;
    (void)state;
    x.o.busy = flag;
    x.o.busy_ctx = &busy;
    store_open(&x);
    for (int i = 0; i < 4; i++) {
        add_block(&x, 100, NOW - HOUR - i * NS_PER_S, 0);
    }
    assert_int_equal(compactor_cycle(x.c), 0);
    assert_int_equal(content_of(x.store).blocks, 4);
    busy = false;
    assert_int_equal(compactor_cycle(x.c), 1);
    for (int i = 0; i < 4; i++) {
        add_block(&x, 100, NOW - HOUR - i * NS_PER_S, 0);
    }
    busy = true;
    assert_int_equal(compactor_cycle(x.c), 0);
    clock_fake(NOW, 599 * NS_PER_S);
    assert_int_equal(compactor_cycle(x.c), 0);
    clock_fake(NOW, 602 * NS_PER_S);
    assert_true(compactor_cycle(x.c) > 0);
    struct content after = content_of(x.store);
    assert_true(after.blocks <= 2 && after.spans == 800);
    x.c->o.block_retention_ns = HOUR / 2; /* goes on all the while */
    assert_int_equal(compactor_cycle(x.c), 0);
    assert_int_equal(content_of(x.store).blocks, 0);
    store_close(&x);
}

static void
a_disk_that_is_nearly_full_stops_merges_and_not_for_ever(void **state)
{
    struct fixture x = begin();
    (void)state;
    store_open(&x);
    for (int i = 0; i < 4; i++) {
        add_block(&x, 100, NOW - HOUR - i * NS_PER_S, 0);
    }
    x.space = (UINT64_C(1) << 30) + 100; /* the reserve, and no room for the result */
    double errors = series_value(x.c->m.errors);
    assert_int_equal(compactor_cycle(x.c), 0);
    assert_int_equal(content_of(x.store).blocks, 4);
    assert_int_equal(series_value(x.c->m.paused), 1);
    assert_int_equal(series_value(x.c->m.errors), errors);
    x.space = UINT64_C(2) << 30;
    assert_int_equal(compactor_cycle(x.c), 1);
    assert_int_equal(series_value(x.c->m.paused), 0);
    x.total = 1000; /* a small disk has a small reserve */
    x.space = 51;
    struct fault f = {0};
    assert_int_equal(compactor_space(x.c, 1, &f), OK);
    assert_int_equal(compactor_space(x.c, 2, &f), ERR_UNAVAILABLE);
    store_close(&x);
}

static void
blocks_past_their_retention_are_deleted(void **state)
{
    struct fixture x = begin();
    (void)state;
    x.o.block_retention_ns = 48 * HOUR;
    x.limits.disabled = true;
    store_open(&x);
    add_block(&x, 50, NOW - HOUR, 0);
    add_block(&x, 50, NOW - 47 * HOUR, 0);
    add_block(&x, 50, NOW - 49 * HOUR, 0);
    double marked = series_value(x.c->m.marked), deleted = series_value(x.c->m.deleted);
    const struct block_snapshot *held = block_store_snapshot(x.store, TENANT);
    (void)compactor_cycle(x.c);
    assert_int_equal(content_of(x.store).blocks, 2);
    assert_int_equal(series_value(x.c->m.marked) - marked, 1);
    x.c->o.compacted_block_retention_ns = -HOUR; /* now */
    (void)compactor_cycle(x.c);
    assert_int_equal(directories(), 3); /* somebody reads it */
    assert_int_equal(series_value(x.c->m.deleted), deleted);
    block_snapshot_release(held);
    (void)compactor_cycle(x.c);
    assert_int_equal(directories(), 2);
    assert_int_equal(series_value(x.c->m.deleted) - deleted, 1);
    x.limits.block_retention_ns = 2 * HOUR; /* the tenant's own */
    (void)compactor_cycle(x.c);
    assert_int_equal(content_of(x.store).blocks, 1);
    x.limits.block_retention_ns = 0;
    x.c->o.block_retention_ns = 0; /* for ever */
    clock_fake(NOW + 100000 * HOUR, NS_PER_S);
    (void)compactor_cycle(x.c);
    assert_int_equal(content_of(x.store).blocks, 1);
    store_close(&x);
    store_open(&x); /* deleted is deleted after a start, too */
    assert_int_equal(content_of(x.store).blocks, 1);
    store_close(&x);
}

static void
over_the_size_the_oldest_blocks_go(void **state)
{
    struct fixture x = begin();
    (void)state;
    x.limits.disabled = true;
    store_open(&x);
    for (int i = 0; i < 6; i++) {
        add_block(&x, 200, NOW - i * HOUR, 0);
    }
    struct block_store_stats st;
    block_store_stats(x.store, &st);
    uint64_t all = st.bytes;
    x.c->o.retention_bytes = all;
    (void)compactor_cycle(x.c);
    assert_int_equal(content_of(x.store).blocks, 6);
    x.c->o.retention_bytes = all / 2;
    (void)compactor_cycle(x.c);
    block_store_stats(x.store, &st);
    assert_true(st.bytes <= all / 2 && st.bytes > all / 4 && st.compacted_bytes == 0);
    assert_int_equal(directories(), content_of(x.store).blocks); /* without waiting */
    const struct block_snapshot *v = block_store_snapshot(x.store, TENANT);
    assert_int_equal(v->blocks[0]->meta.max_end_ns, NOW); /* the newest stay */
    block_snapshot_release(v);
    store_close(&x);
}

static void
replaced_blocks_go_before_served_ones(void **state)
{
    struct fixture x = begin();
    (void)state;
    store_open(&x);
    for (int i = 0; i < 4; i++) {
        add_block(&x, 300, NOW - HOUR - i * NS_PER_S, 0);
    }
    assert_int_equal(compactor_cycle(x.c), 1);
    struct block_store_stats st;
    block_store_stats(x.store, &st);
    assert_int_equal(st.compacted_blocks, 4);
    x.c->o.retention_bytes = st.bytes + st.compacted_bytes / 2;
    (void)compactor_cycle(x.c);
    assert_int_equal(content_of(x.store).spans, 1200);
    assert_int_equal(directories(), 1);
    store_close(&x);
}

struct failing {
    int countdown;
    bool reached, dead; /* dead: everything after it fails, too: the process was killed there */
};

static int
fail_at(void *ctx, enum file_op op, const char *path, size_t bytes)
{
    struct failing *x = ctx;
    (void)path;
    (void)bytes;
    if (op == FILE_READ) {
        return 0;
    }
    if (x->countdown-- == 0 || (x->reached && x->dead)) {
        x->reached = true;
        return EIO;
    }
    return 0;
}

/* A failing or dying disk at each operation that changes it; then a start. */
static void
no_failure_loses_or_doubles_a_span(void **state)
{
    (void)state;
    for (int dead = 0; dead < 2; dead++) {
        struct failing f = {.reached = true};
        for (int n = 0; f.reached; n++) {
            struct fixture x = begin();
            store_open(&x);
            for (int i = 0; i < 3; i++) {
                add_block(&x, 60, NOW - HOUR - i * NS_PER_S, 0);
            }
            struct content before = content_of(x.store);
            f = (struct failing){.countdown = n, .dead = dead};
            file_set_hook(fail_at, &f);
            (void)compactor_cycle(x.c);
            if (dead) {
                store_close(&x);
                file_set_hook(NULL, NULL);
            } else {
                file_set_hook(NULL, NULL);
                struct content still = content_of(x.store);
                assert_true(still.spans == before.spans && still.sum == before.sum);
                (void)compactor_cycle(x.c); /* the disk works again */
                store_close(&x);
            }
            store_open(&x);
            struct content after = content_of(x.store);
            assert_true(after.spans == before.spans && after.sum == before.sum);
            (void)compactor_cycle(x.c);
            after = content_of(x.store);
            assert_true(after.spans == before.spans && after.sum == before.sum && after.blocks == 1);
            store_close(&x);
        }
    }
}

static void
it_stops_while_it_merges(void **state)
{
    struct fixture x = begin();
    (void)state;
    store_open(&x);
    for (int i = 0; i < 4; i++) {
        add_block(&x, 20000, NOW - HOUR - i * NS_PER_S, 0);
    }
    clock_real();
    x.c->o.cycle_ns = 10 * NS_PER_MS;
    compactor_start(x.c);
    compactor_poke(x.c);
    nanosleep(&(struct timespec){.tv_nsec = 60 * NS_PER_MS}, NULL);
    int64_t at = clock_mono_ns();
    compactor_destroy(x.c);
    assert_true(clock_mono_ns() - at < 2 * NS_PER_S); /* usually some ms; a test machine is slow */
    block_store_close(x.store);
    store_open(&x);
    assert_int_equal(content_of(x.store).spans, 80000);
    assert_true(directories() <= 5);
    store_close(&x);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_a_window_that_is_over_become_one),
        cmocka_unit_test(a_window_that_goes_on_waits_for_four_of_a_level),
        cmocka_unit_test(windows_and_bounds_are_kept),
        cmocka_unit_test(a_large_block_is_not_rewritten_for_a_few_late_spans),
        cmocka_unit_test(a_corrupt_block_is_left_alone_and_the_others_go_on),
        cmocka_unit_test(a_merged_block_with_a_damaged_page_is_made_again_of_its_inputs),
        cmocka_unit_test(nothing_is_merged_while_blocks_are_being_written_but_that_ends),
        cmocka_unit_test(a_disk_that_is_nearly_full_stops_merges_and_not_for_ever),
        cmocka_unit_test(blocks_past_their_retention_are_deleted),
        cmocka_unit_test(over_the_size_the_oldest_blocks_go),
        cmocka_unit_test(replaced_blocks_go_before_served_ones),
        cmocka_unit_test(no_failure_loses_or_doubles_a_span),
        cmocka_unit_test(it_stops_while_it_merges),
    };
    return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
