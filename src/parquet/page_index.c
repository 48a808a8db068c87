#include "page_index.h"

#include "thrift_compact.h"

void
offset_index_write(const struct page_note *pages, size_t n, uint64_t base, bool byte_arrays, struct buf *out)
{
    struct thrift_writer t;
    thrift_begin(&t, out);
    thrift_put_list(&t, 1, THRIFT_STRUCT, n);
    for (size_t i = 0; i < n; i++) {
        thrift_elem_struct(&t);
        thrift_put_int(&t, 1, THRIFT_I64, (int64_t)(base + pages[i].offset));
        thrift_put_int(&t, 2, THRIFT_I32, pages[i].bytes);
        thrift_put_int(&t, 3, THRIFT_I64, (int64_t)pages[i].first_row);
        thrift_put_stop(&t);
    }
    if (byte_arrays) {
        thrift_put_list(&t, 2, THRIFT_I64, n);
        for (size_t i = 0; i < n; i++) {
            thrift_elem_int(&t, (int64_t)pages[i].byte_array_bytes);
        }
    }
    buf_append_byte(out, THRIFT_STOP);
}

/* Are the pages' bounds in order, leaving pages of nulls out? */
static enum parquet_boundary_order
boundary_order(const struct page_note *pages, size_t n, slice bounds, const struct parquet_node *leaf)
{
    enum parquet_order order = parquet_order_of(leaf->field.type, leaf->field.logical);
    bool up = true, down = true, first = true;
    slice min = SL_EMPTY, max = SL_EMPTY;
    size_t at = 0;
    for (size_t i = 0; i < n && (up || down); i++) {
        slice a = slice_sub(bounds, at, pages[i].min_bytes);
        slice b = slice_sub(bounds, at + a.n, pages[i].max_bytes);
        at += a.n + b.n;
        if (pages[i].null_page) {
            continue;
        }
        if (!first) {
            int lo = parquet_compare(leaf->field.type, order, min, a);
            int hi = parquet_compare(leaf->field.type, order, max, b);
            up = up && lo <= 0 && hi <= 0;
            down = down && lo >= 0 && hi >= 0;
        }
        first = false;
        min = a;
        max = b;
    }
    return up ? PARQUET_ASCENDING : down ? PARQUET_DESCENDING : PARQUET_UNORDERED;
}

void
column_index_write(const struct page_note *pages, size_t n, slice bounds, const struct parquet_node *leaf,
                   struct buf *out)
{
    struct thrift_writer t;
    thrift_begin(&t, out);
    thrift_put_list(&t, 1, THRIFT_TRUE, n);
    for (size_t i = 0; i < n; i++) {
        thrift_elem_bool(&t, pages[i].null_page);
    }
    for (int id = 2; id <= 3; id++) {
        const uint8_t *p = bounds.n ? bounds.p : (const uint8_t *)""; /* NULL + 0 is undefined */
        thrift_put_list(&t, id, THRIFT_BINARY, n);
        for (size_t i = 0; i < n; i++) {
            thrift_elem_bytes(&t, id == 2 ? slice_of(p, pages[i].min_bytes)
                                          : slice_of(p + pages[i].min_bytes, pages[i].max_bytes));
            p += pages[i].min_bytes + (size_t)pages[i].max_bytes;
        }
    }
    thrift_put_int(&t, 4, THRIFT_I32, boundary_order(pages, n, bounds, leaf));
    thrift_put_list(&t, 5, THRIFT_I64, n);
    for (size_t i = 0; i < n; i++) {
        thrift_elem_int(&t, pages[i].null_count);
    }
    buf_append_byte(out, THRIFT_STOP);
}

/* The bytes of an index, in the arena: slices may point into them. */
static err
read_range(const struct parquet_file *file, uint64_t off, uint32_t bytes, struct arena *a, struct fault *f,
           slice *ret)
{
    if (off > file->source.size || bytes > file->source.size - off) {
        return FAULT(f, ERR_CORRUPT, "parquet page index: it lies outside the file");
    }
    uint8_t *p = bytes <= PARQUET_LIMITS_DEFAULT.footer_bytes_max ? arena_alloc(a, bytes) : NULL;
    if (!p) {
        return FAULT(f, ERR_LIMIT, "parquet page index: %u bytes pass the memory limit", bytes);
    }
    *ret = slice_of(p, bytes);
    return file->source.read(file->source.ctx, off, bytes, p, f);
}

static void
parse_location(struct thrift_reader *t, const struct thrift_field *elem, struct parquet_page_location *ret)
{
    struct thrift_field fl = {0};
    if (!thrift_enter(t, elem)) {
        return;
    }
    while (thrift_next(t, &fl)) {
        int64_t v = fl.id >= 1 && fl.id <= 3 ? thrift_int(t, &fl) : 0;
        if (v < 0 || (fl.id == 2 && v > INT32_MAX)) {
            thrift_fail(t, "a page has a negative place");
        } else if (fl.id == 1) {
            ret->offset = (uint64_t)v;
        } else if (fl.id == 2) {
            ret->bytes = (uint32_t)v;
        } else if (fl.id == 3) {
            ret->first_row = (uint64_t)v;
        } else {
            thrift_skip(t, &fl);
        }
    }
}

static err
no_room(struct fault *f)
{
    return FAULT(f, ERR_LIMIT, "parquet page index: the memory limit is reached");
}

err
parquet_offset_index_read(const struct parquet_file *file, const struct parquet_chunk *chunk, struct arena *a,
                          struct fault *f, struct parquet_offset_index *ret)
{
    err rc = OK;
    slice bytes = SL_EMPTY;
    struct thrift_reader t;
    struct thrift_field fl = {0}, elem;
    struct parquet_offset_index x = {0};
    if (chunk->offset_index_bytes == 0) {
        return ERR_NOT_FOUND;
    }
    TRY(read_range(file, chunk->offset_index_offset, chunk->offset_index_bytes, a, f, &bytes));
    thrift_open(&t, bytes);
    while (thrift_next(&t, &fl)) {
        if (fl.id != 1 || x.pages) {
            thrift_skip(&t, &fl);
            continue;
        }
        x.page_count = thrift_list(&t, &fl, 4, &elem);
        x.pages = arena_calloc(a, x.page_count + 1, sizeof *x.pages);
        if (!x.pages) {
            return no_room(f);
        }
        for (size_t i = 0; i < x.page_count && !t.bad; i++) {
            parse_location(&t, &elem, &x.pages[i]);
            if (i ? x.pages[i].first_row < x.pages[i - 1].first_row : x.pages[i].first_row != 0) {
                thrift_fail(&t, "pages are not in the order of their rows");
            }
        }
    }
    TRY(thrift_check(&t, "offset index", f));
    *ret = x;
out:
    return rc;
}

/* One of the lists of a column index into the pages' field. */
static void
parse_list(struct thrift_reader *t, const struct thrift_field *fl, struct parquet_column_index *x)
{
    struct thrift_field elem;
    size_t n = thrift_list(t, fl, 1, &elem);
    if (n != x->page_count) {
        thrift_fail(t, "its lists have different lengths");
        return;
    }
    for (size_t i = 0; i < n && !t->bad; i++) {
        struct parquet_page_bounds *p = &x->pages[i];
        if (fl->id == 1) {
            p->null_page = thrift_list_bool(t);
        } else if (fl->id == 2) {
            p->min = thrift_bytes(t, &elem);
        } else if (fl->id == 3) {
            p->max = thrift_bytes(t, &elem);
        } else {
            int64_t v = thrift_int(t, &elem);
            p->null_count = v > 0 ? (uint64_t)v : 0;
        }
    }
}

err
parquet_column_index_read(const struct parquet_file *file, const struct parquet_chunk *chunk, struct arena *a,
                          struct fault *f, struct parquet_column_index *ret)
{
    err rc = OK;
    slice bytes = SL_EMPTY;
    struct thrift_reader t, peek;
    struct thrift_field fl = {0}, elem;
    struct parquet_column_index x = {0};
    unsigned seen = 0;
    if (chunk->column_index_bytes == 0) {
        return ERR_NOT_FOUND;
    }
    TRY(read_range(file, chunk->column_index_offset, chunk->column_index_bytes, a, f, &bytes));
    thrift_open(&t, bytes);
    while (thrift_next(&t, &fl)) {
        if (fl.id == 4) {
            int64_t order = thrift_int(&t, &fl);
            x.order = order == 1 ? PARQUET_ASCENDING : order == 2 ? PARQUET_DESCENDING : PARQUET_UNORDERED;
        } else if (fl.id == 1 || fl.id == 2 || fl.id == 3 || fl.id == 5) {
            if (!x.pages) {
                peek = t;
                x.page_count = thrift_list(&peek, &fl, 1, &elem);
                x.pages = arena_calloc(a, x.page_count + 1, sizeof *x.pages);
                if (!x.pages) {
                    return no_room(f);
                }
            }
            parse_list(&t, &fl, &x);
            seen |= 1U << fl.id;
        } else {
            thrift_skip(&t, &fl);
        }
    }
    if ((seen & 0xe) != 0xe) {
        thrift_fail(&t, "a required list is missing");
    }
    TRY(thrift_check(&t, "column index", f));
    x.has_null_counts = seen >> 5 & 1;
    for (size_t i = 0; i < x.page_count; i++) {
        if (x.pages[i].null_page) {
            x.pages[i].min = x.pages[i].max = SL_EMPTY;
        }
    }
    *ret = x;
out:
    return rc;
}

size_t
parquet_offset_index_find(const struct parquet_offset_index *x, uint64_t row)
{
    size_t lo = 0, hi = x->page_count;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (x->pages[mid].first_row <= row) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return lo;
}
