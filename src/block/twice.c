/* Which traces hold a span id more than once? In most blocks none do: of those nothing more is looked at
 * (merge_pool.c judges the others). Rows stand in order of arrival, a trace's far from each other, so their
 * ids are gathered first, in the one pass in which rows come out of memory one after the other. */
#include "merge_priv.h"

#include "vivace/base/mem.h"

#define PAIRS_MAX 12 /* ids that are held against each other; more are put into a table */

static bool
pairs_differ(const span_id *ids, uint32_t n)
{
    bool same = false;
    for (uint32_t i = 1; i < n; i++) {
        for (uint32_t k = 0; k < i; k++) {
            same |= span_id_eq(&ids[i], &ids[k]);
        }
    }
    return !same;
}

struct id_slots {
    uint32_t *slots; /* position + 1 */
    size_t cap;
};

static bool
all_differ(struct id_slots *s, const span_id *ids, uint32_t n)
{
    size_t count = 16;
    if (n <= PAIRS_MAX) {
        return pairs_differ(ids, n);
    }
    while (count < (size_t)n * 2) {
        count *= 2;
    }
    if (count > s->cap) {
        s->cap = count;
        s->slots = mem_realloc(s->slots, count, sizeof *s->slots);
    }
    memset(s->slots, 0, count * sizeof *s->slots);
    for (uint32_t i = 0; i < n; i++) {
        size_t at = span_slot(&ids[i], 0, count - 1);
        for (; s->slots[at]; at = (at + 1) & (count - 1)) {
            if (span_id_eq(&ids[s->slots[at] - 1], &ids[i])) {
                return false;
            }
        }
        s->slots[at] = i + 1;
    }
    return true;
}

size_t
builder_find_twice(struct block_builder *b, struct held_trace **ret)
{
    span_id *ids = mem_alloc((b->row_count + 1) * sizeof *ids);
    uint32_t *next = mem_alloc((b->trace_count + 1) * sizeof *next); /* by trace */
    struct id_slots slots = {0};
    uint32_t first = 0;
    size_t found = 0;
    for (size_t i = 0; i < b->trace_count; i++) {
        next[i] = first;
        first += b->traces[i].rows;
    }
    for (uint64_t i = 0; i < b->row_count; i++) {
        const struct row *row = builder_row(b, i);
        ids[next[row->trace]++] = row->id;
    }
    first = 0;
    for (size_t i = 0; i < b->trace_count; i++) {
        if (!all_differ(&slots, ids + first, b->traces[i].rows)) {
            ret[found++] = &b->traces[i];
        }
        first += b->traces[i].rows;
    }
    mem_free(slots.slots);
    mem_free(next);
    mem_free(ids);
    return found;
}
