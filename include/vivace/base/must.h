/* Assertions that stay on in production, for bugs only: never on input, disk or peer data.
 * A failed MUST prints the expression and place to stderr and aborts. Threads: any. */
#pragma once

#define MUST(x)                                                                                              \
    do {                                                                                                     \
        if (__builtin_expect(!(x), 0)) {                                                                     \
            must_fail(#x, __FILE__, __LINE__);                                                               \
        }                                                                                                    \
    } while (0)

/* For O(n) checks: debug and sanitizer builds only. */
#ifdef VIVACE_DEBUG
#define DMUST(x) MUST(x)
#else
#define DMUST(x) ((void)sizeof(!(x)))
#endif

__attribute__((noreturn)) void must_fail(const char *expr, const char *file, int line);
