/* Every encoding gives back what it was given, at its edges too, and refuses bytes that do not hold it. */
#include "bitpack.h"
#include "enc.h"
#include "test.h"

#include "vivace/base/mem.h"
#include "vivace/base/rng.h"

#define MANY 1000

static const size_t counts[] = {0, 1, 2, 7, 8, 9, 31, 32, 33, 127, 128, 129, 130, 257, MANY};
#define COUNTS (sizeof counts / sizeof *counts)

static struct rng rng;
static struct buf out;

static int
setup(void **state)
{
    (void)state;
    rng_seed(&rng, 7);
    buf_init(&out, (size_t)1 << 24);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

/* The encoded bytes in memory of exactly their size, so that ASan sees a step too far. */
static slice
exact(uint8_t **ret)
{
    *ret = mem_alloc(out.n ? out.n : 1);
    if (out.n) {
        memcpy(*ret, out.p, out.n);
    }
    return slice_of(*ret, out.n);
}

static uint64_t
bits_of(unsigned width)
{
    return width == 0 ? 0 : rng_next(&rng) >> (64 - width);
}

static void
packed_integers_of_every_width_come_back(void **state)
{
    (void)state;
    static uint64_t v64[MANY], got64[MANY];
    static uint32_t v32[MANY], got32[MANY];
    static uint8_t v8[MANY], got8[MANY], packed[MANY * 8 + 16];
    for (unsigned width = 0; width <= 64; width++) {
        for (size_t c = 0; c < COUNTS; c++) {
            size_t n = counts[c], bytes = (n * width + 7) / 8;
            for (size_t i = 0; i < n; i++) {
                v64[i] = bits_of(width);
                v32[i] = (uint32_t)v64[i];
                v8[i] = (uint8_t)v64[i];
            }
            uint8_t *p = mem_alloc(bytes + 1);
            assert_int_equal(bits_pack_u64(packed, v64, n, width), bytes);
            memcpy(p, packed, bytes);
            bits_unpack_u64(p, bytes, width, got64, n);
            assert_memory_equal(got64, v64, n * sizeof *v64);
            if (width <= 32) {
                assert_int_equal(bits_pack_u32(packed, v32, n, width), bytes);
                bits_unpack_u32(p, bytes, width, got32, n);
                assert_memory_equal(got32, v32, n * sizeof *v32);
            }
            if (width <= 8) {
                assert_int_equal(bits_pack_u8(packed, v8, n, width), bytes);
                bits_unpack_u8(p, bytes, width, got8, n);
                assert_memory_equal(got8, v8, n);
            }
            mem_free(p);
        }
    }
}

/* Long runs, short runs, none: by the number of values in a row that are the same. */
static void
runs_and_literals_come_back_in_every_width(void **state)
{
    (void)state;
    static uint32_t v[MANY], got[MANY], longer[MANY + 9];
    static uint8_t v8[MANY], got8[MANY];
    static const unsigned runs[] = {1, 3, 8, 9, 20, 2000};
    for (unsigned width = 1; width <= 32; width++) {
        for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
            for (size_t c = 0; c < COUNTS; c++) {
                size_t n = counts[c];
                for (size_t i = 0; i < n; i++) {
                    v[i] = i && rng_below(&rng, runs[r]) ? v[i - 1] : (uint32_t)bits_of(width);
                    v8[i] = (uint8_t)v[i];
                }
                uint8_t *p;
                buf_clear(&out);
                rle_encode_u32(v, n, width, &out);
                slice in = exact(&p);
                assert_int_equal(rle_decode_u32(in, width, got, n, NULL), OK);
                assert_memory_equal(got, v, n * sizeof *v);
                assert_int_equal(rle_decode_u32(in, width, longer, n + 9, NULL), ERR_CORRUPT);
                mem_free(p);
                if (width <= 8) {
                    buf_clear(&out);
                    rle_encode_u8(v8, n, width, &out);
                    in = exact(&p);
                    assert_int_equal(rle_decode_u8(in, width, got8, n, NULL), OK);
                    assert_memory_equal(got8, v8, n);
                    mem_free(p);
                }
            }
        }
    }
}

/* Bits come out as bits wherever they begin, and nothing beside them is touched. */
static void
one_bit_values_come_as_a_mask(void **state)
{
    (void)state;
    static uint8_t v[MANY];
    static uint64_t mask[MANY / 64 + 4];
    static const unsigned runs[] = {1, 3, 9, 70, 2000};
    for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
        for (size_t c = 0; c < COUNTS; c++) {
            const size_t n = counts[c], at = (size_t)rng_below(&rng, 130);
            size_t ones = 0, got = 0;
            uint8_t *p;
            for (size_t i = 0; i < n; i++) {
                v[i] = i && rng_below(&rng, runs[r]) ? v[i - 1] : (uint8_t)rng_below(&rng, 2);
                ones += v[i];
            }
            buf_clear(&out);
            rle_encode_u8(v, n, 1, &out);
            slice in = exact(&p);
            memset(mask, 0, sizeof mask);
            assert_int_equal(rle_decode_mask(in, mask, at, n, NULL, &got), OK);
            assert_int_equal(got, ones);
            for (size_t i = 0; i < sizeof mask * 8; i++) {
                const bool want = i >= at && i < at + n && v[i - at];
                assert_int_equal(mask[i / 64] >> i % 64 & 1, want);
            }
            assert_int_equal(rle_decode_mask(in, mask, 0, n + 9, NULL, &got), ERR_CORRUPT);
            mem_free(p);
        }
    }
}

/* Deltas that overflow, stand still, rise, fall, of every width. */
static int64_t
delta_value(int kind, int64_t last, size_t i)
{
    switch (kind) {
    case 0:
        return (int64_t)rng_next(&rng);
    case 1:
        return last + 1;
    case 2:
        return 5;
    case 3:
        return i & 1 ? INT64_MAX : INT64_MIN;
    case 4:
        return last - (int64_t)rng_below(&rng, 1000);
    default:
        return (int64_t)((uint64_t)last + bits_of((unsigned)(i % 65)));
    }
}

static void
deltas_of_any_size_come_back(void **state)
{
    (void)state;
    static int64_t v[MANY], got[MANY];
    static int32_t v32[MANY], got32[MANY];
    for (int kind = 0; kind <= 5; kind++) {
        for (size_t c = 0; c < COUNTS; c++) {
            size_t n = counts[c], used = 0;
            for (size_t i = 0; i < n; i++) {
                v[i] = delta_value(kind, i ? v[i - 1] : 1 << 20, i);
                v32[i] = kind == 3 ? (i & 1 ? INT32_MAX : INT32_MIN) : (int32_t)v[i];
            }
            uint8_t *p;
            buf_clear(&out);
            delta_encode_i64(v, n, &out);
            slice in = exact(&p);
            assert_int_equal(delta_decode_i64(in, got, n, NULL, &used), OK);
            assert_memory_equal(got, v, n * sizeof *v);
            assert_int_equal(used, in.n);
            for (size_t cut = 0; cut < in.n; cut++) { /* padding may go, values may not */
                err rc = delta_decode_i64(slice_sub(in, 0, cut), got, n, NULL, &used);
                assert_true(rc == ERR_CORRUPT || (rc == OK && memcmp(got, v, n * sizeof *v) == 0));
            }
            assert_int_equal(delta_decode_i64(slice_sub(in, 0, in.n / 4), got, n, NULL, &used), ERR_CORRUPT);
            mem_free(p);
            buf_clear(&out);
            delta_encode_i32(v32, n, &out);
            in = exact(&p);
            assert_int_equal(delta_decode_i32(in, got32, n, NULL, &used), OK);
            assert_memory_equal(got32, v32, n * sizeof *v32);
            mem_free(p);
        }
    }
}

struct strings {
    slice v[MANY];
    uint32_t lengths[MANY];
    struct buf data;
};

static void
make_strings(struct strings *s, size_t n, int kind)
{
    static char text[5000];
    buf_init(&s->data, (size_t)1 << 24);
    for (size_t i = 0; i < n; i++) {
        size_t len = kind == 0   ? 0
                     : kind == 1 ? rng_below(&rng, 30)
                     : kind == 2 ? (size_t)snprintf(text, sizeof text, "/common/prefix/%zu", i * 7)
                                 : (i == n / 2 ? 4999 : 1);
        s->lengths[i] = (uint32_t)len;
        if (kind != 2) {
            rng_fill(&rng, text, len);
        }
        buf_append(&s->data, text, len);
    }
}

static void
check_strings(const struct strings *s, const slice *got, size_t n)
{
    const uint8_t *p = s->data.p;
    for (size_t i = 0; i < n; i++) {
        assert_true(slice_eq(got[i], slice_of(p, s->lengths[i])));
        p += s->lengths[i];
    }
}

static void
strings_come_back_from_each_string_encoding(void **state)
{
    (void)state;
    static struct strings s;
    static slice got[MANY];
    static int32_t room[2 * MANY];
    for (int kind = 0; kind < 4; kind++) {
        for (size_t c = 0; c < COUNTS; c++) {
            size_t n = counts[c];
            make_strings(&s, n, kind);
            uint8_t *p;
            buf_clear(&out);
            plain_encode_bytes(s.data.p, s.lengths, n, &out);
            assert_int_equal(plain_decode_bytes(exact(&p), got, n, NULL), OK);
            check_strings(&s, got, n);
            assert_int_equal(n ? plain_decode_bytes(slice_of(p, out.n - 1), got, n, NULL) : ERR_CORRUPT,
                             ERR_CORRUPT);
            mem_free(p);

            buf_clear(&out);
            delta_length_encode(s.data.p, s.lengths, n, &out);
            assert_int_equal(delta_length_decode(exact(&p), room, got, n, NULL), OK);
            check_strings(&s, got, n);
            mem_free(p);

            buf_clear(&out);
            delta_strings_encode(s.data.p, s.lengths, n, &out);
            struct delta_strings d = {.prefixes = room, .lengths = room + MANY};
            assert_int_equal(delta_strings_open(exact(&p), n, &d, NULL), OK);
            assert_int_equal(d.bytes, s.data.n);
            uint8_t *into = mem_alloc(d.bytes + 1);
            delta_strings_join(&d, n, into, got);
            check_strings(&s, got, n);
            mem_free(into);
            mem_free(p);
            buf_fini(&s.data);
        }
    }
}

static void
split_streams_come_back_for_every_width(void **state)
{
    (void)state;
    static uint8_t v[MANY * 20], got[MANY * 20];
    rng_fill(&rng, v, sizeof v);
    for (size_t width = 1; width <= 20; width++) {
        for (size_t c = 0; c < COUNTS; c++) {
            uint8_t *p;
            buf_clear(&out);
            split_encode(v, width, counts[c], &out);
            slice in = exact(&p);
            assert_int_equal(split_decode(in, width, got, counts[c], NULL), OK);
            assert_memory_equal(got, v, counts[c] * width);
            assert_int_equal(split_decode(in, width, got, counts[c] + 1, NULL), ERR_CORRUPT);
            mem_free(p);
        }
    }
}

static void
booleans_come_back(void **state)
{
    (void)state;
    static uint8_t v[MANY], got[MANY];
    for (size_t c = 0; c < COUNTS; c++) {
        for (size_t i = 0; i < counts[c]; i++) {
            v[i] = rng_below(&rng, 2);
        }
        uint8_t *p;
        buf_clear(&out);
        plain_encode_bools(v, counts[c], &out);
        assert_int_equal(out.n, (counts[c] + 7) / 8);
        assert_int_equal(plain_decode_bools(exact(&p), got, counts[c], NULL), OK);
        assert_memory_equal(got, v, counts[c]);
        mem_free(p);
    }
}

static void
claims_that_the_bytes_do_not_hold_are_corrupt(void **state)
{
    (void)state;
    static int64_t got[4096];
    static uint8_t levels[4096];
    size_t used = 0;
    struct fault f = {0};
    static const struct {
        const char *bytes;
        size_t n;
    } deltas[] = {
        {"", 0},
        {"\x80\x01\x04\x03", 4},                          /* no first value */
        {"\x00\x04\x03\x00", 4},                          /* blocks of nothing */
        {"\x80\x01\x00\x03\x00", 5},                      /* in no parts */
        {"\x80\x01\x80\x01\x03\x00\x00\x00", 8},          /* parts of one value */
        {"\x80\x01\x04\x04\x00\x00\x00\x00\x00\x00", 10}, /* another count */
        {"\x80\x01\x04\x03\x00\x00\x41\x00\x00\x00", 10}, /* 65 bits */
        {"\x80\x01\x04\x03\x00\x00\x20\x00\x00\x00", 10}, /* 32 bits, no data */
    };
    for (size_t i = 0; i < sizeof deltas / sizeof *deltas; i++) {
        assert_int_equal(delta_decode_i64(slice_of(deltas[i].bytes, deltas[i].n), got, 3, &f, &used),
                         ERR_CORRUPT);
    }
    static const struct {
        const char *bytes;
        size_t n;
        unsigned width;
    } runs[] = {
        {"", 0, 1},
        {"\x00\x01", 2, 1},         /* a run of no values */
        {"\x06", 1, 1},             /* no value */
        {"\x06\x02", 2, 1},         /* 2 in one bit */
        {"\x03", 1, 1},             /* packed, no bytes */
        {"\x80\x80\x80\x80", 4, 1}, /* an endless number */
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        assert_int_equal(rle_decode_u8(slice_of(runs[i].bytes, runs[i].n), runs[i].width, levels, 3, &f),
                         ERR_CORRUPT);
    }
    /* A prefix longer than the string before it. */
    int32_t room[2];
    struct delta_strings d = {.prefixes = room, .lengths = room + 1};
    uint32_t one = 1;
    buf_clear(&out);
    delta_encode_i32(&(int32_t){5}, 1, &out);
    delta_length_encode((const uint8_t *)"x", &one, 1, &out);
    assert_int_equal(delta_strings_open(buf_slice(&out), 1, &d, &f), ERR_CORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_integers_of_every_width_come_back),
        cmocka_unit_test(runs_and_literals_come_back_in_every_width),
        cmocka_unit_test(one_bit_values_come_as_a_mask),
        cmocka_unit_test(deltas_of_any_size_come_back),
        cmocka_unit_test(strings_come_back_from_each_string_encoding),
        cmocka_unit_test(split_streams_come_back_for_every_width),
        cmocka_unit_test(booleans_come_back),
        cmocka_unit_test(claims_that_the_bytes_do_not_hold_are_corrupt),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
