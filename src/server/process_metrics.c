#include "process_metrics.h"

#include "vivace/base/clock.h"
#include "vivace/base/log.h"
#include "vivace/base/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static double start_seconds;

static double
cpu_seconds(void *ctx)
{
    struct rusage u;
    (void)ctx;
    if (getrusage(RUSAGE_SELF, &u) != 0) {
        return 0;
    }
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Field `index` of /proc/self/statm, in bytes. */
static double
statm(int index)
{
    char text[256];
    FILE *file = fopen("/proc/self/statm", "re");
    double pages = 0;
    if (file == NULL) {
        return 0;
    }
    if (fgets(text, sizeof text, file)) {
        char *at = text;
        for (int i = 0; i <= index; i++) {
            pages = strtod(at, &at);
        }
    }
    fclose(file);
    return pages * (double)sysconf(_SC_PAGESIZE);
}

static double
virtual_bytes(void *ctx)
{
    (void)ctx;
    return statm(0);
}

static double
resident_bytes(void *ctx)
{
    (void)ctx;
    return statm(1);
}

static double
open_fds(void *ctx)
{
    DIR *dir = opendir("/proc/self/fd");
    double n = -1; /* the directory's own descriptor */
    (void)ctx;
    if (dir == NULL) {
        return 0;
    }
    while (readdir(dir)) { // NOLINT(concurrency-mt-unsafe): this DIR is ours alone
        n++;
    }
    closedir(dir);
    return n - 2; /* . and .. */
}

static double
max_fds(void *ctx)
{
    struct rlimit l;
    (void)ctx;
    return getrlimit(RLIMIT_NOFILE, &l) == 0 ? (double)l.rlim_cur : 0;
}

static double
started_at(void *ctx)
{
    (void)ctx;
    return start_seconds;
}

static double
dropped_log_lines(void *ctx)
{
    (void)ctx;
    return (double)log_dropped();
}

/* Metrics that dashboards and alerts of Tempo read and that cannot rise here yet: one process has no ring to
 * be unhealthy in. They exist so that rules evaluate instead of finding no data. */
static void
register_constants(void)
{
    static const char *const rings[] = {"distributor", "ingester", "live-store"};
    struct metric *members = metric_gauge(
        "tempo_ring_members", "Members of each ring by state; this process is all there is.", "name,state");
    for (size_t i = 0; i < sizeof rings / sizeof rings[0]; i++) {
        series_set(metric_series2(members, slice_cstr(rings[i]), SL("ACTIVE")), 1);
        series_set(metric_series2(members, slice_cstr(rings[i]), SL("Unhealthy")), 0);
    }
}

void
process_metrics_register(void)
{
    register_constants();
    start_seconds = (double)clock_wall_ns() / (double)NS_PER_S;
    metric_callback(METRIC_COUNTER, "process_cpu_seconds_total", "User and system CPU time.", cpu_seconds,
                    NULL);
    metric_callback(METRIC_GAUGE, "process_virtual_memory_bytes", "Virtual memory.", virtual_bytes, NULL);
    metric_callback(METRIC_GAUGE, "process_resident_memory_bytes", "Resident memory.", resident_bytes, NULL);
    metric_callback(METRIC_GAUGE, "process_open_fds", "Open file descriptors.", open_fds, NULL);
    metric_callback(METRIC_GAUGE, "process_max_fds", "Limit of open file descriptors.", max_fds, NULL);
    metric_callback(METRIC_GAUGE, "process_start_time_seconds", "Start, in unix time.", started_at, NULL);
    metric_callback(METRIC_COUNTER, "tempo_dropped_log_lines_total", "Log lines left out by rate limits.",
                    dropped_log_lines, NULL);
}
