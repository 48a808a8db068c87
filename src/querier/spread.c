#include "spread.h"

#include "parallel.h"
#include "search_priv.h"

#include "vivace/base/mem.h"

struct round {
    struct spread *s;
    struct spread_ask *asks;
    size_t n;
    struct set_place {
        uint32_t block, group;
    } * sets;
    size_t set_count;
};

static bool
far_apart(uint64_t from, uint64_t to, uint64_t other_from, uint64_t other_to)
{
    return (other_from > to && other_from - to > SEARCH_MARGIN_NS) ||
           (from > other_to && from - other_to > SEARCH_MARGIN_NS);
}

static bool
concerns(const struct spread *s, const struct spread_ask *a, size_t block)
{
    const struct block_meta *m = &s->list->snapshot->blocks[block]->meta;
    return a->count && block != a->group.block && s->list->readers[block] &&
           !far_apart(a->from_ns, a->to_ns, m->min_start_ns, m->max_end_ns);
}

static void
hash_ids(void *ctx, size_t slot, size_t i)
{
    const struct round *r = ctx;
    struct spread_ask *a = &r->asks[i];
    (void)slot;
    bool all = false;
    for (size_t b = 0; b < r->s->list->snapshot->count; b++) {
        all = all || concerns(r->s, a, b);
    }
    for (size_t k = 0; k < a->count; k++) {
        if (all || k == a->first || k == a->last) {
            a->hashes[k] = trace_sets_hash(&a->ids[k]);
        }
    }
}

/* One trace of the row group beside. */
static err
ask_beside(struct round *r, struct spread_ask *a, size_t group, size_t place, struct fault *f)
{
    const size_t block = a->group.block;
    bool some = false;
    err rc = OK;
    if (place == SPREAD_NOT_ASKED) {
        return OK;
    }
    TRY(trace_sets_any(r->s->sets, block, r->s->list->readers[block], group, &a->ids[place],
                       &a->hashes[place], 1, f, &some));
    if (some) {
        trace_sets_mark(&a->spread[place]);
    }
out:
    return rc;
}

static err
ask_set(void *ctx, size_t slot, size_t number, struct fault *f)
{
    struct round *r = ctx;
    struct spread *s = r->s;
    const size_t block = r->sets[number].block;
    const size_t group = r->sets[number].group;
    err rc = OK;
    (void)slot;
    TRY(s->hunt->guard ? query_guard_check(s->hunt->guard, f) : OK);
    for (size_t i = 0; i < r->n; i++) {
        struct spread_ask *a = &r->asks[i];
        if (concerns(s, a, block)) {
            TRY(trace_sets_ask(s->sets, block, s->list->readers[block], group, a->ids, a->hashes, a->count,
                               a->spread, f));
        } else if (a->count && block == a->group.block && group + 1 == a->group.group) {
            TRY(ask_beside(r, a, group, a->first, f));
        } else if (a->count && block == a->group.block && group == a->group.group + 1) {
            TRY(ask_beside(r, a, group, a->last, f));
        }
    }
out:
    return rc;
}

static err
list_sets(struct round *r, struct fault *f)
{
    const struct group_list *l = r->s->list;
    struct set_place *at = NULL;
    err rc = OK;
    for (size_t b = 0; b < l->snapshot->count; b++) {
        if (l->readers[b]) {
            TRY(trace_sets_enter(r->s->sets, b, l->readers[b], f));
            r->set_count += r->s->sets->counts[b];
        }
    }
    r->sets = at = mem_new_array(struct set_place, r->set_count + 1);
    for (size_t b = 0; b < l->snapshot->count; b++) {
        for (size_t g = 0; l->readers[b] && g < r->s->sets->counts[b]; g++) {
            *at++ = (struct set_place){(uint32_t)b, (uint32_t)g};
        }
    }
out:
    return rc;
}

static err
ask_blocks(struct spread *s, struct spread_ask *asks, size_t n, struct fault *f)
{
    struct round r = {.s = s, .asks = asks, .n = n};
    err rc = OK;
    TRY(group_list_open_all(s->list, f));
    TRY(list_sets(&r, f));
    parallel_for(s->hunt->pool, n, hash_ids, &r);
    TRY(parallel_try(s->hunt->pool, r.set_count, ask_set, &r, f));
out:
    mem_free(r.sets);
    return rc;
}

static void
mark_all(struct spread_ask *asks, size_t n, uint8_t with)
{
    for (size_t i = 0; i < n; i++) {
        if (asks[i].count) {
            memset(asks[i].spread, with, asks[i].count);
        }
    }
}

static err
ask_other_sources(struct spread *s, struct spread_ask *a, struct fault *f)
{
    const struct search_hunt *h = s->hunt;
    err rc = OK;
    TRY(a->count ? search_elsewhere(h->search, h->source, a->ids, a->count, a->spread, f) : OK);
    for (size_t k = 0; k < a->count; k++) {
        a->spread[k] = a->spread[k] ? TRACE_SETS_SKIP : 0;
    }
out:
    return rc;
}

/* Live data first, then blocks, then whether there are other blocks by now: what was live at the first look
 * is in a block of the last one. */
err
spread_find(struct spread *s, struct spread_ask *asks, size_t n, struct fault *f)
{
    const struct search_hunt *h = s->hunt;
    err rc = OK;
    mark_all(asks, n, h->search == NULL);
    if (h->search == NULL) {
        return OK;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(ask_other_sources(s, &asks[i], f));
    }
    TRY(ask_blocks(s, asks, n, f));
    const struct block_snapshot *now = block_store_snapshot(s->store, h->tenant);
    if (now != s->list->snapshot) {
        mark_all(asks, n, 1);
    }
    block_snapshot_release(now);
out:
    return rc;
}
