/* What a source that judges traces itself asks of the search it works for. Threads: the search's owner; those
 * with `const struct search *` any, while the owner does nothing else. */
#pragma once

#include "eval_priv.h"

#include "vivace/querier/search.h"

/* Traces that begin earlier make no difference any more; 0 while there is room. */
uint64_t search_cut(const struct search *s);
const struct search_query *search_query_of(const struct search *s);
/* How many of the traces found so far begin later. */
size_t search_newer(const struct search *s, uint64_t start_ns);
/* Would a matching trace be among the newest, and is it not being looked at by way of candidates? */
bool search_wants(const struct search *s, const trace_id *id, uint64_t start_ns);
/* The last run of `e` is a trace of the answer. */
CHECKED err search_accept(struct search *s, struct eval *e, struct fault *f);
/* The query was told of a trace (`matched_at`). */
CHECKED err search_told(struct search *s, const trace_id *id, struct fault *f);
/* Mark which of the traces may have spans in a source other than `self`: ret[i] |= 1. */
CHECKED err search_elsewhere(const struct search *s, const struct search_source *self, const trace_id *ids,
                             size_t n, uint8_t *ret, struct fault *f);
