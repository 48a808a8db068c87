#include "vivace/parquet/writer.h"

#include "bloom.h"
#include "meta_priv.h"
#include "writer_priv.h"

#include "vivace/base/mem.h"

static err
no_room(struct fault *f)
{
    (void)FAULT(f, ERR_LIMIT, "parquet writer: the memory limit is reached");
    return ERR_LIMIT;
}

err
writer_emit(struct parquet_writer *w, slice bytes, struct fault *f)
{
    err rc = bytes.n ? w->sink.append(w->sink.ctx, bytes, f) : OK;
    if (rc == OK) {
        w->offset += bytes.n;
    }
    return rc;
}

/* Remember the first error: the writer is dead after it. */
err
writer_die(struct parquet_writer *w, err rc)
{
    if (rc != OK && w->dead == OK) {
        w->dead = rc;
    }
    return rc;
}

err
writer_check_alive(const struct parquet_writer *w, struct fault *f)
{
    if (w->dead != OK) {
        return FAULT(f, w->dead, "parquet writer: failed before");
    }
    return w->finished ? FAULT(f, ERR_INVALID, "parquet writer: the file is finished") : OK;
}

static void
init_shared(struct writer_shared *s, const struct parquet_writer_options *o)
{
    s->memory_max = o->memory_max ? o->memory_max : (size_t)512 << 20;
    s->dictionary_bytes_max = o->dictionary_bytes_max ? o->dictionary_bytes_max : (size_t)1 << 20;
    s->bounds_bytes_max = o->bounds_bytes_max ? o->bounds_bytes_max : 64;
    s->page_rows = o->page_rows;
    codecs_init(&s->codecs, o->zstd_level ? o->zstd_level : 1);
    buf_init(&s->levels, s->memory_max);
    buf_init(&s->body, s->memory_max);
    buf_init(&s->packed, s->memory_max + (s->memory_max >> 7) + 1024);
    buf_init(&s->seen, s->memory_max);
    packed_memo_init(&s->memo);
}

err
parquet_writer_create(const struct parquet_schema *schema, const struct parquet_writer_options *options,
                      const struct parquet_sink *sink, struct fault *f, struct parquet_writer **ret)
{
    static const struct parquet_column_options defaults = {.dictionary = PARQUET_DICTIONARY_AUTO};
    err rc = OK;
    struct parquet_writer *w = mem_new(struct parquet_writer);
    init_shared(&w->shared, options);
    w->sink = *sink;
    arena_init(&w->meta.arena, w->shared.memory_max);
    w->meta.schema = (struct parquet_schema *)(uintptr_t)schema; /* only read */
    slice by = arena_copy(&w->meta.arena, options->created_by.n ? options->created_by : SL("vivace"));
    w->meta.created_by = by;
    buf_init(&w->column_indexes, w->shared.memory_max);
    buf_init(&w->offset_indexes, w->shared.memory_max);
    w->columns = mem_new_array(struct column_writer, (size_t)schema->column_count);
    if (options->sorting_count > PARQUET_SORTING_MAX) {
        TRY(FAULT(f, ERR_INVALID, "parquet writer: more than %d sorting columns", PARQUET_SORTING_MAX));
    }
    w->sorting = arena_calloc(&w->meta.arena, options->sorting_count + 1, sizeof *w->sorting);
    if (!w->sorting || !by.p) {
        TRY(no_room(f));
    }
    if (options->sorting_count) {
        memcpy(w->sorting, options->sorting, options->sorting_count * sizeof *w->sorting);
    }
    w->sorting_count = options->sorting_count;
    for (int32_t i = 0; i < schema->column_count; i++) {
        const struct parquet_column_options *o = options->columns ? &options->columns[i] : &defaults;
        w->column_count++;
        TRY(column_writer_init(&w->columns[i], parquet_schema_column(schema, (size_t)i), o, &w->shared, f));
    }
    TRY(writer_emit(w, SL("PAR1"), f));
out:
    if (rc != OK) {
        parquet_writer_destroy(w);
    } else {
        *ret = w;
    }
    return rc;
}

void
parquet_writer_destroy(struct parquet_writer *w)
{
    if (!w) {
        return;
    }
    for (size_t i = 0; i < w->column_count; i++) {
        column_writer_fini(&w->columns[i]);
    }
    mem_free(w->columns);
    codecs_fini(&w->shared.codecs);
    buf_fini(&w->shared.levels);
    buf_fini(&w->shared.body);
    buf_fini(&w->shared.packed);
    buf_fini(&w->shared.seen);
    packed_memo_fini(&w->shared.memo);
    buf_fini(&w->column_indexes);
    buf_fini(&w->offset_indexes);
    arena_fini(&w->meta.arena);
    mem_free(w);
}

err
parquet_writer_append(struct parquet_writer *w, size_t column, const struct parquet_batch *batch,
                      struct fault *f)
{
    err rc = writer_check_alive(w, f);
    if (rc == OK && column >= w->column_count) {
        rc = FAULT(f, ERR_INVALID, "parquet writer: no column %zu", column);
    }
    return writer_die(w, rc == OK ? column_append(&w->columns[column], batch, f) : rc);
}

err
parquet_writer_add_dictionary(struct parquet_writer *w, size_t column, const struct parquet_values *values,
                              struct fault *f)
{
    err rc = writer_check_alive(w, f);
    if (rc == OK && column >= w->column_count) {
        rc = FAULT(f, ERR_INVALID, "parquet writer: no column %zu", column);
    }
    return writer_die(w, rc == OK ? column_add_dictionary(&w->columns[column], values, f) : rc);
}

static err
cut_all(struct parquet_writer *w, struct fault *f)
{
    err rc = OK;
    for (size_t i = 0; i < w->column_count; i++) {
        if (column_rows(&w->columns[i]) != column_rows(&w->columns[0])) {
            return FAULT(f, ERR_INVALID, "parquet writer: column %zu has %llu rows, column 0 has %llu", i,
                         (unsigned long long)column_rows(&w->columns[i]),
                         (unsigned long long)column_rows(&w->columns[0]));
        }
    }
    for (size_t i = 0; i < w->column_count; i++) {
        TRY(column_cut_page(&w->columns[i], f));
    }
out:
    return rc;
}

err
parquet_writer_end_page(struct parquet_writer *w, struct fault *f)
{
    err rc = writer_check_alive(w, f);
    return writer_die(w, rc == OK ? cut_all(w, f) : rc);
}

static err
copy_bounds(struct parquet_writer *w, const struct column_writer *c, struct parquet_chunk *chunk)
{
    if (!c->has_bounds || c->bounds_lost) {
        return OK;
    }
    chunk->bounds = (struct parquet_bounds){
        .min = arena_copy(&w->meta.arena, buf_slice(&c->min)),
        .max = arena_copy(&w->meta.arena, buf_slice(&c->max)),
        .min_exact = c->min_exact,
        .max_exact = c->max_exact,
    };
    if (c->min.n == 0) {
        chunk->bounds.min = slice_of("", 0);
    }
    if (c->max.n == 0) {
        chunk->bounds.max = slice_of("", 0);
    }
    return chunk->bounds.min.p && chunk->bounds.max.p ? OK : ERR_LIMIT;
}

/* Append the page indexes of a chunk; their offsets are relative until the end of the file is known. */
static err
note_indexes(struct parquet_writer *w, const struct column_writer *c, struct parquet_chunk *chunk,
             struct fault *f)
{
    const struct page_note *notes = (const struct page_note *)(const void *)c->notes.p;
    size_t n = c->notes.n / sizeof *notes;
    chunk->offset_index_offset = w->offset_indexes.n;
    offset_index_write(notes, n, chunk->data_page_offset,
                       c->width == 0 && c->options.dictionary != PARQUET_DICTIONARY_GIVEN,
                       &w->offset_indexes);
    chunk->offset_index_bytes = (uint32_t)(w->offset_indexes.n - chunk->offset_index_offset);
    if (!c->bounds_lost) {
        chunk->column_index_offset = w->column_indexes.n;
        column_index_write(notes, n, buf_slice(&c->bounds), c->leaf, &w->column_indexes);
        chunk->column_index_bytes = (uint32_t)(w->column_indexes.n - chunk->column_index_offset);
    }
    return w->offset_indexes.failed || w->column_indexes.failed ? no_room(f) : OK;
}

err
writer_emit_chunk(struct parquet_writer *w, struct column_writer *c, struct parquet_chunk *chunk,
                  struct fault *f)
{
    err rc = OK;
    slice dict = SL_EMPTY;
    TRY(column_dictionary_page(c, f, &dict));
    *chunk = (struct parquet_chunk){
        .offset = w->offset,
        .data_page_offset = w->offset + dict.n,
        .compressed_bytes = dict.n + c->pages.n,
        .uncompressed_bytes = c->uncompressed_bytes,
        .value_count = c->levels_cut,
        .encodings = c->encodings,
        .codec = c->options.uncompressed ? PARQUET_UNCOMPRESSED : PARQUET_ZSTD,
        .has_dictionary = dict.n > 0,
        .has_null_count = true,
        .null_count = c->nulls_cut,
        .byte_array_bytes = c->byte_array_bytes_cut,
    };
    TRY(writer_emit(w, dict, f));
    TRY(writer_emit(w, buf_slice(&c->pages), f));
    if (copy_bounds(w, c, chunk) != OK) {
        TRY(no_room(f));
    }
    TRY(note_indexes(w, c, chunk, f));
out:
    return rc;
}

static err
emit_blooms(struct parquet_writer *w, struct parquet_row_group *rg, struct fault *f)
{
    err rc = OK;
    for (size_t i = 0; i < w->column_count; i++) {
        const struct column_writer *c = &w->columns[i];
        if (!c->bloom) {
            continue;
        }
        buf_clear(&w->shared.body);
        bloom_write(c->bloom, c->bloom_bytes, &w->shared.body);
        if (w->shared.body.failed) {
            TRY(no_room(f));
        }
        rg->chunks[i].bloom_offset = w->offset;
        rg->chunks[i].bloom_bytes = (uint32_t)w->shared.body.n;
        TRY(writer_emit(w, buf_slice(&w->shared.body), f));
    }
out:
    return rc;
}

static err
end_row_group(struct parquet_writer *w, struct fault *f)
{
    err rc = OK;
    struct parquet_meta *m = &w->meta;
    struct parquet_row_group rg = {.sorting = w->sorting, .sorting_count = (uint32_t)w->sorting_count};
    TRY(cut_all(w, f));
    rg.row_count = w->column_count ? column_rows(&w->columns[0]) : 0;
    if (rg.row_count == 0) {
        return OK;
    }
    rg.first_row = m->row_count;
    rg.chunks = arena_calloc(&m->arena, w->column_count, sizeof *rg.chunks);
    void *grown = arena_grow(&m->arena, m->row_groups, m->row_group_count, &w->row_groups_cap,
                             (size_t)m->row_group_count + 1, sizeof rg);
    if (!rg.chunks || !grown) {
        TRY(no_room(f));
    }
    m->row_groups = grown;
    for (size_t i = 0; i < w->column_count; i++) {
        TRY(writer_emit_chunk(w, &w->columns[i], &rg.chunks[i], f));
        rg.bytes += rg.chunks[i].uncompressed_bytes;
    }
    TRY(emit_blooms(w, &rg, f));
    for (size_t i = 0; i < w->column_count; i++) {
        column_reset(&w->columns[i]);
    }
    m->row_groups[m->row_group_count++] = rg;
    m->row_count += rg.row_count;
out:
    return rc;
}

err
parquet_writer_end_row_group(struct parquet_writer *w, struct fault *f)
{
    err rc = writer_check_alive(w, f);
    return writer_die(w, rc == OK ? end_row_group(w, f) : rc);
}

err
parquet_writer_add_key_value(struct parquet_writer *w, slice key, slice value, struct fault *f)
{
    struct parquet_meta *m = &w->meta;
    err rc = writer_check_alive(w, f);
    if (rc != OK) {
        return rc;
    }
    void *grown = arena_grow(&m->arena, m->key_values, m->key_value_count, &w->key_values_cap,
                             (size_t)m->key_value_count + 1, sizeof *m->key_values);
    struct parquet_key_value kv = {.key = arena_copy(&m->arena, key), .value = arena_copy(&m->arena, value)};
    if (!grown || (key.n && !kv.key.p) || (value.n && !kv.value.p)) {
        return writer_die(w, no_room(f));
    }
    m->key_values = grown;
    m->key_values[m->key_value_count++] = kv;
    return OK;
}

static err
finish(struct parquet_writer *w, struct fault *f)
{
    err rc = OK;
    struct parquet_meta *m = &w->meta;
    TRY(end_row_group(w, f));
    uint64_t column_base = w->offset, offset_base = w->offset + w->column_indexes.n;
    for (uint32_t g = 0; g < m->row_group_count; g++) {
        for (size_t i = 0; i < w->column_count; i++) {
            struct parquet_chunk *c = &m->row_groups[g].chunks[i];
            c->offset_index_offset += offset_base;
            c->column_index_offset += c->column_index_bytes ? column_base : 0;
        }
    }
    TRY(writer_emit(w, buf_slice(&w->column_indexes), f));
    TRY(writer_emit(w, buf_slice(&w->offset_indexes), f));
    buf_clear(&w->shared.body);
    meta_write(m, &w->shared.body);
    if (w->shared.body.failed || w->shared.body.n > INT32_MAX) {
        TRY(no_room(f));
    }
    TRY(writer_emit(w, buf_slice(&w->shared.body), f));
    w->finished = true;
out:
    return rc;
}

err
parquet_writer_finish(struct parquet_writer *w, struct fault *f)
{
    err rc = writer_check_alive(w, f);
    return writer_die(w, rc == OK ? finish(w, f) : rc);
}

uint64_t
parquet_writer_file_bytes(const struct parquet_writer *w)
{
    return w->offset;
}

size_t
parquet_writer_row_group_bytes(const struct parquet_writer *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->column_count; i++) {
        n += w->columns[i].pages.n + (w->columns[i].coded ? dict_plain_bytes(&w->columns[i].dict) : 0);
    }
    return n;
}

size_t
parquet_writer_memory(const struct parquet_writer *w)
{
    return w->shared.memory + w->shared.levels.cap + w->shared.body.cap + w->shared.packed.cap +
           w->shared.memo.memory + w->column_indexes.cap + w->offset_indexes.cap + w->meta.arena.bytes;
}
