/* Zipkin to span batches: v2 JSON and protobuf, v1 JSON and Thrift, with the collector's translation to OTLP.
 *
 * Source: receivers.md 5. Slices point into `body`, which must outlive the batch; strings with escapes and
 * texts that are made (addresses in canonical form, base64) live in the batch's arena. v2: spans are sorted
 * by service name and then library name, otherwise keep their order; v1: services stand in the order they
 * came. Every span's wire_bytes is its size as an OTLP span. ERR_INVALID with the detail in one sentence;
 * ERR_LIMIT when the batch's arena bound is reached, or for a body over 4 GiB. On an error the batch may hold
 * part of the spans: reset it. Threads: no shared state.
 */
#pragma once

#include "vivace/model/span_batch.h"

enum zipkin_format { ZIPKIN_V2_JSON, ZIPKIN_V2_PROTO, ZIPKIN_V1_JSON, ZIPKIN_V1_THRIFT, ZIPKIN_FORMAT_COUNT };

#define ZIPKIN_LINKS_MAX 128 /* a span's links: tags otlp.link.0 to .127, as the collector reads them */

struct zipkin_options {
    bool parse_string_tags; /* tags that read as a number or boolean become one (not in v1 Thrift, which has
                               types) */
    uint64_t now_ns;        /* unix: the time of v1 JSON spans that have none */
};

CHECKED err zipkin_decode(slice body, enum zipkin_format format, const struct zipkin_options *o,
                          struct span_batch *out, struct fault *f);
