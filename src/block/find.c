/* A trace by its id: Bloom filter, page bounds, one page of ids, then the rows. */
#include "reader_priv.h"

#include "vivace/base/must.h"

#define SCRATCH_BYTES_MAX                                                                                    \
    ((size_t)1 << 30) /* of one reading; the batch's own bound is what usually holds                         \
                       */

#define INDEXES_MAX ((uint64_t)256 << 10)

struct reading {
    struct block_reader *reader;
    struct counted_source counted;
    struct parquet_file file;
    struct parquet_scratch *scratch;
    struct parquet_column *column;
    struct arena arena;
    struct row_context context;
    struct fault *f;
};

static void
reading_init(struct reading *r, struct block_reader *reader, struct fault *f)
{
    *r = (struct reading){.reader = reader, .f = f};
    counted_open(&r->counted, reader, &r->file);
    r->scratch = parquet_scratch_create(&BLOCK_PARQUET_LIMITS);
    r->column = parquet_column_create(r->scratch);
    arena_init(&r->arena, SCRATCH_BYTES_MAX);
}

static void
reading_fini(struct reading *r)
{
    parquet_column_destroy(r->column);
    parquet_scratch_destroy(r->scratch);
    arena_fini(&r->arena);
}

/* The offset indexes of a row group's columns stand together: one read instead of one for each column. */
static err
read_indexes(struct reading *r, size_t row_group)
{
    const struct parquet_meta *m = r->file.meta;
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;
    for (size_t i = 0; i < (size_t)m->schema->column_count; i++) {
        const struct parquet_chunk *c = parquet_meta_chunk(m, row_group, i);
        const uint64_t end = c->offset_index_offset + c->offset_index_bytes;
        if (c->offset_index_bytes && end > c->offset_index_offset) {
            low = c->offset_index_offset < low ? c->offset_index_offset : low;
            high = end > high ? end : high;
        }
    }
    if (low >= high || high > r->file.source.size || high - low > INDEXES_MAX) {
        return OK;
    }
    return counted_read_ahead(&r->counted, low, (size_t)(high - low), &r->arena, r->f);
}

static err
read_range(struct reading *r, size_t row_group, uint64_t from, uint64_t to, const trace_id *trace,
           struct span_batch *out)
{
    struct leaf_request q = {
        .file = &r->file,
        .column = r->column,
        .row_group = row_group,
        .from = from,
        .to = to,
        .scratch = &r->arena,
        .f = r->f,
    };
    err rc = read_indexes(r, row_group);
    return rc != OK ? rc : rows_read(&q, &r->reader->schema, trace, &r->context, out);
}

/* Could the row group hold the trace? Bounds, then the filter. */
static err
may_have(struct reading *r, size_t row_group, const struct parquet_chunk *chunk, slice key, bool *ret)
{
    const struct parquet_bounds *b = &chunk->bounds;
    const struct parquet_bloom *filter = NULL;
    if ((b->min.p && slice_cmp(key, b->min) < 0) || (b->max.p && slice_cmp(key, b->max) > 0)) {
        *ret = false;
        return OK;
    }
    err rc = block_reader_trace_filter(r->reader, row_group, &r->counted.bytes, r->f, &filter);
    if (rc == OK || rc == ERR_NOT_FOUND) {
        *ret = filter == NULL || parquet_bloom_has(filter, parquet_bloom_hash(key));
        rc = OK;
    }
    return rc;
}

/* First row and last row + 1 of the id in one page of decoded values: those that stand together. */
static bool
match_rows(const struct parquet_vector *v, slice id, uint64_t *ret_from, uint64_t *ret_to)
{
    size_t i = 0, from;
    while (i < v->values.count && !slice_eq(v->values.bytes[i], id)) {
        i++;
    }
    for (from = i; i < v->values.count && slice_eq(v->values.bytes[i], id); i++) {
    }
    *ret_from = v->page.first_row + from;
    *ret_to = v->page.first_row + i;
    return i > from;
}

/* The same for dictionary codes. */
static bool
match_codes(const struct parquet_vector *v, const struct parquet_values *dictionary, slice id,
            uint64_t *ret_from, uint64_t *ret_to)
{
    uint32_t code = UINT32_MAX;
    size_t k = 0, from;
    for (size_t i = 0; i < dictionary->count; i++) {
        if (slice_eq(dictionary->bytes[i], id)) {
            code = (uint32_t)i;
            break;
        }
    }
    while (k < v->values.count && v->codes[k] != code) {
        k++;
    }
    for (from = k; k < v->values.count && v->codes[k] == code; k++) {
    }
    *ret_from = v->page.first_row + from;
    *ret_to = v->page.first_row + k;
    return k > from;
}

static bool
page_may_have(const struct parquet_column_index *x, size_t page, slice key)
{
    const struct parquet_page_bounds *b = &x->pages[page];
    return page >= x->page_count || b->min.p == NULL ||
           (slice_cmp(key, b->min) >= 0 && slice_cmp(key, b->max) <= 0);
}

/* Look into the next page. */
static err
page_match(struct reading *r, slice id, uint64_t *ret_from, uint64_t *ret_to, bool *ret_found)
{
    struct parquet_page page;
    struct parquet_vector v;
    struct parquet_values dictionary;
    err rc = OK;
    TRY(parquet_column_next(r->column, r->f, &page));
    TRY(parquet_column_decode(r->column, PARQUET_DECODE_CODES, r->f, &v));
    if (v.codes == NULL) {
        *ret_found = match_rows(&v, id, ret_from, ret_to);
        goto out;
    }
    TRY(parquet_column_dictionary(r->column, r->f, &dictionary));
    *ret_found = match_codes(&v, &dictionary, id, ret_from, ret_to);
out:
    return rc;
}

/* Rows of the trace in a row group: ERR_NOT_FOUND when there are none. */
static err
locate(struct reading *r, size_t row_group, slice id, uint64_t *ret_from, uint64_t *ret_to)
{
    size_t leaf = (size_t)r->reader->schema.column[BLOCK_TRACE_ID];
    const struct parquet_chunk *chunk = parquet_meta_chunk(r->file.meta, row_group, leaf);
    struct parquet_column_index bounds;
    struct parquet_offset_index pages;
    bool maybe = false, any = false;
    err rc = OK;
    TRY(may_have(r, row_group, chunk, id, &maybe));
    if (!maybe) {
        return ERR_NOT_FOUND;
    }
    TRY(parquet_offset_index_read(&r->file, chunk, &r->arena, r->f, &pages));
    TRY(parquet_column_index_read(&r->file, chunk, &r->arena, r->f, &bounds));
    TRY(parquet_column_open(r->column, &r->file, row_group, leaf, r->f));
    TRY(parquet_column_use_index(r->column, &pages, r->f));
    for (size_t i = 0; i < pages.page_count; i++) {
        uint64_t from = 0, to = 0;
        bool found = false;
        if (!page_may_have(&bounds, i, id)) {
            continue;
        }
        TRY(parquet_column_seek(r->column, pages.pages[i].first_row, r->f));
        TRY(page_match(r, id, &from, &to, &found));
        if (found && any && from != *ret_to) {
            return FAULT(r->f, ERR_CORRUPT, "row group %zu: the rows of a trace do not stand together",
                         row_group);
        }
        if (found) {
            *ret_from = any ? *ret_from : from;
            *ret_to = to;
            any = true;
        }
    }
    rc = any ? OK : ERR_NOT_FOUND;
out:
    return rc;
}

static err
find_in(struct reading *r, const trace_id *trace, slice id, struct span_batch *out)
{
    bool any = false;
    err rc = OK;
    for (size_t g = 0; g < r->file.meta->row_group_count; g++) {
        uint64_t from = 0, to = 0;
        rc = locate(r, g, id, &from, &to);
        if (rc == ERR_NOT_FOUND) {
            continue;
        }
        TRY(rc);
        TRY(read_range(r, g, from, to, trace, out));
        any = true;
    }
    rc = any ? OK : ERR_NOT_FOUND;
out:
    return rc;
}

err
block_find_trace(struct block_reader *r, const trace_id *id, struct span_batch *out,
                 uint64_t *inspected_bytes, struct fault *f)
{
    const struct span_batch_mark before = span_batch_mark(out);
    struct reading reading;
    reading_init(&reading, r, f);
    char hex[sizeof id->b * 2];
    hex_encode(id->b, sizeof id->b, hex);
    err rc = find_in(&reading, id, slice_of(hex, sizeof hex), out);
    *inspected_bytes += reading.counted.bytes;
    reading_fini(&reading);
    if (rc != OK) {
        span_batch_rewind(out, before);
        if (rc != ERR_NOT_FOUND) {
            fault_prefix(f, "%s", r->name);
        }
    }
    return rc;
}

err
block_read_rows(struct block_reader *r, size_t row_group, uint64_t from, uint64_t to, struct span_batch *out,
                uint64_t *inspected_bytes, struct fault *f)
{
    struct reading reading;
    if (row_group >= r->meta->row_group_count || from >= to ||
        to > r->meta->row_groups[row_group].row_count) {
        return FAULT(f, ERR_INVALID, "%s: rows %llu to %llu of row group %zu are not there", r->name,
                     (unsigned long long)from, (unsigned long long)to, row_group);
    }
    reading_init(&reading, r, f);
    err rc = read_range(&reading, row_group, from, to, NULL, out);
    *inspected_bytes += reading.counted.bytes;
    reading_fini(&reading);
    if (rc != OK) {
        fault_prefix(f, "%s", r->name);
    }
    return rc;
}
