/* A query over HTTP: its parameters are read, it waits at the gate, works in steps, and is answered once.
 * What differs between searches, tags and metrics stands in a table. Threads: one owner at a time. */
#pragma once

#include "api.h"
#include "query_request.h"

struct http_query;

struct http_query_kind {
    /* What can fail by the client's fault. */
    err (*begin)(struct http_query *h, struct fault *f);
    /* A few milliseconds of work: ERR_AGAIN, or the end. */
    err (*step)(struct http_query *h, struct fault *f);
    /* Counters and the log line, however it ended. */
    void (*log)(struct http_query *h, err rc, const struct fault *f);
    /* The body into `out`, of ANSWER_BYTES_MAX; returns its content type. */
    slice (*write)(struct http_query *h, struct buf *out);
    const char *too_large; /* what is answered when it does not fit */
    /* What stands behind the head; the query itself is freed by whom it was given to. */
    void (*fini)(struct http_query *h);
};

/* The first member of a query. */
struct http_query {
    struct query_task task;
    const struct http_query_kind *kind;
    struct api_request *q;
    bool begun;
};

struct query_owner http_query_owner(struct api_request *q);
/* Takes the query, which lies on the heap: it is run, answered and freed. `rc` and `f` say how reading the
 * parameters went: a failure is answered at once. */
void http_query_start(struct http_query *h, struct api_request *q, const struct http_query_kind *kind, err rc,
                      struct fault *f);
