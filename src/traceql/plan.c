#include "vivace/traceql/plan.h"

#include "vivace/traceql/traceql.h"

#define LABEL_BYTES_MAX (4u * TQL_QUERY_BYTES_MAX)

struct planner {
    struct tql_plan plan;
    struct arena *arena;
    struct fault *fault;
    struct tql_filter *filters;
    struct tql_step *steps;
    size_t filter_cap, step_cap;
    uint32_t depth;
    uint32_t optional; /* set operations around that can do without this operand */
    bool piped;        /* behind the first pipe of the chain */
};

static err
no_memory(struct planner *p)
{
    return FAULT(p->fault, ERR_LIMIT, "the query needs too much memory");
}

/* --- filters --------------------------------------------------------------------------------------- */

/* The operands of a filter's outermost && or ||, sorted into conditions and the rest. */
struct parts {
    struct tql_cond *conds;
    const struct tql_expr **rest;
    size_t cond_count, cond_cap, rest_count, rest_cap;
};

static bool
is_op(const struct tql_expr *e, enum tql_op op)
{
    return e->kind == TQL_EXPR_BINARY && e->op == op;
}

static err
parts_add(struct planner *p, struct parts *parts, const struct tql_expr *e, uint8_t use)
{
    struct tql_cond cond;
    bool is = false;
    err rc = tql_compiler_cond(&p->plan.compiler, e, use, p->fault, &is, &cond);
    if (rc != OK) {
        return rc;
    }
    if (is) {
        void *conds = arena_grow(p->arena, parts->conds, parts->cond_count, &parts->cond_cap,
                                 parts->cond_count + 1, sizeof cond);
        if (!conds) {
            return no_memory(p);
        }
        parts->conds = conds;
        parts->conds[parts->cond_count++] = cond;
        return OK;
    }
    void *rest = arena_grow(p->arena, parts->rest, parts->rest_count, &parts->rest_cap, parts->rest_count + 1,
                            sizeof(void *));
    if (!rest) {
        return no_memory(p);
    }
    parts->rest = rest;
    parts->rest[parts->rest_count++] = e;
    return OK;
}

static err
filter_all(struct planner *p, struct tql_filter *filter, const struct tql_expr *root, uint8_t use)
{
    struct parts parts = {0};
    struct tql_walk w;
    err rc = OK;
    tql_walk_start(&w, &root->tree);
    while (rc == OK && tql_walk_next(&w)) {
        const struct tql_expr *e = (const struct tql_expr *)w.at;
        if (w.phase != TQL_VISIT_PRE || is_op(e, TQL_OP_AND)) {
            continue;
        }
        w.phase = TQL_VISIT_POST;
        if (e->kind == TQL_EXPR_STATIC) {
            filter->never = filter->never || !tql_static_is_true(&e->value);
        } else {
            rc = parts_add(p, &parts, e, use);
        }
    }
    if (rc != OK) {
        return rc;
    }
    filter->push = TQL_PUSH_ALL;
    filter->conds = parts.conds;
    filter->cond_count = parts.cond_count;
    filter->always = !filter->never && parts.cond_count + parts.rest_count == 0;
    filter->has_residue = parts.rest_count > 0;
    if (filter->has_residue) {
        rc = tql_compiler_all(&p->plan.compiler, parts.rest, parts.rest_count, use, p->fault,
                              &filter->residue);
        filter->residue.expr = root;
    }
    return rc;
}

/* Only when every operand is a condition, and one that is surely a boolean. */
static err
filter_any(struct planner *p, struct tql_filter *filter, const struct tql_expr *root, uint8_t use)
{
    struct parts parts = {0};
    struct tql_walk w;
    err rc = OK;
    bool exact = true;
    tql_walk_start(&w, &root->tree);
    while (rc == OK && exact && tql_walk_next(&w)) {
        const struct tql_expr *e = (const struct tql_expr *)w.at;
        if (w.phase != TQL_VISIT_PRE || is_op(e, TQL_OP_OR)) {
            continue;
        }
        w.phase = TQL_VISIT_POST;
        exact = e->kind != TQL_EXPR_ATTR;
        if (exact) {
            rc = parts_add(p, &parts, e, use);
            exact = parts.rest_count == 0;
        }
    }
    if (rc == OK && exact) {
        filter->push = TQL_PUSH_ANY;
        filter->conds = parts.conds;
        filter->cond_count = parts.cond_count;
    }
    return rc;
}

static err
add_filter(struct planner *p, const struct tql_expr *e, uint8_t use, uint32_t *ret)
{
    struct tql_filter filter = {0};
    err rc = tql_compiler_program(&p->plan.compiler, e, use, p->fault, &filter.program);
    if (rc == OK) {
        rc = is_op(e, TQL_OP_OR) ? filter_any(p, &filter, e, use) : filter_all(p, &filter, e, use);
    }
    if (rc != OK) {
        return rc;
    }
    void *filters = arena_grow(p->arena, p->filters, p->plan.filter_count, &p->filter_cap,
                               p->plan.filter_count + 1, sizeof filter);
    if (!filters) {
        return no_memory(p);
    }
    p->filters = filters;
    p->filters[p->plan.filter_count] = filter;
    *ret = (uint32_t)p->plan.filter_count++;
    return OK;
}

/* --- steps ----------------------------------------------------------------------------------------- */

static err
add_step(struct planner *p, struct tql_step step)
{
    void *steps =
        arena_grow(p->arena, p->steps, p->plan.step_count, &p->step_cap, p->plan.step_count + 1, sizeof step);
    if (!steps) {
        return no_memory(p);
    }
    p->steps = steps;
    p->steps[p->plan.step_count++] = step;
    if (step.kind == TQL_STEP_PIPE || step.kind == TQL_STEP_SETOP) {
        p->depth--;
    } else if (step.kind != TQL_STEP_RESET) {
        p->depth++;
    }
    if (p->depth > p->plan.stack_max) {
        p->plan.stack_max = p->depth;
    }
    return OK;
}

static err
step_filter(struct planner *p, const struct tql_stage *s)
{
    uint32_t at = 0;
    err rc = add_filter(p, s->expr, TQL_USE_FILTER, &at);
    if (rc != OK) {
        return rc;
    }
    struct tql_filter *filter = &p->filters[at];
    filter->first = !p->piped;
    filter->required = p->optional == 0;
    p->plan.never = p->plan.never || (filter->never && filter->required);
    return add_step(p, (struct tql_step){.kind = TQL_STEP_FILTER, .filter = at});
}

/* What `print` writes, in the arena. */
static err
label_of(struct planner *p, const struct tql_stage *group, const struct tql_scalar *scalar, slice *ret)
{
    struct buf b;
    err rc = OK;
    buf_init(&b, LABEL_BYTES_MAX);
    if (group) {
        tql_stage_print(group, &b);
    } else {
        tql_scalar_print(scalar, &b);
    }
    *ret = arena_copy(p->arena, buf_slice(&b));
    if (b.failed || !ret->p) {
        rc = no_memory(p);
    }
    buf_fini(&b);
    return rc;
}

static err
step_group(struct planner *p, const struct tql_stage *s)
{
    struct tql_step step = {.kind = TQL_STEP_GROUP, .has_program = true};
    err rc = tql_compiler_program(&p->plan.compiler, s->expr, TQL_USE_GROUP, p->fault, &step.program);
    if (rc == OK) {
        rc = label_of(p, s, NULL, &step.label);
    }
    return rc == OK ? add_step(p, step) : rc;
}

static err
step_scalar(struct planner *p, const struct tql_stage *s)
{
    struct tql_step step = {
        .kind = TQL_STEP_SCALAR, .op = s->op, .aggregate = s->lhs->aggregate, .value = s->rhs->value};
    err rc = label_of(p, NULL, s->lhs, &step.label);
    if (rc == OK && s->lhs->expr) {
        step.has_program = true;
        rc = tql_compiler_program(&p->plan.compiler, s->lhs->expr, TQL_USE_SCALAR, p->fault, &step.program);
    }
    return rc == OK ? add_step(p, step) : rc;
}

/* Slots of `n` attributes; parent.… stands for the unscoped attribute where the checker lets it pass. */
static err
slots_of(struct planner *p, const struct tql_attr *attrs, size_t n, uint8_t use, const uint32_t **ret)
{
    uint32_t *slots = arena_new_array(p->arena, uint32_t, n ? n : 1);
    if (!slots) {
        return no_memory(p);
    }
    for (size_t i = 0; i < n; i++) {
        struct tql_attr attr = attrs[i];
        attr.parent = false;
        err rc = tql_compiler_slot(&p->plan.compiler, &attr, use, p->fault, &slots[i]);
        if (rc != OK) {
            return rc;
        }
    }
    *ret = slots;
    return OK;
}

static err
step_select(struct planner *p, const struct tql_stage *s)
{
    struct tql_step step = {.kind = TQL_STEP_SELECT, .slot_count = s->attr_count};
    err rc = slots_of(p, s->attrs, s->attr_count, TQL_USE_SELECT, &step.slots);
    return rc == OK ? add_step(p, step) : rc;
}

/* --- set operations and chains --------------------------------------------------------------------- */

static bool
is_negated(uint8_t op)
{
    return op == TQL_OP_NRE || (op >= TQL_OP_NOT_CHILD && op <= TQL_OP_NOT_ANCE);
}

static err plan_chain(struct planner *p, const struct tql_stage *s);

/* An operand of || may be empty, and so may the left one of a negated relation. */
static err
visit_set(struct planner *p, const struct tql_stage *s, enum tql_visit at) /* NOLINT(misc-no-recursion) */
{
    if (s->kind == TQL_STAGE_FILTER) {
        return at == TQL_VISIT_POST ? step_filter(p, s) : OK;
    }
    if (s->kind == TQL_STAGE_PIPELINE) {
        bool piped = p->piped;
        err rc = at == TQL_VISIT_POST ? plan_chain(p, s->first) : OK;
        p->piped = piped;
        return rc;
    }
    if (at == TQL_VISIT_PRE) {
        p->optional += s->op == TQL_OP_OR || is_negated(s->op);
        return OK;
    }
    if (at == TQL_VISIT_IN) {
        p->optional -= is_negated(s->op);
        return OK;
    }
    p->optional -= s->op == TQL_OP_OR;
    p->plan.whole_trace = true;
    p->plan.needs_structure = p->plan.needs_structure || (s->op != TQL_OP_AND && s->op != TQL_OP_OR);
    return add_step(p, (struct tql_step){.kind = TQL_STEP_SETOP, .op = s->op});
}

static err
plan_set_op(struct planner *p, const struct tql_stage *root) /* NOLINT(misc-no-recursion) */
{
    struct tql_walk w;
    err rc = OK;
    tql_walk_start(&w, &root->tree);
    while (rc == OK && tql_walk_next(&w)) {
        rc = visit_set(p, (const struct tql_stage *)w.at, w.phase);
    }
    return rc;
}

static err
plan_stage(struct planner *p, const struct tql_stage *s) /* NOLINT(misc-no-recursion) */
{
    bool filters = s->kind == TQL_STAGE_FILTER || s->kind == TQL_STAGE_SETOP || s->kind == TQL_STAGE_PIPELINE;
    if (filters) {
        return plan_set_op(p, s);
    }
    if (!p->piped) {
        p->plan.fetch = TQL_FETCH_ALL;
    }
    p->plan.whole_trace = p->plan.whole_trace || s->kind != TQL_STAGE_SELECT;
    switch ((enum tql_stage_kind)s->kind) {
    case TQL_STAGE_SCALAR:
        return step_scalar(p, s);
    case TQL_STAGE_GROUP:
        return step_group(p, s);
    case TQL_STAGE_SELECT:
        return step_select(p, s);
    default:
        return add_step(p, (struct tql_step){.kind = TQL_STEP_COALESCE});
    }
}

/* Operands that are pipelines start from the trace themselves, and then all operands are. */
static bool
starts_with_pipeline(const struct tql_stage *s)
{
    const struct tql_tree *t = &s->tree;
    while (t->a) {
        t = t->a;
    }
    return ((const struct tql_stage *)t)->kind == TQL_STAGE_PIPELINE;
}

/* A pipeline among the operands holds no pipelines itself: that bounds the recursion. */
static err
plan_chain(struct planner *p, const struct tql_stage *s) /* NOLINT(misc-no-recursion) */
{
    err rc = OK;
    p->piped = false;
    if (!starts_with_pipeline(s)) {
        rc = add_step(p, (struct tql_step){.kind = TQL_STEP_RESET});
    }
    for (; rc == OK && s; s = s->next) {
        rc = plan_stage(p, s);
        if (rc == OK && s->next) {
            rc = add_step(p, (struct tql_step){.kind = TQL_STEP_PIPE});
            p->piped = true;
        }
    }
    return rc;
}

/* --- metrics and the whole ------------------------------------------------------------------------- */

static err
plan_metric(struct planner *p, const struct tql_metric *m)
{
    struct tql_metric_plan *plan = &p->plan.metric;
    const uint32_t *slot = NULL;
    err rc = OK;
    plan->fn = m->fn;
    plan->ast = m;
    plan->by_count = m->by_count;
    if (m->fn == TQL_METRIC_COMPARE) {
        return add_filter(p, m->compare->expr, TQL_USE_COMPARE, &plan->compare_filter);
    }
    if (m->fn >= TQL_METRIC_MIN) {
        rc = slots_of(p, &m->attr, 1, TQL_USE_METRIC, &slot);
        plan->slot = slot ? *slot : 0;
    }
    return rc == OK ? slots_of(p, m->by, m->by_count, TQL_USE_LABEL, &plan->by) : rc;
}

static void
count_values(struct tql_plan *plan, const struct tql_program *program)
{
    if (program->stack_max > plan->values_max) {
        plan->values_max = program->stack_max;
    }
}

/* What follows from all filters, steps and slots. */
static void
finish(struct planner *p)
{
    struct tql_plan *plan = &p->plan;
    plan->filters = p->filters;
    plan->steps = p->steps;
    for (size_t i = 0; i < plan->filter_count; i++) {
        count_values(plan, &p->filters[i].program);
        count_values(plan, &p->filters[i].residue);
    }
    for (size_t i = 0; i < plan->step_count; i++) {
        count_values(plan, &p->steps[i].program);
    }
    for (size_t i = 0; i < plan->compiler.slots.count; i++) {
        const struct tql_slot *s = &plan->compiler.slots.slots[i];
        plan->whole_trace = plan->whole_trace || s->level == TQL_LEVEL_TRACE;
        plan->needs_structure =
            plan->needs_structure || (s->attr.intrinsic >= TQL_INTRINSIC_SPAN_CHILD_COUNT &&
                                      s->attr.intrinsic <= TQL_INTRINSIC_NESTED_SET_PARENT);
    }
}

err
tql_plan_make(const struct tql_query *q, struct arena *a, struct fault *f, struct tql_plan *ret)
{
    struct planner p = {.arena = a, .fault = f, .plan = {.query = q, .fetch = TQL_FETCH_ANY}};
    tql_compiler_init(&p.plan.compiler, a);
    err rc = plan_chain(&p, q->pipeline);
    if (rc == OK && q->metric) {
        rc = plan_metric(&p, q->metric);
    }
    if (rc != OK) {
        tql_compiler_fini(&p.plan.compiler);
        return rc;
    }
    finish(&p);
    *ret = p.plan;
    return OK;
}

void
tql_plan_fini(struct tql_plan *p)
{
    tql_compiler_fini(&p->compiler);
}
