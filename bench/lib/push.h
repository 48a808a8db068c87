/* A corpus pushed into a server, and what came of every span. Threads: one owner. */
#pragma once

#include "client.h"
#include "corpus.h"
#include "ledger.h"
#include "target.h"

struct push_options {
    double spans, seed, connections, inflight;
    double open_loop;  /* spans a second; 0 = closed loop */
    double retry_s;    /* a refused request is tried again for this long */
    double sample;     /* the ledger records one trace in this many */
    double max_s;      /* start no more requests after this long; 0 = all spans */
    uint64_t start_ns; /* of the corpus */
    uint32_t density;  /* spans a second of the corpus's own time; 0 = 5000 */
    const char *protocol, *compression;
    bool stream; /* make the corpus while sending; otherwise before the clock starts */
    /* Asked about every 10 ms; may be NULL. And told of every acknowledged request's spans; may be NULL. */
    void (*tick)(void *ctx);
    void (*acked)(void *ctx, const struct corpus_ref *refs, size_t n);
    void *ctx;
};

struct push {
    struct push_options o;
    struct ledger ledger;
    uint64_t spans, raw_bytes; /* made so far; raw: before compression */
    struct push_private *priv;
};

#define PUSH_DEFAULTS                                                                                        \
    {                                                                                                        \
        .spans = 1e6, .seed = 1, .connections = 4, .inflight = 4, .sample = 200, .retry_s = 30,              \
        .protocol = "grpc", .compression = "none"                                                            \
    }

/* A start so that the corpus's traces end about now, as those of a live system would. */
uint64_t push_start_ns(double spans, uint32_t density);
void push_init(struct push *p, const struct push_options *o);
void push_run(struct push *p, const struct target *t, struct load_stats *ret);
void push_free(struct push *p);

/* Read the recorded traces back and judge them; `latency` may be NULL. */
void push_verify(struct push *p, struct target *t, struct ledger_verdict *v, struct hist *latency);

struct result;
/* "acknowledged_spans", "refusals", "latency_p99_ms" and so on. */
void push_report(const struct push *p, const struct load_stats *s, struct result *out);
/* "verified_traces", "verify_missing_spans" and so on; the number of faults. */
uint64_t verdict_report(const struct ledger_verdict *v, struct result *out);
