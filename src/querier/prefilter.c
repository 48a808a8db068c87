#include "prefilter.h"

#include "vivace/base/mem.h"

enum how { HOW_VALUE, HOW_RESOURCE, HOW_PART, HOW_ROOT, HOW_UNKNOWN };

bool
cond_means_root(const struct tql_cond *c)
{
    struct tql_static zero = tql_static_int(0);
    double value = 0;
    if (c->op == TQL_OP_LT || c->op == TQL_OP_LTE) {
        return !tql_cond_eval(c, &zero);
    }
    return c->op == TQL_OP_EQ && tql_static_number(&c->value, &value) && value < 0;
}

static enum how
how_of(const struct tql_plan *plan, const struct tql_cond *c)
{
    const struct tql_slot *slot = &plan->compiler.slots.slots[c->slot];
    if (slot_is_part(slot)) {
        return HOW_PART;
    }
    switch ((enum tql_intrinsic)slot->attr.intrinsic) {
    case TQL_INTRINSIC_NESTED_SET_PARENT:
        return cond_means_root(c) ? HOW_ROOT : HOW_UNKNOWN;
    case TQL_INTRINSIC_SPAN_CHILD_COUNT:
    case TQL_INTRINSIC_NESTED_SET_LEFT:
    case TQL_INTRINSIC_NESTED_SET_RIGHT:
    case TQL_INTRINSIC_TRACE_DURATION:
    case TQL_INTRINSIC_TRACE_ROOT_NAME:
    case TQL_INTRINSIC_TRACE_ROOT_SERVICE:
        return HOW_UNKNOWN;
    default:
        return slot->level == TQL_LEVEL_RESOURCE ? HOW_RESOURCE : HOW_VALUE;
    }
}

/* A program of values one span has by itself. */
static bool
runs_alone(const struct tql_plan *plan, const struct slot_use *use)
{
    bool alone = !use->parts;
    for (uint32_t i = 0; i < use->count; i++) {
        enum how how = how_of(plan, &(struct tql_cond){.slot = use->slots[i], .op = TQL_OP_EXISTS});
        alone = alone && (how == HOW_VALUE || how == HOW_RESOURCE);
    }
    return alone;
}

static void
add_filter(struct prefilter *p, const struct tql_filter *filter)
{
    struct prefilter_filter *out = &p->filters[p->filter_count++];
    const struct tql_program *rest = filter->has_residue ? &filter->residue : NULL;
    *out = (struct prefilter_filter){.filter = filter, .cond_count = filter->cond_count};
    if (filter->push == TQL_PUSH_NONE) {
        out->cond_count = 0;
        rest = &filter->program;
    }
    out->conds = arena_new_array(&p->plan_memory, struct prefilter_cond, out->cond_count + 1);
    for (size_t i = 0; i < out->cond_count; i++) {
        out->conds[i].cond = &filter->conds[i];
        out->conds[i].how = (uint8_t)how_of(p->plan, &filter->conds[i]);
    }
    if (rest) {
        slot_use_of(&p->plan_memory, p->plan, rest, &out->rest_use);
        out->rest = runs_alone(p->plan, &out->rest_use) ? rest : NULL;
    }
}

void
prefilter_init(struct prefilter *p, const struct tql_plan *plan)
{
    *p = (struct prefilter){.plan = plan};
    arena_init(&p->plan_memory, 0);
    arena_init(&p->arena, 0);
    p->filters = arena_new_array(&p->plan_memory, struct prefilter_filter, plan->filter_count + 1);
    p->line = mem_new_array(struct tql_static, plan->compiler.slots.count + 1);
    p->stack = mem_new_array(struct tql_static, plan->values_max + (size_t)1);
    for (size_t i = 0; i < plan->filter_count && p->filter_count < PREFILTER_FILTERS_MAX; i++) {
        if (plan->filters[i].required) {
            add_filter(p, &plan->filters[i]);
        }
    }
    p->complete = (uint32_t)((UINT64_C(1) << p->filter_count) - 1);
    if (p->filter_count == 0 && plan->fetch == TQL_FETCH_ANY) {
        p->any = true;
        p->complete = 1;
        for (size_t i = 0; i < plan->filter_count; i++) {
            if (plan->filters[i].first) {
                add_filter(p, &plan->filters[i]);
            }
        }
    }
}

void
prefilter_fini(struct prefilter *p)
{
    arena_fini(&p->plan_memory);
    arena_fini(&p->arena);
    mem_free(p->line);
    mem_free(p->stack);
}

void
prefilter_batch(struct prefilter *p, const struct span_batch *b)
{
    arena_reset(&p->arena);
    p->values = (struct value_source){.batch = b, .facts = &p->facts, .arena = &p->arena};
    for (size_t i = 0; i < p->filter_count; i++) {
        for (size_t k = 0; k < p->filters[i].cond_count; k++) {
            p->filters[i].conds[k].memo_resource1 = 0;
        }
    }
}

static bool
part_may_hold(struct prefilter *p, const struct tql_cond *c, size_t row)
{
    const struct tql_slot *slot = &p->plan->compiler.slots.slots[c->slot];
    const struct span *s = &p->values.batch->spans[row];
    const struct run run = slot->level == TQL_LEVEL_EVENT ? s->events : s->links;
    struct tql_static v = TQL_STATIC_NIL;
    if (run.n == 0) {
        return tql_cond_eval(c, &v);
    }
    for (uint32_t i = 0; i < run.n; i++) {
        value_of_part(&p->values, slot, row, (struct value_at){run.at + i, run.at + i}, &v);
        if (tql_cond_eval(c, &v)) {
            return true;
        }
    }
    return false;
}

static bool
may_hold(struct prefilter *p, struct prefilter_cond *c, size_t row)
{
    const struct tql_slot *slot = &p->plan->compiler.slots.slots[c->cond->slot];
    const struct span_batch *b = p->values.batch;
    const struct span *s = &b->spans[row];
    const uint32_t resource1 = b->scopes[s->scope].resource + 1;
    struct tql_static v;
    switch ((enum how)c->how) {
    case HOW_PART:
        return part_may_hold(p, c->cond, row);
    case HOW_ROOT:
        return span_id_is_zero(&s->parent);
    case HOW_UNKNOWN:
        return true;
    case HOW_RESOURCE:
        if (c->memo_resource1 != resource1) {
            value_of_span(&p->values, slot, row, &v);
            c->memo = tql_cond_eval(c->cond, &v);
            c->memo_resource1 = resource1;
        }
        return c->memo;
    case HOW_VALUE:
        break;
    }
    p->facts.id = s->trace;
    value_of_span(&p->values, slot, row, &v);
    return tql_cond_eval(c->cond, &v);
}

static bool
rest_may_hold(struct prefilter *p, const struct prefilter_filter *f, size_t row)
{
    struct tql_static v;
    if (f->rest == NULL) {
        return true;
    }
    p->facts.id = p->values.batch->spans[row].trace;
    for (uint32_t i = 0; i < f->rest_use.count; i++) {
        uint32_t slot = f->rest_use.slots[i];
        value_of_span(&p->values, &p->plan->compiler.slots.slots[slot], row, &p->line[slot]);
    }
    /* An error is the trace's to report, when it is judged. */
    return tql_program_eval(f->rest, p->line, p->stack, NULL, &v) != OK || tql_static_is_true(&v);
}

static bool
filter_may_keep(struct prefilter *p, struct prefilter_filter *f, size_t row)
{
    if (f->filter->always || f->filter->never) {
        return f->filter->always;
    }
    const bool any = f->filter->push == TQL_PUSH_ANY;
    for (size_t i = 0; i < f->cond_count; i++) {
        if (may_hold(p, &f->conds[i], row) == any) {
            return any;
        }
    }
    return !any && rest_may_hold(p, f, row);
}

bool
prefilter_span(struct prefilter *p, size_t row, uint32_t *ret_bits)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < p->filter_count; i++) {
        if (filter_may_keep(p, &p->filters[i], row)) {
            bits |= p->any ? 1U : 1U << i;
        }
    }
    *ret_bits = bits;
    return bits != 0 || p->complete == 0;
}
