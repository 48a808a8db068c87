#include "group_plan.h"

#include <math.h>

/* --- order ------------------------------------------------------------------------------------------------
 */

/* The slot a step adds up, if it is nothing but a slot. */
static const struct tql_slot *
lone_slot(const struct tql_plan *plan, const struct tql_step *x)
{
    const struct tql_insn *first = x->program.insns;
    return x->program.insn_count == 1 && first->code == TQL_CODE_SLOT
               ? &plan->compiler.slots.slots[first->arg]
               : NULL;
}

/* May the answer of the step stand on the order of the rows? A sum of floats does, to the last bit. */
static bool
step_may_be_ordered(const struct tql_plan *plan, const struct tql_step *x)
{
    const struct tql_slot *slot = lone_slot(plan, x);
    return x->kind == TQL_STEP_SCALAR && x->has_program &&
           (slot == NULL || slot->attr.intrinsic != TQL_INTRINSIC_DURATION);
}

bool
plan_order_may_matter(const struct tql_plan *plan)
{
    bool may = false;
    for (size_t i = 0; i < plan->step_count; i++) {
        may = may || step_may_be_ordered(plan, &plan->steps[i]);
    }
    return may;
}

/* Whole numbers of one type, so small that all sums of them are exact? Whatever is no number does not count.
 */
static bool
adds_up_exactly(const struct slot_vector *v)
{
    const int64_t most = ((int64_t)1 << 53) / ((int64_t)v->count + 1);
    const bool coded = v->form == VECTOR_CODED;
    const size_t n = coded ? v->dict_count : v->count;
    uint8_t type = TQL_NIL;
    for (size_t i = 0; i < n; i++) {
        const struct tql_static x =
            coded ? v->dict[i] : (struct tql_static){.i = v->ints[i], .type = v->type};
        double number = 0;
        if (!tql_static_number(&x, &number)) {
            continue;
        }
        if (x.type == TQL_FLOAT || (type != TQL_NIL && x.type != type) || x.i > most || x.i < -most) {
            return false;
        }
        type = x.type;
    }
    return true;
}

err
plan_order_matters(struct group_scan *s, struct fault *f, bool *ret)
{
    const struct tql_plan *plan = s->plan;
    err rc = OK;
    *ret = false;
    for (size_t i = 0; i < plan->step_count && !*ret; i++) {
        const struct tql_step *x = &plan->steps[i];
        const struct tql_slot *slot = lone_slot(plan, x);
        if (step_may_be_ordered(plan, x)) {
            const struct slot_vector *v = NULL;
            *ret = slot == NULL || slot_is_part(slot);
            if (!*ret) {
                TRY(group_slot(s, x->program.insns->arg, f, &v));
                *ret = !adds_up_exactly(v);
            }
        }
    }
out:
    return rc;
}

/* --- counts -----------------------------------------------------------------------------------------------
 */

/* The least count that compares so; 0 when a count of nothing may. */
static uint32_t
least_count(const struct tql_step *x)
{
    double than = 0;
    if ((x->value.type != TQL_INT && x->value.type != TQL_FLOAT) || !tql_static_number(&x->value, &than) ||
        !(than >= 0 && than < 1e9)) {
        return 0;
    }
    switch ((enum tql_op)x->op) {
    case TQL_OP_GT:
        return (uint32_t)floor(than) + 1;
    case TQL_OP_GTE:
    case TQL_OP_EQ:
        return (uint32_t)ceil(than);
    default:
        return 0;
    }
}

/* Does the step hand on parts of what it is given, without a run-time error? */
static bool
only_divides(const struct tql_plan *plan, const struct tql_step *x)
{
    switch ((enum tql_step_kind)x->kind) {
    case TQL_STEP_FILTER:
        return plan->filters[x->filter].always || plan->filters[x->filter].never ||
               group_program_is_masks(&plan->filters[x->filter].program);
    case TQL_STEP_GROUP:
        return lone_slot(plan, x) != NULL;
    case TQL_STEP_SCALAR:
        return !x->has_program;
    case TQL_STEP_RESET:
    case TQL_STEP_SETOP:
    case TQL_STEP_SELECT:
    case TQL_STEP_COALESCE:
    case TQL_STEP_PIPE:
        return true;
    }
    return false;
}

uint32_t
plan_least_rows(const struct tql_plan *plan)
{
    uint32_t least = 0;
    bool grouped = false;
    size_t i = 0;
    for (; i < plan->step_count && only_divides(plan, &plan->steps[i]); i++) {
        const struct tql_step *x = &plan->steps[i];
        grouped = grouped || x->kind == TQL_STEP_GROUP;
        if (x->kind == TQL_STEP_SETOP && grouped) {
            return 0; /* it may fail for there being several spansets */
        }
        if (x->kind == TQL_STEP_SETOP) {
            least = 0; /* what came before was an operand, and the other one may do */
        } else if (x->kind == TQL_STEP_SCALAR && x->aggregate == TQL_AGGREGATE_COUNT) {
            const uint32_t n = least_count(x);
            least = n > least ? n : least;
        }
    }
    for (; i < plan->step_count; i++) {
        if (plan->steps[i].kind == TQL_STEP_SETOP) {
            return 0; /* all of it was in operands */
        }
    }
    return least;
}

/* --- sums -------------------------------------------------------------------------------------------------
 */

#define LEAST_SUM_MAX 1e15 /* far from where whole numbers wrap, and floats lose them */

static bool
wants_sum(const struct tql_plan *plan, const struct tql_step *x, struct plan_sum *ret)
{
    const struct tql_slot *slot = lone_slot(plan, x);
    const bool grows = x->op == TQL_OP_GT || x->op == TQL_OP_GTE || x->op == TQL_OP_EQ;
    if (x->kind != TQL_STEP_SCALAR || x->aggregate != TQL_AGGREGATE_SUM || slot == NULL ||
        slot_is_part(slot) || !grows || !tql_static_number(&x->value, &ret->least)) {
        return false;
    }
    ret->slot = x->program.insns->arg;
    return ret->least > 0 && ret->least < LEAST_SUM_MAX;
}

bool
plan_least_sum(const struct tql_plan *plan, struct plan_sum *ret)
{
    bool grouped = false;
    size_t i = 0;
    for (; i < plan->step_count && only_divides(plan, &plan->steps[i]); i++) {
        if (plan->steps[i].kind == TQL_STEP_SETOP && grouped) {
            return false; /* it may fail for there being several spansets */
        }
        grouped = grouped || plan->steps[i].kind == TQL_STEP_GROUP;
    }
    if (i == plan->step_count || !wants_sum(plan, &plan->steps[i], ret)) {
        return false;
    }
    for (; i < plan->step_count; i++) {
        if (plan->steps[i].kind == TQL_STEP_SETOP) {
            return false; /* all of it was in operands */
        }
    }
    return true;
}
