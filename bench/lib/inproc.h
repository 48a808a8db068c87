/* For programs that measure the rooms in their own process: failures that end it, its CPU and its memory.
 * Needs the server's base room; programs that ask a server over the wire do not include it. */
#pragma once

#include "vivace/base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static inline void
must(err rc, const struct fault *f)
{
    if (rc != OK) {
        (void)fprintf(stderr, "%s: %s\n", err_name(rc), f->msg);
        exit(1); // NOLINT(concurrency-mt-unsafe): nothing else runs
    }
}

/* Of all threads, in seconds. */
static inline double
cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The most memory this process ever had resident. */
static inline double
peak_mib(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}
