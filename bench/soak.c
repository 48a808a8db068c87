/* bench_soak: a steady load for minutes, with searches, traces by ID, metrics and tag queries beside it, on a
 * server that cuts blocks every few seconds and merges them. Nothing may fail, memory must stay flat, what
 * was acknowledged must be found at once and be there at the end. */
#include "args.h"
#include "hist.h"
#include "json.h"
#include "scene.h"
#include "shape.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECENT 4096

enum kind { SEARCH, BYID, METRICS, TAGS, KINDS };
static const char *const kind_names[KINDS] = {"search", "byid", "metrics", "tags"};

struct options {
    struct target_options target;
    double minutes, rate, queries, block_s, warmup_s, allow_mib, sample, seed, quiet_s, settle_limit_s;
    const char *protocol, *result, *label;
};

struct soak {
    struct options o;
    struct target target, asked; /* the second belongs to the thread that asks */
    struct push push;
    uint64_t start_ns, sampled_ns;
    double *rss; /* MiB, one a second */
    size_t rss_count, rss_cap;
    pthread_mutex_t lock; /* guards recent */
    uint8_t recent[RECENT][16];
    uint64_t recent_count;
    atomic_bool ended;
    struct hist *latency[KINDS];
    uint64_t errors[KINDS];
    bool metrics_absent; /* the server has no TraceQL metrics */
    char first_error[300];
};

static const struct {
    enum kind kind;
    const char *path, *query, *more;
    double seconds; /* back from now */
} questions[] = {
    {SEARCH, "/api/search", "{ resource.service.name = \"payment\" }", "limit=20&spss=3", 60},
    {BYID, NULL, NULL, NULL, 0},
    {SEARCH, "/api/search", "{ status = error }", "limit=20&spss=3", 300},
    {METRICS, "/api/metrics/query_range", "{} | rate() by (resource.service.name)", "step=5s", 300},
    {BYID, NULL, NULL, NULL, 0},
    {SEARCH, "/api/search", "{ span.db.system.name = \"redis\" } | count() > 2", "limit=20&spss=3", 60},
    {TAGS, "/api/v2/search/tags", NULL, NULL, 60},
    {BYID, NULL, NULL, NULL, 0},
    {SEARCH, "/api/search", "{ resource.service.name = \"edge-gateway\" } >> { status = error }", "limit=20",
     60},
    {TAGS, "/api/v2/search/tag/resource.service.name/values", NULL, NULL, 60},
    {METRICS, "/api/metrics/query_range",
     "{ kind = server } | quantile_over_time(duration, 0.5, 0.99) by (name)", "step=10s", 60},
    {SEARCH, "/api/search", "{ span.no.such.attribute = \"x\" }", "limit=20", 300},
};

static void
acked(void *ctx, const struct corpus_ref *refs, size_t n)
{
    struct soak *s = ctx;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < n; i += 16) {
        memcpy(s->recent[s->recent_count++ % RECENT], refs[i].trace, 16);
    }
    pthread_mutex_unlock(&s->lock);
}

static void
tick(void *ctx)
{
    struct soak *s = ctx;
    uint64_t now = now_ns();
    if (now - s->sampled_ns < 1000000000u) {
        return;
    }
    struct target_usage usage;
    s->sampled_ns = now;
    target_process(&s->target, &usage);
    if (s->rss_count < s->rss_cap) {
        s->rss[s->rss_count++] = (double)usage.rss_bytes / 1048576;
    }
    if (s->rss_count % 10 == 0) {
        fprintf(stderr, "%5.0f s  %6.1f MiB  %" PRIu64 " queries\n", (double)(now - s->start_ns) / 1e9,
                (double)usage.rss_bytes / 1048576, s->latency[SEARCH]->count + s->latency[BYID]->count);
    }
}

static char *
path_of(struct soak *s, size_t which)
{
    struct blob b = {0};
    if (questions[which].kind == BYID) {
        pthread_mutex_lock(&s->lock);
        uint64_t n = s->recent_count < RECENT ? s->recent_count : RECENT;
        const uint8_t *id = s->recent[(uint64_t)random() % n];
        blob_printf(&b, "/api/traces/");
        for (int i = 0; i < 16; i++) {
            blob_printf(&b, "%02x", id[i]);
        }
        pthread_mutex_unlock(&s->lock);
    } else {
        uint64_t now = wall_ns() / 1000000000u;
        blob_printf(&b, "%s?start=%.0f&end=%" PRIu64, questions[which].path,
                    (double)now - questions[which].seconds, now + 1);
        if (questions[which].query) {
            blob_printf(&b, "&q=");
            url_add(&b, questions[which].query);
        }
        if (questions[which].more) {
            blob_printf(&b, "&%s", questions[which].more);
        }
    }
    blob_add(&b, "", 1);
    return (char *)b.p;
}

/* Something must have come where the load of the last minute cannot be without it. A pod of a quiet service
 * keeps its spans for seconds before its first batch is full. */
static bool
answer_good(const struct soak *s, size_t which, const struct blob *body)
{
    bool warm = now_ns() - s->start_ns > 30000000000u;
    struct json v, answer = json_of(body->p, body->n);
    switch (questions[which].kind) {
    case SEARCH:
        return json_get(answer, "traces", &v) && (which != 0 || !warm || json_count(v) > 0);
    case BYID:
        return json_get(answer, "batches", &v) && json_count(v) > 0;
    case METRICS:
        return json_get(answer, "series", &v) && json_count(v) > 0;
    default:
        return json_get(answer, "tagValues", &v) || json_get(answer, "scopes", &v);
    }
}

static void
ask(struct soak *s, size_t which, struct blob *body)
{
    enum kind kind = questions[which].kind;
    char *path = path_of(s, which);
    uint64_t start = now_ns();
    int status = http_get(&s->asked, path, "application/json", body);
    if (kind == METRICS && status == 404) {
        s->metrics_absent = true;
    } else if (status == 200 && answer_good(s, which, body)) {
        hist_add(s->latency[kind], now_ns() - start);
    } else if (s->errors[kind]++ == 0 && !s->first_error[0]) {
        snprintf(s->first_error, sizeof s->first_error, "%s: status %d: %.*s", path, status,
                 (int)(body->n < 120 ? body->n : 120), body->n ? (const char *)body->p : "");
    }
    free(path);
}

static bool
any_acked(struct soak *s)
{
    pthread_mutex_lock(&s->lock);
    bool any = s->recent_count > 0;
    pthread_mutex_unlock(&s->lock);
    return any;
}

/* Queries on a schedule; one that comes late is asked at once. */
static void *
asking(void *ctx)
{
    struct soak *s = ctx;
    struct blob body = {0};
    uint64_t step = (uint64_t)(1e9 / s->o.queries);
    while (!atomic_load(&s->ended) && !any_acked(s)) {
        usleep(10000);
    }
    uint64_t due = now_ns();
    for (size_t i = 0; !atomic_load(&s->ended); i++, due += step) {
        size_t which = i % (sizeof questions / sizeof questions[0]);
        uint64_t now = now_ns();
        if (now < due) {
            usleep((useconds_t)((due - now) / 1000));
        } else if (now - due > 1000000000u) {
            due = now; /* a second behind: the schedule cannot be kept */
        }
        if (questions[which].kind != METRICS || !s->metrics_absent) {
            ask(s, which, &body);
        }
    }
    blob_free(&body);
    return NULL;
}

/* The median of the first or the last quarter of what was sampled behind the warm-up. */
static double
quarter_median(const struct soak *s, bool last)
{
    size_t from = (size_t)s->o.warmup_s < s->rss_count ? (size_t)s->o.warmup_s : 0;
    size_t n = (s->rss_count - from) / 4;
    double *part = xalloc((n ? n : 1) * sizeof *part), median = 0;
    if (n) {
        memcpy(part, s->rss + (last ? s->rss_count - n : from), n * sizeof *part);
        rank_sort(part, n);
        median = rank_of(part, n, 0.5);
    }
    free(part);
    return median;
}

static uint64_t
report_queries(struct soak *s, struct result *out)
{
    uint64_t errors = 0;
    char key[64];
    for (int k = 0; k < KINDS; k++) {
        const struct hist *h = s->latency[k];
        if (k == METRICS && s->metrics_absent) {
            continue; /* left out, not zero */
        }
        const struct {
            const char *key;
            double value;
        } list[] = {{"queries", (double)h->count},
                    {"errors", (double)s->errors[k]},
                    {"p50_ms", (double)hist_quantile(h, 0.5) / 1e6},
                    {"p99_ms", (double)hist_quantile(h, 0.99) / 1e6},
                    {"max_ms", (double)h->max / 1e6}};
        for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
            snprintf(key, sizeof key, "%s_%s", kind_names[k], list[i].key);
            result_num(out, key, list[i].value);
        }
        errors += s->errors[k];
    }
    if (s->first_error[0]) {
        result_str(out, "first_query_error", s->first_error);
    }
    return errors;
}

/* Flat: the last quarter's median is not above the first one's by more than a sixth and --allow. Judged only
 * when each quarter is long enough to hold a few blocks. */
static uint64_t
report_memory(struct soak *s, double flushes, struct result *out)
{
    double first = quarter_median(s, false), last = quarter_median(s, true);
    bool judged = s->o.minutes * 60 - s->o.warmup_s >= 16 * s->o.block_s;
    struct target_usage usage;
    target_process(&s->target, &usage);
    result_num(out, "first_quarter_rss_mib", first);
    result_num(out, "last_quarter_rss_mib", last);
    result_num(out, "memory_growth_ratio", first > 0 ? last / first : 0);
    result_num(out, "peak_rss_mib", (double)usage.peak_bytes / 1048576);
    result_num(out, "memory_judged", judged);
    if (judged && last > first * 7 / 6 + s->o.allow_mib) {
        fprintf(stderr, "FAULT memory grew from %.1f to %.1f MiB\n", first, last);
        return 1;
    }
    if (judged && flushes < 2) {
        fprintf(stderr, "FAULT %.0f blocks were cut: nothing was soaked but the log\n", flushes);
        return 1;
    }
    return 0;
}

static void
options_parse(int argc, char **argv, struct options *o)
{
    const struct arg list[] = {
        TARGET_ARGS(&o->target),
        {"--minutes", "how long", .number = &o->minutes},
        {"--rate", "spans a second, open loop", .number = &o->rate},
        {"--queries", "a second, beside it", .number = &o->queries},
        {"--block", "seconds after which a block is cut (ingester.max_block_duration)",
         .number = &o->block_s},
        {"--warmup", "seconds at the beginning that are not compared: caches fill", .number = &o->warmup_s},
        {"--allow", "MiB more in the last quarter than in the first that are no fault",
         .number = &o->allow_mib},
        {"--sample", "read back one trace in this many", .number = &o->sample},
        {"--seed", "of the corpus", .number = &o->seed},
        {"--protocol", "grpc or http", .text = &o->protocol},
        {"--quiet", "settled after this many seconds without compaction", .number = &o->quiet_s},
        {"--settle-limit", "wait at most this many seconds for it", .number = &o->settle_limit_s},
        {"--label", "a name for the run, kept in the result", .text = &o->label},
        {"--result", "file for the JSON result, - = standard output", .text = &o->result},
        {0},
    };
    args_parse(argc, argv, "bench_soak: a steady load with queries beside it", list);
    if (o->minutes <= 0 || o->rate <= 0 || o->queries <= 0) {
        die("--minutes, --rate and --queries are above 0");
    }
}

static void
soak_run(struct soak *s, struct load_stats *stats)
{
    struct push_options p = PUSH_DEFAULTS;
    p.spans = s->o.rate * s->o.minutes * 60;
    p.seed = s->o.seed;
    p.protocol = s->o.protocol;
    p.open_loop = s->o.rate;
    p.sample = s->o.sample;
    p.stream = true;
    p.start_ns = wall_ns();
    p.density = (uint32_t)s->o.rate;
    p.tick = tick;
    p.acked = acked;
    p.ctx = s;
    push_init(&s->push, &p);
    pthread_t asker;
    s->start_ns = s->sampled_ns = now_ns();
    if (pthread_create(&asker, NULL, asking, s) != 0) {
        die("no thread");
    }
    push_run(&s->push, &s->target, stats);
    atomic_store(&s->ended, true);
    pthread_join(asker, NULL);
}

int
main(int argc, char **argv)
{
    static struct soak s = {.o = {.minutes = 10,
                                  .rate = 10000,
                                  .queries = 10,
                                  .block_s = 10,
                                  .warmup_s = 120,
                                  .allow_mib = 16,
                                  .sample = 50,
                                  .seed = 1,
                                  .quiet_s = 6,
                                  .settle_limit_s = 300,
                                  .protocol = "grpc",
                                  .result = "-"},
                            .lock = PTHREAD_MUTEX_INITIALIZER};
    options_parse(argc, argv, &s.o);
    struct result out = {0};
    struct load_stats *stats = xalloc(sizeof *stats);
    struct settled settled;
    struct ledger_verdict verdict = {0};
    char yaml[256];
    for (int k = 0; k < KINDS; k++) {
        s.latency[k] = xalloc(sizeof *s.latency[k]);
    }
    s.rss_cap = (size_t)(s.o.minutes * 60) + 600;
    s.rss = xalloc(s.rss_cap * sizeof *s.rss);
    snprintf(yaml, sizeof yaml, "%singester:\n  max_block_duration: %.0fs\n", SETTLE_YAML, s.o.block_s);
    result_str(&out, "label", s.o.label ? s.o.label : "");
    target_open(&s.target, &s.o.target, yaml, &out);
    s.asked = s.target;
    s.asked.http_fd = -1;
    result_num(&out, "minutes", s.o.minutes);
    soak_run(&s, stats);
    push_report(&s.push, stats, &out);
    uint64_t faults = report_queries(&s, &out);
    settle(&s.target, s.o.quiet_s, s.o.settle_limit_s, &settled);
    result_num(&out, "flushes", settled.flushes);
    result_num(&out, "compactions", settled.compactions);
    result_num(&out, "blocks", settled.blocks);
    faults += report_memory(&s, settled.flushes, &out);
    push_verify(&s.push, &s.target, &verdict, NULL);
    faults += verdict_report(&verdict, &out);
    bool whole = stats->acked_spans == s.push.spans && verdict.traces > 0;
    bool good = target_close(&s.target, &s.o.target, &out) && faults == 0 && whole;
    result_str(&out, "verdict", good ? "good" : "bad");
    result_write(&out, s.o.result);
    push_free(&s.push);
    for (int k = 0; k < KINDS; k++) {
        free(s.latency[k]);
    }
    free(s.rss);
    free(stats);
    return good ? 0 : 1;
}
