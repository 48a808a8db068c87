/* One HTTP request at a time, waiting for its answer: for the commands at a terminal, not for the server.
 *
 * HTTP/1.1 over a connection of its own, TLS with the system's certificate authorities. Why not libcurl:
 * linked in, it costs every start of the server 26 shared libraries, 3 ms of CPU and 4 MiB of memory
 * (docs/adr/0007). No redirects, no proxies, no cookies. Threads: any; nothing is shared. Sources: RFC 9110,
 * 9112.
 */
#pragma once

#include "vivace/base/buf.h"
#include "vivace/net/http.h"

struct http_client_options {
    const char *ca_file;               /* PEM; NULL = the system's */
    bool insecure;                     /* do not check the certificate */
    uint32_t timeout_ms;               /* of the whole exchange, name resolution aside; 0 = 30 s */
    size_t answer_max;                 /* bytes of a body, before and after decompression; 0 = 256 MiB */
    const struct http_header *headers; /* besides host, user-agent, accept-encoding, connection */
    size_t header_count;
};

struct http_reply {
    int status;
    struct buf body; /* decompressed; http_reply_fini */
};

/* GET an http:// or https:// URL whose path and query are encoded already. OK for any status; ERR_INVALID for
 * a URL or header that cannot be sent, ERR_UNAVAILABLE when the server cannot be reached or its certificate
 * is not trusted, ERR_TIMEOUT, ERR_LIMIT over answer_max, ERR_CORRUPT for what is not an HTTP answer. */
CHECKED err http_get(const char *url, const struct http_client_options *o, struct fault *f,
                     struct http_reply *ret);
void http_reply_fini(struct http_reply *r);
/* Append `s` with everything but letters, digits and -._~ percent-encoded. */
void url_encode(struct buf *out, slice s);
