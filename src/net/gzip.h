/* net-private: compressed answers, the same for every protocol. Threads: any (it only reads the request). */
#pragma once

#include "vivace/base/arena.h"
#include "vivace/net/http.h"

#define GZIP_BODY_MIN ((size_t)1 << 10) /* as Tempo's gzip handler: below this it does not pay */

/* May the client get gzip? Only when Accept-Encoding names it with a weight above zero (as gzhttp). */
bool gzip_accepted(const struct http_request *r);
/* When `resp` may be gzipped: add Vary, and swap its body for a compressed one if the client accepts that and
 * it is smaller. The longer header list lives in `a`. */
void gzip_answer(const struct http_request *r, struct arena *a, struct http_response *resp);
