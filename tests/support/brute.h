/* A second evaluator of TraceQL, for tests alone: written from the language's description (traceql.md 3 to
 * 5), as simple as it can be, sharing nothing with src/querier and nothing with src/traceql but the parser's
 * tree. Where the two disagree, one of them is wrong.
 *
 * Values, comparison, arithmetic, regular expressions (POSIX instead of RE2), the tree of spans and the sets
 * are all its own. O(n^2) and recursion are fine here: tests choose the input. Arenas own everything; one
 * thread.
 */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/base/buf.h"
#include "vivace/base/rng.h"
#include "vivace/model/span_batch.h"
#include "vivace/traceql/ast.h"

enum brute_type {
    BRUTE_NIL,
    BRUTE_INT,
    BRUTE_FLOAT,
    BRUTE_STRING,
    BRUTE_BOOL,
    BRUTE_DURATION,
    BRUTE_STATUS,
    BRUTE_KIND,
    BRUTE_ARRAY
};

struct brute_value {
    enum brute_type type;
    enum brute_type of; /* ARRAY: of its elements */
    int64_t i;          /* INT, DURATION, STATUS, KIND */
    double f;
    bool b;
    slice s;
    const struct brute_value *items; /* ARRAY: two at least */
    size_t n;
};

/* What evaluating says instead of a value: a run-time error of the query. */
struct brute_error {
    bool failed;
    char text[256];
};

struct brute_value brute_of_static(const struct tql_static *v, struct arena *a);
struct brute_value brute_of_attr(const struct attr *at, struct arena *a);
bool brute_compare(enum tql_op op, const struct brute_value *a, const struct brute_value *b,
                   struct brute_error *e);
bool brute_match(enum tql_op op, const struct brute_value *text, const struct brute_value *pattern);
struct brute_value brute_arith(enum tql_op op, const struct brute_value *a, const struct brute_value *b,
                               struct brute_error *e);
bool brute_same(const struct brute_value *a, const struct brute_value *b);
void brute_print(const struct brute_value *v, struct buf *out);
const char *brute_type_name(const struct brute_value *v);

/* One trace with what its shape says (traceql.md 3). */
struct brute_node {
    int parent; /* row, or -1 for a root, -2 when there is none */
    bool reached;
    int64_t left, right, up, children;
};

struct brute_trace {
    const struct span_batch *b;
    struct brute_node *nodes; /* one a row */
    int root;                 /* whose name and service the trace has, or -1 */
    uint64_t start_ns, end_ns;
    struct arena *arena;
};

void brute_trace_make(struct brute_trace *t, const struct span_batch *b, struct arena *a);
/* The value of an attribute or intrinsic; `event` and `link` say of which (-1: none). */
struct brute_value brute_lookup(const struct brute_trace *t, size_t row, const struct tql_attr *at, int event,
                                int link);
bool brute_related(const struct brute_trace *t, enum tql_op op, size_t left, size_t right);

struct brute_label {
    slice key;
    struct brute_value value;
    const struct brute_label *older;
};

struct brute_set {
    bool *rows; /* is the row in it */
    size_t count;
    const struct brute_label *labels;
    struct brute_set *next;
};

/* `e` on one row; of events and links, the filter's way: brute_keeps tries them all. */
struct brute_value brute_expr(const struct brute_trace *t, size_t row, const struct tql_expr *e, int event,
                              int link, struct brute_error *wrong);
bool brute_keeps(const struct brute_trace *t, size_t row, const struct tql_expr *e,
                 struct brute_error *wrong);
/* The spansets the query leaves; none is empty. */
struct brute_set *brute_run(const struct brute_trace *t, const struct tql_query *q,
                            struct brute_error *wrong);
/* What a result shows of `at` for a row of it (traceql.md 5.8): nil when nothing. */
struct brute_value brute_shown(const struct brute_trace *t, size_t row, const struct tql_query *q,
                               const struct tql_attr *at);

/* --- random queries and traces ------------------------------------------------------------------------ */

/* A query's text, syntactically right and mostly meaningful. */
void brute_random_query(struct rng *r, struct buf *out);
/* Appended: `{ ... }`, and an attribute as a query names it. */
void brute_random_filter(struct rng *r, struct buf *out);
void brute_random_attribute(struct rng *r, struct buf *out);
/* One trace's spans, appended; `number` becomes its id. */
void brute_random_trace(struct rng *r, uint32_t number, struct span_batch *out);
