#include "dir.h"

#include "vivace/base/file.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>

err
path_join(char *ret, const char *dir, const char *name, struct fault *f)
{
    int n = snprintf(ret, PATH_MAX, "%s/%s", dir, name);
    if (n < 0 || n >= PATH_MAX) {
        return FAULT(f, ERR_INVALID, "the path %.100s... is too long", dir);
    }
    return OK;
}

err
dir_remove(const char *dir, struct fault *f)
{
    char path[PATH_MAX];
    struct dirent *e;
    err rc = OK;
    DIR *d = opendir(dir);
    if (d == NULL) {
        return FAULT_OS(f, ERR_IO, "open %s", dir);
    }
    while (rc == OK && (e = readdir(d)) != NULL) { // NOLINT(concurrency-mt-unsafe): the stream is ours alone
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            rc = path_join(path, dir, e->d_name, f);
            rc = rc == OK ? file_unlink(path, f) : rc;
            rc = rc == ERR_NOT_FOUND ? OK : rc;
        }
    }
    closedir(d);
    return rc == OK ? file_rmdir(dir, f) : rc;
}
