/* What must hold for a batch that a translating decoder made. */
#pragma once

#include "vivace/base/must.h"
#include "vivace/codec/otlp.h"

static inline void
fuzz_check_batch(err rc, const struct fault *f, const struct span_batch *b)
{
    if (rc != OK) {
        MUST(f->msg[0] != '\0');
        return;
    }
    struct span_batch again;
    struct buf wire;
    struct fault told = {0};
    span_batch_init(&again, 0);
    buf_init(&wire, 256 << 20);
    for (size_t i = 1; i < b->span_count; i++) {
        MUST(b->spans[i].scope >= b->spans[i - 1].scope);
        MUST(b->scopes[b->spans[i].scope].resource >= b->scopes[b->spans[i - 1].scope].resource);
    }
    MUST(otlp_encode(b, &wire) == OK);
    MUST(otlp_decode(buf_slice(&wire), &again, &told) == OK);
    MUST(again.span_count == b->span_count);
    for (size_t i = 0; i < b->span_count; i++) {
        MUST(again.spans[i].wire_bytes == b->spans[i].wire_bytes);
    }
    span_batch_fini(&again);
    buf_fini(&wire);
}
