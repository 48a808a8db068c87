/* Parquet files for other readers, and other writers' files as JSON: what tests/interop/parquet runs.
 *
 *   tool_parquet write <seed> <out.parquet> <out.jsonl>   a random file and its rows, one JSON object a line
 *   tool_parquet cat <in.parquet>                         rows of any file, one JSON object a line
 *   tool_parquet info <in.parquet>                        codecs and encodings of each column, and its
 * filters tool_parquet bloom <in.parquet> <column> <text>       "maybe" or "no" for each row group
 *   tool_parquet bounds <in.parquet>                      checks every value against chunk and page bounds
 */
#include "support/parquet_random.h"

#include "vivace/base/file.h"
#include "vivace/base/mem.h"
#include "vivace/parquet/record.h"

#include <fcntl.h>
#include <stdio.h>

static int
fail(const struct fault *f)
{
    fprintf(stderr, "%s\n", f->msg);
    return 1;
}

static int
write_file(const char *seed, const char *parquet, const char *rows)
{
    struct random_file file;
    struct fault f = {0};
    random_file_make(strtoull(seed, NULL, 10), true, &file);
    err rc = file_replace(parquet, buf_slice(&file.bytes), &f);
    if (rc == OK) {
        rc = file_replace(rows, buf_slice(&file.rows), &f);
    }
    random_file_free(&file);
    return rc == OK ? 0 : fail(&f);
}

static int
cat(const struct parquet_file *file)
{
    struct fault f = {0};
    struct buf row;
    err rc;
    struct parquet_rows *rows = parquet_rows_create(file, NULL);
    buf_init(&row, RANDOM_FILE_MAX);
    while ((rc = parquet_rows_next(rows, &row, &f)) == OK) {
        buf_append_byte(&row, '\n');
        fwrite(row.p, 1, row.n, stdout);
        buf_clear(&row);
    }
    buf_fini(&row);
    parquet_rows_destroy(rows);
    return rc == ERR_NOT_FOUND ? 0 : fail(&f);
}

static int
info(const struct parquet_file *file)
{
    const struct parquet_meta *m = file->meta;
    for (uint32_t g = 0; g < m->row_group_count; g++) {
        for (size_t c = 0; c < (size_t)m->schema->column_count; c++) {
            const struct parquet_chunk *chunk = parquet_meta_chunk(m, g, c);
            printf("%u %.*s %s", g, SL_FMT(parquet_schema_column(m->schema, c)->field.name),
                   parquet_codec_name((enum parquet_codec)chunk->codec));
            for (int e = 0; e < PARQUET_ENCODING_COUNT; e++) {
                if (chunk->encodings >> e & 1) {
                    printf(" %s", parquet_encoding_name((enum parquet_encoding)e));
                }
            }
            printf("%s%s\n", chunk->bloom_offset ? " bloom" : "", chunk->column_index_bytes ? " index" : "");
        }
    }
    return 0;
}

static int
bloom(const struct parquet_file *file, const char *column, const char *text)
{
    struct fault f = {0};
    int32_t c = parquet_schema_find(file->meta->schema, slice_cstr(column));
    for (uint32_t g = 0; c >= 0 && g < file->meta->row_group_count; g++) {
        bool maybe = true;
        uint64_t hash = parquet_bloom_hash(slice_cstr(text));
        err rc = parquet_bloom_check(file, parquet_meta_chunk(file->meta, g, (size_t)c), hash, &f, &maybe);
        if (rc != OK && rc != ERR_NOT_FOUND) {
            return fail(&f);
        }
        puts(rc == ERR_NOT_FOUND ? "none" : maybe ? "maybe" : "no");
    }
    return c >= 0 ? 0 : 1;
}

static slice
plain_value(const struct parquet_node *leaf, const struct parquet_values *v, size_t i)
{
    size_t width = leaf->field.type == PARQUET_BOOLEAN ? 1 : parquet_value_bytes(leaf);
    return width ? slice_of((const uint8_t *)v->raw + i * width, width) : v->bytes[i];
}

static bool
outside(const struct parquet_node *leaf, slice v, slice min, slice max)
{
    enum parquet_order order = parquet_order_of(leaf->field.type, leaf->field.logical);
    return order != PARQUET_ORDER_NONE && min.p && max.p &&
           (parquet_compare(leaf->field.type, order, v, min) < 0 ||
            parquet_compare(leaf->field.type, order, v, max) > 0);
}

/* Values of one chunk against its bounds and those of its pages, read by the offset index. */
static int
check_chunk(const struct parquet_file *file, struct parquet_scratch *s, uint32_t g, size_t c)
{
    struct fault f = {0};
    struct arena a;
    struct parquet_offset_index pages = {0};
    struct parquet_column_index index = {0};
    const struct parquet_chunk *chunk = parquet_meta_chunk(file->meta, g, c);
    const struct parquet_node *leaf = parquet_schema_column(file->meta->schema, c);
    struct parquet_column *column = parquet_column_create(s);
    struct parquet_page page;
    struct parquet_vector v;
    int bad = 0;
    arena_init(&a, 0);
    err rc = parquet_column_open(column, file, g, c, &f);
    if (rc == OK && parquet_offset_index_read(file, chunk, &a, &f, &pages) == OK) {
        rc = parquet_column_use_index(column, &pages, &f);
    }
    bool indexed = parquet_column_index_read(file, chunk, &a, &f, &index) == OK;
    for (size_t i = 0; rc == OK && (rc = parquet_column_next(column, &f, &page)) == OK; i++) {
        rc = parquet_column_decode(column, PARQUET_DECODE_VALUES, &f, &v);
        for (size_t k = 0; rc == OK && k < v.values.count; k++) {
            slice value = plain_value(leaf, &v.values, k);
            bad |= outside(leaf, value, chunk->bounds.min, chunk->bounds.max);
            bad |= indexed && outside(leaf, value, index.pages[i].min, index.pages[i].max);
        }
        bad |= rc == OK && indexed && index.pages[i].null_page != (v.values.count == 0);
    }
    bad |= rc != ERR_NOT_FOUND;
    if (bad) {
        fprintf(stderr, "row group %u, column %zu: %s\n", g, c, f.msg);
    }
    parquet_column_destroy(column);
    arena_fini(&a);
    return bad;
}

static int
bounds(const struct parquet_file *file)
{
    int bad = 0;
    struct parquet_scratch *s = parquet_scratch_create(NULL);
    for (uint32_t g = 0; g < file->meta->row_group_count; g++) {
        for (size_t c = 0; c < (size_t)file->meta->schema->column_count; c++) {
            bad |= check_chunk(file, s, g, c);
        }
    }
    parquet_scratch_destroy(s);
    return bad;
}

int
main(int argc, char **argv)
{
    struct fault f = {0};
    uint8_t *p = NULL;
    size_t n = 0;
    if (argc == 5 && strcmp(argv[1], "write") == 0) {
        return write_file(argv[2], argv[3], argv[4]);
    }
    if (argc < 3 || file_read_all(argv[2], (size_t)1 << 30, &f, &p, &n) != OK) {
        fprintf(
            stderr,
            "usage: write <seed> <parquet> <jsonl> | cat|info|bounds <parquet> | bloom <parquet> <column> "
            "<text>\n%s\n",
            f.msg);
        return 2;
    }
    slice bytes = slice_of(p, n);
    struct parquet_file file = {.source = parquet_source_of(&bytes)};
    struct parquet_meta *meta = NULL;
    int rc = 1;
    if (parquet_meta_read(&file.source, NULL, &f, &meta) != OK) {
        fail(&f);
    } else {
        file.meta = meta;
        rc = strcmp(argv[1], "cat") == 0      ? cat(&file)
             : strcmp(argv[1], "info") == 0   ? info(&file)
             : strcmp(argv[1], "bounds") == 0 ? bounds(&file)
             : argc == 5                      ? bloom(&file, argv[3], argv[4])
                                              : 2;
    }
    parquet_meta_destroy(meta);
    mem_free(p);
    return rc;
}
