/* bench_byid: traces by their ID over a settled corpus: cold (fresh server, page cache of its files dropped
 * before every request) and warm, JSON and protobuf, ids that are there and ids that are not. Every answer is
 * held against the corpus. Before the corpus: how soon after its acknowledgement a span is found. */
#include "args.h"
#include "hist.h"
#include "json.h"
#include "shape.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct byid {
    struct scene scene;
    struct ledger ledger;
    struct ledger_trace **traces; /* in random order */
    size_t count, next;
    double requests, rounds, cold_each, sample;
};

struct timing {
    double *ms;
    size_t n, cap;
};

static void
timing_add(struct timing *t, double ms)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 256;
        t->ms = xrealloc(t->ms, t->cap, sizeof *t->ms);
    }
    t->ms[t->n++] = ms;
}

static void
timing_report(struct result *out, const char *name, struct timing *t)
{
    static const struct {
        const char *key;
        double q;
    } ranks[] = {{"p50", 0.5}, {"p99", 0.99}, {"max", 1}};
    char key[96];
    rank_sort(t->ms, t->n);
    for (size_t i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "%s_%s_ms", name, ranks[i].key);
        result_num(out, key, rank_of(t->ms, t->n, ranks[i].q));
    }
    snprintf(key, sizeof key, "%s_requests", name);
    result_num(out, key, (double)t->n);
    fprintf(stderr, "%-20s p50 %8.3f ms  p99 %8.3f ms  max %8.3f ms  (%zu)\n", name,
            rank_of(t->ms, t->n, 0.5), rank_of(t->ms, t->n, 0.99), rank_of(t->ms, t->n, 1), t->n);
    free(t->ms);
}

/* The corpus again, one trace in `sample` remembered with all its spans, in an order of the seed's. */
static void
ledger_fill(struct byid *b)
{
    struct corpus *c = corpus_create(&b->scene.corpus);
    struct corpus_request r;
    b->ledger.one_in = (uint32_t)b->sample;
    while (corpus_next(c, &r)) {
        ledger_sent(&b->ledger, r.refs, r.spans);
        ledger_acked(&b->ledger, r.refs, r.spans);
    }
    corpus_destroy(c);
    b->traces = xalloc(b->ledger.count * sizeof *b->traces); // NOLINT(bugprone-sizeof-expression): pointers
    for (size_t i = 0; i < b->ledger.cap; i++) {
        if (b->ledger.traces[i].n) {
            b->traces[b->count++] = &b->ledger.traces[i];
        }
    }
    srandom((unsigned)b->scene.corpus.seed);
    for (size_t i = b->count; i > 1; i--) {
        size_t k = (size_t)random() % i;
        struct ledger_trace *t = b->traces[i - 1];
        b->traces[i - 1] = b->traces[k];
        b->traces[k] = t;
    }
}

static void
path_put(char *path, size_t size, const char *prefix, const uint8_t id[16])
{
    size_t n = (size_t)snprintf(path, size, "%s", prefix);
    for (int i = 0; i < 16; i++) {
        n += (size_t)snprintf(path + n, size - n, "%02x", id[i]);
    }
}

/* Spans of a v2 answer in JSON: those with an id. */
static size_t
json_spans(const struct blob *body)
{
    struct json trace, list, scopes, spans, v, answer = json_of(body->p, body->n);
    size_t n = 0;
    if (!json_get(answer, "trace", &trace) || !json_get(trace, "resourceSpans", &list)) {
        return 0;
    }
    for (struct json rs; json_next(&list, &rs);) {
        if (!json_get(rs, "scopeSpans", &scopes)) {
            continue;
        }
        for (struct json scope; json_next(&scopes, &scope);) {
            if (!json_get(scope, "spans", &spans)) {
                continue;
            }
            for (struct json span; json_next(&spans, &span);) {
                n += json_get(span, "spanId", &v);
            }
        }
    }
    return n;
}

/* One trace that is there; its milliseconds. */
static double
fetch(struct byid *b, struct ledger_trace *t, bool json)
{
    struct blob body = {0};
    char path[96];
    path_put(path, sizeof path, "/api/v2/traces/", t->id);
    uint64_t start = now_ns();
    int status = http_get(&b->scene.target, path, json ? "application/json" : "application/protobuf", &body);
    double ms = (double)(now_ns() - start) / 1e6;
    struct ledger_verdict v = {0};
    if (status == 200 && json) {
        v.missing = json_spans(&body) != t->n;
    } else if (status == 200) {
        ledger_judge(t, body.p, body.n, &v);
    }
    if (status != 200 || v.missing + v.invented + v.doubled + v.malformed) {
        scene_fault(&b->scene, "%s: status %d, not the %u spans that were sent", path, status, t->n);
    }
    blob_free(&body);
    return ms;
}

/* A trace that is not there. */
static double
miss(struct byid *b)
{
    struct blob body = {0};
    char path[96];
    uint8_t id[16];
    for (int i = 0; i < 16; i++) {
        id[i] = (uint8_t)(random() >> 8);
    }
    path_put(path, sizeof path, "/api/traces/", id);
    uint64_t start = now_ns();
    int status = http_get(&b->scene.target, path, NULL, &body);
    double ms = (double)(now_ns() - start) / 1e6;
    if (status != 404) {
        scene_fault(&b->scene, "%s: status %d for an id that does not exist", path, status);
    }
    blob_free(&body);
    return ms;
}

static struct ledger_trace *
another(struct byid *b)
{
    return b->traces[b->next++ % b->count];
}

static void
cold(struct byid *b)
{
    struct target *t = &b->scene.target;
    struct timing ready = {0}, first = {0}, later = {0};
    for (int round = 0; round < (int)b->rounds; round++) {
        if (target_stop(t) < 0) {
            die("the server did not stop");
        }
        target_cache_drop(t);
        double ms = target_start(t);
        if (ms < 0) {
            die("the server did not start on its data");
        }
        timing_add(&ready, ms);
        for (int i = 0; i < (int)b->cold_each; i++) {
            target_cache_drop(t);
            timing_add(i ? &later : &first, fetch(b, another(b), i % 2));
        }
    }
    timing_report(&b->scene.out, "restart_ready", &ready);
    timing_report(&b->scene.out, "cold_first", &first);
    timing_report(&b->scene.out, "cold", &later);
}

static void
warm(struct byid *b)
{
    struct timing proto = {0}, json = {0}, missing = {0};
    struct target_usage usage;
    for (int i = 0; i < 20; i++) {
        fetch(b, another(b), false);
    }
    target_peak_reset(&b->scene.target);
    for (int i = 0; i < (int)b->requests; i++) {
        timing_add(&proto, fetch(b, another(b), false));
        timing_add(&json, fetch(b, another(b), true));
        timing_add(&missing, miss(b));
    }
    timing_report(&b->scene.out, "warm_protobuf", &proto);
    timing_report(&b->scene.out, "warm_json", &json);
    timing_report(&b->scene.out, "missing", &missing);
    target_process(&b->scene.target, &usage);
    result_num(&b->scene.out, "byid_peak_rss_mib", (double)usage.peak_bytes / 1048576);
    result_num(&b->scene.out, "byid_rss_mib", (double)usage.rss_bytes / 1048576);
}

/* Milliseconds from an acknowledgement until `path` answers with `count` results (or, with NULL, with 200).
 */
static double
until_found(struct byid *b, const char *path, const char *list, uint64_t from)
{
    struct blob body = {0};
    struct json v;
    double ms = INFINITY;
    while (now_ns() - from < 120000000000u) {
        int status = http_get(&b->scene.target, path, "application/json", &body);
        if (status == 200 && (!list || (json_get(json_of(body.p, body.n), list, &v) && json_count(v) > 0))) {
            ms = (double)(now_ns() - from) / 1e6;
            break;
        }
        usleep(1000);
    }
    blob_free(&body);
    return ms;
}

/* A small corpus of its own each time; its last trace is looked for by ID and by search. */
static void
visibility(struct byid *b)
{
    struct timing by_id = {0}, by_search = {0};
    struct load_stats *stats = xalloc(sizeof *stats);
    for (int i = 0; i < 10; i++) {
        struct push_options o = PUSH_DEFAULTS;
        o.seed = (double)b->scene.corpus.seed + 1000 + i;
        o.spans = 500;
        o.sample = 1;
        o.start_ns = push_start_ns(o.spans, 0);
        struct push p;
        push_init(&p, &o);
        push_run(&p, &b->scene.target, stats);
        uint64_t from = now_ns();
        struct ledger_trace *t = NULL;
        for (size_t k = 0; k < p.ledger.cap && !t; k++) {
            t = p.ledger.traces[k].n ? &p.ledger.traces[k] : NULL;
        }
        char path[200];
        path_put(path, sizeof path, "/api/traces/", t->id);
        timing_add(&by_id, until_found(b, path, NULL, from));
        size_t n = (size_t)snprintf(path, sizeof path, "/api/search?start=%" PRIu64 "&end=%" PRIu64,
                                    (uint64_t)(o.start_ns / 1000000000u) - 10, wall_ns() / 1000000000u + 10);
        path_put(path + n, sizeof path - n, "&q=%7Btrace%3Aid%3D%22", t->id);
        snprintf(path + strlen(path), 8, "%%22%%7D");
        timing_add(&by_search, until_found(b, path, "traces", from));
        push_free(&p);
    }
    free(stats);
    timing_report(&b->scene.out, "visible_by_id", &by_id);
    timing_report(&b->scene.out, "visible_by_search", &by_search);
}

int
main(int argc, char **argv)
{
    struct byid b = {.scene.o = SCENE_DEFAULTS, .requests = 500, .rounds = 3, .cold_each = 40, .sample = 20};
    const struct arg list[] = {
        SCENE_ARGS(&b.scene.o),
        {"--requests", "of each kind, warm", .number = &b.requests},
        {"--rounds", "fresh starts, for cold ones", .number = &b.rounds},
        {"--cold", "requests after each fresh start", .number = &b.cold_each},
        {"--sample", "ask for one trace in this many", .number = &b.sample},
        {0},
    };
    args_parse(argc, argv, "bench_byid: traces by ID, cold and warm", list);
    scene_open(&b.scene);
    ledger_fill(&b);
    if (b.scene.target.started_here) {
        cold(&b);
    }
    warm(&b);
    if (!b.scene.o.reuse && !b.scene.o.target.keep) {
        visibility(&b);
    }
    free(b.traces);
    ledger_free(&b.ledger);
    return scene_close(&b.scene);
}
