/* The footer to its thrift bytes: the mirror of meta_read.c. */
#include "meta_priv.h"
#include "thrift_compact.h"

static void
write_time_unit(struct thrift_writer *t, const struct parquet_logical *l)
{
    thrift_put_bool(t, 1, l->utc);
    thrift_put_struct(t, 2);
    thrift_put_empty(t, (int)l->unit + 1);
    thrift_put_stop(t);
}

static void
write_logical(struct thrift_writer *t, const struct parquet_logical *l)
{
    int id = logical_to_thrift(l->kind);
    if (id == 0) {
        return;
    }
    thrift_put_struct(t, 10);
    thrift_put_struct(t, id);
    if (l->kind == PARQUET_DECIMAL) {
        thrift_put_int(t, 1, THRIFT_I32, l->scale);
        thrift_put_int(t, 2, THRIFT_I32, l->precision);
    } else if (l->kind == PARQUET_TIME || l->kind == PARQUET_TIMESTAMP) {
        write_time_unit(t, l);
    } else if (l->kind == PARQUET_INTEGER) {
        thrift_put_byte(t, 1, l->bits);
        thrift_put_bool(t, 2, l->is_signed);
    }
    thrift_put_stop(t);
    thrift_put_stop(t);
}

static void
write_node(struct thrift_writer *t, const struct parquet_node *n)
{
    const struct parquet_field *field = &n->field;
    thrift_elem_struct(t);
    if (!field->group) {
        thrift_put_int(t, 1, THRIFT_I32, field->type);
        if (field->type == PARQUET_FIXED) {
            thrift_put_int(t, 2, THRIFT_I32, field->type_length);
        }
    }
    if (n->parent >= 0) {
        thrift_put_int(t, 3, THRIFT_I32, field->repetition);
    }
    thrift_put_bytes(t, 4, field->name);
    if (field->group) {
        thrift_put_int(t, 5, THRIFT_I32, n->child_count);
    }
    int converted = logical_to_converted(field->logical);
    if (converted >= 0) {
        thrift_put_int(t, 6, THRIFT_I32, converted);
    }
    if (field->logical.kind == PARQUET_DECIMAL) {
        thrift_put_int(t, 7, THRIFT_I32, field->logical.scale);
        thrift_put_int(t, 8, THRIFT_I32, field->logical.precision);
    }
    if (field->field_id) {
        thrift_put_int(t, 9, THRIFT_I32, field->field_id);
    }
    write_logical(t, &field->logical);
    thrift_put_stop(t);
}

static void
write_statistics(struct thrift_writer *t, const struct parquet_chunk *c)
{
    thrift_put_struct(t, 12);
    if (c->has_null_count) {
        thrift_put_int(t, 3, THRIFT_I64, (int64_t)c->null_count);
    }
    if (c->bounds.max.p) {
        thrift_put_bytes(t, 5, c->bounds.max);
    }
    if (c->bounds.min.p) {
        thrift_put_bytes(t, 6, c->bounds.min);
    }
    if (c->bounds.max.p) {
        thrift_put_bool(t, 7, c->bounds.max_exact);
    }
    if (c->bounds.min.p) {
        thrift_put_bool(t, 8, c->bounds.min_exact);
    }
    thrift_put_stop(t);
}

static void
write_path(struct thrift_writer *t, const struct parquet_schema *s, const struct parquet_node *leaf)
{
    int32_t path[PARQUET_DEPTH_MAX + 1];
    int n = 0;
    for (int32_t at = s->leaves[leaf->column]; at > 0; at = s->nodes[at].parent) {
        path[n++] = at;
    }
    thrift_put_list(t, 3, THRIFT_BINARY, (size_t)n);
    while (n > 0) {
        thrift_elem_bytes(t, s->nodes[path[--n]].field.name);
    }
}

static void
write_chunk_meta(struct thrift_writer *t, const struct parquet_schema *s, const struct parquet_node *leaf,
                 const struct parquet_chunk *c)
{
    thrift_put_struct(t, 3);
    thrift_put_int(t, 1, THRIFT_I32, leaf->field.type);
    thrift_put_list(t, 2, THRIFT_I32, (size_t)__builtin_popcount(c->encodings));
    for (int e = 0; e < PARQUET_ENCODING_COUNT; e++) {
        if (c->encodings >> e & 1) {
            thrift_elem_int(t, e);
        }
    }
    write_path(t, s, leaf);
    thrift_put_int(t, 4, THRIFT_I32, c->codec);
    thrift_put_int(t, 5, THRIFT_I64, (int64_t)c->value_count);
    thrift_put_int(t, 6, THRIFT_I64, (int64_t)c->uncompressed_bytes);
    thrift_put_int(t, 7, THRIFT_I64, (int64_t)c->compressed_bytes);
    thrift_put_int(t, 9, THRIFT_I64, (int64_t)c->data_page_offset);
    if (c->has_dictionary) {
        thrift_put_int(t, 11, THRIFT_I64, (int64_t)c->offset);
    }
    write_statistics(t, c);
    if (c->bloom_bytes) {
        thrift_put_int(t, 14, THRIFT_I64, (int64_t)c->bloom_offset);
        thrift_put_int(t, 15, THRIFT_I32, c->bloom_bytes);
    }
    if (c->byte_array_bytes) {
        thrift_put_struct(t, 16);
        thrift_put_int(t, 1, THRIFT_I64, (int64_t)c->byte_array_bytes);
        thrift_put_stop(t);
    }
    thrift_put_stop(t);
}

static void
write_chunk(struct thrift_writer *t, const struct parquet_schema *s, const struct parquet_node *leaf,
            const struct parquet_chunk *c)
{
    thrift_elem_struct(t);
    thrift_put_int(t, 2, THRIFT_I64, 0); /* file_offset: deprecated, metadata stands in the footer only */
    write_chunk_meta(t, s, leaf, c);
    if (c->offset_index_bytes) {
        thrift_put_int(t, 4, THRIFT_I64, (int64_t)c->offset_index_offset);
        thrift_put_int(t, 5, THRIFT_I32, c->offset_index_bytes);
    }
    if (c->column_index_bytes) {
        thrift_put_int(t, 6, THRIFT_I64, (int64_t)c->column_index_offset);
        thrift_put_int(t, 7, THRIFT_I32, c->column_index_bytes);
    }
    thrift_put_stop(t);
}

static void
write_row_group(struct thrift_writer *t, const struct parquet_meta *m, uint32_t i)
{
    const struct parquet_row_group *rg = &m->row_groups[i];
    size_t columns = (size_t)m->schema->column_count;
    uint64_t compressed = 0;
    thrift_elem_struct(t);
    thrift_put_list(t, 1, THRIFT_STRUCT, columns);
    for (size_t c = 0; c < columns; c++) {
        write_chunk(t, m->schema, parquet_schema_column(m->schema, c), &rg->chunks[c]);
        compressed += rg->chunks[c].compressed_bytes;
    }
    thrift_put_int(t, 2, THRIFT_I64, (int64_t)rg->bytes);
    thrift_put_int(t, 3, THRIFT_I64, (int64_t)rg->row_count);
    if (rg->sorting_count) {
        thrift_put_list(t, 4, THRIFT_STRUCT, rg->sorting_count);
        for (uint32_t s = 0; s < rg->sorting_count; s++) {
            thrift_elem_struct(t);
            thrift_put_int(t, 1, THRIFT_I32, rg->sorting[s].column);
            thrift_put_bool(t, 2, rg->sorting[s].descending);
            thrift_put_bool(t, 3, rg->sorting[s].nulls_first);
            thrift_put_stop(t);
        }
    }
    thrift_put_int(t, 5, THRIFT_I64, columns ? (int64_t)rg->chunks[0].offset : 0);
    thrift_put_int(t, 6, THRIFT_I64, (int64_t)compressed);
    if (i <= INT16_MAX) {
        thrift_put_int(t, 7, THRIFT_I16, (int64_t)i);
    }
    thrift_put_stop(t);
}

void
meta_write(const struct parquet_meta *m, struct buf *out)
{
    struct thrift_writer t;
    size_t start = out->n;
    thrift_begin(&t, out);
    thrift_put_int(&t, 1, THRIFT_I32, 2);
    thrift_put_list(&t, 2, THRIFT_STRUCT, (size_t)m->schema->node_count);
    for (int32_t i = 0; i < m->schema->node_count; i++) {
        write_node(&t, &m->schema->nodes[i]);
    }
    thrift_put_int(&t, 3, THRIFT_I64, (int64_t)m->row_count);
    thrift_put_list(&t, 4, THRIFT_STRUCT, m->row_group_count);
    for (uint32_t i = 0; i < m->row_group_count; i++) {
        write_row_group(&t, m, i);
    }
    if (m->key_value_count) {
        thrift_put_list(&t, 5, THRIFT_STRUCT, m->key_value_count);
        for (uint32_t i = 0; i < m->key_value_count; i++) {
            thrift_elem_struct(&t);
            thrift_put_bytes(&t, 1, m->key_values[i].key);
            thrift_put_bytes(&t, 2, m->key_values[i].value);
            thrift_put_stop(&t);
        }
    }
    thrift_put_bytes(&t, 6, m->created_by);
    thrift_put_list(&t, 7, THRIFT_STRUCT, (size_t)m->schema->column_count);
    for (int32_t c = 0; c < m->schema->column_count; c++) {
        thrift_elem_struct(&t);
        thrift_put_empty(&t, 1);
        thrift_put_stop(&t);
    }
    buf_append_byte(out, THRIFT_STOP);
    uint8_t tail[8] = {0, 0, 0, 0, 'P', 'A', 'R', '1'};
    store_u32(tail, (uint32_t)(out->n - start));
    buf_append(out, tail, sizeof tail);
}
