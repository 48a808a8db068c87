/* Rows of metrics_generator and of its processors, which overrides use too. */
#include "field.h"

#define S struct config_tls_client
static const struct field tls_client_rows[] = {
    ROW(STRING, "ca_file", ca_file, NULL, NULL, "CA of the server; empty: the system's."),
    ROW(STRING, "cert_file", cert_file, NULL, NULL, "Client certificate."),
    ROW(STRING, "key_file", key_file, NULL, NULL, "Its key."),
    ROW(STRING, "server_name", server_name, NULL, NULL, "Expected name; empty: the URL's."),
    ROW(STRING, "min_version", min_version, NULL, NULL, "TLS12 or TLS13; empty: 1.2."),
    ROW(BOOL, "insecure_skip_verify", insecure_skip_verify, NULL, "false",
        "Do not check the server's certificate."),
    IGNORED("ca", NULL, "Use ca_file."),
    IGNORED("cert", NULL, "Use cert_file."),
    IGNORED("key", NULL, "Use key_file."),
    IGNORED("max_version", NULL, "The newest."),
};
TABLE(table_tls_client, tls_client_rows, S);
#undef S

/* --- filter policies --- */
#define S struct config_filter_attribute
static const struct field attribute_rows[] = {
    ROW(STRING, "key", key, NULL, NULL, "span.x, resource.x, kind, name or status."),
    ROW(SCALAR, "value", value, NULL, NULL, "Its value, or a regular expression."),
};
static TABLE(attribute_table, attribute_rows, S);
#undef S
#define S struct config_filter_match
static const struct field match_rows[] = {
    ROW_ENUM("match_type", match_type, "strict|regex", NULL, "strict", "How values are compared."),
    LIST("attributes", attributes, attribute_table, "All of them must match."),
};
static TABLE(match_table, match_rows, S);
#undef S
#define S struct config_filter_policy
static const struct field policy_rows[] = {
    SECTION("include", include, NULL, match_table, "Spans that are kept."),
    SECTION("include_any", include_any, NULL, match_table, "Spans that are kept whatever the includes say."),
    SECTION("exclude", exclude, NULL, match_table, "Spans that are dropped."),
};
TABLE(table_filter_policy, policy_rows, S);
#undef S

/* --- processors --- */
#define S struct config_service_graphs
static const struct field graphs_rows[] = {
    ROW(DURATION, "wait", wait_ns, NULL, "10s", "How long one side of an edge waits for the other."),
    ROW(UINT, "max_items", max_items, NULL, "10000", "Edges waiting at once."),
    ROW(UINT, "workers", workers, NULL, "10", "Kept for compatibility."),
    ROW(FLOATS, "histogram_buckets", histogram_buckets, NULL, "0.1,0.2,0.4,0.8,1.6,3.2,6.4,12.8",
        "Bounds in seconds, rising."),
    ROW(STRINGS, "dimensions", dimensions, NULL, NULL, "Attributes that become labels."),
    ROW(STRINGS, "peer_attributes", peer_attributes, NULL, "peer.service,db.name,db.system",
        "Attributes that name the other side."),
    ROW(STRINGS, "database_name_attributes", database_name_attributes, NULL, "db.namespace,db.name,db.system",
        "Attributes that name a database."),
    ROW(TRI, "enable_client_server_prefix", enable_client_server_prefix, NULL, "false",
        "Prefix dimensions with client_ and server_."),
    ROW(TRI, "enable_messaging_system_latency_histogram", enable_messaging_system_latency_histogram, NULL,
        "false", "Time between producer and consumer."),
    ROW(TRI, "enable_virtual_node_label", enable_virtual_node_label, NULL, "false",
        "Label edges to what sends no spans."),
    ROW(TRI, "enable_tracestate_span_multiplier", enable_tracestate_span_multiplier, NULL, "false",
        "Weigh spans by the sampling threshold in tracestate."),
    ROW(STRING, "span_multiplier_key", span_multiplier_key, NULL, NULL, "Attribute with the sampling ratio."),
    LIST("filter_policies", filter_policies, table_filter_policy, "Which spans count."),
};
static TABLE(graphs_table, graphs_rows, S);
#undef S

#define S struct config_span_metrics
static const struct field intrinsic_rows[] = {
    ROW(TRI, "service", intrinsic_dimensions.service, NULL, "true", "Label service."),
    ROW(TRI, "span_name", intrinsic_dimensions.span_name, NULL, "true", "Label span_name."),
    ROW(TRI, "span_kind", intrinsic_dimensions.span_kind, NULL, "true", "Label span_kind."),
    ROW(TRI, "status_code", intrinsic_dimensions.status_code, NULL, "true", "Label status_code."),
    ROW(TRI, "status_message", intrinsic_dimensions.status_message, NULL, "false", "Label status_message."),
};
TABLE(table_intrinsic_dimensions, intrinsic_rows, S);
#undef S
#define S struct config_dimension_mapping
static const struct field mapping_rows[] = {
    ROW(STRING, "name", name, NULL, NULL, "The label."),
    ROW(STRINGS, "source_labels", source_labels, NULL, NULL, "Attributes it is made of."),
    ROW(STRING, "join", join, NULL, NULL, "What stands between them."),
};
TABLE(table_dimension_mapping, mapping_rows, S);
#undef S
#define S struct config_span_metrics
static const struct field span_rows[] = {
    ROW(FLOATS, "histogram_buckets", histogram_buckets, NULL,
        "0.002,0.004,0.008,0.016,0.032,0.064,0.128,0.256,0.512,1.024,2.048,4.096,8.192,16.384",
        "Bounds in seconds, rising."),
    GROUP("intrinsic_dimensions", NULL, table_intrinsic_dimensions, "Labels every series has."),
    ROW(STRINGS, "dimensions", dimensions, NULL, NULL, "Attributes that become labels."),
    LIST("dimension_mappings", dimension_mappings, table_dimension_mapping,
         "Labels made of several attributes."),
    ROW(TRI, "enable_target_info", enable_target_info, NULL, "false",
        "traces_target_info from resource attributes."),
    ROW(STRINGS, "target_info_excluded_dimensions", target_info_excluded_dimensions, NULL, NULL,
        "Resource attributes it leaves out."),
    ROW(TRI, "enable_instance_label", enable_instance_label, NULL, "true",
        "Label instance, with target info."),
    ROW(TRI, "enable_tracestate_span_multiplier", enable_tracestate_span_multiplier, NULL, "false",
        "Weigh spans by the sampling threshold in tracestate."),
    ROW(STRING, "span_multiplier_key", span_multiplier_key, NULL, NULL, "Attribute with the sampling ratio."),
    LIST("filter_policies", filter_policies, table_filter_policy, "Which spans count."),
    IGNORED("subprocessors", NULL, "Chosen by the names of processors."),
};
static TABLE(span_table, span_rows, S);
#undef S

#define S struct config_host_info
static const struct field host_rows[] = {
    ROW(STRINGS, "host_identifiers", host_identifiers, NULL, "k8s.node.name,host.id",
        "Resource attributes that name the host."),
    ROW(STRING, "metric_name", metric_name, NULL, "traces_host_info", "The metric."),
};
static TABLE(host_table, host_rows, S);
#undef S

#define S struct config_processors
static const struct field processor_rows[] = {
    SECTION("service_graphs", service_graphs, NULL, graphs_table, "Processor service-graphs."),
    SECTION("span_metrics", span_metrics, NULL, span_table, "Processor span-metrics."),
    SECTION("host_info", host_info, NULL, host_table, "Processor host-info."),
    IGNORED("local_blocks", NULL, "Metrics queries read every block."),
};
TABLE(table_processors, processor_rows, S);
#undef S

/* --- remote write --- */
#define S struct config_relabel
static const struct field relabel_rows[] = {
    ROW(STRINGS, "source_labels", source_labels, NULL, NULL, "Labels whose values are joined."),
    ROW(STRING, "separator", separator, NULL, ";", "What stands between them."),
    ROW(STRING, "regex", regex, NULL, "(.*)", "Matched against the whole."),
    ROW(UINT, "modulus", modulus, NULL, "0", "Of action hashmod."),
    ROW(STRING, "target_label", target_label, NULL, NULL, "Label that is set."),
    ROW(STRING, "replacement", replacement, NULL, "$1", "To this."),
    ROW(STRING, "action", action, NULL, "replace",
        "replace, keep, drop, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase, keepequal, "
        "dropequal."),
};
static TABLE(relabel_table, relabel_rows, S);
#undef S

#define S struct config_remote_write
static const struct field basic_auth_rows[] = {
    ROW(STRING, "username", basic_auth.username, NULL, NULL, "User."),
    ROW(STRING, "username_file", basic_auth.username_file, NULL, NULL, "File with it."),
    ROW(SECRET, "password", basic_auth.password, NULL, NULL, "Password."),
    ROW(STRING, "password_file", basic_auth.password_file, NULL, NULL, "File with it."),
};
static TABLE(basic_auth_table, basic_auth_rows, S);
static const struct field authorization_rows[] = {
    ROW(STRING, "type", authorization.type, NULL, "Bearer", "Scheme."),
    ROW(SECRET, "credentials", authorization.credentials, NULL, NULL, "What follows it."),
    ROW(STRING, "credentials_file", authorization.credentials_file, NULL, NULL, "File with it."),
};
static TABLE(authorization_table, authorization_rows, S);
static const struct field queue_rows[] = {
    ROW(UINT, "capacity", queue.capacity, NULL, "10000", "Samples waiting."),
    ROW(UINT, "max_shards", queue.max_shards, NULL, "50", "Requests at once."),
    ROW(UINT, "max_samples_per_send", queue.max_samples_per_send, NULL, "2000", "Samples of a request."),
    ROW(DURATION, "batch_send_deadline", queue.batch_send_deadline_ns, NULL, "5s", "Longest a sample waits."),
    ROW(DURATION, "min_backoff", queue.min_backoff_ns, NULL, "30ms", "First pause after a failure."),
    ROW(DURATION, "max_backoff", queue.max_backoff_ns, NULL, "5s", "Longest pause."),
    ROW(BOOL, "retry_on_http_429", queue.retry_on_http_429, NULL, "false", "Retry when told to slow down."),
    IGNORED("min_shards", NULL, "Chosen by load."),
    IGNORED("sample_age_limit", NULL, "Samples are sent in order."),
};
static TABLE(queue_table, queue_rows, S);
static const struct field remote_write_rows[] = {
    ROW(URL, "url", url, NULL, NULL, "Where to send: http(s)://host/api/v1/write."),
    ROW(STRING, "name", name, NULL, NULL, "Label remote_name of its metrics."),
    ROW(DURATION, "remote_timeout", remote_timeout_ns, NULL, "30s", "Of one request."),
    ROW(SECRETS, "headers", headers, NULL, NULL, "Put on every request."),
    ROW(BOOL, "send_exemplars", send_exemplars, NULL, "false", "Send exemplars."),
    ROW(BOOL, "send_native_histograms", send_native_histograms, NULL, "false", "Send native histograms."),
    GROUP("basic_auth", NULL, basic_auth_table, "HTTP basic authentication."),
    GROUP("authorization", NULL, authorization_table, "Authorization header."),
    ROW(SECRET, "bearer_token", bearer_token, NULL, NULL, "Old form of authorization."),
    ROW(STRING, "bearer_token_file", bearer_token_file, NULL, NULL, "Old form of authorization."),
    SECTION("tls_config", tls, NULL, table_tls_client, "TLS."),
    LIST("write_relabel_configs", write_relabel_configs, relabel_table,
         "Change or drop series before they are sent."),
    GROUP("queue_config", NULL, queue_table, "Batches and pauses."),
    IGNORED("metadata_config", NULL, "Metadata goes with the series."),
    IGNORED("proxy_url", NULL, "No proxies."),
    IGNORED("no_proxy", NULL, "No proxies."),
    IGNORED("proxy_from_environment", NULL, "No proxies."),
    IGNORED("proxy_connect_header", NULL, "No proxies."),
    IGNORED("follow_redirects", NULL, "Redirects are not followed."),
    IGNORED("enable_http2", NULL, "HTTP/1.1."),
    IGNORED("protobuf_message", NULL, "Remote write 1.0."),
    IGNORED("round_robin_dns", NULL, "One address at a time."),
    IGNORED("sigv4", NULL, "Not built."),
    IGNORED("oauth2", NULL, "Not built."),
    IGNORED("azuread", NULL, "Not built."),
    IGNORED("google_iam", NULL, "Not built."),
};
static TABLE(remote_write_table, remote_write_rows, S);
#undef S

/* --- the generator --- */
#define S struct config_metrics_generator
static const struct field gen_storage_rows[] = {
    ROW(STRING, "path", storage_path, NULL, NULL,
        "Directory for samples not sent yet; empty: the generator is off."),
    LIST("remote_write", remote_write, remote_write_table, "Where series are sent."),
    ROW(BOOL, "remote_write_add_org_id_header", remote_write_add_org_id_header, NULL, "true",
        "Send X-Scope-OrgID when multitenant."),
    ROW(DURATION, "remote_write_flush_deadline", remote_write_flush_deadline_ns, NULL, "1m0s",
        "Time to send what is left at the end."),
    IGNORED("wal", NULL, "Our own queue."),
};
static TABLE(gen_storage_table, gen_storage_rows, S);
static const struct field registry_rows[] = {
    ROW(DURATION, "collection_interval", collection_interval_ns, NULL, "15s", "How often samples are made."),
    ROW(DURATION, "stale_duration", stale_duration_ns, NULL, "15m0s",
        "Series without spans for this long end."),
    ROW(MAP, "external_labels", external_labels, NULL, NULL, "Labels of every series."),
    ROW(STRING, "inject_tenant_id_as", inject_tenant_id_as, NULL, NULL,
        "Label with the tenant; empty: none."),
    ROW(UINT, "max_label_name_length", max_label_name_length, NULL, "1024", "Longer names are cut."),
    ROW(UINT, "max_label_value_length", max_label_value_length, NULL, "2048", "Longer values are cut."),
};
static TABLE(registry_table, registry_rows, S);
static const struct field generator_rows[] = {
    GROUP("storage", NULL, gen_storage_table, "Sending."),
    GROUP("registry", NULL, registry_table, "Series."),
    SECTION("processor", processor, NULL, table_processors,
            "Processor settings; which run is `overrides.defaults.metrics_generator.processors`."),
    ROW(DURATION, "metrics_ingestion_time_range_slack", metrics_ingestion_time_range_slack_ns, NULL, "30s",
        "Spans that ended longer ago do not count; 0: all do."),
    ROW_ENUM("limiter_type", limiter_type, "series|entity", NULL, "series", "What max_active_* bounds."),
    IGNORED("ring", NULL, "One process, no ring."),
    IGNORED("ring_mode", NULL, "One process, no ring."),
    IGNORED("codec", NULL, "No Kafka."),
    IGNORED("ingest_concurrency", NULL, "No Kafka."),
    IGNORED("instance_id", NULL, "One process."),
    IGNORED("override_ring_key", NULL, "One process, no ring."),
    IGNORED("leave_consumer_group_on_shutdown", NULL, "No Kafka."),
    IGNORED("traces_storage", NULL, "Metrics queries read every block."),
    IGNORED("traces_query_storage", NULL, "Metrics queries read every block."),
    IGNORED("query_timeout", NULL, "Metrics queries read every block."),
    IGNORED("disable_local_blocks", NULL, "Metrics queries read every block."),
    IGNORED("disable_grpc", NULL, "One process."),
};
TABLE(table_generator, generator_rows, S);
#undef S
