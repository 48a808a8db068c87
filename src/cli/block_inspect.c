/* vivace block inspect: where the bytes of one block are. */
#include "blocks.h"
#include "cli_priv.h"
#include "table.h"

#include "vivace/base/mem.h"
#include "vivace/block/reader.h"
#include "vivace/codec/json.h"

#include <stdlib.h>

/* A column over all row groups. */
struct column_sum {
    size_t column;
    uint64_t compressed, uncompressed, values, nulls, bloom, indexes;
    uint16_t encodings;
    uint8_t codec;
};

struct inspect {
    const struct found *block;
    const struct parquet_meta *meta;
    struct column_sum *columns;
    size_t count;
    uint64_t compressed, bloom, indexes;
};

static void
sum_column(struct inspect *x, size_t c)
{
    struct column_sum *s = &x->columns[c];
    s->column = c;
    for (size_t g = 0; g < x->meta->row_group_count; g++) {
        const struct parquet_chunk *chunk = parquet_meta_chunk(x->meta, g, c);
        s->compressed += chunk->compressed_bytes;
        s->uncompressed += chunk->uncompressed_bytes;
        s->values += chunk->value_count;
        s->nulls += chunk->null_count;
        s->bloom += chunk->bloom_bytes;
        s->indexes += (uint64_t)chunk->column_index_bytes + chunk->offset_index_bytes;
        s->encodings |= chunk->encodings;
        s->codec = chunk->codec;
    }
    x->compressed += s->compressed;
    x->bloom += s->bloom;
    x->indexes += s->indexes;
}

static int
largest_first(const void *va, const void *vb)
{
    const struct column_sum *a = va, *b = vb;
    if (a->compressed != b->compressed) {
        return a->compressed > b->compressed ? -1 : 1;
    }
    return a->column < b->column ? -1 : a->column > b->column;
}

/* "events.list.element.name": names from the root down. */
static void
column_path(const struct parquet_schema *s, size_t column, struct buf *out)
{
    int32_t nodes[PARQUET_DEPTH_MAX + 1];
    size_t n = 0;
    for (int32_t at = s->leaves[column]; at > 0 && n <= PARQUET_DEPTH_MAX; at = s->nodes[at].parent) {
        nodes[n++] = at;
    }
    while (n-- > 0) {
        buf_append_slice(out, s->nodes[nodes[n]].field.name);
        if (n > 0) {
            buf_append_byte(out, '.');
        }
    }
}

static const char *
short_encoding(enum parquet_encoding e)
{
    return e == PARQUET_RLE_DICTIONARY ? "DICTIONARY" : parquet_encoding_name(e);
}

/* Levels are always RLE: it is named for booleans only. */
static void
encodings_put(const struct inspect *x, const struct column_sum *s, struct buf *out)
{
    bool dictionary = s->encodings >> PARQUET_RLE_DICTIONARY & 1;
    bool is_bool = parquet_schema_column(x->meta->schema, s->column)->field.type == PARQUET_BOOLEAN;
    bool any = false;
    for (unsigned e = 0; e < PARQUET_ENCODING_COUNT; e++) {
        bool hidden = (e == PARQUET_RLE && !is_bool) || (e == PARQUET_PLAIN && dictionary);
        if ((s->encodings >> e & 1) && !hidden) {
            buf_printf(out, "%s%s", any ? "," : "", short_encoding((enum parquet_encoding)e));
            any = true;
        }
    }
}

static const char *
type_name(const struct inspect *x, size_t column)
{
    const struct parquet_field *field = &parquet_schema_column(x->meta->schema, column)->field;
    switch (field->logical.kind) {
    case PARQUET_STRING:
        return "STRING";
    case PARQUET_TIMESTAMP:
        return "TIMESTAMP";
    default:
        return parquet_type_name(field->type);
    }
}

static void
columns_put(const struct inspect *x, struct buf *out)
{
    struct table t;
    table_init(&t, "COLUMN|TYPE|ENCODING|>STORED|>SHARE|>B/SPAN|>PLAIN|>RATIO|>VALUES|>NULLS|>BLOOM");
    for (size_t i = 0; i < x->count; i++) {
        const struct column_sum *s = &x->columns[i];
        struct buf path;
        buf_init(&path, 4096);
        column_path(x->meta->schema, s->column, &path);
        table_name(&t, buf_slice(&path), 60);
        buf_fini(&path);
        table_printf(&t, "%s", type_name(x, s->column));
        encodings_put(x, s, &t.text);
        table_end(&t);
        table_bytes(&t, s->compressed);
        table_printf(&t, "%.1f%%",
                     x->compressed ? 100.0 * (double)s->compressed / (double)x->compressed : 0.0);
        table_printf(&t, "%.2f",
                     x->meta->row_count ? (double)s->compressed / (double)x->meta->row_count : 0.0);
        table_bytes(&t, s->uncompressed);
        table_printf(&t, "%.1f", s->compressed ? (double)s->uncompressed / (double)s->compressed : 0.0);
        table_printf(&t, "%llu", (unsigned long long)s->values);
        table_printf(&t, "%llu", (unsigned long long)s->nulls);
        if (s->bloom) {
            text_bytes(&t.text, s->bloom);
        }
        table_end(&t);
    }
    table_write(&t, out);
    table_fini(&t);
}

/* Bounds of a column of times in one row group, as they stand in the footer. */
static uint64_t
bound_u64(const struct parquet_row_group *g, int32_t column, bool max)
{
    uint64_t v = 0;
    slice b = column < 0 ? SL_EMPTY : max ? g->chunks[column].bounds.max : g->chunks[column].bounds.min;
    if (b.n == sizeof v) {
        memcpy(&v, b.p, sizeof v);
    }
    return v;
}

static void
groups_put(const struct inspect *x, int32_t start_column, struct buf *out)
{
    struct table t;
    table_init(&t, ">ROW GROUP|>ROWS|>STORED|FIRST START|LAST START");
    for (size_t g = 0; g < x->meta->row_group_count; g++) {
        const struct parquet_row_group *group = &x->meta->row_groups[g];
        uint64_t bytes = 0;
        for (size_t c = 0; c < x->count; c++) {
            bytes += group->chunks[c].compressed_bytes;
        }
        table_printf(&t, "%zu", g);
        table_printf(&t, "%llu", (unsigned long long)group->row_count);
        table_bytes(&t, bytes);
        table_time(&t, bound_u64(group, start_column, false));
        table_time(&t, bound_u64(group, start_column, true));
    }
    table_write(&t, out);
    table_fini(&t);
}

static void
label(struct buf *out, const char *name)
{
    buf_printf(out, "%-10s", name);
}

static void
head_put(const struct inspect *x, struct buf *out)
{
    const struct block_meta *m = &x->block->meta;
    char id[BLOCK_UUID_TEXT + 1];
    block_uuid_format(&m->id, id);
    label(out, "block");
    buf_printf(out, "%s%s\n", id, x->block->state == FOUND_COMPACTED ? " (compacted)" : "");
    label(out, "tenant");
    (void)text_put(out, slice_cstr(m->tenant), TEXT_ALL);
    buf_append_byte(out, '\n');
    label(out, "spans");
    buf_printf(out, "%llu in %llu traces, level %u\n", (unsigned long long)m->spans,
               (unsigned long long)m->traces, m->level);
    label(out, "time");
    text_time_ms(out, m->min_start_ns);
    buf_append_cstr(out, " to ");
    text_time_ms(out, m->max_end_ns);
    buf_append_cstr(out, " (");
    text_duration(out, m->max_end_ns - m->min_start_ns);
    buf_append_cstr(out, ")\n");
    label(out, "created");
    text_time(out, m->created_ns > 0 ? (uint64_t)m->created_ns : 0);
    buf_append_cstr(out, " by ");
    (void)text_put(out, x->meta->created_by, 80);
    buf_append_byte(out, '\n');
    label(out, "size");
    text_bytes(out, m->bytes);
    buf_printf(out, ", %.1f B a span: columns ", m->spans ? (double)m->bytes / (double)m->spans : 0.0);
    text_bytes(out, x->compressed);
    buf_append_cstr(out, ", page indexes ");
    text_bytes(out, x->indexes);
    buf_append_cstr(out, ", Bloom filters ");
    text_bytes(out, x->bloom);
    buf_append_cstr(out, ", footer ");
    uint64_t rest = x->compressed + x->indexes + x->bloom;
    text_bytes(out, m->bytes > rest ? m->bytes - rest : 0);
    buf_append_byte(out, '\n');
    for (uint32_t i = 0; i < m->input_count; i++) {
        block_uuid_format(&m->inputs[i], id);
        label(out, i ? "" : "replaces");
        buf_printf(out, "block %s\n", id);
    }
    for (uint32_t i = 0; i < m->source_count; i++) {
        block_uuid_format(&m->sources[i].segment, id);
        label(out, i ? "" : "sources");
        buf_printf(out, "segment %s, bytes %llu to %llu\n", id, (unsigned long long)m->sources[i].from,
                   (unsigned long long)m->sources[i].to);
    }
}

static void
json_number(struct json_writer *w, slice key, uint64_t v)
{
    json_key(w, key);
    json_u64(w, v);
}

static void
json_column(struct json_writer *w, const struct inspect *x, const struct column_sum *s)
{
    struct buf text;
    buf_init(&text, 4096);
    json_object_begin(w);
    json_key(w, SL("name"));
    column_path(x->meta->schema, s->column, &text);
    json_string(w, buf_slice(&text));
    json_key(w, SL("type"));
    json_string(w, slice_cstr(type_name(x, s->column)));
    json_key(w, SL("codec"));
    json_string(w, slice_cstr(parquet_codec_name((enum parquet_codec)s->codec)));
    json_key(w, SL("encodings"));
    json_array_begin(w);
    for (unsigned e = 0; e < PARQUET_ENCODING_COUNT; e++) {
        if (s->encodings >> e & 1) {
            json_string(w, slice_cstr(parquet_encoding_name((enum parquet_encoding)e)));
        }
    }
    json_array_end(w);
    json_number(w, SL("compressedBytes"), s->compressed);
    json_number(w, SL("uncompressedBytes"), s->uncompressed);
    json_number(w, SL("values"), s->values);
    json_number(w, SL("nulls"), s->nulls);
    json_number(w, SL("bloomBytes"), s->bloom);
    json_number(w, SL("pageIndexBytes"), s->indexes);
    json_object_end(w);
    buf_fini(&text);
}

static void
json_put(const struct inspect *x, struct buf *out)
{
    struct json_writer w;
    struct buf meta;
    buf_init(&meta, BLOCK_META_MAX);
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_key(&w, SL("state"));
    json_string(&w, slice_cstr(found_state_name(x->block->state)));
    json_key(&w, SL("meta"));
    out->failed = block_meta_write(&x->block->meta, &meta) != OK || out->failed;
    json_raw(&w, buf_slice(&meta));
    json_key(&w, SL("columns"));
    json_array_begin(&w);
    for (size_t i = 0; i < x->count; i++) {
        json_column(&w, x, &x->columns[i]);
    }
    json_array_end(&w);
    json_key(&w, SL("rowGroups"));
    json_array_begin(&w);
    for (size_t g = 0; g < x->meta->row_group_count; g++) {
        json_object_begin(&w);
        json_number(&w, SL("rows"), x->meta->row_groups[g].row_count);
        json_number(&w, SL("uncompressedBytes"), x->meta->row_groups[g].bytes);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    buf_append_byte(out, '\n');
    buf_fini(&meta);
}

static bool
inspect(const struct found *block, const struct block_reader *r, bool json)
{
    struct inspect x = {.block = block, .meta = block_reader_file(r)->meta};
    struct buf out;
    buf_init(&out, CLI_TEXT_MAX);
    x.count = (size_t)x.meta->schema->column_count;
    x.columns = mem_new_array(struct column_sum, x.count + 1);
    for (size_t c = 0; c < x.count; c++) {
        sum_column(&x, c);
    }
    qsort(x.columns, x.count, sizeof *x.columns, largest_first);
    if (json) {
        json_put(&x, &out);
    } else {
        head_put(&x, &out);
        buf_append_byte(&out, '\n');
        columns_put(&x, &out);
        buf_append_byte(&out, '\n');
        groups_put(&x, block_reader_schema(r)->column[BLOCK_START], &out);
    }
    bool good = print_buf(&out);
    mem_free(x.columns);
    buf_fini(&out);
    return good;
}

int
block_inspect_command(int argc, char *const *argv)
{
    bool json = false, good = false;
    const struct option options[] = {{"json", OPTION_SWITCH, &json}};
    struct arguments args;
    struct found block = {.path = NULL};
    struct block_reader *r = NULL;
    struct fault f = {0};
    if (options_parse(argc, argv, options, 1, &args, &f) != OK) {
        return complain_usage(&f);
    }
    if (args.n != 1) {
        (void)FAULT(&f, ERR_INVALID, "block inspect takes the directory of one block");
        return complain_usage(&f);
    }
    err rc = block_find(args.v[0], &f, &block);
    if (rc == OK) {
        rc = block_reader_open(args.v[0], &f, &r);
    }
    good = rc == OK && inspect(&block, r, json);
    if (rc != OK) {
        (void)complain(&f);
    }
    block_reader_close(r);
    found_fini(&block);
    return good ? CLI_OK : CLI_FAILED;
}
