/* Zipkin over HTTP: one handler for every path and method (receivers.md 5.1). */
#include "vivace/codec/zipkin.h"

#include "http_ingest.h"

#include "vivace/base/clock.h"

static void
answer(struct receiver *rx, struct http_request *r, int format, const struct push_outcome *out)
{
    (void)format;
    if (out->rc == OK) {
        http_ingest_answer(rx, r, &(struct http_reply){.status = 202});
    } else if (out->decoded) { /* the collector tells no more, whatever it is */
        http_ingest_answer(rx, r,
                           &(struct http_reply){.status = 500,
                                                .content_type = SL("text/plain; charset=utf-8"),
                                                .body = SL("\"Internal Server Error\"")});
    } else if (out->retry_after_s != 0) {
        http_ingest_busy(rx, r, out);
    } else {
        http_ingest_error(rx, r, 400, slice_cstr(out->fault.msg));
    }
}

static err
decode(const struct http_job *j, slice body, struct span_batch *out, struct fault *f)
{
    struct zipkin_options o = {.parse_string_tags = j->rx->config->parse_string_tags,
                               .now_ns = (uint64_t)clock_wall_ns()};
    return zipkin_decode(body, (enum zipkin_format)j->format, &o, out, f);
}

static const slice transports[ZIPKIN_FORMAT_COUNT] = {
    [ZIPKIN_V2_JSON] = SL("http_v2_json"),
    [ZIPKIN_V2_PROTO] = SL("http_v2_proto"),
    [ZIPKIN_V1_JSON] = SL("http_v1_json"),
    [ZIPKIN_V1_THRIFT] = SL("http_v1_thrift"),
};

static const struct http_protocol protocol = {
    .receiver = SL("zipkin/zipkin_receiver"), .transports = transports, .decode = decode, .answer = answer};

/* Content types without parameters, as the collector compares them. */
static enum zipkin_format
format_of(const struct http_request *r)
{
    slice type = http_header_get(r, SL("content-type"));
    if (slice_find(r->path, SL("api/v1/spans")) != SIZE_MAX) {
        return slice_eq(type, SL("application/x-thrift")) ? ZIPKIN_V1_THRIFT : ZIPKIN_V1_JSON;
    }
    return slice_eq(type, SL("application/x-protobuf")) ? ZIPKIN_V2_PROTO : ZIPKIN_V2_JSON;
}

void
zipkin_handle(void *ctx, struct http_request *r)
{
    struct receiver *rx = ctx;
    enum codec_kind codec = CODEC_NONE;
    char text[128];
    if (http_ingest_preflight(rx, r)) {
        return;
    }
    if (!http_ingest_codec(rx, r, &codec, text, sizeof text)) {
        http_ingest_error(rx, r, 400, slice_cstr(text));
    } else if (r->body_too_large) {
        http_ingest_error(rx, r, 400, SL("http: request body too large"));
    } else {
        http_ingest_submit(&(struct http_job){
            .protocol = &protocol, .rx = rx, .request = r, .format = (int)format_of(r), .codec = codec});
    }
}
