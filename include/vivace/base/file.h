/* File operations that can be made to fail: every write to disk goes through here.
 *
 * Each returns err and a fault that names the path. Short writes are continued, EINTR retried. A test
 * installs a hook (file_set_hook) that sees each operation before it happens and may fail it with an
 * errno, shorten a write, or stop the process: that is how "every write can fail" is tested.
 * Threads: any; the hook must be set while nothing else runs.
 */
#pragma once

#include "vivace/base/err.h"
#include "vivace/base/slice.h"

#include <sys/types.h>
#include <sys/uio.h>

enum file_op {
    FILE_OPEN,
    FILE_WRITE,
    FILE_READ,
    FILE_FSYNC,
    FILE_FSYNC_DIR,
    FILE_RENAME,
    FILE_UNLINK,
    FILE_TRUNCATE,
    FILE_MKDIR,
    FILE_OP_COUNT
};

/* Returns 0 to go on, an errno to fail with, or, for FILE_WRITE, -n to write only n bytes and then fail
 * with ENOSPC. `path` may be NULL for operations on a descriptor. `bytes` is what is about to be written. */
typedef int (*file_hook)(void *ctx, enum file_op op, const char *path, size_t bytes);
void file_set_hook(file_hook hook, void *ctx);

/* open(2) with O_CLOEXEC; mode 0640. */
CHECKED err file_open(const char *path, int flags, struct fault *f, int *ret_fd);
/* All of it or an error; on error some of it may be written. At most 16 parts. */
CHECKED err file_write(int fd, const char *path, const struct iovec *parts, int part_count, struct fault *f);
/* Exactly n bytes at `off`; ERR_CORRUPT when the file ends before. */
CHECKED err file_read_at(int fd, const char *path, void *p, size_t n, off_t off, struct fault *f);
/* The whole file into a new allocation (mem_free); ERR_LIMIT over max bytes, ERR_NOT_FOUND. */
CHECKED err file_read_all(const char *path, size_t max, struct fault *f, uint8_t **ret, size_t *ret_n);
CHECKED err file_fsync(int fd, const char *path, struct fault *f); /* fdatasync */
CHECKED err file_fsync_dir(const char *dir, struct fault *f);
CHECKED err file_rename(const char *from, const char *to, struct fault *f);
/* ERR_NOT_FOUND when it is not there. */
CHECKED err file_unlink(const char *path, struct fault *f);
/* An empty directory; the hook sees FILE_UNLINK. ERR_NOT_FOUND when it is not there. */
CHECKED err file_rmdir(const char *path, struct fault *f);
CHECKED err file_truncate(int fd, const char *path, off_t n, struct fault *f);
CHECKED err file_size(int fd, const char *path, struct fault *f, size_t *ret);
/* mkdir -p, mode 0750. */
CHECKED err file_mkdirs(const char *path, struct fault *f);
/* Write `data` to `path` by temp file, fsync, rename, fsync of the directory. */
CHECKED err file_replace(const char *path, slice data, struct fault *f);
void file_close(int fd);
