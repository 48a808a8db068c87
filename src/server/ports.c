/* The API's listeners: HTTP on 3200 (also h2c and gRPC), gRPC on 9095, the internal server on 3101. */
#include "server.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/net/grpc.h"
#include "vivace/net/tls_config.h"

#include <stdio.h>

#define ADDRESS_MAX    512
#define API_HEADER_MAX ((size_t)512 << 10) /* a query of 128 KiB, each byte as %XX, and headers */
#define API_BODY_MAX   ((size_t)4 << 20)   /* queries ignore bodies; larger ones are not even read */

static const struct grpc_service *const api_services[] = {&grpc_health, &frontend_streaming, NULL};

static uint64_t
ms_of(int64_t ns)
{
    return ns > 0 ? (uint64_t)(ns / NS_PER_MS) : 0;
}

/* "host:port", with brackets around IPv6. */
static void
format_address(const char *host, int port, char ret[ADDRESS_MAX])
{
    bool v6 = strchr(host, ':') != NULL && host[0] != '[';
    snprintf(ret, ADDRESS_MAX, v6 ? "[%s]:%d" : "%s:%d", host, port);
}

static void
fill_http_limits(const struct config_server *c, struct http_limits *l)
{
    http_limits_default(l);
    l->body_max = API_BODY_MAX;
    l->header_bytes_max = API_HEADER_MAX;
    if (c->http_listen_conn_limit) {
        l->connections_max = (size_t)c->http_listen_conn_limit;
    }
    if (c->http_server_read_header_timeout_ns > 0) {
        l->header_timeout_ms = ms_of(c->http_server_read_header_timeout_ns);
    }
    if (c->http_server_write_timeout_ns > 0) {
        l->body_timeout_ms = ms_of(c->http_server_write_timeout_ns);
    }
    l->idle_timeout_ms = ms_of(c->http_server_idle_timeout_ns);
    l->streams_max = (uint32_t)c->grpc_server_max_concurrent_streams;
}

static void
fill_grpc(const struct server *s, const struct config_server *c, struct http_listener_options *o)
{
    o->grpc = api_services;
    o->grpc_ctx = s->frontend;
    o->grpc_message_max = (size_t)c->grpc_server_max_recv_msg_size;
    o->keepalive = (struct h2_keepalive){
        .time_ms = ms_of(c->grpc_server_keepalive_time_ns),
        .timeout_ms = ms_of(c->grpc_server_keepalive_timeout_ns),
        .max_idle_ms = ms_of(c->grpc_server_max_connection_idle_ns),
        .max_age_ms = ms_of(c->grpc_server_max_connection_age_ns),
        .max_age_grace_ms = ms_of(c->grpc_server_max_connection_age_grace_ns),
        .min_ping_interval_ms = ms_of(c->grpc_server_min_time_between_pings_ns),
        .ping_without_stream = c->grpc_server_ping_without_stream_allowed,
    };
}

struct port_plan {
    const char *name, *network, *host;
    int port;
    const struct config_server *config;
    const struct config_tls *tls;
    http_handler handler;
    bool grpc;
};

static err
open_port(struct server *s, const struct port_plan *p, struct fault *f)
{
    char address[ADDRESS_MAX];
    struct server_port *port = &s->ports[s->port_count];
    struct http_listener_options o = {
        .name = p->name,
        .network = p->network,
        .address = address,
        .loops = s->loops,
        .loop_count = s->loop_count,
        .allow_http1 = true,
        .allow_h2c = true,
        .keep_alive = true,
        .budget = &s->net_memory,
        .handler = p->handler,
        .handler_ctx = s->frontend,
    };
    struct tls_config_options tls = {.tls = p->tls,
                                     .min_version = p->config->tls_min_version,
                                     .cipher_suites = p->config->tls_cipher_suites,
                                     .h2 = true,
                                     .http1 = true};
    err rc = OK;
    if (strcmp(p->network, "unix") == 0) {
        snprintf(address, sizeof address, "%s", p->host);
    } else {
        format_address(p->host, p->port, address);
    }
    fill_http_limits(p->config, &o.limits);
    if (p->grpc) {
        fill_grpc(s, p->config, &o);
    }
    TRY(tls_context_from_config(&tls, f, &port->tls));
    o.tls = port->tls;
    s->port_count++;
    TRY(http_listen(&o, f, &port->listener));
out:
    if (rc != OK) {
        fault_prefix(f, "%s server", p->name);
    }
    return rc;
}

err
server_open_ports(struct server *s, struct fault *f)
{
    const struct config_server *c = &s->config->server;
    const struct config_server *in = &s->config->internal_server;
    char http[ADDRESS_MAX];
    char grpc[ADDRESS_MAX];
    err rc = OK;
    struct port_plan main_http = {"http", c->http_listen_network, c->http_listen_address, c->http_listen_port,
                                  c,      &c->http_tls,           frontend_handle,        true};
    struct port_plan main_grpc = {"grpc", c->grpc_listen_network, c->grpc_listen_address, c->grpc_listen_port,
                                  c,      &c->grpc_tls,           frontend_handle,        true};
    struct port_plan internal = {
        "internal", in->http_listen_network, in->http_listen_address,  in->http_listen_port,
        in,         &in->http_tls,           frontend_handle_internal, false};
    TRY(open_port(s, &main_http, f));
    TRY(open_port(s, &main_grpc, f));
    if (in->enable) {
        TRY(open_port(s, &internal, f));
    }
    format_address(c->http_listen_address, http_listener_port(s->ports[0].listener), http);
    format_address(c->grpc_listen_address, http_listener_port(s->ports[1].listener), grpc);
    LOG_I("server listening on addresses", LOG_CSTR("http", http), LOG_CSTR("grpc", grpc));
out:
    return rc;
}

void
server_drain_ports(struct server *s)
{
    for (size_t i = 0; i < s->port_count; i++) {
        if (s->ports[i].listener) {
            http_listener_drain(s->ports[i].listener);
        }
    }
}

void
server_close_ports(struct server *s, uint64_t timeout_ms)
{
    for (size_t i = 0; i < s->port_count; i++) {
        if (s->ports[i].listener) {
            http_listener_close(s->ports[i].listener, timeout_ms);
        }
        tls_context_destroy(s->ports[i].tls);
    }
    s->port_count = 0;
}

void
server_reload_tls(struct server *s)
{
    for (size_t i = 0; i < s->port_count; i++) {
        struct fault f = {0};
        if (s->ports[i].tls && tls_context_reload(s->ports[i].tls, &f) != OK) {
            LOG_E("certificate not reloaded, the old one stays", LOG_FAULT(&f));
        }
    }
}
