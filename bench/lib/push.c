#include "push.h"

#include "result.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

struct item {
    uint8_t *body;
    size_t n;
    uint32_t spans, ref_n;
    struct corpus_ref *refs; /* of the recorded traces only, or of all when acked() is told of them */
};

struct push_private {
    struct corpus *corpus;
    struct libdeflate_compressor *gzip;
    struct item *items; /* made before the clock starts */
    size_t count, cap, next;
    uint64_t until_ns; /* 0 = no bound */
};

uint64_t
push_start_ns(double spans, uint32_t density)
{
    return wall_ns() - (uint64_t)(spans / (density ? density : 5000) * 1e9) - 1000000000u;
}

static bool
keeps(const struct push *p, const struct corpus_ref *r)
{
    return p->o.acked || ledger_wants(&p->ledger, r);
}

static bool
item_make(struct push *p, struct item *ret)
{
    struct push_private *v = p->priv;
    struct corpus_request q;
    if (!corpus_next(v->corpus, &q)) {
        return false;
    }
    *ret = (struct item){.n = q.n, .spans = q.spans};
    if (v->gzip) {
        size_t bound = libdeflate_gzip_compress_bound(v->gzip, q.n);
        ret->body = xalloc(bound);
        ret->n = libdeflate_gzip_compress(v->gzip, q.body, q.n, ret->body, bound);
    } else {
        ret->body = xalloc(q.n);
        memcpy(ret->body, q.body, q.n);
    }
    for (uint32_t i = 0; i < q.spans; i++) {
        ret->ref_n += keeps(p, &q.refs[i]);
    }
    ret->refs = xalloc(ret->ref_n * sizeof *ret->refs);
    for (uint32_t i = 0, k = 0; i < q.spans; i++) {
        if (keeps(p, &q.refs[i])) {
            ret->refs[k++] = q.refs[i];
        }
    }
    p->spans += q.spans;
    p->raw_bytes += q.n;
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
    struct push *p = ctx;
    struct push_private *v = p->priv;
    struct item *it;
    if (v->until_ns && now_ns() > v->until_ns) {
        return false;
    }
    if (p->o.stream) {
        it = xalloc(sizeof *it);
        if (!item_make(p, it)) {
            free(it);
            return false;
        }
    } else if (v->next == v->count) {
        return false;
    } else {
        it = &v->items[v->next++];
    }
    ledger_sent(&p->ledger, it->refs, it->ref_n);
    *ret = (struct load_request){
        .body = it->body, .n = it->n, .spans = it->spans, .tag = (uint64_t)(uintptr_t)it};
    return true;
}

static void
request_done(void *ctx, const struct load_request *q, enum load_outcome outcome)
{
    struct push *p = ctx;
    struct item *it = (struct item *)(uintptr_t)q->tag; // NOLINT(performance-no-int-to-ptr)
    if (outcome == LOAD_ACKED) {
        ledger_acked(&p->ledger, it->refs, it->ref_n);
        if (p->o.acked) {
            p->o.acked(p->o.ctx, it->refs, it->ref_n);
        }
    }
    if (p->o.stream) {
        item_free(it);
        free(it);
    }
}

static bool
tick(void *ctx)
{
    struct push *p = ctx;
    if (p->o.tick) {
        p->o.tick(p->o.ctx);
    }
    return false;
}

void
push_init(struct push *p, const struct push_options *o)
{
    if (strcmp(o->protocol, "grpc") != 0 && strcmp(o->protocol, "http") != 0) {
        die("--protocol is grpc or http");
    }
    if (strcmp(o->compression, "none") != 0 && strcmp(o->compression, "gzip") != 0) {
        die("--compression is none or gzip");
    }
    if (o->connections < 1 || o->inflight < 1 || o->spans < 1) {
        die("--connections, --inflight and --spans begin at 1");
    }
    *p = (struct push){.o = *o, .ledger.one_in = (uint32_t)o->sample};
    struct push_private *v = p->priv = xalloc(sizeof *v);
    struct corpus_options c = {.seed = (uint64_t)o->seed,
                               .spans = (uint64_t)o->spans,
                               .start_ns = o->start_ns,
                               .spans_per_second = o->density};
    v->corpus = corpus_create(&c);
    if (strcmp(o->compression, "gzip") == 0) {
        v->gzip = libdeflate_alloc_compressor(6);
    }
    struct item it;
    while (!o->stream && item_make(p, &it)) {
        if (v->count == v->cap) {
            v->cap = v->cap ? v->cap * 2 : 1024;
            v->items = xrealloc(v->items, v->cap, sizeof *v->items);
        }
        v->items[v->count++] = it;
    }
}

void
push_run(struct push *p, const struct target *t, struct load_stats *ret)
{
    const struct push_options *o = &p->o;
    bool http = strcmp(o->protocol, "http") == 0;
    struct load_options load = {.protocol = http ? LOAD_HTTP : LOAD_GRPC,
                                .host = t->host,
                                .port = http ? t->otlp_http_port : t->otlp_grpc_port,
                                .connections = (uint32_t)o->connections,
                                .inflight = (uint32_t)o->inflight,
                                .gzip = p->priv->gzip != NULL,
                                .open_loop_spans_per_s = o->open_loop,
                                .retry_s = o->retry_s,
                                .next = next_request,
                                .done = request_done,
                                .stop = tick,
                                .ctx = p};
    p->priv->until_ns = o->max_s > 0 ? now_ns() + (uint64_t)(o->max_s * 1e9) : 0;
    load_run(&load, ret);
}

void
push_free(struct push *p)
{
    struct push_private *v = p->priv;
    for (size_t i = 0; i < v->count; i++) {
        item_free(&v->items[i]);
    }
    free(v->items);
    corpus_destroy(v->corpus);
    libdeflate_free_compressor(v->gzip);
    ledger_free(&p->ledger);
    free(v);
    p->priv = NULL;
}

void
push_verify(struct push *p, struct target *t, struct ledger_verdict *v, struct hist *latency)
{
    for (size_t i = 0; i < p->ledger.cap; i++) {
        if (p->ledger.traces[i].n) {
            uint64_t start = now_ns();
            ledger_check(&p->ledger.traces[i], t, v);
            if (latency) {
                hist_add(latency, now_ns() - start);
            }
        }
    }
}

void
push_report(const struct push *p, const struct load_stats *s, struct result *out)
{
    double mb = (double)s->acked_bytes / 1e6;
    result_num(out, "corpus_spans", (double)p->spans);
    result_num(out, "corpus_bytes_per_span", (double)p->raw_bytes / (double)p->spans);
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

uint64_t
verdict_report(const struct ledger_verdict *v, struct result *out)
{
    result_num(out, "verified_traces", (double)v->traces);
    result_num(out, "verified_spans", (double)v->spans);
    result_num(out, "verify_missing_spans", (double)v->missing);
    result_num(out, "verify_invented_spans", (double)v->invented);
    result_num(out, "verify_doubled_spans", (double)v->doubled);
    result_num(out, "verify_bad_answers", (double)v->malformed);
    return v->missing + v->invented + v->doubled + v->malformed;
}
