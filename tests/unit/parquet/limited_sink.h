/* A file in memory that takes so many appends and then has no space left. */
#pragma once

#include "vivace/base/buf.h"
#include "vivace/base/err.h"

struct limited_sink {
    struct buf bytes;
    size_t appends_left;
};

static inline err
limited_append(void *ctx, slice bytes, struct fault *f)
{
    struct limited_sink *s = ctx;
    if (s->appends_left == 0) {
        return FAULT(f, ERR_UNAVAILABLE, "no space left on device");
    }
    s->appends_left--;
    return buf_append_slice(&s->bytes, bytes);
}
