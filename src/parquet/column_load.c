/* From a page in the file to levels and values: checksum, decompression, levels, then the value encodings. */
#include "bitpack.h"
#include "column_reader.h"
#include "enc.h"
#include "levels.h"
#include "varint.h"

/* The page's stored bytes, checked. */
static err
stored_bytes(struct parquet_column *c, const struct page_header *h, uint64_t off, struct fault *f, slice *ret)
{
    err rc = column_bytes_at(c, off, h->compressed_bytes, f, ret);
    if (rc == OK && h->has_crc && page_crc(0, *ret) != h->crc) {
        return FAULT(f, ERR_CORRUPT, "parquet page at %llu: the checksum is wrong", (unsigned long long)off);
    }
    return rc;
}

/* `in` decompressed to `n` bytes, in `room` unless it stands as it is. */
static err
unpack(struct parquet_column *c, slice in, size_t n, struct room *room, struct fault *f, slice *ret)
{
    err rc = OK;
    if (c->chunk->codec == PARQUET_UNCOMPRESSED || (in.n == 0 && n == 0)) {
        if (in.n != n) {
            return FAULT(f, ERR_CORRUPT, "parquet page: %zu bytes where %zu are due", in.n, n);
        }
        *ret = in;
        return OK;
    }
    TRY(room_take(c, room, n, f));
    TRY(codec_decode(&c->scratch->codecs, c->chunk->codec, in, room->p, n, f));
    *ret = slice_of(room->p, n);
out:
    return rc;
}

/* Levels in `in` into `room`: as many as the page has entries. */
static err
read_levels(struct parquet_column *c, slice in, uint8_t max, struct room *room, struct fault *f)
{
    err rc = OK;
    size_t n = c->header.value_count;
    uint8_t top = 0;
    TRY(room_take(c, room, n, f));
    TRY(rle_decode_u8(in, bits_width(max), room->p, n, f));
    top = levels_max(room->p, n);
    if (top > max) {
        return FAULT(f, ERR_CORRUPT, "parquet page: a level is %u where %u is the highest", top, max);
    }
out:
    return rc;
}

/* V1: levels come with their length in front, inside the compressed bytes. */
static err
split_v1(slice *body, unsigned encoding, uint8_t max, struct fault *f, slice *ret)
{
    *ret = SL_EMPTY;
    if (max == 0) {
        return OK;
    }
    if (encoding != PARQUET_RLE) {
        return FAULT(f, ERR_UNSUPPORTED, "parquet page: levels in encoding %s",
                     parquet_encoding_name((enum parquet_encoding)encoding));
    }
    uint32_t n = body->n >= 4 ? load_u32(body->p) : UINT32_MAX;
    if (body->n < 4 || n > body->n - 4) {
        return FAULT(f, ERR_CORRUPT, "parquet page: its levels run past its end");
    }
    *ret = slice_sub(*body, 4, n);
    *body = slice_sub(*body, 4 + (size_t)n, body->n);
    return OK;
}

static err
split_page(struct parquet_column *c, slice stored, struct fault *f)
{
    const struct page_header *h = &c->header;
    err rc = OK;
    c->packed = false;
    if (h->type == PAGE_DATA) {
        TRY(unpack(c, stored, h->uncompressed_bytes, &c->body, f, &c->values));
        TRY(split_v1(&c->values, h->rep_encoding, c->leaf->max_rep, f, &c->rep_bits));
        TRY(split_v1(&c->values, h->def_encoding, c->leaf->max_def, f, &c->def_bits));
        return OK;
    }
    /* The header's parser has seen that both level parts fit both sizes. */
    size_t levels = (size_t)h->rep_bytes + h->def_bytes;
    c->rep_bits = slice_sub(stored, 0, h->rep_bytes);
    c->def_bits = slice_sub(stored, h->rep_bytes, h->def_bytes);
    c->values = slice_sub(stored, levels, stored.n);
    c->packed = h->compressed && c->values.n > 0;
out:
    return rc;
}

/* V2 keeps levels apart: values are decompressed when they are asked for. */
static err
unpack_values(struct parquet_column *c, struct fault *f)
{
    const struct page_header *h = &c->header;
    err rc = OK;
    if (c->packed) {
        const size_t levels = (size_t)h->rep_bytes + h->def_bytes;
        TRY(unpack(c, c->values, h->uncompressed_bytes - levels, &c->body, f, &c->values));
        c->packed = false;
    }
out:
    return rc;
}

static err
column_unpack(struct parquet_column *c, struct fault *f)
{
    err rc = OK;
    slice stored = SL_EMPTY;
    if (c->unpacked) {
        return OK;
    }
    TRY(stored_bytes(c, &c->header, c->body_off, f, &stored));
    TRY(split_page(c, stored, f));
    c->unpacked = true;
out:
    return rc;
}

err
column_load(struct parquet_column *c, struct fault *f)
{
    err rc = OK;
    size_t n = c->header.value_count;
    if (c->loaded) {
        return OK;
    }
    TRY(column_unpack(c, f));
    c->value_count = n;
    if (c->leaf->max_rep > 0) {
        TRY(read_levels(c, c->rep_bits, c->leaf->max_rep, &c->rep, f));
    }
    if (c->leaf->max_def > 0) {
        TRY(read_levels(c, c->def_bits, c->leaf->max_def, &c->def, f));
        c->value_count = levels_count(c->def.p, n, c->leaf->max_def);
    }
    c->loaded = true;
out:
    return rc;
}

/* The same into the caller's mask. */
static err
load_mask(struct parquet_column *c, struct fault *f)
{
    err rc = OK;
    if (c->leaf->max_def != 1 || c->leaf->max_rep != 0) {
        return FAULT(f, ERR_INVALID, "parquet column: its levels are more than a bit");
    }
    TRY(column_unpack(c, f));
    TRY(rle_decode_mask(c->def_bits, c->mask, c->mask_at, c->header.value_count, f, &c->value_count));
    c->masked = true;
out:
    c->mask = NULL;
    return rc;
}

/* Numbers and fixed bytes in PLAIN encoding: in place where they are aligned. */
static err
plain_fixed(struct parquet_column *c, slice in, size_t n, struct room *room, struct fault *f,
            const void **ret)
{
    err rc = OK;
    size_t width = parquet_value_bytes(c->leaf), align = width == 4 || width == 8 ? width : 1;
    if (in.n / width < n) {
        return FAULT(f, ERR_CORRUPT, "parquet plain: %zu bytes for %zu values of %zu", in.n, n, width);
    }
    if (((uintptr_t)in.p & (align - 1)) == 0) {
        *ret = in.p;
        return OK;
    }
    TRY(room_take(c, room, (uint64_t)n * width, f));
    TRY(plain_decode_fixed(in, width, room->p, n, f));
    *ret = room->p;
out:
    return rc;
}

static err
decode_plain(struct parquet_column *c, slice in, size_t n, struct room *room, struct fault *f,
             const void **ret)
{
    err rc = OK;
    switch (c->leaf->field.type) {
    case PARQUET_BOOLEAN:
        TRY(room_take(c, room, n, f));
        TRY(plain_decode_bools(in, room->p, n, f));
        *ret = room->p;
        break;
    case PARQUET_BYTE_ARRAY:
        if (in.n / 4 < n) { /* before memory is taken for them */
            return FAULT(f, ERR_CORRUPT, "parquet plain: %zu bytes for %zu strings", in.n, n);
        }
        TRY(room_take(c, room, (uint64_t)n * sizeof(slice), f));
        TRY(plain_decode_bytes(in, (slice *)(void *)room->p, n, f));
        *ret = room->p;
        break;
    default:
        TRY(plain_fixed(c, in, n, room, f, ret));
        break;
    }
out:
    return rc;
}

/* Slices into c->typed; fixed-length values stand one after another in c->strings. */
static err
decode_delta_strings(struct parquet_column *c, slice in, size_t n, struct fault *f, const void **ret)
{
    err rc = OK;
    TRY(room_take(c, &c->lengths, (uint64_t)n * 2 * sizeof(int32_t), f));
    struct delta_strings d = {.prefixes = (int32_t *)(void *)c->lengths.p};
    d.lengths = d.prefixes + n;
    TRY(delta_strings_open(in, n, &d, f));
    if (d.bytes > c->scratch->limits.page_bytes_max) {
        return FAULT(f, ERR_LIMIT, "parquet delta: strings of %zu bytes, the limit is %zu", d.bytes,
                     c->scratch->limits.page_bytes_max);
    }
    size_t width = parquet_value_bytes(c->leaf);
    for (size_t i = 0; width && i < n; i++) {
        if ((size_t)d.prefixes[i] + (size_t)d.lengths[i] != width) {
            return FAULT(f, ERR_CORRUPT, "parquet delta: value %zu has not %zu bytes", i, width);
        }
    }
    TRY(room_take(c, &c->strings, d.bytes, f));
    TRY(room_take(c, &c->typed, (uint64_t)n * sizeof(slice), f));
    delta_strings_join(&d, n, c->strings.p, (slice *)(void *)c->typed.p);
    *ret = width ? c->strings.p : c->typed.p;
out:
    return rc;
}

static err
decode_rle_bools(slice in, uint8_t *out, size_t n, struct fault *f)
{
    uint32_t bytes = in.n >= 4 ? load_u32(in.p) : UINT32_MAX;
    if (in.n < 4 || bytes > in.n - 4) {
        return FAULT(f, ERR_CORRUPT, "parquet RLE: booleans run past the page");
    }
    return rle_decode_u8(slice_sub(in, 4, bytes), 1, out, n, f);
}

bool
column_encoding_fits(unsigned encoding, enum parquet_type type)
{
    switch (encoding) {
    case PARQUET_PLAIN:
        return true;
    case PARQUET_RLE:
        return type == PARQUET_BOOLEAN;
    case PARQUET_DELTA_BINARY_PACKED:
        return type == PARQUET_INT32 || type == PARQUET_INT64;
    case PARQUET_DELTA_LENGTH_BYTE_ARRAY:
        return type == PARQUET_BYTE_ARRAY;
    case PARQUET_DELTA_BYTE_ARRAY:
        return type == PARQUET_BYTE_ARRAY || type == PARQUET_FIXED;
    case PARQUET_BYTE_STREAM_SPLIT:
        return type != PARQUET_BYTE_ARRAY && type != PARQUET_BOOLEAN && type != PARQUET_INT96;
    default:
        return false;
    }
}

/* Bytes a value takes in c->typed. */
static size_t
typed_bytes(const struct parquet_column *c)
{
    enum parquet_type type = c->leaf->field.type;
    return type == PARQUET_BYTE_ARRAY ? sizeof(slice)
           : type == PARQUET_BOOLEAN  ? 1
                                      : parquet_value_bytes(c->leaf);
}

/* Memory for what a decode gives: the caller's where there is enough of it. */
static err
take_output(struct parquet_column *c, struct room *room, uint64_t bytes, struct fault *f, void **ret)
{
    err rc = OK;
    if (c->into && bytes <= c->into_bytes) {
        *ret = c->into;
        return OK;
    }
    TRY(room_take(c, room, bytes, f));
    *ret = room->p;
out:
    return rc;
}

static err
decode_other(struct parquet_column *c, size_t n, struct fault *f, const void **ret)
{
    enum parquet_type type = c->leaf->field.type;
    unsigned encoding = c->header.encoding;
    size_t used = 0;
    void *numbers = NULL;
    err rc = OK;
    if (!column_encoding_fits(encoding, type)) {
        return FAULT(f, ERR_UNSUPPORTED, "parquet page: encoding %s for type %s",
                     parquet_encoding_name((enum parquet_encoding)encoding), parquet_type_name(type));
    }
    if (encoding == PARQUET_DELTA_BYTE_ARRAY) {
        return decode_delta_strings(c, c->values, n, f, ret);
    }
    if (encoding == PARQUET_DELTA_BINARY_PACKED) {
        TRY(take_output(c, &c->typed, (uint64_t)n * typed_bytes(c), f, &numbers));
        *ret = numbers;
        return type == PARQUET_INT32 ? delta_decode_i32(c->values, numbers, n, f, &used)
                                     : delta_decode_i64(c->values, numbers, n, f, &used);
    }
    TRY(room_take(c, &c->typed, (uint64_t)n * typed_bytes(c), f));
    void *out = c->typed.p;
    *ret = out;
    if (encoding == PARQUET_RLE) {
        return decode_rle_bools(c->values, out, n, f);
    }
    if (encoding == PARQUET_BYTE_STREAM_SPLIT) {
        return split_decode(c->values, parquet_value_bytes(c->leaf), out, n, f);
    }
    TRY(room_take(c, &c->lengths, (uint64_t)n * sizeof(int32_t), f));
    TRY(delta_length_decode(c->values, (int32_t *)(void *)c->lengths.p, out, n, f));
out:
    return rc;
}

/* Codes of the values [from, from + n); `outside`: not in c->codes when the caller has memory for them. */
static err
decode_codes(struct parquet_column *c, size_t from, size_t n, bool outside, struct fault *f,
             const uint32_t **ret)
{
    err rc = OK;
    uint32_t top = 0;
    void *out = NULL;
    if (c->dictionary_state == DICTIONARY_UNKNOWN) {
        TRY(column_load_dictionary(c, f));
    }
    if (c->dictionary_state == DICTIONARY_NONE) {
        return FAULT(f, ERR_CORRUPT, "parquet page: codes without a dictionary");
    }
    unsigned width = c->values.p && c->values.n ? c->values.p[0] : 33;
    if (width > 32) {
        return FAULT(f, ERR_CORRUPT, "parquet page: codes of %u bits", width);
    }
    if (outside) {
        TRY(take_output(c, &c->codes, (uint64_t)n * sizeof(uint32_t), f, &out));
    } else {
        TRY(room_take(c, &c->codes, (uint64_t)n * sizeof(uint32_t), f));
        out = c->codes.p;
    }
    uint32_t *codes = out;
    TRY(rle_decode_part_u32(slice_sub(c->values, 1, c->values.n), width, from, codes, n, f));
    top = codes_max(codes, n);
    if (top >= c->dictionary.count) {
        return FAULT(f, ERR_CORRUPT, "parquet page: code %u in a dictionary of %zu", top,
                     c->dictionary.count);
    }
    *ret = codes;
out:
    return rc;
}

static err
look_up(struct parquet_column *c, size_t n, struct fault *f)
{
    err rc = OK;
    const uint32_t *codes = (const uint32_t *)(const void *)c->codes.p;
    size_t width = typed_bytes(c);
    TRY(room_take(c, &c->typed, (uint64_t)n * width, f));
    if (width == 4) {
        uint32_t *out = (uint32_t *)(void *)c->typed.p;
        for (size_t i = 0; i < n; i++) {
            out[i] = ((const uint32_t *)c->dictionary.raw)[codes[i]];
        }
    } else if (width == 8) {
        uint64_t *out = (uint64_t *)(void *)c->typed.p;
        for (size_t i = 0; i < n; i++) {
            out[i] = ((const uint64_t *)c->dictionary.raw)[codes[i]];
        }
    } else if (c->leaf->field.type == PARQUET_BYTE_ARRAY) {
        slice *out = (slice *)(void *)c->typed.p;
        for (size_t i = 0; i < n; i++) {
            out[i] = c->dictionary.bytes[codes[i]];
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            memcpy(c->typed.p + i * width, c->dictionary.fixed + codes[i] * width, width);
        }
    }
out:
    return rc;
}

/* The values [from, from + n) of the page's `all`. */
static err
decode_values(struct parquet_column *c, enum parquet_decode how, size_t from, size_t n, size_t all,
              struct fault *f, struct parquet_vector *v)
{
    err rc = OK;
    TRY(unpack_values(c, f));
    if (n == 0) {
        v->values.raw = "";
    } else if (c->page.coded) {
        const uint32_t *codes = NULL;
        TRY(decode_codes(c, from, n, how != PARQUET_DECODE_VALUES, f, &codes));
        if (how == PARQUET_DECODE_VALUES) {
            TRY(look_up(c, n, f));
            v->values.raw = c->typed.p;
        } else {
            v->codes = codes;
        }
    } else if (c->header.encoding == PARQUET_PLAIN) {
        TRY(decode_plain(c, c->values, all, &c->typed, f, &v->values.raw));
    } else {
        TRY(decode_other(c, all, f, &v->values.raw));
    }
    if (n && !c->page.coded) {
        v->values.raw = (const uint8_t *)v->values.raw + from * typed_bytes(c);
    }
out:
    c->into = NULL;
    return rc;
}

void
parquet_column_into(struct parquet_column *c, void *p, size_t bytes)
{
    c->into = p;
    c->into_bytes = bytes;
}

void
parquet_column_mask(struct parquet_column *c, uint64_t *mask, size_t at)
{
    c->mask = mask;
    c->mask_at = at;
}

/* The rows a V2 header claims must be those its levels begin. */
static err
check_rows(const struct parquet_column *c, struct fault *f)
{
    if (c->leaf->max_rep == 0) {
        return OK;
    }
    size_t rows = levels_count(c->rep.p, c->header.value_count, 0);
    return rows == c->page.row_count
               ? OK
               : FAULT(f, ERR_CORRUPT, "parquet page: %zu rows where its header or index says %u", rows,
                       c->page.row_count);
}

err
parquet_column_decode(struct parquet_column *c, enum parquet_decode how, struct fault *f,
                      struct parquet_vector *ret)
{
    err rc = OK;
    struct parquet_vector v = {.page = c->page};
    if (!c->chunk || !c->have_page || c->pending) {
        return FAULT(f, ERR_INVALID, "parquet column: no page to decode");
    }
    if (c->mask) {
        TRY(load_mask(c, f));
    } else if (!c->masked) {
        TRY(column_load(c, f));
    }
    TRY(check_rows(c, f));
    if (how != PARQUET_DECODE_LEVELS) {
        TRY(decode_values(c, how, 0, c->value_count, c->value_count, f, &v));
    }
    v.values.count = c->value_count;
    v.rep = c->leaf->max_rep > 0 ? c->rep.p : NULL;
    v.def = c->value_count < c->header.value_count && !c->masked ? c->def.p : NULL;
    *ret = v;
out:
    return rc;
}

/* Where rows [from, to) of the page stand in its levels and values. */
struct span_of_rows {
    size_t level_from, level_to, value_from, value_to, value_all;
};

/* Lists: all levels are decoded and walked. */
static void
find_in_lists(const struct parquet_column *c, size_t from, size_t to, struct span_of_rows *ret)
{
    size_t n = c->header.value_count, row = 0, i = 0;
    uint8_t max = c->leaf->max_def;
    for (; i < n && (row += c->rep.p[i] == 0) <= from; i++) {
    }
    ret->level_from = i;
    for (; i < n && (i == ret->level_from || (row += c->rep.p[i] == 0) <= to); i++) {
    }
    ret->level_to = i;
    ret->value_from = levels_count(c->def.p, ret->level_from, max);
    ret->value_to = ret->value_from + levels_count(c->def.p + ret->level_from, i - ret->level_from, max);
    ret->value_all = c->value_count;
}

/* Levels of the rows alone, at the start of c->def. */
static err
find_by_count(struct parquet_column *c, size_t from, size_t to, struct fault *f, struct span_of_rows *ret)
{
    err rc = OK;
    uint8_t top = 0, max = c->leaf->max_def;
    struct rle_part part = {.total = c->header.value_count, .from = from, .n = to - from, .x = max};
    c->loaded = false; /* c->def is no longer the whole page's */
    TRY(room_take(c, &c->def, to - from, f));
    TRY(rle_decode_part_u8(c->def_bits, bits_width(max), &part, c->def.p, f));
    top = levels_max(c->def.p, to - from);
    if (top > max) {
        return FAULT(f, ERR_CORRUPT, "parquet page: a level is %u where %u is the highest", top, max);
    }
    *ret = (struct span_of_rows){from, to, part.before, part.before, part.all};
    ret->value_to += levels_count(c->def.p, to - from, max);
out:
    return rc;
}

err
parquet_column_decode_rows(struct parquet_column *c, enum parquet_decode how, uint64_t from, uint64_t to,
                           struct fault *f, struct parquet_vector *ret)
{
    err rc = OK;
    struct parquet_vector v = {.page = c->page};
    uint64_t first = c->page.first_row, end = first + c->page.row_count;
    if (!c->chunk || !c->have_page || c->pending) {
        return FAULT(f, ERR_INVALID, "parquet column: no page to decode");
    }
    from = from > first ? from : first;
    to = to < end ? to : end;
    if (from >= to) {
        return FAULT(f, ERR_INVALID, "parquet column: the page has none of these rows");
    }
    struct span_of_rows s = {from - first, to - first, from - first, to - first, c->header.value_count};
    if (c->leaf->max_rep > 0) {
        TRY(column_load(c, f));
        TRY(check_rows(c, f));
        if (c->rep.p[0] > 0) {
            return FAULT(f, ERR_UNSUPPORTED, "parquet page: it begins within a row");
        }
        find_in_lists(c, (size_t)(from - first), (size_t)(to - first), &s);
        v.rep = c->rep.p + s.level_from;
        v.def = c->def.p + s.level_from;
    } else {
        TRY(column_unpack(c, f));
        if (c->leaf->max_def > 0) {
            TRY(find_by_count(c, (size_t)(from - first), (size_t)(to - first), f, &s));
            v.def = c->def.p;
        }
    }
    v.page.first_row = from;
    v.page.row_count = (uint32_t)(to - from);
    v.page.level_count = (uint32_t)(s.level_to - s.level_from);
    v.values.count = s.value_to - s.value_from;
    if (how != PARQUET_DECODE_LEVELS) {
        TRY(decode_values(c, how, s.value_from, v.values.count, s.value_all, f, &v));
    }
    v.def = v.values.count < v.page.level_count ? v.def : NULL;
    *ret = v;
out:
    return rc;
}

/* The dictionary is read through a window of its own: the page's bytes stay where they are. */
static void
swap_windows(struct parquet_column *c, uint64_t *off, size_t *n)
{
    struct room room = c->window;
    uint64_t window_off = c->window_off;
    size_t window_n = c->window_n;
    c->window = c->dictionary_window;
    c->window_off = *off;
    c->window_n = *n;
    c->dictionary_window = room;
    *off = window_off;
    *n = window_n;
}

static err
load_dictionary(struct parquet_column *c, struct fault *f)
{
    err rc = OK;
    struct page_header h;
    uint64_t off = 0;
    slice stored = SL_EMPTY, body = SL_EMPTY;
    const void *values = NULL;
    if (c->index && c->index->page_count && c->index->pages[0].offset > c->chunk->offset) {
        TRY(column_bytes_at(c, c->chunk->offset, c->index->pages[0].offset - c->chunk->offset, f, &stored));
    }
    TRY(column_header_at(c, c->chunk->offset, f, &h, &off));
    if (h.type != PAGE_DICTIONARY) {
        c->dictionary_state = DICTIONARY_NONE;
        return OK;
    }
    if (h.encoding != PARQUET_PLAIN && h.encoding != PARQUET_PLAIN_DICTIONARY) {
        return FAULT(f, ERR_UNSUPPORTED, "parquet dictionary: encoding %s",
                     parquet_encoding_name((enum parquet_encoding)h.encoding));
    }
    TRY(stored_bytes(c, &h, off, f, &stored));
    TRY(unpack(c, stored, h.uncompressed_bytes, &c->dictionary_body, f, &body));
    if (c->chunk->codec == PARQUET_UNCOMPRESSED) { /* out of the window, which moves on */
        TRY(room_take(c, &c->dictionary_body, body.n, f));
        if (body.n) {
            memcpy(c->dictionary_body.p, body.p, body.n);
        }
        body.p = c->dictionary_body.p;
    }
    TRY(decode_plain(c, body, h.value_count, &c->dictionary_typed, f, &values));
    c->dictionary = (struct parquet_values){.count = h.value_count, .raw = values};
    c->dictionary_state = DICTIONARY_READ;
out:
    return rc;
}

err
column_load_dictionary(struct parquet_column *c, struct fault *f)
{
    uint64_t off = 0;
    size_t n = 0;
    swap_windows(c, &off, &n);
    err rc = load_dictionary(c, f);
    swap_windows(c, &off, &n);
    return rc;
}
