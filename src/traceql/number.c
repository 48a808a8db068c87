#include "number.h"

#include "vivace/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_S INT64_C(1000000000)

struct unit {
    const char *text;
    int64_t ns;
};

/* Order matters: Prometheus wants the units descending, each once. */
static const struct unit prometheus_units[] = {
    {"y", 365 * 24 * 3600 * NS_PER_S},
    {"w", 7 * 24 * 3600 * NS_PER_S},
    {"d", 24 * 3600 * NS_PER_S},
    {"h", 3600 * NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"s", NS_PER_S},
    {"ms", 1000000},
};

static const struct unit go_units[] = {
    {"ns", 1},       {"us", 1000},    {"\xc2\xb5s", 1000},  {"\xce\xbcs", 1000},
    {"ms", 1000000}, {"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
};

static bool
is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Digits at `*at`; false when there are none or the number passes int64. */
static bool
read_digits(slice s, size_t *at, int64_t *ret)
{
    size_t from = *at;
    int64_t v = 0;
    for (; *at < s.n && is_digit(s.p[*at]); (*at)++) {
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, s.p[*at] - '0', &v)) {
            return false;
        }
    }
    *ret = v;
    return *at > from;
}

static slice
read_unit(slice s, size_t *at)
{
    size_t from = *at;
    while (*at < s.n && s.p[*at] != '.' && !is_digit(s.p[*at])) {
        (*at)++;
    }
    return slice_sub(s, from, *at - from);
}

static bool
prometheus_parse(slice s, int64_t *ret)
{
    size_t at = 0, next = 0, count = sizeof prometheus_units / sizeof *prometheus_units;
    int64_t sum = 0;
    if (slice_eq(s, SL("0"))) {
        *ret = 0;
        return true;
    }
    while (at < s.n) {
        int64_t v;
        if (!read_digits(s, &at, &v)) {
            return false;
        }
        slice unit = read_unit(s, &at);
        while (next < count && !slice_eq(unit, slice_cstr(prometheus_units[next].text))) {
            next++;
        }
        if (next == count || __builtin_mul_overflow(v, prometheus_units[next].ns, &v) ||
            __builtin_add_overflow(sum, v, &sum)) {
            return false;
        }
        next++;
    }
    *ret = sum;
    return s.n > 0;
}

/* Digits behind the point, as far as an int64 holds them: value and its scale (a power of ten). */
static bool
read_fraction(slice s, size_t *at, int64_t *ret_value, double *ret_scale)
{
    size_t from = *at;
    int64_t v = 0;
    double scale = 1;
    bool full = false;
    for (; *at < s.n && is_digit(s.p[*at]); (*at)++) {
        int64_t w;
        if (full || __builtin_mul_overflow(v, 10, &w) || __builtin_add_overflow(w, s.p[*at] - '0', &w)) {
            full = true;
            continue;
        }
        v = w;
        scale *= 10;
    }
    *ret_value = v;
    *ret_scale = scale;
    return *at > from;
}

static bool
go_parse_part(slice s, size_t *at, int64_t *ret)
{
    int64_t v = 0, fraction = 0;
    double scale = 1;
    bool before = *at < s.n && is_digit(s.p[*at]), after = false;
    if (before && !read_digits(s, at, &v)) {
        return false;
    }
    if (*at < s.n && s.p[*at] == '.') {
        (*at)++;
        after = read_fraction(s, at, &fraction, &scale);
    }
    if (!before && !after) {
        return false;
    }
    slice unit = read_unit(s, at);
    for (size_t i = 0; i < sizeof go_units / sizeof *go_units; i++) {
        if (slice_eq(unit, slice_cstr(go_units[i].text))) {
            if (__builtin_mul_overflow(v, go_units[i].ns, &v)) {
                return false;
            }
            int64_t part = (int64_t)((double)fraction * ((double)go_units[i].ns / scale));
            return !__builtin_add_overflow(v, part, ret);
        }
    }
    return false;
}

static bool
go_parse(slice s, int64_t *ret)
{
    size_t at = 0;
    int64_t sum = 0;
    while (at < s.n) {
        int64_t part;
        if (!go_parse_part(s, &at, &part) || __builtin_add_overflow(sum, part, &sum)) {
            return false;
        }
    }
    *ret = sum;
    return s.n > 0;
}

bool
tql_duration_parse(slice s, int64_t *ret_ns)
{
    return prometheus_parse(s, ret_ns) || go_parse(s, ret_ns);
}

/* `v` / 10^`digits` without trailing zeros, right-aligned before `end`; returns the new start. */
static char *
put_fraction(char *end, uint64_t v, int digits, uint64_t *ret_whole)
{
    bool print = false;
    for (int i = 0; i < digits; i++) {
        unsigned digit = (unsigned)(v % 10);
        print = print || digit != 0;
        if (print) {
            *--end = (char)('0' + digit);
        }
        v /= 10;
    }
    if (print) {
        *--end = '.';
    }
    *ret_whole = v;
    return end;
}

static char *
put_int(char *end, uint64_t v)
{
    do {
        *--end = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    return end;
}

/* Below a second: one unit, the largest that keeps a digit before the point. */
static char *
put_small(char *end, uint64_t u)
{
    int digits = 0;
    *--end = 's';
    if (u >= 1000000) {
        digits = 6;
        *--end = 'm';
    } else if (u >= 1000) {
        digits = 3;
        *--end = (char)0xb5;
        *--end = (char)0xc2;
    } else {
        *--end = 'n';
    }
    end = put_fraction(end, u, digits, &u);
    return put_int(end, u);
}

size_t
tql_duration_print(int64_t ns, char out[DURATION_TEXT_MAX])
{
    char text[DURATION_TEXT_MAX], *end = text + sizeof text, *p = end;
    uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (u == 0) {
        out[0] = '0';
        out[1] = 's';
        return 2;
    }
    if (u < (uint64_t)NS_PER_S) {
        p = put_small(p, u);
    } else {
        *--p = 's';
        p = put_fraction(p, u, 9, &u);
        p = put_int(p, u % 60);
        u /= 60;
        if (u > 0) {
            *--p = 'm';
            p = put_int(p, u % 60);
            u /= 60;
            if (u > 0) {
                *--p = 'h';
                p = put_int(p, u);
            }
        }
    }
    if (ns < 0) {
        *--p = '-';
    }
    memcpy(out, p, (size_t)(end - p));
    return (size_t)(end - p);
}

/* `digits` significant digits and the decimal exponent of the first, from "%.*e". */
static size_t
shortest_digits(double d, char digits[FLOAT_TEXT_MAX], int *ret_exponent)
{
    char text[FLOAT_TEXT_MAX];
    for (int precision = 0; precision <= 17; precision++) {
        (void)snprintf(text, sizeof text, "%.*e", precision, d);
        if (strtod(text, NULL) == d) {
            break;
        }
    }
    size_t n = 0;
    const char *p = text;
    for (; *p && *p != 'e'; p++) {
        if (is_digit((uint8_t)*p)) {
            digits[n++] = *p;
        }
    }
    *ret_exponent = *p ? (int)strtol(p + 1, NULL, 10) : 0;
    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }
    return n;
}

size_t
tql_float_print(double d, char out[FLOAT_TEXT_MAX])
{
    if (isnan(d) || isinf(d)) {
        const char *text = isnan(d) ? "NaN" : d > 0 ? "+Inf" : "-Inf";
        size_t length = 0;
        for (; text[length]; length++) {
            out[length] = text[length];
        }
        return length;
    }
    char digits[FLOAT_TEXT_MAX] = {'0'};
    int exponent, at = 0;
    int n = (int)shortest_digits(fabs(d), digits, &exponent);
    if (signbit(d)) {
        out[at++] = '-';
    }
    if (exponent < -4 || exponent >= 21) { /* Go: d.ddde±dd */
        out[at++] = digits[0];
        if (n > 1) {
            out[at++] = '.';
            memcpy(out + at, digits + 1, (size_t)n - 1);
            at += n - 1;
        }
        return (size_t)at + (size_t)snprintf(out + at, FLOAT_TEXT_MAX - (size_t)at, "e%c%02d",
                                             exponent < 0 ? '-' : '+', abs(exponent));
    }
    if (exponent < 0) {
        out[at++] = '0';
        out[at++] = '.';
        for (int i = exponent + 1; i < 0; i++) {
            out[at++] = '0';
        }
        memcpy(out + at, digits, (size_t)n);
        return (size_t)at + (size_t)n;
    }
    for (int i = 0; i <= exponent; i++) {
        out[at++] = i < n ? digits[i] : '0';
    }
    out[at++] = '.';
    if (n <= exponent + 1) {
        out[at++] = '0';
    }
    for (int i = exponent + 1; i < n; i++) {
        out[at++] = digits[i];
    }
    return (size_t)at;
}

bool
tql_float_parse(slice s, double *ret)
{
    char *end, *text = mem_strndup(s.p, s.n);
    double d = strtod(text, &end);
    bool good = s.n > 0 && *end == 0 && !isinf(d);
    mem_free(text);
    if (good) {
        *ret = d;
    }
    return good;
}
