#include "support/brute_metrics.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/traceql/static.h"

#include <math.h>

#define BY_MAX 8

/* What was seen of one group in one interval. */
struct cell {
    uint64_t spans, numbers;
    long double sum;
    double least, most;
    bool odd; /* a NaN or an infinity */
    uint64_t buckets[64];
};

struct group {
    struct brute_value by[BY_MAX];
    struct brute_spans spans;
    struct cell cells[BRUTE_STEPS_MAX];
};

struct counting {
    const struct tql_metric *metric;
    struct group *groups[512];
    size_t count;
    uint64_t start_ns, step_ns, counted;
    uint32_t steps;
    struct arena *arena;
    struct arena *kept; /* of the answer */
};

static void
keep_span(struct arena *a, struct brute_spans *list, const struct span *s, const struct brute_value *measured)
{
    list->v = arena_grow(a, list->v, list->count, &list->cap, list->count + 1, sizeof *list->v);
    MUST(list->v);
    list->v[list->count++] =
        (struct brute_span){.trace = s->trace, .start_ns = s->start_ns, .measured = *measured};
}

static bool
is_distribution(const struct tql_metric *m)
{
    return m->fn == TQL_METRIC_QUANTILE || m->fn == TQL_METRIC_HISTOGRAM;
}

static struct brute_value
first_of(const struct brute_trace *t, size_t row, const struct tql_attr *at)
{
    const struct span *s = &t->b->spans[row];
    enum tql_level level = tql_attr_level(at);
    bool part = level == TQL_LEVEL_EVENT || level == TQL_LEVEL_LINK;
    uint32_t n = level == TQL_LEVEL_EVENT ? s->events.n : part ? s->links.n : 1;
    struct brute_value v = {0};
    for (uint32_t i = 0; i < n && v.type == BRUTE_NIL; i++) {
        v = brute_lookup(t, row, at, part ? (int)i : -1, part ? (int)i : -1);
    }
    return v;
}

static struct group *
group_of(struct counting *c, const struct brute_trace *t, size_t row)
{
    struct group made = {0};
    for (size_t i = 0; i < c->metric->by_count; i++) {
        made.by[i] = first_of(t, row, &c->metric->by[i]);
        made.by[i] = made.by[i].type == BRUTE_ARRAY ? (struct brute_value){0} : made.by[i];
    }
    for (size_t g = 0; g < c->count; g++) {
        bool same = true;
        for (size_t i = 0; i < c->metric->by_count; i++) {
            same = same && brute_same(&c->groups[g]->by[i], &made.by[i]);
        }
        if (same) {
            return c->groups[g];
        }
    }
    MUST(c->count < 512);
    struct group *g = arena_new(c->arena, struct group);
    memcpy(g->by, made.by, sizeof g->by);
    c->groups[c->count++] = g;
    return g;
}

/* The smallest power of two at or above v, as its exponent. */
static int
bucket_of(int64_t v)
{
    int bits = 1;
    while (bits < 63 && (INT64_C(1) << bits) < v) {
        bits++;
    }
    return bits;
}

/* False: not measured, the span does not count. */
static bool
measure(const struct counting *c, const struct brute_value *v, struct cell *cell)
{
    bool whole = v->type == BRUTE_INT || v->type == BRUTE_DURATION;
    if (is_distribution(c->metric)) {
        if (!whole || v->i < 2) {
            return false;
        }
        cell->buckets[bucket_of(v->i)]++;
        return true;
    }
    if (!whole && v->type != BRUTE_FLOAT) {
        return false;
    }
    double x = v->type == BRUTE_FLOAT ? v->f : (double)v->i;
    if (c->metric->attr.intrinsic == TQL_INTRINSIC_DURATION) {
        x /= 1e9;
    }
    cell->odd = cell->odd || !isfinite(x);
    cell->least = cell->numbers == 0 || x < cell->least ? x : cell->least;
    cell->most = cell->numbers == 0 || x > cell->most ? x : cell->most;
    cell->sum += x;
    cell->numbers++;
    return true;
}

static void
count_row(struct counting *c, const struct brute_trace *t, size_t row)
{
    const struct span *s = &t->b->spans[row];
    bool measures = c->metric->fn != TQL_METRIC_RATE && c->metric->fn != TQL_METRIC_COUNT;
    struct brute_value v = {0};
    if (s->start_ns <= c->start_ns) {
        return;
    }
    uint64_t step = (s->start_ns - c->start_ns - 1) / c->step_ns; /* (start, start + step] is the first */
    if (step >= c->steps) {
        return;
    }
    if (measures) {
        struct cell probe = {0};
        v = first_of(t, row, &c->metric->attr);
        if (!measure(c, &v, &probe)) {
            return; /* what has no number makes no series */
        }
    }
    struct group *group = group_of(c, t, row);
    struct cell *cell = &group->cells[step];
    keep_span(c->kept, &group->spans, s, &v);
    cell->spans++;
    c->counted++;
    if (measures) {
        (void)measure(c, &v, cell);
    }
}

static bool brute_compare_make(struct brute_metrics *m, const struct span_batch *traces, size_t count,
                               const struct tql_query *q, uint64_t start_ns, uint64_t step_ns,
                               uint32_t steps);

/* --- series ----------------------------------------------------------------------------------------------
 */

static struct brute_series *
series_add(struct brute_metrics *m)
{
    if (m->count == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 64;
        m->series = mem_realloc(m->series, m->cap, sizeof *m->series);
    }
    struct brute_series *s = &m->series[m->count++];
    *s = (struct brute_series){0};
    buf_init(&s->labels, 1 << 20);
    return s;
}

void
brute_label_print(const struct brute_value *v, struct buf *out)
{
    struct tql_static text = {0};
    switch (v->type) {
    case BRUTE_DURATION:
        text = tql_static_duration(v->i);
        break;
    case BRUTE_STATUS:
        text = tql_static_status(v->i);
        break;
    case BRUTE_KIND:
        text = tql_static_kind(v->i);
        break;
    default:
        brute_print(v, out);
        return;
    }
    (void)buf_append_byte(out, '"'); /* these are strings */
    tql_static_print_plain(&text, out);
    (void)buf_append_byte(out, '"');
}

static void
put_label(struct buf *out, slice key, const struct brute_value *v)
{
    (void)buf_printf(out, "%.*s=", SL_FMT(key));
    brute_label_print(v, out);
    (void)buf_append_byte(out, '\n');
}

static void
put_group_labels(const struct counting *c, const struct group *g, struct buf *out)
{
    const struct tql_metric *m = c->metric;
    size_t there = 0;
    struct buf key;
    buf_init(&key, 1 << 16);
    for (size_t i = 0; i < m->by_count; i++) {
        if (g->by[i].type != BRUTE_NIL) {
            buf_clear(&key);
            tql_attr_print(&m->by[i], &key);
            put_label(out, buf_slice(&key), &g->by[i]);
            there++;
        }
    }
    if (m->by_count && there == 0) {
        buf_clear(&key);
        tql_attr_print(&m->by[0], &key);
        put_label(out, buf_slice(&key), &(struct brute_value){.type = BRUTE_STRING, .s = SL("nil")});
    }
    buf_fini(&key);
}

static void
put_number(struct buf *out, const char *key, double v)
{
    put_label(out, slice_cstr(key), &(struct brute_value){.type = BRUTE_FLOAT, .f = v});
}

static double
value_of(const struct counting *c, const struct cell *cell)
{
    switch (c->metric->fn) {
    case TQL_METRIC_RATE:
        return (double)cell->spans / ((double)c->step_ns / 1e9);
    case TQL_METRIC_COUNT:
        return (double)cell->spans;
    case TQL_METRIC_MIN:
        return cell->numbers ? cell->least : NAN;
    case TQL_METRIC_MAX:
        return cell->numbers ? cell->most : NAN;
    case TQL_METRIC_SUM:
        return cell->numbers ? (double)cell->sum : NAN;
    default:
        return cell->numbers ? (double)(cell->sum / cell->numbers) : NAN;
    }
}

/* Durations are asked for in nanoseconds and answered in seconds. */
static double
bound_of(const struct counting *c, int bits)
{
    bool duration = tql_attr_type(&c->metric->attr) == TQL_DURATION;
    return ldexp(1, bits) / (duration ? 1e9 : 1);
}

/* traceql.md 6.2. */
static double
quantile_of(const struct counting *c, const struct cell *cell, double q)
{
    uint64_t total = 0, taken = 0;
    double before = 0;
    for (int i = 0; i < 64; i++) {
        total += cell->buckets[i];
    }
    if (total == 0) {
        return 0;
    }
    double exact = ceil(q * (double)total);
    uint64_t need = exact < 1 ? 1 : (uint64_t)exact;
    for (int i = 0; i < 64; i++) {
        uint64_t n = cell->buckets[i];
        if (n == 0) {
            continue;
        }
        double high = log2(bound_of(c, i)), low = before > 0 ? log2(before) : high - 1;
        if (taken + n > need) {
            double f = (double)(need - taken) / (double)n;
            return exp2(low + (high - low) * f);
        }
        taken += n;
        before = bound_of(c, i);
        if (taken == need) {
            return before;
        }
    }
    return before;
}

static void
add_quantiles(struct counting *c, const struct group *g, struct brute_metrics *m)
{
    for (size_t k = 0; k < c->metric->quantile_count; k++) {
        struct brute_series *s = series_add(m);
        s->spans = g->spans;
        put_group_labels(c, g, &s->labels);
        put_number(&s->labels, "p", c->metric->quantiles[k]);
        for (uint32_t i = 0; i < c->steps; i++) {
            s->values[i] = quantile_of(c, &g->cells[i], c->metric->quantiles[k]);
        }
    }
}

static struct brute_spans
spans_of_bucket(struct counting *c, const struct group *g, int bits)
{
    struct brute_spans list = {0};
    for (size_t i = 0; i < g->spans.count; i++) {
        const struct brute_span *x = &g->spans.v[i];
        if (bucket_of(x->measured.i) == bits) {
            const struct span s = {.trace = x->trace, .start_ns = x->start_ns};
            keep_span(c->kept, &list, &s, &x->measured);
        }
    }
    return list;
}

static void
add_histogram(struct counting *c, const struct group *g, struct brute_metrics *m)
{
    for (int bits = 0; bits < 64; bits++) {
        uint64_t all = 0;
        for (uint32_t i = 0; i < c->steps; i++) {
            all += g->cells[i].buckets[bits];
        }
        if (all == 0) {
            continue;
        }
        struct brute_series *s = series_add(m);
        s->spans = spans_of_bucket(c, g, bits);
        put_group_labels(c, g, &s->labels);
        put_number(&s->labels, "__bucket", bound_of(c, bits));
        for (uint32_t i = 0; i < c->steps; i++) {
            s->values[i] = (double)g->cells[i].buckets[bits];
        }
    }
}

static void
add_series(struct counting *c, const struct group *g, struct brute_metrics *m)
{
    struct brute_series *s = series_add(m);
    s->spans = g->spans;
    put_group_labels(c, g, &s->labels);
    if (c->metric->by_count == 0) {
        put_label(
            &s->labels, SL("__name__"),
            &(struct brute_value){.type = BRUTE_STRING, .s = slice_cstr(tql_metric_name(c->metric->fn))});
    }
    for (uint32_t i = 0; i < c->steps; i++) {
        s->values[i] = value_of(c, &g->cells[i]);
        s->any[i] = g->cells[i].odd;
    }
}

static void
finish(struct counting *c, struct brute_metrics *m)
{
    const struct tql_metric *metric = c->metric;
    static const struct group none;
    bool counts = metric->fn == TQL_METRIC_RATE || metric->fn == TQL_METRIC_COUNT;
    for (size_t i = 0; i < c->count; i++) {
        if (metric->fn == TQL_METRIC_QUANTILE) {
            add_quantiles(c, c->groups[i], m);
        } else if (metric->fn == TQL_METRIC_HISTOGRAM) {
            add_histogram(c, c->groups[i], m);
        } else {
            add_series(c, c->groups[i], m);
        }
    }
    if (c->count == 0 && counts && metric->by_count == 0) {
        add_series(c, &none, m);
    }
}

bool
brute_metrics_make(struct brute_metrics *m, const struct span_batch *traces, size_t count,
                   const struct tql_query *q, uint64_t start_ns, uint64_t step_ns, uint32_t steps)
{
    struct brute_error wrong = {0};
    struct arena arena;
    struct counting c = {.metric = q->metric,
                         .start_ns = start_ns,
                         .step_ns = step_ns,
                         .steps = steps,
                         .arena = &arena,
                         .kept = &m->memory};
    *m = (struct brute_metrics){0};
    arena_init(&m->memory, 0);
    if (q->metric->fn == TQL_METRIC_COMPARE) {
        return brute_compare_make(m, traces, count, q, start_ns, step_ns, steps);
    }
    MUST(steps <= BRUTE_STEPS_MAX && q->metric->by_count <= BY_MAX);
    arena_init(&arena, 0);
    for (size_t i = 0; i < count && !wrong.failed; i++) {
        struct brute_trace t;
        brute_trace_make(&t, &traces[i], &arena);
        for (const struct brute_set *s = brute_run(&t, q, &wrong); s; s = s->next) {
            for (size_t row = 0; row < traces[i].span_count; row++) {
                if (s->rows[row]) {
                    count_row(&c, &t, row);
                }
            }
        }
    }
    finish(&c, m);
    m->counted = c.counted;
    arena_fini(&arena);
    return !wrong.failed;
}

void
brute_metrics_fini(struct brute_metrics *m)
{
    for (size_t i = 0; i < m->count; i++) {
        buf_fini(&m->series[i].labels);
    }
    mem_free(m->series);
    arena_fini(&m->memory);
    *m = (struct brute_metrics){0};
}

/* --- compare() -------------------------------------------------------------------------------------------
 */

static struct brute_series *
series_of(struct brute_metrics *m, slice labels)
{
    for (size_t i = 0; i < m->count; i++) {
        if (slice_eq(buf_slice(&m->series[i].labels), labels)) {
            return &m->series[i];
        }
    }
    struct brute_series *s = series_add(m);
    (void)buf_append_slice(&s->labels, labels);
    return s;
}

struct comparing {
    struct brute_metrics *m;
    bool selected;
    uint64_t step;
};

static void
compare_one(const struct comparing *c, enum tql_scope scope, enum tql_intrinsic intrinsic, slice name,
            const struct brute_value *v)
{
    const struct tql_attr attr = {.name = name, .scope = (uint8_t)scope, .intrinsic = (uint8_t)intrinsic};
    struct buf key, labels;
    if (v->type == BRUTE_NIL || v->type == BRUTE_ARRAY) {
        return;
    }
    buf_init(&key, 1 << 16);
    tql_attr_print(&attr, &key);
    for (int total = 0; total < 2; total++) {
        const char *side =
            c->selected ? (total ? "selection_total" : "selection") : (total ? "baseline_total" : "baseline");
        buf_init(&labels, 1 << 16);
        put_label(&labels, SL("__meta_type"),
                  &(struct brute_value){.type = BRUTE_STRING, .s = slice_cstr(side)});
        put_label(&labels, buf_slice(&key),
                  total ? &(struct brute_value){.type = BRUTE_STRING, .s = SL("nil")} : v);
        series_of(c->m, buf_slice(&labels))->values[c->step] += 1;
        buf_fini(&labels);
    }
    buf_fini(&key);
}

static void
compare_run(const struct comparing *c, const struct brute_trace *t, enum tql_scope scope, struct run run)
{
    for (uint32_t i = 0; i < run.n; i++) {
        const struct attr *a = &t->b->attrs[run.at + i];
        struct brute_value v = brute_of_attr(a, t->arena);
        compare_one(c, scope, TQL_INTRINSIC_NONE, attr_key(a), &v);
    }
}

static void
compare_row(const struct comparing *c, const struct brute_trace *t, size_t row)
{
    static const enum tql_intrinsic intrinsics[] = {TQL_INTRINSIC_NAME,
                                                    TQL_INTRINSIC_KIND,
                                                    TQL_INTRINSIC_STATUS,
                                                    TQL_INTRINSIC_STATUS_MESSAGE,
                                                    TQL_INTRINSIC_TRACE_ROOT_NAME,
                                                    TQL_INTRINSIC_TRACE_ROOT_SERVICE,
                                                    TQL_INTRINSIC_INSTRUMENTATION_NAME,
                                                    TQL_INTRINSIC_INSTRUMENTATION_VERSION};
    const struct span *s = &t->b->spans[row];
    const struct scope *scope = &t->b->scopes[s->scope];
    for (size_t i = 0; i < sizeof intrinsics / sizeof *intrinsics; i++) {
        const struct tql_attr attr = {.intrinsic = (uint8_t)intrinsics[i]};
        struct brute_value v = brute_lookup(t, row, &attr, -1, -1);
        compare_one(c, TQL_SCOPE_NONE, intrinsics[i], SL_EMPTY, &v);
    }
    compare_run(c, t, TQL_SCOPE_SPAN, s->attrs);
    compare_run(c, t, TQL_SCOPE_RESOURCE, t->b->resources[scope->resource].attrs);
    compare_run(c, t, TQL_SCOPE_INSTRUMENTATION, scope->attrs);
    for (uint32_t i = 0; i < s->events.n; i++) {
        compare_run(c, t, TQL_SCOPE_EVENT, t->b->events[s->events.at + i].attrs);
    }
    for (uint32_t i = 0; i < s->links.n; i++) {
        compare_run(c, t, TQL_SCOPE_LINK, t->b->links[s->links.at + i].attrs);
    }
}

static bool
brute_compare_make(struct brute_metrics *m, const struct span_batch *traces, size_t count,
                   const struct tql_query *q, uint64_t start_ns, uint64_t step_ns, uint32_t steps)
{
    struct brute_error wrong = {0};
    static const struct brute_value nothing;
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < count && !wrong.failed; i++) {
        struct brute_trace t;
        brute_trace_make(&t, &traces[i], &arena);
        for (const struct brute_set *s = brute_run(&t, q, &wrong); s; s = s->next) {
            for (size_t row = 0; row < traces[i].span_count && !wrong.failed; row++) {
                const uint64_t start = traces[i].spans[row].start_ns;
                struct comparing c = {.m = m,
                                      .step = start > start_ns ? (start - start_ns - 1) / step_ns : steps};
                if (s->rows[row] && c.step < steps) {
                    c.selected = brute_keeps(&t, row, q->metric->compare->expr, &wrong);
                    compare_row(&c, &t, row);
                    keep_span(&m->memory, &m->sides[c.selected], &traces[i].spans[row], &nothing);
                    m->counted++;
                }
            }
        }
    }
    for (size_t i = 0; i < m->count; i++) {
        m->series[i].spans =
            m->sides[slice_find(buf_slice(&m->series[i].labels), SL("\"selection")) != SIZE_MAX];
    }
    arena_fini(&arena);
    return !wrong.failed;
}

/* --- random ones ------------------------------------------------------------------------------------------
 */

#define PICK(r, pool) ((pool)[rng_below((r), sizeof(pool) / sizeof *(pool))])

static void
put_measured(struct rng *r, struct buf *out)
{
    static const char *const pool[] = {"duration", "duration", "traceDuration", "span:childCount", "span.n",
                                       ".n",       ".a"};
    if (rng_below(r, 3)) {
        (void)buf_append_cstr(out, PICK(r, pool));
    } else {
        brute_random_attribute(r, out);
    }
}

void
brute_random_metric(struct rng *r, struct buf *out)
{
    static const char *const pool[] = {
        "name",    "kind",         "status", "rootName", "span.n", ".s", "resource.service.name",
        "span:id", "statusMessage"};
    static const char *const quantiles[] = {".5", "0, .25, .9, 1", ".99"};
    static const char *const over[] = {"min", "max", "avg", "sum", "histogram"};
    uint64_t kind = rng_below(r, 9);
    if (kind == 8) {
        (void)buf_append_cstr(out, " | compare(");
        brute_random_filter(r, out);
        (void)buf_append_cstr(out, ", 100000)");
        return;
    }
    if (kind < 2) {
        (void)buf_append_cstr(out, kind ? " | rate()" : " | count_over_time()");
    } else if (kind == 2) {
        (void)buf_append_cstr(out, " | quantile_over_time(");
        put_measured(r, out);
        (void)buf_printf(out, ", %s)", PICK(r, quantiles));
    } else {
        (void)buf_printf(out, " | %s_over_time(", over[kind - 3]);
        put_measured(r, out);
        (void)buf_append_cstr(out, ")");
    }
    if (rng_below(r, 2)) {
        (void)buf_append_cstr(out, " by (");
        for (uint64_t n = rng_below(r, 3), i = 0; i <= n; i++) {
            (void)buf_append_cstr(out, i ? ", " : "");
            if (rng_below(r, 3)) {
                (void)buf_append_cstr(out, PICK(r, pool));
            } else {
                brute_random_attribute(r, out);
            }
        }
        (void)buf_append_cstr(out, ")");
    }
}

void
brute_random_second(struct rng *r, struct buf *out)
{
    static const char *const limits[] = {"0", "1", "2", "0.5", "10ms", "100", "3s", "-1"};
    static const char *const ops[] = {"=", "!=", "<", "<=", ">", ">="};
    for (uint64_t n = 1 + rng_below(r, 2); n > 0; n--) {
        if (rng_below(r, 2)) {
            (void)buf_printf(out, " | %s(%u)", rng_below(r, 2) ? "topk" : "bottomk",
                             1 + (unsigned)rng_below(r, 4));
        } else {
            (void)buf_printf(out, " %s %s", PICK(r, ops), PICK(r, limits));
        }
    }
}
