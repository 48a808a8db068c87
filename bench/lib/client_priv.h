/* What the loop and the two protocols share. */
#pragma once

#include "blob.h"
#include "client.h"

#include <nghttp2/nghttp2.h>

#define ANSWER_UNKNOWN (-1)

struct slot {
    struct load_request request;
    uint64_t start_ns, resend_ns; /* resend_ns: waiting to be sent again at this time; 0 = not */
    size_t sent;                  /* bytes of prefix and body handed to nghttp2 */
    int32_t stream;
    int status; /* gRPC or HTTP status; ANSWER_UNKNOWN */
    char message[160];
    bool busy, answered;
};

struct load;

struct conn {
    struct load *load;
    int fd;
    bool dead, want_write;
    struct slot *slots; /* load->inflight of them */
    uint32_t busy;
    struct blob out; /* bytes on their way */
    size_t out_at;
    nghttp2_session *session; /* gRPC */
    struct blob in;           /* HTTP/1.1: the answer so far */
};

struct client_protocol {
    void (*open)(struct conn *c);
    void (*close)(struct conn *c);
    void (*submit)(struct conn *c, struct slot *s);
    bool (*receive)(struct conn *c, const uint8_t *p, size_t n); /* false = protocol error */
    /* Move what is to be sent into c->out; false = protocol error. */
    bool (*pump)(struct conn *c);
    bool (*retryable)(int status);
    int ok;
};

extern const struct client_protocol client_grpc, client_http;

const struct load_options *load_options_of(const struct load *l);
/* The slot's answer is complete: status and message are set. */
void slot_answered(struct conn *c, struct slot *s);
