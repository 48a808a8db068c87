/* The rows of a row group that count, into the sink's timelines. */
#pragma once

#include "metrics_keys.h"

/* First of all. */
CHECKED err row_cells_make(struct group_reader *r, struct row_keys *keys, struct fault *f);
/* `measured` is NULL for functions that only count. */
CHECKED err counts_add(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured,
                       struct fault *f);
/* Rows that may stand for their series, into the sink's candidates; call it behind counts_add. */
CHECKED err counts_choose_exemplars(struct group_reader *r, struct row_keys *keys,
                                    const struct slot_vector *measured, struct fault *f);
