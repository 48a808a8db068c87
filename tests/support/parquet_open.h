/* Reads everything a file offers: footer, indexes, filters, every page both ways, every row. For hostile
 * files, in unit tests and fuzz targets. */
#pragma once

#include "vivace/base/mem.h"
#include "vivace/parquet/record.h"

static inline err
parquet_open_column(struct parquet_column *column, const struct parquet_file *file, uint32_t g, size_t c)
{
    struct arena a;
    struct parquet_offset_index pages;
    struct parquet_column_index bounds;
    struct parquet_bloom bloom;
    struct parquet_values dict;
    struct parquet_page page;
    struct parquet_vector v;
    bool maybe = false;
    struct fault f = {0};
    const struct parquet_chunk *chunk = parquet_meta_chunk(file->meta, g, c);
    arena_init(&a, (size_t)16 << 20);
    err rc = parquet_column_open(column, file, g, c, &f);
    if (rc == OK && parquet_offset_index_read(file, chunk, &a, NULL, &pages) == OK && (g & 1)) {
        rc = parquet_column_use_index(column, &pages, &f);
    }
    if (parquet_column_index_read(file, chunk, &a, NULL, &bounds) == OK) {
        for (size_t i = 0; i < bounds.page_count; i++) {
            (void)slice_cmp(bounds.pages[i].min, bounds.pages[i].max);
        }
    }
    if (parquet_bloom_read(file, chunk, &a, NULL, &bloom) == OK) {
        (void)parquet_bloom_has(&bloom, parquet_bloom_hash(SL("x")));
    }
    (void)!parquet_bloom_check(file, chunk, parquet_bloom_hash_i64(7), NULL, &maybe);
    if (rc == OK && parquet_column_dictionary(column, NULL, &dict) == OK) {
        (void)dict.count;
    }
    for (int how = PARQUET_DECODE_LEVELS; rc == OK; how++) {
        rc = parquet_column_next(column, &f, &page);
        if (rc == OK) {
            rc = parquet_column_decode(column, (enum parquet_decode)(how % 3), &f, &v);
        }
        if (rc == OK && page.row_count > 0) {
            uint64_t from = page.first_row + page.row_count / 3;
            rc = parquet_column_decode_rows(column, (enum parquet_decode)(how % 3), from, from + 5, &f, &v);
            rc = rc == ERR_UNSUPPORTED ? OK : rc; /* a page may begin within a row */
        }
    }
    if (rc == ERR_NOT_FOUND && file->meta->row_groups[g].row_count > 0) {
        rc = parquet_column_seek(column, file->meta->row_groups[g].row_count / 2, &f);
        rc = rc == OK ? parquet_column_next(column, &f, &page) : rc;
        rc = rc == OK ? parquet_column_decode(column, PARQUET_DECODE_VALUES, &f, &v) : rc;
    }
    arena_fini(&a);
    return rc == ERR_NOT_FOUND ? OK : rc;
}

/* OK when all of it was read, else the first error. */
static inline err
parquet_open_all(slice bytes)
{
    struct parquet_limits limits = PARQUET_LIMITS_DEFAULT;
    struct fault f = {0};
    struct parquet_meta *meta = NULL;
    struct parquet_file file = {.source = parquet_source_of(&bytes)};
    limits.meta_bytes_max = (size_t)8 << 20;
    limits.page_bytes_max = (size_t)1 << 20;
    limits.column_bytes_max = (size_t)4 << 20;
    err rc = parquet_meta_read(&file.source, &limits, &f, &meta);
    if (rc != OK) {
        return rc;
    }
    file.meta = meta;
    struct parquet_scratch *s = parquet_scratch_create(&limits);
    struct parquet_column *column = parquet_column_create(s);
    for (uint32_t g = 0; g < meta->row_group_count && g < 8; g++) {
        for (size_t c = 0; c < (size_t)meta->schema->column_count && c < 64; c++) {
            err one = parquet_open_column(column, &file, g, c);
            rc = rc == OK ? one : rc;
        }
    }
    struct parquet_rows *rows = parquet_rows_create(&file, &limits);
    struct buf row;
    buf_init(&row, (size_t)1 << 20);
    err one = OK;
    for (size_t i = 0; i < 2000 && one == OK; i++) {
        buf_clear(&row);
        one = parquet_rows_next(rows, &row, &f);
    }
    rc = rc == OK && one != ERR_NOT_FOUND ? one : rc;
    buf_fini(&row);
    parquet_rows_destroy(rows);
    parquet_column_destroy(column);
    parquet_scratch_destroy(s);
    parquet_meta_destroy(meta);
    return rc;
}
