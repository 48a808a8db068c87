/* Any text: decoded or refused; what was decoded survives protobuf. */
#include "vivace/base/must.h"
#include "vivace/codec/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct span_batch one, two;
    struct buf a, b;
    span_batch_init(&one, 64 << 20);
    span_batch_init(&two, 64 << 20);
    buf_init(&a, 64 << 20);
    buf_init(&b, 64 << 20);
    struct fault f = {0};
    if (otlp_json_decode(slice_of(p, n), &one, &f) == OK) {
        MUST(otlp_encode(&one, &a) == OK);
        MUST(otlp_decode(buf_slice(&a), &two, NULL) == OK);
        MUST(one.span_count == two.span_count);
        for (size_t i = 0; i < one.span_count; i++) {
            MUST(one.spans[i].wire_bytes == two.spans[i].wire_bytes);
        }
        MUST(otlp_encode(&two, &b) == OK);
        MUST(slice_eq(buf_slice(&a), buf_slice(&b)));
    } else {
        MUST(f.msg[0] != '\0');
    }
    span_batch_fini(&one);
    span_batch_fini(&two);
    buf_fini(&a);
    buf_fini(&b);
    return 0;
}
