/* Random span batches that use every field OTLP carries, for tests of what must come back as it went in. */
#pragma once

#include "vivace/base/rng.h"
#include "vivace/codec/wire.h"
#include "vivace/model/span_batch.h"

struct span_random {
    struct rng rng;
    size_t traces;   /* spans belong to this many */
    bool bad_text;   /* some strings are not UTF-8 */
    bool few_values; /* values repeat as they do in life */
};

static inline bool
random_one_in(struct span_random *r, uint64_t n)
{
    return rng_below(&r->rng, n) == 0;
}

static inline slice
random_text(struct span_random *r, struct arena *a, size_t max)
{
    static const char *const words[] = {"GET", "checkout",  "ä\xe2\x82\xac\xf0\x9f\x8e\xbc",
                                        "",    "a\"b\\c\n", "x.y"};
    if (r->few_values && !random_one_in(r, 4)) {
        return arena_copy(a, slice_cstr(words[rng_below(&r->rng, 6)]));
    }
    size_t n = (size_t)rng_below(&r->rng, max + 1);
    uint8_t *p = arena_alloc(a, n + 1);
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t)rng_below(&r->rng, 128);
    }
    if (n && r->bad_text && random_one_in(r, 8)) {
        p[rng_below(&r->rng, n)] = 0xff;
    }
    return slice_of(p, n);
}

static inline slice
random_buf(struct arena *a, struct buf *b)
{
    slice s = arena_copy(a, buf_slice(b));
    buf_fini(b);
    return s;
}

/* The body of an ArrayValue (or a KeyValueList) with a few strings and an empty value. */
static inline slice
random_nested(struct span_random *r, struct arena *a, bool list)
{
    struct buf b, value, pair;
    buf_init(&b, 4096);
    for (uint64_t i = rng_below(&r->rng, 4); i > 0; i--) {
        buf_init(&value, 256);
        if (!random_one_in(r, 4)) {
            wire_put_bytes(&value, 1, random_text(r, a, 20));
        }
        if (list) {
            buf_init(&pair, 512);
            wire_put_bytes(&pair, 1, random_text(r, a, 8));
            wire_put_bytes(&pair, 2, buf_slice(&value));
            wire_put_bytes(&b, 1, buf_slice(&pair));
            buf_fini(&pair);
        } else {
            wire_put_bytes(&b, 1, buf_slice(&value));
        }
        buf_fini(&value);
    }
    return random_buf(a, &b);
}

static inline void
random_value(struct span_random *r, struct arena *arena, struct attr *a)
{
    slice s = SL_EMPTY;
    a->kind = random_one_in(r, 2) ? VALUE_STRING : (uint8_t)rng_below(&r->rng, VALUE_BYTES + 1);
    switch ((enum value_kind)a->kind) {
    case VALUE_NONE:
        return;
    case VALUE_BOOL:
        a->b = random_one_in(r, 2);
        return;
    case VALUE_INT:
        a->i = random_one_in(r, 2) ? (int64_t)rng_next(&r->rng) : (int64_t)rng_below(&r->rng, 5) - 2;
        return;
    case VALUE_DOUBLE:
        a->i = random_one_in(r, 2) ? (int64_t)rng_next(&r->rng) : 0; /* any bits: NaN, -0, denormal */
        return;
    case VALUE_ARRAY:
    case VALUE_KVLIST:
        s = random_nested(r, arena, a->kind == VALUE_KVLIST);
        break;
    case VALUE_STRING:
    case VALUE_BYTES:
        s = random_text(r, arena, 60);
    }
    a->p = s.p;
    a->n = (uint32_t)s.n;
}

static inline struct run
random_attrs(struct span_random *r, struct span_batch *b, size_t max)
{
    static const char *const keys[] = {"service.name", "http.method",    "n", "Http.Method", "",   "k:int",
                                       "name",         "exception.type", "é", "x\ty",        "id", "code"};
    struct run run = {(uint32_t)b->attr_count, (uint32_t)rng_below(&r->rng, max + 1)};
    for (uint32_t i = 0; i < run.n; i++) {
        struct attr *a = span_batch_add_attr(b);
        slice key = random_one_in(r, 10) ? random_text(r, &b->arena, 12)
                                         : slice_cstr(keys[rng_below(&r->rng, sizeof keys / sizeof *keys)]);
        a->key = key.p;
        a->key_n = (uint32_t)key.n;
        random_value(r, &b->arena, a);
    }
    return run;
}

static inline void
random_context(struct span_random *r, struct span_batch *b)
{
    if (b->resource_count == 0 || random_one_in(r, 2)) {
        struct run attrs = random_attrs(r, b, 5);
        struct resource *res = span_batch_add_resource(b);
        res->attrs = attrs;
        res->has_resource = attrs.n || random_one_in(r, 2);
        if (res->has_resource && random_one_in(r, 3)) {
            res->dropped_attrs = (uint32_t)rng_next(&r->rng);
            res->entity_refs = SL("\x1a\x03\x0a\x01q");
        }
        res->schema_url = random_one_in(r, 2) ? SL_EMPTY : random_text(r, &b->arena, 20);
    }
    struct run attrs = random_attrs(r, b, 3);
    struct scope *s = span_batch_add_scope(b);
    s->resource = (uint32_t)b->resource_count - 1;
    s->attrs = attrs;
    s->name = random_text(r, &b->arena, 20);
    s->version = random_text(r, &b->arena, 5);
    s->dropped_attrs = random_one_in(r, 4) ? (uint32_t)rng_next(&r->rng) : 0;
    s->has_scope = attrs.n || s->name.n || s->version.n || s->dropped_attrs || random_one_in(r, 2);
    s->schema_url = random_one_in(r, 2) ? SL_EMPTY : random_text(r, &b->arena, 20);
}

static inline struct run
random_events(struct span_random *r, struct span_batch *b)
{
    struct run run = {(uint32_t)b->event_count, random_one_in(r, 3) ? (uint32_t)rng_below(&r->rng, 4) : 0};
    for (uint32_t i = 0; i < run.n; i++) {
        struct run attrs = random_attrs(r, b, 4);
        struct span_event *e = span_batch_add_event(b);
        e->attrs = attrs;
        e->time_ns = rng_next(&r->rng);
        e->name = random_text(r, &b->arena, 20);
        e->dropped_attrs = random_one_in(r, 4) ? (uint32_t)rng_next(&r->rng) : 0;
    }
    return run;
}

static inline struct run
random_links(struct span_random *r, struct span_batch *b)
{
    struct run run = {(uint32_t)b->link_count, random_one_in(r, 4) ? (uint32_t)rng_below(&r->rng, 3) : 0};
    for (uint32_t i = 0; i < run.n; i++) {
        struct run attrs = random_attrs(r, b, 3);
        struct span_link *l = span_batch_add_link(b);
        l->attrs = attrs;
        rng_fill(&r->rng, &l->trace, sizeof l->trace);
        rng_fill(&r->rng, &l->span, sizeof l->span);
        l->trace_state = random_text(r, &b->arena, 9);
        l->flags = (uint32_t)rng_next(&r->rng);
        l->dropped_attrs = random_one_in(r, 4) ? (uint32_t)rng_next(&r->rng) : 0;
    }
    return run;
}

static inline trace_id
random_trace(const struct span_random *r, uint64_t i)
{
    trace_id id = {{0}};
    uint64_t high = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    (void)r;
    memcpy(id.b, &high, sizeof high);
    id.b[15] = (uint8_t)(i + 1);
    id.b[14] = (uint8_t)((i + 1) >> 8);
    return id;
}

static inline void
random_span(struct span_random *r, struct span_batch *b)
{
    struct run attrs = random_attrs(r, b, 9), events = random_events(r, b), links = random_links(r, b);
    struct span *s = span_batch_add_span(b);
    s->trace = random_trace(r, rng_below(&r->rng, r->traces));
    s->id.b[7] = (uint8_t)(1 + rng_below(&r->rng, 250));
    s->id.b[6] = (uint8_t)rng_below(&r->rng, 8);
    s->parent.b[7] = random_one_in(r, 5) ? 0 : (uint8_t)(1 + rng_below(&r->rng, 250));
    s->attrs = attrs;
    s->events = events;
    s->links = links;
    s->start_ns =
        random_one_in(r, 9) ? rng_next(&r->rng) : 1700000000000000000U + rng_below(&r->rng, 1U << 30);
    s->end_ns = random_one_in(r, 9) ? rng_next(&r->rng) : s->start_ns + rng_below(&r->rng, 1U << 30);
    s->name = random_text(r, &b->arena, 30);
    s->trace_state = random_one_in(r, 4) ? random_text(r, &b->arena, 30) : SL_EMPTY;
    s->status_message = random_one_in(r, 4) ? random_text(r, &b->arena, 30) : SL_EMPTY;
    s->dropped_attrs = random_one_in(r, 9) ? (uint32_t)rng_next(&r->rng) : 0;
    s->dropped_events = random_one_in(r, 9) ? (uint32_t)rng_next(&r->rng) : 0;
    s->dropped_links = random_one_in(r, 9) ? (uint32_t)rng_next(&r->rng) : 0;
    s->flags = random_one_in(r, 2) ? 0x101 : (uint32_t)rng_next(&r->rng);
    s->kind = random_one_in(r, 9) ? (int32_t)rng_next(&r->rng) : (int32_t)rng_below(&r->rng, 6);
    s->status_code = random_one_in(r, 9) ? (int32_t)rng_next(&r->rng) : (int32_t)rng_below(&r->rng, 3);
    s->scope = (uint32_t)b->scope_count - 1;
}

/* Append `n` random spans with their scopes and resources. */
static inline void
random_spans(struct span_random *r, struct span_batch *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || random_one_in(r, 6)) {
            random_context(r, b);
        }
        random_span(r, b);
    }
}
