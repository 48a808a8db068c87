#include "build.h"

bool
tql_types_match(uint8_t a, uint8_t b)
{
    return a == TQL_DYNAMIC || b == TQL_DYNAMIC || a == b ||
           (tql_type_is_numeric(a) && tql_type_is_numeric(b));
}

static bool
type_fits(enum tql_op op, uint8_t type)
{
    bool equality = op == TQL_OP_EQ || op == TQL_OP_NEQ;
    switch (type) {
    case TQL_DYNAMIC:
        return true;
    case TQL_INT:
    case TQL_FLOAT:
    case TQL_DURATION:
        return tql_op_is_arith(op) || tql_op_is_compare(op);
    case TQL_STRING:
        return tql_op_is_compare(op) || op == TQL_OP_RE || op == TQL_OP_NRE;
    case TQL_BOOL:
        return equality || op == TQL_OP_AND || op == TQL_OP_OR;
    default:
        return equality;
    }
}

bool
tql_types_fit_binary(enum tql_op op, uint8_t a, uint8_t b)
{
    return type_fits(op, a) && type_fits(op, b);
}

bool
tql_type_fits_unary(enum tql_op op, uint8_t type)
{
    switch (op) {
    case TQL_OP_SUB:
        return type == TQL_DYNAMIC || tql_type_is_numeric(type);
    case TQL_OP_NOT:
        return type == TQL_DYNAMIC || type == TQL_BOOL;
    default:
        return true;
    }
}
