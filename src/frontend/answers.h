/* Search and tag answers as JSON and protobuf. Only keys old and new Grafana know (grafana.md 2.1): their
 * readers fail on any other. Values follow grafana.md 2.3: arrays as text, and a key whose values are of
 * different kinds within one answer as text throughout. */
#pragma once

#include "vivace/base/table.h"
#include "vivace/codec/json.h"
#include "vivace/querier/metrics.h"
#include "vivace/querier/tags.h"

#define ANSWER_BYTES_MAX ((size_t)64 << 20)

/* What kinds of values each attribute key has had in an answer, or in a stream of them. */
struct answer_kinds {
    struct str_table keys;
};
void answer_kinds_init(struct answer_kinds *k);
void answer_kinds_fini(struct answer_kinds *k);
/* Look at traces [from, from + n) before they are written. */
void answer_kinds_look(struct answer_kinds *k, const struct search_result *r, size_t from, size_t n);

/* SearchMetrics: "metrics":{…}, and field 2. */
void answer_stats_json(struct json_writer *w, const struct search_stats *s, bool done);
void answer_stats_pb(struct buf *out, const struct search_stats *s, bool done);
/* A nested message: remember where it begins, write it, then put tag and length before it. */
void answer_pb_end(struct buf *out, size_t at, uint32_t field);

struct search_answer {
    const struct search_result *result;
    struct answer_kinds *kinds;
    bool done;         /* every job is */
    bool headers_only; /* legacy */
    bool pad_ids;      /* trace ids with their leading zeros */
};

void search_write_json(const struct search_answer *a, struct buf *out);
/* SearchResponse with traces [from, from + n): a packet of a stream, or all. */
void search_write_pb(const struct search_answer *a, size_t from, size_t n, struct buf *out);

enum tag_form { TAGS_V1, TAGS_V2 };

struct tag_answer {
    const struct tags_result *result;
    enum tag_form form;
    unsigned scopes;     /* 1 << enum tag_scope */
    bool with_intrinsic; /* the list of intrinsics belongs to it */
    bool keywords_status, keywords_kind;
};

void tag_names_write_json(const struct tag_answer *a, struct buf *out);
void tag_values_write_json(const struct tag_answer *a, struct buf *out);
/* {"tagValues":{"string":["x"]}} */
void tag_values_write_llm(const struct tag_answer *a, struct buf *out);
/* One or more messages of about `packet` bytes at most, each handed to `emit`; packet 0: one. */
void tag_names_write_pb(const struct tag_answer *a, size_t packet,
                        void (*emit)(void *ctx, struct buf *message), void *ctx);
void tag_values_write_pb(const struct tag_answer *a, size_t packet,
                         void (*emit)(void *ctx, struct buf *message), void *ctx);

/* The series of a metrics query. */
struct metrics_answer_form {
    const struct metrics_result *result;
    uint64_t start_ns, step_ns; /* interval i ends at start_ns + (i + 1) * step_ns */
    uint32_t first_step, steps; /* which intervals to write: [first_step, steps) */
    uint32_t max_series;        /* what was asked for; 0 = no bound */
    bool instant, done;
};

void metrics_write_json(const struct metrics_answer_form *a, struct buf *out);
/* A QueryRangeResponse or QueryInstantResponse with series [from, from + n); `last` of its packets. */
void metrics_write_pb(const struct metrics_answer_form *a, size_t from, size_t n, bool last, struct buf *out);
