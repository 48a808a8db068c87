/* The translation to OTLP that Jaeger's protobuf and Thrift decoders share (receivers.md 6.6).
 * Threads: no shared state. */
#pragma once

#include "vivace/codec/jaeger.h"

/* In the numbers of api_v2; Thrift's tag types are brought to them. */
enum jaeger_type { JAEGER_STRING, JAEGER_BOOL, JAEGER_INT64, JAEGER_FLOAT64, JAEGER_BINARY };

enum jaeger_ref_type { JAEGER_CHILD_OF = 0, JAEGER_FOLLOWS_FROM = 1 };

struct jaeger_tag {
    slice key, string, binary;
    int64_t i;
    double d;
    int32_t type; /* enum jaeger_type */
    bool b;
};

struct jaeger_ref {
    trace_id trace;
    span_id span;
    int32_t type; /* enum jaeger_ref_type */
};

struct jaeger_decoder {
    struct span_batch *b;
    struct fault *f;
    struct jaeger_ref *refs; /* of the span being decoded; in the batch's arena */
    size_t ref_count, ref_cap;
};

err jaeger_full(struct jaeger_decoder *d);
/* Add a tag to the run at the end of the batch's attributes. `type_text`: how an unknown type is named. */
CHECKED err jaeger_tag_add(struct jaeger_decoder *d, const struct jaeger_tag *tag, struct run *run);
CHECKED err jaeger_ref_add(struct jaeger_decoder *d, const struct jaeger_ref *ref);
/* A resource from a process's name and tags, which are the run at the end of the attributes but for the name.
 */
CHECKED err jaeger_process_end(struct jaeger_decoder *d, struct run *attrs);
/* Fields of a log became the event's attributes: take out its name. */
CHECKED err jaeger_event_end(struct jaeger_decoder *d, struct span_event *e);
/* The span is read: kind and status from its tags, parent and links from its references, its size. `parent`
 * zero: a reference may be it. */
CHECKED err jaeger_span_end(struct jaeger_decoder *d, struct span *s, bool trace_state);
