/* Who is whose parent in the traces of a row group, from the numbers the block has; and which traces these
 * numbers are wrong for. Threads: the scan's owner. Lives until the scan's next open. Time: linear. */
#pragma once

#include "group_judge.h"

/* Mark the traces in which a span id occurs twice: spans that came twice are judged once, and of two that
 * share an id one may hang below the other. */
CHECKED err group_twins(struct group_scan *s, const struct judged_trace *traces, size_t n, struct fault *f,
                        uint8_t **ret_odd);

struct group_trees {
    uint32_t *parent;    /* by row: the parent's row in its trace, or SHAPE_NO_ROW */
    uint32_t *order;     /* a trace's connected rows by rising left, from its first row on */
    uint32_t *connected; /* by trace: how many */
};

/* Marks more traces: those where a link stands in for a parent, or the numbers make no tree. */
CHECKED err group_trees(struct group_scan *s, const struct judged_trace *traces, size_t n, uint8_t *odd,
                        struct fault *f, struct group_trees *ret);
