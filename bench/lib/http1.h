/* HTTP/1.1 answers: a whole one at the head of a buffer, by Content-Length or chunks.
 * Source: RFC 9112. Threads: plain values. */
#pragma once

#include "blob.h"

struct http1_answer {
    int status;
    const uint8_t *body; /* in the buffer, chunks joined */
    size_t body_n;
};

/* Bytes of the answer at the head of `in`, 0 while it is not complete. Consume them when done with it. */
size_t http1_parse(struct blob *in, struct http1_answer *ret);
