/* Rows of the top level and of vivace. */
#include "field.h"

#define S struct config_vivace
static const struct field vivace_rows[] = {
    ROW_ENUM("wal_sync", wal_sync, "interval|always|none", "wal-sync", "interval",
             "When acknowledged spans are safe from power loss: after wal_sync_interval, before the answer "
             "(always), or when the system writes them (none). kill -9 never loses one."),
    ROW(DURATION, "wal_sync_interval", wal_sync_interval_ns, "wal-sync-interval", "1s",
        "The interval of wal_sync."),
    ROW(UINT, "memory_limit", memory_limit, "memory-limit", "0",
        "Bytes for buffers, queues, caches and queries together (also 512MiB, 2GB); 0: 40 % of the cgroup "
        "limit or of RAM."),
    ROW(UINT, "workers", workers, "workers", "0",
        "Threads that decode, write blocks and run queries; 0: one per core."),
    ROW(UINT, "retention_bytes", retention_bytes, "retention-bytes", "0",
        "Delete the oldest blocks when all of them together, without the log, pass this; 0: retention by "
        "time only."),
};
TABLE(table_vivace, vivace_rows, S);
#undef S

#define S struct config
static const struct field root_rows[] = {
    ROW(STRING, "target", target, "target", "all", "Always all: one process does everything."),
    ROW(BOOL, "multitenancy_enabled", multitenancy_enabled, "multitenancy.enabled", "false",
        "Tenants by the header X-Scope-OrgID; off: one tenant, single-tenant."),
    ALIAS(BOOL, "auth_enabled", multitenancy_enabled, "auth.enabled", "Old name of `multitenancy_enabled`."),
    ROW(BOOL, "stream_over_http_enabled", stream_over_http_enabled, "stream-over-http-enabled", "true",
        "Kept for compatibility: gRPC streaming is always on the HTTP port too."),
    ROW(STRING, "http_api_prefix", http_api_prefix, "http-api-prefix", NULL, "Put before every API path."),
    ROW(DURATION, "shutdown_delay", shutdown_delay_ns, "shutdown-delay", "0s",
        "Time between \"not ready\" and the end."),
    SECTION("server", server, "server.", table_server, "The HTTP and gRPC ports."),
    SECTION("internal_server", internal_server, NULL, table_internal_server,
            "A port for /ready and /metrics alone (tempo-operator)."),
    SECTION("distributor", distributor, "distributor.", table_distributor, "Receiving spans."),
    SECTION("ingester", ingester, "ingester.", table_ingester, "Live data and when it becomes a block."),
    SECTION_ALIAS("live_store", ingester, "live-store.", table_live_store, "3.0's name of `ingester`."),
    SECTION("compactor", compactor, "compactor.", table_compactor, "Compaction and retention."),
    SECTION_ALIAS("backend_worker", compactor, "backend-worker.", table_backend_worker,
                  "3.0's name of `compactor`."),
    SECTION_ALIAS("backend_scheduler", compactor, NULL, table_backend_scheduler,
                  "3.0's second part of `compactor`."),
    SECTION("storage", storage, "storage.", table_storage, "Where blocks are kept."),
    SECTION("query_frontend", query_frontend, "query-frontend.", table_query_frontend, "The query API."),
    SECTION("querier", querier, "querier.", table_querier, "Running queries."),
    SECTION("metrics_generator", metrics_generator, NULL, table_generator, "Metrics from spans."),
    SECTION("overrides", overrides, "", table_overrides, "Limits of tenants."),
    SECTION("vivace", vivace, "vivace.", table_vivace, "Vivace's own settings."),
    IGNORED("enable_go_runtime_metrics", "enable-go-runtime-metrics", "No Go."),
    IGNORED("span_profiling", "span-profiling", "No Go."),
    IGNORED("memory", NULL, "See `vivace.memory_limit`."),
    IGNORED("memberlist", NULL, "One process, no gossip."),
    IGNORED("usage_report", NULL, "Nothing is ever reported."),
    IGNORED("cache", NULL, "Memory is the cache."),
    IGNORED("ingest", NULL, "No Kafka."),
    IGNORED("block_builder", NULL, "No Kafka."),
    IGNORED("ingester_client", NULL, "One process."),
    IGNORED("metrics_generator_client", NULL, "One process."),
    IGNORED("live_store_client", NULL, "One process."),
    IGNORED("backend_scheduler_client", NULL, "One process, no scheduler."),
    IGNORED("partition_ring_live_store", NULL, "One process, no ring."),
    IGNORED("search_enabled", NULL, "Always on."),
    IGNORED("metrics_generator_enabled", NULL, "On when `metrics_generator.storage.path` is set."),
    IGNORED("use_otel_tracer", NULL, "No traces of our own."),
};
TABLE(table_root, root_rows, S);
#undef S
