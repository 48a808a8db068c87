/* Any bytes: decoded or refused; what was decoded is encoded, decoded and encoded again to the same bytes. */
#include "vivace/base/must.h"
#include "vivace/codec/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct span_batch one, two;
    struct buf a, b, text;
    trace_id first = {{0}};
    span_batch_init(&one, 64 << 20);
    span_batch_init(&two, 64 << 20);
    buf_init(&a, 64 << 20);
    buf_init(&b, 64 << 20);
    buf_init(&text, 64 << 20);
    if (otlp_decode(slice_of(p, n), &one, NULL) == OK) {
        MUST(otlp_encode(&one, &a) == OK);
        MUST(otlp_encoded_size(&one) == a.n);
        MUST(otlp_decode(buf_slice(&a), &two, NULL) == OK);
        MUST(one.span_count == two.span_count && one.attr_count == two.attr_count);
        MUST(otlp_encode(&two, &b) == OK);
        MUST(slice_eq(buf_slice(&a), buf_slice(&b)));
        MUST(otlp_trace_write_json(&one, TRACE_ROOT_BATCHES, &text) == OK);
        buf_clear(&b);
        MUST(otlp_trace_encode(&one, &b) == OK);
        size_t kept = 0;
        if (one.span_count > 0) {
            first = one.spans[0].trace;
        }
        for (size_t i = 0; i < one.span_count; i++) {
            kept += trace_id_eq(&one.spans[i].trace, &first);
        }
        span_batch_reset(&two);
        MUST(otlp_decode_trace(slice_of(p, n), &first, &two, NULL) == OK && two.span_count == kept);
    } else {
        (void)!otlp_decode_trace(slice_of(p, n), &first, &two, NULL);
    }
    span_batch_fini(&one);
    span_batch_fini(&two);
    buf_fini(&a);
    buf_fini(&b);
    buf_fini(&text);
    return 0;
}
