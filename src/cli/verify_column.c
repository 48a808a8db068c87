/* Every page of one column chunk, and what the indexes, bounds and filters say about it. */
#include "text.h"
#include "verify.h"

#include "vivace/base/mem.h"
#include "vivace/base/utf8.h"

#include <inttypes.h>
#include <stdio.h>

#define INDEX_BYTES_MAX ((size_t)192 << 20) /* page indexes and the filter of one chunk */

#define PAGE_WORK 64 /* bytes that a page costs whatever is in it */

#define BOUND_CUT 64 /* bytes that a bound is cut to when it is longer */

/* A page as it was met in the file's order, to be found again by its index. */
struct met {
    uint64_t first_row;
    uint32_t rows, levels;
};

/* Where the pages of a row group's first column end: all the others must do the same. */
struct cuts {
    struct met *v;
    size_t n;
};

struct chunk_check {
    struct verify *v;
    const struct parquet_chunk *chunk;
    const struct parquet_node *leaf;
    size_t group, column;
    enum parquet_order order;
    struct arena arena;
    struct parquet_offset_index pages;
    struct parquet_column_index bounds;
    struct parquet_bloom bloom;
    bool has_pages, has_bounds, has_bloom;
    struct met *met;
    size_t met_count, met_cap;
    uint64_t levels, values, bytes;
    uint16_t encodings;
    bool saw_min, saw_max; /* a value equal to the chunk's bound */
    bool page_saw_min, page_saw_max;
    bool told[8]; /* kinds of problems with values told already, once a chunk */
};

enum { TOLD_PAGE_BOUNDS, TOLD_CHUNK_BOUNDS, TOLD_BLOOM, TOLD_UTF8 };

static void problem(struct chunk_check *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
problem(struct chunk_check *k, const char *fmt, ...)
{
    char place[160], text[400];
    slice name = slice_sub(k->leaf->field.name, 0, 80);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)snprintf(place, sizeof place, "row group %zu, column %zu (%.*s)", k->group, k->column,
                   SL_FMT(name));
    verify_problem(k->v, place, "%s", text);
}

static void
once(struct chunk_check *k, int what, size_t page, const char *text)
{
    if (!k->told[what]) {
        k->told[what] = true;
        problem(k, "page %zu: %s", page, text);
    }
}

/* --- what the footer points at ----------------------------------------------------------------------------
 */

static bool
load(struct chunk_check *k, err rc, const char *what, const struct fault *f)
{
    if (rc != OK && rc != ERR_NOT_FOUND) {
        problem(k, "%s: %s", what, f->msg[0] ? f->msg : err_name(rc));
    }
    return rc == OK;
}

static void
load_indexes(struct chunk_check *k)
{
    struct fault f[3] = {{0}};
    const struct parquet_file *file = k->v->file;
    k->has_pages = load(k, parquet_offset_index_read(file, k->chunk, &k->arena, &f[0], &k->pages),
                        "offset index", &f[0]);
    k->has_bounds = load(k, parquet_column_index_read(file, k->chunk, &k->arena, &f[1], &k->bounds),
                         "column index", &f[1]);
    k->has_bloom =
        load(k, parquet_bloom_read(file, k->chunk, &k->arena, &f[2], &k->bloom), "Bloom filter", &f[2]);
    if (k->chunk->offset_index_bytes == 0) {
        problem(k, "it has no offset index");
    }
}

/* Pages stand one behind another from the first to the end of the chunk. */
static void
check_locations(struct chunk_check *k)
{
    uint64_t at = k->chunk->data_page_offset, end = k->chunk->offset + k->chunk->compressed_bytes;
    for (size_t i = 0; k->has_pages && i < k->pages.page_count; i++) {
        if (k->pages.pages[i].offset != at) {
            problem(k, "offset index: page %zu begins at byte %" PRIu64 ", not %" PRIu64, i,
                    k->pages.pages[i].offset, at);
            return;
        }
        at += k->pages.pages[i].bytes;
    }
    if (k->has_pages && at != end) {
        problem(k, "offset index: its pages end at byte %" PRIu64 ", the chunk at %" PRIu64, at, end);
    }
    if (k->has_pages && k->has_bounds && k->pages.page_count != k->bounds.page_count) {
        problem(k, "column index: %zu pages, the offset index has %zu", k->bounds.page_count,
                k->pages.page_count);
        k->has_bounds = false;
    }
}

/* --- values -----------------------------------------------------------------------------------------------
 */

/* Value `i` in PLAIN encoding, byte arrays without their length. */
static slice
plain(const struct chunk_check *k, const struct parquet_values *values, size_t i)
{
    switch (k->leaf->field.type) {
    case PARQUET_BOOLEAN:
        return slice_of(values->bools + i, 1);
    case PARQUET_BYTE_ARRAY:
        return values->bytes[i];
    default: {
        size_t width = parquet_value_bytes(k->leaf);
        return slice_of((const uint8_t *)values->raw + i * width, width);
    }
    }
}

static bool
within(const struct chunk_check *k, slice value, slice min, slice max)
{
    enum parquet_type type = k->leaf->field.type;
    return (min.p == NULL || parquet_compare(type, k->order, min, value) <= 0) &&
           (max.p == NULL || parquet_compare(type, k->order, value, max) <= 0);
}

/* NaN is in no bounds. */
static bool
is_nan(const struct chunk_check *k, slice value)
{
    double d = 0;
    if (k->leaf->field.type != PARQUET_DOUBLE) {
        return false;
    }
    memcpy(&d, value.p, sizeof d);
    return d != d;
}

/* -0 and 0 are one bound. */
static bool
is_bound(const struct chunk_check *k, slice value, slice bound)
{
    return value.n == bound.n && parquet_compare(k->leaf->field.type, k->order, value, bound) == 0;
}

static void
check_value(struct chunk_check *k, size_t page, slice value)
{
    const struct parquet_bounds *b = &k->chunk->bounds;
    bool ordered = k->order != PARQUET_ORDER_NONE && !is_nan(k, value);
    k->bytes += value.n;
    if (ordered && !within(k, value, b->min, b->max)) {
        once(k, TOLD_CHUNK_BOUNDS, page, "a value lies outside the chunk's bounds");
    }
    if (ordered && k->has_bounds && page < k->bounds.page_count) {
        const struct parquet_page_bounds *p = &k->bounds.pages[page];
        if (p->null_page || !within(k, value, p->min, p->max)) {
            once(k, TOLD_PAGE_BOUNDS, page, "a value lies outside the page's bounds in the column index");
        }
        k->page_saw_min = k->page_saw_min || is_bound(k, value, p->min);
        k->page_saw_max = k->page_saw_max || is_bound(k, value, p->max);
    }
    k->saw_min = k->saw_min || (ordered && b->min.p && is_bound(k, value, b->min));
    k->saw_max = k->saw_max || (ordered && b->max.p && is_bound(k, value, b->max));
    if (k->has_bloom && !parquet_bloom_has(&k->bloom, parquet_bloom_hash(value))) {
        once(k, TOLD_BLOOM, page, "a value is not in the Bloom filter");
    }
    if (k->leaf->field.logical.kind == PARQUET_STRING && !utf8_is_valid(value)) {
        once(k, TOLD_UTF8, page, "text that is not UTF-8");
    }
}

/* --- pages ------------------------------------------------------------------------------------------------
 */

/* Longer bounds may have been cut: a value need not be equal to them. */
static void
check_page_bounds(struct chunk_check *k, size_t page)
{
    if (k->order == PARQUET_ORDER_NONE || !k->has_bounds || page >= k->bounds.page_count) {
        return;
    }
    const struct parquet_page_bounds *p = &k->bounds.pages[page];
    if (!p->null_page &&
        ((p->min.n < BOUND_CUT && !k->page_saw_min) || (p->max.n < BOUND_CUT && !k->page_saw_max))) {
        problem(k, "column index: a bound of page %zu is no value of it", page);
    }
}

static void
note_page(struct chunk_check *k, const struct parquet_vector *v)
{
    size_t page = k->met_count;
    uint64_t nulls = v->page.level_count - v->values.count;
    if (k->met_count == k->met_cap) {
        k->met_cap = k->met_cap ? k->met_cap * 2 : 64;
        k->met = mem_realloc(k->met, k->met_cap, sizeof *k->met);
    }
    k->met[k->met_count++] = (struct met){v->page.first_row, v->page.row_count, v->page.level_count};
    k->levels += v->page.level_count;
    k->values += v->values.count;
    k->encodings |= (uint16_t)(1U << v->page.encoding);
    if (k->has_pages && page < k->pages.page_count && k->pages.pages[page].first_row != v->page.first_row) {
        problem(k, "offset index: page %zu begins at row %" PRIu64 ", not %" PRIu64, page,
                k->pages.pages[page].first_row, v->page.first_row);
    }
    if (k->has_bounds && page < k->bounds.page_count) {
        const struct parquet_page_bounds *b = &k->bounds.pages[page];
        if (k->bounds.has_null_counts && b->null_count != nulls) {
            problem(k, "column index: page %zu has %" PRIu64 " nulls, not %" PRIu64, page, nulls,
                    b->null_count);
        }
        if (b->null_page != (v->values.count == 0)) {
            problem(k, "column index: page %zu is %sa page of nulls", page, b->null_page ? "not " : "");
        }
    }
    k->page_saw_min = k->page_saw_max = false;
    for (size_t i = 0; i < v->values.count; i++) {
        check_value(k, page, plain(k, &v->values, i));
    }
    check_page_bounds(k, page);
}

/* What a dictionary took to read; of one that cannot be read, the most it can have taken. */
static bool
spend_dictionary(struct chunk_check *k, const struct parquet_values *dictionary, bool good)
{
    uint64_t work = BLOCK_PARQUET_LIMITS.page_bytes_max;
    if (good) {
        work = 8 * (uint64_t)dictionary->count;
        for (size_t i = 0; i < dictionary->count; i++) {
            work += plain(k, dictionary, i).n;
        }
    }
    return verify_spend(k->v, work);
}

/* In the order they stand. */
static bool
read_pages(struct chunk_check *k, struct parquet_column *c)
{
    struct parquet_page page;
    struct parquet_vector v;
    struct parquet_values dictionary;
    struct fault f = {0};
    err rc = parquet_column_open(c, k->v->file, k->group, k->column, &f);
    if (rc == OK && k->chunk->has_dictionary) {
        rc = parquet_column_dictionary(c, &f, &dictionary);
        if (rc != OK) {
            problem(k, "dictionary: %s", f.msg[0] ? f.msg : "it is not there");
        }
        if (!spend_dictionary(k, &dictionary, rc == OK) || rc != OK) {
            return false;
        }
    }
    while (rc == OK && (rc = parquet_column_next(c, &f, &page)) == OK) {
        if (!verify_spend(k->v, PAGE_WORK + page.bytes + 8 * (uint64_t)page.level_count)) {
            return false;
        }
        rc = parquet_column_decode(c, PARQUET_DECODE_VALUES, &f, &v);
        if (rc == OK) {
            note_page(k, &v);
        }
    }
    if (rc != ERR_NOT_FOUND) {
        problem(k, "page %zu: %s", k->met_count, f.msg[0] ? f.msg : err_name(rc));
        return false;
    }
    return true;
}

/* The same pages by the offset index. */
static void
read_by_index(struct chunk_check *k, struct parquet_column *c)
{
    struct parquet_page page;
    struct parquet_vector v;
    struct fault f = {0};
    size_t i = 0;
    err rc = parquet_column_open(c, k->v->file, k->group, k->column, &f);
    rc = rc == OK ? parquet_column_use_index(c, &k->pages, &f) : rc;
    while (rc == OK && (rc = parquet_column_next(c, &f, &page)) == OK) {
        rc = parquet_column_decode(c, PARQUET_DECODE_LEVELS, &f, &v);
        if (rc == OK && (i >= k->met_count || k->met[i].first_row != page.first_row ||
                         k->met[i].rows != page.row_count || k->met[i].levels != page.level_count)) {
            problem(k, "offset index: page %zu is another one than in the file", i);
            return;
        }
        i++;
    }
    if (rc != ERR_NOT_FOUND) {
        problem(k, "page %zu by the offset index: %s", i, f.msg[0] ? f.msg : err_name(rc));
    } else if (i != k->met_count) {
        problem(k, "offset index: %zu pages, the chunk has %zu", i, k->met_count);
    }
}

static void
check_totals(struct chunk_check *k)
{
    const struct parquet_chunk *c = k->chunk;
    const struct met *last = k->met_count ? &k->met[k->met_count - 1] : NULL;
    uint64_t rows = last ? last->first_row + last->rows : 0;
    uint64_t due = k->v->file->meta->row_groups[k->group].row_count;
    uint16_t allowed = k->encodings | 1U << PARQUET_RLE | 1U << PARQUET_PLAIN;
    if (rows != due) {
        problem(k, "%" PRIu64 " rows, its row group has %" PRIu64, rows, due);
    }
    if (c->value_count != k->levels) {
        problem(k, "footer: %" PRIu64 " values, its pages have %" PRIu64, c->value_count, k->levels);
    }
    if (c->has_null_count && c->null_count != k->levels - k->values) {
        problem(k, "footer: %" PRIu64 " nulls, its pages have %" PRIu64, c->null_count,
                k->levels - k->values);
    }
    if (c->byte_array_bytes && k->leaf->field.type == PARQUET_BYTE_ARRAY && c->byte_array_bytes != k->bytes) {
        problem(k, "footer: values of %" PRIu64 " bytes, its pages have %" PRIu64, c->byte_array_bytes,
                k->bytes);
    }
    if ((k->encodings & ~c->encodings) || (c->encodings & ~allowed)) {
        problem(k, "footer: its encodings are not those of its pages");
    }
    if ((c->bounds.min.p && c->bounds.min_exact && !k->saw_min) ||
        (c->bounds.max.p && c->bounds.max_exact && !k->saw_max)) {
        problem(k, "footer: a bound that is said to be exact is no value");
    }
    k->v->pages += k->met_count;
    k->v->values += k->values;
}

/* Rows can be put together page by page, at the cost of each page once. */
static bool
is_even(struct chunk_check *k, struct cuts *cuts)
{
    if (k->column == 0) {
        mem_free(cuts->v);
        *cuts = (struct cuts){0};
        cuts->v = mem_new_array(struct met, k->met_count + 1);
        cuts->n = k->met_count;
        memcpy(cuts->v, k->met, k->met_count * sizeof *k->met);
        return true;
    }
    bool even = k->met_count == cuts->n;
    for (size_t i = 0; even && i < cuts->n; i++) {
        even = k->met[i].first_row == cuts->v[i].first_row && k->met[i].rows == cuts->v[i].rows;
    }
    if (!even) {
        problem(k, "its pages do not end at the rows where those of the first column end");
    }
    return even;
}

static void
check_chunk(struct verify *v, struct parquet_column *c, struct cuts *cuts, size_t group, size_t column)
{
    struct chunk_check k = {.v = v, .group = group, .column = column};
    k.chunk = parquet_meta_chunk(v->file->meta, group, column);
    k.leaf = parquet_schema_column(v->file->meta->schema, column);
    k.order = parquet_order_of(k.leaf->field.type, k.leaf->field.logical);
    arena_init(&k.arena, INDEX_BYTES_MAX);
    bool good = verify_spend(v, (uint64_t)k.chunk->offset_index_bytes + k.chunk->column_index_bytes +
                                    k.chunk->bloom_bytes);
    if (good) {
        load_indexes(&k);
        check_locations(&k);
        good = read_pages(&k, c);
    }
    if (good) {
        check_totals(&k);
        good = is_even(&k, cuts) && k.has_pages;
        if (k.has_pages) {
            read_by_index(&k, c);
        }
    }
    v->unfit[group] = v->unfit[group] || !good;
    mem_free(k.met);
    arena_fini(&k.arena);
}

void
verify_columns(struct verify *v)
{
    const struct parquet_meta *m = v->file->meta;
    struct parquet_scratch *scratch = parquet_scratch_create(&BLOCK_PARQUET_LIMITS);
    struct parquet_column *c = parquet_column_create(scratch);
    struct cuts cuts = {.n = 0};
    for (size_t g = 0; g < m->row_group_count; g++) {
        for (size_t i = 0; i < (size_t)m->schema->column_count; i++) {
            check_chunk(v, c, &cuts, g, i);
        }
    }
    mem_free(cuts.v);
    parquet_column_destroy(c);
    parquet_scratch_destroy(scratch);
}
