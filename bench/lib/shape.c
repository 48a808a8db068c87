#include "shape.h"

#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int
number_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void
rank_sort(double *values, size_t n)
{
    qsort(values, n, sizeof *values, number_order);
}

double
rank_of(const double *sorted, size_t n, double q)
{
    size_t rank = (size_t)ceil(q * (double)n);
    return n ? sorted[rank ? rank - 1 : 0] : 0;
}

void
url_add(struct blob *b, const char *text)
{
    for (const char *c = text; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                     strchr("-_.~", *c);
        if (plain) {
            blob_add(b, c, 1);
        } else {
            blob_printf(b, "%%%02X", (unsigned char)*c);
        }
    }
}

/* The request's path with all its parameters; allocated. */
static char *
path_of(const struct scene *scene, const struct shape *s)
{
    const struct known *k = &scene->known;
    struct blob b = {0};
    double lasts = (double)(k->last_ns - k->first_ns) / 1e9;
    double from = (double)k->first_ns / 1e9 - 1, to = (double)k->last_ns / 1e9 + 2;
    if (s->to > 0) {
        to = from + 1 + s->to * lasts;
        from += 1 + s->from * lasts;
    }
    char *path = know_fill(k, s->path);
    blob_printf(&b, "%s?start=%.0f&end=%.0f", path, floor(from), ceil(to));
    if (s->answer == ANSWER_SERIES) {
        blob_printf(&b, "&step=%.0fs", fmax(1, ceil((to - from) / 60)));
    }
    if (s->query) {
        char *query = know_fill(k, s->query);
        blob_printf(&b, "&q=");
        url_add(&b, query);
        free(query);
    }
    if (s->more) {
        blob_printf(&b, "&%s", s->more);
    }
    blob_add(&b, "", 1);
    free(path);
    return (char *)b.p;
}

static double
series_sum(struct json series)
{
    struct json one, samples, sample, value;
    double sum = 0;
    while (json_next(&series, &one)) {
        if (json_get(one, "value", &value)) { /* instant */
            sum += json_number(value);
        }
        if (!json_get(one, "samples", &samples)) {
            continue;
        }
        while (json_next(&samples, &sample)) {
            sum += json_get(sample, "value", &value) ? json_number(value) : 0;
        }
    }
    return sum;
}

/* Count what came; false when the answer is not what this endpoint answers with. */
static bool
answer_read(const struct shape *s, const struct blob *body, struct shape_result *ret)
{
    struct json list, one, v, answer = json_of(body->p, body->n);
    ret->results = ret->sum = ret->inspected_bytes = 0;
    if (json_get(answer, "metrics", &v) && json_get(v, "inspectedBytes", &v)) {
        ret->inspected_bytes = json_number(v);
    }
    switch (s->answer) {
    case ANSWER_TRACES:
        if (!json_get(answer, "traces", &list)) {
            return false;
        }
        break;
    case ANSWER_SERIES:
        if (!json_get(answer, "series", &list)) {
            return s->expect == EXPECT_NONE && answer.n > 0;
        }
        ret->sum = series_sum(list);
        break;
    case ANSWER_VALUES:
        if (!json_get(answer, "tagValues", &list)) {
            return false;
        }
        break;
    case ANSWER_NAMES:
        if (json_get(answer, "tagNames", &list)) {
            break;
        }
        if (!json_get(answer, "scopes", &list)) {
            return false;
        }
        while (json_next(&list, &one)) {
            ret->results += json_get(one, "tags", &v) ? (double)json_count(v) : 0;
        }
        return true;
    }
    ret->results = (double)json_count(list);
    return true;
}

static bool
expected(const struct shape *s, const struct shape_result *r)
{
    switch (s->expect) {
    case EXPECT_NONE:
        return r->results == 0;
    case EXPECT_LIMIT:
    case EXPECT_EXACT:
        return s->answer == ANSWER_SERIES ? fabs(r->sum - s->exact) < 1e-6 * (1 + s->exact)
                                          : r->results == s->exact;
    case EXPECT_SOME:
        break;
    }
    return r->results > 0 && (s->answer != ANSWER_SERIES || r->sum > 0);
}

/* One request; its milliseconds, < 0 and a fault when it is not answered well. */
static double
ask(struct scene *scene, const struct shape *s, const char *path, struct shape_result *ret)
{
    struct blob body = {0};
    uint64_t start = now_ns();
    int status = http_get(&scene->target, path, "application/json", &body);
    double ms = (double)(now_ns() - start) / 1e6;
    if (status != 200) {
        scene_fault(scene, "%s: status %d: %.*s", s->name, status, (int)(body.n < 200 ? body.n : 200),
                    body.n ? (const char *)body.p : "");
        ms = -1;
    } else if (!answer_read(s, &body, ret)) {
        scene_fault(scene, "%s: an answer of another form: %.200s", s->name, (const char *)body.p);
        ms = -1;
    }
    blob_free(&body);
    return ms;
}

static void
shape_report(struct result *out, const struct shape *s, const struct shape_result *r)
{
    const char *limit = s->more ? strstr(s->more, "limit=") : NULL;
    double most = limit ? strtod(limit + strlen("limit="), NULL) : INFINITY;
    const struct {
        const char *key;
        double value;
    } list[] = {{"p50_ms", r->p50_ms},     {"p99_ms", r->p99_ms},
                {"max_ms", r->max_ms},     {"cpu_ms", r->cpu_ms},
                {"results", r->results},   {"limited", r->results >= most},
                {"sum", r->sum},           {"inspected_bytes", r->inspected_bytes},
                {"peak_mib", r->peak_mib}, {"rss_mib", r->rss_mib}};
    char key[96];
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        snprintf(key, sizeof key, "%s_%s", s->name, list[i].key);
        result_num(out, key, list[i].value);
    }
}

void
shape_measure(struct shape_run *r, const struct shape *s, struct shape_result *ret)
{
    struct scene *scene = r->scene;
    char *path = path_of(scene, s);
    double *ms = xalloc(r->runs * sizeof *ms), spent = 0;
    uint32_t n = 0;
    *ret = (struct shape_result){0};
    target_peak_reset(&scene->target);
    bool good = ask(scene, s, path, ret) >= 0;
    if (good && !expected(s, ret)) {
        scene_fault(scene, "%s: %.0f results, values together %g: not what the corpus holds", s->name,
                    ret->results, ret->sum);
    }
    struct target_usage usage;
    target_process(&scene->target, &usage);
    const double cpu_before = usage.cpu_s;
    while (good && n < r->runs && (n < 3 || spent < r->budget_s * 1e3)) {
        ms[n] = ask(scene, s, path, ret);
        good = ms[n] >= 0;
        spent += ms[n++];
    }
    target_process(&scene->target, &usage);
    ret->cpu_ms = n ? (usage.cpu_s - cpu_before) * 1e3 / n : 0;
    ret->peak_mib = (double)usage.peak_bytes / 1048576;
    ret->rss_mib = (double)usage.rss_bytes / 1048576;
    r->peak_mib = fmax(r->peak_mib, ret->peak_mib);
    if (good) {
        rank_sort(ms, n);
        ret->p50_ms = rank_of(ms, n, 0.5);
        ret->p99_ms = rank_of(ms, n, 0.99);
        ret->max_ms = ms[n - 1];
        shape_report(&scene->out, s, ret);
        fprintf(stderr,
                "%-28s p50 %9.2f ms  max %9.2f ms  cpu %8.2f ms  %6.0f results  %9.0f KB read  peak %4.0f "
                "MiB\n",
                s->name, ret->p50_ms, ret->max_ms, ret->cpu_ms, ret->results, ret->inspected_bytes / 1e3,
                ret->peak_mib);
    } else {
        ret->p50_ms = NAN;
    }
    free(ms);
    free(path);
}

/* Is `name` one of those with commas between them? */
static bool
is_asked_for(const char *only, const char *name)
{
    const size_t n = strlen(name);
    for (const char *at = only ? only : ""; *at; at += strcspn(at, ","), at += *at == ',') {
        if (strcspn(at, ",") == n && strncmp(at, name, n) == 0) {
            return true;
        }
    }
    return only == NULL || *only == '\0';
}

void
shapes_measure(struct shape_run *r, const char *what, const struct shape *list, size_t n)
{
    struct result *out = &r->scene->out;
    char key[96];
    double *p50 = xalloc(n * sizeof *p50), worst = 0;
    size_t count = 0, slowest = 0;
    struct shape_result *all = xalloc(n * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        all[i].p50_ms = NAN;
        if (is_asked_for(r->only, list[i].name)) {
            shape_measure(r, &list[i], &all[i]);
        }
        if (!isnan(all[i].p50_ms)) {
            p50[count++] = all[i].p50_ms;
            slowest = isnan(all[slowest].p50_ms) || all[i].p50_ms > all[slowest].p50_ms ? i : slowest;
            worst = fmax(worst, all[i].max_ms);
        }
    }
    rank_sort(p50, count);
    double median = count ? rank_of(p50, count, 0.5) : NAN;
    size_t middle = 0;
    while (count && middle + 1 < n && all[middle].p50_ms != median) {
        middle++;
    }
    const struct {
        const char *key;
        double value;
    } totals[] = {{"shapes", (double)count},
                  {"median_ms", median},
                  {"slowest_ms", count ? all[slowest].p50_ms : NAN},
                  {"worst_run_ms", worst},
                  {"peak_rss_mib", r->peak_mib}};
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++) {
        snprintf(key, sizeof key, "%s_%s", what, totals[i].key);
        result_num(out, key, totals[i].value);
    }
    snprintf(key, sizeof key, "%s_median_shape", what);
    result_str(out, key, count ? list[middle].name : "");
    snprintf(key, sizeof key, "%s_slowest_shape", what);
    result_str(out, key, count ? list[slowest].name : "");
    free(p50);
    free(all);
}
