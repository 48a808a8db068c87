#include "vivace/traceql/static.h"

#include "number.h"

#include "vivace/base/table.h"

#include <math.h>

static const char *const op_text[TQL_OP_COUNT] = {
    [TQL_OP_NONE] = "",           [TQL_OP_ADD] = "+",
    [TQL_OP_SUB] = "-",           [TQL_OP_MUL] = "*",
    [TQL_OP_DIV] = "/",           [TQL_OP_MOD] = "%",
    [TQL_OP_POW] = "^",           [TQL_OP_EQ] = "=",
    [TQL_OP_NEQ] = "!=",          [TQL_OP_LT] = "<",
    [TQL_OP_LTE] = "<=",          [TQL_OP_GT] = ">",
    [TQL_OP_GTE] = ">=",          [TQL_OP_RE] = "=~",
    [TQL_OP_NRE] = "!~",          [TQL_OP_AND] = "&&",
    [TQL_OP_OR] = "||",           [TQL_OP_NOT] = "!",
    [TQL_OP_EXISTS] = "!= nil",   [TQL_OP_NOT_EXISTS] = "= nil",
    [TQL_OP_DESC] = ">>",         [TQL_OP_ANCE] = "<<",
    [TQL_OP_SIBL] = "~",          [TQL_OP_NOT_CHILD] = "!>",
    [TQL_OP_NOT_PARENT] = "!<",   [TQL_OP_NOT_DESC] = "!>>",
    [TQL_OP_NOT_ANCE] = "!<<",    [TQL_OP_UNION_CHILD] = "&>",
    [TQL_OP_UNION_PARENT] = "&<", [TQL_OP_UNION_DESC] = "&>>",
    [TQL_OP_UNION_ANCE] = "&<<",  [TQL_OP_UNION_SIBL] = "&~",
};

static const char *const type_names[TQL_TYPE_COUNT] = {
    "TypeNil",         "TypeInt",          "TypeFloat",     "TypeString",   "TypeBoolean",
    "TypeDuration",    "TypeStatus",       "TypeKind",      "TypeIntArray", "TypeFloatArray",
    "TypeStringArray", "TypeBooleanArray", "TypeAttribute",
};

const char *
tql_op_text(enum tql_op op)
{
    return op_text[op];
}

const char *
tql_type_name(uint8_t type)
{
    return type < TQL_TYPE_COUNT ? type_names[type] : "TypeUnknown";
}

enum tql_op
tql_op_mirror(enum tql_op op)
{
    switch (op) {
    case TQL_OP_LT:
        return TQL_OP_GT;
    case TQL_OP_LTE:
        return TQL_OP_GTE;
    case TQL_OP_GT:
        return TQL_OP_LT;
    case TQL_OP_GTE:
        return TQL_OP_LTE;
    default:
        return op;
    }
}

struct tql_static
tql_static_int(int64_t i)
{
    return (struct tql_static){.type = TQL_INT, .i = i};
}

struct tql_static
tql_static_float(double f)
{
    return (struct tql_static){.type = TQL_FLOAT, .f = f};
}

struct tql_static
tql_static_bool(bool b)
{
    return (struct tql_static){.type = TQL_BOOL, .b = b};
}

struct tql_static
tql_static_duration(int64_t ns)
{
    return (struct tql_static){.type = TQL_DURATION, .i = ns};
}

struct tql_static
tql_static_status(int64_t status)
{
    return (struct tql_static){.type = TQL_STATUS, .i = status};
}

struct tql_static
tql_static_kind(int64_t kind)
{
    return (struct tql_static){.type = TQL_KIND, .i = kind};
}

struct tql_static
tql_static_string(slice s)
{
    return (struct tql_static){
        .type = TQL_STRING, .s = s.p, .n = s.n > UINT32_MAX ? UINT32_MAX : (uint32_t)s.n};
}

struct tql_static
tql_static_element(const struct tql_static *array, uint32_t i)
{
    switch (array->type) {
    case TQL_INT_ARRAY:
        return tql_static_int(array->ints[i]);
    case TQL_FLOAT_ARRAY:
        return tql_static_float(array->floats[i]);
    case TQL_STRING_ARRAY:
        return tql_static_string(array->strings[i]);
    case TQL_BOOL_ARRAY:
        return tql_static_bool(array->bools[i]);
    default:
        return TQL_STATIC_NIL;
    }
}

bool
tql_static_number(const struct tql_static *v, double *ret)
{
    if (!tql_type_is_numeric(v->type)) {
        return false;
    }
    *ret = v->type == TQL_FLOAT ? v->f : (double)v->i;
    return true;
}

/* --- comparison ------------------------------------------------------------------------------------ */

static bool
order_fits(enum tql_op op, int order)
{
    switch (op) {
    case TQL_OP_EQ:
        return order == 0;
    case TQL_OP_NEQ:
        return order != 0;
    case TQL_OP_LT:
        return order < 0;
    case TQL_OP_LTE:
        return order <= 0;
    case TQL_OP_GT:
        return order > 0;
    case TQL_OP_GTE:
        return order >= 0;
    default:
        return false;
    }
}

static bool
compare_numbers(enum tql_op op, const struct tql_static *a, const struct tql_static *b)
{
    if (a->type != TQL_FLOAT && b->type != TQL_FLOAT) {
        return order_fits(op, a->i < b->i ? -1 : a->i > b->i);
    }
    double x = 0, y = 0;
    (void)tql_static_number(a, &x);
    (void)tql_static_number(b, &y);
    if (isnan(x) || isnan(y)) {
        return op == TQL_OP_NEQ;
    }
    return order_fits(op, x < y ? -1 : x > y);
}

static bool
compare_single(enum tql_op op, const struct tql_static *a, const struct tql_static *b)
{
    if (tql_type_is_numeric(a->type) && tql_type_is_numeric(b->type)) {
        return compare_numbers(op, a, b);
    }
    if (a->type != b->type) {
        return false;
    }
    bool equality = op == TQL_OP_EQ || op == TQL_OP_NEQ;
    switch (a->type) {
    case TQL_STRING:
        if (equality && a->n != b->n) {
            return op == TQL_OP_NEQ;
        }
        return order_fits(op, slice_cmp(tql_static_slice(a), tql_static_slice(b)));
    case TQL_BOOL:
        return equality && order_fits(op, a->b != b->b);
    case TQL_STATUS:
    case TQL_KIND:
        return equality && order_fits(op, a->i != b->i);
    default:
        return false;
    }
}

/* Whether an element of the array could equal the value at all. */
static bool
element_fits(const struct tql_static *array, const struct tql_static *v)
{
    struct tql_static e = tql_static_element(array, 0);
    return e.type == v->type || (tql_type_is_numeric(e.type) && tql_type_is_numeric(v->type));
}

static bool
compare_array(enum tql_op op, const struct tql_static *array, const struct tql_static *v)
{
    bool none = op == TQL_OP_NEQ;
    if (array->n == 0 || !element_fits(array, v)) {
        return false;
    }
    for (uint32_t i = 0; i < array->n; i++) {
        struct tql_static e = tql_static_element(array, i);
        if (compare_single(none ? TQL_OP_EQ : op, &e, v)) {
            return !none;
        }
    }
    return none;
}

err
tql_static_compare(enum tql_op op, const struct tql_static *a, const struct tql_static *b, bool *ret,
                   struct fault *f)
{
    bool array_a = tql_type_is_array(a->type), array_b = tql_type_is_array(b->type);
    if (array_a && array_b) {
        return FAULT(f, ERR_UNSUPPORTED, "array operators must consist of a scalar and an array operand");
    }
    *ret = array_a   ? compare_array(op, a, b)
           : array_b ? compare_array(tql_op_mirror(op), b, a)
                     : compare_single(op, a, b);
    return OK;
}

/* --- arithmetic ------------------------------------------------------------------------------------ */

/* By squaring, wrapping; a negative exponent gives the quotient 1 / base^n, which is 0 unless |base| is 1. */
static err
int_power(int64_t base, int64_t exponent, int64_t *ret, struct fault *f)
{
    if (exponent < 0) {
        if (base == 0) {
            return FAULT(f, ERR_INVALID, "division by zero");
        }
        *ret = base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
        return OK;
    }
    uint64_t result = 1, square = (uint64_t)base;
    for (uint64_t e = (uint64_t)exponent; e > 0; e >>= 1) {
        if (e & 1) {
            result *= square;
        }
        square *= square;
    }
    *ret = (int64_t)result;
    return OK;
}

static err
int_arith(enum tql_op op, int64_t a, int64_t b, int64_t *ret, struct fault *f)
{
    switch (op) {
    case TQL_OP_ADD:
        *ret = (int64_t)((uint64_t)a + (uint64_t)b);
        return OK;
    case TQL_OP_SUB:
        *ret = (int64_t)((uint64_t)a - (uint64_t)b);
        return OK;
    case TQL_OP_MUL:
        *ret = (int64_t)((uint64_t)a * (uint64_t)b);
        return OK;
    case TQL_OP_DIV:
        if (b == 0) {
            return FAULT(f, ERR_INVALID, "division by zero");
        }
        *ret = b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
        return OK;
    case TQL_OP_MOD:
        if (b == 0) {
            return FAULT(f, ERR_INVALID, "modulo by zero");
        }
        *ret = b == -1 ? 0 : a % b;
        return OK;
    default:
        return int_power(a, b, ret, f);
    }
}

static double
float_arith(enum tql_op op, double a, double b)
{
    switch (op) {
    case TQL_OP_ADD:
        return a + b;
    case TQL_OP_SUB:
        return a - b;
    case TQL_OP_MUL:
        return a * b;
    case TQL_OP_DIV:
        return a / b;
    case TQL_OP_MOD:
        return fmod(a, b);
    default:
        return pow(a, b);
    }
}

err
tql_static_arith(enum tql_op op, const struct tql_static *a, const struct tql_static *b,
                 struct tql_static *ret, struct fault *f)
{
    if (tql_type_is_array(a->type) || tql_type_is_array(b->type)) {
        return FAULT(f, ERR_UNSUPPORTED, "arithmetic on arrays is not supported: %s", tql_op_text(op));
    }
    double x, y;
    if (!tql_static_number(a, &x) || !tql_static_number(b, &y)) {
        *ret = tql_static_bool(false);
        return OK;
    }
    if (a->type == TQL_INT && b->type == TQL_INT) {
        int64_t i = 0;
        err rc = int_arith(op, a->i, b->i, &i, f);
        if (rc == OK) {
            *ret = tql_static_int(i);
        }
        return rc;
    }
    *ret = tql_static_float(float_arith(op, x, y));
    return OK;
}

err
tql_static_binary(enum tql_op op, const struct tql_static *a, const struct tql_static *b,
                  struct tql_static *ret, struct fault *f)
{
    if (tql_op_is_arith(op)) {
        return tql_static_arith(op, a, b, ret, f);
    }
    bool result = false;
    if (op == TQL_OP_AND || op == TQL_OP_OR) {
        bool a_true = tql_static_is_true(a), b_true = tql_static_is_true(b);
        if (a->type == TQL_BOOL && b->type == TQL_BOOL) {
            result = op == TQL_OP_AND ? a_true && b_true : a_true || b_true;
        } else { /* what would have stopped at the left side */
            result = op == TQL_OP_OR && a_true;
        }
    } else {
        err rc = tql_static_compare(op, a, b, &result, f);
        if (rc != OK) {
            return rc;
        }
    }
    *ret = tql_static_bool(result);
    return OK;
}

/* --- identity and order ---------------------------------------------------------------------------- */

static int
order_int(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* NaN before all numbers, 0.0 and -0.0 the same. */
static int
order_float(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return isnan(b) - isnan(a);
    }
    return a < b ? -1 : a > b;
}

int
tql_static_order(const struct tql_static *a, const struct tql_static *b)
{
    if (a->type != b->type) {
        return order_int(a->type, b->type);
    }
    switch (a->type) {
    case TQL_NIL:
        return 0;
    case TQL_FLOAT:
        return order_float(a->f, b->f);
    case TQL_STRING:
        return slice_cmp(tql_static_slice(a), tql_static_slice(b));
    case TQL_BOOL:
        return order_int(a->b, b->b);
    default:
        break;
    }
    if (!tql_type_is_array(a->type)) {
        return order_int(a->i, b->i);
    }
    for (uint32_t i = 0; i < a->n && i < b->n; i++) {
        struct tql_static x = tql_static_element(a, i), y = tql_static_element(b, i);
        int order = x.type == TQL_FLOAT    ? order_float(x.f, y.f)
                    : x.type == TQL_STRING ? slice_cmp(tql_static_slice(&x), tql_static_slice(&y))
                    : x.type == TQL_BOOL   ? order_int(x.b, y.b)
                                           : order_int(x.i, y.i);
        if (order != 0) {
            return order;
        }
    }
    return order_int(a->n, b->n);
}

bool
tql_static_same(const struct tql_static *a, const struct tql_static *b)
{
    return tql_static_order(a, b) == 0;
}

static uint64_t
hash_single(const struct tql_static *v, uint64_t seed)
{
    if (v->type == TQL_STRING) {
        return hash_bytes(v->s, v->n, seed + v->type);
    }
    uint64_t bits = 0;
    if (v->type == TQL_FLOAT) {
        double d = isnan(v->f) ? NAN : v->f == 0 ? 0.0 : v->f;
        memcpy(&bits, &d, sizeof bits);
    } else if (v->type == TQL_BOOL) {
        bits = v->b;
    } else if (v->type != TQL_NIL) {
        bits = (uint64_t)v->i;
    }
    return hash_bytes(&bits, sizeof bits, seed + v->type);
}

uint64_t
tql_static_hash(const struct tql_static *v, uint64_t seed)
{
    if (!tql_type_is_array(v->type)) {
        return hash_single(v, seed);
    }
    uint64_t h = seed + v->type;
    for (uint32_t i = 0; i < v->n; i++) {
        struct tql_static e = tql_static_element(v, i);
        h = hash_single(&e, h);
    }
    return h;
}
