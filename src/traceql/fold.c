#include "build.h"

#include "vivace/traceql/regex.h"

#include <math.h>

static bool
fold_regex(const struct tql_expr *e, struct tql_static *ret)
{
    struct tql_regex *re = NULL;
    const struct tql_static *text = &tql_expr_a(e)->value, *pattern = &tql_expr_b(e)->value;
    if (tql_regex_create(tql_static_slice(pattern), NULL, &re) != OK) {
        return false; /* the checker says so */
    }
    *ret = tql_static_bool(tql_static_match(text, re, e->op == TQL_OP_NRE));
    tql_regex_destroy(re);
    return true;
}

static bool
fold_binary(const struct tql_expr *e, unsigned *regexes_left, struct tql_static *ret)
{
    const struct tql_expr *a = tql_expr_a(e), *b = tql_expr_b(e);
    enum tql_op op = (enum tql_op)e->op;
    if (a->kind != TQL_EXPR_STATIC || b->kind != TQL_EXPR_STATIC || !tql_types_match(a->type, b->type) ||
        !tql_types_fit_binary(op, a->type, b->type)) {
        return false;
    }
    if (op == TQL_OP_RE || op == TQL_OP_NRE) {
        if (*regexes_left == 0) {
            return false;
        }
        --*regexes_left;
        return fold_regex(e, ret);
    }
    return tql_static_binary(op, &a->value, &b->value, ret, NULL) == OK;
}

static bool
fold_unary(const struct tql_expr *e, struct tql_static *ret)
{
    const struct tql_expr *a = tql_expr_a(e);
    if (a->kind != TQL_EXPR_STATIC || !tql_type_fits_unary((enum tql_op)e->op, a->type)) {
        return false;
    }
    *ret = a->value;
    switch ((enum tql_op)e->op) {
    case TQL_OP_NOT:
        ret->b = !ret->b;
        break;
    case TQL_OP_SUB:
        if (ret->type == TQL_FLOAT) {
            ret->f = -ret->f;
        } else {
            ret->i = (int64_t)(0 - (uint64_t)ret->i);
        }
        break;
    default:
        *ret = tql_static_bool(e->op == TQL_OP_EXISTS);
    }
    return true;
}

bool
tql_fold(struct tql_expr *e, unsigned *regexes_left)
{
    struct tql_static value;
    if (e->kind == TQL_EXPR_UNARY ? !fold_unary(e, &value) : !fold_binary(e, regexes_left, &value)) {
        return false;
    }
    if (value.type == TQL_FLOAT && !isfinite(value.f)) {
        return false; /* there is no literal for it */
    }
    *e = (struct tql_expr){.kind = TQL_EXPR_STATIC, .type = value.type, .value = value};
    return true;
}
