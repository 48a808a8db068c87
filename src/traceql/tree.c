#include "vivace/traceql/ast.h"

void
tql_walk_start(struct tql_walk *w, const struct tql_tree *root)
{
    *w = (struct tql_walk){.root = root, .at = root};
}

bool
tql_walk_next(struct tql_walk *w)
{
    if (!w->started) {
        w->started = true;
        w->phase = TQL_VISIT_PRE;
        return true;
    }
    if (w->phase == TQL_VISIT_PRE && w->at->a) {
        w->at = w->at->a;
        return true;
    }
    if (w->phase == TQL_VISIT_PRE) {
        w->phase = TQL_VISIT_POST;
        return true;
    }
    if (w->phase == TQL_VISIT_IN) {
        w->at = w->at->b;
        w->phase = TQL_VISIT_PRE;
        return true;
    }
    if (w->at == w->root) {
        return false;
    }
    const struct tql_tree *child = w->at;
    w->at = child->up;
    w->phase = w->at->a == child && w->at->b ? TQL_VISIT_IN : TQL_VISIT_POST;
    return true;
}

const struct tql_static *
tql_query_hint(const struct tql_query *q, slice name)
{
    for (size_t i = q->hint_count; i > 0; i--) {
        if (slice_eq(q->hints[i - 1].name, name)) {
            return &q->hints[i - 1].value;
        }
    }
    return NULL;
}
