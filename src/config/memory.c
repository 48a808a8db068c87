/* How much memory there is: the smallest of RAM and the cgroup's limits up to the root. */
#include "vivace/base/file.h"
#include "vivace/base/mem.h"
#include "vivace/config/config.h"

#include <stdio.h>

#define PROC_FILE_MAX    65536
#define LIMIT_PERCENT    40
#define LIMIT_FALLBACK   ((uint64_t)512 << 20) /* when nothing can be read */
#define CGROUP_DEPTH_MAX 64

/* First number of a small file; false when it is not there or says "max". */
static bool
read_number(const char *path, uint64_t *ret)
{
    uint8_t *text = NULL;
    size_t n = 0;
    if (file_read_all(path, PROC_FILE_MAX, NULL, &text, &n) != OK) {
        return false;
    }
    slice s = slice_of(text, n);
    slice line = slice_cut(&s, '\n');
    bool ok = slice_to_u64(slice_trim(line), ret);
    mem_free(text);
    return ok;
}

static void
take_smaller(const char *path, uint64_t *limit)
{
    uint64_t v = 0;
    if (read_number(path, &v) && v > 0 && (*limit == 0 || v < *limit)) {
        *limit = v;
    }
}

/* A cgroup's limit and those above it. `group` is "/a/b" or "/". */
static void
cgroup_limit(const char *mount, slice group, const char *file, uint64_t *limit)
{
    char path[4096];
    for (int depth = 0; depth < CGROUP_DEPTH_MAX; depth++) {
        while (group.n > 0 && group.p[group.n - 1] == '/') {
            group.n--;
        }
        int n = snprintf(path, sizeof path, "%s%.*s/%s", mount, SL_FMT(group), file);
        if (n > 0 && (size_t)n < sizeof path) {
            take_smaller(path, limit);
        }
        if (group.n == 0) {
            return;
        }
        const uint8_t *slash = memrchr(group.p, '/', group.n);
        group.n = slash ? (size_t)(slash - group.p) : 0;
    }
}

/* "0::/path" (v2) or "9:memory:/path" (v1); inside a container the path may be the host's, the mount's root
 * counts too. */
static void
cgroup_line(const char *root, slice line, uint64_t *limit)
{
    char mount[1024];
    (void)slice_cut(&line, ':');
    slice controllers = slice_cut(&line, ':');
    bool v2 = controllers.n == 0;
    bool memory = false;
    while (controllers.p && controllers.n > 0) {
        memory = slice_eq(slice_cut(&controllers, ','), SL("memory")) || memory;
    }
    if (line.p && (v2 || memory)) {
        (void)snprintf(mount, sizeof mount, "%.900s/sys/fs/cgroup%s", root, v2 ? "" : "/memory");
        cgroup_limit(mount, line, v2 ? "memory.max" : "memory.limit_in_bytes", limit);
    }
}

/* "MemTotal:  16384 kB" */
static uint64_t
ram_bytes(const char *root)
{
    char path[1024];
    uint8_t *text = NULL;
    size_t n = 0;
    uint64_t kib = 0;
    (void)snprintf(path, sizeof path, "%.900s/proc/meminfo", root);
    if (file_read_all(path, PROC_FILE_MAX, NULL, &text, &n) != OK) {
        return 0;
    }
    slice rest = slice_of(text, n);
    while (rest.p) {
        slice line = slice_cut(&rest, '\n');
        if (slice_starts_with(line, SL("MemTotal:"))) {
            slice number = slice_trim(slice_sub(line, 9, line.n));
            (void)slice_to_u64(slice_sub(number, 0, slice_find_byte(number, ' ')), &kib);
            break;
        }
    }
    mem_free(text);
    return kib * 1024;
}

uint64_t
config_memory_detect(const char *root)
{
    char path[1024];
    uint8_t *text = NULL;
    size_t n = 0;
    uint64_t limit = ram_bytes(root);
    (void)snprintf(path, sizeof path, "%.900s/proc/self/cgroup", root);
    if (file_read_all(path, PROC_FILE_MAX, NULL, &text, &n) == OK) {
        slice rest = slice_of(text, n);
        while (rest.p) {
            cgroup_line(root, slice_cut(&rest, '\n'), &limit);
        }
        mem_free(text);
    }
    return limit;
}

uint64_t
config_memory_limit(const struct config *c)
{
    if (c->vivace.memory_limit > 0) {
        return c->vivace.memory_limit;
    }
    uint64_t there = config_memory_detect("");
    return there > 0 ? there / 100 * LIMIT_PERCENT : LIMIT_FALLBACK;
}
