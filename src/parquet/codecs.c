#include "codecs.h"

#include "vivace/base/must.h"

#include <libdeflate.h>
#include <lz4.h>
#include <snappy-c.h>
#include <zstd.h>

void
codecs_init(struct codecs *c, int zstd_level)
{
    *c = (struct codecs){.zstd_level = zstd_level};
}

void
codecs_fini(struct codecs *c)
{
    ZSTD_freeDCtx(c->zstd_in);
    ZSTD_freeCCtx(c->zstd_out);
    if (c->gzip_in) {
        libdeflate_free_decompressor(c->gzip_in);
    }
}

err
codec_check(unsigned codec, struct fault *f)
{
    switch (codec) {
    case PARQUET_UNCOMPRESSED:
    case PARQUET_SNAPPY:
    case PARQUET_GZIP:
    case PARQUET_ZSTD:
    case PARQUET_LZ4_RAW:
        return OK;
    default:
        return FAULT(f, ERR_UNSUPPORTED, "parquet: codec %s", parquet_codec_name((enum parquet_codec)codec));
    }
}

static bool
decode_zstd(struct codecs *c, slice in, uint8_t *out, size_t n)
{
    if (!c->zstd_in) {
        c->zstd_in = ZSTD_createDCtx();
        MUST(c->zstd_in);
    }
    size_t got = ZSTD_decompressDCtx(c->zstd_in, out, n, in.p, in.n);
    return !ZSTD_isError(got) && got == n;
}

/* A gzip page may be several members. */
static bool
decode_gzip(struct codecs *c, slice in, uint8_t *out, size_t n)
{
    size_t used = 0, made = 0, in_n = 0, out_n = 0;
    if (!c->gzip_in) {
        c->gzip_in = libdeflate_alloc_decompressor();
        MUST(c->gzip_in);
    }
    do {
        if (libdeflate_gzip_decompress_ex(c->gzip_in, in.p + used, in.n - used, out + made, n - made, &in_n,
                                          &out_n) != LIBDEFLATE_SUCCESS) {
            return false;
        }
        used += in_n;
        made += out_n;
    } while (used < in.n);
    return made == n;
}

static bool
decode_snappy(slice in, uint8_t *out, size_t n)
{
    size_t want = 0;
    return snappy_uncompressed_length((const char *)in.p, in.n, &want) == SNAPPY_OK && want == n &&
           snappy_uncompress((const char *)in.p, in.n, (char *)out, &want) == SNAPPY_OK;
}

err
codec_decode(struct codecs *c, unsigned codec, slice in, uint8_t *out, size_t n, struct fault *f)
{
    bool good = false;
    switch (codec) {
    case PARQUET_UNCOMPRESSED:
        good = in.n == n;
        if (good && n) {
            memcpy(out, in.p, n);
        }
        break;
    case PARQUET_ZSTD:
        good = decode_zstd(c, in, out, n);
        break;
    case PARQUET_GZIP:
        good = decode_gzip(c, in, out, n);
        break;
    case PARQUET_SNAPPY:
        good = decode_snappy(in, out, n);
        break;
    case PARQUET_LZ4_RAW:
        good = in.n <= INT32_MAX && n <= INT32_MAX &&
               LZ4_decompress_safe((const char *)in.p, (char *)out, (int)in.n, (int)n) == (int)n;
        break;
    default:
        return codec_check(codec, f);
    }
    return good ? OK
                : FAULT(f, ERR_CORRUPT, "parquet page: %zu bytes of %s do not give %zu bytes", in.n,
                        parquet_codec_name((enum parquet_codec)codec), n);
}

/* Level 1 finds the same in a page by a table of 8 KiB, which stays in the first cache, as by one of 64. */
#define LEVEL_1_HASH_LOG 11
/* Matches of five bytes, which it would look for in small pages, cost more than they save. */
#define LEVEL_1_MATCH_MIN 6

static void
make_zstd_out(struct codecs *c)
{
    c->zstd_out = ZSTD_createCCtx();
    MUST(c->zstd_out);
    MUST(!ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd_out, ZSTD_c_compressionLevel, c->zstd_level)));
    if (c->zstd_level == 1) {
        MUST(!ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd_out, ZSTD_c_hashLog, LEVEL_1_HASH_LOG)));
        MUST(!ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd_out, ZSTD_c_minMatch, LEVEL_1_MATCH_MIN)));
    }
}

err
codec_encode_zstd(struct codecs *c, slice in, struct buf *out, struct fault *f)
{
    if (!c->zstd_out) {
        make_zstd_out(c);
    }
    size_t room = ZSTD_compressBound(in.n);
    if (buf_reserve(out, room) != OK) {
        return FAULT(f, ERR_LIMIT, "parquet writer: a row group is larger than its memory limit");
    }
    size_t got = ZSTD_compress2(c->zstd_out, out->p + out->n, room, in.p, in.n);
    if (ZSTD_isError(got)) {
        return FAULT(f, ERR_INTERNAL, "parquet writer: zstd: %s", ZSTD_getErrorName(got));
    }
    out->n += got;
    return OK;
}

uint32_t
page_crc(uint32_t crc, slice in)
{
    return in.n ? libdeflate_crc32(crc, in.p, in.n) : crc; /* NULL would start it anew */
}
