#include "receiver_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/net/tls_config.h"

#define GRPC_MESSAGE_DEFAULT ((size_t)4 << 20) /* when max_recv_msg_size_mib is 0 */

static const struct grpc_service *const otlp_grpc_services[] = {&otlp_grpc_service, NULL};
static const struct grpc_service *const jaeger_grpc_services[] = {&jaeger_grpc_service, NULL};

/* What serves each kind: gRPC services, an HTTP handler, or neither, which is UDP. */
static const struct kind {
    const char *name; /* the listener's, in metrics */
    const struct grpc_service *const *grpc;
    http_handler http;
} kinds[RECEIVER_KIND_COUNT] = {
    [RECEIVER_OTLP_GRPC] = {"otlp_grpc", .grpc = otlp_grpc_services},
    [RECEIVER_OTLP_HTTP] = {"otlp_http", .http = otlp_http_handle},
    [RECEIVER_ZIPKIN] = {"zipkin", .http = zipkin_handle},
    [RECEIVER_JAEGER_GRPC] = {"jaeger_grpc", .grpc = jaeger_grpc_services},
    [RECEIVER_JAEGER_THRIFT_HTTP] = {"jaeger_thrift_http", .http = jaeger_http_handle},
    [RECEIVER_JAEGER_THRIFT_COMPACT] = {.name = "jaeger_thrift_compact"},
    [RECEIVER_JAEGER_THRIFT_BINARY] = {.name = "jaeger_thrift_binary"},
};

static const struct kind *
kind_of(const struct receiver *rx)
{
    return &kinds[rx->config->kind];
}

static uint64_t
ms_of(int64_t ns)
{
    return ns > 0 ? (uint64_t)(ns / NS_PER_MS) : 0;
}

static void
fill_grpc(const struct config_receiver *c, struct http_listener_options *o)
{
    o->allow_h2c = true;
    o->grpc_message_max =
        c->max_recv_msg_size_mib ? (size_t)c->max_recv_msg_size_mib << 20 : GRPC_MESSAGE_DEFAULT;
    o->limits.body_max = o->grpc_message_max;
    o->limits.streams_max = (uint32_t)c->max_concurrent_streams;
    o->limits.idle_timeout_ms = 0; /* gRPC connections stay: keepalive decides */
    o->keepalive = (struct h2_keepalive){
        .time_ms = ms_of(c->keepalive_time_ns),
        .timeout_ms = ms_of(c->keepalive_timeout_ns),
        .max_idle_ms = ms_of(c->max_connection_idle_ns),
        .max_age_ms = ms_of(c->max_connection_age_ns),
        .max_age_grace_ms = ms_of(c->max_connection_age_grace_ns),
        .min_ping_interval_ms = ms_of(c->keepalive_min_time_ns),
        .ping_without_stream = c->keepalive_permit_without_stream,
    };
}

static void
fill_http(const struct config_receiver *c, struct http_listener_options *o)
{
    o->allow_http1 = true;
    o->keep_alive = c->keep_alives_enabled;
    o->limits.body_max = (size_t)c->max_request_body_size;
    if (c->read_header_timeout_ns > 0) {
        o->limits.header_timeout_ms = ms_of(c->read_header_timeout_ns);
    }
    if (c->read_timeout_ns > 0 || c->write_timeout_ns > 0) {
        int64_t longer = c->read_timeout_ns > c->write_timeout_ns ? c->read_timeout_ns : c->write_timeout_ns;
        o->limits.body_timeout_ms = ms_of(longer);
    }
    if (c->idle_timeout_ns > 0) {
        o->limits.idle_timeout_ms = ms_of(c->idle_timeout_ns);
    }
}

static err
http_receiver_listen(struct receiver *rx, struct fault *f)
{
    const struct receivers_options *all = &rx->all->o;
    const struct kind *kind = kind_of(rx);
    bool is_grpc = kind->grpc != NULL;
    struct http_listener_options o = {
        .name = kind->name,
        .grpc = kind->grpc,
        .handler = kind->http,
        .network = rx->config->transport,
        .address = rx->config->endpoint,
        .loops = all->loops,
        .loop_count = all->loop_count,
        .budget = all->net_budget,
        .handler_ctx = rx,
        .grpc_ctx = rx,
    };
    err rc = OK;
    struct tls_config_options tls = {
        .tls = &rx->config->tls, .min_version = "", .cipher_suites = "", .h2 = true, .http1 = !is_grpc};
    http_limits_default(&o.limits);
    TRY(tls_context_from_config(&tls, f, &rx->tls));
    o.tls = rx->tls;
    if (is_grpc) {
        fill_grpc(rx->config, &o);
    } else {
        fill_http(rx->config, &o);
    }
    TRY(http_listen(&o, f, &rx->listener));
    LOG_I(is_grpc ? "Starting GRPC server" : "Starting HTTP server", LOG_CSTR("component", rx->config->name),
          LOG_CSTR("endpoint", rx->config->endpoint));
out:
    return rc;
}

static err
receiver_listen(struct receiver *rx, struct fault *f)
{
    if (kind_of(rx)->grpc != NULL || kind_of(rx)->http != NULL) {
        return http_receiver_listen(rx, f);
    }
    err rc = jaeger_udp_open(rx, f, &rx->udp);
    if (rc == OK) {
        LOG_I("Starting UDP server", LOG_CSTR("component", rx->config->name),
              LOG_CSTR("endpoint", rx->config->endpoint));
    }
    return rc;
}

err
receivers_start(const struct receivers_options *o, struct fault *f, struct receivers **ret)
{
    const struct config_receivers *config = &o->config->distributor.receivers;
    struct receivers *r = mem_new(struct receivers);
    err rc = OK;
    r->o = *o;
    r->list = mem_new_array(struct receiver, config->n);
    scratch_pool_init(&r->scratch, (size_t)pool_threads(o->pool));
    for (size_t i = 0; i < config->n; i++) {
        const struct config_receiver *c = &config->v[i];
        struct receiver *rx = &r->list[r->count++];
        rx->all = r;
        rx->config = c;
        rc = receiver_listen(rx, f);
        if (rc != OK) {
            fault_prefix(f, "receiver %s", c->name);
            break;
        }
    }
    if (rc != OK) {
        receivers_drain(r);
        receivers_close(r, 0);
        receivers_destroy(r); /* nothing was served yet that a worker could hold */
        return rc;
    }
    *ret = r;
    return OK;
}

void
receivers_drain(struct receivers *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->list[i].listener) {
            http_listener_drain(r->list[i].listener);
        }
        jaeger_udp_close(r->list[i].udp);
    }
}

void
receivers_close(struct receivers *r, uint64_t timeout_ms)
{
    int64_t until = clock_mono_ns() + (int64_t)timeout_ms * NS_PER_MS;
    for (size_t i = 0; i < r->count; i++) {
        int64_t left = until - clock_mono_ns();
        if (r->list[i].listener) {
            http_listener_close(r->list[i].listener, left > 0 ? (uint64_t)(left / NS_PER_MS) : 0);
            r->list[i].listener = NULL;
        }
    }
}

void
receivers_destroy(struct receivers *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t i = 0; i < r->count; i++) {
        tls_context_destroy(r->list[i].tls);
        jaeger_udp_destroy(r->list[i].udp);
    }
    scratch_pool_fini(&r->scratch);
    mem_free(r->list);
    mem_free(r);
}

void
receivers_reload_tls(struct receivers *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct fault f = {0};
        if (r->list[i].tls && tls_context_reload(r->list[i].tls, &f) != OK) {
            LOG_E("certificate not reloaded, the old one stays",
                  LOG_CSTR("receiver", r->list[i].config->name), LOG_FAULT(&f));
        }
    }
}

size_t
receivers_count(const struct receivers *r)
{
    return r->count;
}

int
receivers_port(const struct receivers *r, size_t i)
{
    const struct receiver *rx = &r->list[i];
    return rx->udp ? jaeger_udp_port(rx->udp) : rx->listener ? http_listener_port(rx->listener) : 0;
}
