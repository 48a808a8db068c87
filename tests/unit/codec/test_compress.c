/* Compression of bodies: every format reads what its writers make, within the limit, and refuses the rest. */
#include "test.h"

#include "vivace/base/rng.h"
#include "vivace/codec/compress.h"

#include <libdeflate.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zstd.h>

#define LIMIT ((size_t)1 << 20)

static struct buf
sample(size_t n, bool noise)
{
    struct buf b;
    struct rng r;
    rng_seed(&r, n);
    buf_init(&b, n + 1);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(
            OK, buf_append_byte(&b, noise ? (uint8_t)rng_next(&r) : (uint8_t) "service.name"[i % 12]));
    }
    return b;
}

/* `in` as a client of this kind would send it. */
static struct buf
packed(enum codec_kind kind, slice in)
{
    struct buf b;
    buf_init(&b, in.n * 2 + 4096);
    assert_int_equal(OK, buf_reserve(&b, in.n * 2 + 4096));
    size_t n = b.cap;
    if (kind == CODEC_ZLIB) {
        struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
        b.n = libdeflate_zlib_compress(c, in.p, in.n, b.p, b.cap);
        libdeflate_free_compressor(c);
    } else if (kind == CODEC_SNAPPY_HTTP) {
        assert_int_equal(SNAPPY_OK, snappy_compress((const char *)in.p, in.n, (char *)b.p, &n));
        b.n = n;
    } else if (kind == CODEC_LZ4) {
        b.n = LZ4F_compressFrame(b.p, b.cap, in.p, in.n, NULL);
    } else {
        assert_int_equal(OK, codec_compress(kind, in, &b));
    }
    return b;
}

static const enum codec_kind kinds[] = {CODEC_GZIP,        CODEC_ZSTD,          CODEC_ZLIB,
                                        CODEC_SNAPPY_HTTP, CODEC_SNAPPY_FRAMED, CODEC_LZ4};
#define KINDS (sizeof kinds / sizeof kinds[0])

static void
what_clients_compress_comes_back_whole(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 65536, 65537, 300000, LIMIT};
    for (size_t k = 0; k < KINDS; k++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            for (int noise = 0; noise < 2; noise++) {
                struct buf in = sample(sizes[i], noise), out, z = packed(kinds[k], buf_slice(&in));
                struct fault f = {0};
                buf_init(&out, LIMIT);
                assert_int_equal(OK, codec_decompress(kinds[k], buf_slice(&z), &out, &f));
                assert_true(slice_eq(buf_slice(&in), buf_slice(&out)));
                buf_fini(&in);
                buf_fini(&out);
                buf_fini(&z);
            }
        }
    }
}

static void
a_bomb_stops_at_the_limit(void **state)
{
    (void)state;
    struct buf in = sample(64 << 20, false);
    for (size_t k = 0; k < KINDS; k++) {
        struct buf z = packed(kinds[k], buf_slice(&in)), out;
        struct fault f = {0};
        buf_init(&out, LIMIT);
        assert_int_equal(ERR_LIMIT, codec_decompress(kinds[k], buf_slice(&z), &out, &f));
        assert_string_equal("the data is larger than the limit of 1048576 bytes after decompression", f.msg);
        assert_true(out.cap <= LIMIT);
        buf_fini(&z);
        buf_fini(&out);
    }
    buf_fini(&in);
}

static void
truncated_and_damaged_data_is_refused(void **state)
{
    (void)state;
    struct buf in = sample(500, true);
    for (size_t k = 0; k < KINDS; k++) {
        struct buf z = packed(kinds[k], buf_slice(&in)), out;
        buf_init(&out, LIMIT);
        for (size_t n = 1; n < z.n; n++) {
            struct fault f = {0};
            buf_clear(&out);
            err rc = codec_decompress(kinds[k], slice_sub(buf_slice(&z), 0, n), &out, &f);
            /* a framed snappy stream may end behind any chunk */
            assert_true(rc == ERR_INVALID || (kinds[k] == CODEC_SNAPPY_FRAMED && n == 10));
            assert_true(rc == OK || f.msg[0] != '\0');
        }
        for (size_t i = 0; i < z.n; i++) {
            struct fault f = {0};
            buf_clear(&out);
            z.p[i] ^= 0x55;
            err rc = codec_decompress(kinds[k], buf_slice(&z), &out, &f);
            assert_true(rc == OK || f.msg[0] != '\0');
            z.p[i] ^= 0x55;
        }
        buf_fini(&z);
        buf_fini(&out);
    }
    buf_fini(&in);
}

static void
a_gzip_body_may_have_several_members(void **state)
{
    (void)state;
    struct buf z, out;
    buf_init(&z, LIMIT);
    buf_init(&out, LIMIT);
    assert_int_equal(OK, codec_compress(CODEC_GZIP, SL("hello "), &z));
    assert_int_equal(OK, codec_compress(CODEC_GZIP, SL(""), &z));
    assert_int_equal(OK, codec_compress(CODEC_GZIP, SL("world"), &z));
    assert_int_equal(OK, codec_decompress(CODEC_GZIP, buf_slice(&z), &out, NULL));
    assert_true(slice_eq(SL("hello world"), buf_slice(&out)));
    buf_fini(&z);
    buf_fini(&out);
}

static void
snappy_over_http_is_either_form_but_over_grpc_framed_only(void **state)
{
    (void)state;
    struct buf block = packed(CODEC_SNAPPY_HTTP, SL("hello")),
               framed = packed(CODEC_SNAPPY_FRAMED, SL("hello")), out;
    buf_init(&out, LIMIT);
    assert_int_equal(OK, codec_decompress(CODEC_SNAPPY_HTTP, buf_slice(&block), &out, NULL));
    assert_int_equal(OK, codec_decompress(CODEC_SNAPPY_HTTP, buf_slice(&framed), &out, NULL));
    assert_true(slice_eq(SL("hellohello"), buf_slice(&out)));
    struct fault f = {0};
    assert_int_equal(ERR_INVALID, codec_decompress(CODEC_SNAPPY_FRAMED, buf_slice(&block), &out, &f));
    assert_string_equal("snappy: corrupt input", f.msg);
    f = (struct fault){0};
    framed.p[framed.n - 1] ^= 1;
    assert_int_equal(ERR_INVALID, codec_decompress(CODEC_SNAPPY_FRAMED, buf_slice(&framed), &out, &f));
    assert_string_equal("snappy: corrupt input", f.msg);
    buf_fini(&block);
    buf_fini(&framed);
    buf_fini(&out);
}

static void
a_header_that_lies_about_the_size_takes_no_memory(void **state)
{
    (void)state;
    /* snappy: 4 GiB claimed by 6 bytes; gzip: ISIZE of 4 GiB behind 5 bytes */
    struct buf out, z = packed(CODEC_GZIP, SL("hello"));
    buf_init(&out, (size_t)1 << 32);
    assert_int_equal(ERR_INVALID,
                     codec_decompress(CODEC_SNAPPY_HTTP, SL("\xff\xff\xff\xff\x0f\x00"), &out, NULL));
    memset(z.p + z.n - 4, 0xff, 4);
    assert_int_equal(ERR_INVALID, codec_decompress(CODEC_GZIP, buf_slice(&z), &out, NULL));
    assert_true(out.cap <= 1 << 16);
    buf_fini(&out);
    buf_fini(&z);
}

static void
an_answer_too_large_for_its_buffer_is_refused(void **state)
{
    (void)state;
    static const enum codec_kind writers[] = {CODEC_GZIP, CODEC_ZSTD, CODEC_SNAPPY_FRAMED};
    struct buf in = sample(200000, true);
    for (size_t i = 0; i < 3; i++) {
        for (size_t max = 0; max < 200000; max += 33331) {
            struct buf out;
            buf_init(&out, max);
            assert_int_equal(ERR_LIMIT, codec_compress(writers[i], buf_slice(&in), &out));
            buf_fini(&out);
        }
    }
    buf_fini(&in);
}

static void
names_are_those_of_the_protocols(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int http, grpc; /* -1: unknown */
    } cases[] = {
        {"", CODEC_NONE, -1},
        {"identity", -1, CODEC_NONE},
        {"gzip", CODEC_GZIP, CODEC_GZIP},
        {"zstd", CODEC_ZSTD, CODEC_ZSTD},
        {"zlib", CODEC_ZLIB, -1},
        {"deflate", CODEC_ZLIB, -1},
        {"snappy", CODEC_SNAPPY_HTTP, CODEC_SNAPPY_FRAMED},
        {"x-snappy-framed", CODEC_SNAPPY_FRAMED, -1},
        {"lz4", CODEC_LZ4, -1},
        {"br", -1, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum codec_kind kind;
        bool known = codec_from_http(slice_cstr(cases[i].name), &kind);
        assert_int_equal(cases[i].http, known ? (int)kind : -1);
        known = codec_from_grpc(slice_cstr(cases[i].name), &kind);
        assert_int_equal(cases[i].grpc, known ? (int)kind : -1);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_clients_compress_comes_back_whole),
        cmocka_unit_test(a_bomb_stops_at_the_limit),
        cmocka_unit_test(truncated_and_damaged_data_is_refused),
        cmocka_unit_test(a_gzip_body_may_have_several_members),
        cmocka_unit_test(snappy_over_http_is_either_form_but_over_grpc_framed_only),
        cmocka_unit_test(a_header_that_lies_about_the_size_takes_no_memory),
        cmocka_unit_test(an_answer_too_large_for_its_buffer_is_refused),
        cmocka_unit_test(names_are_those_of_the_protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
