#include "blocks.h"

#include "cli_priv.h"

#include "vivace/base/file.h"
#include "vivace/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SPANS_FILE  "spans.parquet"
#define META_FILE   "meta.json"
#define GONE_FILE   "meta.compacted.json" /* what meta.json becomes when the block is replaced */
#define TEMP_PREFIX ".tmp-"

const char *
found_state_name(enum found_state s)
{
    static const char *const names[] = {
        [FOUND_BLOCK] = "block",     [FOUND_COMPACTED] = "compacted", [FOUND_CORRUPT] = "corrupt",
        [FOUND_VERSION] = "version", [FOUND_TEMPORARY] = "temporary", [FOUND_FOREIGN] = "foreign",
    };
    return names[s];
}

static err
join(char ret[PATH_MAX], const char *dir, const char *name, struct fault *f)
{
    int n = snprintf(ret, PATH_MAX, "%s/%s", dir, name);
    return n >= 0 && n < PATH_MAX ? OK : FAULT(f, ERR_INVALID, "the path %.100s... is too long", dir);
}

static bool
is_file(const char *dir, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    return join(path, dir, name, NULL) == OK && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool
is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The last part of a path, and of the directory above it ("" when it has no name). */
static void
last_names(const char *path, char name[NAME_MAX + 1], char above[NAME_MAX + 1])
{
    char real[PATH_MAX];
    name[0] = above[0] = 0;
    if (realpath(path, real) == NULL) {
        return;
    }
    char *slash = strrchr(real, '/');
    if (slash == NULL) {
        return;
    }
    (void)snprintf(name, NAME_MAX + 1, "%s", slash + 1);
    *slash = 0;
    slash = strrchr(real, '/');
    (void)snprintf(above, NAME_MAX + 1, "%s", slash ? slash + 1 : "");
}

/* What a start of the server would say about it. */
static err
check_meta(const char *path, const struct block_meta *m, struct fault *f)
{
    char name[NAME_MAX + 1], tenant[NAME_MAX + 1], spans[PATH_MAX];
    struct stat st;
    block_uuid id;
    err rc = join(spans, path, SPANS_FILE, f);
    if (rc != OK) {
        return rc;
    }
    last_names(path, name, tenant);
    if (!block_uuid_parse(slice_cstr(name), &id)) {
        return FAULT(f, ERR_CORRUPT, "the directory is not named as a block");
    }
    if (memcmp(&id, &m->id, sizeof id) != 0) {
        return FAULT(f, ERR_CORRUPT, "meta.json is another block's");
    }
    if (strcmp(tenant, m->tenant) != 0) {
        return FAULT(f, ERR_CORRUPT, "meta.json is another tenant's");
    }
    if (stat(spans, &st) != 0) {
        return FAULT_OS(f, errno == ENOENT ? ERR_CORRUPT : ERR_IO, "%s", SPANS_FILE);
    }
    if ((uint64_t)st.st_size != m->bytes) {
        return FAULT(f, ERR_CORRUPT, "%s has %lld bytes, meta.json says %llu", SPANS_FILE,
                     (long long)st.st_size, (unsigned long long)m->bytes);
    }
    return OK;
}

err
block_find(const char *path, struct fault *f, struct found *ret)
{
    char file[PATH_MAX];
    uint8_t *json = NULL;
    size_t n = 0;
    struct block_meta m = {.source_count = 0};
    err rc = OK;
    bool gone = !is_file(path, META_FILE) && is_file(path, GONE_FILE);
    TRY(join(file, path, gone ? GONE_FILE : META_FILE, f));
    TRY(file_read_all(file, BLOCK_META_MAX, f, &json, &n));
    TRY(block_meta_read(slice_of(json, n), f, &m));
    TRY(check_meta(path, &m, f));
    *ret = (struct found){gone ? FOUND_COMPACTED : FOUND_BLOCK, mem_strdup(path), m, NULL};
    m = (struct block_meta){.source_count = 0};
out:
    block_meta_fini(&m);
    mem_free(json);
    return rc;
}

void
found_fini(struct found *b)
{
    block_meta_fini(&b->meta);
    mem_free(b->path);
    mem_free(b->reason);
    *b = (struct found){.path = NULL};
}

void
found_list_fini(struct found_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        found_fini(&l->v[i]);
    }
    mem_free(l->v);
    *l = (struct found_list){.v = NULL};
}

static err
add(struct found_list *l, struct found b, struct fault *f)
{
    if (l->count == FOUND_MAX) {
        found_fini(&b);
        return FAULT(f, ERR_LIMIT, "more than %d entries", FOUND_MAX);
    }
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->v = mem_realloc(l->v, l->cap, sizeof *l->v);
    }
    l->v[l->count++] = b;
    return OK;
}

static err
add_other(struct found_list *l, enum found_state state, const char *path, const char *reason, struct fault *f)
{
    struct found b = {.state = state, .path = mem_strdup(path), .reason = mem_strdup(reason)};
    return add(l, b, f);
}

static err
add_block(struct found_list *l, const char *path, struct fault *f)
{
    struct found b;
    struct fault why = {0};
    err rc = block_find(path, &why, &b);
    if (rc == OK) {
        return add(l, b, f);
    }
    return add_other(l, rc == ERR_UNSUPPORTED ? FOUND_VERSION : FOUND_CORRUPT, path, why.msg, f);
}

/* Call `each` for every entry of a directory but "." and "..". */
static err
walk(const char *dir, err (*each)(struct found_list *l, const char *path, const char *name, struct fault *f),
     struct found_list *l, struct fault *f)
{
    char path[PATH_MAX];
    struct dirent *e;
    err rc = OK;
    DIR *d = opendir(dir);
    if (d == NULL) {
        return FAULT_OS(f, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "open %s", dir);
    }
    while (rc == OK && (e = readdir(d)) != NULL) { // NOLINT(concurrency-mt-unsafe): the stream is ours alone
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            rc = join(path, dir, e->d_name, f);
            rc = rc == OK ? each(l, path, e->d_name, f) : rc;
        }
    }
    closedir(d);
    return rc;
}

static err
visit_entry(struct found_list *l, const char *path, const char *name, struct fault *f)
{
    block_uuid id;
    if (strncmp(name, TEMP_PREFIX, sizeof TEMP_PREFIX - 1) == 0) {
        return add_other(l, FOUND_TEMPORARY, path, "being written or removed, or left by a crash", f);
    }
    if (!block_uuid_parse(slice_cstr(name), &id)) {
        return add_other(l, FOUND_FOREIGN, path, "not named as a block", f);
    }
    return add_block(l, path, f);
}

static err
visit_tenant(struct found_list *l, const char *path, const char *name, struct fault *f)
{
    if (!is_dir(path)) {
        return add_other(l, FOUND_FOREIGN, path, "not a directory", f);
    }
    if (strlen(name) > BLOCK_TENANT_MAX) {
        return add_other(l, FOUND_FOREIGN, path, "not named as a tenant", f);
    }
    return walk(path, visit_entry, l, f);
}

/* A directory with blocks in it is a tenant's. */
static err
note_uuid(struct found_list *l, const char *path, const char *name, struct fault *f)
{
    block_uuid id;
    (void)f;
    l->cap += block_uuid_parse(slice_cstr(name), &id) && is_dir(path);
    return OK;
}

static int
by_tenant_then_newest(const void *va, const void *vb)
{
    const struct found *a = va, *b = vb;
    bool with_a = a->meta.tenant[0], with_b = b->meta.tenant[0];
    if (with_a != with_b) {
        return with_a ? -1 : 1;
    }
    int c = strcmp(a->meta.tenant, b->meta.tenant);
    if (c != 0) {
        return c;
    }
    if (a->meta.max_end_ns != b->meta.max_end_ns) {
        return a->meta.max_end_ns > b->meta.max_end_ns ? -1 : 1;
    }
    return strcmp(a->path, b->path);
}

err
blocks_find(const char *path, struct fault *f, struct found_list *ret)
{
    struct found_list l = {.v = NULL}, uuids = {.v = NULL};
    err rc = OK;
    if (is_file(path, META_FILE) || is_file(path, GONE_FILE) || is_file(path, SPANS_FILE)) {
        TRY(add_block(&l, path, f));
    } else {
        TRY(walk(path, note_uuid, &uuids, f));
        TRY(walk(path, uuids.cap ? visit_entry : visit_tenant, &l, f));
    }
    if (l.count) {
        qsort(l.v, l.count, sizeof *l.v, by_tenant_then_newest);
    }
    *ret = l;
    l = (struct found_list){.v = NULL};
out:
    found_list_fini(&l);
    return rc;
}

int
blocks_asked(const char *name, int argc, char *const *argv, bool *ret_json, struct found_list *ret)
{
    const struct option options[] = {{"json", OPTION_SWITCH, ret_json}};
    struct arguments args;
    struct fault f = {0};
    if (options_parse(argc, argv, options, 1, &args, &f) != OK) {
        return complain_usage(&f);
    }
    if (args.n != 1) {
        (void)FAULT(&f, ERR_INVALID, "block %s takes one path", name);
        return complain_usage(&f);
    }
    return blocks_find(args.v[0], &f, ret) == OK ? CLI_OK : complain(&f);
}
