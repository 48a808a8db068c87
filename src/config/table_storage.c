/* Rows of the write path and of storage: ingester / live_store, compactor / backend_worker, storage. */
#include "field.h"

#define S        struct config_ingester
#define IDLE_DOC "A trace without a span for one to two of these is no longer live (max_traces_per_user)."
static const struct field ingester_rows[] = {
    ROW(DURATION, "trace_idle_period", trace_idle_period_ns, "trace-idle-period", "5s", IDLE_DOC),
    ROW(DURATION, "trace_live_period", trace_live_period_ns, "trace-live-period", "30s",
        "Known to Tempo; a trace is live by trace_idle_period alone."),
    ROW(DURATION, "flush_check_period", flush_check_period_ns, NULL, "5s",
        "Known to Tempo, without effect: sealing is looked at each second."),
    ROW(UINT, "max_block_bytes", max_block_bytes, "max-block-bytes", "52428800",
        "Seal the head past this size."),
    ROW(DURATION, "max_block_duration", max_block_duration_ns, "max-block-duration", "30m0s",
        "Seal the head past this age."),
    ROW(UINT, "concurrent_flushes", concurrent_flushes, "concurrent-flushes", "2",
        "Known to Tempo, without effect: one segment is written at a time."),
    ROW(DURATION, "complete_block_timeout", complete_block_timeout_ns, "complete-block-timeout", "15m0s",
        "Kept for the startup checks; a block is visible once written."),
    ROW(UINT, "max_live_traces_bytes", max_live_traces_bytes, NULL, "250000000",
        "Known to Tempo, without effect: live data is on disk, and vivace.memory_limit bounds its index."),
    ROW(BOOL, "flush_all_on_shutdown", flush_all_on_shutdown, NULL, "false",
        "Write live data as a block before the end."),
    IGNORED("flush_op_timeout", NULL, "A local write has no timeout; S3 has its own."),
    IGNORED("flush_object_storage", NULL, "Always on."),
    IGNORED("flush_queue_length", NULL, "Bounded by the memory limit."),
    IGNORED("override_ring_key", NULL, "One process, no ring."),
    IGNORED("lifecycler", NULL, "One process, no ring."),
    IGNORED("partition_ring", NULL, "One process, no ring."),
    IGNORED("use_flatbuffer_search", NULL, "Gone since Tempo 2.0."),
    IGNORED("dedicated_columns", NULL, "Columns are chosen by block."),
};
TABLE(table_ingester, ingester_rows, S);

static const struct field live_store_rows[] = {
    ALIAS(DURATION, "max_trace_idle", trace_idle_period_ns, "max-trace-idle",
          "3.0's name of `ingester.trace_idle_period`."),
    ALIAS(DURATION, "max_trace_live", trace_live_period_ns, "max-trace-live",
          "3.0's name of `ingester.trace_live_period`."),
    ALIAS(DURATION, "flush_check_period", flush_check_period_ns, "flush-check-period",
          "3.0's name of `ingester.flush_check_period`."),
    ALIAS(UINT, "max_block_bytes", max_block_bytes, "max-block-bytes",
          "3.0's name of `ingester.max_block_bytes`."),
    ALIAS(DURATION, "max_block_duration", max_block_duration_ns, "max-block-duration",
          "3.0's name of `ingester.max_block_duration`."),
    ALIAS(UINT, "complete_block_concurrency", concurrent_flushes, "complete-block-concurrency",
          "3.0's name of `ingester.concurrent_flushes`."),
    ALIAS(DURATION, "complete_block_timeout", complete_block_timeout_ns, "complete-block-timeout",
          "3.0's name of `ingester.complete_block_timeout`."),
    ALIAS(UINT, "max_live_traces_bytes", max_live_traces_bytes, "max-live-traces-bytes",
          "3.0's name of `ingester.max_live_traces_bytes`."),
    IGNORED("wal", NULL, "There is one WAL: `storage.trace.wal.path`."),
    IGNORED("shutdown_marker_dir", "shutdown_marker_dir", "No Kafka, no marker."),
    IGNORED("flush_op_timeout", NULL, "A local write has no timeout; S3 has its own."),
    IGNORED("query_block_concurrency", "concurrent-blocks", "Queries share the workers."),
    IGNORED("block_reclaim_grace", NULL, "Blocks are reference-counted."),
    IGNORED("commit_interval", NULL, "No Kafka."),
    IGNORED("metrics", NULL, "Live data is always in metrics queries."),
    IGNORED("readiness_target_lag", NULL, "No Kafka."),
    IGNORED("readiness_max_wait", NULL, "No Kafka."),
    IGNORED("fail_on_high_lag", NULL, "No Kafka."),
    IGNORED("remove_owner_on_shutdown", NULL, "One process, no ring."),
    IGNORED("ring", NULL, "One process, no ring."),
    IGNORED("partition_ring", NULL, "One process, no ring."),
    IGNORED("block_config", NULL, "Columns are chosen by block."),
};
TABLE(table_live_store, live_store_rows, S);
#undef S

#define S struct config_compactor
static const struct field compaction_rows[] = {
    ROW(DURATION, "block_retention", block_retention_ns, "block-retention", "336h0m0s",
        "Blocks whose newest span is older are deleted; 0: never."),
    ROW(DURATION, "compacted_block_retention", compacted_block_retention_ns, "compacted-block-retention",
        "1h0m0s", "How long the files of replaced and expired blocks stay."),
    ROW(DURATION, "compaction_window", compaction_window_ns, "compaction-window", "1h0m0s",
        "Blocks are merged when their newest spans end in the same window of time."),
    ROW(UINT, "max_compaction_objects", max_compaction_objects, "max-objects-per-block", "6000000",
        "Traces of a merged block; 0: no bound."),
    ROW(UINT, "max_block_bytes", max_block_bytes, "max-block-bytes", "107374182400",
        "Bytes of a merged block; 0: no bound."),
    ROW(UINT, "retention_concurrency", retention_concurrency, NULL, "10",
        "No effect: a deletion on a local disk takes a millisecond."),
    ROW(DURATION, "max_time_per_tenant", max_time_per_tenant_ns, NULL, "5m0s",
        "Then the next tenant's turn comes."),
    ROW(DURATION, "compaction_cycle", compaction_cycle_ns, NULL, "30s", "How often work is looked for."),
    IGNORED("v2_in_buffer_bytes", NULL, "Of Tempo's v2 blocks."),
    IGNORED("v2_out_buffer_bytes", NULL, "Of Tempo's v2 blocks."),
    IGNORED("v2_prefetch_traces_count", NULL, "Of Tempo's v2 blocks."),
    IGNORED("chunk_size_bytes", NULL, "Of Tempo's v2 blocks."),
    IGNORED("flush_size_bytes", NULL, "Of Tempo's v2 blocks."),
    IGNORED("iterator_buffer_size", NULL, "Of Tempo's v2 blocks."),
};
static TABLE(compaction_table, compaction_rows, S);

static const struct field compactor_rows[] = {
    ROW(BOOL, "disabled", disabled, "disabled", "false", "No compaction and no retention."),
    GROUP("compaction", "compaction.", compaction_table, "Merging and retention of blocks."),
    IGNORED("ring", NULL, "One process, no ring."),
    IGNORED("override_ring_key", NULL, "One process, no ring."),
};
TABLE(table_compactor, compactor_rows, S);

static const struct field backend_worker_rows[] = {
    GROUP("compaction", "compaction.", compaction_table, "3.0's name of `compactor.compaction`."),
    IGNORED("backend_scheduler_addr", NULL, "One process, no scheduler."),
    IGNORED("backoff", NULL, "One process, no scheduler."),
    IGNORED("finish_on_shutdown_timeout", NULL, "Work under way is dropped and redone."),
    IGNORED("override_ring_key", NULL, "One process, no ring."),
    IGNORED("ring", NULL, "One process, no ring."),
};
TABLE(table_backend_worker, backend_worker_rows, S);

static const struct field provider_compaction_rows[] = {
    GROUP("compaction", NULL, compaction_table, "3.0's other place of `compactor.compaction`."),
    IGNORED("measure_interval", NULL, "One process, no scheduler."),
    IGNORED("max_jobs_per_tenant", NULL, "One process, no scheduler."),
    IGNORED("min_input_blocks", NULL, "Chosen by size."),
    IGNORED("max_input_blocks", NULL, "Chosen by size."),
    IGNORED("max_compaction_level", NULL, "Chosen by size."),
    IGNORED("min_cycle_interval", NULL, "See `compactor.compaction.compaction_cycle`."),
};
static TABLE(provider_compaction_table, provider_compaction_rows, S);
static const struct field provider_rows[] = {
    GROUP("compaction", NULL, provider_compaction_table, "Compaction jobs."),
    IGNORED("retention", NULL, "Runs with compaction."),
    IGNORED("redaction", NULL, "No redaction jobs."),
};
static TABLE(provider_table, provider_rows, S);
static const struct field backend_scheduler_rows[] = {
    GROUP("provider", NULL, provider_table, "Job providers."),
    IGNORED("local_work_path", NULL, "One process, no scheduler."),
    IGNORED("maintenance_interval", NULL, "One process, no scheduler."),
    IGNORED("backend_flush_interval", NULL, "One process, no scheduler."),
    IGNORED("job_timeout", NULL, "One process, no scheduler."),
    IGNORED("work", NULL, "One process, no scheduler."),
};
TABLE(table_backend_scheduler, backend_scheduler_rows, S);
#undef S

#define S struct config_s3
static const struct field sse_rows[] = {
    ROW(STRING, "type", sse_type, "type", NULL, "Empty, SSE-S3, SSE-KMS or SSE-C."),
    ROW(STRING, "kms_key_id", sse_kms_key_id, "kms-key-id", NULL, "Key of SSE-KMS."),
    ROW(STRING, "kms_encryption_context", sse_kms_encryption_context, "kms-encryption-context", NULL,
        "JSON of SSE-KMS."),
    ROW(SECRET, "encryption_key", sse_encryption_key, "encryption-key", NULL, "Key of SSE-C."),
};
static TABLE(sse_table, sse_rows, S);

static const struct field s3_rows[] = {
    ROW(STRING, "bucket", bucket, "bucket", NULL, "Bucket."),
    ROW(STRING, "prefix", prefix, "prefix", NULL, "Put before every object's name."),
    ROW(STRING, "endpoint", endpoint, "endpoint", NULL, "host or host:port, without https://."),
    ROW(STRING, "region", region, "region", NULL, "Region; empty: from the endpoint."),
    ROW(STRING, "access_key", access_key, "access_key", NULL, "Empty: environment, then the machine's role."),
    ROW(SECRET, "secret_key", secret_key, "secret_key", NULL, "Secret of access_key."),
    ROW(SECRET, "session_token", session_token, "session_token", NULL, "Token of temporary keys."),
    ROW(BOOL, "insecure", insecure, "insecure", "false", "http instead of https."),
    ROW(BOOL, "forcepathstyle", forcepathstyle, "forcepathstyle", "false",
        "Bucket in the path, not in the host name."),
    ROW(BOOL, "enable_dual_stack", enable_dual_stack, NULL, "false", "IPv6 endpoints of AWS."),
    ROW(UINT, "bucket_lookup_type", bucket_lookup_type, "bucket-lookup-type", "0",
        "0 auto, 1 in the host name, 2 in the path."),
    ROW(UINT, "part_size", part_size, NULL, "0", "Bytes of an upload's part; 0: ours."),
    ROW(DURATION, "hedge_requests_at", hedge_requests_at_ns, NULL, "0s",
        "Ask a second time after this; 0: never."),
    ROW(UINT, "hedge_requests_up_to", hedge_requests_up_to, NULL, "2", "Requests for one thing at most."),
    ROW(UINT, "retry_max_attempts", retry_max_attempts, NULL, "10", "Attempts of a request."),
    ROW(DURATION, "retry_backoff_initial", retry_backoff_initial_ns, NULL, "200ms",
        "First pause between them."),
    ROW(DURATION, "retry_backoff_max", retry_backoff_max_ns, NULL, "1s", "Longest pause between them."),
    ROW(UINT, "list_blocks_concurrency", list_blocks_concurrency, "list_blocks_concurrency", "3",
        "Listings at once."),
    ROW(MAP, "tags", tags, NULL, NULL, "Tags of written objects."),
    ROW(MAP, "metadata", metadata, NULL, NULL, "User metadata of written objects."),
    ROW(STRING, "storage_class", storage_class, NULL, NULL, "Storage class of written objects."),
    GROUP("sse", "sse.", sse_table, "Encryption at the server."),
    ROW(STRING, "tls_cert_path", tls.cert_file, NULL, NULL, "Client certificate."),
    ROW(STRING, "tls_key_path", tls.key_file, NULL, NULL, "Its key."),
    ROW(STRING, "tls_ca_path", tls.ca_file, NULL, NULL, "CA of the server; empty: the system's."),
    ROW(STRING, "tls_server_name", tls.server_name, NULL, NULL, "Expected name; empty: the endpoint's."),
    ROW(BOOL, "tls_insecure_skip_verify", tls.insecure_skip_verify, NULL, "false",
        "Do not check the server's certificate."),
    ROW(STRING, "tls_min_version", tls.min_version, "tls_min_version", "VersionTLS12", "Least version."),
    IGNORED("tls_cipher_suites", NULL, "The library's."),
    IGNORED("signature_v2", NULL, "Version 4 always."),
    IGNORED("native_aws_auth_enabled", NULL, "Always on."),
    IGNORED("checksum_type", NULL, "Checksums are in the blocks."),
};
static TABLE(s3_table, s3_rows, S);
#undef S

#define S struct config_storage
static const struct field local_rows[] = {
    ROW(STRING, "path", local_path, "path", "/var/tempo/traces", "Directory of blocks."),
};
static TABLE(local_table, local_rows, S);
static const struct field wal_rows[] = {
    ROW(STRING, "path", wal_path, "path", "/var/tempo/wal", "Directory of the write-ahead log."),
    IGNORED("ingestion_time_range_slack", NULL, "A block's times are its spans' own."),
    IGNORED("encoding", NULL, "Our own format."),
    IGNORED("v2_encoding", NULL, "Our own format."),
    IGNORED("search_encoding", NULL, "Our own format."),
    IGNORED("version", NULL, "Our own format."),
};
static TABLE(wal_table, wal_rows, S);
static const struct field pool_rows[] = {
    ROW(UINT, "max_workers", pool_max_workers, NULL, "400", "Requests to the backend at once."),
    ROW(UINT, "queue_depth", pool_queue_depth, NULL, "20000", "Requests waiting for one."),
};
static TABLE(pool_table, pool_rows, S);
static const struct field trace_rows[] = {
    ROW_ENUM("backend", backend, "local|s3|gcs|azure", "backend", "local",
             "Where blocks are kept: local or s3."),
    GROUP("local", "local.", local_table, "Blocks on a local disk."),
    GROUP("wal", "wal.", wal_table, "Write-ahead log."),
    SECTION("s3", s3, "s3.", s3_table, "Blocks in S3 or what speaks like it."),
    ROW(DURATION, "blocklist_poll", blocklist_poll_ns, "blocklist_poll", "5m0s",
        "How often the backend is asked for blocks of others."),
    ROW(UINT, "blocklist_poll_concurrency", blocklist_poll_concurrency, NULL, "50",
        "Blocks asked for at once."),
    GROUP("pool", NULL, pool_table, "Reads of the backend."),
    ROW(BOOL, "empty_tenant_deletion_enabled", empty_tenant_deletion_enabled, NULL, "false",
        "Delete tenants without blocks."),
    ROW(DURATION, "empty_tenant_deletion_age", empty_tenant_deletion_age_ns, NULL, "0s",
        "When they are older than this."),
    IGNORED("gcs", NULL, "Not built: use s3 or local."),
    IGNORED("azure", NULL, "Not built: use s3 or local."),
    IGNORED("block", NULL, "Columns, filters and sizes are chosen by block."),
    IGNORED("search", NULL, "Reads are sized by the page index."),
    IGNORED("cache", NULL, "Memory is the cache."),
    IGNORED("cache_min_compaction_level", NULL, "Memory is the cache."),
    IGNORED("cache_max_block_age", NULL, "Memory is the cache."),
    IGNORED("cache_control", NULL, "Memory is the cache."),
    IGNORED("memcached", NULL, "Memory is the cache."),
    IGNORED("redis", NULL, "Memory is the cache."),
    IGNORED("background_cache", NULL, "Memory is the cache."),
    IGNORED("blocklist_poll_tenant_concurrency", NULL, "Tenants are polled in turn."),
    IGNORED("blocklist_poll_fallback", NULL, "Block lists are read from the backend."),
    IGNORED("blocklist_poll_tenant_index_builders", NULL, "One process, one builder."),
    IGNORED("blocklist_poll_stale_tenant_index", NULL, "Block lists are read from the backend."),
    IGNORED("blocklist_poll_jitter_ms", NULL, "One process."),
    IGNORED("blocklist_poll_tolerate_consecutive_errors", NULL, "A failed poll keeps the last list."),
    IGNORED("blocklist_poll_tolerate_tenant_failures", NULL, "A failed poll keeps the last list."),
};
static TABLE(trace_table, trace_rows, S);
static const struct field storage_rows[] = {
    GROUP("trace", "trace.", trace_table, "Where traces are kept."),
};
TABLE(table_storage, storage_rows, S);
#undef S
