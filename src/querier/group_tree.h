/* Who is whose parent in the traces of a row group, from the numbers the block has; and which traces these
 * numbers are wrong for. Each trace is looked at when it is asked for. Threads: the scan's owner. Lives until
 * the scan's next open. Time: linear in the trace's rows. */
#pragma once

#include "group_judge.h"

struct group_trees {
    uint32_t *parent;    /* by row: the parent's row in its trace, or SHAPE_NO_ROW */
    uint32_t *order;     /* a trace's connected rows by rising left, from its first row on */
    uint32_t *connected; /* by trace: how many */
    const struct judged_trace *traces;
    uint8_t *known; /* by trace: enum in group_tree.c */
    bool structure;
    /* rows by span id, for one trace after the other: a slot of another trace counts as free */
    uint64_t *slots; /* trace + 1, row */
    const span_id *ids;
    uint64_t seed;
    uint32_t mask;
    /* with structure */
    const struct slot_vector *left, *above;
    const struct group_parts *links;
    uint32_t *at_left; /* by left: row in the trace + 1 */
};

/* `structure`: trees are wanted, not only twins. */
CHECKED err group_trees_open(struct group_scan *s, const struct judged_trace *traces, size_t n,
                             bool structure, struct fault *f, struct group_trees *ret);
/* Must trace number `i` be put together? It must when a span id occurs twice in it (spans that came twice are
 * judged once, and of two that share an id one may hang below the other); with structure also when a link
 * stands in for a parent, or the numbers make no tree. Else parent, order and connected are there. */
bool group_trees_odd(struct group_trees *t, size_t i);
