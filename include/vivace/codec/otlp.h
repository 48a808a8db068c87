/* OTLP traces: protobuf and JSON to span batches and back.
 *
 * Source: opentelemetry-proto v1 trace, common, resource; field numbers in the .c. ExportTraceServiceRequest,
 * TracesData and Tempo's Trace message have the same shape. Decoding is one pass, in place: slices point into
 * `body`, which must outlive the batch. Threads: no shared state.
 */
#pragma once

#include "vivace/model/span_batch.h"

/* Append the spans of an ExportTraceServiceRequest to `out`.
 * ERR_INVALID with the detail in Go's words ("unexpected EOF", "proto: wrong wireType = 0 for field TraceId",
 * "unmarshal: invalid TraceID length", ...); ERR_LIMIT when the batch's arena bound is reached.
 * On an error `out` may hold part of the spans: reset it. Strings are not checked for UTF-8. */
CHECKED err otlp_decode(slice body, struct span_batch *out, struct fault *f);

/* The same, keeping only the spans of one trace; others are skimmed, and scopes and resources without a
 * kept span are left out. */
CHECKED err otlp_decode_trace(slice body, const trace_id *only, struct span_batch *out, struct fault *f);

/* The same for the traces whose ids stand in `some`. */
struct id_table;
CHECKED err otlp_decode_traces(slice body, const struct id_table *some, struct span_batch *out,
                               struct fault *f);

/* OTLP/JSON (protobuf JSON mapping with hex ids). Strings with escapes and nested values are built in out's
 * arena. Bytes after the object are ignored. Error texts begin as the reader sees them, with an offset. */
CHECKED err otlp_json_decode(slice body, struct span_batch *out, struct fault *f);

/* A whole batch as ExportTraceServiceRequest bytes: what the WAL stores when the body it came from cannot be
 * stored as it is. One ResourceSpans per resource, one ScopeSpans per scope. Lossless. */
CHECKED err otlp_encode(const struct span_batch *b, struct buf *out);
/* Bytes otlp_encode would append; without resources and scopes when there is no memory to tell. */
size_t otlp_encoded_size(const struct span_batch *b);
/* Bytes of one span as an OTLP Span message, without tag and length. */
size_t otlp_span_size(const struct span_batch *b, const struct span *s);

/* How a trace is laid out for a reader (api.md 1.1): one ResourceSpans per resource x scope name and version;
 * `resource`, `scope` and `status` are always present, empty or not. Spans stand in batch order. */
enum trace_root { TRACE_ROOT_BATCHES, TRACE_ROOT_RESOURCE_SPANS };
/* Message Trace. */
CHECKED err otlp_trace_encode(const struct span_batch *b, struct buf *out);
/* {"batches":[...]} or {"resourceSpans":[...]} in gogo jsonpb's form (api.md 1.0). */
CHECKED err otlp_trace_write_json(const struct span_batch *b, enum trace_root root, struct buf *out);
/* {"resourceSpans":[...]} as OTLP/JSON has it (ids in hex, enums as numbers): what otlp_json_decode reads. In
 * the layout above; entity refs are left out. */
CHECKED err otlp_write_json(const struct span_batch *b, struct buf *out);

/* One AnyValue as jsonpb prints it: {"stringValue":"x"}, {} for none. */
CHECKED err otlp_value_write_json(const struct attr *a, struct buf *out);
