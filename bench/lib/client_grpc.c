/* OTLP/gRPC: one HTTP/2 connection with many streams. */
#include "client_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUMP_MAX (256u << 10)
#define PREFIX   5 /* compressed flag and length */

static struct slot *
slot_of(struct conn *c, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(c->session, stream);
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
          const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    (void)session;
    (void)flags;
    struct slot *s = slot_of(user, frame->hd.stream_id);
    if (!s || s->stream != frame->hd.stream_id) {
        return 0;
    }
    if (name_n == 11 && memcmp(name, "grpc-status", 11) == 0) {
        s->status = atoi((const char *)value); // NOLINT(cert-err34-c): nghttp2 ends values with a NUL
    } else if (name_n == 12 && memcmp(name, "grpc-message", 12) == 0) {
        snprintf(s->message, sizeof s->message, "%.*s", (int)value_n, (const char *)value);
    }
    return 0;
}

static int
on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user)
{
    struct conn *c = user;
    struct slot *s = nghttp2_session_get_stream_user_data(session, stream);
    if (s && s->busy && s->stream == stream && !s->answered) {
        s->answered = true;
        if (s->status == ANSWER_UNKNOWN) {
            s->status = 14; /* a stream that ends without a status: not taken, as gRPC clients see it */
            snprintf(s->message, sizeof s->message, "stream ended with HTTP/2 error %u", code);
        }
        slot_answered(c, s);
    }
    return 0;
}

static ssize_t
read_body(nghttp2_session *session, int32_t stream, uint8_t *out, size_t room, uint32_t *flags,
          nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)stream;
    const struct conn *c = user;
    struct slot *s = source->ptr;
    size_t total = PREFIX + s->request.n, put = 0;
    if (s->sent < PREFIX) { /* room is never that small: the first frame has space for the prefix */
        out[0] = load_options_of(c->load)->gzip;
        for (unsigned i = 0; i < 4; i++) {
            out[1 + i] = (uint8_t)(s->request.n >> (24 - 8 * i));
        }
        put = PREFIX;
    }
    size_t from = s->sent + put - PREFIX, n = s->request.n - from;
    if (n > room - put) {
        n = room - put;
    }
    if (n) {
        memcpy(out + put, s->request.body + from, n);
    }
    s->sent += put + n;
    if (s->sent == total) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)(put + n);
}

static void
grpc_open(struct conn *c)
{
    nghttp2_session_callbacks *cb;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    if (nghttp2_session_client_new(&c->session, cb, c) != 0) {
        die("nghttp2: no session");
    }
    nghttp2_session_callbacks_del(cb);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, 1);
}

static void
grpc_close(struct conn *c)
{
    nghttp2_session_del(c->session);
    c->session = NULL;
}

#define NV(name, value)                                                                                      \
    {                                                                                                        \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value),            \
            NGHTTP2_NV_FLAG_NONE                                                                             \
    }

static void
grpc_submit(struct conn *c, struct slot *s)
{
    const struct load_options *o = load_options_of(c->load);
    char authority[64];
    snprintf(authority, sizeof authority, "%s:%u", o->host, o->port);
    nghttp2_nv headers[] = {
        NV(":method", "POST"),
        NV(":scheme", "http"),
        NV(":path", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
        NV(":authority", authority),
        NV("content-type", "application/grpc"),
        NV("te", "trailers"),
        NV("user-agent", "vivace-bench"),
        NV("grpc-encoding", "gzip"),
    };
    size_t n = sizeof headers / sizeof headers[0] - (o->gzip ? 0 : 1);
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_body};
    s->stream = nghttp2_submit_request(c->session, NULL, headers, n, &body, s);
    if (s->stream < 0) {
        die("nghttp2: %s", nghttp2_strerror(s->stream));
    }
}

static bool
grpc_receive(struct conn *c, const uint8_t *p, size_t n)
{
    return nghttp2_session_mem_recv(c->session, p, n) == (ssize_t)n;
}

static bool
grpc_pump(struct conn *c)
{
    while (c->out.n < PUMP_MAX) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(c->session, &p);
        if (n < 0) {
            return false;
        }
        if (n == 0) {
            break;
        }
        blob_add(&c->out, p, (size_t)n);
    }
    return true;
}

static bool
grpc_retryable(int status)
{
    return status == 8 || status == 14;
}

const struct client_protocol client_grpc = {.open = grpc_open,
                                            .close = grpc_close,
                                            .submit = grpc_submit,
                                            .receive = grpc_receive,
                                            .pump = grpc_pump,
                                            .retryable = grpc_retryable,
                                            .ok = 0};
