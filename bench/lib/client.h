/* The load client: OTLP/gRPC and OTLP/HTTP over several connections, closed or open loop, in one thread.
 *
 * Closed loop: every connection keeps `inflight` requests under way. Open loop: requests start on a fixed
 * schedule whether or not answers come back, and latency counts from the scheduled time, so that a stalled
 * server shows (no coordinated omission). A refusal the protocol calls retryable (gRPC 8 and 14, HTTP 429 and
 * 503) is sent again after 50 ms until `retry_s` have passed since the first try. HTTP/1.1 has one request
 * under way on a connection: `inflight` multiplies the connections there. Source: gRPC over HTTP/2
 * (PROTOCOL-HTTP2.md), OTLP/HTTP (opentelemetry-proto docs). Threads: one owner.
 */
#pragma once

#include "hist.h"

#include <stdbool.h>
#include <stddef.h>

enum load_protocol { LOAD_GRPC, LOAD_HTTP };

struct load_request {
    const uint8_t *body; /* good until done() was called for it */
    size_t n;
    uint32_t spans;
    uint64_t tag; /* the caller's */
};

enum load_outcome {
    LOAD_ACKED,
    LOAD_REFUSED, /* retryable, and no time left to retry */
    LOAD_FAILED,  /* a final refusal */
    LOAD_LOST,    /* the connection ended first: it may or may not have been taken */
};

struct load_options {
    enum load_protocol protocol;
    const char *host; /* an IPv4 address */
    uint16_t port;
    uint32_t connections, inflight;
    bool gzip;                    /* bodies are gzip: say so */
    double open_loop_spans_per_s; /* 0 = closed loop */
    double retry_s;
    bool (*next)(void *ctx, struct load_request *ret);                                /* false = no more */
    void (*done)(void *ctx, const struct load_request *r, enum load_outcome outcome); /* may be NULL */
    bool (*stop)(void *ctx); /* asked about every 10 ms; true ends the run at once; may be NULL */
    void *ctx;
};

struct load_stats {
    uint64_t acked_requests, acked_spans, acked_bytes;
    uint64_t refusals; /* retryable answers, retried or not */
    uint64_t refused_spans, failed_spans, lost_spans;
    double seconds;      /* first request sent to last answer */
    struct hist latency; /* of acknowledged requests, with their retries */
    char first_error[256];
};

void load_run(const struct load_options *o, struct load_stats *ret);
