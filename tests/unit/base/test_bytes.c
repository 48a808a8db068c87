/* Slices, buffers, arenas and budgets. */
#include "test.h"

#include "vivace/base/arena.h"
#include "vivace/base/budget.h"
#include "vivace/base/rng.h"

static void
slices_compare_cut_and_search(void **state)
{
    (void)state;
    assert_true(slice_eq(SL("abc"), slice_cstr("abc")));
    assert_true(slice_cmp(SL("ab"), SL("abc")) < 0);
    assert_true(slice_cmp(SL("b"), SL("abc")) > 0);
    assert_true(slice_ieq(SL("Content-Type"), SL("content-type")));
    assert_false(slice_ieq(SL("a"), SL("ab")));
    assert_int_equal(slice_find(SL("hello world"), SL("world")), 6);
    assert_true(slice_find(SL("hello"), SL("x")) == SIZE_MAX);
    assert_slice_equal(slice_trim(SL(" \t a b\t ")), "a b");
    slice rest = SL("a,,b");
    assert_slice_equal(slice_cut(&rest, ','), "a");
    assert_slice_equal(slice_cut(&rest, ','), "");
    assert_slice_equal(slice_cut(&rest, ','), "b");
    assert_null(rest.p);
}

static void
decimal_numbers_are_exact_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1x", false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t v = 0;
        assert_int_equal(slice_to_i64(slice_cstr(rows[i].text), &v), rows[i].ok);
        assert_true(v == rows[i].value);
    }
    uint64_t u = 0;
    assert_true(slice_to_u64(SL("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_false(slice_to_u64(SL("18446744073709551616"), &u));
}

static void
a_buffer_never_passes_its_cap_and_keeps_what_it_had(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_int_equal(buf_append_cstr(&b, "12345678"), OK);
    assert_int_equal(buf_append_cstr(&b, "abc"), ERR_LIMIT);
    assert_true(b.failed);
    assert_slice_equal(buf_slice(&b), "12345678");
    buf_consume(&b, 3);
    assert_slice_equal(buf_slice(&b), "45678");
    buf_clear(&b);
    buf_append_i64(&b, INT64_C(-42));
    assert_slice_equal(buf_slice(&b), "-42");
    assert_false(b.failed);
    buf_fini(&b);
}

static void
shared_bytes_live_until_the_last_reference(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_append_cstr(&b, "hello");
    struct bytes *x = bytes_take(&b);
    assert_null(b.p);
    struct bytes *y = bytes_ref(x);
    bytes_unref(x);
    assert_slice_equal(bytes_slice(y), "hello");
    bytes_unref(y);
    bytes_unref(NULL);
}

static void
an_arena_grows_arrays_and_respects_its_cap(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    size_t cap = 0;
    uint32_t *v = NULL;
    for (uint32_t i = 0; i < 10000; i++) {
        v = arena_grow(&a, v, i, &cap, i + 1, sizeof *v);
        v[i] = i;
        if (i % 100 == 0) {
            assert_non_null(arena_alloc(&a, 7)); /* gets in the way of growing in place */
        }
    }
    for (uint32_t i = 0; i < 10000; i++) {
        assert_int_equal(v[i], i);
    }
    struct arena_mark mark = arena_mark(&a);
    size_t before = a.bytes;
    arena_alloc(&a, 5u << 20);
    assert_true(a.bytes > before);
    arena_rewind(&a, mark);
    assert_int_equal(a.bytes, before);
    arena_fini(&a);

    arena_init(&a, 100000);
    size_t got = 0;
    while (arena_alloc(&a, 1000)) {
        got += 1000;
    }
    assert_true(got > 70000 && a.bytes <= 100000);
    assert_null(arena_calloc(&a, SIZE_MAX / 2, 4));
    arena_fini(&a);
}

/* Vectors of row groups: what one took is there for the next, and what nobody takes goes back. */
static void
a_recycled_arena_takes_no_more_than_it_had(void **state)
{
    (void)state;
    struct arena a;
    arena_init_large(&a, (size_t)64 << 20);
    size_t most = 0;
    for (unsigned round = 0; round < 20; round++) {
        uint8_t *small = arena_alloc(&a, 1000 + round);
        uint8_t *big = arena_alloc(&a, ((size_t)5 << 20) - round); /* larger than a chunk */
        uint8_t *more = arena_alloc(&a, (size_t)1 << 20);
        memset(small, 1, 1000);
        memset(big, 2, (size_t)4 << 20);
        memset(more, 3, (size_t)1 << 20);
        assert_true(small[999] == 1 && big[0] == 2);
        most = round == 0 ? a.bytes : most;
        assert_true(a.bytes <= most);
        arena_recycle(&a);
    }
    assert_non_null(arena_alloc(&a, (size_t)20 << 20)); /* what is too small for it makes room */
    assert_true(a.bytes < (size_t)24 << 20);
    assert_null(arena_alloc(&a, (size_t)60 << 20));
    arena_recycle(&a);
    assert_non_null(arena_alloc(&a, (size_t)60 << 20)); /* kept chunks do not count against the cap */
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 10));
    arena_fini(&a);
    assert_int_equal(a.bytes, 0);
}

static void
spare_chunks_pass_from_arena_to_arena_and_age(void **state)
{
    (void)state;
    struct arena v[6];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 6; i++) { /* more than are kept */
            arena_init_large(&v[i], 0);
            memset(arena_alloc(&v[i], 1000), (int)i, 1000);
        }
        for (size_t i = 0; i < 6; i++) {
            for (size_t k = 0; k < i; k++) {
                assert_ptr_not_equal(v[i].head, v[k].head);
            }
            arena_fini(&v[i]);
        }
        for (int i = 0; i < (round == 1 ? 10 : 1); i++) {
            arena_spares_age();
        }
    }
}

/* Pieces of an arena that has become large stay apart, and go back as any other. */
static void
an_arena_of_huge_pages_behaves_like_any_other(void **state)
{
    enum { PIECES = 9000, PIECE = 1000 };
    static uint8_t *pieces[PIECES];
    struct arena a;
    (void)state;
    arena_init(&a, 0);
    a.huge = true;
    struct arena_mark mark = {NULL, NULL};
    for (size_t i = 0; i < PIECES; i++) {
        mark = i == PIECES / 2 ? arena_mark(&a) : mark;
        pieces[i] = arena_alloc(&a, PIECE);
        memset(pieces[i], (int)(i % 251), PIECE);
        if (i % 1000 == 999) { /* larger than a page of them */
            uint8_t *large = arena_alloc(&a, (size_t)5 << 20);
            memset(large, 0xff, (size_t)5 << 20);
        }
    }
    assert_true(a.bytes >= (size_t)PIECES * PIECE + ((size_t)45 << 20));
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t k = 0; k < PIECE; k++) {
            assert_int_equal(pieces[i][k], i % 251);
        }
    }
    size_t all = a.bytes;
    arena_rewind(&a, mark);
    assert_true(a.bytes < all * 2 / 3);
    memset(arena_alloc(&a, PIECE), 1, PIECE);
    assert_int_equal(pieces[PIECES / 2 - 1][0], (PIECES / 2 - 1) % 251);
    arena_reset(&a);
    assert_true(a.bytes <= (size_t)5 << 20);
    memset(arena_alloc(&a, PIECE), 1, PIECE);
    arena_fini(&a);
    assert_true(a.bytes == 0);
}

static void
a_budget_refuses_as_a_whole_and_counts_it(void **state)
{
    (void)state;
    struct budget process;
    struct budget room;
    budget_init(&process, "process", NULL, 100);
    budget_init(&room, "room", &process, 80);
    assert_int_equal(budget_reserve(&room, 60), OK);
    assert_int_equal(budget_reserve(&room, 30), ERR_LIMIT);
    assert_int_equal(budget_used(&process), 60);
    assert_int_equal(budget_reserve(&process, 40), OK);
    assert_int_equal(budget_reserve(&room, 10), ERR_LIMIT); /* the parent is full */
    assert_int_equal(budget_used(&room), 60);
    assert_true(room.refused == 1 && process.refused == 1);
    budget_release(&room, 60);
    budget_release(&process, 40);
    assert_int_equal(budget_used(&process), 0);
    assert_int_equal(budget_reserve(&room, SIZE_MAX), ERR_LIMIT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_compare_cut_and_search),
        cmocka_unit_test(decimal_numbers_are_exact_or_refused),
        cmocka_unit_test(a_buffer_never_passes_its_cap_and_keeps_what_it_had),
        cmocka_unit_test(shared_bytes_live_until_the_last_reference),
        cmocka_unit_test(an_arena_grows_arrays_and_respects_its_cap),
        cmocka_unit_test(a_recycled_arena_takes_no_more_than_it_had),
        cmocka_unit_test(spare_chunks_pass_from_arena_to_arena_and_age),
        cmocka_unit_test(an_arena_of_huge_pages_behaves_like_any_other),
        cmocka_unit_test(a_budget_refuses_as_a_whole_and_counts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
