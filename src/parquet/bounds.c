#include "bounds.h"

#include "varint.h"

/* Loops over one numeric type; floats leave NaN out. */
#define MIN_MAX(TYPE, GET)                                                                                   \
    do {                                                                                                     \
        TYPE lo = 0, hi = 0;                                                                                 \
        bool any = false;                                                                                    \
        for (size_t i = 0; i < n; i++) {                                                                     \
            TYPE x = (GET);                                                                                  \
            if (x != x) { /* NaN */                                                                          \
                continue;                                                                                    \
            }                                                                                                \
            if (!any) {                                                                                      \
                lo = hi = x;                                                                                 \
                any = true;                                                                                  \
            }                                                                                                \
            lo = x < lo ? x : lo;                                                                            \
            hi = x > hi ? x : hi;                                                                            \
        }                                                                                                    \
        ret->found = any;                                                                                    \
        memcpy(ret->words, &lo, sizeof lo);                                                                  \
        memcpy(ret->words + 8, &hi, sizeof hi);                                                              \
        width = sizeof lo;                                                                                   \
    } while (0)

/* Zeros in bounds of floats: a minimum is -0, a maximum +0, for -0 == +0 hides one of them. */
static void
fix_zeros(size_t width, struct page_bounds *b)
{
    static const uint8_t zero[8];
    size_t top = width - 1;
    if (memcmp(b->words, zero, top) == 0 && (b->words[top] & 0x7f) == 0) {
        b->words[top] = 0x80;
    }
    if (memcmp(b->words + 8, zero, top) == 0 && (b->words[8 + top] & 0x7f) == 0) {
        b->words[8 + top] = 0;
    }
}

static void
set_words(enum parquet_order order, size_t width, struct page_bounds *ret)
{
    if (ret->found && order == PARQUET_ORDER_FLOAT) {
        fix_zeros(width, ret);
    }
    ret->min = slice_of(ret->words, width);
    ret->max = slice_of(ret->words + 8, width);
}

static void
numbers(const struct parquet_node *leaf, const void *data, size_t n, struct page_bounds *ret)
{
    enum parquet_order order = parquet_order_of(leaf->field.type, leaf->field.logical);
    bool is_unsigned = order == PARQUET_ORDER_UNSIGNED;
    size_t width = 1;
    switch (leaf->field.type) {
    case PARQUET_BOOLEAN:
        MIN_MAX(uint8_t, ((const uint8_t *)data)[i]);
        break;
    case PARQUET_INT32:
        if (is_unsigned) {
            MIN_MAX(uint32_t, ((const uint32_t *)data)[i]);
        } else {
            MIN_MAX(int32_t, ((const int32_t *)data)[i]);
        }
        break;
    case PARQUET_INT64:
        if (is_unsigned) {
            MIN_MAX(uint64_t, ((const uint64_t *)data)[i]);
        } else {
            MIN_MAX(int64_t, ((const int64_t *)data)[i]);
        }
        break;
    case PARQUET_FLOAT:
        MIN_MAX(float, ((const float *)data)[i]);
        break;
    default:
        MIN_MAX(double, ((const double *)data)[i]);
        break;
    }
    set_words(order, width, ret);
}

static void
widen(slice v, struct page_bounds *ret)
{
    if (!ret->found) {
        ret->min = ret->max = v;
        ret->found = true;
    } else if (slice_cmp(v, ret->min) < 0) {
        ret->min = v;
    } else if (slice_cmp(v, ret->max) > 0) {
        ret->max = v;
    }
}

static bool
is_number(const struct parquet_node *leaf)
{
    return leaf->field.type != PARQUET_BYTE_ARRAY && leaf->field.type != PARQUET_FIXED &&
           leaf->field.type != PARQUET_INT96;
}

void
bounds_of_values(const struct parquet_node *leaf, const struct page_values *v, struct page_bounds *ret)
{
    *ret = (struct page_bounds){0};
    if (is_number(leaf)) {
        numbers(leaf, v->data, v->count, ret);
        return;
    }
    size_t width = parquet_value_bytes(leaf);
    const uint8_t *p = v->data;
    for (size_t i = 0; i < v->count; i++) {
        size_t len = width ? width : v->lengths[i];
        widen(slice_of(p, len), ret);
        p += len;
    }
}

/* Bounds of numbers by code: the same loops through the dictionary. */
static void
coded_numbers(const struct parquet_node *leaf, const struct dict *d, const uint32_t *codes, size_t n,
              struct page_bounds *ret)
{
    enum parquet_order order = parquet_order_of(leaf->field.type, leaf->field.logical);
    bool is_unsigned = order == PARQUET_ORDER_UNSIGNED;
    const void *data = d->values.p;
    size_t width = 4;
    switch (leaf->field.type) {
    case PARQUET_INT32:
        if (is_unsigned) {
            MIN_MAX(uint32_t, ((const uint32_t *)data)[codes[i]]);
        } else {
            MIN_MAX(int32_t, ((const int32_t *)data)[codes[i]]);
        }
        break;
    case PARQUET_INT64:
        if (is_unsigned) {
            MIN_MAX(uint64_t, ((const uint64_t *)data)[codes[i]]);
        } else {
            MIN_MAX(int64_t, ((const int64_t *)data)[codes[i]]);
        }
        break;
    case PARQUET_FLOAT:
        MIN_MAX(float, ((const float *)data)[codes[i]]);
        break;
    default:
        MIN_MAX(double, ((const double *)data)[codes[i]]);
        break;
    }
    set_words(order, width, ret);
}

void
bounds_of_codes(const struct parquet_node *leaf, const struct dict *d, const uint32_t *codes, size_t n,
                uint8_t *seen, struct page_bounds *ret)
{
    *ret = (struct page_bounds){0};
    if (is_number(leaf)) {
        coded_numbers(leaf, d, codes, n, ret);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        seen[codes[i]] = 1;
    }
    for (uint32_t at = 0; at < d->count; at += 8) {
        if (load_u64(seen + at) == 0) {
            continue;
        }
        for (uint32_t c = at; c < at + 8 && c < d->count; c++) {
            if (seen[c]) {
                widen(dict_value(d, c), ret);
            }
        }
        store_u64(seen + at, 0);
    }
}

bool
bounds_cut(slice v, size_t max, bool is_max, struct buf *out, bool *ret_exact)
{
    *ret_exact = v.n <= max;
    if (*ret_exact) {
        buf_append_slice(out, v);
        return true;
    }
    size_t n = max;
    while (n > 0 && (v.p[n] & 0xc0) == 0x80) { /* not in the middle of a character */
        n--;
    }
    n = n ? n : max;
    if (!is_max) {
        buf_append(out, v.p, n);
        return true;
    }
    while (n > 0 && v.p[n - 1] >= 0x7f) { /* up: the last ASCII byte that can grow by one */
        n--;
    }
    if (n == 0) {
        return false;
    }
    buf_append(out, v.p, n);
    if (!out->failed) {
        out->p[out->n - 1]++;
    }
    return true;
}
