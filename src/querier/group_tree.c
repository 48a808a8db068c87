#include "group_tree.h"

#include "columns_priv.h"

#include "vivace/base/rng.h"

static size_t
longest(const struct judged_trace *traces, size_t n)
{
    size_t most = 1;
    for (size_t i = 0; i < n; i++) {
        most = traces[i].to - traces[i].from > most ? traces[i].to - traces[i].from : most;
    }
    return most;
}

enum known { NOT_YET, FINE, ODD };

/* --- twins ------------------------------------------------------------------------------------------------
 */

static bool
is_twin(struct group_trees *t, uint32_t trace1, uint32_t row)
{
    uint64_t id = 0;
    memcpy(&id, t->ids[row].b, sizeof id);
    uint64_t h = (id ^ t->seed) * UINT64_C(0x9e3779b97f4a7c15); /* ids are client-chosen */
    uint32_t at = (uint32_t)((h ^ h >> 29) >> 32) & t->mask;
    while (t->slots[at] >> 32 == trace1) {
        if (span_id_eq(&t->ids[(uint32_t)t->slots[at]], &t->ids[row])) {
            return true;
        }
        at = (at + 1) & t->mask;
    }
    t->slots[at] = (uint64_t)trace1 << 32 | row;
    return false;
}

static bool
has_twins(struct group_trees *t, size_t i)
{
    for (uint32_t row = t->traces[i].from; row < t->traces[i].to; row++) {
        if (is_twin(t, (uint32_t)i + 1, row)) {
            return true;
        }
    }
    return false;
}

/* --- trees ------------------------------------------------------------------------------------------------
 */

/* False when the numbers make no tree. */
static bool
place_rows(struct group_trees *m, const struct judged_trace *t)
{
    const uint32_t n = t->to - t->from;
    memset(m->at_left, 0, (2 * (size_t)n + 2) * sizeof *m->at_left);
    for (uint32_t i = 0; i < n; i++) {
        const int64_t left = vector_at(m->left, t->from + i).i;
        if (left < 0 || left > 2 * (int64_t)n || (left && m->at_left[left])) {
            return false;
        }
        if (left) {
            m->at_left[left] = i + 1;
        }
    }
    return true;
}

static bool
link_rows(struct group_trees *m, const struct judged_trace *t)
{
    const uint32_t n = t->to - t->from;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = t->from + i;
        const int64_t left = vector_at(m->left, row).i;
        const int64_t above = vector_at(m->above, row).i;
        m->parent[row] = SHAPE_NO_ROW;
        if (left == 0 && m->links->first[row + 1] > m->links->first[row]) {
            return false; /* no root reaches it, and a link may be why */
        }
        if (left && above != -1) {
            if (above <= 0 || above >= left || m->at_left[above] == 0) {
                return false;
            }
            m->parent[row] = m->at_left[above] - 1;
        }
    }
    return true;
}

static uint32_t
order_rows(struct group_trees *m, const struct judged_trace *t)
{
    const uint32_t n = t->to - t->from;
    uint32_t connected = 0;
    for (uint32_t i = 1; i <= 2 * n; i++) {
        if (m->at_left[i]) {
            m->order[t->from + connected++] = m->at_left[i] - 1;
        }
    }
    return connected;
}

/* --- both -------------------------------------------------------------------------------------------------
 */

static err
open_structure(struct group_scan *s, size_t most, size_t n, struct fault *f, struct group_trees *t)
{
    err rc = OK;
    TRY(group_column(s, BLOCK_NESTED_LEFT, f, &t->left));
    TRY(group_column(s, BLOCK_NESTED_PARENT, f, &t->above));
    TRY(group_parts(s, TQL_LEVEL_LINK, f, &t->links));
    t->parent = scan_alloc(s, s->rows + 1, sizeof(uint32_t));
    t->order = scan_alloc(s, s->rows + 1, sizeof(uint32_t));
    t->connected = scan_alloc(s, n + 1, sizeof(uint32_t));
    t->at_left = scan_alloc(s, 2 * most + 2, sizeof *t->at_left);
    rc = t->parent && t->order && t->connected && t->at_left ? OK : scan_no_memory(f);
out:
    return rc;
}

err
group_trees_open(struct group_scan *s, const struct judged_trace *traces, size_t n, bool structure,
                 struct fault *f, struct group_trees *ret)
{
    struct group_trees t = {.traces = traces, .structure = structure, .seed = rng_process_seed(), .mask = 63};
    const size_t most = longest(traces, n);
    err rc = OK;
    while (t.mask < 2 * most) {
        t.mask = 2 * t.mask + 1;
    }
    t.known = scan_alloc(s, n + 1, 1);
    t.slots = scan_alloc(s, (size_t)t.mask + 1, sizeof *t.slots);
    if (!t.known || !t.slots) {
        return scan_no_memory(f);
    }
    memset(t.slots, 0, ((size_t)t.mask + 1) * sizeof *t.slots);
    memset(t.known, NOT_YET, n + 1);
    TRY(group_span_ids(s, f, &t.ids));
    if (structure) {
        TRY(open_structure(s, most, n, f, &t));
    }
    *ret = t;
out:
    return rc;
}

bool
group_trees_odd(struct group_trees *t, size_t i)
{
    if (t->known[i] == NOT_YET) {
        bool odd = has_twins(t, i);
        if (t->structure) {
            t->connected[i] = 0;
            odd = odd || !place_rows(t, &t->traces[i]) || !link_rows(t, &t->traces[i]);
            if (!odd) {
                t->connected[i] = order_rows(t, &t->traces[i]);
            }
        }
        t->known[i] = odd ? ODD : FINE;
    }
    return t->known[i] == ODD;
}
