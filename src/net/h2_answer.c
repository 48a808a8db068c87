#include "h2.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#include <stdio.h>
#include <time.h>

#define NV_INLINE 24

nghttp2_nv
h2_nv(slice name, slice value)
{
    /* nghttp2 copies both (no NO_COPY flag) and writes to neither. */
    union {
        const uint8_t *in;
        uint8_t *out;
    } n = {name.p}, v = {value.p};
    return (nghttp2_nv){n.out, v.out, name.n, value.n, NGHTTP2_NV_FLAG_NONE};
}

/* Fields that speak of an HTTP/1.1 connection, or are ours to say. */
static bool
is_ours(slice name)
{
    static const char *const names[] = {
        "connection",     "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",
        "content-length", "date"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slice_ieq(name, slice_cstr(names[i]))) {
            return true;
        }
    }
    return false;
}

struct answer {
    nghttp2_nv inline_nv[NV_INLINE];
    nghttp2_nv *nv;
    size_t n;
    char status[4], length[24], date[32];
};

static void
add(struct answer *a, slice name, slice value)
{
    a->nv[a->n++] = h2_nv(name, value);
}

/* "Tue, 15 Nov 1994 08:12:31 GMT" (RFC 9110 5.6.7) */
static void
date_format(char *to, size_t n)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t now = (time_t)(clock_wall_ns() / NS_PER_S);
    struct tm tm;
    gmtime_r(&now, &tm);
    (void)snprintf(to, n, "%.3s, %02d %.3s %d %02d:%02d:%02d GMT", days + (ptrdiff_t)tm.tm_wday * 3,
                   tm.tm_mday, months + (ptrdiff_t)tm.tm_mon * 3, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                   tm.tm_sec);
}

static void
answer_build(struct answer *a, const struct http_response *resp, size_t body_n)
{
    a->nv = resp->header_count + 4 <= NV_INLINE ? a->inline_nv
                                                : mem_new_array(nghttp2_nv, resp->header_count + 4);
    (void)snprintf(a->status, sizeof(a->status), "%03u", (unsigned)resp->status % 1000U);
    add(a, SL(":status"), slice_cstr(a->status));
    if (resp->content_type.n > 0) {
        add(a, SL("content-type"), resp->content_type);
    }
    for (size_t i = 0; i < resp->header_count; i++) {
        if (!is_ours(resp->headers[i].name)) {
            add(a, resp->headers[i].name, resp->headers[i].value);
        }
    }
    (void)snprintf(a->length, sizeof(a->length), "%zu", body_n);
    if (resp->status >= 200 && resp->status != 204 && resp->status != 304) {
        add(a, SL("content-length"), slice_cstr(a->length));
    }
    date_format(a->date, sizeof(a->date));
    add(a, SL("date"), slice_cstr(a->date));
}

/* Takes the body. */
static void
send_answer(struct h2_stream *s, const struct http_response *resp)
{
    struct bytes *body = resp->body;
    size_t n = body ? body->n : 0;
    bool none = n == 0 || s->head || resp->status == 204 || resp->status == 304;
    struct answer a = {.n = 0};
    answer_build(&a, resp, n);
    h2_stream_respond(s, a.nv, a.n, !none);
    if (a.nv != a.inline_nv) {
        mem_free(a.nv);
    }
    if (none) {
        bytes_unref(body);
        return;
    }
    struct h2_out *o = mem_new(struct h2_out);
    o->bytes = body; /* not counted in the budget: the handler made it, we only pass it on */
    h2_stream_queue(s, o);
    h2_stream_finish(s);
}

static void
on_answer(struct exchange *x, const struct http_response *resp)
{
    struct h2_stream *s = x->proto_state;
    MUST(s->magic == H2_STREAM_MAGIC && s->x == x);
    struct h2_conn *h = s->h;
    h2_enter(h);
    s->x = NULL; /* frees itself */
    s->discard = true;
    send_answer(s, resp);
    if (resp->close) {
        h2_drain_start(h, "");
    }
    h2_pump(h);
    h2_leave(h);
}

const struct exchange_ops h2_exchange_ops = {.answer = on_answer};

void
h2_answer_text(struct h2_stream *s, int status, slice text)
{
    struct exchange *x = s->x;
    struct http_response resp = {
        .status = status,
        .content_type = text.n ? SL("text/plain; charset=utf-8") : SL_EMPTY,
        .body = text.n ? bytes_copy(text) : NULL,
    };
    s->x = NULL;
    s->discard = true;
    send_answer(s, &resp);
    exchange_destroy(x);
}
