#include "compress_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#include <libdeflate.h>
#include <lz4frame.h>
#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* Deflate and zstd are decoded in one shot into a guess of the size, which doubles and starts again when it
 * was too small: twice the work at worst, no window buffer, and no size that a peer can choose for us. */
#define GUESS_MIN       4096
#define GUESS_RATIO     4  /* of the input when nothing tells the size */
#define TRUSTED_RATIO   64 /* a size in a header is believed up to this multiple of the input */
#define GZIP_LEVEL      4  /* answers: close to zlib's 6 in size at several times the speed */
#define ZSTD_LEVEL      1
#define GZIP_SIZE_BYTES 4 /* ISIZE, the last field of a member */

struct codec_name {
    const char *name;
    enum codec_kind kind;
};

static const struct codec_name http_names[] = {
    {"", CODEC_NONE},        {"gzip", CODEC_GZIP},
    {"zstd", CODEC_ZSTD},    {"zlib", CODEC_ZLIB},
    {"deflate", CODEC_ZLIB}, {"snappy", CODEC_SNAPPY_HTTP},
    {"lz4", CODEC_LZ4},      {"x-snappy-framed", CODEC_SNAPPY_FRAMED},
};
static const struct codec_name grpc_names[] = {
    {"identity", CODEC_NONE},
    {"gzip", CODEC_GZIP},
    {"zstd", CODEC_ZSTD},
    {"snappy", CODEC_SNAPPY_FRAMED},
};

static bool
name_find(const struct codec_name *names, size_t count, slice name, enum codec_kind *ret)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_eq(slice_cstr(names[i].name), name)) {
            *ret = names[i].kind;
            return true;
        }
    }
    return false;
}

bool
codec_from_http(slice name, enum codec_kind *ret)
{
    return name_find(http_names, sizeof http_names / sizeof http_names[0], name, ret);
}

bool
codec_from_grpc(slice name, enum codec_kind *ret)
{
    return name_find(grpc_names, sizeof grpc_names / sizeof grpc_names[0], name, ret);
}

/* --- states kept per thread -------------------------------------------------------------------------------
 */

struct codec_state {
    struct libdeflate_decompressor *inflate;
    struct libdeflate_compressor *deflate;
    ZSTD_DCtx *unzstd;
    ZSTD_CCtx *zstd;
};

static pthread_key_t state_key;
static pthread_once_t state_once = PTHREAD_ONCE_INIT;

static void
state_destroy(void *p)
{
    struct codec_state *s = p;
    libdeflate_free_decompressor(s->inflate);
    libdeflate_free_compressor(s->deflate);
    ZSTD_freeDCtx(s->unzstd);
    ZSTD_freeCCtx(s->zstd);
    mem_free(s);
}

/* A thread's exit runs the key's destructor; the main thread's is left to exit(). */
static void
main_state_destroy(void)
{
    void *p = pthread_getspecific(state_key);
    if (p != NULL) {
        MUST(pthread_setspecific(state_key, NULL) == 0);
        state_destroy(p);
    }
}

static void
state_key_create(void)
{
    MUST(pthread_key_create(&state_key, state_destroy) == 0);
    MUST(atexit(main_state_destroy) == 0);
}

static struct codec_state *
state_get(void)
{
    MUST(pthread_once(&state_once, state_key_create) == 0);
    struct codec_state *s = pthread_getspecific(state_key);
    if (s == NULL) {
        s = mem_new(struct codec_state);
        MUST(pthread_setspecific(state_key, s) == 0);
    }
    return s;
}

/* --- room -------------------------------------------------------------------------------------------------
 */

err
codec_room(struct buf *out, size_t want, size_t *ret)
{
    size_t left = out->max - out->n;
    if (want > left) {
        want = left;
    }
    err rc = buf_reserve(out, want);
    if (rc == OK) {
        size_t room = out->cap - out->n;
        *ret = room < left ? room : left;
    }
    return rc;
}

err
codec_full(const struct buf *out, struct fault *f)
{
    return FAULT(f, ERR_LIMIT, "the data is larger than the limit of %zu bytes after decompression",
                 out->max);
}

/* What to try first. `claimed` is 0 when nothing tells. */
static size_t
first_guess(slice in, uint64_t claimed)
{
    size_t guess = claimed != 0 && claimed / TRUSTED_RATIO <= in.n ? (size_t)claimed : in.n * GUESS_RATIO;
    return guess < GUESS_MIN ? GUESS_MIN : guess;
}

/* --- gzip and zlib ----------------------------------------------------------------------------------------
 */

typedef enum libdeflate_result (*inflate_fn)(struct libdeflate_decompressor *d, const void *in, size_t in_n,
                                             void *out, size_t out_n, size_t *ret_in, size_t *ret_out);

/* One gzip member or zlib stream from the head of `in`. */
static err
inflate_one(inflate_fn fn, slice *in, size_t guess, struct buf *out, struct fault *f)
{
    struct codec_state *s = state_get();
    if (s->inflate == NULL) {
        s->inflate = libdeflate_alloc_decompressor();
        MUST(s->inflate != NULL);
    }
    const char *name = fn == libdeflate_gzip_decompress_ex ? "gzip" : "zlib";
    for (;;) {
        size_t room, used, made;
        uint8_t none[1];
        if (codec_room(out, guess, &room) != OK) {
            return codec_full(out, f);
        }
        void *to = room != 0 ? out->p + out->n : none;
        enum libdeflate_result r = fn(s->inflate, in->p, in->n, to, room, &used, &made);
        if (r == LIBDEFLATE_SUCCESS) {
            out->n += made;
            *in = slice_sub(*in, used, in->n);
            return OK;
        }
        if (r != LIBDEFLATE_INSUFFICIENT_SPACE) {
            return FAULT(f, ERR_INVALID, "%s: invalid or truncated data", name);
        }
        if (room == out->max - out->n) {
            return codec_full(out, f);
        }
        guess = room * 2;
    }
}

static err
gzip_decompress(slice in, struct buf *out, struct fault *f)
{
    err rc = OK;
    uint64_t claimed = 0;
    for (size_t i = 0; i < GZIP_SIZE_BYTES && in.n >= GZIP_SIZE_BYTES; i++) {
        claimed |= (uint64_t)in.p[in.n - GZIP_SIZE_BYTES + i] << (8 * i);
    }
    size_t guess = first_guess(in, claimed);
    do {
        TRY(inflate_one(libdeflate_gzip_decompress_ex, &in, guess, out, f));
        guess = GUESS_MIN;
    } while (in.n != 0);
out:
    return rc;
}

static err
gzip_compress(slice in, struct buf *out)
{
    struct codec_state *s = state_get();
    if (s->deflate == NULL) {
        s->deflate = libdeflate_alloc_compressor(GZIP_LEVEL);
        MUST(s->deflate != NULL);
    }
    size_t room;
    err rc = codec_room(out, libdeflate_gzip_compress_bound(s->deflate, in.n), &room);
    if (rc != OK || room == 0) {
        return ERR_LIMIT;
    }
    size_t n = libdeflate_gzip_compress(s->deflate, in.p, in.n, out->p + out->n, room);
    out->n += n;
    return n != 0 ? OK : ERR_LIMIT;
}

/* --- zstd -------------------------------------------------------------------------------------------------
 */

static err
zstd_decompress(slice in, struct buf *out, struct fault *f)
{
    struct codec_state *s = state_get();
    if (s->unzstd == NULL) {
        s->unzstd = ZSTD_createDCtx();
        MUST(s->unzstd != NULL);
    }
    unsigned long long claimed = ZSTD_getFrameContentSize(in.p, in.n);
    if (claimed == ZSTD_CONTENTSIZE_UNKNOWN || claimed == ZSTD_CONTENTSIZE_ERROR) {
        claimed = 0;
    } else if (claimed > out->max - out->n) {
        return codec_full(out, f);
    }
    size_t guess = first_guess(in, claimed);
    for (;;) {
        size_t room;
        uint8_t none[1];
        if (codec_room(out, guess, &room) != OK) {
            return codec_full(out, f);
        }
        size_t n = ZSTD_decompressDCtx(s->unzstd, room != 0 ? out->p + out->n : none, room, in.p, in.n);
        if (!ZSTD_isError(n)) {
            out->n += n;
            return OK;
        }
        if (ZSTD_getErrorCode(n) != ZSTD_error_dstSize_tooSmall) {
            return FAULT(f, ERR_INVALID, "zstd: %s", ZSTD_getErrorName(n));
        }
        if (room == out->max - out->n) {
            return codec_full(out, f);
        }
        guess = room * 2;
    }
}

static err
zstd_compress(slice in, struct buf *out)
{
    struct codec_state *s = state_get();
    if (s->zstd == NULL) {
        s->zstd = ZSTD_createCCtx();
        MUST(s->zstd != NULL);
        MUST(!ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)));
    }
    size_t room;
    err rc = codec_room(out, ZSTD_compressBound(in.n), &room);
    if (rc != OK || room == 0) {
        return ERR_LIMIT;
    }
    size_t n = ZSTD_compress2(s->zstd, out->p + out->n, room, in.p, in.n);
    if (ZSTD_isError(n)) {
        return ERR_LIMIT; /* the only way a one-shot compression of plain memory fails */
    }
    out->n += n;
    return OK;
}

/* --- lz4 --------------------------------------------------------------------------------------------------
 */

static err
lz4_frames(LZ4F_dctx *d, slice in, struct buf *out, struct fault *f)
{
    size_t guess = first_guess(in, 0), wanted = 1;
    while (in.n != 0 || wanted != 0) {
        size_t room, used = in.n, before = out->n;
        uint8_t none[1];
        if (codec_room(out, guess, &room) != OK) {
            return codec_full(out, f);
        }
        size_t made = room;
        wanted = LZ4F_decompress(d, room != 0 ? out->p + out->n : none, &made, in.p, &used, NULL);
        if (LZ4F_isError(wanted)) {
            return FAULT(f, ERR_INVALID, "lz4: %s", LZ4F_getErrorName(wanted));
        }
        out->n += made;
        in = slice_sub(in, used, in.n);
        if (wanted != 0 && used == 0 && out->n == before) {
            return room == 0 ? codec_full(out, f) : FAULT(f, ERR_INVALID, "lz4: unexpected end of input");
        }
        guess = out->n < GUESS_MIN ? GUESS_MIN : out->n;
    }
    return OK;
}

static err
lz4_decompress(slice in, struct buf *out, struct fault *f)
{
    LZ4F_dctx *d;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION))) {
        return FAULT(f, ERR_LIMIT, "lz4: out of memory");
    }
    err rc = lz4_frames(d, in, out, f);
    LZ4F_freeDecompressionContext(d);
    return rc;
}

/* --- all of them ------------------------------------------------------------------------------------------
 */

err
codec_decompress(enum codec_kind kind, slice in, struct buf *out, struct fault *f)
{
    switch (kind) {
    case CODEC_NONE:
        return buf_append_slice(out, in) == OK ? OK : codec_full(out, f);
    case CODEC_GZIP:
        return gzip_decompress(in, out, f);
    case CODEC_ZLIB:
        return inflate_one(libdeflate_zlib_decompress_ex, &in, first_guess(in, 0), out, f);
    case CODEC_ZSTD:
        return zstd_decompress(in, out, f);
    case CODEC_SNAPPY_HTTP:
        return snappy_is_framed(in) ? snappy_framed_decompress(in, out, f)
                                    : snappy_block_decompress(in, out, f);
    case CODEC_SNAPPY_FRAMED:
        return snappy_framed_decompress(in, out, f);
    case CODEC_LZ4:
        return lz4_decompress(in, out, f);
    }
    return FAULT(f, ERR_UNSUPPORTED, "unknown compression");
}

err
codec_compress(enum codec_kind kind, slice in, struct buf *out)
{
    switch (kind) {
    case CODEC_NONE:
        return buf_append_slice(out, in);
    case CODEC_GZIP:
        return gzip_compress(in, out);
    case CODEC_ZSTD:
        return zstd_compress(in, out);
    case CODEC_SNAPPY_FRAMED:
        return snappy_framed_compress(in, out);
    default:
        return ERR_UNSUPPORTED;
    }
}
