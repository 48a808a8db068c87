/* bench_block: the corpus through the block builder and back: bytes and CPU a span, memory, trace by id. */
#include "args.h"
#include "corpus.h"
#include "hist.h"
#include "inproc.h"

#include "vivace/base/clock.h"
#include "vivace/base/mem.h"
#include "vivace/base/table.h"
#include "vivace/block/builder.h"
#include "vivace/block/list.h"
#include "vivace/block/reader.h"
#include "vivace/codec/otlp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct options {
    double spans, seed, level, group_rows, page_rows, cut_mib, finds;
    const char *dir;
    bool by_trace_id, columns, keep, verify;
};

struct bench {
    struct options o;
    struct corpus *corpus;
    struct block_builder *builder;
    struct block_meta blocks[256];
    size_t count;
    trace_id *traces; /* a sample */
    size_t trace_count, trace_cap;
    uint64_t spans, wire_bytes;
    uint64_t pushed_sum, read_sum; /* of hashes of spans with their scope and resource */
    double decode_s, add_s, publish_s, read_s;
};

static void
begin_block(struct bench *r)
{
    struct fault f = {0};
    struct block_builder_options o = {
        .tenant = SL("single-tenant"),
        .zstd_level = (int)r->o.level,
        .order = r->o.by_trace_id ? BLOCK_ORDER_TRACE_ID : BLOCK_ORDER_SLICES,
        .row_group_rows = (uint32_t)r->o.group_rows,
        .page_rows = (uint32_t)r->o.page_rows,
    };
    must(block_builder_create(&o, &f, &r->builder), &f);
}

static void
end_block(struct bench *r)
{
    struct fault f = {0};
    struct block_publish p = {.dir = r->o.dir, .drop_duplicates = true}; /* as a flush does */
    double at = cpu_s();
    size_t held = block_builder_bytes(r->builder);
    must(block_builder_publish(r->builder, &p, &f, &r->blocks[r->count]), &f);
    r->publish_s += cpu_s() - at;
    const struct block_meta *m = &r->blocks[r->count++];
    printf("block %zu: %" PRIu64 " spans, %" PRIu64 " traces, %" PRIu64 " bytes, held %zu bytes/span\n",
           r->count, m->spans, m->traces, m->bytes, held / m->spans);
    block_builder_destroy(r->builder);
    r->builder = NULL;
}

static void
sample_traces(struct bench *r, const struct span_batch *b)
{
    if (r->trace_count == r->trace_cap) {
        r->trace_cap = r->trace_cap ? r->trace_cap * 2 : 1024;
        r->traces = mem_realloc(r->traces, r->trace_cap, sizeof *r->traces);
    }
    r->traces[r->trace_count++] = b->spans[b->span_count / 2].trace;
}

/* Sum of hashes of every span as a request of its own: the same for any order. */
static uint64_t
batch_sum(const struct span_batch *b)
{
    struct span_batch one;
    struct fault f = {0};
    struct buf bytes;
    uint64_t sum = 0;
    span_batch_init(&one, 0);
    buf_init(&bytes, (size_t)64 << 20);
    for (size_t i = 0; i < b->span_count; i++) {
        struct span_copy_memo memo = {0};
        span_batch_reset(&one);
        buf_clear(&bytes);
        must(span_batch_copy_span(&one, b, i, false, &memo), &f);
        must(otlp_encode(&one, &bytes), &f);
        sum += hash_bytes(bytes.p, bytes.n, 1);
    }
    buf_fini(&bytes);
    span_batch_fini(&one);
    return sum;
}

static void
write_all(struct bench *r)
{
    struct corpus_request q;
    struct span_batch batch;
    struct fault f = {0};
    span_batch_init(&batch, 0);
    begin_block(r);
    while (corpus_next(r->corpus, &q)) {
        double at = cpu_s();
        span_batch_reset(&batch);
        must(otlp_decode(slice_of(q.body, q.n), &batch, &f), &f);
        double decoded = cpu_s();
        must(block_builder_add(r->builder, &batch, &f), &f);
        r->add_s += cpu_s() - decoded;
        r->decode_s += decoded - at;
        r->spans += batch.span_count;
        r->wire_bytes += q.n;
        r->pushed_sum += r->o.verify ? batch_sum(&batch) : 0;
        sample_traces(r, &batch);
        if (block_builder_bytes(r->builder) > (size_t)(r->o.cut_mib * (1 << 20))) {
            end_block(r);
            begin_block(r);
        }
    }
    if (block_builder_spans(r->builder)) {
        end_block(r);
    } else {
        block_builder_destroy(r->builder);
    }
    span_batch_fini(&batch);
}

static void
block_path(const struct bench *r, size_t i, char *ret, size_t n)
{
    char uuid[BLOCK_UUID_TEXT + 1];
    block_uuid_format(&r->blocks[i].id, uuid);
    (void)snprintf(ret, n, "%s/%s", r->o.dir, uuid);
}

static void
find_all(struct bench *r)
{
    struct hist hits = {0}, misses = {0};
    struct block_reader *readers[256];
    struct span_batch out;
    struct fault f = {0};
    uint64_t inspected = 0, found = 0;
    char path[4096];
    double opened = cpu_s();
    for (size_t i = 0; i < r->count; i++) {
        block_path(r, i, path, sizeof path);
        must(block_reader_open(path, &f, &readers[i]), &f);
    }
    opened = cpu_s() - opened;
    span_batch_init(&out, 0);
    for (size_t i = 0; i < (size_t)r->o.finds && r->trace_count; i++) {
        const trace_id *id = &r->traces[i * 2654435761U % r->trace_count];
        for (size_t k = 0; k < r->count; k++) {
            span_batch_reset(&out);
            int64_t at = clock_mono_ns();
            err rc = block_find_trace(readers[k], id, &out, &inspected, &f);
            uint64_t ns = (uint64_t)(clock_mono_ns() - at);
            if (rc != ERR_NOT_FOUND) {
                must(rc, &f);
                hist_add(&hits, ns);
                found += out.span_count;
            } else {
                hist_add(&misses, ns);
            }
        }
    }
    if (hits.count) {
        printf("find: p50 %.0f us, p99 %.0f us, %.1f spans and %.0f KiB read a trace; miss p50 %.1f us; "
               "open %.0f us, reader %.0f KiB\n",
               (double)hist_quantile(&hits, 0.5) / 1e3, (double)hist_quantile(&hits, 0.99) / 1e3,
               (double)found / (double)hits.count, (double)inspected / 1024 / (double)hits.count,
               (double)hist_quantile(&misses, 0.5) / 1e3, opened * 1e6 / (double)r->count,
               (double)block_reader_bytes(readers[0]) / 1024);
    }
    for (size_t i = 0; i < r->count; i++) {
        block_reader_close(readers[i]);
    }
    span_batch_fini(&out);
}

static void
print_path(const struct parquet_schema *s, int32_t node)
{
    int32_t path[PARQUET_DEPTH_MAX + 1];
    size_t n = 0;
    for (; node > 0 && n < sizeof path / sizeof *path; node = s->nodes[node].parent) {
        path[n++] = node;
    }
    while (n-- > 0) {
        printf("%.*s%s", SL_FMT(s->nodes[path[n]].field.name), n ? "/" : "\n");
    }
}

/* Read every row back and compare what the spans say. */
static void
verify(struct bench *r)
{
    struct span_batch out;
    struct fault f = {0};
    uint64_t inspected = 0;
    char path[4096];
    span_batch_init(&out, 0);
    for (size_t i = 0; i < r->count; i++) {
        struct block_reader *reader = NULL;
        block_path(r, i, path, sizeof path);
        must(block_reader_open(path, &f, &reader), &f);
        const struct parquet_meta *m = block_reader_file(reader)->meta;
        for (uint32_t g = 0; g < m->row_group_count; g++) {
            span_batch_reset(&out);
            double at = cpu_s();
            must(block_read_rows(reader, g, 0, m->row_groups[g].row_count, &out, &inspected, &f), &f);
            r->read_s += cpu_s() - at;
            r->read_sum += batch_sum(&out);
        }
        block_reader_close(reader);
    }
    span_batch_fini(&out);
    printf("read back: %.0f CPU ns/span, %s\n", r->read_s * 1e9 / (double)r->spans,
           r->read_sum == r->pushed_sum ? "every span as it was" : "DIFFERENT");
}

/* Bytes a span of each column of the first block. */
static void
print_columns(const struct bench *r)
{
    struct block_reader *reader = NULL;
    struct fault f = {0};
    char path[4096];
    double rest = (double)r->blocks[0].bytes;
    block_path(r, 0, path, sizeof path);
    must(block_reader_open(path, &f, &reader), &f);
    const struct parquet_meta *m = block_reader_file(reader)->meta;
    for (int32_t c = 0; c < m->schema->column_count; c++) {
        uint64_t bytes = 0, bloom = 0;
        for (uint32_t g = 0; g < m->row_group_count; g++) {
            bytes += parquet_meta_chunk(m, g, (size_t)c)->compressed_bytes;
            bloom += parquet_meta_chunk(m, g, (size_t)c)->bloom_bytes;
        }
        rest -= (double)(bytes + bloom);
        printf("%8.3f %s%6.3f  ", (double)bytes / (double)m->row_count,
               parquet_meta_chunk(m, 0, (size_t)c)->has_dictionary ? "d" : " ",
               (double)bloom / (double)m->row_count);
        print_path(m->schema, m->schema->leaves[c]);
    }
    printf("%8.3f          footer and indexes\n", rest / (double)m->row_count);
    block_reader_close(reader);
}

static void
print_totals(const struct bench *r)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < r->count; i++) {
        bytes += r->blocks[i].bytes;
    }
    double n = (double)r->spans;
    printf("spans %" PRIu64 ", OTLP %.1f bytes/span, block %.2f bytes/span\n", r->spans,
           (double)r->wire_bytes / n, (double)bytes / n);
    printf("CPU ns/span: decode %.0f, add %.0f, publish %.0f, all %.0f; peak %.0f MiB\n",
           r->decode_s * 1e9 / n, r->add_s * 1e9 / n, r->publish_s * 1e9 / n,
           (r->decode_s + r->add_s + r->publish_s) * 1e9 / n, peak_mib());
}

int
main(int argc, char **argv)
{
    static struct bench r = {
        .o = {.spans = 300000, .seed = 1, .cut_mib = 64, .finds = 1000, .dir = "bench-blocks"}};
    struct options *o = &r.o;
    const struct arg args[] = {
        {"--spans", "how many (300000)", &o->spans, NULL, NULL},
        {"--seed", "of the corpus (1)", &o->seed, NULL, NULL},
        {"--level", "zstd level (1)", &o->level, NULL, NULL},
        {"--group-rows", "rows of a row group (65536)", &o->group_rows, NULL, NULL},
        {"--page-rows", "rows of a page (8192)", &o->page_rows, NULL, NULL},
        {"--cut-mib", "publish when the builder holds this much (64)", &o->cut_mib, NULL, NULL},
        {"--finds", "traces looked up (1000)", &o->finds, NULL, NULL},
        {"--dir", "where blocks go (bench-blocks)", NULL, &o->dir, NULL},
        {"--by-trace-id", "order by trace id over the whole block", NULL, NULL, &o->by_trace_id},
        {"--columns", "bytes a span of each column", NULL, NULL, &o->columns},
        {"--verify", "read every span back and compare", NULL, NULL, &o->verify},
        {"--keep", "leave the blocks", NULL, NULL, &o->keep},
        {NULL, NULL, NULL, NULL, NULL},
    };
    args_parse(argc, argv, "write the corpus as blocks and read it back", args);
    struct corpus_options c = {
        .seed = (uint64_t)o->seed, .spans = (uint64_t)o->spans, .start_ns = 1700000000000000000U};
    r.corpus = corpus_create(&c);
    write_all(&r);
    print_totals(&r);
    find_all(&r);
    if (o->verify) {
        verify(&r);
    }
    if (o->columns) {
        print_columns(&r);
    }
    for (size_t i = 0; i < r.count; i++) {
        struct fault f = {0};
        if (!o->keep) {
            must(block_remove(o->dir, &r.blocks[i].id, &f), &f);
        }
        block_meta_fini(&r.blocks[i]);
    }
    corpus_destroy(r.corpus);
    mem_free(r.traces);
    return r.o.verify && r.read_sum != r.pushed_sum;
}
