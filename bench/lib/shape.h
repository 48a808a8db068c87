/* A query asked again and again: what it takes, what comes, what the server uses. Threads: one owner. */
#pragma once

#include "scene.h"

enum shape_answer {
    ANSWER_TRACES, /* /api/search: traces */
    ANSWER_SERIES, /* /api/metrics/query_range, /api/metrics/query: series; their values are summed up */
    ANSWER_NAMES,  /* tag names: of all scopes */
    ANSWER_VALUES, /* tag values */
};

enum shape_expect {
    EXPECT_SOME,  /* at least one result; of series, values above zero */
    EXPECT_LIMIT, /* as many as asked for: there are more */
    EXPECT_NONE,  /* nothing has it */
    EXPECT_EXACT, /* `exact` results, or for series this sum of their values */
};

struct shape {
    const char *name;  /* becomes part of result keys */
    const char *path;  /* "/api/search" */
    const char *query; /* TraceQL, or NULL; placeholders of know.h */
    const char *more;  /* further parameters, encoded: "limit=20&spss=3"; may be NULL */
    enum shape_answer answer;
    enum shape_expect expect;
    double exact;
    double from, to; /* part of the corpus's time, 0..1; both 0 = all of it */
};

struct shape_result {
    double p50_ms, p99_ms, max_ms;
    double cpu_ms; /* of the server, a run */
    double results, sum, inspected_bytes;
    double peak_mib, rss_mib; /* while it ran, and after */
};

struct shape_run {
    struct scene *scene;
    uint32_t runs;
    double budget_s;  /* fewer runs for a shape that takes longer than this together; at least three */
    double peak_mib;  /* of all */
    const char *only; /* names, with commas between them; NULL or "" = every shape */
};

/* Percent-encode behind what stands in `b`. */
void url_add(struct blob *b, const char *text);
/* Warm up, run, hold against what is expected: a wrong answer is a fault of the scene. Writes "<name>_p50_ms"
 * and so on to the scene's result and a line to stderr. */
void shape_measure(struct shape_run *r, const struct shape *s, struct shape_result *ret);
/* All of them, then the totals: "<what>_median_ms" (of the p50s), "<what>_slowest_ms", "<what>_slowest",
 * "<what>_shapes", "<what>_peak_rss_mib". */
void shapes_measure(struct shape_run *r, const char *what, const struct shape *list, size_t n);

/* The value below which the share `q` of the sorted values lies (nearest rank). */
double rank_of(const double *sorted, size_t n, double q);
void rank_sort(double *values, size_t n);
