/* What is served changes in one step, for readers, for a crash and for a failing disk. */
#include "block_test.h"

#include "vivace/base/clock.h"
#include "vivace/base/file.h"
#include "vivace/base/must.h"
#include "vivace/block/store.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define TENANT SL("tenant-a")

static struct block_store *
open_store(struct budget *budget, size_t readers_bytes_max)
{
    struct block_store_options o = {
        .path = blocks_dir(), .budget = budget, .readers_bytes_max = readers_bytes_max};
    struct block_store *s = NULL;
    struct fault f = {0};
    assert_ok(block_store_open(&o, &f, &s), &f);
    return s;
}

static struct block_store_stats
stats_of(struct block_store *s)
{
    struct block_store_stats st;
    block_store_stats(s, &st);
    return st;
}

static size_t
served(struct block_store *s)
{
    const struct block_snapshot *v = block_store_snapshot(s, TENANT);
    size_t n = v->count;
    block_snapshot_release(v);
    return n;
}

static bool
serves(struct block_store *s, const block_uuid *id)
{
    const struct block_snapshot *v = block_store_snapshot(s, TENANT);
    bool found = false;
    for (size_t i = 0; i < v->count; i++) {
        found = found || memcmp(&v->blocks[i]->meta.id, id, sizeof *id) == 0;
    }
    block_snapshot_release(v);
    return found;
}

static void
add(struct block_store *s, const struct block_meta *m)
{
    struct block_swap swap = {.tenant = TENANT, .add = m, .add_count = 1};
    struct fault f = {0};
    assert_ok(block_store_swap(s, &swap, 1, NULL, NULL, &f), &f);
}

static void
a_snapshot_stays_readable_while_its_blocks_are_replaced(void **state)
{
    struct block_meta a, b;
    struct block_reader *r = NULL;
    struct fault f = {0};
    (void)state;
    struct block_store *s = open_store(NULL, 0);
    assert_false(block_store_has_tenant(s, TENANT));
    assert_int_equal(served(s), 0);
    publish_random(1, 50, &a);
    add(s, &a);
    assert_true(block_store_has_tenant(s, TENANT));
    const struct block_snapshot *held = block_store_snapshot(s, TENANT);
    assert_int_equal(held->count, 1);
    publish_replacing(&a.id, 1, &b);
    struct block_swap swap = {
        .tenant = TENANT, .add = &b, .add_count = 1, .gone = held->blocks, .gone_count = 1};
    assert_ok(block_store_swap(s, &swap, 1, NULL, NULL, &f), &f);
    assert_int_equal(held->count, 1); /* as it was */
    assert_memory_equal(&held->blocks[0]->meta.id, &a.id, sizeof a.id);
    assert_true(serves(s, &b.id) && !serves(s, &a.id));
    assert_int_equal(block_store_swap(s, &swap, 1, NULL, NULL, NULL), ERR_NOT_FOUND); /* it is gone already */
    assert_int_equal(served(s), 1);
    assert_int_equal(block_store_sweep(s, INT64_MAX), 0); /* held */
    assert_ok(stored_block_open(held->blocks[0], &f, &r), &f);
    stored_block_done(held->blocks[0]);
    struct block_store_stats st = stats_of(s);
    assert_true(st.blocks == 1 && st.compacted_blocks == 1 && st.compacted_bytes == a.bytes &&
                st.bytes == b.bytes && st.spans == b.spans);
    block_snapshot_release(held);
    assert_int_equal(block_store_sweep(s, 1), 0); /* marked later */
    assert_int_equal(block_store_sweep(s, INT64_MAX), 1);
    st = stats_of(s);
    assert_true(st.blocks == 1 && st.compacted_blocks == 0);
    assert_int_equal(st.open_readers, 1); /* of what took its place, which showed first that it can be read */
    assert_int_equal(access(block_dir(&a.id), F_OK), -1);
    block_store_close(s);
    block_meta_fini(&a);
    block_meta_fini(&b);
}

static err
refuse(void *ctx, struct fault *f)
{
    ++*(int *)ctx;
    return FAULT(f, ERR_UNAVAILABLE, "not now");
}

static void
a_commit_that_fails_changes_nothing(void **state)
{
    struct block_meta a, b;
    struct fault f = {0};
    int calls = 0;
    (void)state;
    struct block_store *s = open_store(NULL, 0);
    publish_random(1, 50, &a);
    publish_random(2, 50, &b);
    add(s, &a);
    const struct block_snapshot *v = block_store_snapshot(s, TENANT);
    struct block_swap swap[2] = {
        {.tenant = TENANT, .add = &b, .add_count = 1, .gone = v->blocks, .gone_count = 1},
        {.tenant = SL("other"), .add = &b, .add_count = 1}};
    const struct block_store_stats before = stats_of(s);
    assert_int_equal(block_store_swap(s, swap, 2, refuse, &calls, &f), ERR_UNAVAILABLE);
    assert_int_equal(calls, 1);
    const struct block_store_stats after = stats_of(s);
    assert_memory_equal(&before, &after, sizeof after);
    assert_true(serves(s, &a.id) && !serves(s, &b.id) && !block_store_has_tenant(s, SL("other")));
    block_snapshot_release(v);
    block_store_close(s);
    s = open_store(NULL, 0); /* nothing was marked on disk */
    assert_int_equal(served(s), 2);
    block_store_close(s);
    block_meta_fini(&a);
    block_meta_fini(&b);
}

static void
tenants_change_together_and_ids_that_name_no_directory_are_refused(void **state)
{
    static const char *const bad[] = {"", ".", "..", "a/b"};
    struct block_meta a, other;
    struct fault f = {0};
    char name[BLOCK_TENANT_MAX + 1], dir[4096];
    (void)state;
    publish_random(1, 50, &a);
    other = a;
    strcpy(other.tenant, "other");
    struct block_store *s = open_store(NULL, 0);
    assert_int_equal(served(s), 1); /* found at start */
    struct block_swap swap[2] = {{.tenant = SL("other"), .add = &other, .add_count = 1},
                                 {.tenant = SL("third"), .add = &other, .add_count = 1}};
    assert_ok(block_store_swap(s, swap, 2, NULL, NULL, &f), &f);
    assert_true(block_store_has_tenant(s, SL("other")) && block_store_has_tenant(s, SL("third")));
    assert_int_equal(stats_of(s).tenants, 3);
    assert_true(block_store_tenant(s, 2, name) && !block_store_tenant(s, 3, name));
    assert_string_equal(name, "third");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(block_store_tenant_dir(s, slice_cstr(bad[i]), dir, NULL), ERR_INVALID);
    }
    assert_int_equal(block_store_tenant_dir(s, slice_of("a\0b", 3), dir, NULL), ERR_INVALID);
    block_store_close(s);
    block_meta_fini(&a);
}

struct failing {
    int countdown;
    size_t seen;
};

static int
fail_from(void *ctx, enum file_op op, const char *path, size_t bytes)
{
    struct failing *x = ctx;
    (void)path;
    (void)bytes;
    if (op == FILE_READ || op == FILE_OPEN) {
        return 0;
    }
    x->seen++;
    return x->countdown-- <= 0 ? EIO : 0;
}

/* A crash (the disk takes nothing more) after `n` operations of replacing a block. */
static bool
replace_and_crash(int n)
{
    struct block_meta a, b;
    struct failing x = {.countdown = n};
    struct fault f = {0};
    publish_random(1, 50, &a);
    struct block_store *s = open_store(NULL, 0);
    const struct block_snapshot *v = block_store_snapshot(s, TENANT);
    assert_int_equal(v->count, 1);
    publish_replacing(&a.id, 1, &b);
    struct block_swap swap = {
        .tenant = TENANT, .add = &b, .add_count = 1, .gone = v->blocks, .gone_count = 1};
    file_set_hook(fail_from, &x);
    assert_ok(block_store_swap(s, &swap, 1, NULL, NULL, &f), &f); /* the step was done */
    block_snapshot_release(v);
    assert_true(serves(s, &b.id) && served(s) == 1);
    const bool marked = block_store_settle(s, NULL) == OK;
    (void)block_store_sweep(s, INT64_MAX);
    const bool failed = x.countdown < 0;
    file_set_hook(NULL, NULL);
    if (!marked) {
        assert_int_equal(access(block_dir(&a.id), F_OK), 0);
        assert_int_equal(stats_of(s).compacted_blocks, 1);
    }
    block_store_close(s);
    s = open_store(NULL, 0); /* the start after the crash: one of the two, and the new one */
    assert_true(serves(s, &b.id) && served(s) == 1);
    assert_int_equal(
        stats_of(s).problems[BLOCK_PROBLEM_CORRUPT] + stats_of(s).problems[BLOCK_PROBLEM_FOREIGN], 0);
    (void)block_store_sweep(s, INT64_MAX);
    block_store_close(s);
    assert_int_equal(access(block_dir(&a.id), F_OK), -1);
    assert_ok(block_remove(tenant_dir(), &b.id, &f), &f);
    block_meta_fini(&a);
    block_meta_fini(&b);
    return failed;
}

static void
a_crash_at_any_step_of_a_replacement_serves_the_new_block_alone(void **state)
{
    int n = 0;
    (void)state;
    while (replace_and_crash(n)) {
        n++;
    }
    assert_true(n >= 6);
}

static void
a_block_is_not_deleted_before_what_it_replaced_is_marked(void **state)
{
    struct block_meta a, b, c;
    struct failing x = {.countdown = 0};
    struct fault f = {0};
    (void)state;
    publish_random(1, 50, &a);
    struct block_store *s = open_store(NULL, 0);
    publish_replacing(&a.id, 1, &b);
    publish_replacing(&b.id, 1, &c);
    for (int i = 0; i < 2; i++) { /* a becomes b becomes c, and nothing can be marked */
        const struct block_snapshot *v = block_store_snapshot(s, TENANT);
        struct block_swap swap = {
            .tenant = TENANT, .add = i ? &c : &b, .add_count = 1, .gone = v->blocks, .gone_count = 1};
        file_set_hook(fail_from, &x);
        assert_ok(block_store_swap(s, &swap, 1, NULL, NULL, &f), &f);
        file_set_hook(NULL, NULL);
        block_snapshot_release(v);
    }
    assert_int_equal(stats_of(s).compacted_blocks, 2);
    x.countdown = 0;
    file_set_hook(fail_from, &x);
    assert_int_equal(block_store_settle(s, NULL), ERR_IO);
    assert_int_equal(block_store_sweep(s, INT64_MAX), 0);
    file_set_hook(NULL, NULL);
    block_store_close(s);
    s = open_store(NULL, 0); /* three blocks that all have meta.json: the last one is served */
    assert_true(serves(s, &c.id) && served(s) == 1);
    assert_int_equal(block_store_sweep(s, INT64_MAX), 2);
    block_store_close(s);
    s = open_store(NULL, 0);
    assert_true(serves(s, &c.id) && served(s) == 1 && stats_of(s).compacted_blocks == 0);
    block_store_close(s);
    block_meta_fini(&a);
    block_meta_fini(&b);
    block_meta_fini(&c);
}

static void
readers_are_kept_up_to_a_bound_and_the_budget(void **state)
{
    struct block_meta m[8];
    struct budget budget;
    struct block_reader *r = NULL, *again = NULL;
    struct fault f = {0};
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        publish_random(i, 50, &m[i]);
    }
    budget_init(&budget, "blocks", NULL, SIZE_MAX);
    struct block_store *s = open_store(&budget, 1); /* as many as are in use */
    const size_t lists = budget_used(&budget);
    assert_true(lists > 8 * 300 && lists < 8 * 1000);
    const struct block_snapshot *v = block_store_snapshot(s, TENANT);
    assert_ok(stored_block_open(v->blocks[0], &f, &r), &f);
    assert_ok(stored_block_open(v->blocks[0], &f, &again), &f);
    assert_ptr_equal(r, again);
    const size_t one = stats_of(s).reader_bytes;
    assert_int_equal(budget_used(&budget), lists + one);
    stored_block_done(v->blocks[0]);
    assert_int_equal(stats_of(s).open_readers, 1); /* still in use */
    stored_block_done(v->blocks[0]);
    assert_int_equal(stats_of(s).open_readers, 0);
    block_snapshot_release(v);
    block_store_close(s);
    s = open_store(&budget, 4 * one);
    v = block_store_snapshot(s, TENANT);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < 8; i++) {
            assert_ok(stored_block_open(v->blocks[i], &f, &r), &f);
            stored_block_done(v->blocks[i]);
            assert_true(stats_of(s).reader_bytes <= 4 * one);
        }
    }
    assert_true(stats_of(s).open_readers >= 2);
    budget.max = budget_used(&budget); /* full: idle ones make room */
    assert_ok(stored_block_open(v->blocks[0], &f, &r), &f);
    budget.max = lists + block_reader_bytes(r); /* room for the one in use alone */
    assert_int_equal(stored_block_open(v->blocks[1], NULL, &again), ERR_LIMIT);
    assert_int_equal(stats_of(s).open_readers, 1);
    budget.max = SIZE_MAX;
    assert_ok(stored_block_open(v->blocks[1], &f, &again), &f);
    stored_block_done(v->blocks[1]);
    stored_block_done(v->blocks[0]);
    block_snapshot_release(v);
    block_store_close(s);
    assert_int_equal(budget_used(&budget), 0);
    for (size_t i = 0; i < 8; i++) {
        block_meta_fini(&m[i]);
    }
}

static void
a_corrupt_block_is_set_aside_and_the_others_are_served(void **state)
{
    struct block_meta m[3];
    struct block_reader *r = NULL;
    struct fault f = {0};
    char path[256];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        publish_random(i, 50, &m[i]);
    }
    snprintf(path, sizeof path, "%s/spans.parquet", block_dir(&m[1].id));
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -100, SEEK_END), 0);
    assert_int_equal(fwrite("garbage of a dying disk", 1, 23, file), 23);
    fclose(file);
    snprintf(path, sizeof path, "%s/spans.parquet", block_dir(&m[2].id));
    struct block_store *s = open_store(NULL, 0);
    assert_int_equal(unlink(path), 0);
    const struct block_snapshot *v = block_store_snapshot(s, TENANT);
    size_t bad = 0;
    for (size_t i = 0; i < 3; i++) {
        f = (struct fault){0};
        err rc = stored_block_open(v->blocks[i], &f, &r);
        if (rc == OK) {
            stored_block_done(v->blocks[i]);
            continue;
        }
        bad++;
        assert_int_equal(rc, ERR_CORRUPT);
        assert_true(strlen(f.msg) > 0);
        assert_int_equal(stored_block_open(v->blocks[i], NULL, &r), ERR_CORRUPT); /* again: counted once */
    }
    assert_int_equal(bad, 2);
    assert_int_equal(stats_of(s).problems[BLOCK_PROBLEM_CORRUPT], 2);
    assert_int_equal(v->count, 3);
    block_snapshot_release(v);
    assert_true(served(s) == 1 && serves(s, &m[0].id));
    assert_int_equal(access(block_dir(&m[1].id), F_OK), 0); /* left where it is */
    block_store_close(s);
    for (size_t i = 0; i < 3; i++) {
        block_meta_fini(&m[i]);
    }
}

static void
a_full_budget_refuses_a_swap_and_changes_nothing(void **state)
{
    struct block_meta a, b;
    struct budget budget;
    (void)state;
    budget_init(&budget, "blocks", NULL, SIZE_MAX);
    struct block_store *s = open_store(&budget, 0);
    publish_random(1, 50, &a);
    publish_random(2, 50, &b);
    add(s, &a);
    budget.max = budget_used(&budget);
    struct block_swap swap = {.tenant = TENANT, .add = &b, .add_count = 1};
    assert_int_equal(block_store_swap(s, &swap, 1, NULL, NULL, NULL), ERR_LIMIT);
    assert_true(served(s) == 1 && serves(s, &a.id));
    block_store_close(s);
    assert_int_equal(budget_used(&budget), 0);
    block_meta_fini(&a);
    block_meta_fini(&b);
}

/* --- readers and swaps at once --- */

struct race {
    struct block_store *s;
    _Atomic bool stop;
    _Atomic int live; /* 1 while the "segment" is live: exactly one of it and the block must be seen */
    _Atomic size_t looks, reads;
};

static err
leave_live(void *ctx, struct fault *f)
{
    (void)f;
    atomic_store(&((struct race *)ctx)->live, 0);
    return OK;
}

static void *
look_on(void *arg)
{
    struct race *x = arg;
    while (!atomic_load(&x->stop)) {
        block_store_look_begin(x->s);
        const int live = atomic_load(&x->live);
        const struct block_snapshot *v = block_store_snapshot(x->s, TENANT);
        block_store_look_end(x->s);
        MUST((size_t)live + v->count == 1);
        for (size_t i = 0; i < v->count; i++) {
            struct block_reader *r = NULL;
            struct fault f = {0};
            MUST(stored_block_open(v->blocks[i], &f, &r) == OK);
            MUST(block_reader_bytes(r) > 0);
            stored_block_done(v->blocks[i]);
            atomic_fetch_add(&x->reads, 1);
        }
        block_snapshot_release(v);
        atomic_fetch_add(&x->looks, 1);
    }
    return NULL;
}

static err
become_live(void *ctx, struct fault *f)
{
    (void)f;
    atomic_store(&((struct race *)ctx)->live, 1);
    return OK;
}

static void
a_look_sees_the_segment_or_its_block_never_both_or_none(void **state)
{
    struct race x = {.s = open_store(NULL, 1)};
    pthread_t threads[3];
    struct fault f = {0};
    (void)state;
    atomic_store(&x.live, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, look_on, &x), 0);
    }
    for (int round = 0; round < 40; round++) {
        struct block_meta m;
        publish_random((uint64_t)round, 30, &m);
        struct block_swap in = {.tenant = TENANT, .add = &m, .add_count = 1};
        assert_ok(block_store_swap(x.s, &in, 1, leave_live, &x, &f), &f);
        const size_t seen = atomic_load(&x.reads);
        while (atomic_load(&x.reads) < seen + 2) {
            sched_yield();
        }
        const struct block_snapshot *v = block_store_snapshot(x.s, TENANT);
        struct block_swap out = {.tenant = TENANT, .gone = v->blocks, .gone_count = v->count};
        assert_ok(block_store_swap(x.s, &out, 1, become_live, &x, &f), &f);
        block_snapshot_release(v);
        (void)block_store_sweep(x.s, INT64_MAX);
        block_meta_fini(&m);
    }
    atomic_store(&x.stop, true);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    (void)block_store_sweep(x.s, INT64_MAX);
    assert_int_equal(stats_of(x.s).compacted_blocks + stats_of(x.s).blocks, 0);
    block_store_close(x.s);
}

static void
ten_thousand_blocks_are_open_within_a_second_of_work(void **state)
{
    struct block_meta m;
    struct rusage before, after;
    struct buf json;
    char path[4096];
    (void)state;
    publish_random(1, 20, &m);
    buf_init(&json, BLOCK_META_MAX);
    for (size_t i = 1; i < 10000; i++) {
        m.id = block_uuid_new();
        m.bytes = 4;
        snprintf(path, sizeof path, "%s", block_dir(&m.id));
        assert_int_equal(mkdir(path, 0750), 0);
        buf_clear(&json);
        assert_int_equal(block_meta_write(&m, &json), OK);
        for (int k = 0; k < 2; k++) {
            snprintf(path, sizeof path, "%s/%s", block_dir(&m.id), k ? "spans.parquet" : "meta.json");
            FILE *file = fopen(path, "wb");
            assert_non_null(file);
            slice s = k ? SL("PAR1") : buf_slice(&json);
            assert_int_equal(fwrite(s.p, 1, s.n, file), s.n);
            fclose(file);
        }
    }
    getrusage(RUSAGE_SELF, &before);
    struct block_store *s = open_store(NULL, 0);
    getrusage(RUSAGE_SELF, &after);
    assert_int_equal(served(s), 10000);
    double cpu = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) +
                 (double)(after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
                 (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec) / 1e6 +
                 (double)(after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6;
    print_message("10000 blocks: %.3f s of CPU, %ld KiB more\n", cpu, after.ru_maxrss - before.ru_maxrss);
#ifndef VIVACE_DEBUG
    assert_true(cpu < 1);
#else
    assert_true(cpu < 10);
#endif
    block_store_close(s);
    buf_fini(&json);
    block_meta_fini(&m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_snapshot_stays_readable_while_its_blocks_are_replaced, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(a_commit_that_fails_changes_nothing, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(tenants_change_together_and_ids_that_name_no_directory_are_refused,
                                        make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_crash_at_any_step_of_a_replacement_serves_the_new_block_alone,
                                        make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_block_is_not_deleted_before_what_it_replaced_is_marked, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(readers_are_kept_up_to_a_bound_and_the_budget, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_corrupt_block_is_set_aside_and_the_others_are_served, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(a_full_budget_refuses_a_swap_and_changes_nothing, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_look_sees_the_segment_or_its_block_never_both_or_none, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(ten_thousand_blocks_are_open_within_a_second_of_work, make_dir,
                                        drop_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
