/* What stands in a span, a scope and a resource. */
#include "corpus_priv.h"

#include <stdio.h>

/* Span's field numbers (opentelemetry/proto/trace/v1/trace.proto). */
enum {
    SPAN_TRACE = 1,
    SPAN_ID = 2,
    SPAN_STATE = 3,
    SPAN_PARENT = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_ATTR = 9,
    SPAN_EVENT = 11,
    SPAN_LINK = 13,
    SPAN_STATUS = 15,
    SPAN_FLAGS = 16
};
enum { KIND_INTERNAL = 1, KIND_SERVER, KIND_CLIENT, KIND_PRODUCER, KIND_CONSUMER };

static const char *const categories[] = {"telescopes", "binoculars", "star-maps", "mounts",
                                         "eyepieces",  "cameras",    "filters",   "books"};
static const char *const agents[] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/129.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
    "shop-android/7.12.0 (SDK 34)",
    "kube-probe/1.30",
};
static const char *const regions[] = {"eu-central-1a", "eu-central-1b", "eu-central-1c"};

static const char hex_digits[] = "0123456789abcdef";

static size_t
hex_put(char *at, uint64_t v, size_t digits)
{
    for (size_t i = 0; i < digits; i++) {
        at[i] = hex_digits[v >> (4 * (digits - 1 - i)) & 15];
    }
    return digits;
}

static size_t
uuid_put(char *at, uint64_t a, uint64_t b)
{
    hex_put(at, a >> 32, 8);
    at[8] = '-';
    hex_put(at + 9, a >> 16 & 0xffff, 4);
    at[13] = '-';
    hex_put(at + 14, 0x4000 | (a & 0xfff), 4);
    at[18] = '-';
    hex_put(at + 19, 0x8000 | (b >> 48 & 0x3fff), 4);
    at[23] = '-';
    hex_put(at + 24, b & 0xffffffffffffull, 12);
    return 36;
}

static size_t
text_put(char *at, const char *text)
{
    size_t n = strlen(text);
    memcpy(at, text, n); // NOLINT(bugprone-not-null-terminated-result): lengths travel with the bytes
    return n;
}

/* The route with its parameter filled: "/shop/products/{id}" -> "/shop/products/9f86d081". */
static size_t
path_put(char *at, struct dice *r, const char *route)
{
    const char *open = strchr(route, '{');
    if (!open) {
        return text_put(at, route);
    }
    size_t n = (size_t)(open - route);
    memcpy(at, route, n);
    if (strcmp(open, "{category}") == 0) {
        return n + text_put(at + n, categories[dice_below(r, 8)]);
    }
    return n + hex_put(at + n, dice_u64(r), 10);
}

static void
http_attrs(struct blob *b, struct dice *r, const struct span_spec *s)
{
    bool server = s->role == ROLE_SERVER;
    char text[160];
    pb_attr_str(b, SPAN_ATTR, "http.request.method", s->op->name);
    if (server) {
        pb_attr_str(b, SPAN_ATTR, "http.route", s->op->route);
        pb_attr_str(b, SPAN_ATTR, "network.protocol.version", "1.1");
        pb_attr_strn(b, SPAN_ATTR, "url.path", text, path_put(text, r, s->op->route));
        if (!s->has_parent) {
            pb_attr_str(b, SPAN_ATTR, "user_agent.original", agents[dice_below(r, 4)]);
            int n = snprintf(text, sizeof text, "10.%u.%u.%u", dice_below(r, 64), dice_below(r, 256),
                             dice_below(r, 256));
            pb_attr_strn(b, SPAN_ATTR, "client.address", text, (size_t)n);
        }
    } else {
        size_t n = text_put(text, "http://");
        n += text_put(text + n, services[s->op->service].name);
        n += text_put(text + n, ":8080");
        n += path_put(text + n, r, s->op->route);
        n += text_put(text + n, "?session=");
        n += hex_put(text + n, dice_u64(r), 16);
        pb_attr_strn(b, SPAN_ATTR, "url.full", text, n);
    }
    int64_t status = s->failed ? 502 + (int64_t)dice_below(r, 3) : dice_permille(r, 30) ? 404 : 200;
    pb_attr_int(b, SPAN_ATTR, "http.response.status_code", status);
}

static void
grpc_attrs(struct blob *b, struct dice *r, const struct span_spec *s)
{
    pb_attr_str(b, SPAN_ATTR, "rpc.system", "grpc");
    pb_attr_str(b, SPAN_ATTR, "rpc.service", s->op->route);
    pb_attr_str(b, SPAN_ATTR, "rpc.method", s->op->name);
    if (s->role == ROLE_CLIENT) {
        pb_attr_str(b, SPAN_ATTR, "server.address", services[s->op->service].name);
    }
    pb_attr_int(b, SPAN_ATTR, "rpc.grpc.status_code", s->failed ? 13 + (int64_t)dice_below(r, 2) : 0);
}

static void
kafka_attrs(struct blob *b, struct dice *r, const struct span_spec *s)
{
    char text[40];
    pb_attr_str(b, SPAN_ATTR, "messaging.system", "kafka");
    pb_attr_str(b, SPAN_ATTR, "messaging.destination.name", s->op->name);
    pb_attr_strn(b, SPAN_ATTR, "messaging.message.id", text, uuid_put(text, dice_u64(r), dice_u64(r)));
    if (s->role == ROLE_SERVER) {
        pb_attr_str(b, SPAN_ATTR, "messaging.consumer.group.name", s->op->route);
        pb_attr_int(b, SPAN_ATTR, "messaging.kafka.offset", 1000000 + (int64_t)dice_below(r, 9000000));
    }
}

static void
query_attrs(struct blob *b, struct dice *r, const struct span_spec *s)
{
    const struct statement *q = s->statement;
    char text[64];
    int n = snprintf(text, sizeof text, "%s-primary.data.svc", q->system);
    pb_attr_str(b, SPAN_ATTR, "db.system.name", q->system);
    pb_attr_str(b, SPAN_ATTR, "db.operation.name", q->operation);
    pb_attr_str(b, SPAN_ATTR, "db.collection.name", q->collection);
    pb_attr_str(b, SPAN_ATTR, "db.query.text", q->text);
    pb_attr_strn(b, SPAN_ATTR, "server.address", text, (size_t)n);
    if (q->operation[0] == 'S') {
        pb_attr_int(b, SPAN_ATTR, "db.response.returned_rows", (int64_t)dice_below(r, 40));
    }
}

/* What the shop's own code adds: ids, amounts, flags and lists. */
static void
shop_attrs(struct blob *b, struct dice *r, const struct span_spec *s)
{
    char text[40];
    if (s->role == ROLE_INTERNAL) {
        pb_attr_str(b, SPAN_ATTR, "code.function.name", s->op->internal);
        pb_attr_int(b, SPAN_ATTR, "thread.id", 1 + (int64_t)dice_below(r, 64));
    }
    if (s->role == ROLE_SERVER && dice_percent(r, 25)) {
        size_t n = text_put(text, "cust-");
        pb_attr_strn(b, SPAN_ATTR, "enduser.id", text, n + hex_put(text + n, dice_below(r, 200000), 6));
        pb_attr_bool(b, SPAN_ATTR, "app.cache.hit", dice_percent(r, 60));
    }
    if (s->role == ROLE_SERVER && dice_percent(r, 12)) {
        pb_attr_strn(b, SPAN_ATTR, "app.order.id", text, uuid_put(text, dice_u64(r), dice_u64(r)));
        pb_attr_double(b, SPAN_ATTR, "app.order.amount", (double)dice_below(r, 100000) / 100);
    }
    if (dice_percent(r, 4)) {
        char sku[4][12];
        const char *list[4];
        size_t n = 1 + dice_below(r, 4);
        for (size_t i = 0; i < n; i++) {
            size_t m = text_put(sku[i], "sku-");
            m += hex_put(sku[i] + m, dice_below(r, 5000), 4);
            sku[i][m] = 0;
            list[i] = sku[i];
        }
        pb_attr_strings(b, SPAN_ATTR, "app.product.skus", list, n);
    }
}

static const struct {
    const char *type, *message, *frame;
} failures[] = {
    {"java.sql.SQLTransientConnectionException",
     "HikariPool-1 - Connection is not available, request timed out",
     "\tat com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:%u)\n"},
    {"io.grpc.StatusRuntimeException",
     "UNAVAILABLE: upstream connect error or disconnect/reset before headers",
     "\tat io.grpc.stub.ClientCalls.blockingUnaryCall(ClientCalls.java:%u)\n"},
    {"TimeoutError", "deadline of 2000 ms exceeded while waiting for the response",
     "    at Timeout._onTimeout (/app/node_modules/undici/lib/core/timers.js:%u:11)\n"},
    {"KeyError", "'currency_code'",
     "  File \"/app/recommendation/server.py\", line %u, in list_recommendations\n"},
};

static void
exception_event(struct blob *b, struct dice *r, const struct span_spec *s)
{
    uint32_t which = dice_below(r, 4);
    size_t event = pb_open(b, SPAN_EVENT);
    pb_fixed64(b, 1, s->end_ns - (s->end_ns - s->start_ns) / 8);
    pb_str(b, 2, "exception");
    pb_attr_str(b, 3, "exception.type", failures[which].type);
    pb_attr_str(b, 3, "exception.message", failures[which].message);
    struct blob trace = {0};
    blob_printf(&trace, "%s: %s\n", failures[which].type, failures[which].message);
    uint32_t frames = 8 + dice_below(r, 16);
    for (uint32_t i = 0; i < frames; i++) {
        char line[128];
        const char *frame = failures[which].frame, *mark = strchr(frame, '%');
        size_t n = (size_t)(mark - frame);
        memcpy(line, frame, n);
        n += (size_t)snprintf(line + n, 16, "%u", 20 + i * 37 + dice_below(r, 4));
        n += text_put(line + n, mark + 2);
        blob_add(&trace, line, n);
    }
    pb_attr_strn(b, 3, "exception.stacktrace", trace.p, trace.n);
    blob_free(&trace);
    pb_close(b, event);
}

static void
log_event(struct blob *b, struct dice *r, const struct span_spec *s)
{
    static const char *const names[] = {"cache miss", "retry scheduled", "message received", "lock acquired"};
    size_t event = pb_open(b, SPAN_EVENT);
    pb_fixed64(b, 1, s->start_ns + (s->end_ns - s->start_ns) / 3);
    pb_str(b, 2, names[dice_below(r, 4)]);
    pb_attr_int(b, 3, "attempt", 1 + (int64_t)dice_below(r, 3));
    pb_close(b, event);
}

static void
name_put(struct blob *b, const struct span_spec *s)
{
    char name[96];
    size_t n = 0;
    if (s->role == ROLE_INTERNAL) {
        n = text_put(name, s->op->internal);
    } else if (s->role == ROLE_QUERY) {
        n = text_put(name, s->statement->operation);
        name[n++] = ' ';
        n += text_put(name + n, s->statement->collection);
    } else if (s->op->proto == PROTO_HTTP) {
        n = text_put(name, s->op->name);
        if (s->role == ROLE_SERVER) {
            name[n++] = ' ';
            n += text_put(name + n, s->op->route);
        }
    } else if (s->op->proto == PROTO_GRPC) {
        n = text_put(name, s->op->route);
        name[n++] = '/';
        n += text_put(name + n, s->op->name);
    } else {
        n = text_put(name, s->role == ROLE_SERVER ? "process " : "publish ");
        n += text_put(name + n, s->op->name);
    }
    pb_bytes(b, SPAN_NAME, name, n);
}

static uint64_t
kind_of(const struct span_spec *s)
{
    switch (s->role) {
    case ROLE_SERVER:
        return s->op->proto == PROTO_KAFKA ? KIND_CONSUMER : KIND_SERVER;
    case ROLE_CLIENT:
        return s->op->proto == PROTO_KAFKA ? KIND_PRODUCER : KIND_CLIENT;
    case ROLE_QUERY:
        return KIND_CLIENT;
    default:
        return KIND_INTERNAL;
    }
}

static void
attrs_put(struct blob *b, struct dice *r, const struct span_spec *s)
{
    if (s->role == ROLE_QUERY) {
        query_attrs(b, r, s);
    } else if (s->role != ROLE_INTERNAL) {
        static void (*const by_proto[])(struct blob *, struct dice *, const struct span_spec *) = {
            [PROTO_HTTP] = http_attrs, [PROTO_GRPC] = grpc_attrs, [PROTO_KAFKA] = kafka_attrs};
        by_proto[s->op->proto](b, r, s);
    }
    if (s->failed) {
        pb_attr_str(b, SPAN_ATTR, "error.type", s->role == ROLE_CLIENT ? "unavailable" : "internal");
    }
    shop_attrs(b, r, s);
}

void
span_write(struct blob *b, struct dice *r, const struct span_spec *s)
{
    size_t span = pb_open(b, 2);
    pb_bytes(b, SPAN_TRACE, s->trace, 16);
    pb_bytes(b, SPAN_ID, s->id, 8);
    if (s->has_parent) {
        pb_bytes(b, SPAN_PARENT, s->parent, 8);
    }
    name_put(b, s);
    pb_uint(b, SPAN_KIND, kind_of(s));
    pb_fixed64(b, SPAN_START, s->start_ns);
    pb_fixed64(b, SPAN_END, s->end_ns);
    attrs_put(b, r, s);
    if (s->failed && s->role != ROLE_CLIENT) {
        exception_event(b, r, s);
    } else if (dice_percent(r, 4)) {
        log_event(b, r, s);
    }
    if (s->has_link) {
        size_t link = pb_open(b, SPAN_LINK);
        pb_bytes(b, 1, s->link_trace, 16);
        pb_bytes(b, 2, s->link_span, 8);
        pb_close(b, link);
    }
    size_t status = pb_open(b, SPAN_STATUS);
    if (s->failed) {
        pb_str(b, 2, "upstream request failed");
        pb_uint(b, 3, 2);
    }
    pb_close(b, status);
    pb_fixed32(b, SPAN_FLAGS, s->role == ROLE_SERVER && s->has_parent ? 0x301 : 0x101);
    pb_close(b, span);
}

uint32_t
scope_of(uint8_t role)
{
    return role == ROLE_QUERY ? 2 : role == ROLE_CLIENT ? 1 : 0;
}

void
scope_write(struct blob *b, const struct service *s, uint32_t scope)
{
    static const char *const parts[SCOPES] = {"server", "client", "database"};
    char name[96];
    int n = snprintf(name, sizeof name, "io.opentelemetry.instrumentation.%s.%s", s->language, parts[scope]);
    size_t message = pb_open(b, 1);
    pb_bytes(b, 1, name, (size_t)n);
    pb_str(b, 2, "2.9.0-alpha");
    pb_close(b, message);
}

void
resource_write(struct blob *b, struct dice *r, uint32_t pod)
{
    const struct service *s = &services[pod / PODS_EACH];
    char text[128], set[12];
    set[hex_put(set, dice_u64(r), 9)] = 0;
    pb_attr_str(b, 1, "service.name", s->name);
    pb_attr_str(b, 1, "service.namespace", s->namespace);
    pb_attr_str(b, 1, "service.version", s->version);
    pb_attr_strn(b, 1, "service.instance.id", text, uuid_put(text, dice_u64(r), dice_u64(r)));
    pb_attr_str(b, 1, "telemetry.sdk.language", s->language);
    pb_attr_str(b, 1, "telemetry.sdk.name", "opentelemetry");
    pb_attr_str(b, 1, "telemetry.sdk.version", "1.43.0");
    pb_attr_str(b, 1, "deployment.environment.name", "production");
    pb_attr_str(b, 1, "cloud.provider", "aws");
    pb_attr_str(b, 1, "cloud.availability_zone", regions[pod % 3]);
    pb_attr_str(b, 1, "k8s.cluster.name", "shop-eu-1");
    pb_attr_str(b, 1, "k8s.namespace.name", s->namespace);
    pb_attr_str(b, 1, "k8s.deployment.name", s->name);
    pb_attr_str(b, 1, "k8s.container.name", s->name);
    int n = snprintf(text, sizeof text, "%s-%s", s->name, set);
    pb_attr_strn(b, 1, "k8s.replicaset.name", text, (size_t)n);
    n += snprintf(text + n, sizeof text - (size_t)n, "-%05x", dice_below(r, 1 << 20));
    pb_attr_strn(b, 1, "k8s.pod.name", text, (size_t)n);
    pb_attr_strn(b, 1, "host.name", text, (size_t)n);
    pb_attr_strn(b, 1, "k8s.pod.uid", text, uuid_put(text, dice_u64(r), dice_u64(r)));
    n = snprintf(text, sizeof text, "ip-10-0-%u-%u.eu-central-1.compute.internal", pod % 3, 10 + pod % 9);
    pb_attr_strn(b, 1, "k8s.node.name", text, (size_t)n);
    pb_attr_int(b, 1, "process.pid", 1 + (int64_t)dice_below(r, 40));
}
