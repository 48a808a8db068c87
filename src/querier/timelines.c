#include "timelines.h"

#include "vivace/base/mem.h"

#include <math.h>

#define HASH_SEED UINT64_C(0x7365726965736f66)

static uint32_t
width_of(enum tql_metric_fn fn, bool with_counts)
{
    switch (fn) {
    case TQL_METRIC_SUM:
        return 2;
    case TQL_METRIC_AVG:
        return 3;
    case TQL_METRIC_HISTOGRAM:
    case TQL_METRIC_QUANTILE:
        return with_counts;
    default:
        return 1;
    }
}

void
timelines_init(struct timelines *s, const struct metrics_query *q)
{
    const enum tql_metric_fn fn = (enum tql_metric_fn)q->plan->metric.fn;
    *s = (struct timelines){.q = q, .width = width_of(fn, q->with_counts)};
    s->histogram = fn == TQL_METRIC_HISTOGRAM || fn == TQL_METRIC_QUANTILE;
    arena_init(&s->memory, METRICS_BYTES_MAX);
    exemplars_init(&s->exemplars, q);
}

void
timelines_fini(struct timelines *s)
{
    mem_free(s->v);
    mem_free(s->index);
    arena_fini(&s->memory);
    exemplars_fini(&s->exemplars);
}

size_t
timelines_bytes(const struct timelines *s)
{
    return s->memory.bytes + s->cap * sizeof *s->v + s->index_cap * sizeof *s->index +
           exemplars_bytes(&s->exemplars);
}

/* --- finding -------------------------------------------------------------------------------------------- */

static uint64_t
hash_labels(const struct timelines *s, const struct tql_static *labels)
{
    uint64_t h = HASH_SEED;
    for (size_t i = 0; i < s->q->plan->metric.by_count; i++) {
        h = tql_static_hash(&labels[i], h);
    }
    return h;
}

static bool
same_labels(const struct timelines *s, const struct tql_static *a, const struct tql_static *b)
{
    for (size_t i = 0; i < s->q->plan->metric.by_count; i++) {
        if (!tql_static_same(&a[i], &b[i])) {
            return false;
        }
    }
    return true;
}

/* Where the series stands or would stand. */
static uint32_t *
place(struct timelines *s, const struct tql_static *labels)
{
    size_t at = hash_labels(s, labels) & (s->index_cap - 1);
    while (s->index[at] && !same_labels(s, s->v[s->index[at] - 1].labels, labels)) {
        at = (at + 1) & (s->index_cap - 1);
    }
    return &s->index[at];
}

static void
grow(struct timelines *s)
{
    s->cap = s->cap ? 2 * s->cap : 16;
    s->index_cap = 2 * s->cap;
    s->v = mem_realloc(s->v, s->cap, sizeof *s->v);
    mem_free(s->index);
    s->index = mem_new_array(uint32_t, s->index_cap);
    for (size_t i = 0; i < s->count; i++) {
        *place(s, s->v[i].labels) = (uint32_t)i + 1;
    }
}

/* Numbers by interval, each `empty` at first. */
static double *
numbers(struct timelines *s, size_t n, double empty)
{
    double *v = arena_new_array(&s->memory, double, n + 1);
    for (size_t i = 0; v && !(empty == 0) && i < n; i++) {
        v[i] = empty;
    }
    return v;
}

static bool
copy_labels(struct timelines *s, const struct tql_static *labels, struct timeline *out)
{
    const size_t n = s->q->plan->metric.by_count;
    struct tql_static *copy = arena_new_array(&s->memory, struct tql_static, n + 1);
    for (size_t i = 0; copy && i < n; i++) {
        copy[i] = labels[i];
        if (labels[i].type == TQL_STRING && labels[i].n) {
            copy[i].s = arena_copy(&s->memory, tql_static_slice(&labels[i])).p;
            copy = copy[i].s ? copy : NULL;
        }
    }
    out->labels = copy;
    return copy != NULL;
}

static bool
make_numbers(struct timelines *s, struct timeline *out)
{
    const enum tql_metric_fn fn = (enum tql_metric_fn)s->q->plan->metric.fn;
    const bool gaps = fn >= TQL_METRIC_MIN && fn <= TQL_METRIC_SUM;
    if (s->width) {
        out->values = numbers(s, (size_t)s->q->steps * s->width, gaps ? NAN : 0);
    }
    if (s->histogram) {
        out->buckets = arena_new_array(&s->memory, double *, TIMELINE_BUCKETS);
    }
    return (!s->width || out->values) && (!s->histogram || out->buckets);
}

struct timeline *
timeline_of(struct timelines *s, const struct tql_static *labels)
{
    struct timeline made = {0};
    uint32_t *at = s->index_cap ? place(s, labels) : NULL;
    if (at && *at) {
        return &s->v[*at - 1];
    }
    if (s->full || !copy_labels(s, labels, &made) || !make_numbers(s, &made)) {
        s->full = true;
        return NULL;
    }
    if (s->count == s->cap) {
        grow(s);
    }
    s->v[s->count++] = made;
    *place(s, made.labels) = (uint32_t)s->count;
    return &s->v[s->count - 1];
}

/* --- numbers -------------------------------------------------------------------------------------------- */

void
timeline_add_bucket(struct timelines *s, struct timeline *at, uint32_t step, uint32_t bucket, uint64_t n)
{
    if (at->buckets[bucket] == NULL) {
        at->buckets[bucket] = numbers(s, s->q->steps, 0);
    }
    if (at->buckets[bucket]) {
        at->buckets[bucket][step] += (double)n;
    } else {
        s->full = true;
    }
}

static bool
observe_bucket(struct timelines *s, struct timeline *at, uint32_t step, const struct tql_static *v)
{
    uint32_t bucket = v->type == TQL_INT || v->type == TQL_DURATION ? timeline_bucket(v->i) : 0;
    if (at->values) {
        at->values[step]++;
    }
    if (bucket) {
        timeline_add_bucket(s, at, step, bucket, 1);
    }
    return bucket > 0;
}

static void
observe_number(const struct timelines *s, double *at, double v)
{
    switch ((enum tql_metric_fn)s->q->plan->metric.fn) {
    case TQL_METRIC_MIN:
        *at = !(*at <= v) ? v : *at;
        break;
    case TQL_METRIC_MAX:
        *at = !(*at >= v) ? v : *at;
        break;
    default:
        if (isnan(at[0])) {
            at[0] = v;
            at[1] = 0;
            at[s->width - 1] = s->width == 3 ? 1 : 0;
            break;
        }
        sum_add(at, v);
        at[s->width - 1] += s->width == 3 ? 1 : 0;
        break;
    }
}

bool
timeline_observe(struct timelines *s, struct timeline *at, uint32_t step, const struct tql_static *measured)
{
    double v = 0;
    if (s->histogram) {
        return observe_bucket(s, at, step, measured);
    }
    if (measured == NULL) {
        at->values[step]++;
        return true;
    }
    if (!tql_static_number(measured, &v) || isnan(v)) {
        return false;
    }
    observe_number(s, at->values + (size_t)step * s->width, v);
    return true;
}

/* --- merging -------------------------------------------------------------------------------------------- */

void
timeline_add_numbers(struct timelines *s, struct timeline *at, uint32_t step, const double *from)
{
    const enum tql_metric_fn fn = (enum tql_metric_fn)s->q->plan->metric.fn;
    const uint32_t w = s->width;
    double *to = at->values + (size_t)step * w;
    if (isnan(from[0])) {
        return;
    }
    if (fn == TQL_METRIC_MIN || fn == TQL_METRIC_MAX) {
        observe_number(s, to, from[0]);
    } else if (w == 1) {
        *to += *from;
    } else if (isnan(to[0])) {
        memcpy(to, from, w * sizeof *to);
    } else {
        sum_add(to, from[0]);
        to[1] += from[1];
        to[w - 1] += w == 3 ? from[2] : 0;
    }
}

static void
merge_buckets(struct timelines *into, struct timeline *to, const struct timeline *from)
{
    for (int b = 0; b < TIMELINE_BUCKETS; b++) {
        if (from->buckets[b] == NULL) {
            continue;
        }
        if (to->buckets[b] == NULL) {
            to->buckets[b] = numbers(into, into->q->steps, 0);
        }
        if (to->buckets[b] == NULL) {
            into->full = true;
            return;
        }
        for (uint32_t i = 0; i < into->q->steps; i++) {
            to->buckets[b][i] += from->buckets[b][i];
        }
    }
}

void
timelines_merge(struct timelines *into, const struct timelines *from)
{
    into->full = into->full || from->full;
    for (size_t i = 0; i < from->count; i++) {
        const struct timeline *a = &from->v[i];
        struct timeline *to = timeline_of(into, a->labels);
        if (to == NULL) {
            continue;
        }
        if (a->values && to->values) {
            for (uint32_t k = 0; k < into->q->steps; k++) {
                timeline_add_numbers(into, to, k, a->values + (size_t)k * into->width);
            }
        }
        if (a->buckets && to->buckets) {
            merge_buckets(into, to, a);
        }
        exemplars_merge(&into->exemplars, (size_t)(to - into->v), &from->exemplars, i);
    }
}
