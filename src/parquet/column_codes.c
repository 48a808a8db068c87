/* Codes of the open page. Most columns of most pages hold one value only, or values that many entries share
 * and the caller knows apart: neither is looked at entry by entry more than it must. */
#include "bloom.h"
#include "column_writer.h"
#include "levels.h"

/* Are n values of `width` bytes the same? */
static bool
are_same(const void *v, size_t n, size_t width)
{
    const uint8_t *p = v;
    return memcmp(p, p + (n - 1) * width, width) == 0 && memcmp(p, p + width, (n - 1) * width) == 0;
}

void
column_bloom_new(struct column_writer *c, uint32_t from)
{
    for (uint32_t i = from; c->bloom && i < c->dict.count; i++) {
        bloom_insert(c->bloom, c->bloom_bytes / 32, parquet_bloom_hash(dict_value(&c->dict, i)));
    }
}

/* Codes of n values of the batch from `at`. */
static err
code_values(struct column_writer *c, const struct parquet_batch *b, size_t at, size_t n, uint32_t *ret)
{
    uint32_t before = c->dict.count;
    err rc = OK;
    if (b->codes) {
        memcpy(ret, b->codes + at, n * sizeof *ret);
    } else if (c->width) {
        rc = dict_code_fixed(&c->dict, (const uint8_t *)b->values.raw + at * c->width, n, ret);
    } else {
        rc = dict_code_bytes(&c->dict, b->values.bytes + at, n, ret);
    }
    column_bloom_new(c, before);
    return rc;
}

static uint32_t *
room(struct buf *b, size_t n)
{
    return buf_reserve(b, n * sizeof(uint32_t)) == OK ? (uint32_t *)(void *)(b->p + b->n) : NULL;
}

static void
fill(uint32_t *to, uint32_t code, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = code;
    }
}

err
column_spread_codes(struct column_writer *c)
{
    struct page_codes *p = &c->codes;
    if (p->each.n || c->value_count == 0) {
        return OK;
    }
    uint32_t *to = room(&p->each, c->value_count);
    if (to == NULL || buf_append(&p->used, &p->same, sizeof p->same) != OK) {
        return ERR_LIMIT;
    }
    fill(to, p->same, c->value_count);
    p->each.n = c->value_count * sizeof *to;
    return OK;
}

static void
note_top(struct page_codes *p, uint32_t top)
{
    p->top = top > p->top ? top : p->top;
}

static err
append_same(struct column_writer *c, uint32_t code, size_t n)
{
    struct page_codes *p = &c->codes;
    note_top(p, code);
    if (p->each.n == 0 && (c->value_count == 0 || p->same == code)) {
        p->same = code;
        return OK;
    }
    if (column_spread_codes(c) != OK || buf_append(&p->used, &code, sizeof code) != OK) {
        return ERR_LIMIT;
    }
    uint32_t *to = room(&p->each, n);
    if (to == NULL) {
        return ERR_LIMIT;
    }
    fill(to, code, n);
    p->each.n += n * sizeof *to;
    return OK;
}

/* Entry i has the value at pick[i]. */
static err
append_picked(struct column_writer *c, const struct parquet_batch *b, size_t at, size_t n)
{
    struct page_codes *p = &c->codes;
    const uint32_t *pick = b->pick + at;
    size_t distinct = b->values.count;
    uint32_t *of = room(&p->used, distinct), *to = room(&p->each, n);
    if (of == NULL || to == NULL) {
        return ERR_LIMIT;
    }
    err rc = code_values(c, b, 0, distinct, of);
    for (size_t i = 0; i < n && rc == OK; i++) {
        to[i] = of[pick[i]];
    }
    note_top(p, codes_max(n == b->pick_count ? of : to, n == b->pick_count ? distinct : n));
    p->used_lost |= n != b->pick_count; /* the page may have some of them only */
    p->used.n += distinct * sizeof *of;
    p->each.n += n * sizeof *to;
    return rc;
}

static err
append_each(struct column_writer *c, const struct parquet_batch *b, size_t at, size_t n)
{
    struct page_codes *p = &c->codes;
    uint32_t *to = room(&p->each, n);
    err rc = to ? code_values(c, b, at, n, to) : ERR_LIMIT;
    if (rc == OK) {
        note_top(p, codes_max(to, n));
        p->used_lost = true;
        p->each.n += n * sizeof *to;
    }
    return rc;
}

static bool
texts_are_same(const slice *v, size_t n)
{
    size_t i = 1;
    while (i < n && slice_eq(v[0], v[i])) {
        i++;
    }
    return i == n;
}

/* Do n entries from `at` have one value? */
static bool
have_one_value(const struct column_writer *c, const struct parquet_batch *b, size_t at, size_t n)
{
    if (b->pick) {
        return b->values.count == 1;
    }
    return b->codes   ? are_same(b->codes + at, n, sizeof *b->codes)
           : c->width ? are_same((const uint8_t *)b->values.raw + at * c->width, n, c->width)
                      : texts_are_same(b->values.bytes + at, n);
}

err
column_append_codes(struct column_writer *c, const struct parquet_batch *b, size_t at, size_t n)
{
    uint32_t code = 0;
    if (have_one_value(c, b, at, n)) {
        err rc = code_values(c, b, b->pick ? 0 : at, 1, &code);
        return rc == OK ? append_same(c, code, n) : rc;
    }
    err rc = column_spread_codes(c);
    return rc != OK ? rc : b->pick ? append_picked(c, b, at, n) : append_each(c, b, at, n);
}
