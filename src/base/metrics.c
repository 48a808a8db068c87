#include "vivace/base/metrics.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/base/mutex.h"
#include "vivace/base/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const double METRIC_BUCKETS_REQUEST[14] = {.01, .025, .05, .1, .25, .5, 1, 1.5, 2.5, 5, 10, 25, 50, 100};

struct series {
    struct metric *family;
    char *labels;              /* `a="x",b="y"`, escaped; "" without labels */
    _Atomic uint64_t count;    /* counters; a histogram's count */
    _Atomic uint64_t bits;     /* a gauge's value or a histogram's sum, as a double's bits */
    _Atomic uint64_t *buckets; /* per bucket, not cumulative; bucket_count + 1 */
    struct series *next;       /* in order of creation; guarded by registry.mu */
};

struct metric {
    enum metric_kind kind;
    const char *name, *help;
    const char *label_names[METRIC_LABELS_MAX];
    size_t label_lens[METRIC_LABELS_MAX];
    size_t label_count;
    const double *bucket_bounds;
    size_t bucket_count;
    double (*fn)(void *);
    void *fn_ctx;
    struct str_table by_labels; /* guarded by registry.mu */
    struct series *first, **last;
    struct metric *next; /* sorted by name */
};

static struct {
    struct mutex mu;
    struct metric *first; /* guarded by mu */
} registry;

static pthread_once_t registry_once = PTHREAD_ONCE_INIT;

static void
registry_init(void)
{
    mutex_init(&registry.mu, LOCK_METRICS);
}

static void
lock(void)
{
    MUST(pthread_once(&registry_once, registry_init) == 0);
    mutex_lock(&registry.mu);
}

static void
unlock(void)
{
    mutex_unlock(&registry.mu);
}

static uint64_t
bits_of(double d)
{
    uint64_t u = 0;
    memcpy(&u, &d, sizeof u);
    return u;
}

static double
double_of(uint64_t u)
{
    double d = 0;
    memcpy(&d, &u, sizeof d);
    return d;
}

static void
split_labels(struct metric *m, const char *labels)
{
    slice rest = slice_cstr(labels);
    while (rest.n) {
        slice name = slice_cut(&rest, ',');
        MUST(m->label_count < METRIC_LABELS_MAX);
        m->label_names[m->label_count] = (const char *)name.p;
        m->label_lens[m->label_count++] = name.n;
    }
}

static struct metric *
family_register(enum metric_kind kind, const char *name, const char *help, const char *labels)
{
    struct metric **at = &registry.first;
    lock();
    while (*at && strcmp((*at)->name, name) < 0) {
        at = &(*at)->next;
    }
    struct metric *m = *at;
    if (m == NULL || strcmp(m->name, name) != 0) {
        m = mem_new(struct metric);
        m->kind = kind;
        m->name = name;
        m->help = help;
        m->last = &m->first;
        str_table_init(&m->by_labels);
        split_labels(m, labels);
        m->next = *at;
        *at = m;
    }
    MUST(m->kind == kind);
    unlock();
    return m;
}

struct metric *
metric_counter(const char *name, const char *help, const char *labels)
{
    return family_register(METRIC_COUNTER, name, help, labels);
}

struct metric *
metric_gauge(const char *name, const char *help, const char *labels)
{
    return family_register(METRIC_GAUGE, name, help, labels);
}

struct metric *
metric_histogram(const char *name, const char *help, const char *labels, const double *buckets,
                 size_t bucket_count)
{
    struct metric *m = family_register(METRIC_HISTOGRAM, name, help, labels);
    lock();
    if (m->bucket_bounds == NULL) {
        m->bucket_bounds = buckets;
        m->bucket_count = bucket_count;
    }
    unlock();
    return m;
}

void
metric_callback(enum metric_kind kind, const char *name, const char *help, double (*fn)(void *), void *ctx)
{
    MUST(kind != METRIC_HISTOGRAM);
    struct metric *m = family_register(kind, name, help, "");
    lock();
    m->fn = fn;
    m->fn_ctx = ctx;
    unlock();
}

static void
append_escaped(struct buf *out, slice v)
{
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '\\' || v.p[i] == '"') {
            buf_append_byte(out, '\\');
            buf_append_byte(out, v.p[i]);
        } else if (v.p[i] == '\n') {
            buf_append_cstr(out, "\\n");
        } else {
            buf_append_byte(out, v.p[i]);
        }
    }
}

static void
format_labels(const struct metric *m, const slice *values, struct buf *out)
{
    for (size_t i = 0; i < m->label_count; i++) {
        if (i) {
            buf_append_byte(out, ',');
        }
        buf_append(out, m->label_names[i], m->label_lens[i]);
        buf_append_cstr(out, "=\"");
        append_escaped(out, values[i]);
        buf_append_byte(out, '"');
    }
}

static struct series *
series_create(struct metric *m, slice labels)
{
    struct series *s = mem_new(struct series);
    s->family = m;
    s->labels = mem_strndup(labels.p, labels.n);
    if (m->kind == METRIC_HISTOGRAM) {
        s->buckets = mem_calloc(m->bucket_count + 1, sizeof *s->buckets);
    }
    *m->last = s;
    m->last = &s->next;
    str_table_put(&m->by_labels, labels, s);
    return s;
}

struct series *
metric_series(struct metric *m, const slice *values)
{
    static const slice overflow[METRIC_LABELS_MAX] = {
        {(const uint8_t *)"__overflow__", 12}, {(const uint8_t *)"__overflow__", 12},
        {(const uint8_t *)"__overflow__", 12}, {(const uint8_t *)"__overflow__", 12},
        {(const uint8_t *)"__overflow__", 12}, {(const uint8_t *)"__overflow__", 12},
        {(const uint8_t *)"__overflow__", 12}, {(const uint8_t *)"__overflow__", 12}};
    struct buf key;
    buf_init(&key, (size_t)1 << 16);
    format_labels(m, values, &key);
    if (key.failed) {
        values = overflow;
        buf_clear(&key);
        format_labels(m, values, &key);
    }
    lock();
    struct series *s = str_table_get(&m->by_labels, buf_slice(&key));
    if (s == NULL && m->by_labels.count >= METRIC_SERIES_MAX) {
        buf_clear(&key);
        format_labels(m, overflow, &key);
        s = str_table_get(&m->by_labels, buf_slice(&key));
    }
    if (s == NULL) {
        s = series_create(m, buf_slice(&key));
    }
    unlock();
    buf_fini(&key);
    return s;
}

struct series *
metric_series0(struct metric *m)
{
    MUST(m->label_count == 0);
    return metric_series(m, NULL);
}

struct series *
metric_series1(struct metric *m, slice v)
{
    MUST(m->label_count == 1);
    return metric_series(m, &v);
}

struct series *
metric_series2(struct metric *m, slice v1, slice v2)
{
    MUST(m->label_count == 2);
    return metric_series(m, (slice[]){v1, v2});
}

void
series_add(struct series *s, uint64_t n)
{
    atomic_fetch_add_explicit(&s->count, n, memory_order_relaxed);
}

void
series_set(struct series *s, double v)
{
    atomic_store_explicit(&s->bits, bits_of(v), memory_order_relaxed);
}

void
series_gauge_add(struct series *s, double d)
{
    uint64_t old = atomic_load_explicit(&s->bits, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&s->bits, &old, bits_of(double_of(old) + d),
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

void
series_observe(struct series *s, double v)
{
    const struct metric *m = s->family;
    size_t i = 0;
    while (i < m->bucket_count && v > m->bucket_bounds[i]) {
        i++;
    }
    atomic_fetch_add_explicit(&s->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->count, 1, memory_order_relaxed);
    series_gauge_add(s, v);
}

double
series_value(const struct series *s)
{
    if (s->family->kind == METRIC_GAUGE) {
        return double_of(atomic_load_explicit(&s->bits, memory_order_relaxed));
    }
    return (double)atomic_load_explicit(&s->count, memory_order_relaxed);
}

/* --- exposition --------------------------------------------------------------------------------------- */

static void
append_double(struct buf *out, double v)
{
    if (isnan(v)) {
        buf_append_cstr(out, "NaN");
    } else if (isinf(v)) {
        buf_append_cstr(out, v > 0 ? "+Inf" : "-Inf");
    } else if (v == floor(v) && fabs(v) < 1e15) {
        buf_append_i64(out, (int64_t)v);
    } else {
        char text[32];
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, v);
            if (strtod(text, NULL) == v) {
                break;
            }
        }
        buf_append_cstr(out, text);
    }
}

static void
append_sample_name(struct buf *out, const char *name, const char *suffix, const char *labels)
{
    buf_append_cstr(out, name);
    buf_append_cstr(out, suffix);
    if (*labels) {
        buf_append_byte(out, '{');
        buf_append_cstr(out, labels);
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ' ');
}

static void
write_histogram(struct buf *out, const struct metric *m, const struct series *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= m->bucket_count; i++) {
        sum += atomic_load_explicit(&s->buckets[i], memory_order_relaxed);
        buf_append_cstr(out, m->name);
        buf_append_cstr(out, "_bucket{");
        if (*s->labels) {
            buf_append_cstr(out, s->labels);
            buf_append_byte(out, ',');
        }
        buf_append_cstr(out, "le=\"");
        append_double(out, i < m->bucket_count ? m->bucket_bounds[i] : INFINITY);
        buf_append_cstr(out, "\"} ");
        buf_append_u64(out, sum);
        buf_append_byte(out, '\n');
    }
    append_sample_name(out, m->name, "_sum", s->labels);
    append_double(out, double_of(atomic_load_explicit(&s->bits, memory_order_relaxed)));
    buf_append_byte(out, '\n');
    /* The buckets' own total, not `count`: the three must agree within one scrape. */
    append_sample_name(out, m->name, "_count", s->labels);
    buf_append_u64(out, sum);
    buf_append_byte(out, '\n');
}

static void
write_family(struct buf *out, const struct metric *m, bool openmetrics)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    size_t name_n = strlen(m->name);
    /* OpenMetrics names a counter's family without its _total. */
    bool total = slice_ends_with(slice_of(m->name, name_n), SL("_total"));
    size_t family_n = openmetrics && m->kind == METRIC_COUNTER && total ? name_n - 6 : name_n;
    const char *suffix = openmetrics && m->kind == METRIC_COUNTER && !total ? "_total" : "";

    buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)family_n, m->name, m->help, (int)family_n,
               m->name, types[m->kind]);
    if (m->fn) {
        append_sample_name(out, m->name, suffix, "");
        append_double(out, m->fn(m->fn_ctx));
        buf_append_byte(out, '\n');
        return;
    }
    for (const struct series *s = m->first; s; s = s->next) {
        if (m->kind == METRIC_HISTOGRAM) {
            write_histogram(out, m, s);
            continue;
        }
        append_sample_name(out, m->name, suffix, s->labels);
        append_double(out, series_value(s));
        buf_append_byte(out, '\n');
    }
}

void
metrics_write(struct buf *out, bool openmetrics)
{
    lock();
    for (const struct metric *m = registry.first; m; m = m->next) {
        if (m->fn || m->first) {
            write_family(out, m, openmetrics);
        }
    }
    unlock();
    if (openmetrics) {
        buf_append_cstr(out, "# EOF\n");
    }
}

void
metrics_reset(void)
{
    lock();
    while (registry.first) {
        struct metric *m = registry.first;
        registry.first = m->next;
        while (m->first) {
            struct series *s = m->first;
            m->first = s->next;
            mem_free(s->labels);
            mem_free((void *)(uintptr_t)s->buckets);
            mem_free(s);
        }
        str_table_fini(&m->by_labels);
        mem_free(m);
    }
    unlock();
}
