/* Columns of resource and scope attributes repeat what resource_raw and scope_raw hold: row by row. (Those of
 * spans, events and links hold the only copy: reading rows as spans checks them.) */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>

struct attr_check {
    struct verify *v;
    struct parquet_column *c;
    const struct block_attr_column *column;
    size_t group;
    uint64_t from;
    const struct span_batch *batch;
    struct arena arena;
    bool told;
};

/* The first attribute of that key and kind. */
static const struct attr *
expected(const struct attr_check *k, size_t row)
{
    const struct scope *scope = &k->batch->scopes[k->batch->spans[row].scope];
    struct run r =
        k->column->scope == BLOCK_RESOURCE ? k->batch->resources[scope->resource].attrs : scope->attrs;
    for (uint32_t i = 0; i < r.n; i++) {
        const struct attr *a = &k->batch->attrs[r.at + i];
        if (a->kind == k->column->kind && slice_eq(attr_key(a), k->column->key)) {
            return a;
        }
    }
    return NULL;
}

static bool
same(const struct attr *a, const struct parquet_values *values, size_t i)
{
    switch ((enum value_kind)a->kind) {
    case VALUE_STRING:
        return slice_eq(attr_bytes(a), values->bytes[i]);
    case VALUE_INT:
        return a->i == values->i64[i];
    case VALUE_DOUBLE:
        return a->i == values->i64[i]; /* the same bits: NaN as it came */
    case VALUE_BOOL:
        return a->b == (values->bools[i] != 0);
    default:
        return false;
    }
}

static void
check_page(struct attr_check *k, const struct parquet_vector *v)
{
    uint8_t max_def = parquet_schema_column(k->v->file->meta->schema, (size_t)k->column->column)->max_def;
    size_t value = 0;
    for (uint32_t i = 0; i < v->page.level_count && !k->told; i++) {
        uint64_t row = v->page.first_row + i;
        bool there = v->def == NULL || v->def[i] == max_def;
        size_t at = value;
        value += there;
        if (row < k->from || row - k->from >= k->batch->span_count) {
            continue;
        }
        const struct attr *a = expected(k, (size_t)(row - k->from));
        if ((a != NULL) != there || (a && !same(a, &v->values, at))) {
            char place[96];
            k->told = true;
            (void)snprintf(place, sizeof place, "row group %zu, row %" PRIu64, k->group, row);
            verify_problem(k->v, place, "column %s.%.*s is not the attribute of its %s",
                           block_scope_name(k->column->scope), SL_FMT(slice_sub(k->column->key, 0, 80)),
                           k->column->scope == BLOCK_RESOURCE ? "resource" : "scope");
        }
    }
}

static err
check_column(struct attr_check *k, struct fault *f)
{
    const struct parquet_file *file = k->v->file;
    size_t column = (size_t)k->column->column;
    struct parquet_offset_index index;
    struct parquet_page page;
    struct parquet_vector v;
    uint64_t end = k->from + k->batch->span_count;
    err rc = OK;
    arena_reset(&k->arena);
    TRY(parquet_offset_index_read(file, parquet_meta_chunk(file->meta, k->group, column), &k->arena, f,
                                  &index));
    TRY(parquet_column_open(k->c, file, k->group, column, f));
    TRY(parquet_column_use_index(k->c, &index, f));
    TRY(parquet_column_seek(k->c, k->from, f));
    for (uint64_t at = k->from; at < end && !k->told; at = page.first_row + page.row_count) {
        TRY(parquet_column_next(k->c, f, &page));
        TRY(parquet_column_decode(k->c, PARQUET_DECODE_VALUES, f, &v));
        if (v.rep || page.first_row + page.row_count <= at) {
            return FAULT(f, ERR_CORRUPT, "column %zu is not one value a row", column);
        }
        check_page(k, &v);
    }
out:
    return rc;
}

err
verify_attr_columns(struct verify *v, struct parquet_column *c, size_t group, uint64_t from,
                    const struct span_batch *b, struct fault *f)
{
    struct attr_check k = {.v = v, .c = c, .group = group, .from = from, .batch = b};
    err rc = OK;
    arena_init(&k.arena, (size_t)64 << 20);
    for (size_t i = 0; i < v->schema->attr_count && rc == OK; i++) {
        k.column = &v->schema->attrs[i];
        k.told = false;
        if (k.column->scope == BLOCK_RESOURCE || k.column->scope == BLOCK_INSTRUMENTATION) {
            rc = check_column(&k, f);
        }
    }
    arena_fini(&k.arena);
    return rc == ERR_NOT_FOUND ? FAULT(f, ERR_CORRUPT, "a column of attributes ends early") : rc;
}
