/* A corpus batch in the other protocols: what Zipkin's and Jaeger's clients would have sent for the same
 * spans. Attributes that are not text become text in Zipkin. Threads: no shared state. */
#pragma once

#include "vivace/base/buf.h"
#include "vivace/model/span_batch.h"

/* Zipkin v2 JSON. */
void zipkin_json_from(struct buf *out, const struct span_batch *b);
/* A Thrift batch a resource: calls `done` for each body. */
void jaeger_thrift_from(struct buf *out, const struct span_batch *b, bool compact,
                        void (*done)(void *ctx, slice body), void *ctx);
