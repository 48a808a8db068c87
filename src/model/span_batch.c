#include "vivace/model/span_batch.h"

#include "vivace/base/must.h"

void
span_batch_init(struct span_batch *b, size_t max_bytes)
{
    *b = (struct span_batch){0};
    arena_init(&b->arena, max_bytes);
}

void
span_batch_fini(struct span_batch *b)
{
    size_t max = b->arena.max;
    arena_fini(&b->arena);
    span_batch_init(b, max);
}

void
span_batch_reset(struct span_batch *b)
{
    struct arena arena = b->arena;
    arena_reset(&arena);
    *b = (struct span_batch){.arena = arena};
}

/* The six arrays grow alike: counts stay below UINT32_MAX, since runs and indices are 32 bits. */
#define DEFINE_ADD(type, what)                                                                               \
    struct type *span_batch_add_##what(struct span_batch *b)                                                 \
    {                                                                                                        \
        if (b->what##_count == b->what##_cap) {                                                              \
            if (b->what##_count >= UINT32_MAX / 2) {                                                         \
                return NULL;                                                                                 \
            }                                                                                                \
            struct type *grown = arena_grow(&b->arena, b->what##s, b->what##_count, &b->what##_cap,          \
                                            b->what##_count + 1, sizeof *grown);                             \
            if (grown == NULL) {                                                                             \
                return NULL;                                                                                 \
            }                                                                                                \
            b->what##s = grown;                                                                              \
        }                                                                                                    \
        struct type *added = &b->what##s[b->what##_count++];                                                 \
        memset(added, 0, sizeof *added);                                                                     \
        return added;                                                                                        \
    }

DEFINE_ADD(span, span)
DEFINE_ADD(attr, attr)
DEFINE_ADD(span_event, event)
DEFINE_ADD(span_link, link)
DEFINE_ADD(scope, scope)
DEFINE_ADD(resource, resource)

bool
span_batch_reserve_spans(struct span_batch *b, size_t more)
{
    const size_t want = b->span_count + more;
    if (want <= b->span_cap) {
        return true;
    }
    if (want >= UINT32_MAX / 2) {
        return false;
    }
    struct span *room = arena_alloc(&b->arena, want * sizeof *room);
    if (room == NULL) {
        return false;
    }
    if (b->span_count) {
        memcpy(room, b->spans, b->span_count * sizeof *room);
    }
    b->spans = room;
    b->span_cap = want;
    return true;
}

const struct attr *
attrs_find(const struct span_batch *b, struct run r, slice key)
{
    for (uint32_t i = 0; i < r.n; i++) {
        const struct attr *a = &b->attrs[r.at + i];
        if (slice_eq(attr_key(a), key)) {
            return a;
        }
    }
    return NULL;
}

slice
span_service_name(const struct span_batch *b, const struct span *s)
{
    const struct resource *r = &b->resources[b->scopes[s->scope].resource];
    const struct attr *a = attrs_find(b, r->attrs, SL("service.name"));
    return a && a->kind == VALUE_STRING ? attr_bytes(a) : SL_EMPTY;
}

/* --- copying ------------------------------------------------------------------------------------------ */

static bool
copy_slice(struct span_batch *to, slice from, bool deep, slice *ret)
{
    if (!deep || from.n == 0) {
        *ret = from;
        return true;
    }
    *ret = arena_copy(&to->arena, from);
    return ret->p != NULL;
}

static bool
copy_attrs(struct span_batch *to, const struct span_batch *from, struct run r, bool deep, struct run *ret)
{
    uint32_t at = (uint32_t)to->attr_count;
    for (uint32_t i = 0; i < r.n; i++) {
        const struct attr *src = &from->attrs[r.at + i];
        struct attr *dst = span_batch_add_attr(to);
        if (dst == NULL) {
            return false;
        }
        *dst = *src;
        slice key;
        if (!copy_slice(to, attr_key(src), deep, &key)) {
            return false;
        }
        dst->key = key.p;
        bool has_bytes = src->kind == VALUE_STRING || src->kind == VALUE_BYTES || src->kind == VALUE_ARRAY ||
                         src->kind == VALUE_KVLIST;
        if (has_bytes) {
            slice bytes;
            if (!copy_slice(to, attr_bytes(src), deep, &bytes)) {
                return false;
            }
            dst->p = bytes.p;
        }
    }
    *ret = (struct run){at, r.n};
    return true;
}

static bool
copy_resource(struct span_batch *to, const struct span_batch *from, uint32_t i, bool deep)
{
    struct resource r = from->resources[i];
    struct resource *dst = span_batch_add_resource(to);
    if (dst == NULL || !copy_attrs(to, from, r.attrs, deep, &r.attrs) ||
        !copy_slice(to, r.schema_url, deep, &r.schema_url) ||
        !copy_slice(to, r.entity_refs, deep, &r.entity_refs)) {
        return false;
    }
    *dst = r; /* adding attributes does not move resources */
    return true;
}

static bool
copy_scope(struct span_batch *to, const struct span_batch *from, uint32_t i, bool deep, uint32_t resource)
{
    struct scope s = from->scopes[i];
    struct scope *dst = span_batch_add_scope(to);
    if (dst == NULL || !copy_attrs(to, from, s.attrs, deep, &s.attrs) ||
        !copy_slice(to, s.name, deep, &s.name) || !copy_slice(to, s.version, deep, &s.version) ||
        !copy_slice(to, s.schema_url, deep, &s.schema_url)) {
        return false;
    }
    s.resource = resource;
    *dst = s;
    return true;
}

static bool
copy_events(struct span_batch *to, const struct span_batch *from, struct run r, bool deep, struct run *ret)
{
    uint32_t at = (uint32_t)to->event_count;
    for (uint32_t i = 0; i < r.n; i++) {
        struct span_event e = from->events[r.at + i];
        if (!copy_attrs(to, from, e.attrs, deep, &e.attrs) || !copy_slice(to, e.name, deep, &e.name)) {
            return false;
        }
        struct span_event *dst = span_batch_add_event(to);
        if (dst == NULL) {
            return false;
        }
        *dst = e;
    }
    *ret = (struct run){at, r.n};
    return true;
}

static bool
copy_links(struct span_batch *to, const struct span_batch *from, struct run r, bool deep, struct run *ret)
{
    uint32_t at = (uint32_t)to->link_count;
    for (uint32_t i = 0; i < r.n; i++) {
        struct span_link l = from->links[r.at + i];
        if (!copy_attrs(to, from, l.attrs, deep, &l.attrs) ||
            !copy_slice(to, l.trace_state, deep, &l.trace_state)) {
            return false;
        }
        struct span_link *dst = span_batch_add_link(to);
        if (dst == NULL) {
            return false;
        }
        *dst = l;
    }
    *ret = (struct run){at, r.n};
    return true;
}

/* Make memo->to_scope the copy of scope `i` of `from`. */
static bool
map_scope(struct span_batch *to, const struct span_batch *from, uint32_t i, bool deep,
          struct span_copy_memo *memo)
{
    if (memo->from_scope_plus1 == i + 1) {
        return true;
    }
    uint32_t resource = from->scopes[i].resource;
    if (memo->from_resource_plus1 != resource + 1) {
        if (!copy_resource(to, from, resource, deep)) {
            return false;
        }
        memo->from_resource_plus1 = resource + 1;
        memo->to_resource = (uint32_t)to->resource_count - 1;
    }
    if (!copy_scope(to, from, i, deep, memo->to_resource)) {
        return false;
    }
    memo->from_scope_plus1 = i + 1;
    memo->to_scope = (uint32_t)to->scope_count - 1;
    return true;
}

err
span_batch_copy_span(struct span_batch *to, const struct span_batch *from, size_t i, bool deep,
                     struct span_copy_memo *memo)
{
    MUST(to != from && i < from->span_count);
    struct span s = from->spans[i];
    if (!map_scope(to, from, s.scope, deep, memo)) {
        return ERR_LIMIT;
    }
    if (!copy_attrs(to, from, s.attrs, deep, &s.attrs) || !copy_events(to, from, s.events, deep, &s.events) ||
        !copy_links(to, from, s.links, deep, &s.links) || !copy_slice(to, s.name, deep, &s.name) ||
        !copy_slice(to, s.trace_state, deep, &s.trace_state) ||
        !copy_slice(to, s.status_message, deep, &s.status_message)) {
        return ERR_LIMIT;
    }
    s.scope = memo->to_scope;
    struct span *dst = span_batch_add_span(to);
    if (dst == NULL) {
        return ERR_LIMIT;
    }
    *dst = s;
    return OK;
}
