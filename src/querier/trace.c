#include "vivace/querier/trace.h"

#include "vivace/base/table.h"

#include <stdatomic.h>
#include <stdlib.h>

#define KIND_SERVER 2
#define KIND_CLIENT 3

struct id_and_kind {
    span_id id;
    int64_t kind;
};

static int
order_of(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int
by_start(const void *left, const void *right)
{
    const struct span *a = left;
    const struct span *b = right;
    int order = order_of(a->start_ns, b->start_ns);
    order = order ? order : memcmp(a->id.b, b->id.b, SPAN_ID_BYTES);
    order = order ? order : order_of((uint32_t)a->kind, (uint32_t)b->kind);
    if (order) {
        return order;
    }
    order = order_of(a->end_ns, b->end_ns);
    order = order ? order : memcmp(a->parent.b, b->parent.b, SPAN_ID_BYTES);
    order = order ? order : slice_cmp(a->name, b->name);
    order = order ? order : order_of((uint32_t)a->status_code, (uint32_t)b->status_code);
    return order ? order : order_of(a->attrs.n, b->attrs.n);
}

void
trace_sort(struct span_batch *b)
{
    size_t i = 1;
    while (i < b->span_count && by_start(&b->spans[i - 1], &b->spans[i]) <= 0) {
        i++;
    }
    if (i < b->span_count) {
        qsort(b->spans, b->span_count, sizeof *b->spans, by_start);
    }
}

void
trace_drop_duplicates(struct span_batch *b)
{
    struct id_table seen;
    size_t kept = 0;
    id_table_init(&seen, sizeof(struct id_and_kind));
    for (size_t i = 0; i < b->span_count; i++) {
        struct id_and_kind key = {b->spans[i].id, b->spans[i].kind};
        uint64_t *mark = id_table_put(&seen, &key);
        if (*mark == 0) {
            *mark = 1;
            b->spans[kept++] = b->spans[i];
        }
    }
    b->span_count = kept;
    id_table_fini(&seen);
}

static span_id
span_id_of_number(uint64_t n)
{
    span_id id;
    for (int i = SPAN_ID_BYTES - 1; i >= 0; i--) {
        id.b[i] = (uint8_t)n;
        n >>= 8;
    }
    return id;
}

enum { USED = 1, BY_CLIENT = 2 };

/* Which ids are in use, and which by a CLIENT span. True when a SERVER span shares one. */
static bool
mark_ids(const struct span_batch *b, struct id_table *ids)
{
    bool shared = false;
    for (size_t i = 0; i < b->span_count; i++) {
        *id_table_put(ids, &b->spans[i].id) |= b->spans[i].kind == KIND_CLIENT ? USED | BY_CLIENT : USED;
    }
    for (size_t i = 0; i < b->span_count && !shared; i++) {
        shared = b->spans[i].kind == KIND_SERVER && (id_table_get(ids, &b->spans[i].id) & BY_CLIENT);
    }
    return shared;
}

void
trace_split_shared_ids(struct span_batch *b)
{
    struct id_table ids;
    struct id_table moved; /* shared id -> the server span's new number */
    uint64_t number = 0;
    id_table_init(&ids, SPAN_ID_BYTES);
    id_table_init(&moved, SPAN_ID_BYTES);
    if (!mark_ids(b, &ids)) {
        goto out;
    }
    for (size_t i = 0; i < b->span_count; i++) {
        struct span *s = &b->spans[i];
        if (s->kind != KIND_SERVER || !(id_table_get(&ids, &s->id) & BY_CLIENT)) {
            continue;
        }
        span_id fresh;
        do {
            fresh = span_id_of_number(++number);
        } while (id_table_get(&ids, &fresh));
        *id_table_put(&ids, &fresh) = USED;
        *id_table_put(&moved, &s->id) = number;
        s->parent = s->id;
        s->id = fresh;
    }
    for (size_t i = 0; i < b->span_count; i++) {
        struct span *s = &b->spans[i];
        uint64_t to = span_id_is_zero(&s->parent) ? 0 : id_table_get(&moved, &s->parent);
        span_id parent = span_id_of_number(to);
        if (to && !span_id_eq(&s->id, &parent)) {
            s->parent = parent;
        }
    }
out:
    id_table_fini(&ids);
    id_table_fini(&moved);
}

/* Cut to the first spans whose sizes fit. */
static void
cut_to_bytes(struct trace_query *q, struct span_batch *b)
{
    uint64_t sum = 0;
    for (size_t i = 0; q->max_bytes && i < b->span_count; i++) {
        sum += b->spans[i].wire_bytes;
        if (sum > q->max_bytes) {
            b->span_count = i;
            q->truncated = true;
        }
    }
}

err
trace_find(struct trace_query *q, struct span_batch *out, struct fault *f)
{
    bool found = false;
    for (size_t t = 0; t < q->tenant_count; t++) {
        for (size_t i = 0; i < q->source_count; i++) {
            if (q->cancelled && atomic_load_explicit(q->cancelled, memory_order_relaxed)) {
                return FAULT(f, ERR_CANCELLED, "context canceled");
            }
            const struct trace_source *source = &q->sources[i];
            err rc = source->find(source->ctx, q->tenants[t], &q->id, out, &q->inspected_bytes, f);
            if (rc != OK && rc != ERR_NOT_FOUND) {
                return rc;
            }
            found = found || rc == OK;
        }
    }
    if (!found || out->span_count == 0) {
        return ERR_NOT_FOUND;
    }
    if (q->by_start) {
        trace_sort(out);
    }
    trace_drop_duplicates(out);
    if (!q->keep_shared_ids) {
        trace_split_shared_ids(out);
    }
    cut_to_bytes(q, out);
    return OK;
}
