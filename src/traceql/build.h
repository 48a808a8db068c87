/* Between the parser's driver (parse.c) and its actions (build.c). */
#pragma once

#include "lexer.h"

#include "vivace/traceql/traceql.h"

struct list { /* an array in the arena */
    void *items;
    size_t n, cap;
};

struct chain {
    struct tql_stage *first, *last;
};

/* The value of a symbol on the parser's stack. */
union symbol {
    struct token token;
    struct tql_static value;
    struct tql_attr *attr;
    struct tql_expr *expr;
    struct tql_stage *stage;
    struct tql_scalar *scalar;
    struct tql_metric *metric;
    struct tql_second second;
    struct chain chain;
    struct list list;
    struct tql_hint *hint;
};

struct builder {
    struct lexer lexer;
    struct arena *arena;
    struct tql_query *query;
    unsigned regexes_left; /* constant ones still to be folded */
};

/* Apply an action to its `v[0..]` symbols; errors go to the lexer. */
void build_action(struct builder *b, uint8_t action, const union symbol *v, union symbol *ret);

/* Types of operands against operators: what the checker refuses and folding avoids. */
bool tql_types_match(uint8_t a, uint8_t b);
bool tql_types_fit_binary(enum tql_op op, uint8_t a, uint8_t b);
bool tql_type_fits_unary(enum tql_op op, uint8_t type);

/* Turn the operation, operands and type set, into one static when it is constant. */
bool tql_fold(struct tql_expr *e, unsigned *regexes_left);
