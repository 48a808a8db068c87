/* The first byte chooses one of the four encodings. What was decoded survives OTLP, sizes included. */
#include "fuzz_batch.h"

#include "vivace/codec/zipkin.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0) {
        return 0;
    }
    struct span_batch b;
    struct fault f = {0};
    struct zipkin_options o = {.parse_string_tags = (p[0] & 4) != 0, .now_ns = 1};
    span_batch_init(&b, 64 << 20);
    err rc = zipkin_decode(slice_of(p + 1, n - 1), (enum zipkin_format)(p[0] & 3), &o, &b, &f);
    fuzz_check_batch(rc, &f, &b);
    span_batch_fini(&b);
    return 0;
}
