/* The directory: its lock, its names, its left-overs and its quarantine. docs/wal-format.md 1. */
#include "wal_priv.h"

#include "vivace/base/file.h"
#include "vivace/base/log.h"
#include "vivace/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_DIGITS 16
#define COPY_CHUNK  (256u << 10)

bool
wal_path(const struct wal *w, uint64_t seq, const char *suffix, char ret[WAL_PATH_MAX])
{
    int n = snprintf(ret, WAL_PATH_MAX, "%s/%016llx%s", w->dir, (unsigned long long)seq, suffix);
    if (n < 0 || n >= WAL_PATH_MAX) {
        ret[0] = '\0';
        return false;
    }
    return true;
}

static void
register_metrics(struct wal *w)
{
    static const double sync_buckets[] = {0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                          0.025,  0.05,   0.1,   0.25,   0.5,   1};
    w->appended_bytes = metric_series0(
        metric_counter("vivace_wal_appended_bytes_total", "Bytes appended to the write-ahead log.", ""));
    w->records = metric_series0(
        metric_counter("vivace_wal_records_total", "Records appended to the write-ahead log.", ""));
    w->append_errors = metric_series0(metric_counter("vivace_wal_append_errors_total",
                                                     "Appends the disk refused; the push was refused.", ""));
    w->sync_errors = metric_series0(
        metric_counter("vivace_wal_sync_errors_total", "Failed fdatasyncs: each closes its segment.", ""));
    w->sync_seconds =
        metric_series0(metric_histogram("vivace_wal_sync_seconds", "Duration of an fdatasync.", "",
                                        sync_buckets, sizeof sync_buckets / sizeof *sync_buckets));
    w->segments = metric_series0(metric_gauge("vivace_wal_segments", "Open segments.", ""));
    series_set(w->segments, 0);
}

err
wal_open(const char *dir, enum wal_sync sync, struct fault *f, struct wal **ret)
{
    err rc = OK;
    char path[WAL_PATH_MAX];
    struct wal *w = mem_new(struct wal);
    w->dir = mem_strdup(dir);
    w->lock_fd = -1;
    w->sync = sync;
    w->next_sequence = 1;
    /* room for every name this directory will hold, checked once */
    if (strlen(dir) + 128 > WAL_PATH_MAX) {
        rc = FAULT(f, ERR_INVALID, "the path of the WAL directory is too long");
        goto out;
    }
    TRY(file_mkdirs(dir, f));
    snprintf(path, sizeof path, "%s/LOCK", dir);
    TRY(file_open(path, O_RDWR | O_CREAT, f, &w->lock_fd));
    if (flock(w->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        rc = errno == EWOULDBLOCK
                 ? FAULT(f, ERR_EXISTS, "the WAL directory %s is in use by another process", dir)
                 : FAULT_OS(f, ERR_IO, "lock %s", path);
        goto out;
    }
    register_metrics(w);
    *ret = w;
    w = NULL;
out:
    wal_close(w);
    return rc;
}

void
wal_close(struct wal *w)
{
    if (w == NULL) {
        return;
    }
    file_close(w->lock_fd); /* releases the lock; the file stays, so that nobody locks a removed one */
    mem_free(w->dir);
    mem_free(w);
}

bool
wal_parse_name(const char *name, const char *suffix, uint64_t *ret)
{
    uint64_t v = 0;
    for (int i = 0; i < NAME_DIGITS; i++) {
        char c = name[i];
        if (c >= '0' && c <= '9') {
            v = v << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    if (strcmp(name + NAME_DIGITS, suffix) != 0) {
        return false;
    }
    *ret = v;
    return true;
}

struct sequences {
    uint64_t *v;
    size_t n, cap;
};

static void
sequences_add(struct sequences *s, uint64_t v)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->v = mem_realloc(s->v, s->cap, sizeof *s->v);
    }
    s->v[s->n++] = v;
}

static int
sequence_compare(const void *a, const void *b)
{
    uint64_t x = 0;
    uint64_t y = 0;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static bool
sequences_have(const struct sequences *s, uint64_t v)
{
    return s->n && bsearch(&v, s->v, s->n, sizeof *s->v, sequence_compare) != NULL;
}

/* A left-over that holds nothing: failing to remove it is worth a line and no more. */
static void
remove_leftover(const struct wal *w, uint64_t seq, const char *suffix, const char *why)
{
    char path[WAL_PATH_MAX];
    struct fault f = {0};
    if (!wal_path(w, seq, suffix, path)) {
        return;
    }
    if (file_unlink(path, &f) == OK) {
        LOG_I("removed a left-over of the write-ahead log", LOG_CSTR("path", path), LOG_CSTR("why", why));
    } else {
        LOG_W("cannot remove a left-over of the write-ahead log; it is ignored", LOG_CSTR("path", path),
              LOG_FAULT(&f));
    }
}

static bool
is_empty_file(const struct wal *w, uint64_t seq)
{
    char path[WAL_PATH_MAX];
    struct stat st;
    return wal_path(w, seq, ".wal", path) && stat(path, &st) == 0 && st.st_size == 0;
}

static err
read_names(struct wal *w, struct sequences *segments, struct sequences *indexes, struct fault *f)
{
    DIR *d = opendir(w->dir);
    if (d == NULL) {
        return FAULT_OS(f, ERR_IO, "open %s", w->dir);
    }
    errno = 0;
    for (struct dirent *e = NULL; (e = readdir(d)) != NULL; errno = 0) { // NOLINT(concurrency-mt-unsafe)
        uint64_t seq = 0;
        if (wal_parse_name(e->d_name, ".wal", &seq)) {
            sequences_add(segments, seq);
        } else if (wal_parse_name(e->d_name, ".idx", &seq)) {
            sequences_add(indexes, seq);
        } else if (wal_parse_name(e->d_name, ".idx.tmp", &seq)) {
            remove_leftover(w, seq, ".idx.tmp", "the index was being written");
        } else {
            continue;
        }
        if (seq >= w->next_sequence) {
            w->next_sequence = seq + 1;
        }
    }
    err rc = errno ? FAULT_OS(f, ERR_IO, "read the directory %s", w->dir) : OK;
    closedir(d);
    return rc;
}

err
wal_list(struct wal *w, struct fault *f, uint64_t **ret, size_t *ret_n)
{
    err rc = OK;
    struct sequences segments = {0};
    struct sequences indexes = {0};
    size_t kept = 0;
    TRY(read_names(w, &segments, &indexes, f));
    if (segments.n) {
        qsort(segments.v, segments.n, sizeof *segments.v, sequence_compare);
    }
    for (size_t i = 0; i < indexes.n; i++) {
        if (!sequences_have(&segments, indexes.v[i])) {
            remove_leftover(w, indexes.v[i], ".idx", "its segment is gone");
        }
    }
    for (size_t i = 0; i < segments.n; i++) {
        if (is_empty_file(w, segments.v[i])) {
            remove_leftover(w, segments.v[i], ".wal", "the segment is empty");
        } else {
            segments.v[kept++] = segments.v[i];
        }
    }
    *ret = segments.v;
    *ret_n = kept;
    segments.v = NULL;
out:
    mem_free(segments.v);
    mem_free(indexes.v);
    return rc;
}

static err
make_quarantine(struct wal *w, struct fault *f)
{
    char path[WAL_PATH_MAX];
    snprintf(path, sizeof path, "%s/quarantine", w->dir);
    return file_mkdirs(path, f);
}

err
wal_quarantine_file(struct wal *w, uint64_t seq, struct fault *f)
{
    err rc = OK;
    char from[WAL_PATH_MAX];
    char to[WAL_PATH_MAX];
    struct stat st;
    TRY(make_quarantine(w, f));
    MUST(wal_path(w, seq, ".wal", from));
    snprintf(to, sizeof to, "%s/quarantine/%016llx.wal.foreign", w->dir, (unsigned long long)seq);
    for (int i = 1; stat(to, &st) == 0; i++) {
        snprintf(to, sizeof to, "%s/quarantine/%016llx.wal.foreign.%d", w->dir, (unsigned long long)seq, i);
    }
    TRY(file_rename(from, to, f));
    TRY(file_fsync_dir(w->dir, f));
out:
    return rc;
}

err
wal_quarantine_range(struct wal_segment *s, uint64_t offset, uint64_t bytes, struct fault *f)
{
    err rc = OK;
    int fd = -1;
    char path[WAL_PATH_MAX];
    uint8_t *chunk = mem_alloc(COPY_CHUNK);
    TRY(make_quarantine(s->wal, f));
    snprintf(path, sizeof path, "%s/quarantine/%016llx.wal.%llu-%llu", s->wal->dir,
             (unsigned long long)s->sequence, (unsigned long long)offset, (unsigned long long)bytes);
    TRY(file_open(path, O_WRONLY | O_CREAT | O_TRUNC, f, &fd));
    for (uint64_t done = 0; done < bytes;) {
        size_t n = bytes - done < COPY_CHUNK ? (size_t)(bytes - done) : COPY_CHUNK;
        TRY(file_read_at(s->fd, s->path, chunk, n, (off_t)(offset + done), f));
        TRY(file_write(fd, path, &(struct iovec){chunk, n}, 1, f));
        done += n;
    }
    TRY(file_fsync(fd, path, f));
out:
    file_close(fd);
    mem_free(chunk);
    return rc;
}
