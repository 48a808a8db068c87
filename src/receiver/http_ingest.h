/* receiver-private: what the HTTP receivers share. A request's head is judged on its loop by the protocol's
 * own rules; then a worker decompresses, decodes and pushes the body, and the protocol words the answer.
 * Threads: http_ingest_submit and _preflight on the loop; answers from any thread; a protocol's functions run
 * on a worker (and `answer` also on the loop, when the pool is full). */
#pragma once

#include "receiver_priv.h"

struct http_job;

/* One receiver's part; static. */
struct http_protocol {
    slice receiver;          /* metric label */
    const slice *transports; /* metric labels, by the job's format */
    err (*decode)(const struct http_job *j, slice body, struct span_batch *out, struct fault *f);
    bool (*is_otlp_wire)(int format); /* the body can be stored as it is; NULL: never */
    void (*answer)(struct receiver *rx, struct http_request *r, int format, const struct push_outcome *out);
};

struct http_job {
    struct pool_job job;
    const struct http_protocol *protocol;
    struct receiver *rx;
    struct http_request *request;
    int format; /* the protocol's own number */
    enum codec_kind codec;
};

/* Answer a CORS preflight; false when the request is none. */
bool http_ingest_preflight(struct receiver *rx, struct http_request *r);
/* The request's Content-Encoding; false, with a sentence in `text`, when this receiver does not take it. */
bool http_ingest_codec(const struct receiver *rx, const struct http_request *r, enum codec_kind *ret,
                       char *text, size_t text_bytes);
/* Give the request to a worker. `from` is copied. */
void http_ingest_submit(const struct http_job *from);

struct http_reply {
    int status;
    slice content_type, body; /* copied; may be empty */
    uint32_t retry_after_s;   /* 0 = no Retry-After */
    bool nosniff;             /* X-Content-Type-Options, as Go's http.Error sends it */
};

/* With the receiver's CORS and response_headers. */
void http_ingest_answer(struct receiver *rx, struct http_request *r, const struct http_reply *reply);
/* As Go's http.Error: text/plain, nosniff, the text and a newline. */
void http_ingest_error(struct receiver *rx, struct http_request *r, int status, slice text);
/* Our own lack of room, before the body was looked at: 429 and Retry-After. */
void http_ingest_busy(struct receiver *rx, struct http_request *r, const struct push_outcome *out);
