/* OTLP over HTTP: POST /v1/traces in protobuf or JSON (receivers.md section 4). */
#include "http_ingest.h"
#include "rpc_status.h"

#include "vivace/codec/otlp.h"

#define STATUS_BODY_MAX ((size_t)4 << 10)

enum body_format { BODY_OTHER, BODY_PROTOBUF, BODY_JSON };

/* --- answers ------------------------------------------------------------------------------------------ */

static void
answer(struct receiver *rx, struct http_request *r, int status, slice content_type, slice body)
{
    http_ingest_answer(rx, r,
                       &(struct http_reply){.status = status, .content_type = content_type, .body = body});
}

/* An error as google.rpc.Status in the request's own encoding. */
static void
answer_status(struct receiver *rx, struct http_request *r, int format, int code,
              const struct push_outcome *out)
{
    struct buf body;
    slice message = slice_cstr(out->fault.msg);
    struct http_reply reply = {.status = rpc_status_to_http(code), .retry_after_s = out->retry_after_s};
    buf_init(&body, STATUS_BODY_MAX);
    if (format == BODY_PROTOBUF) {
        rpc_status_encode(&body, code, message, out->retry_after_s);
        reply.content_type = SL("application/x-protobuf");
    } else if (format == BODY_JSON) {
        rpc_status_write_json(&body, code, message, out->retry_after_s);
        reply.content_type = SL("application/json");
    } else {
        buf_append_cstr(&body, "{\"code\": 13, \"message\": \"failed to marshal error message\"}");
        reply = (struct http_reply){.status = 500, .content_type = SL("application/json")};
    }
    reply.body = buf_slice(&body);
    http_ingest_answer(rx, r, &reply);
    buf_fini(&body);
}

static void
answer_invalid(struct receiver *rx, struct http_request *r, int format, const char *text)
{
    struct push_outcome out = {0};
    out.rc = FAULT(&out.fault, ERR_INVALID, "%s", text);
    answer_status(rx, r, format, GRPC_INVALID_ARGUMENT, &out);
}

static void
answer_outcome(struct receiver *rx, struct http_request *r, int format, const struct push_outcome *out)
{
    if (out->rc != OK) {
        answer_status(rx, r, format, rpc_status_of(out->rc), out);
    } else if (format == BODY_JSON) {
        answer(rx, r, 200, SL("application/json"), SL("{\"partialSuccess\":{}}"));
    } else {
        answer(rx, r, 200, SL("application/x-protobuf"), SL("\x0a\x00"));
    }
}

/* --- the protocol ------------------------------------------------------------------------------------- */

static err
decode(const struct http_job *j, slice body, struct span_batch *out, struct fault *f)
{
    return j->format == BODY_JSON ? otlp_json_decode(body, out, f) : otlp_decode(body, out, f);
}

static bool
is_otlp_wire(int format)
{
    return format == BODY_PROTOBUF;
}

static const slice transports[] = {
    [BODY_OTHER] = SL("http"), [BODY_PROTOBUF] = SL("http"), [BODY_JSON] = SL("http")};

static const struct http_protocol protocol = {
    .receiver = SL("otlp/otlp_receiver"),
    .transports = transports,
    .decode = decode,
    .is_otlp_wire = is_otlp_wire,
    .answer = answer_outcome,
};

/* --- on the loop -------------------------------------------------------------------------------------- */

/* The media type without parameters decides. */
static enum body_format
format_of(const struct http_request *r)
{
    slice rest = http_header_get(r, SL("content-type"));
    slice type = slice_trim(slice_cut(&rest, ';'));
    if (slice_ieq(type, SL("application/x-protobuf"))) {
        return BODY_PROTOBUF;
    }
    return slice_ieq(type, SL("application/json")) ? BODY_JSON : BODY_OTHER;
}

/* False when it was answered here. */
static bool
route(struct receiver *rx, struct http_request *r, enum body_format format, enum codec_kind *ret_codec)
{
    char text[128];
    if (!http_ingest_codec(rx, r, ret_codec, text, sizeof text)) {
        answer_invalid(rx, r, (int)format, text);
        return false;
    }
    if (!slice_eq(r->path, slice_cstr(rx->config->traces_url_path))) {
        answer(rx, r, 404, SL("text/plain; charset=utf-8"), SL("404 page not found\n"));
        return false;
    }
    if (!slice_eq(r->method, SL("POST"))) {
        answer(rx, r, 405, SL("text/plain"), SL("405 method not allowed, supported: [POST]"));
        return false;
    }
    if (format == BODY_OTHER) {
        answer(rx, r, 415, SL("text/plain"),
               SL("415 unsupported media type, supported: [application/json, application/x-protobuf]"));
        return false;
    }
    if (r->body_too_large) {
        answer_invalid(rx, r, (int)format, "http: request body too large");
        return false;
    }
    return true;
}

void
otlp_http_handle(void *ctx, struct http_request *r)
{
    struct receiver *rx = ctx;
    enum codec_kind codec = CODEC_NONE;
    if (http_ingest_preflight(rx, r)) {
        return;
    }
    enum body_format format = format_of(r);
    if (route(rx, r, format, &codec)) {
        http_ingest_submit(&(struct http_job){
            .protocol = &protocol, .rx = rx, .request = r, .format = (int)format, .codec = codec});
    }
}
