/* Expressions, spansets and what a result shows, for the second evaluator. */
#include "support/brute.h"

#include "vivace/traceql/traceql.h"

#include <stdio.h>

static struct brute_value
bool_of(bool b)
{
    return (struct brute_value){.type = BRUTE_BOOL, .b = b};
}

static bool
is_true(const struct brute_value *v)
{
    return v->type == BRUTE_BOOL && v->b;
}

static struct brute_value
fail_unary(const struct tql_expr *e, const char *wanted, const struct brute_value *v,
           struct brute_error *wrong)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    tql_expr_print(e, &text);
    if (!wrong->failed) {
        wrong->failed = true;
        (void)snprintf(wrong->text, sizeof wrong->text, "expression (%.*s) expected a %s, but got %s",
                       SL_FMT(buf_slice(&text)), wanted, brute_type_name(v));
    }
    buf_fini(&text);
    return (struct brute_value){0};
}

static struct brute_value
unary(const struct tql_expr *e, struct brute_value v, struct brute_error *wrong)
{
    if (e->op == TQL_OP_EXISTS || e->op == TQL_OP_NOT_EXISTS) {
        return bool_of((v.type == BRUTE_NIL) == (e->op == TQL_OP_NOT_EXISTS));
    }
    if (v.type == BRUTE_NIL) { /* no error: Tempo does not even fetch what is absent */
        return e->op == TQL_OP_NOT ? bool_of(false) : v;
    }
    switch (e->op) {
    case TQL_OP_NOT:
        return v.type == BRUTE_BOOL ? bool_of(!v.b) : fail_unary(e, "boolean", &v, wrong);
    default:
        if (v.type == BRUTE_INT || v.type == BRUTE_DURATION) {
            v.i = (int64_t)(0 - (uint64_t)v.i);
            return v;
        }
        v.f = -v.f;
        return v.type == BRUTE_FLOAT ? v : fail_unary(e, "numeric", &v, wrong);
    }
}

/* An attribute alone is `= true`, of an array any element: alone in a filter and beside `&&`. */
static struct brute_value
alone(const struct tql_expr *e, struct brute_value v)
{
    struct brute_value yes = bool_of(true);
    struct brute_error none = {0};
    return e->kind == TQL_EXPR_ATTR ? bool_of(brute_compare(TQL_OP_EQ, &v, &yes, &none)) : v;
}

/* `true || x` and `false && x` do not look at x; what is no boolean makes the whole false. */
static struct brute_value
logic(const struct brute_trace *t, size_t row, const struct tql_expr *e, int event, int link,
      struct brute_error *wrong)
{
    struct brute_value a = brute_expr(t, row, tql_expr_a(e), event, link, wrong);
    a = e->op == TQL_OP_AND ? alone(tql_expr_a(e), a) : a;
    if (wrong->failed || (a.type == BRUTE_BOOL && a.b == (e->op == TQL_OP_OR))) {
        return a;
    }
    struct brute_value b = brute_expr(t, row, tql_expr_b(e), event, link, wrong);
    b = e->op == TQL_OP_AND ? alone(tql_expr_b(e), b) : b;
    if (wrong->failed || a.type != BRUTE_BOOL || b.type != BRUTE_BOOL) {
        return bool_of(false);
    }
    return b;
}

struct brute_value
brute_expr(const struct brute_trace *t, size_t row, const struct tql_expr *e, int event, int link,
           struct brute_error *wrong)
{
    if (e->kind == TQL_EXPR_STATIC) {
        return brute_of_static(&e->value, t->arena);
    }
    if (e->kind == TQL_EXPR_ATTR) {
        return brute_lookup(t, row, &e->attr, event, link);
    }
    if (e->kind == TQL_EXPR_UNARY) {
        struct brute_value v = brute_expr(t, row, tql_expr_a(e), event, link, wrong);
        return wrong->failed ? v : unary(e, v, wrong);
    }
    if (e->op == TQL_OP_AND || e->op == TQL_OP_OR) {
        return logic(t, row, e, event, link, wrong);
    }
    struct brute_value a = brute_expr(t, row, tql_expr_a(e), event, link, wrong);
    struct brute_value b = wrong->failed ? a : brute_expr(t, row, tql_expr_b(e), event, link, wrong);
    if (wrong->failed) {
        return b;
    }
    if (e->op == TQL_OP_RE || e->op == TQL_OP_NRE) {
        return bool_of(brute_match((enum tql_op)e->op, &a, &b));
    }
    if (tql_op_is_compare((enum tql_op)e->op)) {
        return bool_of(brute_compare((enum tql_op)e->op, &a, &b, wrong));
    }
    return brute_arith((enum tql_op)e->op, &a, &b, wrong);
}

static bool
mentions(const struct tql_expr *e, enum tql_level level)
{
    if (!e || e->kind == TQL_EXPR_STATIC) {
        return false;
    }
    return e->kind == TQL_EXPR_ATTR ? tql_attr_level(&e->attr) == level
                                    : mentions(tql_expr_a(e), level) || mentions(tql_expr_b(e), level);
}

/* `x && false` keeps nothing and is not even looked at: no error of x comes up (traceql.md 5.8). */
static bool
never(const struct tql_expr *e)
{
    if (e->kind == TQL_EXPR_STATIC) {
        return e->value.type == TQL_BOOL && !e->value.b;
    }
    if (e->kind != TQL_EXPR_BINARY || (e->op != TQL_OP_AND && e->op != TQL_OP_OR)) {
        return false;
    }
    bool a = never(tql_expr_a(e)), b = never(tql_expr_b(e));
    return e->op == TQL_OP_AND ? a || b : a && b;
}

struct parts {
    int event, events, link, links; /* numbers from; -1 when there is none */
};

static struct parts
parts_of(const struct brute_trace *t, size_t row, const struct tql_expr *e)
{
    const struct span *s = &t->b->spans[row];
    struct parts p = {.events = mentions(e, TQL_LEVEL_EVENT) ? (int)s->events.n : 0,
                      .links = mentions(e, TQL_LEVEL_LINK) ? (int)s->links.n : 0};
    p.event = p.events ? 0 : -1;
    p.link = p.links ? 0 : -1;
    return p;
}

/* One and the same event (and link) makes the whole filter true. */
bool
brute_keeps(const struct brute_trace *t, size_t row, const struct tql_expr *e, struct brute_error *wrong)
{
    struct parts p = parts_of(t, row, e);
    if (never(e)) {
        return false;
    }
    for (int i = p.event; i == p.event || i < p.events; i++) {
        for (int k = p.link; k == p.link || k < p.links; k++) {
            struct brute_value v = alone(e, brute_expr(t, row, e, i, k, wrong));
            if (wrong->failed || is_true(&v)) {
                return !wrong->failed;
            }
        }
    }
    return false;
}

/* An expression of by() and of aggregates: of several events or links the first that gives a value. */
static struct brute_value
outside_filter(const struct brute_trace *t, size_t row, const struct tql_expr *e, struct brute_error *wrong)
{
    struct parts p = parts_of(t, row, e);
    for (int i = p.event; i == p.event || i < p.events; i++) {
        for (int k = p.link; k == p.link || k < p.links; k++) {
            struct brute_value v = brute_expr(t, row, e, i, k, wrong);
            if (wrong->failed || v.type != BRUTE_NIL) {
                return v;
            }
        }
    }
    return (struct brute_value){0};
}

/* --- spansets ------------------------------------------------------------------------------------------ */

static struct brute_set *
set_make(const struct brute_trace *t, const struct brute_label *labels)
{
    struct brute_set *s = arena_new(t->arena, struct brute_set);
    s->rows = arena_new_array(t->arena, bool, t->b->span_count + 1);
    s->labels = labels;
    return s;
}

static void
set_add(struct brute_set *s, size_t row)
{
    s->count += !s->rows[row];
    s->rows[row] = true;
}

/* Empty sets go. */
static void
list_add(struct brute_set ***tail, struct brute_set *s)
{
    if (s->count) {
        **tail = s;
        *tail = &s->next;
        s->next = NULL;
    }
}

static struct brute_set *run_chain(const struct brute_trace *t, const struct tql_stage *s,
                                   struct brute_set *in, struct brute_error *wrong);

static struct brute_set *
filter(const struct brute_trace *t, const struct tql_stage *s, const struct brute_set *in,
       struct brute_error *wrong)
{
    struct brute_set *out = NULL, **tail = &out;
    for (; in && !wrong->failed; in = in->next) {
        struct brute_set *kept = set_make(t, in->labels);
        for (size_t row = 0; row < t->b->span_count && !wrong->failed; row++) {
            if (in->rows[row] && brute_keeps(t, row, s->expr, wrong)) {
                set_add(kept, row);
            }
        }
        list_add(&tail, kept);
    }
    return out;
}

enum form { POSITIVE, NEGATIVE, BOTH };

static enum tql_op
relation_of(enum tql_op op, enum form *form)
{
    static const struct {
        enum tql_op op, relation;
        enum form form;
    } forms[] = {
        {TQL_OP_NOT_CHILD, TQL_OP_GT, NEGATIVE},  {TQL_OP_NOT_PARENT, TQL_OP_LT, NEGATIVE},
        {TQL_OP_NOT_DESC, TQL_OP_DESC, NEGATIVE}, {TQL_OP_NOT_ANCE, TQL_OP_ANCE, NEGATIVE},
        {TQL_OP_NRE, TQL_OP_SIBL, NEGATIVE},      {TQL_OP_UNION_CHILD, TQL_OP_GT, BOTH},
        {TQL_OP_UNION_PARENT, TQL_OP_LT, BOTH},   {TQL_OP_UNION_DESC, TQL_OP_DESC, BOTH},
        {TQL_OP_UNION_ANCE, TQL_OP_ANCE, BOTH},   {TQL_OP_UNION_SIBL, TQL_OP_SIBL, BOTH},
    };
    *form = POSITIVE;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].op == op) {
            *form = forms[i].form;
            return forms[i].relation;
        }
    }
    return op;
}

static void
relate(const struct brute_trace *t, enum tql_op op, const struct brute_set *left,
       const struct brute_set *right, struct brute_set *out)
{
    enum form form;
    enum tql_op relation = relation_of(op, &form);
    for (size_t r = 0; right && r < t->b->span_count; r++) {
        bool partner = false;
        for (size_t l = 0; right->rows[r] && left && l < t->b->span_count; l++) {
            if (left->rows[l] && brute_related(t, relation, l, r)) {
                partner = true;
                if (form == BOTH) {
                    set_add(out, l);
                }
            }
        }
        if (right->rows[r] && partner == (form != NEGATIVE)) {
            set_add(out, r);
        }
    }
}

static void
unite(const struct brute_trace *t, const struct brute_set *sets, struct brute_set *out)
{
    for (; sets; sets = sets->next) {
        for (size_t row = 0; row < t->b->span_count; row++) {
            if (sets->rows[row]) {
                set_add(out, row);
            }
        }
    }
}

/* Each spanset of the input for itself; it keeps its labels. */
static struct brute_set *
set_operation(const struct brute_trace *t, const struct tql_stage *s, const struct brute_set *in,
              struct brute_error *wrong)
{
    struct brute_set *out = NULL, **tail = &out;
    for (; in && !wrong->failed; in = in->next) {
        struct brute_set one = *in, two = *in;
        one.next = two.next = NULL;
        struct brute_set *a = run_chain(t, (const struct tql_stage *)s->tree.a, &one, wrong);
        struct brute_set *b =
            wrong->failed ? NULL : run_chain(t, (const struct tql_stage *)s->tree.b, &two, wrong);
        struct brute_set *made = set_make(t, in->labels);
        if (wrong->failed) {
            break;
        }
        if (s->op == TQL_OP_AND || s->op == TQL_OP_OR) {
            if (s->op == TQL_OP_OR || (a && b)) {
                unite(t, a, made);
                unite(t, b, made);
            }
        } else if ((a && a->next) || (b && b->next)) {
            wrong->failed = true;
            (void)snprintf(wrong->text, sizeof wrong->text,
                           "spanset operators are not supported for multiple spansets per trace. consider "
                           "using coalesce()");
        } else {
            relate(t, (enum tql_op)s->op, a, b, made);
        }
        list_add(&tail, made);
    }
    return out;
}

static const struct brute_label *
label_add(const struct brute_trace *t, const struct brute_label *older, slice key, struct brute_value value)
{
    struct brute_label *l = arena_new(t->arena, struct brute_label);
    *l = (struct brute_label){arena_copy(t->arena, key), value, older};
    return l;
}

static struct brute_set *
group(const struct brute_trace *t, const struct tql_stage *s, const struct brute_set *in,
      struct brute_error *wrong)
{
    struct brute_set *out = NULL, **tail = &out;
    struct buf key;
    buf_init(&key, 1 << 20);
    (void)buf_append_cstr(&key, "by(");
    tql_expr_print(s->expr, &key);
    (void)buf_append_byte(&key, ')');
    for (; in && !wrong->failed; in = in->next) {
        struct brute_set *groups = NULL, **last = &groups;
        for (size_t row = 0; row < t->b->span_count && !wrong->failed; row++) {
            if (!in->rows[row]) {
                continue;
            }
            struct brute_value v = outside_filter(t, row, s->expr, wrong);
            struct brute_set *g = groups;
            while (g && !brute_same(&g->labels->value, &v)) {
                g = g->next;
            }
            if (!g) {
                g = set_make(t, label_add(t, in->labels, buf_slice(&key), v));
                *last = g;
                last = &g->next;
            }
            set_add(g, row);
        }
        while (groups) {
            struct brute_set *g = groups;
            groups = g->next;
            list_add(&tail, g);
        }
    }
    buf_fini(&key);
    return out;
}

static bool
is_number(const struct brute_value *v)
{
    return v->type == BRUTE_INT || v->type == BRUTE_FLOAT || v->type == BRUTE_DURATION;
}

/* min, max and sum, and the sum of everything for the mean. */
struct total {
    struct brute_value value;
    double sum;
    int64_t n;
    bool durations;
};

static void
fold_in(uint8_t fn, struct total *t, const struct brute_value *v, struct brute_error *wrong)
{
    t->sum += v->type == BRUTE_FLOAT ? v->f : (double)v->i;
    if (t->n++ == 0) {
        t->value = *v;
        t->durations = v->type == BRUTE_DURATION;
        return;
    }
    t->durations = t->durations && v->type == BRUTE_DURATION;
    if (fn == TQL_AGGREGATE_MIN || fn == TQL_AGGREGATE_MAX) {
        if (brute_compare(fn == TQL_AGGREGATE_MIN ? TQL_OP_LT : TQL_OP_GT, v, &t->value, wrong)) {
            t->value = *v;
        }
    } else if (v->type == t->value.type) {
        t->value.f += v->f;
        t->value.i = (int64_t)((uint64_t)t->value.i + (uint64_t)v->i);
    }
}

/* Of numbers; what is none is passed over. False: no value, the spanset goes. */
static bool
aggregate(const struct brute_trace *t, const struct tql_scalar *a, const struct brute_set *set,
          struct brute_value *ret, struct brute_error *wrong)
{
    struct total total = {0};
    if (a->aggregate == TQL_AGGREGATE_COUNT) {
        *ret = (struct brute_value){.type = BRUTE_INT, .i = (int64_t)set->count};
        return true;
    }
    for (size_t row = 0; row < t->b->span_count && !wrong->failed; row++) {
        struct brute_value v = {0};
        if (set->rows[row]) {
            v = outside_filter(t, row, a->expr, wrong);
        }
        if (!wrong->failed && is_number(&v)) {
            fold_in(a->aggregate, &total, &v, wrong);
        }
    }
    *ret = total.value;
    if (a->aggregate == TQL_AGGREGATE_AVG && total.durations) {
        ret->i /= total.n;
    } else if (a->aggregate == TQL_AGGREGATE_AVG) {
        *ret = (struct brute_value){.type = BRUTE_FLOAT, .f = total.sum / (double)total.n};
    }
    return total.n > 0;
}

static struct brute_set *
scalar(const struct brute_trace *t, const struct tql_stage *s, const struct brute_set *in,
       struct brute_error *wrong)
{
    struct brute_set *out = NULL, **tail = &out;
    struct brute_value limit = brute_of_static(&s->rhs->value, t->arena);
    struct buf key;
    buf_init(&key, 1 << 20);
    tql_scalar_print(s->lhs, &key);
    for (; in && !wrong->failed; in = in->next) {
        struct brute_value v = {0};
        if (aggregate(t, s->lhs, in, &v, wrong) && !wrong->failed &&
            brute_compare((enum tql_op)s->op, &v, &limit, wrong)) {
            struct brute_set *kept = set_make(t, label_add(t, in->labels, buf_slice(&key), v));
            unite(t, &(struct brute_set){.rows = in->rows}, kept);
            list_add(&tail, kept);
        }
    }
    buf_fini(&key);
    return out;
}

static struct brute_set *
run_stage(const struct brute_trace *t, const struct tql_stage *s, struct brute_set *in,
          struct brute_error *wrong)
{
    switch (s->kind) {
    case TQL_STAGE_FILTER:
        return filter(t, s, in, wrong);
    case TQL_STAGE_SETOP:
        return set_operation(t, s, in, wrong);
    case TQL_STAGE_PIPELINE:
        return run_chain(t, s->first, in, wrong);
    case TQL_STAGE_SCALAR:
        return scalar(t, s, in, wrong);
    case TQL_STAGE_GROUP:
        return group(t, s, in, wrong);
    case TQL_STAGE_COALESCE: {
        struct brute_set *out = NULL, **tail = &out, *made = set_make(t, NULL);
        unite(t, in, made);
        list_add(&tail, made);
        return out;
    }
    default:
        return in;
    }
}

static struct brute_set *
run_chain(const struct brute_trace *t, const struct tql_stage *s, struct brute_set *in,
          struct brute_error *wrong)
{
    for (; s && in && !wrong->failed; s = s->next) {
        in = run_stage(t, s, in, wrong);
    }
    return wrong->failed ? NULL : in;
}

struct brute_set *
brute_run(const struct brute_trace *t, const struct tql_query *q, struct brute_error *wrong)
{
    struct brute_set *all = set_make(t, NULL);
    for (size_t row = 0; row < t->b->span_count; row++) {
        set_add(all, row);
    }
    return all->count ? run_chain(t, q->pipeline, all, wrong) : NULL;
}
