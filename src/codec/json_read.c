#include "json_priv.h"
#include "wire_priv.h"

#include "vivace/base/mem.h"
#include "vivace/base/utf8.h"

#include <stdio.h>
#include <stdlib.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

const char json_text_memory[] = "the strings take more memory than the limit";

enum state {
    WANT_VALUE,
    WANT_VALUE_OR_END, /* behind '[' */
    WANT_KEY_OR_END,   /* behind '{' */
    WANT_KEY,          /* behind ',' in an object */
    WANT_COMMA_OR_END, /* behind a member or element */
    COMPLETE,
    FAILED,
};

void
json_reader_init(struct json_reader *r, slice in, struct arena *arena)
{
    *r = (struct json_reader){.in = in, .arena = arena, .state = WANT_VALUE};
}

static enum json_event
fail(struct json_reader *r, const char *text)
{
    r->error = text;
    r->state = FAILED;
    return JSON_ERROR;
}

static enum json_event
fail_here(struct json_reader *r, const char *text)
{
    return fail(r, r->at < r->in.n ? text : "unexpected end of JSON input");
}

static bool
in_object(const struct json_reader *r)
{
    unsigned level = r->depth - 1U;
    return (r->stack[level / 8] >> (level % 8) & 1) != 0;
}

static bool
push(struct json_reader *r, bool object)
{
    if (r->depth == JSON_DEPTH_MAX) {
        fail(r, "JSON nested too deep");
        return false;
    }
    unsigned level = r->depth++;
    uint8_t bit = (uint8_t)(1U << (level % 8));
    r->stack[level / 8] = (uint8_t)(object ? r->stack[level / 8] | bit : r->stack[level / 8] & ~bit);
    return true;
}

static void
value_done(struct json_reader *r)
{
    r->state = r->depth == 0 ? COMPLETE : WANT_COMMA_OR_END;
}

static inline void
skip_space(struct json_reader *r)
{
    if (r->at < r->in.n && r->in.p[r->at] > ' ') {
        return;
    }
    while (r->at < r->in.n) {
        uint8_t c = r->in.p[r->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
            break;
        }
        r->at++;
    }
}

/* --- strings ----------------------------------------------------------------------------------------------
 */

/* What one walk over a string found. */
struct string_scan {
    slice raw;      /* between the quotes */
    size_t invalid; /* bytes that are not UTF-8 */
    bool escaped;
};

static bool
hex4(const uint8_t *p, const uint8_t *end, uint32_t *ret)
{
    uint32_t v = 0;
    if (end - p < 4) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i], low = c | 0x20;
        if (c >= '0' && c <= '9') {
            v = v << 4 | (uint32_t)(c - '0');
        } else if (low >= 'a' && low <= 'f') {
            v = v << 4 | (uint32_t)(low - 'a' + 10);
        } else {
            return false;
        }
    }
    *ret = v;
    return true;
}

/* Bytes of the escape at p, which is a backslash; 0 when it is not one. */
static size_t
escape_bytes(const uint8_t *p, const uint8_t *end)
{
    uint32_t v;
    if (end - p < 2) {
        return 0;
    }
    if (p[1] == 'u') {
        return hex4(p + 2, end, &v) ? 6 : 0;
    }
    return p[1] != 0 && strchr("\"\\/bfnrt", p[1]) != NULL ? 2 : 0;
}

/* The first byte from p on that is not plain: a quote, a backslash, a control character or beyond ASCII.
 * Looks at sixteen or eight at a time; where less than eight are left before `end` it gives up early. */
static inline const uint8_t *
skip_plain(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_cmplt_epi8(v, _mm_set1_epi8(' ')); /* signed: beyond ASCII is below zero */
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
        int mask = _mm_movemask_epi8(hit);
        if (mask != 0) {
            return p + __builtin_ctz((unsigned)mask);
        }
    }
#endif
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    for (; end - p >= 8; p += 8) {
        uint64_t v = wire_load64(p), quote = v ^ (ones * '"'), slash = v ^ (ones * '\\');
        uint64_t hit = ((v - ones * 0x20) & ~v) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | v;
        hit &= tops; /* the lowest bit is right; a borrow may set some above it */
        if (hit != 0) {
            return p + __builtin_ctzll(hit) / 8;
        }
    }
    return p;
}

/* r->at is behind the opening quote; behind the closing one on success. */
static bool
string_scan(struct json_reader *r, struct string_scan *ret)
{
    const uint8_t *start = r->in.p + r->at, *p = start, *end = r->in.p + r->in.n;
    struct string_scan s = {0};
    for (;;) {
        p = skip_plain(p, end);
        r->at = (size_t)(p - r->in.p);
        if (p == end) {
            fail_here(r, "");
            return false;
        }
        if (*p == '"') {
            break;
        }
        if (*p < 0x20) {
            fail(r, "invalid character in string literal");
            return false;
        }
        size_t n = *p == '\\' ? escape_bytes(p, end) : utf8_char_bytes(p, (size_t)(end - p));
        if (*p == '\\') {
            if (n == 0) {
                fail(r, "invalid escape in string literal");
                return false;
            }
            s.escaped = true;
        } else if (n == 0) {
            s.invalid++;
            n = 1;
        }
        p += n;
    }
    s.raw = (slice){start, (size_t)(p - start)};
    r->at++;
    *ret = s;
    return true;
}

static uint8_t *
utf8_write(uint8_t *w, uint32_t c)
{
    if (c < 0x80) {
        *w++ = (uint8_t)c;
    } else if (c < 0x800) {
        *w++ = (uint8_t)(0xc0 | c >> 6);
        *w++ = (uint8_t)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *w++ = (uint8_t)(0xe0 | c >> 12);
        *w++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        *w++ = (uint8_t)(0x80 | (c & 0x3f));
    } else {
        *w++ = (uint8_t)(0xf0 | c >> 18);
        *w++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        *w++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        *w++ = (uint8_t)(0x80 | (c & 0x3f));
    }
    return w;
}

/* The character of the escape at *p, which is well formed; *p moves behind it. */
static uint32_t
escape_read(const uint8_t **p, const uint8_t *end)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    uint32_t c = 0xfffd, low;
    if ((*p)[1] != 'u') {
        c = (*p)[1];
        const char *at = strchr(from, (int)c);
        *p += 2;
        return at != NULL ? (uint32_t)to[at - from] : c;
    }
    (void)hex4(*p + 2, end, &c);
    *p += 6;
    if (c < 0xd800 || c > 0xdfff) {
        return c;
    }
    if (c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u' && hex4(*p + 2, end, &low) &&
        low >= 0xdc00 && low <= 0xdfff) {
        *p += 6;
        return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    return 0xfffd;
}

/* Escapes only shrink; a byte that is not UTF-8 becomes the three of U+FFFD. */
static bool
string_unescape(struct json_reader *r, const struct string_scan *s)
{
    uint8_t *start = arena_alloc(r->arena, s->raw.n + 2 * s->invalid), *w = start;
    if (start == NULL) {
        fail(r, json_text_memory);
        return false;
    }
    const uint8_t *p = s->raw.p, *end = p + s->raw.n;
    while (p < end) {
        if (*p == '\\') {
            w = utf8_write(w, escape_read(&p, end));
            continue;
        }
        size_t n = utf8_char_bytes(p, (size_t)(end - p));
        if (n == 0) {
            w = utf8_write(w, 0xfffd);
            p++;
        } else {
            memcpy(w, p, n);
            w += n;
            p += n;
        }
    }
    r->text = (slice){start, (size_t)(w - start)};
    return true;
}

/* r->at is at the opening quote. */
static bool
string_read(struct json_reader *r, bool keep)
{
    struct string_scan s;
    const uint8_t *start = r->in.p + ++r->at, *end = r->in.p + r->in.n, *p = skip_plain(start, end);
    if (p < end && *p == '"') { /* nothing but plain bytes, as nearly always */
        r->text = (slice){start, (size_t)(p - start)};
        r->at += r->text.n + 1;
        return true;
    }
    if (!string_scan(r, &s)) {
        return false;
    }
    if (keep && (s.escaped || s.invalid != 0)) {
        return string_unescape(r, &s);
    }
    r->text = s.raw;
    return true;
}

/* --- other values -----------------------------------------------------------------------------------------
 */

static size_t
digits(const struct json_reader *r, size_t at)
{
    size_t n = 0;
    while (at + n < r->in.n && r->in.p[at + n] >= '0' && r->in.p[at + n] <= '9') {
        n++;
    }
    return n;
}

static uint8_t
byte_at(const struct json_reader *r, size_t at)
{
    return at < r->in.n ? r->in.p[at] : 0;
}

static enum json_event
number_read(struct json_reader *r)
{
    size_t start = r->at, at = start, n;
    at += byte_at(r, at) == '-';
    n = byte_at(r, at) == '0' ? 1 : digits(r, at);
    at += n;
    if (n != 0 && byte_at(r, at) == '.') {
        n = digits(r, at + 1);
        at += 1 + n;
    }
    if (n != 0 && (byte_at(r, at) | 0x20) == 'e') {
        at++;
        at += byte_at(r, at) == '+' || byte_at(r, at) == '-';
        n = digits(r, at);
        at += n;
    }
    r->at = at < r->in.n ? at : r->in.n;
    if (n == 0) {
        return fail_here(r, "invalid character in numeric literal");
    }
    r->text = (slice){r->in.p + start, at - start};
    value_done(r);
    return JSON_NUMBER;
}

static enum json_event
literal_read(struct json_reader *r, slice word, enum json_event event)
{
    slice rest = slice_sub(r->in, r->at, word.n);
    if (!slice_eq(rest, word)) {
        return fail(r, "invalid literal");
    }
    r->at += word.n;
    value_done(r);
    return event;
}

static enum json_event
value_read(struct json_reader *r, bool keep)
{
    uint8_t c = byte_at(r, r->at);
    switch (c) {
    case '{':
    case '[':
        if (!push(r, c == '{')) {
            return JSON_ERROR;
        }
        r->at++;
        r->state = c == '{' ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
        return c == '{' ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN;
    case '"':
        if (!string_read(r, keep)) {
            return JSON_ERROR;
        }
        value_done(r);
        return JSON_STRING;
    case 't':
        return literal_read(r, SL("true"), JSON_TRUE);
    case 'f':
        return literal_read(r, SL("false"), JSON_FALSE);
    case 'n':
        return literal_read(r, SL("null"), JSON_NULL);
    default:
        if (c == '-' || (c >= '0' && c <= '9')) {
            return number_read(r);
        }
        return fail_here(r, "invalid character looking for beginning of value");
    }
}

static enum json_event
key_read(struct json_reader *r, bool keep)
{
    if (byte_at(r, r->at) != '"') {
        return fail_here(r, "invalid character looking for beginning of object key string");
    }
    if (!string_read(r, keep)) {
        return JSON_ERROR;
    }
    skip_space(r);
    if (byte_at(r, r->at) != ':') {
        return fail_here(r, "invalid character after object key");
    }
    r->at++;
    r->state = WANT_VALUE;
    return JSON_KEY;
}

static enum json_event
container_end(struct json_reader *r)
{
    bool object = in_object(r);
    r->at++;
    r->depth--;
    value_done(r);
    return object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

static enum json_event
next(struct json_reader *r, bool keep)
{
    if (r->state == COMPLETE) {
        return JSON_END;
    }
    if (r->state == FAILED) {
        return JSON_ERROR;
    }
    skip_space(r);
    uint8_t c = byte_at(r, r->at);
    if (r->state == WANT_COMMA_OR_END) {
        bool object = in_object(r);
        if (c == (object ? '}' : ']')) {
            return container_end(r);
        }
        if (c != ',') {
            return fail_here(r, object ? "invalid character after object key:value pair"
                                       : "invalid character after array element");
        }
        r->at++;
        skip_space(r);
        r->state = object ? WANT_KEY : WANT_VALUE;
    } else if ((r->state == WANT_KEY_OR_END && c == '}') || (r->state == WANT_VALUE_OR_END && c == ']')) {
        return container_end(r);
    }
    return r->state == WANT_KEY || r->state == WANT_KEY_OR_END ? key_read(r, keep) : value_read(r, keep);
}

enum json_event
json_next(struct json_reader *r)
{
    return next(r, true);
}

bool
json_skip(struct json_reader *r)
{
    uint16_t depth = r->depth;
    do {
        enum json_event e = next(r, false);
        if (e == JSON_ERROR || e == JSON_END) {
            return false;
        }
        /* In an empty array the next event is its end: there is no value to skip. */
        if (r->depth < depth) {
            return false;
        }
    } while (r->depth != depth);
    return true;
}

/* --- for decoders -----------------------------------------------------------------------------------------
 */

bool
json_is_number(slice text)
{
    struct json_reader r;
    json_reader_init(&r, text, NULL);
    return json_next(&r) == JSON_NUMBER && r.at == text.n;
}

double
json_number_value(slice text)
{
    char small[64], *copy = small;
    if (text.n < sizeof small) {
        (void)snprintf(small, sizeof small, "%.*s", SL_FMT(text));
    } else {
        copy = mem_strndup(text.p, text.n);
    }
    double v = strtod(copy, NULL);
    if (copy != small) {
        mem_free(copy);
    }
    return v;
}

bool
json_is_at_end(const struct json_reader *r)
{
    struct json_reader at = *r;
    skip_space(&at);
    return at.at == at.in.n;
}
