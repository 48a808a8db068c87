/* How a batch is cut into ResourceSpans and ScopeSpans when it is written. A batch whose spans or scopes do
 * not stand together as model promises is written whole all the same. Threads: no shared state. */
#pragma once

#include "vivace/model/span_batch.h"

#define LAYOUT_END UINT32_MAX

struct otlp_layout {
    struct run *spans;     /* of each scope: its spans' places in span_order */
    uint32_t *span_order;  /* every span, scope by scope */
    uint32_t *scope_order; /* every scope, resource by resource */
    uint32_t *next;        /* next scope written in the same ScopeSpans, or LAYOUT_END */
    uint8_t *leads;        /* 1: a ScopeSpans begins with this scope */
    size_t *scope_bytes;   /* for the encoder: body of the ScopeSpans this scope leads */
    size_t *span_bytes;    /* for the encoder: body of each Span */
    void *memory;
};

/* `merge`: scopes of one resource with equal name and version become one ScopeSpans, and scopes without spans
 * are left out. Costs O(scopes log scopes + spans). ERR_LIMIT when memory is refused. */
CHECKED err otlp_layout_init(struct otlp_layout *l, const struct span_batch *b, bool merge);
void otlp_layout_fini(struct otlp_layout *l);
