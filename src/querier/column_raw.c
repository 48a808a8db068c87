/* Leaf columns of a row group as arrays: pages one after the other, dictionary codes where all pages have
 * them. */
#include "columns_priv.h"

static size_t
width_of(const struct parquet_node *node)
{
    return node->field.type == PARQUET_BYTE_ARRAY ? sizeof(slice)
           : node->field.type == PARQUET_BOOLEAN  ? 1
                                                  : parquet_value_bytes(node);
}

/* Values that outlive the page. */
static err
keep_values(struct group_scan *s, const struct parquet_node *node, const struct parquet_values *v, void *to,
            struct fault *f)
{
    size_t bytes = 0;
    if (node->field.type != PARQUET_BYTE_ARRAY) {
        if (v->count) {
            memcpy(to, v->raw, v->count * width_of(node));
        }
        return OK;
    }
    if (v->count == 0) {
        return OK;
    }
    /* They stand one after the other in what was decoded, with their lengths in between at most: one copy. */
    const uint8_t *low = v->bytes[0].p;
    const uint8_t *high = low;
    for (size_t i = 0; i < v->count; i++) {
        const slice x = v->bytes[i];
        bytes += x.n;
        low = x.n && (low == NULL || x.p < low) ? x.p : low;
        high = x.n && x.p + x.n > high ? x.p + x.n : high;
    }
    const size_t across = bytes ? (size_t)(high - low) : 0;
    const bool packed = across <= bytes + 4 * v->count;
    uint8_t *p = scan_alloc(s, (packed ? across : bytes) + 1, 1);
    if (p == NULL) {
        return scan_no_memory(f);
    }
    if (packed && across) {
        memcpy(p, low, across);
    }
    for (size_t i = 0; i < v->count; i++) {
        const slice x = v->bytes[i];
        const bool some = x.p && x.n;
        ((slice *)to)[i] = slice_of(packed && some ? p + (x.p - low) : p, x.n);
        if (some && !packed) {
            memcpy(p, x.p, x.n);
            p += x.n;
        }
    }
    return OK;
}

struct load {
    struct group_scan *s;
    const struct parquet_node *node;
    struct raw_column *out;
    uint8_t *def, *rep, *values;
    uint64_t *present; /* instead of def where levels are bits */
    const uint64_t *among;
    uint32_t *codes;
    size_t level_cap, rep_cap, value_cap, width;
    size_t levels_due, values_due; /* as the file says; 0: it says more than is believed */
    bool mixed;                    /* codes and values: all as values then */
};

#define DUE_MAX ((size_t)1 << 20)

/* What the chunk says of its size, so that no array grows page by page. */
static void
expect_size(struct load *l, const struct parquet_chunk *c)
{
    const bool fits = c->value_count <= DUE_MAX && (!c->has_null_count || c->null_count <= c->value_count);
    l->levels_due = fits ? (size_t)c->value_count : 0;
    l->values_due = fits ? (size_t)(c->value_count - (c->has_null_count ? c->null_count : 0)) : 0;
}

/* Room for `want` elements; at first for all that are due. */
static void *
room_for(struct load *l, void *old, size_t used, size_t *cap, size_t want, size_t due, size_t size)
{
    if (old == NULL && want <= due) {
        *cap = due;
        return scan_alloc(l->s, due, size);
    }
    return arena_grow(&l->s->priv->arena, old, used, cap, want, size);
}

/* Room for a page. */
static err
make_room(struct load *l, const struct parquet_vector *v, struct fault *f)
{
    const size_t levels = l->out->level_count + v->page.level_count;
    const size_t values = l->out->value_count + v->values.count;
    if (values > UINT32_MAX - 1 || levels > UINT32_MAX - 1) {
        return scan_no_memory(f);
    }
    if (l->node->max_def && !l->present) {
        l->def = room_for(l, l->def, l->out->level_count, &l->level_cap, levels + 1, l->levels_due + 1, 1);
    }
    if (l->node->max_rep) {
        l->rep = room_for(l, l->rep, l->out->level_count, &l->rep_cap, levels + 1, l->levels_due + 1, 1);
    }
    bool refused = (l->node->max_def && !l->present && !l->def) || (l->node->max_rep && !l->rep);
    if (v->values.count && v->codes) {
        l->codes = room_for(l, l->codes, l->out->value_count, &l->value_cap, values, l->values_due,
                            sizeof *l->codes);
        refused = refused || l->codes == NULL;
    } else if (v->values.count) {
        l->values =
            room_for(l, l->values, l->out->value_count, &l->value_cap, values, l->values_due, l->width);
        refused = refused || l->values == NULL;
    }
    return refused ? scan_no_memory(f) : OK;
}

static void
add_levels(struct load *l, const struct parquet_vector *v)
{
    const size_t n = v->page.level_count;
    if (l->node->max_def && !l->present) {
        if (v->def) {
            memcpy(l->def + l->out->level_count, v->def, n);
            l->out->def = l->def; /* some entry is not there */
        } else {
            memset(l->def + l->out->level_count, l->node->max_def, n);
        }
    }
    if (l->node->max_rep) {
        if (v->rep) {
            memcpy(l->rep + l->out->level_count, v->rep, n);
        } else {
            memset(l->rep + l->out->level_count, 0, n);
        }
        l->out->rep = l->rep;
    }
    if (l->out->def) {
        l->out->def = l->def; /* it may have moved */
    }
    l->out->level_count += n;
}

static err
add_page(struct load *l, const struct parquet_vector *v, struct fault *f)
{
    const size_t at = l->out->value_count * l->width;
    err rc = OK;
    if (v->values.count && ((v->codes && l->values) || (!v->codes && l->codes))) {
        l->mixed = true;
        return OK;
    }
    TRY(make_room(l, v, f));
    if (v->values.count == 0) {
        /* a page of nulls has neither codes nor values */
    } else if (v->codes ? v->codes == l->codes + l->out->value_count : v->values.raw == l->values + at) {
        /* decoded where it belongs */
    } else if (v->codes) {
        memcpy(l->codes + l->out->value_count, v->codes, v->values.count * sizeof *l->codes);
    } else {
        TRY(keep_values(l->s, l->node, &v->values, l->values + at, f));
    }
    add_levels(l, v);
    l->out->value_count += v->values.count;
out:
    return rc;
}

/* The page is decoded right behind those before, where there is room. */
static void
aim(struct load *l, const struct parquet_page *page, enum parquet_decode how)
{
    const size_t used = l->out->value_count;
    const bool numbers = l->node->field.type == PARQUET_INT32 || l->node->field.type == PARQUET_INT64;
    const bool first = l->codes == NULL && l->values == NULL && l->values_due && l->node->max_def == 0;
    if (page->coded && how == PARQUET_DECODE_CODES && l->values == NULL) {
        if (first) {
            l->codes = room_for(l, NULL, 0, &l->value_cap, 1, l->values_due, sizeof *l->codes);
        }
        if (l->codes) {
            parquet_column_into(l->s->priv->column, l->codes + used,
                                (l->value_cap - used) * sizeof *l->codes);
        }
    } else if (!page->coded && numbers && l->codes == NULL) {
        if (first) {
            l->values = room_for(l, NULL, 0, &l->value_cap, 1, l->values_due, l->width);
        }
        if (l->values) {
            parquet_column_into(l->s->priv->column, l->values + used * l->width,
                                (l->value_cap - used) * l->width);
        }
    }
}

/* Where the levels are bits: are they, and has any row asked for a value? When none has the page is done. */
static err
read_present(struct load *l, const struct parquet_page *page, struct fault *f, bool *ret_any)
{
    const size_t from = l->out->level_count;
    const size_t to = from + page->level_count;
    struct parquet_vector v;
    err rc = OK;
    *ret_any = true;
    if (l->present == NULL) {
        return OK;
    }
    if (to > l->s->rows) {
        return scan_corrupt(l->s, "a column has more entries than rows", f);
    }
    parquet_column_mask(l->s->priv->column, l->present, from);
    if (l->among) {
        TRY(parquet_column_decode(l->s->priv->column, PARQUET_DECODE_LEVELS, f, &v));
        *ret_any = mask_meets(l->present, l->among, from, to);
        if (!*ret_any) {
            mask_clear(l->present, from, to);
            l->out->level_count = to;
        }
    }
out:
    return rc;
}

static err
read_pages(struct load *l, enum parquet_decode how, struct fault *f)
{
    struct parquet_column *c = l->s->priv->column;
    struct parquet_page page;
    struct parquet_vector v;
    uint64_t rows = 0;
    bool any = true;
    err rc = OK;
    *l->out = (struct raw_column){
        .max_def = l->node->max_def, .max_rep = l->node->max_rep, .type = l->node->field.type};
    if (raw_is_flat(l->out) && l->node->max_def) {
        TRY(group_mask(l->s, f, &l->present));
    }
    while ((rc = parquet_column_next(c, f, &page)) == OK && !l->mixed) {
        if (page.first_row != rows) {
            return scan_corrupt(l->s, "pages do not follow each other", f);
        }
        rows += page.row_count;
        TRY(query_guard_check(l->s->priv->guard, f));
        TRY(read_present(l, &page, f, &any));
        if (!any) {
            continue;
        }
        aim(l, &page, how);
        TRY(parquet_column_decode(c, how, f, &v));
        if (v.rep && page.level_count && v.rep[0] > 0) {
            return scan_corrupt(l->s, "a page begins within a row", f);
        }
        TRY(add_page(l, &v, f));
    }
    if (rc == ERR_NOT_FOUND) {
        rc = OK;
    }
    if (l->out->value_count < l->out->level_count) {
        l->out->present = l->present;
    }
    if (rc == OK && !l->mixed && rows != l->s->rows) {
        rc = scan_corrupt(l->s, "a column ends before its row group", f);
    }
out:
    return rc;
}

static err
keep_dictionary(struct load *l, struct fault *f)
{
    struct parquet_values d;
    err rc = OK;
    TRY(parquet_column_dictionary(l->s->priv->column, f, &d));
    void *to = scan_alloc(l->s, d.count + 1, l->width);
    if (to == NULL) {
        return scan_no_memory(f);
    }
    TRY(keep_values(l->s, l->node, &d, to, f));
    l->out->values = (struct parquet_values){.count = d.count, .raw = to};
    l->out->codes = l->codes;
out:
    return rc;
}

err
raw_load(struct group_scan *s, int32_t leaf, struct fault *f, struct raw_column *ret)
{
    return raw_load_among(s, leaf, NULL, f, ret);
}

err
raw_load_among(struct group_scan *s, int32_t leaf, const uint64_t *among, struct fault *f,
               struct raw_column *ret)
{
    const struct parquet_node *node = parquet_schema_column(s->priv->file.meta->schema, (size_t)leaf);
    struct load l = {.s = s, .node = node, .out = ret, .among = among, .width = width_of(node)};
    err rc = OK;
    expect_size(&l, parquet_meta_chunk(s->priv->file.meta, s->row_group, (size_t)leaf));
    TRY(parquet_column_open(s->priv->column, &s->priv->file, s->row_group, (size_t)leaf, f));
    TRY(read_pages(&l, PARQUET_DECODE_CODES, f));
    if (l.mixed) {
        l = (struct load){.s = s, .node = node, .out = ret, .among = among, .width = l.width};
        TRY(parquet_column_open(s->priv->column, &s->priv->file, s->row_group, (size_t)leaf, f));
        TRY(read_pages(&l, PARQUET_DECODE_VALUES, f));
    }
    if (l.codes) {
        TRY(keep_dictionary(&l, f));
    } else {
        ret->values =
            (struct parquet_values){.count = ret->value_count, .raw = l.values ? l.values : (const void *)""};
    }
    ret->loaded = true;
    s->looked = s->rows;
    rc = scan_account(s, f);
out:
    return rc;
}

err
raw_fixed(struct group_scan *s, enum block_column c, struct fault *f, const struct raw_column **ret)
{
    struct raw_column *raw = &s->priv->raw[c];
    err rc = OK;
    if (s->priv->schema->column[c] < 0) {
        return scan_corrupt(s, "a list of attributes is missing", f);
    }
    if (!raw->loaded) {
        rc = raw_load(s, s->priv->schema->column[c], f, raw);
    }
    *ret = raw;
    return rc;
}

bool
raw_is_empty(const struct group_scan *s, int32_t leaf)
{
    const struct parquet_chunk *c = parquet_meta_chunk(s->priv->file.meta, s->row_group, (size_t)leaf);
    return c->has_null_count && c->null_count == c->value_count;
}

/* Is the value outside the bounds? */
static bool
is_outside(const struct group_scan *s, const struct parquet_chunk *chunk, slice value)
{
    const struct parquet_bounds *b = &chunk->bounds;
    return s->priv->file.meta->typed_order &&
           ((b->min.p && slice_cmp(value, b->min) < 0) || (b->max.p && slice_cmp(value, b->max) > 0));
}

err
raw_dictionary(struct group_scan *s, int32_t leaf, struct fault *f, struct parquet_values *ret)
{
    const struct parquet_chunk *chunk = parquet_meta_chunk(s->priv->file.meta, s->row_group, (size_t)leaf);
    const unsigned coded = 1U << PARQUET_PLAIN | 1U << PARQUET_RLE | 1U << PARQUET_RLE_DICTIONARY |
                           1U << PARQUET_PLAIN_DICTIONARY;
    err rc = ERR_NOT_FOUND;
    if (chunk->has_dictionary && !(chunk->encodings & ~coded)) {
        TRY(parquet_column_open(s->priv->column, &s->priv->file, s->row_group, (size_t)leaf, f));
        rc = parquet_column_dictionary(s->priv->column, f, ret);
    }
out:
    return rc;
}

/* Is it in the dictionary, if all values are? */
static err
dictionary_may_hold(struct group_scan *s, int32_t leaf, slice value, struct fault *f, bool *ret)
{
    struct parquet_values d;
    err rc = raw_dictionary(s, leaf, f, &d);
    *ret = rc == ERR_NOT_FOUND;
    for (size_t i = 0; rc == OK && i < d.count && !*ret; i++) {
        *ret = slice_eq(d.bytes[i], value);
    }
    return rc == ERR_NOT_FOUND ? OK : rc;
}

err
raw_may_hold(struct group_scan *s, int32_t leaf, slice value, struct fault *f, bool *ret)
{
    const struct parquet_chunk *chunk = parquet_meta_chunk(s->priv->file.meta, s->row_group, (size_t)leaf);
    struct group_scan_private *p = s->priv;
    err rc = OK;
    *ret = !raw_is_empty(s, leaf) && !is_outside(s, chunk, value);
    if (!*ret) {
        return OK;
    }
    if (!p->held_known || p->held_leaf != leaf || !slice_eq(p->held_value, value)) {
        p->held_known = false;
        TRY(dictionary_may_hold(s, leaf, value, f, &p->held));
        p->held_known = true;
        p->held_leaf = leaf;
        p->held_value = value;
    }
    *ret = p->held;
out:
    return rc;
}

/* --- owners ----------------------------------------------------------------------------------------------
 */

#define ABSENT 8

/* Rows without an event or a link are most: is this one such, and seven more? */
static bool
are_absent(const struct raw_column *raw, size_t i)
{
    uint64_t def = 0;
    uint64_t rep = 0;
    if (raw->def == NULL || i + ABSENT > raw->level_count) {
        return false;
    }
    memcpy(&def, raw->def + i, ABSENT);
    if (raw->rep) {
        memcpy(&rep, raw->rep + i, ABSENT);
    }
    return (def | rep) == 0;
}

err
raw_values_of(struct group_scan *s, const struct raw_column *raw, uint8_t present, size_t owners,
              struct fault *f, const uint32_t **ret)
{
    uint32_t *of = scan_alloc(s, owners + 1, sizeof *of);
    uint32_t value = 0;
    size_t n = 0;
    if (of == NULL) {
        return scan_no_memory(f);
    }
    for (size_t i = 0; i < raw->level_count; i++) {
        if (are_absent(raw, i) && present) {
            i += ABSENT - 1;
            continue;
        }
        uint8_t def = raw_def(raw, i);
        uint32_t mine = def == raw->max_def ? value++ : UINT32_MAX;
        if (def >= present) {
            if (n == owners) {
                return scan_corrupt(s, "columns have different numbers of values", f);
            }
            of[n++] = mine;
        }
    }
    if (n != owners || value != raw->value_count) {
        return scan_corrupt(s, "columns have different numbers of values", f);
    }
    *ret = of;
    return OK;
}

err
raw_parts(struct group_scan *s, const struct raw_column *raw, struct fault *f, struct group_parts *ret)
{
    uint32_t *first = scan_alloc(s, s->rows + 1, sizeof *first);
    uint32_t count = 0;
    size_t row = 0;
    if (first == NULL) {
        return scan_no_memory(f);
    }
    for (size_t i = 0; i < raw->level_count; i++) {
        if (are_absent(raw, i) && s->rows - row >= ABSENT) {
            for (size_t k = 0; k < ABSENT; k++) {
                first[row++] = count;
            }
            i += ABSENT - 1;
            continue;
        }
        if (raw->rep == NULL || raw->rep[i] == 0) {
            if (row == s->rows) {
                return scan_corrupt(s, "a list has too many rows", f);
            }
            first[row++] = count;
        }
        count += raw_def(raw, i) >= 1;
    }
    if (row != s->rows) {
        return scan_corrupt(s, "a list has too few rows", f);
    }
    first[row] = count;
    *ret = (struct group_parts){first, count};
    return OK;
}

err
raw_items(struct group_scan *s, const struct raw_column *key, enum owner owner, size_t owners,
          struct fault *f, const uint32_t **ret, size_t *ret_count)
{
    const uint8_t at = owner_def(owner); /* also the repetition level of an owner behind the first of a row */
    uint32_t *of = scan_alloc(s, key->level_count + 1, sizeof *of);
    size_t n = 0;
    size_t seen = 0; /* owners */
    if (of == NULL) {
        return scan_no_memory(f);
    }
    for (size_t i = 0; i < key->level_count; i++) {
        if (are_absent(key, i)) {
            seen += at == 0 ? ABSENT : 0; /* owners they are, without an item */
            i += ABSENT - 1;
            continue;
        }
        uint8_t def = raw_def(key, i);
        uint8_t rep = key->rep ? key->rep[i] : 0;
        seen += rep <= at && def >= at;
        if (def > at) {
            if (seen == 0) {
                return scan_corrupt(s, "an attribute belongs to nothing", f);
            }
            of[n++] = (uint32_t)(seen - 1);
        }
    }
    if (seen != owners) {
        return scan_corrupt(s, "columns have different numbers of values", f);
    }
    *ret = of;
    *ret_count = n;
    return OK;
}
