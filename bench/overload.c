/* bench_overload: more than the server has memory for, without patience: it must refuse in the protocol's own
 * words, stay within its budget, answer /ready, keep every span it acknowledged, and take everything again
 * afterwards. */
#include "args.h"
#include "push.h"
#include "result.h"
#include "settle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct target_options target;
    struct push_options push;
    double limit_mib, slack_mib, quiet_s, settle_limit_s;
    const char *result, *label;
};

struct watch {
    struct target target; /* with a connection of its own */
    uint64_t asked_ns;
    double ready_worst_ms;
    uint64_t ready_failures;
};

/* Four times a second: is it still there? */
static void
tick(void *ctx)
{
    struct watch *w = ctx;
    uint64_t now = now_ns();
    if (now - w->asked_ns < 250000000u) {
        return;
    }
    struct blob body = {0};
    if (http_get(&w->target, "/ready", NULL, &body) != 200) {
        w->ready_failures++;
    }
    blob_free(&body);
    w->asked_ns = now_ns();
    w->ready_worst_ms = fmax(w->ready_worst_ms, (double)(w->asked_ns - now) / 1e6);
}

static void
options_parse(int argc, char **argv, struct options *o)
{
    struct push_options *p = &o->push;
    const struct arg list[] = {
        TARGET_ARGS(&o->target),
        {"--limit", "MiB of vivace.memory_limit", .number = &o->limit_mib},
        {"--slack", "MiB that code, stacks and the allocator may take beside it", .number = &o->slack_mib},
        {"--spans", "how many to push", .number = &p->spans},
        {"--seed", "of the corpus", .number = &p->seed},
        {"--protocol", "grpc or http", .text = &p->protocol},
        {"--compression", "none or gzip", .text = &p->compression},
        {"--connections", "TCP connections", .number = &p->connections},
        {"--inflight", "requests under way on each", .number = &p->inflight},
        {"--sample", "read back one trace in this many", .number = &p->sample},
        {"--quiet", "settled after this many seconds without compaction", .number = &o->quiet_s},
        {"--settle-limit", "wait at most this many seconds for it", .number = &o->settle_limit_s},
        {"--label", "a name for the run, kept in the result", .text = &o->label},
        {"--result", "file for the JSON result, - = standard output", .text = &o->result},
        {0},
    };
    args_parse(argc, argv, "bench_overload: more than the server can take", list);
}

/* A modest load after the storm: all of it must be taken, with the retries the protocol asks for. */
static bool
recovered(const struct options *o, struct target *t, struct result *out)
{
    struct push_options p = PUSH_DEFAULTS;
    struct load_stats *stats = xalloc(sizeof *stats);
    struct push push;
    p.spans = 50000;
    p.seed = o->push.seed + 1;
    p.protocol = o->push.protocol;
    p.start_ns = push_start_ns(p.spans, 0);
    push_init(&push, &p);
    push_run(&push, t, stats);
    bool whole = stats->acked_spans == push.spans;
    result_num(out, "recovered", whole);
    result_num(out, "recovery_refusals", (double)stats->refusals);
    push_free(&push);
    free(stats);
    return whole;
}

static uint64_t
judge(const struct options *o, const struct load_stats *s, const struct watch *w, double peak_mib)
{
    uint64_t faults = 0;
    if (s->refusals == 0) {
        fprintf(stderr,
                "FAULT nothing was refused: this was no overload; more --connections or a lower --limit\n");
        faults++;
    }
    /* Over HTTP/1.1 a connection may end with a refusal, and what its client had sent by then is lost to it.
     */
    bool http = strcmp(o->push.protocol, "http") == 0;
    if (s->failed_spans + (http ? 0 : s->lost_spans)) {
        fprintf(stderr, "FAULT spans were refused for good or lost: %s\n", s->first_error);
        faults++;
    }
    if (peak_mib > o->limit_mib + o->slack_mib) {
        fprintf(stderr, "FAULT peak memory %.1f MiB, budget %.0f MiB\n", peak_mib, o->limit_mib);
        faults++;
    }
    if (w->ready_failures) {
        fprintf(stderr, "FAULT /ready failed\n");
        faults++;
    }
    return faults;
}

int
main(int argc, char **argv)
{
    struct options o = {.push = PUSH_DEFAULTS,
                        .limit_mib = 64,
                        .slack_mib = 24,
                        .quiet_s = 6,
                        .settle_limit_s = 300,
                        .result = "-"};
    o.push.connections = 32;
    o.push.inflight = 64;
    options_parse(argc, argv, &o);
    struct result out = {0};
    struct watch w = {0};
    struct push push;
    struct target t;
    struct settled settled;
    struct target_usage usage;
    struct ledger_verdict verdict = {0};
    struct load_stats *stats = xalloc(sizeof *stats);
    char yaml[256];
    o.push.start_ns = push_start_ns(o.push.spans, 0);
    o.push.retry_s = 0;
    o.push.tick = tick;
    o.push.ctx = &w;
    snprintf(yaml, sizeof yaml, "%svivace:\n  memory_limit: %.0fMiB\n", SETTLE_YAML, o.limit_mib);
    result_str(&out, "label", o.label ? o.label : "");
    result_str(&out, "protocol", o.push.protocol);
    target_open(&t, &o.target, yaml, &out);
    w.target = t;
    w.target.http_fd = -1;
    push_init(&push, &o.push);
    push_run(&push, &t, stats);
    target_process(&t, &usage);
    push_report(&push, stats, &out);
    result_num(&out, "memory_limit_mib", o.limit_mib);
    result_num(&out, "peak_rss_mib", (double)usage.peak_bytes / 1048576);
    result_num(&out, "ready_worst_ms", w.ready_worst_ms);
    uint64_t faults = !recovered(&o, &t, &out);
    settle(&t, o.quiet_s, o.settle_limit_s, &settled);
    double peak_mib = (double)settled.at_rest.peak_bytes / 1048576;
    result_num(&out, "settled_peak_rss_mib", peak_mib);
    faults += judge(&o, stats, &w, peak_mib);
    push_verify(&push, &t, &verdict, NULL);
    faults += verdict_report(&verdict, &out);
    bool good = target_close(&t, &o.target, &out) && faults == 0 && stats->acked_spans > 0;
    result_str(&out, "verdict", good ? "good" : "bad");
    result_write(&out, o.result);
    push_free(&push);
    free(stats);
    return good ? 0 : 1;
}
