/* tool_block: blocks of random spans, and the same spans as OTLP/JSON, for tests in other languages.
 *   tool_block write <seed> <batches> <dir of a tenant> <file for JSON lines>
 *   tool_block cat <block dir>      every span as OTLP/JSON, one row group a line */
#include "span_random.h"

#include "vivace/base/mem.h"
#include "vivace/block/builder.h"
#include "vivace/block/reader.h"
#include "vivace/codec/otlp.h"

#include <stdio.h>
#include <stdlib.h>

#define SPANS_EACH 60

static void
must(err rc, const struct fault *f)
{
    if (rc != OK) {
        fprintf(stderr, "%s: %s\n", err_name(rc), f->msg);
        exit(1);
    }
}

static void
print_batch(const struct span_batch *b, FILE *to)
{
    struct fault f = {0};
    struct buf json;
    buf_init(&json, (size_t)1 << 30);
    must(otlp_trace_write_json(b, TRACE_ROOT_RESOURCE_SPANS, &json), &f);
    fwrite(json.p, 1, json.n, to);
    fputc('\n', to);
    buf_fini(&json);
}

static int
write_block(uint64_t seed, size_t batches, const char *dir, const char *json)
{
    struct span_random r = {.traces = 50, .few_values = true};
    struct block_builder_options o = {.tenant = SL("single-tenant")};
    struct block_publish p = {.dir = dir};
    struct block_builder *b = NULL;
    struct block_meta meta;
    struct fault f = {0};
    FILE *to = fopen(json, "a");
    if (to == NULL) {
        perror(json);
        return 1;
    }
    rng_seed(&r.rng, seed);
    must(block_builder_create(&o, &f, &b), &f);
    for (size_t i = 0; i < batches; i++) {
        struct span_batch batch;
        span_batch_init(&batch, 0);
        random_spans(&r, &batch, SPANS_EACH);
        must(block_builder_add(b, &batch, &f), &f);
        print_batch(&batch, to);
        span_batch_fini(&batch);
    }
    must(block_builder_publish(b, &p, &f, &meta), &f);
    block_builder_destroy(b);
    block_meta_fini(&meta);
    return fclose(to);
}

static int
cat(const char *dir)
{
    struct block_reader *r = NULL;
    struct fault f = {0};
    must(block_reader_open(dir, &f, &r), &f);
    const struct parquet_meta *m = block_reader_file(r)->meta;
    for (uint32_t g = 0; g < m->row_group_count; g++) {
        struct span_batch batch;
        uint64_t inspected = 0;
        span_batch_init(&batch, 0);
        must(block_read_rows(r, g, 0, m->row_groups[g].row_count, &batch, &inspected, &f), &f);
        print_batch(&batch, stdout);
        span_batch_fini(&batch);
    }
    block_reader_close(r);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "write") == 0) {
        return write_block(strtoull(argv[2], NULL, 10), strtoul(argv[3], NULL, 10), argv[4], argv[5]);
    }
    if (argc == 3 && strcmp(argv[1], "cat") == 0) {
        return cat(argv[2]);
    }
    fprintf(stderr, "usage: tool_block write <seed> <batches> <tenant dir> <json file> | cat <block dir>\n");
    return 2;
}
