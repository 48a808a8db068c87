/* Bit masks of rows do what a loop over bits does, whatever their length and content. */
#include "columns.h"
#include "test.h"

#include "vivace/base/rng.h"

#include <string.h>

#define BITS_MAX 700

struct bits {
    uint64_t m[BITS_MAX / 64 + 2];
    size_t n;
};

static uint32_t
any(struct rng *r, size_t below)
{
    return (uint32_t)rng_below(r, below);
}

/* Sparse, dense, in runs, empty or full. */
static void
random_bits(struct rng *r, struct bits *b, size_t n)
{
    const uint32_t kind = any(r, 5);
    bool on = false;
    memset(b, 0, sizeof *b);
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        on = kind == 0   ? false
             : kind == 1 ? true
             : kind == 2 ? any(r, 40) == 0
             : kind == 3 ? any(r, 40) != 0
                         : (any(r, 50) == 0) != on;
        b->m[i / 64] |= (uint64_t)on << i % 64;
    }
}

static void
masks_count_and_find_bits(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 1);
    for (int round = 0; round < 3000; round++) {
        struct bits b;
        random_bits(&r, &b, any(&r, BITS_MAX));
        size_t from = b.n ? any(&r, b.n + 1) : 0;
        size_t to = from + (b.n - from ? any(&r, b.n - from + 1) : 0);
        size_t count = 0;
        size_t first = to;
        size_t all = 0;
        for (size_t i = to; i-- > from;) {
            count += mask_has(b.m, i);
            first = mask_has(b.m, i) ? i : first;
        }
        for (size_t i = 0; i < b.n; i++) {
            all += mask_has(b.m, i);
        }
        assert_int_equal(mask_next(b.m, from, to), first);
        assert_int_equal(mask_count(b.m, from, to), count);
        assert_int_equal(mask_is_full(b.m, b.n), all == b.n);
        assert_int_equal(mask_any(b.m, (b.n + 63) / 64), all > 0);
    }
}

static void
masks_find_the_parts_and_values_of_rows(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 2);
    for (int round = 0; round < 1000; round++) {
        struct bits b;
        uint32_t first[BITS_MAX + 1];
        uint32_t codes[BITS_MAX];
        uint64_t parts[BITS_MAX * 4 / 64 + 2] = {0};
        uint8_t seen[16] = {0};
        uint8_t expected[16] = {0};
        const uint32_t often = 1 + any(&r, 4);
        random_bits(&r, &b, any(&r, BITS_MAX));
        first[0] = 0;
        for (size_t i = 0; i < b.n; i++) {
            first[i + 1] = first[i] + any(&r, often);
            codes[i] = any(&r, 16);
            expected[codes[i]] |= mask_has(b.m, i);
        }
        mask_of_parts(b.m, b.n, &(struct group_parts){first, first[b.n]}, parts);
        for (size_t i = 0; i < b.n; i++) {
            for (uint32_t k = first[i]; k < first[i + 1]; k++) {
                assert_int_equal(mask_has(parts, k), mask_has(b.m, i));
            }
        }
        assert_int_equal(mask_next(parts, first[b.n], BITS_MAX * 4), BITS_MAX * 4);
        mask_see(b.m, b.n, codes, seen);
        assert_memory_equal(seen, expected, sizeof seen);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_count_and_find_bits),
        cmocka_unit_test(masks_find_the_parts_and_values_of_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
