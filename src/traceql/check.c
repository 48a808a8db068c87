#include "build.h"

#include "vivace/traceql/program.h"

#define PRINT_BYTES_MAX (1u << 20) /* of a message before it is cut */
#define GROUP_BY_MAX    5 /* labels of a metrics series, as Tempo; one less for functions that add a label */

/* --- messages -------------------------------------------------------------------------------------- */

/* One check: where the words go, and what its regular expressions have cost. */
struct checker {
    struct fault *fault;
    size_t regex_count, regex_bytes;
};

enum subject { OF_EXPR, OF_STAGE, OF_SCALAR };

/* "<text>: <printed subject>", cut to what a fault holds. */
static err
refuse(struct checker *c, const char *text, enum subject kind, const void *subject)
{
    struct buf b;
    buf_init(&b, PRINT_BYTES_MAX);
    if (kind == OF_EXPR) {
        tql_expr_print(subject, &b);
    } else if (kind == OF_STAGE) {
        tql_stage_print(subject, &b);
    } else {
        tql_scalar_print(subject, &b);
    }
    err rc = FAULT(c->fault, ERR_INVALID, "%s: %.*s", text, (int)b.n, b.n ? (const char *)b.p : "");
    buf_fini(&b);
    return rc;
}

static err
unsupported(struct checker *c, const char *what)
{
    return FAULT(c->fault, ERR_UNSUPPORTED, "%s not yet supported", what);
}

/* --- field expressions ----------------------------------------------------------------------------- */

static err
check_attr(const struct tql_attr *a, struct checker *c)
{
    if (a->parent) {
        return unsupported(c, "parent");
    }
    if (a->intrinsic == TQL_INTRINSIC_PARENT) {
        return unsupported(c, "intrinsic (parent)");
    }
    return OK;
}

static err
check_absent(const struct tql_expr *e, struct checker *c)
{
    const struct tql_expr *a = tql_expr_a(e);
    if (e->op != TQL_OP_NOT_EXISTS || a->kind != TQL_EXPR_ATTR) {
        return OK;
    }
    if (a->attr.intrinsic) {
        return FAULT(c->fault, ERR_INVALID, "%s=nil is not valid because intrinsics cannot be nil",
                     tql_intrinsic_name((enum tql_intrinsic)a->attr.intrinsic));
    }
    if (a->attr.scope == TQL_SCOPE_RESOURCE && slice_eq(a->attr.name, SL("service.name"))) {
        return FAULT(c->fault, ERR_INVALID,
                     "resource.service.name=nil is not valid because resource.service.name cannot be nil");
    }
    return OK;
}

static err
check_unary(const struct tql_expr *e, struct checker *c)
{
    if (!tql_type_fits_unary((enum tql_op)e->op, tql_expr_a(e)->type)) {
        return refuse(c, "illegal operation for the given type", OF_EXPR, e);
    }
    return check_absent(e, c);
}

static err
check_regex(const struct tql_expr *e, struct checker *c)
{
    const struct tql_expr *pattern = tql_expr_b(e);
    struct tql_regex *re = NULL;
    if (pattern->kind != TQL_EXPR_STATIC) {
        return refuse(c, "invalid type for =~ or !~", OF_EXPR, pattern);
    }
    if (tql_regex_create(tql_static_slice(&pattern->value), NULL, &re) != OK) {
        return refuse(c, "invalid regex", OF_EXPR, pattern);
    }
    c->regex_count++;
    c->regex_bytes += tql_regex_bytes(re);
    tql_regex_destroy(re);
    return c->regex_count > TQL_REGEX_COUNT_MAX || c->regex_bytes > TQL_REGEX_TOTAL_BYTES_MAX
               ? FAULT(c->fault, ERR_LIMIT, "too many or too large regular expressions in the query")
               : OK;
}

static err
check_binary(const struct tql_expr *e, struct checker *c)
{
    enum tql_op op = (enum tql_op)e->op;
    uint8_t a = tql_expr_a(e)->type, b = tql_expr_b(e)->type;
    if (!tql_types_match(a, b)) {
        return refuse(c, "binary operations must operate on the same type", OF_EXPR, e);
    }
    if (!tql_types_fit_binary(op, a, b)) {
        return refuse(c, "illegal operation for the given types", OF_EXPR, e);
    }
    return op == TQL_OP_RE || op == TQL_OP_NRE ? check_regex(e, c) : OK;
}

static err
check_expr(const struct tql_expr *root, struct checker *c)
{
    struct tql_walk w;
    err rc = OK;
    tql_walk_start(&w, &root->tree);
    while (rc == OK && tql_walk_next(&w)) {
        const struct tql_expr *e = (const struct tql_expr *)w.at;
        if (w.phase != TQL_VISIT_POST) {
            continue;
        }
        switch ((enum tql_expr_kind)e->kind) {
        case TQL_EXPR_ATTR:
            rc = check_attr(&e->attr, c);
            break;
        case TQL_EXPR_UNARY:
            rc = check_unary(e, c);
            break;
        case TQL_EXPR_BINARY:
            rc = check_binary(e, c);
            break;
        case TQL_EXPR_STATIC:
            break;
        }
    }
    return rc;
}

/* --- scalars --------------------------------------------------------------------------------------- */

static err
check_aggregate(const struct tql_scalar *s, struct checker *c)
{
    if (!s->expr) {
        return OK;
    }
    err rc = check_expr(s->expr, c);
    if (rc != OK) {
        return rc;
    }
    if (s->expr->type != TQL_DYNAMIC && !tql_type_is_numeric(s->expr->type)) {
        return refuse(c, "aggregate field expressions must resolve to a number type", OF_SCALAR, s);
    }
    if (!s->expr->has_attr) {
        return refuse(c, "aggregate field expressions must reference the span", OF_SCALAR, s);
    }
    return OK;
}

static err
check_scalar(const struct tql_scalar *root, struct checker *c)
{
    struct tql_walk w;
    err rc = OK;
    tql_walk_start(&w, &root->tree);
    while (rc == OK && tql_walk_next(&w)) {
        const struct tql_scalar *s = (const struct tql_scalar *)w.at;
        if (w.phase == TQL_VISIT_POST && s->kind == TQL_SCALAR_AGGREGATE) {
            rc = check_aggregate(s, c);
        }
    }
    return rc;
}

static err
check_scalar_filter(const struct tql_stage *s, struct checker *c)
{
    err rc = check_scalar(s->lhs, c);
    if (rc == OK) {
        rc = check_scalar(s->rhs, c);
    }
    if (rc != OK) {
        return rc;
    }
    if (!tql_types_match(s->lhs->type, s->rhs->type)) {
        return refuse(c, "binary operations must operate on the same type", OF_STAGE, s);
    }
    if (s->lhs->kind != TQL_SCALAR_AGGREGATE || s->lhs->pipeline) {
        return unsupported(c, "scalar filter lhs of type (%v)");
    }
    return s->rhs->kind == TQL_SCALAR_STATIC ? OK : unsupported(c, "scalar filter rhs of type (%v)");
}

/* --- stages ---------------------------------------------------------------------------------------- */

static err
check_filter(const struct tql_stage *s, struct checker *c)
{
    err rc = check_expr(s->expr, c);
    if (rc == OK && s->expr->type != TQL_DYNAMIC && s->expr->type != TQL_BOOL) {
        rc = refuse(c, "span filter field expressions must resolve to a boolean", OF_STAGE, s);
    }
    return rc;
}

static err
check_group(const struct tql_stage *s, struct checker *c)
{
    if (!s->expr->has_attr) {
        return refuse(c, "grouping field expressions must reference the span", OF_STAGE, s);
    }
    return check_expr(s->expr, c);
}

static err
check_attrs(const struct tql_attr *attrs, size_t n, struct checker *c)
{
    err rc = OK;
    for (size_t i = 0; rc == OK && i < n; i++) {
        rc = check_attr(&attrs[i], c);
    }
    return rc;
}

static err check_chain(const struct tql_stage *s, struct checker *c);

/* The operands; a pipeline among them holds no pipelines itself, which bounds the recursion. */
static err
check_set_op(const struct tql_stage *root, struct checker *c) /* NOLINT(misc-no-recursion) */
{
    struct tql_walk w;
    err rc = OK;
    tql_walk_start(&w, &root->tree);
    while (rc == OK && tql_walk_next(&w)) {
        const struct tql_stage *s = (const struct tql_stage *)w.at;
        if (w.phase == TQL_VISIT_PRE && s->kind == TQL_STAGE_FILTER) {
            rc = check_filter(s, c);
        } else if (w.phase == TQL_VISIT_PRE && s->kind == TQL_STAGE_PIPELINE) {
            rc = check_chain(s->first, c);
        }
    }
    return rc;
}

static err
check_chain(const struct tql_stage *s, struct checker *c) /* NOLINT(misc-no-recursion) */
{
    err rc = OK;
    for (; rc == OK && s; s = s->next) {
        switch ((enum tql_stage_kind)s->kind) {
        case TQL_STAGE_FILTER:
        case TQL_STAGE_SETOP:
        case TQL_STAGE_PIPELINE:
            rc = check_set_op(s, c);
            break;
        case TQL_STAGE_SCALAR:
            rc = check_scalar_filter(s, c);
            break;
        case TQL_STAGE_GROUP:
            rc = check_group(s, c);
            break;
        case TQL_STAGE_SELECT:
            rc = check_attrs(s->attrs, s->attr_count, c);
            break;
        case TQL_STAGE_COALESCE:
            break;
        }
    }
    return rc;
}

/* --- metrics --------------------------------------------------------------------------------------- */

static err
check_compare(const struct tql_metric *m, struct checker *c)
{
    err rc = check_filter(m->compare, c);
    if (rc != OK) {
        return rc;
    }
    if (m->compare_top <= 0) {
        return FAULT(c->fault, ERR_INVALID, "compare() top number of values must be integer greater than 0");
    }
    if (!m->has_range || (m->compare_start_ns == 0 && m->compare_end_ns == 0)) {
        return OK;
    }
    if (m->compare_start_ns <= 0 || m->compare_end_ns <= 0) {
        return FAULT(c->fault, ERR_INVALID, "compare() timestamps must be positive integer unix nanoseconds");
    }
    if (m->compare_end_ns <= m->compare_start_ns) {
        return FAULT(c->fault, ERR_INVALID, "compare() end timestamp must be greater than start timestamp");
    }
    return OK;
}

static err
check_metric(const struct tql_metric *m, struct checker *c)
{
    bool adds_label =
        m->fn == TQL_METRIC_AVG || m->fn == TQL_METRIC_HISTOGRAM || m->fn == TQL_METRIC_QUANTILE;
    if (m->fn == TQL_METRIC_COMPARE) {
        return check_compare(m, c);
    }
    if (m->by_count > GROUP_BY_MAX - (size_t)adds_label) {
        return FAULT(c->fault, ERR_UNSUPPORTED, "metrics group by %zu values not yet supported", m->by_count);
    }
    for (size_t i = 0; i < m->quantile_count; i++) {
        if (m->quantiles[i] < 0 || m->quantiles[i] > 1) {
            return FAULT(c->fault, ERR_INVALID, "quantile must be between 0 and 1: %g", m->quantiles[i]);
        }
    }
    return OK;
}

err
traceql_check(const struct tql_query *q, struct fault *f)
{
    struct checker c = {.fault = f};
    err rc = check_chain(q->pipeline, &c);
    if (rc == OK && q->metric) {
        rc = check_metric(q->metric, &c);
    }
    if (rc == OK && q->second_count > 0 && q->metric && q->metric->fn == TQL_METRIC_COMPARE) {
        rc = FAULT(f, ERR_INVALID, "`compare()` cannot be used with second stage functions");
    }
    for (size_t i = 0; rc == OK && i < q->second_count; i++) {
        if (q->seconds[i].kind != TQL_SECOND_COMPARE && q->seconds[i].limit <= 0) {
            rc = FAULT(f, ERR_INVALID, "limit must be greater than 0");
        }
    }
    return rc;
}
