/* The footer's thrift bytes; what parses is written and parsed again, to the same bytes. */
#include "parquet/meta_priv.h"

#include "vivace/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parquet_limits limits = PARQUET_LIMITS_DEFAULT;
    struct parquet_meta *meta = NULL, *again = NULL;
    limits.meta_bytes_max = (size_t)16 << 20;
    if (parquet_meta_parse(slice_of(data, size), UINT64_MAX >> 1, &limits, NULL, &meta) != OK) {
        return 0;
    }
    struct buf first, second;
    buf_init(&first, (size_t)32 << 20);
    buf_init(&second, (size_t)32 << 20);
    meta_write(meta, &first);
    if (!first.failed) {
        slice bytes = slice_sub(buf_slice(&first), 0, first.n - 8);
        MUST(parquet_meta_parse(bytes, UINT64_MAX >> 1, NULL, NULL, &again) == OK);
        meta_write(again, &second);
        MUST(slice_eq(buf_slice(&first), buf_slice(&second)));
    }
    buf_fini(&first);
    buf_fini(&second);
    parquet_meta_destroy(meta);
    parquet_meta_destroy(again);
    return 0;
}
