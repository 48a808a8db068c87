#include "http1_parser.h"

/* The chunked coding, a byte at a time outside the data and in one go inside it (RFC 9112, 7.1). */
enum {
    SIZE,     /* hex digits */
    EXT_NAME, /* after ';': a name must begin */
    EXT,      /* the rest of it */
    SIZE_LF,  /* after the CR of the size line */
    DATA,     /* `left` bytes */
    DATA_CR,  /* then CR */
    DATA_LF,  /* LF */
    TRAILER,  /* a trailer line, or the empty line */
    TRAIL_LF, /* after its CR */
    DONE,
    BAD,
};

void
http1_chunks_init(struct http1_chunks *c)
{
    *c = (struct http1_chunks){.state = SIZE, .line_empty = true};
}

static int
hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
is_text(uint8_t c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static uint8_t
on_size(struct http1_chunks *c, uint8_t byte)
{
    int digit = hex_digit(byte);
    if (digit >= 0) {
        if (c->digits == HTTP1_CHUNK_DIGITS_MAX) {
            return BAD;
        }
        c->digits++;
        c->left = c->left << 4 | (uint64_t)digit;
        return SIZE;
    }
    if (c->digits == 0) {
        return BAD;
    }
    return byte == ';' ? EXT_NAME : byte == '\r' ? SIZE_LF : BAD;
}

static uint8_t
on_ext(struct http1_chunks *c, uint8_t byte)
{
    if (byte == '\r') {
        return SIZE_LF;
    }
    if (!is_text(byte) || ++c->ext > HTTP1_CHUNK_EXT_MAX) {
        return BAD;
    }
    return byte == ';' ? EXT_NAME : EXT;
}

static uint8_t
on_size_lf(struct http1_chunks *c, uint8_t byte)
{
    c->digits = 0;
    if (byte != '\n') {
        return BAD;
    }
    return c->left ? DATA : TRAILER;
}

static uint8_t
on_trailer(struct http1_chunks *c, uint8_t byte)
{
    if (++c->trailer > HTTP1_TRAILER_MAX) {
        return BAD;
    }
    if (byte == '\r') {
        return c->line_empty || c->in_value ? TRAIL_LF : BAD;
    }
    if (c->in_value) {
        return is_text(byte) ? TRAILER : BAD;
    }
    c->in_value = byte == ':' && !c->line_empty;
    c->line_empty = false;
    return c->in_value || http1_is_token(byte) ? TRAILER : BAD;
}

static uint8_t
on_trail_lf(struct http1_chunks *c, uint8_t byte)
{
    if (byte != '\n') {
        return BAD;
    }
    if (c->line_empty) {
        return DONE;
    }
    c->line_empty = true;
    c->in_value = false;
    return TRAILER;
}

static uint8_t
on_byte(struct http1_chunks *c, uint8_t byte)
{
    switch (c->state) {
    case SIZE:
        return on_size(c, byte);
    case EXT_NAME:
        return http1_is_token(byte) ? on_ext(c, byte) : BAD;
    case EXT:
        return on_ext(c, byte);
    case SIZE_LF:
        return on_size_lf(c, byte);
    case DATA_CR:
        return byte == '\r' ? DATA_LF : BAD;
    case DATA_LF:
        return byte == '\n' ? SIZE : BAD;
    case TRAILER:
        return on_trailer(c, byte);
    case TRAIL_LF:
        return on_trail_lf(c, byte);
    default:
        return BAD;
    }
}

enum http1_chunk
http1_chunks_next(struct http1_chunks *c, slice *in, slice *ret_data)
{
    while (in->n && c->state != DONE && c->state != BAD) {
        if (c->state == DATA) {
            size_t n = c->left < in->n ? (size_t)c->left : in->n;
            *ret_data = slice_sub(*in, 0, n);
            *in = slice_sub(*in, n, in->n);
            c->left -= n;
            c->state = c->left ? DATA : DATA_CR;
            return CHUNK_DATA;
        }
        c->state = on_byte(c, in->p[0]);
        *in = slice_sub(*in, 1, in->n);
    }
    return c->state == DONE ? CHUNK_END : c->state == BAD ? CHUNK_BAD : CHUNK_MORE;
}
