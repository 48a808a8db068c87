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

static uint64_t
rank_of(uint64_t start_ns)
{
    uint64_t x = start_ns * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (x ^ x >> 32) | 1;
}

/* The first of the slots for this time, which lies in an interval. */
static size_t
first_slot(const struct metrics_query *q, uint64_t start_ns)
{
    uint64_t step = (start_ns - q->start_ns - 1) / q->step_ns;
    return (size_t)(step * stretches(q) / q->steps) * EXEMPLARS_PER_STRETCH;
}

bool
exemplars_want(const struct metrics_query *q, const struct exemplar *at, uint64_t start_ns)
{
    if (q->exemplars == 0 || at == NULL) {
        return q->exemplars > 0;
    }
    const struct exemplar *slots = at + first_slot(q, start_ns);
    const uint64_t rank = rank_of(start_ns);
    for (size_t i = 0; i < EXEMPLARS_PER_STRETCH; i++) {
        if (slots[i].rank == 0 || rank < slots[i].rank) {
            return true;
        }
    }
    return false;
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
        if (worst->rank && (slots[i].rank == 0 || slots[i].rank > worst->rank)) {
            worst = &slots[i];
        }
    }
    if (worst->rank == 0 || e->rank < worst->rank) {
        *worst = *e;
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
    struct exemplar e = {.rank = rank_of(start_ns),
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
