/* spans.parquet from anywhere, merged with itself, where every trace stands twice, and alone, where row
 * groups are copied: refused with a reason, or a block that opens and holds as many rows as it says. */
#include "vivace/block/list.h"
#include "vivace/block/merge.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];

static void
read_back(const struct block_meta *m)
{
    char uuid[BLOCK_UUID_TEXT + 1], path[160];
    struct block_reader *r = NULL;
    block_uuid_format(&m->id, uuid);
    (void)snprintf(path, sizeof path, "%s/%s", dir, uuid);
    if (block_reader_open(path, NULL, &r) != OK || block_reader_file(r)->meta->row_count != m->spans) {
        abort();
    }
    block_reader_close(r);
    if (block_remove(dir, &m->id, NULL) != OK) {
        abort();
    }
}

static void
try_merge(struct block_reader *const *inputs, size_t count, uint32_t rows, struct budget *budget)
{
    struct block_merge_options o = {
        .inputs = inputs, .input_count = count, .tenant = SL("t"), .budget = budget, .row_group_rows = rows};
    struct block_publish p = {.dir = dir};
    struct block_merge_stats stats;
    struct block_meta meta;
    if (block_merge(&o, &p, NULL, &meta, &stats) == OK) {
        read_back(&meta);
        block_meta_fini(&meta);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    slice bytes = slice_of(data, size);
    struct parquet_source source = parquet_source_of(&bytes);
    struct block_reader *r[2] = {NULL, NULL};
    struct budget budget;
    if (dir[0] == 0) {
        (void)snprintf(dir, sizeof dir, "/tmp/vivace-fuzz-merge-XXXXXX");
        if (mkdtemp(dir) == NULL) {
            abort();
        }
    }
    if (block_reader_open_source(&source, "fuzz", NULL, &r[0]) != OK) {
        return 0;
    }
    r[1] = r[0];
    budget_init(&budget, "fuzz", NULL, (size_t)512 << 20);
    try_merge(r, 2, 0, &budget);
    const struct parquet_meta *m = block_reader_file(r[0])->meta;
    uint64_t rows = m->row_group_count ? m->row_groups[0].row_count : 0;
    if (rows && rows <= 65536) { /* large enough to be copied */
        try_merge(r, 1, (uint32_t)rows, &budget);
    }
    block_reader_close(r[0]);
    return budget_used(&budget) != 0;
}
