#include "column_writer.h"

#include "bloom.h"
#include "bounds.h"
#include "levels.h"

#include "vivace/base/mem.h"

#define INT32_TYPES (1U << PARQUET_INT32 | 1U << PARQUET_INT64)
#define BYTE_TYPES  (1U << PARQUET_BYTE_ARRAY)

/* The physical types each encoding may be asked for. */
static const unsigned encoding_types[PARQUET_ENCODING_COUNT] = {
    [PARQUET_PLAIN] = ~0U,
    [PARQUET_RLE] = 1U << PARQUET_BOOLEAN,
    [PARQUET_DELTA_BINARY_PACKED] = INT32_TYPES,
    [PARQUET_DELTA_LENGTH_BYTE_ARRAY] = BYTE_TYPES,
    [PARQUET_DELTA_BYTE_ARRAY] = BYTE_TYPES,
    [PARQUET_BYTE_STREAM_SPLIT] =
        INT32_TYPES | 1U << PARQUET_FLOAT | 1U << PARQUET_DOUBLE | 1U << PARQUET_FIXED,
};

static err
no_room(struct fault *f)
{
    (void)FAULT(f, ERR_LIMIT, "parquet writer: the memory limit is reached");
    return ERR_LIMIT;
}

err
column_writer_init(struct column_writer *c, const struct parquet_node *leaf,
                   const struct parquet_column_options *options, struct writer_shared *shared,
                   struct fault *f)
{
    enum parquet_type type = leaf->field.type;
    unsigned e = options->encoding;
    *c = (struct column_writer){.leaf = leaf, .options = *options, .shared = shared};
    if (type == PARQUET_INT96 || e >= PARQUET_ENCODING_COUNT || !(encoding_types[e] >> type & 1)) {
        return FAULT(f, ERR_INVALID, "parquet writer: column %.*s: encoding %s for type %s",
                     SL_FMT(leaf->field.name), parquet_encoding_name(options->encoding),
                     parquet_type_name(type));
    }
    if (type == PARQUET_BOOLEAN && options->dictionary != PARQUET_DICTIONARY_NONE) {
        c->options.dictionary = PARQUET_DICTIONARY_NONE;
    }
    c->width = type == PARQUET_BOOLEAN ? 1 : parquet_value_bytes(leaf);
    struct buf *bufs[] = {&c->def.each, &c->rep.each, &c->values, &c->lengths, &c->codes.each, &c->codes.used,
                          &c->pages,    &c->notes,    &c->bounds, &c->min,     &c->max};
    for (size_t i = 0; i < sizeof bufs / sizeof(struct buf *); i++) {
        buf_init(bufs[i], shared->memory_max);
    }
    dict_init(&c->dict, c->width, shared->memory_max);
    c->coded = c->options.dictionary != PARQUET_DICTIONARY_NONE;
    c->bounds_lost =
        c->options.no_statistics || parquet_order_of(type, leaf->field.logical) == PARQUET_ORDER_NONE;
    if (c->options.bloom_ndv) {
        c->bloom_bytes = bloom_bytes(c->options.bloom_ndv, c->options.bloom_fpp);
        c->bloom = mem_calloc(c->bloom_bytes, 1);
    }
    return OK;
}

void
column_writer_fini(struct column_writer *c)
{
    struct buf *bufs[] = {&c->def.each, &c->rep.each, &c->values, &c->lengths, &c->codes.each, &c->codes.used,
                          &c->pages,    &c->notes,    &c->bounds, &c->min,     &c->max};
    for (size_t i = 0; i < sizeof bufs / sizeof(struct buf *); i++) {
        buf_fini(bufs[i]);
    }
    dict_fini(&c->dict);
    mem_free(c->bloom);
}

err
column_account(struct column_writer *c, struct fault *f)
{
    size_t now = c->def.each.cap + c->rep.each.cap + c->values.cap + c->lengths.cap + c->codes.each.cap +
                 c->codes.used.cap + c->pages.cap + c->notes.cap + c->bounds.cap + c->bloom_bytes +
                 dict_memory(&c->dict);
    c->shared->memory = c->shared->memory - c->memory + now;
    c->memory = now;
    const struct writer_shared *s = c->shared;
    size_t scratch = s->levels.cap + s->body.cap + s->packed.cap + s->seen.cap + s->memo.memory;
    return s->memory + scratch <= s->memory_max ? OK : no_room(f);
}

uint64_t
column_rows(const struct column_writer *c)
{
    return c->rows_cut + c->row_count;
}

void
column_clear_page(struct column_writer *c)
{
    buf_clear(&c->def.each);
    buf_clear(&c->rep.each);
    buf_clear(&c->values);
    buf_clear(&c->lengths);
    buf_clear(&c->codes.each);
    buf_clear(&c->codes.used);
    c->codes.top = 0;
    c->codes.used_lost = false;
    c->level_count = c->value_count = c->row_count = 0;
    c->byte_array_bytes = 0;
}

void
column_reset(struct column_writer *c)
{
    column_clear_page(c);
    dict_clear(&c->dict);
    buf_clear(&c->pages);
    buf_clear(&c->notes);
    buf_clear(&c->bounds);
    buf_clear(&c->min);
    buf_clear(&c->max);
    c->dict_used = 0;
    c->coded = c->options.dictionary != PARQUET_DICTIONARY_NONE;
    c->has_bounds = c->incompressible = false;
    c->bounds_lost = c->options.no_statistics ||
                     parquet_order_of(c->leaf->field.type, c->leaf->field.logical) == PARQUET_ORDER_NONE;
    c->rows_cut = c->levels_cut = c->nulls_cut = c->byte_array_bytes_cut = c->uncompressed_bytes = 0;
    c->encodings = 0;
    if (c->bloom) {
        memset(c->bloom, 0, c->bloom_bytes);
    }
}

/* Values of entries [at, at + n). */
static size_t
count_values(const struct column_writer *c, const struct parquet_batch *b, size_t at, size_t n)
{
    return b->def ? levels_count(b->def + at, n, c->leaf->max_def) : b->def_level == c->leaf->max_def ? n : 0;
}

/* Do the batch's levels and counts fit the column and each other? */
static err
check_batch(const struct column_writer *c, const struct parquet_batch *b, struct fault *f)
{
    uint8_t max_def = c->leaf->max_def;
    bool good = b->def ? levels_max(b->def, b->level_count) <= max_def : b->def_level <= max_def;
    size_t count = b->pick ? b->pick_count : b->values.count;
    if (!good || count != count_values(c, b, 0, b->level_count)) {
        return FAULT(f, ERR_INVALID, "parquet writer: column %.*s: %zu values for %zu levels",
                     SL_FMT(c->leaf->field.name), count, b->level_count);
    }
    if (b->rep && b->level_count &&
        (levels_max(b->rep, b->level_count) > c->leaf->max_rep || (b->rep[0] > 0 && column_rows(c) == 0))) {
        return FAULT(f, ERR_INVALID, "parquet writer: column %.*s: repetition levels",
                     SL_FMT(c->leaf->field.name));
    }
    if ((b->codes != NULL) != (c->options.dictionary == PARQUET_DICTIONARY_GIVEN) && count) {
        return FAULT(f, ERR_INVALID, "parquet writer: column %.*s: codes only for a given dictionary",
                     SL_FMT(c->leaf->field.name));
    }
    if (b->codes && b->values.count && codes_max(b->codes, b->values.count) >= c->dict.count) {
        return FAULT(f, ERR_INVALID, "parquet writer: column %.*s: a code without a value",
                     SL_FMT(c->leaf->field.name));
    }
    if (b->pick && count && codes_max(b->pick, count) >= b->values.count) {
        return FAULT(f, ERR_INVALID, "parquet writer: column %.*s: a value is picked that is not there",
                     SL_FMT(c->leaf->field.name));
    }
    return OK;
}

/* Entries from `at` that belong to the open page; a page is left only where a row begins. */
static size_t
entries_for_page(const struct column_writer *c, const struct parquet_batch *b, size_t at, size_t *ret_rows)
{
    size_t left = b->level_count - at,
           room = c->shared->page_rows ? c->shared->page_rows - c->row_count : SIZE_MAX;
    if (!b->rep || c->leaf->max_rep == 0) {
        *ret_rows = left < room ? left : room;
        return *ret_rows;
    }
    size_t i = at, rows = 0;
    for (; i < b->level_count; i++) {
        if (b->rep[i] == 0) {
            if (rows == room) {
                break;
            }
            rows++;
        }
    }
    *ret_rows = rows;
    return i - at;
}

/* n more levels: of `from`, or all of them x. */
static err
append_level(struct page_levels *l, size_t before, const uint8_t *from, uint8_t x, size_t n)
{
    if (l->each.n == 0 && !from && (before == 0 || l->same == x)) {
        l->same = x;
        return OK;
    }
    size_t missing = l->each.n == 0 ? before : 0;
    if (buf_reserve(&l->each, missing + n) != OK) {
        return ERR_LIMIT;
    }
    memset(l->each.p + l->each.n, l->same, missing);
    l->each.n += missing;
    if (from) {
        memcpy(l->each.p + l->each.n, from, n);
    } else {
        memset(l->each.p + l->each.n, x, n);
    }
    l->each.n += n;
    return OK;
}

static err
append_levels(struct column_writer *c, const struct parquet_batch *b, size_t at, size_t n)
{
    err rc = OK;
    if (c->leaf->max_def > 0) {
        rc = append_level(&c->def, c->level_count, b->def ? b->def + at : NULL, b->def_level, n);
    }
    if (rc == OK && c->leaf->max_rep > 0) {
        rc = append_level(&c->rep, c->level_count, b->rep ? b->rep + at : NULL, 0, n);
    }
    return rc;
}

static err
append_bytes(struct column_writer *c, const slice *v, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i].n > INT32_MAX) {
            return ERR_LIMIT;
        }
        total += v[i].n;
    }
    if (buf_reserve(&c->lengths, n * 4) != OK || buf_reserve(&c->values, total) != OK) {
        return ERR_LIMIT;
    }
    uint32_t *lengths = (uint32_t *)(void *)(c->lengths.p + c->lengths.n);
    uint8_t *to = c->values.p + c->values.n;
    for (size_t i = 0; i < n; i++) {
        lengths[i] = (uint32_t)v[i].n;
        if (v[i].n) {
            memcpy(to, v[i].p, v[i].n);
            to += v[i].n;
        }
        if (c->bloom) {
            bloom_insert(c->bloom, c->bloom_bytes / 32, parquet_bloom_hash(v[i]));
        }
    }
    c->lengths.n += n * 4;
    c->values.n += total;
    return OK;
}

static err
append_plain(struct column_writer *c, const struct parquet_batch *b, size_t at, size_t n)
{
    if (c->width) {
        const uint8_t *v = (const uint8_t *)b->values.raw + at * c->width;
        for (size_t i = 0; c->bloom && i < n; i++) {
            bloom_insert(c->bloom, c->bloom_bytes / 32,
                         parquet_bloom_hash(slice_of(v + i * c->width, c->width)));
        }
        if (c->leaf->field.type != PARQUET_BOOLEAN) {
            return buf_append(&c->values, v, n * c->width);
        }
        for (size_t i = 0; i < n; i++) {
            buf_append_byte(&c->values, v[i] != 0);
        }
        return c->values.failed ? ERR_LIMIT : OK;
    }
    return append_bytes(c, b->values.bytes + at, n);
}

/* Values one by one as they are picked: the dictionary was left, which is rare. */
static err
append_picked_plain(struct column_writer *c, const struct parquet_batch *b, size_t at, size_t n)
{
    struct parquet_batch one = {.values = b->values};
    err rc = OK;
    for (size_t i = at; i < at + n && rc == OK; i++) {
        rc = append_plain(c, &one, b->pick[i], 1);
    }
    return rc;
}

static err
append_entries(struct column_writer *c, const struct parquet_batch *b, const size_t at[2], size_t levels,
               size_t values, struct fault *f)
{
    err rc = append_levels(c, b, at[0], levels);
    if (rc == OK && values) {
        rc = c->coded  ? column_append_codes(c, b, at[1], values)
             : b->pick ? append_picked_plain(c, b, at[1], values)
                       : append_plain(c, b, at[1], values);
    }
    if (rc != OK) {
        return no_room(f);
    }
    c->level_count += levels;
    c->value_count += values;
    for (size_t i = 0; !c->width && !b->codes && i < values; i++) {
        c->byte_array_bytes += b->values.bytes[b->pick ? b->pick[at[1] + i] : at[1] + i].n;
    }
    if (c->coded && !b->codes && dict_plain_bytes(&c->dict) > c->shared->dictionary_bytes_max) {
        return column_leave_dictionary(c, f);
    }
    return OK;
}

err
column_append(struct column_writer *c, const struct parquet_batch *b, struct fault *f)
{
    err rc = OK;
    size_t at[2] = {0, 0}, all = b->pick ? b->pick_count : b->values.count; /* levels, values */
    TRY(check_batch(c, b, f));
    while (at[0] < b->level_count) {
        size_t rows = 0, n = entries_for_page(c, b, at[0], &rows);
        if (n == 0) {
            TRY(column_cut_page(c, f));
            continue;
        }
        size_t values = n == b->level_count ? all : count_values(c, b, at[0], n);
        TRY(append_entries(c, b, at, n, values, f));
        c->row_count += rows;
        at[0] += n;
        at[1] += values;
    }
    TRY(column_account(c, f));
out:
    return rc;
}

err
column_add_dictionary(struct column_writer *c, const struct parquet_values *v, struct fault *f)
{
    uint32_t before = c->dict.count;
    if (c->options.dictionary != PARQUET_DICTIONARY_GIVEN) {
        return FAULT(f, ERR_INVALID, "parquet writer: column %.*s builds its own dictionary",
                     SL_FMT(c->leaf->field.name));
    }
    err rc =
        c->width ? dict_add_fixed(&c->dict, v->raw, v->count) : dict_add_bytes(&c->dict, v->bytes, v->count);
    if (rc != OK) {
        return no_room(f);
    }
    column_bloom_new(c, before);
    return column_account(c, f);
}
