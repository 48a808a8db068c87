/* distributor-private: cut attribute keys and string values to max_attribute_bytes. */
#pragma once

#include "vivace/model/span_batch.h"

enum truncate_scope {
    TRUNCATE_RESOURCE,
    TRUNCATE_SCOPE,
    TRUNCATE_SPAN,
    TRUNCATE_EVENT,
    TRUNCATE_LINK,
    TRUNCATE_SCOPES
};

struct truncate_result {
    uint64_t count[TRUNCATE_SCOPES]; /* attributes cut, by where they were */
    uint64_t total;
    enum truncate_scope example_scope; /* the first one found */
    slice example_name;
    bool example_is_key;
    uint32_t example_bytes; /* its size before */
};

/* Keys and top-level strings longer than `max` are cut to exactly `max` bytes, also inside a UTF-8 sequence,
 * as Tempo does; arrays, lists and bytes stay. max 0 = off. Costs one pass over the attributes when nothing
 * is cut. */
void truncate_attributes(struct span_batch *b, uint32_t max, struct truncate_result *ret);
