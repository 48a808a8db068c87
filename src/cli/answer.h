/* A server's JSON answers as arrays. Unknown members are skipped, missing ones are empty; what has another
 * shape is ERR_CORRUPT. Slices point into the body or the arena, which must outlive the result. The reader
 * does not recurse, and memory is bounded by the arena. Shapes: Tempo's HTTP API. */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/base/err.h"

struct found_trace {
    slice id, service, name; /* of the root; empty when it is not known yet */
    uint64_t start_ns, duration_ms;
    uint64_t matched;       /* spans that satisfy the query */
    uint64_t spans, errors; /* over all services; 0 when the server does not say */
};

struct search_answer {
    struct found_trace *traces;
    size_t count, cap;
    uint64_t inspected_traces, inspected_bytes;
};

struct tag {
    slice scope, name; /* of a list of names */
    slice type, value; /* of a list of values */
};

struct tags_answer {
    struct tag *tags;
    size_t count, cap;
};

struct sample {
    uint64_t time_ms;
    double value;
};

struct answer_series {
    slice labels; /* {name="value", ...} */
    struct sample *samples;
    size_t count, cap;
};

struct series_answer {
    struct answer_series *series;
    size_t count, cap;
    slice status, message; /* of a partial answer */
};

/* /api/search */
CHECKED err answer_search(slice json, struct arena *a, struct fault *f, struct search_answer *ret);
/* /api/v2/search/tags and /api/v2/search/tag/<name>/values */
CHECKED err answer_tags(slice json, struct arena *a, struct fault *f, struct tags_answer *ret);
/* /api/metrics/query_range and /api/metrics/query (one sample a series, time 0) */
CHECKED err answer_series(slice json, struct arena *a, struct fault *f, struct series_answer *ret);
