/* Finding pages: the window of file bytes, page headers, steps and seeks. */
#include "column_reader.h"

#include "levels.h"

#include "vivace/base/mem.h"

struct parquet_scratch *
parquet_scratch_create(const struct parquet_limits *limits)
{
    struct parquet_scratch *s = mem_new(struct parquet_scratch);
    s->limits = limits ? *limits : PARQUET_LIMITS_DEFAULT;
    codecs_init(&s->codecs, 1);
    return s;
}

void
parquet_scratch_destroy(struct parquet_scratch *s)
{
    if (s) {
        codecs_fini(&s->codecs);
        mem_free(s);
    }
}

struct parquet_column *
parquet_column_create(struct parquet_scratch *s)
{
    struct parquet_column *c = mem_new(struct parquet_column);
    c->scratch = s;
    return c;
}

void
parquet_column_destroy(struct parquet_column *c)
{
    if (!c) {
        return;
    }
    struct room *rooms[] = {&c->window,
                            &c->dictionary_window,
                            &c->body,
                            &c->def,
                            &c->rep,
                            &c->codes,
                            &c->typed,
                            &c->lengths,
                            &c->strings,
                            &c->dictionary_body,
                            &c->dictionary_typed};
    for (size_t i = 0; i < sizeof rooms / sizeof(struct room *); i++) {
        mem_free(rooms[i]->p);
    }
    mem_free(c);
}

size_t
parquet_column_bytes(const struct parquet_column *c)
{
    return sizeof *c + c->memory;
}

err
room_take(struct parquet_column *c, struct room *r, uint64_t n, struct fault *f)
{
    size_t max = c->scratch->limits.column_bytes_max, others = c->memory - r->cap;
    if (n <= r->cap && r->p) {
        return OK;
    }
    if (n > max || n > max - others) {
        return FAULT(f, ERR_LIMIT, "parquet column: a page needs %llu bytes of memory, the limit is %zu",
                     (unsigned long long)n, max);
    }
    size_t want = (size_t)n + (size_t)n / 4 + 64; /* pages of a column are alike: leave some slack */
    want = want < max - others ? want : (size_t)n;
    uint8_t *p = mem_try_alloc(want ? want : 1);
    if (!p) {
        return FAULT(f, ERR_LIMIT, "parquet column: no memory for %zu bytes", want);
    }
    mem_free(r->p);
    r->p = p;
    r->cap = want;
    c->memory = others + want;
    return OK;
}

err
column_bytes_at(struct parquet_column *c, uint64_t off, uint64_t n, struct fault *f, slice *ret)
{
    if (off < c->chunk->offset || off > c->end || n > c->end - off) {
        return FAULT(f, ERR_CORRUPT, "parquet page: it runs past its column chunk");
    }
    if (off >= c->window_off && off + n <= c->window_off + c->window_n) {
        *ret = slice_of(c->window.p + (off - c->window_off), (size_t)n);
        return OK;
    }
    uint64_t want = n;
    if (!c->index && want < c->scratch->limits.read_bytes) {
        want = c->scratch->limits.read_bytes;
    }
    want = want < c->end - off ? want : c->end - off;
    size_t keep = 0;
    if (off >= c->window_off && off < c->window_off + c->window_n && want <= c->window.cap) {
        keep = (size_t)(c->window_off + c->window_n - off); /* the head of what is wanted is there */
        memmove(c->window.p, c->window.p + (off - c->window_off), keep);
    }
    c->window_n = 0;
    err rc = room_take(c, &c->window, want, f);
    if (rc == OK && want > keep) {
        rc = c->file.source.read(c->file.source.ctx, off + keep, (size_t)want - keep, c->window.p + keep, f);
    }
    if (rc == OK) {
        c->window_off = off;
        c->window_n = (size_t)want;
        *ret = slice_of(c->window.p, (size_t)n);
    }
    return rc;
}

err
column_header_at(struct parquet_column *c, uint64_t off, struct fault *f, struct page_header *ret,
                 uint64_t *ret_body)
{
    err rc = OK;
    slice bytes = SL_EMPTY;
    size_t used = 0;
    if (off >= c->end) {
        return FAULT(f, ERR_CORRUPT, "parquet page: its header runs past its column chunk");
    }
    uint64_t left = c->end - off, window_end = c->window_off + c->window_n;
    if (c->index && off >= c->window_off && off < window_end) {
        left = window_end - off; /* the index said how long the page is, and it is here */
    }
    uint64_t first = left < 256 ? left : 256,
             most = left < PAGE_HEADER_BYTES_MAX ? left : PAGE_HEADER_BYTES_MAX;
    struct fault why = {0};
    TRY(column_bytes_at(c, off, first, f, &bytes));
    rc = page_header_parse(bytes, &why, ret, &used);
    if (rc != OK && most > first) { /* long statistics */
        TRY(column_bytes_at(c, off, most, f, &bytes));
        rc = page_header_parse(bytes, f, ret, &used);
    } else if (rc != OK) {
        rc = FAULT(f, rc, "%s", why.msg);
    }
    TRY(rc);
    *ret_body = off + used;
    if (ret->compressed_bytes > c->end - *ret_body) {
        return FAULT(f, ERR_CORRUPT, "parquet page: %u bytes run past its column chunk",
                     ret->compressed_bytes);
    }
    if (ret->compressed_bytes > c->scratch->limits.page_bytes_max ||
        ret->uncompressed_bytes > c->scratch->limits.page_bytes_max) {
        return FAULT(f, ERR_LIMIT, "parquet page: %u bytes, the limit is %zu", ret->uncompressed_bytes,
                     c->scratch->limits.page_bytes_max);
    }
out:
    return rc;
}

static void
rewind_pages(struct parquet_column *c)
{
    c->at = c->chunk->offset;
    c->index_at = 0;
    c->rows_seen = c->levels_seen = 0;
    c->mask = NULL;
    c->into = NULL;
    c->have_page = c->pending = c->unpacked = c->loaded = c->masked = false;
}

err
parquet_column_open(struct parquet_column *c, const struct parquet_file *file, size_t row_group,
                    size_t column, struct fault *f)
{
    const struct parquet_meta *m = file->meta;
    c->chunk = NULL;
    c->have_page = c->pending = false;
    if (row_group >= m->row_group_count || column >= (size_t)m->schema->column_count) {
        return FAULT(f, ERR_INVALID, "parquet column: no column %zu in row group %zu", column, row_group);
    }
    const struct parquet_chunk *chunk = parquet_meta_chunk(m, row_group, column);
    err rc = codec_check(chunk->codec, f);
    if (rc != OK) {
        return rc;
    }
    if (chunk->offset > file->source.size || chunk->compressed_bytes > file->source.size - chunk->offset) {
        return FAULT(f, ERR_CORRUPT, "parquet column: its chunk lies outside the file");
    }
    c->file = *file;
    c->chunk = chunk;
    c->leaf = parquet_schema_column(m->schema, column);
    c->row_count = m->row_groups[row_group].row_count;
    c->index = NULL;
    c->end = chunk->offset + chunk->compressed_bytes;
    c->window_n = 0;
    c->dictionary_state = DICTIONARY_UNKNOWN;
    rewind_pages(c);
    return OK;
}

err
parquet_column_use_index(struct parquet_column *c, const struct parquet_offset_index *index, struct fault *f)
{
    for (size_t i = 0; i < index->page_count; i++) {
        const struct parquet_page_location *p = &index->pages[i];
        if (p->offset < c->chunk->offset || p->offset > c->end || p->bytes > c->end - p->offset ||
            p->first_row > c->row_count) {
            return FAULT(f, ERR_CORRUPT, "parquet offset index: page %zu lies outside its column chunk", i);
        }
    }
    c->index = index;
    rewind_pages(c);
    return OK;
}

err
parquet_column_dictionary(struct parquet_column *c, struct fault *f, struct parquet_values *ret)
{
    if (!c->chunk) {
        return FAULT(f, ERR_INVALID, "parquet column: it is not open");
    }
    err rc = c->dictionary_state == DICTIONARY_UNKNOWN ? column_load_dictionary(c, f) : OK;
    if (rc == OK && c->dictionary_state == DICTIONARY_NONE) {
        return ERR_NOT_FOUND;
    }
    if (rc == OK) {
        *ret = c->dictionary;
    }
    return rc;
}

/* Rows that begin in the page whose header was read. */
static err
count_rows(struct parquet_column *c, struct fault *f)
{
    const struct page_header *h = &c->header;
    err rc = OK;
    if (c->index) {
        const struct parquet_page_location *p = &c->index->pages[c->index_at];
        bool last = c->index_at + 1 == c->index->page_count;
        uint64_t end = last ? c->row_count : p[1].first_row;
        c->page.first_row = p->first_row;
        if (end < p->first_row || end - p->first_row > h->value_count) {
            return FAULT(f, ERR_CORRUPT, "parquet offset index: more rows than page %zu has", c->index_at);
        }
        c->page.row_count = (uint32_t)(end - p->first_row);
    } else if (h->type == PAGE_DATA_V2 || c->leaf->max_rep == 0) {
        c->page.first_row = c->rows_seen;
        c->page.row_count = h->type == PAGE_DATA_V2 ? h->row_count : h->value_count;
    } else { /* V1 does not say: count the levels */
        c->page.first_row = c->rows_seen;
        TRY(column_load(c, f));
        c->page.row_count = (uint32_t)levels_count(c->rep.p, h->value_count, 0);
    }
    uint64_t rows = c->page.row_count;
    if ((c->leaf->max_rep == 0 && rows != h->value_count) ||
        (h->type == PAGE_DATA_V2 && rows != h->row_count) || c->page.first_row > c->row_count ||
        rows > c->row_count - c->page.first_row) {
        return FAULT(f, ERR_CORRUPT, "parquet page: its rows do not fit its values or the row group");
    }
out:
    return rc;
}

/* Read the header at `at` (or of the index's next page), passing over what is no data page. */
static err
advance(struct parquet_column *c, struct fault *f)
{
    err rc = OK;
    slice whole;
    c->have_page = c->unpacked = c->loaded = c->masked = false;
    for (;;) {
        if (c->index ? c->index_at >= c->index->page_count
                     : c->at >= c->end || c->levels_seen >= c->chunk->value_count) {
            return ERR_NOT_FOUND;
        }
        if (c->index) {
            c->at = c->index->pages[c->index_at].offset;
            TRY(column_bytes_at(c, c->at, c->index->pages[c->index_at].bytes, f, &whole));
        }
        TRY(column_header_at(c, c->at, f, &c->header, &c->body_off));
        if (c->header.type == PAGE_DATA || c->header.type == PAGE_DATA_V2) {
            break;
        }
        if (c->index) {
            return FAULT(f, ERR_CORRUPT, "parquet offset index: page %zu is no data page", c->index_at);
        }
        c->at = c->body_off + c->header.compressed_bytes;
    }
    c->page.level_count = c->header.value_count;
    c->page.bytes = c->header.uncompressed_bytes;
    c->page.encoding = (enum parquet_encoding)c->header.encoding;
    c->page.coded =
        c->page.encoding == PARQUET_RLE_DICTIONARY || c->page.encoding == PARQUET_PLAIN_DICTIONARY;
    TRY(count_rows(c, f));
    c->have_page = true;
    c->at = c->body_off + c->header.compressed_bytes;
    c->index_at++;
    c->rows_seen = c->page.first_row + c->page.row_count;
    c->levels_seen += c->page.level_count;
out:
    return rc;
}

err
parquet_column_next(struct parquet_column *c, struct fault *f, struct parquet_page *ret)
{
    if (!c->chunk) {
        return FAULT(f, ERR_INVALID, "parquet column: it is not open");
    }
    err rc = c->pending ? OK : advance(c, f);
    c->pending = false;
    if (rc == OK) {
        *ret = c->page;
    }
    return rc;
}

err
parquet_column_seek(struct parquet_column *c, uint64_t row, struct fault *f)
{
    if (!c->chunk || row >= c->row_count) {
        return FAULT(f, ERR_INVALID, "parquet column: no row %llu to go to", (unsigned long long)row);
    }
    c->pending = false;
    if (c->index) {
        if (c->index->page_count == 0) {
            return FAULT(f, ERR_CORRUPT, "parquet offset index: it has no pages");
        }
        c->index_at = parquet_offset_index_find(c->index, row);
        c->have_page = c->unpacked = c->loaded = c->masked = false;
        return OK;
    }
    if (c->have_page && row >= c->page.first_row && row < c->rows_seen) {
        c->pending = true;
        return OK;
    }
    if (row < c->rows_seen) {
        rewind_pages(c);
    }
    for (;;) {
        err rc = advance(c, f);
        if (rc == ERR_NOT_FOUND) {
            return FAULT(f, ERR_CORRUPT, "parquet column: its pages end before row %llu",
                         (unsigned long long)row);
        }
        if (rc != OK) {
            return rc;
        }
        if (row < c->rows_seen) {
            c->pending = true;
            return OK;
        }
    }
}
