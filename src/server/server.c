#include "server.h"

#include "process_metrics.h"

#include "vivace/base/arena.h"
#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/base/metrics.h"
#include "vivace/model/tenant.h"
#include "vivace/net/grpc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define POOL_QUEUE_MAX     4096 /* requests that may wait for a worker */
#define CLOSE_TIMEOUT_MS   1000 /* each of receivers and ports: the whole stop stays under 3 s */
#define MAINTAIN_PERIOD_MS 1000

/* --- what the rooms ask of the server ------------------------------------------------------------------- */

static void
limits_for(void *ctx, slice tenant, struct distributor_limits *ret)
{
    struct server *s = ctx;
    const struct tenant_limits *l = overrides_get(s->overrides, tenant);
    *ret = (struct distributor_limits){
        .rate_bytes = l->ingestion.rate_limit_bytes,
        .burst_bytes = l->ingestion.burst_size_bytes,
        .global_strategy = l->ingestion.rate_strategy == 1,
        .retry_info = l->ingestion.retry_info_enabled,
        .max_attribute_bytes =
            (uint32_t)(l->ingestion.max_attribute_bytes ? l->ingestion.max_attribute_bytes
                                                        : s->config->distributor.max_attribute_bytes),
        .max_bytes_per_trace = l->global.max_bytes_per_trace,
        .max_traces = l->ingestion.max_traces_per_user,
        .artificial_delay_ms =
            (uint64_t)((l->ingestion.artificial_delay_ns ? l->ingestion.artificial_delay_ns
                                                         : s->config->distributor.artificial_delay_ns) /
                       NS_PER_MS),
    };
    overrides_release(l);
}

static bool
is_ready(void *ctx, struct buf *ret_reason)
{
    struct server *s = ctx;
    switch (atomic_load(&s->state)) {
    case SERVER_RUNNING:
        return true;
    case SERVER_STARTING:
        buf_append_cstr(ret_reason, "Some services are not Running:\nStarting: 1");
        return false;
    case SERVER_NOT_TAKING_SPANS:
        buf_append_cstr(ret_reason, "Ingester not ready: ingester is shut down");
        return false;
    default:
        buf_append_cstr(ret_reason, "Application is stopping");
        return false;
    }
}

static void
shutdown_asked(void *ctx)
{
    struct server *s = ctx;
    s->shutdown_asked = true;
    sem_post(&s->wake);
}

static void
maintain(void *ctx)
{
    struct server *s = ctx;
    ingester_maintain(s->ingester);
    arena_spares_age();
}

static void
reload_overrides(void *ctx)
{
    struct server *s = ctx;
    struct config_report report;
    struct fault f = {0};
    config_report_init(&report);
    if (overrides_reload(s->overrides, &report, &f) != OK) {
        LOG_E("per-tenant overrides not reloaded, the old ones stay", LOG_FAULT(&f));
    }
    config_report_fini(&report);
}

/* --- start ------------------------------------------------------------------------------------------------
 */

static size_t
core_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (size_t)n : 1;
}

static void
on_signal(void *ctx, int signum)
{
    struct server *s = ctx;
    if (signum == SIGHUP) {
        s->reload_asked = true;
    } else {
        s->stop_signal = signum;
        s->stop_asked = true;
    }
    sem_post(&s->wake);
}

static err
start_threads(struct server *s, struct fault *f)
{
    size_t cores = core_count();
    size_t loops = s->config->server.loops ? (size_t)s->config->server.loops : (cores + 1) / 2;
    size_t workers = s->config->vivace.workers ? (size_t)s->config->vivace.workers : cores;
    err rc = OK;
    loops = loops < SERVER_LOOPS_MAX ? loops : SERVER_LOOPS_MAX;
    for (; s->loop_count < loops; s->loop_count++) {
        s->loops[s->loop_count] = loop_create("net");
    }
    int signals[] = {SIGTERM, SIGINT, SIGHUP};
    for (size_t i = 0; i < 3; i++) {
        loop_on_signal(s->loops[0], signals[i], on_signal, s);
    }
    for (size_t i = 0; i < loops; i++) {
        TRY(loop_start(s->loops[i]));
    }
    s->pool = pool_create("worker", (int)workers, POOL_QUEUE_MAX);
out:
    if (rc != OK) {
        (void)FAULT(f, rc, "threads could not be started");
    }
    return rc;
}

static err
open_ingester(struct server *s, struct fault *f)
{
    const struct config *c = s->config;
    struct ingester *ing = NULL;
    struct ingester_options o = {
        .wal_dir = c->storage.wal_path,
        .sync = (enum wal_sync)c->vivace.wal_sync,
        .sync_interval_ms = (uint64_t)(c->vivace.wal_sync_interval_ns / NS_PER_MS),
        .max_block_bytes = c->ingester.max_block_bytes,
        .max_block_duration_ms = (uint64_t)(c->ingester.max_block_duration_ns / NS_PER_MS),
        .trace_idle_ms = (uint64_t)(c->ingester.trace_idle_period_ns / NS_PER_MS),
        .budget = &s->ingest_memory,
    };
    err rc = ingester_open(&o, f, &ing);
    if (rc == OK) {
        rc = server_open_blocks(s, ing, f);
        s->ingester = ing;
        if (!c->multitenancy_enabled) { /* dashboards read it before the first span comes */
            (void)metric_series1(metric_counter("tempo_ingester_traces_created_total", "", "tenant"),
                                 SL(TENANT_SINGLE));
        }
    }
    return rc;
}

static struct distributor_log_options
span_log_options(const struct config_log_spans *c)
{
    return (struct distributor_log_options){c->enabled, c->include_all_attributes, c->filter_by_status_error};
}

static err
open_receivers(struct server *s, struct fault *f)
{
    const struct config_distributor *c = &s->config->distributor;
    struct distributor_options d = {
        .ingester = s->ingester,
        .limits = limits_for,
        .limits_ctx = s,
        .retry_after_s = (uint32_t)(c->retry_after_on_resource_exhausted_ns / NS_PER_S),
        .log_received = span_log_options(&c->log_received_spans),
        .log_discarded = span_log_options(&c->log_discarded_spans),
        .count_spans_by_name = c->metric_received_spans_enabled,
        .count_root_spans_only = c->metric_received_spans_root_only,
        .known_tenant = s->config->multitenancy_enabled ? SL_EMPTY : SL(TENANT_SINGLE),
    };
    s->distributor = distributor_create(&d);
    struct receivers_options r = {
        .config = s->config,
        .distributor = s->distributor,
        .pool = s->pool,
        .loops = s->loops,
        .loop_count = s->loop_count,
        .net_budget = &s->net_memory,
        .decode_budget = &s->decode_memory,
    };
    return receivers_start(&r, f, &s->receivers);
}

static void
create_frontend(struct server *s)
{
    s->search_sources[0] = search_source_live(&s->ingester);
    s->search_sources[1] = search_source_blocks(&s->store);
    s->tag_sources[0] = tag_source_live(&s->ingester);
    s->tag_sources[1] = tag_source_blocks(&s->store);
    for (size_t i = 0; i < 2; i++) {
        s->trace_sources[i] = s->search_sources[i].trace;
    }
    s->metrics_source = metrics_source_live(&s->ingester);
    struct frontend_options o = {
        .config = s->config,
        .overrides = s->overrides,
        .pool = s->pool,
        .trace_sources = s->trace_sources,
        .trace_source_count = 2,
        .search_sources = s->search_sources,
        .search_source_count = 2,
        .tag_sources = s->tag_sources,
        .tag_source_count = 2,
        .metrics_sources = &s->metrics_source,
        .metrics_source_count = 1,
        .blocks = &s->store,
        .query_budget = &s->query_memory,
        .hooks = {.ctx = s, .ready = is_ready, .flush = server_flush, .shutdown = shutdown_asked},
    };
    s->frontend = frontend_create(&o);
}

/* What the configuration asks for and this version does not do: said once, where it cannot be missed. */
static void
warn_of_missing_parts(const struct config *c)
{
    if (c->storage.backend != CONFIG_BACKEND_LOCAL) {
        LOG_W("object storage is not built yet: blocks are kept in the local directory",
              LOG_CSTR("path", c->storage.local_path));
    }
    if (c->metrics_generator.storage_path[0]) {
        LOG_W("the metrics generator is not built yet: no span metrics are written");
    }
    if (c->query_frontend.mcp_server_enabled) {
        LOG_W("the MCP server is not built yet: /api/mcp is 404");
    }
}

err
server_start(struct server *s, const struct config *c, const struct config_args *args, struct fault *f)
{
    err rc = OK;
    struct config_report report;
    *s = (struct server){.config = c, .args = args};
    config_report_init(&report);
    sem_init(&s->wake, 0, 0);
    mutex_init(&s->flush_mu, LOCK_FLUSH);
    warn_of_missing_parts(c);
    server_init_budgets(s);
    process_metrics_register();
    frontend_register_build_info();
    TRY(overrides_load(c, &report, f, &s->overrides));
    TRY(start_threads(s, f));
    create_frontend(s);
    TRY(server_open_ports(s, f)); /* /ready and /metrics answer while the WAL is replayed */
    TRY(open_ingester(s, f));
    s->maintenance = maintenance_start("maintain", 0, MAINTAIN_PERIOD_MS, maintain, s);
    server_start_flush(s);
    server_start_compaction(s);
    TRY(open_receivers(s, f));
    if (overrides_period_ns(s->overrides) > 0) {
        s->overrides_reload = maintenance_start(
            "overrides", 0, (uint64_t)(overrides_period_ns(s->overrides) / NS_PER_MS), reload_overrides, s);
    }
    s->state = SERVER_RUNNING;
    grpc_health_set(true);
    systemd_notify("READY=1");
    LOG_I("Tempo started");
out:
    config_report_fini(&report);
    if (rc != OK) {
        server_stop(s);
    }
    return rc;
}

/* --- run and stop
 * ------------------------------------------------------------------------------------------- */

/* The log level of the configuration file as it is now; the rest of the file takes a restart. */
static void
reload_log_level(const struct server *s)
{
    struct config *fresh = NULL;
    struct config_report report;
    struct fault f = {0};
    config_report_init(&report);
    if (config_load(s->args, &report, &f, &fresh) == OK) {
        log_set_level((enum log_level)fresh->server.log_level);
        config_destroy(fresh);
    } else {
        LOG_E("configuration not re-read, the old log level stays", LOG_FAULT(&f));
    }
    config_report_fini(&report);
}

static void
reload(struct server *s)
{
    LOG_I("SIGHUP: reading log level, overrides and certificates again");
    reload_log_level(s);
    if (s->overrides_reload) {
        maintenance_poke(s->overrides_reload);
    }
    server_reload_tls(s);
    receivers_reload_tls(s->receivers);
}

static void
shutdown_flushed(void *arg, err rc, const struct fault *f)
{
    (void)arg;
    if (rc != OK) {
        LOG_E("flush failed, the spans stay in the WAL", LOG_FAULT(f));
    }
}

/* /shutdown: no more spans, what is there into blocks; queries go on and /ready says 503. */
static void
stop_taking_spans(struct server *s)
{
    struct fault f = {0};
    s->state = SERVER_NOT_TAKING_SPANS;
    distributor_stop(s->distributor);
    err rc = server_flush(s, SL_EMPTY, shutdown_flushed, NULL, &f);
    if (rc != OK) {
        shutdown_flushed(NULL, rc, &f);
    }
    LOG_I("shut down on request: spans are refused from now on, queries go on");
}

void
server_wait(struct server *s)
{
    while (!s->stop_asked) {
        while (sem_wait(&s->wake) != 0 && errno == EINTR) {
        }
        if (atomic_exchange(&s->reload_asked, false)) {
            reload(s);
        }
        if (atomic_exchange(&s->shutdown_asked, false) && s->state == SERVER_RUNNING) {
            stop_taking_spans(s);
        }
    }
    LOG_I("=== received SIGINT/SIGTERM ===\n*** exiting");
}

static void
wait_shutdown_delay(const struct server *s)
{
    int64_t ns = s->config->shutdown_delay_ns;
    if (ns > 0) {
        nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)},
                  NULL);
    }
}

void
server_stop(struct server *s)
{
    bool was_running = s->state != SERVER_STARTING;
    s->state = SERVER_STOPPING;
    grpc_health_set(false);
    systemd_notify("STOPPING=1");
    if (was_running) {
        wait_shutdown_delay(s);
    }
    if (s->receivers) {
        receivers_drain(s->receivers);
        receivers_close(s->receivers, CLOSE_TIMEOUT_MS);
    }
    server_drain_ports(s);
    compactor_destroy(s->compactor); /* a merge under way is dropped */
    s->compactor = NULL;
    server_stop_flush(s);
    server_close_ports(s, was_running ? CLOSE_TIMEOUT_MS : 0);
    if (s->pool) {
        pool_destroy(s->pool); /* what is queued still runs: loops and rooms are there */
    }
    for (size_t i = 0; i < s->loop_count; i++) {
        loop_stop(s->loops[i]);
        loop_join(s->loops[i]);
    }
    if (s->overrides_reload) {
        maintenance_stop(s->overrides_reload);
    }
    if (s->maintenance) {
        maintenance_stop(s->maintenance);
    }
    receivers_destroy(s->receivers);
    distributor_destroy(s->distributor);
    server_close_flush(s);
    if (s->ingester) {
        ingester_close(s->ingester);
    }
    frontend_destroy(s->frontend);
    block_store_close(s->store);
    if (s->overrides) {
        overrides_destroy(s->overrides);
    }
    sem_destroy(&s->wake);
    mutex_fini(&s->flush_mu);
    if (was_running) {
        LOG_I("Tempo stopped");
    }
}
