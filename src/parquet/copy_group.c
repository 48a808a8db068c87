/* A row group of another file, as it stands there: pages are checked and passed on, never decompressed. */
#include "bitpack.h"
#include "bloom.h"
#include "column_reader.h"
#include "meta_priv.h"
#include "varint.h"
#include "writer_priv.h"

#include "vivace/base/mem.h"

#define WINDOW_BYTES ((size_t)256 << 10) /* read and handed on at a time */
#define HEADER_BYTES ((size_t)4 << 10)   /* a page header with room to spare: ours have 50 */
#define INDEX_BYTES  ((size_t)4 << 20)   /* indexes and the filter of one chunk, in memory */
#define PAGE_BYTES   ((uint32_t)160 << 20)

struct copying {
    struct parquet_writer *w;
    const struct parquet_group_copy *o;
    struct fault *f;
    uint64_t rows;    /* of the row group */
    struct buf notes; /* struct page_note: pages of the chunk under way */
    struct buf cuts;  /* uint64_t: first row of each page of the first column: all end at the same rows */
    bool have_cuts;
    uint32_t dictionary_bytes; /* of the chunk under way, without compression */
    struct arena arena;        /* indexes and filter of one chunk */
    /* the chunk's bytes: read up to next, in memory from window[at] to window[n] */
    uint8_t *window;
    size_t at, n;
    uint64_t next, end;
};

static err
corrupt(struct copying *c, const char *what)
{
    uint64_t off = c->next - (c->n - c->at);
    return FAULT(c->f, ERR_CORRUPT, "parquet page at %llu: %s", (unsigned long long)off, what);
}

static err
no_room(struct copying *c)
{
    return FAULT(c->f, ERR_LIMIT, "parquet writer: the memory limit is reached");
}

/* More of the chunk behind what is left of the window; it goes to the sink at once: when it turns out to be
 * wrong the file is not finished. */
static err
fill(struct copying *c)
{
    const struct parquet_source *s = &c->o->file->source;
    size_t rest = c->n - c->at;
    err rc = OK;
    memmove(c->window, c->window + c->at, rest);
    uint64_t left = c->end - c->next;
    size_t want = left < WINDOW_BYTES - rest ? (size_t)left : WINDOW_BYTES - rest;
    c->at = 0;
    c->n = rest;
    TRY(c->o->step ? c->o->step(c->o->ctx, c->f) : OK);
    TRY(s->read(s->ctx, c->next, want, c->window + rest, c->f));
    TRY(writer_emit(c->w, slice_of(c->window + rest, want), c->f));
    c->n += want;
    c->next += want;
out:
    return rc;
}

/* Do the runs of `n` levels up to `max` end where their bytes do? */
static bool
levels_fit(slice in, uint8_t max, uint64_t n)
{
    const uint8_t *p = in.p, *end = in.p + in.n;
    unsigned width = bits_width(max);
    while (n > 0) {
        uint64_t head = 0;
        if (!varint_read(&p, end, &head) || head > UINT32_MAX) {
            return false;
        }
        uint64_t count = head & 1 ? (head >> 1) * 8 : head >> 1;
        uint64_t bytes = head & 1 ? (head >> 1) * width : (width + 7) / 8;
        if (count == 0 || bytes > (uint64_t)(end - p)) {
            return false;
        }
        p += bytes;
        n -= count < n ? count : n;
    }
    return p == end;
}

/* A header has no checksum: levels must fill the bytes that it gives them, and compressed values follow. */
static err
check_parts(struct copying *c, const struct page_header *h, const struct parquet_node *leaf, unsigned codec)
{
    static const uint8_t zstd[4] = {0x28, 0xb5, 0x2f, 0xfd};
    size_t levels = (size_t)h->rep_bytes + h->def_bytes, need = levels + sizeof zstd;
    bool packed = codec == PARQUET_ZSTD && h->compressed && h->compressed_bytes >= need;
    err rc = OK;
    need = need < h->compressed_bytes ? need : h->compressed_bytes;
    if (need > WINDOW_BYTES) {
        return FAULT(c->f, ERR_LIMIT, "parquet page: %zu bytes of levels", levels);
    }
    if (c->n - c->at < need) {
        TRY(fill(c));
    }
    slice in = slice_of(c->window + c->at, c->n - c->at);
    if (in.n < need || (packed && memcmp(in.p + levels, zstd, sizeof zstd) != 0) ||
        (leaf->max_rep && !levels_fit(slice_sub(in, 0, h->rep_bytes), leaf->max_rep, h->value_count)) ||
        (leaf->max_def &&
         !levels_fit(slice_sub(in, h->rep_bytes, h->def_bytes), leaf->max_def, h->value_count))) {
        return corrupt(c, "its levels do not fit its header");
    }
out:
    return rc;
}

/* The body behind a page's header: is it what its checksum says? */
static err
check_body(struct copying *c, const struct page_header *h)
{
    uint32_t crc = 0;
    size_t left = h->compressed_bytes;
    err rc = OK;
    while (left) {
        if (c->at == c->n) {
            TRY(fill(c));
        }
        size_t part = left < c->n - c->at ? left : c->n - c->at;
        crc = page_crc(crc, slice_of(c->window + c->at, part));
        c->at += part;
        left -= part;
    }
    if (crc != h->crc) {
        return corrupt(c, "the checksum is wrong");
    }
out:
    return rc;
}

/* A data page's counts and parts must be those of its column. */
static bool
header_fits(const struct page_header *h, const struct parquet_node *leaf, const struct parquet_chunk *chunk)
{
    bool coded = h->encoding == PARQUET_RLE_DICTIONARY || h->encoding == PARQUET_PLAIN_DICTIONARY;
    bool stored = !h->compressed || chunk->codec == PARQUET_UNCOMPRESSED;
    return h->row_count > 0 && (leaf->max_rep ? h->rep_bytes > 0 : h->row_count == h->value_count) &&
           (leaf->max_def ? h->def_bytes > 0 : h->null_count == 0 && h->def_bytes == 0) &&
           (leaf->max_rep || h->rep_bytes == 0) &&
           (coded ? chunk->has_dictionary : column_encoding_fits(h->encoding, leaf->field.type)) &&
           (!stored || h->compressed_bytes == h->uncompressed_bytes);
}

/* May a page of the output have this header? */
static err
check_header(struct copying *c, const struct page_header *h, const struct parquet_node *leaf,
             const struct parquet_chunk *chunk)
{
    if (!h->has_crc) {
        return corrupt(c, "it has no checksum");
    }
    if (h->compressed_bytes > c->end - (c->next - (c->n - c->at))) {
        return corrupt(c, "it runs past its column chunk");
    }
    if (h->uncompressed_bytes > PAGE_BYTES) {
        return FAULT(c->f, ERR_LIMIT, "parquet page: %u bytes, the limit is %u", h->uncompressed_bytes,
                     PAGE_BYTES);
    }
    if (h->type == PAGE_DICTIONARY) {
        return chunk->compressed_bytes == 0 && h->encoding == PARQUET_PLAIN
                   ? OK
                   : corrupt(c, "a dictionary does not come first");
    }
    if (h->type != PAGE_DATA_V2) {
        return corrupt(c, "it is no data page of version 2");
    }
    return header_fits(h, leaf, chunk) ? OK : corrupt(c, "its header does not fit its column");
}

/* Pages of all columns end at the same rows. */
static err
note_page(struct copying *c, const struct page_header *h, uint64_t offset, uint32_t bytes, uint64_t first_row)
{
    size_t i = c->notes.n / sizeof(struct page_note);
    struct page_note note = {
        .offset = offset, .first_row = first_row, .bytes = bytes, .null_count = h->null_count};
    buf_append(&c->notes, &note, sizeof note);
    if (!c->have_cuts) {
        buf_append(&c->cuts, &first_row, sizeof first_row);
    } else if ((i + 1) * sizeof first_row > c->cuts.n ||
               memcmp(c->cuts.p + i * sizeof first_row, &first_row, sizeof first_row) != 0) {
        return corrupt(c, "it begins at another row than the pages of other columns");
    }
    return c->notes.failed || c->cuts.failed ? no_room(c) : OK;
}

/* One page; counts it in `chunk`. */
static err
copy_page(struct copying *c, const struct parquet_node *leaf, struct parquet_chunk *chunk,
          uint64_t *first_row)
{
    struct page_header h;
    size_t used = 0;
    err rc = OK;
    if (c->n - c->at < HEADER_BYTES && c->next < c->end) {
        TRY(fill(c));
    }
    TRY(page_header_parse(slice_of(c->window + c->at, c->n - c->at), c->f, &h, &used));
    c->at += used;
    TRY(check_header(c, &h, leaf, chunk));
    uint64_t bytes = (uint64_t)used + h.compressed_bytes;
    if (h.type == PAGE_DICTIONARY) {
        chunk->has_dictionary = true;
        c->dictionary_bytes = h.uncompressed_bytes;
        chunk->data_page_offset += bytes;
    } else {
        TRY(note_page(c, &h, chunk->offset + chunk->compressed_bytes - chunk->data_page_offset,
                      (uint32_t)bytes, *first_row));
        *first_row += h.row_count;
        chunk->value_count += h.value_count;
        chunk->null_count += h.null_count;
    }
    chunk->compressed_bytes += bytes;
    chunk->uncompressed_bytes += used + (uint64_t)h.uncompressed_bytes;
    chunk->encodings |= (uint16_t)(1U << h.encoding | (leaf->max_def ? 1U << PARQUET_RLE : 0));
    TRY(h.type == PAGE_DICTIONARY ? OK : check_parts(c, &h, leaf, chunk->codec));
    TRY(check_body(c, &h));
out:
    return rc;
}

/* Bounds and sizes that stand in the footer alone are taken over. */
static err
copy_statistics(struct copying *c, const struct parquet_chunk *from, struct parquet_chunk *chunk)
{
    struct arena *a = &c->w->meta.arena;
    if (from->bounds.min.p && from->bounds.max.p) {
        chunk->bounds = from->bounds;
        chunk->bounds.min = from->bounds.min.n ? arena_copy(a, from->bounds.min) : slice_of("", 0);
        chunk->bounds.max = from->bounds.max.n ? arena_copy(a, from->bounds.max) : slice_of("", 0);
        if (!chunk->bounds.min.p || !chunk->bounds.max.p) {
            return no_room(c);
        }
    }
    chunk->byte_array_bytes = from->byte_array_bytes;
    return OK;
}

/* A column index says nothing of places: its bytes stay, when they can be read and fit the pages. */
static err
copy_indexes(struct copying *c, const struct parquet_chunk *from, struct parquet_chunk *chunk)
{
    struct parquet_writer *w = c->w;
    const struct parquet_source *s = &c->o->file->source;
    const struct page_note *notes = (const struct page_note *)(const void *)c->notes.p;
    size_t n = c->notes.n / sizeof *notes;
    struct parquet_column_index x;
    err rc = OK;
    chunk->offset_index_offset = w->offset_indexes.n;
    offset_index_write(notes, n, chunk->data_page_offset, false, &w->offset_indexes);
    chunk->offset_index_bytes = (uint32_t)(w->offset_indexes.n - chunk->offset_index_offset);
    if (from->column_index_bytes) {
        TRY(parquet_column_index_read(c->o->file, from, &c->arena, c->f, &x));
        if (x.page_count != n) {
            return FAULT(c->f, ERR_CORRUPT, "parquet column index: %zu pages where there are %zu",
                         x.page_count, n);
        }
        chunk->column_index_offset = w->column_indexes.n;
        chunk->column_index_bytes = from->column_index_bytes;
        if (buf_reserve(&w->column_indexes, from->column_index_bytes) != OK) {
            return no_room(c);
        }
        TRY(s->read(s->ctx, from->column_index_offset, from->column_index_bytes,
                    w->column_indexes.p + w->column_indexes.n, c->f));
        w->column_indexes.n += from->column_index_bytes;
    }
    if (w->offset_indexes.failed) {
        return no_room(c);
    }
out:
    return rc;
}

/* A dictionary's header says how many values it has: so many must fill it. */
static err
check_dictionary(struct copying *c, size_t leaf, const struct parquet_node *node)
{
    const struct parquet_group_copy *o = c->o;
    struct parquet_values v;
    size_t bytes = 0, width = parquet_value_bytes(node);
    err rc = OK;
    TRY(parquet_column_open(o->reader, o->file, o->group, leaf, c->f));
    TRY(parquet_column_dictionary(o->reader, c->f, &v));
    for (size_t i = 0; width == 0 && i < v.count; i++) {
        bytes += sizeof(uint32_t) + v.bytes[i].n;
    }
    if (bytes + width * v.count != c->dictionary_bytes) {
        return FAULT(c->f, ERR_CORRUPT, "parquet column %.*s: its dictionary does not hold what it says",
                     SL_FMT(node->field.name));
    }
out:
    return rc;
}

/* Headers of pages and footer have no checksum: they must say the same. */
static bool
chunk_agrees(const struct parquet_chunk *a, const struct parquet_chunk *b)
{
    return a->value_count == b->value_count && (!b->has_null_count || a->null_count == b->null_count) &&
           a->uncompressed_bytes == b->uncompressed_bytes && a->encodings == b->encodings &&
           a->data_page_offset - a->offset == b->data_page_offset - b->offset &&
           (a->codec == PARQUET_ZSTD || a->codec == PARQUET_UNCOMPRESSED);
}

static err
copy_chunk(struct copying *c, size_t column, struct parquet_chunk *chunk)
{
    const struct parquet_node *leaf = c->w->columns[column].leaf;
    const struct parquet_chunk *from =
        parquet_meta_chunk(c->o->file->meta, c->o->group, (size_t)c->o->columns[column].from);
    uint64_t rows = 0;
    err rc = OK;
    *chunk = (struct parquet_chunk){
        .offset = c->w->offset,
        .data_page_offset = c->w->offset,
        .codec = from->codec,
        .has_null_count = true,
    };
    buf_clear(&c->notes);
    arena_reset(&c->arena);
    c->at = c->n = 0;
    c->next = from->offset;
    c->end = from->offset + from->compressed_bytes;
    while (c->at < c->n || c->next < c->end) {
        TRY(copy_page(c, leaf, chunk, &rows));
    }
    if (rows != c->rows || !chunk_agrees(chunk, from)) {
        return FAULT(c->f, ERR_CORRUPT, "parquet column %.*s: its pages do not hold what the footer says",
                     SL_FMT(leaf->field.name));
    }
    c->have_cuts = true;
    TRY(chunk->has_dictionary ? check_dictionary(c, (size_t)c->o->columns[column].from, leaf) : OK);
    TRY(copy_statistics(c, from, chunk));
    TRY(copy_indexes(c, from, chunk));
out:
    return rc;
}

/* --- columns that the other file lacks --------------------------------------------------------------------
 */

/* An entry without a value for each of a page of the column that says where entries stand. */
static err
append_nulls(struct copying *c, size_t column)
{
    const struct parquet_group_copy *o = c->o;
    struct column_writer *to = &c->w->columns[column];
    const struct parquet_node *like =
        parquet_schema_column(o->file->meta->schema, (size_t)o->columns[column].like);
    err rc = OK;
    TRY(parquet_column_open(o->reader, o->file, o->group, (size_t)o->columns[column].like, c->f));
    for (;;) {
        struct parquet_page page;
        struct parquet_vector v = {.def = NULL};
        rc = parquet_column_next(o->reader, c->f, &page);
        if (rc == ERR_NOT_FOUND) {
            break;
        }
        TRY(rc);
        TRY(o->step ? o->step(o->ctx, c->f) : OK);
        if (like->max_rep || like->max_def) {
            TRY(parquet_column_decode(o->reader, PARQUET_DECODE_LEVELS, c->f, &v));
        }
        if (v.rep && page.level_count && v.rep[0] > 0) {
            return FAULT(c->f, ERR_CORRUPT, "parquet page: it begins within a row");
        }
        struct parquet_batch batch = {
            .level_count = page.level_count, .def = v.def, .rep = v.rep, .def_level = like->max_def};
        TRY(column_append(to, &batch, c->f));
        TRY(column_cut_page(to, c->f));
    }
    if (column_rows(to) != c->rows) {
        return FAULT(c->f, ERR_CORRUPT, "parquet column %.*s: its pages do not hold what the footer says",
                     SL_FMT(like->field.name));
    }
    rc = OK;
out:
    return rc;
}

/* --- the row group ----------------------------------------------------------------------------------------
 */

static err
copy_blooms(struct copying *c, struct parquet_row_group *rg)
{
    err rc = OK;
    for (size_t i = 0; i < c->w->column_count; i++) {
        struct parquet_bloom bloom;
        struct buf *out = &c->w->shared.body;
        if (c->o->columns[i].from < 0) {
            continue;
        }
        arena_reset(&c->arena);
        rc = parquet_bloom_read(
            c->o->file, parquet_meta_chunk(c->o->file->meta, c->o->group, (size_t)c->o->columns[i].from),
            &c->arena, c->f, &bloom);
        if (rc == ERR_NOT_FOUND) {
            rc = OK;
            continue;
        }
        TRY(rc);
        buf_clear(out);
        bloom_write(bloom.blocks, bloom.block_count * 32, out);
        if (out->failed) {
            return no_room(c);
        }
        rg->chunks[i].bloom_offset = c->w->offset;
        rg->chunks[i].bloom_bytes = (uint32_t)out->n;
        TRY(writer_emit(c->w, buf_slice(out), c->f));
    }
out:
    return rc;
}

/* Do the columns of the two files fit, and is no row group under way? */
static err
check_columns(const struct copying *c)
{
    const struct parquet_group_copy *o = c->o;
    const struct parquet_schema *s = o->file->meta->schema;
    for (size_t i = 0; i < c->w->column_count; i++) {
        const struct parquet_node *to = c->w->columns[i].leaf;
        int32_t at = o->columns[i].from < 0 ? o->columns[i].like : o->columns[i].from;
        const struct parquet_node *from =
            at < 0 || at >= s->column_count ? NULL : parquet_schema_column(s, (size_t)at);
        bool copied = o->columns[i].from >= 0;
        if (from == NULL || column_rows(&c->w->columns[i]) ||
            (copied ? !parquet_copy_fits(from, to) : from->max_def >= to->max_def)) {
            return FAULT(c->f, ERR_INVALID, "parquet writer: column %.*s cannot be copied",
                         SL_FMT(to->field.name));
        }
    }
    return OK;
}

static err
copy_group(struct copying *c)
{
    struct parquet_writer *w = c->w;
    struct parquet_meta *m = &w->meta;
    struct parquet_row_group rg = {
        .row_count = c->rows,
        .first_row = m->row_count,
        .sorting = w->sorting,
        .sorting_count = (uint32_t)w->sorting_count,
    };
    err rc = OK;
    TRY(check_columns(c));
    rg.chunks = arena_calloc(&m->arena, w->column_count, sizeof *rg.chunks);
    void *grown = arena_grow(&m->arena, m->row_groups, m->row_group_count, &w->row_groups_cap,
                             (size_t)m->row_group_count + 1, sizeof rg);
    if (!rg.chunks || !grown) {
        return no_room(c);
    }
    m->row_groups = grown;
    for (size_t i = 0; i < w->column_count; i++) {
        if (c->o->columns[i].from >= 0) {
            TRY(copy_chunk(c, i, &rg.chunks[i]));
        } else {
            TRY(append_nulls(c, i));
            TRY(writer_emit_chunk(w, &w->columns[i], &rg.chunks[i], c->f));
            column_reset(&w->columns[i]);
        }
        rg.bytes += rg.chunks[i].uncompressed_bytes;
    }
    TRY(copy_blooms(c, &rg));
    m->row_groups[m->row_group_count++] = rg;
    m->row_count += rg.row_count;
out:
    return rc;
}

bool
parquet_copy_fits(const struct parquet_node *from, const struct parquet_node *to)
{
    const struct parquet_field *a = &from->field, *b = &to->field;
    return a->type == b->type && (a->type != PARQUET_FIXED || a->type_length == b->type_length) &&
           a->logical.kind == b->logical.kind && a->repetition == b->repetition &&
           from->max_def == to->max_def && from->max_rep == to->max_rep;
}

err
parquet_writer_copy_group(struct parquet_writer *w, const struct parquet_group_copy *o, struct fault *f)
{
    struct copying c = {.w = w, .o = o, .f = f};
    err rc = writer_check_alive(w, f);
    if (rc != OK) {
        return rc;
    }
    c.rows = o->group < o->file->meta->row_group_count ? o->file->meta->row_groups[o->group].row_count : 0;
    if (c.rows == 0) {
        return writer_die(w, FAULT(f, ERR_INVALID, "parquet writer: no row group %zu to copy", o->group));
    }
    arena_init(&c.arena, INDEX_BYTES);
    buf_init(&c.notes, INDEX_BYTES);
    buf_init(&c.cuts, INDEX_BYTES);
    c.window = mem_alloc(WINDOW_BYTES);
    rc = copy_group(&c);
    mem_free(c.window);
    buf_fini(&c.cuts);
    buf_fini(&c.notes);
    arena_fini(&c.arena);
    return writer_die(w, rc);
}
