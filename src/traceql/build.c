#include "build.h"

#define COMPARE_TOP_DEFAULT 10

/* --- memory ---------------------------------------------------------------------------------------- */

/* Zeroed, or NULL with the error noted: callers return at once. */
static void *
make(struct builder *b, size_t bytes)
{
    void *p = arena_calloc(b->arena, 1, bytes);
    if (!p) {
        lexer_no_memory(&b->lexer);
    }
    return p;
}

#define MAKE(b, type) ((type *)make((b), sizeof(type)))

static void
list_add(struct builder *b, struct list *l, const void *item, size_t bytes)
{
    if (l->n == l->cap) {
        void *items = arena_grow(b->arena, l->items, l->n, &l->cap, l->n + 1, bytes);
        if (!items) {
            lexer_no_memory(&b->lexer);
            return;
        }
        l->items = items;
    }
    memcpy((uint8_t *)l->items + l->n * bytes, item, bytes);
    l->n++;
}

static void
link_operands(struct tql_tree *up, struct tql_tree *a, struct tql_tree *b)
{
    up->a = a;
    up->b = b;
    a->up = up;
    if (b) {
        b->up = up;
    }
}

/* --- tokens ---------------------------------------------------------------------------------------- */

static enum tql_op
op_of(const struct token *t)
{
    static const uint8_t ops[TOK_LIMIT] = {
        [TOK_AND] = TQL_OP_AND,
        [TOK_OR] = TQL_OP_OR,
        [TOK_EQ] = TQL_OP_EQ,
        [TOK_NEQ] = TQL_OP_NEQ,
        [TOK_LT] = TQL_OP_LT,
        [TOK_LTE] = TQL_OP_LTE,
        [TOK_GT] = TQL_OP_GT,
        [TOK_GTE] = TQL_OP_GTE,
        [TOK_NRE] = TQL_OP_NRE,
        [TOK_RE] = TQL_OP_RE,
        [TOK_DESC] = TQL_OP_DESC,
        [TOK_ANCE] = TQL_OP_ANCE,
        [TOK_SIBL] = TQL_OP_SIBL,
        [TOK_NOT_CHILD] = TQL_OP_NOT_CHILD,
        [TOK_NOT_PARENT] = TQL_OP_NOT_PARENT,
        [TOK_NOT_DESC] = TQL_OP_NOT_DESC,
        [TOK_NOT_ANCE] = TQL_OP_NOT_ANCE,
        [TOK_UNION_CHILD] = TQL_OP_UNION_CHILD,
        [TOK_UNION_PARENT] = TQL_OP_UNION_PARENT,
        [TOK_UNION_DESC] = TQL_OP_UNION_DESC,
        [TOK_UNION_ANCE] = TQL_OP_UNION_ANCE,
        [TOK_UNION_SIBL] = TQL_OP_UNION_SIBL,
        [TOK_ADD] = TQL_OP_ADD,
        [TOK_SUB] = TQL_OP_SUB,
        [TOK_NOT] = TQL_OP_NOT,
        [TOK_MUL] = TQL_OP_MUL,
        [TOK_DIV] = TQL_OP_DIV,
        [TOK_MOD] = TQL_OP_MOD,
        [TOK_POW] = TQL_OP_POW,
    };
    return (enum tql_op)ops[t->id];
}

static struct tql_static
negated(struct tql_static v)
{
    if (v.type == TQL_FLOAT) {
        v.f = -v.f;
    } else {
        v.i = (int64_t)(0 - (uint64_t)v.i);
    }
    return v;
}

static struct tql_static
status_of(const struct token *t)
{
    return tql_static_status(t->id == TOK_STATUS_OK      ? TQL_STATUS_OK
                             : t->id == TOK_STATUS_ERROR ? TQL_STATUS_ERROR
                                                         : TQL_STATUS_UNSET);
}

/* The only identifiers that are values. */
static struct tql_static
constant_of(struct builder *b, const struct token *t)
{
    slice name = tql_static_slice(&t->value);
    if (slice_eq(name, SL("maxInt"))) {
        return tql_static_int(INT64_MAX);
    }
    if (!slice_eq(name, SL("minInt"))) {
        lexer_fail(&b->lexer, "unknown identifier: %.*s", SL_FMT(name));
    }
    return tql_static_int(INT64_MIN);
}

/* --- field expressions ----------------------------------------------------------------------------- */

static struct tql_expr *
expr_static(struct builder *b, struct tql_static v)
{
    struct tql_expr *e = MAKE(b, struct tql_expr);
    if (e) {
        *e = (struct tql_expr){.kind = TQL_EXPR_STATIC, .type = v.type, .value = v};
    }
    return e;
}

static struct tql_expr *
expr_attr(struct builder *b, const struct tql_attr *attr)
{
    struct tql_expr *e = MAKE(b, struct tql_expr);
    if (e) {
        *e = (struct tql_expr){
            .kind = TQL_EXPR_ATTR, .has_attr = true, .type = tql_attr_type(attr), .attr = *attr};
    }
    return e;
}

static struct tql_expr *
expr_unary(struct builder *b, enum tql_op op, struct tql_expr *a)
{
    struct tql_expr *e = MAKE(b, struct tql_expr);
    if (!e) {
        return NULL;
    }
    bool nil_test = op == TQL_OP_EXISTS || op == TQL_OP_NOT_EXISTS;
    *e = (struct tql_expr){.kind = TQL_EXPR_UNARY,
                           .op = (uint8_t)op,
                           .has_attr = a->has_attr,
                           .type = nil_test ? TQL_BOOL : a->type};
    link_operands(&e->tree, &a->tree, NULL);
    (void)tql_fold(e, &b->regexes_left);
    return e;
}

/* A trace id is shown and stored without its leading zeros: accept it with them. */
static void
normalize_trace_id(const struct tql_expr *attr, struct tql_expr *literal)
{
    if (attr->kind != TQL_EXPR_ATTR || attr->attr.intrinsic != TQL_INTRINSIC_TRACE_ID ||
        literal->kind != TQL_EXPR_STATIC || literal->type != TQL_STRING) {
        return;
    }
    while (literal->value.n > 0 && *literal->value.s == '0') {
        literal->value.s++;
        literal->value.n--;
    }
}

static struct tql_expr *
expr_binary(struct builder *b, struct tql_expr *x, enum tql_op op, struct tql_expr *y)
{
    struct tql_expr *e = MAKE(b, struct tql_expr);
    if (!e) {
        return NULL;
    }
    uint8_t arith = x->type != TQL_DYNAMIC ? x->type : y->type;
    *e = (struct tql_expr){.kind = TQL_EXPR_BINARY,
                           .op = (uint8_t)op,
                           .has_attr = x->has_attr || y->has_attr,
                           .type = tql_op_is_arith(op) ? arith : TQL_BOOL};
    link_operands(&e->tree, &x->tree, &y->tree);
    if (op == TQL_OP_EQ || op == TQL_OP_NEQ) {
        normalize_trace_id(x, y);
        normalize_trace_id(y, x);
    }
    (void)tql_fold(e, &b->regexes_left);
    return e;
}

static enum tql_op
nil_op(const struct token *t)
{
    return t->id == TOK_EQ ? TQL_OP_NOT_EXISTS : TQL_OP_EXISTS;
}

/* --- attributes ------------------------------------------------------------------------------------ */

static uint8_t
intrinsic_of(const struct token *t)
{
    static const uint8_t map[TOK_LIMIT] = {
        [TOK_IDURATION] = TQL_INTRINSIC_DURATION,
        [TOK_NAME] = TQL_INTRINSIC_NAME,
        [TOK_STATUS] = TQL_INTRINSIC_STATUS,
        [TOK_STATUS_MESSAGE] = TQL_INTRINSIC_STATUS_MESSAGE,
        [TOK_KIND] = TQL_INTRINSIC_KIND,
        [TOK_PARENT] = TQL_INTRINSIC_PARENT,
        [TOK_ROOTNAME] = TQL_INTRINSIC_TRACE_ROOT_NAME,
        [TOK_ROOTSERVICENAME] = TQL_INTRINSIC_TRACE_ROOT_SERVICE,
        [TOK_TRACEDURATION] = TQL_INTRINSIC_TRACE_DURATION,
        [TOK_NESTEDSETLEFT] = TQL_INTRINSIC_NESTED_SET_LEFT,
        [TOK_NESTEDSETRIGHT] = TQL_INTRINSIC_NESTED_SET_RIGHT,
        [TOK_NESTEDSETPARENT] = TQL_INTRINSIC_NESTED_SET_PARENT,
    };
    return map[t->id];
}

static uint8_t
scoped_intrinsic_of(const struct token *scope, const struct token *t)
{
    switch (scope->id) {
    case TOK_TRACE_COLON:
        return t->id == TOK_ID            ? TQL_INTRINSIC_TRACE_ID
               : t->id == TOK_IDURATION   ? TQL_INTRINSIC_TRACE_DURATION
               : t->id == TOK_ROOTSERVICE ? TQL_INTRINSIC_TRACE_ROOT_SERVICE
                                          : TQL_INTRINSIC_TRACE_ROOT_NAME;
    case TOK_EVENT_COLON:
        return t->id == TOK_NAME ? TQL_INTRINSIC_EVENT_NAME : TQL_INTRINSIC_EVENT_TIME_SINCE_START;
    case TOK_LINK_COLON:
        return t->id == TOK_TRACE_ID ? TQL_INTRINSIC_LINK_TRACE_ID : TQL_INTRINSIC_LINK_SPAN_ID;
    case TOK_INSTRUMENTATION_COLON:
        return t->id == TOK_NAME ? TQL_INTRINSIC_INSTRUMENTATION_NAME : TQL_INTRINSIC_INSTRUMENTATION_VERSION;
    default:
        break;
    }
    return t->id == TOK_ID           ? TQL_INTRINSIC_SPAN_ID
           : t->id == TOK_PARENT_ID  ? TQL_INTRINSIC_SPAN_PARENT_ID
           : t->id == TOK_CHILDCOUNT ? TQL_INTRINSIC_SPAN_CHILD_COUNT
                                     : intrinsic_of(t);
}

static struct tql_attr *
attr_intrinsic(struct builder *b, uint8_t intrinsic)
{
    struct tql_attr *a = MAKE(b, struct tql_attr);
    if (a) {
        a->intrinsic = intrinsic;
    }
    return a;
}

static struct tql_attr *
attr_named(struct builder *b, const struct token *scope, const struct token *name, bool parent)
{
    static const uint8_t scopes[TOK_LIMIT] = {
        [TOK_RESOURCE_DOT] = TQL_SCOPE_RESOURCE,
        [TOK_SPAN_DOT] = TQL_SCOPE_SPAN,
        [TOK_EVENT_DOT] = TQL_SCOPE_EVENT,
        [TOK_LINK_DOT] = TQL_SCOPE_LINK,
        [TOK_INSTRUMENTATION_DOT] = TQL_SCOPE_INSTRUMENTATION,
    };
    struct tql_attr *a = MAKE(b, struct tql_attr);
    if (a) {
        a->name = tql_static_slice(&name->value);
        a->scope = scopes[scope->id];
        a->parent = parent || scope->id == TOK_PARENT_DOT;
    }
    return a;
}

/* --- stages and scalars ---------------------------------------------------------------------------- */

static struct tql_stage *
stage_make(struct builder *b, enum tql_stage_kind kind, const struct tql_expr *e)
{
    struct tql_stage *s = MAKE(b, struct tql_stage);
    if (s) {
        s->kind = (uint8_t)kind;
        s->expr = e;
    }
    return s;
}

static struct tql_stage *
stage_set_op(struct builder *b, struct tql_stage *x, enum tql_op op, struct tql_stage *y)
{
    struct tql_stage *s = stage_make(b, TQL_STAGE_SETOP, NULL);
    if (s) {
        s->op = (uint8_t)op;
        link_operands(&s->tree, &x->tree, &y->tree);
    }
    return s;
}

static struct tql_stage *
stage_wrapped(struct builder *b, const struct tql_stage *first)
{
    struct tql_stage *s = stage_make(b, TQL_STAGE_PIPELINE, NULL);
    if (s) {
        s->first = first;
    }
    return s;
}

static struct tql_stage *
stage_scalar(struct builder *b, const struct tql_scalar *x, const struct token *op,
             const struct tql_scalar *y)
{
    struct tql_stage *s = stage_make(b, TQL_STAGE_SCALAR, NULL);
    if (s) {
        s->op = (uint8_t)op_of(op);
        s->lhs = x;
        s->rhs = y;
    }
    return s;
}

static struct tql_stage *
stage_select(struct builder *b, const struct list *attrs)
{
    struct tql_stage *s = stage_make(b, TQL_STAGE_SELECT, NULL);
    if (s) {
        s->attrs = attrs->items;
        s->attr_count = attrs->n;
    }
    return s;
}

static struct chain
chain_add(struct chain c, struct tql_stage *s)
{
    if (c.last) {
        c.last->next = s;
    } else {
        c.first = s;
    }
    c.last = s;
    return c;
}

static struct tql_scalar *
scalar_static(struct builder *b, struct tql_static v)
{
    struct tql_scalar *s = MAKE(b, struct tql_scalar);
    if (s) {
        s->kind = TQL_SCALAR_STATIC;
        s->type = v.type;
        s->value = v;
    }
    return s;
}

static struct tql_scalar *
scalar_aggregate(struct builder *b, const struct token *t, const struct tql_expr *e)
{
    struct tql_scalar *s = MAKE(b, struct tql_scalar);
    if (s) {
        s->kind = TQL_SCALAR_AGGREGATE;
        s->aggregate = t->id == TOK_COUNT ? TQL_AGGREGATE_COUNT
                       : t->id == TOK_MAX ? TQL_AGGREGATE_MAX
                       : t->id == TOK_MIN ? TQL_AGGREGATE_MIN
                       : t->id == TOK_AVG ? TQL_AGGREGATE_AVG
                                          : TQL_AGGREGATE_SUM;
        s->type = e ? e->type : TQL_INT;
        s->expr = e;
    }
    return s;
}

static struct tql_scalar *
scalar_binary(struct builder *b, struct tql_scalar *x, enum tql_op op, struct tql_scalar *y)
{
    struct tql_scalar *s = MAKE(b, struct tql_scalar);
    if (s) {
        s->kind = TQL_SCALAR_BINARY;
        s->op = (uint8_t)op;
        s->type = x->type != TQL_DYNAMIC ? x->type : y->type;
        link_operands(&s->tree, &x->tree, &y->tree);
    }
    return s;
}

/* --- metrics --------------------------------------------------------------------------------------- */

static struct tql_metric *
metric_make(struct builder *b, const struct token *t, const struct tql_attr *attr, const struct list *by)
{
    static const uint8_t fns[TOK_LIMIT] = {
        [TOK_RATE] = TQL_METRIC_RATE,
        [TOK_COUNT_OVER_TIME] = TQL_METRIC_COUNT,
        [TOK_MIN_OVER_TIME] = TQL_METRIC_MIN,
        [TOK_MAX_OVER_TIME] = TQL_METRIC_MAX,
        [TOK_AVG_OVER_TIME] = TQL_METRIC_AVG,
        [TOK_SUM_OVER_TIME] = TQL_METRIC_SUM,
        [TOK_HISTOGRAM_OVER_TIME] = TQL_METRIC_HISTOGRAM,
        [TOK_QUANTILE_OVER_TIME] = TQL_METRIC_QUANTILE,
        [TOK_COMPARE] = TQL_METRIC_COMPARE,
    };
    struct tql_metric *m = MAKE(b, struct tql_metric);
    if (m) {
        m->fn = fns[t->id];
        m->compare_top = COMPARE_TOP_DEFAULT;
        if (attr) {
            m->attr = *attr;
        }
        if (by) {
            m->by = by->items;
            m->by_count = by->n;
        }
    }
    return m;
}

static struct tql_metric *
metric_quantile(struct builder *b, const union symbol *v, const struct list *by)
{
    struct tql_metric *m = metric_make(b, &v[0].token, v[2].attr, by);
    if (m) {
        m->quantiles = v[4].list.items;
        m->quantile_count = v[4].list.n;
    }
    return m;
}

static struct tql_metric *
metric_compare(struct builder *b, const union symbol *v, int numbers)
{
    struct tql_metric *m = metric_make(b, &v[0].token, NULL, NULL);
    if (!m) {
        return NULL;
    }
    m->compare = v[2].stage;
    if (numbers > 0) {
        m->compare_top = v[4].token.value.i;
    }
    if (numbers == 3) {
        m->has_range = true;
        m->compare_start_ns = v[6].token.value.i;
        m->compare_end_ns = v[8].token.value.i;
    }
    return m;
}

/* --- actions --------------------------------------------------------------------------------------- */

static void
action_list(struct builder *b, uint8_t action, const union symbol *v, union symbol *ret)
{
    bool more = action == ACT_ATTRS_NEXT || action == ACT_NUMBERS_NEXT || action == ACT_STAGES_NEXT ||
                action == ACT_HINTS_NEXT;
    const union symbol *item = action == ACT_STAGES_NEXT ? &v[1] : more ? &v[2] : &v[0];
    struct list l = more ? v[0].list : (struct list){0};
    double number;
    switch (action) {
    case ACT_ATTRS_FIRST:
    case ACT_ATTRS_NEXT:
        list_add(b, &l, item->attr, sizeof *item->attr);
        break;
    case ACT_NUMBERS_FIRST:
    case ACT_NUMBERS_NEXT:
        number = item->token.value.type == TQL_FLOAT ? item->token.value.f : (double)item->token.value.i;
        list_add(b, &l, &number, sizeof number);
        break;
    case ACT_STAGES_FIRST:
    case ACT_STAGES_NEXT:
        list_add(b, &l, &item->second, sizeof item->second);
        break;
    default:
        list_add(b, &l, item->hint, sizeof *item->hint);
    }
    ret->list = l;
}

static void
action_query(struct builder *b, uint8_t action, const union symbol *v, union symbol *ret)
{
    struct tql_query *q = b->query;
    (void)ret;
    switch (action) {
    case ACT_ROOT_HINTS:
        q->hints = v[1].list.items;
        q->hint_count = v[1].list.n;
        break;
    case ACT_ROOT_METRIC_STAGES:
        q->seconds = v[3].list.items;
        q->second_count = v[3].list.n;
        q->metric = v[2].metric;
        q->pipeline = v[0].chain.first;
        break;
    case ACT_ROOT_METRIC:
        q->metric = v[2].metric;
        q->pipeline = v[0].chain.first;
        break;
    case ACT_ROOT_PIPE_EXPR:
    case ACT_ROOT_SCALAR:
        q->pipeline = v[0].stage;
        break;
    default:
        q->pipeline = v[0].chain.first;
    }
}

static void
action_stage(struct builder *b, uint8_t action, const union symbol *v, union symbol *ret)
{
    struct tql_expr *e;
    switch (action) {
    case ACT_SET_OP:
        ret->stage = stage_set_op(b, v[0].stage, op_of(&v[1].token), v[2].stage);
        break;
    case ACT_WRAPPED:
        ret->stage = stage_wrapped(b, v[1].chain.first);
        break;
    case ACT_PIPELINE_FIRST:
        ret->chain = chain_add((struct chain){0}, v[0].stage);
        break;
    case ACT_PIPELINE_NEXT:
        ret->chain = chain_add(v[0].chain, v[2].stage);
        break;
    case ACT_GROUP:
        ret->stage = stage_make(b, TQL_STAGE_GROUP, v[2].expr);
        break;
    case ACT_COALESCE:
        ret->stage = stage_make(b, TQL_STAGE_COALESCE, NULL);
        break;
    case ACT_SELECT:
        ret->stage = stage_select(b, &v[2].list);
        break;
    case ACT_FILTER:
        ret->stage = stage_make(b, TQL_STAGE_FILTER, v[1].expr);
        break;
    default: /* ACT_FILTER_EMPTY */
        e = expr_static(b, tql_static_bool(true));
        ret->stage = stage_make(b, TQL_STAGE_FILTER, e);
    }
}

static void
action_scalar(struct builder *b, uint8_t action, const union symbol *v, union symbol *ret)
{
    struct tql_scalar *s;
    switch (action) {
    case ACT_SCALAR_FILTER:
        ret->stage = stage_scalar(b, v[0].scalar, &v[1].token, v[2].scalar);
        break;
    case ACT_SCALAR_FILTER_STATIC:
        s = scalar_static(b, v[2].token.value);
        ret->stage = stage_scalar(b, v[0].scalar, &v[1].token, s);
        break;
    case ACT_SCALAR_BINARY:
        ret->scalar = scalar_binary(b, v[0].scalar, op_of(&v[1].token), v[2].scalar);
        break;
    case ACT_SCALAR_PIPELINE:
        ret->scalar = v[2].scalar;
        ret->scalar->pipeline = v[0].chain.first;
        break;
    case ACT_SCALAR_VALUE:
        ret->scalar = scalar_static(b, v[0].token.value);
        break;
    case ACT_SCALAR_VALUE_NEGATIVE:
        ret->scalar = scalar_static(b, negated(v[1].token.value));
        break;
    case ACT_AGGREGATE_COUNT:
        ret->scalar = scalar_aggregate(b, &v[0].token, NULL);
        break;
    default: /* ACT_AGGREGATE */
        ret->scalar = scalar_aggregate(b, &v[0].token, v[2].expr);
    }
}

static void
action_metric(struct builder *b, uint8_t action, const union symbol *v, union symbol *ret)
{
    switch (action) {
    case ACT_METRIC:
        ret->metric = metric_make(b, &v[0].token, NULL, NULL);
        break;
    case ACT_METRIC_BY:
        ret->metric = metric_make(b, &v[0].token, NULL, &v[3].list);
        break;
    case ACT_METRIC_ATTR:
        ret->metric = metric_make(b, &v[0].token, v[2].attr, NULL);
        break;
    case ACT_METRIC_ATTR_BY:
        ret->metric = metric_make(b, &v[0].token, v[2].attr, &v[4].list);
        break;
    case ACT_METRIC_QUANTILE:
        ret->metric = metric_quantile(b, v, NULL);
        break;
    case ACT_METRIC_QUANTILE_BY:
        ret->metric = metric_quantile(b, v, &v[6].list);
        break;
    case ACT_METRIC_COMPARE:
        ret->metric = metric_compare(b, v, 0);
        break;
    case ACT_METRIC_COMPARE_TOP:
        ret->metric = metric_compare(b, v, 1);
        break;
    default: /* ACT_METRIC_COMPARE_RANGE */
        ret->metric = metric_compare(b, v, 3);
    }
}

static void
action_second(struct builder *b, uint8_t action, const union symbol *v, union symbol *ret)
{
    struct tql_second second = {.kind = TQL_SECOND_COMPARE};
    struct tql_hint *hint;
    switch (action) {
    case ACT_STAGE_LIMIT:
        second.kind = v[1].token.id == TOK_TOPK ? TQL_SECOND_TOPK : TQL_SECOND_BOTTOMK;
        second.limit = v[3].token.value.i;
        ret->second = second;
        break;
    case ACT_STAGE_COMPARE:
    case ACT_STAGE_COMPARE_NEGATIVE:
        second.op = (uint8_t)op_of(&v[0].token);
        second.value = action == ACT_STAGE_COMPARE ? v[1].token.value : negated(v[2].token.value);
        ret->second = second;
        break;
    default: /* ACT_HINT */
        hint = MAKE(b, struct tql_hint);
        if (hint) {
            hint->name = tql_static_slice(&v[0].token.value);
            hint->value = v[2].token.value;
        }
        ret->hint = hint;
    }
}

static void
action_field(struct builder *b, uint8_t action, const union symbol *v, union symbol *ret)
{
    switch (action) {
    case ACT_BINARY:
        ret->expr = expr_binary(b, v[0].expr, op_of(&v[1].token), v[2].expr);
        break;
    case ACT_UNARY:
        ret->expr = expr_unary(b, op_of(&v[0].token), v[1].expr);
        break;
    case ACT_NIL_RIGHT:
        ret->expr = expr_unary(b, nil_op(&v[1].token), v[0].expr);
        break;
    case ACT_NIL_LEFT:
        ret->expr = expr_unary(b, nil_op(&v[1].token), v[2].expr);
        break;
    case ACT_NIL_BOTH:
        ret->expr = expr_static(b, tql_static_bool(false));
        break;
    case ACT_FIELD_STATIC:
        ret->expr = expr_static(b, v[0].token.value);
        break;
    default: /* ACT_FIELD_ATTR */
        ret->expr = expr_attr(b, v[0].attr);
    }
}

static void
action_leaf(struct builder *b, uint8_t action, const union symbol *v, union symbol *ret)
{
    struct tql_static value;
    switch (action) {
    case ACT_INTRINSIC:
        ret->attr = attr_intrinsic(b, intrinsic_of(&v[0].token));
        return;
    case ACT_SCOPED_INTRINSIC:
        ret->attr = attr_intrinsic(b, scoped_intrinsic_of(&v[0].token, &v[1].token));
        return;
    case ACT_ATTRIBUTE:
        ret->attr = attr_named(b, &v[0].token, &v[1].token, false);
        return;
    case ACT_ATTRIBUTE_PARENT:
        ret->attr = attr_named(b, &v[1].token, &v[2].token, true);
        return;
    case ACT_STATIC_BOOL:
        value = tql_static_bool(v[0].token.id == TOK_TRUE);
        break;
    case ACT_STATIC_STATUS:
        value = status_of(&v[0].token);
        break;
    case ACT_STATIC_KIND:
        value = tql_static_kind(v[0].token.id - TOK_KIND_UNSPECIFIED);
        break;
    default: /* ACT_STATIC_CONSTANT */
        value = constant_of(b, &v[0].token);
    }
    ret->token.value = value;
}

static void
action_move(struct builder *b, uint8_t action, const union symbol *v, union symbol *ret)
{
    (void)b;
    *ret = v[action == ACT_SECOND ? 1 : action == ACT_THIRD ? 2 : 0];
}

void
build_action(struct builder *b, uint8_t action, const union symbol *v, union symbol *ret)
{
    static void (*const handlers[ACT_COUNT])(struct builder *, uint8_t, const union symbol *,
                                             union symbol *) = {
        [ACT_ROOT_PIPELINE] = action_query,
        [ACT_ROOT_PIPE_EXPR] = action_query,
        [ACT_ROOT_SCALAR] = action_query,
        [ACT_ROOT_METRIC] = action_query,
        [ACT_ROOT_METRIC_STAGES] = action_query,
        [ACT_ROOT_HINTS] = action_query,
        [ACT_SET_OP] = action_stage,
        [ACT_WRAPPED] = action_stage,
        [ACT_PIPELINE_FIRST] = action_stage,
        [ACT_PIPELINE_NEXT] = action_stage,
        [ACT_GROUP] = action_stage,
        [ACT_COALESCE] = action_stage,
        [ACT_SELECT] = action_stage,
        [ACT_FILTER] = action_stage,
        [ACT_FILTER_EMPTY] = action_stage,
        [ACT_SCALAR_FILTER] = action_scalar,
        [ACT_SCALAR_FILTER_STATIC] = action_scalar,
        [ACT_SCALAR_BINARY] = action_scalar,
        [ACT_SCALAR_PIPELINE] = action_scalar,
        [ACT_SCALAR_VALUE] = action_scalar,
        [ACT_SCALAR_VALUE_NEGATIVE] = action_scalar,
        [ACT_AGGREGATE_COUNT] = action_scalar,
        [ACT_AGGREGATE] = action_scalar,
        [ACT_METRIC] = action_metric,
        [ACT_METRIC_BY] = action_metric,
        [ACT_METRIC_ATTR] = action_metric,
        [ACT_METRIC_ATTR_BY] = action_metric,
        [ACT_METRIC_QUANTILE] = action_metric,
        [ACT_METRIC_QUANTILE_BY] = action_metric,
        [ACT_METRIC_COMPARE] = action_metric,
        [ACT_METRIC_COMPARE_TOP] = action_metric,
        [ACT_METRIC_COMPARE_RANGE] = action_metric,
        [ACT_STAGE_LIMIT] = action_second,
        [ACT_STAGE_COMPARE] = action_second,
        [ACT_STAGE_COMPARE_NEGATIVE] = action_second,
        [ACT_HINT] = action_second,
        [ACT_ATTRS_FIRST] = action_list,
        [ACT_ATTRS_NEXT] = action_list,
        [ACT_NUMBERS_FIRST] = action_list,
        [ACT_NUMBERS_NEXT] = action_list,
        [ACT_STAGES_FIRST] = action_list,
        [ACT_STAGES_NEXT] = action_list,
        [ACT_HINTS_FIRST] = action_list,
        [ACT_HINTS_NEXT] = action_list,
        [ACT_BINARY] = action_field,
        [ACT_UNARY] = action_field,
        [ACT_NIL_RIGHT] = action_field,
        [ACT_NIL_LEFT] = action_field,
        [ACT_NIL_BOTH] = action_field,
        [ACT_FIELD_STATIC] = action_field,
        [ACT_FIELD_ATTR] = action_field,
        [ACT_INTRINSIC] = action_leaf,
        [ACT_SCOPED_INTRINSIC] = action_leaf,
        [ACT_ATTRIBUTE] = action_leaf,
        [ACT_ATTRIBUTE_PARENT] = action_leaf,
        [ACT_STATIC_BOOL] = action_leaf,
        [ACT_STATIC_STATUS] = action_leaf,
        [ACT_STATIC_KIND] = action_leaf,
        [ACT_STATIC_CONSTANT] = action_leaf,
        [ACT_FIRST] = action_move,
        [ACT_SECOND] = action_move,
        [ACT_THIRD] = action_move,
        [ACT_ACCEPT] = action_move,
    };
    handlers[action](b, action, v, ret);
}
