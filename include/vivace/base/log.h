/* One event, one line on stderr: logfmt or JSON, in Tempo's fields (level, ts, caller, msg, then ours).
 *
 *   LOG_I("segment sealed", LOG_STR("path", path), LOG_INT("bytes", n));
 *
 * Log once, where an error is handled, and say what happens next. Never attribute values, headers or
 * payload above debug. base, model, codec, parquet and traceql do not log, block only in its store.
 * Threads: any.
 * Source: shared behaviour of Tempo's go-kit logger; order level, ts, caller, msg.
 */
#pragma once

#include "vivace/base/err.h"
#include "vivace/base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

enum log_kind {
    LOG_END,
    LOG_KIND_STR,
    LOG_KIND_INT,
    LOG_KIND_UINT,
    LOG_KIND_DOUBLE,
    LOG_KIND_BOOL,
    LOG_KIND_DURATION
};

struct log_field {
    const char *key;
    enum log_kind kind;
    union {
        slice str;
        int64_t i; /* also durations, in ns */
        uint64_t u;
        double d;
        bool b;
    };
};

#define LOG_STR(k, s)  ((struct log_field){.key = (k), .kind = LOG_KIND_STR, .str = (s)})
#define LOG_CSTR(k, s) ((struct log_field){.key = (k), .kind = LOG_KIND_STR, .str = slice_cstr(s)})
#define LOG_INT(k, v)  ((struct log_field){.key = (k), .kind = LOG_KIND_INT, .i = (int64_t)(v)})
#define LOG_UINT(k, v) ((struct log_field){.key = (k), .kind = LOG_KIND_UINT, .u = (uint64_t)(v)})
#define LOG_DBL(k, v)  ((struct log_field){.key = (k), .kind = LOG_KIND_DOUBLE, .d = (v)})
#define LOG_BOOL(k, v) ((struct log_field){.key = (k), .kind = LOG_KIND_BOOL, .b = (v)})
#define LOG_DUR(k, ns) ((struct log_field){.key = (k), .kind = LOG_KIND_DURATION, .i = (ns)})
/* err="<fault message>" */
#define LOG_FAULT(f) LOG_CSTR("err", (f)->msg)

/* The first element only makes an empty list possible. */
#define LOG_AT(level, msg, ...)                                                                              \
    do {                                                                                                     \
        if (log_enabled(level)) {                                                                            \
            log_write((level), __FILE__, __LINE__, (msg),                                                    \
                      (const struct log_field[]){{.kind = LOG_END}, ##__VA_ARGS__, {.kind = LOG_END}} + 1);  \
        }                                                                                                    \
    } while (0)
#define LOG_D(...) LOG_AT(LOG_DEBUG, __VA_ARGS__)
#define LOG_I(...) LOG_AT(LOG_INFO, __VA_ARGS__)
#define LOG_W(...) LOG_AT(LOG_WARN, __VA_ARGS__)
#define LOG_E(...) LOG_AT(LOG_ERROR, __VA_ARGS__)

/* At most about `n` lines a second from this call site; dropped ones count in tempo_dropped_log_lines_total.
 */
#define LOG_LIMITED(level, n, msg, ...)                                                                      \
    do {                                                                                                     \
        static struct log_limiter log_limiter_here;                                                          \
        if (log_enabled(level) && log_allow(&log_limiter_here, (n))) {                                       \
            LOG_AT(level, msg, ##__VA_ARGS__);                                                               \
        }                                                                                                    \
    } while (0)

struct log_limiter {
    _Atomic int64_t second;
    _Atomic int count;
};

bool log_enabled(enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
void log_set_format(enum log_format format);
/* Where lines go (default fd 2). */
void log_set_fd(int fd);
bool log_allow(struct log_limiter *l, int per_second);
uint64_t log_dropped(void);
/* Use the macros. */
void log_write(enum log_level level, const char *file, int line, const char *msg,
               const struct log_field *fields);
/* "debug" | "info" | "warn" | "error" */
bool log_level_parse(slice s, enum log_level *ret);
