/* Jaeger's Thrift over HTTP: POST /api/traces (receivers.md 6.2). */
#include "http_ingest.h"
#include "rpc_status.h"

#include "vivace/codec/jaeger.h"

#include <stdio.h>

#define TEXT_MAX (FAULT_MSG_MAX + 96)
#define COMPACT_FIRST                                                                                        \
    0x10 /* a field header of the compact protocol is no less; the binary one begins with a type */

enum body_format { BODY_ANY_THRIFT, BODY_BINARY, BODY_COMPACT, BODY_FORMAT_COUNT };

static void
answer_failed_push(struct receiver *rx, struct http_request *r, const struct push_outcome *out)
{
    char text[TEXT_MAX];
    int code = rpc_status_of(out->rc);
    if (out->rc == ERR_DENIED) { /* no status in the collector, but a plain error */
        (void)snprintf(text, sizeof text, "Cannot submit Jaeger batch: %s", out->fault.msg);
    } else {
        (void)snprintf(text, sizeof text, "Cannot submit Jaeger batch: rpc error: code = %s desc = %s",
                       rpc_status_name(code), out->fault.msg);
    }
    http_ingest_error(rx, r, 500, slice_cstr(text));
}

static void
answer(struct receiver *rx, struct http_request *r, int format, const struct push_outcome *out)
{
    (void)format;
    if (out->rc == OK) {
        http_ingest_answer(rx, r, &(struct http_reply){.status = 202});
    } else if (out->decoded) {
        answer_failed_push(rx, r, out);
    } else if (out->retry_after_s != 0) {
        http_ingest_busy(rx, r, out);
    } else {
        char text[TEXT_MAX];
        (void)snprintf(text, sizeof text, "Unable to process request body: %s", out->fault.msg);
        http_ingest_error(rx, r, 400, slice_cstr(text));
    }
}

static err
decode(const struct http_job *j, slice body, struct span_batch *out, struct fault *f)
{
    bool compact = j->format == BODY_COMPACT ||
                   (j->format == BODY_ANY_THRIFT && body.n != 0 && body.p[0] >= COMPACT_FIRST);
    return jaeger_thrift_decode(body, compact ? JAEGER_THRIFT_COMPACT : JAEGER_THRIFT_BINARY, out, f);
}

static const slice transports[BODY_FORMAT_COUNT] = {SL("collector_http"), SL("collector_http"),
                                                    SL("collector_http")};

static const struct http_protocol protocol = {
    .receiver = SL("jaeger/jaeger_receiver"), .transports = transports, .decode = decode, .answer = answer};

/* False when the content type was refused here. */
static bool
format_take(struct receiver *rx, struct http_request *r, int *ret)
{
    static const struct {
        const char *type;
        enum body_format format;
    } types[] = {{"application/x-thrift", BODY_ANY_THRIFT},
                 {"application/vnd.apache.thrift.binary", BODY_BINARY},
                 {"application/vnd.apache.thrift.compact", BODY_COMPACT}};
    char text[TEXT_MAX];
    slice rest = http_header_get(r, SL("content-type"));
    slice type = slice_trim(slice_cut(&rest, ';'));
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (slice_ieq(type, slice_cstr(types[i].type))) {
            *ret = (int)types[i].format;
            return true;
        }
    }
    if (type.n == 0) {
        (void)snprintf(text, sizeof text, "Cannot parse content type: mime: no media type");
    } else {
        (void)snprintf(text, sizeof text, "Unsupported content type: %.*s", SL_FMT(slice_sub(type, 0, 128)));
    }
    http_ingest_error(rx, r, 400, slice_cstr(text));
    return false;
}

void
jaeger_http_handle(void *ctx, struct http_request *r)
{
    struct receiver *rx = ctx;
    enum codec_kind codec = CODEC_NONE;
    char text[128];
    int format = BODY_ANY_THRIFT;
    if (http_ingest_preflight(rx, r)) {
        return;
    }
    if (!http_ingest_codec(rx, r, &codec, text, sizeof text)) {
        http_ingest_error(rx, r, 400, slice_cstr(text));
    } else if (!slice_eq(r->path, SL("/api/traces"))) {
        http_ingest_error(rx, r, 404, SL("404 page not found"));
    } else if (!slice_eq(r->method, SL("POST"))) {
        http_ingest_answer(rx, r, &(struct http_reply){.status = 405});
    } else if (r->body_too_large) {
        http_ingest_error(rx, r, 400, SL("Unable to process request body: http: request body too large"));
    } else if (format_take(rx, r, &format)) {
        http_ingest_submit(&(struct http_job){
            .protocol = &protocol, .rx = rx, .request = r, .format = format, .codec = codec});
    }
}
