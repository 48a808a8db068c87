#include "metrics_groups.h"

#include "vivace/base/mem.h"

#define GROUP_MEMORY_MAX ((size_t)256 << 20)
#define DIRECT_MAX       (1U << 20) /* combinations of codes that are looked up in an array */
#define SMALL_INTS       4096       /* a range of numbers that are their own codes */

void
group_reader_init(struct group_reader *r, struct metrics_sink *sink)
{
    *r = (struct group_reader){.sink = sink};
    arena_init(&r->memory, GROUP_MEMORY_MAX);
}

void
group_reader_fini(struct group_reader *r)
{
    group_scan_destroy(r->scan);
    arena_fini(&r->memory);
}

uint64_t
group_reader_bytes(const struct group_reader *r)
{
    return r->bytes_before + (r->scan ? r->scan->bytes_read : 0);
}

static err
no_memory(struct fault *f)
{
    return FAULT(f, ERR_LIMIT, "a row group needs more memory than a query may use");
}

/* --- which rows, and when ------------------------------------------------------------------------------- */

/* The filters of the pipeline, one after the other. False: nothing is left. */
static err
run_filters(struct group_reader *r, struct fault *f, bool *ret_any)
{
    const struct tql_plan *plan = r->sink->q->plan;
    r->mask = NULL;
    *ret_any = true;
    for (size_t i = 0; i < plan->step_count; i++) {
        uint64_t *mask = NULL;
        const struct tql_filter *filter = &plan->filters[plan->steps[i].filter];
        if (plan->steps[i].kind != TQL_STEP_FILTER || filter->always) {
            continue;
        }
        err rc = group_mask(r->scan, f, &mask);
        if (rc == OK) {
            rc = group_filter(r->scan, plan->steps[i].filter, r->mask, f, mask);
        }
        if (rc != OK) {
            return rc;
        }
        r->mask = mask;
        *ret_any = mask_any(mask, r->scan->words);
        if (!*ret_any) {
            break;
        }
    }
    return OK;
}

/* Rows stand by trace, so that the interval is most often the one before. */
static void
take_rows(struct group_reader *r)
{
    const struct metrics_query *q = r->sink->q;
    const size_t rows = r->scan->rows;
    uint64_t low = 0; /* (low, high] is the interval `step` */
    uint64_t high = 0;
    uint32_t step = METRICS_NO_STEP;
    size_t n = 0;
    for (size_t i = r->mask ? mask_next(r->mask, 0, rows) : 0; i < rows;
         i = r->mask ? mask_next(r->mask, i + 1, rows) : i + 1) {
        const uint64_t start = r->starts[i];
        if (start <= low || start > high) {
            step = metrics_interval(q, start);
            if (step == METRICS_NO_STEP) {
                high = low;
                continue;
            }
            low = q->start_ns + step * q->step_ns;
            high = low + q->step_ns;
        }
        r->rows[n] = (uint32_t)i;
        r->steps[n++] = step;
    }
    r->count = n;
}

/* --- values by row -------------------------------------------------------------------------------------- */

/* The first event or link of a row that has a value; `to` when none has. */
static uint32_t
first_element(const struct slot_vector *v, uint32_t from, uint32_t to)
{
    while (from < to && vector_at(v, from).type == TQL_NIL) {
        from++;
    }
    return from;
}

/* Values of events or links as values of the rows that count: the first a row has, as eval_value says. */
static err
parts_by_row(struct group_reader *r, const struct slot_vector *v, const struct group_parts *parts,
             struct fault *f, const struct slot_vector **ret)
{
    const size_t rows = r->scan->rows;
    struct slot_vector *by_row = arena_new(&r->memory, struct slot_vector);
    uint32_t *codes = arena_new_array(&r->memory, uint32_t, rows + 1);
    int64_t *ints = arena_new_array(&r->memory, int64_t, rows + 1);
    uint64_t *present = arena_new_array(&r->memory, uint64_t, rows / 64 + 1);
    if (!by_row || !codes || !ints || !present) {
        return no_memory(f);
    }
    for (size_t k = 0; k < r->count; k++) {
        const uint32_t row = r->rows[k];
        const uint32_t at = first_element(v, parts->first[row], parts->first[row + 1]);
        if (at == parts->first[row + 1]) {
            continue; /* code 0, or a bit that is not set: nil */
        }
        present[row / 64] |= UINT64_C(1) << row % 64;
        if (v->form == VECTOR_CODED) {
            codes[row] = v->codes[at];
        } else {
            ints[row] = v->ints[at];
        }
    }
    *by_row = *v;
    by_row->count = rows;
    by_row->codes = codes;
    by_row->ints = ints;
    by_row->present = present;
    *ret = by_row;
    return OK;
}

static err
slot_by_row(struct group_reader *r, uint32_t slot, struct fault *f, const struct slot_vector **ret)
{
    const struct tql_slot *s = &r->sink->q->plan->compiler.slots.slots[slot];
    const struct slot_vector *v = NULL;
    const struct group_parts *parts = NULL;
    err rc = group_slot(r->scan, slot, f, &v);
    *ret = v;
    if (rc == OK && slot_is_part(s)) {
        rc = group_parts(r->scan, (enum tql_level)s->level, f, &parts);
        rc = rc == OK ? parts_by_row(r, v, parts, f, ret) : rc;
    }
    return rc;
}

/* --- groups --------------------------------------------------------------------------------------------- */

/* Dense numbers for 64-bit keys. */
struct dense {
    uint64_t *keys;
    uint32_t *numbers; /* + 1 */
    size_t cap;
    uint32_t count;
};

static bool
dense_init(struct dense *d, struct arena *a, size_t n)
{
    d->cap = 64;
    while (d->cap < 2 * n) {
        d->cap *= 2;
    }
    d->keys = arena_alloc(a, d->cap * sizeof *d->keys);
    d->numbers = arena_new_array(a, uint32_t, d->cap);
    d->count = 0;
    return d->keys && d->numbers;
}

static uint32_t
dense_number(struct dense *d, uint64_t key)
{
    uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (h ^ h >> 29) & (d->cap - 1);
    while (d->numbers[at] && d->keys[at] != key) {
        at = (at + 1) & (d->cap - 1);
    }
    if (d->numbers[at] == 0) {
        d->keys[at] = key;
        d->numbers[at] = ++d->count;
    }
    return d->numbers[at] - 1;
}

/* Codes of the rows that count for one label: equal values have equal codes or not, different ones never. */
static err
label_codes(struct group_reader *r, const struct slot_vector *v, uint32_t *out, uint32_t *ret_count,
            struct fault *f)
{
    struct dense d;
    int64_t least = INT64_MAX;
    int64_t most = INT64_MIN;
    if (v->form == VECTOR_CODED) {
        for (size_t k = 0; k < r->count; k++) {
            out[k] = v->codes[r->rows[k]];
        }
        *ret_count = v->dict_count;
        return OK;
    }
    for (size_t k = 0; k < r->count; k++) {
        const int64_t x = v->ints[r->rows[k]];
        least = x < least ? x : least;
        most = x > most ? x : most;
    }
    if (r->count && (uint64_t)most - (uint64_t)least < SMALL_INTS) {
        for (size_t k = 0; k < r->count; k++) {
            const uint32_t row = r->rows[k];
            const bool there = v->present == NULL || mask_has(v->present, row);
            out[k] = there ? (uint32_t)(v->ints[row] - least) + 1 : 0;
        }
        *ret_count = SMALL_INTS + 1;
        return OK;
    }
    if (!dense_init(&d, &r->memory, r->count)) {
        return no_memory(f);
    }
    for (size_t k = 0; k < r->count; k++) {
        const uint32_t row = r->rows[k];
        const bool there = v->present == NULL || mask_has(v->present, row);
        out[k] = there ? dense_number(&d, (uint64_t)v->ints[row]) + 1 : 0;
    }
    *ret_count = d.count + 1;
    return OK;
}

/* groups[k] := a number for what groups[k] was together with codes[k]. */
static err
combine(struct group_reader *r, uint32_t *groups, uint32_t *group_count, const uint32_t *codes,
        uint32_t code_count, struct fault *f)
{
    struct dense d;
    if ((uint64_t)*group_count * code_count <= DIRECT_MAX) {
        for (size_t k = 0; k < r->count; k++) {
            groups[k] = groups[k] * code_count + codes[k];
        }
        *group_count *= code_count;
        return OK;
    }
    if (!dense_init(&d, &r->memory, r->count)) {
        return no_memory(f);
    }
    for (size_t k = 0; k < r->count; k++) {
        groups[k] = dense_number(&d, (uint64_t)groups[k] << 32 | codes[k]);
    }
    *group_count = d.count;
    return OK;
}

/* Instead of group numbers, positions of timelines; METRICS_NO_STEP where there is no room for more. */
static err
find_timelines(struct group_reader *r, const struct slot_vector *const *labels, uint32_t *groups,
               uint32_t group_count, struct fault *f)
{
    struct metrics_sink *s = r->sink;
    const size_t keys = s->q->plan->metric.by_count;
    uint32_t *found = arena_alloc(&r->memory, (group_count + (size_t)1) * sizeof *found);
    if (found == NULL) {
        return no_memory(f);
    }
    memset(found, 0, group_count * sizeof *found);
    for (size_t k = 0; k < r->count; k++) {
        uint32_t *at = &found[groups[k]];
        if (*at == 0) {
            for (size_t i = 0; i < keys && labels[i]; i++) {
                s->labels[i] = vector_at(labels[i], r->rows[k]);
                if (tql_type_is_array(s->labels[i].type)) {
                    s->labels[i] = TQL_STATIC_NIL;
                }
            }
            const struct timeline *t = timeline_of(&s->timelines, s->labels);
            *at = t ? (uint32_t)(t - s->timelines.v) + 1 : METRICS_NO_STEP;
        }
        groups[k] = *at == METRICS_NO_STEP ? METRICS_NO_STEP : *at - 1;
    }
    return OK;
}

static err
make_groups(struct group_reader *r, uint32_t *groups, struct fault *f)
{
    const struct tql_metric_plan *m = &r->sink->q->plan->metric;
    const struct slot_vector *labels[METRICS_LABELS_MAX] = {NULL};
    uint32_t *codes = arena_alloc(&r->memory, (r->count + 1) * sizeof *codes);
    uint32_t group_count = 1;
    err rc = OK;
    if (codes == NULL) {
        return no_memory(f);
    }
    memset(groups, 0, r->count * sizeof *groups);
    for (size_t i = 0; i < m->by_count; i++) {
        uint32_t code_count = 0;
        TRY(slot_by_row(r, m->by[i], f, &labels[i]));
        TRY(label_codes(r, labels[i], codes, &code_count, f));
        TRY(combine(r, groups, &group_count, codes, code_count, f));
    }
    TRY(find_timelines(r, labels, groups, group_count, f));
out:
    return rc;
}

/* --- numbers -------------------------------------------------------------------------------------------- */

static void
count_rows(struct group_reader *r, const uint32_t *groups)
{
    struct timelines *t = &r->sink->timelines;
    for (size_t k = 0; k < r->count; k++) {
        if (groups[k] != METRICS_NO_STEP) {
            t->v[groups[k]].values[r->steps[k]]++;
        }
    }
}

/* Histograms of whole numbers, the most asked for. False where timeline_observe has to look. */
static bool
measure_buckets(struct group_reader *r, const uint32_t *groups, const struct slot_vector *v)
{
    struct timelines *t = &r->sink->timelines;
    if (!t->histogram || t->width || v->form != VECTOR_INTS || v->present ||
        (v->type != TQL_INT && v->type != TQL_DURATION)) {
        return false;
    }
    for (size_t k = 0; k < r->count; k++) {
        if (groups[k] == METRICS_NO_STEP) {
            continue;
        }
        struct timeline *at = &t->v[groups[k]];
        double *bucket = at->buckets[timeline_bucket(v->ints[r->rows[k]])];
        if (bucket) {
            bucket[r->steps[k]]++;
        } else {
            const struct tql_static value = vector_at(v, r->rows[k]);
            (void)timeline_observe(t, at, r->steps[k], &value);
        }
    }
    return true;
}

static void
measure_rows(struct group_reader *r, const uint32_t *groups, const struct slot_vector *v)
{
    struct timelines *t = &r->sink->timelines;
    if (measure_buckets(r, groups, v)) {
        return;
    }
    for (size_t k = 0; k < r->count; k++) {
        if (groups[k] != METRICS_NO_STEP) {
            const struct tql_static value = vector_at(v, r->rows[k]);
            (void)timeline_observe(t, &t->v[groups[k]], r->steps[k], &value);
        }
    }
}

/* The trace of a row; rows are asked for in rising order. */
static const trace_id *
trace_of(const struct group_traces *traces, size_t *at, uint32_t row)
{
    while (traces->v[*at].to <= row) {
        ++*at;
    }
    return &traces->v[*at].id;
}

/* Does the row have a number that counts, as timeline_observe says? */
static bool
is_measured(const struct group_reader *r, const struct tql_static *v)
{
    double number = 0;
    if (r->sink->timelines.histogram) {
        return (v->type == TQL_INT || v->type == TQL_DURATION) && timeline_bucket(v->i) > 0;
    }
    return tql_static_number(v, &number) && number == number;
}

static err
choose_exemplars(struct group_reader *r, const uint32_t *groups, const struct slot_vector *measured,
                 struct fault *f)
{
    struct timelines *t = &r->sink->timelines;
    struct group_traces traces = {0};
    size_t at = 0;
    for (size_t k = 0; k < r->count; k++) {
        const uint32_t row = r->rows[k];
        struct tql_static value = TQL_STATIC_NIL;
        if (groups[k] == METRICS_NO_STEP || !timeline_wants_exemplar(t, &t->v[groups[k]], r->starts[row])) {
            continue;
        }
        if (measured) {
            value = vector_at(measured, row);
            if (!is_measured(r, &value)) {
                continue;
            }
        }
        if (traces.v == NULL) {
            err rc = group_traces(r->scan, f, &traces);
            if (rc != OK) {
                return rc;
            }
        }
        timeline_exemplar(t, &t->v[groups[k]], r->starts[row], trace_of(&traces, &at, row), &value);
    }
    return OK;
}

/* --- a row group ---------------------------------------------------------------------------------------- */

static err
collect(struct group_reader *r, struct fault *f)
{
    const struct metrics_query *q = r->sink->q;
    const struct slot_vector *measured = NULL;
    uint32_t *groups = arena_alloc(&r->memory, (r->count + 1) * sizeof *groups);
    err rc = OK;
    if (groups == NULL) {
        return no_memory(f);
    }
    if (metrics_measures(q)) {
        TRY(slot_by_row(r, q->plan->metric.slot, f, &measured));
    }
    TRY(make_groups(r, groups, f));
    if (measured) {
        measure_rows(r, groups, measured);
    } else {
        count_rows(r, groups);
    }
    if (q->exemplars) {
        TRY(choose_exemplars(r, groups, measured, f));
    }
out:
    return rc;
}

static void
use_block(struct group_reader *r, struct block_reader *block)
{
    if (r->scan && r->block == block) {
        return;
    }
    r->bytes_before = group_reader_bytes(r);
    group_scan_destroy(r->scan);
    r->scan = group_scan_create(block, r->sink->q->plan, &r->sink->q->guard, r->sink->q->budget);
    r->block = block;
}

err
group_reader_run(struct group_reader *r, struct block_reader *block, size_t row_group, struct fault *f)
{
    bool any = false;
    err rc = OK;
    use_block(r, block);
    arena_reset(&r->memory);
    TRY(group_scan_open(r->scan, row_group, f));
    r->spans += r->scan->rows;
    TRY(run_filters(r, f, &any));
    if (!any) {
        return OK;
    }
    TRY(group_starts(r->scan, f, &r->starts));
    r->rows = arena_alloc(&r->memory, (r->scan->rows + 1) * sizeof *r->rows);
    r->steps = arena_alloc(&r->memory, (r->scan->rows + 1) * sizeof *r->steps);
    if (!r->rows || !r->steps) {
        return no_memory(f);
    }
    take_rows(r);
    if (r->count && r->sink->q->plan->metric.fn == TQL_METRIC_COMPARE) {
        TRY(group_reader_compare(r, f));
    } else if (r->count) {
        TRY(collect(r, f));
    }
    if (r->count) {
        TRY(metrics_sink_account(r->sink, f));
    }
out:
    return rc;
}
