#include "gzip.h"

#include "vivace/codec/compress.h"

/* "q=0", "q=0.0", "q=0.000" refuse; anything else does not. */
static bool
weight_is_zero(slice params)
{
    while (params.p) {
        slice one = slice_trim(slice_cut(&params, ';'));
        if (one.n < 3 || (one.p[0] | 0x20) != 'q' || one.p[1] != '=') {
            continue;
        }
        for (size_t i = 2; i < one.n; i++) {
            if (one.p[i] != '0' && one.p[i] != '.') {
                return false;
            }
        }
        return true;
    }
    return false;
}

bool
gzip_accepted(const struct http_request *r)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (!slice_eq(r->headers[i].name, SL("accept-encoding"))) {
            continue;
        }
        slice rest = r->headers[i].value;
        while (rest.p) {
            slice params = slice_cut(&rest, ',');
            slice name = slice_trim(slice_cut(&params, ';'));
            if (slice_ieq(name, SL("gzip"))) {
                return !weight_is_zero(params);
            }
        }
    }
    return false;
}

static bool
is_encoded(const struct http_response *resp)
{
    for (size_t i = 0; i < resp->header_count; i++) {
        if (slice_ieq(resp->headers[i].name, SL("content-encoding"))) {
            return true;
        }
    }
    return false;
}

/* True when the body was swapped for a smaller one. */
static bool
gzip_body(struct http_response *resp)
{
    struct buf out;
    buf_init(&out, resp->body->n);
    if (codec_compress(CODEC_GZIP, bytes_slice(resp->body), &out) != OK || out.n >= resp->body->n) {
        buf_fini(&out); /* not worth it: the plain body goes */
        return false;
    }
    bytes_unref(resp->body);
    resp->body = bytes_take(&out);
    return true;
}

void
gzip_answer(const struct http_request *r, struct arena *a, struct http_response *resp)
{
    if (!resp->may_gzip) {
        return;
    }
    struct http_header *headers = arena_new_array(a, struct http_header, resp->header_count + 2);
    if (resp->header_count) {
        memcpy(headers, resp->headers, resp->header_count * sizeof *headers);
    }
    size_t n = resp->header_count;
    headers[n++] = (struct http_header){SL("vary"), SL("Accept-Encoding")};
    if (resp->body && resp->body->n >= GZIP_BODY_MIN && gzip_accepted(r) && !is_encoded(resp) &&
        gzip_body(resp)) {
        headers[n++] = (struct http_header){SL("content-encoding"), SL("gzip")};
    }
    resp->headers = headers;
    resp->header_count = n;
}
