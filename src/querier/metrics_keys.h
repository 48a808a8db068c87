/* The rows that count, numbered by what series are made of: a dense number for each combination of the label
 * values, and the timeline that belongs to it. Memory: the group reader's, of one row group. */
#pragma once

#include "metrics_groups.h"

#define KEYS_NO_TIMELINE UINT32_MAX

struct row_keys {
    const uint32_t *of; /* by row that counts; NULL: all are group 0 */
    uint32_t count;     /* groups; some may have no row */
    const struct slot_vector *labels[METRICS_LABELS_MAX];
    uint32_t *timelines; /* by group: position + 1, KEYS_NO_TIMELINE; 0: not asked for yet */
    /* row_cells_make: by row that counts group * width + interval - first_step; NULL: there are too many */
    const uint32_t *cells;
    const uint32_t *counts; /* rows by cell; NULL: not counted */
    uint32_t width;
    uint32_t *sample; /* by group: a row; NULL: the group is a code of the only label's dictionary */
};

CHECKED err row_keys_make(struct group_reader *r, struct row_keys *ret, struct fault *f);
/* The timeline of a group that has a row, made when it is new; NULL when there is no room for more. Valid
 * until the next call. */
struct timeline *row_keys_timeline(struct group_reader *r, struct row_keys *keys, uint32_t group);
/* A slot's values by row of all: of events and links the first one that the row has. */
CHECKED err row_keys_slot(struct group_reader *r, uint32_t slot, struct fault *f,
                          const struct slot_vector **ret);
