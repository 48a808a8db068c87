/* bench_decode: how fast OTLP bodies become span batches, with `zstd -1` over the same bytes as the yardstick
 * of the machine and the moment. Every figure is a median over the whole corpus. */
#include "args.h"
#include "corpus.h"
#include "otlp_json.h"
#include "result.h"

#include "vivace/codec/otlp.h"

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
    args_parse(argc, argv, "bench_decode: decode OTLP and compare with zstd -1", list);
    size_t n = runs < 1 ? 1 : (size_t)runs;
    struct bodies proto = {0}, json = {0};
    struct span_batch batch;
    span_batch_init(&batch, 0);
    protobuf_bodies(&proto, (uint64_t)spans, (uint64_t)seed);
    json_bodies(&json, &proto);
    uint64_t *times[3];
    for (int i = 0; i < 3; i++) {
        times[i] = xalloc(n * sizeof *times[i]);
    }
    size_t cap = ZSTD_compressBound(proto.bytes.n), packed = 0;
    uint8_t *room = xalloc(cap);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    for (size_t i = 0; i < n; i++) { /* interleaved, so that a slow moment hits all alike */
        times[0][i] = decode_pass(&proto, otlp_decode, &batch);
        times[1][i] = decode_pass(&json, otlp_json_decode, &batch);
        times[2][i] = zstd_pass(&proto, z, room, cap, &packed);
    }
    struct result out = {0};
    double decode_ns = median(times[0], n), zstd_ns = median(times[2], n);
    result_num(&out, "runs", (double)n);
    result_num(&out, "spans", (double)proto.spans);
    report(&out, "otlp_protobuf", &proto, decode_ns);
    report(&out, "otlp_json", &json, median(times[1], n));
    report(&out, "zstd1", &proto, zstd_ns);
    result_num(&out, "zstd1_ratio", (double)proto.bytes.n / (double)packed);
    result_num(&out, "otlp_protobuf_speed_ratio_to_zstd1", zstd_ns / decode_ns);
    result_write(&out, path);
    ZSTD_freeCCtx(z);
    span_batch_fini(&batch);
    for (int i = 0; i < 3; i++) {
        free(times[i]);
    }
    free(room);
    blob_free(&proto.bytes);
    blob_free(&json.bytes);
    free(proto.at);
    free(json.at);
    return 0;
}
