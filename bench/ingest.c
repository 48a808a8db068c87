/* bench_ingest: push a corpus into a server and say what it cost: spans a second, latency, CPU until
 * everything is in blocks and merging them has come to rest, memory, disk, each also against `zstd -1` over
 * the same bytes in the same run. Then read a sample of the traces back. */
#include "args.h"
#include "hist.h"
#include "push.h"
#include "result.h"
#include "scene.h"
#include "settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

struct options {
    struct target_options target;
    struct push_options push;
    double idle_s, quiet_s, settle_limit_s;
    const char *result, *label;
};

static double
cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct yard {
    double cpu_s;
    uint64_t in, out, spans;
};

/* `zstd -1` over the corpus as one stream, as the command line tool would do it. */
static void
yardstick(const struct corpus_options *o, struct yard *ret)
{
    struct corpus *corpus = corpus_create(o);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, 1);
    static uint8_t out[256 << 10];
    struct corpus_request r;
    *ret = (struct yard){0};
    bool more = true;
    while (more) {
        more = corpus_next(corpus, &r);
        ZSTD_inBuffer in = {more ? r.body : NULL, more ? r.n : 0, 0};
        ret->in += in.size;
        double from = cpu_now();
        size_t left;
        do {
            ZSTD_outBuffer to = {out, sizeof out, 0};
            left = ZSTD_compressStream2(z, &to, &in, more ? ZSTD_e_continue : ZSTD_e_end);
            if (ZSTD_isError(left)) {
                die("zstd: %s", ZSTD_getErrorName(left));
            }
            ret->out += to.pos;
        } while (in.pos < in.size || (!more && left));
        ret->cpu_s += cpu_now() - from;
    }
    ZSTD_freeCCtx(z);
    corpus_destroy(corpus);
}

/* One point in the server's life: what it took since the load began, and what lies on disk. */
static void
report_at(const char *when, const struct load_stats *s, const struct target_usage *before,
          const struct target_usage *at, const struct yard *y, struct result *out)
{
    char key[96];
    double spans = (double)s->acked_spans, yard_spans = (double)y->spans;
    double cpu = (at->cpu_s - before->cpu_s) / spans * 1e6, yard_cpu = y->cpu_s / yard_spans * 1e6;
    double yard_disk = (double)y->out / yard_spans;
    const struct {
        const char *key;
        double value;
        bool known;
    } list[] = {{"cpu_s_per_million_spans", cpu, true},
                {"cpu_ratio_to_zstd1", cpu / yard_cpu, true},
                {"peak_rss_mib", (double)at->peak_bytes / 1048576, true},
                {"rss_mib", (double)at->rss_bytes / 1048576, true},
                {"disk_bytes_per_span", (double)at->disk_bytes / spans, at->disk_bytes > 0},
                {"disk_ratio_to_zstd1", (double)at->disk_bytes / spans / yard_disk, at->disk_bytes > 0},
                {"block_bytes_per_span", (double)at->block_bytes / spans, at->block_bytes > 0},
                {"block_ratio_to_zstd1", (double)at->block_bytes / spans / yard_disk, at->block_bytes > 0}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (list[i].known) {
            snprintf(key, sizeof key, "%s_%s", when, list[i].key);
            result_num(out, key, list[i].value);
        }
    }
}

static void
report_yard(const struct yard *y, struct result *out)
{
    result_num(out, "zstd1_mb_per_second", (double)y->in / 1e6 / y->cpu_s);
    result_num(out, "zstd1_cpu_s_per_million_spans", y->cpu_s / (double)y->spans * 1e6);
    result_num(out, "zstd1_bytes_per_span", (double)y->out / (double)y->spans);
}

static void
options_parse(int argc, char **argv, struct options *o)
{
    struct push_options *p = &o->push;
    const struct arg list[] = {
        TARGET_ARGS(&o->target),
        {"--spans", "how many to push", .number = &p->spans},
        {"--seed", "of the corpus", .number = &p->seed},
        {"--protocol", "grpc or http", .text = &p->protocol},
        {"--compression", "none or gzip", .text = &p->compression},
        {"--connections", "TCP connections", .number = &p->connections},
        {"--inflight", "requests under way on each", .number = &p->inflight},
        {"--open-loop", "spans a second on a fixed schedule; 0 = closed loop", .number = &p->open_loop},
        {"--retry", "seconds to retry a refused request", .number = &p->retry_s},
        {"--stream", "generate while sending (memory stays small)", .flag = &p->stream},
        {"--sample", "read back one trace in this many", .number = &p->sample},
        {"--idle", "seconds to wait before idle memory is read", .number = &o->idle_s},
        {"--quiet", "settled after this many seconds without compaction; 0 = when /flush answered",
         .number = &o->quiet_s},
        {"--settle-limit", "wait at most this many seconds for it", .number = &o->settle_limit_s},
        {"--label", "a name for the run, kept in the result", .text = &o->label},
        {"--result", "file for the JSON result, - = standard output", .text = &o->result},
        {0},
    };
    args_parse(argc, argv, "bench_ingest: push spans into a server and measure it", list);
}

/* What was asked for, so that a result says what it is of. */
static void
report_options(const struct options *o, struct result *out)
{
    result_str(out, "label", o->label ? o->label : "");
    result_str(out, "protocol", o->push.protocol);
    result_str(out, "compression", o->push.compression);
    result_num(out, "connections", o->push.connections);
    result_num(out, "inflight", o->push.inflight);
    result_num(out, "open_loop_spans_per_second", o->push.open_loop);
}

static uint64_t
read_back(struct push *push, struct target *t, struct result *out)
{
    struct ledger_verdict v = {0};
    struct hist *latency = xalloc(sizeof *latency);
    push_verify(push, t, &v, latency);
    uint64_t faults = verdict_report(&v, out);
    result_num(out, "trace_by_id_p50_ms", (double)hist_quantile(latency, 0.5) / 1e6);
    result_num(out, "trace_by_id_p99_ms", (double)hist_quantile(latency, 0.99) / 1e6);
    free(latency);
    return faults;
}

int
main(int argc, char **argv)
{
    struct options o = {
        .push = PUSH_DEFAULTS, .idle_s = 2, .quiet_s = 6, .settle_limit_s = 300, .result = "-"};
    options_parse(argc, argv, &o);
    struct result out = {0};
    struct target t;
    struct yard y;
    struct push push;
    struct target_usage before, loaded;
    struct settled settled;
    struct load_stats *stats = xalloc(sizeof *stats);
    o.push.start_ns = push_start_ns(o.push.spans, 0);
    struct corpus_options corpus = {
        .seed = (uint64_t)o.push.seed, .spans = (uint64_t)o.push.spans, .start_ns = o.push.start_ns};
    yardstick(&corpus, &y);
    push_init(&push, &o.push);
    report_options(&o, &out);
    target_open(&t, &o.target, SETTLE_YAML, &out);
    usleep((useconds_t)(o.idle_s * 1e6));
    target_process(&t, &before);
    push_run(&push, &t, stats);
    target_process(&t, &loaded);
    push_report(&push, stats, &out);
    y.spans = push.spans;
    settle(&t, o.quiet_s, o.settle_limit_s, &settled);
    result_num(&out, "throughput_ratio_to_zstd1",
               (double)stats->acked_spans / stats->seconds / ((double)y.spans / y.cpu_s));
    result_num(&out, "flush_seconds", settled.flush_s);
    result_num(&out, "compaction_seconds", settled.quiet_s);
    result_num(&out, "compaction_rested", settled.rested);
    result_num(&out, "blocks", settled.blocks);
    result_num(&out, "compactions", settled.compactions);
    result_num(&out, "idle_rss_mib", (double)before.rss_bytes / 1048576);
    report_yard(&y, &out);
    report_at("acknowledged", stats, &before, &loaded, &y, &out);
    report_at("flushed", stats, &before, &settled.at_flush, &y, &out);
    report_at("settled", stats, &before, &settled.at_rest, &y, &out);
    uint64_t faults = read_back(&push, &t, &out);
    bool whole = stats->acked_spans == push.spans && settled.rested;
    if (o.target.dir && whole) {
        corpus_note_write(o.target.dir, &corpus);
    }
    bool good = target_close(&t, &o.target, &out) && faults == 0 && whole;
    result_str(&out, "verdict", good ? "good" : "bad");
    result_write(&out, o.result);
    push_free(&push);
    free(stats);
    return good ? 0 : 1;
}
