/* Rows of server and internal_server. */
#include "field.h"

#define S struct config_tls
#define CLIENT_AUTH                                                                                          \
    "NoClientCert|RequestClientCert|RequireAnyClientCert|VerifyClientCertIfGiven|RequireAndVerifyClientCert"

static const struct field tls_rows[] = {
    ROW(STRING, "cert_file", cert_file, "-cert-path", NULL, "Certificate file (PEM)."),
    ROW(STRING, "key_file", key_file, "-key-path", NULL, "Key file (PEM)."),
    ROW(STRING, "cert", cert_pem, NULL, NULL, "Certificate inline (PEM)."),
    ROW(SECRET, "key", key_pem, NULL, NULL, "Key inline (PEM)."),
    ROW(STRING, "client_ca_file", client_ca_file, "-ca-path", NULL,
        "CA file that client certificates are checked with."),
    ROW(STRING, "client_ca", client_ca_pem, NULL, NULL, "The same inline (PEM)."),
    ROW_ENUM("client_auth_type", client_auth, CLIENT_AUTH, "-client-auth", "NoClientCert",
             "What is asked of client certificates."),
};
static TABLE(tls_table, tls_rows, S);
#undef S

#define S struct config_server
/* A macro and not a table: the two servers differ in port, `enable` and flags only. */
#define SERVER_ROWS(port_)                                                                                   \
    ROW(STRING, "http_listen_network", http_listen_network, "http-listen-network", "tcp",                    \
        "tcp, tcp4 or tcp6."),                                                                               \
        ROW(STRING, "http_listen_address", http_listen_address, "http-listen-address", NULL,                 \
            "Address of the HTTP port; empty: all."),                                                        \
        ROW(PORT, "http_listen_port", http_listen_port, "http-listen-port", port_,                           \
            "HTTP port: API, streaming gRPC, /metrics."),                                                    \
        ROW(UINT, "http_listen_conn_limit", http_listen_conn_limit, "http-conn-limit", "0",                  \
            "Connections at once; 0: the built-in bound."),                                                  \
        ROW(STRING, "grpc_listen_network", grpc_listen_network, "grpc-listen-network", "tcp",                \
            "tcp, tcp4 or tcp6."),                                                                           \
        ROW(STRING, "grpc_listen_address", grpc_listen_address, "grpc-listen-address", NULL,                 \
            "Address of the gRPC port; empty: all."),                                                        \
        ROW(PORT, "grpc_listen_port", grpc_listen_port, "grpc-listen-port", "9095", "gRPC port."),           \
        ROW(UINT, "grpc_listen_conn_limit", grpc_listen_conn_limit, "grpc-conn-limit", "0",                  \
            "Connections at once; 0: the built-in bound."),                                                  \
        SECTION("http_tls_config", http_tls, "http-tls", tls_table, "TLS of the HTTP port."),                \
        SECTION("grpc_tls_config", grpc_tls, "grpc-tls", tls_table, "TLS of the gRPC port."),                \
        ROW(STRING, "tls_min_version", tls_min_version, "tls-min-version", NULL,                             \
            "VersionTLS12 (also when empty) or VersionTLS13."),                                              \
        ROW(STRING, "tls_cipher_suites", tls_cipher_suites, "tls-cipher-suites", NULL,                       \
            "Comma-separated names; empty: the library's."),                                                 \
        ROW(BOOL, "register_instrumentation", register_instrumentation, "register-instrumentation", "true",  \
            "Serve /metrics."),                                                                              \
        ROW(DURATION, "graceful_shutdown_timeout", graceful_shutdown_timeout_ns,                             \
            "graceful-shutdown-timeout", "30s", "How long requests under way may take at the end."),         \
        ROW(DURATION, "http_server_read_timeout", http_server_read_timeout_ns, "http-read-timeout", "30s",   \
            "To read a whole request."),                                                                     \
        ROW(DURATION, "http_server_read_header_timeout", http_server_read_header_timeout_ns,                 \
            "http-read-header-timeout", "0s", "To read a request's headers; 0: the read timeout."),          \
        ROW(DURATION, "http_server_write_timeout", http_server_write_timeout_ns, "http-write-timeout",       \
            "30s", "To write an answer."),                                                                   \
        ROW(DURATION, "http_server_idle_timeout", http_server_idle_timeout_ns, "http-idle-timeout", "2m0s",  \
            "Between requests of a connection."),                                                            \
        ROW(UINT, "grpc_server_max_recv_msg_size", grpc_server_max_recv_msg_size,                            \
            "grpc-max-recv-msg-size-bytes", "16777216", "Bytes of a received message."),                     \
        ROW(UINT, "grpc_server_max_send_msg_size", grpc_server_max_send_msg_size,                            \
            "grpc-max-send-msg-size-bytes", "16777216", "Bytes of a sent message."),                         \
        ROW(UINT, "grpc_server_max_concurrent_streams", grpc_server_max_concurrent_streams,                  \
            "grpc-max-concurrent-streams", "100", "Streams of a connection; 0: unlimited."),                 \
        ROW(DURATION, "grpc_server_max_connection_idle", grpc_server_max_connection_idle_ns,                 \
            "grpc.keepalive.max-connection-idle", "2562047h47m16.854775807s",                                \
            "Close an idle connection after this."),                                                         \
        ROW(DURATION, "grpc_server_max_connection_age", grpc_server_max_connection_age_ns,                   \
            "grpc.keepalive.max-connection-age", "2562047h47m16.854775807s",                                 \
            "Close a connection after this."),                                                               \
        ROW(DURATION, "grpc_server_max_connection_age_grace", grpc_server_max_connection_age_grace_ns,       \
            "grpc.keepalive.max-connection-age-grace", "2562047h47m16.854775807s",                           \
            "Time its streams get then."),                                                                   \
        ROW(DURATION, "grpc_server_keepalive_time", grpc_server_keepalive_time_ns, "grpc.keepalive.time",    \
            "2h0m0s", "Ping an idle connection after this."),                                                \
        ROW(DURATION, "grpc_server_keepalive_timeout", grpc_server_keepalive_timeout_ns,                     \
            "grpc.keepalive.timeout", "20s", "Close it when no answer comes within this."),                  \
        ROW(DURATION, "grpc_server_min_time_between_pings", grpc_server_min_time_between_pings_ns,           \
            "grpc.keepalive.min-time-between-pings", "10s", "Clients that ping faster are cut off."),        \
        ROW(BOOL, "grpc_server_ping_without_stream_allowed", grpc_server_ping_without_stream_allowed,        \
            "grpc.keepalive.ping-without-stream-allowed", "true", "Clients may ping without a stream."),     \
        ROW_ENUM("log_format", log_format, "logfmt|json", "/log.format", "logfmt", "Form of log lines."),    \
        ROW_ENUM("log_level", log_level, "debug|info|warn|error", "/log.level", "info",                      \
                 "Least level that is logged."),                                                             \
        ROW(BOOL, "log_request_at_info_level_enabled", log_request_at_info_level_enabled,                    \
            "log-request-at-info-level-enabled", "false", "Log each request at info, not debug."),           \
        ROW(STRING, "http_path_prefix", http_path_prefix, "path-prefix", NULL,                               \
            "Put before every path of the HTTP port."),                                                      \
        IGNORED("grpc_collect_max_streams_by_conn", "grpc-collect-max-streams-by-conn", "One gauge less."),  \
        IGNORED("proxy_protocol_enabled", "proxy-protocol-enabled", "PROXY headers are not read."),          \
        IGNORED("report_grpc_codes_in_instrumentation_label_enabled",                                        \
                "report-grpc-codes-in-instrumentation-label-enabled", "Labels are Tempo's defaults."),       \
        IGNORED("http_log_closed_connections_without_response_enabled",                                      \
                "http-log-closed-connections-without-response-enabled", "Not logged."),                      \
        IGNORED("grpc_server_num_workers", "grpc-server-num-workers",                                        \
                "Loops and workers are ours: server.loops, vivace.workers."),                                \
        IGNORED("grpc_server_stats_tracking_enabled", "grpc-server-stats-tracking-enabled",                  \
                "Always counted."),                                                                          \
        IGNORED("grpc_server_recv_buffer_pools_enabled", "grpc-server-recv-buffer-pools-enabled",            \
                "Buffers are ours."),                                                                        \
        IGNORED("grpc_server_read_buffer_size", "grpc-server-read-buffer-size", "Buffers are ours."),        \
        IGNORED("grpc_server_write_buffer_size", "grpc-server-write-buffer-size", "Buffers are ours."),      \
        IGNORED("log_source_ips_enabled", "log-source-ips-enabled", "Not logged."),                          \
        IGNORED("log_source_ips_full", "log-source-ips-full", "Not logged."),                                \
        IGNORED("log_source_ips_header", "log-source-ips-header", "Not logged."),                            \
        IGNORED("log_source_ips_regex", "log-source-ips-regex", "Not logged."),                              \
        IGNORED("log_request_headers", "log-request-headers", "Headers are never logged."),                  \
        IGNORED("log_request_exclude_headers_list", "log-request-exclude-headers-list",                      \
                "Headers are never logged."),                                                                \
        IGNORED("trace_request_headers", "trace-request-headers", "No traces of our own."),                  \
        IGNORED("trace_request_exclude_headers_list", "trace-request-exclude-headers-list",                  \
                "No traces of our own."),                                                                    \
        IGNORED("create_new_traces", NULL, "No traces of our own."),                                         \
        IGNORED("cluster_validation", NULL, "One process, no cluster.")

static const struct field server_rows[] = {
    SERVER_ROWS("3200"),
    ROW(UINT, "loops", loops, "loops", "0",
        "Vivace: event loops that own connections; 0: chosen from the cores."),
};
TABLE(table_server, server_rows, S);

static const struct field internal_rows[] = {
    ROW(BOOL, "enable", enable, NULL, "false", "Serve /ready and /metrics on a port of their own."),
    SERVER_ROWS("3101"),
};
TABLE(table_internal_server, internal_rows, S);
#undef S
