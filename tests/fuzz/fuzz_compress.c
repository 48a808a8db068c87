/* First byte: the format. The rest is decompressed within a bound; and compressed, it comes back the same. */
#include "vivace/base/must.h"
#include "vivace/codec/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const enum codec_kind writers[] = {CODEC_GZIP, CODEC_ZSTD, CODEC_SNAPPY_FRAMED, CODEC_NONE};
    if (n == 0) {
        return 0;
    }
    struct buf a, b;
    struct fault f = {0};
    slice in = slice_of(p + 1, n - 1);
    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    err rc = codec_decompress((enum codec_kind)(p[0] % (CODEC_LZ4 + 1)), in, &a, &f);
    MUST(a.n <= a.max && (rc == OK) == (f.msg[0] == '\0'));
    buf_clear(&a);
    enum codec_kind kind = writers[p[0] % 4];
    MUST(codec_compress(kind, in, &a) == OK);
    MUST(codec_decompress(kind, buf_slice(&a), &b, NULL) == OK && slice_eq(in, buf_slice(&b)));
    buf_fini(&a);
    buf_fini(&b);
    return 0;
}
