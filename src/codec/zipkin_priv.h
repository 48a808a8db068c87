/* What Zipkin's four decoders share: readers fill a span, translators make it OTLP (receivers.md 5).
 * Threads: no shared state. */
#pragma once

#include "json_priv.h"
#include "span_group.h"

#include "vivace/codec/zipkin.h"

struct zipkin_endpoint {
    slice service, ipv4, ipv6; /* addresses as text */
    int32_t port;
};

struct zipkin_note { /* an annotation */
    int64_t time_us;
    slice value;
    struct zipkin_endpoint endpoint; /* v1 */
};

/* A span as it was read. Its tags (v1: binary annotations) are the run at the end of the batch's attributes
 * until it is translated, its annotations are the decoder's notes. */
struct zipkin_span {
    trace_id trace;
    span_id id, parent;
    slice name;
    int32_t kind; /* OTLP's, 0 = none */
    uint64_t time_us, duration_us;
    bool has_time; /* v1 */
    struct zipkin_endpoint local, remote;
    slice fallback_service; /* v1: of the binary annotations' endpoints */
    struct run tags;
};

/* What a span has for its resource and scope if it is the first of them. */
struct zipkin_lead {
    struct run tags;                 /* v2: in the decoder's stash */
    slice name_key;                  /* v2: instead of service.name */
    slice version;                   /* v2: of the scope */
    struct zipkin_endpoint endpoint; /* v1 */
};

struct zipkin_decoder {
    struct json_reader r; /* the JSON formats */
    const struct zipkin_options *o;
    struct span_batch *b;
    struct fault *f;
    size_t spans_at;           /* the batch's spans before this body */
    struct zipkin_note *notes; /* of the span being read; all arrays live in the batch's arena */
    struct span_home *homes;   /* one a span */
    struct zipkin_lead *leads; /* one a span */
    struct attr *stash;        /* resource tags */
    size_t note_count, note_cap, home_cap, lead_cap, stash_count, stash_cap;
};

enum {
    ZIPKIN_KIND_NONE,
    ZIPKIN_KIND_INTERNAL,
    ZIPKIN_KIND_SERVER,
    ZIPKIN_KIND_CLIENT,
    ZIPKIN_KIND_PRODUCER,
    ZIPKIN_KIND_CONSUMER
};

#define ZIPKIN_NS_PER_US 1000

err zipkin_full(struct zipkin_decoder *d);
CHECKED err zipkin_note_add(struct zipkin_decoder *d, struct zipkin_note **ret);
/* Add a tag without a value to the span's. */
CHECKED err zipkin_tag_add(struct zipkin_decoder *d, struct zipkin_span *z, slice key, struct attr **ret);
/* Ready the decoder for the next span. */
void zipkin_span_begin(struct zipkin_decoder *d, struct zipkin_span *z);
/* The translated span, and what it stands under; the home's mark becomes the index of its lead. */
CHECKED err zipkin_span_add(struct zipkin_decoder *d, struct span *s, const struct span_home *home,
                            const struct zipkin_lead *lead);
/* An attribute of the set at the end of the batch's. */
CHECKED err zipkin_text_put(struct zipkin_decoder *d, struct run *attrs, slice key, slice value);
CHECKED err zipkin_start_absent_put(struct zipkin_decoder *d, struct run *attrs);
/* A scope of the newest resource. */
CHECKED err zipkin_scope_add(struct zipkin_decoder *d, slice name, slice version);
/* A string as parse_string_tags reads it: int, double, bool, or what it was. */
void zipkin_tag_parse(struct attr *a);

/* Addresses as Go's net.IP prints them; 4 or 16 bytes, others are "?" and hex. Empty p when the arena is
 * full. */
slice zipkin_ip_text(struct arena *arena, slice bytes);
/* The address in its canonical text. ERR_INVALID when it is none. */
CHECKED err zipkin_ip_parse(struct zipkin_decoder *d, slice text, slice *ret);

/* zipkin_v2.c: a span read from either encoding; and when all are there, resources and scopes. */
CHECKED err zipkin_v2_span(struct zipkin_decoder *d, struct zipkin_span *z);
CHECKED err zipkin_v2_end(struct zipkin_decoder *d);
/* zipkin_v1.c */
CHECKED err zipkin_v1_span(struct zipkin_decoder *d, struct zipkin_span *z, bool now_when_absent);
CHECKED err zipkin_v1_end(struct zipkin_decoder *d);

/* JSON, with Go's rules: names match in any case, null leaves a member as it is. */
struct zipkin_names {
    const slice *v;
    size_t n;
};
err zipkin_json_fail(struct zipkin_decoder *d, const char *text);
/* The index of the next member's name; n for the end of the object. Others are skipped. */
CHECKED err zipkin_json_member(struct zipkin_decoder *d, struct zipkin_names names, size_t *ret);
CHECKED err zipkin_json_object(struct zipkin_decoder *d, bool *ret_present);
CHECKED err zipkin_json_array(struct zipkin_decoder *d, bool *ret_present);
/* The next element of an array of objects: *ret_end behind the last; null is an object that is not present.
 */
CHECKED err zipkin_json_element(struct zipkin_decoder *d, bool *ret_end, bool *ret_present);
CHECKED err zipkin_json_string(struct zipkin_decoder *d, slice *ret);
CHECKED err zipkin_json_u64(struct zipkin_decoder *d, uint64_t *ret);
CHECKED err zipkin_json_i64(struct zipkin_decoder *d, int64_t *ret);
CHECKED err zipkin_json_bool(struct zipkin_decoder *d, bool *ret);
/* An array of objects, each to `take`; null is one that is not present. */
CHECKED err zipkin_json_elements(struct zipkin_decoder *d,
                                 err (*take)(struct zipkin_decoder *d, bool present, struct zipkin_span *z),
                                 struct zipkin_span *z);
/* An endpoint; v1 and v2 differ in what an address and a port may be. */
CHECKED err zipkin_json_endpoint(struct zipkin_decoder *d,
                                 err (*address)(struct zipkin_decoder *d, slice *ret),
                                 err (*port)(struct zipkin_decoder *d, int32_t *ret),
                                 struct zipkin_endpoint *to);
/* A list of spans: `take` reads one, behind its opening brace. */
CHECKED err zipkin_json_spans(struct zipkin_decoder *d, slice body, err (*take)(struct zipkin_decoder *d));

/* One body each. */
CHECKED err zipkin_v2_json(struct zipkin_decoder *d, slice body);
CHECKED err zipkin_v2_proto(struct zipkin_decoder *d, slice body);
CHECKED err zipkin_v1_json(struct zipkin_decoder *d, slice body);
CHECKED err zipkin_v1_thrift(struct zipkin_decoder *d, slice body);
