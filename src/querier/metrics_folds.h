/* min, max, sum and avg of the rows of a row group that count, into the sink's timelines. */
#pragma once

#include "metrics_keys.h"

/* Can the function and the form of its values be folded? Then row by row is not needed. The cells are there.
 */
bool folds_apply(const struct group_reader *r, const struct row_keys *keys,
                 const struct slot_vector *measured);
/* keys->counts are the rows that have a number. */
CHECKED err folds_add(struct group_reader *r, struct row_keys *keys, const struct slot_vector *measured,
                      struct fault *f);
