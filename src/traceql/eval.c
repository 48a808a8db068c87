#include "vivace/traceql/program.h"
#include "vivace/traceql/traceql.h"

/* `! x` and `- x`; of what is absent the one is false, the other absent. False when the type does not allow
 * it. */
static bool
eval_unary(enum tql_op op, struct tql_static *v)
{
    if (op == TQL_OP_EXISTS || op == TQL_OP_NOT_EXISTS) {
        *v = tql_static_bool((v->type != TQL_NIL) == (op == TQL_OP_EXISTS));
    } else if (v->type == TQL_NIL) {
        *v = op == TQL_OP_NOT ? tql_static_bool(false) : *v;
    } else if (op == TQL_OP_NOT && v->type == TQL_BOOL) {
        v->b = !v->b;
    } else if (op == TQL_OP_SUB && v->type == TQL_FLOAT) {
        v->f = -v->f;
    } else if (op == TQL_OP_SUB && tql_type_is_numeric(v->type)) {
        v->i = (int64_t)(0 - (uint64_t)v->i);
    } else {
        return false;
    }
    return true;
}

/* The expression behind a unary minus or not: the n-th of its kind, counted in postfix order in the program
 * and in the tree alike. */
static const struct tql_expr *
find_unary(const struct tql_program *p, uint32_t at)
{
    uint32_t n = 0;
    struct tql_walk w;
    for (uint32_t i = 0; i < at; i++) {
        n += p->insns[i].code == TQL_CODE_UNARY && p->insns[i].op == p->insns[at].op;
    }
    tql_walk_start(&w, &p->expr->tree);
    while (tql_walk_next(&w)) {
        const struct tql_expr *e = (const struct tql_expr *)w.at;
        if (w.phase == TQL_VISIT_POST && e->kind == TQL_EXPR_UNARY && e->op == p->insns[at].op && n-- == 0) {
            return e;
        }
    }
    return p->expr;
}

static err
refuse_unary(const struct tql_program *p, uint32_t at, uint8_t type, struct fault *f)
{
    struct buf b;
    buf_init(&b, TQL_QUERY_BYTES_MAX);
    tql_expr_print(find_unary(p, at), &b);
    err rc = FAULT(f, ERR_INVALID, "expression (%.*s) expected a %s, but got %s", (int)b.n,
                   b.n ? (const char *)b.p : "", p->insns[at].op == TQL_OP_NOT ? "boolean" : "numeric",
                   tql_type_name(type));
    buf_fini(&b);
    return rc;
}

bool
tql_cond_eval(const struct tql_cond *c, const struct tql_static *value)
{
    bool result = false;
    switch ((enum tql_op)c->op) {
    case TQL_OP_EXISTS:
        return value->type != TQL_NIL;
    case TQL_OP_NOT_EXISTS:
        return value->type == TQL_NIL;
    case TQL_OP_RE:
    case TQL_OP_NRE:
        return tql_static_match(value, c->regex, c->op == TQL_OP_NRE);
    default:
        return tql_static_compare((enum tql_op)c->op, value, &c->value, &result, NULL) == OK && result;
    }
}

static bool
jumps(const struct tql_insn *i, const struct tql_static *top)
{
    return top->type == TQL_BOOL && top->b == (i->code == TQL_CODE_JUMP_TRUE);
}

err
tql_program_eval(const struct tql_program *p, const struct tql_static *slots, struct tql_static *stack,
                 struct fault *f, struct tql_static *ret)
{
    struct tql_static *top = stack - 1; /* grows up */
    err rc = OK;
    for (uint32_t at = 0; at < p->insn_count; at++) {
        const struct tql_insn *i = &p->insns[at];
        switch ((enum tql_code)i->code) {
        case TQL_CODE_SLOT:
            *++top = slots[i->arg];
            break;
        case TQL_CODE_CONST:
            *++top = p->consts[i->arg];
            break;
        case TQL_CODE_COND:
            *++top = tql_static_bool(tql_cond_eval(&p->conds[i->arg], &slots[p->conds[i->arg].slot]));
            break;
        case TQL_CODE_MATCH:
            *top = tql_static_bool(tql_static_match(top, p->regexes[i->arg], i->op == TQL_OP_NRE));
            break;
        case TQL_CODE_UNARY:
            if (!eval_unary((enum tql_op)i->op, top)) {
                return refuse_unary(p, at, top->type, f);
            }
            break;
        case TQL_CODE_BINARY:
            top--;
            rc = tql_static_binary((enum tql_op)i->op, top, top + 1, top, f);
            if (rc != OK) {
                return rc;
            }
            break;
        case TQL_CODE_JUMP_FALSE:
        case TQL_CODE_JUMP_TRUE:
            if (jumps(i, top)) {
                at = i->arg - 1;
            }
            break;
        }
    }
    *ret = *top;
    return OK;
}
