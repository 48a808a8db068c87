/* Error codes, fault details, and the macros that keep cleanup in one place.
 *
 * Three classes, three tools: a bug -> MUST() (base/must.h); an expected outcome (absent, full, again)
 * -> its own code; an operational failure -> err and a `struct fault` with the detail.
 * A fault is filled where the failure happens, is never overwritten on the way up, and may be prefixed
 * once at a room's boundary. There is no "last error" anywhere. Threads: values, no shared state.
 */
#pragma once

#include <stdarg.h>

typedef enum err {
    OK = 0,
    ERR_INVALID,     /* the caller's or client's data is wrong: do not retry */
    ERR_LIMIT,       /* a bound was reached: retry later or send less */
    ERR_NOT_FOUND,   /* it is not there (never used for "could not look") */
    ERR_EXISTS,      /* it is there already */
    ERR_AGAIN,       /* nothing now, more later (would block, need more bytes) */
    ERR_TIMEOUT,     /* a deadline passed */
    ERR_CANCELLED,   /* the one who asked went away */
    ERR_CORRUPT,     /* stored bytes fail their checksum or format */
    ERR_IO,          /* the operating system said no; fault.os_errno has its word */
    ERR_UNAVAILABLE, /* not able now, retry: starting, stopping, disk full */
    ERR_UNSUPPORTED, /* understood and not built */
    ERR_DENIED,      /* missing or wrong identity (tenant) */
    ERR_INTERNAL,    /* we are at fault */
    ERR_COUNT
} err;

#define CHECKED __attribute__((warn_unused_result))

#define FAULT_MSG_MAX 512

/* Detail of one failure; owned by the caller, usually on its stack, zero-initialised. Functions take
 * `struct fault *f` last but for outputs and accept NULL. */
struct fault {
    err code;
    int os_errno; /* 0 when the OS had no part in it */
    const char *file;
    int line;
    char msg[FAULT_MSG_MAX]; /* one plain sentence, NUL-terminated, fit for a client */
};

/* "invalid", "limit", ...: for logs and metric labels. */
const char *err_name(err code);

/* Fill `f` (unless NULL or filled already) and return `code`: `return FAULT(f, ERR_CORRUPT, "…", …);` */
#define FAULT(f, code, ...)                                                                                  \
    ({                                                                                                       \
        const err fault_code_ = (code); /* here, so that compilers and analysers see what is returned */     \
        (void)fault_set((f), fault_code_, 0, __FILE__, __LINE__, __VA_ARGS__);                               \
        fault_code_;                                                                                         \
    })
/* The same for a failed system call: appends ": <strerror(errno)>" and keeps errno. */
#define FAULT_OS(f, code, ...)                                                                               \
    ({                                                                                                       \
        const err fault_code_ = (code);                                                                      \
        (void)fault_set_os((f), fault_code_, __FILE__, __LINE__, __VA_ARGS__);                               \
        fault_code_;                                                                                         \
    })

err fault_set(struct fault *f, err code, int os_errno, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
err fault_set_os(struct fault *f, err code, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Put "<prefix>: " before the message, once per room boundary. */
void fault_prefix(struct fault *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* In a function with `err rc = OK;` and the label `out:`: run, and leave through `out` on failure. */
#define TRY(expr)                                                                                            \
    do {                                                                                                     \
        rc = (expr);                                                                                         \
        if (rc != OK) {                                                                                      \
            goto out;                                                                                        \
        }                                                                                                    \
    } while (0)
