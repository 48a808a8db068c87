#include "span_log.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"

#include <stdio.h>

#define SPAN_LOG_ATTRS_MAX 64 /* attributes shown for one span */
#define SPAN_LOG_KEY_MAX   100

static const char *
kind_name(int32_t kind)
{
    static const char *const names[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
                                        "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};
    return kind >= 0 && kind <= 5 ? names[kind] : "SPAN_KIND_UNSPECIFIED";
}

static const char *
status_name(int32_t code)
{
    return code == 2 ? "STATUS_CODE_ERROR" : code == 1 ? "STATUS_CODE_OK" : "STATUS_CODE_UNSET";
}

/* "span_" and the key with everything but letters and digits as '_'. */
static void
field_name(slice key, char ret[SPAN_LOG_KEY_MAX])
{
    int n = snprintf(ret, SPAN_LOG_KEY_MAX, "span_%.*s", SL_FMT(key));
    for (char *c = ret + 5; c < ret + SPAN_LOG_KEY_MAX - 1 && *c && n > 0; c++) {
        bool word = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        *c = word ? *c : '_';
    }
}

static struct log_field
attr_field(const char *name, const struct attr *a)
{
    switch (a->kind) {
    case VALUE_STRING:
        return LOG_STR(name, attr_bytes(a));
    case VALUE_INT:
        return LOG_INT(name, a->i);
    case VALUE_DOUBLE:
        return LOG_DBL(name, a->d);
    case VALUE_BOOL:
        return LOG_BOOL(name, a->b);
    default:
        return LOG_CSTR(name, "(complex value)");
    }
}

static void
log_span(const struct span_batch *b, const struct span *s, const struct distributor_log_options *o,
         const char *msg, const slice *tenant)
{
    struct log_field fields[SPAN_LOG_ATTRS_MAX + 8];
    char names[SPAN_LOG_ATTRS_MAX][SPAN_LOG_KEY_MAX];
    char trace_hex[2 * TRACE_ID_BYTES];
    char span_hex[2 * SPAN_ID_BYTES];
    size_t n = 0;
    hex_encode(s->trace.b, TRACE_ID_BYTES, trace_hex);
    hex_encode(s->id.b, SPAN_ID_BYTES, span_hex);
    if (tenant) {
        fields[n++] = LOG_STR("tenant", *tenant);
    }
    if (o->include_attributes) {
        for (uint32_t i = 0; i < s->attrs.n && i < SPAN_LOG_ATTRS_MAX; i++) {
            const struct attr *a = &b->attrs[s->attrs.at + i];
            field_name(attr_key(a), names[i]);
            fields[n++] = attr_field(names[i], a);
        }
        fields[n++] = LOG_STR("span_name", s->name);
        fields[n++] =
            LOG_DBL("span_duration_seconds", ((double)s->end_ns - (double)s->start_ns) / (double)NS_PER_S);
        fields[n++] = LOG_CSTR("span_kind", kind_name(s->kind));
        fields[n++] = LOG_CSTR("span_status", status_name(s->status_code));
    }
    fields[n++] = LOG_STR("spanid", slice_of(span_hex, sizeof span_hex));
    fields[n++] = LOG_STR("traceid", slice_of(trace_hex, sizeof trace_hex));
    fields[n] = (struct log_field){.kind = LOG_END};
    if (log_enabled(LOG_INFO)) {
        log_write(LOG_INFO, __FILE__, __LINE__, msg, fields);
    }
}

static void
log_spans(const struct distributor_log_options *o, const struct span_batch *b, const char *msg,
          const slice *tenant)
{
    for (size_t i = 0; o->enabled && i < b->span_count; i++) {
        if (!o->only_errors || b->spans[i].status_code == 2) {
            log_span(b, &b->spans[i], o, msg, tenant);
        }
    }
}

void
span_log_received(const struct distributor_log_options *o, const struct span_batch *b)
{
    log_spans(o, b, "received", NULL);
}

void
span_log_discarded(const struct distributor_log_options *o, const struct span_batch *b, slice tenant)
{
    log_spans(o, b, "discarded", &tenant);
}
