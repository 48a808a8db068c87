/* The log as an onlooker sees it: names and segments, without lock and without changing anything. */
#include "wal_priv.h"

#include "vivace/base/file.h"
#include "vivace/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

err
wal_view_open(const char *dir, struct fault *f, struct wal **ret)
{
    struct stat st;
    if (strlen(dir) + 128 > WAL_PATH_MAX) {
        return FAULT(f, ERR_INVALID, "the path of the WAL directory is too long");
    }
    if (stat(dir, &st) != 0) {
        return FAULT_OS(f, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s", dir);
    }
    if (!S_ISDIR(st.st_mode)) {
        return FAULT(f, ERR_INVALID, "%s is not a directory", dir);
    }
    struct wal *w = mem_new(struct wal);
    w->dir = mem_strdup(dir);
    w->lock_fd = -1;
    w->sync = WAL_SYNC_NONE;
    *ret = w;
    return OK;
}

/* Does a process hold the lock? From the kernel's list: trying the lock could make a start of the server
 * fail. */
static bool
is_owned(const struct wal *w)
{
    char path[WAL_PATH_MAX], line[256];
    struct stat st;
    bool owned = false;
    (void)snprintf(path, sizeof path, "%s/LOCK", w->dir);
    FILE *locks = stat(path, &st) == 0 ? fopen("/proc/locks", "re") : NULL;
    while (locks && !owned && fgets(line, sizeof line, locks)) {
        unsigned major = 0, minor = 0;
        unsigned long long inode = 0;
        const char *at = strstr(line, "FLOCK");
        /* "1: FLOCK  ADVISORY  WRITE 8375 08:01:1841 0 EOF"; waiting ones have "->" */
        owned =
            at && strstr(line, "->") == NULL &&
            sscanf(at, "FLOCK %*s %*s %*s %x:%x:%llu", &major, &minor, &inode) == 3 && // NOLINT(cert-err34-c)
            major == major(st.st_dev) && minor == minor(st.st_dev) && inode == (unsigned long long)st.st_ino;
    }
    if (locks) {
        (void)fclose(locks);
    }
    return owned;
}

static size_t
count_quarantine(const struct wal *w)
{
    char path[WAL_PATH_MAX];
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s/quarantine", w->dir);
    DIR *d = opendir(path);
    while (d) {
        const struct dirent *e = readdir(d); // NOLINT(concurrency-mt-unsafe): the stream is ours alone
        if (e == NULL) {
            break;
        }
        n += e->d_name[0] != '.';
    }
    if (d) {
        closedir(d);
    }
    return n;
}

static int
sequence_compare(const void *va, const void *vb)
{
    const uint64_t a = *(const uint64_t *)va, b = *(const uint64_t *)vb;
    return a < b ? -1 : a > b;
}

static void
note_name(struct wal_view_names *names, size_t *cap, const char *name)
{
    uint64_t seq = 0;
    if (wal_parse_name(name, ".wal", &seq)) {
        if (names->segment_count == *cap) {
            *cap = *cap ? *cap * 2 : 64;
            names->segments = mem_realloc(names->segments, *cap, sizeof *names->segments);
        }
        names->segments[names->segment_count++] = seq;
    } else if (wal_parse_name(name, ".idx", &seq)) {
        names->indexes++;
    } else if (wal_parse_name(name, ".idx.tmp", &seq)) {
        names->index_temps++;
    } else if (name[0] != '.' && strcmp(name, "LOCK") != 0 && strcmp(name, "quarantine") != 0) {
        names->others++;
    }
}

err
wal_view_list(struct wal *w, struct fault *f, struct wal_view_names *ret)
{
    struct wal_view_names names = {.segments = NULL};
    size_t cap = 0;
    DIR *d = opendir(w->dir);
    if (d == NULL) {
        return FAULT_OS(f, ERR_IO, "open %s", w->dir);
    }
    errno = 0;
    for (struct dirent *e = NULL; (e = readdir(d)) != NULL; errno = 0) { // NOLINT(concurrency-mt-unsafe)
        note_name(&names, &cap, e->d_name);
    }
    err rc = errno ? FAULT_OS(f, ERR_IO, "read the directory %s", w->dir) : OK;
    closedir(d);
    if (rc != OK) {
        mem_free(names.segments);
        return rc;
    }
    if (names.segment_count) {
        qsort(names.segments, names.segment_count, sizeof *names.segments, sequence_compare);
    }
    names.owned = is_owned(w);
    names.quarantined = count_quarantine(w);
    *ret = names;
    return OK;
}

err
wal_view_segment(struct wal *w, uint64_t seq, struct fault *f, struct wal_segment **ret)
{
    MUST(w->segments == NULL);
    return wal_segment_open(w, seq, f, ret);
}
