/* One search on its way: from its parameters to its results, a step at a time. Used by /api/search and by the
 * streaming RPC. Threads: one owner at a time. */
#pragma once

#include "answers.h"
#include "query_request.h"

/* Bytes a query's tree and programs may take; the text is at most 128 KiB. */
#define QUERY_PLAN_BYTES_MAX ((size_t)64 << 20)

/* A query's text made ready to run. */
struct planned {
    struct arena arena;
    struct tql_plan plan;
    const struct tql_metric *measure; /* in place of the query's own metrics function; may be NULL */
    struct tql_query measured;
    bool ready, size_checked;
    struct budget *budget;
    size_t reserved;
};

void planned_init(struct planned *p, struct budget *budget);
void planned_fini(struct planned *p);
/* Parse, check, plan. ERR_INVALID with Tempo's text (and a hint), without the prefix an endpoint puts before
 * it (when size_checked); ERR_LIMIT. */
CHECKED err planned_try(struct planned *p, slice text, size_t size_max, struct fault *f, bool *ret_parsed);
/* The same with the prefix of a search. */
CHECKED err planned_make(struct planned *p, slice text, size_t size_max, struct fault *f);

struct running_search {
    struct query_owner owner;
    struct query_request request;
    struct planned planned;
    struct search_query query;
    struct search *search;
    struct answer_kinds kinds;
    int64_t started_ns;
};

void running_search_init(struct running_search *s, const struct query_owner *owner);
void running_search_fini(struct running_search *s);
/* Check what is in s->request and begin. Every failure is the client's (400), but for ERR_LIMIT. */
CHECKED err running_search_begin(struct running_search *s, const _Atomic bool *cancelled, struct fault *f);
/* ERR_AGAIN, or the end. A failure of the query itself is ERR_INTERNAL with the reason. */
CHECKED err running_search_step(struct running_search *s, struct fault *f);
/* What is found by now. */
void running_search_answer(struct running_search *s, bool done, struct search_answer *ret);
/* Counters and the log line at the end. */
void running_search_log(struct running_search *s, err rc, const struct fault *f);
/* When a query of this frontend must end, on the monotonic clock; 0 = never. */
int64_t query_deadline(const struct frontend *fe);
