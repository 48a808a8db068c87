#include "dir.h"

#include "vivace/base/file.h"
#include "vivace/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct scan {
    struct block_list list;
    block_problem_fn report;
    void *ctx;
    struct fault *f;
};

static void
problem(struct scan *s, enum block_problem what, const char *path, const char *reason)
{
    s->list.problems[what]++;
    if (s->report) {
        s->report(s->ctx, what, path, reason);
    }
}

static bool
is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Read meta.json and see that it speaks of this directory and its file. */
static err
read_meta(const char *dir, const char *tenant, const block_uuid *id, struct fault *f, struct block_meta *ret)
{
    char path[PATH_MAX];
    uint8_t *json = NULL;
    size_t n = 0;
    struct stat st;
    struct block_meta m = {.source_count = 0};
    err rc = OK;
    TRY(path_join(path, dir, BLOCK_META_FILE, f));
    TRY(file_read_all(path, BLOCK_META_MAX, f, &json, &n));
    TRY(block_meta_read(slice_of(json, n), f, &m));
    TRY(path_join(path, dir, BLOCK_SPANS_FILE, f));
    if (memcmp(&m.id, id, sizeof *id) != 0 || strcmp(m.tenant, tenant) != 0) {
        rc = FAULT(f, ERR_CORRUPT, "meta.json is another block's");
    } else if (stat(path, &st) != 0) {
        rc = FAULT_OS(f, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s", path);
    } else if ((uint64_t)st.st_size != m.bytes) {
        rc = FAULT(f, ERR_CORRUPT, "%s has %lld bytes, meta.json says %llu", BLOCK_SPANS_FILE,
                   (long long)st.st_size, (unsigned long long)m.bytes);
    }
    TRY(rc);
    *ret = m;
    m = (struct block_meta){.source_count = 0};
out:
    block_meta_fini(&m);
    mem_free(json);
    return rc;
}

static void
add_block(struct scan *s, const char *dir, const char *tenant, const block_uuid *id)
{
    struct fault f = {0};
    struct block_meta m;
    err rc = read_meta(dir, tenant, id, &f, &m);
    if (rc != OK) {
        problem(s, rc == ERR_UNSUPPORTED ? BLOCK_PROBLEM_VERSION : BLOCK_PROBLEM_CORRUPT, dir, f.msg);
        return;
    }
    if (s->list.count == s->list.cap) {
        s->list.cap = s->list.cap ? s->list.cap * 2 : 64;
        s->list.blocks = mem_realloc(s->list.blocks, s->list.cap, sizeof *s->list.blocks);
    }
    s->list.blocks[s->list.count++] = m;
}

static void
scan_entry(struct scan *s, const char *tenant_dir, const char *tenant, const char *name)
{
    char path[PATH_MAX];
    block_uuid id;
    if (path_join(path, tenant_dir, name, NULL) != OK) {
        problem(s, BLOCK_PROBLEM_FOREIGN, tenant_dir, "a name that is too long");
    } else if (strncmp(name, BLOCK_TEMP_PREFIX, sizeof BLOCK_TEMP_PREFIX - 1) == 0) {
        if (dir_remove(path, NULL) == OK) {
            s->list.swept++;
        } else {
            problem(s, BLOCK_PROBLEM_FOREIGN, path, "a left-over that cannot be removed");
        }
    } else if (!block_uuid_parse(slice_cstr(name), &id)) {
        problem(s, BLOCK_PROBLEM_FOREIGN, path, "not named as a block");
    } else {
        add_block(s, path, tenant, &id);
    }
}

static err
scan_tenant(struct scan *s, const char *path, const char *tenant)
{
    char dir[PATH_MAX];
    struct dirent *e;
    err rc = path_join(dir, path, tenant, s->f);
    if (rc != OK) {
        return rc;
    }
    DIR *d = opendir(dir);
    if (d == NULL) {
        if (errno == ENOTDIR) {
            problem(s, BLOCK_PROBLEM_FOREIGN, dir, "not a directory");
            return OK;
        }
        return FAULT_OS(s->f, ERR_IO, "open %s", dir);
    }
    if (strlen(tenant) > BLOCK_TENANT_MAX) {
        problem(s, BLOCK_PROBLEM_FOREIGN, dir, "not named as a tenant");
    } else {
        while ((e = readdir(d)) != NULL) { // NOLINT(concurrency-mt-unsafe): the stream is ours alone
            if (!is_dots(e->d_name)) {
                scan_entry(s, dir, tenant, e->d_name);
            }
        }
    }
    closedir(d);
    return OK;
}

static int
newest_first(const void *va, const void *vb)
{
    const struct block_meta *a = va, *b = vb;
    if (a->max_end_ns != b->max_end_ns) {
        return a->max_end_ns > b->max_end_ns ? -1 : 1;
    }
    return memcmp(&a->id, &b->id, sizeof a->id);
}

err
block_list_scan(const char *path, block_problem_fn report, void *ctx, struct fault *f, struct block_list *ret)
{
    struct scan s = {.report = report, .ctx = ctx, .f = f};
    struct dirent *e;
    err rc = OK;
    DIR *d = opendir(path);
    if (d == NULL && errno != ENOENT) {
        return FAULT_OS(f, ERR_IO, "open %s", path);
    }
    while (d && rc == OK && (e = readdir(d)) != NULL) { // NOLINT(concurrency-mt-unsafe): the stream is ours
        if (!is_dots(e->d_name)) {
            rc = scan_tenant(&s, path, e->d_name);
        }
    }
    if (d) {
        closedir(d);
    }
    if (rc != OK) {
        block_list_fini(&s.list);
        return rc;
    }
    if (s.list.count) {
        qsort(s.list.blocks, s.list.count, sizeof *s.list.blocks, newest_first);
    }
    *ret = s.list;
    return OK;
}

void
block_list_fini(struct block_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        block_meta_fini(&l->blocks[i]);
    }
    mem_free(l->blocks);
    *l = (struct block_list){0};
}

err
block_remove(const char *tenant_dir, const block_uuid *id, struct fault *f)
{
    char uuid[BLOCK_UUID_TEXT + 1], name[BLOCK_UUID_TEXT + 8], from[PATH_MAX], to[PATH_MAX];
    err rc = OK;
    block_uuid_format(id, uuid);
    (void)snprintf(name, sizeof name, "%s%s", BLOCK_TEMP_PREFIX, uuid);
    TRY(path_join(from, tenant_dir, uuid, f));
    TRY(path_join(to, tenant_dir, name, f));
    TRY(file_rename(from, to, f));
    TRY(file_fsync_dir(tenant_dir, f));
    TRY(dir_remove(to, f));
out:
    return rc;
}
