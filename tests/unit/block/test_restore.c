/* A merged block that turns out to be damaged gives its place back to what it replaced, while that is there.
 */
#include "block_test.h"

#include "vivace/base/file.h"
#include "vivace/block/store.h"

#include <errno.h>
#include <sys/stat.h>

#define TENANT SL("tenant-a")

static struct block_store *
open_store(void)
{
    struct block_store_options o = {.path = blocks_dir()};
    struct block_store *s = NULL;
    struct fault f = {0};
    assert_ok(block_store_open(&o, &f, &s), &f);
    return s;
}

/* The block with this id, or NULL; valid as long as it is served. */
static struct stored_block *
served(struct block_store *s, const struct block_meta *m)
{
    const struct block_snapshot *v = block_store_snapshot(s, TENANT);
    struct stored_block *found = NULL;
    for (size_t i = 0; i < v->count; i++) {
        found = memcmp(&v->blocks[i]->meta.id, &m->id, sizeof m->id) == 0 ? v->blocks[i] : found;
    }
    block_snapshot_release(v);
    return found;
}

static size_t
count_of(struct block_store *s)
{
    struct block_store_stats st;
    block_store_stats(s, &st);
    return st.blocks;
}

/* Two blocks and the one they were merged into. */
struct merged {
    struct block_meta a, b, ab;
    struct block_store *s;
};

/* In place of all that is served. */
static void
replace_all(struct block_store *s, const struct block_meta *by)
{
    const struct block_snapshot *v = block_store_snapshot(s, TENANT);
    struct block_swap swap = {
        .tenant = TENANT, .add = by, .add_count = 1, .gone = v->blocks, .gone_count = v->count};
    struct fault f = {0};
    assert_ok(block_store_swap(s, &swap, 1, NULL, NULL, &f), &f);
    block_snapshot_release(v);
}

static void
merged_make(struct merged *m)
{
    publish_random(1, 50, &m->a);
    publish_random(2, 50, &m->b);
    m->s = open_store();
    publish_replacing((block_uuid[]){m->a.id, m->b.id}, 2, &m->ab);
    replace_all(m->s, &m->ab);
    assert_true(served(m->s, &m->ab) && count_of(m->s) == 1);
}

static void
merged_fini(struct merged *m)
{
    block_store_close(m->s);
    block_meta_fini(&m->a);
    block_meta_fini(&m->b);
    block_meta_fini(&m->ab);
}

static void
again(struct merged *m)
{
    block_store_close(m->s);
    m->s = open_store();
}

static bool
serves_inputs(struct merged *m)
{
    return served(m->s, &m->a) && served(m->s, &m->b) && !served(m->s, &m->ab) && count_of(m->s) == 2;
}

enum damage { FOOTER, SHORT, MISSING, META, META_MISSING, DAMAGE_COUNT };

static void
damage(const struct block_meta *m, enum damage how)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", block_dir(&m->id), how >= META ? "meta.json" : "spans.parquet");
    if (how == MISSING || how == META_MISSING) {
        assert_int_equal(unlink(path), 0);
        return;
    }
    if (how == SHORT) {
        assert_int_equal(truncate(path, 1000), 0);
        return;
    }
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, how == META ? 0 : -100, how == META ? SEEK_SET : SEEK_END), 0);
    assert_int_equal(fwrite("garbage of a dying disk", 1, 23, file), 23);
    fclose(file);
}

static void
a_start_serves_what_a_damaged_block_was_made_of(void **state)
{
    (void)state;
    for (enum damage how = FOOTER; how < DAMAGE_COUNT; how++) {
        struct merged m;
        merged_make(&m);
        block_store_close(m.s);
        damage(&m.ab, how);
        for (int i = 0; i < 3; i++) { /* and so does each start after it */
            m.s = open_store();
            assert_true(serves_inputs(&m));
            assert_int_equal(block_store_sweep(m.s, INT64_MAX), 0);
            block_store_close(m.s);
        }
        assert_int_equal(access(block_dir(&m.ab.id), F_OK), 0); /* it stays for whoever wants to look */
        assert_int_equal(drop_dir(NULL), 0);
        m.s = open_store();
        merged_fini(&m);
    }
}

static void
a_block_found_damaged_while_it_is_served_gives_its_place_back(void **state)
{
    struct merged m;
    struct block_reader *r = NULL;
    struct fault f = {0};
    (void)state;
    for (enum damage how = FOOTER; how <= MISSING; how++) {
        merged_make(&m);
        damage(&m.ab, how);
        const struct block_snapshot *v = block_store_snapshot(m.s, TENANT);
        assert_int_equal(stored_block_open(v->blocks[0], &f, &r), ERR_CORRUPT);
        block_snapshot_release(v);
        assert_true(serves_inputs(&m));
        struct block_store_stats st;
        block_store_stats(m.s, &st);
        assert_true(st.compacted_blocks == 0 && st.compacted_bytes == 0 && st.bytes == m.a.bytes + m.b.bytes);
        assert_int_equal(st.problems[BLOCK_PROBLEM_CORRUPT], 1);
        assert_ok(stored_block_open(served(m.s, &m.a), &f, &r), &f);
        stored_block_done(served(m.s, &m.a));
        again(&m);
        assert_true(serves_inputs(&m));
        assert_int_equal(drop_dir(NULL), 0);
        merged_fini(&m);
    }
}

static void
inputs_are_not_deleted_before_their_block_was_opened(void **state)
{
    struct merged m;
    (void)state;
    merged_make(&m);
    damage(&m.ab, FOOTER);
    assert_int_equal(block_store_sweep(m.s, INT64_MAX), 0);
    assert_true(serves_inputs(&m));
    struct block_meta sound;
    publish_replacing((block_uuid[]){m.a.id, m.b.id}, 2, &sound);
    replace_all(m.s, &sound);
    assert_int_equal(block_store_sweep(m.s, INT64_MAX), 2);
    again(&m);
    assert_true(served(m.s, &sound) && count_of(m.s) == 1);
    block_meta_fini(&sound);
    merged_fini(&m);
}

static int
refuse_open(void *ctx, enum file_op op, const char *path, size_t bytes)
{
    (void)bytes;
    return op == FILE_OPEN && strstr(path, ctx) ? EIO : 0;
}

static void
inputs_are_not_deleted_while_their_block_cannot_be_read(void **state)
{
    struct merged m;
    (void)state;
    merged_make(&m);
    file_set_hook(refuse_open, "spans.parquet");
    const size_t deleted = block_store_sweep(m.s, INT64_MAX);
    file_set_hook(NULL, NULL);
    assert_int_equal(deleted, 0);
    assert_true(served(m.s, &m.ab) && count_of(m.s) == 1);
    assert_int_equal(block_store_sweep(m.s, INT64_MAX), 2);
    merged_fini(&m);
}

static void
what_a_sound_block_replaced_stays_replaced(void **state)
{
    struct merged m;
    struct block_meta all;
    (void)state;
    merged_make(&m);
    publish_replacing(&m.ab.id, 1, &all);
    replace_all(m.s, &all);
    for (enum damage how = FOOTER; how <= MISSING; how++) { /* a and b -> ab, damaged -> all, sound */
        damage(&m.ab, how);
        again(&m);
        assert_true(served(m.s, &all) && count_of(m.s) == 1);
    }
    damage(&all, FOOTER); /* now nobody sound stands for a and b */
    again(&m);
    assert_true(serves_inputs(&m));
    block_meta_fini(&all);
    merged_fini(&m);
}

static void
damaged_pages_give_the_place_back_only_to_all_of_the_inputs(void **state)
{
    struct merged m;
    struct fault f = {0};
    (void)state;
    merged_make(&m);
    const struct block_snapshot *v = block_store_snapshot(m.s, TENANT);
    struct stored_block *ab = v->blocks[0];
    assert_ok(block_store_fall_back(ab, "a page", &f), &f);
    assert_true(serves_inputs(&m));
    assert_int_equal(block_store_fall_back(ab, "a page", NULL), ERR_NOT_FOUND); /* it has left */
    block_snapshot_release(v);
    again(&m);
    assert_true(serves_inputs(&m));
    struct block_meta next;
    publish_replacing((block_uuid[]){m.a.id, m.b.id}, 2, &next);
    replace_all(m.s, &next);
    assert_int_equal(block_store_sweep(m.s, INT64_MAX), 2);
    v = block_store_snapshot(m.s, TENANT);
    assert_int_equal(block_store_fall_back(v->blocks[0], "a page", NULL), ERR_NOT_FOUND);
    block_snapshot_release(v);
    assert_true(served(m.s, &next) && count_of(m.s) == 1);
    block_meta_fini(&next);
    merged_fini(&m);
}

struct failing {
    int countdown;
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
    return x->countdown-- <= 0 ? EIO : 0;
}

/* The disk takes nothing more after `n` operations; false when it took all of them. */
static bool
restore_and_crash(int n, bool at_start)
{
    struct merged m;
    struct block_reader *r = NULL;
    struct failing x = {.countdown = n};
    merged_make(&m);
    damage(&m.ab, FOOTER);
    file_set_hook(fail_from, &x);
    if (at_start) {
        again(&m);
    } else {
        const struct block_snapshot *v = block_store_snapshot(m.s, TENANT);
        assert_int_equal(stored_block_open(v->blocks[0], NULL, &r), ERR_CORRUPT);
        block_snapshot_release(v);
    }
    const bool failed = x.countdown < 0;
    file_set_hook(NULL, NULL);
    assert_true(serves_inputs(&m));
    again(&m); /* the start after the crash */
    assert_true(serves_inputs(&m));
    again(&m);
    assert_true(serves_inputs(&m));
    assert_int_equal(drop_dir(NULL), 0);
    merged_fini(&m);
    return failed;
}

static void
a_crash_at_any_step_of_it_loses_nothing(void **state)
{
    (void)state;
    for (int at_start = 0; at_start < 2; at_start++) {
        int n = 0;
        while (restore_and_crash(n, at_start)) {
            n++;
        }
        assert_true(n >= 6); /* two inputs, the block: a rename and a sync each */
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_start_serves_what_a_damaged_block_was_made_of, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(a_block_found_damaged_while_it_is_served_gives_its_place_back,
                                        make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(inputs_are_not_deleted_before_their_block_was_opened, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(inputs_are_not_deleted_while_their_block_cannot_be_read, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(what_a_sound_block_replaced_stays_replaced, make_dir, drop_dir),
        cmocka_unit_test_setup_teardown(damaged_pages_give_the_place_back_only_to_all_of_the_inputs, make_dir,
                                        drop_dir),
        cmocka_unit_test_setup_teardown(a_crash_at_any_step_of_it_loses_nothing, make_dir, drop_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
