/* frontend-private: routes, one request on its way, and how it is answered. */
#pragma once

#include "gate.h"

#include "vivace/base/arena.h"
#include "vivace/base/metrics.h"
#include "vivace/frontend/frontend.h"
#include "vivace/model/tenant.h"

struct frontend {
    struct frontend_options o;
    struct metric *request_duration, *frontend_requests, *queries;
    struct series *frontend_duration;
    _Atomic int64_t inflight;
    struct query_gate gate;
};

struct api_request;

enum route_flags {
    ROUTE_PREFIXED = 1, /* under http_api_prefix */
    ROUTE_GET_ONLY = 2, /* other methods: 405, empty */
    ROUTE_QUERY = 4,    /* a query: counted by the frontend's metrics, logged, Vary: Accept-Encoding */
    ROUTE_TENANT = 8,   /* X-Scope-OrgID is checked first */
    ROUTE_WORKER = 16,  /* `run` may block: on the pool */
    ROUTE_REST = 32,    /* the path continues: `rest` is what follows it */
};

struct route {
    const char *path;
    const char *label; /* of tempo_request_duration_seconds */
    unsigned flags;
    void (*run)(struct api_request *q);
};

enum accept_format { ACCEPT_JSON, ACCEPT_PROTOBUF, ACCEPT_LLM };

struct api_request {
    struct pool_job job;
    struct frontend *fe;
    struct http_request *r;
    const struct route *route;
    slice rest; /* the raw path behind a ROUTE_REST route */
    struct arena arena;
    slice tenants[TENANTS_PER_QUERY_MAX];
    size_t tenant_count;
};

extern const struct route frontend_routes[];
extern const size_t frontend_route_count;

/* Answer and free the request. Any thread. */
void api_answer(struct api_request *q, const struct http_response *resp);
/* Body copied. */
void api_answer_bytes(struct api_request *q, int status, slice content_type, slice body);
/* Takes the buffer's memory. */
void api_answer_buf(struct api_request *q, int status, slice content_type, struct buf *body);
/* A query's error: text/plain without newline. */
void api_answer_error(struct api_request *q, int status, slice text);
/* An error as Go's http.Error writes it: newline, nosniff. */
void api_answer_http_error(struct api_request *q, int status, slice text);
/* The status of a failed query, with the fault's text. */
void api_answer_fault(struct api_request *q, err rc, const struct fault *f);

/* First value of a query parameter, percent-decoded into the arena; false when absent. */
bool api_param(struct api_request *q, slice name, slice *ret);
/* Percent-decode; '+' is a space when `plus`. False on a bad escape. */
bool url_decode(slice in, bool plus, struct arena *arena, slice *ret);
/* api.md 1.0 rule 6: by substring of Accept. */
enum accept_format api_accept(const struct http_request *r);
bool api_accepts(const struct http_request *r, slice media_type);

/* traces.c */
void traces_v1(struct api_request *q);
void traces_v2(struct api_request *q);
/* search.c */
void search_http(struct api_request *q);
/* metrics.c */
void metrics_range_http(struct api_request *q);
void metrics_instant_http(struct api_request *q);
void metrics_summary_http(struct api_request *q);
/* tags.c */
void tag_names_v1(struct api_request *q);
void tag_names_v2(struct api_request *q);
void tag_values_v1(struct api_request *q);
void tag_values_v2(struct api_request *q);
/* status.c */
void status_all(struct api_request *q);
void status_one(struct api_request *q);
/* admin.c */
void admin_ready(struct api_request *q);
void admin_echo(struct api_request *q);
void admin_buildinfo(struct api_request *q);
void admin_metrics(struct api_request *q);
void admin_flush(struct api_request *q);
void admin_shutdown(struct api_request *q);
void admin_usage_stats(struct api_request *q);
void admin_memberlist(struct api_request *q);
