/* The syntax tree of a TraceQL query.
 *
 * Everything lies in one arena and never changes after traceql_parse. Every node begins with a `struct
 * tql_tree`, whose parent pointer lets tql_walk visit a tree of any depth without recursion or a stack:
 *
 *   struct tql_walk w;
 *   tql_walk_start(&w, &expr->tree);
 *   while (tql_walk_next(&w)) {
 *       if (w.phase == TQL_VISIT_POST) use((const struct tql_expr *)w.at);
 *   }
 *
 * `{ .a = 1 } >> { } | avg(duration) > 1s | rate() by (name)` is
 *
 *   query.pipeline -> SETOP(>>, FILTER(.a = 1), FILTER(true)) -> SCALAR(avg(duration) > 1s)
 *   query.metric   = {RATE, by = [name]}
 *
 * Threads: read-only after parsing.
 */
#pragma once

#include "vivace/traceql/static.h"

/* What clients see refused before parsing (Tempo's max_query_expression_size_bytes). */
#define TQL_QUERY_BYTES_MAX (128u << 10)

enum tql_scope {
    TQL_SCOPE_NONE = 0, /* `.foo`: the span's, and when it has none the resource's */
    TQL_SCOPE_SPAN,
    TQL_SCOPE_RESOURCE,
    TQL_SCOPE_EVENT,
    TQL_SCOPE_LINK,
    TQL_SCOPE_INSTRUMENTATION,
    TQL_SCOPE_COUNT
};

/* X(id, canonical name, static type, level) */
#define TQL_INTRINSICS(X)                                                                                    \
    X(DURATION, "duration", TQL_DURATION, SPAN)                                                              \
    X(NAME, "name", TQL_STRING, SPAN)                                                                        \
    X(STATUS, "status", TQL_STATUS, SPAN)                                                                    \
    X(STATUS_MESSAGE, "statusMessage", TQL_STRING, SPAN)                                                     \
    X(KIND, "kind", TQL_KIND, SPAN)                                                                          \
    X(SPAN_ID, "span:id", TQL_STRING, SPAN)                                                                  \
    X(SPAN_PARENT_ID, "span:parentID", TQL_STRING, SPAN)                                                     \
    X(SPAN_CHILD_COUNT, "span:childCount", TQL_INT, SPAN)                                                    \
    X(NESTED_SET_LEFT, "nestedSetLeft", TQL_INT, SPAN)                                                       \
    X(NESTED_SET_RIGHT, "nestedSetRight", TQL_INT, SPAN)                                                     \
    X(NESTED_SET_PARENT, "nestedSetParent", TQL_INT, SPAN)                                                   \
    X(PARENT, "parent", TQL_NIL, SPAN)                                                                       \
    X(TRACE_ID, "trace:id", TQL_STRING, TRACE)                                                               \
    X(TRACE_DURATION, "traceDuration", TQL_DURATION, TRACE)                                                  \
    X(TRACE_ROOT_NAME, "rootName", TQL_STRING, TRACE)                                                        \
    X(TRACE_ROOT_SERVICE, "rootServiceName", TQL_STRING, TRACE)                                              \
    X(EVENT_NAME, "event:name", TQL_STRING, EVENT)                                                           \
    X(EVENT_TIME_SINCE_START, "event:timeSinceStart", TQL_DURATION, EVENT)                                   \
    X(LINK_TRACE_ID, "link:traceID", TQL_STRING, LINK)                                                       \
    X(LINK_SPAN_ID, "link:spanID", TQL_STRING, LINK)                                                         \
    X(INSTRUMENTATION_NAME, "instrumentation:name", TQL_DYNAMIC, INSTRUMENTATION)                            \
    X(INSTRUMENTATION_VERSION, "instrumentation:version", TQL_DYNAMIC, INSTRUMENTATION)

enum tql_intrinsic {
    TQL_INTRINSIC_NONE = 0, /* an attribute */
#define X(id, name, type, level) TQL_INTRINSIC_##id,
    TQL_INTRINSICS(X)
#undef X
        TQL_INTRINSIC_COUNT
};

/* Of what there is one value: a span, a trace, an event of a span, ... */
enum tql_level {
    TQL_LEVEL_SPAN,
    TQL_LEVEL_RESOURCE,
    TQL_LEVEL_TRACE,
    TQL_LEVEL_EVENT,
    TQL_LEVEL_LINK,
    TQL_LEVEL_INSTRUMENTATION,
    TQL_LEVEL_UNSCOPED, /* span, then resource */
};

/* A reference to an attribute or an intrinsic. */
struct tql_attr {
    slice name;        /* of the attribute, unquoted; empty for an intrinsic */
    uint8_t scope;     /* enum tql_scope; NONE for an intrinsic */
    uint8_t intrinsic; /* enum tql_intrinsic */
    bool parent;       /* parent.…: parsed, refused by traceql_check except in metrics, which ignore it */
};

bool tql_attr_same(const struct tql_attr *a, const struct tql_attr *b);
enum tql_level tql_attr_level(const struct tql_attr *a);
/* An intrinsic's static type, TQL_DYNAMIC for attributes. */
uint8_t tql_attr_type(const struct tql_attr *a);
/* `span.foo`, `.foo`, `span."a b"`, `rootName`: the normal form, also a metrics label. */
void tql_attr_print(const struct tql_attr *a, struct buf *out);
/* As in a search result: the key without its scope; intrinsics by canonical name. Borrows from `a`. */
slice tql_attr_key(const struct tql_attr *a);
/* False for what a search result never lists among a span's attributes (name, duration, ids, ...). */
bool tql_attr_is_listed(const struct tql_attr *a);
/* "duration", "span:id", ... */
const char *tql_intrinsic_name(enum tql_intrinsic i);

struct tql_tree {
    struct tql_tree *up, *a, *b; /* a without b: one operand */
};

enum tql_visit { TQL_VISIT_PRE, TQL_VISIT_IN, TQL_VISIT_POST };

struct tql_walk {
    const struct tql_tree *root, *at;
    enum tql_visit phase;
    bool started;
};

void tql_walk_start(struct tql_walk *w, const struct tql_tree *root);
/* Every node is seen PRE before its operands, IN between the two (only when there are two), POST after. A
 * visitor may set `phase` to POST at PRE to pass over the operands. False when the walk is over. */
bool tql_walk_next(struct tql_walk *w);

enum tql_expr_kind { TQL_EXPR_STATIC, TQL_EXPR_ATTR, TQL_EXPR_UNARY, TQL_EXPR_BINARY };

/* A field expression: what stands in braces, in by() and in aggregates. Constants are folded. */
struct tql_expr {
    struct tql_tree tree; /* operands are struct tql_expr */
    uint8_t kind;         /* enum tql_expr_kind */
    uint8_t op;           /* enum tql_op; unary: SUB, NOT, EXISTS, NOT_EXISTS */
    uint8_t type;         /* enum tql_type it evaluates to; TQL_DYNAMIC when only running tells */
    bool has_attr;        /* refers to the span */
    union {
        struct tql_static value;
        struct tql_attr attr;
    };
};

static inline const struct tql_expr *
tql_expr_a(const struct tql_expr *e)
{
    return (const struct tql_expr *)e->tree.a;
}
static inline const struct tql_expr *
tql_expr_b(const struct tql_expr *e)
{
    return (const struct tql_expr *)e->tree.b;
}

enum tql_aggregate {
    TQL_AGGREGATE_COUNT,
    TQL_AGGREGATE_MAX,
    TQL_AGGREGATE_MIN,
    TQL_AGGREGATE_AVG,
    TQL_AGGREGATE_SUM
};

enum tql_scalar_kind { TQL_SCALAR_STATIC, TQL_SCALAR_AGGREGATE, TQL_SCALAR_BINARY };

/* A value of a spanset: `count()`, `avg(duration)`, `1s`. Arithmetic parses and is refused by traceql_check.
 */
struct tql_scalar {
    struct tql_tree tree; /* operands are struct tql_scalar */
    uint8_t kind;         /* enum tql_scalar_kind */
    uint8_t op;           /* enum tql_op of BINARY */
    uint8_t aggregate;    /* enum tql_aggregate */
    uint8_t type;         /* enum tql_type */
    struct tql_static value;
    const struct tql_expr *expr;      /* argument of the aggregate; NULL for count() */
    const struct tql_stage *pipeline; /* `({ } | count())`; NULL when it works on the pipe's spansets */
};

enum tql_stage_kind {
    TQL_STAGE_FILTER,   /* { expr } */
    TQL_STAGE_SETOP,    /* a op b: operands FILTER, SETOP, or PIPELINE */
    TQL_STAGE_PIPELINE, /* ( first | ... ): only as an operand of SETOP or as the whole query */
    TQL_STAGE_SCALAR,   /* scalar op scalar */
    TQL_STAGE_GROUP,    /* by(expr) */
    TQL_STAGE_COALESCE,
    TQL_STAGE_SELECT,
};

struct tql_stage {
    struct tql_tree tree;               /* operands of SETOP are struct tql_stage */
    const struct tql_stage *next;       /* the stage behind the pipe */
    uint8_t kind;                       /* enum tql_stage_kind */
    uint8_t op;                         /* enum tql_op of SETOP and SCALAR */
    const struct tql_expr *expr;        /* FILTER, GROUP */
    const struct tql_stage *first;      /* PIPELINE */
    const struct tql_scalar *lhs, *rhs; /* SCALAR */
    const struct tql_attr *attrs;       /* SELECT */
    size_t attr_count;
};

enum tql_metric_fn {
    TQL_METRIC_NONE = 0,
    TQL_METRIC_RATE,
    TQL_METRIC_COUNT,
    TQL_METRIC_MIN,
    TQL_METRIC_MAX,
    TQL_METRIC_AVG,
    TQL_METRIC_SUM,
    TQL_METRIC_HISTOGRAM,
    TQL_METRIC_QUANTILE,
    TQL_METRIC_COMPARE,
};

/* "rate", "count_over_time", ...: also the __name__ label. */
const char *tql_metric_name(enum tql_metric_fn fn);

struct tql_metric {
    uint8_t fn;           /* enum tql_metric_fn */
    struct tql_attr attr; /* MIN to QUANTILE */
    const struct tql_attr *by;
    size_t by_count;
    const double *quantiles;
    size_t quantile_count;
    const struct tql_stage *compare; /* COMPARE: a FILTER */
    int64_t compare_top;             /* 10 unless given */
    int64_t compare_start_ns, compare_end_ns;
    bool has_range; /* compare_start_ns and _end_ns were given */
};

enum tql_second_kind { TQL_SECOND_TOPK, TQL_SECOND_BOTTOMK, TQL_SECOND_COMPARE };

struct tql_second {
    uint8_t kind; /* enum tql_second_kind */
    uint8_t op;   /* enum tql_op of COMPARE */
    int64_t limit;
    struct tql_static value;
};

struct tql_hint {
    slice name;
    struct tql_static value;
};

struct tql_query {
    const struct tql_stage *pipeline; /* first stage, never NULL */
    const struct tql_metric *metric;  /* NULL when it is no metrics query */
    const struct tql_second *seconds;
    size_t second_count;
    const struct tql_hint *hints;
    size_t hint_count;
};

/* The last hint of that name, or NULL. Unknown hints parse and mean nothing. */
const struct tql_static *tql_query_hint(const struct tql_query *q, slice name);
