/* Runs of attributes kept as Go's pcommon.Map keeps them: one value a key, the last one put.
 * A run is the batch's attrs[run.at ..]; removing leaves a hole behind it, which nobody sees.
 * Threads: no shared state. */
#pragma once

#include "vivace/base/err.h"
#include "vivace/model/span_batch.h"

/* Of equal keys keep the first place with the last value. Linear for what clients send, O(n log n) at worst.
 * ERR_LIMIT when the batch's arena is full. */
CHECKED err attr_set_unique(struct span_batch *b, struct run *run);
/* Index in the batch of the attribute with this key, or UINT32_MAX. */
uint32_t attr_set_find(const struct span_batch *b, struct run run, slice key);
/* The last attribute moves into the place of attrs[i]. */
void attr_set_remove(struct span_batch *b, struct run *run, uint32_t i);
/* The attribute of this key, added when it is not there; the run must end where the batch's attributes end.
 * Kind and value are the caller's to set. NULL when the batch is full. */
struct attr *attr_set_put(struct span_batch *b, struct run *run, slice key);
void attr_set_string(struct attr *a, slice value);
