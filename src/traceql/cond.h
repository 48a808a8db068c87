/* The form of a condition, shared by programs and tag filters. */
#pragma once

#include "vivace/traceql/program.h"

/* The attribute of `e` when it is `attribute op literal`, `literal op attribute`, a nil test or a bare
 * attribute; fills operator and literal of `ret`, mirrored when the literal came first. NULL when it is
 * something else. */
const struct tql_attr *tql_expr_cond(const struct tql_expr *e, struct tql_cond *ret);
