/* What the server uses: memory and CPU from /proc, disk by its directory, and the page cache of its files. */
#include "target.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t disk_sum;

static int
disk_add(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)path;
    (void)where;
    if (kind == FTW_F) {
        disk_sum += (uint64_t)st->st_blocks * 512;
    }
    return 0;
}

static uint64_t
disk_of(const struct target *t, const char *folder)
{
    char path[320];
    snprintf(path, sizeof path, "%s/%s", t->dir, folder);
    disk_sum = 0;
    nftw(path, disk_add, 16, FTW_PHYS);
    return disk_sum;
}

static double
cpu_of(pid_t pid)
{
    clockid_t clock;
    struct timespec t = {0};
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        return 0;
    }
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void
target_process(const struct target *t, struct target_usage *ret)
{
    *ret = (struct target_usage){0};
    if (t->pid <= 0) {
        return;
    }
    char path[64], line[256];
    ret->cpu_s = cpu_of(t->pid);
    snprintf(path, sizeof path, "/proc/%d/status", t->pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            ret->rss_bytes = strtoull(line + 6, NULL, 10) * 1024;
        } else if (strncmp(line, "VmHWM:", 6) == 0) {
            ret->peak_bytes = strtoull(line + 6, NULL, 10) * 1024;
        }
    }
    if (f) {
        fclose(f);
    }
}

void
target_usage(const struct target *t, struct target_usage *ret)
{
    target_process(t, ret);
    if (t->started_here) {
        ret->disk_bytes = disk_of(t, "data");
        ret->block_bytes = disk_of(t, "data/blocks");
    }
}

bool
target_peak_reset(const struct target *t)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/clear_refs", t->pid);
    int fd = t->pid > 0 ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    bool done = fd >= 0 && write(fd, "5", 1) == 1; /* proc(5): resets the peak resident set size */
    if (fd >= 0) {
        close(fd);
    }
    return done;
}

static int
cache_drop_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)where;
    int fd = kind == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fdatasync(fd); /* a dirty page is not dropped */
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
    return 0;
}

void
target_cache_drop(const struct target *t)
{
    char path[320];
    snprintf(path, sizeof path, "%s/data", t->dir);
    nftw(path, cache_drop_one, 16, FTW_PHYS);
}
