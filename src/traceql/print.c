#include "vivace/traceql/traceql.h"

/* --- field expressions ----------------------------------------------------------------------------- */

static bool
is_leaf(const struct tql_expr *e)
{
    return e->kind == TQL_EXPR_STATIC || e->kind == TQL_EXPR_ATTR;
}

static bool
is_negative(const struct tql_expr *e)
{
    const struct tql_static *v = &e->value;
    if (e->kind != TQL_EXPR_STATIC || !tql_type_is_numeric(v->type)) {
        return false;
    }
    return v->type == TQL_FLOAT ? __builtin_signbit(v->f) != 0 : v->i < 0 && v->i != INT64_MIN;
}

/* Operations inside operations stand in parentheses; so does a negative number before an operator that binds
 * tighter than its sign. */
static bool
needs_parens(const struct tql_expr *e, const struct tql_expr *root)
{
    if (e == root) {
        return false;
    }
    const struct tql_expr *up = (const struct tql_expr *)e->tree.up;
    if (!is_leaf(e)) {
        return true;
    }
    if (!is_negative(e)) {
        return false;
    }
    return up->kind == TQL_EXPR_UNARY ||
           (up->tree.a == &e->tree && up->op >= TQL_OP_MUL && up->op <= TQL_OP_POW);
}

static void
print_leaf(const struct tql_expr *e, struct buf *out)
{
    if (e->kind == TQL_EXPR_STATIC) {
        tql_static_print(&e->value, out);
    } else if (e->kind == TQL_EXPR_ATTR) {
        tql_attr_print(&e->attr, out);
    }
}

void
tql_expr_print(const struct tql_expr *root, struct buf *out)
{
    struct tql_walk w;
    tql_walk_start(&w, &root->tree);
    while (!out->failed && tql_walk_next(&w)) {
        const struct tql_expr *e = (const struct tql_expr *)w.at;
        bool suffix = e->kind == TQL_EXPR_UNARY && (e->op == TQL_OP_EXISTS || e->op == TQL_OP_NOT_EXISTS);
        if (w.phase == TQL_VISIT_PRE) {
            (void)buf_append_cstr(out, needs_parens(e, root) ? "(" : "");
            (void)buf_append_cstr(out, e->kind == TQL_EXPR_UNARY && !suffix ? tql_op_text((enum tql_op)e->op)
                                                                            : "");
            print_leaf(e, out);
        } else if (w.phase == TQL_VISIT_IN) {
            (void)buf_append_byte(out, ' ');
            (void)buf_append_cstr(out, tql_op_text((enum tql_op)e->op));
            (void)buf_append_byte(out, ' ');
        } else {
            if (suffix) {
                (void)buf_append_byte(out, ' ');
                (void)buf_append_cstr(out, tql_op_text((enum tql_op)e->op));
            }
            (void)buf_append_cstr(out, needs_parens(e, root) ? ")" : "");
        }
    }
}

/* --- attributes ------------------------------------------------------------------------------------ */

static void
print_attrs(const struct tql_attr *attrs, size_t n, struct buf *out)
{
    (void)buf_append_byte(out, '(');
    for (size_t i = 0; i < n; i++) {
        (void)buf_append_cstr(out, i ? ", " : "");
        tql_attr_print(&attrs[i], out);
    }
    (void)buf_append_byte(out, ')');
}

/* --- scalars --------------------------------------------------------------------------------------- */

/* A pipeline inside a scalar or a set operation holds no such thing itself: the grammar nests them once, and
 * so does the recursion below. */
static void print_chain(const struct tql_stage *s, struct buf *out);

static void
print_aggregate(const struct tql_scalar *s, struct buf *out) /* NOLINT(misc-no-recursion) */
{
    static const char *const names[] = {"count", "max", "min", "avg", "sum"};
    if (s->pipeline) {
        (void)buf_append_byte(out, '(');
        print_chain(s->pipeline, out);
        (void)buf_append_cstr(out, " | ");
    }
    (void)buf_append_cstr(out, names[s->aggregate]);
    (void)buf_append_byte(out, '(');
    if (s->expr) {
        tql_expr_print(s->expr, out);
    }
    (void)buf_append_cstr(out, s->pipeline ? "))" : ")");
}

void
tql_scalar_print(const struct tql_scalar *root, struct buf *out) /* NOLINT(misc-no-recursion) */
{
    struct tql_walk w;
    tql_walk_start(&w, &root->tree);
    while (!out->failed && tql_walk_next(&w)) {
        const struct tql_scalar *s = (const struct tql_scalar *)w.at;
        bool inner = s != root;
        if (w.phase == TQL_VISIT_IN) {
            (void)buf_append_byte(out, ' ');
            (void)buf_append_cstr(out, tql_op_text((enum tql_op)s->op));
            (void)buf_append_byte(out, ' ');
        } else if (w.phase == TQL_VISIT_PRE) {
            (void)buf_append_cstr(out, inner && s->kind == TQL_SCALAR_BINARY ? "(" : "");
            if (s->kind == TQL_SCALAR_STATIC) {
                tql_static_print(&s->value, out);
            } else if (s->kind == TQL_SCALAR_AGGREGATE) {
                print_aggregate(s, out);
            }
        } else {
            (void)buf_append_cstr(out, inner && s->kind == TQL_SCALAR_BINARY ? ")" : "");
        }
    }
}

/* --- stages ---------------------------------------------------------------------------------------- */

static void
print_filter(const struct tql_expr *e, struct buf *out)
{
    (void)buf_append_cstr(out, "{ ");
    tql_expr_print(e, out);
    (void)buf_append_cstr(out, " }");
}

static void
print_set_op(const struct tql_stage *root, struct buf *out) /* NOLINT(misc-no-recursion) */
{
    struct tql_walk w;
    tql_walk_start(&w, &root->tree);
    while (!out->failed && tql_walk_next(&w)) {
        const struct tql_stage *s = (const struct tql_stage *)w.at;
        bool parens = s->kind == TQL_STAGE_PIPELINE || (s->kind == TQL_STAGE_SETOP && s != root);
        if (w.phase == TQL_VISIT_PRE) {
            (void)buf_append_cstr(out, parens ? "(" : "");
            if (s->kind == TQL_STAGE_FILTER) {
                print_filter(s->expr, out);
            } else if (s->kind == TQL_STAGE_PIPELINE) {
                print_chain(s->first, out);
            }
        } else if (w.phase == TQL_VISIT_IN) {
            (void)buf_append_byte(out, ' ');
            (void)buf_append_cstr(out, tql_op_text((enum tql_op)s->op));
            (void)buf_append_byte(out, ' ');
        } else {
            (void)buf_append_cstr(out, parens ? ")" : "");
        }
    }
}

void
tql_stage_print(const struct tql_stage *s, struct buf *out) /* NOLINT(misc-no-recursion) */
{
    switch ((enum tql_stage_kind)s->kind) {
    case TQL_STAGE_FILTER:
    case TQL_STAGE_SETOP:
    case TQL_STAGE_PIPELINE:
        print_set_op(s, out);
        break;
    case TQL_STAGE_SCALAR:
        tql_scalar_print(s->lhs, out);
        (void)buf_append_byte(out, ' ');
        (void)buf_append_cstr(out, tql_op_text((enum tql_op)s->op));
        (void)buf_append_byte(out, ' ');
        tql_scalar_print(s->rhs, out);
        break;
    case TQL_STAGE_GROUP:
        (void)buf_append_cstr(out, "by(");
        tql_expr_print(s->expr, out);
        (void)buf_append_byte(out, ')');
        break;
    case TQL_STAGE_COALESCE:
        (void)buf_append_cstr(out, "coalesce()");
        break;
    case TQL_STAGE_SELECT:
        (void)buf_append_cstr(out, "select");
        print_attrs(s->attrs, s->attr_count, out);
        break;
    }
}

static void
print_chain(const struct tql_stage *s, struct buf *out) /* NOLINT(misc-no-recursion) */
{
    for (; s && !out->failed; s = s->next) {
        tql_stage_print(s, out);
        (void)buf_append_cstr(out, s->next ? " | " : "");
    }
}

/* --- metrics and the whole ------------------------------------------------------------------------- */

const char *
tql_metric_name(enum tql_metric_fn fn)
{
    static const char *const names[] = {
        "",
        "rate",
        "count_over_time",
        "min_over_time",
        "max_over_time",
        "avg_over_time",
        "sum_over_time",
        "histogram_over_time",
        "quantile_over_time",
        "compare",
    };
    return names[fn];
}

static void
print_compare(const struct tql_metric *m, struct buf *out)
{
    tql_stage_print(m->compare, out);
    (void)buf_append_cstr(out, ", ");
    (void)buf_append_i64(out, m->compare_top);
    if (m->has_range) {
        (void)buf_append_cstr(out, ", ");
        (void)buf_append_i64(out, m->compare_start_ns);
        (void)buf_append_cstr(out, ", ");
        (void)buf_append_i64(out, m->compare_end_ns);
    }
}

void
tql_metric_print(const struct tql_metric *m, struct buf *out)
{
    (void)buf_append_cstr(out, tql_metric_name((enum tql_metric_fn)m->fn));
    (void)buf_append_byte(out, '(');
    if (m->fn == TQL_METRIC_COMPARE) {
        print_compare(m, out);
    } else if (m->fn >= TQL_METRIC_MIN) {
        tql_attr_print(&m->attr, out);
    }
    for (size_t i = 0; i < m->quantile_count; i++) {
        struct tql_static q = tql_static_float(m->quantiles[i]);
        (void)buf_append_cstr(out, ", ");
        tql_static_print(&q, out);
    }
    (void)buf_append_byte(out, ')');
    if (m->by_count > 0) {
        (void)buf_append_cstr(out, " by ");
        print_attrs(m->by, m->by_count, out);
    }
}

static void
print_second(const struct tql_second *s, struct buf *out)
{
    if (s->kind == TQL_SECOND_COMPARE) {
        (void)buf_append_byte(out, ' ');
        (void)buf_append_cstr(out, tql_op_text((enum tql_op)s->op));
        (void)buf_append_byte(out, ' ');
        tql_static_print(&s->value, out);
        return;
    }
    (void)buf_append_cstr(out, s->kind == TQL_SECOND_TOPK ? " | topk(" : " | bottomk(");
    (void)buf_append_i64(out, s->limit);
    (void)buf_append_byte(out, ')');
}

void
traceql_print(const struct tql_query *q, struct buf *out)
{
    print_chain(q->pipeline, out);
    if (q->metric) {
        (void)buf_append_cstr(out, " | ");
        tql_metric_print(q->metric, out);
    }
    for (size_t i = 0; i < q->second_count; i++) {
        print_second(&q->seconds[i], out);
    }
    for (size_t i = 0; i < q->hint_count; i++) {
        (void)buf_append_cstr(out, i ? ", " : " with(");
        (void)buf_append_slice(out, q->hints[i].name);
        (void)buf_append_byte(out, '=');
        tql_static_print(&q->hints[i].value, out);
    }
    (void)buf_append_cstr(out, q->hint_count ? ")" : "");
}
