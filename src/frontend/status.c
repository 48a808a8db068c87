/* /status and its parts: JSON by default, Tempo's text tables for Accept: text/plain (api.md 1.6). */
#include "api.h"

#include "vivace/codec/json.h"

#define STATUS_MAX ((size_t)4 << 20) /* bytes of a page */

struct section {
    const char *name;
    void (*text)(struct api_request *q, struct buf *out);
    void (*json)(struct api_request *q, struct json_writer *w);
};

/* --- version ------------------------------------------------------------------------------------------ */

static void
version_text(struct api_request *q, struct buf *out)
{
    (void)q;
    buf_append_cstr(out, "vivace, version " VIVACE_VERSION " (Tempo API v" FRONTEND_API_VERSION ")\n");
}

static void
version_json(struct api_request *q, struct json_writer *w)
{
    (void)q;
    json_object_begin(w);
    json_key(w, SL("name"));
    json_string(w, SL("vivace"));
    json_key(w, SL("version"));
    json_string(w, SL(VIVACE_VERSION));
    json_key(w, SL("api"));
    json_string(w, SL("v" FRONTEND_API_VERSION));
    json_object_end(w);
}

/* --- services ------------------------------------------------------------------------------------------- */

static const char *const services[] = {"server",  "overrides",      "distributor", "ingester",
                                       "querier", "query-frontend", "store"};
#define SERVICE_COUNT (sizeof services / sizeof services[0])

static const char *
service_state(struct api_request *q)
{
    struct buf reason;
    buf_init(&reason, 1024);
    bool ready = q->fe->o.hooks.ready(q->fe->o.hooks.ctx, &reason);
    buf_fini(&reason);
    return ready ? "Running" : "Stopping";
}

static void
table_line(struct buf *out, const int *widths, int columns)
{
    for (int i = 0; i < columns; i++) {
        buf_append_byte(out, '+');
        for (int n = 0; n < widths[i] + 2; n++) {
            buf_append_byte(out, '-');
        }
    }
    buf_append_cstr(out, "+\n");
}

static void
services_text(struct api_request *q, struct buf *out)
{
    static const int widths[] = {20, 10};
    table_line(out, widths, 2);
    buf_printf(out, "| %-20s | %-10s |\n", "SERVICE NAME", "STATUS");
    table_line(out, widths, 2);
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        buf_printf(out, "| %-20s | %-10s |\n", services[i], service_state(q));
    }
    table_line(out, widths, 2);
}

/* Names as plain strings: Kiali reads /status/services that way. */
static void
services_json(struct api_request *q, struct json_writer *w)
{
    (void)q;
    json_array_begin(w);
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        json_string(w, slice_cstr(services[i]));
    }
    json_array_end(w);
}

/* --- endpoints --------------------------------------------------------------------------------------------
 */

static void
endpoint_path(struct api_request *q, const struct route *r, struct buf *ret)
{
    buf_clear(ret);
    if (r->flags & ROUTE_PREFIXED) {
        buf_append_cstr(ret, q->fe->o.config->http_api_prefix);
    }
    buf_append_cstr(ret, r->path);
    if (r->flags & ROUTE_REST) {
        buf_append_cstr(ret,
                        slice_starts_with(slice_cstr(r->path), SL("/status")) ? "{endpoint}" : "{traceID}");
    }
}

static void
endpoints_text(struct api_request *q, struct buf *out)
{
    static const int widths[] = {45, 8};
    struct buf path;
    buf_init(&path, 1024);
    table_line(out, widths, 2);
    buf_printf(out, "| %-45s | %-8s |\n", "ENDPOINT", "METHODS");
    table_line(out, widths, 2);
    for (size_t i = 0; i < frontend_route_count; i++) {
        const struct route *r = &frontend_routes[i];
        endpoint_path(q, r, &path);
        buf_printf(out, "| %-45.*s | %-8s |\n", SL_FMT(buf_slice(&path)),
                   r->flags & ROUTE_GET_ONLY ? "GET" : "any");
    }
    table_line(out, widths, 2);
    buf_fini(&path);
}

static void
endpoints_json(struct api_request *q, struct json_writer *w)
{
    struct buf path;
    buf_init(&path, 1024);
    json_array_begin(w);
    for (size_t i = 0; i < frontend_route_count; i++) {
        endpoint_path(q, &frontend_routes[i], &path);
        json_string(w, buf_slice(&path));
    }
    json_array_end(w);
    buf_fini(&path);
}

/* --- configuration
 * ------------------------------------------------------------------------------------------ */

static enum config_write_mode
mode_of(struct api_request *q)
{
    slice mode = SL_EMPTY;
    api_param(q, SL("mode"), &mode);
    if (slice_eq(mode, SL("diff"))) {
        return CONFIG_WRITE_DIFF;
    }
    return slice_eq(mode, SL("defaults")) ? CONFIG_WRITE_DEFAULTS : CONFIG_WRITE_CURRENT;
}

static void
config_text(struct api_request *q, struct buf *out)
{
    buf_append_cstr(out, "---\n");
    config_write_yaml(q->fe->o.config, mode_of(q), out);
}

/* The page's YAML, converted: one writer knows the keys. */
static void
yaml_as_json(const struct buf *yaml, struct json_writer *w)
{
    struct buf json;
    buf_init(&json, STATUS_MAX);
    config_yaml_to_json(buf_slice(yaml), &json);
    if (yaml->failed || json.failed) {
        w->out->failed = true;
    }
    json_raw(w, buf_slice(&json));
    buf_fini(&json);
}

static void
config_json(struct api_request *q, struct json_writer *w)
{
    struct buf yaml;
    buf_init(&yaml, STATUS_MAX);
    config_write_yaml(q->fe->o.config, mode_of(q), &yaml);
    yaml_as_json(&yaml, w);
    buf_fini(&yaml);
}

static void
runtime_text(struct api_request *q, struct buf *out)
{
    buf_append_cstr(out, "---\n");
    overrides_write_yaml(q->fe->o.overrides, out);
}

static void
runtime_json(struct api_request *q, struct json_writer *w)
{
    struct buf yaml;
    buf_init(&yaml, STATUS_MAX);
    overrides_write_yaml(q->fe->o.overrides, &yaml);
    yaml_as_json(&yaml, w);
    buf_fini(&yaml);
}

/* --- pages
 * -------------------------------------------------------------------------------------------------- */

static const struct section sections[] = {
    {"version", version_text, version_json},       {"services", services_text, services_json},
    {"endpoints", endpoints_text, endpoints_json}, {"runtime_config", runtime_text, runtime_json},
    {"config", config_text, config_json},
};
#define SECTION_COUNT (sizeof sections / sizeof sections[0])

static bool
wants_text(const struct http_request *r)
{
    return api_accepts(r, SL("text/plain")) && !api_accepts(r, SL("application/json"));
}

static void
answer_page(struct api_request *q, struct buf *out, bool text)
{
    if (out->failed) {
        buf_fini(out);
        api_answer_http_error(q, 500, SL("the page does not fit into one answer"));
        return;
    }
    api_answer_buf(q, 200, text ? SL("text/plain; charset=utf-8") : SL("application/json"), out);
}

static void
section_text(struct api_request *q, const struct section *s, struct buf *out)
{
    buf_printf(out, "GET /status/%s\n", s->name);
    s->text(q, out);
}

void
status_all(struct api_request *q)
{
    bool text = wants_text(q->r);
    struct buf out;
    struct json_writer w;
    buf_init(&out, STATUS_MAX);
    json_writer_init(&w, &out);
    if (!text) {
        json_object_begin(&w);
        json_key(&w, SL("status"));
        json_string(&w, slice_cstr(service_state(q)));
    }
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (text) {
            section_text(q, &sections[i], &out);
            buf_append_byte(&out, '\n');
        } else {
            json_key(&w, slice_cstr(sections[i].name));
            sections[i].json(q, &w);
        }
    }
    if (!text) {
        json_object_end(&w);
        buf_append_byte(&out, '\n');
    }
    answer_page(q, &out, text);
}

void
status_one(struct api_request *q)
{
    bool text = wants_text(q->r);
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        if (!slice_eq(q->rest, slice_cstr(sections[i].name))) {
            continue;
        }
        struct buf out;
        struct json_writer w;
        buf_init(&out, STATUS_MAX);
        json_writer_init(&w, &out);
        if (text) {
            section_text(q, &sections[i], &out);
        } else {
            sections[i].json(q, &w);
            buf_append_byte(&out, '\n');
        }
        answer_page(q, &out, text);
        return;
    }
    api_answer_http_error(q, 404, SL("404 page not found"));
}
