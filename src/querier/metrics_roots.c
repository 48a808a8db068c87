/* Which root a trace has, for compare() when only a part of the trace is at hand: from the live data's own
 * roots, which are read first, or from all sources, for a bounded number of traces. */
#include "metrics_priv.h"

#include "vivace/base/mem.h"

#include <stdatomic.h>

void
metrics_roots_init(struct metrics_roots *r)
{
    *r = (struct metrics_roots){0};
    id_table_init(&r->index, TRACE_ID_BYTES);
    arena_init(&r->memory, METRICS_BYTES_MAX);
}

void
metrics_roots_fini(struct metrics_roots *r)
{
    id_table_fini(&r->index);
    arena_fini(&r->memory);
    mem_free(r->v);
}

size_t
metrics_roots_bytes(const struct metrics_roots *r)
{
    return r->memory.bytes + id_table_bytes(&r->index) + r->cap * sizeof *r->v;
}

/* Of several roots the last in the order of trace_sort is meant; of one that was sent twice the first. */
static bool
is_meant(const struct metrics_root *have, const struct span *s)
{
    const int ids = memcmp(s->id.b, have->id.b, sizeof s->id);
    if (s->start_ns != have->start_ns) {
        return s->start_ns > have->start_ns;
    }
    return ids                     ? ids > 0
           : s->kind != have->kind ? (uint32_t)s->kind > (uint32_t)have->kind
                                   : s->end_ns < have->end_ns;
}

void
metrics_roots_add(struct metrics_roots *r, const struct span_batch *b)
{
    for (size_t i = 0; i < b->span_count; i++) {
        const struct span *s = &b->spans[i];
        if (!shape_span_is_root(b, s)) {
            continue;
        }
        uint64_t *at = id_table_put(&r->index, &s->trace);
        if (*at && !is_meant(&r->v[*at - 1], s)) {
            continue;
        }
        if (r->count == r->cap) {
            r->cap = r->cap ? 2 * r->cap : 256;
            r->v = mem_realloc(r->v, r->cap, sizeof *r->v);
        }
        *at = *at ? *at : ++r->count;
        r->v[*at - 1] = (struct metrics_root){.start_ns = s->start_ns,
                                              .end_ns = s->end_ns,
                                              .id = s->id,
                                              .kind = s->kind,
                                              .name = arena_copy(&r->memory, s->name),
                                              .service = arena_copy(&r->memory, span_service_name(b, s))};
    }
}

/* From wherever the trace's spans lie. */
static err
ask_sources(struct metrics_sink *s, const trace_id *id, struct trace_facts *ret, struct span_batch *batch,
            struct fault *f)
{
    const struct metrics_query *q = s->q;
    struct trace_source *sources = mem_new_array(struct trace_source, q->source_count + 1);
    struct fault g = {0};
    for (size_t i = 0; i < q->source_count; i++) {
        sources[i] = q->sources[i].trace;
    }
    struct trace_query find = {.sources = sources,
                               .source_count = q->source_count,
                               .tenants = q->tenants,
                               .tenant_count = q->tenant_count,
                               .id = *id,
                               .keep_shared_ids = true,
                               .by_start = true,
                               .cancelled = q->guard.cancelled};
    err rc = trace_find(&find, batch, &g);
    mem_free(sources);
    if (rc == OK || rc == ERR_LIMIT || rc == ERR_NOT_FOUND) {
        trace_facts_of(batch, ret);
        return OK;
    }
    if (f) {
        *f = g;
    }
    return rc;
}

err
metrics_roots_find(struct metrics_sink *s, const trace_id *id, struct tql_static *ret_name,
                   struct tql_static *ret_service, struct fault *f)
{
    const uint64_t at = s->roots ? id_table_get(&s->roots->index, id) : 0;
    *ret_name = *ret_service = tql_static_string(SL_EMPTY);
    if (at) {
        *ret_name = tql_static_string(s->roots->v[at - 1].name);
        *ret_service = tql_static_string(s->roots->v[at - 1].service);
        return OK;
    }
    if (s->roots == NULL ||
        atomic_fetch_add_explicit(&s->roots->asked, 1, memory_order_relaxed) >= METRICS_ROOTS_ASKED_MAX) {
        return OK;
    }
    struct span_batch batch;
    struct trace_facts facts = {0};
    span_batch_init(&batch, SEARCH_TRACE_BYTES_MAX);
    err rc = ask_sources(s, id, &facts, &batch, f);
    if (rc == OK) { /* kept until the sink goes */
        *ret_name = tql_static_string(arena_copy(&s->root_texts, facts.root_name));
        *ret_service = tql_static_string(arena_copy(&s->root_texts, facts.root_service));
    }
    span_batch_fini(&batch);
    return rc;
}
