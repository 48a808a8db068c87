#include "group_judge.h"

#include "columns_priv.h"
#include "group_plan.h"
#include "group_tree.h"

#include "vivace/base/mem.h"
#include "vivace/querier/search.h"

#include <stdlib.h>

#define FEW_ROWS 32 /* of a trace: sorted and compared each with each */

struct group_judge_private {
    struct eval_rows rows; /* of the trace being judged; first, for the callbacks */
    struct group_judge *judge;
    uint32_t least_rows;       /* of a trace that may match */
    struct plan_sum least_sum; /* the same, when has_least_sum */
    bool has_least_sum;
    bool may_be_ordered;               /* the answer may stand on the order of rows */
    bool ordered, order_known;         /* it does in this row group */
    uint64_t **kept;                   /* by filter of the plan: a mask, or NULL */
    const struct slot_vector **values; /* by slot, or NULL: not asked for yet */
    const struct group_parts *events, *links;
    /* of the row group */
    const uint64_t *starts;
    const span_id *ids;
    const struct slot_vector *trace_start, *trace_duration, *root_name, *root_service;
    struct group_trees trees; /* when the plan needs structure; and which traces must be put together */
    bool has_trees;
    bool relevant_known;
    uint64_t *relevant; /* rows the answer stands on; NULL: all of them */
    /* of the trace */
    uint32_t first;        /* row of the row group */
    const uint32_t *order; /* rows of the row group, or NULL: as they stand */
    struct shape shape;
    struct arena arena;
    err failed; /* of a callback */
    struct fault fault;
};

/* --- set up -----------------------------------------------------------------------------------------------
 */

struct group_judge *
group_judge_create(struct block_reader *r, const struct tql_plan *plan, const struct query_guard *guard,
                   struct budget *budget)
{
    struct group_judge *j = mem_new(struct group_judge);
    struct group_judge_private *p = mem_new(struct group_judge_private);
    j->scan = group_scan_create(r, plan, guard, budget);
    j->priv = p;
    p->judge = j;
    p->may_be_ordered = plan_order_may_matter(plan);
    p->least_rows = plan_least_rows(plan);
    p->has_least_sum = plan_least_sum(plan, &p->least_sum);
    prefilter_init(&j->prefilter, plan);
    eval_init(&j->eval, plan, SEARCH_TRACE_BYTES_MAX, guard);
    arena_init(&p->arena, SEARCH_TRACE_BYTES_MAX);
    p->kept = mem_new_array(uint64_t *, plan->filter_count + 1);
    p->values = mem_new_array(const struct slot_vector *, plan->compiler.slots.count + 1);
    return j;
}

void
group_judge_destroy(struct group_judge *j)
{
    if (j == NULL) {
        return;
    }
    group_scan_destroy(j->scan);
    prefilter_fini(&j->prefilter);
    eval_fini(&j->eval);
    arena_fini(&j->priv->arena);
    mem_free(j->priv->kept);
    mem_free(j->priv->values);
    mem_free(j->priv);
    mem_free(j);
}

/* --- which traces may match -------------------------------------------------------------------------------
 */

static bool
slot_of_whole_trace(const struct tql_slot *slot)
{
    switch ((enum tql_intrinsic)slot->attr.intrinsic) {
    case TQL_INTRINSIC_SPAN_CHILD_COUNT:
    case TQL_INTRINSIC_NESTED_SET_LEFT:
    case TQL_INTRINSIC_NESTED_SET_RIGHT:
    case TQL_INTRINSIC_NESTED_SET_PARENT:
    case TQL_INTRINSIC_TRACE_DURATION:
    case TQL_INTRINSIC_TRACE_ROOT_NAME:
    case TQL_INTRINSIC_TRACE_ROOT_SERVICE:
        return true;
    default:
        return false;
    }
}

/* Does the program read what only the whole trace tells? */
static bool
reads_the_trace(const struct tql_plan *plan, const struct tql_program *p)
{
    for (uint32_t i = 0; i < p->insn_count; i++) {
        const struct tql_insn *x = &p->insns[i];
        if (x->code == TQL_CODE_SLOT || x->code == TQL_CODE_COND) {
            uint32_t slot = x->code == TQL_CODE_SLOT ? x->arg : p->conds[x->arg].slot;
            if (slot_of_whole_trace(&plan->compiler.slots.slots[slot])) {
                return true;
            }
        }
    }
    return false;
}

/* Do masks leave the condition out? Those of single events and links are for whole programs; with `loose` the
 * trace may say something else when all of it is there. */
static bool
leaves_out(const struct group_judge *j, const struct tql_cond *c, bool loose)
{
    const struct tql_slot *slot = &j->scan->plan->compiler.slots.slots[c->slot];
    return slot_is_part(slot) || (loose && slot_of_whole_trace(slot));
}

/* Narrow `ret` to rows that satisfy the conditions; when no row satisfies one of them, before any is read. */
static err
all_conds(struct group_judge *j, const struct prefilter_filter *x, bool loose, struct fault *f, uint64_t *ret)
{
    struct group_scan *s = j->scan;
    uint64_t *one = NULL;
    bool never = false;
    err rc = OK;
    for (size_t i = 0; i < x->cond_count && !never; i++) {
        if (!leaves_out(j, x->conds[i].cond, loose)) {
            TRY(group_cond_never(s, x->conds[i].cond, f, &never));
        }
    }
    if (never) {
        memset(ret, 0, s->words * sizeof *ret);
    }
    for (size_t i = 0; i < x->cond_count && mask_any(ret, s->words); i++) {
        if (leaves_out(j, x->conds[i].cond, loose)) {
            continue;
        }
        TRY(group_mask(s, f, &one));
        TRY(group_cond(s, x->conds[i].cond, f, one));
        for (size_t w = 0; w < s->words; w++) {
            ret[w] &= one[w];
        }
    }
out:
    return rc;
}

/* Rows a filter may keep: exact for what masks can say. */
static err
exact_mask(struct group_judge *j, const struct prefilter_filter *x, struct fault *f, uint64_t *ret)
{
    struct group_scan *s = j->scan;
    const struct tql_filter *filter = x->filter;
    const uint32_t number = (uint32_t)(filter - s->plan->filters);
    err rc = OK;
    if (filter->always || filter->never || group_program_is_masks(&filter->program)) {
        TRY(group_filter(s, number, NULL, f, ret));
        j->priv->kept[number] = ret;
        return OK;
    }
    mask_fill(ret, s->rows);
    if (filter->push == TQL_PUSH_ANY) {
        return OK; /* too many conditions for masks: the traces are judged */
    }
    TRY(all_conds(j, x, false, f, ret));
    if (x->rest && mask_any(ret, s->words)) {
        TRY(group_program_may(s, x->rest, ret, f, ret));
    }
out:
    return rc;
}

/* Rows it may keep in a trace that goes on elsewhere. */
static err
loose_mask(struct group_judge *j, const struct prefilter_filter *x, struct fault *f, uint64_t *ret)
{
    mask_fill(ret, j->scan->rows);
    return x->filter->push == TQL_PUSH_ALL ? all_conds(j, x, true, f, ret) : OK;
}

/* The traces of the row group, none of them a candidate yet. */
static err
open_traces(struct group_judge *j, struct fault *f)
{
    struct group_scan *s = j->scan;
    struct group_judge_private *p = j->priv;
    struct group_traces traces;
    err rc = OK;
    if (j->traces) {
        return OK;
    }
    TRY(group_traces(s, f, &traces));
    TRY(group_column(s, BLOCK_TRACE_START, f, &p->trace_start));
    TRY(group_column(s, BLOCK_TRACE_DURATION, f, &p->trace_duration));
    struct judged_trace *v = scan_alloc(s, traces.count + 1, sizeof *v);
    if (v == NULL) {
        return scan_no_memory(f);
    }
    for (size_t i = 0; i < traces.count; i++) {
        const struct group_trace *t = &traces.v[i];
        v[i] = (struct judged_trace){.id = t->id,
                                     .from = t->from,
                                     .to = t->to,
                                     .start_ns = (uint64_t)vector_at(p->trace_start, t->from).i};
        v[i].end_ns = v[i].start_ns + (uint64_t)vector_at(p->trace_duration, t->from).i;
    }
    j->traces = v;
    j->trace_count = traces.count;
out:
    return rc;
}

static void
add_bits(struct group_judge *j, const uint64_t *mask, uint32_t bit, bool exact, bool loose)
{
    for (size_t i = 0; i < j->trace_count; i++) {
        struct judged_trace *t = &j->traces[i];
        if (mask_next(mask, t->from, t->to) < t->to) {
            t->exact |= exact ? bit : 0;
            t->loose |= loose ? bit : 0;
        }
    }
}

/* What tells which traces must be put together, and (with structure) the trees of the others. */
static err
load_trees(struct group_judge *j, struct fault *f)
{
    struct group_judge_private *p = j->priv;
    err rc = OK;
    if (!p->has_trees) {
        TRY(group_trees_open(j->scan, j->traces, j->trace_count, j->scan->plan->needs_structure, f,
                             &p->trees));
        p->has_trees = true;
    }
out:
    return rc;
}

/* Traces whose numbers in the block are not those of the trace as it is judged: they match what they match
 * when they are put together. */
static err
let_odd_ones_pass(struct group_judge *j, struct fault *f)
{
    err rc = OK;
    for (size_t i = 0; i < j->trace_count; i++) {
        struct judged_trace *t = &j->traces[i];
        if (t->loose & ~t->exact) {
            TRY(load_trees(j, f));
            t->exact |= group_trees_odd(&j->priv->trees, i) ? t->loose : 0;
        }
    }
out:
    return rc;
}

/* No trace can match with what lies here: when one filter that is needed keeps no row, only traces that go on
 * elsewhere are left, and when none keeps any, none. */
static err
find_bits(struct group_judge *j, struct fault *f)
{
    struct group_scan *s = j->scan;
    uint64_t *mask = NULL;
    bool any_split = false;
    err rc = OK;
    j->never_loose = j->prefilter.complete != 0;
    for (size_t i = 0; i < j->prefilter.filter_count; i++) {
        const struct prefilter_filter *x = &j->prefilter.filters[i];
        const uint32_t bit = j->prefilter.any ? 1 : 1U << i;
        const bool split =
            !x->filter->always && !x->filter->never && reads_the_trace(s->plan, &x->filter->program);
        TRY(group_mask(s, f, &mask));
        TRY(exact_mask(j, x, f, mask));
        bool some = mask_any(mask, s->words);
        if (some) {
            TRY(open_traces(j, f));
            add_bits(j, mask, bit, true, !split);
            j->never_loose = false;
        }
        if (split) {
            TRY(group_mask(s, f, &mask));
            TRY(loose_mask(j, x, f, mask));
            some = mask_any(mask, s->words);
        }
        if (split && some) {
            TRY(open_traces(j, f));
            add_bits(j, mask, bit, false, true);
            j->never_loose = false;
            any_split = true;
        }
    }
    rc = any_split ? let_odd_ones_pass(j, f) : OK;
out:
    return rc;
}

err
group_judge_open(struct group_judge *j, size_t row_group, struct fault *f)
{
    struct group_judge_private *p = j->priv;
    const struct tql_plan *plan = j->scan->plan;
    err rc = OK;
    TRY(group_scan_open(j->scan, row_group, f));
    memset(p->kept, 0, plan->filter_count * sizeof(void *));
    memset(p->values, 0, plan->compiler.slots.count * sizeof(void *));
    p->events = p->links = NULL;
    p->starts = NULL;
    p->ids = NULL;
    p->root_name = NULL;
    p->has_trees = false;
    p->order_known = !p->may_be_ordered;
    p->relevant_known = false;
    p->relevant = NULL;
    j->traces = NULL;
    j->trace_count = 0;
    TRY(find_bits(j, f));
    if (j->prefilter.complete == 0) {
        TRY(open_traces(j, f));
    }
out:
    return rc;
}

/* --- rows of a trace for eval -----------------------------------------------------------------------------
 */

/* The first failure of a callback, which has no way to say so; judge_trace asks. */
static bool
went_well(struct group_judge_private *p, err rc, const struct fault *f)
{
    if (rc != OK && p->failed == OK) {
        p->failed = rc;
        p->fault = *f;
    }
    return rc == OK;
}

static struct group_judge_private *
private_of(const struct eval_rows *r)
{
    return (struct group_judge_private *)(uintptr_t)r; /* the rows are its first member */
}

/* The row of the row group. */
static inline uint32_t
place(const struct group_judge_private *p, size_t row)
{
    return p->order ? p->order[row] : p->first + (uint32_t)row;
}

/* Work out a filter's mask, if it can be. (A fault is large: only here.) */
static void
load_kept(struct group_judge_private *p, uint32_t filter)
{
    struct group_scan *s = p->judge->scan;
    struct fault f = {0};
    uint64_t *mask = NULL;
    if (group_program_is_masks(&s->plan->filters[filter].program)) {
        err rc = group_mask(s, &f, &mask);
        rc = rc == OK ? group_filter(s, filter, NULL, &f, mask) : rc;
        if (went_well(p, rc, &f)) {
            p->kept[filter] = mask;
        }
    }
}

static bool
row_is_kept(const struct eval_rows *r, uint32_t filter, size_t row, bool *ret_known)
{
    struct group_judge_private *p = private_of(r);
    if (p->kept[filter] == NULL) {
        load_kept(p, filter);
    }
    *ret_known = p->kept[filter] != NULL;
    return *ret_known && mask_has(p->kept[filter], place(p, row));
}

static void
load_values(struct group_judge_private *p, uint32_t slot)
{
    struct fault f = {0};
    (void)went_well(p, group_slot(p->judge->scan, slot, &f, &p->values[slot]), &f);
}

static inline const struct slot_vector *
values_of(struct group_judge_private *p, uint32_t slot)
{
    if (p->values[slot] == NULL) {
        load_values(p, slot);
    }
    return p->values[slot];
}

static void
row_value(const struct eval_rows *r, uint32_t slot, size_t row, struct tql_static *ret)
{
    struct group_judge_private *p = private_of(r);
    const struct slot_vector *v = values_of(p, slot);
    *ret = v ? vector_at(v, place(p, row)) : TQL_STATIC_NIL;
}

static struct run
row_parts(const struct eval_rows *r, bool links, size_t row)
{
    struct group_judge_private *p = private_of(r);
    const struct group_parts **parts = links ? &p->links : &p->events;
    struct fault f = {0};
    if (*parts == NULL) {
        err rc = group_parts(p->judge->scan, links ? TQL_LEVEL_LINK : TQL_LEVEL_EVENT, &f, parts);
        if (!went_well(p, rc, &f)) {
            return (struct run){0, 0};
        }
    }
    const uint32_t first = (*parts)->first[place(p, row)];
    return (struct run){first, (*parts)->first[place(p, row) + 1] - first};
}

static void
part_value(const struct eval_rows *r, uint32_t slot, struct value_at at, struct tql_static *ret)
{
    struct group_judge_private *p = private_of(r);
    const struct slot_vector *v = values_of(p, slot);
    const bool event = p->judge->scan->plan->compiler.slots.slots[slot].level == TQL_LEVEL_EVENT;
    const uint32_t i = event ? at.event : at.link;
    *ret = v && i != SHAPE_NO_ROW ? vector_at(v, i) : TQL_STATIC_NIL;
}

/* A fixed column's value, nil when it could not be read. */
static struct tql_static
fixed_value(struct group_judge_private *p, enum block_column c, uint32_t row)
{
    const struct slot_vector *v = NULL;
    struct fault f = {0};
    return went_well(p, group_column(p->judge->scan, c, &f, &v), &f) ? vector_at(v, row) : TQL_STATIC_NIL;
}

static void
row_facts(const struct eval_rows *r, size_t row, struct row_facts *ret)
{
    struct group_judge_private *p = private_of(r);
    const uint32_t at = place(p, row);
    const struct slot_vector *services = NULL;
    const struct tql_static name = fixed_value(p, BLOCK_NAME, at);
    const uint64_t duration = (uint64_t)fixed_value(p, BLOCK_DURATION, at).i;
    struct fault f = {0};
    *ret = (struct row_facts){.id = p->ids[at],
                              .name = tql_static_slice(&name),
                              .start_ns = p->starts[at],
                              .duration_ns = p->starts[at] + duration < duration ? 0 : duration,
                              .error = fixed_value(p, BLOCK_STATUS_CODE, at).i == TQL_STATUS_ERROR};
    if (went_well(p, group_services(p->judge->scan, &f, &services), &f)) {
        const struct tql_static service = vector_at(services, at);
        ret->service = tql_static_slice(&service);
    }
}

static uint64_t
row_start(const struct eval_rows *r, size_t row)
{
    const struct group_judge_private *p = private_of(r);
    return p->starts[place(p, row)];
}

/* --- one trace --------------------------------------------------------------------------------------------
 */

struct row_key {
    uint64_t start_ns, id; /* the id as a number in the order of its bytes */
    uint32_t row;
};

static bool
key_before(const struct row_key *a, const struct row_key *b)
{
    return a->start_ns != b->start_ns ? a->start_ns < b->start_ns : a->id < b->id;
}

static int
by_start(const void *a, const void *b)
{
    return key_before(a, b) ? -1 : key_before(b, a) ? 1 : 0;
}

static void
sort_keys(struct row_key *keys, size_t n)
{
    if (n > FEW_ROWS) {
        qsort(keys, n, sizeof *keys, by_start);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        const struct row_key key = keys[i];
        size_t at = i;
        while (at > 0 && key_before(&key, &keys[at - 1])) {
            keys[at] = keys[at - 1];
            at--;
        }
        keys[at] = key;
    }
}

/* Rows that one of the first filters keeps, when no others matter. */
static err
find_relevant(struct group_judge *j, struct fault *f)
{
    struct group_judge_private *p = j->priv;
    const struct tql_plan *plan = j->scan->plan;
    uint64_t *all = NULL;
    err rc = OK;
    p->relevant_known = true;
    if (plan->fetch != TQL_FETCH_ANY || plan->needs_structure) {
        return OK;
    }
    TRY(group_mask(j->scan, f, &all));
    for (uint32_t i = 0; i < plan->filter_count; i++) {
        const struct tql_filter *x = &plan->filters[i];
        if (!x->first || x->never) {
            continue;
        }
        if (!x->always && p->kept[i] == NULL) {
            load_kept(p, i);
        }
        if (x->always || p->kept[i] == NULL) {
            return OK;
        }
        for (size_t w = 0; w < j->scan->words; w++) {
            all[w] |= p->kept[i][w];
        }
    }
    p->relevant = all;
out:
    return rc;
}

static size_t
rows_that_count(const struct group_judge_private *p, const struct judged_trace *t)
{
    return p->relevant && p->least_rows ? mask_count(p->relevant, t->from, t->to) : t->to - t->from;
}

/* Do the values of those rows add up to less than a match needs? */
static err
sum_falls_short(const struct group_judge_private *p, const struct judged_trace *t, struct fault *f, bool *ret)
{
    const struct slot_vector *v = NULL;
    double total = 0;
    err rc = OK;
    *ret = false;
    TRY(group_slot(p->judge->scan, p->least_sum.slot, f, &v));
    for (size_t i = t->from; i < t->to; i++) {
        double x = 0;
        if (p->relevant) {
            i = mask_next(p->relevant, i, t->to);
        }
        const struct tql_static value = i < t->to ? vector_at(v, i) : TQL_STATIC_NIL;
        if (tql_static_number(&value, &x) && !(x >= 0)) {
            goto out; /* without it, it might be more */
        }
        total += x;
    }
    *ret = total * (1 + 1e-9) < p->least_sum.least;
out:
    return rc;
}

/* Those rows of the trace. ERR_AGAIN: no memory. */
static err
pick_rows(struct group_judge *j, const struct judged_trace *t)
{
    struct group_judge_private *p = j->priv;
    uint32_t *rows = arena_alloc(&p->arena, (t->to - t->from) * sizeof *rows);
    size_t n = 0;
    if (rows == NULL) {
        return ERR_AGAIN;
    }
    for (size_t i = mask_next(p->relevant, t->from, t->to); i < t->to;
         i = mask_next(p->relevant, i + 1, t->to)) {
        rows[n++] = (uint32_t)i;
    }
    p->order = rows;
    p->rows.count = n;
    return OK;
}

err
group_judge_starts(struct group_judge *j, struct fault *f)
{
    return j->priv->starts ? OK : group_starts(j->scan, f, &j->priv->starts);
}

/* The rows (of p->order, or all of the trace's) in the order of trace_sort. */
static err
order_rows(struct group_judge *j, const struct judged_trace *t, struct fault *f)
{
    struct group_judge_private *p = j->priv;
    const size_t n = p->rows.count;
    err rc = OK;
    TRY(group_judge_starts(j, f));
    if (p->ids == NULL) {
        TRY(group_span_ids(j->scan, f, &p->ids));
    }
    struct row_key *keys = arena_alloc(&p->arena, n * sizeof *keys);
    uint32_t *order = arena_alloc(&p->arena, n * sizeof *order);
    if (!keys || !order) {
        return ERR_AGAIN;
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t row = p->order ? p->order[i] : t->from + (uint32_t)i;
        uint64_t id = 0;
        memcpy(&id, p->ids[row].b, sizeof id);
        keys[i] = (struct row_key){p->starts[row], __builtin_bswap64(id), row};
    }
    sort_keys(keys, n);
    for (size_t i = 0; i < n; i++) {
        order[i] = keys[i].row;
    }
    p->order = order;
out:
    return rc;
}

/* The trace's tree over rows as they stand, or in order. ERR_AGAIN: no memory. */
static err
make_shape(struct group_judge *j, const struct judged_trace *t)
{
    struct group_judge_private *p = j->priv;
    const uint32_t n = t->to - t->from;
    uint32_t *parent = p->trees.parent + t->from;
    uint32_t *order = p->trees.order + t->from;
    const uint32_t connected = p->trees.connected[t - j->traces];
    if (p->order) {
        uint32_t *to = arena_alloc(&p->arena, (n + (size_t)1) * sizeof *to); /* a row's place in order */
        uint32_t *moved = arena_alloc(&p->arena, (n + (size_t)1) * sizeof *moved);
        uint32_t *moved_order = arena_alloc(&p->arena, (n + (size_t)1) * sizeof *moved_order);
        if (!to || !moved || !moved_order) {
            return ERR_AGAIN;
        }
        for (uint32_t i = 0; i < n; i++) {
            to[p->order[i] - t->from] = i;
        }
        for (uint32_t i = 0; i < n; i++) {
            moved[to[i]] = parent[i] == SHAPE_NO_ROW ? SHAPE_NO_ROW : to[parent[i]];
        }
        for (uint32_t i = 0; i < connected; i++) {
            moved_order[i] = to[order[i]];
        }
        parent = moved;
        order = moved_order;
    }
    p->shape = (struct shape){.parent = parent, .order = order, .count = n, .connected = connected};
    return OK;
}

static err
load_facts(struct group_judge *j, const struct judged_trace *t, struct fault *f)
{
    struct group_judge_private *p = j->priv;
    err rc = OK;
    if (p->root_name == NULL) {
        TRY(group_column(j->scan, BLOCK_ROOT_SERVICE, f, &p->root_service));
        TRY(group_column(j->scan, BLOCK_ROOT_NAME, f, &p->root_name));
    }
    const struct tql_static name = vector_at(p->root_name, t->from);
    const struct tql_static service = vector_at(p->root_service, t->from);
    p->rows = (struct eval_rows){.count = t->to - t->from,
                                 .facts = {.id = t->id,
                                           .start_ns = t->start_ns,
                                           .end_ns = t->end_ns,
                                           .root_name = tql_static_slice(&name),
                                           .root_service = tql_static_slice(&service)},
                                 .keeps = row_is_kept,
                                 .value = row_value,
                                 .parts = row_parts,
                                 .part = part_value,
                                 .facts_of = row_facts,
                                 .start_of = row_start};
out:
    return rc;
}

err
group_judge_trace(struct group_judge *j, const struct judged_trace *t, bool to_show, struct fault *f)
{
    struct group_judge_private *p = j->priv;
    err rc = OK;
    arena_reset(&p->arena);
    if (!p->relevant_known) {
        TRY(find_relevant(j, f));
    }
    if (rows_that_count(p, t) < p->least_rows) {
        j->eval.set_count = 0; /* doubles that a closer look would drop make it no more */
        return OK;
    }
    if (p->has_least_sum) {
        bool less = false;
        TRY(sum_falls_short(p, t, f, &less));
        if (less) {
            j->eval.set_count = 0;
            return OK;
        }
    }
    TRY(load_trees(j, f));
    if (group_trees_odd(&p->trees, (size_t)(t - j->traces))) {
        return ERR_AGAIN;
    }
    TRY(load_facts(j, t, f));
    p->first = t->from;
    p->order = NULL;
    if (!p->order_known) {
        TRY(plan_order_matters(j->scan, f, &p->ordered));
        p->order_known = true;
    }
    if (!to_show && p->relevant) {
        TRY(pick_rows(j, t));
    }
    if (to_show || p->ordered) {
        TRY(order_rows(j, t, f));
    }
    if (j->scan->plan->needs_structure) {
        TRY(make_shape(j, t));
        p->rows.shape = &p->shape;
    }
    rc = eval_run_rows(&j->eval, &p->rows, f);
    if (rc == OK && group_judge_failed(j, f) != OK) {
        rc = p->failed;
    }
out:
    return rc;
}

err
group_judge_read_shown(struct group_judge *j, bool whole, struct fault *f)
{
    static const enum block_column shown[] = {BLOCK_NAME, BLOCK_DURATION, BLOCK_STATUS_CODE,
                                              BLOCK_ROOT_SERVICE, BLOCK_ROOT_NAME};
    const struct slot_vector *v = NULL;
    err rc = OK;
    TRY(group_span_ids(j->scan, f, &j->priv->ids));
    TRY(group_starts(j->scan, f, &j->priv->starts));
    for (size_t i = 0; whole && i < sizeof shown / sizeof *shown; i++) {
        TRY(group_column(j->scan, shown[i], f, &v));
    }
    rc = whole ? group_services(j->scan, f, &v) : OK;
out:
    return rc;
}

err
group_judge_failed(const struct group_judge *j, struct fault *f)
{
    if (j->priv->failed != OK && f) {
        *f = j->priv->fault;
    }
    return j->priv->failed;
}
