/* Jaeger over gRPC: api_v2.CollectorService/PostSpans (receivers.md 6.1). */
#include "grpc_ingest.h"

#include "vivace/codec/jaeger.h"

static const struct grpc_protocol protocol = {
    .receiver = SL("jaeger/jaeger_receiver"),
    .decode = jaeger_proto_decode,
    .denied = GRPC_UNKNOWN, /* a plain error in the collector */
};

static void
post_spans(void *ctx, struct grpc_call *c)
{
    grpc_ingest_run(ctx, c, &protocol);
}

static const struct grpc_method methods[] = {{"PostSpans", post_spans}};

const struct grpc_service jaeger_grpc_service = {
    .name = "jaeger.api_v2.CollectorService",
    .methods = methods,
    .method_count = 1,
};
