#include "translate.h"

#include "../../tests/thrift_write.h"

#include <inttypes.h>

/* --- Zipkin -----------------------------------------------------------------------------------------------
 */

static void
put_hex(struct buf *out, const uint8_t *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        (void)buf_append_byte(out, (uint8_t)digits[p[i] >> 4]);
        (void)buf_append_byte(out, (uint8_t)digits[p[i] & 15]);
    }
}

static void
put_json(struct buf *out, slice s)
{
    (void)buf_append_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\') {
            (void)buf_append_byte(out, '\\');
            (void)buf_append_byte(out, s.p[i]);
        } else if (s.p[i] < 0x20) {
            (void)buf_printf(out, "\\u%04x", s.p[i]);
        } else {
            (void)buf_append_byte(out, s.p[i]);
        }
    }
    (void)buf_append_byte(out, '"');
}

static void
put_tag(struct buf *out, const struct attr *a)
{
    put_json(out, attr_key(a));
    (void)buf_append_byte(out, ':');
    switch (a->kind) {
    case VALUE_STRING:
        put_json(out, attr_bytes(a));
        break;
    case VALUE_INT:
        (void)buf_printf(out, "\"%" PRId64 "\"", a->i);
        break;
    case VALUE_DOUBLE:
        (void)buf_printf(out, "\"%g\"", a->d);
        break;
    case VALUE_BOOL:
        (void)buf_append_cstr(out, a->b ? "\"true\"" : "\"false\"");
        break;
    default:
        (void)buf_append_cstr(out, "\"\"");
    }
}

static void
put_zipkin_span(struct buf *out, const struct span_batch *b, const struct span *s)
{
    static const char *const kinds[] = {"", "", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"};
    (void)buf_append_cstr(out, "{\"traceId\":\"");
    put_hex(out, s->trace.b, sizeof s->trace.b);
    if (!span_id_is_zero(&s->parent)) {
        (void)buf_append_cstr(out, "\",\"parentId\":\"");
        put_hex(out, s->parent.b, sizeof s->parent.b);
    }
    (void)buf_append_cstr(out, "\",\"id\":\"");
    put_hex(out, s->id.b, sizeof s->id.b);
    (void)buf_append_cstr(out, "\"");
    if (s->kind >= 2 && s->kind <= 5) {
        (void)buf_printf(out, ",\"kind\":\"%s\"", kinds[s->kind]);
    }
    (void)buf_append_cstr(out, ",\"name\":");
    put_json(out, s->name);
    (void)buf_printf(
        out, ",\"timestamp\":%" PRIu64 ",\"duration\":%" PRIu64 ",\"localEndpoint\":{\"serviceName\":",
        s->start_ns / 1000, (s->end_ns - s->start_ns) / 1000);
    put_json(out, span_service_name(b, s));
    (void)buf_append_cstr(out, ",\"ipv4\":\"10.1.0.5\"}");
    for (uint32_t i = 0; i < s->events.n; i++) {
        const struct span_event *e = &b->events[s->events.at + i];
        (void)buf_printf(out, "%s{\"timestamp\":%" PRIu64 ",\"value\":", i == 0 ? ",\"annotations\":[" : ",",
                         e->time_ns / 1000);
        put_json(out, e->name);
        (void)buf_append_cstr(out, i + 1 == s->events.n ? "}]" : "}");
    }
    (void)buf_append_cstr(out, ",\"tags\":{");
    for (uint32_t i = 0; i < s->attrs.n; i++) {
        (void)buf_append_cstr(out, i ? "," : "");
        put_tag(out, &b->attrs[s->attrs.at + i]);
    }
    (void)buf_append_cstr(out, "}}");
}

void
zipkin_json_from(struct buf *out, const struct span_batch *b)
{
    for (size_t i = 0; i < b->span_count; i++) {
        (void)buf_append_byte(out, i == 0 ? '[' : ',');
        put_zipkin_span(out, b, &b->spans[i]);
    }
    (void)buf_append_cstr(out, b->span_count ? "]" : "[]");
}

/* --- Jaeger -----------------------------------------------------------------------------------------------
 */

static int64_t
big_endian(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) {
        v = v << 8 | p[i];
    }
    return (int64_t)v;
}

static void
put_thrift_tag(struct thrift_writer *w, const struct attr *a)
{
    static const int32_t types[] = {
        [VALUE_STRING] = 0, [VALUE_DOUBLE] = 1, [VALUE_BOOL] = 2, [VALUE_INT] = 3};
    tw_struct_begin(w);
    tw_string(w, 1, attr_key(a));
    bool scalar = a->kind >= VALUE_STRING && a->kind <= VALUE_DOUBLE;
    tw_i32(w, 2, scalar ? types[a->kind] : 0);
    if (a->kind == VALUE_INT) {
        tw_i64(w, 6, a->i);
    } else if (a->kind == VALUE_DOUBLE) {
        tw_double(w, 4, a->d);
    } else if (a->kind == VALUE_BOOL) {
        tw_bool(w, 5, a->b);
    } else {
        tw_string(w, 3, a->kind == VALUE_STRING ? attr_bytes(a) : SL_EMPTY);
    }
    tw_struct_end(w);
}

static void
put_thrift_tags(struct thrift_writer *w, int id, const struct span_batch *b, struct run r)
{
    tw_list(w, id, TW_STRUCT, r.n);
    for (uint32_t i = 0; i < r.n; i++) {
        put_thrift_tag(w, &b->attrs[r.at + i]);
    }
}

static void
put_thrift_span(struct thrift_writer *w, const struct span_batch *b, const struct span *s)
{
    tw_struct_begin(w);
    tw_i64(w, 1, big_endian(s->trace.b + 8));
    tw_i64(w, 2, big_endian(s->trace.b));
    tw_i64(w, 3, big_endian(s->id.b));
    tw_i64(w, 4, big_endian(s->parent.b));
    tw_string(w, 5, s->name);
    tw_i32(w, 7, 1);
    tw_i64(w, 8, (int64_t)(s->start_ns / 1000));
    tw_i64(w, 9, (int64_t)((s->end_ns - s->start_ns) / 1000));
    put_thrift_tags(w, 10, b, s->attrs);
    if (s->events.n) {
        tw_list(w, 11, TW_STRUCT, s->events.n);
    }
    for (uint32_t i = 0; i < s->events.n; i++) {
        tw_struct_begin(w);
        tw_i64(w, 1, (int64_t)(b->events[s->events.at + i].time_ns / 1000));
        put_thrift_tags(w, 2, b, b->events[s->events.at + i].attrs);
        tw_struct_end(w);
    }
    tw_struct_end(w);
}

void
jaeger_thrift_from(struct buf *out, const struct span_batch *b, bool compact,
                   void (*done)(void *ctx, slice body), void *ctx)
{
    for (size_t i = 0; i < b->span_count;) {
        uint32_t resource = b->scopes[b->spans[i].scope].resource;
        size_t n = 1;
        while (i + n < b->span_count && b->scopes[b->spans[i + n].scope].resource == resource) {
            n++;
        }
        struct thrift_writer w = {.out = out, .compact = compact};
        buf_clear(out);
        tw_struct_begin(&w);
        tw_field(&w, 1, TW_STRUCT);
        tw_struct_begin(&w);
        tw_string(&w, 1, span_service_name(b, &b->spans[i]));
        put_thrift_tags(&w, 2, b, b->resources[resource].attrs);
        tw_struct_end(&w);
        tw_list(&w, 2, TW_STRUCT, n);
        for (size_t k = 0; k < n; k++) {
            put_thrift_span(&w, b, &b->spans[i + k]);
        }
        tw_struct_end(&w);
        done(ctx, buf_slice(out));
        i += n;
    }
}
