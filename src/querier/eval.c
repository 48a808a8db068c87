#include "eval_priv.h"

#include "vivace/base/mem.h"

#define TICKS_PER_LOOK 1024

err
eval_no_memory(const struct eval *e, struct fault *f)
{
    return FAULT(f, ERR_LIMIT, "a trace of %zu spans needs more memory than a query has", e->rows);
}

err
eval_tick(struct eval *e, struct fault *f)
{
    return ++e->priv->ticks % TICKS_PER_LOOK ? OK : query_guard_check(e->guard, f);
}

/* --- set up for a plan -------------------------------------------------------------------------------- */

static void
use_add(struct slot_use *use, const struct tql_plan *plan, uint32_t slot)
{
    for (uint32_t i = 0; i < use->count; i++) {
        if (use->slots[i] == slot) {
            return;
        }
    }
    use->slots[use->count++] = slot;
    use->parts = use->parts || slot_is_part(&plan->compiler.slots.slots[slot]);
}

void
slot_use_of(struct arena *a, const struct tql_plan *plan, const struct tql_program *program,
            struct slot_use *ret)
{
    size_t most = (size_t)program->insn_count < plan->compiler.slots.count ? program->insn_count
                                                                           : plan->compiler.slots.count;
    *ret = (struct slot_use){.slots = arena_new_array(a, uint32_t, most + 1)};
    for (uint32_t i = 0; i < program->insn_count; i++) {
        const struct tql_insn *insn = &program->insns[i];
        if (insn->code == TQL_CODE_SLOT) {
            use_add(ret, plan, insn->arg);
        } else if (insn->code == TQL_CODE_COND) {
            use_add(ret, plan, program->conds[insn->arg].slot);
        }
    }
}

/* Which conditions, or what else, a filter puts on each slot. */
static void
shown_of_program(struct eval_private *p, const struct tql_program *program)
{
    for (uint32_t i = 0; i < program->insn_count; i++) {
        const struct tql_insn *insn = &program->insns[i];
        if (insn->code == TQL_CODE_SLOT) {
            p->shown[insn->arg].always = true;
        } else if (insn->code == TQL_CODE_COND) {
            const struct tql_cond *cond = &program->conds[insn->arg];
            struct slot_shown *s = &p->shown[cond->slot];
            if ((s->cond_count & (s->cond_count - 1)) == 0) { /* full at each power of two */
                const struct tql_cond **more =
                    arena_alloc(&p->plan_memory, (s->cond_count ? 2 * s->cond_count : 1) * sizeof(void *));
                if (s->cond_count) {
                    memcpy(more, s->conds, s->cond_count * sizeof(void *)); /* an array of pointers */
                }
                s->conds = more;
            }
            s->conds[s->cond_count++] = cond;
        }
    }
}

void
eval_init(struct eval *e, const struct tql_plan *plan, size_t bytes_max, const struct query_guard *guard)
{
    struct eval_private *p = mem_new(struct eval_private);
    const struct tql_slots *slots = &plan->compiler.slots;
    *e = (struct eval){.plan = plan, .guard = guard, .priv = p};
    arena_init(&e->arena, bytes_max);
    arena_init(&p->plan_memory, 0); /* a few bytes for each of the plan's, which are bounded */
    p->stack = mem_new_array(struct tql_static, plan->values_max + (size_t)1);
    p->line = mem_new_array(struct tql_static, slots->count + 1);
    p->lists = mem_new_array(struct spanset_list, plan->stack_max + (size_t)1);
    p->filters = arena_new_array(&p->plan_memory, struct slot_use, plan->filter_count + 1);
    p->steps = arena_new_array(&p->plan_memory, struct slot_use, plan->step_count + 1);
    p->shown = arena_new_array(&p->plan_memory, struct slot_shown, slots->count + 1);
    for (size_t i = 0; i < plan->filter_count; i++) {
        slot_use_of(&p->plan_memory, plan, &plan->filters[i].program, &p->filters[i]);
        shown_of_program(p, &plan->filters[i].program);
    }
    for (size_t i = 0; i < plan->step_count; i++) {
        slot_use_of(&p->plan_memory, plan, &plan->steps[i].program, &p->steps[i]);
    }
    for (size_t i = 0; i < slots->count; i++) {
        p->shown[i].always = p->shown[i].always || (slots->slots[i].uses & ~TQL_USE_FILTER);
    }
}

void
eval_fini(struct eval *e)
{
    if (e->priv == NULL) {
        return;
    }
    mem_free(e->priv->stack);
    mem_free(e->priv->line);
    mem_free(e->priv->lists);
    arena_fini(&e->priv->plan_memory);
    mem_free(e->priv);
    arena_fini(&e->arena);
    *e = (struct eval){0};
}

/* --- values ------------------------------------------------------------------------------------------- */

static struct tql_static *
row_cells(struct eval *e, size_t row)
{
    return e->priv->cells + row * e->plan->compiler.slots.count;
}

static void
fill_cell(struct eval *e, size_t row, uint32_t slot)
{
    struct tql_static *cell = &row_cells(e, row)[slot];
    if (cell->type == CELL_UNREAD && e->priv->from) {
        e->priv->from->value(e->priv->from, slot, row, cell);
    } else if (cell->type == CELL_UNREAD) {
        value_of_span(&e->priv->values, &e->plan->compiler.slots.slots[slot], row, cell);
    }
}

/* The events and links of a row, pair by pair; one pair without them when there are none, or none is asked.
 */
struct parts {
    struct run events, links;
    uint32_t event, link; /* of the pair to come */
};

static struct run
parts_run(const struct eval *e, bool links, size_t row)
{
    if (e->priv->from) {
        return e->priv->from->parts(e->priv->from, links, row);
    }
    return links ? e->batch->spans[row].links : e->batch->spans[row].events;
}

static void
part_read(struct eval *e, size_t row, uint32_t slot, struct value_at at, struct tql_static *ret)
{
    if (e->priv->from) {
        e->priv->from->part(e->priv->from, slot, at, ret);
    } else {
        value_of_part(&e->priv->values, &e->plan->compiler.slots.slots[slot], row, at, ret);
    }
}

static struct parts
parts_of(const struct eval *e, size_t row, bool events, bool links)
{
    return (struct parts){.events = events ? parts_run(e, false, row) : (struct run){0, 0},
                          .links = links ? parts_run(e, true, row) : (struct run){0, 0}};
}

static bool
parts_next(struct parts *p, struct value_at *ret)
{
    uint32_t events = p->events.n ? p->events.n : 1;
    uint32_t links = p->links.n ? p->links.n : 1;
    if (p->event == events) {
        return false;
    }
    ret->event = p->events.n ? p->events.at + p->event : SHAPE_NO_ROW;
    ret->link = p->links.n ? p->links.at + p->link : SHAPE_NO_ROW;
    if (++p->link == links) {
        p->link = 0;
        p->event++;
    }
    return true;
}

static void
fill_line(struct eval *e, const struct slot_use *use, size_t row, struct value_at at)
{
    const struct tql_slot *slots = e->plan->compiler.slots.slots;
    for (uint32_t i = 0; i < use->count; i++) {
        uint32_t slot = use->slots[i];
        if (slot_is_part(&slots[slot])) {
            part_read(e, row, slot, at, &e->priv->line[slot]);
        } else {
            e->priv->line[slot] = row_cells(e, row)[slot];
        }
    }
}

err
eval_program(struct eval *e, const struct tql_program *p, const struct slot_use *use, size_t row,
             bool (*wanted)(const struct tql_static *v), struct fault *f, struct tql_static *ret)
{
    const struct tql_slot *slots = e->plan->compiler.slots.slots;
    err rc = eval_tick(e, f);
    if (rc == OK && p->insn_count == 1 && p->insns[0].code == TQL_CODE_SLOT && !use->parts) {
        if (e->priv->from) { /* by(name), avg(duration): straight from its vector */
            e->priv->from->value(e->priv->from, p->insns[0].arg, row, ret);
            return OK;
        }
        fill_cell(e, row, p->insns[0].arg);
        *ret = row_cells(e, row)[p->insns[0].arg];
        return e->priv->values.failed ? eval_no_memory(e, f) : OK;
    }
    for (uint32_t i = 0; i < use->count; i++) {
        if (!slot_is_part(&slots[use->slots[i]])) {
            fill_cell(e, row, use->slots[i]);
        }
    }
    if (rc == OK && !use->parts) {
        rc = tql_program_eval(p, row_cells(e, row), e->priv->stack, f, ret);
        return rc == OK && e->priv->values.failed ? eval_no_memory(e, f) : rc;
    }
    struct parts parts =
        parts_of(e, row, p->levels & 1U << TQL_LEVEL_EVENT, p->levels & 1U << TQL_LEVEL_LINK);
    struct value_at at;
    while (rc == OK && parts_next(&parts, &at)) {
        struct arena_mark mark = arena_mark(&e->arena);
        fill_line(e, use, row, at);
        rc = tql_program_eval(p, e->priv->line, e->priv->stack, f, ret);
        if (rc == OK && e->priv->values.failed) {
            rc = eval_no_memory(e, f);
        }
        if (rc != OK || wanted(ret)) {
            return rc;
        }
        arena_rewind(&e->arena, mark);
        rc = eval_tick(e, f);
    }
    *ret = TQL_STATIC_NIL;
    return rc;
}

/* The slot's value in the at-th event or link of the row; false behind the last. */
static bool
part_value(struct eval *e, size_t row, uint32_t slot, uint32_t at, struct tql_static *ret)
{
    const struct tql_slot *s = &e->plan->compiler.slots.slots[slot];
    const struct run run = parts_run(e, s->level == TQL_LEVEL_LINK, row);
    if (at >= run.n) {
        return false;
    }
    part_read(e, row, slot, (struct value_at){run.at + at, run.at + at}, ret);
    return true;
}

struct tql_static
eval_value(struct eval *e, size_t row, uint32_t slot)
{
    struct tql_static v = TQL_STATIC_NIL;
    if (!slot_is_part(&e->plan->compiler.slots.slots[slot])) {
        fill_cell(e, row, slot);
        return row_cells(e, row)[slot];
    }
    for (uint32_t at = 0; part_value(e, row, slot, at, &v); at++) {
        if (v.type != TQL_NIL) {
            return v;
        }
    }
    return TQL_STATIC_NIL;
}

bool
eval_each(struct eval *e, size_t row, uint32_t slot, uint32_t at, struct tql_static *ret)
{
    if (slot_is_part(&e->plan->compiler.slots.slots[slot])) {
        return part_value(e, row, slot, at, ret);
    }
    *ret = at == 0 ? eval_value(e, row, slot) : TQL_STATIC_NIL;
    return at == 0;
}

struct tql_static
eval_shown(struct eval *e, size_t row, uint32_t slot)
{
    const struct slot_shown *s = &e->priv->shown[slot];
    struct tql_static v = TQL_STATIC_NIL;
    if (s->always) {
        return eval_value(e, row, slot);
    }
    for (uint32_t at = 0; eval_each(e, row, slot, at, &v); at++) {
        for (uint32_t i = 0; v.type != TQL_NIL && i < s->cond_count; i++) {
            if (tql_cond_eval(s->conds[i], &v)) {
                return v;
            }
        }
    }
    return TQL_STATIC_NIL;
}

const struct trace_facts *
eval_facts(const struct eval *e)
{
    return &e->priv->facts;
}

/* --- a run -------------------------------------------------------------------------------------------- */

/* Forget the last run; room for one over `rows` rows. */
static err
begin(struct eval *e, size_t rows, struct fault *f)
{
    struct eval_private *p = e->priv;
    const size_t slots = e->plan->compiler.slots.count;
    arena_reset(&e->arena);
    e->batch = NULL;
    p->from = NULL;
    e->rows = rows;
    e->sets = NULL;
    e->set_count = 0;
    if (rows >= UINT32_MAX - 1 || (slots && rows > SIZE_MAX / slots / sizeof *p->cells)) {
        return eval_no_memory(e, f);
    }
    p->cells = arena_alloc(&e->arena, rows * slots * sizeof *p->cells + 1);
    p->marks = arena_new_array(&e->arena, uint8_t, rows + 1);
    p->work = arena_new_array(&e->arena, uint32_t, rows + 1);
    if (!p->cells || !p->marks || !p->work) {
        return eval_no_memory(e, f);
    }
    memset(p->cells, CELL_UNREAD, rows * slots * sizeof *p->cells);
    return OK;
}

static err
prepare(struct eval *e, const struct span_batch *b, struct fault *f)
{
    struct eval_private *p = e->priv;
    err rc = begin(e, b->span_count, f);
    e->batch = b;
    trace_facts_of(b, &p->facts);
    p->values = (struct value_source){.batch = b, .facts = &p->facts, .arena = &e->arena};
    p->values.alone = e->alone;
    if (rc == OK && e->plan->needs_structure && !e->alone) {
        rc = shape_make(b, &e->arena, f, &p->own_shape);
        p->shape = &p->own_shape;
        p->values.shape = p->shape;
    }
    return rc;
}

err
eval_run(struct eval *e, const struct span_batch *b, struct fault *f)
{
    err rc = prepare(e, b, f);
    if (rc == OK && b->span_count) {
        rc = eval_steps(e, f);
    }
    return rc;
}

err
eval_run_rows(struct eval *e, const struct eval_rows *r, struct fault *f)
{
    struct eval_private *p = e->priv;
    err rc = begin(e, r->count, f);
    p->from = r;
    p->facts = r->facts;
    p->shape = r->shape;
    p->values = (struct value_source){.arena = &e->arena}; /* nothing is read through it */
    if (rc == OK && r->count) {
        rc = eval_steps(e, f);
    }
    return rc;
}

uint64_t
eval_row_start(const struct eval *e, size_t row)
{
    return e->priv->from ? e->priv->from->start_of(e->priv->from, row) : e->batch->spans[row].start_ns;
}

void
eval_row_facts(const struct eval *e, size_t row, struct row_facts *ret)
{
    if (e->priv->from) {
        e->priv->from->facts_of(e->priv->from, row, ret);
        return;
    }
    const struct span *s = &e->batch->spans[row];
    *ret = (struct row_facts){
        .id = s->id,
        .name = s->name,
        .service = span_service_name(e->batch, s),
        .start_ns = s->start_ns,
        .duration_ns = s->end_ns > s->start_ns ? s->end_ns - s->start_ns : 0,
        .error = s->status_code == TQL_STATUS_ERROR,
    };
}
