/* receiver-private: one listening receiver, and the job that carries a request to a worker. */
#pragma once

#include "scratch.h"

#include "vivace/codec/compress.h"
#include "vivace/net/grpc.h"
#include "vivace/receiver/receiver.h"

#define DEFAULT_RETRY_AFTER_S 5 /* told to clients when our own queue or memory is full */

struct tls_context;

struct receivers;
struct jaeger_udp;

/* One port. */
struct receiver {
    struct receivers *all;
    const struct config_receiver *config;
    struct tls_context *tls;
    struct http_listener *listener; /* gRPC and HTTP kinds */
    struct jaeger_udp *udp;         /* UDP kinds */
};

struct receivers {
    struct receivers_options o;
    struct scratch_pool scratch;
    struct receiver *list;
    size_t count;
};

/* What became of one request. */
struct push_outcome {
    err rc;
    struct fault fault;
    uint32_t retry_after_s;
    bool decoded; /* the body was understood: what failed came after */
};

/* Where the spans of a request came from. */
struct push_source {
    slice receiver, transport;
    slice tenant_header; /* X-Scope-OrgID as sent */
    size_t tenant_headers;
};

/* Reserve memory for a body of `n` bytes that is about to be decoded; ERR_LIMIT fills `out` with a retryable
 * answer. */
CHECKED err decode_reserve(struct receivers *all, size_t n, struct push_outcome *out);
void decode_release(struct receivers *all, size_t n);
/* Check the tenant and push a decoded batch. `wire`: its OTLP protobuf bytes, or empty. Worker thread. */
void push_batch(struct receivers *all, const struct push_source *from, struct span_batch *batch, slice wire,
                struct push_outcome *out);
/* The answer when the worker pool takes no more. */
void push_refused_by_pool(struct push_outcome *out);
/* X-Scope-OrgID of a request. */
void push_source_tenant(struct push_source *from, const struct http_request *r);

/* A receiver's handler or service; its ctx is the struct receiver. */
void otlp_http_handle(void *ctx, struct http_request *r);
void zipkin_handle(void *ctx, struct http_request *r);
void jaeger_http_handle(void *ctx, struct http_request *r);
extern const struct grpc_service otlp_grpc_service, jaeger_grpc_service;

/* jaeger_udp.c */
CHECKED err jaeger_udp_open(struct receiver *rx, struct fault *f, struct jaeger_udp **ret);
int jaeger_udp_port(const struct jaeger_udp *u);
/* No datagram is taken after this; those on the way to workers still run. NULL is fine. */
void jaeger_udp_close(struct jaeger_udp *u);
/* After close and the end of the worker pool. NULL is fine. */
void jaeger_udp_destroy(struct jaeger_udp *u);
