/* bench_decode: how fast OTLP, Zipkin and Jaeger bodies become span batches, with `zstd -1` over the same
 * bytes as the yardstick of the machine and the moment. Every figure is a median over the whole corpus. */
#include "args.h"
#include "corpus.h"
#include "otlp_json.h"
#include "result.h"
#include "translate.h"

#include "vivace/codec/jaeger.h"
#include "vivace/codec/otlp.h"
#include "vivace/codec/zipkin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct bodies {
    struct blob bytes;
    size_t *at; /* count + 1 offsets */
    size_t count;
    uint64_t spans;
};

static void
bodies_add(struct bodies *b, const void *p, size_t n)
{
    if (b->count % 256 == 0) {
        b->at = xrealloc(b->at, b->count + 257, sizeof *b->at);
    }
    b->at[b->count++] = b->bytes.n;
    blob_add(&b->bytes, p, n);
    b->at[b->count] = b->bytes.n;
}

static slice
body_of(const struct bodies *b, size_t i)
{
    return slice_of(b->bytes.p + b->at[i], b->at[i + 1] - b->at[i]);
}

static void
protobuf_bodies(struct bodies *b, uint64_t spans, uint64_t seed)
{
    struct corpus_options o = {.seed = seed, .spans = spans, .start_ns = 1700000000000000000u};
    struct corpus *c = corpus_create(&o);
    struct corpus_request r;
    while (corpus_next(c, &r)) {
        bodies_add(b, r.body, r.n);
        b->spans += r.spans;
    }
    corpus_destroy(c);
}

static void
json_bodies(struct bodies *b, const struct bodies *proto)
{
    struct blob text = {0};
    for (size_t i = 0; i < proto->count; i++) {
        slice body = body_of(proto, i);
        text.n = 0;
        otlp_json_from(&text, body.p, body.n);
        bodies_add(b, text.p, text.n);
    }
    b->spans = proto->spans;
    blob_free(&text);
}

static void
body_done(void *ctx, slice body)
{
    bodies_add(ctx, body.p, body.n);
}

/* The same spans as Zipkin's and Jaeger's clients send them. */
static void
other_bodies(struct bodies *zipkin, struct bodies *binary, struct bodies *compact, const struct bodies *proto)
{
    struct span_batch batch;
    struct buf text;
    span_batch_init(&batch, 0);
    buf_init(&text, (size_t)1 << 30);
    for (size_t i = 0; i < proto->count; i++) {
        span_batch_reset(&batch);
        if (otlp_decode(body_of(proto, i), &batch, NULL) != OK) {
            die("body %zu of the corpus is not OTLP", i);
        }
        buf_clear(&text);
        zipkin_json_from(&text, &batch);
        bodies_add(zipkin, text.p, text.n);
        jaeger_thrift_from(&text, &batch, false, body_done, binary);
        jaeger_thrift_from(&text, &batch, true, body_done, compact);
    }
    zipkin->spans = binary->spans = compact->spans = proto->spans;
    buf_fini(&text);
    span_batch_fini(&batch);
}

static err
decode_zipkin(slice body, struct span_batch *out, struct fault *f)
{
    static const struct zipkin_options o = {0};
    return zipkin_decode(body, ZIPKIN_V2_JSON, &o, out, f);
}

static err
decode_thrift_binary(slice body, struct span_batch *out, struct fault *f)
{
    return jaeger_thrift_decode(body, JAEGER_THRIFT_BINARY, out, f);
}

static err
decode_thrift_compact(slice body, struct span_batch *out, struct fault *f)
{
    return jaeger_thrift_decode(body, JAEGER_THRIFT_COMPACT, out, f);
}

typedef err decode_fn(slice body, struct span_batch *out, struct fault *f);

/* One pass over all bodies into one batch, as a connection's worker does it. Nanoseconds. */
static uint64_t
decode_pass(const struct bodies *b, decode_fn *decode, struct span_batch *batch)
{
    uint64_t start = now_ns(), spans = 0;
    for (size_t i = 0; i < b->count; i++) {
        struct fault f = {0};
        span_batch_reset(batch);
        if (decode(body_of(b, i), batch, &f) != OK) {
            die("body %zu: %s", i, f.msg);
        }
        spans += batch->span_count;
    }
    uint64_t ns = now_ns() - start;
    if (spans != b->spans) {
        die("decoded %llu spans of %llu", (unsigned long long)spans, (unsigned long long)b->spans);
    }
    return ns;
}

static uint64_t
zstd_pass(const struct bodies *b, ZSTD_CCtx *z, uint8_t *out, size_t cap, size_t *ret_n)
{
    uint64_t start = now_ns();
    *ret_n = ZSTD_compressCCtx(z, out, cap, b->bytes.p, b->bytes.n, 1);
    if (ZSTD_isError(*ret_n)) {
        die("zstd: %s", ZSTD_getErrorName(*ret_n));
    }
    return now_ns() - start;
}

static int
by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double
median(uint64_t *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    return (double)v[n >> 1];
}

static void
report(struct result *out, const char *what, const struct bodies *b, double ns)
{
    char key[64];
    snprintf(key, sizeof key, "%s_mb_per_second", what);
    result_num(out, key, (double)b->bytes.n * 1e3 / ns);
    snprintf(key, sizeof key, "%s_ns_per_span", what);
    result_num(out, key, ns / (double)b->spans);
    snprintf(key, sizeof key, "%s_bytes_per_span", what);
    result_num(out, key, (double)b->bytes.n / (double)b->spans);
}

int
main(int argc, char **argv)
{
    double spans = 50000, runs = 21, seed = 1;
    const char *path = "-";
    const struct arg list[] = {
        {"--spans", "in the corpus", .number = &spans},
        {"--runs", "passes; the median counts", .number = &runs},
        {"--seed", "of the corpus", .number = &seed},
        {"--result", "file for the JSON result, - = standard output", .text = &path},
        {0},
    };
    args_parse(argc, argv, "bench_decode: decode OTLP, Zipkin and Jaeger, and compare with zstd -1", list);
    size_t n = runs < 1 ? 1 : (size_t)runs;
    enum { PROTO, JSON, ZIPKIN, THRIFT_BINARY, THRIFT_COMPACT, FORM_COUNT };
    static const struct {
        const char *name;
        decode_fn *decode;
    } forms[FORM_COUNT] = {{"otlp_protobuf", otlp_decode},
                           {"otlp_json", otlp_json_decode},
                           {"zipkin_json", decode_zipkin},
                           {"jaeger_thrift_binary", decode_thrift_binary},
                           {"jaeger_thrift_compact", decode_thrift_compact}};
    struct bodies bodies[FORM_COUNT] = {0}, *proto = &bodies[PROTO];
    struct span_batch batch;
    span_batch_init(&batch, 0);
    protobuf_bodies(proto, (uint64_t)spans, (uint64_t)seed);
    json_bodies(&bodies[JSON], proto);
    other_bodies(&bodies[ZIPKIN], &bodies[THRIFT_BINARY], &bodies[THRIFT_COMPACT], proto);
    uint64_t *times[FORM_COUNT + 1];
    for (int i = 0; i <= FORM_COUNT; i++) {
        times[i] = xalloc(n * sizeof *times[i]);
    }
    size_t cap = ZSTD_compressBound(proto->bytes.n), packed = 0;
    uint8_t *room = xalloc(cap);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    for (size_t i = 0; i < n; i++) { /* interleaved, so that a slow moment hits all alike */
        for (int form = 0; form < FORM_COUNT; form++) {
            times[form][i] = decode_pass(&bodies[form], forms[form].decode, &batch);
        }
        times[FORM_COUNT][i] = zstd_pass(proto, z, room, cap, &packed);
    }
    struct result out = {0};
    double decode_ns = median(times[PROTO], n), zstd_ns = median(times[FORM_COUNT], n);
    result_num(&out, "runs", (double)n);
    result_num(&out, "spans", (double)proto->spans);
    for (int form = 0; form < FORM_COUNT; form++) {
        report(&out, forms[form].name, &bodies[form], median(times[form], n));
    }
    report(&out, "zstd1", proto, zstd_ns);
    result_num(&out, "zstd1_ratio", (double)proto->bytes.n / (double)packed);
    result_num(&out, "otlp_protobuf_speed_ratio_to_zstd1", zstd_ns / decode_ns);
    result_write(&out, path);
    ZSTD_freeCCtx(z);
    span_batch_fini(&batch);
    for (int i = 0; i <= FORM_COUNT; i++) {
        free(times[i]);
    }
    free(room);
    for (int form = 0; form < FORM_COUNT; form++) {
        blob_free(&bodies[form].bytes);
        free(bodies[form].at);
    }
    return 0;
}
