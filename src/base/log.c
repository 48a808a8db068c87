#include "vivace/base/log.h"

#include "vivace/base/clock.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define LOG_LINE_MAX ((size_t)16 << 10) /* longer lines are cut */

static _Atomic int level_now = LOG_INFO;
static _Atomic int format_now = LOG_LOGFMT;
static _Atomic int fd_now = 2;
static _Atomic uint64_t dropped;

bool
log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&level_now, memory_order_relaxed);
}

void
log_set_level(enum log_level level)
{
    level_now = (int)level;
}

enum log_level
log_get_level(void)
{
    return (enum log_level)level_now;
}

void
log_set_format(enum log_format format)
{
    format_now = (int)format;
}

void
log_set_fd(int fd)
{
    fd_now = fd;
}

uint64_t
log_dropped(void)
{
    return atomic_load_explicit(&dropped, memory_order_relaxed);
}

bool
log_allow(struct log_limiter *l, int per_second)
{
    /* Two threads at the turn of a second may let a line too many through: no harm. */
    int64_t now = clock_mono_ns() / NS_PER_S + 1;
    if (atomic_exchange_explicit(&l->second, now, memory_order_relaxed) != now) {
        atomic_store_explicit(&l->count, 0, memory_order_relaxed);
    }
    if (atomic_fetch_add_explicit(&l->count, 1, memory_order_relaxed) < per_second) {
        return true;
    }
    atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
    return false;
}

bool
log_level_parse(slice s, enum log_level *ret)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++) {
        if (slice_ieq(s, slice_cstr(names[i]))) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* A quoted string, in a form both JSON and logfmt readers accept. */
static void
append_quoted(struct buf *out, slice s)
{
    buf_append_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = s.p[i];
        switch (c) {
        case '"':
        case '\\':
            buf_append_byte(out, '\\');
            buf_append_byte(out, c);
            break;
        case '\n':
            buf_append_cstr(out, "\\n");
            break;
        case '\r':
            buf_append_cstr(out, "\\r");
            break;
        case '\t':
            buf_append_cstr(out, "\\t");
            break;
        default:
            if (c < 0x20 || c == 0x7f) {
                buf_printf(out, "\\u%04x", c);
            } else {
                buf_append_byte(out, c);
            }
        }
    }
    buf_append_byte(out, '"');
}

static bool
needs_quotes(slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\' || s.p[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

static void
append_string(struct buf *out, slice s, bool json)
{
    if (json || needs_quotes(s)) {
        append_quoted(out, s);
    } else {
        buf_append_slice(out, s);
    }
}

static void
append_value(struct buf *out, const struct log_field *f, bool json)
{
    switch (f->kind) {
    case LOG_KIND_STR:
        append_string(out, f->str, json);
        break;
    case LOG_KIND_INT:
        buf_append_i64(out, f->i);
        break;
    case LOG_KIND_UINT:
        buf_append_u64(out, f->u);
        break;
    case LOG_KIND_DOUBLE:
        if (json && !isfinite(f->d)) {
            buf_append_cstr(out, "null");
        } else {
            buf_printf(out, "%.15g", f->d);
        }
        break;
    case LOG_KIND_BOOL:
        buf_append_cstr(out, f->b ? "true" : "false");
        break;
    case LOG_KIND_DURATION: {
        struct buf text;
        buf_init(&text, 64);
        duration_format(&text, f->i);
        append_string(out, buf_slice(&text), json);
        buf_fini(&text);
        break;
    }
    case LOG_END:
        break;
    }
}

static void
append_key(struct buf *out, const char *key, bool json, bool first)
{
    if (json) {
        buf_append_cstr(out, first ? "{" : ",");
        append_quoted(out, slice_cstr(key));
        buf_append_byte(out, ':');
    } else {
        if (!first) {
            buf_append_byte(out, ' ');
        }
        buf_append_cstr(out, key);
        buf_append_byte(out, '=');
    }
}

static void
write_line(const struct buf *line)
{
    size_t at = 0;
    while (at < line->n) {
        /* One write: lines of several threads do not mix. */
        ssize_t n = write(fd_now, line->p + at, line->n - at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return; /* nobody reads our log: nothing more can be said */
        }
        at += (size_t)n;
    }
}

void
log_write(enum log_level level, const char *file, int line, const char *msg, const struct log_field *fields)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    bool json = format_now == LOG_JSON;
    const char *slash = strrchr(file, '/');
    char caller[128];
    struct buf out;
    struct buf ts;

    snprintf(caller, sizeof caller, "%s:%d", slash ? slash + 1 : file, line);
    buf_init(&ts, 64);
    clock_format_rfc3339(&ts, clock_wall_ns());
    buf_init(&out, LOG_LINE_MAX);
    append_key(&out, "level", json, true);
    append_string(&out, slice_cstr(names[level]), json);
    append_key(&out, "ts", json, false);
    append_string(&out, buf_slice(&ts), json);
    append_key(&out, "caller", json, false);
    append_string(&out, slice_cstr(caller), json);
    append_key(&out, "msg", json, false);
    append_string(&out, slice_cstr(msg), json);
    for (const struct log_field *f = fields; f->kind != LOG_END; f++) {
        append_key(&out, f->key, json, false);
        append_value(&out, f, json);
    }
    buf_append_cstr(&out, json ? "}\n" : "\n");
    if (out.failed) {
        out.n = out.n < LOG_LINE_MAX - 1 ? out.n : LOG_LINE_MAX - 1;
        out.failed = false;
        buf_append_byte(&out, '\n');
    }
    write_line(&out);
    buf_fini(&out);
    buf_fini(&ts);
}
