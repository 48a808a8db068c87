/* meta.json from anywhere: what is read writes the same again. */
#include "vivace/base/must.h"
#include "vivace/block/meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct block_meta m, again;
    struct fault f = {0};
    struct buf json;
    if (block_meta_read(slice_of(data, size), &f, &m) != OK) {
        return 0;
    }
    buf_init(&json, (size_t)4 << 20);
    MUST(block_meta_write(&m, &json) == OK);
    MUST(block_meta_read(buf_slice(&json), &f, &again) == OK);
    MUST(again.spans == m.spans && again.source_count == m.source_count && again.level == m.level &&
         again.input_count == m.input_count);
    block_meta_fini(&again);
    block_meta_fini(&m);
    buf_fini(&json);
    return 0;
}
