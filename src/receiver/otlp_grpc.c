/* OTLP over gRPC: TraceService/Export (receivers.md section 3). */
#include "grpc_ingest.h"

#include "vivace/codec/otlp.h"

static const struct grpc_protocol protocol = {
    .receiver = SL("otlp/otlp_receiver"),
    .decode = otlp_decode,
    .reply = SL("\x0a\x00"), /* an empty partial_success is present, as Tempo writes it */
    .is_otlp_wire = true,
    .denied = GRPC_UNAVAILABLE,
};

static void
export_spans(void *ctx, struct grpc_call *c)
{
    grpc_ingest_run(ctx, c, &protocol);
}

static const struct grpc_method methods[] = {{"Export", export_spans}};

const struct grpc_service otlp_grpc_service = {
    .name = "opentelemetry.proto.collector.trace.v1.TraceService",
    .methods = methods,
    .method_count = 1,
};
