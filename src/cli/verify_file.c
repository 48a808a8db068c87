/* Does every byte of the file belong to something, and does the footer say what meta.json says? */
#include "verify.h"

#include "vivace/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct region {
    uint64_t from, bytes;
    const char *what;
    uint32_t group, column; /* UINT32_MAX: of the file */
};

struct regions {
    struct region *v;
    size_t n, cap;
};

static void
add(struct regions *r, struct region x)
{
    if (x.bytes == 0) {
        return;
    }
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 1024;
        r->v = mem_realloc(r->v, r->cap, sizeof *r->v);
    }
    r->v[r->n++] = x;
}

static int
by_place(const void *va, const void *vb)
{
    const struct region *a = va, *b = vb;
    return a->from < b->from ? -1 : a->from > b->from;
}

static void
name_region(char *ret, size_t n, const struct region *r)
{
    if (r->group == UINT32_MAX) {
        (void)snprintf(ret, n, "%s", r->what);
    } else {
        (void)snprintf(ret, n, "row group %u, column %u, %s", r->group, r->column, r->what);
    }
}

static void
chunk_regions(struct regions *r, const struct parquet_chunk *c, uint32_t group, uint32_t column)
{
    add(r, (struct region){c->offset, c->compressed_bytes, "pages", group, column});
    add(r, (struct region){c->column_index_offset, c->column_index_bytes, "column index", group, column});
    add(r, (struct region){c->offset_index_offset, c->offset_index_bytes, "offset index", group, column});
    add(r, (struct region){c->bloom_offset, c->bloom_bytes, "Bloom filter", group, column});
}

/* Magic, footer, length and magic again. */
static bool
frame_regions(struct verify *v, struct regions *r)
{
    const struct parquet_source *s = &v->file->source;
    struct fault f = {0};
    uint8_t head[4], tail[8];
    uint32_t footer = 0;
    if (s->size < 12 || s->read(s->ctx, 0, sizeof head, head, &f) != OK ||
        s->read(s->ctx, s->size - sizeof tail, sizeof tail, tail, &f) != OK) {
        verify_problem(v, "file", "it cannot be read: %s", f.msg[0] ? f.msg : "too short");
        return false;
    }
    if (memcmp(head, "PAR1", 4) != 0) {
        verify_problem(v, "byte 0", "the file does not begin with PAR1");
    }
    memcpy(&footer, tail, sizeof footer);
    add(r, (struct region){0, 4, "magic", UINT32_MAX, 0});
    add(r, (struct region){s->size - 8 - footer, (uint64_t)footer + 8, "footer", UINT32_MAX, 0});
    return true;
}

static void
check_regions(struct verify *v, const struct regions *r)
{
    char place[96];
    uint64_t at = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct region *x = &r->v[i];
        name_region(place, sizeof place, x);
        if (x->from > at) {
            verify_problem(v, place, "bytes %" PRIu64 " to %" PRIu64 " before it belong to nothing", at,
                           x->from);
        } else if (x->from < at) {
            verify_problem(v, place, "it begins at byte %" PRIu64 ", inside what ends at %" PRIu64, x->from,
                           at);
        }
        if (x->bytes >
            v->file->source.size - x->from) { /* the footer's reader has seen that from is inside */
            verify_problem(v, place, "it runs past the end of the file");
            return;
        }
        at = x->from + x->bytes > at ? x->from + x->bytes : at;
    }
    if (at != v->file->source.size) {
        verify_problem(v, "file", "bytes %" PRIu64 " to the end belong to nothing", at);
    }
}

static void
check_layout(struct verify *v)
{
    const struct parquet_meta *m = v->file->meta;
    struct regions r = {.n = 0};
    if (!frame_regions(v, &r)) {
        return;
    }
    for (uint32_t g = 0; g < m->row_group_count; g++) {
        for (uint32_t c = 0; c < (uint32_t)m->schema->column_count; c++) {
            const struct parquet_chunk *chunk = parquet_meta_chunk(m, g, c);
            char place[64];
            (void)snprintf(place, sizeof place, "row group %u, column %u", g, c);
            if (chunk->bloom_offset && chunk->bloom_bytes == 0) {
                verify_problem(v, place, "its Bloom filter has no length");
            }
            if (chunk->offset > v->file->source.size || chunk->column_index_offset > v->file->source.size ||
                chunk->offset_index_offset > v->file->source.size ||
                chunk->bloom_offset > v->file->source.size) {
                verify_problem(v, place, "it lies behind the end of the file");
                continue;
            }
            chunk_regions(&r, chunk, g, c);
        }
    }
    qsort(r.v, r.n, sizeof *r.v, by_place);
    check_regions(v, &r);
    mem_free(r.v);
}

/* The footer holds meta.json as it was before the file's size was known. */
static void
check_meta(struct verify *v)
{
    struct fault f = {0};
    struct block_meta inside = {.source_count = 0};
    struct buf a, b;
    buf_init(&a, BLOCK_META_MAX);
    buf_init(&b, BLOCK_META_MAX);
    err rc = block_meta_read(parquet_meta_get(v->file->meta, SL("vivace.meta")), &f, &inside);
    if (rc != OK) {
        verify_problem(v, "footer, vivace.meta", "%s", f.msg);
    } else {
        inside.bytes = v->meta->bytes;
        rc = block_meta_write(&inside, &a);
        rc = rc == OK ? block_meta_write(v->meta, &b) : rc;
        if (rc != OK || !slice_eq(buf_slice(&a), buf_slice(&b))) {
            verify_problem(v, "footer, vivace.meta", "it differs from meta.json");
        }
    }
    block_meta_fini(&inside);
    buf_fini(&a);
    buf_fini(&b);
}

static void
check_counts(struct verify *v)
{
    const struct parquet_meta *m = v->file->meta;
    uint64_t rows = 0;
    int32_t id_column = v->schema->column[BLOCK_TRACE_ID];
    for (uint32_t g = 0; g < m->row_group_count; g++) {
        const struct parquet_row_group *group = &m->row_groups[g];
        char place[32];
        (void)snprintf(place, sizeof place, "row group %u", g);
        if (group->first_row != rows) {
            verify_problem(v, place, "its first row is %" PRIu64 ", not %" PRIu64, group->first_row, rows);
        }
        rows += group->row_count;
        if (group->sorting_count != 1 || group->sorting[0].column != id_column ||
            group->sorting[0].descending) {
            verify_problem(v, place, "it does not declare to be sorted by trace_id");
        }
        uint64_t bytes = 0;
        for (int32_t c = 0; c < m->schema->column_count; c++) {
            bytes += group->chunks[c].uncompressed_bytes;
        }
        if (group->bytes != bytes) {
            verify_problem(v, place, "total_byte_size is %" PRIu64 ", its columns have %" PRIu64,
                           group->bytes, bytes);
        }
    }
    if (rows != m->row_count) {
        verify_problem(v, "footer", "%" PRIu64 " rows, its row groups have %" PRIu64, m->row_count, rows);
    }
    if (rows != v->meta->spans) {
        verify_problem(v, "meta.json", "%" PRIu64 " spans, the file has %" PRIu64, v->meta->spans, rows);
    }
}

void
verify_file(struct verify *v)
{
    check_layout(v);
    check_meta(v);
    check_counts(v);
}
