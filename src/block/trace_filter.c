/* Bloom filters of the trace IDs, kept with the reader: a search asks those of every row group near its time
 * where its traces go on, and most lookups by ID end at one. */
#include "reader_priv.h"

#include "vivace/base/mem.h"

#define ARENA_SLACK ((size_t)8 << 10) /* chunk and header of an arena with one filter */

struct trace_filter {
    struct arena arena;
    struct parquet_bloom bloom;
};

static const struct parquet_chunk *
ids_of(const struct block_reader *r, size_t row_group)
{
    return parquet_meta_chunk(r->meta, row_group, (size_t)r->schema.column[BLOCK_TRACE_ID]);
}

static void
filter_destroy(struct trace_filter *t)
{
    if (t) {
        arena_fini(&t->arena);
        mem_free(t);
    }
}

void
trace_filters_init(struct block_reader *r)
{
    const size_t n = r->meta->row_group_count;
    r->filters = mem_calloc(n + 1, sizeof *r->filters);
    for (size_t i = 0; i < n; i++) {
        const size_t bytes = ids_of(r, i)->bloom_bytes;
        r->filter_bytes += sizeof *r->filters + (bytes ? bytes + sizeof(struct trace_filter) : 0);
    }
}

void
trace_filters_fini(struct block_reader *r)
{
    for (size_t i = 0; r->filters && i < r->meta->row_group_count; i++) {
        filter_destroy(atomic_load(&r->filters[i]));
    }
    mem_free(r->filters);
}

err
block_reader_trace_filter(const struct block_reader *r, size_t row_group, uint64_t *inspected_bytes,
                          struct fault *f, const struct parquet_bloom **ret)
{
    const struct parquet_chunk *chunk = ids_of(r, row_group);
    struct trace_filter *t = atomic_load_explicit(&r->filters[row_group], memory_order_acquire);
    if (t) {
        *ret = &t->bloom;
        return OK;
    }
    if (chunk->bloom_bytes == 0) {
        return ERR_NOT_FOUND;
    }
    t = mem_new(struct trace_filter);
    arena_init(&t->arena, chunk->bloom_bytes + ARENA_SLACK);
    err rc = parquet_bloom_read(&r->file, chunk, &t->arena, f, &t->bloom);
    *inspected_bytes += chunk->bloom_bytes;
    if (rc != OK) {
        filter_destroy(t);
        return rc == ERR_LIMIT ? FAULT(f, ERR_CORRUPT, "parquet Bloom filter: longer than the footer says")
                               : rc;
    }
    struct trace_filter *first = NULL; /* another thread may have read it meanwhile */
    if (!atomic_compare_exchange_strong(&r->filters[row_group], &first, t)) {
        filter_destroy(t);
        t = first;
    }
    *ret = &t->bloom;
    return OK;
}
