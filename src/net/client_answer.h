/* net-private: an HTTP/1.1 answer put together from bytes as they come. Pure: no I/O. */
#pragma once

#include "http1_parser.h"

#include "vivace/base/buf.h"

#define CLIENT_HEAD_MAX ((size_t)64 << 10) /* bytes of status line and headers */

struct client_answer {
    struct buf head;
    struct buf body; /* as it came */
    struct http1_chunks chunks;
    uint64_t left; /* body bytes to come, with a length */
    int status;
    bool in_body, chunked, has_length, gzip, done;
};

void client_answer_init(struct client_answer *a, size_t body_max);
void client_answer_fini(struct client_answer *a);
/* The next bytes; sets a->done. ERR_CORRUPT, ERR_LIMIT. */
CHECKED err client_answer_feed(struct client_answer *a, slice in, struct fault *f);
/* The connection has ended: ERR_CORRUPT when the answer has not. */
CHECKED err client_answer_end(struct client_answer *a, struct fault *f);
/* Append the body, decompressed. */
CHECKED err client_answer_body(const struct client_answer *a, struct buf *out, struct fault *f);
