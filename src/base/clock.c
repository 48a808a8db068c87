#include "vivace/base/clock.h"

#include "vivace/base/must.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic bool faked;
static _Atomic int64_t fake_wall, fake_mono;

static int64_t
read_clock(clockid_t id)
{
    struct timespec ts;
    MUST(clock_gettime(id, &ts) == 0);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t
clock_wall_ns(void)
{
    return atomic_load_explicit(&faked, memory_order_relaxed) ? fake_wall : read_clock(CLOCK_REALTIME);
}

int64_t
clock_mono_ns(void)
{
    return atomic_load_explicit(&faked, memory_order_relaxed) ? fake_mono : read_clock(CLOCK_MONOTONIC);
}

void
clock_fake(int64_t wall_ns, int64_t mono_ns)
{
    fake_wall = wall_ns;
    fake_mono = mono_ns;
    faked = true;
}

void
clock_real(void)
{
    faked = false;
}

void
clock_format_rfc3339(struct buf *out, int64_t wall_ns)
{
    int64_t seconds = wall_ns / NS_PER_S;
    int64_t ns = wall_ns % NS_PER_S;
    if (ns < 0) {
        ns += NS_PER_S;
        seconds--;
    }
    time_t when = (time_t)seconds;
    struct tm tm;
    MUST(gmtime_r(&when, &tm) != NULL);
    char text[64];
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
    buf_append_cstr(out, text);
    if (ns) {
        snprintf(text, sizeof text, ".%09d", (int)ns);
        size_t n = strlen(text);
        while (text[n - 1] == '0') {
            n--;
        }
        buf_append(out, text, n);
    }
    buf_append_byte(out, 'Z');
}

struct unit {
    slice name;
    int64_t ns;
    bool days_only;
};

static const struct unit units[] = {
    /* longest name first, so that "ms" is not read as "m" */
    {{(const uint8_t *)"ns", 2}, 1, false},
    {{(const uint8_t *)"us", 2}, 1000, false},
    {{(const uint8_t *)"\xc2\xb5s", 3}, 1000, false}, /* micro sign */
    {{(const uint8_t *)"\xce\xbcs", 3}, 1000, false}, /* Greek mu */
    {{(const uint8_t *)"ms", 2}, 1000000, false},
    {{(const uint8_t *)"s", 1}, 1000000000, false},
    {{(const uint8_t *)"m", 1}, INT64_C(60000000000), false},
    {{(const uint8_t *)"h", 1}, INT64_C(3600000000000), false},
    {{(const uint8_t *)"d", 1}, INT64_C(86400000000000), true},
    {{(const uint8_t *)"w", 1}, INT64_C(604800000000000), true},
    {{(const uint8_t *)"y", 1}, INT64_C(31536000000000000), true},
};

/* One "<number><unit>" from the front of *s, added to *sum. */
static bool
duration_term(slice *s, bool days, uint64_t *sum)
{
    uint64_t whole = 0;
    uint64_t part = 0;
    uint64_t scale = 1;
    size_t i = 0;
    size_t digits = 0;
    for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++, digits++) {
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(s->p[i] - '0'), &whole)) {
            return false;
        }
    }
    if (i < s->n && s->p[i] == '.') {
        for (i++; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++, digits++) {
            if (scale < UINT64_C(1000000000000000)) { /* finer digits are below a nanosecond */
                part = part * 10 + (uint64_t)(s->p[i] - '0');
                scale *= 10;
            }
        }
    }
    if (digits == 0) {
        return false;
    }
    slice rest = slice_sub(*s, i, s->n);
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        uint64_t ns = 0;
        if ((units[u].days_only && !days) || !slice_starts_with(rest, units[u].name)) {
            continue;
        }
        if (__builtin_mul_overflow(whole, (uint64_t)units[u].ns, &ns)) {
            return false;
        }
        ns += (uint64_t)((double)part * ((double)units[u].ns / (double)scale));
        if (__builtin_add_overflow(*sum, ns, sum)) {
            return false;
        }
        *s = slice_sub(rest, units[u].name.n, rest.n);
        return true;
    }
    return false;
}

bool
duration_parse(slice s, bool days, int64_t *ret_ns)
{
    bool negative = false;
    uint64_t sum = 0;
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
        negative = s.p[0] == '-';
        s = slice_sub(s, 1, s.n);
    }
    if (slice_eq(s, SL("0"))) {
        *ret_ns = 0;
        return true;
    }
    if (s.n == 0) {
        return false;
    }
    while (s.n) {
        if (!duration_term(&s, days, &sum)) {
            return false;
        }
    }
    if (sum > (uint64_t)INT64_MAX) {
        return false;
    }
    *ret_ns = negative ? -(int64_t)sum : (int64_t)sum;
    return true;
}

/* v / 10^digits without trailing zeros: 1500, 3 -> "1.5" */
static void
append_fraction(struct buf *out, uint64_t v, int digits)
{
    uint64_t scale = 1;
    for (int i = 0; i < digits; i++) {
        scale *= 10;
    }
    buf_append_u64(out, v / scale);
    uint64_t part = v % scale;
    if (part) {
        buf_append_byte(out, '.');
        for (scale /= 10; part; scale /= 10) {
            buf_append_byte(out, (uint8_t)('0' + part / scale));
            part %= scale;
        }
    }
}

void
duration_format(struct buf *out, int64_t ns)
{
    uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (ns < 0) {
        buf_append_byte(out, '-');
    }
    if (v == 0) {
        buf_append_cstr(out, "0s");
    } else if (v < 1000) {
        buf_append_u64(out, v);
        buf_append_cstr(out, "ns");
    } else if (v < 1000000) {
        append_fraction(out, v, 3);
        buf_append_cstr(out, "\xc2\xb5s");
    } else if (v < 1000000000) {
        append_fraction(out, v, 6);
        buf_append_cstr(out, "ms");
    } else {
        uint64_t minutes = v / UINT64_C(60000000000);
        if (minutes >= 60) {
            buf_append_u64(out, minutes / 60);
            buf_append_byte(out, 'h');
        }
        if (minutes > 0) {
            buf_append_u64(out, minutes % 60);
            buf_append_byte(out, 'm');
        }
        append_fraction(out, v % UINT64_C(60000000000), 9);
        buf_append_byte(out, 's');
    }
}
