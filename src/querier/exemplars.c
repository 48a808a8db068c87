#include "exemplars.h"

static uint64_t
stretches(const struct metrics_query *q)
{
    return q->exemplars > EXEMPLARS_PER_STRETCH ? q->exemplars / EXEMPLARS_PER_STRETCH : 1;
}

size_t
exemplars_slots(const struct metrics_query *q)
{
    return q->exemplars ? (size_t)stretches(q) * EXEMPLARS_PER_STRETCH : 0;
}

uint32_t
exemplars_stretch(const struct metrics_query *q, uint32_t step)
{
    return (uint32_t)(step * stretches(q) / q->steps);
}

/* The first of the slots for this time, which lies in an interval. */
static size_t
first_slot(const struct metrics_query *q, uint64_t start_ns)
{
    return (size_t)exemplars_stretch(q, metrics_interval(q, start_ns)) * EXEMPLARS_PER_STRETCH;
}

uint64_t
exemplars_limit(const struct metrics_query *q, const struct exemplar *at, uint32_t stretch)
{
    uint64_t limit = 0;
    for (size_t i = 0; i < EXEMPLARS_PER_STRETCH; i++) {
        const uint64_t rank = at ? at[(size_t)stretch * EXEMPLARS_PER_STRETCH + i].rank : 0;
        limit = rank == 0 ? UINT64_MAX : rank > limit ? rank : limit;
    }
    return q->exemplars ? limit : 0;
}

bool
exemplars_want(const struct metrics_query *q, const struct exemplar *at, uint64_t start_ns)
{
    return q->exemplars && exemplars_rank(start_ns) <=
                               exemplars_limit(q, at, exemplars_stretch(q, metrics_interval(q, start_ns)));
}

/* Spans that start together are told apart by their traces. */
static bool
comes_before(const struct exemplar *a, const struct exemplar *b)
{
    return b->rank == 0 || a->rank < b->rank ||
           (a->rank == b->rank && memcmp(&a->trace, &b->trace, sizeof a->trace) < 0);
}

static void
keep(const struct metrics_query *q, struct exemplar *at, const struct exemplar *e)
{
    struct exemplar *slots = at + first_slot(q, e->start_ns);
    struct exemplar *worst = &slots[0];
    for (size_t i = 0; i < EXEMPLARS_PER_STRETCH; i++) {
        if (slots[i].rank && trace_id_eq(&slots[i].trace, &e->trace)) {
            worst = &slots[i]; /* one a trace */
            break;
        }
        if (worst->rank && (slots[i].rank == 0 || comes_before(worst, &slots[i]))) {
            worst = &slots[i];
        }
    }
    if (comes_before(e, worst)) {
        *worst = *e;
    }
    for (; worst > slots && worst->rank && comes_before(worst, worst - 1); worst--) { /* the best first */
        const struct exemplar better = *worst;
        *worst = worst[-1];
        worst[-1] = better;
    }
}

static bool
make(const struct metrics_query *q, struct arena *a, struct exemplar **at)
{
    if (*at == NULL && q->exemplars) {
        *at = arena_new_array(a, struct exemplar, exemplars_slots(q));
    }
    return *at != NULL;
}

void
exemplars_add(const struct metrics_query *q, struct arena *a, struct exemplar **at, uint64_t start_ns,
              const trace_id *trace, const struct tql_static *measured)
{
    struct exemplar e = {.rank = exemplars_rank(start_ns),
                         .start_ns = start_ns,
                         .trace = *trace,
                         .measured = measured ? *measured : TQL_STATIC_NIL};
    if (make(q, a, at)) {
        keep(q, *at, &e);
    }
}

void
exemplars_merge(const struct metrics_query *q, struct arena *a, struct exemplar **into,
                const struct exemplar *from)
{
    if (from == NULL || !make(q, a, into)) {
        return;
    }
    for (size_t i = 0; i < exemplars_slots(q); i++) {
        if (from[i].rank) {
            keep(q, *into, &from[i]);
        }
    }
}
