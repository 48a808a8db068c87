#include "exemplars.h"

#include "vivace/base/mem.h"

#include <stdlib.h>

#define STRETCHES_MAX (EXEMPLARS_MAX / EXEMPLARS_PER_RUN)
#define RUN_MAX       (2 * EXEMPLARS_KEPT + EXEMPLARS_TIED_MAX) /* that may be marked in a run */

void
exemplars_fini(struct exemplar_set *s)
{
    mem_free(s->v);
    mem_free(s->slots);
    *s = (struct exemplar_set){0};
}

/* --- stretches and runs --------------------------------------------------------------------------------- */

static uint32_t
wanted(const struct metrics_query *q)
{
    return q->exemplars < EXEMPLARS_MAX ? q->exemplars : EXEMPLARS_MAX;
}

static uint32_t
stretches(const struct metrics_query *q)
{
    uint32_t n = wanted(q) / EXEMPLARS_PER_RUN;
    n = n < q->steps ? n : q->steps;
    return n ? n : 1;
}

size_t
exemplars_bytes(const struct exemplar_set *s)
{
    return s->cap * sizeof *s->v +
           (s->slot_owners ? (size_t)s->slot_owners * stretches(s->q) * sizeof *s->slots : 0);
}

uint32_t
exemplars_stretch(const struct metrics_query *q, uint32_t step)
{
    return (uint32_t)((uint64_t)step * stretches(q) / q->steps);
}

/* What a series is given when `owners` have some. */
static uint32_t
share_of(const struct metrics_query *q, uint32_t owners)
{
    const uint32_t share = wanted(q) / (owners ? owners : 1);
    return share ? share : 1;
}

static uint32_t
per_run(const struct metrics_query *q, uint32_t owners)
{
    const uint32_t share = share_of(q, owners);
    return share < EXEMPLARS_PER_RUN ? share : EXEMPLARS_PER_RUN;
}

/* A run is 2^bits stretches. More owners make it longer, and never cut one that was. */
static uint32_t
bits_of(const struct metrics_query *q, uint32_t owners)
{
    const uint32_t most = share_of(q, owners) / per_run(q, owners);
    uint32_t bits = 0;
    while (((stretches(q) - 1) >> bits) + 1 > most) {
        bits++;
    }
    return bits;
}

/* The stretch behind the last of its run. */
static uint32_t
run_end(const struct metrics_query *q, uint32_t bits, uint32_t stretch)
{
    const uint32_t end = ((stretch >> bits) + 1) << bits;
    return end < stretches(q) ? end : stretches(q);
}

void
exemplars_init(struct exemplar_set *s, const struct metrics_query *q)
{
    *s = (struct exemplar_set){.q = q, .run_bits = q->exemplars && q->steps ? bits_of(q, 1) : 0};
}

static struct exemplar_slot *
slot_of(const struct exemplar_set *s, size_t owner, uint32_t stretch)
{
    return &s->slots[owner * stretches(s->q) + stretch];
}

/* Are there so many behind a stretch in its run that it has nothing to give? */
static bool
is_passed(const struct exemplar_set *s, size_t owner, uint32_t stretch)
{
    const uint32_t end = run_end(s->q, s->run_bits, stretch);
    uint32_t behind = 0;
    for (uint32_t i = stretch + 1; i < end && behind < EXEMPLARS_KEPT; i++) {
        behind += slot_of(s, owner, i)->count;
    }
    return behind >= EXEMPLARS_KEPT;
}

uint64_t
exemplars_limit(const struct exemplar_set *s, size_t owner, uint32_t stretch)
{
    if (s->q->exemplars == 0 || owner >= METRICS_EXEMPLAR_SERIES_MAX) {
        return 0;
    }
    if (owner >= s->slot_owners) {
        return UINT64_MAX;
    }
    const struct exemplar_slot *slot = slot_of(s, owner, stretch);
    return is_passed(s, owner, stretch) ? 0 : slot->count < EXEMPLARS_KEPT ? UINT64_MAX : slot->limit;
}

bool
exemplars_want(const struct exemplar_set *s, size_t owner, uint64_t start_ns)
{
    const uint32_t stretch = s->q->exemplars ? exemplars_stretch(s->q, metrics_interval(s->q, start_ns)) : 0;
    if (owner < s->slot_owners) {
        const struct exemplar_slot *slot = slot_of(s, owner, stretch);
        if (slot->count >= EXEMPLARS_KEPT && exemplars_rank(start_ns) > slot->limit) {
            return false; /* most are */
        }
    }
    return exemplars_rank(start_ns) <= exemplars_limit(s, owner, stretch);
}

/* --- candidates ----------------------------------------------------------------------------------------- */

static struct exemplar *
at_place(const struct exemplar_set *s, uint32_t place)
{
    return &s->v[place - 1];
}

static void
let_go(struct exemplar_set *s, uint32_t *link)
{
    struct exemplar *e = at_place(s, *link);
    const uint32_t place = *link;
    *link = e->next;
    e->next = s->free;
    s->free = place;
    s->used--;
}

/* Candidates of stretches that have nothing to give any more. */
static void
let_passed_go(struct exemplar_set *s)
{
    for (uint32_t owner = 0; owner < s->slot_owners; owner++) {
        for (uint32_t i = 0; i < stretches(s->q); i++) {
            struct exemplar_slot *slot = slot_of(s, owner, i);
            while (slot->count && is_passed(s, owner, i)) {
                let_go(s, &slot->first);
                slot->count--;
            }
        }
    }
}

static uint32_t
take_place(struct exemplar_set *s)
{
    if (s->free == 0 && s->count == s->cap) {
        let_passed_go(s);
        if (s->used >= s->cap / 2) {
            s->cap = s->cap ? 2 * s->cap : 64;
            s->v = mem_realloc(s->v, s->cap, sizeof *s->v);
        }
    }
    uint32_t place = s->free;
    if (place) {
        s->free = s->v[place - 1].next;
    } else {
        place = ++s->count;
    }
    s->used++;
    return place;
}

static void
take_slots(struct exemplar_set *s, size_t owner)
{
    uint32_t owners = s->slot_owners ? s->slot_owners : 4;
    const size_t had = (size_t)s->slot_owners * stretches(s->q);
    while (owners <= owner) {
        owners *= 2;
    }
    s->slots = mem_realloc(s->slots, (size_t)owners * stretches(s->q), sizeof *s->slots);
    memset(s->slots + had, 0, ((size_t)owners * stretches(s->q) - had) * sizeof *s->slots);
    s->slot_owners = owners;
}

static bool
is_of_one_place(const struct exemplar *a, const struct exemplar *b)
{
    return a->block == b->block && (a->block == NULL || a->row_group == b->row_group);
}

/* Which of two candidates is the better one, as far as it is known: in a row group traces stand by ID. */
static bool
comes_before(const struct exemplar *a, const struct exemplar *b)
{
    if (a->rank != b->rank || !is_of_one_place(a, b)) {
        return a->rank < b->rank;
    }
    if (a->block) {
        return a->row < b->row;
    }
    const int order = memcmp(&a->trace, &b->trace, sizeof a->trace);
    return order ? order < 0 : tql_static_order(&a->measured, &b->measured) < 0;
}

/* Of candidates of one rank and place the last is too many. */
static void
cut_tied(struct exemplar_set *s, struct exemplar_slot *slot, const struct exemplar *like)
{
    uint32_t *last = NULL;
    uint32_t alike = 0;
    for (uint32_t *link = &slot->first; *link; link = &at_place(s, *link)->next) {
        const struct exemplar *e = at_place(s, *link);
        if (e->rank == like->rank && is_of_one_place(e, like)) {
            alike++;
            last = link;
        }
    }
    if (alike > EXEMPLARS_KEPT || (last && slot->count > EXEMPLARS_TIED_MAX)) {
        let_go(s, last);
        slot->count--;
    }
}

static void
cut_slot(struct exemplar_set *s, struct exemplar_slot *slot, const struct exemplar *added)
{
    uint32_t *link = &slot->first;
    if (slot->count < EXEMPLARS_KEPT) {
        return;
    }
    for (uint32_t i = 1; i < EXEMPLARS_KEPT; i++) {
        link = &at_place(s, *link)->next;
    }
    slot->limit = at_place(s, *link)->rank;
    while (*link) {
        if (at_place(s, *link)->rank > slot->limit) {
            let_go(s, link);
            slot->count--;
        } else {
            link = &at_place(s, *link)->next;
        }
    }
    if (slot->count > EXEMPLARS_KEPT) {
        cut_tied(s, slot, added);
    }
}

static void
insert(struct exemplar_set *s, size_t owner, uint32_t stretch, struct exemplar e)
{
    const uint32_t place = take_place(s);
    struct exemplar_slot *slot = slot_of(s, owner, stretch);
    uint32_t *link = &slot->first;
    while (*link && (at_place(s, *link)->rank < e.rank ||
                     (at_place(s, *link)->rank == e.rank && !comes_before(&e, at_place(s, *link))))) {
        link = &at_place(s, *link)->next;
    }
    e.next = *link;
    e.owner = (uint32_t)owner;
    *at_place(s, place) = e;
    *link = place;
    slot->count++;
    cut_slot(s, slot, &e);
}

void
exemplars_add(struct exemplar_set *s, size_t owner, const struct exemplar *e)
{
    struct exemplar copy = *e;
    bool first = true;
    if (!exemplars_want(s, owner, e->start_ns)) {
        return;
    }
    if (owner >= s->slot_owners) {
        take_slots(s, owner);
    }
    for (uint32_t i = 0; first && i < stretches(s->q); i++) {
        first = slot_of(s, owner, i)->count == 0;
    }
    if (first) {
        s->run_bits = bits_of(s->q, ++s->owners);
    }
    copy.rank = exemplars_rank(e->start_ns);
    insert(s, owner, exemplars_stretch(s->q, metrics_interval(s->q, e->start_ns)), copy);
}

void
exemplars_merge(struct exemplar_set *s, size_t owner, const struct exemplar_set *from, size_t from_owner)
{
    for (uint32_t i = 0; from_owner < from->slot_owners && i < stretches(from->q); i++) {
        uint32_t at = slot_of(from, from_owner, i)->first;
        for (; at; at = at_place(from, at)->next) {
            exemplars_add(s, owner, at_place(from, at));
        }
    }
}

/* --- the choice ----------------------------------------------------------------------------------------- */

/* Candidates of a run, from the latest stretch that has some, each stretch's in order, until there are
 * enough; of the last stretch all that share their rank with the last. */
static size_t
mark_run(struct exemplar_set *s, size_t owner, uint32_t from, uint32_t end, struct exemplar **ret)
{
    size_t n = 0;
    for (uint32_t i = end; i-- > from && n < EXEMPLARS_KEPT;) {
        uint64_t last = 0;
        uint32_t at = slot_of(s, owner, i)->first;
        for (; at && n < RUN_MAX && (n < EXEMPLARS_KEPT || at_place(s, at)->rank == last); n++) {
            ret[n] = at_place(s, at);
            ret[n]->marked = true;
            last = ret[n]->rank;
            at = ret[n]->next;
        }
    }
    return n;
}

void
exemplars_mark(struct exemplar_set *s)
{
    struct exemplar *run[RUN_MAX];
    for (uint32_t owner = 0; owner < s->slot_owners; owner++) {
        for (uint32_t from = 0; from < stretches(s->q); from = run_end(s->q, s->run_bits, from)) {
            (void)mark_run(s, owner, from, run_end(s->q, s->run_bits, from), run);
        }
    }
}

static int
by_place(const void *x, const void *y)
{
    const struct exemplar *a = *(struct exemplar *const *)x;
    const struct exemplar *b = *(struct exemplar *const *)y;
    if (a->block != b->block) {
        return (uintptr_t)a->block < (uintptr_t)b->block ? -1 : 1;
    }
    if (a->row_group != b->row_group) {
        return a->row_group < b->row_group ? -1 : 1;
    }
    return a->row < b->row ? -1 : a->row > b->row;
}

size_t
exemplars_unknown(struct exemplar_set *s, struct exemplar **ret)
{
    size_t n = 0;
    for (uint32_t i = 0; i < s->slot_owners * (s->slots ? stretches(s->q) : 0); i++) {
        for (uint32_t at = s->slots[i].first; at; at = at_place(s, at)->next) {
            if (at_place(s, at)->marked && at_place(s, at)->block) {
                ret[n++] = at_place(s, at);
            }
        }
    }
    if (n) {
        qsort(ret, n, sizeof(void *), by_place);
    }
    return n;
}

static bool
shows_trace(const struct exemplar_set *s, size_t owner, const trace_id *trace)
{
    for (uint32_t i = 0; i < stretches(s->q); i++) {
        for (uint32_t at = slot_of(s, owner, i)->first; at; at = at_place(s, at)->next) {
            if (at_place(s, at)->shown && trace_id_eq(&at_place(s, at)->trace, trace)) {
                return true;
            }
        }
    }
    return false;
}

/* Those of one stretch and rank by what is known by now. */
static void
sort_tied(struct exemplar **v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        for (size_t k = i; k && v[k]->rank == v[k - 1]->rank && comes_before(v[k], v[k - 1]); k--) {
            struct exemplar *e = v[k];
            v[k] = v[k - 1];
            v[k - 1] = e;
        }
    }
}

void
exemplars_choose(struct exemplar_set *s)
{
    struct exemplar *run[RUN_MAX];
    const uint32_t bits = s->run_bits;
    for (uint32_t owner = 0; owner < s->slot_owners; owner++) {
        for (uint32_t from = 0; from < stretches(s->q); from = run_end(s->q, bits, from)) {
            const size_t n = mark_run(s, owner, from, run_end(s->q, bits, from), run);
            uint32_t shown = 0;
            sort_tied(run, n);
            for (size_t i = 0; i < n && i < EXEMPLARS_KEPT && shown < per_run(s->q, s->owners); i++) {
                run[i]->shown = run[i]->block == NULL && !shows_trace(s, owner, &run[i]->trace);
                shown += run[i]->shown;
            }
        }
    }
}

size_t
exemplars_shown(const struct exemplar_set *s, size_t owner, const struct exemplar **ret)
{
    size_t n = 0;
    for (uint32_t i = 0; owner < s->slot_owners && i < stretches(s->q); i++) {
        uint32_t at = slot_of(s, owner, i)->first;
        for (; at && n < EXEMPLARS_MAX; at = at_place(s, at)->next) {
            if (at_place(s, at)->shown) {
                ret[n++] = at_place(s, at);
            }
        }
    }
    return n;
}
