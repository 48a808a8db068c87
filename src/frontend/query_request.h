/* What a search or tag request asks for, from a URL or a protobuf message, checked with Tempo's texts.
 * Source: api.md 1.2, 1.3, 2.3. Slices lie in the request's arena. */
#pragma once

#include "api.h"

struct query_tag {
    slice key, value;
};

struct query_request {
    slice q;
    bool has_q, has_tags, is_grpc;
    struct query_tag *tags;
    size_t tag_count, tag_cap;
    int64_t min_duration_ns, max_duration_ns; /* 0 = none */
    uint64_t start_s, end_s;                  /* as asked; 0 = not given */
    int64_t since_ns;
    uint32_t limit, spss;
    bool has_limit, has_spss;
    slice scope, tag; /* of tag requests */
    /* out of query_request_range: unix ns */
    uint64_t start_ns, end_ns;
};

/* Whose request: for limits. */
struct query_owner {
    struct frontend *fe;
    const slice *tenants;
    size_t tenant_count;
    struct arena *arena;
};

CHECKED err search_request_from_url(struct api_request *q, struct query_request *ret, struct fault *f);
CHECKED err search_request_from_pb(slice message, struct arena *a, struct query_request *ret,
                                   struct fault *f);
/* Defaults, bounds and the range of a search. */
CHECKED err search_request_check(const struct query_owner *o, struct query_request *r, struct fault *f);
/* The TraceQL text of a legacy search: tags and durations. */
CHECKED err search_request_legacy(const struct query_request *r, struct arena *a, struct fault *f,
                                  slice *ret);
/* `k=v k2="v 2"` */
CHECKED err search_request_tags(struct query_request *r, slice logfmt, struct arena *a, struct fault *f);

CHECKED err tag_request_from_url(struct api_request *q, struct query_request *ret, struct fault *f);
CHECKED err tag_request_from_pb(slice message, bool values, struct arena *a, struct query_request *ret,
                                struct fault *f);
/* start, end and since to start_ns and end_ns. */
CHECKED err query_request_range(const struct query_owner *o, struct query_request *r, struct fault *f);
/* Appends to an "unknown identifier" error of `q` how an attribute is written. */
void query_explain(slice q, struct fault *f);
