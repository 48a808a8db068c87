#include "otlp_json.h"

#include "pb.h"

#include <inttypes.h>

static void
put(struct blob *out, const char *text)
{
    blob_add(out, text, strlen(text));
}

static void
put_string(struct blob *out, const struct pb_field *f)
{
    put(out, "\"");
    for (size_t i = 0; i < f->n; i++) {
        uint8_t c = f->p[i];
        if (c == '"' || c == '\\') {
            blob_add(out, (uint8_t[]){'\\', c}, 2);
        } else if (c == '\n') {
            put(out, "\\n");
        } else if (c == '\t') {
            put(out, "\\t");
        } else {
            blob_add(out, &c, 1);
        }
    }
    put(out, "\"");
}

static void
put_hex(struct blob *out, const struct pb_field *f)
{
    put(out, "\"");
    for (size_t i = 0; i < f->n; i++) {
        blob_printf(out, "%02x", f->p[i]);
    }
    put(out, "\"");
}

/* Separator and name of the next member; `*first` starts true. */
static void
member(struct blob *out, bool *first, const char *name)
{
    blob_printf(out, "%s\"%s\":", *first ? "" : ",", name);
    *first = false;
}

static void
put_scalar(struct blob *out, const struct pb_field *value)
{
    const uint8_t *p = value->p, *end = p + value->n;
    struct pb_field f;
    put(out, "{");
    if (pb_next(&p, end, &f)) {
        double d;
        switch (f.number) {
        case 1:
            put(out, "\"stringValue\":");
            put_string(out, &f);
            break;
        case 2:
            blob_printf(out, "\"boolValue\":%s", f.value ? "true" : "false");
            break;
        case 3:
            blob_printf(out, "\"intValue\":\"%" PRId64 "\"", (int64_t)f.value);
            break;
        case 4:
            memcpy(&d, &f.value, 8);
            blob_printf(out, "\"doubleValue\":%.17g", d);
            break;
        default:
            break;
        }
    }
    put(out, "}");
}

static void
put_any(struct blob *out, const struct pb_field *value)
{
    const uint8_t *p = value->p, *end = p + value->n;
    struct pb_field f;
    if (!pb_next(&p, end, &f) || f.number != 5) {
        put_scalar(out, value);
        return;
    }
    const uint8_t *q = f.p, *q_end = q + f.n;
    struct pb_field one;
    put(out, "{\"arrayValue\":{\"values\":[");
    for (bool first = true; pb_next(&q, q_end, &one); first = false) {
        put(out, first ? "" : ",");
        put_scalar(out, &one);
    }
    put(out, "]}}");
}

static void
put_key_value(struct blob *out, const struct pb_field *kv)
{
    const uint8_t *p = kv->p, *end = p + kv->n;
    struct pb_field f;
    bool first = true;
    put(out, "{");
    while (pb_next(&p, end, &f)) {
        member(out, &first, f.number == 1 ? "key" : "value");
        if (f.number == 1) {
            put_string(out, &f);
        } else {
            put_any(out, &f);
        }
    }
    put(out, "}");
}

typedef void put_fn(struct blob *out, const struct pb_field *message);

/* All fields `number` of `message` as a member with a list; nothing when there is none. */
static void
put_list(struct blob *out, bool *first, const struct pb_field *message, uint32_t number, const char *name,
         put_fn *one)
{
    const uint8_t *p = message->p, *end = p + message->n;
    struct pb_field f;
    bool any = false;
    while (pb_next(&p, end, &f)) {
        if (f.number == number) {
            if (any) {
                put(out, ",");
            } else {
                member(out, first, name);
                put(out, "[");
            }
            any = true;
            one(out, &f);
        }
    }
    put(out, any ? "]" : "");
}

static void
put_event(struct blob *out, const struct pb_field *event)
{
    const uint8_t *p = event->p, *end = p + event->n;
    struct pb_field f;
    bool first = true;
    put(out, "{");
    while (pb_next(&p, end, &f)) {
        if (f.number == 1) {
            member(out, &first, "timeUnixNano");
            blob_printf(out, "\"%" PRIu64 "\"", f.value);
        } else if (f.number == 2) {
            member(out, &first, "name");
            put_string(out, &f);
        }
    }
    put_list(out, &first, event, 3, "attributes", put_key_value);
    put(out, "}");
}

static void
put_link(struct blob *out, const struct pb_field *link)
{
    const uint8_t *p = link->p, *end = p + link->n;
    struct pb_field f;
    bool first = true;
    put(out, "{");
    while (pb_next(&p, end, &f)) {
        member(out, &first, f.number == 1 ? "traceId" : "spanId");
        put_hex(out, &f);
    }
    put(out, "}");
}

static void
put_status(struct blob *out, const struct pb_field *status)
{
    const uint8_t *p = status->p, *end = p + status->n;
    struct pb_field f;
    bool first = true;
    put(out, "{");
    while (pb_next(&p, end, &f)) {
        member(out, &first, f.number == 2 ? "message" : "code");
        if (f.number == 2) {
            put_string(out, &f);
        } else {
            blob_printf(out, "%" PRIu64, f.value);
        }
    }
    put(out, "}");
}

static void
put_span(struct blob *out, const struct pb_field *span)
{
    static const char *const names[] = {
        [1] = "traceId",           [2] = "spanId",          [4] = "parentSpanId", [5] = "name",  [6] = "kind",
        [7] = "startTimeUnixNano", [8] = "endTimeUnixNano", [15] = "status",      [16] = "flags"};
    const uint8_t *p = span->p, *end = p + span->n;
    struct pb_field f;
    bool first = true;
    put(out, "{");
    while (pb_next(&p, end, &f)) {
        if (f.number >= sizeof names / sizeof names[0] || !names[f.number]) {
            continue;
        }
        member(out, &first, names[f.number]);
        if (f.number == 15) {
            put_status(out, &f);
        } else if (f.number == 5) {
            put_string(out, &f);
        } else if (f.type == 2) {
            put_hex(out, &f);
        } else {
            blob_printf(out, f.type == 1 ? "\"%" PRIu64 "\"" : "%" PRIu64, f.value);
        }
    }
    put_list(out, &first, span, 9, "attributes", put_key_value);
    put_list(out, &first, span, 11, "events", put_event);
    put_list(out, &first, span, 13, "links", put_link);
    put(out, "}");
}

static void
put_scope(struct blob *out, const struct pb_field *scope)
{
    const uint8_t *p = scope->p, *end = p + scope->n;
    struct pb_field f;
    bool first = true;
    put(out, "{");
    while (pb_next(&p, end, &f)) {
        member(out, &first, f.number == 1 ? "name" : "version");
        put_string(out, &f);
    }
    put(out, "}");
}

static void
put_scope_spans(struct blob *out, const struct pb_field *ss)
{
    const uint8_t *p = ss->p, *end = p + ss->n;
    struct pb_field f;
    bool first = true;
    put(out, "{");
    while (pb_next(&p, end, &f)) {
        if (f.number == 1) {
            member(out, &first, "scope");
            put_scope(out, &f);
        }
    }
    put_list(out, &first, ss, 2, "spans", put_span);
    put(out, "}");
}

static void
put_resource_spans(struct blob *out, const struct pb_field *rs)
{
    const uint8_t *p = rs->p, *end = p + rs->n;
    struct pb_field f;
    bool first = true;
    put(out, "{");
    while (pb_next(&p, end, &f)) {
        if (f.number == 1) {
            bool inner = true;
            member(out, &first, "resource");
            put(out, "{");
            put_list(out, &inner, &f, 1, "attributes", put_key_value);
            put(out, "}");
        } else if (f.number == 3) {
            member(out, &first, "schemaUrl");
            put_string(out, &f);
        }
    }
    put_list(out, &first, rs, 2, "scopeSpans", put_scope_spans);
    put(out, "}");
}

void
otlp_json_from(struct blob *out, const uint8_t *body, size_t n)
{
    struct pb_field request = {.p = body, .n = n};
    bool first = true;
    put(out, "{");
    put_list(out, &first, &request, 1, "resourceSpans", put_resource_spans);
    put(out, "}");
}
