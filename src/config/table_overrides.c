/* Rows of overrides: a tenant's limits, and the flat names of Tempo before 2.3. */
#include "field.h"

#define S struct tenant_limits
static const struct field ingestion_rows[] = {
    ROW_ENUM("rate_strategy", ingestion.rate_strategy, "local|global", "distributor.rate-limit-strategy",
             "local", "One process: both mean the same."),
    ROW(UINT, "rate_limit_bytes", ingestion.rate_limit_bytes, "distributor.ingestion-rate-limit-bytes",
        "30000000", "Bytes a second a tenant may send."),
    ROW(UINT, "burst_size_bytes", ingestion.burst_size_bytes, "distributor.ingestion-burst-size-bytes",
        "30000000", "Bytes at once; also the largest batch."),
    ROW(UINT, "max_traces_per_user", ingestion.max_traces_per_user, "ingester.max-traces-per-user", "10000",
        "Live traces of a tenant; 0: no bound."),
    ROW(UINT, "max_global_traces_per_user", ingestion.max_global_traces_per_user,
        "ingester.max-global-traces-per-user", "0", "The same over all processes; 0: no bound."),
    ROW(UINT, "max_attribute_bytes", ingestion.max_attribute_bytes, NULL, "0",
        "0: `distributor.max_attribute_bytes`."),
    ROW(DURATION, "artificial_delay", ingestion.artificial_delay_ns, NULL, "0s", "Delay of every answer."),
    ROW(BOOL, "retry_info_enabled", ingestion.retry_info_enabled, NULL, "true",
        "Tell clients over their limit when to come back."),
    IGNORED("tenant_shard_size", NULL, "One process."),
};
static TABLE(ingestion_table, ingestion_rows, S);

static const struct field read_rows[] = {
    ROW(UINT, "max_bytes_per_tag_values_query", read.max_bytes_per_tag_values_query,
        "querier.max-bytes-per-tag-values-query", "1000000", "Bytes of tag names or values; 0: no bound."),
    ROW(UINT, "max_blocks_per_tag_values_query", read.max_blocks_per_tag_values_query,
        "querier.max-blocks-per-tag-values-query", "0", "Blocks read for them; 0: no bound."),
    ROW(UINT, "max_condition_groups_per_tag_query", read.max_condition_groups_per_tag_query,
        "querier.max-condition-groups-per-tag-query", "100", "Groups of conditions; 0: no bound."),
    ROW(DURATION, "max_search_duration", read.max_search_duration_ns, NULL, "0s",
        "0: `query_frontend.search.max_duration`."),
    ROW(DURATION, "max_metrics_duration", read.max_metrics_duration_ns, NULL, "0s",
        "0: `query_frontend.metrics.max_duration`."),
    ROW(BOOL, "unsafe_query_hints", read.unsafe_query_hints, NULL, "false", "Allow hints that may hurt."),
    ROW(BOOL, "left_pad_trace_ids", read.left_pad_trace_ids, NULL, "false",
        "Show trace ids of search with 32 digits."),
    IGNORED("metrics_spanonly_fetch", NULL, "Our own planner."),
};
static TABLE(read_table, read_rows, S);

static const struct field compaction_rows[] = {
    ROW(DURATION, "block_retention", compaction.block_retention_ns, NULL, "0s",
        "0: `compactor.compaction.block_retention`."),
    ROW(DURATION, "compaction_window", compaction.compaction_window_ns, NULL, "0s",
        "0: `compactor.compaction.compaction_window`."),
    ROW(BOOL, "compaction_disabled", compaction.compaction_disabled, NULL, "false",
        "Do not merge this tenant's blocks."),
};
static TABLE(compaction_table, compaction_rows, S);

#define GEN(m) metrics_generator.m
static const struct field generator_rows[] = {
    ROW(STRINGS, "processors", GEN(processors), NULL, NULL,
        "service-graphs, span-metrics, host-info; none: no series."),
    ROW(UINT, "max_active_series", GEN(max_active_series), NULL, "0", "Series of a tenant; 0: no bound."),
    ROW(UINT, "max_active_entities", GEN(max_active_entities), NULL, "0",
        "Label sets of a tenant; 0: no bound."),
    ROW(DURATION, "collection_interval", GEN(collection_interval_ns), NULL, "0s",
        "0: `metrics_generator.registry.collection_interval`."),
    ROW(BOOL, "disable_collection", GEN(disable_collection), NULL, "false", "Count, but make no samples."),
    ROW_ENUM("generate_native_histograms", GEN(generate_native_histograms), "|classic|native|both", NULL,
             NULL, "Form of histograms; empty: classic."),
    ROW(STRING, "trace_id_label_name", GEN(trace_id_label_name), NULL, NULL,
        "Label of exemplars; empty: traceID."),
    ROW(SECRETS, "remote_write_headers", GEN(remote_write_headers), NULL, NULL,
        "Put on this tenant's remote writes."),
    {.key = "processor",
     .type = FIELD_SECTION,
     .offset = (uint32_t)offsetof(S, GEN(processor)),
     .sub = &table_processors,
     .open = true,
     .doc = "Beats `metrics_generator.processor` where something is set."},
    ROW(DURATION, "ingestion_time_range_slack", GEN(ingestion_time_range_slack_ns), NULL, "0s",
        "0: `metrics_generator.metrics_ingestion_time_range_slack`."),
    ROW(FLOAT, "native_histogram_bucket_factor", GEN(native_histogram_bucket_factor), NULL, "1.1",
        "Growth of native buckets."),
    ROW(UINT, "native_histogram_max_bucket_number", GEN(native_histogram_max_bucket_number), NULL, "100",
        "Native buckets."),
    ROW(DURATION, "native_histogram_min_reset_duration", GEN(native_histogram_min_reset_duration_ns), NULL,
        "15m0s", "Least time between resets."),
    ROW(STRING, "span_name_sanitization", GEN(span_name_sanitization), NULL, NULL,
        "Empty or disabled, dry_run, enabled."),
    ROW(UINT, "max_cardinality_per_label", GEN(max_cardinality_per_label), NULL, "0",
        "Values of one label; 0: no bound."),
    IGNORED("ring_size", NULL, "One process, no ring."),
    IGNORED("forwarder", NULL, "One process, no forwarding."),
};
static TABLE(generator_table, generator_rows, S);

static const struct field global_rows[] = {
    ROW(UINT, "max_bytes_per_trace", global.max_bytes_per_trace, "ingester.max-bytes-per-trace", "5000000",
        "Bytes of a trace; what is over is dropped and counted. 0: no bound."),
};
static TABLE(global_table, global_rows, S);

static const struct field limits_rows[] = {
    GROUP("ingestion", "", ingestion_table, "Receiving."),
    GROUP("read", "", read_table, "Queries."),
    GROUP("compaction", "", compaction_table, "Retention."),
    GROUP("metrics_generator", "", generator_table, "Metrics from spans."),
    GROUP("global", "", global_table, "Everywhere."),
    IGNORED("forwarders", NULL, "Copies to other endpoints are a collector's work."),
    IGNORED("storage", NULL, "Columns are chosen by block."),
    IGNORED("cost_attribution", NULL, "Dimensions are fixed."),
};
TABLE(table_limits, limits_rows, S);

#define LEGACY(t, key_, m) ALIAS(t, key_, m, NULL, "Flat name of before 2.3.")
#define SG(m)              GEN(processor.service_graphs.m)
#define SM(m)              GEN(processor.span_metrics.m)
#define OLD                "Flat name of before 2.3."
static const struct field legacy_rows[] = {
    {.key = "ingestion_rate_strategy",
     .type = FIELD_ENUM,
     .choices = "local|global",
     .cls = FIELD_ALIAS,
     .offset = FIELD_AT(int, ingestion.rate_strategy),
     .doc = OLD},
    LEGACY(UINT, "ingestion_rate_limit_bytes", ingestion.rate_limit_bytes),
    LEGACY(UINT, "ingestion_burst_size_bytes", ingestion.burst_size_bytes),
    LEGACY(UINT, "ingestion_max_attribute_bytes", ingestion.max_attribute_bytes),
    LEGACY(DURATION, "ingestion_artificial_delay", ingestion.artificial_delay_ns),
    LEGACY(BOOL, "ingestion_retry_info_enabled", ingestion.retry_info_enabled),
    LEGACY(UINT, "max_traces_per_user", ingestion.max_traces_per_user),
    LEGACY(UINT, "max_global_traces_per_user", ingestion.max_global_traces_per_user),
    LEGACY(UINT, "max_bytes_per_trace", global.max_bytes_per_trace),
    LEGACY(UINT, "max_bytes_per_tag_values_query", read.max_bytes_per_tag_values_query),
    LEGACY(UINT, "max_blocks_per_tag_values_query", read.max_blocks_per_tag_values_query),
    LEGACY(DURATION, "max_search_duration", read.max_search_duration_ns),
    LEGACY(DURATION, "max_metrics_duration", read.max_metrics_duration_ns),
    LEGACY(BOOL, "unsafe_query_hints", read.unsafe_query_hints),
    LEGACY(DURATION, "block_retention", compaction.block_retention_ns),
    LEGACY(DURATION, "compaction_window", compaction.compaction_window_ns),
    LEGACY(BOOL, "compaction_disabled", compaction.compaction_disabled),
    LEGACY(STRINGS, "metrics_generator_processors", GEN(processors)),
    LEGACY(UINT, "metrics_generator_max_active_series", GEN(max_active_series)),
    LEGACY(DURATION, "metrics_generator_collection_interval", GEN(collection_interval_ns)),
    LEGACY(BOOL, "metrics_generator_disable_collection", GEN(disable_collection)),
    {.key = "metrics_generator_generate_native_histograms",
     .type = FIELD_ENUM,
     .choices = "|classic|native|both",
     .cls = FIELD_ALIAS,
     .offset = FIELD_AT(int, GEN(generate_native_histograms)),
     .doc = OLD},
    LEGACY(STRING, "metrics_generator_trace_id_label_name", GEN(trace_id_label_name)),
    LEGACY(SECRETS, "metrics_generator_remote_write_headers", GEN(remote_write_headers)),
    LEGACY(DURATION, "metrics_generator_ingestion_time_range_slack", GEN(ingestion_time_range_slack_ns)),
    LEGACY(FLOATS, "metrics_generator_processor_service_graphs_histogram_buckets", SG(histogram_buckets)),
    LEGACY(STRINGS, "metrics_generator_processor_service_graphs_dimensions", SG(dimensions)),
    LEGACY(STRINGS, "metrics_generator_processor_service_graphs_peer_attributes", SG(peer_attributes)),
    LEGACY(TRI, "metrics_generator_processor_service_graphs_enable_client_server_prefix",
           SG(enable_client_server_prefix)),
    LEGACY(TRI, "metrics_generator_processor_service_graphs_enable_messaging_system_latency_histogram",
           SG(enable_messaging_system_latency_histogram)),
    LEGACY(TRI, "metrics_generator_processor_service_graphs_enable_virtual_node_label",
           SG(enable_virtual_node_label)),
    LEGACY(STRING, "metrics_generator_processor_service_graphs_span_multiplier_key", SG(span_multiplier_key)),
    LEGACY(FLOATS, "metrics_generator_processor_span_metrics_histogram_buckets", SM(histogram_buckets)),
    LEGACY(STRINGS, "metrics_generator_processor_span_metrics_dimensions", SM(dimensions)),
    {.key = "metrics_generator_processor_span_metrics_intrinsic_dimensions",
     .type = FIELD_SECTION,
     .cls = FIELD_ALIAS,
     .offset = (uint32_t)offsetof(S, GEN(processor.span_metrics)),
     .sub = &table_intrinsic_dimensions,
     .doc = OLD},
    {.key = "metrics_generator_processor_span_metrics_filter_policies",
     .type = FIELD_LIST,
     .cls = FIELD_ALIAS,
     .offset = (uint32_t)offsetof(S, SM(filter_policies)),
     .sub = &table_filter_policy,
     .doc = OLD},
    {.key = "metrics_generator_processor_span_metrics_dimension_mappings",
     .type = FIELD_LIST,
     .cls = FIELD_ALIAS,
     .offset = (uint32_t)offsetof(S, SM(dimension_mappings)),
     .sub = &table_dimension_mapping,
     .doc = OLD},
    LEGACY(TRI, "metrics_generator_processor_span_metrics_enable_target_info", SM(enable_target_info)),
    LEGACY(TRI, "metrics_generator_processor_span_metrics_enable_instance_label", SM(enable_instance_label)),
    LEGACY(STRINGS, "metrics_generator_processor_span_metrics_target_info_excluded_dimensions",
           SM(target_info_excluded_dimensions)),
    LEGACY(STRING, "metrics_generator_processor_span_metrics_span_multiplier_key", SM(span_multiplier_key)),
    LEGACY(STRINGS, "metrics_generator_processor_host_info_host_identifiers",
           GEN(processor.host_info.host_identifiers)),
    LEGACY(STRING, "metrics_generator_processor_host_info_metric_name", GEN(processor.host_info.metric_name)),
    IGNORED("metrics_generator_processor_local_blocks_max_live_traces", NULL,
            "Metrics queries read every block."),
    IGNORED("metrics_generator_processor_local_blocks_max_block_duration", NULL,
            "Metrics queries read every block."),
    IGNORED("metrics_generator_processor_local_blocks_max_block_bytes", NULL,
            "Metrics queries read every block."),
    IGNORED("metrics_generator_processor_local_blocks_trace_idle_period", NULL,
            "Metrics queries read every block."),
    IGNORED("metrics_generator_processor_local_blocks_flush_check_period", NULL,
            "Metrics queries read every block."),
    IGNORED("metrics_generator_processor_local_blocks_complete_block_timeout", NULL,
            "Metrics queries read every block."),
    IGNORED("metrics_generator_ring_size", NULL, "One process, no ring."),
    IGNORED("metrics_generator_forwarder_queue_size", NULL, "One process, no forwarding."),
    IGNORED("metrics_generator_forwarder_workers", NULL, "One process, no forwarding."),
    IGNORED("ingestion_tenant_shard_size", NULL, "One process."),
    IGNORED("parquet_dedicated_columns", NULL, "Columns are chosen by block."),
    IGNORED("max_search_bytes_per_trace", NULL, "Gone since Tempo 2.0."),
    IGNORED("search_tags_allow_list", NULL, "Gone since Tempo 2.0."),
    IGNORED("forwarders", NULL, "Copies to other endpoints are a collector's work."),
    IGNORED("cost_attribution", NULL, "Dimensions are fixed."),
};
TABLE(table_limits_legacy, legacy_rows, S);
/* An entry of the per-tenant file: both forms, at any time. */
static const struct field tenant_rows[] = {
    {.type = FIELD_INCLUDE, .sub = &table_limits},
    {.type = FIELD_INCLUDE, .sub = &table_limits_legacy, .cls = FIELD_ALIAS},
};
TABLE(table_tenant, tenant_rows, S);
#undef S

#define S struct config_overrides
static const struct field overrides_rows[] = {
    SECTION("defaults", defaults, "", table_limits, "Limits of tenants without an entry of their own."),
    ROW(STRING, "per_tenant_override_config", per_tenant_override_config, "config.per-user-override-config",
        NULL, "File with an entry per tenant."),
    ROW(DURATION, "per_tenant_override_period", per_tenant_override_period_ns,
        "config.per-user-override-period", "10s", "How often it is read again."),
    IGNORED("user_configurable_overrides", NULL, "Limits come from files."),
    IGNORED("enable_legacy_overrides", "config.enable-legacy-overrides", "Both forms are always accepted."),
    {.type = FIELD_INCLUDE,
     .offset = (uint32_t)offsetof(S, defaults),
     .sub = &table_limits_legacy,
     .cls = FIELD_ALIAS},
};
TABLE(table_overrides, overrides_rows, S);
#undef S
