/* distributor.receivers: the OpenTelemetry collector's layout into a flat list of what listens. */
#include "loading.h"

#include "vivace/base/must.h"

#include <stdio.h>

struct protocol {
    const char *type, *protocol;
    enum config_receiver_kind kind;
};

static const struct protocol protocols[] = {
    {"otlp", "grpc", RECEIVER_OTLP_GRPC},
    {"otlp", "http", RECEIVER_OTLP_HTTP},
    {"zipkin", "", RECEIVER_ZIPKIN},
    {"jaeger", "grpc", RECEIVER_JAEGER_GRPC},
    {"jaeger", "thrift_http", RECEIVER_JAEGER_THRIFT_HTTP},
    {"jaeger", "thrift_compact", RECEIVER_JAEGER_THRIFT_COMPACT},
    {"jaeger", "thrift_binary", RECEIVER_JAEGER_THRIFT_BINARY},
};
#define PROTOCOL_COUNT (sizeof protocols / sizeof protocols[0])

const char *
config_receiver_protocol(enum config_receiver_kind kind)
{
    for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
        if (protocols[i].kind == kind) {
            return protocols[i].protocol;
        }
    }
    return "";
}

const struct config_receiver *
config_receiver_find(const struct config *c, enum config_receiver_kind kind)
{
    for (size_t i = 0; i < c->distributor.receivers.n; i++) {
        if (c->distributor.receivers.v[i].kind == kind) {
            return &c->distributor.receivers.v[i];
        }
    }
    return NULL;
}

static struct config_receiver *
add(struct config_receivers *r, struct arena *a, enum config_receiver_kind kind, slice name)
{
    if (!r->v) {
        r->v = arena_new_array(a, struct config_receiver, CONFIG_RECEIVERS_MAX);
    }
    if (!r->v || r->n == CONFIG_RECEIVERS_MAX) {
        return NULL;
    }
    struct config_receiver *one = &r->v[r->n++];
    const char *copy = arena_cstr(a, name);
    for (int k = 0; k < RECEIVER_KIND_COUNT; k++) {
        table_set_empty(table_receivers[k], one, a); /* members of other kinds are "", too */
    }
    table_set_defaults(table_receivers[kind], one, a);
    one->kind = kind;
    one->name = copy ? copy : "";
    one->tls.client_ca_pem = ""; /* the collector has no such key */
    if (kind == RECEIVER_JAEGER_THRIFT_COMPACT || kind == RECEIVER_JAEGER_THRIFT_BINARY) {
        one->transport = "udp";
    }
    return one;
}

static void
set_defaults(struct config_receivers *r, struct arena *a)
{
    (void)add(r, a, RECEIVER_JAEGER_GRPC, SL("jaeger"));
    (void)add(r, a, RECEIVER_JAEGER_THRIFT_HTTP, SL("jaeger"));
    (void)add(r, a, RECEIVER_OTLP_GRPC, SL("otlp"));
}

/* host:port, :port, [v6]:port with a port of 0 to 65535 (0: any free one). */
static bool
endpoint_is_good(const char *endpoint)
{
    slice s = slice_cstr(endpoint);
    const uint8_t *colon = s.n ? memrchr(s.p, ':', s.n) : NULL;
    uint64_t port = 0;
    if (!colon) {
        return false;
    }
    slice host = slice_of(s.p, (size_t)(colon - s.p));
    bool bracketed = host.n > 1 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (!bracketed && slice_find_byte(host, ':') < host.n) {
        return false;
    }
    return slice_to_u64(slice_of(colon + 1, (size_t)(s.p + s.n - colon - 1)), &port) && port <= UINT16_MAX;
}

static void
add_listening(struct loading *l, struct config_receivers *r, const struct protocol *p,
              const struct yaml_pair *name, const struct yaml_node *at, const struct yaml_node *settings,
              const char *path)
{
    struct config_receiver *one = add(r, l->values, p->kind, name->key->text);
    if (!one) {
        report_add(l->report, CONFIG_ERROR, l->name, at, "%s: more than %d receivers", path,
                   CONFIG_RECEIVERS_MAX);
        return;
    }
    if (!yaml_is_null(settings)) {
        if (settings->kind != YAML_MAP) {
            report_add(l->report, CONFIG_ERROR, l->name, settings, "%s: a map is wanted", path);
            return;
        }
        apply_map(l, table_receivers[p->kind], one, settings, path);
    }
    if (one->tls.client_ca_file[0]) {
        one->tls.client_auth = CONFIG_AUTH_REQUIRE_AND_VERIFY;
    }
    if (strcmp(one->transport, "unix") != 0 && !endpoint_is_good(one->endpoint)) {
        report_add(l->report, CONFIG_ERROR, l->name, at, "%s.endpoint: \"%.80s\" is not host:port", path,
                   one->endpoint);
    }
}

static const struct protocol *
find_protocol(slice type, slice protocol)
{
    for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
        if (slice_eq(slice_cstr(protocols[i].type), type) &&
            slice_eq(slice_cstr(protocols[i].protocol), protocol)) {
            return &protocols[i];
        }
    }
    return NULL;
}

static void
apply_protocols(struct loading *l, struct config_receivers *r, slice type, const struct yaml_pair *receiver,
                const char *path)
{
    const struct yaml_node *map = receiver->value, *list = NULL;
    for (size_t i = 0; map->kind == YAML_MAP && i < map->count; i++) {
        const struct yaml_pair *p = &map->pairs[i];
        if (slice_eq(p->key->text, SL("protocols"))) {
            list = p->value;
        } else if (slice_eq(p->key->text, SL("remote_sampling"))) {
            report_add(l->report, CONFIG_WARNING, l->name, p->key,
                       "%s.remote_sampling is not served (ignored)", path);
        } else {
            report_add(l->report, CONFIG_WARNING, l->name, p->key, "unknown key \"%s.%.*s\" (ignored)", path,
                       SL_FMT(slice_sub(p->key->text, 0, 64)));
        }
    }
    if (!list || list->kind != YAML_MAP || list->count == 0) {
        report_add(l->report, CONFIG_ERROR, l->name, receiver->key,
                   "%s: at least one of its protocols must be named under protocols:", path);
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_pair *p = &list->pairs[i];
        char at[WALK_PATH_MAX];
        (void)snprintf(at, sizeof at, "%.150s.protocols.%.*s", path, SL_FMT(slice_sub(p->key->text, 0, 64)));
        const struct protocol *known = find_protocol(type, p->key->text);
        if (known) {
            add_listening(l, r, known, receiver, p->key, p->value, at);
        } else {
            report_add(l->report, CONFIG_WARNING, l->name, p->key, "unknown key \"%s\" (ignored)", at);
        }
    }
}

static void
apply_receiver(struct loading *l, struct config_receivers *r, const struct yaml_pair *p, const char *path)
{
    slice rest = p->key->text;
    slice type = slice_cut(&rest, '/');
    if (slice_eq(type, SL("otlp")) || slice_eq(type, SL("jaeger"))) {
        if (yaml_is_null(p->value)) {
            report_add(l->report, CONFIG_ERROR, l->name, p->key,
                       "%s: at least one of its protocols must be named under protocols:", path);
        } else {
            apply_protocols(l, r, type, p, path);
        }
    } else if (slice_eq(type, SL("zipkin"))) {
        add_listening(l, r, find_protocol(type, SL_EMPTY), p, p->key, p->value, path);
    } else if (slice_eq(type, SL("opencensus"))) {
        report_add(l->report, CONFIG_WARNING, l->name, p->key,
                   "%s is gone from Tempo too: nothing listens for it (ignored)", path);
    } else if (slice_eq(type, SL("kafka"))) {
        report_add(l->report, CONFIG_WARNING, l->name, p->key,
                   "%s is not built: nothing is read from Kafka (ignored)", path);
    } else {
        report_add(l->report, CONFIG_ERROR, l->name, p->key,
                   "%s: unknown receiver; there are otlp, zipkin and jaeger", path);
    }
}

void
receivers_apply(struct loading *l, struct config_receivers *r)
{
    static const char path[] = "distributor.receivers";
    const struct yaml_node *map = l->receivers;
    if (!yaml_is_null(map) && map->kind != YAML_MAP) {
        report_add(l->report, CONFIG_ERROR, l->name, map, "%s: a map is wanted", path);
        return;
    }
    for (size_t i = 0; !yaml_is_null(map) && i < map->count; i++) {
        char at[WALK_PATH_MAX];
        (void)snprintf(at, sizeof at, "%s.%.*s", path, SL_FMT(slice_sub(map->pairs[i].key->text, 0, 64)));
        apply_receiver(l, r, &map->pairs[i], at);
    }
    if (r->n == 0) {
        set_defaults(r, l->values);
    }
}
