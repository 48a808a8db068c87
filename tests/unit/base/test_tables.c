/* Hash tables against a naive model, and the random numbers they lean on. */
#include "test.h"

#include "vivace/base/mem.h"
#include "vivace/base/rng.h"
#include "vivace/base/table.h"

#define KEYS 500

static void
an_id_table_behaves_like_an_array_of_values(void **state)
{
    (void)state;
    struct id_table t;
    struct rng r;
    uint64_t model[KEYS] = {0};
    size_t live = 0;
    id_table_init(&t, 16);
    rng_seed(&r, 1);
    for (int step = 0; step < 200000; step++) {
        uint64_t k = rng_below(&r, KEYS);
        uint64_t key[2] = {k, ~k};
        if (rng_below(&r, 2)) {
            uint64_t v = rng_next(&r) | 1;
            live += model[k] == 0;
            *id_table_put(&t, key) = v;
            model[k] = v;
        } else {
            assert_int_equal(id_table_del(&t, key), model[k] != 0);
            live -= model[k] != 0;
            model[k] = 0;
        }
        k = rng_below(&r, KEYS);
        assert_true(id_table_get(&t, (uint64_t[]){k, ~k}) == model[k]);
        assert_int_equal(t.count, live);
    }
    size_t seen = 0;
    size_t cursor = 0;
    const void *key = NULL;
    uint64_t value = 0;
    while (id_table_next(&t, &cursor, &key, &value)) {
        uint64_t k = 0;
        memcpy(&k, key, sizeof k);
        assert_true(value == model[k]);
        seen++;
    }
    assert_int_equal(seen, live);
    id_table_fini(&t);
}

static void
a_string_table_keeps_copies_of_its_keys(void **state)
{
    (void)state;
    struct str_table t;
    str_table_init(&t);
    static int values[1000];
    char key[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        assert_null(str_table_put(&t, slice_cstr(key), &values[i]));
    }
    for (int i = 0; i < 1000; i += 2) {
        snprintf(key, sizeof key, "key-%d", i);
        assert_ptr_equal(str_table_del(&t, slice_cstr(key)), &values[i]);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        assert_ptr_equal(str_table_get(&t, slice_cstr(key)), i % 2 ? &values[i] : NULL);
    }
    assert_int_equal(t.count, 500);
    assert_ptr_equal(str_table_put(&t, SL("key-1"), &values[0]), &values[1]);
    str_table_fini(&t);
}

static void
a_seed_gives_the_same_numbers_and_uuids_differ(void **state)
{
    (void)state;
    struct rng a;
    struct rng b;
    rng_seed(&a, 7);
    rng_seed(&b, 7);
    for (int i = 0; i < 100; i++) {
        assert_true(rng_next(&a) == rng_next(&b));
        double u = rng_unit(&a);
        rng_unit(&b);
        assert_true(u >= 0 && u < 1);
        assert_true(rng_below(&a, 10) < 10);
        rng_below(&b, 10);
    }
    char x[37];
    char y[37];
    rng_uuid4(x);
    rng_uuid4(y);
    assert_string_not_equal(x, y);
    assert_int_equal(strlen(x), 36);
    assert_int_equal(x[14], '4');
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_table_behaves_like_an_array_of_values),
        cmocka_unit_test(a_string_table_keeps_copies_of_its_keys),
        cmocka_unit_test(a_seed_gives_the_same_numbers_and_uuids_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
