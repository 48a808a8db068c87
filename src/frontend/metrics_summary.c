/* /api/metrics/summary (Tempo 2.10): spans, errors and durations of each group. One histogram query over the
 * whole range, grouped by what is asked for and by status. */
#include "metrics.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/traceql/traceql.h"

#include <math.h>
#include <stdlib.h>

#define KEYS_MAX 5

struct summary {
    struct http_metrics base;
    struct tql_attr by[KEYS_MAX + 1]; /* the last one is status */
    size_t keys;
    struct tql_metric metric;
    uint64_t limit;
};

/* Groups that differ in their status only, together. */
struct merged {
    const struct tql_static *by;
    uint64_t count, errors, buckets[64];
};

static err
parse_keys(struct summary *s, struct api_request *q, struct fault *f)
{
    slice text = SL_EMPTY;
    err rc = OK;
    (void)api_param(q, SL("groupBy"), &text);
    do {
        slice one = slice_trim(slice_cut(&text, ','));
        if (s->keys == KEYS_MAX) {
            return FAULT(f, ERR_INVALID, "metrics group by %d values not yet supported", KEYS_MAX + 1);
        }
        rc = traceql_parse_identifier(one, &q->arena, f, &s->by[s->keys++]);
    } while (rc == OK && text.p);
    if (rc != OK) {
        fault_prefix(f, "parsing groupby attribute");
        return ERR_INVALID;
    }
    s->by[s->keys] = (struct tql_attr){.intrinsic = TQL_INTRINSIC_STATUS};
    s->metric = (struct tql_metric){.fn = TQL_METRIC_HISTOGRAM,
                                    .attr = {.intrinsic = TQL_INTRINSIC_DURATION},
                                    .by = s->by,
                                    .by_count = s->keys + 1};
    return OK;
}

/* --- answer --------------------------------------------------------------------------------------------- */

static bool
same_keys(const struct tql_static *a, const struct tql_static *b, size_t keys)
{
    for (size_t i = 0; i < keys; i++) {
        if (!tql_static_same(&a[i], &b[i])) {
            return false;
        }
    }
    return true;
}

static int
by_count(const void *x, const void *y)
{
    const struct merged *a = x;
    const struct merged *b = y;
    return a->count > b->count ? -1 : a->count < b->count;
}

/* Groups with equal keys next to each other. */
static int
by_keys(const void *x, const void *y, void *ctx)
{
    const struct metrics_group *a = x;
    const struct metrics_group *b = y;
    const size_t keys = *(const size_t *)ctx;
    for (size_t i = 0; i < keys; i++) {
        int order = tql_static_order(&a->by[i], &b->by[i]);
        if (order) {
            return order;
        }
    }
    return 0;
}

static uint64_t
percentile(const struct merged *m, double q)
{
    double total = 0;
    double taken = 0;
    int last = 0;
    for (int b = 0; b < 64; b++) {
        total += (double)m->buckets[b];
    }
    const double need = fmax(1, ceil(q * total));
    for (int b = 0; b < 64 && taken < need; b++) {
        const double n = (double)m->buckets[b];
        if (n > 0 && taken + n > need) {
            const double low = last ? last : b - 1;
            return (uint64_t)exp2(low + (b - low) * (need - taken) / n);
        }
        last = n > 0 ? b : last;
        taken += n;
    }
    return last ? UINT64_C(1) << last : 0;
}

static void
write_value(struct json_writer *w, const struct tql_static *v)
{
    static const uint8_t types[TQL_TYPE_COUNT] = {
        [TQL_INT] = 3,       [TQL_FLOAT] = 4,   [TQL_STRING] = 5, [TQL_BOOL] = 6,
        [TQL_DURATION] = 11, [TQL_STATUS] = 12, [TQL_KIND] = 13}; /* Tempo's numbers */
    json_object_begin(w);
    if (types[v->type]) {
        json_key(w, SL("type"));
        json_u64(w, types[v->type]);
    }
    switch ((enum tql_type)v->type) {
    case TQL_INT:
        json_key(w, SL("n"));
        json_i64_string(w, v->i);
        break;
    case TQL_FLOAT:
        json_key(w, SL("f"));
        json_double(w, v->f);
        break;
    case TQL_STRING:
        json_key(w, SL("s"));
        json_string(w, tql_static_slice(v));
        break;
    case TQL_BOOL:
        json_key(w, SL("b"));
        json_bool(w, v->b);
        break;
    case TQL_DURATION:
        json_key(w, SL("d"));
        json_i64_string(w, v->i);
        break;
    case TQL_STATUS:
        json_key(w, SL("status"));
        json_i64(w, v->i == TQL_STATUS_ERROR ? 0 : v->i == TQL_STATUS_OK ? 1 : 2);
        break;
    case TQL_KIND:
        json_key(w, SL("kind"));
        json_i64(w, v->i);
        break;
    default:
        break;
    }
    json_object_end(w);
}

static void
write_number(struct json_writer *w, slice key, uint64_t n)
{
    if (n) {
        json_key(w, key);
        json_u64_string(w, n);
    }
}

static void
write_group(const struct summary *s, struct json_writer *w, const struct merged *m)
{
    json_object_begin(w);
    write_number(w, SL("spanCount"), m->count);
    write_number(w, SL("errorSpanCount"), m->errors);
    json_key(w, SL("series"));
    json_array_begin(w);
    for (size_t i = 0; i < s->keys; i++) {
        struct buf key;
        buf_init(&key, (size_t)1 << 20);
        tql_attr_print(&s->by[i], &key);
        json_object_begin(w);
        json_key(w, SL("key"));
        json_string(w, buf_slice(&key));
        json_key(w, SL("value"));
        write_value(w, &m->by[i]);
        json_object_end(w);
        buf_fini(&key);
    }
    json_array_end(w);
    write_number(w, SL("p99"), percentile(m, 0.99));
    write_number(w, SL("p95"), percentile(m, 0.95));
    write_number(w, SL("p90"), percentile(m, 0.90));
    write_number(w, SL("p50"), percentile(m, 0.50));
    json_object_end(w);
}

static size_t
merge_groups(struct summary *s, struct merged *out)
{
    size_t count = 0;
    size_t n = 0;
    struct metrics_group *groups = metrics_groups(s->base.metrics.metrics, &count);
    if (count) {
        qsort_r(groups, count, sizeof *groups, by_keys, &s->keys);
    }
    for (size_t i = 0; i < count; i++) {
        if (n == 0 || !same_keys(out[n - 1].by, groups[i].by, s->keys)) {
            out[n++] = (struct merged){.by = groups[i].by};
        }
        struct merged *m = &out[n - 1];
        m->count += groups[i].count;
        m->errors += groups[i].by[s->keys].i == TQL_STATUS_ERROR ? groups[i].count : 0;
        for (int b = 0; b < 64; b++) {
            m->buckets[b] += groups[i].buckets[b];
        }
    }
    if (n) {
        qsort(out, n, sizeof *out, by_count);
    }
    return s->limit && n > s->limit ? s->limit : n;
}

static slice
write_body(struct http_query *h, struct buf *out)
{
    struct summary *s = (struct summary *)h;
    struct json_writer w;
    size_t count = 0;
    (void)metrics_groups(s->base.metrics.metrics, &count);
    struct merged *merged = mem_new_array(struct merged, count + 1);
    const size_t n = merge_groups(s, merged);
    json_writer_init(&w, out);
    json_object_begin(&w);
    if (n) {
        json_key(&w, SL("summaries"));
        json_array_begin(&w);
        for (size_t i = 0; i < n && !out->failed; i++) {
            write_group(s, &w, &merged[i]);
        }
        json_array_end(&w);
    }
    json_object_end(&w);
    mem_free(merged);
    return SL("application/json");
}

/* --- a request ------------------------------------------------------------------------------------------ */

static err
begin(struct http_query *h, struct fault *f)
{
    struct summary *s = (struct summary *)h;
    s->base.metrics.planned.measure = &s->metric;
    s->base.metrics.query.with_counts = true;
    return running_metrics_begin(&s->base.metrics, &h->q->r->cancelled, f);
}

static const struct http_query_kind kind = {
    .begin = begin,
    .step = http_metrics_step,
    .log = http_metrics_log,
    .write = write_body,
    .too_large = "the answer is too large, ask for fewer groups",
    .fini = http_metrics_fini,
};

void
metrics_summary_http(struct api_request *q)
{
    struct summary *s = mem_new(struct summary);
    struct query_owner owner = http_query_owner(q);
    struct fault f = {0};
    slice limit;
    running_metrics_init(&s->base.metrics, &owner);
    err rc = parse_keys(s, q, &f);
    if (rc == OK) {
        rc = metrics_request_from_url(q, true, &s->base.metrics.request, &f);
    }
    if (rc == OK && api_param(q, SL("limit"), &limit)) {
        (void)slice_to_u64(limit, &s->limit);
    }
    http_query_start(&s->base.head, q, &kind, rc, &f);
}
