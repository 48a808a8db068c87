#include "page.h"

struct header_seen {
    bool type, sizes[2], body;
};

static uint32_t
size_field(struct thrift_reader *t, const struct thrift_field *fl)
{
    int64_t v = thrift_int(t, fl);
    if (v < 0 || v > INT32_MAX) {
        thrift_fail(t, "a size is negative or too large");
        return 0;
    }
    return (uint32_t)v;
}

static uint8_t
encoding_field(struct thrift_reader *t, const struct thrift_field *fl)
{
    int64_t v = thrift_int(t, fl);
    return v >= 0 && v < PARQUET_ENCODING_COUNT ? (uint8_t)v : PARQUET_ENCODING_COUNT;
}

static void
parse_v1(struct thrift_reader *t, struct page_header *h)
{
    struct thrift_field d = {0};
    bool values = false, encoding = false;
    h->compressed = true;
    while (thrift_next(t, &d)) {
        if (d.id == 1) {
            h->value_count = size_field(t, &d);
            values = true;
        } else if (d.id == 2) {
            h->encoding = encoding_field(t, &d);
            encoding = true;
        } else if (d.id == 3 && h->type == PAGE_DATA) {
            h->def_encoding = encoding_field(t, &d);
        } else if (d.id == 4 && h->type == PAGE_DATA) {
            h->rep_encoding = encoding_field(t, &d);
        } else {
            thrift_skip(t, &d);
        }
    }
    if (!values || !encoding) {
        thrift_fail(t, "a required field is missing");
    }
}

static void
parse_v2(struct thrift_reader *t, struct page_header *h)
{
    struct thrift_field d = {0};
    unsigned seen = 0;
    h->compressed = true;
    while (thrift_next(t, &d)) {
        seen |= d.id > 0 && d.id < 8 ? 1U << d.id : 0;
        switch (d.id) {
        case 1:
            h->value_count = size_field(t, &d);
            break;
        case 2:
            h->null_count = size_field(t, &d);
            break;
        case 3:
            h->row_count = size_field(t, &d);
            break;
        case 4:
            h->encoding = encoding_field(t, &d);
            break;
        case 5:
            h->def_bytes = size_field(t, &d);
            break;
        case 6:
            h->rep_bytes = size_field(t, &d);
            break;
        case 7:
            h->compressed = thrift_bool(t, &d);
            break;
        default:
            thrift_skip(t, &d);
        }
    }
    if ((seen & 0x7e) != 0x7e) {
        thrift_fail(t, "a required field is missing");
    } else if (h->null_count > h->value_count || h->row_count > h->value_count ||
               (uint64_t)h->def_bytes + h->rep_bytes > h->compressed_bytes ||
               (uint64_t)h->def_bytes + h->rep_bytes > h->uncompressed_bytes) {
        thrift_fail(t, "its counts do not fit together");
    }
}

static void
parse_body(struct thrift_reader *t, const struct thrift_field *fl, struct page_header *h,
           struct header_seen *seen)
{
    static const uint8_t body_of[] = {
        [5] = PAGE_DATA, [6] = PAGE_INDEX, [7] = PAGE_DICTIONARY, [8] = PAGE_DATA_V2};
    if (body_of[fl->id] != h->type || !seen->sizes[0] || !seen->sizes[1] || h->type == PAGE_INDEX) {
        thrift_skip(t, fl);
        return;
    }
    seen->body = true;
    if (!thrift_enter(t, fl)) {
        return;
    }
    if (h->type == PAGE_DATA_V2) {
        parse_v2(t, h);
    } else {
        parse_v1(t, h);
    }
}

err
page_header_parse(slice in, struct fault *f, struct page_header *ret, size_t *ret_used)
{
    struct thrift_reader t;
    struct thrift_field fl = {0};
    struct page_header h = {.type = PAGE_INDEX};
    struct header_seen seen = {0};
    thrift_open(&t, in);
    while (thrift_next(&t, &fl)) {
        switch (fl.id) {
        case 1: {
            int64_t type = thrift_int(&t, &fl);
            seen.type = type >= PAGE_DATA && type <= PAGE_DATA_V2;
            h.type = seen.type ? (enum page_type)type : PAGE_INDEX;
            break;
        }
        case 2:
            h.uncompressed_bytes = size_field(&t, &fl);
            seen.sizes[0] = true;
            break;
        case 3:
            h.compressed_bytes = size_field(&t, &fl);
            seen.sizes[1] = true;
            break;
        case 4:
            h.crc = (uint32_t)thrift_int(&t, &fl);
            h.has_crc = true;
            break;
        case 5:
        case 6:
        case 7:
        case 8:
            parse_body(&t, &fl, &h, &seen);
            break;
        default:
            thrift_skip(&t, &fl);
        }
    }
    if (!seen.type || !seen.sizes[0] || !seen.sizes[1] || (!seen.body && h.type != PAGE_INDEX)) {
        thrift_fail(&t, "a required field is missing");
    }
    err rc = thrift_check(&t, "page header", f);
    if (rc == OK) {
        *ret = h;
        *ret_used = (size_t)(t.p - in.p);
    }
    return rc;
}

void
page_header_write(const struct page_header *h, struct buf *out)
{
    struct thrift_writer t;
    thrift_begin(&t, out);
    thrift_put_int(&t, 1, THRIFT_I32, h->type);
    thrift_put_int(&t, 2, THRIFT_I32, h->uncompressed_bytes);
    thrift_put_int(&t, 3, THRIFT_I32, h->compressed_bytes);
    thrift_put_int(&t, 4, THRIFT_I32, (int32_t)h->crc);
    if (h->type == PAGE_DICTIONARY) {
        thrift_put_struct(&t, 7);
        thrift_put_int(&t, 1, THRIFT_I32, h->value_count);
        thrift_put_int(&t, 2, THRIFT_I32, h->encoding);
    } else {
        thrift_put_struct(&t, 8);
        thrift_put_int(&t, 1, THRIFT_I32, h->value_count);
        thrift_put_int(&t, 2, THRIFT_I32, h->null_count);
        thrift_put_int(&t, 3, THRIFT_I32, h->row_count);
        thrift_put_int(&t, 4, THRIFT_I32, h->encoding);
        thrift_put_int(&t, 5, THRIFT_I32, h->def_bytes);
        thrift_put_int(&t, 6, THRIFT_I32, h->rep_bytes);
        thrift_put_bool(&t, 7, h->compressed);
    }
    thrift_put_stop(&t);
    buf_append_byte(out, THRIFT_STOP);
}
