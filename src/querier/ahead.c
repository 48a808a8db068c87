#include "ahead.h"

#include "parallel.h"

#include "vivace/base/mem.h"

#define CHUNK 16  /* traces a thread takes at a time */
#define AHEAD 512 /* looked at together */

struct ahead_slot {
    struct eval eval;
    struct span_batch trace;
    bool ready;
};

void
ahead_init(struct ahead *a, const struct search_query *q)
{
    *a = (struct ahead){.q = q, .slot_count = parallel_slots(q->pool)};
}

void
ahead_fini(struct ahead *a)
{
    for (size_t i = 0; a->slots && i < a->slot_count; i++) {
        if (a->slots[i].ready) {
            eval_fini(&a->slots[i].eval);
            span_batch_fini(&a->slots[i].trace);
        }
    }
    mem_free(a->slots);
    mem_free(a->may);
}

size_t
ahead_bytes(const struct ahead *a)
{
    size_t bytes = a->cap;
    for (size_t i = 0; a->slots && i < a->slot_count; i++) {
        bytes += a->slots[i].eval.arena.bytes + a->slots[i].trace.arena.bytes;
    }
    return bytes;
}

static bool
may_match(const struct ahead *a, struct ahead_slot *x, size_t place)
{
    struct trace_facts facts;
    struct fault f = {0};
    span_batch_reset(&x->trace);
    if (gather_copy(a->gather, place, &x->trace) != OK || x->trace.span_count == 0) {
        return true;
    }
    trace_sort(&x->trace);
    trace_drop_duplicates(&x->trace);
    trace_facts_of(&x->trace, &facts);
    if (facts.start_ns < a->cut || facts.start_ns > a->q->end_ns || facts.end_ns < a->q->start_ns) {
        return false;
    }
    return eval_run(&x->eval, &x->trace, &f) != OK || x->eval.set_count;
}

static void
look_at_chunk(void *ctx, size_t slot, size_t i)
{
    struct ahead *a = ctx;
    struct ahead_slot *x = &a->slots[slot];
    if (!x->ready) {
        eval_init(&x->eval, a->q->plan, AHEAD_TRACE_BYTES_MAX, &a->q->guard);
        span_batch_init(&x->trace, AHEAD_TRACE_BYTES_MAX);
        x->ready = true;
    }
    const size_t from = a->from + i * CHUNK;
    for (size_t place = from; place < a->upto && place < from + CHUNK; place++) {
        a->may[place] = may_match(a, x, place);
    }
}

static void
look(struct ahead *a, const struct gather *g, uint64_t cut)
{
    if (a->slots == NULL) {
        a->slots = mem_new_array(struct ahead_slot, a->slot_count);
    }
    if (a->cap < g->count) {
        a->cap = g->count;
        a->may = mem_realloc(a->may, a->cap, sizeof *a->may);
    }
    a->gather = g;
    a->cut = cut;
    a->from = g->at;
    a->upto = g->count - g->at < AHEAD ? g->count : g->at + AHEAD;
    parallel_for(a->q->pool, (a->upto - a->from + CHUNK - 1) / CHUNK, look_at_chunk, a);
    size_t may = 0;
    for (size_t i = a->from; i < a->upto; i++) {
        may += a->may[i];
    }
    a->useless = 2 * may > a->upto - a->from;
}

bool
ahead_rules_out(struct ahead *a, const struct gather *g, uint64_t cut)
{
    if (a->slot_count < 2) {
        return false;
    }
    if (g->at >= a->upto && !a->useless) {
        look(a, g, cut);
    }
    return g->at < a->upto && !a->may[g->at];
}
