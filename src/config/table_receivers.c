/* Rows of distributor and of its receivers. */
#include "field.h"

#define S struct config_tls
static const struct field tls_rows[] = {
    ROW(STRING, "cert_file", cert_file, NULL, NULL, "Certificate file (PEM)."),
    ROW(STRING, "cert_pem", cert_pem, NULL, NULL, "Certificate inline."),
    ROW(STRING, "key_file", key_file, NULL, NULL, "Key file (PEM)."),
    ROW(SECRET, "key_pem", key_pem, NULL, NULL, "Key inline."),
    ROW(STRING, "client_ca_file", client_ca_file, NULL, NULL,
        "When given, client certificates are required and checked with it."),
    ROW(STRING, "min_version", min_version, NULL, "1.2", "1.2 or 1.3."),
    ROW(STRING, "max_version", max_version, NULL, NULL, "Empty: the newest."),
    ROW(STRINGS, "cipher_suites", cipher_suites, NULL, NULL, "IANA or Go names; empty: the library's."),
    ROW(STRINGS, "curve_preferences", curve_preferences, NULL, NULL, "Curve names; empty: the library's."),
    ROW(DURATION, "reload_interval", reload_interval_ns, NULL, "0s",
        "Read certificate and key again this often; 0: on SIGHUP."),
    IGNORED("ca_file", NULL, "For clients only."),
    IGNORED("ca_pem", NULL, "For clients only."),
    IGNORED("include_system_ca_certs_pool", NULL, "For clients only."),
    IGNORED("client_ca_file_reload", NULL, "Read again with the certificate."),
    IGNORED("insecure", NULL, "For clients only."),
    IGNORED("insecure_skip_verify", NULL, "For clients only."),
    IGNORED("server_name_override", NULL, "For clients only."),
    IGNORED("tpm", NULL, "Keys come from files."),
};
TABLE(table_receiver_tls, tls_rows, S);
#undef S

#define S struct config_receiver
static const struct field cors_rows[] = {
    ROW(STRINGS, "allowed_origins", cors_allowed_origins, NULL, NULL,
        "Origins that may send; * is a wildcard."),
    ROW(STRINGS, "allowed_headers", cors_allowed_headers, NULL, NULL, "Headers they may use."),
    ROW(UINT, "max_age", cors_max_age, NULL, "0", "Seconds a browser may keep the answer."),
    IGNORED("exposed_headers", NULL, "None are exposed."),
};
static TABLE(cors_table, cors_rows, S);

#define COMMON_ROWS(endpoint_)                                                                               \
    ROW(STRING, "endpoint", endpoint, NULL, endpoint_, "host:port, :port or [v6]:port to listen on."),       \
        ROW(STRING, "transport", transport, NULL, "tcp", "tcp, tcp4, tcp6 or unix."),                        \
        SECTION("tls", tls, NULL, table_receiver_tls, "TLS; on when a certificate is given."),               \
        IGNORED("auth", NULL, "No authenticators."), IGNORED("include_metadata", NULL, "Always on."),        \
        IGNORED("middlewares", NULL, "No middlewares."), IGNORED("dialer", NULL, "For clients only."),       \
        IGNORED("network", NULL, "No network policies.")

#define HTTP_ROWS(endpoint_, keep_alives_)                                                                   \
    COMMON_ROWS(endpoint_), GROUP("cors", NULL, cors_table, "Browsers that may send."),                      \
        ROW(UINT, "max_request_body_size", max_request_body_size, NULL, "20971520",                          \
            "Bytes of a body, also decompressed."),                                                          \
        ROW(MAP, "response_headers", response_headers, NULL, NULL, "Put on every answer."),                  \
        ROW(STRINGS, "compression_algorithms", compression_algorithms, NULL, NULL,                           \
            "Accepted encodings; empty: all."),                                                              \
        ROW(DURATION, "read_timeout", read_timeout_ns, NULL, "0s",                                           \
            "To read a request; 0: the built-in bound."),                                                    \
        ROW(DURATION, "read_header_timeout", read_header_timeout_ns, NULL, "0s",                             \
            "To read its headers; 0: the built-in bound."),                                                  \
        ROW(DURATION, "write_timeout", write_timeout_ns, NULL, "0s",                                         \
            "To write an answer; 0: the built-in bound."),                                                   \
        ROW(DURATION, "idle_timeout", idle_timeout_ns, NULL, "0s",                                           \
            "Between requests; 0: the built-in bound."),                                                     \
        ROW(BOOL, "keep_alives_enabled", keep_alives_enabled, NULL, keep_alives_,                            \
            "Keep connections open between requests.")

static const struct field otlp_http_rows[] = {
    HTTP_ROWS("localhost:4318", "true"),
    ROW(STRING, "traces_url_path", traces_url_path, NULL, "/v1/traces", "Path that takes traces."),
    IGNORED("metrics_url_path", NULL, "Traces only."),
    IGNORED("logs_url_path", NULL, "Traces only."),
    IGNORED("profiles_url_path", NULL, "Traces only."),
};
static TABLE(otlp_http_table, otlp_http_rows, S);

static const struct field zipkin_rows[] = {
    HTTP_ROWS("localhost:9411", "false"),
    ROW(BOOL, "parse_string_tags", parse_string_tags, NULL, "false",
        "Turn tags that read as numbers and booleans into such."),
};
static TABLE(zipkin_table, zipkin_rows, S);

static const struct field thrift_http_rows[] = {HTTP_ROWS("localhost:14268", "false")};
static TABLE(thrift_http_table, thrift_http_rows, S);

static const struct field server_parameters_rows[] = {
    ROW(DURATION, "max_connection_idle", max_connection_idle_ns, NULL, "0s",
        "Close an idle connection after this; 0: never."),
    ROW(DURATION, "max_connection_age", max_connection_age_ns, NULL, "0s",
        "Close a connection after this; 0: never."),
    ROW(DURATION, "max_connection_age_grace", max_connection_age_grace_ns, NULL, "0s",
        "Time its streams get then; 0: no bound."),
    ROW(DURATION, "time", keepalive_time_ns, NULL, "2h0m0s", "Ping an idle connection after this."),
    ROW(DURATION, "timeout", keepalive_timeout_ns, NULL, "20s", "Close it when no answer comes within this."),
};
static TABLE(server_parameters_table, server_parameters_rows, S);
static const struct field enforcement_rows[] = {
    ROW(DURATION, "min_time", keepalive_min_time_ns, NULL, "5m0s", "Clients that ping faster are cut off."),
    ROW(BOOL, "permit_without_stream", keepalive_permit_without_stream, NULL, "false",
        "Clients may ping without a stream."),
};
static TABLE(enforcement_table, enforcement_rows, S);
static const struct field keepalive_rows[] = {
    GROUP("server_parameters", NULL, server_parameters_table, "What we do."),
    GROUP("enforcement_policy", NULL, enforcement_table, "What clients may do."),
};
static TABLE(keepalive_table, keepalive_rows, S);

#define GRPC_ROWS(endpoint_, read_buffer_)                                                                   \
    COMMON_ROWS(endpoint_),                                                                                  \
        ROW(UINT, "max_recv_msg_size_mib", max_recv_msg_size_mib, NULL, "0", "MiB of a message; 0: 4."),     \
        ROW(UINT, "max_concurrent_streams", max_concurrent_streams, NULL, "0",                               \
            "Streams of a connection; 0: unlimited."),                                                       \
        ROW(UINT, "read_buffer_size", read_buffer_size, NULL, read_buffer_, "Bytes read at once."),          \
        ROW(UINT, "write_buffer_size", write_buffer_size, NULL, "0", "Bytes written at once; 0: ours."),     \
        GROUP("keepalive", NULL, keepalive_table, "HTTP/2 pings and connection ages.")

static const struct field otlp_grpc_rows[] = {GRPC_ROWS("localhost:4317", "524288")};
static TABLE(otlp_grpc_table, otlp_grpc_rows, S);
static const struct field jaeger_grpc_rows[] = {GRPC_ROWS("localhost:14250", "0")};
static TABLE(jaeger_grpc_table, jaeger_grpc_rows, S);

#define UDP_ROWS(endpoint_)                                                                                  \
    ROW(STRING, "endpoint", endpoint, NULL, endpoint_, "host:port to listen on (UDP)."),                     \
        ROW(UINT, "queue_size", queue_size, NULL, "1000", "Packets waiting; more are dropped and counted."), \
        ROW(UINT, "max_packet_size", max_packet_size, NULL, "65000", "Bytes of a packet."),                  \
        ROW(UINT, "workers", workers, NULL, "10", "Without effect: the worker pool decodes."),               \
        ROW(UINT, "socket_buffer_size", socket_buffer_size, NULL, "0", "Bytes; 0: the system's.")

static const struct field thrift_compact_rows[] = {UDP_ROWS("localhost:6831")};
static TABLE(thrift_compact_table, thrift_compact_rows, S);
static const struct field thrift_binary_rows[] = {UDP_ROWS("localhost:6832")};
static TABLE(thrift_binary_table, thrift_binary_rows, S);
#undef S

const struct table *const table_receivers[RECEIVER_KIND_COUNT] = {
    [RECEIVER_OTLP_GRPC] = &otlp_grpc_table,
    [RECEIVER_OTLP_HTTP] = &otlp_http_table,
    [RECEIVER_ZIPKIN] = &zipkin_table,
    [RECEIVER_JAEGER_GRPC] = &jaeger_grpc_table,
    [RECEIVER_JAEGER_THRIFT_HTTP] = &thrift_http_table,
    [RECEIVER_JAEGER_THRIFT_COMPACT] = &thrift_compact_table,
    [RECEIVER_JAEGER_THRIFT_BINARY] = &thrift_binary_table,
};

#define S struct config_log_spans
static const struct field log_spans_rows[] = {
    ROW(BOOL, "enabled", enabled, "enabled", "false", "Log a line per span (ids, service, name)."),
    ROW(BOOL, "include_all_attributes", include_all_attributes, "include-attributes", "false",
        "With every attribute."),
    ROW(BOOL, "filter_by_status_error", filter_by_status_error, "filter-by-status-error", "false",
        "Only spans with status error."),
};
static TABLE(log_spans_table, log_spans_rows, S);
#undef S

#define S struct config_distributor
static const struct field metric_spans_rows[] = {
    ROW(BOOL, "enabled", metric_received_spans_enabled, NULL, "false", "Count spans by service and name."),
    ROW(BOOL, "root_only", metric_received_spans_root_only, NULL, "false", "Root spans only."),
};
static TABLE(metric_spans_table, metric_spans_rows, S);
static const struct field cost_rows[] = {
    ROW(BOOL, "enabled", cost_attribution_enabled, NULL, "false", "Serve /usage_metrics."),
    IGNORED("max_cardinality", NULL, "The metric registry's bound holds."),
    IGNORED("stale_duration", NULL, "Series stay."),
};
static TABLE(cost_table, cost_rows, S);
static const struct field usage_rows[] = {
    GROUP("cost_attribution", NULL, cost_table, "Bytes by attribute."),
};
static TABLE(usage_table, usage_rows, S);

static const struct field distributor_rows[] = {
    {.key = "receivers",
     .type = FIELD_RECEIVERS,
     .offset = (uint32_t)offsetof(S, receivers),
     .doc = "What listens for spans; nothing given: jaeger grpc and thrift_http, otlp grpc, on localhost."},
    SECTION("log_received_spans", log_received_spans, "log-received-spans.", log_spans_table,
            "Log spans as they come."),
    SECTION("log_discarded_spans", log_discarded_spans, "log-discarded-spans.", log_spans_table,
            "Log spans a limit refused."),
    GROUP("metric_received_spans", NULL, metric_spans_table, "tempo_distributor_debug_spans_received_total."),
    ROW(DURATION, "retry_after_on_resource_exhausted", retry_after_on_resource_exhausted_ns, NULL, "5s",
        "Told to clients over their rate limit; 0: not told."),
    ROW(UINT, "max_attribute_bytes", max_attribute_bytes, NULL, "2048",
        "Longer keys and strings are cut; 0: never."),
    ROW(DURATION, "artificial_delay", artificial_delay_ns, NULL, "0s", "Delay of every answer."),
    GROUP("usage", NULL, usage_table, "Usage tracking."),
    IGNORED("forwarders", NULL, "Copies to other endpoints are a collector's work."),
    IGNORED("ring", NULL, "One process, no ring."),
    IGNORED("override_ring_key", NULL, "One process, no ring."),
    IGNORED("kafka_config", NULL, "No Kafka."),
    IGNORED("kafka_write_path_enabled", NULL, "No Kafka."),
    IGNORED("ingester_write_path_enabled", NULL, "Always on."),
    IGNORED("extend_writes", NULL, "One process, no ring."),
    IGNORED("search_tags_deny_list", NULL, "Tags are read from blocks."),
    IGNORED("log_received_traces", NULL, "Old name; use log_received_spans."),
};
TABLE(table_distributor, distributor_rows, S);
#undef S
