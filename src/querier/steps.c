/* The steps of a plan over lists of spansets: vivace/traceql/plan.h has the machine. */
#include "eval_priv.h"
#include "structure.h"

static struct spanset_list *
push(struct eval *e, uint32_t room)
{
    struct spanset_list *l = &e->priv->lists[e->priv->depth];
    *l = (struct spanset_list){.sets = arena_new_array(&e->arena, struct spanset, (size_t)room + 1),
                               .generation = e->priv->input.generation};
    return l->sets ? l : NULL;
}

static void
list_add(struct spanset_list *l, const uint32_t *rows, uint32_t count, uint32_t origin,
         const struct spanset_attr *attrs)
{
    if (count) {
        l->sets[l->count++] =
            (struct spanset){.rows = rows, .count = count, .origin = origin, .attrs = attrs};
    }
}

static err
label(struct eval *e, slice key, const struct tql_static *value, const struct spanset_attr *older,
      const struct spanset_attr **ret, struct fault *f)
{
    struct spanset_attr *a = arena_new(&e->arena, struct spanset_attr);
    if (a == NULL) {
        return eval_no_memory(e, f);
    }
    *a = (struct spanset_attr){.key = key, .value = *value, .older = older};
    *ret = a;
    return OK;
}

static void
set_input(struct eval *e, struct spanset_list l)
{
    l.generation = ++e->priv->generations;
    e->priv->input = l;
}

/* Does the filter keep the row, and is that known without running it? */
static bool
keeps(const struct eval *e, uint32_t filter, uint32_t row, bool *ret_known)
{
    const struct eval_rows *from = e->priv->from;
    *ret_known = false;
    return from && from->keeps(from, filter, row, ret_known);
}

/* --- one list from the input ---------------------------------------------------------------------------- */

static err
step_reset(struct eval *e, struct fault *f)
{
    const uint32_t n = (uint32_t)e->rows;
    uint32_t *rows = arena_new_array(&e->arena, uint32_t, (size_t)n + 1);
    struct spanset_list l = {.sets = arena_new_array(&e->arena, struct spanset, 1)};
    if (!rows || !l.sets) {
        return eval_no_memory(e, f);
    }
    for (uint32_t i = 0; i < n; i++) {
        rows[i] = i;
    }
    list_add(&l, rows, n, 0, NULL);
    set_input(e, l);
    return OK;
}

static err
filter_set(struct eval *e, uint32_t at, const struct spanset *set, struct fault *f, const uint32_t **ret,
           uint32_t *ret_count)
{
    const struct tql_filter *filter = &e->plan->filters[at];
    uint32_t kept = 0;
    *ret_count = 0;
    if (filter->never) {
        return OK;
    }
    if (filter->always) {
        *ret = set->rows;
        *ret_count = set->count;
        return OK;
    }
    uint32_t *rows = arena_alloc(&e->arena, (set->count + (size_t)1) * sizeof *rows);
    if (rows == NULL) {
        return eval_no_memory(e, f);
    }
    for (uint32_t i = 0; i < set->count; i++) {
        struct tql_static v;
        bool known = false;
        bool keep = keeps(e, at, set->rows[i], &known);
        if (!known) {
            err rc = eval_program(e, &filter->program, &e->priv->filters[at], set->rows[i],
                                  tql_static_is_true, f, &v);
            if (rc != OK) {
                return rc;
            }
            keep = tql_static_is_true(&v);
        }
        rows[kept] = set->rows[i];
        kept += keep;
    }
    *ret = rows;
    *ret_count = kept;
    return OK;
}

static err
step_filter(struct eval *e, const struct tql_step *step, struct fault *f)
{
    const struct spanset_list *in = &e->priv->input;
    struct spanset_list *out = push(e, in->count);
    if (out == NULL) {
        return eval_no_memory(e, f);
    }
    for (uint32_t i = 0; i < in->count; i++) {
        const uint32_t *rows = NULL;
        uint32_t n = 0;
        err rc = filter_set(e, step->filter, &in->sets[i], f, &rows, &n);
        if (rc != OK) {
            return rc;
        }
        list_add(out, rows, n, i, in->sets[i].attrs);
    }
    e->priv->depth++;
    return OK;
}

static err
step_scalar(struct eval *e, const struct tql_step *step, const struct slot_use *use, struct fault *f)
{
    const struct spanset_list *in = &e->priv->input;
    struct spanset_list *out = push(e, in->count);
    if (out == NULL) {
        return eval_no_memory(e, f);
    }
    for (uint32_t i = 0; i < in->count; i++) {
        struct tql_static v;
        const struct spanset_attr *attrs = NULL;
        bool holds = false;
        err rc = aggregate_of(e, step, use, &in->sets[i], f, &v);
        if (rc == OK && v.type != TQL_NIL) {
            rc = tql_static_compare((enum tql_op)step->op, &v, &step->value, &holds, f);
        }
        if (rc == OK && holds) {
            rc = label(e, step->label, &v, in->sets[i].attrs, &attrs, f);
        }
        if (rc != OK) {
            return rc;
        }
        if (holds) {
            list_add(out, in->sets[i].rows, in->sets[i].count, i, attrs);
        }
    }
    e->priv->depth++;
    return OK;
}

static err
step_same(struct eval *e, struct fault *f)
{
    const struct spanset_list *in = &e->priv->input;
    struct spanset_list *out = push(e, in->count);
    if (out == NULL) {
        return eval_no_memory(e, f);
    }
    for (uint32_t i = 0; i < in->count; i++) {
        list_add(out, in->sets[i].rows, in->sets[i].count, i, in->sets[i].attrs);
    }
    e->priv->depth++;
    return OK;
}

/* --- groups --------------------------------------------------------------------------------------------- */

#define FEW_GROUPS 8 /* looked at one by one before the table */

/* The distinct values of a spanset and which row has which. */
struct groups {
    struct tql_static *values;
    uint32_t *sizes, *of_row; /* by value; by position in the spanset */
    uint32_t *table;          /* value + 1, open addressing */
    uint32_t count, mask;
};

static bool
groups_make(struct eval *e, uint32_t rows, struct groups *g)
{
    uint32_t slots = 16;
    while (slots / 2 < rows && slots < 1U << 31) {
        slots *= 2;
    }
    *g = (struct groups){.values = arena_alloc(&e->arena, (size_t)rows * sizeof *g->values),
                         .sizes = arena_new_array(&e->arena, uint32_t, rows),
                         .of_row = arena_alloc(&e->arena, (size_t)rows * sizeof *g->of_row),
                         .table = arena_new_array(&e->arena, uint32_t, slots),
                         .mask = slots - 1};
    return g->values && g->sizes && g->of_row && g->table;
}

static uint32_t
group_of(struct groups *g, const struct tql_static *v)
{
    for (uint32_t i = 0; i < g->count && i < FEW_GROUPS;
         i++) { /* the same number, or the same bytes in place */
        const struct tql_static *x = &g->values[i];
        if (x->type == v->type && x->type != TQL_BOOL && x->i == v->i && x->n == v->n) {
            return i;
        }
    }
    uint32_t at = (uint32_t)tql_static_hash(v, 0x5bd1e995) & g->mask;
    while (g->table[at] && !tql_static_same(&g->values[g->table[at] - 1], v)) {
        at = (at + 1) & g->mask;
    }
    if (g->table[at] == 0) {
        g->values[g->count] = *v;
        g->table[at] = ++g->count;
    }
    return g->table[at] - 1;
}

/* Lay the groups' rows out one after the other. `starts` gets where each begins. */
static void
groups_lay_out(const struct groups *g, const struct spanset *set, uint32_t *rows, uint32_t *starts)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        starts[i] = at;
        at += g->sizes[i];
    }
    for (uint32_t i = 0; i < set->count; i++) {
        rows[starts[g->of_row[i]]++] = set->rows[i];
    }
}

static err
group_set(struct eval *e, const struct tql_step *step, const struct slot_use *use, uint32_t origin,
          struct spanset_list *out, struct fault *f)
{
    const struct spanset *set = &e->priv->input.sets[origin];
    struct groups g;
    err rc = OK;
    uint32_t *rows = arena_alloc(&e->arena, set->count * sizeof *rows);
    uint32_t *starts = arena_alloc(&e->arena, set->count * sizeof *starts);
    if (!groups_make(e, set->count, &g) || !rows || !starts) {
        return eval_no_memory(e, f);
    }
    for (uint32_t i = 0; i < set->count; i++) {
        struct tql_static v;
        TRY(eval_program(e, &step->program, use, set->rows[i], value_is_there, f, &v));
        g.of_row[i] = group_of(&g, &v);
        g.sizes[g.of_row[i]]++;
    }
    groups_lay_out(&g, set, rows, starts);
    for (uint32_t i = 0; i < g.count; i++) {
        const struct spanset_attr *attrs = NULL;
        TRY(label(e, step->label, &g.values[i], set->attrs, &attrs, f));
        list_add(out, rows + (starts[i] - g.sizes[i]), g.sizes[i], origin, attrs);
    }
out:
    return rc;
}

static err
step_group(struct eval *e, const struct tql_step *step, const struct slot_use *use, struct fault *f)
{
    const struct spanset_list *in = &e->priv->input;
    uint32_t most = 0;
    for (uint32_t i = 0; i < in->count; i++) {
        most += in->sets[i].count; /* the spansets of a list share no rows, or a row is in a few */
    }
    struct spanset_list *out = push(e, most);
    if (out == NULL) {
        return eval_no_memory(e, f);
    }
    for (uint32_t i = 0; i < in->count; i++) {
        err rc = group_set(e, step, use, i, out, f);
        if (rc != OK) {
            return rc;
        }
    }
    e->priv->depth++;
    return OK;
}

/* --- unions --------------------------------------------------------------------------------------------- */

/* Rows with `bit` in the marks, rising; all marks are zero after. */
static err
take_marked(struct eval *e, uint8_t bit, struct fault *f, const uint32_t **ret, uint32_t *ret_count)
{
    uint8_t *marks = e->priv->marks;
    const size_t n = e->rows;
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += (marks[i] & bit) != 0;
    }
    uint32_t *rows = arena_alloc(&e->arena, (count + (size_t)1) * sizeof *rows);
    if (rows == NULL) {
        return eval_no_memory(e, f);
    }
    count = 0;
    for (size_t i = 0; i < n; i++) {
        if (marks[i] & bit) {
            rows[count++] = (uint32_t)i;
        }
    }
    memset(marks, 0, n);
    *ret = rows;
    *ret_count = count;
    return OK;
}

static void
mark_sets(struct eval *e, const struct spanset *sets, uint32_t count, uint8_t bit)
{
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < sets[i].count; k++) {
            e->priv->marks[sets[i].rows[k]] |= bit;
        }
    }
}

/* Two rising lists into one. */
static err
merge_two(struct eval *e, const struct spanset *a, const struct spanset *b, struct fault *f,
          const uint32_t **ret, uint32_t *ret_count)
{
    uint32_t *rows = arena_alloc(&e->arena, ((size_t)a->count + b->count) * sizeof *rows);
    uint32_t n = 0;
    uint32_t i = 0;
    uint32_t k = 0;
    if (rows == NULL) {
        return eval_no_memory(e, f);
    }
    while (i < a->count || k < b->count) {
        uint32_t x = i < a->count ? a->rows[i] : UINT32_MAX;
        uint32_t y = k < b->count ? b->rows[k] : UINT32_MAX;
        i += x <= y;
        k += y <= x;
        rows[n++] = x < y ? x : y;
    }
    *ret = rows;
    *ret_count = n;
    return OK;
}

static err
step_coalesce(struct eval *e, struct fault *f)
{
    const struct spanset_list *in = &e->priv->input;
    struct spanset_list *out = push(e, 1);
    const uint32_t *rows = NULL;
    uint32_t n = 0;
    if (out == NULL) {
        return eval_no_memory(e, f);
    }
    mark_sets(e, in->sets, in->count, MARK_OUT);
    err rc = take_marked(e, MARK_OUT, f, &rows, &n);
    if (rc == OK) {
        list_add(out, rows, n, 0, NULL);
        e->priv->depth++;
    }
    return rc;
}

/* --- operators between spansets ------------------------------------------------------------------------- */

/* The operands of one operation: spansets of one origin. */
struct sides {
    const struct spanset *a, *b;
    uint32_t a_count, b_count;
};

static err
join(struct eval *e, enum tql_op op, const struct sides *s, struct fault *f, const uint32_t **ret,
     uint32_t *ret_count)
{
    *ret_count = 0;
    if (op == TQL_OP_AND && (s->a_count == 0 || s->b_count == 0)) {
        return OK;
    }
    if (s->a_count == 1 && s->b_count == 1) {
        return merge_two(e, s->a, s->b, f, ret, ret_count);
    }
    if (s->a_count + s->b_count == 1) {
        const struct spanset *only = s->a_count ? s->a : s->b;
        *ret = only->rows;
        *ret_count = only->count;
        return OK;
    }
    mark_sets(e, s->a, s->a_count, MARK_OUT);
    mark_sets(e, s->b, s->b_count, MARK_OUT);
    return take_marked(e, MARK_OUT, f, ret, ret_count);
}

static err
relate(struct eval *e, enum tql_op op, const struct sides *s, struct fault *f, const uint32_t **ret,
       uint32_t *ret_count)
{
    *ret_count = 0;
    if (s->a_count > 1 || s->b_count > 1) {
        return FAULT(f, ERR_INVALID,
                     "spanset operators are not supported for multiple spansets per trace. consider using "
                     "coalesce()");
    }
    if (s->b_count == 0 || (s->a_count == 0 && !op_is_negated(op))) {
        return OK;
    }
    if (s->a_count == 0) {
        *ret = s->b->rows;
        *ret_count = s->b->count;
        return OK;
    }
    err rc = query_guard_check(e->guard, f);
    if (rc != OK) {
        return rc;
    }
    mark_sets(e, s->a, 1, MARK_LEFT);
    mark_sets(e, s->b, 1, MARK_RIGHT);
    structure_apply(op, e->priv->shape, e->priv->marks, e->priv->work);
    return take_marked(e, MARK_OUT, f, ret, ret_count);
}

/* The spansets of `l` from `*at` on that belong to `origin`. */
static uint32_t
side_take(const struct spanset_list *l, uint32_t origin, uint32_t *at, const struct spanset **ret)
{
    uint32_t from = *at;
    while (*at < l->count && l->sets[*at].origin == origin) {
        (*at)++;
    }
    *ret = l->sets + from;
    return *at - from;
}

/* Operands that come of one input meet spanset by spanset of it; those of pipelines of their own as wholes.
 */
static err
step_set_op(struct eval *e, enum tql_op op, struct fault *f)
{
    struct eval_private *p = e->priv;
    p->depth -= 2;
    const struct spanset_list a = p->lists[p->depth];
    const struct spanset_list b = p->lists[p->depth + 1];
    const bool paired = a.generation == b.generation;
    uint32_t at_a = 0;
    uint32_t at_b = 0;
    struct spanset_list *out = push(e, a.count + b.count);
    if (out == NULL) {
        return eval_no_memory(e, f);
    }
    out->generation = paired ? a.generation : ++p->generations;
    while (at_a < a.count || at_b < b.count) {
        uint32_t oa = at_a < a.count ? a.sets[at_a].origin : UINT32_MAX;
        uint32_t ob = at_b < b.count ? b.sets[at_b].origin : UINT32_MAX;
        uint32_t origin = oa < ob ? oa : ob;
        const uint32_t *rows = NULL;
        uint32_t n = 0;
        struct sides s = {a.sets, b.sets, a.count, b.count};
        if (paired) {
            s.a_count = side_take(&a, origin, &at_a, &s.a);
            s.b_count = side_take(&b, origin, &at_b, &s.b);
        } else {
            at_a = a.count;
            at_b = b.count;
            origin = 0;
        }
        bool logical = op == TQL_OP_AND || op == TQL_OP_OR;
        err rc = logical ? join(e, op, &s, f, &rows, &n) : relate(e, op, &s, f, &rows, &n);
        if (rc != OK) {
            return rc;
        }
        list_add(out, rows, n, origin, paired ? p->input.sets[origin].attrs : NULL);
    }
    p->depth++;
    return OK;
}

/* --- the machine ---------------------------------------------------------------------------------------- */

static err
run_step(struct eval *e, size_t i, struct fault *f)
{
    const struct tql_step *step = &e->plan->steps[i];
    switch ((enum tql_step_kind)step->kind) {
    case TQL_STEP_RESET:
        return step_reset(e, f);
    case TQL_STEP_FILTER:
        return step_filter(e, step, f);
    case TQL_STEP_SETOP:
        return step_set_op(e, (enum tql_op)step->op, f);
    case TQL_STEP_GROUP:
        return step_group(e, step, &e->priv->steps[i], f);
    case TQL_STEP_SCALAR:
        return step_scalar(e, step, &e->priv->steps[i], f);
    case TQL_STEP_SELECT:
        return step_same(e, f);
    case TQL_STEP_COALESCE:
        return step_coalesce(e, f);
    case TQL_STEP_PIPE:
        set_input(e, e->priv->lists[--e->priv->depth]);
        return OK;
    }
    return OK;
}

err
eval_steps(struct eval *e, struct fault *f)
{
    err rc = OK;
    e->priv->depth = 0;
    e->priv->generations = 0;
    for (size_t i = 0; rc == OK && i < e->plan->step_count; i++) {
        rc = run_step(e, i, f);
    }
    if (rc == OK && e->priv->depth) {
        e->sets = e->priv->lists[0].sets;
        e->set_count = e->priv->lists[0].count;
    }
    return rc;
}
