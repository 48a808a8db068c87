/* bench_search_block: searches over blocks in this process, without a server: milliseconds and CPU by query.
 */
#include "args.h"
#include "corpus.h"
#include "inproc.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/block/builder.h"
#include "vivace/block/store.h"
#include "vivace/codec/otlp.h"
#include "vivace/querier/search.h"
#include "vivace/runtime/pool.h"
#include "vivace/traceql/traceql.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START UINT64_C(1700000000000000000)

struct options {
    double spans, seed, cut_mib, runs, threads, limit, level;
    const char *dir, *only;
};

static const char *const shapes[] = {
    "{ }",
    "{ span.http.response.status_code = 500 }",
    "{ span.http.request.method = \"GET\" }",
    "{ span.http.request.method = \"BREW\" }",
    "{ span.http.route =~ \".*cart.*\" }",
    "{ span.http.route =~ \".*nowhere.*\" }",
    "{ span.http.request.method != \"GET\" }",
    "{ duration > 100ms }",
    "{ duration > 100s }",
    "{ status = error }",
    "{ kind = server }",
    "{ .http.request.method = \"POST\" }",
    "{ .nowhere = 1 }",
    "{ .service.name = \"nowhere\" }",
    "{ resource.service.name = \"checkout\" }",
    "{ resource.service.name = \"nowhere\" }",
    "{ resource.service.name = \"checkout\" && status = error }",
    "{ span.http.request.method = \"GET\" && duration > 100s }",
    "{ name = \"nowhere\" || status = error && duration > 100s }",
    "{ !(span.http.request.method = \"GET\") && duration > 100s }",
    "{ span.http.request.method != nil && duration > 100s }",
    "{ span.http.request.method = nil && duration > 100s }",
    "{ event:name = \"exception\" }",
    "{ event.exception.type = \"nowhere\" }",
    "{ event:name = \"nowhere\" }",
    "{ link:traceID = \"0123456789abcdef\" }",
    "{ span.enduser.id = \"nobody\" }",
    "{ span.url.full = \"nowhere\" }",
    "{ span.url.full =~ \".*nowhere.*\" }",
    "{ statusMessage =~ \".*nowhere.*\" }",
    "{ span:id = \"0123456789abcdef\" }",
    "{ resource.service.name = \"frontend\" } >> { status = error && duration > 100s }",
    "{ resource.service.name = \"frontend\" } >> { status = error }",
    "{ status = error } << { name = \"nowhere\" || kind = server && duration > 100s }",
    "{ kind = server } > { kind = client } && { duration > 100s }",
    "{ kind = server } !>> { kind = client && duration > 100s }",
    "{ kind = client } ~ { kind = client && status = error }",
    "{ kind = server } > { kind = server }",
    "{ status = error } | count() > 1000",
    "{ } | count() > 1000",
    "{ kind = server } | avg(duration) > 100s",
    "{ } | max(duration) > 1000s",
    "{ kind = client } | sum(duration) > 1000s",
    "{ } | by(resource.service.name) | count() > 1000",
    "{ kind = server } | by(name) | count() > 1000",
    "{ rootName = \"nowhere\" }",
    "{ rootServiceName = \"frontend\" && status = error }",
    "{ traceDuration > 1000s }",
    "{ status = error } | select(span.http.route, resource.service.name)",
    "{ duration > 2 * 100s }",
    "{ span.http.response.status_code * 2 > 5000 }",
    "{ nestedSetParent < 0 && status = error }",
    "{ nestedSetParent < 0 && duration > 100s }",
    "{ } | count() = 7",
};

static void
publish(struct block_builder **b, const struct options *o)
{
    char dir[4096];
    struct block_publish p = {.dir = dir};
    struct block_meta meta;
    struct fault f = {0};
    (void)snprintf(dir, sizeof dir, "%s/single-tenant", o->dir);
    must(block_builder_publish(*b, &p, &f, &meta), &f);
    block_meta_fini(&meta);
    block_builder_destroy(*b);
    *b = NULL;
}

static void
make_blocks(const struct options *o)
{
    struct corpus_options c = {.seed = (uint64_t)o->seed, .spans = (uint64_t)o->spans, .start_ns = START};
    struct block_builder_options bo = {.tenant = SL("single-tenant"), .zstd_level = (int)o->level};
    struct corpus *corpus = corpus_create(&c);
    struct block_builder *b = NULL;
    struct corpus_request q;
    struct span_batch batch;
    struct fault f = {0};
    span_batch_init(&batch, 0);
    while (corpus_next(corpus, &q)) {
        if (b == NULL) {
            must(block_builder_create(&bo, &f, &b), &f);
        }
        span_batch_reset(&batch);
        must(otlp_decode(slice_of(q.body, q.n), &batch, &f), &f);
        must(block_builder_add(b, &batch, &f), &f);
        if (block_builder_bytes(b) > (size_t)(o->cut_mib * (1 << 20))) {
            publish(&b, o);
        }
    }
    if (b) {
        publish(&b, o);
    }
    span_batch_fini(&batch);
    corpus_destroy(corpus);
}

static int
by_value(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

struct measured {
    double ms, cpu;
    size_t found;
    struct search_stats stats;
};

static void
run_once(_Atomic(struct block_store *) *store, struct pool *pool, const struct options *o, const char *text,
         struct measured *ret)
{
    struct arena arena;
    struct tql_query *query = NULL;
    struct tql_plan plan;
    struct fault f = {0};
    slice tenant = SL("single-tenant");
    struct search_source source = search_source_blocks(store);
    double cpu = cpu_s();
    int64_t at = clock_mono_ns();
    err rc = OK;
    arena_init(&arena, 0);
    must(traceql_parse(slice_cstr(text), &arena, &f, &query), &f);
    must(traceql_check(query, &f), &f);
    must(tql_plan_make(query, &arena, &f, &plan), &f);
    struct search_query q = {.plan = &plan,
                             .tenants = &tenant,
                             .tenant_count = 1,
                             .sources = &source,
                             .source_count = 1,
                             .end_ns = UINT64_MAX,
                             .limit = (uint32_t)o->limit,
                             .spans_per_set = 3,
                             .pool = pool};
    struct search *s = search_create(&q);
    do {
        rc = search_step(s, 10000000, &f);
    } while (rc == ERR_AGAIN);
    must(rc, &f);
    ret->found = search_result(s)->count;
    ret->stats = search_result(s)->stats;
    search_destroy(s);
    tql_plan_fini(&plan);
    arena_fini(&arena);
    ret->ms = (double)(clock_mono_ns() - at) / 1e6;
    ret->cpu = (cpu_s() - cpu) * 1e3;
}

static void
measure(_Atomic(struct block_store *) *store, struct pool *pool, const struct options *o, const char *text)
{
    double ms[1000];
    double cpu[1000];
    const size_t n = o->runs < 1000 ? (size_t)o->runs : 1000;
    struct measured r = {0};
    for (size_t i = 0; i < n; i++) {
        run_once(store, pool, o, text, &r);
        ms[i] = r.ms;
        cpu[i] = r.cpu;
    }
    qsort(ms, n, sizeof *ms, by_value);
    qsort(cpu, n, sizeof *cpu, by_value);
    printf("%8.2f %8.2f %8.2f %5zu %8.1f %7" PRIu64 "  %s\n", ms[n / 2], ms[0], cpu[n / 2], r.found,
           (double)r.stats.bytes / 1024, r.stats.traces, text);
    (void)fflush(stdout);
}

int
main(int argc, char **argv)
{
    static struct options o = {.spans = 1000000,
                               .seed = 1,
                               .cut_mib = 4000,
                               .runs = 5,
                               .threads = 2,
                               .limit = 20,
                               .level = 3,
                               .dir = "bench-search-blocks"};
    const struct arg args[] = {
        {"--spans", "how many (1000000); 0: the blocks that are there", &o.spans, NULL, NULL},
        {"--seed", "of the corpus (1)", &o.seed, NULL, NULL},
        {"--cut-mib", "publish a block when the builder holds this much (4000: one block)", &o.cut_mib, NULL,
         NULL},
        {"--level", "zstd level (3)", &o.level, NULL, NULL},
        {"--runs", "of each query (5)", &o.runs, NULL, NULL},
        {"--threads", "workers (2)", &o.threads, NULL, NULL},
        {"--limit", "traces (20)", &o.limit, NULL, NULL},
        {"--dir", "where blocks go (bench-search-blocks)", NULL, &o.dir, NULL},
        {"--only", "one query instead of the list", NULL, &o.only, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    args_parse(argc, argv, "search the corpus in blocks", args);
    if (o.spans > 0) {
        make_blocks(&o);
    }
    struct fault f = {0};
    struct block_store_options so = {.path = o.dir};
    struct block_store *store = NULL;
    must(block_store_open(&so, &f, &store), &f);
    _Atomic(struct block_store *) at = store;
    struct pool *pool = o.threads > 1 ? pool_create("worker", (int)o.threads, 1024) : NULL;
    printf("      ms      min   CPU ms found      KiB  traces  query\n");
    for (size_t i = 0; !o.only && i < sizeof shapes / sizeof *shapes; i++) {
        measure(&at, pool, &o, shapes[i]);
    }
    if (o.only) {
        measure(&at, pool, &o, o.only);
    }
    if (pool) {
        pool_destroy(pool);
    }
    block_store_close(store);
    return 0;
}
