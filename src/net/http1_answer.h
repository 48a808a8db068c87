/* net-private: how an HTTP/1.x answer's head is written. */
#pragma once

#include "vivace/net/http.h"

struct http1_answer {
    int version;     /* of the request: 10 or 11 */
    bool head;       /* to a HEAD request: Content-Length without a body */
    bool keep_alive; /* the connection stays */
};

/* Statuses that never carry a body or a length. */
bool http1_is_bodiless(int status);
/* Status line, headers, empty line. */
void http1_answer_head(struct buf *out, const struct http1_answer *how, const struct http_response *resp);
/* "OK", "Not Found"; "Status" for a code without a name. */
const char *http1_reason(int status);
