/* Jaeger to span batches: api_v2 protobuf and Thrift, with the collector's translation to OTLP.
 *
 * Source: receivers.md 6. One pass, in place: slices point into `body`, which must outlive the batch; texts
 * that are made (a host's version, an unknown tag type) live in the batch's arena. Every span's wire_bytes is
 * its size as an OTLP span. ERR_INVALID with the detail in one sentence; ERR_LIMIT when the batch's arena
 * bound is reached, or for a body over 4 GiB. On an error the batch may hold part of the spans: reset it.
 * Threads: no shared state.
 */
#pragma once

#include "vivace/model/span_batch.h"

enum jaeger_thrift { JAEGER_THRIFT_BINARY, JAEGER_THRIFT_COMPACT };

/* jaeger.api_v2.PostSpansRequest: one resource per process, one scope per otel.scope.name and version. */
CHECKED err jaeger_proto_decode(slice body, struct span_batch *out, struct fault *f);
/* A bare jaeger.thrift Batch, as HTTP carries it. */
CHECKED err jaeger_thrift_decode(slice body, enum jaeger_thrift protocol, struct span_batch *out,
                                 struct fault *f);
/* A message emitBatch, as one UDP datagram carries it; any other message is ERR_UNSUPPORTED. */
CHECKED err jaeger_emit_batch_decode(slice body, enum jaeger_thrift protocol, struct span_batch *out,
                                     struct fault *f);
