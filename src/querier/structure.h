/* Relations between two sets of rows of a trace: `>` `>>` `<` `<<` `~`, their negations and unions.
 *
 * Linear in the rows of the trace. Spans no root reaches take part in no relation and satisfy every negated
 * one. Two roots are siblings. Threads: one owner. */
#pragma once

#include "shape.h"

#include "vivace/traceql/static.h"

/* A set of rows as one byte each. */
struct row_marks {
    uint8_t *at;
};

enum { MARK_LEFT = 1, MARK_RIGHT = 2, MARK_LEFT_PAIRED = 4, MARK_RIGHT_PAIRED = 8, MARK_OUT = 16 };

bool op_is_negated(enum tql_op op);
bool op_is_union(enum tql_op op);
/* `marks` has MARK_LEFT and MARK_RIGHT for the operands' rows; adds MARK_OUT to the rows of the answer.
 * `work` has room for shape->count + 1 counters. */
void structure_apply(enum tql_op op, const struct shape *s, uint8_t *marks, uint32_t *work);
