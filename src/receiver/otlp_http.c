/* OTLP over HTTP: POST /v1/traces in protobuf or JSON (receivers.md section 4). */
#include "cors.h"
#include "receiver_priv.h"
#include "rpc_status.h"

#include "vivace/base/mem.h"
#include "vivace/codec/otlp.h"

#include <stdio.h>

#define ANSWER_HEADERS_MAX 32
#define STATUS_BODY_MAX    ((size_t)4 << 10)

enum body_format { BODY_OTHER, BODY_PROTOBUF, BODY_JSON };

struct http_job {
    struct pool_job job;
    struct receiver *rx;
    struct http_request *request;
    enum body_format format;
    enum codec_kind codec;
};

/* --- answers ------------------------------------------------------------------------------------------ */

/* `body` is copied. `retry_after_s` 0 = no Retry-After. */
static void
answer(struct receiver *rx, struct http_request *r, int status, slice content_type, slice body,
       uint32_t retry_after_s)
{
    struct http_header headers[ANSWER_HEADERS_MAX];
    struct cors_headers cors;
    char retry[16];
    size_t n = 0;
    cors_actual(rx->config, r, &cors);
    for (size_t i = 0; i < cors.n; i++) {
        headers[n++] = cors.v[i];
    }
    if (retry_after_s) {
        int len = snprintf(retry, sizeof retry, "%u", retry_after_s);
        headers[n++] = (struct http_header){SL("Retry-After"), slice_of(retry, (size_t)len)};
    }
    for (size_t i = 0; i < rx->config->response_headers.n && n < ANSWER_HEADERS_MAX; i++) {
        const struct config_pair *p = &rx->config->response_headers.v[i];
        headers[n++] = (struct http_header){slice_cstr(p->key), slice_cstr(p->value)};
    }
    struct http_response resp = {
        .status = status,
        .content_type = content_type,
        .headers = headers,
        .header_count = n,
        .body = body.n ? bytes_copy(body) : NULL,
        .close = r->body_too_large,
    };
    http_answer_later(r, &resp);
}

static void
answer_plain(struct receiver *rx, struct http_request *r, int status, slice text)
{
    answer(rx, r, status, SL("text/plain"), text, 0);
}

/* An error as google.rpc.Status in the request's own encoding. */
static void
answer_status(struct receiver *rx, struct http_request *r, enum body_format format, int http_status, int code,
              slice message, uint32_t retry_after_s)
{
    struct buf out;
    buf_init(&out, STATUS_BODY_MAX);
    if (format == BODY_PROTOBUF) {
        rpc_status_encode(&out, code, message, retry_after_s);
        answer(rx, r, http_status, SL("application/x-protobuf"), buf_slice(&out), retry_after_s);
    } else if (format == BODY_JSON) {
        rpc_status_write_json(&out, code, message, retry_after_s);
        answer(rx, r, http_status, SL("application/json"), buf_slice(&out), retry_after_s);
    } else {
        answer(rx, r, 500, SL("application/json"),
               SL("{\"code\": 13, \"message\": \"failed to marshal error message\"}"), 0);
    }
    buf_fini(&out);
}

static void
answer_outcome(struct receiver *rx, struct http_request *r, enum body_format format,
               const struct push_outcome *out)
{
    int code = rpc_status_of(out->rc);
    if (out->rc != OK) {
        answer_status(rx, r, format, rpc_status_to_http(code), code, slice_cstr(out->fault.msg),
                      out->retry_after_s);
    } else if (format == BODY_JSON) {
        answer(rx, r, 200, SL("application/json"), SL("{\"partialSuccess\":{}}"), 0);
    } else {
        answer(rx, r, 200, SL("application/x-protobuf"), SL("\x0a\x00"), 0);
    }
}

/* --- on a worker -------------------------------------------------------------------------------------- */

/* The body decompressed, as it came or in the scratch. */
static err
plain_body(const struct http_job *j, struct scratch *s, slice *ret, struct fault *f)
{
    slice body = bytes_slice(j->request->body);
    if (j->codec == CODEC_NONE) {
        *ret = body;
        return OK;
    }
    err rc = codec_decompress(j->codec, body, &s->body, f);
    if (rc == ERR_LIMIT) {
        *f = (struct fault){0};
        return FAULT(f, ERR_INVALID, "http: request body too large");
    }
    *ret = buf_slice(&s->body);
    return rc;
}

static void
decode_and_push(struct http_job *j, struct scratch *s, struct push_outcome *out)
{
    struct receivers *all = j->rx->all;
    struct push_source from = {.receiver = SL("otlp/otlp_receiver"), .transport = SL("http")};
    slice body;
    out->rc = plain_body(j, s, &body, &out->fault);
    if (out->rc != OK || decode_reserve(all, body.n, out) != OK) {
        return;
    }
    scratch_bound_batch(s, body.n);
    out->rc = j->format == BODY_JSON ? otlp_json_decode(body, &s->batch, &out->fault)
                                     : otlp_decode(body, &s->batch, &out->fault);
    if (out->rc == ERR_LIMIT) {
        out->rc = ERR_INVALID; /* more small fields than any real batch has: the same again will not pass */
    }
    if (out->rc == OK) {
        push_source_tenant(&from, j->request);
        push_batch(all, &from, &s->batch, j->format == BODY_JSON ? SL_EMPTY : body, out);
    }
    decode_release(all, body.n);
}

static void
run_job(struct pool_job *job)
{
    struct http_job *j = (struct http_job *)job;
    struct receivers *all = j->rx->all;
    struct push_outcome out = {0};
    struct scratch *s = scratch_get(&all->scratch, j->rx->config->max_request_body_size);
    decode_and_push(j, s, &out);
    answer_outcome(j->rx, j->request, j->format, &out);
    scratch_put(&all->scratch, s);
    mem_free(j);
}

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

/* With distributor...compression_algorithms set, only those are taken. */
static bool
encoding_enabled(const struct config_receiver *c, slice name)
{
    if (c->compression_algorithms.n == 0) {
        return true;
    }
    for (size_t i = 0; i < c->compression_algorithms.n; i++) {
        if (slice_eq(name, slice_cstr(c->compression_algorithms.v[i]))) {
            return true;
        }
    }
    return false;
}

/* False when it was answered here. */
static bool
route(struct receiver *rx, struct http_request *r, enum body_format format, enum codec_kind *ret_codec)
{
    slice encoding = http_header_get(r, SL("content-encoding"));
    if (!codec_from_http(encoding, ret_codec) || !encoding_enabled(rx->config, encoding)) {
        char text[128];
        int n = snprintf(text, sizeof text, "unsupported Content-Encoding: %.*s",
                         (int)(encoding.n < 64 ? encoding.n : 64), (const char *)encoding.p);
        answer_status(rx, r, format, 400, GRPC_INVALID_ARGUMENT, slice_of(text, (size_t)n), 0);
        return false;
    }
    if (!slice_eq(r->path, slice_cstr(rx->config->traces_url_path))) {
        answer(rx, r, 404, SL("text/plain; charset=utf-8"), SL("404 page not found\n"), 0);
        return false;
    }
    if (!slice_eq(r->method, SL("POST"))) {
        answer_plain(rx, r, 405, SL("405 method not allowed, supported: [POST]"));
        return false;
    }
    if (format == BODY_OTHER) {
        answer_plain(rx, r, 415,
                     SL("415 unsupported media type, supported: [application/json, application/x-protobuf]"));
        return false;
    }
    if (r->body_too_large) {
        answer_status(rx, r, format, 400, GRPC_INVALID_ARGUMENT, SL("http: request body too large"), 0);
        return false;
    }
    return true;
}

void
otlp_http_handle(void *ctx, struct http_request *r)
{
    struct receiver *rx = ctx;
    enum codec_kind codec = CODEC_NONE;
    if (cors_is_preflight(rx->config, r)) {
        struct cors_headers h;
        cors_preflight(rx->config, r, &h);
        http_answer(r, &(struct http_response){.status = 204, .headers = h.v, .header_count = h.n});
        return;
    }
    enum body_format format = format_of(r);
    if (!route(rx, r, format, &codec)) {
        return;
    }
    struct http_job *j = mem_new(struct http_job);
    *j = (struct http_job){.job = {.run = run_job}, .rx = rx, .request = r, .format = format, .codec = codec};
    if (pool_submit(rx->all->o.pool, &j->job) != OK) {
        struct push_outcome out = {0};
        push_refused_by_pool(&out);
        answer_outcome(rx, r, format, &out);
        mem_free(j);
    }
}
