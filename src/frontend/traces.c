/* Trace by ID: /api/traces/{id} and /api/v2/traces/{id} (api.md 1.1). */
#include "api.h"
#include "llm.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"
#include "vivace/codec/json.h"
#include "vivace/codec/otlp.h"
#include "vivace/codec/wire.h"

#include <stdio.h>

/* A trace in memory is about this many times its OTLP bytes; the batch and the answer are bounded with it. */
#define TRACE_MEMORY_FACTOR   8
#define TRACE_BYTES_UNLIMITED ((uint64_t)64 << 20) /* stands in when max_bytes_per_trace is off */
#define TRACE_FLOOR           ((uint64_t)1 << 20)

struct trace_answer {
    struct api_request *q;
    struct trace_query query;
    struct span_batch batch;
    uint64_t memory; /* reserved in the query budget */
    bool v2;
};

/* --- parameters --------------------------------------------------------------------------------------- */

static bool
is_mode(slice mode)
{
    return mode.n == 0 || slice_eq(mode, SL("all")) || slice_eq(mode, SL("ingesters")) ||
           slice_eq(mode, SL("blocks")) || slice_eq(mode, SL("external"));
}

/* An int64 of unix seconds; 0 when absent. */
static err
time_param(struct api_request *q, const char *name, int64_t *ret, struct fault *f)
{
    slice text;
    if (api_param(q, slice_cstr(name), &text) && text.n && !slice_to_i64(text, ret)) {
        return FAULT(f, ERR_INVALID, "invalid %s: strconv.ParseInt: parsing \"%.*s\": invalid syntax", name,
                     SL_FMT(slice_sub(text, 0, 100)));
    }
    return OK;
}

/* Block ids that Tempo's own queriers send: checked as there, and of no effect on one machine. */
static err
uuid_param(struct api_request *q, const char *name, const char *shown, struct fault *f)
{
    slice text;
    if (!api_param(q, slice_cstr(name), &text) || text.n == 0) {
        return OK;
    }
    if (text.n != 36) {
        return FAULT(f, ERR_INVALID, "invalid value for %s: invalid UUID length: %zu", shown, text.n);
    }
    for (size_t i = 0; i < text.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        uint8_t byte;
        slice pair = {(const uint8_t[]){'0', text.p[i]}, 2};
        if (dash ? text.p[i] != '-' : !hex_decode(pair, &byte, 1)) {
            return FAULT(f, ERR_INVALID, "invalid value for %s: invalid UUID format", shown);
        }
    }
    return OK;
}

static err
check_params(struct api_request *q, trace_id *ret_id, struct fault *f)
{
    slice id;
    slice mode = SL_EMPTY;
    int64_t start = 0;
    int64_t end = 0;
    err rc = OK;
    if (!url_decode(q->rest, false, &q->arena, &id)) {
        return FAULT(f, ERR_INVALID, "trace IDs can only contain hex characters");
    }
    TRY(trace_id_parse(id, ret_id, f));
    api_param(q, SL("mode"), &mode);
    if (!is_mode(mode)) {
        return FAULT(f, ERR_INVALID, "invalid value for mode %.*s", SL_FMT(slice_sub(mode, 0, 100)));
    }
    if (slice_eq(mode, SL("ingesters"))) {
        return OK; /* Tempo looks at nothing else then */
    }
    TRY(uuid_param(q, "blockStart", "blockstart", f));
    TRY(uuid_param(q, "blockEnd", "blockEnd", f));
    TRY(time_param(q, "start", &start, f));
    TRY(time_param(q, "end", &end, f));
    if (start != 0 && end != 0 && end <= start) {
        return FAULT(f, ERR_INVALID, "http parameter start must be before end. received start=%lld end=%lld",
                     (long long)start, (long long)end);
    }
out:
    return rc;
}

/* --- answers ------------------------------------------------------------------------------------------ */

static void
partial_message(const struct trace_answer *a, char *text, size_t n)
{
    snprintf(text, n, "Trace exceeds maximum size of %llu bytes, a partial trace is returned",
             (unsigned long long)a->query.max_bytes);
}

/* TraceByIDResponse{1 trace, 2 metrics{1 inspectedBytes}, 3 status, 4 message}; the trace is always there. */
static void
encode_v2(const struct trace_answer *a, struct buf *out)
{
    struct buf trace;
    char text[128];
    uint64_t inspected = a->query.inspected_bytes;
    buf_init(&trace, out->max);
    if (otlp_trace_encode(&a->batch, &trace) != OK) {
        out->failed = true;
    }
    wire_put_header(out, 1, trace.n);
    buf_append_slice(out, buf_slice(&trace));
    buf_fini(&trace);
    if (inspected) {
        wire_put_header(out, 2, 1 + wire_varint_size(inspected));
        wire_put_u64(out, 1, inspected);
    } else if (a->batch.span_count) {
        wire_put_header(out, 2, 0);
    }
    if (a->query.truncated) {
        partial_message(a, text, sizeof text);
        wire_put_u64(out, 3, 1);
        wire_put_bytes(out, 4, slice_cstr(text));
    }
}

static void
write_json_v2(const struct trace_answer *a, struct buf *out)
{
    char text[128];
    buf_append_cstr(out, "{\"trace\":");
    if (a->batch.span_count == 0) {
        buf_append_cstr(out, "{}");
    } else if (otlp_trace_write_json(&a->batch, TRACE_ROOT_RESOURCE_SPANS, out) != OK) {
        out->failed = true;
    }
    buf_append_cstr(out, ",\"metrics\":{");
    if (a->query.inspected_bytes) {
        buf_append_cstr(out, "\"inspectedBytes\":\"");
        buf_append_u64(out, a->query.inspected_bytes);
        buf_append_byte(out, '"');
    }
    buf_append_byte(out, '}');
    if (a->query.truncated) {
        partial_message(a, text, sizeof text);
        buf_append_cstr(out, ",\"status\":\"PARTIAL\",\"message\":\"");
        buf_append_cstr(out, text);
        buf_append_byte(out, '"');
    }
    buf_append_byte(out, '}');
}

/* The body in the form the client asked for; the content type goes with it. */
static void
write_body(const struct trace_answer *a, struct buf *out, slice *ret_type)
{
    err rc = OK;
    enum accept_format accept = api_accept(a->q->r);
    *ret_type = SL("application/json");
    if (accept == ACCEPT_PROTOBUF) {
        *ret_type = SL("application/protobuf");
        if (a->v2) {
            encode_v2(a, out);
        } else {
            rc = otlp_trace_encode(&a->batch, out);
        }
    } else if (!a->v2) {
        if (accept == ACCEPT_LLM) {
            *ret_type = SL("application/vnd.grafana.llm");
        }
        rc = otlp_trace_write_json(&a->batch, TRACE_ROOT_BATCHES, out);
    } else if (accept == ACCEPT_LLM) {
        *ret_type = SL("application/vnd.grafana.llm+json");
        rc = llm_write_trace(&a->batch, a->query.inspected_bytes, out);
    } else {
        write_json_v2(a, out);
    }
    if (rc != OK) {
        out->failed = true;
    }
}

static void
log_response(const struct trace_answer *a, err rc, const struct fault *f, int64_t start_ns)
{
    char hex[2 * TRACE_ID_BYTES];
    hex_encode(a->query.id.b, TRACE_ID_BYTES, hex);
    LOG_I("trace id response", LOG_STR("tenant", a->q->tenants[0]),
          LOG_STR("traceID", slice_of(hex, sizeof hex)), LOG_STR("path", slice_sub(a->q->r->path, 0, 256)),
          LOG_DBL("duration_seconds", (double)(clock_mono_ns() - start_ns) / (double)NS_PER_S),
          LOG_UINT("inspected_bytes", a->query.inspected_bytes),
          LOG_CSTR("err", rc == OK || rc == ERR_NOT_FOUND ? "null" : f->msg));
}

static void
answer_found(struct trace_answer *a)
{
    struct buf out;
    slice type;
    char text[128];
    if (a->query.truncated && !a->v2) {
        snprintf(text, sizeof text, "trace exceeds max size (max bytes: %llu)",
                 (unsigned long long)a->query.max_bytes);
        api_answer_error(a->q, 422, slice_cstr(text));
        return;
    }
    buf_init(&out, (size_t)a->memory);
    write_body(a, &out, &type);
    if (out.failed) {
        buf_fini(&out);
        api_answer_error(a->q, 422, SL("trace exceeds the memory set aside for one answer"));
    } else {
        api_answer_buf(a->q, 200, type, &out);
    }
}

static void
answer_missing(struct trace_answer *a)
{
    enum accept_format accept = api_accept(a->q->r);
    if (!a->v2) {
        api_answer_bytes(a->q, 404, SL_EMPTY, SL_EMPTY);
    } else if (accept == ACCEPT_PROTOBUF) {
        api_answer_bytes(a->q, 200, SL("application/protobuf"), SL("\x0a\x00"));
    } else if (accept == ACCEPT_LLM) {
        api_answer_bytes(a->q, 200, SL("application/vnd.grafana.llm+json"), SL("{}"));
    } else {
        api_answer_bytes(a->q, 200, SL("application/json"), SL("{\"trace\":{},\"metrics\":{}}"));
    }
}

/* --- the query ---------------------------------------------------------------------------------------- */

/* The smallest bound of the tenants asked for. */
static uint64_t
max_bytes_of(struct api_request *q)
{
    uint64_t max = 0;
    for (size_t i = 0; i < q->tenant_count; i++) {
        const struct tenant_limits *l = overrides_get(q->fe->o.overrides, q->tenants[i]);
        uint64_t own = l->global.max_bytes_per_trace;
        max = own && (max == 0 || own < max) ? own : max;
        overrides_release(l);
    }
    return max;
}

static void
count_query(const struct trace_answer *a, err rc)
{
    slice result = rc == ERR_CANCELLED ? SL("canceled") : SL("completed");
    for (size_t i = 0; i < a->q->tenant_count; i++) {
        series_add(metric_series(a->q->fe->queries, (slice[]){SL("traces"), result, a->q->tenants[i]}), 1);
    }
}

static void
run_query(struct trace_answer *a)
{
    struct api_request *q = a->q;
    struct fault f = {0};
    int64_t start = clock_mono_ns();
    a->query.sources = q->fe->o.trace_sources;
    a->query.source_count = q->fe->o.trace_source_count;
    a->query.tenants = q->tenants;
    a->query.tenant_count = q->tenant_count;
    a->query.cancelled = &q->r->cancelled;
    err rc = trace_find(&a->query, &a->batch, &f);
    log_response(a, rc, &f, start);
    count_query(a, rc);
    if (rc == OK) {
        answer_found(a);
    } else if (rc == ERR_NOT_FOUND) {
        answer_missing(a);
    } else if (rc == ERR_LIMIT && !a->v2) {
        api_answer_error(q, 422, SL("trace exceeds the memory set aside for one query"));
    } else {
        api_answer_fault(q, rc, &f);
    }
}

static void
traces(struct api_request *q, bool v2)
{
    struct trace_answer a = {.q = q, .v2 = v2};
    struct fault f = {0};
    err rc = check_params(q, &a.query.id, &f);
    if (rc != OK) {
        api_answer_fault(q, rc, &f);
        return;
    }
    a.query.max_bytes = max_bytes_of(q);
    uint64_t bytes = a.query.max_bytes ? a.query.max_bytes : TRACE_BYTES_UNLIMITED;
    struct budget *budget = q->fe->o.query_budget;
    a.memory = TRACE_FLOOR + bytes * TRACE_MEMORY_FACTOR;
    if (a.memory > budget->max) {
        a.memory = budget->max;
    }
    span_batch_init(&a.batch, (size_t)a.memory);
    run_query(&a);
    span_batch_fini(&a.batch);
}

void
traces_v1(struct api_request *q)
{
    traces(q, false);
}

void
traces_v2(struct api_request *q)
{
    traces(q, true);
}
