/* One metrics query on its way: from its parameters to its answer. Used by /api/metrics/query_range,
 * /api/metrics/query and the streaming RPCs. Threads: one owner at a time. */
#pragma once

#include "http_query.h"
#include "metrics_request.h"
#include "search.h"

struct running_metrics {
    struct query_owner owner;
    struct metrics_request request;
    struct planned planned;
    struct metrics_query query;
    struct metrics *metrics;
    int64_t started_ns;
};

void running_metrics_init(struct running_metrics *m, const struct query_owner *owner);
void running_metrics_fini(struct running_metrics *m);
/* Check what is in m->request and begin. Every failure is the client's (400), but for ERR_LIMIT. */
CHECKED err running_metrics_begin(struct running_metrics *m, const _Atomic bool *cancelled, struct fault *f);
/* The query and its series, once planned and checked: what running_metrics_begin ends with. */
void running_metrics_start(struct running_metrics *m, const _Atomic bool *cancelled);
/* ERR_AGAIN, or the end. A failure of the query itself is ERR_INTERNAL with the reason. */
CHECKED err running_metrics_step(struct running_metrics *m, struct fault *f);
/* What there is by now. */
void running_metrics_answer(struct running_metrics *m, bool done, struct metrics_answer_form *ret);
/* The same of a result that is there already. */
void running_metrics_form(const struct running_metrics *m, const struct metrics_result *r, bool done,
                          struct metrics_answer_form *ret);
/* The first interval that will not change any more; the number of intervals when there is none. Makes no
 * series. */
uint32_t running_metrics_final(const struct running_metrics *m);
/* Counters and the log line at the end. */
void running_metrics_log(struct running_metrics *m, err rc, const struct fault *f);

/* Over HTTP: what query_range, query and summary share. */
struct http_metrics {
    struct http_query head;
    struct running_metrics metrics;
};
CHECKED err http_metrics_step(struct http_query *h, struct fault *f);
void http_metrics_log(struct http_query *h, err rc, const struct fault *f);
void http_metrics_fini(struct http_query *h);
