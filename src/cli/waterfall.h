/* A trace as a tree with bars on a time line, for a terminal. */
#pragma once

#include "vivace/model/span_batch.h"

struct waterfall_options {
    size_t width; /* columns, at least 40 */
    bool color;
};

/* Every span of the batch, each once: children below their parent in order of start, several roots one after
 * another, spans whose parent is not there marked with '?', loops cut at their first span. No recursion.
 * Memory: 32 bytes a span. Names are made safe. */
void waterfall_write(const struct span_batch *b, const struct waterfall_options *o, struct buf *out);
