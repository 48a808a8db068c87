#include "vivace/base/err.h"

#include "vivace/base/must.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *
err_name(err code)
{
    static const char *const names[ERR_COUNT] = {
        [OK] = "ok",
        [ERR_INVALID] = "invalid",
        [ERR_LIMIT] = "limit",
        [ERR_NOT_FOUND] = "not found",
        [ERR_EXISTS] = "exists",
        [ERR_AGAIN] = "again",
        [ERR_TIMEOUT] = "timeout",
        [ERR_CANCELLED] = "cancelled",
        [ERR_CORRUPT] = "corrupt",
        [ERR_IO] = "io",
        [ERR_UNAVAILABLE] = "unavailable",
        [ERR_UNSUPPORTED] = "unsupported",
        [ERR_DENIED] = "denied",
        [ERR_INTERNAL] = "internal",
    };
    return (unsigned)code < ERR_COUNT ? names[code] : "unknown";
}

/* True when `f` is there and still empty, and then marked with the place. */
static bool
fault_open(struct fault *f, err code, int os_errno, const char *file, int line)
{
    if (f == NULL || f->code != OK) {
        return false;
    }
    f->code = code;
    f->os_errno = os_errno;
    f->file = file;
    f->line = line;
    return true;
}

err
fault_set(struct fault *f, err code, int os_errno, const char *file, int line, const char *fmt, ...)
{
    MUST(code != OK);
    if (fault_open(f, code, os_errno, file, line)) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(f->msg, sizeof f->msg, fmt, args);
        va_end(args);
    }
    return code;
}

err
fault_set_os(struct fault *f, err code, const char *file, int line, const char *fmt, ...)
{
    int saved = errno;
    MUST(code != OK);
    if (fault_open(f, code, saved, file, line)) {
        char reason[128];
        va_list args;
        va_start(args, fmt);
        int n = vsnprintf(f->msg, sizeof f->msg, fmt, args);
        va_end(args);
        if (n >= 0 && (size_t)n < sizeof f->msg) {
            snprintf(f->msg + n, sizeof f->msg - (size_t)n, ": %s", strerror_r(saved, reason, sizeof reason));
        }
    }
    return code;
}

void
fault_prefix(struct fault *f, const char *fmt, ...)
{
    char old[FAULT_MSG_MAX];
    if (f == NULL || f->code == OK) {
        return;
    }
    memcpy(old, f->msg, sizeof old);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(f->msg, sizeof f->msg, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof f->msg) {
        snprintf(f->msg + n, sizeof f->msg - (size_t)n, ": %s", old);
    }
}

void
must_fail(const char *expr, const char *file, int line)
{
    fprintf(stderr, "bug: %s:%d: %s does not hold\n", file, line, expr);
    abort();
}
