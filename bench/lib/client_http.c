/* OTLP/HTTP with protobuf bodies: HTTP/1.1, keep-alive, one request under way. */
#include "client_priv.h"
#include "http1.h"

#include <stdio.h>

#define ANSWER_MAX (1u << 20)

static void
http_open(struct conn *c)
{
    (void)c;
}

static void
http_close(struct conn *c)
{
    (void)c;
}

static void
http_submit(struct conn *c, struct slot *s)
{
    const struct load_options *o = load_options_of(c->load);
    blob_printf(&c->out,
                "POST /v1/traces HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: vivace-bench\r\n"
                "Content-Type: application/x-protobuf\r\n%sContent-Length: %zu\r\n\r\n",
                o->host, o->port, o->gzip ? "Content-Encoding: gzip\r\n" : "", s->request.n);
    blob_add(&c->out, s->request.body, s->request.n);
}

static bool
http_receive(struct conn *c, const uint8_t *p, size_t n)
{
    blob_add(&c->in, p, n);
    struct http1_answer answer;
    size_t whole = http1_parse(&c->in, &answer);
    if (whole == 0) {
        return c->in.n < ANSWER_MAX;
    }
    struct slot *s = &c->slots[0];
    if (!s->busy || s->resend_ns) {
        return false; /* an answer nobody waits for */
    }
    s->status = answer.status;
    snprintf(s->message, sizeof s->message, "%.*s", (int)answer.body_n, (const char *)answer.body);
    blob_consume(&c->in, whole);
    slot_answered(c, s);
    return true;
}

static bool
http_pump(struct conn *c)
{
    (void)c; /* submit wrote it all */
    return true;
}

static bool
http_retryable(int status)
{
    return status == 429 || status == 503;
}

const struct client_protocol client_http = {.open = http_open,
                                            .close = http_close,
                                            .submit = http_submit,
                                            .receive = http_receive,
                                            .pump = http_pump,
                                            .retryable = http_retryable,
                                            .ok = 200};
