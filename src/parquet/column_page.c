/* Cutting a page: levels and values encoded, compressed, checksummed and noted for the page index. */
#include "bitpack.h"
#include "bounds.h"
#include "column_writer.h"
#include "enc.h"
#include "levels.h"
#include "page.h"

#define PACK_BYTES_MIN 1024 /* less is nearly as dear as 4 KiB, and saves next to nothing */
#define PACK_SAVES_MIN 4    /* a page must shrink by a quarter */

#define CODE_BITS_BYTES 5 /* codes of so many bits are whole bytes to zstd, which sees values then */

static err
no_room(struct fault *f)
{
    (void)FAULT(f, ERR_LIMIT, "parquet writer: the memory limit is reached");
    return ERR_LIMIT;
}

static const uint32_t *
u32s(const struct buf *b)
{
    return (const uint32_t *)(const void *)b->p;
}

err
column_leave_dictionary(struct column_writer *c, struct fault *f)
{
    if (column_spread_codes(c) != OK) {
        return no_room(f);
    }
    const uint32_t *codes = u32s(&c->codes.each);
    for (size_t i = 0; i < c->value_count; i++) {
        slice v = dict_value(&c->dict, codes[i]);
        uint32_t len = (uint32_t)v.n;
        if (!c->width) {
            buf_append(&c->lengths, &len, sizeof len);
        }
        buf_append_slice(&c->values, v);
    }
    buf_clear(&c->codes.each);
    c->coded = false;
    return c->values.failed || c->lengths.failed ? no_room(f) : OK;
}

/* Bytes the open page's codes take, and what its values would take without a dictionary. */
static bool
dictionary_pays(const struct column_writer *c)
{
    size_t coded = dict_plain_bytes(&c->dict) + c->value_count * bits_width(c->dict.count) / 8;
    size_t plain = c->width ? c->value_count * c->width : c->byte_array_bytes + c->value_count * 4;
    return coded <= plain;
}

/* Will the open page be compressed, if that pays? */
static bool
is_packed(const struct column_writer *c)
{
    return !c->options.uncompressed && !c->incompressible;
}

/* Bits a code, and what they are rounded up to for zstd: one or two bytes. */
static unsigned
code_bits(const struct column_writer *c)
{
    const unsigned width = bits_width(c->codes.top);
    return width == 0 ? 1 : width; /* some readers stumble over no bits at all */
}

static unsigned
code_bytes_bits(unsigned width)
{
    return width < CODE_BITS_BYTES || width > 16 ? width : width <= 8 ? 8 : 16;
}

static void
encode_codes(struct column_writer *c, bool bytes)
{
    unsigned width = bytes ? code_bytes_bits(code_bits(c)) : code_bits(c);
    buf_append_byte(&c->shared->body, (uint8_t)width);
    if (c->codes.each.n) {
        rle_encode_u32(u32s(&c->codes.each), c->value_count, width, &c->shared->body);
    } else {
        rle_encode_run(c->codes.same, c->value_count, width, &c->shared->body);
    }
    c->dict_used = c->dict.count;
}

static void
encode_rle_bools(struct column_writer *c)
{
    struct buf *out = &c->shared->body;
    uint32_t bytes = 0;
    buf_append(out, &bytes, sizeof bytes);
    rle_encode_u8(c->values.p, c->value_count, 1, out);
    if (!out->failed) {
        bytes = (uint32_t)(out->n - sizeof bytes);
        memcpy(out->p, &bytes, sizeof bytes);
    }
}

static void
encode_plain(struct column_writer *c)
{
    struct buf *out = &c->shared->body;
    if (c->leaf->field.type == PARQUET_BOOLEAN) {
        plain_encode_bools(c->values.p, c->value_count, out);
    } else if (c->width) {
        buf_append(out, c->values.p, c->values.n);
    } else {
        plain_encode_bytes(c->values.p, u32s(&c->lengths), c->value_count, out);
    }
}

/* The values of the open page into shared->body; codes of `bytes` as code_bytes_bits says. */
static err
encode_values(struct column_writer *c, bool bytes, struct fault *f, enum parquet_encoding *ret)
{
    struct buf *out = &c->shared->body;
    buf_clear(out);
    /* A page of nulls is PLAIN: codes without a dictionary page are an error to some readers. */
    *ret = c->value_count == 0 ? PARQUET_PLAIN : c->coded ? PARQUET_RLE_DICTIONARY : c->options.encoding;
    switch (*ret) {
    case PARQUET_RLE_DICTIONARY:
        encode_codes(c, bytes);
        break;
    case PARQUET_RLE:
        encode_rle_bools(c);
        break;
    case PARQUET_DELTA_BINARY_PACKED:
        if (c->width == 4) {
            delta_encode_i32((const int32_t *)(const void *)c->values.p, c->value_count, out);
        } else {
            delta_encode_i64((const int64_t *)(const void *)c->values.p, c->value_count, out);
        }
        break;
    case PARQUET_DELTA_LENGTH_BYTE_ARRAY:
        delta_length_encode(c->values.p, u32s(&c->lengths), c->value_count, out);
        break;
    case PARQUET_DELTA_BYTE_ARRAY:
        delta_strings_encode(c->values.p, u32s(&c->lengths), c->value_count, out);
        break;
    case PARQUET_BYTE_STREAM_SPLIT:
        split_encode(c->values.p, c->width, c->value_count, out);
        break;
    default:
        encode_plain(c);
        break;
    }
    if (out->failed || out->n > INT32_MAX) {
        return FAULT(f, ERR_LIMIT, "parquet writer: column %.*s: a page of %zu values is too large",
                     SL_FMT(c->leaf->field.name), c->value_count);
    }
    return OK;
}

static void
encode_level(const struct page_levels *l, size_t n, uint8_t max, struct buf *out)
{
    if (max > 0 && l->each.n) {
        rle_encode_u8(l->each.p, n, bits_width(max), out);
    } else if (max > 0) {
        rle_encode_run(l->same, n, bits_width(max), out);
    }
}

static void
encode_levels(struct column_writer *c, struct page_header *h)
{
    struct buf *out = &c->shared->levels;
    buf_clear(out);
    encode_level(&c->rep, c->level_count, c->leaf->max_rep, out);
    h->rep_bytes = (uint32_t)out->n;
    encode_level(&c->def, c->level_count, c->leaf->max_def, out);
    h->def_bytes = (uint32_t)out->n - h->rep_bytes;
}

/* The body's bytes if its codes took no more bits than they need. */
static size_t
tight_bytes(const struct column_writer *c, size_t n)
{
    const unsigned width = code_bits(c);
    return c->coded ? n * width / code_bytes_bits(width) : n;
}

/* Compress the body, as zstd likes it best; *ret_packed is empty where that does not pay. The first page of a
 * row group that saves too little is the last one tried: reading such pages back would cost more than they
 * save, too. */
static err
pack_body(struct column_writer *c, struct fault *f, slice *ret_packed)
{
    struct writer_shared *s = c->shared;
    const slice body = buf_slice(&s->body);
    const size_t tight = tight_bytes(c, body.n);
    slice packed = SL_EMPTY;
    *ret_packed = SL_EMPTY;
    if (body.n < PACK_BYTES_MIN) {
        return OK;
    }
    if (!c->coded || !packed_memo_get(&s->memo, body, &packed)) {
        buf_clear(&s->packed);
        err rc = codec_encode_zstd(&s->codecs, body, &s->packed, f);
        if (rc != OK) {
            return rc;
        }
        packed = buf_slice(&s->packed);
        if (c->coded) {
            packed_memo_put(&s->memo, body, packed);
        }
    }
    if (packed.n + tight / PACK_SAVES_MIN < tight) {
        *ret_packed = packed;
    } else {
        c->incompressible = true;
    }
    return OK;
}

/* The values as they are stored, with their encoding: *ret_compressed or not. */
static err
encode_body(struct column_writer *c, struct fault *f, bool *ret_compressed,
            enum parquet_encoding *ret_encoding, slice *ret)
{
    const bool bytes = is_packed(c) && c->coded && code_bytes_bits(code_bits(c)) > code_bits(c);
    slice packed = SL_EMPTY;
    err rc = OK;
    TRY(encode_values(c, bytes, f, ret_encoding));
    TRY(is_packed(c) ? pack_body(c, f, &packed) : OK);
    *ret_compressed = packed.n > 0;
    if (bytes && !*ret_compressed) {
        TRY(encode_values(c, false, f, ret_encoding));
    }
    *ret = *ret_compressed ? packed : buf_slice(&c->shared->body);
out:
    return rc;
}

/* Take the page's bounds into the column's. */
static void
widen_chunk(struct column_writer *c, slice v, bool exact, bool is_max)
{
    struct buf *b = is_max ? &c->max : &c->min;
    enum parquet_order order = parquet_order_of(c->leaf->field.type, c->leaf->field.logical);
    int cmp =
        c->has_bounds ? parquet_compare(c->leaf->field.type, order, v, buf_slice(b)) : (is_max ? 1 : -1);
    if (is_max ? cmp > 0 : cmp < 0) {
        buf_clear(b);
        buf_append_slice(b, v);
        *(is_max ? &c->max_exact : &c->min_exact) = exact;
    }
}

/* Of the open page, whose values are coded. */
static void
coded_bounds(struct column_writer *c, struct page_bounds *ret)
{
    const struct page_codes *p = &c->codes;
    struct buf *seen = &c->shared->seen;
    size_t want = (size_t)c->dict.count + 8;
    if (seen->n < want && buf_reserve(seen, want - seen->n) == OK) {
        memset(seen->p + seen->n, 0, want - seen->n);
        seen->n = want;
    }
    if (p->each.n == 0) {
        bounds_of_codes(c->leaf, &c->dict, &p->same, seen->n < want ? 0 : 1, seen->p, ret);
        return;
    }
    const struct buf *codes = p->used_lost ? &p->each : &p->used;
    size_t n = codes->n / sizeof(uint32_t);
    bounds_of_codes(c->leaf, &c->dict, u32s(codes), seen->n < want ? 0 : n, seen->p, ret);
}

static void
note_bounds(struct column_writer *c, struct page_note *note)
{
    struct page_bounds b;
    note->null_page = c->value_count == 0;
    if (c->bounds_lost || note->null_page) {
        return;
    }
    if (c->coded) {
        coded_bounds(c, &b);
    } else {
        struct page_values v = {.count = c->value_count, .data = c->values.p, .lengths = u32s(&c->lengths)};
        bounds_of_values(c->leaf, &v, &b);
    }
    bool exact[2] = {true, true};
    size_t from = c->bounds.n;
    c->bounds_lost =
        !b.found || !bounds_cut(b.min, c->shared->bounds_bytes_max, false, &c->bounds, &exact[0]);
    size_t mid = c->bounds.n;
    c->bounds_lost = c->bounds_lost ||
                     !bounds_cut(b.max, c->shared->bounds_bytes_max, true, &c->bounds, &exact[1]) ||
                     c->bounds.failed;
    if (c->bounds_lost) {
        return;
    }
    note->min_bytes = (uint32_t)(mid - from);
    note->max_bytes = (uint32_t)(c->bounds.n - mid);
    const slice all = buf_slice(&c->bounds);
    widen_chunk(c, slice_sub(all, from, note->min_bytes), exact[0], false);
    widen_chunk(c, slice_sub(all, mid, note->max_bytes), exact[1], true);
    c->has_bounds = true;
}

static void
next_page(struct column_writer *c)
{
    c->rows_cut += c->row_count;
    c->levels_cut += c->level_count;
    c->nulls_cut += c->level_count - c->value_count;
    c->byte_array_bytes_cut += c->byte_array_bytes;
    column_clear_page(c);
}

/* Header, levels and body behind the pages cut before. */
static err
store_page(struct column_writer *c, struct page_header *h, slice body, struct fault *f)
{
    slice levels = buf_slice(&c->shared->levels);
    size_t from = c->pages.n;
    h->uncompressed_bytes = (uint32_t)(levels.n + c->shared->body.n);
    h->compressed_bytes = (uint32_t)(levels.n + body.n);
    h->crc = page_crc(page_crc(0, levels), body);
    page_header_write(h, &c->pages);
    c->uncompressed_bytes += c->pages.n - from + h->uncompressed_bytes;
    buf_append_slice(&c->pages, levels);
    buf_append_slice(&c->pages, body);
    struct page_note note = {
        .offset = from,
        .first_row = c->rows_cut,
        .byte_array_bytes = c->byte_array_bytes,
        .bytes = (uint32_t)(c->pages.n - from),
        .null_count = h->null_count,
    };
    note_bounds(c, &note);
    buf_append(&c->notes, &note, sizeof note);
    return c->pages.failed || c->notes.failed || c->shared->levels.failed ? no_room(f) : OK;
}

err
column_cut_page(struct column_writer *c, struct fault *f)
{
    err rc = OK;
    struct page_header h = {.type = PAGE_DATA_V2};
    enum parquet_encoding encoding = PARQUET_PLAIN;
    slice body;
    if (c->level_count == 0) {
        return OK;
    }
    if (c->level_count > INT32_MAX) {
        return FAULT(f, ERR_LIMIT, "parquet writer: column %.*s: a page of %zu entries is too large",
                     SL_FMT(c->leaf->field.name), c->level_count);
    }
    if (c->coded && c->options.dictionary == PARQUET_DICTIONARY_AUTO && c->rows_cut == 0 &&
        !dictionary_pays(c)) {
        TRY(column_leave_dictionary(c, f));
    }
    encode_levels(c, &h);
    TRY(encode_body(c, f, &h.compressed, &encoding, &body));
    h.value_count = (uint32_t)c->level_count;
    h.null_count = (uint32_t)(c->level_count - c->value_count);
    h.row_count = (uint32_t)c->row_count;
    h.encoding = (uint8_t)encoding;
    c->encodings |= (uint16_t)(1U << encoding | (c->leaf->max_def ? 1U << PARQUET_RLE : 0));
    TRY(store_page(c, &h, body, f));
    next_page(c);
    TRY(column_account(c, f));
out:
    return rc;
}

err
column_dictionary_page(struct column_writer *c, struct fault *f, slice *ret)
{
    struct writer_shared *s = c->shared;
    err rc = OK;
    *ret = SL_EMPTY;
    if (c->dict_used == 0) {
        return OK;
    }
    buf_clear(&s->body);
    buf_clear(&s->levels);
    for (uint32_t i = 0; i < (c->width ? 0 : c->dict_used); i++) {
        slice v = dict_value(&c->dict, i);
        uint32_t len = (uint32_t)v.n;
        buf_append(&s->body, &len, sizeof len);
        buf_append_slice(&s->body, v);
    }
    if (c->width) {
        buf_append(&s->body, c->dict.values.p, c->dict_used * c->width);
    }
    slice stored = buf_slice(&s->body);
    if (!c->options.uncompressed) { /* V1 style: always as the codec says */
        buf_clear(&s->packed);
        TRY(codec_encode_zstd(&s->codecs, stored, &s->packed, f));
        stored = buf_slice(&s->packed);
    }
    struct page_header h = {
        .type = PAGE_DICTIONARY,
        .uncompressed_bytes = (uint32_t)s->body.n,
        .compressed_bytes = (uint32_t)stored.n,
        .value_count = c->dict_used,
        .encoding = PARQUET_PLAIN,
        .crc = page_crc(0, stored),
    };
    page_header_write(&h, &s->levels);
    c->uncompressed_bytes += s->levels.n + s->body.n;
    buf_append_slice(&s->levels, stored);
    c->encodings |= 1U << PARQUET_PLAIN;
    if (s->levels.failed || s->body.failed || s->body.n > INT32_MAX) {
        return no_room(f);
    }
    *ret = buf_slice(&s->levels);
out:
    return rc;
}
