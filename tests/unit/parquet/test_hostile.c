/* Damaged files: every answer is an error or rows, never a crash, and memory stays inside the limits. */
#include "support/parquet_open.h"
#include "support/parquet_random.h"
#include "test.h"

#define SEEDS 25

static void
files_cut_anywhere_are_refused(void **state)
{
    (void)state;
    struct random_file file;
    random_file_make(3, true, &file);
    for (size_t n = 0; n < file.bytes.n; n += n < 64 ? 1 : 97) {
        uint8_t *p = mem_alloc(n ? n : 1);
        memcpy(p, file.bytes.p, n);
        assert_int_not_equal(parquet_open_all(slice_of(p, n)), OK);
        mem_free(p);
    }
    assert_int_equal(parquet_open_all(buf_slice(&file.bytes)), OK);
    random_file_free(&file);
}

static void
files_with_flipped_bits_do_no_harm(void **state)
{
    (void)state;
    struct rng rng;
    size_t refused = 0;
    rng_seed(&rng, 11);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct random_file file;
        random_file_make(seed, false, &file);
        uint32_t footer = 0;
        memcpy(&footer, file.bytes.p + file.bytes.n - 8, 4);
        for (int i = 0; i < 40; i++) {
            /* Half of the flips hit the footer, which no checksum covers. */
            size_t from = i & 1 ? file.bytes.n - 8 - footer : 0;
            size_t at = from + rng_below(&rng, file.bytes.n - from);
            uint8_t bit = (uint8_t)(1U << rng_below(&rng, 8));
            file.bytes.p[at] ^= bit;
            refused += parquet_open_all(buf_slice(&file.bytes)) != OK;
            file.bytes.p[at] ^= bit;
        }
        random_file_free(&file);
    }
    assert_true(refused > SEEDS * 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_cut_anywhere_are_refused),
        cmocka_unit_test(files_with_flipped_bits_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
