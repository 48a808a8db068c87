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

/* --- twins ------------------------------------------------------------------------------------------------
 */

/* Rows by span id, for one trace after the other: a slot of another trace counts as free. */
struct id_slots {
    uint64_t *slots; /* trace + 1, row */
    const span_id *ids;
    uint64_t seed;
    uint32_t mask;
};

static bool
is_twin(struct id_slots *t, uint32_t trace1, uint32_t row)
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

err
group_twins(struct group_scan *s, const struct judged_trace *traces, size_t n, struct fault *f,
            uint8_t **ret_odd)
{
    struct id_slots t = {.seed = rng_process_seed(), .mask = 63};
    const size_t most = longest(traces, n);
    err rc = OK;
    while (t.mask < 2 * most) {
        t.mask = 2 * t.mask + 1;
    }
    uint8_t *odd = scan_alloc(s, n + 1, 1);
    t.slots = scan_alloc(s, (size_t)t.mask + 1, sizeof *t.slots);
    if (!odd || !t.slots) {
        return scan_no_memory(f);
    }
    memset(t.slots, 0, ((size_t)t.mask + 1) * sizeof *t.slots);
    memset(odd, 0, n + 1);
    TRY(group_span_ids(s, f, &t.ids));
    for (size_t i = 0; i < n; i++) {
        for (uint32_t row = traces[i].from; row < traces[i].to && !odd[i]; row++) {
            odd[i] = is_twin(&t, (uint32_t)i + 1, row);
        }
    }
    *ret_odd = odd;
out:
    return rc;
}

/* --- trees ------------------------------------------------------------------------------------------------
 */

struct tree_maker {
    struct group_trees *out;
    const struct slot_vector *left, *parent;
    const struct group_parts *links;
    uint32_t *at_left; /* by left: row in the trace + 1 */
};

/* False when the numbers make no tree. */
static bool
place_rows(struct tree_maker *m, const struct judged_trace *t)
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
link_rows(struct tree_maker *m, const struct judged_trace *t)
{
    const uint32_t n = t->to - t->from;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = t->from + i;
        const int64_t left = vector_at(m->left, row).i;
        const int64_t parent = vector_at(m->parent, row).i;
        m->out->parent[row] = SHAPE_NO_ROW;
        if (left == 0 && m->links->first[row + 1] > m->links->first[row]) {
            return false; /* no root reaches it, and a link may be why */
        }
        if (left && parent != -1) {
            if (parent <= 0 || parent >= left || m->at_left[parent] == 0) {
                return false;
            }
            m->out->parent[row] = m->at_left[parent] - 1;
        }
    }
    return true;
}

static uint32_t
order_rows(struct tree_maker *m, const struct judged_trace *t)
{
    const uint32_t n = t->to - t->from;
    uint32_t connected = 0;
    for (uint32_t i = 1; i <= 2 * n; i++) {
        if (m->at_left[i]) {
            m->out->order[t->from + connected++] = m->at_left[i] - 1;
        }
    }
    return connected;
}

err
group_trees(struct group_scan *s, const struct judged_trace *traces, size_t n, uint8_t *odd, struct fault *f,
            struct group_trees *ret)
{
    struct tree_maker m = {.out = ret};
    err rc = OK;
    TRY(group_column(s, BLOCK_NESTED_LEFT, f, &m.left));
    TRY(group_column(s, BLOCK_NESTED_PARENT, f, &m.parent));
    TRY(group_parts(s, TQL_LEVEL_LINK, f, &m.links));
    *ret = (struct group_trees){.parent = scan_alloc(s, s->rows + 1, sizeof(uint32_t)),
                                .order = scan_alloc(s, s->rows + 1, sizeof(uint32_t)),
                                .connected = scan_alloc(s, n + 1, sizeof(uint32_t))};
    m.at_left = scan_alloc(s, 2 * longest(traces, n) + 2, sizeof *m.at_left);
    if (!ret->parent || !ret->order || !ret->connected || !m.at_left) {
        return scan_no_memory(f);
    }
    for (size_t i = 0; i < n; i++) {
        ret->connected[i] = 0;
        if (!odd[i] && place_rows(&m, &traces[i]) && link_rows(&m, &traces[i])) {
            ret->connected[i] = order_rows(&m, &traces[i]);
        } else {
            odd[i] = 1;
        }
    }
out:
    return rc;
}
