/* bench_compact: merge blocks that are there; CPU and MB/s, and the peak of this process, which does nothing
 * else.
 *
 *   bench_block --spans 1200000 --dir bench-blocks/single-tenant --keep
 *   bench_compact --dir bench-blocks
 */
#include "args.h"
#include "inproc.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/block/list.h"
#include "vivace/block/merge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void
merge(const char *dir, const struct block_meta *blocks, size_t n, int level, bool keep)
{
    struct block_reader *readers[BLOCK_MERGE_INPUTS_MAX];
    struct block_merge_stats stats;
    struct block_meta meta = {0};
    struct fault f = {0};
    char tenant[4096], path[4200], uuid[BLOCK_UUID_TEXT + 1];
    uint64_t bytes = 0;
    (void)snprintf(tenant, sizeof tenant, "%s/%s", dir, blocks[0].tenant);
    for (size_t i = 0; i < n; i++) {
        block_uuid_format(&blocks[i].id, uuid);
        (void)snprintf(path, sizeof path, "%s/%s", tenant, uuid);
        must(block_reader_open(path, &f, &readers[i]), &f);
        bytes += blocks[i].bytes;
    }
    struct block_merge_options o = {
        .inputs = readers, .input_count = n, .tenant = slice_cstr(blocks[0].tenant), .zstd_level = level};
    struct block_publish p = {.dir = tenant, .level = 1};
    double before = peak_mib(), cpu = cpu_s();
    int64_t at = clock_mono_ns();
    must(block_merge(&o, &p, &f, &meta, &stats), &f);
    double wall = (double)(clock_mono_ns() - at) / 1e9;
    cpu = cpu_s() - cpu;
    double spans = (double)meta.spans;
    printf("%zu blocks, %" PRIu64 " spans, %.2f -> %.2f bytes/span; %" PRIu64 " traces combined, %" PRIu64
           " spans twice; %.1f %% of the spans copied\n",
           n, meta.spans, (double)bytes / spans, (double)meta.bytes / spans, stats.combined_traces,
           stats.duplicate_spans, (double)stats.spans_copied * 100 / spans);
    printf("CPU %.0f ns/span, %.1f MB/s of CPU time, %.2f s; peak %.1f MiB, of the merge %.1f\n",
           cpu * 1e9 / spans, (double)bytes / 1e6 / cpu, wall, peak_mib(), peak_mib() - before);
    for (size_t i = 0; i < n; i++) {
        block_reader_close(readers[i]);
    }
    if (!keep) {
        must(block_remove(tenant, &meta.id, &f), &f);
    }
    block_meta_fini(&meta);
}

int
main(int argc, char **argv)
{
    const char *dir = "bench-blocks";
    double level = 1, blocks = 4;
    bool keep = false;
    const struct arg args[] = {
        {"--dir", "the path of the blocks, above the tenants' (bench-blocks)", NULL, &dir, NULL},
        {"--blocks", "how many of them at most (4)", &blocks, NULL, NULL},
        {"--level", "zstd level (1)", &level, NULL, NULL},
        {"--keep", "leave the result", NULL, NULL, &keep},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct block_list list;
    struct fault f = {0};
    args_parse(argc, argv, "merge blocks", args);
    must(block_list_scan(dir, NULL, NULL, &f, &list), &f);
    size_t n = list.count < (size_t)blocks ? list.count : (size_t)blocks;
    if (n == 0 || n > BLOCK_MERGE_INPUTS_MAX) {
        (void)fprintf(stderr, "%zu blocks in %s\n", list.count, dir);
        return 1;
    }
    merge(dir, list.blocks, n, (int)level, keep);
    block_list_fini(&list);
    return 0;
}
