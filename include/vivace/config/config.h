/* The configuration: one tree of plain values, read from defaults, then a Tempo YAML file, then flags.
 *
 * Everything a user can set is a row of the tables in src/config/table_*.c; this struct is what the rows
 * fill. Tempo 2.x and 3.0 names of one setting fill the same member (ingester.trace_idle_period is
 * live_store.max_trace_idle; compactor.compaction is backend_worker.compaction). Members are named as in
 * YAML; durations end in _ns.
 *
 * Ownership: every string, list and map lives in the config's arena and dies with config_destroy. Strings
 * are NUL-terminated and never NULL ("" when not set); a list's `v` is NULL when `n` is 0.
 * Threads: immutable once loaded, so any thread may read.
 * Limits: file size, nodes, depth and messages are bounded (constants below).
 * Source: spec of Tempo 2.10 and 3.0 configuration; receivers as the OpenTelemetry collector reads them.
 */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/base/buf.h"

#define CONFIG_FILE_MAX     ((size_t)4 << 20) /* bytes of a file, also after ${VAR} expansion */
#define CONFIG_NODES_MAX    200000            /* YAML nodes of a file, aliases and merges counted as copies */
#define CONFIG_DEPTH_MAX    48                /* nesting of maps and lists */
#define CONFIG_MESSAGES_MAX 200               /* messages kept in a report; the rest is counted */
#define CONFIG_FLAGS_MAX    256               /* flags on a command line */

struct config_strings {
    const char **v;
    size_t n;
};

struct config_floats {
    double *v;
    size_t n;
};

struct config_pair {
    const char *key, *value;
};

struct config_map {
    struct config_pair *v; /* in file order */
    size_t n;
};

/* A bool that may be left open (then another setting decides). Zero is open. */
enum config_tri { CONFIG_UNSET, CONFIG_FALSE, CONFIG_TRUE };

/* A YAML scalar with its own type. */
enum config_scalar_kind {
    CONFIG_SCALAR_NULL,
    CONFIG_SCALAR_STRING,
    CONFIG_SCALAR_INT,
    CONFIG_SCALAR_FLOAT,
    CONFIG_SCALAR_BOOL
};
struct config_scalar {
    enum config_scalar_kind kind;
    const char *text; /* as written, never NULL */
    int64_t i;
    double d;
    bool b;
};

/* --- TLS ------------------------------------------------------------------------------------------------ */

/* Values of config_tls.client_auth, in the order of net's enum tls_client_auth. */
enum config_client_auth {
    CONFIG_AUTH_NONE,
    CONFIG_AUTH_REQUEST,
    CONFIG_AUTH_REQUIRE_ANY,
    CONFIG_AUTH_VERIFY_IF_GIVEN,
    CONFIG_AUTH_REQUIRE_AND_VERIFY
};

struct config_tls { /* a listener's */
    const char *cert_file, *cert_pem, *key_file, *key_pem;
    const char *client_ca_file, *client_ca_pem;
    int client_auth;                       /* enum config_client_auth */
    const char *min_version, *max_version; /* "1.2", "VersionTLS12"; "" = 1.2 / newest */
    struct config_strings cipher_suites, curve_preferences;
    int64_t reload_interval_ns;
};

struct config_tls_client {
    const char *ca_file, *cert_file, *key_file, *server_name, *min_version;
    bool insecure_skip_verify;
};

/* --- server, internal_server ---------------------------------------------------------------------------- */

struct config_server {
    bool enable;                   /* internal_server only; the main server is always on */
    bool register_instrumentation; /* /metrics and profiling */
    bool grpc_server_ping_without_stream_allowed, log_request_at_info_level_enabled;
    uint16_t http_listen_port, grpc_listen_port;
    int log_format; /* enum log_format */
    int log_level;  /* enum log_level */
    const char *http_listen_network, *http_listen_address, *grpc_listen_network, *grpc_listen_address;
    const char *http_path_prefix;                    /* "" or "/x": no trailing slash */
    const char *tls_min_version, *tls_cipher_suites; /* as written; already copied into both below */
    struct config_tls http_tls, grpc_tls;
    uint64_t http_listen_conn_limit, grpc_listen_conn_limit; /* 0 = the built-in bound */
    int64_t graceful_shutdown_timeout_ns;
    int64_t http_server_read_timeout_ns, http_server_read_header_timeout_ns, http_server_write_timeout_ns,
        http_server_idle_timeout_ns;
    uint64_t grpc_server_max_recv_msg_size, grpc_server_max_send_msg_size, grpc_server_max_concurrent_streams;
    int64_t grpc_server_max_connection_idle_ns, grpc_server_max_connection_age_ns,
        grpc_server_max_connection_age_grace_ns, grpc_server_keepalive_time_ns,
        grpc_server_keepalive_timeout_ns, grpc_server_min_time_between_pings_ns;
    uint64_t loops; /* event loops; 0 = chosen from the cores */
};

/* --- receivers -------------------------------------------------------------------------------------------
 */

enum config_receiver_kind {
    RECEIVER_OTLP_GRPC,
    RECEIVER_OTLP_HTTP,
    RECEIVER_ZIPKIN,
    RECEIVER_JAEGER_GRPC,
    RECEIVER_JAEGER_THRIFT_HTTP,
    RECEIVER_JAEGER_THRIFT_COMPACT,
    RECEIVER_JAEGER_THRIFT_BINARY,
    RECEIVER_KIND_COUNT
};

#define CONFIG_RECEIVERS_MAX 32 /* listening receivers of one process */

/* One listening receiver. Members that its kind does not have keep their zero value. */
struct config_receiver {
    enum config_receiver_kind kind;
    const char *name;      /* as in YAML: "otlp", "otlp/second" */
    const char *endpoint;  /* "host:port", ":port", "[v6]:port", or a path when transport is unix */
    const char *transport; /* "tcp", "tcp4", "tcp6", "unix"; "udp" for the UDP kinds */
    struct config_tls tls;
    /* HTTP kinds */
    struct config_strings cors_allowed_origins, cors_allowed_headers;
    uint64_t cors_max_age; /* seconds */
    uint64_t max_request_body_size;
    struct config_map response_headers;
    struct config_strings compression_algorithms; /* empty = all we know */
    int64_t read_timeout_ns, read_header_timeout_ns, write_timeout_ns, idle_timeout_ns;
    bool keep_alives_enabled;
    const char *traces_url_path; /* otlp http */
    bool parse_string_tags;      /* zipkin */
    /* gRPC kinds */
    uint64_t max_recv_msg_size_mib, max_concurrent_streams, read_buffer_size, write_buffer_size;
    int64_t max_connection_idle_ns, max_connection_age_ns, max_connection_age_grace_ns, keepalive_time_ns,
        keepalive_timeout_ns, keepalive_min_time_ns;
    bool keepalive_permit_without_stream;
    /* UDP kinds */
    uint64_t queue_size, max_packet_size, workers, socket_buffer_size;
};

struct config_receivers {
    struct config_receiver *v;
    size_t n;
};

struct config_log_spans {
    bool enabled, include_all_attributes, filter_by_status_error;
};

struct config_distributor {
    struct config_receivers receivers; /* what listens: defaults already filled in when none was given */
    struct config_log_spans log_received_spans, log_discarded_spans;
    bool metric_received_spans_enabled, metric_received_spans_root_only;
    int64_t retry_after_on_resource_exhausted_ns; /* 0 = no RetryInfo */
    uint64_t max_attribute_bytes;                 /* 0 = no truncation */
    int64_t artificial_delay_ns;
    bool cost_attribution_enabled;
};

/* --- write path, storage ----------------------------------------------------------------------------------
 */

struct config_ingester {
    int64_t trace_idle_period_ns, trace_live_period_ns, flush_check_period_ns, max_block_duration_ns;
    uint64_t max_block_bytes;
    uint64_t concurrent_flushes;
    int64_t complete_block_timeout_ns;
    uint64_t max_live_traces_bytes; /* without effect: vivace.memory_limit bounds the index of live data */
    bool flush_all_on_shutdown;
};

struct config_compactor {
    bool disabled;
    int64_t compaction_window_ns, block_retention_ns, compacted_block_retention_ns, compaction_cycle_ns,
        max_time_per_tenant_ns;
    uint64_t max_compaction_objects, max_block_bytes, retention_concurrency;
};

struct config_s3 {
    const char *bucket, *prefix, *endpoint, *region, *access_key, *secret_key, *session_token;
    bool insecure, forcepathstyle, enable_dual_stack;
    uint64_t bucket_lookup_type; /* 0 auto, 1 dns, 2 path */
    uint64_t part_size;
    int64_t hedge_requests_at_ns;
    uint64_t hedge_requests_up_to;
    uint64_t retry_max_attempts, list_blocks_concurrency;
    int64_t retry_backoff_initial_ns, retry_backoff_max_ns;
    struct config_map tags, metadata;
    const char *storage_class;
    const char *sse_type, *sse_kms_key_id, *sse_kms_encryption_context, *sse_encryption_key;
    struct config_tls_client tls;
};

enum config_backend { CONFIG_BACKEND_LOCAL, CONFIG_BACKEND_S3, CONFIG_BACKEND_GCS, CONFIG_BACKEND_AZURE };

struct config_storage {
    int backend; /* enum config_backend */
    const char *local_path, *wal_path;
    struct config_s3 s3;
    int64_t blocklist_poll_ns;
    uint64_t blocklist_poll_concurrency;
    uint64_t pool_max_workers, pool_queue_depth;
    bool empty_tenant_deletion_enabled;
    int64_t empty_tenant_deletion_age_ns;
};

/* --- queries
 * ------------------------------------------------------------------------------------------------ */

struct config_slo {
    int64_t duration_slo_ns;
    double throughput_bytes_slo;
};

struct config_query_frontend {
    uint64_t max_outstanding_per_tenant, max_retries, max_query_expression_size_bytes;
    uint64_t max_grpc_streaming_packet_size; /* 0 = never split */
    const char *log_query_request_headers;   /* comma-separated */
    int64_t api_timeout_ns;                  /* 0 = none */
    struct config_strings url_deny_list;
    int64_t query_end_cutoff_ns; /* 0: spans are searchable at once */
    bool multi_tenant_queries_enabled, mcp_server_enabled;
    struct {
        uint64_t concurrent_jobs, default_result_limit, max_result_limit, default_spans_per_span_set,
            max_spans_per_span_set;
        int64_t max_duration_ns, query_backend_after_ns, timeout_ns;
        struct config_slo slo, metadata_slo;
    } search;
    struct {
        struct config_slo slo;
    } trace_by_id;
    struct {
        uint64_t max_exemplars, max_response_series, max_intervals;
        int64_t max_duration_ns;
        struct config_slo slo;
    } metrics;
};

struct config_querier {
    int64_t search_query_timeout_ns, trace_by_id_query_timeout_ns;
    uint64_t max_concurrent_queries;
};

/* --- metrics generator
 * -------------------------------------------------------------------------------------- */

struct config_filter_attribute {
    const char *key;
    struct config_scalar value;
};

struct config_filter_match {
    int match_type; /* 0 strict, 1 regex */
    struct {
        struct config_filter_attribute *v;
        size_t n;
    } attributes; /* n == 0: this block is absent */
};

struct config_filter_policy {
    struct config_filter_match include, include_any, exclude;
};

struct config_filter_policies {
    struct config_filter_policy *v;
    size_t n;
};

struct config_dimension_mapping {
    const char *name;
    struct config_strings source_labels;
    const char *join;
};

/* Processor settings. In overrides an empty list, "" or CONFIG_UNSET means: the component's value. */
struct config_service_graphs {
    int64_t wait_ns;
    uint64_t max_items, workers;
    struct config_floats histogram_buckets;
    struct config_strings dimensions, peer_attributes, database_name_attributes;
    int enable_client_server_prefix, enable_messaging_system_latency_histogram, enable_virtual_node_label,
        enable_tracestate_span_multiplier; /* enum config_tri */
    const char *span_multiplier_key;
    struct config_filter_policies filter_policies;
};

struct config_span_metrics {
    struct config_floats histogram_buckets;
    struct {
        int service, span_name, span_kind, status_code, status_message; /* enum config_tri */
    } intrinsic_dimensions;
    struct config_strings dimensions, target_info_excluded_dimensions;
    struct {
        struct config_dimension_mapping *v;
        size_t n;
    } dimension_mappings;
    int enable_target_info, enable_instance_label, enable_tracestate_span_multiplier; /* enum config_tri */
    const char *span_multiplier_key;
    struct config_filter_policies filter_policies;
};

struct config_host_info {
    struct config_strings host_identifiers;
    const char *metric_name;
};

struct config_processors {
    struct config_service_graphs service_graphs;
    struct config_span_metrics span_metrics;
    struct config_host_info host_info;
};

struct config_relabel {
    struct config_strings source_labels;
    const char *separator, *regex, *target_label, *replacement, *action;
    uint64_t modulus;
};

struct config_remote_write {
    const char *url, *name;
    int64_t remote_timeout_ns;
    struct config_map headers;
    bool send_exemplars, send_native_histograms;
    struct {
        const char *username, *username_file, *password, *password_file;
    } basic_auth;
    struct {
        const char *type, *credentials, *credentials_file;
    } authorization;
    const char *bearer_token, *bearer_token_file;
    struct config_tls_client tls;
    struct {
        struct config_relabel *v;
        size_t n;
    } write_relabel_configs;
    struct {
        uint64_t capacity, max_shards, max_samples_per_send;
        int64_t batch_send_deadline_ns, min_backoff_ns, max_backoff_ns;
        bool retry_on_http_429;
    } queue;
};

struct config_metrics_generator {
    const char *storage_path; /* "": the generator is off */
    struct {
        struct config_remote_write *v;
        size_t n;
    } remote_write;
    bool remote_write_add_org_id_header;
    int64_t remote_write_flush_deadline_ns;
    int64_t collection_interval_ns, stale_duration_ns;
    struct config_map external_labels;
    const char *inject_tenant_id_as;
    uint64_t max_label_name_length, max_label_value_length;
    int64_t metrics_ingestion_time_range_slack_ns;
    int limiter_type; /* 0 series, 1 entity */
    struct config_processors processor;
};

/* --- overrides
 * ------------------------------------------------------------------------------------------------ */

enum config_native_histograms {
    CONFIG_HISTOGRAMS_UNSET,
    CONFIG_HISTOGRAMS_CLASSIC,
    CONFIG_HISTOGRAMS_NATIVE,
    CONFIG_HISTOGRAMS_BOTH
};

/* One tenant's limits. 0 means unlimited or "the component's setting", as each line says. */
struct tenant_limits {
    struct {
        int rate_strategy; /* 0 local, 1 global */
        uint64_t rate_limit_bytes, burst_size_bytes;
        uint64_t max_traces_per_user;        /* 0 = unlimited */
        uint64_t max_global_traces_per_user; /* 0 = unlimited */
        uint64_t max_attribute_bytes;        /* 0 = distributor.max_attribute_bytes */
        int64_t artificial_delay_ns;
        bool retry_info_enabled;
    } ingestion;
    struct {
        uint64_t max_bytes_per_tag_values_query, max_blocks_per_tag_values_query,
            max_condition_groups_per_tag_query; /* 0 = unlimited */
        int64_t max_search_duration_ns;         /* 0 = query_frontend.search.max_duration */
        int64_t max_metrics_duration_ns;        /* 0 = query_frontend.metrics.max_duration */
        bool unsafe_query_hints, left_pad_trace_ids;
    } read;
    struct {
        int64_t block_retention_ns, compaction_window_ns; /* 0 = compactor's */
        bool compaction_disabled;
    } compaction;
    struct {
        struct config_strings processors;
        uint64_t max_active_series, max_active_entities; /* 0 = unlimited */
        int64_t collection_interval_ns;                  /* 0 = the registry's */
        bool disable_collection;
        int generate_native_histograms; /* enum config_native_histograms */
        const char *trace_id_label_name;
        struct config_map remote_write_headers;
        struct config_processors processor;
        int64_t ingestion_time_range_slack_ns; /* 0 = the generator's */
        double native_histogram_bucket_factor;
        uint64_t native_histogram_max_bucket_number;
        int64_t native_histogram_min_reset_duration_ns;
        const char *span_name_sanitization; /* "", "disabled", "dry_run", "enabled" */
        uint64_t max_cardinality_per_label;
    } metrics_generator;
    struct {
        uint64_t max_bytes_per_trace; /* 0 = unlimited */
    } global;
};

struct config_overrides {
    struct tenant_limits defaults;
    const char *per_tenant_override_config; /* path or "" */
    int64_t per_tenant_override_period_ns;
};

/* --- vivace
 * ----------------------------------------------------------------------------------------------------- */

/* In the order of wal's enum wal_sync. */
enum config_wal_sync { CONFIG_WAL_SYNC_INTERVAL, CONFIG_WAL_SYNC_ALWAYS, CONFIG_WAL_SYNC_NONE };

struct config_vivace {
    int wal_sync; /* enum config_wal_sync */
    int64_t wal_sync_interval_ns;
    uint64_t memory_limit;    /* bytes; 0 = config_memory_limit decides */
    uint64_t workers;         /* worker threads; 0 = the cores */
    uint64_t retention_bytes; /* per process, on top of the time; 0 = none */
};

struct config {
    const char *target;
    bool multitenancy_enabled, stream_over_http_enabled;
    const char *http_api_prefix; /* "" or "/tempo": no trailing slash */
    int64_t shutdown_delay_ns;
    struct config_server server, internal_server;
    struct config_distributor distributor;
    struct config_ingester ingester;
    struct config_compactor compactor;
    struct config_storage storage;
    struct config_query_frontend query_frontend;
    struct config_querier querier;
    struct config_metrics_generator metrics_generator;
    struct config_overrides overrides;
    struct config_vivace vivace;
    bool expand_env; /* -config.expand-env: the per-tenant file is expanded too */
    struct arena arena;
};

/* --- messages
 * ----------------------------------------------------------------------------------------------------- */

enum config_severity {
    CONFIG_IGNORED, /* known to Tempo, means nothing here: one notice at start */
    CONFIG_WARNING, /* unknown key and the like; the server starts */
    CONFIG_ERROR,   /* the server must not start */
};

struct config_message {
    enum config_severity severity;
    int line, column; /* from 1; 0 = no place in a file */
    const char *text; /* whole line: `tempo.yaml:17:3: unknown key "bogus" (ignored)` */
    const char *path; /* dotted key for CONFIG_IGNORED, else "" */
};

/* What loading had to say, in file order. Caller's storage. */
struct config_report {
    struct arena arena;
    struct config_message *v;
    size_t n, cap;
    size_t errors, warnings, ignored; /* all of them, also those past CONFIG_MESSAGES_MAX */
};

void config_report_init(struct config_report *r);
void config_report_fini(struct config_report *r);
/* Errors and warnings, one line each, and one line that names what was ignored. For -config.verify and a
 * start that fails. */
void config_report_write(const struct config_report *r, struct buf *out);

/* --- command line
 * ----------------------------------------------------------------------------------------------- */

struct config_flag {
    const char *name, *value; /* point into argv or literals */
};

struct config_args {
    const char *file; /* -config.file, "" when not given */
    bool expand_env;  /* -config.expand-env */
    bool verify;      /* -config.verify: load, report, exit 0 (nothing to say but ignored keys) or 1 */
    bool version, health, help;
    const char *health_url;                     /* -health.url */
    struct config_flag flags[CONFIG_FLAGS_MAX]; /* those that set a key, in order */
    size_t flag_count;
    struct config_flag ignored[CONFIG_FLAGS_MAX]; /* Tempo's flags that mean nothing here */
    size_t ignored_count;
};

/* Go's flag syntax. ERR_INVALID: the fault's message is Go's (`flag provided but not defined: -x`); print it
 * and config_write_usage to stderr and exit 2. `ret` points into argv. */
CHECKED err config_parse_args(int argc, char *const *argv, struct fault *f, struct config_args *ret);
/* One line per flag, with type, meaning and default. */
void config_write_usage(struct buf *out);

/* --- loading
 * ------------------------------------------------------------------------------------------------------ */

/* Defaults < file < flags, then checks. What was found goes to `report` in every case.
 * ERR_NOT_FOUND / ERR_IO: the file cannot be read (fault: `failed parsing config: failed to read configFile
 * …`); ERR_INVALID: the report has errors (fault: the first one). Destroy the result with config_destroy. */
CHECKED err config_load(const struct config_args *args, struct config_report *report, struct fault *f,
                        struct config **ret);
/* The same from memory; `name` is what messages call the file. */
CHECKED err config_load_text(slice text, const char *name, const struct config_args *args,
                             struct config_report *report, struct fault *f, struct config **ret);
void config_destroy(struct config *c);

/* The first receiver of this kind, or NULL. */
const struct config_receiver *config_receiver_find(const struct config *c, enum config_receiver_kind kind);
/* "grpc", "http", "thrift_compact", …; "zipkin" has no protocol and gives "". */
const char *config_receiver_protocol(enum config_receiver_kind kind);
/* A certificate and a key are given. */
bool config_tls_is_on(const struct config_tls *t);

/* Bytes for the process: vivace.memory_limit, or 40 % of the smallest of cgroup limit (v2, v1) and RAM. */
uint64_t config_memory_limit(const struct config *c);
/* The smallest of cgroup limit and RAM in bytes; `root` is put before /proc and /sys ("" in production). 0 =
 * unknown. */
uint64_t config_memory_detect(const char *root);

/* --- writing
 * ------------------------------------------------------------------------------------------------------- */

enum config_write_mode { CONFIG_WRITE_CURRENT, CONFIG_WRITE_DIFF, CONFIG_WRITE_DEFAULTS };

/* YAML as /status/config shows it, without the leading "---"; secrets read <secret>. Diff has only what is
 * not the default ("{}\n" when nothing). */
void config_write_yaml(const struct config *c, enum config_write_mode mode, struct buf *out);
/* YAML that the writers here make (block style, no anchors), as JSON. */
void config_yaml_to_json(slice yaml, struct buf *out);
/* One tenant's limits in the same form, indented by `indent` spaces. For /status/runtime_config. */
void config_write_limits(const struct tenant_limits *l, int indent, struct buf *out);
/* docs/config.md. */
void config_write_docs(struct buf *out);
/* config/vivace.yaml. */
void config_write_example(struct buf *out);
