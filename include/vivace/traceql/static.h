/* TraceQL values and what can be done with two of them.
 *
 * A `struct tql_static` is 16 bytes, passed by pointer, owns nothing: strings and arrays point into the
 * query's arena or into whatever the one who filled it says (a column, a dictionary). The functions here are
 * the language's documented semantics; where Tempo's storage makes a query answer otherwise, this is the
 * documented answer:
 *
 *   int, float and duration compare and calculate with each other; a bare number beside a duration is
 * nanoseconds int with int stays int (wrap-around, `7 / 2` is 3, `2 ^ 3` is 8); any float or duration makes a
 * float nil, or types that do not fit, compare to false under every operator, `!=` and `!~` too; such
 * arithmetic gives the boolean false an array fits when any element does; under `!=` and `!~` when no element
 * equals or matches a logical operator with an operand that is no boolean is false
 *
 * Threads: values and pure functions, safe anywhere.
 */
#pragma once

#include "vivace/base/buf.h"
#include "vivace/base/err.h"
#include "vivace/base/slice.h"

enum tql_type {
    TQL_NIL = 0, /* absent */
    TQL_INT,
    TQL_FLOAT,
    TQL_STRING,
    TQL_BOOL,
    TQL_DURATION, /* ns */
    TQL_STATUS,   /* TQL_STATUS_*; other numbers are kept as they are */
    TQL_KIND,     /* OTLP SpanKind */
    TQL_INT_ARRAY,
    TQL_FLOAT_ARRAY,
    TQL_STRING_ARRAY,
    TQL_BOOL_ARRAY,
    TQL_DYNAMIC, /* only as the type of an expression: known when it runs */
    TQL_TYPE_COUNT
};

/* Numbers of the status enumeration as OTLP has them. */
enum { TQL_STATUS_UNSET = 0, TQL_STATUS_OK = 1, TQL_STATUS_ERROR = 2 };

struct tql_static {
    union {
        int64_t i; /* INT, DURATION, STATUS, KIND */
        double f;
        bool b;
        const uint8_t *s;     /* STRING */
        const int64_t *ints;  /* INT_ARRAY */
        const double *floats; /* FLOAT_ARRAY */
        const slice *strings; /* STRING_ARRAY */
        const bool *bools;    /* BOOL_ARRAY */
    };
    uint32_t n;   /* bytes of the string, elements of the array; an empty array is given as TQL_NIL */
    uint8_t type; /* enum tql_type */
};

/* Every operator of the language: between values, on one value, between spansets. */
enum tql_op {
    TQL_OP_NONE = 0,
    TQL_OP_ADD,
    TQL_OP_SUB, /* also unary minus */
    TQL_OP_MUL,
    TQL_OP_DIV,
    TQL_OP_MOD,
    TQL_OP_POW,
    TQL_OP_EQ,
    TQL_OP_NEQ,
    TQL_OP_LT,
    TQL_OP_LTE,
    TQL_OP_GT,
    TQL_OP_GTE,
    TQL_OP_RE,
    TQL_OP_NRE, /* between spansets: not a sibling */
    TQL_OP_AND,
    TQL_OP_OR,
    TQL_OP_NOT,
    TQL_OP_EXISTS,     /* x != nil */
    TQL_OP_NOT_EXISTS, /* x = nil */
    /* Between spansets only; GT is child, LT is parent, NRE is "not sibling". */
    TQL_OP_DESC,
    TQL_OP_ANCE,
    TQL_OP_SIBL,
    TQL_OP_NOT_CHILD,
    TQL_OP_NOT_PARENT,
    TQL_OP_NOT_DESC,
    TQL_OP_NOT_ANCE,
    TQL_OP_UNION_CHILD,
    TQL_OP_UNION_PARENT,
    TQL_OP_UNION_DESC,
    TQL_OP_UNION_ANCE,
    TQL_OP_UNION_SIBL,
    TQL_OP_COUNT
};

/* "+", ">>", ...; "" for NONE. */
const char *tql_op_text(enum tql_op op);
/* The operator with its sides changed: `<` for `>`; itself for the symmetric ones. */
enum tql_op tql_op_mirror(enum tql_op op);
static inline bool
tql_op_is_arith(enum tql_op op)
{
    return op >= TQL_OP_ADD && op <= TQL_OP_POW;
}
static inline bool
tql_op_is_compare(enum tql_op op)
{
    return op >= TQL_OP_EQ && op <= TQL_OP_GTE;
}

static inline bool
tql_type_is_numeric(uint8_t type)
{
    return type == TQL_INT || type == TQL_FLOAT || type == TQL_DURATION;
}
static inline bool
tql_type_is_array(uint8_t type)
{
    return type >= TQL_INT_ARRAY && type <= TQL_BOOL_ARRAY;
}

#define TQL_STATIC_NIL ((struct tql_static){.type = TQL_NIL})
struct tql_static tql_static_int(int64_t i);
struct tql_static tql_static_float(double f);
struct tql_static tql_static_bool(bool b);
struct tql_static tql_static_duration(int64_t ns);
struct tql_static tql_static_status(int64_t status);
struct tql_static tql_static_kind(int64_t kind);
/* Borrows; more than 4 GiB is cut. */
struct tql_static tql_static_string(slice s);
static inline slice
tql_static_slice(const struct tql_static *v)
{
    return v->type == TQL_STRING ? slice_of(v->s, v->n) : SL_EMPTY;
}
static inline bool
tql_static_is_true(const struct tql_static *v)
{
    return v->type == TQL_BOOL && v->b;
}
/* Element `i` of an array. */
struct tql_static tql_static_element(const struct tql_static *array, uint32_t i);
/* The number as a double (a duration in ns); false when it is none. */
bool tql_static_number(const struct tql_static *v, double *ret);

/* `=` to `>=`. ERR_UNSUPPORTED for two arrays, otherwise OK. O(elements) for an array. */
CHECKED err tql_static_compare(enum tql_op op, const struct tql_static *a, const struct tql_static *b,
                               bool *ret, struct fault *f);
/* `+` to `^`. ERR_INVALID "division by zero", "modulo by zero" (int with int only), ERR_UNSUPPORTED for
 * arrays. */
CHECKED err tql_static_arith(enum tql_op op, const struct tql_static *a, const struct tql_static *b,
                             struct tql_static *ret, struct fault *f);
/* Both of the above, `&&` and `||`. `ret` may be `a` or `b`. */
CHECKED err tql_static_binary(enum tql_op op, const struct tql_static *a, const struct tql_static *b,
                              struct tql_static *ret, struct fault *f);

/* Same type and same value (NaN equals NaN): what by() groups on. */
bool tql_static_same(const struct tql_static *a, const struct tql_static *b);
/* Agrees with tql_static_same. */
uint64_t tql_static_hash(const struct tql_static *v, uint64_t seed);
/* A total order: by type, then by value. */
int tql_static_order(const struct tql_static *a, const struct tql_static *b);

/* As query text: strings in backticks (double quotes where those cannot), durations in Go's notation, floats
 * with a point or an exponent, so that reading it again gives the same value. */
void tql_static_print(const struct tql_static *v, struct buf *out);
/* As a label or a tag value: a string as it is, nil as "nil". */
void tql_static_print_plain(const struct tql_static *v, struct buf *out);
/* "TypeString", ...: the name error texts use. */
const char *tql_type_name(uint8_t type);
