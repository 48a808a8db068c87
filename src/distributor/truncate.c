#include "truncate.h"

struct cutter {
    struct span_batch *b;
    uint32_t max;
    struct truncate_result *result;
};

static bool
is_long(const struct attr *a, uint32_t max)
{
    return a->key_n > max || (a->kind == VALUE_STRING && a->n > max);
}

static void
cut_run(struct cutter *c, struct run r, enum truncate_scope scope)
{
    for (uint32_t i = 0; i < r.n; i++) {
        struct attr *a = &c->b->attrs[r.at + i];
        if (!is_long(a, c->max)) {
            continue;
        }
        bool key = a->key_n > c->max;
        if (c->result->total++ == 0) {
            c->result->example_scope = scope;
            c->result->example_is_key = key;
            c->result->example_bytes = key ? a->key_n : a->n;
            c->result->example_name = slice_sub(attr_key(a), 0, c->max);
        }
        c->result->count[scope]++;
        if (key) {
            a->key_n = c->max;
        }
        if (a->kind == VALUE_STRING && a->n > c->max) {
            a->n = c->max;
        }
    }
}

void
truncate_attributes(struct span_batch *b, uint32_t max, struct truncate_result *ret)
{
    struct cutter c = {b, max, ret};
    size_t i = 0;
    *ret = (struct truncate_result){0};
    if (max == 0) {
        return;
    }
    while (i < b->attr_count && !is_long(&b->attrs[i], max)) {
        i++;
    }
    if (i == b->attr_count) {
        return; /* the usual case */
    }
    for (i = 0; i < b->resource_count; i++) {
        cut_run(&c, b->resources[i].attrs, TRUNCATE_RESOURCE);
    }
    for (i = 0; i < b->scope_count; i++) {
        cut_run(&c, b->scopes[i].attrs, TRUNCATE_SCOPE);
    }
    for (i = 0; i < b->span_count; i++) {
        cut_run(&c, b->spans[i].attrs, TRUNCATE_SPAN);
    }
    for (i = 0; i < b->event_count; i++) {
        cut_run(&c, b->events[i].attrs, TRUNCATE_EVENT);
    }
    for (i = 0; i < b->link_count; i++) {
        cut_run(&c, b->links[i].attrs, TRUNCATE_LINK);
    }
}
