#include "structure.h"

enum relation { REL_CHILD, REL_PARENT, REL_DESC, REL_ANCE, REL_SIBL };

bool
op_is_negated(enum tql_op op)
{
    return op == TQL_OP_NRE || (op >= TQL_OP_NOT_CHILD && op <= TQL_OP_NOT_ANCE);
}

bool
op_is_union(enum tql_op op)
{
    return op >= TQL_OP_UNION_CHILD && op <= TQL_OP_UNION_SIBL;
}

static enum relation
relation_of(enum tql_op op)
{
    switch (op) {
    case TQL_OP_GT:
    case TQL_OP_NOT_CHILD:
    case TQL_OP_UNION_CHILD:
        return REL_CHILD;
    case TQL_OP_LT:
    case TQL_OP_NOT_PARENT:
    case TQL_OP_UNION_PARENT:
        return REL_PARENT;
    case TQL_OP_DESC:
    case TQL_OP_NOT_DESC:
    case TQL_OP_UNION_DESC:
        return REL_DESC;
    case TQL_OP_ANCE:
    case TQL_OP_NOT_ANCE:
    case TQL_OP_UNION_ANCE:
        return REL_ANCE;
    default:
        return REL_SIBL;
    }
}

/* Mark with `paired` the `of` rows that have a `with` row as parent (or, with `far`, as any ancestor). */
static void
pair_upwards(const struct shape *s, uint8_t *marks, const uint8_t of, uint8_t with, uint8_t paired, bool far,
             uint32_t *above)
{
    for (size_t i = 0; i < s->connected; i++) { /* parents come before children */
        uint32_t row = s->order[i];
        uint32_t up = s->parent[row];
        above[row] = up != SHAPE_NO_ROW && ((marks[up] & with) || (far && above[up]));
        if ((marks[row] & of) && above[row]) {
            marks[row] |= paired;
        }
    }
}

/* The same for children and descendants. */
static void
pair_downwards(const struct shape *s, uint8_t *marks, uint8_t of, uint8_t with, uint8_t paired, bool far,
               uint32_t *below)
{
    for (size_t i = 0; i < s->connected; i++) {
        below[s->order[i]] = 0;
    }
    for (size_t i = s->connected; i-- > 0;) { /* children come before parents */
        uint32_t row = s->order[i];
        uint32_t up = s->parent[row];
        if (up != SHAPE_NO_ROW && ((marks[row] & with) || (far && below[row]))) {
            below[up] = 1;
        }
        if ((marks[row] & of) && below[row]) {
            marks[row] |= paired;
        }
    }
}

/* Siblings: the roots count under the place behind the last row. */
static void
pair_sideways(const struct shape *s, uint8_t *marks, uint8_t of, uint8_t with, uint8_t paired,
              uint32_t *count)
{
    memset(count, 0, (s->count + 1) * sizeof *count);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < s->connected; i++) {
            uint32_t row = s->order[i];
            uint32_t *siblings = &count[s->parent[row] == SHAPE_NO_ROW ? s->count : s->parent[row]];
            uint32_t self = (marks[row] & with) ? 1 : 0;
            if (pass == 0) {
                *siblings += self;
            } else if ((marks[row] & of) && *siblings > self) {
                marks[row] |= paired;
            }
        }
    }
}

static void
pair(enum relation rel, const struct shape *s, uint8_t *marks, uint8_t of, uint8_t with, uint8_t paired,
     uint32_t *work)
{
    switch (rel) {
    case REL_CHILD:
    case REL_DESC:
        pair_upwards(s, marks, of, with, paired, rel == REL_DESC, work);
        break;
    case REL_PARENT:
    case REL_ANCE:
        pair_downwards(s, marks, of, with, paired, rel == REL_ANCE, work);
        break;
    default:
        pair_sideways(s, marks, of, with, paired, work);
        break;
    }
}

static enum relation
inverse(enum relation rel)
{
    static const enum relation of[] = {[REL_CHILD] = REL_PARENT,
                                       [REL_PARENT] = REL_CHILD,
                                       [REL_DESC] = REL_ANCE,
                                       [REL_ANCE] = REL_DESC,
                                       [REL_SIBL] = REL_SIBL};
    return of[rel];
}

void
structure_apply(enum tql_op op, const struct shape *s, uint8_t *marks, uint32_t *work)
{
    enum relation rel = relation_of(op);
    pair(rel, s, marks, MARK_RIGHT, MARK_LEFT, MARK_RIGHT_PAIRED, work);
    if (op_is_union(op)) {
        pair(inverse(rel), s, marks, MARK_LEFT, MARK_RIGHT, MARK_LEFT_PAIRED, work);
    }
    for (size_t i = 0; i < s->count; i++) {
        bool paired = marks[i] & MARK_RIGHT_PAIRED;
        bool out =
            op_is_negated(op) ? (marks[i] & MARK_RIGHT) && !paired : paired || (marks[i] & MARK_LEFT_PAIRED);
        marks[i] |= out ? MARK_OUT : 0;
    }
}
