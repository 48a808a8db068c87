#include "dir.h"

#include "vivace/base/clock.h"
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

/* meta.json, or what it became and when. */
static err
read_meta_file(const char *dir, struct fault *f, uint8_t **ret, size_t *ret_n, int64_t *ret_marked_ns)
{
    char path[PATH_MAX], gone[PATH_MAX];
    struct stat st;
    struct fault unused = {0};
    err rc = path_join(path, dir, BLOCK_META_FILE, f);
    rc = rc == OK ? path_join(gone, dir, BLOCK_GONE_FILE, f) : rc;
    if (rc != OK) {
        return rc;
    }
    *ret_marked_ns = 0;
    rc = file_read_all(path, BLOCK_META_MAX, f, ret, ret_n);
    if (rc != ERR_NOT_FOUND || stat(gone, &st) != 0) {
        return rc;
    }
    rc = file_read_all(gone, BLOCK_META_MAX, &unused, ret, ret_n);
    if (rc == OK) {
        *f = (struct fault){0};
        *ret_marked_ns = (int64_t)st.st_ctim.tv_sec * NS_PER_S + st.st_ctim.tv_nsec; /* of the rename */
    }
    return rc;
}

err
block_dir_meta(const char *dir, struct fault *f, struct block_meta *ret, int64_t *ret_marked_ns)
{
    uint8_t *json = NULL;
    size_t n = 0;
    err rc = read_meta_file(dir, f, &json, &n, ret_marked_ns);
    rc = rc == OK ? block_meta_read(slice_of(json, n), f, ret) : rc;
    mem_free(json);
    return rc;
}

/* The file is there, as long as the meta says. */
static err
check_file(const char *dir, const struct block_meta *m, struct fault *f)
{
    char path[PATH_MAX];
    struct stat st;
    err rc = path_join(path, dir, BLOCK_SPANS_FILE, f);
    if (rc != OK) {
        return rc;
    }
    if (stat(path, &st) != 0) {
        return FAULT_OS(f, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s", path);
    }
    if ((uint64_t)st.st_size != m->bytes) {
        return FAULT(f, ERR_CORRUPT, "%s has %lld bytes, meta.json says %llu", BLOCK_SPANS_FILE,
                     (long long)st.st_size, (unsigned long long)m->bytes);
    }
    return OK;
}

static void
add_unknown(struct scan *s, const char *dir, const char *tenant)
{
    struct block_list *l = &s->list;
    char path[PATH_MAX];
    struct stat st;
    if (path_join(path, dir, BLOCK_BAD_FILE, NULL) == OK && stat(path, &st) == 0) {
        return; /* dealt with */
    }
    if (l->unknown_count == l->unknown_cap) {
        l->unknown_cap = l->unknown_cap ? l->unknown_cap * 2 : 8;
        l->unknown = mem_realloc(l->unknown, l->unknown_cap, sizeof *l->unknown);
    }
    l->unknown[l->unknown_count++] = mem_strdup(tenant);
}

void
block_list_add(struct block_list *l, const struct block_meta *m)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->blocks = mem_realloc(l->blocks, l->cap, sizeof *l->blocks);
    }
    l->blocks[l->count++] = *m;
}

void
block_list_add_damaged(struct block_list *l, const struct block_meta *m)
{
    if (l->damaged_count == l->damaged_cap) {
        l->damaged_cap = l->damaged_cap ? l->damaged_cap * 2 : 8;
        l->damaged = mem_realloc(l->damaged, l->damaged_cap, sizeof *l->damaged);
    }
    l->damaged[l->damaged_count++] = *m;
}

static void
add_compacted(struct block_list *l, const struct block_meta *m, int64_t marked_ns)
{
    if (l->compacted_count == l->compacted_cap) {
        l->compacted_cap = l->compacted_cap ? l->compacted_cap * 2 : 64;
        l->compacted = mem_realloc(l->compacted, l->compacted_cap, sizeof *l->compacted);
    }
    l->compacted[l->compacted_count++] = (struct block_compacted){*m, marked_ns};
}

static void
add_block(struct scan *s, const char *dir, const char *tenant, const block_uuid *id)
{
    struct fault f = {0};
    struct block_meta m = {.source_count = 0};
    int64_t marked_ns = 0;
    err rc = block_dir_meta(dir, &f, &m, &marked_ns);
    if (rc == OK && (memcmp(&m.id, id, sizeof *id) != 0 || strcmp(m.tenant, tenant) != 0)) {
        block_meta_fini(&m);
        rc = FAULT(&f, ERR_CORRUPT, "meta.json is another block's");
    }
    const bool known = rc == OK;
    rc = known ? check_file(dir, &m, &f) : rc;
    if (rc != OK) {
        problem(s, rc == ERR_UNSUPPORTED ? BLOCK_PROBLEM_VERSION : BLOCK_PROBLEM_CORRUPT, dir, f.msg);
    }
    if (rc == OK && marked_ns) {
        add_compacted(&s->list, &m, marked_ns);
    } else if (rc == OK) {
        block_list_add(&s->list, &m);
    } else if (known) {
        block_list_add_damaged(&s->list, &m);
    } else {
        add_unknown(s, dir, tenant);
    }
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

void
block_list_sort(struct block_list *l)
{
    if (l->count) {
        qsort(l->blocks, l->count, sizeof *l->blocks, newest_first);
    }
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
    block_list_sort(&s.list);
    *ret = s.list;
    return OK;
}

void
block_list_fini(struct block_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        block_meta_fini(&l->blocks[i]);
    }
    for (size_t i = 0; i < l->compacted_count; i++) {
        block_meta_fini(&l->compacted[i].meta);
    }
    for (size_t i = 0; i < l->damaged_count; i++) {
        block_meta_fini(&l->damaged[i]);
    }
    for (size_t i = 0; i < l->unknown_count; i++) {
        mem_free(l->unknown[i]);
    }
    mem_free(l->blocks);
    mem_free(l->compacted);
    mem_free(l->damaged);
    mem_free(l->unknown);
    *l = (struct block_list){0};
}

/* A block's `from` becomes `to`, durably. */
static err
rename_meta(const char *tenant_dir, const block_uuid *id, const char *from_name, const char *to_name,
            struct fault *f)
{
    char uuid[BLOCK_UUID_TEXT + 1], dir[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
    struct stat st;
    err rc = OK;
    block_uuid_format(id, uuid);
    TRY(path_join(dir, tenant_dir, uuid, f));
    TRY(path_join(from, dir, from_name, f));
    TRY(path_join(to, dir, to_name, f));
    if (stat(from, &st) != 0 && stat(to, &st) == 0) {
        return file_fsync_dir(dir, f); /* renamed before: the sync may have failed */
    }
    TRY(file_rename(from, to, f));
    TRY(file_fsync_dir(dir, f));
out:
    return rc;
}

err
block_mark_compacted(const char *tenant_dir, const block_uuid *id, struct fault *f)
{
    return rename_meta(tenant_dir, id, BLOCK_META_FILE, BLOCK_GONE_FILE, f);
}

err
block_unmark_compacted(const char *tenant_dir, const block_uuid *id, struct fault *f)
{
    return rename_meta(tenant_dir, id, BLOCK_GONE_FILE, BLOCK_META_FILE, f);
}

err
block_mark_damaged(const char *tenant_dir, const block_uuid *id, struct fault *f)
{
    return rename_meta(tenant_dir, id, BLOCK_META_FILE, BLOCK_BAD_FILE, f);
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
