/* What flush.c (the walk over segments), flush_segment.c (one segment) and flush_start.c share. Everything
 * belongs to the flusher's owner. */
#pragma once

#include "vivace/base/metrics.h"
#include "vivace/ingester/flush.h"

#include <stdatomic.h>

/* A block that must not stay: of a try that failed. */
struct flush_stray {
    char tenant[BLOCK_TENANT_MAX + 1];
    block_uuid id;
};

struct flusher {
    struct flusher_options opt;
    struct flush_stray *strays;
    size_t stray_count, stray_cap;
    struct ingester_sealed **unremoved; /* retired, files still there; held */
    size_t unremoved_count, unremoved_cap;
    int64_t failing_since_ns, next_try_ns, pause_ns; /* monotonic; failing_since_ns 0: all is well */
    _Atomic bool cancelled;
    struct series *blocks, *failures, *retries, *cleared, *queue, *duration, *size;
};

void flush_stray_add(struct flusher *fl, slice tenant, const block_uuid *id);
void flush_unremoved_add(struct flusher *fl, struct ingester_sealed *s);
/* Write one segment and retire it. *ret_gone: it left the live data; its files may be left to remove. */
CHECKED err flush_segment(struct flusher *fl, struct ingester_sealed *s, struct fault *f, bool *ret_gone);
/* What a crash left: retire segments that blocks cover, take away blocks of segments that they do not. */
CHECKED err flush_start(struct flusher *fl, struct fault *f);
