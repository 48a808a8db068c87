/* Rows of query_frontend and querier. */
#include "field.h"

#define S struct config_slo
static const struct field slo_rows[] = {
    ROW(DURATION, "duration_slo", duration_slo_ns, NULL, "0s",
        "Queries within this meet the objective; 0: off."),
    ROW(FLOAT, "throughput_bytes_slo", throughput_bytes_slo, NULL, "0",
        "So do those that read more bytes a second than this."),
};
static TABLE(slo_table, slo_rows, S);
#undef S

#define S struct config_query_frontend
#define SLO_AT(m)                                                                                            \
    ROW(DURATION, "duration_slo", m.slo.duration_slo_ns, NULL, "0s",                                         \
        "Queries within this meet the objective; 0: off."),                                                  \
        ROW(FLOAT, "throughput_bytes_slo", m.slo.throughput_bytes_slo, NULL, "0",                            \
            "So do those that read more bytes a second than this.")

static const struct field search_rows[] = {
    ROW(UINT, "concurrent_jobs", search.concurrent_jobs, NULL, "1000", "Pieces of one search at once."),
    ROW(UINT, "default_result_limit", search.default_result_limit, NULL, "20",
        "Traces when the query does not say."),
    ROW(UINT, "max_result_limit", search.max_result_limit, NULL, "262144",
        "Most a query may ask for; 0: no bound."),
    ROW(DURATION, "max_duration", search.max_duration_ns, NULL, "168h0m0s",
        "Longest range of a search; 0: no bound."),
    ROW(DURATION, "query_backend_after", search.query_backend_after_ns, NULL, "15m0s",
        "Range of a search that gives none."),
    ROW(UINT, "default_spans_per_span_set", search.default_spans_per_span_set, NULL, "3",
        "Spans shown of a trace."),
    ROW(UINT, "max_spans_per_span_set", search.max_spans_per_span_set, NULL, "100",
        "Most a query may ask for; 0: no bound."),
    ROW(DURATION, "timeout", search.timeout_ns, NULL, "0s", "Of one search; 0: none."),
    SLO_AT(search),
    SECTION("metadata_slo", search.metadata_slo, NULL, slo_table, "Objective of tag queries."),
    IGNORED("target_bytes_per_job", NULL, "Work is cut by row group."),
    IGNORED("ingester_shards", NULL, "One process."),
    IGNORED("most_recent_shards", NULL, "Results are newest first anyway."),
    IGNORED("query_ingesters_until", NULL, "Live data is always searched."),
};
static TABLE(search_table, search_rows, S);

static const struct field trace_by_id_rows[] = {
    SLO_AT(trace_by_id),
    IGNORED("query_shards", NULL, "Blocks are found by filter."),
    IGNORED("concurrent_shards", NULL, "Blocks are found by filter."),
    IGNORED("external_enabled", NULL, "No external source."),
    IGNORED("hedge_requests_at", NULL, "One process."),
    IGNORED("hedge_requests_up_to", NULL, "One process."),
};
static TABLE(trace_by_id_table, trace_by_id_rows, S);

static const struct field metrics_rows[] = {
    ROW(DURATION, "max_duration", metrics.max_duration_ns, NULL, "168h0m0s",
        "Longest range of a metrics query; 0: no bound (Tempo: 24h)."),
    ROW(UINT, "max_exemplars", metrics.max_exemplars, NULL, "100",
        "Exemplars of an answer, shared by its series."),
    ROW(UINT, "max_response_series", metrics.max_response_series, NULL, "0",
        "Series of an answer; 0: no bound."),
    ROW(UINT, "max_intervals", metrics.max_intervals, NULL, "10000", "Steps of a query; 0: no bound."),
    SLO_AT(metrics),
    IGNORED("concurrent_jobs", NULL, "Queries share the workers."),
    IGNORED("query_backend_after", NULL, "Live data and blocks are asked alike."),
    IGNORED("interval", NULL, "Work is cut by row group."),
    IGNORED("target_bytes_per_job", NULL, "Work is cut by row group."),
    IGNORED("streaming_shards", NULL, "One process."),
};
static TABLE(metrics_table, metrics_rows, S);

static const struct field mcp_rows[] = {
    ROW(BOOL, "enabled", mcp_server_enabled, "enabled", "false",
        "Serve the Model Context Protocol at /api/mcp."),
};
static TABLE(mcp_table, mcp_rows, S);

static const struct field frontend_rows[] = {
    ROW(UINT, "max_outstanding_per_tenant", max_outstanding_per_tenant, "max-outstanding-requests-per-tenant",
        "2000", "Queries of a tenant waiting; more get 429."),
    ROW(UINT, "max_retries", max_retries, "max-retries-per-request", "2", "Attempts of a failed read."),
    ROW(UINT, "max_query_expression_size_bytes", max_query_expression_size_bytes, NULL, "131072",
        "Bytes of a TraceQL text."),
    ROW(UINT, "max_grpc_streaming_packet_size", max_grpc_streaming_packet_size, NULL, "2097152",
        "Larger streamed messages are split; 0: never."),
    ROW(STRING, "log_query_request_headers", log_query_request_headers, "log-query-request-headers", NULL,
        "Comma-separated headers shown in the query log."),
    ROW(DURATION, "api_timeout", api_timeout_ns, NULL, "0s", "Longest any query may take; 0: none."),
    ROW(STRINGS, "url_deny_list", url_deny_list, NULL, NULL,
        "Regular expressions; queries whose URL matches are refused."),
    ROW(DURATION, "query_end_cutoff", query_end_cutoff_ns, NULL, "0s",
        "Leave out the newest spans; 0: searchable at once (Tempo 3.0: 30s)."),
    ROW(BOOL, "multi_tenant_queries_enabled", multi_tenant_queries_enabled, NULL, "true",
        "One query may name tenants joined by |."),
    GROUP("mcp_server", "mcp-server.", mcp_table, "Model Context Protocol."),
    GROUP("search", NULL, search_table, "Search."),
    GROUP("trace_by_id", NULL, trace_by_id_table, "Trace by ID."),
    GROUP("metrics", NULL, metrics_table, "TraceQL metrics."),
    IGNORED("max_batch_size", NULL, "One process."),
    IGNORED("querier_forget_delay", NULL, "One process."),
    IGNORED("tolerate_failed_blocks", NULL, "A bad block is named in the answer."),
    IGNORED("allowed_headers", NULL, "One process."),
    IGNORED("rf1_after", NULL, "One copy always."),
    IGNORED("skip_ast_transformations", NULL, "Our own planner."),
    IGNORED("response_consumers", NULL, "Our own threads."),
    IGNORED("weights", NULL, "Queries are scheduled by what they read."),
};
TABLE(table_query_frontend, frontend_rows, S);
#undef S

#define S struct config_querier
static const struct field q_search_rows[] = {
    ROW(DURATION, "query_timeout", search_query_timeout_ns, NULL, "30s", "Of one search."),
    IGNORED("prefer_self", NULL, "One process."),
    IGNORED("external_endpoints", NULL, "No external source."),
    IGNORED("external_backend", NULL, "No external source."),
    IGNORED("external_hedge_requests_at", NULL, "No external source."),
    IGNORED("external_hedge_requests_up_to", NULL, "No external source."),
    IGNORED("google_cloud_run", NULL, "No external source."),
};
static TABLE(q_search_table, q_search_rows, S);
static const struct field q_trace_rows[] = {
    ROW(DURATION, "query_timeout", trace_by_id_query_timeout_ns, NULL, "10s", "Of one lookup."),
    IGNORED("external", NULL, "No external source."),
};
static TABLE(q_trace_table, q_trace_rows, S);
static const struct field querier_rows[] = {
    GROUP("search", NULL, q_search_table, "Search."),
    GROUP("trace_by_id", NULL, q_trace_table, "Trace by ID."),
    ROW(UINT, "max_concurrent_queries", max_concurrent_queries, NULL, "20", "Queries running at once."),
    IGNORED("metrics", NULL, "Queries share the workers."),
    IGNORED("partition_ring", NULL, "One process, no ring."),
    IGNORED("extra_query_delay", NULL, "Queries are not delayed."),
    IGNORED("frontend_worker", NULL, "One process."),
    IGNORED("shuffle_sharding_ingesters_enabled", NULL, "One process, no ring."),
    IGNORED("shuffle_sharding_ingesters_lookback_period", NULL, "One process, no ring."),
    IGNORED("query_relevant_ingesters", NULL, "One process, no ring."),
    IGNORED("query_live_store", NULL, "Live data is always searched."),
    IGNORED("secondary_ingester_ring", NULL, "One process, no ring."),
    IGNORED("query_timeout", NULL, "Old name; use `querier.trace_by_id.query_timeout`."),
};
TABLE(table_querier, querier_rows, S);
#undef S
