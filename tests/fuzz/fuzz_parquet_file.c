/* A whole Parquet file: footer, indexes, filters, pages, rows. */
#include "support/parquet_open.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)!parquet_open_all(slice_of(data, size));
    return 0;
}
