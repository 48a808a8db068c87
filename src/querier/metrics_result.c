/* The numbers of a metrics query as series: labels, order, quantiles, exemplars. */
#include "metrics_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"

#include <math.h>
#include <stdlib.h>

#define LABEL_TEXT_MAX ((size_t)1 << 20)

struct maker {
    const struct metrics_sink *sink;
    const struct metrics_query *q;
    struct metrics_answer *out;
    const struct exemplar_set *exemplars;
    const slice *keys; /* of by() */
};

static void *
take(struct maker *m, size_t count, size_t size)
{
    void *p = arena_calloc(&m->out->memory, count + 1, size);
    m->out->full = m->out->full || p == NULL;
    return p;
}

/* The attribute's name, or without one the value, as text that is kept. */
static slice
keep_text(struct maker *m, const struct tql_attr *attr, const struct tql_static *value)
{
    struct buf text;
    buf_init(&text, LABEL_TEXT_MAX);
    if (attr) {
        tql_attr_print(attr, &text);
    } else if (value) {
        tql_static_print_plain(value, &text);
    }
    slice kept = arena_copy(&m->out->memory, buf_slice(&text));
    m->out->full = m->out->full || (text.n && kept.p == NULL);
    buf_fini(&text);
    return kept;
}

static struct metrics_label
label_of(struct maker *m, slice key, const struct tql_static *value)
{
    switch ((enum tql_type)value->type) {
    case TQL_STRING:
    case TQL_INT:
    case TQL_FLOAT:
    case TQL_BOOL:
        return (struct metrics_label){key, *value};
    default: /* a duration, status or kind; nil */
        return (struct metrics_label){key, tql_static_string(keep_text(m, NULL, value))};
    }
}

/* A new series with room for its labels and numbers; NULL when there is no more. */
static struct metrics_series *
add_series(struct maker *m, const struct metrics_label *labels, size_t label_count, size_t group_count)
{
    struct metrics_answer *a = m->out;
    double *values = take(m, m->q->steps, sizeof *values);
    struct metrics_label *copy = take(m, label_count, sizeof *copy);
    if (a->full) {
        return NULL;
    }
    memcpy(copy, labels, label_count * sizeof *copy);
    if (a->count == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 64;
        a->v = mem_realloc(a->v, a->cap, sizeof *a->v);
    }
    a->v[a->count] = (struct metrics_series){
        .labels = copy, .label_count = label_count, .group_count = group_count, .values = values};
    return &a->v[a->count++];
}

/* Its numbers, while it is being made. */
static double *
numbers_of(struct metrics_series *s)
{
    return (double *)(uintptr_t)s->values;
}

/* --- exemplars ------------------------------------------------------------------------------------------ */

static int
by_time(const void *a, const void *b)
{
    const struct metrics_exemplar *x = a;
    const struct metrics_exemplar *y = b;
    if (x->start_ns != y->start_ns) {
        return x->start_ns < y->start_ns ? -1 : 1;
    }
    return memcmp(&x->trace, &y->trace, sizeof x->trace);
}

/* Does it belong to this series, of several its group has? */
typedef bool (*exemplar_test)(const struct maker *m, const struct exemplar *e, uint32_t step,
                              const void *ctx);

static void
add_exemplars(struct maker *m, struct metrics_series *s, size_t owner, exemplar_test belongs, const void *ctx)
{
    const struct exemplar *shown[EXEMPLARS_MAX];
    const size_t count = exemplars_shown(m->exemplars, owner, shown);
    struct metrics_exemplar *v = count ? take(m, count, sizeof *v) : NULL;
    size_t n = 0;
    for (size_t i = 0; v && i < count; i++) {
        const struct exemplar *e = shown[i];
        const uint32_t step = metrics_interval(m->q, e->start_ns);
        if (belongs && !belongs(m, e, step, ctx)) {
            continue;
        }
        double value = s->values[step];
        if (metrics_measures(m->q) && m->q->plan->metric.fn != TQL_METRIC_HISTOGRAM) {
            (void)tql_static_number(&e->measured, &value);
            value /= e->measured.type == TQL_DURATION ? (double)NS_PER_S : 1;
        }
        v[n++] = (struct metrics_exemplar){
            .trace = e->trace, .start_ns = e->start_ns, .value = value, .measured = e->measured};
    }
    if (n) {
        qsort(v, n, sizeof *v, by_time);
    }
    s->exemplars = v;
    s->exemplar_count = n;
}

static size_t
owner_of(const struct maker *m, const struct timeline *from)
{
    return (size_t)(from - m->sink->timelines.v);
}

/* --- plain functions ------------------------------------------------------------------------------------ */

/* True for `duration`, which is measured in seconds; other durations are in nanoseconds. */
static bool
is_span_duration(const struct metrics_query *q)
{
    return q->plan->compiler.slots.slots[q->plan->metric.slot].attr.intrinsic == TQL_INTRINSIC_DURATION;
}

static double
sum_of(const double *v)
{
    return isfinite(v[0]) ? v[0] + v[1] : v[0];
}

static double
number_at(const struct maker *m, const double *v)
{
    const struct metrics_query *q = m->q;
    const double unit = metrics_measures(q) && is_span_duration(q) ? (double)NS_PER_S : 1;
    switch ((enum tql_metric_fn)q->plan->metric.fn) {
    case TQL_METRIC_RATE:
        return *v / ((double)q->step_ns / (double)NS_PER_S);
    case TQL_METRIC_SUM:
        return sum_of(v) / unit;
    case TQL_METRIC_AVG:
        return sum_of(v) / v[2] / unit;
    default:
        return *v / unit;
    }
}

static bool
has_points(const struct metrics_query *q, const double *values)
{
    for (uint32_t i = 0; i < q->steps; i++) {
        if (!isnan(values[i])) {
            return true;
        }
    }
    return false;
}

static void
make_plain(struct maker *m, const struct timeline *from, const struct metrics_label *labels, size_t n)
{
    const struct metrics_label name = {
        SL("__name__"),
        tql_static_string(slice_cstr(tql_metric_name((enum tql_metric_fn)m->q->plan->metric.fn)))};
    struct metrics_series *s = add_series(m, n ? labels : &name, n ? n : 1, n);
    const uint32_t width = m->sink->timelines.width;
    if (s == NULL) {
        return;
    }
    for (uint32_t i = 0; i < m->q->steps; i++) {
        numbers_of(s)[i] = from ? number_at(m, from->values + (size_t)i * width) : 0;
    }
    if (!has_points(m->q, s->values)) {
        m->out->count--;
        return;
    }
    if (from) {
        add_exemplars(m, s, owner_of(m, from), NULL, NULL);
    }
}

/* --- histograms and quantiles --------------------------------------------------------------------------- */

static bool
is_duration(const struct metrics_query *q)
{
    return tql_attr_type(&q->plan->compiler.slots.slots[q->plan->metric.slot].attr) == TQL_DURATION;
}

/* The upper bound of a bucket, in seconds for durations. */
static double
bucket_bound(const struct metrics_query *q, int bucket)
{
    return ldexp(1, bucket) / (is_duration(q) ? (double)NS_PER_S : 1);
}

static bool
is_in_bucket(const struct maker *m, const struct exemplar *e, uint32_t step, const void *ctx)
{
    (void)m;
    (void)step;
    return timeline_bucket(e->measured.i) == *(const uint32_t *)ctx;
}

static void
make_histogram(struct maker *m, const struct timeline *from, struct metrics_label *labels, size_t n)
{
    for (uint32_t b = 0; b < TIMELINE_BUCKETS; b++) {
        if (from->buckets[b] == NULL) {
            continue;
        }
        labels[n] = (struct metrics_label){SL("__bucket"), tql_static_float(bucket_bound(m->q, (int)b))};
        struct metrics_series *s = add_series(m, labels, n + 1, n);
        if (s == NULL) {
            return;
        }
        memcpy(numbers_of(s), from->buckets[b], m->q->steps * sizeof(double));
        add_exemplars(m, s, owner_of(m, from), is_in_bucket, &b);
    }
}

/* The buckets of a group that hold something, in rising order. */
struct filled {
    uint32_t count;
    uint32_t bucket[TIMELINE_BUCKETS];
    const double *spans[TIMELINE_BUCKETS]; /* by interval */
};

static void
find_filled(const struct timeline *from, struct filled *ret)
{
    ret->count = 0;
    for (uint32_t b = 0; b < TIMELINE_BUCKETS; b++) {
        if (from->buckets[b]) {
            ret->bucket[ret->count] = b;
            ret->spans[ret->count++] = from->buckets[b];
        }
    }
}

/* traceql.md 6.2: whole buckets first, then a share of the next one on a logarithmic scale. */
static double
quantile_at(const struct maker *m, const struct filled *h, uint32_t step, double total, double q)
{
    double taken = 0;
    uint32_t last = 0;
    if (total == 0) {
        return 0;
    }
    const double need = fmax(1, ceil(q * total));
    for (uint32_t i = 0; i < h->count && taken != need; i++) {
        const double n = h->spans[i][step];
        if (n == 0) {
            continue;
        }
        const double high = h->bucket[i];
        if (taken + n > need) {
            const double low = last ? last : high - 1;
            const double scale = is_duration(m->q) ? (double)NS_PER_S : 1;
            return exp2(low + (high - low) * (need - taken) / n) / scale;
        }
        taken += n;
        last = h->bucket[i];
    }
    return bucket_bound(m->q, (int)last);
}

/* The first quantile that is no less than the exemplar's value, else the last. */
struct quantile_place {
    const double *const *values; /* of each quantile, by interval */
    size_t at;
};

static bool
is_of_quantile(const struct maker *m, const struct exemplar *e, uint32_t step, const void *ctx)
{
    const struct quantile_place *p = ctx;
    const double value = (double)e->measured.i / (is_duration(m->q) ? (double)NS_PER_S : 1);
    for (size_t i = 0; i < p->at; i++) {
        if (value <= p->values[i][step]) {
            return false;
        }
    }
    return p->at + 1 == m->q->plan->metric.ast->quantile_count || value <= p->values[p->at][step];
}

static void
make_quantiles(struct maker *m, const struct timeline *from, struct metrics_label *labels, size_t n)
{
    const struct tql_metric *ast = m->q->plan->metric.ast;
    const double **values = take(m, ast->quantile_count, sizeof *values);
    double *totals = take(m, m->q->steps, sizeof *totals);
    struct filled h;
    find_filled(from, &h);
    for (uint32_t i = 0; totals && i < h.count; i++) {
        for (uint32_t k = 0; k < m->q->steps; k++) {
            totals[k] += h.spans[i][k];
        }
    }
    for (size_t i = 0; h.count && i < ast->quantile_count; i++) {
        struct quantile_place place = {values, i};
        labels[n] = (struct metrics_label){SL("p"), tql_static_float(ast->quantiles[i])};
        struct metrics_series *s = add_series(m, labels, n + 1, n);
        if (s == NULL) {
            return;
        }
        for (uint32_t k = 0; k < m->q->steps; k++) {
            numbers_of(s)[k] = quantile_at(m, &h, k, totals[k], ast->quantiles[i]);
        }
        values[i] = s->values;
        add_exemplars(m, s, owner_of(m, from), is_of_quantile, &place);
    }
}

/* --- labels of a group ---------------------------------------------------------------------------------- */

static size_t
labels_of(struct maker *m, const struct timeline *from, struct metrics_label *out)
{
    const size_t keys = m->q->plan->metric.by_count;
    size_t n = 0;
    for (size_t i = 0; i < keys; i++) {
        if (from->labels[i].type != TQL_NIL) {
            out[n++] = label_of(m, m->keys[i], &from->labels[i]);
        }
    }
    if (n == 0 && keys) {
        out[n++] = (struct metrics_label){m->keys[0], tql_static_string(SL("nil"))};
    }
    return n;
}

static void
make_groups(struct maker *m)
{
    const struct timelines *set = &m->sink->timelines;
    const struct tql_metric_plan *plan = &m->q->plan->metric;
    const bool counts = plan->fn == TQL_METRIC_RATE || plan->fn == TQL_METRIC_COUNT;
    struct metrics_label labels[METRICS_LABELS_MAX + 1];
    for (size_t i = 0; i < set->count && !m->out->full; i++) {
        size_t n = labels_of(m, &set->v[i], labels);
        if (plan->fn == TQL_METRIC_HISTOGRAM) {
            make_histogram(m, &set->v[i], labels, n);
        } else if (plan->fn == TQL_METRIC_QUANTILE) {
            make_quantiles(m, &set->v[i], labels, n);
        } else {
            make_plain(m, &set->v[i], labels, n);
        }
    }
    if (set->count == 0 && counts && plan->by_count == 0 && !m->q->plan->never && m->q->steps) {
        make_plain(m, NULL, labels, 0); /* nothing happened: that is an answer */
    }
}

/* --- compare -------------------------------------------------------------------------------------------- */

static void
make_compared(struct maker *m, const struct compare_attr *at, slice key, enum compare_side side)
{
    const int64_t wanted = m->q->plan->metric.ast->compare_top;
    const struct compare_value **top = mem_new_array(const struct compare_value *, at->count + 1);
    size_t n = compare_top(at, side, wanted > 0 ? (size_t)wanted : 0, top);
    struct metrics_label labels[] = {
        {SL("__meta_type"), tql_static_string(side == COMPARE_SELECTION ? SL("selection") : SL("baseline"))},
        {key, tql_static_string(SL("nil"))}};
    struct metrics_series *s = NULL;
    for (size_t i = 0; i < n; i++) {
        labels[1] = label_of(m, key, &top[i]->value);
        s = add_series(m, labels, 2, 0);
        for (uint32_t k = 0; s && k < m->q->steps; k++) {
            numbers_of(s)[k] = compare_count_at(&top[i]->counts[side], k);
        }
    }
    mem_free(top);
    if (n == 0) {
        return;
    }
    labels[0].value =
        tql_static_string(side == COMPARE_SELECTION ? SL("selection_total") : SL("baseline_total"));
    labels[1].value = tql_static_string(SL("nil"));
    s = add_series(m, labels, 2, 0);
    if (s) {
        memcpy(numbers_of(s), at->totals[side], m->q->steps * sizeof(double));
        add_exemplars(m, s, side, NULL, NULL);
    }
}

static void
make_comparison(struct maker *m)
{
    const struct compare_set *set = &m->sink->compare;
    for (size_t i = 0; i < set->attr_count && !m->out->full; i++) {
        slice key = keep_text(m, &set->attrs[i]->attr, NULL);
        make_compared(m, set->attrs[i], key, COMPARE_BASELINE);
        make_compared(m, set->attrs[i], key, COMPARE_SELECTION);
    }
}

/* --- order ---------------------------------------------------------------------------------------------- */

static int
compare_labels(const struct metrics_label *a, const struct metrics_label *b)
{
    int order = slice_cmp(a->key, b->key);
    if (order || (a->value.type == TQL_STRING && b->value.type == TQL_STRING)) {
        return order ? order : slice_cmp(tql_static_slice(&a->value), tql_static_slice(&b->value));
    }
    struct buf x;
    struct buf y;
    buf_init(&x, LABEL_TEXT_MAX);
    buf_init(&y, LABEL_TEXT_MAX);
    tql_static_print_plain(&a->value, &x); /* numbers as text: 128 before 16 */
    tql_static_print_plain(&b->value, &y);
    order = slice_cmp(buf_slice(&x), buf_slice(&y));
    buf_fini(&x);
    buf_fini(&y);
    return order ? order : (int)a->value.type - (int)b->value.type;
}

static int
by_labels(const void *x, const void *y)
{
    const struct metrics_series *a = x;
    const struct metrics_series *b = y;
    if (a->label_count != b->label_count) {
        return a->label_count < b->label_count ? -1 : 1;
    }
    for (size_t i = 0; i < a->label_count; i++) {
        int order = compare_labels(&a->labels[i], &b->labels[i]);
        if (order) {
            return order;
        }
    }
    return 0;
}

void
metrics_answer_make(struct metrics_sink *s, struct metrics_answer *ret)
{
    struct maker m = {.sink = s, .q = s->q, .out = ret, .exemplars = metrics_sink_exemplars(s)};
    const struct tql_metric_plan *plan = &s->q->plan->metric;
    slice *keys = take(&m, plan->by_count, sizeof *keys);
    for (size_t i = 0; keys && i < plan->by_count; i++) {
        keys[i] = keep_text(&m, &s->q->plan->compiler.slots.slots[plan->by[i]].attr, NULL);
    }
    m.keys = keys;
    ret->measured_key = metrics_measures(s->q)
                            ? keep_text(&m, &s->q->plan->compiler.slots.slots[plan->slot].attr, NULL)
                            : SL_EMPTY;
    if (ret->full) {
        return;
    }
    if (plan->fn == TQL_METRIC_COMPARE) {
        make_comparison(&m);
    } else {
        make_groups(&m);
    }
    if (ret->count) {
        qsort(ret->v, ret->count, sizeof *ret->v, by_labels);
    }
}
