#include "vivace/base/file.h"

#include "vivace/base/mem.h"
#include "vivace/base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_PARTS_MAX 16

static file_hook hook_fn;
static void *hook_ctx;

void
file_set_hook(file_hook hook, void *ctx)
{
    hook_fn = hook;
    hook_ctx = ctx;
}

static int
ask_hook(enum file_op op, const char *path, size_t bytes)
{
    return hook_fn ? hook_fn(hook_ctx, op, path, bytes) : 0;
}

/* True when the hook fails this operation; errno is set then. */
static bool
hook_fails(enum file_op op, const char *path, size_t bytes)
{
    int verdict = ask_hook(op, path, bytes);
    if (verdict != 0) {
        errno = verdict > 0 ? verdict : EIO;
        return true;
    }
    return false;
}

err
file_open(const char *path, int flags, struct fault *f, int *ret_fd)
{
    int fd = hook_fails(FILE_OPEN, path, 0) ? -1 : open(path, flags | O_CLOEXEC, 0640);
    if (fd < 0) {
        return FAULT_OS(f, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "open %s", path);
    }
    *ret_fd = fd;
    return OK;
}

/* All of the parts; `v` is used up. */
static err
write_parts(int fd, const char *path, struct iovec *v, int count, struct fault *f)
{
    while (count > 0) {
        ssize_t n = writev(fd, v, count);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return FAULT_OS(f, ERR_IO, "write %s", path);
        }
        size_t done = (size_t)n;
        while (count > 0 && done >= v->iov_len) {
            done -= v->iov_len;
            v++;
            count--;
        }
        if (count > 0) {
            v->iov_base = (uint8_t *)v->iov_base + done;
            v->iov_len -= done;
        }
    }
    return OK;
}

err
file_write(int fd, const char *path, const struct iovec *parts, int part_count, struct fault *f)
{
    struct iovec v[FILE_PARTS_MAX];
    size_t total = 0;
    MUST(part_count <= FILE_PARTS_MAX);
    for (int i = 0; i < part_count; i++) {
        v[i] = parts[i];
        total += parts[i].iov_len;
    }
    int verdict = ask_hook(FILE_WRITE, path, total);
    if (verdict == 0) {
        return write_parts(fd, path, v, part_count, f);
    }
    if (verdict < 0) { /* a test wants a short write, then a full disk */
        size_t left = (size_t)-verdict;
        int count = 0;
        for (; count < part_count && left > 0; count++) {
            v[count].iov_len = v[count].iov_len < left ? v[count].iov_len : left;
            left -= v[count].iov_len;
        }
        err rc = write_parts(fd, path, v, count, f);
        if (rc != OK) {
            return rc;
        }
        verdict = ENOSPC;
    }
    errno = verdict;
    return FAULT_OS(f, ERR_IO, "write %s", path);
}

err
file_read_at(int fd, const char *path, void *p, size_t n, off_t off, struct fault *f)
{
    uint8_t *at = p;
    if (hook_fails(FILE_READ, path, n)) {
        return FAULT_OS(f, ERR_IO, "read %s", path);
    }
    while (n) {
        ssize_t got = pread(fd, at, n, off);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return FAULT_OS(f, ERR_IO, "read %s", path);
        }
        if (got == 0) {
            return FAULT(f, ERR_CORRUPT, "read %s: the file ends at offset %lld, %zu bytes early", path,
                         (long long)off, n);
        }
        at += got;
        off += got;
        n -= (size_t)got;
    }
    return OK;
}

err
file_size(int fd, const char *path, struct fault *f, size_t *ret)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return FAULT_OS(f, ERR_IO, "stat %s", path);
    }
    *ret = (size_t)st.st_size;
    return OK;
}

err
file_read_all(const char *path, size_t max, struct fault *f, uint8_t **ret, size_t *ret_n)
{
    err rc = OK;
    int fd = -1;
    size_t n = 0;
    uint8_t *data = NULL;
    TRY(file_open(path, O_RDONLY, f, &fd));
    TRY(file_size(fd, path, f, &n));
    if (n > max) {
        rc = FAULT(f, ERR_LIMIT, "%s has %zu bytes, at most %zu are read", path, n, max);
        goto out;
    }
    data = mem_try_alloc(n + 1);
    if (data == NULL) {
        rc = FAULT(f, ERR_LIMIT, "no memory for %zu bytes of %s", n, path);
        goto out;
    }
    TRY(file_read_at(fd, path, data, n, 0, f));
    data[n] = 0; /* not counted: lets callers use C string functions */
    *ret = data;
    *ret_n = n;
    data = NULL;
out:
    mem_free(data);
    file_close(fd);
    return rc;
}

err
file_fsync(int fd, const char *path, struct fault *f)
{
    if (hook_fails(FILE_FSYNC, path, 0) || fdatasync(fd) != 0) {
        return FAULT_OS(f, ERR_IO, "fsync %s", path);
    }
    return OK;
}

err
file_fsync_dir(const char *dir, struct fault *f)
{
    if (hook_fails(FILE_FSYNC_DIR, dir, 0)) {
        return FAULT_OS(f, ERR_IO, "fsync %s", dir);
    }
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return FAULT_OS(f, ERR_IO, "open %s", dir);
    }
    err rc = fsync(fd) == 0 ? OK : FAULT_OS(f, ERR_IO, "fsync %s", dir);
    close(fd);
    return rc;
}

err
file_rename(const char *from, const char *to, struct fault *f)
{
    if (hook_fails(FILE_RENAME, from, 0) || rename(from, to) != 0) {
        return FAULT_OS(f, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "rename %s to %s", from, to);
    }
    return OK;
}

err
file_unlink(const char *path, struct fault *f)
{
    if (hook_fails(FILE_UNLINK, path, 0) || unlink(path) != 0) {
        return FAULT_OS(f, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "remove %s", path);
    }
    return OK;
}

err
file_rmdir(const char *path, struct fault *f)
{
    if (hook_fails(FILE_UNLINK, path, 0) || rmdir(path) != 0) {
        return FAULT_OS(f, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "remove %s", path);
    }
    return OK;
}

err
file_truncate(int fd, const char *path, off_t n, struct fault *f)
{
    if (hook_fails(FILE_TRUNCATE, path, 0) || ftruncate(fd, n) != 0) {
        return FAULT_OS(f, ERR_IO, "truncate %s", path);
    }
    return OK;
}

err
file_mkdirs(const char *path, struct fault *f)
{
    char *copy = mem_strdup(path);
    err rc = OK;
    if (hook_fails(FILE_MKDIR, path, 0)) {
        rc = FAULT_OS(f, ERR_IO, "mkdir %s", path);
        goto out;
    }
    for (char *at = copy + 1;; at++) {
        char c = *at;
        if (c != '/' && c != '\0') {
            continue;
        }
        *at = '\0';
        if (mkdir(copy, 0750) != 0 && errno != EEXIST) {
            rc = FAULT_OS(f, ERR_IO, "mkdir %s", copy);
            goto out;
        }
        if (c == '\0') {
            break;
        }
        *at = c;
        if (at[1] == '\0') {
            break;
        }
    }
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        rc = FAULT(f, ERR_IO, "%s is not a directory", path);
    }
out:
    mem_free(copy);
    return rc;
}

err
file_replace(const char *path, slice data, struct fault *f)
{
    err rc = OK;
    int fd = -1;
    size_t n = strlen(path);
    char *temp = mem_alloc(n + 5);
    char *dir = mem_strdup(path);
    memcpy(temp, path, n);
    memcpy(temp + n, ".tmp", sizeof ".tmp");
    TRY(file_open(temp, O_WRONLY | O_CREAT | O_TRUNC, f, &fd));
    TRY(file_write(fd, temp, &(struct iovec){.iov_base = (void *)(uintptr_t)data.p, .iov_len = data.n}, 1,
                   f));
    TRY(file_fsync(fd, temp, f));
    TRY(file_rename(temp, path, f));
    char *slash = strrchr(dir, '/');
    if (slash) {
        *(slash == dir ? slash + 1 : slash) = '\0';
    }
    TRY(file_fsync_dir(slash ? dir : ".", f));
out:
    file_close(fd);
    if (rc != OK && fd >= 0) {
        unlink(temp); /* best effort: a left-over is ignored by readers */
    }
    mem_free(temp);
    mem_free(dir);
    return rc;
}

void
file_close(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}
