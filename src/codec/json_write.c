#include "vivace/base/must.h"
#include "vivace/base/utf8.h"
#include "vivace/codec/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void
json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static void
put(struct json_writer *w, const char *s)
{
    (void)buf_append_cstr(w->out, s);
}

static void
value_begin(struct json_writer *w)
{
    if (w->need_comma) {
        (void)buf_append_byte(w->out, ',');
    }
    w->need_comma = true;
}

static void
container_begin(struct json_writer *w, uint8_t c)
{
    value_begin(w);
    (void)buf_append_byte(w->out, c);
    w->need_comma = false;
    w->depth++;
}

static void
container_end(struct json_writer *w, uint8_t c)
{
    DMUST(w->depth > 0);
    (void)buf_append_byte(w->out, c);
    w->need_comma = true;
    w->depth--;
}

void
json_object_begin(struct json_writer *w)
{
    container_begin(w, '{');
}

void
json_object_end(struct json_writer *w)
{
    container_end(w, '}');
}

void
json_array_begin(struct json_writer *w)
{
    container_begin(w, '[');
}

void
json_array_end(struct json_writer *w)
{
    container_end(w, ']');
}

/* Characters that go out as they are; '<', '>' and '&' are escaped as Go does for the sake of HTML. */
static bool
is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

static void
escape_put(struct buf *out, uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt", hex[] = "0123456789abcdef";
    const char *at = c != 0 ? strchr(from, c) : NULL;
    if (at != NULL) {
        char two[2] = {'\\', to[at - from]};
        (void)buf_append(out, two, sizeof two);
        return;
    }
    char six[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    (void)buf_append(out, six, sizeof six);
}

/* One character beyond ASCII, or one byte that is not UTF-8; returns how many bytes it took. */
static size_t
wide_put(struct buf *out, const uint8_t *p, size_t left)
{
    size_t n = utf8_char_bytes(p, left);
    if (n == 0) {
        (void)buf_append_cstr(out, "\\ufffd");
        return 1;
    }
    if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] | 1) == 0xa9) {
        (void)buf_append_cstr(out, p[2] == 0xa8 ? "\\u2028" : "\\u2029"); /* line ends in JavaScript */
        return n;
    }
    (void)buf_append(out, p, n);
    return n;
}

static void
string_put(struct buf *out, slice s)
{
    (void)buf_append_byte(out, '"');
    size_t at = 0;
    while (at < s.n) {
        size_t from = at;
        while (at < s.n && is_plain(s.p[at])) {
            at++;
        }
        (void)buf_append(out, s.p + from, at - from);
        if (at < s.n && s.p[at] >= 0x80) {
            at += wide_put(out, s.p + at, s.n - at);
        } else if (at < s.n) {
            escape_put(out, s.p[at++]);
        }
    }
    (void)buf_append_byte(out, '"');
}

void
json_key(struct json_writer *w, slice key)
{
    value_begin(w);
    string_put(w->out, key);
    (void)buf_append_byte(w->out, ':');
    w->need_comma = false;
}

void
json_string(struct json_writer *w, slice s)
{
    value_begin(w);
    string_put(w->out, s);
}

void
json_i64(struct json_writer *w, int64_t v)
{
    value_begin(w);
    (void)buf_append_i64(w->out, v);
}

void
json_u64(struct json_writer *w, uint64_t v)
{
    value_begin(w);
    (void)buf_append_u64(w->out, v);
}

void
json_i64_string(struct json_writer *w, int64_t v)
{
    value_begin(w);
    (void)buf_append_byte(w->out, '"');
    (void)buf_append_i64(w->out, v);
    (void)buf_append_byte(w->out, '"');
}

void
json_u64_string(struct json_writer *w, uint64_t v)
{
    value_begin(w);
    (void)buf_append_byte(w->out, '"');
    (void)buf_append_u64(w->out, v);
    (void)buf_append_byte(w->out, '"');
}

/* The significant digits of a positive number, the fewest that read back the same, and the place of the
 * point: 0.d1d2d3... x 10^point. */
struct decimal {
    char digits[20];
    int count, point;
};

static struct decimal
shortest(double v)
{
    /* Every double of normal size survives 17 digits and any 15-digit number survives a double; the subnormal
     * ones have fewer, so there the search starts at one. */
    char text[40];
    struct decimal d = {.count = 0};
    for (int precision = v < 2.3e-308 ? 1 : 15; precision <= 17; precision++) {
        (void)snprintf(text, sizeof text, "%.*e", precision - 1, v);
        if (strtod(text, NULL) == v) {
            break;
        }
    }
    char *e = strchr(text, 'e');
    MUST(e != NULL);
    for (char *p = text; p < e; p++) {
        if (*p != '.') {
            d.digits[d.count++] = *p;
        }
    }
    while (d.count > 1 && d.digits[d.count - 1] == '0') {
        d.count--;
    }
    d.point = (int)strtol(e + 1, NULL, 10) + 1;
    return d;
}

static void
zeros_put(struct buf *out, int n)
{
    for (int i = 0; i < n; i++) {
        (void)buf_append_byte(out, '0');
    }
}

/* As encoding/json: exponents below 1e-6 and from 1e21 on. */
static void
decimal_put(struct buf *out, const struct decimal *d)
{
    if (d->point < -5 || d->point > 21) {
        (void)buf_append(out, d->digits, 1);
        if (d->count > 1) {
            (void)buf_append_byte(out, '.');
            (void)buf_append(out, d->digits + 1, (size_t)d->count - 1);
        }
        (void)buf_append_cstr(out, d->point > 0 ? "e+" : "e-");
        (void)buf_append_u64(out, (uint64_t)abs(d->point - 1));
    } else if (d->point <= 0) {
        (void)buf_append_cstr(out, "0.");
        zeros_put(out, -d->point);
        (void)buf_append(out, d->digits, (size_t)d->count);
    } else if (d->point >= d->count) {
        (void)buf_append(out, d->digits, (size_t)d->count);
        zeros_put(out, d->point - d->count);
    } else {
        (void)buf_append(out, d->digits, (size_t)d->point);
        (void)buf_append_byte(out, '.');
        (void)buf_append(out, d->digits + d->point, (size_t)(d->count - d->point));
    }
}

void
json_double(struct json_writer *w, double v)
{
    value_begin(w);
    if (isnan(v)) {
        put(w, "\"NaN\"");
        return;
    }
    if (isinf(v)) {
        put(w, v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    if (signbit(v)) {
        (void)buf_append_byte(w->out, '-');
        v = -v;
    }
    if (v < 1e15 && v == (double)(uint64_t)v) {
        (void)buf_append_u64(w->out, (uint64_t)v);
        return;
    }
    struct decimal d = shortest(v);
    decimal_put(w->out, &d);
}

void
json_bool(struct json_writer *w, bool v)
{
    value_begin(w);
    put(w, v ? "true" : "false");
}

void
json_null(struct json_writer *w)
{
    value_begin(w);
    put(w, "null");
}

void
json_base64(struct json_writer *w, slice s)
{
    value_begin(w);
    (void)buf_append_byte(w->out, '"');
    base64_encode(s, true, w->out);
    (void)buf_append_byte(w->out, '"');
}

void
json_raw(struct json_writer *w, slice s)
{
    value_begin(w);
    (void)buf_append_slice(w->out, s);
}
