/* bench_crash: kill -9 under load, again and again on the same data. After every restart each acknowledged
 * span of the round must be there, none doubled, and nothing that was never sent; at the end the same for all
 * rounds. Segments are small, so that many become blocks meanwhile and some kills fall into that. */
#include "args.h"
#include "client.h"
#include "corpus.h"
#include "ledger.h"
#include "result.h"
#include "target.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A segment each few requests, and blocks of it within the second. */
static const char small_segments[] = "ingester:\n  max_block_bytes: 500000\n  max_block_duration: 500ms\n";

struct item {
    uint8_t *body;
    struct corpus_ref *refs;
    uint32_t ref_n;
};

struct round {
    struct target *target;
    struct corpus *corpus;
    struct ledger all; /* what was sent in all rounds */
    struct ledger now; /* the traces this round added to */
    uint64_t kill_at_ns, flush_at_ns;
    int flush_fd;
};

static bool
next_request(void *ctx, struct load_request *ret)
{
    struct round *r = ctx;
    struct corpus_request q;
    if (!corpus_next(r->corpus, &q)) {
        return false;
    }
    struct item *it = xalloc(sizeof *it);
    it->body = xalloc(q.n);
    memcpy(it->body, q.body, q.n);
    it->ref_n = q.spans;
    it->refs = xalloc(q.spans * sizeof *it->refs);
    memcpy(it->refs, q.refs, q.spans * sizeof *it->refs);
    ledger_sent(&r->all, it->refs, it->ref_n);
    ledger_sent(&r->now, it->refs, it->ref_n);
    *ret =
        (struct load_request){.body = it->body, .n = q.n, .spans = q.spans, .tag = (uint64_t)(uintptr_t)it};
    return true;
}

static void
request_done(void *ctx, const struct load_request *q, enum load_outcome outcome)
{
    struct round *r = ctx;
    struct item *it = (struct item *)(uintptr_t)q->tag; // NOLINT(performance-no-int-to-ptr)
    if (outcome == LOAD_ACKED) {
        ledger_acked(&r->all, it->refs, it->ref_n);
    }
    free(it->body);
    free(it->refs);
    free(it);
}

/* Kills at the round's time; before that, in some rounds, asks for a flush and does not wait for it. */
static bool
maybe_kill(void *ctx)
{
    struct round *r = ctx;
    uint64_t now = now_ns();
    if (r->flush_at_ns && now >= r->flush_at_ns) {
        static const char ask[] = "GET /flush HTTP/1.1\r\nHost: x\r\n\r\n";
        r->flush_at_ns = 0;
        r->flush_fd = tcp_connect(r->target->host, r->target->http_port);
        if (r->flush_fd >= 0 && send(r->flush_fd, ask, sizeof ask - 1, MSG_NOSIGNAL) < 0) {
            close(r->flush_fd);
            r->flush_fd = -1;
        }
    }
    if (r->kill_at_ns && now >= r->kill_at_ns) {
        r->kill_at_ns = 0;
        kill(r->target->pid, SIGKILL); /* the connections end; load_run sees it */
    }
    return false;
}

/* Judge the traces that stand in `which` by what `all` knows of them. */
static void
check_all(struct ledger *all, const struct ledger *which, struct target *t, struct ledger_verdict *v)
{
    for (size_t i = 0; i < which->cap; i++) {
        if (which->traces[i].n) {
            ledger_check(ledger_find(all, which->traces[i].id), t, v);
        }
    }
}

static bool
verdict_good(const struct ledger_verdict *v)
{
    return v->missing + v->invented + v->doubled + v->malformed == 0;
}

static void
result_verdict(struct result *out, const struct ledger_verdict *v, const char *when)
{
    char key[64];
    const struct {
        const char *name;
        uint64_t n;
    } list[] = {{"traces", v->traces},     {"spans", v->spans},     {"missing", v->missing},
                {"invented", v->invented}, {"doubled", v->doubled}, {"bad_answers", v->malformed}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        snprintf(key, sizeof key, "%s_%s", when, list[i].name);
        result_num(out, key, (double)list[i].n);
    }
}

struct options {
    const char *server, *protocol, *result, *dir;
    double rounds, connections, inflight, seed, rate, kill_ms;
    bool keep;
};

static void
options_parse(int argc, char **argv, struct options *o)
{
    const struct arg list[] = {
        {"--server", "server binary", .text = &o->server},
        {"--dir", "directory for data", .text = &o->dir},
        {"--keep", "leave the directory", .flag = &o->keep},
        {"--rounds", "how often to kill", .number = &o->rounds},
        {"--kill-ms", "kill within this many milliseconds of load", .number = &o->kill_ms},
        {"--protocol", "grpc or http", .text = &o->protocol},
        {"--connections", "TCP connections", .number = &o->connections},
        {"--inflight", "requests under way on each", .number = &o->inflight},
        {"--rate", "spans a second; 0 = as fast as it takes them", .number = &o->rate},
        {"--seed", "of the corpus and of the moments to kill", .number = &o->seed},
        {"--result", "file for the JSON result, - = standard output", .text = &o->result},
        {0},
    };
    args_parse(argc, argv, "bench_crash: kill -9 under load, then look for every acknowledged span", list);
    if (!o->server) {
        die("--server is needed");
    }
}

/* Load, kill, start again, look. Returns the milliseconds to ready, < 0 when it did not come up. */
static double
round_run(struct round *r, const struct options *o, int number, struct load_stats *stats,
          struct ledger_verdict *v)
{
    struct target *t = r->target;
    bool http = strcmp(o->protocol, "http") == 0;
    uint64_t now = now_ns(), delay = 20000000u + (uint64_t)random() % (uint64_t)(o->kill_ms * 1e6);
    r->kill_at_ns = now + delay;
    r->flush_at_ns = number % 2 ? now + delay - (uint64_t)random() % (delay / 2) : 0;
    struct load_options load = {.protocol = http ? LOAD_HTTP : LOAD_GRPC,
                                .host = t->host,
                                .port = http ? t->otlp_http_port : t->otlp_grpc_port,
                                .connections = (uint32_t)o->connections,
                                .inflight = (uint32_t)o->inflight,
                                .open_loop_spans_per_s = o->rate,
                                .retry_s = 10,
                                .next = next_request,
                                .done = request_done,
                                .stop = maybe_kill,
                                .ctx = r};
    load_run(&load, stats);
    if (r->kill_at_ns) {
        fprintf(stderr, "round %d: the load ended before the kill: %s\n", number, stats->first_error);
        v->malformed++;
    }
    target_kill(t);
    if (r->flush_fd >= 0) {
        close(r->flush_fd);
        r->flush_fd = -1;
    }
    double ready_ms = target_start(t);
    if (ready_ms >= 0) {
        check_all(&r->all, &r->now, t, v);
    }
    ledger_free(&r->now);
    return ready_ms;
}

/* Those that a merge replaced meanwhile, too: they stay for an hour. */
static double
blocks_written(const struct target *t)
{
    char path[300];
    struct dirent *e;
    double n = 0;
    snprintf(path, sizeof path, "%s/data/blocks/single-tenant", t->dir);
    DIR *d = opendir(path);
    while (d && (e = readdir(d)) != NULL) { // NOLINT(concurrency-mt-unsafe): one thread
        n += e->d_name[0] != '.';
    }
    if (d) {
        closedir(d);
    }
    return n;
}

int
main(int argc, char **argv)
{
    struct options o = {.protocol = "grpc",
                        .result = "-",
                        .rounds = 50,
                        .connections = 4,
                        .inflight = 4,
                        .seed = 1,
                        .rate = 60000,
                        .kill_ms = 1200};
    options_parse(argc, argv, &o);
    struct corpus_options co = {
        .seed = (uint64_t)o.seed, .spans = UINT64_MAX, .start_ns = wall_ns() - 60000000000u};
    struct target t;
    struct round r = {.target = &t, .corpus = corpus_create(&co), .flush_fd = -1};
    srandom((unsigned)o.seed);
    target_prepare(&t, o.server, o.dir, small_segments);
    double ready_max = 0, ready_ms = target_start(&t);
    struct ledger_verdict each = {0}, final = {0};
    struct load_stats *stats = xalloc(sizeof *stats);
    uint64_t acked = 0;
    int round = 0;
    for (; round < (int)o.rounds && ready_ms >= 0; round++) {
        ready_ms = round_run(&r, &o, round, stats, &each);
        ready_max = ready_ms > ready_max ? ready_ms : ready_max;
        acked += stats->acked_spans;
    }
    bool up = ready_ms >= 0;
    if (up) {
        check_all(&r.all, &r.all, &t, &final);
    }
    double blocks = blocks_written(&t);
    double stop_ms = up ? target_stop(&t) : -1;
    struct result out = {0};
    result_num(&out, "rounds", round);
    result_num(&out, "acknowledged_spans", (double)acked);
    result_verdict(&out, &each, "after_each");
    result_verdict(&out, &final, "at_end");
    result_num(&out, "ready_after_crash_max_ms", ready_max);
    result_num(&out, "stop_ms", stop_ms);
    result_num(&out, "blocks", blocks);
    bool good = up && stop_ms >= 0 && acked > 0 && verdict_good(&each) && verdict_good(&final);
    result_str(&out, "verdict", good ? "good" : "bad");
    result_write(&out, o.result);
    if (good && !o.keep) {
        target_remove(&t);
    } else {
        fprintf(stderr, "data and log are in %s\n", t.dir);
    }
    corpus_destroy(r.corpus);
    ledger_free(&r.all);
    free(stats);
    return good ? 0 : 1;
}
