/* One leaf column over a range of rows: pages to arrays. */
#include "reader_priv.h"

#include "vivace/base/must.h"

static err
no_room(const struct leaf_request *q)
{
    return FAULT(q->f, ERR_LIMIT, "the trace is too large for the memory it may take");
}

struct gather {
    const struct leaf_request *q;
    struct leaf *leaf;
    struct arena *bytes;
    size_t width; /* of a value in memory */
    bool is_bytes, has_def, has_rep;
    size_t def_cap, rep_cap, value_cap;
    uint8_t *values;
    slice last_from, last_to; /* the value copied before: values repeat */
    struct parquet_values dictionary;
    slice *copies; /* of the dictionary's values, p == NULL: not copied yet; NULL: too few rows for that */
};

static err
copy_bytes(struct gather *g, const slice *from, size_t n, slice *to)
{
    for (size_t i = 0; i < n; i++) {
        if (from[i].n == 0) {
            to[i] = SL_EMPTY;
            continue;
        }
        if (from[i].p != g->last_from.p || from[i].n != g->last_from.n) {
            g->last_from = from[i];
            g->last_to = arena_copy(g->bytes, from[i]);
            if (g->last_to.p == NULL) {
                return no_room(g->q);
            }
        }
        to[i] = g->last_to;
    }
    return OK;
}

/* The values of codes: each is copied once, so that equal values are also the same bytes. */
static err
copy_coded(struct gather *g, const uint32_t *codes, size_t n, slice *to)
{
    err rc = OK;
    if (g->dictionary.count == 0) {
        TRY(parquet_column_dictionary(g->q->column, g->q->f, &g->dictionary));
        if (g->dictionary.count / 4 <= g->q->to - g->q->from) {
            g->copies = arena_calloc(g->q->scratch, g->dictionary.count + 1, sizeof *g->copies);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (g->copies && g->copies[codes[i]].p) {
            to[i] = g->copies[codes[i]];
            continue;
        }
        TRY(copy_bytes(g, &g->dictionary.bytes[codes[i]], 1, &to[i]));
        if (g->copies) {
            g->copies[codes[i]] = to[i];
        }
    }
out:
    return rc;
}

static err
gather_levels(struct gather *g, const struct parquet_vector *v)
{
    struct leaf *l = g->leaf;
    size_t n = v->page.level_count;
    if (g->has_def) {
        l->def = arena_grow(g->q->scratch, l->def, l->level_count, &g->def_cap, l->level_count + n + 1, 1);
        if (l->def == NULL) {
            return no_room(g->q);
        }
        if (v->def) {
            memcpy(l->def + l->level_count, v->def, n);
        } else {
            memset(l->def + l->level_count, l->max_def, n);
        }
    }
    if (g->has_rep) {
        l->rep = arena_grow(g->q->scratch, l->rep, l->level_count, &g->rep_cap, l->level_count + n + 1, 1);
        if (l->rep == NULL) {
            return no_room(g->q);
        }
        memcpy(l->rep + l->level_count, v->rep, n);
    }
    l->level_count += n;
    return OK;
}

static err
gather_page(struct gather *g, const struct parquet_vector *v)
{
    struct leaf *l = g->leaf;
    size_t n = v->values.count;
    err rc = OK;
    TRY(gather_levels(g, v));
    g->values = arena_grow(g->q->scratch, g->values, l->values.count, &g->value_cap, l->values.count + n + 1,
                           g->width);
    if (g->values == NULL) {
        return no_room(g->q);
    }
    uint8_t *to = g->values + l->values.count * g->width;
    if (g->is_bytes && v->codes) {
        TRY(copy_coded(g, v->codes, n, (slice *)(void *)to));
    } else if (g->is_bytes) {
        TRY(copy_bytes(g, v->values.bytes, n, (slice *)(void *)to));
    } else if (n) {
        memcpy(to, v->values.raw, n * g->width);
    }
    l->values.count += n;
    l->values.raw = g->values;
out:
    return rc;
}

/* Number owners and their values. */
static err
index_owners(const struct leaf_request *q, uint8_t owner_def, struct leaf *l)
{
    uint32_t value = 0;
    l->value_of = arena_alloc(q->scratch, (l->level_count + 1) * sizeof *l->value_of);
    if (l->value_of == NULL) {
        return no_room(q);
    }
    const uint8_t *def = l->def;
    uint32_t *of = l->value_of;
    for (size_t i = 0; def == NULL && i < l->level_count; i++) {
        of[i] = (uint32_t)i;
    }
    for (size_t i = 0; def && i < l->level_count; i++) {
        bool there = def[i] == l->max_def;
        *of = there ? value : UINT32_MAX; /* no branches: what is there is random */
        value += there;
        of += def[i] >= owner_def;
    }
    l->owner_count = def ? (size_t)(of - l->value_of) : l->level_count;
    return OK;
}

err
leaf_load(const struct leaf_request *q, int32_t leaf, uint8_t owner_def, struct arena *bytes,
          struct leaf *ret)
{
    const struct parquet_node *node = parquet_schema_column(q->file->meta->schema, (size_t)leaf);
    const struct parquet_chunk *chunk = parquet_meta_chunk(q->file->meta, q->row_group, (size_t)leaf);
    struct parquet_offset_index index;
    struct parquet_page page;
    struct parquet_vector v;
    struct gather g = {.q = q, .leaf = ret, .bytes = bytes};
    err rc = OK;
    *ret = (struct leaf){.max_def = node->max_def};
    g.is_bytes = node->field.type == PARQUET_BYTE_ARRAY;
    enum parquet_decode how = g.is_bytes ? PARQUET_DECODE_CODES : PARQUET_DECODE_VALUES;
    g.has_def = node->max_def > 0;
    g.has_rep = node->max_rep > 0;
    g.width = g.is_bytes                            ? sizeof(slice)
              : node->field.type == PARQUET_BOOLEAN ? 1
                                                    : parquet_value_bytes(node);
    TRY(parquet_column_open(q->column, q->file, q->row_group, (size_t)leaf, q->f));
    if (chunk->offset_index_bytes) {
        TRY(parquet_offset_index_read(q->file, chunk, q->scratch, q->f, &index));
        TRY(parquet_column_use_index(q->column, &index, q->f));
    }
    TRY(parquet_column_seek(q->column, q->from, q->f));
    for (uint64_t at = q->from; at < q->to; at = page.first_row + page.row_count) {
        rc = parquet_column_next(q->column, q->f, &page);
        if (rc == ERR_NOT_FOUND || (rc == OK && page.first_row + page.row_count <= at)) {
            rc = FAULT(q->f, ERR_CORRUPT, "column %.*s ends before its row group", SL_FMT(node->field.name));
        }
        TRY(rc);
        TRY(parquet_column_decode_rows(q->column, how, q->from, q->to, q->f, &v));
        g.last_from = SL_EMPTY; /* its memory may be another value now */
        TRY(gather_page(&g, &v));
    }
    TRY(index_owners(q, owner_def, ret));
    ret->loaded = true;
out:
    return rc;
}
