/* The distributor: what happens to a batch between its receiver and the ingester.
 *
 * Order (receivers.md section 7): count ingress bytes; nothing to do without spans; rate limit per tenant;
 * count; truncate long attributes; check ids; hand to the ingester. A batch is accepted or refused as a
 * whole. Threads: push from any worker; it waits for the WAL's write.
 */
#pragma once

#include "vivace/ingester/ingester.h"
#include "vivace/model/span_batch.h"

struct distributor;

/* A tenant's limits as the configuration and the overrides give them; 0 = off. */
struct distributor_limits {
    uint64_t rate_bytes; /* token bucket: bytes per second and depth */
    uint64_t burst_bytes;
    bool global_strategy; /* the rate is reported as the global one */
    bool retry_info;      /* a refused client is told when to come back */
    uint32_t max_attribute_bytes;
    uint64_t max_bytes_per_trace;
    uint64_t max_traces;
    uint64_t artificial_delay_ms;
};

struct distributor_log_options {
    bool enabled, include_attributes, only_errors;
};

struct distributor_options {
    struct ingester *ingester;
    /* Any thread; fills `ret` for the tenant. */
    void (*limits)(void *ctx, slice tenant, struct distributor_limits *ret);
    void *limits_ctx;
    uint32_t retry_after_s; /* distributor.retry_after_on_resource_exhausted; 0 = no hint */
    struct distributor_log_options log_received, log_discarded;
    bool count_spans_by_name; /* distributor.metric_received_spans: one series per tenant, name and service */
    bool count_root_spans_only;
    slice known_tenant; /* its series exist from the start, at 0; empty with multitenancy */
};

struct distributor *distributor_create(const struct distributor_options *o);
void distributor_destroy(struct distributor *d);

struct distributor_push {
    slice receiver;           /* "otlp/otlp_receiver" */
    slice transport;          /* "grpc", "http", ... */
    slice tenant;             /* already checked */
    struct span_batch *batch; /* may be changed: attributes cut */
    slice wire;               /* the batch as OTLP protobuf if that is how it came, else empty */
    uint32_t retry_after_s;   /* out: set when the client should be told to come back */
};

/* ERR_INVALID (bad ids), ERR_LIMIT (rate limited), ERR_UNAVAILABLE (the disk or the memory budget is full, or
 * we are stopping). The fault's text is for the client. Nothing of the batch is stored on an error. */
CHECKED err distributor_push(struct distributor *d, struct distributor_push *p, struct fault *f);

/* Stop: pushes from now on are ERR_UNAVAILABLE. */
void distributor_stop(struct distributor *d);
