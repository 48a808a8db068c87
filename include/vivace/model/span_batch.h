/* A batch of spans as flat arrays: what every decoder makes and every sink takes.
 *
 * Shapes follow OTLP (opentelemetry/proto/trace/v1/trace.proto); nothing OTLP carries is lost. All slices
 * point into the request body (kept alive by whoever owns the batch) or into the batch's arena. Attributes,
 * events and links are runs in one shared array each: `struct run {at, n}`. Nested values (arrays and
 * key/value lists) stay encoded: their slice is the body of an OTLP ArrayValue / KeyValueList message,
 * already checked for form and depth (ANY_VALUE_DEPTH_MAX), whatever protocol they came in.
 * Two resources or scopes may share a run. Spans stand in the order they arrived; spans of one scope are
 * contiguous, and so are scopes of one resource.
 *
 * Ownership: the batch owns its arena and through it all arrays. Reuse with span_batch_reset.
 * Threads: one owner; read-only sharing is fine.
 */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/model/ids.h"

#define ANY_VALUE_DEPTH_MAX 64 /* nesting of arrays and lists; deeper is a decode error */

enum value_kind {
    VALUE_NONE = 0, /* an AnyValue with no member set */
    VALUE_STRING,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_DOUBLE,
    VALUE_ARRAY,  /* bytes of an ArrayValue message */
    VALUE_KVLIST, /* bytes of a KeyValueList message */
    VALUE_BYTES,
};

struct run {
    uint32_t at, n;
};

struct attr { /* 32 bytes */
    const uint8_t *key;
    union {
        const uint8_t *p; /* STRING, BYTES, ARRAY, KVLIST */
        int64_t i;
        double d;
        bool b;
    };
    uint32_t key_n;
    uint32_t n;   /* length at p */
    uint8_t kind; /* enum value_kind */
};

struct span_event {
    uint64_t time_ns;
    slice name;
    struct run attrs;
    uint32_t dropped_attrs;
};

struct span_link {
    trace_id trace;
    span_id span;
    uint32_t flags;
    uint32_t dropped_attrs;
    slice trace_state;
    struct run attrs;
};

struct span {
    trace_id trace;
    span_id id;
    span_id parent;    /* zero = root */
    uint64_t start_ns; /* unix */
    uint64_t end_ns;
    slice name, trace_state, status_message;
    struct run attrs, events, links; /* in batch->attrs, ->events, ->links */
    uint32_t dropped_attrs, dropped_events, dropped_links;
    uint32_t flags;
    int32_t kind;        /* OTLP SpanKind; unknown numbers are kept */
    int32_t status_code; /* OTLP StatusCode */
    uint32_t scope;      /* index in batch->scopes */
    uint32_t wire_bytes; /* size of this span as an OTLP Span message, without its tag and length */
};

struct scope {
    uint32_t resource; /* index in batch->resources */
    uint32_t dropped_attrs;
    slice name, version, schema_url; /* schema_url is ScopeSpans.schema_url */
    struct run attrs;
    bool has_scope; /* the InstrumentationScope message was present */
};

struct resource {
    struct run attrs;
    uint32_t dropped_attrs;
    slice schema_url;  /* ResourceSpans.schema_url */
    slice entity_refs; /* the Resource.entity_refs fields, tags included, as they came; may be empty */
    bool has_resource; /* the Resource message was present */
};

struct span_batch {
    struct arena arena;
    struct span *spans;
    struct attr *attrs;
    struct span_event *events;
    struct span_link *links;
    struct scope *scopes;
    struct resource *resources;
    size_t span_count, attr_count, event_count, link_count, scope_count, resource_count;
    size_t span_cap, attr_cap, event_cap, link_cap, scope_cap, resource_cap;
};

/* `max_bytes` bounds the arena (0 = none). Nothing is allocated before the first add. */
void span_batch_init(struct span_batch *b, size_t max_bytes);
void span_batch_fini(struct span_batch *b);
/* Empty, keeping one chunk of memory. */
void span_batch_reset(struct span_batch *b);

/* Append one zeroed element; NULL when max_bytes would be passed. Pointers into the arrays move on the
 * next add of the same kind: keep indices. */
struct span *span_batch_add_span(struct span_batch *b);
struct attr *span_batch_add_attr(struct span_batch *b);
struct span_event *span_batch_add_event(struct span_batch *b);
struct span_link *span_batch_add_link(struct span_batch *b);
struct scope *span_batch_add_scope(struct span_batch *b);
struct resource *span_batch_add_resource(struct span_batch *b);

/* Room for `more` spans, so that adding them moves none. False when max_bytes would be passed. */
bool span_batch_reserve_spans(struct span_batch *b, size_t more);

/* Where all arrays end: what a batch is rolled back to when the rest is refused. Memory stays in use. */
struct span_batch_mark {
    size_t spans, attrs, events, links, scopes, resources;
};

static inline struct span_batch_mark
span_batch_mark(const struct span_batch *b)
{
    return (struct span_batch_mark){b->span_count, b->attr_count,  b->event_count,
                                    b->link_count, b->scope_count, b->resource_count};
}

static inline void
span_batch_rewind(struct span_batch *b, struct span_batch_mark to)
{
    b->span_count = to.spans;
    b->attr_count = to.attrs;
    b->event_count = to.events;
    b->link_count = to.links;
    b->scope_count = to.scopes;
    b->resource_count = to.resources;
}

static inline slice
attr_key(const struct attr *a)
{
    return (slice){a->key, a->key_n};
}

/* The bytes of a STRING, BYTES, ARRAY or KVLIST value. */
static inline slice
attr_bytes(const struct attr *a)
{
    return (slice){a->p, a->n};
}

/* First attribute with this key in the run, or NULL. */
const struct attr *attrs_find(const struct span_batch *b, struct run r, slice key);
/* The resource's `service.name` when it is a string, else empty. */
slice span_service_name(const struct span_batch *b, const struct span *s);

/* Copy span `i` of `from` (with its scope and resource, merged with the last one of `to` when that is the
 * same source scope) to `to`; bytes are copied into to's arena when `deep`. `*memo` remembers the mapping
 * between calls: zero it before the first span of each `from`. ERR_LIMIT when `to` is full. */
struct span_copy_memo {
    uint32_t from_scope_plus1, to_scope;
    uint32_t from_resource_plus1, to_resource;
};
CHECKED err span_batch_copy_span(struct span_batch *to, const struct span_batch *from, size_t i, bool deep,
                                 struct span_copy_memo *memo);
