/* Names and values of tags, as autocompletion asks for them.
 *
 * Names: the attribute keys of the spans a plan's filter keeps, by scope. Values: the distinct values of some
 * slots of a plan for those spans. A plan that looks at whole traces runs as a search; any other is run on
 * the sources' spans as they come. Time range: spans that overlap it.
 *
 *   t = tags_create(&query); while ((rc = tags_step(t, 20 ms, f)) == ERR_AGAIN) ...; tags_result(t);
 * tags_destroy(t);
 *
 * Threads: one owner at a time, workers. Memory: the collected names and values, at most bytes_max, and a
 * record. Collecting ends at a limit: the answer is then a part, without an error, as in Tempo.
 */
#pragma once

#include "vivace/querier/search.h"

#define TAGS_BYTES_MAX ((size_t)16 << 20) /* when the tenant's limit is off */

enum tag_scope {
    TAG_SCOPE_RESOURCE,
    TAG_SCOPE_SPAN,
    TAG_SCOPE_EVENT,
    TAG_SCOPE_LINK,
    TAG_SCOPE_INSTRUMENTATION,
    TAG_SCOPE_COUNT
};

/* What sources put in. */
struct tag_collector;
/* The spans of a batch that lie in the query's range and that its plan keeps. False: enough, stop. */
bool tag_collect(struct tag_collector *c, const struct span_batch *b, struct fault *f, err *ret_rc);

/* A place spans lie in, for plans that judge each span by itself. As search_source. */
struct tag_source {
    err (*open)(void *ctx, const struct search_hunt *hunt, struct search_stats *stats, struct fault *f,
                void **ret_cursor);
    /* A few milliseconds of work. ERR_NOT_FOUND: all is read, or enough is collected. */
    err (*advance)(void *cursor, struct tag_collector *out, struct search_stats *stats, struct fault *f);
    void (*close)(void *cursor);
    void *ctx;
};
struct tag_source tag_source_live(_Atomic(struct ingester *) *at);
struct tag_source tag_source_blocks(_Atomic(struct block_store *) *at);

struct tags_query {
    const struct tql_plan *plan; /* a filter; of values, with select() of what is asked for */
    unsigned scopes;             /* names: 1 << enum tag_scope; 0 = values */
    const uint32_t *slots;       /* values */
    size_t slot_count;
    const slice *tenants;
    size_t tenant_count;
    const struct search_source *sources;
    const struct tag_source *tag_sources;
    size_t source_count, tag_source_count;
    uint64_t start_ns, end_ns;
    size_t limit;     /* names of a scope, or values; 0 = none */
    size_t bytes_max; /* of names and values; 0 = TAGS_BYTES_MAX */
    struct query_guard guard;
    struct budget *budget;
};

struct tags_result {
    const slice *names[TAG_SCOPE_COUNT]; /* sorted */
    size_t name_counts[TAG_SCOPE_COUNT];
    const struct tql_static *values; /* sorted; no arrays */
    size_t value_count;
    struct search_stats stats;
};

struct tags;
/* `q` may come without a plan: then there is nothing to read until tags_start gives one. */
struct tags *tags_create(const struct tags_query *q); /* what `q` points to outlives it */
void tags_start(struct tags *t, const struct tags_query *q);
void tags_destroy(struct tags *t);
CHECKED err tags_step(struct tags *t, int64_t slice_ns, struct fault *f);
/* What is there by now; valid until the next call with `t`. */
const struct tags_result *tags_result(struct tags *t);
/* Of those what no call before has shown: for streams. Not after tags_result; valid until the next call. */
const struct tags_result *tags_news(struct tags *t);
/* A value that is known without looking. */
void tags_add_value(struct tags *t, const struct tql_static *v);
