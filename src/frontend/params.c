/* Query parameters and Accept. */
#include "api.h"

static int
hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
url_decode(slice in, bool plus, struct arena *arena, slice *ret)
{
    uint8_t *out = arena_alloc(arena, in.n + 1);
    size_t n = 0;
    if (out == NULL) {
        return false;
    }
    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        if (c == '%') {
            int high = in.n - i > 2 ? hex_value(in.p[i + 1]) : -1;
            int low = in.n - i > 2 ? hex_value(in.p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        out[n++] = c;
    }
    out[n] = '\0';
    *ret = slice_of(out, n);
    return true;
}

bool
api_param(struct api_request *q, slice name, slice *ret)
{
    for (slice rest = q->r->query; rest.p && rest.n;) {
        slice pair = slice_cut(&rest, '&');
        slice key = slice_cut(&pair, '=');
        slice decoded;
        if (url_decode(key, true, &q->arena, &decoded) && slice_eq(decoded, name) &&
            url_decode(pair, true, &q->arena, ret)) {
            return true;
        }
    }
    return false;
}

bool
api_accepts(const struct http_request *r, slice media_type)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (slice_eq(r->headers[i].name, SL("accept")) &&
            slice_find(r->headers[i].value, media_type) != SIZE_MAX) {
            return true;
        }
    }
    return false;
}

enum accept_format
api_accept(const struct http_request *r)
{
    if (api_accepts(r, SL("application/protobuf"))) {
        return ACCEPT_PROTOBUF;
    }
    if (!api_accepts(r, SL("application/json")) && api_accepts(r, SL("application/vnd.grafana.llm"))) {
        return ACCEPT_LLM;
    }
    return ACCEPT_JSON;
}
