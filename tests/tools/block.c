/* tool_block: blocks of random spans, and the same spans as OTLP/JSON, for tests in other languages.
 *   tool_block write <seed> <batches> <dir of a tenant> <file for JSON lines>
 *   tool_block write-apart ...      the same spans for each seed, but for trace and span IDs and attributes,
 *                                   which are few; those of seed 1 have one more
 *   tool_block merge <dir of blocks> <tenant> <rows of a row group> <dir of a tenant>
 *                                   all blocks into one; prints spans, and how many were copied
 *   tool_block cat <block dir>      every span as OTLP/JSON, one row group a line */
#include "span_random.h"

#include "vivace/base/mem.h"
#include "vivace/block/builder.h"
#include "vivace/block/list.h"
#include "vivace/block/merge.h"
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

static void
add_text(struct span_batch *b, const char *key, const char *value)
{
    struct attr *a = span_batch_add_attr(b);
    a->key = (const uint8_t *)key;
    a->key_n = (uint32_t)strlen(key);
    a->kind = VALUE_STRING;
    a->p = (const uint8_t *)value;
    a->n = (uint32_t)strlen(value);
}

static void
set_apart(struct span_batch *b, uint64_t seed, size_t batch)
{
    static const char *const codes[] = {"a", "b", "c"};
    for (size_t i = 0; i < b->span_count; i++) {
        struct span *s = &b->spans[i];
        uint64_t id = seed << 40 | batch << 20 | (i + 1);
        memcpy(s->id.b, &id, sizeof id);
        s->trace.b[0] ^= (uint8_t)seed;
        s->attrs = (struct run){(uint32_t)b->attr_count, 1};
        add_text(b, "code", codes[i % 3]);
        if (seed == 1 && i % 4 == 0) {
            add_text(b, "first", "only");
            s->attrs.n++;
        }
    }
}

static int
write_block(uint64_t seed, size_t batches, const char *dir, const char *json, bool apart)
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
    rng_seed(&r.rng, apart ? 1 : seed);
    must(block_builder_create(&o, &f, &b), &f);
    for (size_t i = 0; i < batches; i++) {
        struct span_batch batch;
        span_batch_init(&batch, 0);
        random_spans(&r, &batch, SPANS_EACH);
        if (apart) {
            set_apart(&batch, seed, i);
        }
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

static int
merge(const char *dir, const char *tenant, uint32_t rows, const char *to)
{
    struct block_reader *readers[BLOCK_MERGE_INPUTS_MAX];
    struct block_merge_options o = {.inputs = readers, .tenant = slice_cstr(tenant), .row_group_rows = rows};
    struct block_publish p = {.dir = to, .level = 1};
    struct block_merge_stats stats;
    struct block_list list;
    struct block_meta meta;
    struct fault f = {0};
    must(block_list_scan(dir, NULL, NULL, &f, &list), &f);
    for (; o.input_count < list.count && o.input_count < BLOCK_MERGE_INPUTS_MAX; o.input_count++) {
        char path[4096], uuid[BLOCK_UUID_TEXT + 1];
        block_uuid_format(&list.blocks[o.input_count].id, uuid);
        snprintf(path, sizeof path, "%s/%s/%s", dir, tenant, uuid);
        must(block_reader_open(path, &f, &readers[o.input_count]), &f);
    }
    must(block_merge(&o, &p, &f, &meta, &stats), &f);
    printf("%llu spans, %llu copied\n", (unsigned long long)meta.spans,
           (unsigned long long)stats.spans_copied);
    for (size_t i = 0; i < o.input_count; i++) {
        block_reader_close(readers[i]);
    }
    block_meta_fini(&meta);
    block_list_fini(&list);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 6 && strncmp(argv[1], "write", 5) == 0) {
        return write_block(strtoull(argv[2], NULL, 10), strtoul(argv[3], NULL, 10), argv[4], argv[5],
                           strcmp(argv[1], "write-apart") == 0);
    }
    if (argc == 6 && strcmp(argv[1], "merge") == 0) {
        return merge(argv[2], argv[3], (uint32_t)strtoul(argv[4], NULL, 10), argv[5]);
    }
    if (argc == 3 && strcmp(argv[1], "cat") == 0) {
        return cat(argv[2]);
    }
    fprintf(stderr, "usage: tool_block write|write-apart <seed> <batches> <tenant dir> <json file> | "
                    "merge <dir> <tenant> <rows> <tenant dir> | cat <block dir>\n");
    return 2;
}
