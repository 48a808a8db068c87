/* Rows of a row group as spans of a batch, with what a plan looks at and no more.
 *
 * A span has its ids, kind, times, name, status, links, service.name, and of attributes, events, resource,
 * scope and status message what the plan's slots read: eval_run and a result's making give for such spans
 * what they give for the spans themselves. Spans of a scope may stand apart. Bytes are copied into the
 * batch's arena. Threads: the scan's owner. */
#pragma once

#include "columns.h"

struct group_spans;

struct group_spans *group_spans_create(struct group_scan *s);
void group_spans_destroy(struct group_spans *g); /* accepts NULL */
/* After the scan's open. `rows` will be added. `out` may have spans of other row groups already. ERR_LIMIT:
 * `out` is full. */
CHECKED err group_spans_open(struct group_spans *g, struct span_batch *out, size_t rows, struct fault *f);
/* Append the rows [from, to) of one trace. */
CHECKED err group_spans_add(struct group_spans *g, const trace_id *id, uint32_t from, uint32_t to,
                            struct fault *f);
