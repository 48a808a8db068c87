/* From text to a checked query and back.
 *
 *   struct tql_query *query;
 *   TRY(traceql_parse(q, &arena, f, &query));  -> "parse error at line 1, col 3: unknown identifier: foo"
 *   TRY(traceql_check(query, f));              -> "span filter field expressions must resolve to a boolean: {
 * status }"
 *
 * Error texts are Tempo's, without the prefix that depends on the endpoint. All is iterative: 131072 opening
 * parentheses cost some MiB of heap while parsing, no C stack.
 *
 * Limits: text TQL_QUERY_BYTES_MAX is the caller's to ask for (traceql_check_size); parsing itself refuses
 * above TQL_TEXT_BYTES_HARD_MAX. Memory: arena, at most about 200 bytes for each byte of the query. Threads:
 * pure functions; an arena has one owner.
 */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/traceql/ast.h"

/* Lexer positions and the parser's stack stay far from overflow. */
#define TQL_TEXT_BYTES_HARD_MAX (4u << 20)
/* OR groups of a tag query, as Tempo's max_condition_groups_per_tag_query. */
#define TQL_TAG_GROUPS_MAX 100u

/* ERR_LIMIT with the text clients know when `q` is longer than `max`. */
CHECKED err traceql_check_size(slice q, size_t max, struct fault *f);

/* The tree, its strings included, lies in `a` and does not point into `q`.
 * ERR_INVALID: syntax; ERR_LIMIT: the arena's cap or the hard size. */
CHECKED err traceql_parse(slice q, struct arena *a, struct fault *f, struct tql_query **ret);

/* Types and everything else a grammar cannot say. ERR_INVALID, or ERR_UNSUPPORTED for "… not yet supported".
 */
CHECKED err traceql_check(const struct tql_query *q, struct fault *f);

/* `resource.service.name`, `name`, `span."a b"`: one attribute reference, as a tag's name in a URL.
 * ERR_INVALID "failed to parse identifier foo: parse error at line 1, col 2: unknown identifier: foo". */
CHECKED err traceql_parse_identifier(slice text, struct arena *a, struct fault *f, struct tql_attr *ret);

/* Normal form. Parsing it gives the same form again. */
void traceql_print(const struct tql_query *q, struct buf *out);
void tql_expr_print(const struct tql_expr *root, struct buf *out);
void tql_stage_print(const struct tql_stage *s,
                     struct buf *out); /* one stage, without what follows the pipe */
void tql_scalar_print(const struct tql_scalar *root, struct buf *out);
void tql_metric_print(const struct tql_metric *m, struct buf *out);

/* One pushable condition of a tag query. */
struct tql_tag_cond {
    struct tql_attr attr;
    uint8_t op; /* enum tql_op: EQ to NRE, EXISTS, NOT_EXISTS */
    struct tql_static value;
};

struct tql_tag_group { /* all of */
    const struct tql_tag_cond *conds;
    size_t cond_count;
};

struct tql_tag_filter { /* any of; no group = do not filter */
    const struct tql_tag_group *groups;
    size_t group_count;
};

/* The `q` of tag names and values, typed while the user types: never fails for its form. What is incomplete
 * is mended (`{ span.a = 1 && span.b = ` filters by span.a); what cannot be, is no single filter, touches an
 * unscoped attribute or has a group without a condition, gives an empty filter. Parts that are no conditions
 * (a bare attribute, arithmetic, `!`) are passed over: the filter keeps at least what the query keeps.
 * ERR_LIMIT "maximum condition groups reached (limit: 100). …" when the OR expands to more groups, or the
 * arena. */
CHECKED err traceql_parse_tag_filter(slice q, struct arena *a, struct fault *f, struct tql_tag_filter *ret);
