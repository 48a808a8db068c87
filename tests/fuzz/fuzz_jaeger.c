/* The first byte chooses protobuf, a Thrift batch or a Thrift message. What was decoded survives OTLP. */
#include "fuzz_batch.h"

#include "vivace/codec/jaeger.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0) {
        return 0;
    }
    struct span_batch b;
    struct fault f = {0};
    slice body = slice_of(p + 1, n - 1);
    enum jaeger_thrift protocol = p[0] & 1 ? JAEGER_THRIFT_COMPACT : JAEGER_THRIFT_BINARY;
    err rc;
    span_batch_init(&b, 64 << 20);
    switch (p[0] >> 1 & 3) {
    case 0:
        rc = jaeger_thrift_decode(body, protocol, &b, &f);
        break;
    case 1:
        rc = jaeger_emit_batch_decode(body, protocol, &b, &f);
        break;
    default:
        rc = jaeger_proto_decode(body, &b, &f);
    }
    fuzz_check_batch(rc, &f, &b);
    span_batch_fini(&b);
    return 0;
}
