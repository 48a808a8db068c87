/* What a search result lists of a span's attributes, for the second evaluator: all that the query mentions; a
 * value that only conditions of filters look at when it satisfies one of them (traceql.md 5.8). */
#include "support/brute.h"

struct hunt {
    const struct brute_trace *t;
    const struct tql_attr *attr;
    const struct brute_value *value; /* to be judged by the conditions */
    bool always, satisfied;
};

static bool
is_it(const struct hunt *h, const struct tql_expr *e)
{
    return e->kind == TQL_EXPR_ATTR && tql_attr_same(&e->attr, h->attr);
}

static void
judge(struct hunt *h, enum tql_op op, const struct tql_static *literal)
{
    struct brute_value right = brute_of_static(literal, h->t->arena);
    struct brute_error none = {0};
    bool regex = op == TQL_OP_RE || op == TQL_OP_NRE;
    h->satisfied = h->satisfied ||
                   (regex ? brute_match(op, h->value, &right) : brute_compare(op, h->value, &right, &none));
}

static enum tql_op
mirror(enum tql_op op)
{
    return op == TQL_OP_LT    ? TQL_OP_GT
           : op == TQL_OP_GT  ? TQL_OP_LT
           : op == TQL_OP_LTE ? TQL_OP_GTE
           : op == TQL_OP_GTE ? TQL_OP_LTE
                              : op;
}

/* `alone`: the operand is `= true` when it is an attribute. */
static void
visit(struct hunt *h, const struct tql_expr *e, bool alone)
{
    const struct tql_expr *a = tql_expr_a(e), *b = tql_expr_b(e);
    enum tql_op op = (enum tql_op)e->op;
    if (e->kind == TQL_EXPR_STATIC) {
        return;
    }
    if (e->kind == TQL_EXPR_ATTR) {
        if (is_it(h, e) && alone) {
            judge(h, TQL_OP_EQ, &(struct tql_static){.type = TQL_BOOL, .b = true});
        } else if (is_it(h, e)) {
            h->always = true;
        }
        return;
    }
    if (e->kind == TQL_EXPR_UNARY) {
        bool test = op == TQL_OP_EXISTS || op == TQL_OP_NOT_EXISTS;
        if (test && is_it(h, a)) {
            h->satisfied = h->satisfied || op == TQL_OP_EXISTS;
        } else if (!test || a->kind != TQL_EXPR_ATTR) {
            visit(h, a, false);
        }
        return;
    }
    bool compares = tql_op_is_compare(op) || op == TQL_OP_RE || op == TQL_OP_NRE;
    if (compares && a->kind == TQL_EXPR_ATTR && b->kind == TQL_EXPR_STATIC) {
        if (is_it(h, a)) {
            judge(h, op, &b->value);
        }
    } else if (compares && a->kind == TQL_EXPR_STATIC && b->kind == TQL_EXPR_ATTR) {
        if (is_it(h, b)) {
            judge(h, mirror(op), &a->value);
        }
    } else {
        visit(h, a, op == TQL_OP_AND);
        visit(h, b, op == TQL_OP_AND);
    }
}

static bool
mentions(const struct hunt *h, const struct tql_expr *e)
{
    return e && (is_it(h, e) || ((e->kind == TQL_EXPR_UNARY || e->kind == TQL_EXPR_BINARY) &&
                                 (mentions(h, tql_expr_a(e)) || mentions(h, tql_expr_b(e)))));
}

static void
visit_stages(struct hunt *h, const struct tql_stage *s)
{
    for (; s; s = s->next) {
        switch (s->kind) {
        case TQL_STAGE_FILTER:
            visit(h, s->expr, true);
            break;
        case TQL_STAGE_SETOP:
            visit_stages(h, (const struct tql_stage *)s->tree.a);
            visit_stages(h, (const struct tql_stage *)s->tree.b);
            break;
        case TQL_STAGE_PIPELINE:
            visit_stages(h, s->first);
            break;
        case TQL_STAGE_SCALAR:
            h->always = h->always || mentions(h, s->lhs->expr);
            break;
        case TQL_STAGE_GROUP:
            h->always = h->always || mentions(h, s->expr);
            break;
        case TQL_STAGE_SELECT:
            for (size_t i = 0; i < s->attr_count; i++) {
                h->always = h->always || tql_attr_same(&s->attrs[i], h->attr);
            }
            break;
        default:
            break;
        }
    }
}

struct brute_value
brute_shown(const struct brute_trace *t, size_t row, const struct tql_query *q, const struct tql_attr *at)
{
    const struct span *s = &t->b->spans[row];
    enum tql_level level = tql_attr_level(at);
    bool part = level == TQL_LEVEL_EVENT || level == TQL_LEVEL_LINK;
    uint32_t n = level == TQL_LEVEL_EVENT ? s->events.n : part ? s->links.n : 1;
    for (uint32_t i = 0; i < n; i++) {
        struct brute_value v = brute_lookup(t, row, at, part ? (int)i : -1, part ? (int)i : -1);
        struct hunt h = {.t = t, .attr = at, .value = &v};
        visit_stages(&h, q->pipeline);
        if (v.type != BRUTE_NIL && (h.always || h.satisfied)) {
            return v;
        }
    }
    return (struct brute_value){0};
}
