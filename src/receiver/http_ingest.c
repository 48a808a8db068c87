#include "http_ingest.h"

#include "cors.h"

#include "vivace/base/mem.h"

#include <stdio.h>

#define ANSWER_HEADERS_MAX 32
#define ERROR_TEXT_MAX     (FAULT_MSG_MAX + 128)

/* --- answers ------------------------------------------------------------------------------------------ */

void
http_ingest_answer(struct receiver *rx, struct http_request *r, const struct http_reply *reply)
{
    struct http_header headers[ANSWER_HEADERS_MAX];
    struct cors_headers cors;
    char retry[16];
    size_t n = 0;
    cors_actual(rx->config, r, &cors);
    for (size_t i = 0; i < cors.n; i++) {
        headers[n++] = cors.v[i];
    }
    if (reply->retry_after_s) {
        int len = snprintf(retry, sizeof retry, "%u", reply->retry_after_s);
        headers[n++] = (struct http_header){SL("Retry-After"), slice_of(retry, (size_t)len)};
    }
    if (reply->nosniff) {
        headers[n++] = (struct http_header){SL("X-Content-Type-Options"), SL("nosniff")};
    }
    for (size_t i = 0; i < rx->config->response_headers.n && n < ANSWER_HEADERS_MAX; i++) {
        const struct config_pair *p = &rx->config->response_headers.v[i];
        headers[n++] = (struct http_header){slice_cstr(p->key), slice_cstr(p->value)};
    }
    struct http_response resp = {
        .status = reply->status,
        .content_type = reply->content_type,
        .headers = headers,
        .header_count = n,
        .body = reply->body.n ? bytes_copy(reply->body) : NULL,
        .close = r->body_too_large,
    };
    http_answer_later(r, &resp);
}

void
http_ingest_error(struct receiver *rx, struct http_request *r, int status, slice text)
{
    char line[ERROR_TEXT_MAX];
    int n = snprintf(line, sizeof line, "%.*s\n", SL_FMT(text));
    size_t len = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    http_ingest_answer(rx, r,
                       &(struct http_reply){.status = status,
                                            .content_type = SL("text/plain; charset=utf-8"),
                                            .body = slice_of(line, len),
                                            .nosniff = true});
}

void
http_ingest_busy(struct receiver *rx, struct http_request *r, const struct push_outcome *out)
{
    http_ingest_answer(rx, r,
                       &(struct http_reply){.status = 429,
                                            .content_type = SL("text/plain; charset=utf-8"),
                                            .body = slice_cstr(out->fault.msg),
                                            .retry_after_s = out->retry_after_s});
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
decode_and_push(const struct http_job *j, struct scratch *s, struct push_outcome *out)
{
    const struct http_protocol *p = j->protocol;
    struct receivers *all = j->rx->all;
    struct push_source from = {.receiver = p->receiver, .transport = p->transports[j->format]};
    slice body = SL_EMPTY;
    out->rc = plain_body(j, s, &body, &out->fault);
    if (out->rc != OK || decode_reserve(all, body.n, out) != OK) {
        return;
    }
    scratch_bound_batch(s, body.n);
    out->rc = p->decode(j, body, &s->batch, &out->fault);
    if (out->rc == ERR_LIMIT) {
        out->rc = ERR_INVALID; /* more small fields than any real batch has: the same again will not pass */
    }
    if (out->rc == OK) {
        bool as_it_is = p->is_otlp_wire != NULL && p->is_otlp_wire(j->format);
        out->decoded = true;
        push_source_tenant(&from, j->request);
        push_batch(all, &from, &s->batch, as_it_is ? body : SL_EMPTY, out);
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
    j->protocol->answer(j->rx, j->request, j->format, &out);
    scratch_put(&all->scratch, s);
    mem_free(j);
}

/* --- on the loop -------------------------------------------------------------------------------------- */

bool
http_ingest_preflight(struct receiver *rx, struct http_request *r)
{
    struct cors_headers h;
    if (!cors_is_preflight(rx->config, r)) {
        return false;
    }
    cors_preflight(rx->config, r, &h);
    http_answer(r, &(struct http_response){.status = 204, .headers = h.v, .header_count = h.n});
    return true;
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

bool
http_ingest_codec(const struct receiver *rx, const struct http_request *r, enum codec_kind *ret, char *text,
                  size_t text_bytes)
{
    slice encoding = http_header_get(r, SL("content-encoding"));
    if (codec_from_http(encoding, ret) && encoding_enabled(rx->config, encoding)) {
        return true;
    }
    (void)snprintf(text, text_bytes, "unsupported Content-Encoding: %.*s",
                   SL_FMT(slice_sub(encoding, 0, 64)));
    return false;
}

void
http_ingest_submit(const struct http_job *from)
{
    struct http_job *j = mem_new(struct http_job);
    *j = *from;
    j->job.run = run_job;
    if (pool_submit(j->rx->all->o.pool, &j->job) != OK) {
        struct push_outcome out = {0};
        push_refused_by_pool(&out);
        j->protocol->answer(j->rx, j->request, j->format, &out);
        mem_free(j);
    }
}
