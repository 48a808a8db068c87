/* A judged trace as a search shows it. */
#pragma once

#include "eval_priv.h"

#include "vivace/querier/search.h"

/* Of e's last run; everything is copied into `out`. ERR_LIMIT when that is full. */
CHECKED err result_make(struct eval *e, const struct search_query *q, struct arena *out, struct fault *f,
                        struct search_trace **ret);
