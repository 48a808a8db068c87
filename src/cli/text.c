#include "text.h"

#include "vivace/base/clock.h"

#include <stdio.h>

#define BAD (-1)

int32_t
text_next(slice *s)
{
    static const int32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t c = s->p[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;
    int32_t v = n == 1 ? c : n == 2 ? c & 0x1f : n == 3 ? c & 0x0f : c & 0x07;
    bool good = n > 0 && n <= s->n;
    for (size_t i = 1; good && i < n; i++) {
        good = (s->p[i] & 0xc0) == 0x80;
        v = v << 6 | (s->p[i] & 0x3f);
    }
    good = good && v >= smallest[n] && v <= 0x10ffff && (v < 0xd800 || v > 0xdfff);
    *s = slice_sub(*s, good ? n : 1, s->n);
    return good ? v : BAD;
}

struct range {
    int32_t from, to;
};

static bool
within(int32_t c, const struct range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (c >= ranges[i].from && c <= ranges[i].to) {
            return true;
        }
    }
    return false;
}

#define WITHIN(c, ranges) within((c), (ranges), sizeof(ranges) / sizeof(ranges)[0])

/* Control characters, and marks that turn the direction of writing or break lines. */
static bool
is_unsafe(int32_t c)
{
    static const struct range ranges[] = {
        {0, 0x1f}, {0x7f, 0x9f}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}, {0xe0000, 0xe007f},
    };
    return c < 0 || WITHIN(c, ranges);
}

static size_t
columns_of(int32_t c)
{
    static const struct range none[] = {
        {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},
        {0x64b, 0x65f},   {0x1ab0, 0x1aff}, {0x200b, 0x200d}, {0x20d0, 0x20ff},
        {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff},
    };
    static const struct range two[] = {
        {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
        {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
        {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
    };
    return c < 0x300 ? 1 : WITHIN(c, none) ? 0 : WITHIN(c, two) ? 2 : 1;
}

/* Columns up to `limit`; more than that when it does not fit. */
static size_t
safe_columns(slice s, size_t limit)
{
    size_t n = 0;
    while (s.n && n <= limit) {
        int32_t c = text_next(&s);
        n += is_unsafe(c) ? 1 : columns_of(c);
    }
    return n;
}

size_t
text_put(struct buf *out, slice s, size_t columns)
{
    bool cut = columns != TEXT_ALL && safe_columns(s, columns) > columns;
    size_t room = cut ? columns - (columns > 0) : columns, used = 0;
    while (s.n) {
        const uint8_t *from = s.p;
        int32_t c = text_next(&s);
        bool bad = is_unsafe(c);
        size_t n = bad ? 1 : columns_of(c);
        if (n > room - used) {
            break;
        }
        used += n;
        if (bad) {
            buf_append_cstr(out, "\xef\xbf\xbd");
        } else {
            buf_append(out, from, (size_t)(s.p - from));
        }
    }
    if (cut && columns > 0) {
        buf_append_cstr(out, "\xe2\x80\xa6");
        used++;
    }
    return used;
}

size_t
text_columns(slice s)
{
    return safe_columns(s, TEXT_ALL - 2);
}

void
text_pad(struct buf *out, size_t columns)
{
    while (columns-- > 0 && !out->failed) {
        buf_append_byte(out, ' ');
    }
}

void
text_bytes(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)bytes / 1024;
    size_t unit = 0;
    if (bytes < 1024) {
        buf_printf(out, "%llu B", (unsigned long long)bytes);
        return;
    }
    while (v >= 1024 && unit < 5) {
        v /= 1024;
        unit++;
    }
    buf_printf(out, "%.*f %s", v < 10 ? 2 : v < 100 ? 1 : 0, v, units[unit]);
}

/* Three digits, without zeros at the end. */
static void
three_digits(struct buf *out, double v, const char *unit)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%.*f", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v);
    while (n > 1 && strchr(text, '.') && (text[n - 1] == '0' || text[n - 1] == '.')) {
        bool dot = text[n - 1] == '.';
        text[--n] = 0;
        if (dot) {
            break;
        }
    }
    buf_printf(out, "%s%s", text, unit);
}

static void
two_units(struct buf *out, uint64_t large, const char *large_unit, uint64_t small, const char *small_unit)
{
    buf_printf(out, "%llu%s", (unsigned long long)large, large_unit);
    if (small) {
        buf_printf(out, "%llu%s", (unsigned long long)small, small_unit);
    }
}

void
text_duration(struct buf *out, uint64_t ns)
{
    const uint64_t s = ns / (uint64_t)NS_PER_S;
    if (ns == 0) {
        buf_append_cstr(out, "0s");
    } else if (ns < 1000) {
        buf_printf(out, "%lluns", (unsigned long long)ns);
    } else if (ns < 999500) {
        three_digits(out, (double)ns / 1e3, "\xc2\xb5s");
    } else if (ns < 999500000) {
        three_digits(out, (double)ns / 1e6, "ms");
    } else if (s < 60) {
        three_digits(out, (double)ns / 1e9, "s");
    } else if (s < 3600) {
        two_units(out, s / 60, "m", s % 60, "s");
    } else if (s < 86400) {
        two_units(out, s / 3600, "h", s % 3600 / 60, "m");
    } else {
        two_units(out, s / 86400, "d", s % 86400 / 3600, "h");
    }
}

void
text_time(struct buf *out, uint64_t unix_ns)
{
    if (unix_ns > INT64_MAX) {
        buf_append_cstr(out, "-");
        return;
    }
    clock_format_rfc3339(out, (int64_t)(unix_ns - unix_ns % (uint64_t)NS_PER_S));
}

void
text_time_ms(struct buf *out, uint64_t unix_ns)
{
    size_t from = out->n;
    text_time(out, unix_ns);
    if (!out->failed && out->n > from && out->p[out->n - 1] == 'Z') {
        out->n--;
        buf_printf(out, ".%03uZ", (unsigned)(unix_ns % (uint64_t)NS_PER_S / (uint64_t)NS_PER_MS));
    }
}
