/* A block on disk: written beside, synced, renamed into place. */
#include "dir.h"
#include "merge_priv.h"

#include "vivace/base/clock.h"
#include "vivace/base/file.h"
#include "vivace/base/mem.h"
#include "vivace/base/must.h"
#include "vivace/parquet/types.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#define FILE_BUFFER ((size_t)1 << 20)

struct file_sink {
    int fd;
    const char *path;
    uint64_t bytes;
    struct buf pending;
};

static err
sink_flush(struct file_sink *s, struct fault *f)
{
    struct iovec part = {s->pending.p, s->pending.n};
    err rc = s->pending.n ? file_write(s->fd, s->path, &part, 1, f) : OK;
    buf_clear(&s->pending);
    return rc;
}

static err
sink_append(void *ctx, slice bytes, struct fault *f)
{
    struct file_sink *s = ctx;
    s->bytes += bytes.n;
    if (bytes.n <= FILE_BUFFER - s->pending.n) {
        return buf_append_slice(&s->pending, bytes);
    }
    err rc = sink_flush(s, f);
    if (rc == OK && bytes.n > FILE_BUFFER / 2) {
        struct iovec part = {(void *)(uintptr_t)bytes.p, bytes.n};
        return file_write(s->fd, s->path, &part, 1, f);
    }
    return rc == OK ? buf_append_slice(&s->pending, bytes) : rc;
}

static err
write_spans(const char *path, struct block_meta *meta, const struct spans_writer *spans, struct fault *f)
{
    struct file_sink s = {.fd = -1, .path = path};
    struct parquet_sink sink = {&s, sink_append};
    err rc = OK;
    buf_init(&s.pending, FILE_BUFFER);
    TRY(file_open(path, O_WRONLY | O_CREAT | O_EXCL, f, &s.fd));
    TRY(spans->write(spans->ctx, meta, &sink, f));
    TRY(sink_flush(&s, f));
    TRY(file_fsync(s.fd, path, f));
    meta->bytes = s.bytes;
out:
    if (s.fd >= 0) {
        file_close(s.fd);
    }
    buf_fini(&s.pending);
    return rc;
}

static err
write_meta(const char *path, const struct block_meta *meta, struct fault *f)
{
    struct buf json;
    int fd = -1;
    err rc = OK;
    buf_init(&json, BLOCK_META_MAX);
    TRY(block_meta_write(meta, &json));
    TRY(file_open(path, O_WRONLY | O_CREAT | O_EXCL, f, &fd));
    TRY(file_write(fd, path, &(struct iovec){json.p, json.n}, 1, f));
    TRY(file_fsync(fd, path, f));
out:
    if (fd >= 0) {
        file_close(fd);
    }
    buf_fini(&json);
    return rc;
}

err
publish_meta(slice tenant, const struct block_publish *p, struct fault *f, struct block_meta *m)
{
    static const block_uuid none;
    if (p->source_count > BLOCK_SOURCES_MAX || p->input_count > BLOCK_INPUTS_MAX) {
        return FAULT(f, ERR_INVALID, "a block of too many sources or inputs");
    }
    *m = (struct block_meta){
        .id = memcmp(&p->id, &none, sizeof none) == 0 ? block_uuid_new() : p->id,
        .level = p->level,
        .created_ns = clock_wall_ns(),
    };
    memcpy(m->tenant, tenant.p, tenant.n);
    if (p->source_count) {
        m->sources = mem_new_array(struct block_source, p->source_count);
        memcpy(m->sources, p->sources, p->source_count * sizeof *p->sources);
        m->source_count = (uint32_t)p->source_count;
    }
    if (p->input_count) {
        m->inputs = mem_new_array(block_uuid, p->input_count);
        memcpy(m->inputs, p->inputs, p->input_count * sizeof *p->inputs);
        m->input_count = (uint32_t)p->input_count;
    }
    return OK;
}

/* Everything in the temporary directory, then its name. */
static err
write_and_rename(const char *dir, const char *temp, const char *final, struct block_meta *meta,
                 const struct spans_writer *spans, struct fault *f)
{
    char path[PATH_MAX];
    err rc = OK;
    TRY(path_join(path, temp, BLOCK_SPANS_FILE, f));
    TRY(write_spans(path, meta, spans, f));
    TRY(path_join(path, temp, BLOCK_META_FILE, f));
    TRY(write_meta(path, meta, f));
    TRY(file_fsync_dir(temp, f));
    TRY(path_join(path, dir, "..", f)); /* the tenant's directory may be new */
    TRY(file_fsync_dir(path, f));
    TRY(file_rename(temp, final, f));
    rc = file_fsync_dir(dir, f);
    if (rc != OK) { /* it may or may not survive power loss: take it back */
        err ignored = block_remove(dir, &meta->id, NULL);
        (void)ignored;
    }
out:
    return rc;
}

err
block_write_dir(const char *dir, struct block_meta *meta, const struct spans_writer *spans, struct fault *f)
{
    char uuid[BLOCK_UUID_TEXT + 1], temp[PATH_MAX], final[PATH_MAX], name[BLOCK_UUID_TEXT + 8];
    bool made = false;
    err rc = OK;
    block_uuid_format(&meta->id, uuid);
    (void)snprintf(name, sizeof name, "%s%s", BLOCK_TEMP_PREFIX, uuid);
    TRY(path_join(final, dir, uuid, f));
    TRY(path_join(temp, dir, name, f));
    TRY(file_mkdirs(temp, f));
    made = true;
    TRY(write_and_rename(dir, temp, final, meta, spans, f));
    made = false;
out:
    if (made) {
        err ignored = dir_remove(temp, NULL); /* what stays is swept at the next start */
        (void)ignored;
    }
    if (rc != OK) {
        fault_prefix(f, "block %s", uuid);
    }
    return rc;
}

static err
write_builder(void *ctx, struct block_meta *meta, const struct parquet_sink *sink, struct fault *f)
{
    return builder_write(ctx, meta, sink, f);
}

/* Spans that were sent twice stand once. How many went. */
static uint64_t
drop_duplicates(struct block_builder *b)
{
    struct held_trace **twice = mem_alloc((b->trace_count + 1) * sizeof(void *));
    const size_t n = builder_find_twice(b, twice);
    struct seen_spans seen = {0};
    const uint64_t dropped = n ? pool_drop_duplicates(&seen, b, twice, n) : 0;
    b->min_start_ns = dropped ? UINT64_MAX : b->min_start_ns;
    b->max_end_ns = dropped ? 0 : b->max_end_ns;
    for (size_t i = 0; dropped && i < b->trace_count; i++) {
        const struct held_trace *t = &b->traces[i];
        b->min_start_ns = t->min_start_ns < b->min_start_ns ? t->min_start_ns : b->min_start_ns;
        b->max_end_ns = t->max_end_ns > b->max_end_ns ? t->max_end_ns : b->max_end_ns;
    }
    mem_free(seen.slots);
    mem_free(twice);
    return dropped;
}

err
block_builder_publish(struct block_builder *b, const struct block_publish *p, struct fault *f,
                      struct block_meta *ret)
{
    struct spans_writer spans = {b, write_builder};
    struct block_meta meta = {0};
    err rc = OK;
    MUST(!b->spent);
    if (b->row_count == 0) {
        return FAULT(f, ERR_INVALID, "a block without spans");
    }
    TRY(publish_meta(b->options.tenant, p, f, &meta));
    b->spent = true;
    meta.spans = b->row_count - (p->drop_duplicates ? drop_duplicates(b) : 0);
    intern_seal(&b->strings);
    id_table_clear(&b->trace_ids);
    meta.traces = b->trace_count;
    meta.min_start_ns = b->min_start_ns;
    meta.max_end_ns = b->max_end_ns;
    TRY(block_write_dir(p->dir, &meta, &spans, f));
    *ret = meta;
    meta = (struct block_meta){0};
out:
    block_meta_fini(&meta);
    return rc;
}
