/* bench_ingest: push a corpus into a server and say what it cost: spans a second, latency, CPU, memory, disk,
 * each also against `zstd -1` over the same bytes in the same run. Then read a sample of the traces back. */
#include "args.h"
#include "client.h"
#include "corpus.h"
#include "ledger.h"
#include "result.h"
#include "target.h"

#include <inttypes.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

struct options {
    double spans, seed, connections, inflight, open_loop, sample, http_port, pid, retry_s, idle_s;
    const char *server, *target, *protocol, *compression, *result, *dir, *config, *label;
    bool stream, keep;
};

struct item {
    uint8_t *body;
    size_t n;
    uint32_t spans, ref_n;
    struct corpus_ref *refs; /* of the sampled traces only */
};

struct run {
    struct options o;
    struct corpus *corpus;
    struct libdeflate_compressor *gzip;
    struct item *items; /* pre-generated */
    size_t count, cap, next;
    uint64_t spans, bytes, raw_bytes;
    struct ledger ledger;
};

static double
cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct corpus *
corpus_of(const struct options *o)
{
    /* The traces end about now, as those of a live system would. */
    uint64_t lasts_ns = (uint64_t)(o->spans / 5000 * 1e9);
    struct corpus_options c = {.seed = (uint64_t)o->seed,
                               .spans = (uint64_t)o->spans,
                               .start_ns = wall_ns() - lasts_ns - 1000000000u};
    return corpus_create(&c);
}

/* `zstd -1` over the corpus as one stream, as the command line tool would do it. */
static void
yardstick(const struct options *o, double *ret_cpu_s, uint64_t *ret_in, uint64_t *ret_out)
{
    struct corpus *corpus = corpus_of(o);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, 1);
    static uint8_t out[256 << 10];
    struct corpus_request r;
    *ret_cpu_s = 0;
    *ret_in = *ret_out = 0;
    bool more = true;
    while (more) {
        more = corpus_next(corpus, &r);
        ZSTD_inBuffer in = {more ? r.body : NULL, more ? r.n : 0, 0};
        *ret_in += in.size;
        double from = cpu_now();
        size_t left;
        do {
            ZSTD_outBuffer to = {out, sizeof out, 0};
            left = ZSTD_compressStream2(z, &to, &in, more ? ZSTD_e_continue : ZSTD_e_end);
            if (ZSTD_isError(left)) {
                die("zstd: %s", ZSTD_getErrorName(left));
            }
            *ret_out += to.pos;
        } while (in.pos < in.size || (!more && left));
        *ret_cpu_s += cpu_now() - from;
    }
    ZSTD_freeCCtx(z);
    corpus_destroy(corpus);
}

static bool
item_make(struct run *r, struct item *ret)
{
    struct corpus_request q;
    if (!corpus_next(r->corpus, &q)) {
        return false;
    }
    *ret = (struct item){.n = q.n, .spans = q.spans};
    if (r->gzip) {
        size_t bound = libdeflate_gzip_compress_bound(r->gzip, q.n);
        ret->body = xalloc(bound);
        ret->n = libdeflate_gzip_compress(r->gzip, q.body, q.n, ret->body, bound);
    } else {
        ret->body = xalloc(q.n);
        memcpy(ret->body, q.body, q.n);
    }
    for (uint32_t i = 0; i < q.spans; i++) {
        ret->ref_n += ledger_wants(&r->ledger, &q.refs[i]);
    }
    ret->refs = xalloc(ret->ref_n * sizeof *ret->refs);
    for (uint32_t i = 0, k = 0; i < q.spans; i++) {
        if (ledger_wants(&r->ledger, &q.refs[i])) {
            ret->refs[k++] = q.refs[i];
        }
    }
    r->spans += q.spans;
    r->bytes += ret->n;
    r->raw_bytes += q.n;
    return true;
}

static void
item_free(struct item *it)
{
    free(it->body);
    free(it->refs);
}

static bool
next_request(void *ctx, struct load_request *ret)
{
    struct run *r = ctx;
    struct item *it;
    if (r->o.stream) {
        it = xalloc(sizeof *it);
        if (!item_make(r, it)) {
            free(it);
            return false;
        }
    } else if (r->next == r->count) {
        return false;
    } else {
        it = &r->items[r->next++];
    }
    ledger_sent(&r->ledger, it->refs, it->ref_n);
    *ret = (struct load_request){
        .body = it->body, .n = it->n, .spans = it->spans, .tag = (uint64_t)(uintptr_t)it};
    return true;
}

static void
request_done(void *ctx, const struct load_request *q, enum load_outcome outcome)
{
    struct run *r = ctx;
    struct item *it = (struct item *)(uintptr_t)q->tag; // NOLINT(performance-no-int-to-ptr)
    if (outcome == LOAD_ACKED) {
        ledger_acked(&r->ledger, it->refs, it->ref_n);
    }
    if (r->o.stream) {
        item_free(it);
        free(it);
    }
}

static void
pregenerate(struct run *r)
{
    struct item it;
    while (item_make(r, &it)) {
        if (r->count == r->cap) {
            r->cap = r->cap ? r->cap * 2 : 1024;
            r->items = xrealloc(r->items, r->cap, sizeof *r->items);
        }
        r->items[r->count++] = it;
    }
}

/* Ask for everything to be written out; a server without /flush has settled when it uses no CPU for 3 s. */
static double
settle(struct target *t)
{
    struct blob body = {0};
    uint64_t start = now_ns();
    int status = http_get(t, "/flush", NULL, &body);
    blob_free(&body);
    if (status < 200 || status > 299) {
        struct target_usage before, after;
        do {
            target_usage(t, &before);
            sleep(3);
            target_usage(t, &after);
        } while (t->pid && after.cpu_s - before.cpu_s > 0.03 && now_ns() - start < 180000000000u);
    }
    return (double)(now_ns() - start) / 1e9;
}

/* Read the sampled traces back; the number of faults found. */
static uint64_t
verify(struct run *r, struct target *t, struct result *out)
{
    struct ledger_verdict v = {0};
    struct hist *latency = xalloc(sizeof *latency);
    for (size_t i = 0; i < r->ledger.cap; i++) {
        if (r->ledger.traces[i].n) {
            uint64_t start = now_ns();
            ledger_check(&r->ledger.traces[i], t, &v);
            hist_add(latency, now_ns() - start);
        }
    }
    result_num(out, "verified_traces", (double)v.traces);
    result_num(out, "verified_spans", (double)v.spans);
    result_num(out, "verify_missing_spans", (double)v.missing);
    result_num(out, "verify_invented_spans", (double)v.invented);
    result_num(out, "verify_doubled_spans", (double)v.doubled);
    result_num(out, "verify_bad_answers", (double)v.malformed);
    result_num(out, "trace_by_id_p50_ms", (double)hist_quantile(latency, 0.5) / 1e6);
    result_num(out, "trace_by_id_p99_ms", (double)hist_quantile(latency, 0.99) / 1e6);
    free(latency);
    return v.missing + v.invented + v.doubled + v.malformed;
}

static void
report_load(const struct run *r, const struct load_stats *s, struct result *out)
{
    double mb = (double)s->acked_bytes / 1e6;
    result_num(out, "corpus_spans", (double)r->spans);
    result_num(out, "corpus_bytes_per_span", (double)r->raw_bytes / (double)r->spans);
    result_num(out, "acknowledged_spans", (double)s->acked_spans);
    result_num(out, "acknowledged_requests", (double)s->acked_requests);
    result_num(out, "refusals", (double)s->refusals);
    result_num(out, "refused_spans", (double)s->refused_spans);
    result_num(out, "failed_spans", (double)s->failed_spans);
    result_num(out, "lost_spans", (double)s->lost_spans);
    result_num(out, "load_seconds", s->seconds);
    result_num(out, "spans_per_second", (double)s->acked_spans / s->seconds);
    result_num(out, "wire_mb_per_second", mb / s->seconds);
    result_num(out, "latency_p50_ms", (double)hist_quantile(&s->latency, 0.5) / 1e6);
    result_num(out, "latency_p90_ms", (double)hist_quantile(&s->latency, 0.9) / 1e6);
    result_num(out, "latency_p99_ms", (double)hist_quantile(&s->latency, 0.99) / 1e6);
    result_num(out, "latency_max_ms", (double)s->latency.max / 1e6);
    if (s->first_error[0]) {
        result_str(out, "first_error", s->first_error);
    }
}

struct yard {
    double cpu_s;
    uint64_t in, out;
};

static void
report_cost(const struct run *r, const struct load_stats *s, const struct target_usage *before,
            const struct target_usage *after, const struct yard *y, struct result *out)
{
    double million = (double)s->acked_spans / 1e6, yard_million = (double)r->spans / 1e6;
    double cpu = (after->cpu_s - before->cpu_s) / million, yard_cpu = y->cpu_s / yard_million;
    double disk = (double)after->disk_bytes / (double)s->acked_spans;
    double yard_disk = (double)y->out / (double)r->spans;
    result_num(out, "zstd1_mb_per_second", (double)y->in / 1e6 / y->cpu_s);
    result_num(out, "zstd1_cpu_s_per_million_spans", yard_cpu);
    result_num(out, "zstd1_bytes_per_span", yard_disk);
    result_num(out, "cpu_s_per_million_spans", cpu);
    result_num(out, "cpu_ratio_to_zstd1", cpu / yard_cpu);
    result_num(out, "throughput_ratio_to_zstd1",
               (double)s->acked_spans / s->seconds / ((double)r->spans / y->cpu_s));
    result_num(out, "peak_rss_mib", (double)after->peak_bytes / 1048576);
    result_num(out, "settled_rss_mib", (double)after->rss_bytes / 1048576);
    result_num(out, "idle_rss_mib", (double)before->rss_bytes / 1048576);
    if (after->disk_bytes) {
        result_num(out, "disk_bytes_per_span", disk);
        result_num(out, "disk_ratio_to_zstd1", disk / yard_disk);
    }
}

static void
options_parse(int argc, char **argv, struct options *o)
{
    const struct arg list[] = {
        {"--server", "server binary to start", .text = &o->server},
        {"--target", "OTLP host:port of a running server instead", .text = &o->target},
        {"--http-port", "its API port, with --target", .number = &o->http_port},
        {"--pid", "its process, to measure it, with --target", .number = &o->pid},
        {"--config", "file with YAML to append to the configuration, with --server", .text = &o->config},
        {"--dir", "directory for data, with --server", .text = &o->dir},
        {"--keep", "leave the directory", .flag = &o->keep},
        {"--spans", "how many to push", .number = &o->spans},
        {"--seed", "of the corpus", .number = &o->seed},
        {"--protocol", "grpc or http", .text = &o->protocol},
        {"--compression", "none or gzip", .text = &o->compression},
        {"--connections", "TCP connections", .number = &o->connections},
        {"--inflight", "requests under way on each", .number = &o->inflight},
        {"--open-loop", "spans a second on a fixed schedule; 0 = closed loop", .number = &o->open_loop},
        {"--retry", "seconds to retry a refused request", .number = &o->retry_s},
        {"--stream", "generate while sending (memory stays small)", .flag = &o->stream},
        {"--sample", "read back one trace in this many", .number = &o->sample},
        {"--idle", "seconds to wait before idle memory is read", .number = &o->idle_s},
        {"--label", "a name for the run, kept in the result", .text = &o->label},
        {"--result", "file for the JSON result, - = standard output", .text = &o->result},
        {0},
    };
    args_parse(argc, argv, "bench_ingest: push spans into a server and measure it", list);
    if (!o->server == !o->target) {
        die("one of --server and --target is needed");
    }
    if (strcmp(o->protocol, "grpc") != 0 && strcmp(o->protocol, "http") != 0) {
        die("--protocol is grpc or http");
    }
    if (strcmp(o->compression, "none") != 0 && strcmp(o->compression, "gzip") != 0) {
        die("--compression is none or gzip");
    }
    if (o->connections < 1 || o->inflight < 1 || o->spans < 1) {
        die("--connections, --inflight and --spans begin at 1");
    }
}

static char *
file_text(const char *path)
{
    FILE *f = fopen(path, "r");
    struct blob b = {0};
    if (!f) {
        die("%s: cannot be read", path);
    }
    for (int c; (c = fgetc(f)) != EOF;) {
        blob_add(&b, &(char){(char)c}, 1);
    }
    blob_add(&b, "", 1);
    fclose(f);
    return (char *)b.p;
}

static void
target_attach(struct target *t, const struct options *o)
{
    *t = (struct target){.pid = (pid_t)o->pid, .http_fd = -1, .http_port = (uint16_t)o->http_port};
    const char *colon = strrchr(o->target, ':');
    if (!colon || (size_t)(colon - o->target) >= sizeof t->host) {
        die("--target wants host:port");
    }
    memcpy(t->host, o->target, (size_t)(colon - o->target));
    t->otlp_grpc_port = t->otlp_http_port = (uint16_t)strtoul(colon + 1, NULL, 10);
}

/* Start or find the server. */
static void
target_begin(struct target *t, const struct options *o, struct result *out)
{
    if (o->target) {
        target_attach(t, o);
        return;
    }
    target_prepare(t, o->server, o->dir, o->config ? file_text(o->config) : NULL);
    double ready_ms = target_start(t);
    if (ready_ms < 0) {
        die("%s did not get ready", o->server);
    }
    result_num(out, "ready_ms", ready_ms);
}

/* False when it did not end well. */
static bool
target_end(struct target *t, const struct options *o, struct result *out)
{
    if (o->target) {
        return true;
    }
    double stop_ms = target_stop(t);
    result_num(out, "stop_ms", stop_ms);
    if (!o->keep) {
        target_remove(t);
    }
    return stop_ms >= 0;
}

static void
push_all(struct run *r, const struct target *t, struct load_stats *stats)
{
    const struct options *o = &r->o;
    bool http = strcmp(o->protocol, "http") == 0;
    struct load_options load = {.protocol = http ? LOAD_HTTP : LOAD_GRPC,
                                .host = t->host,
                                .port = http ? t->otlp_http_port : t->otlp_grpc_port,
                                .connections = (uint32_t)o->connections,
                                .inflight = (uint32_t)o->inflight,
                                .gzip = r->gzip != NULL,
                                .open_loop_spans_per_s = o->open_loop,
                                .retry_s = o->retry_s,
                                .next = next_request,
                                .done = request_done,
                                .ctx = r};
    load_run(&load, stats);
}

int
main(int argc, char **argv)
{
    struct run r = {.o = {.spans = 1e6,
                          .seed = 1,
                          .connections = 4,
                          .inflight = 4,
                          .sample = 200,
                          .http_port = 3200,
                          .retry_s = 30,
                          .idle_s = 2,
                          .protocol = "grpc",
                          .compression = "none",
                          .result = "-"}};
    options_parse(argc, argv, &r.o);
    const struct options *o = &r.o;
    struct result out = {0};
    struct target t;
    struct yard y;
    struct target_usage before, after;
    struct load_stats *stats = xalloc(sizeof *stats);
    yardstick(o, &y.cpu_s, &y.in, &y.out);
    if (strcmp(o->compression, "gzip") == 0) {
        r.gzip = libdeflate_alloc_compressor(6);
    }
    r.ledger.one_in = (uint32_t)o->sample;
    r.corpus = corpus_of(o);
    if (!o->stream) {
        pregenerate(&r);
    }
    result_str(&out, "label", o->label ? o->label : "");
    result_str(&out, "protocol", o->protocol);
    result_str(&out, "compression", o->compression);
    result_num(&out, "connections", o->connections);
    result_num(&out, "inflight", o->inflight);
    result_num(&out, "open_loop_spans_per_second", o->open_loop);
    target_begin(&t, o, &out);
    usleep((useconds_t)(o->idle_s * 1e6));
    target_usage(&t, &before);
    push_all(&r, &t, stats);
    report_load(&r, stats, &out);
    result_num(&out, "settle_seconds", settle(&t));
    target_usage(&t, &after);
    report_cost(&r, stats, &before, &after, &y, &out);
    uint64_t faults = verify(&r, &t, &out);
    bool ended = target_end(&t, o, &out);
    result_write(&out, o->result);
    return ended && faults == 0 && stats->acked_spans == r.spans ? 0 : 1;
}
